"""Hyperparameters of one run."""

from __future__ import annotations

import copy
import datetime
import enum
import pathlib
import pickle
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.hpm import (
    MISSING,
    Hpm,
    canonical,
    flatten,
    format_value,
    plain_value,
    unflatten,
)
from dr_gen.testing import hpm_keys, hpm_values, hpms

NAN = float("nan")
nested = st.recursive(
    hpm_values(nested=False),
    lambda inner: st.dictionaries(st.text("ab", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


@given(nested)
def test_flatten_then_unflatten_gives_the_configuration_back(config: dict[str, Any]) -> None:
    """Nesting is nothing but dots in keys, so that it can be put back."""
    assert repr(unflatten(flatten(config))) == repr(config)


@given(st.dictionaries(st.text("ab.", max_size=4), hpm_values(nested=False), max_size=5))
def test_unflatten_then_flatten_gives_the_keys_back(flat: dict[str, Any]) -> None:
    """No dotted key is lost, not even one that is also the parent of another."""
    assert {k: repr(v) for k, v in flatten(unflatten(flat)).items()} == {
        k: repr(v) for k, v in flat.items()
    }


def test_flatten_keeps_empty_groups_and_takes_any_key() -> None:
    """An empty group is a value of its own, and a key that is no text becomes one."""
    assert flatten({"a": {}, "b": {1: {None: [2]}}}) == {"a": {}, "b.1.None": [2]}


@pytest.mark.parametrize(
    "config", [{"a": {"b": 1}, "a.b": 2}, {"a.b": 2, "a": {"b": 1}}, {1: "x", "1": "y"}]
)
def test_a_key_that_is_there_twice_is_refused(config: dict[Any, Any]) -> None:
    """Of two keys that flatten to one, neither is dropped in silence."""
    with pytest.raises(UsageError, match="twice"):
        Hpm(config)
    with pytest.raises(UsageError, match="as text"):
        Hpm({"list": [{1: "x", "1": "y"}]})


@given(st.one_of(st.floats(), st.integers(), st.sampled_from([1e-4, 0.00025, 1e-5, 5e-324])))
def test_a_number_reads_as_itself_again(number: float) -> None:
    """The text of a number loses no digit, and no shorter text of digits would do."""
    text = format_value(number)
    assert canonical(type(number)(text)) == canonical(number)
    assert format_value(np.array([number]).tolist()[0]) == text
    assert format_value(np.float64(0.1)) == "0.1"
    digits = text.partition("e")[0].lstrip("-0.").replace(".", "").rstrip("0")
    if isinstance(number, float) and np.isfinite(number) and len(digits) > 1:
        shorter = f"{number:.{len(digits) - 2}e}"
        assert float(shorter) != number


@pytest.mark.parametrize(
    ("number", "text"),
    [(1e-4, "0.0001"), (0.00025, "0.00025"), (1e-5, "1e-05"), (0.1, "0.1"), (270, "270")],
)
def test_usual_values_look_as_usual(number: float, text: str) -> None:
    """Learning rates and decays are shown as people write them."""
    assert format_value(number) == text


@given(hpms(), st.lists(st.sampled_from(["a", "a.b", "k*", "*", "nothing"]), max_size=2))
def test_patterns_part_the_keys(hpm: Hpm, patterns: list[str]) -> None:
    """Each key either matches a pattern or does not, and keeps its value and place."""
    inside, outside = hpm.matching(*patterns), hpm.without(*patterns)
    assert set(inside) | set(outside) == set(hpm)
    assert not set(inside) & set(outside)
    for part in (inside, outside):
        assert list(part) == [key for key in hpm if key in part]
        assert all(canonical(part[key]) == canonical(hpm[key]) for key in part)
    assert [text.partition("=")[0] for text in Hpm({"b": 1, "a": 2}).strings()] == ["a", "b"]


def test_exclusion_is_by_whole_parts() -> None:
    """`paths` leaves `pathsize` alone, and `seed` takes `data.seed` but not `seed_x`."""
    hpm = Hpm({"paths": {"out": "o"}, "pathsize": 1, "seed": 0, "seed_x": 1, "data": {"seed": 2}})
    assert list(hpm.without("paths", "seed")) == ["pathsize", "seed_x"]
    assert list(hpm.matching("data")) == ["data.seed"]
    assert list(hpm.matching("s*d")) == ["seed", "data.seed"]


@given(hpms(), hpms())
def test_equal_hyperparameters_have_equal_hashes(a: Hpm, b: Hpm) -> None:
    """Equality and hash go together, so that they can be keys of a dict."""
    assert (a == b) == (a.canonical() == b.canonical())
    if a == b:
        assert hash(a) == hash(b)


@given(hpms(), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(hpm: Hpm, random: Any) -> None:
    """Two runs with the same values are equal however their configurations were written."""
    keys = list(hpm)
    random.shuffle(keys)
    other = Hpm({key: hpm[key] for key in keys})
    assert other == hpm
    assert str(other) == str(hpm)


@given(hpms())
def test_a_copy_through_pickle_nesting_or_itself_is_equal(hpm: Hpm) -> None:
    """Hyperparameters survive pickling, copying, nesting, and being given again."""
    for other in (pickle.loads(pickle.dumps(hpm)), copy.deepcopy(hpm), Hpm(hpm)):
        assert other == hpm
        assert list(other) == list(hpm)
        assert repr(other) == repr(hpm)
    assert Hpm(hpm.nested()) == hpm


@given(hpm_values(), hpm_values())
def test_different_values_make_different_hyperparameters(a: Any, b: Any) -> None:
    """One value is equal to another only when both mean the same."""

    def same(x: Any, y: Any) -> bool:
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (x, y))
        if numbers:
            return bool(x == y) or (x != x and y != y)
        if type(x) is not type(y):
            return False
        if isinstance(x, list):
            return len(x) == len(y) and all(map(same, x, y))
        if isinstance(x, dict):
            return x.keys() == y.keys() and all(same(x[k], y[k]) for k in x)
        return bool(x == y)

    # In a list, so that a dict stays one value.
    assert (Hpm({"k": [a]}) == Hpm({"k": [b]})) is same(a, b)


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1, 1.0, True),
        (0.0, -0.0, True),
        (2**53, 2.0**53, True),
        (2**53 + 1, 2.0**53, False),
        (NAN, float("nan"), True),
        (True, 1, False),
        (False, 0, False),
        (None, "None", False),
        (1, "1", False),
        (-1, -2, False),
        ([1, [NAN]], [1.0, [NAN]], True),
        ([1, 2], [2, 1], False),
        ([], {}, False),
        ([{"a": 1, "b": 2}], [{"b": 2.0, "a": 1}], True),
        ((1, 2), [1, 2], True),
    ],
)
def test_values_compare_by_meaning(a: Any, b: Any, equal: bool) -> None:
    """Numbers are equal as numbers, NaN equals NaN, and a bool, a null or a text is no number."""
    assert (Hpm({"a": a}) == Hpm({"a": b})) is equal
    assert (canonical(a) == canonical(b)) is equal


