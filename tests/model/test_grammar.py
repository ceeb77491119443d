"""Criteria as text."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dr_gen.errors import CriterionError, UsageError
from dr_gen.model.collection import Collection
from dr_gen.model.conditions import (
    AnyOf,
    Between,
    Condition,
    Differs,
    Equal,
    Ordered,
    Spelled,
)
from dr_gen.model.criteria import All, Compared, Criterion, Either, Fits, Key, Not, Where
from dr_gen.model.grammar import parse, text_of
from dr_gen.model.group import RunGroup
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData
from dr_gen.testing import groups, hpm_keys, hpm_values

ITEMS = Collection(
    [
        {"id": "a", "lr": 0.1, "lr_min": 0.1, "w": None, "tag": "x y", "n": 1},
        {"id": "b", "lr": 1, "lr_min": 0.5, "w": "DEFAULT", "tag": "it's", "n": "1"},
        {"id": "c", "lr": "auto", "w": "None", "tag": "a\\b", "n": "02", "odd key": 3},
        {"id": "d", "lr": 0.01, "lr_min": 0.1, "w": True, "betas": [0.9, 1], "n": "1e-2"},
        {"id": "e", "lr": float("nan"), "tag": "and", "n": "lr"},
    ]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lr=0.1", "a"),
        ("lr==1e-1", "a"),
        (" lr  =  .1 ", "a"),
        ("lr=+1.0", "b"),
        ("lr=nan", "e"),
        ("lr=auto", "c"),
        ("lr='auto'", "c"),
        ('lr="auto"', "c"),
        ("lr!=0.1", "bcde"),
        ("lr<0.1", "d"),
        ("lr<=0.1", "ad"),
        ("lr>0.1", "b"),
        ("lr>=0.1", "ab"),
        ("lr>=-inf", "abd"),
        ("lr in (0.1, 1, auto)", "abc"),
        ("lr in [0.1, 1]", "ab"),
        ("lr not in (0.1, auto)", "bde"),
        ("lr in ()", ""),
        ("lr in 0.01..0.1", "ad"),
        ("lr = 0.01 .. 0.1", "ad"),
        ("lr in 0.1..", "ab"),
        ("lr=..0.1", "ad"),
        ("lr not in ..0.1", "bce"),
        ("lr in 0.1.. and w=none or w=DEFAULT and lr=..", "ab"),
        ("lr in 'a'..'b'", "c"),
        ("lr startswith 0.0", "d"),
        ("lr startswith au", "c"),
        ("tag endswith 'y'", "a"),
        ("tag not endswith y", "bce"),
        (r"tag match '\w\\\\b'", "c"),
        ("w=none", "a"),
        ("w=NULL", "a"),
        ("w='None'", "c"),
        ("w=true", "d"),
        ("w=default", "b"),
        ("n=1", "a"),
        ("n='1'", "b"),
        ("n=02", "c"),
        ("n=1e-2", "d"),
        ("betas=[0.9, 1.0]", "d"),
        ("tag='x y'", "a"),
        (r"tag='it\'s'", "b"),
        ('''tag="it's"''', "b"),
        (r"tag='a\\b'", "c"),
        ("tag=and", "e"),
        ("'odd key'=3", "c"),
        ("lr>lr_min", "b"),
        ("lr=lr_min", "a"),
        ("lr!=lr_min", "bd"),
        ("lr < key(lr_min)", "d"),
        ("lr < key('lr_min')", "d"),
        ("n=lr", "e"),
        ("n!=key(lr)", "abcde"),
        ("n=key(lr)", ""),
        ("lr='lr_min'", ""),
        ("not lr=0.1", "bcde"),
        ("not lr_min=0.1", "bce"),
        ("lr_min!=0.1", "b"),
        ("lr=0.1 and w=none", "a"),
        ("lr=0.1 or lr=1 and w=none", "a"),
        ("(lr=0.1 or lr=1) and not w=none", "b"),
        ("NOT lr=0.1 AND (w=true OR w=DEFAULT)", "bd"),
        ("not not lr=0.1", "a"),
        ("lr>=0.01 and lr<=0.1", "ad"),
        ("not(lr=0.1)and(lr_min=0.5)", "b"),
    ],
)
def test_what_a_text_selects(text: str, found: str) -> None:
    """Relations, sets, ranges, texts, other keys, and, or, not and parentheses."""
    assert "".join(ITEMS.filter(text).to_list("id")) == found
    assert text_of(parse(text_of(parse(text)))) == text_of(parse(text))
    assert "".join(ITEMS.filter(text_of(parse(text))).to_list("id")) == found or "n=" in text


@pytest.mark.parametrize(
    ("text", "position", "expected", "found"),
    [
        ("", 0, "a key", ""),
        ("   ", 3, "a key", ""),
        ("lr", 2, "key=value", ""),
        ("lr=", 3, "a value", ""),
        ("lr 0.1", 3, "key=value", "0.1"),
        ("learning rate=1", 9, "match (a key of several words stands in quotes)", "rate"),
        ("lr=0.1 0.2", 7, "'and', 'or' or the end", "0.2"),
        ("lr=0.1 and", 10, "a key, 'not' or '('", ""),
        ("lr=0.1 and or", 11, "a key, 'not' or '('", "or"),
        ("(lr=0.1", 7, "'and', 'or' or ')'", ""),
        ("lr=0.1)", 6, "'and', 'or' or the end", ")"),
        ("lr in", 5, "(values) or a range", ""),
        ("lr in (1 2)", 9, ", or )", "2"),
        ("lr in (1,,2)", 9, "a value", ","),
        ("lr in 1", 7, ".. and the other end", ""),
        ("lr=(1, 2)", 3, "any of several: in (…)", "("),
        ("lr not 3", 7, "in, startswith", "3"),
        ("lr='auto", 3, "the other quote", "'auto"),
        ("lr=[1, 2", 3, "a list or dict as in JSON", "[1, 2"),
        ("lr match '('", 9, "a regular expression", "("),
        ("lr match", 8, "a text", ""),
        ("lr match [1]", 9, "a text", "[1]"),
        ("lr = key()", 9, "the name of a key", ")"),
        ("lr = key(a", 10, ")", ""),
        ("=3", 0, "a key", "="),
        ("lr,w", 2, "key=value", ","),
        ("lr=a,b", 4, "'and', 'or' or the end", ","),
        ("__import__('os').system('true')", 10, "key=value", "("),
        ("not " * 100 + "lr=1", 256, "at most 64 parts inside one another", "not"),
        ("(" * 5000, 64, "at most 64 parts inside one another", "("),
        ("lr=" + "[" * 100_000, 3, "a list or dict", "["),
    ],
)
def test_a_text_that_is_no_criterion(text: str, position: int, expected: str, found: str) -> None:
    """An error says where the text goes wrong, what should be there, and what is."""
    with pytest.raises(CriterionError) as info:
        parse(text)
    assert info.value.position == position
    assert expected in info.value.expected
    assert info.value.found.startswith(found)
    assert bool(info.value.found) is bool(found)
    assert isinstance(info.value, ValueError)


def test_an_error_is_one_line() -> None:
    """The text shows the criterion, the place and both sides."""
    with pytest.raises(CriterionError) as info:
        parse("lr=0.1 0.2")
    assert str(info.value) == (
        "criterion 'lr=0.1 0.2', at position 7: expected 'and', 'or' or the end, found '0.2'"
    )


def test_metrics_and_display_names_in_a_text() -> None:
    """Addresses stand as they are, also with a point; display names mean the same as real ones."""
    group = RunGroup.from_runs(
        [
            RunData.from_dict(
                {
                    "id": run_id,
                    "hpms": {"model.weights": weights},
                    "curves": {"val/acc1": [0.5, last], "val/recall@10": [last]},
                }
            )
            for run_id, weights, last in [("a", None, 0.9), ("b", "DEFAULT", 0.6)]
        ],
        labels=Labels({"model.weights": "Init"}, {"model.weights": {None: "random"}}),
    )
    for text, ids in {
        "val/acc1@best>0.8": ("a",),
        "acc1@last <= 0.6": ("b",),
        "val/acc1@epoch=1>0.8": ("a",),
        "val/acc1@epoch=1 in 0.5..0.7": ("b",),
        "val/acc1@mean:2 > 0.6 and Init=random": ("a",),
        "val/recall@10@best>0.8": ("a",),
        "Init=random": ("a",),
        "init = RANDOM or model.weights=DEFAULT": ("a", "b"),
        "model__weights=DEFAULT": ("b",),
        "weights!=random": ("b",),
    }.items():
        assert group.filter(text).ids == ids, text


_WORDS = st.sampled_from(["auto", "val/acc1@best", "optim.lr", "and", "x-1", "größe", "~/a", "a!b"])
_NAMES = st.one_of(hpm_keys(), _WORDS, st.text(max_size=5))


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    """Every condition that has a text."""
    bounds = st.one_of(st.integers(), st.floats(), st.text(max_size=3))
    texts = st.text(max_size=4)
    plain = draw(
        st.one_of(
            st.builds(Equal, hpm_values()),
            st.builds(AnyOf, st.lists(hpm_values(), max_size=3).map(tuple)),
            st.builds(Between, st.one_of(st.none(), bounds), st.one_of(st.none(), bounds)),
            st.builds(Spelled, st.sampled_from(["startswith", "endswith"]), texts),
        )
    )
    negated = st.builds(Differs, st.just(plain))
    ordered = st.builds(Ordered, st.sampled_from(["<", "<=", ">", ">="]), bounds)
    return draw(st.one_of(st.just(plain), negated, ordered))


def criteria() -> st.SearchStrategy[Criterion]:
    """Every criterion that has a text."""
    relations = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
    words = st.sampled_from(["auto", "lr_min", "a.b"])
    single = st.one_of(
        st.builds(Where, _NAMES, conditions()),
        st.builds(Compared, _NAMES, relations, words),
        st.builds(Compared, _NAMES, relations, st.builds(Key, _NAMES)),
    )

    def joined(inner: st.SearchStrategy[Criterion]) -> st.SearchStrategy[Criterion]:
        several = st.lists(inner, min_size=2, max_size=3)
        return st.one_of(st.builds(Not, inner), st.builds(All, several), st.builds(Either, several))

    return st.recursive(single, joined, max_leaves=5)


@given(criteria())
def test_a_criterion_survives_being_written(criterion: Criterion) -> None:
    """Text made of a criterion is read as the same criterion, however odd its keys and values."""
    again = parse(text_of(criterion))
    assert text_of(again) == text_of(criterion)
    assert _unspelled(repr(again)) == _unspelled(repr(criterion))


def _unspelled(text: str) -> str:
    return re.sub(r", spelled=(None|\(.*?\)|'.*?')(?=\))", "", text)


def literal(value: Any) -> str:
    """A value as somebody would type it."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value)


