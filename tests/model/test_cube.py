"""One metric over all runs, beside loops over dicts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.direction import direction_of
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING
from dr_gen.model.run import RunData
from dr_gen.testing import groups, hpms, runs

Logged = Callable[[RunData, str, str], dict[str, list[tuple[Any, float]]]]
Resolved = Callable[..., list[tuple[Any, float]]]

METRICS = st.sampled_from(["loss", "acc1"])
# Large and tiny values are for the sums of `stats`.
VALUES = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf]))
sweeps = groups(
    runs(
        hpms=hpms(st.sampled_from(["lr", "seed", "run", "epoch"]), max_size=3),
        splits=st.just("val"),
        metrics=METRICS,
        values=VALUES,
        max_blocks=2,
    ),
    min_size=1,
    max_size=3,
)


def pick(group: RunGroup, data: st.DataObject) -> tuple[str, str] | None:
    pairs = sorted({(split, metric) for run in group for split in run for metric in run[split]})
    return data.draw(st.sampled_from(pairs)) if pairs else None


def close(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=1e-9, atol=1e-6, equal_nan=True))


@given(sweeps, st.data(), st.sampled_from(["last", "first", "mean"]))
def test_curves_are_those_of_each_run(
    logged: Logged, resolved: Resolved, group: RunGroup, data: st.DataObject, repeats: Any
) -> None:
    """Every point of every run is at its run and x, and everything else is NaN."""
    pair = pick(group, data)
    if pair is None:
        return
    rows = [logged(run, *pair) for run in group]
    x = data.draw(st.sampled_from(sorted({name for by_x in rows for name in by_x})))
    cube = group.curves("/".join(pair), x, repeats)
    dim = "x.run" if x == "run" else x
    assert cube.dims == ("run", dim)
    assert cube["run"].values.tolist() == list(group.ids)
    assert cube.attrs == {"split": pair[0], "metric": pair[1]}
    wanted = [dict(resolved(by_x.get(x, []), repeats)) for by_x in rows]
    kinds = {type(key) for points in wanted for key in points}
    if str in kinds and len(kinds) > 1:
        wanted = [{str(key): value for key, value in points.items()} for points in wanted]
    elif float in kinds and int in kinds:
        wanted = [{float(key): value for key, value in points.items()} for points in wanted]
    grid = cube[dim].values.tolist()
    assert grid == sorted({key for points in wanted for key in points})
    for points, found in zip(wanted, cube.values.tolist(), strict=True):
        assert all(close(v, points.get(k, math.nan)) for k, v in zip(grid, found, strict=True))


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.lists(st.integers(1, 3), max_size=12)),
        min_size=1,
        max_size=6,
    ),
    st.permutations(range(6)),
    st.sampled_from([1, 40, 10**6]),
)
def test_whole_numbers_are_put_in_their_place(
    counters: list[tuple[int, list[int]]], order: list[int], step: int
) -> None:
    """Curves that start anywhere, count by one or skip, near or far: each value in its place."""
    xs = [[start + sum(gaps[:i]) for i in range(len(gaps))] for start, gaps in counters]
    xs = [[x * step for x in of_run] for of_run in xs]
    runs_ = [
        RunData.from_dict(
            {
                "id": str(i),
                "curves": [
                    {
                        "split": "val",
                        "metric": m,
                        "x": {"step": of_run},
                        "values": [*map(float, of_run)],
                    }
                    for m in ("acc", "loss")
                ],
            }
        )
        for i, of_run in enumerate(xs)
    ]
    group = RunGroup.from_runs(runs_)[[i for i in order if i < len(runs_)]]
    cube = group.curves("val/acc", "step")
    grid = sorted({x for of_run in xs for x in of_run})
    assert cube["step"].values.tolist() == grid
    for run, found in zip(group, cube.values.tolist(), strict=True):
        wanted = [float(x) if x in xs[int(run.id)] else math.nan for x in grid]
        assert repr(found) == repr(wanted)


@given(sweeps, st.data())
def test_curves_carry_the_hyperparameters(group: RunGroup, data: st.DataObject) -> None:
    """Important keys and the seed are coordinates of the runs, with the values of the runs."""
    pair = pick(group, data)
    if pair is None:
        return
    swept = group.hpm_group
    for cube in (group.curves("/".join(pair)), group.curves("/".join(pair) + "@last")):
        taken = {"run", *cube.dims}
        for key in swept.important:
            column = cube.coords[f"hpm.{key}" if key in taken else key].values.tolist()
            for found, run in zip(column, group, strict=True):
                wanted = run.hpms.get(key, MISSING)
                same = found == wanted or (found != found and wanted != wanted)
                assert same or isinstance(wanted, int)
        if swept.seed is not None:
            assert len(cube.coords["hpm.seed" if "seed" in taken else "seed"]) == len(group)


@given(
    sweeps,
    st.data(),
    st.sampled_from(["last", "first", "min", "max", "best", "mean", "median", "mean:2", "best:3"]),
)
def test_values_are_those_of_each_run(
    logged: Logged, resolved: Resolved, group: RunGroup, data: st.DataObject, reduction: str
) -> None:
    """Each reduction of each run is what plain Python makes of its rows, on any axis."""
    pair = pick(group, data)
    if pair is None:
        return
    rows = [logged(run, *pair) for run in group]
    x = data.draw(st.sampled_from([None, *sorted({name for by_x in rows for name in by_x})]))
    address = f"{'/'.join(pair)}@{reduction}"
    found = group.values(address, x)
    assert found.shape == (len(group),)
    kind, _, count = reduction.partition(":")
    if kind == "best":
        kind = direction_of("/".join(pair), group.directions)
    for run, by_x, value in zip(group, rows, found.tolist(), strict=True):
        axis = x if x is not None or not by_x else run["/".join(pair[:1])][pair[1]].default.x_name
        points = [v for _, v in resolved(by_x.get(axis, []))]
        points = points[-int(count) :] if count and len(points) >= int(count) else points
        if count and len(points) < int(count):
            points = []
        assert close(value, plain(kind, points)), (run.id, axis, points)
    reduced = group.curves(address, x)
    assert reduced.dims == ("run",)
    np.testing.assert_array_equal(reduced.values, found)


def plain(kind: str, points: list[float]) -> float:
    finite = [v for v in points if math.isfinite(v)]
    if kind in ("min", "max"):
        return {"min": min, "max": max}[kind](finite) if finite else math.nan
    if not points:
        return math.nan
    if kind in ("first", "last"):
        return points[0 if kind == "first" else -1]
    if len(finite) < len(points):
        return math.nan
    return math.fsum(points) / len(points) if kind == "mean" else statistics.median(points)


@given(sweeps, st.data())
def test_a_number_of_a_run_does_not_depend_on_the_others(
    group: RunGroup, data: st.DataObject
) -> None:
    """A run has the same value alone, in its group, and in any part of it."""
    pair = pick(group, data)
    if pair is None:
        return
    for reduction in ("last", "max", "epoch=1"):
        address = f"{'/'.join(pair)}@{reduction}"
        try:
            found = group.values(address)
        except UnknownKeyError:
            continue
        for run, value in zip(group, found.tolist(), strict=True):
            if f"{pair[0]}/{pair[1]}" in run.metrics:
                assert repr(run.value(address)) == repr(value)
            else:
                assert math.isnan(value)


@given(sweeps, st.data())
def test_values_at_a_point(
    logged: Logged, resolved: Resolved, group: RunGroup, data: st.DataObject
) -> None:
    """A value at an x is that of the row with this x, and NaN for runs without one."""
    pair = pick(group, data)
    if pair is None:
        return
    rows = [logged(run, *pair) for run in group]
    x = data.draw(st.sampled_from(sorted({name for by_x in rows for name in by_x})))
    at = data.draw(st.sampled_from([0, 1, 1.5, 77]))
    found = group.values(f"{'/'.join(pair)}@{x}={at}")
    for by_x, value in zip(rows, found.tolist(), strict=True):
        assert close(value, dict(resolved(by_x.get(x, []))).get(at, math.nan))


@given(sweeps, st.data())
def test_the_order_of_runs_is_that_of_the_group(group: RunGroup, data: st.DataObject) -> None:
    """Reordering a group reorders the rows of every answer, and changes nothing else."""
    pair = pick(group, data)
    if pair is None:
        return
    address = "/".join(pair)
    order = data.draw(st.permutations(range(len(group))))
    cube, moved = group.curves(address), group[order].curves(address)
    np.testing.assert_array_equal(moved.values, cube.values[order])
    assert moved["run"].values.tolist() == [group.ids[i] for i in order]
    np.testing.assert_array_equal(
        group[order].values(f"{address}@max"), group.values(f"{address}@max")[order]
    )


def made(*curves: dict[str, Any], hpms: list[dict[str, Any]] | None = None) -> RunGroup:
    return RunGroup.from_runs(
        [
            RunData.from_dict({"id": f"r{i}", "hpms": (hpms or [{}] * 9)[i], "curves": curve})
            for i, curve in enumerate(curves)
        ]
    )


def test_curves_of_different_length_are_padded() -> None:
    """A shorter run ends in NaN, and a run without the metric is NaN all along."""
    cube = made({"val/acc": [1, 2, 3]}, {"val/acc": [4]}, {"val/loss": [5]}).curves("val/acc")
    np.testing.assert_array_equal(
        cube.values, [[1, 2, 3], [4, np.nan, np.nan], [np.nan, np.nan, np.nan]]
    )
    assert cube["epoch"].values.tolist() == [0, 1, 2]
    assert cube.name == "val/acc"


def test_rows_follow_the_group_and_not_the_columns() -> None:
    """A group in another order than its columns has its curves in its own order."""
    group = made({"val/acc": [1, 2]}, {"val/acc": [3, 4]}, {"val/acc": [5, 6]})[[2, 0, 1]]
    assert group.curves("val/acc").values.tolist() == [[5, 6], [1, 2], [3, 4]]
    assert group.values("val/acc@first").tolist() == [5, 1, 3]
    assert group.values("val/acc@epoch=1").tolist() == [6, 2, 4]


def test_an_interval_of_epochs_can_be_selected_by_xarray() -> None:
    """The result is a labelled array: it selects, averages and goes to a file as one."""
    cube = made(
        {"val/acc": [1, 2, 3]}, {"val/acc": [3, 4, 5]}, hpms=[{"lr": 0.1}, {"lr": 0.2}]
    ).curves("val/acc")
    assert cube.sel(epoch=slice(1, 2)).mean("run").values.tolist() == [3.0, 4.0]
    assert cube.sel(run="r1").lr == 0.2
    back = xr.Dataset.from_dict(cube.to_dataset(name="acc").to_dict())["acc"]
    assert back.equals(cube)


def test_the_axis_of_most_runs_is_used() -> None:
    """Without a name the axis that suits most runs is taken, logged before counted."""
    step = {"val/acc": {"x": {"step": [0, 10]}, "values": [1, 2]}}
    both = {"val/acc": {"x": {"epoch": [0, 1], "step": [0, 10]}, "values": [3, 4]}}
    messy = {"val/acc": {"x": {"epoch": [0, 0], "step": [0, 10]}, "values": [3, 4]}}
    assert made(both, both).curves("val/acc").dims[1] == "epoch"
    assert made(both, step).curves("val/acc").dims[1] == "step"
    assert made(messy, messy).curves("val/acc").dims[1] == "step"
    assert made(both, step).curves("val/acc", "epoch").values[1].tolist() == pytest.approx(
        [np.nan, np.nan], nan_ok=True
    )


def test_runs_on_different_axes_all_have_their_number() -> None:
    """A reduction needs no common axis: the best of a run is there whatever it is logged over."""
    epoch = {"val/acc": {"x": {"epoch": [0, 1]}, "values": [1, 2]}}
    step = {"val/acc": {"x": {"step": [10, 20]}, "values": [3, 4]}}
    assert made(epoch, step).values("val/acc@best").tolist() == [2.0, 4.0]
    np.testing.assert_array_equal(made(epoch, step).values("val/acc@best", "step"), [np.nan, 4.0])


def test_integers_and_floats_share_an_axis() -> None:
    """Runs that logged x as integers and as floats are on one grid of floats."""
    whole = {"val/acc": {"x": {"step": [1, 2]}, "values": [1, 2]}}
    half = {"val/acc": {"x": {"step": [1.5, 2.0]}, "values": [3, 4]}}
    cube = made(whole, half, {"val/acc": {"x": {"step": []}, "values": []}}).curves("val/acc")
    assert cube["step"].values.tolist() == [1.0, 1.5, 2.0]
    np.testing.assert_array_equal(
        cube.values, [[1, np.nan, 2], [np.nan, 3, 4], [np.nan, np.nan, np.nan]]
    )


def test_text_beside_numbers_takes_nothing_from_the_numbers() -> None:
    """One run with text for x makes the grid text; values at a number are found all the same."""
    group = made(
        {"val/acc": {"x": {"epoch": [1, 2]}, "values": [1, 2]}},
        {"val/acc": {"x": {"epoch": ["x", "y"]}, "values": [3, 4]}},
    )
    assert group.curves("val/acc")["epoch"].values.tolist() == ["1", "2", "x", "y"]
    np.testing.assert_array_equal(group.values("val/acc@epoch=1"), [1.0, np.nan])
    assert group.values("val/acc@last").tolist() == [2.0, 4.0]


def test_keys_called_like_dimensions_are_kept_apart() -> None:
    """Hyperparameters called run or epoch do not replace the ids or the x-axis."""
    hpms = [{"run": 7, "epoch": 5, "seed": 0}, {"run": 8, "epoch": 6, "seed": 1}]
    cube = made({"val/acc": [1]}, {"val/acc": [2]}, hpms=hpms).curves("val/acc")
    assert cube["run"].values.tolist() == ["r0", "r1"]
    assert cube["epoch"].values.tolist() == [0]
    assert cube["hpm.run"].values.tolist() == [7, 8]
    assert cube["hpm.epoch"].values.tolist() == [5, 6]
    assert cube["seed"].values.tolist() == [0, 1]


def test_an_axis_called_run_is_kept_apart() -> None:
    """An x-axis called run gets another name beside the dimension of the runs."""
    cube = made({"val/acc": {"x": {"run": [3, 4]}, "values": [1, 2]}}).curves("val/acc")
    assert cube.dims == ("run", "x.run")
    assert cube["x.run"].values.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "i"),
        ([0.1, 2], "f"),
        ([True, False], "b"),
        (["a", "ü"], "U"),
        ([None, "a"], "O"),
        ([1, "a"], "O"),
        ([1, True], "O"),
        ([[1], [2, 3]], "O"),
        ([2**64, 1], "O"),
        ([2**63 + 1, -1], "O"),
        ([10**400, 0.5], "O"),
        (["a\0", "b"], "O"),
    ],
)
def test_coordinates_keep_the_values(values: list[Any], kind: str) -> None:
    """Values of one kind make a plain array, others an array of objects, and none is altered."""
    hpms = [{"k": value} for value in values]
    column = made({"val/acc": [1]}, {"val/acc": [2]}, hpms=hpms).curves("val/acc")["k"].values
    assert column.dtype.kind == kind
    assert column.tolist() == values


def test_a_missing_key_is_a_coordinate_of_its_own() -> None:
    """A null and a key that a run lacks are told apart."""
    hpms: list[dict[str, Any]] = [{"k": None}, {}]
    column = made({"val/acc": [1]}, {"val/acc": [2]}, hpms=hpms).curves("val/acc")["k"].values
    assert column.tolist() == [None, MISSING]


def test_best_follows_the_direction() -> None:
    """The best loss is the smallest, the best accuracy the largest, unless the group says else."""
    group = made({"val/acc": [1, 3, 2], "val/loss": [1, 3, 2]})
    assert group.values("val/acc@best").tolist() == [3.0]
    assert group.values("val/loss@best").tolist() == [1.0]
    turned = RunGroup.from_runs(group, directions={"val/loss": "max", "acc": "min"})
    assert turned.values("val/acc@best").tolist() == [1.0]
    assert turned.values("val/loss@best").tolist() == [3.0]


def test_repeats_have_to_be_resolved() -> None:
    """A grid has one value at each place, so that all repeats cannot be kept."""
    with pytest.raises(UsageError, match="last, first or mean"):
        made({"val/acc": [1]}).curves("val/acc", repeats="all")


def test_coordinates_of_two_arrays_are_apart() -> None:
    """What is written into one array, its coordinates too, is in no other and not in the group."""
    records = [
        {"id": f"r{i}", "hpms": {"lr": i / 10, "seed": i}, "curves": {"val/loss": [1.0, 2.0]}}
        for i in range(3)
    ]
    group = RunGroup.from_runs(map(RunData.from_dict, records))
    first = group.curves("val/loss")
    for name in ("lr", "seed"):
        first.coords[name].values[:] = 7
    first.coords["run"].attrs["note"] = "mine"
    first.values[:] = 0
    second = group.curves("val/loss")
    assert second["lr"].values.tolist() == [0.0, 0.1, 0.2]
    assert second["seed"].values.tolist() == [0, 1, 2]
    assert second["run"].attrs == {}
    assert second.values.tolist() == [[1.0, 2.0]] * 3
    assert group.values("val/loss").tolist() == [2.0] * 3
