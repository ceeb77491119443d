"""One number from each of many curves."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UsageError
from dr_gen.stats.reductions import reduce_ragged

VALUES = st.floats(allow_nan=True, allow_infinity=True, width=32)
CURVES = st.lists(st.lists(VALUES, max_size=6), max_size=6)
KINDS = ("last", "first", "min", "max", "mean", "median")


def by_hand(curve: list[float], kind: str, count: int | None) -> float:
    """The reduction of one curve in plain Python."""
    if count is not None:
        curve = curve[-count:] if len(curve) >= count else []
    if not curve:
        return math.nan
    finite = [v for v in curve if math.isfinite(v)]
    if kind in ("last", "first"):
        return curve[-1] if kind == "last" else curve[0]
    if kind in ("min", "max"):
        return (min if kind == "min" else max)(finite, default=math.nan)
    if len(finite) < len(curve):
        return math.nan
    return statistics.fmean(curve) if kind == "mean" else statistics.median(curve)


@given(CURVES, st.sampled_from(KINDS), st.none() | st.integers(1, 4))
def test_reductions_equal_those_of_plain_python(
    curves: list[list[float]], kind: str, count: int | None
) -> None:
    """Every reduction of every curve is what a loop over its values gives."""
    sizes = np.array([len(c) for c in curves], np.int64)
    values = np.array([v for c in curves for v in c], float)
    found = reduce_ragged(values, np.cumsum(sizes) - sizes, sizes, kind, count)
    expected = [by_hand(c, kind, count) for c in curves]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(CURVES)
def test_curves_may_lie_anywhere(curves: list[list[float]]) -> None:
    """Values between the curves and their order in memory do not matter."""
    sizes = np.array([len(c) for c in curves], np.int64)
    filler = [9e9]
    values = np.array([v for c in curves for v in [*filler, *c]], float)
    starts = np.cumsum(sizes + 1) - sizes
    for kind in ("min", "max"):
        found = reduce_ragged(values, starts[::-1], sizes[::-1], kind)
        expected = [by_hand(c, kind, None) for c in curves[::-1]]
        np.testing.assert_array_equal(found, expected)


def test_unknown_reduction_is_misuse() -> None:
    """A reduction that does not exist is refused by name."""
    with pytest.raises(UsageError, match="'mode'"):
        reduce_ragged(np.ones(1), np.zeros(1, np.int64), np.ones(1, np.int64), "mode")


def test_a_mean_beyond_all_numbers_is_infinite() -> None:
    """Values whose sum overflows give infinity, without a warning."""
    values = np.array([1.7e308, 1.7e308])
    found = reduce_ragged(values, np.zeros(1, np.int64), np.array([2], np.int64), "mean")
    assert found.tolist() == [np.inf]
