"""Files as pieces of whole lines, for readers that look at many lines in one step."""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["OPENING", "PIECE", "NotPlainError", "Piece", "line_ends", "pieces"]

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
    """Whole lines of a file.

    Attributes
    ----------
    data : bytes
        With a line end behind every line.
    ended : bool
        Whether the last line end was there.
    last : bool
        Whether nothing follows.
    """

    data: bytes
    ended: bool
    last: bool


class NotPlainError(Exception):
    """A file that has to be read line by line, with care."""


def pieces(path: Path) -> Iterator[Piece]:
    """The lines of a file, about `PIECE` bytes at a time.

    A file that grows meanwhile is read as far as it
    was when its end was reached.

    Raises
    ------
    NotPlainError
        If it is no regular file of UTF-8 lines, is empty or packed, has a line of many megabytes,
        or holds a quotation mark that nobody could count.
    """
    if os.fspath(path).casefold().endswith(".gz"):
        raise NotPlainError
    try:
        file = os.open(path, OPENING)
    except OSError:
        raise NotPlainError from None
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or not about.st_size:
            raise NotPlainError
        yield from _pieces(file, min(about.st_size + 1, PIECE))
    except OSError:
        raise NotPlainError from None
    finally:
        os.close(file)


def _pieces(file: int, size: int) -> Iterator[Piece]:
    rest, first = b"", True
    while True:
        data = os.read(file, size)
        last = len(data) < size  # of a regular file less comes at its end alone
        if first and not rest and (not data or data.startswith(_MARKS)):
            raise NotPlainError
        cut = 0 if last else data.rfind(b"\n") + 1
        if cut:
            piece = b"".join((rest, memoryview(data)[:cut]))
            rest = data[cut:]
            yield _unified(piece, last)
            first = False
        else:
            rest += data
        if last and rest:
            yield _unified(rest, last)
        if last:
            return
        if len(rest) > _LONGEST:
            raise NotPlainError


def _unified(piece: bytes, last: bool) -> Piece:
    if b"\\" in piece and _QUOTE_CODE.search(piece):
        raise NotPlainError
    if b"\r" in piece:
        piece = piece.replace(b"\r\n", b"\n")
    ended = piece.endswith(b"\n")
    return Piece(piece if ended else piece + b"\n", ended, last)


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
