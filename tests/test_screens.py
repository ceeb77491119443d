"""Screens: what a validator would find, its screen does not hide."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from dr_gen.model.direction import direction_of
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.screens import needed
from dr_gen.table_validators import blown, found_by, non_finite_values, unfinished_curves
from dr_gen.testing import runs
from dr_gen.validators import default_validators, validate, validate_all

some_runs = st.lists(runs(), max_size=4, unique_by=lambda run: run.id)
regular = st.builds(
    lambda n, skip, wanted, odd: {
        "hpms": {"train.epochs": wanted, "epochs": 7} if wanted else {},
        "curves": {
            "val/loss": {
                "values": [odd] * n,
                "x": {"epoch": [e + (e >= skip) for e in range(n)]},
            },
            "val/acc": [0.5] * n,
        },
    },
    st.integers(0, 5),
    st.integers(0, 9),
    st.sampled_from([None, 3, 4, 4.0, "4", True, 10**20, float("nan")]),
    st.sampled_from([0.1, float("nan"), float("inf")]),
)
regular_runs = st.lists(regular, min_size=1, max_size=5).map(
    lambda given: [RunData.from_dict({"id": f"r{i}", **one}) for i, one in enumerate(given)]
)


@given(members=some_runs | regular_runs, epochs=st.none() | st.integers(1, 5))
def test_nothing_is_hidden(members: list[RunData], epochs: int | None) -> None:
    """Where a screen is false, the validator finds nothing."""
    table = RunGroup.from_runs(members).table
    for validator in default_validators(epochs, ["val"]):
        for index, may in enumerate(needed(validator, table)):
            assert may or list(validator(RunData(table, index))) == []


@given(members=regular_runs)
def test_together_is_as_one_by_one(members: list[RunData]) -> None:
    """Runs that share their columns are judged as each is alone, and still share them."""
    group = RunGroup.from_runs(members)
    judged = validate_all(list(group), default_validators())
    assert judged == [validate(run) for run in members]
    assert len({id(run.table) for run in judged}) == 1


@pytest.mark.parametrize(("odd", "expected"), [([], 0), ([0.5], 1)])
def test_clean_runs_are_passed_over(odd: list[float], expected: int) -> None:
    """Only what is odd about a run makes a validator look at it."""
    values: list[Any] = [0.5] * 100
    run = {"hpms": {"epochs": 100}, "curves": {"val/loss": values, "val/acc": values + odd}}
    clean = {"hpms": {"epochs": 100}, "curves": {"val/loss": values}}
    members = [RunData.from_dict({"id": "a", **run}), RunData.from_dict({"id": "b", **clean})]
    table = RunGroup.from_runs(members).table
    *screened, _end = (v for v in default_validators() if found_by(v, table) is None)
    assert sum(sum(needed(validator, table)) for validator in screened) == expected


def test_order_does_not_depend_on_the_company() -> None:
    """A run names its splits as it logged them, and so do its findings, whatever others did."""
    bad = [0.5, np.nan]
    first = RunData.from_dict({"id": "a", "curves": {"val/loss": [1.0], "train/loss": [1.0]}})
    second = RunData.from_dict({"id": "b", "curves": {"train/loss": bad, "val/loss": bad}})
    _, run = RunGroup.from_runs([first, second])
    assert tuple(run) == ("train", "val")
    assert validate(run) == validate(second)


NUMBERS = st.sampled_from([0.5, -1.0, float("nan"), float("inf")])
XS = st.sampled_from([0, 1, 2, 3, 1.5, float("nan")])
messy_runs = st.lists(
    st.dictionaries(
        st.sampled_from(["val/loss", "val/acc", "train/loss"]),
        st.lists(st.tuples(XS, NUMBERS), max_size=6).map(
            lambda points: {
                "values": [v for _, v in points],
                "x": {"epoch": [x for x, _ in points]},
            }
        ),
    ),
    min_size=1,
    max_size=4,
).map(
    lambda given: [
        RunData.from_dict({"id": f"r{i}", "curves": curves}) for i, curves in enumerate(given)
    ]
)


@given(members=some_runs | regular_runs | messy_runs)
def test_values_that_are_not_finite(members: list[RunData]) -> None:
    """What is found for all curves in a few steps is what a look at the points of each tells."""
    table = RunGroup.from_runs(members).table
    expected: dict[str, tuple[int, int, int]] = {}
    reasons: dict[int, int] = {}
    for index in range(len(members)):
        for curve in RunData(table, index).curves():
            values = curve.values.tolist()
            bad = [place for place, value in enumerate(values) if not np.isfinite(value)]
            tail = len(values)
            while tail and tail - 1 in bad:
                tail -= 1
            if bad:
                expected[f"{index} {curve.split}/{curve.metric}"] = (len(bad), bad[0], tail)
            if tail < len(values) and direction_of(curve.metric) == "min":
                reasons[index] = reasons.get(index, 0) + 1
    found = {
        f"{one.run} {one.curve.split}/{one.curve.metric}": (one.n_bad, one.first, one.tail)
        for one in unfinished_curves(table)
        if one.n_bad
    }
    assert found == expected
    assert {index: len(texts) for index, texts in blown(table).items()} == reasons
    told = found_by(non_finite_values, table)
    assert told is not None
    assert sorted(index for index, _ in told) == sorted(int(key.split()[0]) for key in expected)
