"""Ranges of a long array that is in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dr_gen.model.pieces import ranges

__all__ = ["gather"]

_GAP = 1 << 14
"""So many values are read as fast as another call costs."""

_SPAN = 1 << 22
"""At most about so many values are read in one go, so that gaps cannot fill the memory."""


def gather(
    read: Callable[[int, int], NDArray[Any]],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    dtype: Any,
) -> NDArray[Any]:
    """The ranges ``start … start + size`` behind one another; near ones are read in one go.

    Parameters
    ----------
    read : callable
        Start and stop to that part of the array.
    starts, sizes : int64, dims (range,)
        In any order.
    dtype : dtype
        Of the array.

    Examples
    --------
    >>> array = np.arange(10.0)
    >>> gather(lambda a, b: array[a:b], np.array([7, 1]), np.array([2, 3]), float).tolist()
    [7.0, 8.0, 1.0, 2.0, 3.0]
    """
    some = sizes > 0
    starts, sizes = starts[some], sizes[some]
    ends = starts + sizes
    if len(starts) and (starts[1:] == ends[:-1]).all():
        return read(int(starts[0]), int(ends[-1]))
    out = np.empty(int(sizes.sum()), dtype)
    places = np.cumsum(sizes) - sizes
    order = np.argsort(starts, kind="stable")
    for together in np.split(order, _cuts(starts[order], ends[order])):
        if len(together):
            low, high = int(starts[together].min()), int(ends[together].max())
            block = read(low, high)
            index = ranges(places[together], sizes[together])
            out[index] = block[ranges(starts[together] - low, sizes[together])]
    return out


def _cuts(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where ascending ranges fall into groups that are read in one go."""
    reached = np.maximum.accumulate(ends)
    far = starts[1:] - reached[:-1] > _GAP
    return np.flatnonzero(far | (starts[1:] // _SPAN != starts[:-1] // _SPAN)) + 1
