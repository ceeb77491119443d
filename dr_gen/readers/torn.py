"""Records that begin inside a torn line, where the end of an earlier one got lost."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.plain_files import line_ends

__all__ = ["OBJECT", "Beginnings", "record_starts", "unlike_first"]

OBJECT: Final = b'{"'
_ATTEMPTS: Final = 8
_ENOUGH: Final = 20
_WORD: Final = 8
_LONG: Final = 1 << 15
"""Bytes from which on it is quicker to look at all lines together."""


class Beginnings:
    """The first keys of the objects so far, looked for when one is asked for."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._possible: set[bytes] = set()
        self._added: set[bytes] = set()
        self._waiting: list[bytes] = []

    def add(self, line: bytes) -> None:
        """The object of one line."""
        key = _first_key(line)
        if key not in self._added:
            self._added.add(key)
            self._possible.add(key)
            self._waiting.append(key)

    def add_many(self, lines: bytes, beginnings: frozenset[bytes]) -> None:
        """Lines of an object each, without space around it, that may begin like these."""
        if b"\\" in lines:  # a key may be written with escapes
            for line in lines.split(b"\n"):
                self.add(line)
        else:
            self._waiting.append(lines)
            self._possible |= beginnings

    def __contains__(self, key: object) -> bool:
        if key not in self._possible:
            return False
        self.settle()
        return key in self._known

    def settle(self) -> None:
        """Look at the lines that wait for it."""
        if self._waiting and len(self._known) < _ENOUGH:
            for line in _unlike(b"\n".join(self._waiting)):
                if len(self._known) < _ENOUGH:
                    self._known.add(_first_key(line))
        self._waiting.clear()


def record_starts(line: bytes, beginnings: Container[bytes], after: int = 0) -> Iterator[int]:
    """Where in a broken line a new record may begin: at an object that begins as others do.

    Only what comes behind the byte `after` is looked at.
    """
    left = _ATTEMPTS
    start = line.find(OBJECT, after + 1)
    while start > 0 and left:
        end = line.find(b'"', start + 2)
        if line[start : end + 1] in beginnings:
            left -= 1
            yield start
        start = line.find(OBJECT, start + 1)


def unlike_first(
    data: bytes | bytearray, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> bytes:
    r"""The first of some lines, and those that do not begin with the same key.

    Parameters
    ----------
    data : bytes or bytearray
    starts, ends : int64 arrays, dims (line,)
        Where the lines are.

    Examples
    --------
    >>> starts = np.array([0, 8, 16])
    >>> unlike_first(b'{"a": 1}{"a": 2}{"b": 3} behind', starts, starts + 8)
    b'{"a": 1}\n{"b": 3}'
    """
    first = bytes(data[starts[0] : ends[0]])
    key, rest = _first_key(first), starts[1:]
    n_words = max(len(data) - _WORD + 1, 0)
    words = np.ndarray(n_words, "<u8", data, strides=(1,))
    # Where there is no whole word any more, a line is taken for another.
    alike = rest + len(key) <= n_words
    for at in range(0, len(key), _WORD):
        part = key[at : at + _WORD]
        mask = np.uint64((1 << 8 * len(part)) - 1)
        found = words[np.minimum(rest + at, n_words - 1)] & mask if n_words else rest
        alike &= found == np.uint64(int.from_bytes(part, "little"))
    others = np.flatnonzero(~alike) + 1
    return b"\n".join([first, *(data[starts[i] : ends[i]] for i in others.tolist())])


def _unlike(lines: bytes) -> list[bytes]:
    """The first of some lines; and the others, if not all begin with the same key."""
    first = _first_key(lines)
    if first and len(lines) > _LONG:
        ends = np.append(line_ends(np.frombuffer(lines, np.uint8)), len(lines))
        starts = np.append(0, ends[:-1] + 1)
        return unlike_first(lines, starts, ends).split(b"\n")
    # Nearly always all begin alike.
    alike = bool(first) and lines.count(b"\n" + first) == lines.count(b"\n")
    return [first] if alike else lines.split(b"\n")


def _first_key(line: bytes) -> bytes:
    return line[: line.find(b'"', 2) + 1]
