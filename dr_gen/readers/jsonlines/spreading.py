"""Rows of Python numbers put into the columns of an array."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.float_records import length_of_head

__all__ = ["Spreader"]

_encoded: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder().encode

# Of MessagePack: what a byte says of the number behind it.
_BEHIND: Final = {
    0xCB: np.dtype(">f8"),
    **{0xCC + i: np.dtype(f">u{1 << i}") for i in range(4)},
    **{0xD0 + i: np.dtype(f">i{1 << i}") for i in range(4)},
}
_SMALL: Final = np.dtype("i1")
"""Of a number that is its own mark."""

_NO_NUMBERS: Final = range(0x80, 0xE0)
"""Marks of other things, where they are not among the above."""

_SMALLEST: Final = -32
_WORTH_IT: Final = 64
_MOST_PATIENCE: Final = 64


@attrs.frozen(eq=False)
class _Layout:
    """How the bytes of a row are laid out.

    Attributes
    ----------
    width : int
        Bytes of a row.
    places : intp array, dims (mark,)
        Where it says what follows: how many numbers, and of what kind each is.
    marks : uint8 array, dims (mark,)
        What it says there.
    small : bool array, dims (mark,)
        Where it may say something else: a mark that is the number itself.
    parts : tuple of (int, int, dtype, int)
        Columns of one kind beside one another: first, behind the last, what they are made of, and
        where the first begins.
    """

    width: int
    places: NDArray[np.intp]
    marks: NDArray[np.uint8]
    small: NDArray[np.bool_]
    parts: tuple[tuple[int, int, np.dtype[Any], int], ...]

    @classmethod
    def of(cls, row: bytes, n_columns: int) -> _Layout | None:
        """The layout of a row; None if it is no row of so many numbers."""
        at = length_of_head(n_columns)
        places, small = list(range(at)), [False] * at
        parts: list[tuple[int, int, np.dtype[Any], int]] = []
        for column in range(n_columns):
            if at >= len(row):
                return None
            behind = _BEHIND.get(row[at], _SMALL)
            if behind is _SMALL and row[at] in _NO_NUMBERS:
                return None
            places.append(at)
            small.append(behind is _SMALL)
            if parts and parts[-1][2] is behind:
                parts[-1] = (parts[-1][0], column + 1, *parts[-1][2:])
            else:
                parts.append((column, column + 1, behind, at + (behind is not _SMALL)))
            at += _step(behind)
        if at != len(row):
            return None
        marks = np.frombuffer(row, np.uint8)[places]
        return cls(at, np.array(places), marks, np.array(small), tuple(parts))

    def fits(self, table: NDArray[np.uint8]) -> bool:
        """Whether all rows of a table of bytes are laid out like this."""
        # A row that begins where it should, and has the same marks, is as long as it should be.
        marks = table.take(self.places, axis=1)
        alike = marks == self.marks
        if self.small.any():
            alike |= self.small & (marks.view(np.int8) >= _SMALLEST)
        return bool(alike.all())

    def copy(self, told: bytes, begin: int, out: NDArray[np.float64]) -> None:
        """Put the numbers of all rows, which begin at a byte, into an array."""
        for first, stop, behind, at in self.parts:
            shape, strides = (out.shape[1], stop - first), (self.width, _step(behind))
            out[first:stop] = np.ndarray(shape, behind, told, begin + at, strides).T


class Spreader:
    """Puts rows of numbers into columns.

    As MessagePack, rows of which each number takes as many bytes as the one above it are a table,
    whose columns numpy can copy: half the time of taking number by number, which is left for
    the others. Where rows turn out to be no table, that is tried less often.

    Examples
    --------
    >>> out = np.empty((2, 3))
    >>> Spreader().spread([(1, 0.5), (2, 1.5), (3, 2.5)], out)
    >>> out.tolist()
    [[1.0, 2.0, 3.0], [0.5, 1.5, 2.5]]
    """

    def __init__(self) -> None:
        self._waits = self._patience = 0
        self._layout: _Layout | None = None

    def spread(self, rows: Sequence[tuple[float, ...]], out: NDArray[np.float64]) -> None:
        """Fill an array.

        Parameters
        ----------
        rows : sequence of tuples
        out : float64 array, dims (column, row)

        Raises
        ------
        struct.error
            If something is no number, or there are not so many.
        """
        n_columns, n_rows = out.shape
        if self._waits:
            self._waits -= 1
        elif n_rows >= _WORTH_IT:
            if self.as_table(rows, out):
                self._patience = 0
                return
            self._patience = min(2 * self._patience + 1, _MOST_PATIENCE)
            self._waits = self._patience
        out[...] = _packed(rows, n_rows, n_columns).T

    def as_table(self, rows: Sequence[tuple[float, ...]], out: NDArray[np.float64]) -> bool:
        """Fill an array if each number takes as many bytes as that above it; whether that is so.

        Examples
        --------
        >>> out = np.zeros((1, 2))
        >>> Spreader().as_table([(7,), (-1,)], out), out.tolist()
        (True, [[7.0, -1.0]])
        >>> Spreader().as_table([(7,), (0.5,)], out)
        False
        """
        n_columns, n_rows = out.shape
        try:
            told = _encoded(rows)
        except OverflowError:  # a whole number of more than 64 bits
            return False
        begin = length_of_head(n_rows)
        width, left = divmod(len(told) - begin, n_rows)
        if left:
            return False
        table = np.frombuffer(told, np.uint8, offset=begin).reshape(n_rows, width)
        # Mostly it is that of the rows before.
        layout = self._layout
        if layout is None or layout.width != width or not layout.fits(table):
            layout = self._layout = _Layout.of(told[begin : begin + width], n_columns)
            if layout is None or not layout.fits(table):
                return False
        layout.copy(told, begin, out)
        return True


def _packed(rows: Iterable[Iterable[float]], n_rows: int, n_columns: int) -> NDArray[np.float64]:
    """Numbers in a read-only array, dims (row, column).

    Raises
    ------
    struct.error
        If something is no number, or there are not so many.

    Examples
    --------
    >>> _packed([(1, 2.5), (3, 4.5)], 2, 2).tolist()
    [[1.0, 2.5], [3.0, 4.5]]
    """
    # Takes a quarter less time than `numpy.fromiter`.
    cells = struct.pack(f"{n_rows * n_columns}d", *itertools.chain.from_iterable(rows))
    return np.frombuffer(cells, np.float64).reshape(n_rows, n_columns)


def _step(behind: np.dtype[Any]) -> int:
    """Bytes of a number with its mark."""
    return 1 if behind is _SMALL else 1 + behind.itemsize