@given(groups(min_size=1), st.data())
def test_text_and_keywords_select_the_same(group: RunGroup, data: st.DataObject) -> None:
    """A condition as text selects what it selects as a keyword."""
    key = data.draw(st.sampled_from([*group.hpm_group.keys, "id"]))
    values = st.one_of(st.sampled_from(group.to_list(key, None)), hpm_values())
    one, two = data.draw(values), data.draw(values)
    # A bare number, null or bool is read as text for a key that has such a text alone.
    texts = {v.strip().casefold() for v in group.to_list(key, None) if isinstance(v, str)}
    assume(all(isinstance(v, str) or literal(v).casefold() not in texts for v in (one, two)))
    name = literal(key)
    for text, wanted in {
        f"{name} in ({literal(one)}, {literal(two)})": [one, two],
        f"{name} in {literal(one)}..{literal(two)}": (one, two),
        f"{name} == {literal(one)}": [one] if isinstance(one, list | dict) else one,
    }.items():
        if isinstance(wanted, tuple) and not all(isinstance(v, int | float | str) for v in wanted):
            continue
        assert group.filter(text).ids == group.filter((key, wanted)).ids
        assert group.filter(f"not {text}").ids == group.exclude((key, wanted)).ids
        held = group.filter((key, lambda value: True))
        negated = text.replace(f"{name} in", f"{name} not in", 1).replace(" == ", " != ", 1)
        assert group.filter(negated).ids == held.exclude((key, wanted)).ids


