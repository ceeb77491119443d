"""Metrics that were logged one by one: their axes, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Finding
from dr_gen.readers.contract import ColumnMap
from dr_gen.readers.series.axes import Series
from dr_gen.readers.series.curves import SeriesCurves


def series(name: str, steps: list[int], values: list[float] | None = None) -> Series:
    """A metric, logged once a second."""
    given_ = [float(i) for i in range(len(steps))] if values is None else values
    times = np.arange(len(steps), dtype=np.float64)
    return Series(name, np.array(steps, np.int64), times, np.array(given_, np.float64))


def axes(table: CurveTable, curve: int = 0) -> dict[str, list[Any]]:
    """The axes of a curve."""
    found = table.axes_of_block(int(table.block[curve]))
    return {table.x_names[table.axis_x[a]]: table.axis_values(a).tolist() for a in found}


def read(*metrics: Series, columns: ColumnMap | None = None) -> tuple[CurveTable, list[Finding]]:
    """The curves of one run, and what is said of it."""
    curves = SeriesCurves(columns)
    _, findings = curves.add_run("run", "file", metrics)
    return curves.build(), findings


@given(st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=8), min_size=1, max_size=4))
def test_every_value_is_on_an_axis_that_rises_or_is_said_to_repeat(steps: list[list[int]]) -> None:
    """Nothing is lost: all values are there in the order logged, and no ambiguity is silent."""
    table, findings = read(*(series(f"m{i}", one) for i, one in enumerate(steps)))
    said = {finding.code for finding in findings}
    for curve in range(len(table.run)):
        number = int(table.metrics[table.metric[curve]][1:])
        assert table.curve_values(curve).tolist() == list(range(len(steps[number])))
        axis = axes(table, curve)
        distinct = {len(set(xs)) for name, xs in axis.items() if name != "time"}
        assert len(steps[number]) in distinct or said & {"repeated-x", "closing-row"}
        zeros = len(steps[number]) > 1 and not any(steps[number])
        assert axis["step"] == (list(range(len(steps[number]))) if zeros else steps[number])


def test_runs_together_are_those_read_alone() -> None:
    """The curves of a run do not depend on those that are read with it."""
    runs = [[series("loss", [0, 1]), series("epoch", [0, 1])], [series("loss", [0, 0])], []]
    together = SeriesCurves()
    for number, run in enumerate(runs):
        together.add_run(str(number), "file", run)
    table = together.build()
    for number, run in enumerate(runs):
        alone, _ = read(*run)
        mine = table.curves_of_run(number).tolist()
        assert [axes(table, curve) for curve in mine] == [axes(alone, i) for i in range(len(mine))]
        assert len(mine) == len(alone.run)


@pytest.mark.parametrize(
    ("epoch", "loss", "expected"),
    [
        ([0, 1, 2], [0, 1, 2], [0, 1, 2]),
        ([0, 1, 2], [2, 0], [2, 0]),
        ([0, 0, 0], [0, 0, 0], [0, 1, 2]),
        ([0, 1, 2], [0, 1, 5], None),
        ([0, 0, 0], [0, 0], None),
        ([0, 0, 0], [0, 1, 2], None),
    ],
)
def test_where_a_counter_tells(epoch: list[int], loss: list[int], expected: Any) -> None:
    """It is an axis of a metric that has one of its steps at each value, and else a metric."""
    table, _ = read(series("epoch", epoch), series("loss", loss))
    by_metric = {table.metrics[m]: curve for curve, m in enumerate(table.metric.tolist())}
    assert axes(table, by_metric["loss"]).get("epoch") == expected
    assert ("epoch" in by_metric) == (expected is None)


@pytest.mark.parametrize(
    ("name", "values", "is_axis"),
    [
        ("epoch", [3.0, 3.0, 3.0, 3.0], False),
        ("batch", [0.0, 1.0, 1.0, 3.0], True),
        ("batch", [0.0, 1.0, 2.0, 3.0], False),  # two for one step
        ("batch", [0.0, 1.0, float("nan"), 3.0], False),
        ("samples", [0.0, 5.0, 2.0, 1.0], False),  # falls
        ("time", [0.0, 1.0, 1.0, 3.0], False),
        ("step", [0.0, 1.0, 1.0, 3.0], False),  # there is one
    ],
)
def test_what_is_no_counter(name: str, values: list[float], is_axis: bool) -> None:
    """A value that never changes, falls, or is unsure at a step is a measurement, and so are times.

    The loss has other steps than the counter, and so is found by them.
    """
    counter = Series(name, np.array([0, 1, 1, 2]), np.arange(4.0), np.array(values))
    table, _ = read(series("loss", [2, 1, 0]), counter)
    assert (name in axes(table) and name != "step" and name != "time") == is_axis
    assert (name in table.metrics) != is_axis


def test_counters_of_splits() -> None:
    """A counter that names a split is an axis of that split, or of all if it is the only one."""
    losses = [series("train/loss", [0, 1]), series("val/loss", [0, 1])]
    counters = [series(f"{split}/global_step", [0, 1], [5.0, 6.0]) for split in ("train", "val")]
    table, _ = read(*losses, counters[0])
    assert [axes(table, curve)["global_step"] for curve in (0, 1)] == [[5, 6], [5, 6]]
    other = series("val/global_step", [0, 1], [7.0, 8.0])
    table, _ = read(*losses, counters[0], other)
    found = {table.splits[s]: axes(table, c) for c, s in enumerate(table.split.tolist())}
    assert found["train"]["global_step"] == [5, 6]
    assert found["val"]["global_step"] == [7, 8]


def test_findings_name_few_of_many_metrics() -> None:
    """One finding for a run, whatever number of metrics it is about."""
    _, findings = read(*(series(f"m{i}", [0, 0]) for i in range(30)))
    assert [f.code for f in findings] == ["x-inferred"]
    assert "m0, m1, m2, m3, m4, … 25 more" in findings[0].message
