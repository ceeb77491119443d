"""Lines of JSON objects, decoded together as far as they can be."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final

import msgspec

__all__ = ["REFUSED", "Pace", "before_odd"]

REFUSED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises."""

_FEWEST: Final = 64
_MOST: Final = 1024
_STREAK: Final = 8

_BYTE: Final = re.compile(r"\(byte (\d+)\)$")
_OBJECT: Final = re.compile(r"at `\$\[(\d+)\]")
"""Where an error says to have happened: behind so many bytes, or in which object."""


class Pace:
    """How many lines to decode together: fewer where odd lines are frequent.

    Each takes the lines before it to be decoded twice, but each decoding of its own takes as long
    as some fifteen lines.

    Examples
    --------
    >>> pace = Pace()
    >>> pace.went_well(10_000)
    >>> before = pace.n_lines
    >>> pace.met_odd()
    >>> before > pace.n_lines
    True
    """

    def __init__(self) -> None:
        self.n_lines = _FEWEST
        self._streak = 0

    def went_well(self, n_lines: int) -> None:
        """So many lines held nothing odd."""
        self._streak += n_lines
        if self._streak >= _STREAK * self.n_lines:
            self.n_lines, self._streak = min(2 * self.n_lines, _MOST), 0

    def met_odd(self) -> None:
        """One was odd."""
        self.n_lines, self._streak = _FEWEST, 0


def before_odd(decoder: Any, lines: bytes | memoryview, n_lines: int) -> list[Any]:
    r"""The objects of lines, up to the first that is not one object which the decoder takes.

    Parameters
    ----------
    decoder : msgspec.json.Decoder
    lines : bytes or memoryview
        Without a line end behind the last.
    n_lines : int

    Examples
    --------
    >>> decoder = msgspec.json.Decoder(dict[str, int])
    >>> before_odd(decoder, b'{"a": 1}\n{"a": 2}\n{"a" 3}\n{"a": 4}', 4)
    [{'a': 1}, {'a': 2}]
    """
    try:
        found: list[Any] = decoder.decode_lines(lines)
        if len(found) == n_lines:
            return found
    except REFUSED as error:
        lines = bytes(lines)
        if (end := _end_before(error, lines)) is not None:
            if end < 0:
                return []
            with contextlib.suppress(*REFUSED):
                found = decoder.decode_lines(lines[:end])
                if len(found) == lines.count(b"\n", 0, end) + 1:
                    return found
    found = []
    with contextlib.suppress(*REFUSED):
        # What was decoded before an error stays in the list.
        found.extend(map(decoder.decode, bytes(lines).split(b"\n")))
    return found


def _end_before(error: Exception, lines: bytes) -> int | None:
    """Where the line ends before the one that an error was found in, -1 if that is the first.

    None if the text of the error does not tell.
    """
    message = str(error)
    if found := _BYTE.search(message):
        return lines.rfind(b"\n", 0, int(found[1]))
    if found := _OBJECT.search(message):
        n_before = int(found[1])
        return len(b"\n".join(lines.split(b"\n", n_before)[:n_before])) if n_before else -1
    return None
