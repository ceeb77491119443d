"""Which runs a criterion selects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UnknownKeyError
from dr_gen.model.collection import Collection
from dr_gen.model.criteria import Key
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, canonical
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData
from dr_gen.testing import groups, hpm_values

HPMS: list[dict[str, Any]] = [
    {"optim": {"lr": 0.1}, "model": {"weights": None}, "n": 1, "tag": "a"},
    {"optim": {"lr": 0.1}, "model": {"weights": "DEFAULT"}, "n": 1.0, "tag": [1, 2]},
    {"optim": {"lr": 0.01}, "model": {"weights": "None"}, "n": True},
    {"optim": {"lr": float("nan")}, "model": {"weights": None}, "n": "1", "tag": None},
]
LABELS = Labels(
    {"model.weights": "Init", "optim.lr": "LR"},
    {"model.weights": {"None": "random", "DEFAULT": "pretrained"}},
)


def matches(value: Any, wanted: Any) -> bool:
    return len(Collection([{"k": value}, {"k": 0}])[:1].filter(("k", wanted))) == 1


def group() -> RunGroup:
    runs = [
        RunData.from_dict({"id": f"r{i}", "hpms": hpms, "experiment": "e", "status": status})
        for i, (hpms, status) in enumerate(
            zip(HPMS, ["completed", "failed", "completed", "running"], strict=True)
        )
    ]
    return RunGroup.from_runs(runs, labels=LABELS)


@pytest.mark.parametrize(
    ("key", "wanted", "found"),
    [
        ("optim.lr", 0.1, "01"),
        ("optim__lr", 0.1, "01"),
        ("LR", 0.1, "01"),
        ("lr", "0.1", "01"),
        ("lr", np.float64(0.1), "01"),
        ("lr", float("nan"), "3"),
        ("lr", (0.01, 0.1), "012"),
        ("lr", (np.float32(0), np.int64(1)), "012"),
        ("lr", (0.02, math.inf), "01"),
        ("lr", ("a", "z"), ""),
        ("lr", [0.01, float("nan")], "23"),
        ("lr", {0.01}, "2"),
        ("lr", np.array([0.01, 0.1]), "012"),
        ("lr", [], ""),
        ("lr", set(), ""),
        ("lr", lambda lr: lr > 0.05, "01"),
        ("init", "random", "023"),
        ("Init", "RANDOM ", "023"),
        ("Init", "pretrained", "1"),
        ("Init", ["pretrained", "random"], "0123"),
        ("model.weights", "DEFAULT", "1"),
        ("model.weights", "None", "2"),
        ("model.weights", None, "03"),
        ("n", 1, "01"),
        ("n", 1.0, "01"),
        ("n", np.int64(1), "01"),
        ("n", True, "2"),
        ("n", np.bool_(True), "2"),
        ("n", "1", "3"),
        ("n", (0, 2), "01"),
        ("n", range(3), "01"),
        ("tag", "a", "0"),
        ("tag", None, "3"),
        ("tag", [[1, 2]], "1"),
        ("tag", [[1.0, 2.0], "a"], "01"),
        ("tag", ("a", "b"), "0"),
        ("tag", MISSING, ""),
        ("tag", lambda tag: True, "013"),
        ("status", "failed", "1"),
        ("status", ["failed", "running"], "13"),
        ("experiment", "e", "0123"),
        ("id", "r2", "2"),
        ("id", ["r2", "r0"], "02"),
        ("id", lambda name: name > "r1", "23"),
    ],
)
def test_criteria(key: str, wanted: Any, found: str) -> None:
    """Values, ranges, lists, predicates and nulls select by meaning, by real or display name."""
    for selected in (group().filter((key, wanted)), group().filter(**{key: wanted})):
        assert [run.id for run in selected] == [f"r{i}" for i in found]


def test_all_criteria_have_to_fit() -> None:
    """Several criteria narrow the selection; a callable alone sees the run."""
    assert group().filter(lr=0.1, Init="random").ids == ("r0",)
    assert group().filter(lambda run: run.id != "r0", ("lr", 0.1)).ids == ("r1",)
    assert group().filter().ids == group().ids


def test_an_unknown_key_is_never_everything() -> None:
    """A key that no run has is an error that names the nearest, not a selection."""
    with pytest.raises(UnknownKeyError, match=r"no key 'optim\.lrr'.*'optim\.lr'"):
        group().filter(("optim.lrr", 0.1))
    with pytest.raises(UnknownKeyError):
        RunGroup.from_runs([]).filter(lr=0.1)


def test_selections_can_be_chained() -> None:
    """A key that the runs left do not have is still known, and fits none of them."""
    assert group().filter(lr=99).filter(lr=0.1).ids == ()
    assert group()[[2]].filter(tag="a").ids == ()
    with pytest.raises(UnknownKeyError, match="did you mean 'tag'"):
        group()[[2]].filter(tags="a")


def test_a_hyperparameter_comes_before_a_fact_of_the_same_name() -> None:
    """A sweep over a key called status is selected by that key."""
    runs = [RunData.from_dict({"id": s, "hpms": {"status": s}}) for s in ("on", "off")]
    assert RunGroup.from_runs(runs).filter(status="on").ids == ("on",)


def test_nothing_can_be_selected_from() -> None:
    """No runs stay no runs, whatever the criterion."""
    empty = RunGroup.from_runs([])
    assert len(empty.filter(lambda run: True)) == 0
    assert len(empty.filter(status="completed")) == 0


@given(hpm_values(), hpm_values())
def test_nothing_raises_for_values_of_another_kind(value: Any, other: Any) -> None:
    """A value fits itself, also in a list; a value of another kind just does not fit."""
    assert matches(value, [value])
    assert not matches(value, [])
    assert matches(value, [other]) is (canonical(value) in (canonical(other), canonical([other])))
    assert matches(value, (other, other)) in (True, False)
    assert not matches(MISSING, [value, MISSING])


@given(groups(min_size=1), st.data())
def test_a_value_selects_the_runs_that_have_it(group: RunGroup, data: st.DataObject) -> None:
    """Selecting by a value that occurs gives exactly the runs with that value, in order."""
    keys = group.hpm_group.keys
    if not keys:
        return
    key = data.draw(st.sampled_from(keys))
    value = data.draw(st.sampled_from([run.hpms[key] for run in group if key in run.hpms]))
    selected = group.filter((key, [value]))
    wanted = [r.id for r in group if key in r.hpms and canonical(r.hpms[key]) == canonical(value)]
    assert list(selected.ids) == wanted


@given(hpm_values(), hpm_values())
def test_two_keys_are_compared_by_meaning(left: Any, right: Any) -> None:
    """Keys are equal as values are anywhere: by content, NaN to NaN, a bool to no number."""
    same = canonical(left) == canonical(right)
    items = Collection([{"a": left, "b": right}, {"a": 1}])
    assert len(items.filter(Collection.eq("a", Key("b")))) == int(same)
    assert len(items.filter(Collection.ne("a", Key("b")))) == int(not same)
    assert len(items.filter(Collection.eq("a", Key("a")))) == 2


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (0, False, False),
        (float("nan"), float("nan"), True),
        ([1, True], [1.0, 1], False),
        ([1, float("nan")], [1.0, float("nan")], True),
        ({"a": 1}, {"a": 1.0}, True),
        ("1", 1, False),
        (None, None, True),
    ],
)
def test_equal_keys(left: Any, right: Any, same: bool) -> None:
    """Look-alikes of other kinds are apart, the same in another form is equal."""
    items = Collection([{"a": left, "b": right}])
    assert (
        len(items.filter("a = key(b)")) == len(items.filter(Collection.eq("a", Key("b")))) == same
    )
    assert len(items.filter("a != key(b)")) == (not same)


def test_a_text_is_a_value_before_it_is_a_key() -> None:
    """What the key on the left has as a value is meant as one; `Key` says otherwise."""
    items = Collection([{"w": "h", "h": 2}, {"w": 2, "h": 2}])
    for meant in (Collection.eq("w", "h"), "w = h"):
        assert list(items.filter(meant)) == [items[0]]
    assert list(items.filter(Collection.eq("w", Key("h")))) == [items[1]]
    assert list(items[1:].filter(Collection.eq("w", "h"))) == []
    assert list(Collection([{"w": 2, "h": 2}]).filter(Collection.eq("w", "h"))) == [items[1]]
