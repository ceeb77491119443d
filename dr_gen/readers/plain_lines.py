"""Lines of JSON objects that are plain, decoded many at a time, for any format that has such.

A *plain* line is an object of the names that a format expects, its numbers finite or NaN. `Block`
gives the lines of many files as structs; a line that is odd goes through `JsonLines`, which says
what is wrong with it. What cannot be told exactly this way is left to the careful reader of the
format, so that both always give the same.
"""

from __future__ import annotations

import bisect
import itertools
import os
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, Self, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.pieces import ranges
from dr_gen.readers.decoding import Pace, before_odd
from dr_gen.readers.lines import JsonLines
from dr_gen.readers.plain_files import NotPlainError, Piece, line_ends
from dr_gen.readers.torn import unlike_first

__all__ = [
    "ABSENT",
    "ABSENT_BITS",
    "ESCAPED",
    "NAN_STAND_IN",
    "Block",
    "Decoded",
    "Part",
    "quotes",
    "with_nan",
]

ABSENT_BITS: Final = 0x7FF8_0000_0000_ABED
ABSENT: Final[float] = struct.unpack("<d", struct.pack("<q", ABSENT_BITS))[0]
"""Stands for a name that a line lacks: a NaN like no other."""

# msgspec has no names for what JSON writes as escapes only: quotes, control characters, halves of
# characters.
ESCAPED: Final = re.compile('[\x00-\x1f"\\\\\ud800-\udfff]')

# NaN is no JSON, so that a decoder refuses it. No log holds a number of 48 random bits. The space
# keeps what is glued to it apart: NaN5 is no number, and must not become one.
_STAND_IN: Final = b"-1.%015d" % (int.from_bytes(os.urandom(16)) % 10**15) + b"7e-251 "
NAN_STAND_IN: Final = float(_STAND_IN)
"""Stands for the token NaN while a line is decoded."""

_QUOTED: Final = frozenset({str, dict, list})
_HOPELESS: Final = 1000
_OPEN, _CLOSE, _QUOTE = b'{}"'


class Names(Protocol):
    """What a block has to know of the objects in it; see `Schema` of native logs."""

    decoder: Any
    beginnings: frozenset[bytes]
    configurations: tuple[bytes, ...]

    def converted(self, record: Mapping[str, Any]) -> Any:
        """A decoded line as a struct, None if it is none of these names."""
        ...

    def is_row(self, made: Any) -> bool:
        """Whether the quotation marks of a struct are counted."""
        ...

    def widened(self, record: Mapping[str, Any]) -> Self | None:
        """With new names; None if there are none, or some that need care."""
        ...


N = TypeVar("N", bound=Names)


class Known(Protocol):
    """What a block has to know of a file."""

    lines: JsonLines | None
    odd: bool
    n_lines: int
    n_told: int
    n_objects: int
    configuration: bytes | None

    def careful(self) -> JsonLines:
        """The careful reader of its lines."""
        ...

    def keeps(self, line: int, record: dict[str, Any]) -> bool:
        """Whether an object that was read with care is of no use to the block."""
        ...

    def close(self) -> None:
        """Let go of what is needed while its lines are read only."""
        ...


class Part(NamedTuple):
    """Whole lines of one file.

    Attributes
    ----------
    log : Known
    piece : Piece
    """

    log: Known
    piece: Piece


@attrs.frozen
class Decoded(Generic[N]):
    """Objects of one schema.

    Attributes
    ----------
    schema : Names
    objects : list
        Structs of the schema, in order.
    line : int64 array, dims (object,)
        Line of the block that each is from.
    careful : frozenset of int
        Which of them the careful reader read.
    """

    schema: N
    objects: list[Any]
    line: NDArray[np.int64]
    careful: frozenset[int]


