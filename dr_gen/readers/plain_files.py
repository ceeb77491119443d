"""Files as pieces of whole lines, for readers that look at many lines in one step."""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["OPENING", "PIECE", "LineBuffer", "NotPlainError", "Piece", "line_ends"]

PIECE: Final = 1 << 20
"""Bytes of a file that are read at a time, and of small files that are looked at together."""

_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_QUOTE_CODE: Final = re.compile(rb"\\u0022")
_NEWLINE: Final = 10
_WORD: Final = 8
# A one in byte i of a word, times this, has i in its highest byte.
_PLACES: Final = np.uint64(int.from_bytes(bytes(reversed(range(_WORD))), "little"))
_HIGHEST: Final = np.uint64(8 * (_WORD - 1))
_LONGEST: Final = 8 * PIECE
# Opening a pipe would wait for its writer.
OPENING: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Flags for `os.open` to read a file that may turn out to be none."""


class Piece(NamedTuple):
    """Whole lines of a file in a buffer.

    Attributes
    ----------
    start, stop : int
        Which bytes of the buffer they are, with a line end behind every line.
    ended : bool
        Whether the last line end was there.
    last : bool
        Whether nothing follows.
    """

    start: int
    stop: int
    ended: bool
    last: bool


class NotPlainError(Exception):
    """A file that has to be read line by line, with care."""


class LineBuffer:
    """The lines of files, behind one another, read right to where they are decoded.

    Attributes
    ----------
    data : bytearray
        The same one for all files, but for one with very long lines.
    """

    def __init__(self) -> None:
        self.data = bytearray(2 * PIECE + 1)
        self._end = 0

    def clear(self) -> None:
        """Begin anew; what was read is overwritten."""
        self._end = 0

    def pieces(self, path: Path, full: Callable[[], None]) -> Iterator[Piece]:
        """The lines of a file, about `PIECE` bytes at a time.

        A file that grows meanwhile is read as far as it was when its end was reached.

        Parameters
        ----------
        path : Path
        full : callable
            Has to `clear`; what was read before is asked for no more. A second piece of a file
            always begins the buffer.

        Raises
        ------
        NotPlainError
            If it is no regular file of UTF-8 lines, is empty or packed, has a line of many
            megabytes, or holds a quotation mark that nobody could count.
        """
        if os.fspath(path).casefold().endswith(".gz"):
            raise NotPlainError
        if self._end >= PIECE:
            full()
        try:
            file = os.open(path, OPENING)
        except OSError:
            raise NotPlainError from None
        try:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode) or not about.st_size:
                raise NotPlainError
            yield from self._pieces(file, min(about.st_size + 1, PIECE), full)
        except OSError:
            raise NotPlainError from None
        finally:
            os.close(file)

    def _pieces(self, file: int, size: int, full: Callable[[], None]) -> Iterator[Piece]:
        left, first = b"", True
        while True:
            start, at = self._end, self._end + len(left)
            stop = at + self._read(file, at, size)
            last = stop - at < size  # of a regular file less comes at its end alone
            if first and (stop == at or self.data.startswith(_MARKS, start, stop)):
                raise NotPlainError
            cut = stop if last else self.data.rfind(b"\n", start, stop) + 1
            if cut > start:
                yield self._unified(start, cut, last)
            if last:
                return
            left, first = bytes(self.data[max(cut, start) : stop]), False
            if len(left) > _LONGEST:
                raise NotPlainError
            full()
            self.data[self._end : self._end + len(left)] = left

    def _read(self, file: int, at: int, size: int) -> int:
        if at + size >= len(self.data):
            # Anew, since it cannot grow while somebody looks at it.
            self.data = self.data[:at] + bytes(size + 1)
        return os.readv(file, [memoryview(self.data)[at : at + size]])

    def _unified(self, start: int, stop: int, last: bool) -> Piece:
        data = self.data
        if data.find(b"\\", start, stop) >= 0 and _QUOTE_CODE.search(data, start, stop):
            raise NotPlainError
        if data.find(b"\r", start, stop) >= 0:
            unified = data[start:stop].replace(b"\r\n", b"\n")
            stop = start + len(unified)
            data[start:stop] = unified
        ended = data[stop - 1] == _NEWLINE
        if not ended:
            data[stop] = _NEWLINE
            stop += 1
        self._end = stop
        return Piece(start, stop, ended, last)


def line_ends(array: NDArray[np.uint8]) -> NDArray[np.int64]:
    r"""Where the line ends are among some bytes.

    Examples
    --------
    >>> line_ends(np.frombuffer(b"first line\nsecond\n\n", np.uint8)).tolist()
    [10, 17, 18]
    """
    marks = array == _NEWLINE
    whole = len(array) // _WORD * _WORD
    words = marks[:whole].view("<u8")
    # Lines are long: to look at eight bytes at a time for those that hold an end is quicker.
    some = np.flatnonzero(words != 0)
    ones = words[some]
    if (ones & (ones - np.uint64(1))).any():  # two ends in one word
        return np.flatnonzero(marks)
    first = _WORD * some + ((ones * _PLACES) >> _HIGHEST).astype(np.int64)
    return np.concatenate([first, whole + np.flatnonzero(marks[whole:])])
