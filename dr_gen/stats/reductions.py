"""One number from each of many curves of different lengths."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError

__all__ = ["reduce_ragged", "tail_sizes"]

Kind = Literal["last", "first", "min", "max", "mean", "median"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def tail_sizes(sizes: Ints, count: int | None) -> Ints:
    """How many of its last points each curve gives: `count`, or none if it has fewer.

    Parameters
    ----------
    sizes : int64, dims (curve,)
    count : int or None
        None for all points.
    """
    return sizes if count is None else np.where(sizes >= count, count, 0).astype(np.int64)


def reduce_ragged(
    values: Floats, starts: Ints, sizes: Ints, kind: str, count: int | None = None
) -> Floats:
    """Reduce curves that lie behind one another.

    Parameters
    ----------
    values : float64, dims (obs,)
    starts, sizes : int64, dims (curve,)
        Where each curve begins and how many points it has.
    kind : {"last", "first", "min", "max", "mean", "median"}
        ``min`` and ``max`` look at the finite values; ``last`` and ``first`` take the point as it
        is; ``mean`` and ``median`` are NaN where a value is not finite.
    count : int, optional
        Use the last `count` points only; NaN for a curve with fewer.

    Returns
    -------
    float64, dims (curve,)
        NaN for a curve without a usable point.

    Raises
    ------
    UsageError
        If `kind` is none of these.

    Examples
    --------
    >>> v = np.array([3.0, 1.0, np.nan, 2.0, 4.0])
    >>> reduce_ragged(v, np.array([0, 3]), np.array([3, 2]), "min").tolist()
    [1.0, 2.0]
    """
    used = tail_sizes(sizes, count)
    out = np.full(len(sizes), np.nan)
    some = np.flatnonzero(used > 0)
    if len(some) == 0:
        return out
    first = (starts + sizes - used)[some]
    if kind in ("last", "first"):
        out[some] = values[first if kind == "first" else first + used[some] - 1]
    elif kind in ("min", "max"):
        out[some] = _extremes(values, first, used[some], kind)
    elif kind in ("mean", "median"):
        average = np.mean if kind == "mean" else np.median
        for curve, begin, n in zip(some.tolist(), first.tolist(), used[some].tolist(), strict=True):
            points = values[begin : begin + n]
            with np.errstate(over="ignore"):
                out[curve] = average(points) if np.isfinite(points).all() else np.nan
    else:
        raise UsageError(f"unknown reduction {kind!r}")
    return out


def _extremes(values: Floats, first: Ints, used: Ints, kind: str) -> Floats:
    worst = np.inf if kind == "min" else -np.inf
    finite = np.where(np.isfinite(values), values, worst)
    # reduceat takes [start, stop) pairs; a last stop at the very end must not be given. The odd
    # results are those of the gaps between curves.
    bounds = np.column_stack([first, first + used]).ravel()
    reduce = np.minimum if kind == "min" else np.maximum
    padded = np.append(finite, worst)
    found: Floats = reduce.reduceat(padded, bounds)[::2]
    return np.where(np.isfinite(found), found, np.nan)