class Block(Generic[N]):
    """Lines of several files, one behind another.

    Parameters
    ----------
    data : bytearray
        Where the parts are; it is not looked at after `decode`.
    parts : sequence of Part
        One behind another, from the beginning of `data` on.
    schema : Names
        The names that are known so far.
    pace : Pace

    Attributes
    ----------
    schema : Names
        With the names that were new.
    first_line : list of int
        First line of each part, and the number of lines.
    n_quotes : list of int
        Quotation marks in each part without its configuration; where lines were read with care,
        in what was read.
    has_nan : bool
        Whether `NAN_STAND_IN` stands anywhere.
    """

    def __init__(self, data: bytearray, parts: Sequence[Part], schema: N, pace: Pace) -> None:
        self.parts, self.schema, self._pace = parts, schema, pace
        self._data, self._view = data, memoryview(data)
        bounds = [0, *(part.piece.stop for part in parts)]
        array = np.frombuffer(data, np.uint8, bounds[-1])
        self.ends = line_ends(array)
        self.starts = np.empty_like(self.ends)
        self.starts[0], self.starts[1:] = 0, self.ends[:-1] + 1
        self.first_line: list[int] = np.searchsorted(self.ends, bounds).tolist()
        marks = array == _QUOTE
        self.n_quotes = [
            int(np.count_nonzero(marks[low:high])) for low, high in itertools.pairwise(bounds)
        ]
        whole = (array[self.starts] == _OPEN) & (array[self.ends - 1] == _CLOSE)
        self._configurations = {
            line
            for line, part in zip(self.first_line, parts, strict=False)
            if part.log.n_lines == 0
            and whole[line]
            and data.startswith(schema.configurations, part.piece.start)
        }
        whole[list(self._configurations)] = False
        # After "}" no "{" can follow inside an object: a line end between them is one between
        # objects. The other lines are odd.
        self._odd: list[int] = np.flatnonzero(~whole).tolist()
        self.has_nan = False
        self._done: list[Decoded[N]] = []
        self._begin()

    def _begin(self) -> None:
        self._objects: list[Any] = []
        self._firsts: list[int] = []
        self._counts: list[int] = []
        self._with_care: set[int] = set()

    def text(self, line: int) -> bytes:
        """One line, without its end."""
        return bytes(self._view[self.starts[line] : self.ends[line]])

    def part_of(self, line: int) -> int:
        """The part that a line belongs to."""
        return bisect.bisect_right(self.first_line, line) - 1

    def decode(self) -> list[Decoded[N]]:
        """The objects of all lines; for each schema that was needed, in order."""
        at, n_lines = 0, self.first_line[-1]
        for odd in (*self._odd, n_lines):
            while at < odd:
                stop = min(at + self._pace.n_lines, odd)
                n = self._chunk(at, stop)
                at += n
                if at == stop:
                    self._pace.went_well(n)
                else:
                    self._pace.met_odd()
                    self._careful(at)
                    at += 1
            if odd in self._configurations:
                self._configuration(odd)
            elif odd < n_lines:
                self._careful(odd)
            at = odd + 1
        self._end_parts()
        self._close()
        return self._done

    def _close(self) -> None:
        line = ranges(np.array(self._firsts, np.int64), np.array(self._counts, np.int64))
        if len(self._objects):
            self._done.append(Decoded(self.schema, self._objects, line, frozenset(self._with_care)))
        self._begin()

    def _configuration(self, line: int) -> None:
        """Leave it for when all configurations are there."""
        number = self.part_of(line)
        log, text = self.parts[number].log, self.text(line)
        log.configuration = text
        log.n_objects += 1
        self.n_quotes[number] -= text.count(b'"')

    def _chunk(self, first: int, stop: int) -> int:
        """Decode lines from `first` on, to before `stop` at most, each looking like an object.

        Gives how many are plain.
        """
        low, high = int(self.starts[first]), int(self.ends[stop - 1])
        chunk: bytes | memoryview = self._view[low:high]
        # To look for one byte is much quicker than for three.
        if self._data.find(b"N", low, high) >= 0 and self._data.find(b"NaN", low, high) >= 0:
            text = bytes(chunk)
            for gap in (b": ", b":"):
                text = text.replace(gap + b"NaN", gap + _STAND_IN)
            self.has_nan, chunk = True, text
        found = before_odd(self.schema.decoder, chunk, stop - first)
        self._took(first, found)
        return len(found)

    def _took(self, first: int, found: list[Any]) -> None:
        self._objects += found
        self._firsts.append(first)
        self._counts.append(len(found))

    # ------------------------------------------------------------------ odd lines

    def _careful(self, index: int) -> None:
        """Read one line as the careful reader does."""
        number = self.part_of(index)
        log = self.parts[number].log
        if log.odd:
            return
        lines = self._told(number, index)
        ended = self.parts[number].piece.ended or index + 1 < self.first_line[number + 1]
        raw = self.text(index) + (b"\n" if ended else b"")
        place = log.n_lines + index - self.first_line[number]
        records = lines.read_line(place + 1, raw)
        log.n_told = place + 1
        self.n_quotes[number] -= raw.count(b'"')
        try:
            for record in records:
                if not log.keeps(place + 1, record):
                    self._add(index, number, record)
        except NotPlainError:
            log.odd = True
        log.odd |= place > _HOPELESS and not lines.n_objects

    def _add(self, index: int, number: int, record: dict[str, Any]) -> None:
        made = self.schema.converted(record)
        if made is None:
            wider = self.schema.widened(record)
            made = None if wider is None else wider.converted(record)
            if wider is None or made is None:
                raise NotPlainError
            self._close()
            self.schema = wider
        if self.schema.is_row(made):
            self.n_quotes[number] += quotes(record)
        self._with_care.add(len(self._objects))
        self._took(index, [made])

    def _told(self, number: int, stop: int, *, briefly: bool = False) -> JsonLines:
        """The careful reader, told of the lines of its part that it did not see."""
        log, first = self.parts[number].log, self.first_line[number]
        lines = log.careful()
        start = first + log.n_told - log.n_lines
        if stop > start:
            seen = bytes(self._view[self.starts[start] : self.ends[stop - 1]])
            if briefly:
                seen = unlike_first(self._data, self.starts[start:stop], self.ends[start:stop])
            lines.accept(seen, stop - start, self.schema.beginnings)
            log.n_told += stop - start
        return lines

    def _end_parts(self) -> None:
        for number, part in enumerate(self.parts):
            log, stop = part.log, self.first_line[number + 1]
            n_lines = stop - self.first_line[number]
            if not part.piece.last and not log.odd:
                # What follows may be torn, and has to be held against what came before.
                self._told(number, stop, briefly=True).remember()
            elif log.lines is not None and not log.odd:
                log.lines.accept(b"", log.n_lines + n_lines - log.n_told, frozenset())
            log.n_lines += n_lines


def with_nan(text: str) -> str:
    """A text as it was before the stand-in of NaN was put in."""
    return text.replace(_STAND_IN.decode(), "NaN")


def quotes(value: Any) -> int:
    """How many quotation marks a value takes as JSON.

    Examples
    --------
    >>> quotes({"a": ["b", 1, 'c "d"']})
    8
    """
    kind = type(value)
    if kind is str:
        return 2 + int(value.count('"'))
    n = 0
    if kind is dict:
        for name, inner in value.items():
            n += 2 + name.count('"')
            # Most values are numbers: a call for each would take twice as long.
            if type(inner) in _QUOTED:
                n += quotes(inner)
    elif kind is list:
        for inner in value:
            if type(inner) in _QUOTED:
                n += quotes(inner)
    return n