def _read(text: str) -> Criterion | CriterionError:
    try:
        return parse(text)
    except CriterionError as error:
        return error


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but an error of ours comes of any text, and what is read can be written."""
    found = _read(text)
    if isinstance(found, CriterionError):
        assert 0 <= found.position <= len(text)
        return
    criterion = found
    assert parse(text_of(criterion)) == criterion or "nan" in text.casefold()


TOKENS = ("lr", "=", "!=", "<", "..", "in", "not", "and", "or", "(", ")", ",", "'x'", "0.1", "key")


@given(st.lists(st.sampled_from([*TOKENS, "[1]", "ab@c=1"]), max_size=8))
def test_any_tokens_are_read_or_refused(tokens: list[str]) -> None:
    """The same for texts that are nearly right."""
    found = _read(" ".join(tokens))
    assert isinstance(found, CriterionError) or parse(text_of(found)) == found


@pytest.mark.parametrize(
    "criterion",
    [
        Fits(bool),
        Where("a", Equal(1), default=0),
        Where("a", Differs(Ordered("<", 1))),
        Where("a", Spelled("match", "x", 2)),
        Where("a", Differs(Differs(Equal(1)))),
        All(),
    ],
)
def test_what_has_no_text(criterion: Criterion) -> None:
    """A callable, a default or a flag cannot be written, and that is said."""
    with pytest.raises(UsageError, match="cannot be written as text"):
        text_of(criterion)


def test_nothing_is_evaluated() -> None:
    """A text is data: what looks like code is a word or an error."""
    marks = np.zeros(1)
    for text in ("lr=__import__", "lr='marks.fill(1)'", "lr.__class__=1"):
        parse(text)
    assert marks[0] == 0