def test_hashes_that_collide_do_not_make_values_equal() -> None:
    """Python hashes -1 and -2 alike; the two stay two configurations."""
    assert hash(-1) == hash(-2)
    assert len({Hpm({"a": -1}), Hpm({"a": -2})}) == 2


def test_nothing_can_be_changed() -> None:
    """There is no way to set, replace or delete a value, and what was given stays the caller's."""
    given_list = [1]
    hpm = Hpm({"a": 1, "l": given_list})
    with pytest.raises(TypeError):
        hpm["a"] = 2  # type: ignore[index]
    with pytest.raises(TypeError):
        del hpm["a"]  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        hpm.values_by_key["a"] = 2  # type: ignore[index]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        hpm.values_by_key = {}  # type: ignore[misc]
    given_list.append(2)
    assert hpm == Hpm({"a": 1, "l": [1]})


@given(hpms(), hpm_keys())
def test_it_is_a_mapping(hpm: Hpm, key: str) -> None:
    """Look-up, membership, length and iteration see all keys; an unknown one is our error."""
    assert list(hpm.keys()) == list(hpm)
    assert len(hpm) == len(list(hpm))
    if key in hpm:
        assert canonical(hpm[key]) == canonical(hpm.get(key, MISSING))
    else:
        assert hpm.get(key, MISSING) is MISSING
        with pytest.raises(UnknownKeyError):
            hpm[key]


def test_an_unknown_key_names_the_nearest() -> None:
    """A misspelt key is answered with the keys that may have been meant."""
    hpm = Hpm({"optim.lr": 0.1, "optim.momentum": 0.9})
    with pytest.raises(UnknownKeyError, match=r"did you mean 'optim\.momentum'"):
        hpm["optim.momentun"]
    with pytest.raises(KeyError):
        hpm["nothing"]


def test_a_subset_holds_the_keys_asked_for() -> None:
    """A subset has the keys in the order given, and says which of them are missing."""
    part = Hpm({"b": 1, "a": None}).subset(["a", "c"])
    assert list(part.items()) == [("a", None), ("c", MISSING)]


def test_text_shows_keys_sorted_and_values_exactly() -> None:
    """The text of a configuration is stable and loses no digits."""
    assert str(Hpm({"optim.lr": 1e-05, "model.weights": None})) == (
        "model.weights=None optim.lr=1e-05"
    )
    assert format_value(0.1 + 0.2) == "0.30000000000000004"


class _Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([1, 2]), [1, 2]),
        ((1, (2,)), [1, [2]]),
        ({3, 1, 2}, [1, 2, 3]),
        ([{1: None}], [{"1": None}]),
        (_Colour.RED, "red"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_values_become_plain_data(value: Any, plain: Any) -> None:
    """What configurations hold in Python becomes what a file can hold, of exactly that type."""
    found = plain_value(value)
    assert found == plain
    assert type(found) is type(plain)


def test_what_no_configuration_holds_is_refused() -> None:
    """An object is refused by name of its key, and hyperparameters have to be a mapping."""
    with pytest.raises(UsageError, match=r"'a\.b'.*object"):
        Hpm({"a": {"b": object()}})
    with pytest.raises(UsageError, match="mapping"):
        Hpm(3)  # type: ignore[arg-type]


def test_missing_is_one_value() -> None:
    """The value of a missing key stays itself through copies and pickles, and is no null."""
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert copy.deepcopy(MISSING) is MISSING
    assert canonical(MISSING) != canonical(None)
    assert not MISSING
