"""What several seeds say together: descriptions, intervals for the mean, bands over curves.

Values that are not finite (NaN, inf, -inf) are missing everywhere: neither used nor counted. A run
that diverged to inf therefore lowers `n`; compare `n` with the number of runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dr_gen.stats.arguments import FloatArray, check_level, choose, finite_sample, float_array
from dr_gen.stats.moments import Moments, column_moments
from dr_gen.stats.student import t_critical

__all__ = ["BAND_KINDS", "Band", "Description", "Interval", "band", "describe", "t_interval"]


class Description(NamedTuple):
    """A sample in six numbers, all but `n` in the unit of the values."""

    n: int
    """Values used: the finite ones."""
    mean: float
    """NaN for n = 0."""
    std: float
    """Standard deviation, ddof = 1; NaN for n < 2."""
    median: float
    """NaN for n = 0."""
    minimum: float
    """NaN for n = 0."""
    maximum: float
    """NaN for n = 0."""


class Interval(NamedTuple):
    """Bounds of an interval, in the unit of the values; both NaN where there is none."""

    low: float
    high: float


class Band(NamedTuple):
    """Mean and bounds of several curves at every x; every field has shape (x,)."""

    n: npt.NDArray[np.int64]
    """Curves with a finite value at this x."""
    mean: FloatArray
    """NaN where n = 0."""
    low: FloatArray
    high: FloatArray


def describe(values: npt.ArrayLike) -> Description:
    """Count, mean, standard deviation, median, minimum and maximum of a sample.

    Parameters
    ----------
    values : array_like, shape (k,)
        Any real numbers; those that are not finite are neither used nor counted.

    Returns
    -------
    Description
        n = 0 gives NaN for every number; n = 1 gives NaN for `std` alone.

    Raises
    ------
    UsageError
        `values` is not a one-dimensional array of real numbers.

    Examples
    --------
    >>> describe([1.0, 2.0, float("nan"), 6.0])._replace(std=0.0)
    Description(n=3, mean=3.0, std=0.0, median=2.0, minimum=1.0, maximum=6.0)
    >>> round(describe([1.0, 2.0, float("nan"), 6.0]).std, 4)
    2.6458
    """
    sample = finite_sample(values)
    found = column_moments(sample[:, np.newaxis])
    return Description(
        n=sample.size,
        mean=float(found.mean[0]),
        std=float(found.std[0]),
        median=_median(sample),
        minimum=float(found.minimum[0]),
        maximum=float(found.maximum[0]),
    )


def t_interval(values: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Student's t interval for the mean of the population that a sample comes from.

    mean ± t · std / sqrt(n), with t the (1 + level) / 2 quantile of Student's t with n - 1
    degrees of freedom. Exact for normal values at any n >= 2.

    Parameters
    ----------
    values : array_like, shape (k,)
        Any real numbers; those that are not finite are neither used nor counted.
    level : float
        Probability that the interval covers the mean, in (0, 1).

    Returns
    -------
    Interval
        Both NaN for n < 2. Equal values give low = high = mean.

    Raises
    ------
    UsageError
        `values` is not a one-dimensional array of real numbers, or `level` not in (0, 1).

    References
    ----------
    Student (1908), The probable error of a mean, Biometrika 6(1).

    Examples
    --------
    >>> low, high = t_interval([1, 2, 3, 4, 100])
    >>> round(low, 4), round(high, 4)
    (-32.1585, 76.1585)
    """
    level = check_level(level)
    found = describe(values)
    if found.n < 2:
        return Interval(math.nan, math.nan)
    half = float(t_critical(found.n - 1, level)) * (found.std / math.sqrt(found.n))
    return Interval(found.mean - half, found.mean + half)


def band(matrix: npt.ArrayLike, level: float = 0.95, kind: str = "t") -> Band:
    """Mean of several curves at every x, and a band around it.

    Every x stands alone: the band covers the mean at one x with probability `level`, not the
    whole curve at once.

    Parameters
    ----------
    matrix : array_like, shape (runs, x)
        One curve a row. NaN, inf and -inf are missing: neither used nor counted.
    level : float
        Probability that a "t" band covers the mean, in (0, 1); the other kinds do not use it.
    kind : {"t", "std", "range"}
        "t": Student's t interval for the mean, as `t_interval`. "std": mean ± one standard
        deviation (ddof = 1). "range": minimum to maximum.

    Returns
    -------
    Band
        Of shape (x,) each. `low` and `high` are NaN where n < 2, for "range" where n = 0.

    Raises
    ------
    UsageError
        `matrix` is not two-dimensional and real, `level` not in (0, 1), or `kind` unknown.

    Examples
    --------
    >>> nan = float("nan")
    >>> found = band([[1.0, 4.0], [3.0, nan], [8.0, nan]], kind="range")
    >>> found.n.tolist(), found.mean.tolist()
    ([3, 1], [4.0, 4.0])
    >>> found.low.tolist(), found.high.tolist()
    ([1.0, 4.0], [8.0, 4.0])
    >>> band([[1.0, 4.0], [3.0, nan]], kind="t").low.round(4).tolist()
    [-10.7062, nan]
    """
    level = check_level(level)
    bounds = choose(kind, BAND_KINDS, "kind")
    found = column_moments(float_array(matrix, ndim=2, what="matrix"))
    with np.errstate(over="ignore"):  # a bound beyond the largest double is inf
        low, high = bounds(found, level)
    return Band(found.n, found.mean, low, high)


_Bounds = Callable[[Moments, float], tuple[FloatArray, FloatArray]]
"""Moments of the columns and a level → low and high, shape (x,) each."""


def _t_bounds(found: Moments, level: float) -> tuple[FloatArray, FloatArray]:
    # Few counts are distinct, and a quantile costs more than all the rest of a column.
    distinct = np.flatnonzero(np.bincount(found.n))
    distinct = distinct[distinct >= 2]
    per_count = np.full(int(found.n.max(initial=0)) + 1, np.nan)
    per_count[distinct] = t_critical(distinct - 1, level) / np.sqrt(distinct)
    half = per_count[found.n] * found.std
    return found.mean - half, found.mean + half


def _std_bounds(found: Moments, level: float) -> tuple[FloatArray, FloatArray]:
    return found.mean - found.std, found.mean + found.std


def _range_bounds(found: Moments, level: float) -> tuple[FloatArray, FloatArray]:
    return found.minimum, found.maximum


BAND_KINDS: Final[Mapping[str, _Bounds]] = MappingProxyType(
    {"t": _t_bounds, "std": _std_bounds, "range": _range_bounds}
)
"""The kinds of `band`, by name."""


def _median(sample: FloatArray) -> float:
    """Median of finite values; NaN for none."""
    if sample.size == 0:
        return math.nan
    middle = sample.size // 2
    lower = (sample.size - 1) // 2
    ordered = np.partition(sample, (lower, middle))
    low, high = float(ordered[lower]), float(ordered[middle])
    # numpy.median adds first and halves then, which overflows for values near the limit.
    return low if low == high else low / 2.0 + high / 2.0
