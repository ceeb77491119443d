"""Records that begin inside a torn line, where the end of an earlier one got lost."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final

__all__ = ["OBJECT", "Beginnings", "record_starts"]

OBJECT: Final = b'{"'
_ATTEMPTS: Final = 8
_ENOUGH: Final = 20


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
        for lines in self._waiting:
            first = _first_key(lines)
            # Nearly always all begin alike.
            alike = bool(first) and lines.count(b"\n" + first) == lines.count(b"\n")
            for line in [first] if alike else lines.split(b"\n"):
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


def _first_key(line: bytes) -> bytes:
    return line[: line.find(b'"', 2) + 1]
