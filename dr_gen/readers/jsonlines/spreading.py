"""Rows of Python numbers put into the columns of an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.plain_lines import packed

__all__ = ["Spreader"]

_encoded: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder().encode

# Of MessagePack: what a byte says of the number behind it. Any other byte is a small whole number.
_BEHIND: Final = {
    0xCB: np.dtype(">f8"),
    **{0xCC + i: np.dtype(f">u{1 << i}") for i in range(4)},
    **{0xD0 + i: np.dtype(f">i{1 << i}") for i in range(4)},
}
_SMALL: Final = np.dtype("i1")
_SMALLEST: Final = -32
_SHORT, _LONG = 16, 1 << 16
_WORTH_IT: Final = 64
_MOST_PATIENCE: Final = 64


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
            if as_table(rows, out):
                self._patience = 0
                return
            self._patience = min(2 * self._patience + 1, _MOST_PATIENCE)
            self._waits = self._patience
        out[...] = packed(rows, n_rows, n_columns).T


def as_table(rows: Sequence[tuple[float, ...]], out: NDArray[np.float64]) -> bool:
    """Fill an array if each number takes as many bytes as the one above it; whether that is so.

    Examples
    --------
    >>> out = np.zeros((1, 2))
    >>> as_table([(7,), (-1,)], out), out.tolist(), as_table([(7,), (0.5,)], out)
    (True, [[7.0, -1.0]], False)
    """
    n_columns, n_rows = out.shape
    try:
        told = _encoded(rows)
    except (OverflowError, ValueError):  # a whole number of more than 64 bits
        return False
    begin = _length_of_head(n_rows)
    width, left = divmod(len(told) - begin, n_rows)
    table = None if left else np.frombuffer(told, np.uint8, offset=begin).reshape(n_rows, width)
    if table is None:
        return False
    columns = list(_columns(told[begin : begin + width], n_columns))
    if len(columns) < n_columns:
        return False
    marks = table[:, [at for at, _, _ in columns]]
    small = np.array([behind is _SMALL for _, behind, _ in columns])
    # A row whose marks are those of the first, which begins where it should, is as long as that.
    alike = (marks == marks[0]) | (small & (marks.view(np.int8) >= _SMALLEST))
    if not alike.all() or not (table[:, 0] == table[0, 0]).all():
        return False
    for place, (_, behind, at) in zip(out, columns, strict=True):
        place[...] = np.ndarray((n_rows,), behind, told, begin + at, (width,))
    return True


def _length_of_head(n_items: int) -> int:
    return 1 if n_items < _SHORT else 3 if n_items < _LONG else 5


def _columns(row: bytes, n_columns: int) -> Iterator[tuple[int, np.dtype[Any], int]]:
    """For each number of a row where its mark is, what it is made of, and where that begins.

    Ends early where the row does.
    """
    at = _length_of_head(n_columns)
    for _ in range(n_columns):
        if at >= len(row):
            return
        behind = _BEHIND.get(row[at])
        yield at, behind or _SMALL, at + (behind is not None)
        at += 1 if behind is None else 1 + behind.itemsize
