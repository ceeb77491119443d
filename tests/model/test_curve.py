"""One metric of one run."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.curve import REPEATS, MetricCurve, MetricCurves
from dr_gen.model.curve_builder import CurveBuilder
from dr_gen.testing import curves, metric_values, xs

bounded = st.floats(-1e6, 1e6)
numeric = xs(text=False)


def same(found: Any, wanted: list[Any]) -> bool:
    return repr(list(found.tolist())) == repr(wanted)


@given(curves(values=bounded), st.sampled_from(REPEATS))
def test_points_come_in_order_with_repeats_resolved(curve: MetricCurve, repeats: Any) -> None:
    """x ascends, rows without x are left out, and several values at one x follow the policy."""
    table = curve.table
    rows = list(
        zip(table.axis_values(curve.axis).tolist(), table.curve_values(0).tolist(), strict=True)
    )
    known = [row for row in rows if isinstance(row[0], str) or math.isfinite(row[0])]
    by_x: dict[Any, list[float]] = {}
    for x, value in known:
        by_x.setdefault(x, []).append(value)
    curve = attrs.evolve(curve, repeats=repeats)
    if repeats == "all":
        assert curve.xs.tolist() == sorted(x for x, _ in known)
        assert curve.values.tolist() == [v for x in sorted(by_x) for v in by_x[x]]
    else:
        assert curve.xs.tolist() == sorted(by_x)
        pick = {"last": lambda v: v[-1], "first": lambda v: v[0], "mean": np.mean}[repeats]
        wanted = [pick(by_x[x]) for x in sorted(by_x)]
        np.testing.assert_allclose(curve.values, np.array(wanted, float), rtol=1e-12, atol=1e-9)
    assert len(curve) == len(curve.xs) == len(curve.values)
    assert curve.n_rows == len(rows)


@given(curves())
def test_arrays_cannot_be_changed_through_the_columns(curve: MetricCurve) -> None:
    """The columns that all curves share are read-only, also after pickling."""
    for found in (curve, pickle.loads(pickle.dumps(curve))):
        assert not found.table.values.flags.writeable
        before = (found.xs.tolist(), repr(found.values.tolist()))
        for array in (found.xs, found.values):
            if array.flags.writeable and len(array):
                array[0] = array[-1]
        assert (found.xs.tolist(), repr(found.values.tolist())) == before


@given(curves())
def test_a_copy_is_equal(curve: MetricCurve) -> None:
    """A curve survives pickling and copying with its policy, its names and its bits."""
    for other in (pickle.loads(pickle.dumps(curve)), copy.deepcopy(curve)):
        assert other == curve
        assert same(other.values, curve.values.tolist())
        assert other.original_name == curve.original_name
        assert other.repeats == curve.repeats


@given(curves(xs=xs(1, 5)), st.data())
def test_another_value_makes_another_curve(curve: MetricCurve, data: st.DataObject) -> None:
    """Curves are equal only with the same names, x and values."""
    plain = {"metric": curve.metric, "split": curve.split, "x_name": curve.x_name}
    points = {"xs": curve.table.axis_values(curve.axis), "values": curve.table.curve_values(0)}
    base = MetricCurve.from_arrays(**points, **plain)
    assert base == MetricCurve.from_arrays(**points, **plain)
    changed = data.draw(st.sampled_from([*plain, "inferred", "original_name"]))
    other = {**plain, changed: True if changed == "inferred" else "another name"}
    assert MetricCurve.from_arrays(**points, **other) != base
    constant = MetricCurve.from_arrays(points["xs"], np.full(len(points["xs"]), 12.25), **plain)
    assert (constant == base) is (set(base.values.tolist()) <= {12.25})
    assert base != "a curve"


@given(curves())
def test_as_an_xarray_it_keeps_names_and_points(curve: MetricCurve) -> None:
    """The DataArray has x as its dimension coordinate and says where the curve came from."""
    data = curve.data
    assert data.dims == (curve.x_name,)
    assert data.name == curve.metric
    assert same(data.values, curve.values.tolist())
    assert data[curve.x_name].values.tolist() == curve.xs.tolist()
    assert data.attrs == {
        "split": curve.split,
        "original_name": curve.original_name,
        "x_inferred": curve.inferred,
    }
    back = MetricCurve.from_arrays(data[curve.x_name].values, data.values)
    if curve.repeats != "all":
        assert same(back.values, curve.values.tolist())


@given(curves())
def test_a_point_is_found_at_its_x_and_nowhere_else(curve: MetricCurve) -> None:
    """Look-up is exact: no neighbour answers for a point that is not there."""
    by_x = dict(zip(curve.xs.tolist(), curve.values.tolist(), strict=True))
    for x, value in by_x.items():
        assert repr(curve.at(x)) == repr(value)
    for x in (0.25, 10**6, "no such x"):
        if x not in by_x:
            with pytest.raises(UnknownKeyError, match=curve.x_name):
                curve.at(x)


@given(curves(xs=numeric), st.lists(st.floats(-20, 20), max_size=5))
def test_resampling_never_leaves_the_range(curve: MetricCurve, at: list[float]) -> None:
    """Between two points is what lies between their values; outside the range is nothing."""
    curve = attrs.evolve(curve, repeats="last")
    out = curve.resample(at)
    assert out.xs.tolist() == sorted(set(at))
    own, values = curve.xs.astype(float), curve.values
    for x, value in zip(out.xs.tolist(), out.values.tolist(), strict=True):
        if not len(own) or not own[0] <= x <= own[-1]:
            assert math.isnan(value)
            continue
        near = [int(np.searchsorted(own, x, "right")) - 1, int(np.searchsorted(own, x))]
        low, high = sorted(values[near].tolist())
        if all(math.isfinite(v) and abs(v) < 1e300 for v in (low, high)):
            slack = 1e-9 * max(abs(low), abs(high))
            assert low - slack <= value <= high + slack
        elif own[near[0]] != x:
            assert math.isnan(value) or max(abs(low), abs(high)) >= 1e300


@given(curves(xs=numeric, values=bounded))
def test_resampling_at_its_own_points_changes_nothing(curve: MetricCurve) -> None:
    """The points of a curve are on it."""
    assume(all(abs(x) < 2**53 for x in curve.xs.tolist()))
    curve = attrs.evolve(curve, repeats="last")
    out = curve.resample(curve.xs)
    assert same(out.values, curve.values.tolist())
    assert (out.x_name, out.metric, out.split) == (curve.x_name, curve.metric, curve.split)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, unique=True, max_size=8),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e3),
)
def test_smoothing_keeps_a_constant(at: list[float], constant: float, scale: float) -> None:
    """A constant curve stays what it is, whatever the spacing of its points."""
    curve = MetricCurve.from_arrays(at, [constant] * len(at)).smooth(scale)
    np.testing.assert_allclose(curve.values, constant, rtol=1e-9, atol=1e-300)


@given(st.integers(2, 6), st.floats(2.0, 20.0))
def test_smoothing_hardly_sees_how_often_was_logged(factor: int, scale: float) -> None:
    """The same line logged several times as densely smooths to the same curve."""
    coarse = np.arange(0, 101, 1.0)
    fine = np.arange(0, 100 + 0.5 / factor, 1.0 / factor)
    a = MetricCurve.from_arrays(coarse, np.sin(coarse / 15)).smooth(scale)
    b = MetricCurve.from_arrays(fine, np.sin(fine / 15)).smooth(scale)
    assert np.abs(b.values[::factor] - a.values)[20:].max() < 0.05


@given(curves(xs=numeric), st.floats(0.1, 10))
def test_smoothing_stays_inside_the_values_and_keeps_gaps(curve: MetricCurve, scale: float) -> None:
    """An average lies between the values, and what is no number stays none."""
    curve = attrs.evolve(curve, repeats="last")
    assume(all(abs(v) < 1e300 or not math.isfinite(v) for v in curve.values.tolist()))
    assume(all(abs(x) < 2**53 for x in curve.xs.tolist()))
    out = curve.smooth(scale)
    finite = curve.values[np.isfinite(curve.values)]
    assert np.isnan(out.values).tolist() == (~np.isfinite(curve.values)).tolist()
    if len(finite):
        slack = 1e-9 * np.abs(finite).max()
        found = out.values[~np.isnan(out.values)]
        assert finite.min() - slack <= found.min() <= found.max() <= finite.max() + slack


@pytest.mark.parametrize(
    ("reduction", "value"),
    [
        ("last", 2.5),
        ("first", 3.0),
        ("min", 1.0),
        ("max", 3.0),
        ("mean", 2.125),
        ("median", 2.25),
        ("best", 1.0),
        ("mean:2", 1.75),
        ("min:2", 1.0),
        ("max:1", 2.5),
        ("best:1", 2.5),
        ("mean:5", None),
        ("epoch=2", 1.0),
        ("epoch=2.0", 1.0),
        ("epoch=9", None),
        ("step=20", 1.0),
        ("nothing=2", None),
    ],
)
def test_a_curve_becomes_one_number(reduction: str, value: float | None) -> None:
    """Each reduction has its value, and none where there is none."""
    builder = CurveBuilder()
    rows = builder.add_block({"epoch": [0, 1, 2, 3], "step": [0, 10, 20, 30]})
    builder.add_curve(0, "val", "loss", [3.0, 2.0, 1.0, 2.5], rows)
    found = MetricCurves(builder.build(), 0)["epoch"].reduce(reduction)
    assert math.isnan(found) if value is None else found == value


def test_numbers_that_are_none_are_passed_over_by_the_best_only() -> None:
    """The best looks at finite values; the last is the last, and a mean over NaN is none."""
    curve = MetricCurve.from_arrays(range(3), [float("inf"), 1.0, float("nan")], metric="acc")
    assert curve.reduce("best") == 1.0
    assert curve.reduce("best", "min") == 1.0
    assert math.isnan(curve.reduce("last"))
    assert math.isnan(curve.reduce("mean"))
    assert curve.reduce("first") == math.inf


@pytest.mark.parametrize("values", [[], [float("nan")], [float("inf")]])
def test_a_curve_without_a_finite_value_has_no_best(values: list[float]) -> None:
    """There is no best of nothing."""
    curve = MetricCurve.from_arrays(range(len(values)), values)
    assert math.isnan(curve.reduce("best"))
    assert ("no points" if not values else "no finite value") in repr(curve)


def test_integers_beyond_doubles_stay_apart() -> None:
    """Two x that would be one float are two points."""
    curve = MetricCurve.from_arrays([2**53 + 1, 2**53], [1.0, 2.0])
    assert curve.xs.tolist() == [2**53, 2**53 + 1]
    assert (curve.at(2**53), curve.at(2**53 + 1)) == (2.0, 1.0)


def test_infinities_at_one_x_have_no_mean() -> None:
    """A mean that is not defined is NaN, and large values do not overflow on the way."""
    curve = MetricCurve.from_arrays([0, 0, 1, 1], [math.inf, -math.inf, 1e308, 1e308])
    found = attrs.evolve(curve, repeats="mean").values
    assert math.isnan(found[0])
    assert found[1] == 1e308


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda c: c.smooth(0), "greater than 0"),
        (lambda c: c.smooth(float("nan")), "greater than 0"),
        (lambda c: c.resample(3), "dimensions"),
        (lambda c: c.resample(["a"]), "numbers"),
        (lambda c: c.reduce("bset"), "unknown reduction"),
        (lambda c: attrs.evolve(c, repeats="never").values, "repeats must be one of"),
        (lambda c: attrs.evolve(c, repeats="all").smooth(1), "repeats"),
        (lambda c: MetricCurve.from_arrays(["a"], [1]).smooth(1), "text"),
        (lambda c: MetricCurve.from_arrays([1, 2], [1]), "1 values for 2 x"),
    ],
)
def test_misuse_is_answered_in_words(call: Callable[[MetricCurve], Any], says: str) -> None:
    """What makes no sense is our error, and says why."""
    curve = MetricCurve.from_arrays([0, 0, 1], [1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match=says):
        call(curve)


def test_axes_of_a_metric_are_a_mapping() -> None:
    """The same values are there on every axis; an unknown one is our error."""
    builder = CurveBuilder()
    rows = builder.add_block({"time": [0.5, 1.5], "step": [10, 20]})
    builder.add_curve(0, "val", "loss", [3.0, 2.0], rows, "val_loss")
    both = MetricCurves(builder.build(), 0)
    assert list(both) == ["time", "step"]
    assert len(both) == 2
    assert both["step"].values.tolist() == both["time"].values.tolist()
    assert both.default.x_name == "step"
    assert both["time"].original_name == "val_loss"
    assert repr(both) == "MetricCurves val/loss on time, step"
    assert both._repr_html_().count("<li>") == 2
    assert pickle.loads(pickle.dumps(both)) == both
    with pytest.raises(UnknownKeyError, match=r"no x-axis 'stepp' in val/loss.*'step'"):
        both["stepp"]


@pytest.mark.parametrize(
    ("axes", "inferred", "chosen"),
    [
        ({"step": [0, 1], "epoch": [0, 1]}, (), "epoch"),
        ({"step": [0, 1], "epoch": [0, 1]}, ("epoch",), "step"),
        ({"step": [0, 1], "epoch": [0, 0]}, (), "step"),
        ({"time": [0.1, 0.2], "mine": [0, 1]}, (), "mine"),
        ({"time": [0.1, 0.2], "epoch": [0, 0]}, (), "epoch"),
        ({"b": [0, 1], "a": [0, 1]}, (), "b"),
    ],
)
def test_the_usual_axis(axes: dict[str, list[Any]], inferred: Any, chosen: str) -> None:
    """Logged comes before counted, increasing before repeated, and wall time last."""
    builder = CurveBuilder()
    rows = builder.add_block(axes, inferred)
    builder.add_curve(0, "val", "loss", [3.0, 2.0], rows)
    assert MetricCurves(builder.build(), 0).default.x_name == chosen


@given(curves())
def test_its_text_is_one_line(curve: MetricCurve) -> None:
    """A curve says where it is and how far it goes."""
    assert "\n" not in repr(curve)
    assert f"{curve.split}/{curve.metric}" in repr(curve)


@given(curves(values=metric_values()))
def test_reductions_are_those_of_plain_python(curve: MetricCurve) -> None:
    """Extremes and ends are found by looking at every value."""
    values = curve.values.tolist()
    finite = [v for v in values if math.isfinite(v)]
    assert repr(curve.reduce("last")) == repr(values[-1] if values else math.nan)
    assert repr(curve.reduce("first")) == repr(values[0] if values else math.nan)
    for kind, pick in (("min", min), ("max", max)):
        wanted = pick(finite) if finite else math.nan
        found = curve.reduce(kind)
        assert found == wanted or (math.isnan(found) and math.isnan(wanted))
