"""Smoothing and resampling of one curve."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UsageError
from dr_gen.stats.smoothing import resample, smooth

XS = st.lists(st.integers(-1000, 1000), min_size=1, max_size=12, unique=True).map(sorted)


@st.composite
def curves(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Increasing x and values, some of them NaN."""
    xs = draw(XS)
    value = st.floats(-1e6, 1e6) | st.just(math.nan)
    return np.array(xs, float), np.array(draw(st.lists(value, min_size=len(xs), max_size=len(xs))))


def interpolated(xs: list[float], values: list[float], x: float) -> float:
    """Linear interpolation in plain Python, NaN outside and beside what is not finite."""
    for left, right in zip(range(len(xs)), range(1, len(xs) + 1), strict=True):
        if x == xs[left]:
            return values[left]
        if right < len(xs) and xs[left] < x < xs[right]:
            part = (x - xs[left]) / (xs[right] - xs[left])
            return values[left] + part * (values[right] - values[left])
    return math.nan


@given(curves(), st.lists(st.floats(-1100, 1100), max_size=8))
def test_resampling_is_linear_inside_and_nothing_outside(
    curve: tuple[np.ndarray, np.ndarray], at: list[float]
) -> None:
    """Between two points lies their line; no value is invented outside the range or over a gap."""
    xs, values = curve
    found = resample(xs, values, np.array(at, float))
    expected = [interpolated(xs.tolist(), values.tolist(), x) for x in at]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


@given(curves())
def test_resampling_at_its_own_points_changes_nothing(
    curve: tuple[np.ndarray, np.ndarray],
) -> None:
    """A curve is itself at its own x, also beside a value that is missing."""
    np.testing.assert_array_equal(resample(*curve, curve[0]), curve[1])


@given(curves(), st.floats(0.1, 1e4))
def test_smoothed_values_stay_within_the_values_before(
    curve: tuple[np.ndarray, np.ndarray], scale: float
) -> None:
    """A smoothed value is a weighted mean of the finite values up to it, and NaN stays NaN."""
    xs, values = curve
    found = smooth(xs, values, scale)
    assert (np.isnan(found) == np.isnan(values)).all()
    for i in np.flatnonzero(np.isfinite(values)):
        before = values[: i + 1][np.isfinite(values[: i + 1])]
        slack = 1e-9 * max(1.0, float(np.abs(before).max()))
        assert before.min() - slack <= found[i] <= before.max() + slack


@pytest.mark.parametrize("density", [2, 5, 20])
def test_smoothing_hardly_depends_on_how_often_was_logged(density: int) -> None:
    """The same function logged more densely gives nearly the same smoothed curve."""
    coarse = np.arange(0.0, 100.0)
    fine = np.arange(0, 99 * density + 1) / density
    a = smooth(coarse, np.sin(coarse / 20), scale=10.0)
    b = smooth(fine, np.sin(fine / 20), scale=10.0)[::density]
    assert np.abs(a[20:] - b[20:]).max() < 0.03


def test_smoothing_is_the_weighted_mean_it_says() -> None:
    """Weights are exp(-distance/scale) times the stretch of x that a point stands for."""
    xs, values, scale = np.array([0.0, 1.0, 4.0]), np.array([1.0, 3.0, 2.0]), 2.0
    stretch = [1 - math.exp(-d / scale) for d in (1.0, 1.0, 3.0)]
    weights = [s * math.exp(-(4.0 - x) / scale) for s, x in zip(stretch, xs, strict=True)]
    expected = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    assert smooth(xs, values, scale)[-1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf, "wide"])
def test_scale_must_be_a_distance(scale: Any) -> None:
    """A scale that is no distance is misuse."""
    with pytest.raises(UsageError, match="greater than 0"):
        smooth(np.arange(3.0), np.arange(3.0), scale)


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf])
def test_nothing_is_nowhere(at: float) -> None:
    """A curve has no value at a point that is none."""
    assert np.isnan(resample(np.arange(3.0), np.arange(3.0), np.array([at])))
