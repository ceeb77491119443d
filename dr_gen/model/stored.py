"""Numbers that are read when they are asked for, as the columns of a table see them.

Whoever keeps the numbers (the store) makes these arrays and gives them to the table.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Rows", "StoredArray", "concatenated"]

Rows = tuple[int, Callable[[], NDArray[np.float64]]]
"""How many rows a block of an array has, and what makes it: picklable, float64, dims (row, x)."""


class StoredArray(abc.ABC):
    """A one-dimensional array that is not in memory; `numpy.asarray` reads it."""

    dtype: np.dtype[Any]

    @abc.abstractmethod
    def __len__(self) -> int:
        """How many numbers."""

    @abc.abstractmethod
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The numbers."""

    @abc.abstractmethod
    def pick(self, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> StoredArray:
        """Concatenation of ``self[start : start + size]``; nothing is read."""

    @abc.abstractmethod
    def joined(self, others: Sequence[StoredArray]) -> StoredArray:
        """The array and others of its kind behind one another; nothing is read."""

    @property
    @abc.abstractmethod
    def at_once(self) -> int | None:
        """How many numbers should be in memory at once; None: all of them may."""

    @abc.abstractmethod
    def stacked(self, blocks: Sequence[Rows], n_columns: int) -> Any:
        """Blocks of rows below one another, as an array that makes each when it is needed."""

    @property
    def shape(self) -> tuple[int]:
        """As of a numpy array."""
        return (len(self),)

    def __getitem__(self, key: Any) -> Any:
        """A slice, not read yet; or whatever numpy gives for the key."""
        if not isinstance(key, slice) or key.step not in (None, 1):
            return np.asarray(self)[key]
        start, stop, _ = key.indices(len(self))
        return self.pick(np.array([start]), np.array([max(stop - start, 0)]))


Array = NDArray[Any] | StoredArray


def concatenated(arrays: Sequence[Array]) -> Array:
    """Arrays behind one another; stored ones stay where they are.

    Examples
    --------
    >>> concatenated([np.array([1]), np.array([2, 3])]).tolist()
    [1, 2, 3]
    """
    if len(arrays) == 1:
        return arrays[0]
    stored = [array for array in arrays if isinstance(array, StoredArray)]
    if stored and sum(map(len, stored)) == sum(map(len, arrays)):
        return stored[0].joined(stored[1:])
    return np.concatenate([np.asarray(array) for array in arrays])
