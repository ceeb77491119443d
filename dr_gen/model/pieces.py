"""Pieces of large arrays, put together in new ones.

Memory for large arrays goes back to the system as soon as they are gone: what the C library gives
back stays with the process, as a rule. So arrays can be put together piece by piece, each let go
once it is copied, and not everything is there twice.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dr_gen.model.stored import Array, StoredArray, concatenated

__all__ = ["are_behind", "behind", "gathered", "in_order", "joined", "portions", "ranges", "room"]

Ints = NDArray[np.int64]

_LARGE = 1 << 20
"""Bytes from which on an array has memory of its own."""

_OWN = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS if hasattr(mmap, "MAP_ANONYMOUS") else None
"""Where there is no such memory, all of it comes from the C library."""

_MANY_PIECES = 500
"""From here on numpy is faster with an index of every number."""


def room(size: int, dtype: Any) -> NDArray[Any]:
    """A writable array for `size` numbers, not filled.

    Examples
    --------
    >>> room(2, np.int64).shape, room(1 << 20, np.float64).dtype
    ((2,), dtype('float64'))
    """
    n_bytes = size * np.dtype(dtype).itemsize
    if n_bytes < _LARGE or _OWN is None:
        return np.empty(size, dtype)
    # In small pages: of large ones, which numpy asks for, a virtual machine has few at hand, and
    # may take many times as long to find one as to clear it.
    return np.frombuffer(mmap.mmap(-1, n_bytes, flags=_OWN), dtype)


def joined(arrays: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Arrays behind one another; empties the list, so that not everything is there twice.

    Examples
    --------
    >>> joined([np.array([1]), np.array([2, 3])], np.float64).tolist()
    [1.0, 2.0, 3.0]
    """
    out = room(sum(map(len, arrays)), dtype)
    arrays.reverse()
    at = 0
    while arrays:
        array = arrays.pop()
        out[at : at + len(array)] = array
        at += len(array)
    return out


def are_behind(arrays: Sequence[NDArray[Any]], whole: Array) -> bool:
    """Whether numbers behind one another are, bit for bit, those of one array in memory.

    Examples
    --------
    >>> are_behind([np.array([1]), np.array([2, 3])], np.array([1, 2, 3]))
    True
    >>> are_behind([np.array([0.0])], np.array([-0.0])), are_behind([], np.array([]))
    (False, False)
    """
    size = sum(map(len, arrays))
    if isinstance(whole, StoredArray) or not 0 < size == len(whole):
        return False
    at, bits = 0, whole.view(np.int64)
    for array in arrays:
        mine, theirs = array.view(np.int64), bits[at : at + len(array)]
        far = max(len(array) - 1, 1)  # most that differ do so at an end
        if (mine[::far] != theirs[::far]).any() or (mine != theirs).any():
            return False
        at += len(array)
    return True


def ranges(starts: Ints, sizes: Ints) -> Ints:
    """Concatenation of ``arange(start, start + size)``, as one index array.

    Examples
    --------
    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    total = int(sizes.sum())
    ends = np.cumsum(sizes)
    index: Ints = np.repeat(starts - (ends - sizes), sizes)
    index += np.arange(total, dtype=np.int64)
    return index


def portions(sizes: Ints, most: int) -> Iterator[slice]:
    """Cut ranges into portions of at most `most` values; a longer range is a portion of its own.

    Examples
    --------
    >>> list(portions(np.array([3, 3, 9, 1]), 6))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + most, "right")))
        yield slice(first, last)
        first = last


def gathered(
    arrays: Sequence[Array], starts: Ints, sizes: Ints, which: NDArray[np.intp] | None = None
) -> Array:
    """Concatenation of ``arrays[which][start : start + size]``.

    What lies behind one another is taken in one piece, and a single piece is not copied: one
    metric of all runs is a slice.

    Examples
    --------
    >>> gathered([np.arange(9)], np.array([2, 4, 0]), np.array([2, 1, 1])).tolist()
    [2, 3, 4, 0]
    """
    if not len(starts):
        return arrays[0][:0]
    if any(isinstance(array, StoredArray) for array in arrays):
        offsets = np.cumsum([0, *map(len, arrays)])
        whole: Any = concatenated(arrays)
        places = starts + offsets[0 if which is None else which]
        if not isinstance(whole, StoredArray):  # some of it was in memory
            return gathered([whole], places, sizes)
        return whole.pick(places, sizes)
    which = np.zeros(len(starts), np.intp) if which is None else which
    ends = starts + sizes
    breaks = (starts[1:] != ends[:-1]) | (which[1:] != which[:-1])
    first = np.append(0, np.flatnonzero(breaks) + 1)
    if len(first) > _MANY_PIECES and len(arrays) == 1:
        return arrays[0][ranges(starts, sizes)]
    lasts = ends[np.append(first[1:], len(starts)) - 1]
    bounds = zip(which[first].tolist(), starts[first].tolist(), lasts.tolist(), strict=True)
    return concatenated([arrays[i][low:high] for i, low, high in bounds])


def behind(arrays: list[Array]) -> Array:
    """Arrays behind one another; empties the list."""
    dtypes = {array.dtype for array in arrays}
    if len(dtypes) > 1 or dtypes == {np.dtype(object)} or len(arrays) < 2:
        return concatenated(arrays)
    if any(isinstance(array, StoredArray) for array in arrays):
        return concatenated(arrays)
    return joined(arrays, dtypes.pop())  # type: ignore[arg-type]


def in_order(
    arrays: list[Array], bounds: Sequence[tuple[Ints, Ints]], order: NDArray[np.intp]
) -> Array:
    """Pieces of arrays, starts and sizes of which are given, in another order; empties the list."""
    sizes = np.concatenate([size for _, size in bounds])
    n_pieces = [len(start) for start, _ in bounds]
    if any(isinstance(array, StoredArray) for array in arrays):
        starts = np.concatenate([start for start, _ in bounds])
        which = np.repeat(np.arange(len(arrays)), n_pieces)
        return gathered(arrays, starts[order], sizes[order], which[order])
    places = np.empty_like(sizes)
    places[order] = np.cumsum(sizes[order]) - sizes[order]
    out = room(int(sizes.sum()), np.float64)
    arrays.reverse()
    for (starts, size), to in zip(bounds, np.split(places, np.cumsum(n_pieces)[:-1]), strict=True):
        array = arrays.pop()
        ends = to + size
        first = np.append(
            0, np.flatnonzero((to[1:] != ends[:-1]) | (np.diff(starts) != size[:-1])) + 1
        )
        if len(first) > _MANY_PIECES:
            out[ranges(to, size)] = array[ranges(starts, size)]
        elif len(size):
            last = np.append(first[1:], len(size)) - 1
            cuts = zip(to[first].tolist(), ends[last].tolist(), starts[first].tolist(), strict=True)
            for low, high, at in cuts:
                out[low:high] = array[at : at + high - low]
    return out
