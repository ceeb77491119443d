"""Numbers of a column in an array, where they were read together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

__all__ = ["Numbers"]


class Numbers(Sequence[Any]):
    """Numbers in an array, as a sequence of what was logged.

    Parameters
    ----------
    array : int64 or float64 array
        With ints among the floats as floats.
    first, last : int or float
        The first and the last one as logged.
    """

    def __init__(self, array: NDArray[Any], first: float, last: float) -> None:
        self.array, self._first, self._last = array, first, last

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.array[index].tolist()
        if index in (0, -len(self)):
            return self._first
        return self._last if index in (-1, len(self) - 1) else self.array[index].item()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.array.tolist())
