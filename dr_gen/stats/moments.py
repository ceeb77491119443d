"""Mean, spread and extremes of the columns of a matrix with holes, in two passes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dr_gen.stats.arguments import FloatArray

__all__ = ["Moments", "column_moments"]

# Elements a block: its temporaries, of 8 bytes an element, stay in the cache (measured).
_BLOCK = 1 << 17

# Scaling by 2**-e keeps e inside what a normal double can hold, for subnormal columns too.
_MAX_EXPONENT = 1000


class Moments(NamedTuple):
    """What the columns of a matrix hold; every field has shape (x,)."""

    n: npt.NDArray[np.int64]
    """Finite values in the column."""
    mean: FloatArray
    """Arithmetic mean; NaN where n = 0."""
    std: FloatArray
    """Standard deviation, ddof = 1; NaN where n < 2, exactly 0 where all values are equal."""
    minimum: FloatArray
    """NaN where n = 0."""
    maximum: FloatArray
    """NaN where n = 0."""


def column_moments(matrix: FloatArray) -> Moments:
    """Count, mean, standard deviation, minimum and maximum of every column.

    Two passes over values shifted by the minimum of their column, so that an offset much larger
    than the spread costs no digits and equal values have no spread; scaled by a power of two, so
    that squares neither overflow nor vanish.

    Parameters
    ----------
    matrix : ndarray of float64, shape (k, x)
        Entries that are not finite are missing: neither used nor counted.

    Returns
    -------
    Moments
        Of shape (x,) each. A standard deviation beyond the largest double is inf.

    References
    ----------
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, The American
    Statistician 37(3): the two-pass algorithm on shifted data.

    Examples
    --------
    >>> found = column_moments(np.array([[1.0, 5.0], [2.0, np.nan], [6.0, np.nan]]))
    >>> found.n.tolist(), found.mean.tolist(), found.maximum.tolist()
    ([3, 1], [3.0, 5.0], [6.0, 5.0])
    """
    rows, columns = matrix.shape
    result = Moments(np.zeros(columns, np.int64), *(np.full(columns, np.nan) for _ in range(4)))
    if rows == 0:
        return result
    width = max(1, _BLOCK // rows)
    for start in range(0, columns, width):
        block = slice(start, start + width)
        for whole, part in zip(result, _block_moments(matrix[:, block]), strict=True):
            whole[block] = part
    return result


def _block_moments(matrix: FloatArray) -> Moments:
    finite = np.isfinite(matrix)
    n = np.count_nonzero(finite, axis=0)
    empty = n == 0
    low = np.where(empty, 0.0, np.where(finite, matrix, np.inf).min(axis=0))
    high = np.where(empty, 0.0, np.where(finite, matrix, -np.inf).max(axis=0))
    scale = _power_of_two_near(np.maximum(np.abs(low), np.abs(high)))
    count = np.maximum(n, 1)

    distance = np.where(finite, matrix * scale - low * scale, 0.0)
    mean_distance = distance.sum(axis=0) / count
    rest = np.where(finite, distance - mean_distance, 0.0)
    mean = (low * scale + mean_distance) / scale
    with np.errstate(over="ignore"):  # two values at opposite ends of the range of doubles
        std = np.sqrt((rest * rest).sum(axis=0) / np.maximum(n - 1, 1)) / scale
    missing = np.where(empty, np.nan, 0.0)
    return Moments(n, mean + missing, np.where(n < 2, np.nan, std), low + missing, high + missing)


def _power_of_two_near(size: FloatArray) -> FloatArray:
    """The power of two that brings `size` to about 1."""
    _, exponent = np.frexp(size)
    power: FloatArray = np.ldexp(1.0, -np.clip(exponent, -_MAX_EXPONENT, _MAX_EXPONENT))
    return power
