"""Native logs whose lines are plain, decoded many lines at a time.

A *plain* line is a metric line of finite numbers and NaN, a text, a configuration or an end.
`decode` gives the lines of a file as structs; a line that is odd goes through `JsonLines`, which
says what is wrong with it. What cannot be told exactly this way is left to the careful reader, so
that both always give the same.
"""

from __future__ import annotations

import codecs
import re
import secrets
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.lines import JsonLines

__all__ = ["ABSENT", "ABSENT_BITS", "NAN_STAND_IN", "PlainFile", "Schema", "decode", "quotes"]

ABSENT_BITS: Final = 0x7FF8_0000_0000_ABED
ABSENT: Final[float] = struct.unpack("<d", struct.pack("<q", ABSENT_BITS))[0]
"""Stands for a name that a line lacks: a NaN like no other."""

# NaN is no JSON, so that a decoder refuses it. No log holds a number of 48 random bits.
_STAND_IN: Final = b"-1.%015d" % secrets.randbelow(10**15) + b"7e-251"
NAN_STAND_IN: Final = float(_STAND_IN)
"""Stands for the token NaN while a line is decoded."""

_NO_AXES: Final = ("data_name", "title", "agg_stats", "type", "value", "status", "reason")
_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_QUOTE_CODE: Final = re.compile(rb"\\u0022")
_CHUNK: Final = 96
_QUOTED: Final = frozenset({str, dict, list})
_MOST_NAMES: Final = 2000
_HOPELESS: Final = 1000
_REFUSED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_OPEN, _CLOSE, _QUOTE, _NEWLINE = b'{}"\n'


# msgspec has no names for what JSON writes as escapes only: quotes, control characters, halves of
# characters.
_ESCAPED: Final = re.compile('[\x00-\x1f"\\\\\ud800-\udfff]')


class Schema:
    """The names that metric lines use, and a decoder of lines with these names.

    Parameters
    ----------
    metrics, xs : sequence of str
        Names of metrics and of x-axes, in order of first appearance.

    Attributes
    ----------
    line : type
        Struct of a line; its metrics and axes are in the order of the names.
    decoder : msgspec.json.Decoder
        Refuses a line with any other name.
    """

    def __init__(self, metrics: Sequence[str] = (), xs: Sequence[str] = ()) -> None:
        self.metrics, self.xs = tuple(metrics), tuple(xs)
        stats = msgspec.defstruct(
            "Stats",
            [(f"m{i}", float, ABSENT) for i in range(len(metrics))],
            rename={f"m{i}": name for i, name in enumerate(metrics)},
            gc=False,
            forbid_unknown_fields=True,
        )
        text = str | None
        fields: list[Any] = [
            *((f"x{i}", int | float, ABSENT) for i in range(len(xs))),
            ("data_name", text, None),
            ("agg_stats", stats | None, None),
            ("title", text, None),
            ("type", text, None),
            ("value", str | dict[str, Any] | None, None),
            ("status", text, None),
            ("reason", str | msgspec.UnsetType | None, msgspec.UNSET),
        ]
        self.line: Any = msgspec.defstruct(
            "Line",
            fields,
            rename={f"x{i}": name for i, name in enumerate(xs)},
            gc=False,
            forbid_unknown_fields=True,
        )
        self.decoder: Any = msgspec.json.Decoder(self.line)

    def widened(self, record: Mapping[str, Any]) -> Schema | None:
        """With the new names of a metric line; None if it has none, or some that need care."""
        stats = record.get("agg_stats")
        if not isinstance(stats, dict) or "data_name" not in record:
            return None
        xs = [name for name in record if name not in _NO_AXES and name not in self.xs]
        known = set(self.metrics)
        metrics = [name for name in stats if name not in known]
        plain = all(name and name == name.strip() for name in metrics)
        plain = plain and not any(map(_ESCAPED.search, (*metrics, *xs)))
        if not (xs or metrics) or not plain or len(known) + len(metrics) + len(xs) > _MOST_NAMES:
            return None
        return Schema((*self.metrics, *metrics), (*self.xs, *xs))


@attrs.define
class PlainFile:
    """A decoded file.

    Attributes
    ----------
    lines : JsonLines
        Its findings and counts.
    objects : list
        Structs of the schema, in order.
    schema : Schema
        Of the structs.
    n_quotes : int
        Quotation marks around the names and texts of the objects: more than there must be when a
        name came twice.
    first_metrics : list of str
        Names in the first metric line, in order.
    """

    path: Path
    run_id: str
    lines: JsonLines
    objects: list[Any]
    schema: Schema
    n_quotes: int
    first_metrics: list[str]


class _NotPlainError(Exception):
    pass


class _NewNamesError(Exception):
    def __init__(self, schema: Schema) -> None:
        self.schema = schema


def decode(path: Path, run_id: str, schema: Schema) -> PlainFile | None:
    """The objects of a file; None when the careful reader has to look at it.

    The schema of the result has the names that the one given did not know.
    """
    if path.suffix.casefold() == ".gz":
        return None
    try:
        # A pipe would wait for its writer.
        data = path.read_bytes() if path.is_file() else b""
    except OSError:
        return None
    if not data or data.startswith(_MARKS):
        return None
    if b"\\" in data and _QUOTE_CODE.search(data):
        # A quotation mark that could not be counted.
        return None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    while True:
        try:
            return _Decoding(path, run_id, schema, data).file()
        except _NewNamesError as error:
            schema = error.schema
        except _NotPlainError:
            return None


