"""Runs as frames of polars and of pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.collection import Collection
from dr_gen.model.column import Column
from dr_gen.model.frames import series
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, canonical
from dr_gen.model.run import RunData
from dr_gen.testing import groups, hpm_values

FACTS = ["id", "status", "experiment", "source"]


def group_of(*hpms: dict[str, Any]) -> RunGroup:
    return RunGroup.from_runs(
        RunData.from_dict({"id": f"r{i}", "hpms": values, "curves": {"val/acc": [0.1, i]}})
        for i, values in enumerate(hpms)
    )


def test_everything_known_of_the_runs() -> None:
    """Without keys: facts, then the whole configuration, null where a run has no such key."""
    frame = group_of({"lr": 0.1, "model": {"name": "a"}}, {"lr": 1, "id": 3}).to_frame()
    assert frame.columns == [*FACTS, "lr", "model.name", "hpm.id"]
    assert frame["id"].to_list() == ["r0", "r1"]
    assert frame["lr"].to_list() == [0.1, 1.0]
    assert frame["model.name"].to_list() == ["a", None]
    assert frame["model.name"].dtype == pl.Categorical
    assert [frame[name].dtype for name in FACTS] == [pl.String] * 4
    assert frame["hpm.id"].to_list() == [None, 3]
    assert RunGroup.from_runs([]).to_frame().shape == (0, 4)


@given(groups())
def test_a_frame_holds_the_configurations(group: RunGroup) -> None:
    """What stands in a row is what the run has: same values, null for null and for a lack."""
    frame = group.to_frame()
    assert len(frame) == len(group)
    names = [name for name in frame.columns if name not in FACTS]
    assert [name.removeprefix("hpm.") for name in names] == list(group.hpm_group.keys)
    for name in names:
        for value, run in zip(frame[name].to_list(), group, strict=True):
            held = run.hpms.get(name.removeprefix("hpm."))
            assert canonical(value) == canonical(held), name
    assert frame["status"].to_list() == [str(status) for status in group.statuses]


@given(st.lists(st.one_of(st.just(MISSING), hpm_values()), max_size=6), st.booleans())
def test_a_series_holds_its_values(values: list[Any], few: bool) -> None:
    """Any mixture of values goes in and comes out, also in another order and with repeats."""
    column = Column.of("x", values)
    object.__setattr__(column, "categorical", few)
    order = [*range(len(values)), *range(len(values))][::-1]
    for part in (column, column.take(order)):
        found = series(part, "x").to_list()
        assert list(map(canonical, found)) == [
            canonical(None if value is MISSING else value) for value in part.values()
        ]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], pl.Int64),
        ([1, 0.5], pl.Float64),
        ([1, None, MISSING], pl.Int64),
        ([True, False], pl.Boolean),
        ([True, 1], pl.Object),
        ([0.1, "auto"], pl.Object),
        (["a", None], pl.String),
        ([None, MISSING], pl.Null),
        ([[1, 2], [0.5], []], pl.List(pl.Float64)),
        ([["a"], ["b", "c"]], pl.List(pl.String)),
        ([[1], ["a"]], pl.Object),
        ([[1], 1], pl.Object),
        ([{"a": 1}, {"a": 2.5}], pl.Struct({"a": pl.Float64})),
        ([{"a": 1}, {"b": 2}], pl.Object),
        ([{}, {}], pl.Object),
        ([2**63 - 1], pl.Int64),
        ([2**63], pl.Object),
        ([2**53 + 1, 0.5], pl.Object),
    ],
)
def test_a_column_has_the_type_that_fits_all_values(values: list[Any], dtype: Any) -> None:
    """No value is changed by those beside it: what has no common type stays as it is."""
    found = Collection([{"x": v, "y": 0} if v is not MISSING else {"y": 0} for v in values])
    series = found.to_frame(("x", MISSING))["x"] if found.unique("y").size else None
    assert series is not None
    assert series.dtype == dtype


def test_the_type_is_inferred_over_all_runs() -> None:
    """Neither a value nor a key that comes late is lost."""
    late = [{"lr": 1}] * 150 + [{"lr": 0.5, "new": "x"}] * 150
    frame = group_of(*late).to_frame()
    assert frame["lr"].to_list() == [1.0] * 150 + [0.5] * 150
    assert frame["new"].to_list() == [None] * 150 + ["x"] * 150


def test_chosen_columns() -> None:
    """Keys with defaults, metric addresses, keys under other names, and functions of the run."""
    group = group_of({"lr": 0.1, "wd": 0}, {"lr": 0.2}, {"lr": 0.3, "wd": None})
    frame = group.to_frame(
        "lr",
        ("wd", 5),
        "val/acc@best",
        defaults={"new": lambda run: run.id, "acc": 7},
        **{"rate": "lr"},
        status=lambda run: str(run.status),
        points=lambda run: [run.n_points, 1],
        both=lambda run: {"id": run.id, "lr": run.hpms["lr"]},
        new="new",
        acc="val/acc@epoch=1",
    )
    assert frame.columns[:3] == ["lr", "wd", "val/acc@best"]
    assert frame["wd"].to_list() == [0, 5, None]
    assert frame["val/acc@best"].to_list() == [0.1, 1.0, 2.0]
    assert frame["rate"].to_list() == [0.1, 0.2, 0.3]
    assert frame["status"].to_list() == ["completed"] * 3
    assert frame["points"].to_list() == [[2, 1]] * 3
    assert frame["both"].dtype == pl.Struct({"id": pl.String, "lr": pl.Float64})
    assert frame["new"].to_list() == ["r0", "r1", "r2"]
    assert frame["acc"].to_list() == [0.0, 1.0, 2.0]
    assert group.to_frame("wd")["wd"].to_list() == [0, None, None]
    assert group.to_frame("lr", "wd", defaults={"wd": 9})["wd"].to_list() == [0, 9, None]
    assert group[:0].to_frame("lr").shape == (0, 1)
    with pytest.raises(UnknownKeyError, match="did you mean 'wd'"):
        group.to_frame("wdd")
    with pytest.raises(UsageError, match="defaults for x, which are no columns"):
        group.to_frame("lr", defaults={"x": 1})
    with pytest.raises(UsageError, match="defaults for lr, which are no columns"):
        group.to_frame(defaults={"lr": 1})


def test_frames_of_single_runs_below_one_another() -> None:
    """A frame made of each run, with keys of the run in each of its rows; no runs, no rows."""
    group = group_of({"lr": 0.1}, {"lr": "auto", "n": 2}, {"lr": None})

    def points(run: RunData) -> pl.DataFrame:
        values = run.curve("val/acc").values
        extra = {"last": [run.id] * len(values)} if run.id == "r1" else {}
        return pl.DataFrame({"acc": values, **extra})

    frame = group.concat(points, "lr", ("n", 7), "id")
    assert frame["acc"].to_list() == [0.1, 0, 0.1, 1, 0.1, 2]
    assert frame["last"].to_list() == [None] * 2 + ["r1"] * 2 + [None] * 2
    assert frame["lr"].to_list() == [0.1, 0.1, "auto", "auto", None, None]
    assert frame["n"].to_list() == [7, 7, 2, 2, 7, 7]
    assert frame["id"].to_list() == ["r0", "r0", "r1", "r1", "r2", "r2"]
    assert group[:0].concat(points, "lr").columns == ["lr"]
    assert group.concat(points).columns == ["acc", "last"]


@pytest.mark.parametrize("ask", [lambda g: g.to_frame(), lambda g: g.to_frame("lr", "tag")])
def test_frames_for_pandas(ask: Callable[[RunGroup], pl.DataFrame]) -> None:
    """The frame becomes one of pandas, mixed columns and categories included."""
    frame = ask(group_of({"lr": 0.1, "tag": "a"}, {"lr": "auto", "tag": "b"}, {"lr": None}))
    table = frame.to_pandas()
    assert table["lr"].tolist() == [0.1, "auto", None]
    assert isinstance(table["tag"].dtype, pd.CategoricalDtype)
    assert table["tag"].tolist()[:2] == ["a", "b"]


def test_a_frame_can_be_worked_with() -> None:
    """Sorting, filtering, joining and grouping in polars work on the columns."""
    frame = group_of(*({"lr": lr, "opt": opt} for lr in (0.1, 1) for opt in "ab")).to_frame()
    assert frame.filter(pl.col("lr") > 0.5).height == 2
    assert frame.filter(pl.col("opt") == "a").height == 2
    assert frame.sort("lr", descending=True).row(0, named=True)["lr"] == 1.0
    assert frame.group_by("opt").agg(pl.col("lr").mean()).height == 2
    assert pl.concat([frame, frame]).height == 8
    assert frame.write_csv().splitlines()[1].startswith("r0,completed")
