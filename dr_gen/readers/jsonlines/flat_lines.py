"""JSON lines that are plain rows, flat objects of numbers and texts, decoded many at a time.

Fills the same `Columns` as row by row; the columns of numbers hold arrays. What is not plain
(nested values, null, a column of numbers and texts) is left to the careful reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from dr_gen.readers.columns import Columns
from dr_gen.readers.decoding import REFUSED, Pace
from dr_gen.readers.jsonlines.flat_rows import Fields, FlatRows
from dr_gen.readers.lines import JsonLines
from dr_gen.readers.plain_files import LineBuffer, NotPlainError
from dr_gen.readers.plain_lines import ABSENT, ESCAPED, Block, Part

__all__ = ["FlatReader"]

_MOST_NAMES: Final = 500
_ENOUGH: Final = 1024
"""Objects that are put among the rows together: they are still in the cache then."""

_KINDS: Final = {int: int, float: float, str: str}
_LONG_FORM: Final = frozenset({"name", "metric", "tag", "key"})


class FlatSchema:
    """Names of columns with their kinds, and a decoder of rows that have these.

    Parameters
    ----------
    kinds : mapping
        Name to ``int``, ``float`` or ``str``, in order of first appearance.
    known : dict
        Schemas by their kinds; those that are made are added.
    """

    def __init__(self, kinds: Mapping[str, type], known: _Schemas) -> None:
        self.kinds, self._known = dict(kinds), known
        fields: list[Any] = [
            (f"f{i}", kind, None if kind is str else ABSENT)
            for i, kind in enumerate(self.kinds.values())
        ]
        self.row: Any = msgspec.defstruct(
            "Row",
            fields,
            rename={f"f{i}": name for i, name in enumerate(self.kinds)},
            gc=False,
            forbid_unknown_fields=True,
        )
        self.decoder: Any = msgspec.json.Decoder(self.row)
        self.fields = Fields.of(self.kinds)
        self.beginnings = frozenset(b'{"%b"' % name.encode() for name in self.kinds)
        self.configurations: tuple[bytes, ...] = ()

    def converted(self, record: Mapping[str, Any]) -> Any:
        """A decoded line as a struct, None if it has other names or kinds."""
        try:
            return msgspec.convert(record, self.row) if record else None
        except (*REFUSED, UnicodeEncodeError):
            return None

    def widened(self, record: Mapping[str, Any]) -> FlatSchema | None:
        """With the new names and kinds of a row; None if it needs care."""
        kinds = dict(self.kinds)
        for name, value in record.items():
            kind, known = _KINDS.get(type(value)), kinds.get(name)
            if kind is None or ESCAPED.search(name):
                return None
            if known is None or (known is int and kind is float):
                kinds[name] = kind
            elif (known is str) != (kind is str):
                return None
        long_form = "value" in kinds and not _LONG_FORM.isdisjoint(kinds)
        if kinds == self.kinds or long_form or len(kinds) > _MOST_NAMES:
            return None
        key = tuple(kinds.items())
        if key not in self._known:
            self._known[key] = FlatSchema(kinds, self._known)
        return self._known[key]

    def is_row(self, made: Any) -> bool:
        """Whether a struct is a row; here each is."""
        return made is not None


_Schemas = dict[tuple[tuple[str, type], ...], FlatSchema]


@attrs.define(eq=False)
class _FlatLog:
    """One log, while its lines are read; see `Known`."""

    path: Path
    run_id: str
    keep: Callable[[int, dict[str, Any]], bool]
    odd: bool = False
    lines: JsonLines | None = None
    n_lines: int = 0
    n_told: int = 0
    n_objects: int = 0
    configuration: bytes | None = None

    def careful(self) -> JsonLines:
        """The careful reader of its lines."""
        if self.lines is None:
            self.lines = JsonLines(self.path, self.run_id)
        return self.lines

    def close(self) -> None:
        """Nothing is held that could be let go."""

    def keeps(self, line: int, record: dict[str, Any]) -> bool:
        """Whether an object is no row, and kept."""
        return self.keep(line, record)


class _FlatBlock(Block[FlatSchema]):
    """Lines of one file; their objects are put among its rows as soon as they are decoded."""

    def __init__(
        self, data: bytearray, part: Part, schema: FlatSchema, rows: FlatRows, pace: Pace
    ) -> None:
        super().__init__(data, [part], schema, pace)
        self._rows, self._before = rows, part.log.n_lines

    def _took(self, first: int, found: list[Any]) -> None:
        if found:
            super()._took(first, found)
        if len(self._objects) >= _ENOUGH:
            self._close()

    def _close(self) -> None:
        """Put what was decoded with this schema among the rows."""
        if self._objects:
            last = self._firsts[-1] + self._counts[-1] - 1
            self._rows.between(self.text(self._firsts[0]), self.text(last))
            firsts = [self._before + first for first in self._firsts]
            lines = list(zip(firsts, self._counts, strict=True))
            self._rows.add(self.schema.fields, self._objects, lines, has_nan=self.has_nan)
        self._begin()


class FlatReader:
    """Reads files of plain rows; remembers the names, as many files have the same."""

    def __init__(self) -> None:
        self._schema, self._rows, self._pace = FlatSchema({}, {}), FlatRows(), Pace()
        self._buffer = LineBuffer()

    def read(
        self, path: Path, run_id: str, keep: Callable[[int, dict[str, Any]], bool]
    ) -> tuple[JsonLines, Columns] | None:
        """The lines (findings and counts) and columns of a file; None when it needs care.

        The numbers of the columns are good until the next file is read.

        Parameters
        ----------
        path : Path
        run_id : str
        keep : callable
            Takes line and object, and gives whether it is no row and was kept; it is asked about
            the objects that are not flat.
        """
        log, rows, schema = _FlatLog(path, run_id, keep), self._rows, self._schema
        rows.begin()
        buffer, n_quotes = self._buffer, 0
        buffer.clear()
        try:
            for piece in buffer.pieces(path, buffer.clear):
                block = _FlatBlock(buffer.data, Part(log, piece), schema, rows, self._pace)
                block.decode()
                schema = block.schema
                n_quotes += block.n_quotes[0]
                if log.odd or rows.n_quotes != n_quotes:
                    return None
            columns = rows.columns(schema.kinds) if len(rows) else None
        except NotPlainError:
            return None
        if columns is None:
            return None
        lines = log.careful()
        lines.accept(b"", log.n_lines - log.n_told, frozenset())
        return lines, columns