class _Decoding:
    """One pass over the bytes of a file."""

    def __init__(self, path: Path, run_id: str, schema: Schema, data: bytes) -> None:
        self._path, self._run_id, self._schema, self._data = path, run_id, schema, data
        self._objects: list[Any] = []
        self._lines = JsonLines(path, run_id)
        self._told = 0
        self._has_nan = b"NaN" in data
        array = np.frombuffer(data, np.uint8)
        self._n_quotes = int(np.count_nonzero(array == _QUOTE))
        ends = np.flatnonzero(array == _NEWLINE)
        if array[-1] != _NEWLINE:
            ends = np.append(ends, len(data))
        starts = np.empty_like(ends)
        starts[0], starts[1:] = 0, ends[:-1] + 1
        self._starts, self._ends = starts, ends
        self._odd = _odd_lines(array, starts, ends)

    def file(self) -> PlainFile:
        n_lines, at = len(self._ends), 0
        for odd in (*self._odd, n_lines):
            while at < odd:
                stop = min(at + _CHUNK, odd)
                self._chunk(at, stop)
                at = stop
            if odd < n_lines:
                self._careful(odd)
                at = odd + 1
        self._tell(n_lines)
        lines = self._lines
        if lines.n_objects == 0:
            raise _NotPlainError
        return PlainFile(
            self._path,
            self._run_id,
            lines,
            self._objects,
            self._schema,
            self._n_quotes,
            self._first_metrics(),
        )

    def _chunk(self, first: int, stop: int) -> None:
        """Decode the lines from `first` to before `stop`, each of which looks like an object."""
        chunk = self._data[self._starts[first] : self._ends[stop - 1]]
        patched = self._has_nan and b"NaN" in chunk
        if patched:
            # With what follows it: a NaN inside a word stays what it is.
            for gap in (b": ", b":"):
                for after in (b",", b"}"):
                    chunk = chunk.replace(gap + b"NaN" + after, gap + _STAND_IN + after)
        try:
            found = self._schema.decoder.decode_lines(chunk)
        except _REFUSED:
            found = []
        before = len(self._objects)
        if len(found) == stop - first:
            self._objects += found
        else:
            self._one_by_one(first, chunk)
        if patched:
            for one in self._objects[before:]:
                self._check_texts(one)

    def _one_by_one(self, first: int, chunk: bytes) -> None:
        lines = chunk.split(b"\n")
        rest, done = iter(lines), 0
        while True:
            before = len(self._objects)
            try:
                # What was decoded before an error stays in the list.
                self._objects.extend(map(self._schema.decoder.decode, rest))
            except _REFUSED:
                done += len(self._objects) - before
                self._careful(first + done)
                done += 1
            else:
                return

    def _check_texts(self, line: Any) -> None:
        if line.type is None:
            return
        if isinstance(line.value, str):
            line.value = line.value.replace(_STAND_IN.decode(), "NaN")
        elif line.value is not None and _stands_in(line.value):
            raise _NotPlainError

    # ------------------------------------------------------------------ odd lines

    def _careful(self, index: int) -> None:
        """Read one line as the careful reader does."""
        self._tell(index)
        raw = self._data[self._starts[index] : self._ends[index] + 1]
        records = self._lines.read_line(index + 1, raw)
        self._told = index + 1
        self._n_quotes += sum(map(quotes, records)) - raw.count(b'"')
        for record in records:
            try:
                self._objects.append(msgspec.convert(record, self._schema.line))
            except UnicodeEncodeError:  # half a character, which only JSON escapes can say
                raise _NotPlainError from None
            except _REFUSED:
                wider = self._schema.widened(record)
                if wider is None:
                    raise _NotPlainError from None
                raise _NewNamesError(wider) from None
        if index > _HOPELESS and not self._lines.n_objects:
            raise _NotPlainError

    def _tell(self, index: int) -> None:
        """Tell the careful reader of the lines before `index` that it did not see."""
        first, self._told = self._told, index
        if index > first:
            seen = self._data[self._starts[first] : self._ends[index - 1]]
            self._lines.accept(seen, index - first, (*self._schema.xs, *_NO_AXES))

    def _first_metrics(self) -> list[str]:
        start = self._data.find(b'"agg_stats"')
        index = int(np.searchsorted(self._ends, start))
        while start >= 0 and index < len(self._ends):
            record = _record(self._data[self._starts[index] : self._ends[index]])
            if "agg_stats" in record:
                return list(record)
            index += 1
        return []


def _record(line: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(line.replace(b"NaN", b"0"))
    except _REFUSED:
        return {}
    return found if isinstance(found, dict) else {}


def _stands_in(value: Any) -> bool:
    """Whether there was a NaN anywhere in a configuration, be it in a text."""
    if isinstance(value, str):
        return _STAND_IN.decode() in value
    if isinstance(value, dict):
        return any(_stands_in(key) or _stands_in(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(map(_stands_in, value))
    return bool(value == NAN_STAND_IN)


def _odd_lines(
    array: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> list[int]:
    """Lines that do not begin and end like an object.

    Where lines do, a newline between them is one between objects: after ``}`` no ``{`` can follow
    inside an object.
    """
    whole = (array[starts.clip(max=len(array) - 1)] == _OPEN) & (array[ends - 1] == _CLOSE)
    return [int(i) for i in np.flatnonzero(~whole)]


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
