"""Screens: what a validator would find, its screen does not hide."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.screens import needed
from dr_gen.table_validators import found_by
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
