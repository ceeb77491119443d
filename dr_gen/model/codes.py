"""Values as small whole numbers, so that questions about all runs are array operations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes", "counts_within", "dense", "joint", "places"]

Codes = NDArray[np.intp]
"""One code a row, in [0, number of codes)."""

_TABLE_SIZE: Final = 1 << 17
"""Codes up to this are counted in a table; larger ones are sorted, which takes less memory."""


def dense(codes: NDArray[Any], size: int) -> tuple[Codes, Codes]:
    """Codes without gaps, and the first place where each occurs.

    Parameters
    ----------
    codes : integer array, dims (row,)
        In [0, size).
    size : int

    Returns
    -------
    codes : intp array, dims (row,)
        Equal where the given ones are, ascending as they do: 0, 1, … without gaps.
    first : intp array, dims (code,)
        Row where each code comes first.
    """
    if size > _TABLE_SIZE:
        _, first, out = np.unique(codes, return_index=True, return_inverse=True)
        return out.astype(np.intp, copy=False), first
    first = np.full(size, -1, np.intp)
    # Assigned from the back, so that the first of equal ones stays.
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    used = first >= 0
    return (np.cumsum(used) - 1)[codes], first[used]


def joint(rows: Sequence[Codes], n_rows: int) -> tuple[Codes, Codes]:
    """Codes of combinations: equal where all of `rows` are; and where each comes first.

    Examples
    --------
    >>> codes, first = joint([np.array([0, 1, 0]), np.array([1, 1, 1])], 3)
    >>> codes.tolist(), first.tolist()
    ([0, 1, 0], [0, 1])
    """
    codes, first = np.zeros(n_rows, np.intp), np.zeros(min(n_rows, 1), np.intp)
    for row in rows:
        size = int(row.max(initial=0)) + 1
        codes, first = dense(codes * size + row, max(len(first), 1) * size)
    return codes, first


def counts_within(outer: Codes, n_outer: int, inner: Codes) -> Codes:
    """How many different codes of `inner` there are at each code of `outer`.

    Examples
    --------
    >>> counts_within(np.array([0, 0, 1]), 2, np.array([5, 6, 5])).tolist()
    [2, 1]
    """
    _, first = joint([outer, inner], len(outer))
    return np.bincount(outer[first], minlength=n_outer)


def places(codes: Codes) -> list[Codes]:
    """The rows of each code, ascending; every code from 0 to the highest has to occur.

    Examples
    --------
    >>> [rows.tolist() for rows in places(np.array([1, 0, 1]))]
    [[1], [0, 2]]
    """
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes)).tolist()
    # Not `np.split`, which takes ten times as long for many small parts.
    return [order[start:end] for start, end in itertools.pairwise([0, *ends])]
