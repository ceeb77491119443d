"""JSON lines that are plain rows, flat objects of numbers and texts, decoded many at a time.

Fills the same `Columns` as row by row; the columns of numbers hold arrays. What is not plain
(nested values, null, a column of numbers and texts) is left to the careful reader.
"""

from __future__ import annotations

import itertools
import json
import operator
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.columns import Columns
from dr_gen.readers.decoding import REFUSED
from dr_gen.readers.lines import JsonLines
from dr_gen.readers.number_arrays import Numbers
from dr_gen.readers.plain_files import NotPlainError, pieces
from dr_gen.readers.plain_lines import (
    ABSENT,
    ABSENT_BITS,
    ESCAPED,
    NAN_STAND_IN,
    Block,
    Decoded,
    Part,
    packed,
    with_nan,
)

__all__ = ["FlatReader"]

_EXACT: Final = 2**53
_MOST_NAMES: Final = 500
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


@attrs.frozen
class _Rows:
    """Rows of one block: lines, numbers by row and column, texts by column.

    `complete`: each row has every column, and there is no text.
    """

    lines: NDArray[np.int64]
    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, list[str | None]]
    complete: bool

    @classmethod
    def of(cls, decoded: Decoded[FlatSchema], before: int, has_nan: bool) -> _Rows:
        """The objects of a block, behind `before` lines of the file."""
        kinds = decoded.schema.kinds
        fields = {name: f"f{i}" for i, name in enumerate(kinds)}
        names = [name for name, kind in kinds.items() if kind is not str]
        tuples: Iterable[tuple[Any, ...]] = map(msgspec.structs.astuple, decoded.objects)
        if len(names) < len(kinds):
            held = [kind is not str for kind in kinds.values()]
            tuples = (tuple(itertools.compress(row, held)) for row in tuples)
        cells = packed(tuples, len(decoded.objects), len(names))
        if has_nan:
            cells = np.where(cells == NAN_STAND_IN, np.nan, cells)
        texts = {
            name: list(map(operator.attrgetter(fields[name]), decoded.objects))
            for name, kind in kinds.items()
            if kind is str
        }
        if has_nan:
            texts = {
                name: [None if t is None else with_nan(t) for t in column]
                for name, column in texts.items()
            }
        numbers = {name: cells[:, i] for i, name in enumerate(names)}
        complete = not texts and not bool((cells.view(np.int64) == ABSENT_BITS).any())
        return cls(decoded.line + before + 1, numbers, texts, complete)

    def has(self, name: str) -> NDArray[np.bool_]:
        """Which rows have a column."""
        if name in self.numbers:
            there: NDArray[np.bool_] = self.numbers[name].view(np.int64) != ABSENT_BITS
            return there
        if name in self.texts:
            return np.array([text is not None for text in self.texts[name]], np.bool_)
        return np.zeros(len(self.lines), np.bool_)

    def n_quotes(self) -> int:
        """Quotation marks that the names and texts take."""
        if self.complete:
            return 2 * len(self.numbers) * len(self.lines)
        n = 2 * sum(int(self.has(name).sum()) for name in (*self.numbers, *self.texts))
        texts = itertools.chain.from_iterable(self.texts.values())
        return n + sum(2 + text.count('"') for text in texts if text is not None)


class _Collected:
    """The rows of one file, with the first and the last of them as they were."""

    def __init__(self) -> None:
        self._parts: list[_Rows] = []
        self.first: dict[str, Any] | None = None
        self._last: dict[str, Any] = {}

    def add(self, rows: _Rows, block: Block[FlatSchema], decoded: Decoded[FlatSchema]) -> None:
        """Add the rows of a block."""
        if self.first is None:
            self.first = _record(block.text(int(decoded.line[0])))
        self._last = _record(block.text(int(decoded.line[-1])))
        self._parts.append(rows)

    def columns(self, kinds: Mapping[str, type]) -> Columns:
        """The columns in order of first appearance.

        Raises
        ------
        NotPlainError
            If it is not sure whether a number was logged as a whole one.
        """
        lines = np.concatenate([part.lines for part in self._parts])
        columns = Columns(Numbers(lines, int(lines[0]), int(lines[-1])), self.first)
        if all(part.complete and part.numbers.keys() == kinds.keys() for part in self._parts):
            every = np.arange(len(lines))
            for name, kind in kinds.items():
                array = np.concatenate([part.numbers[name] for part in self._parts])
                columns.add_column(name, every, self._numbers(array, name, kind))
            return columns
        for name, kind in kinds.items():
            rows = np.flatnonzero(np.concatenate([part.has(name) for part in self._parts]))
            if kind is str:
                texts = (part.texts.get(name, ()) for part in self._parts)
                held = [text for text in itertools.chain.from_iterable(texts) if text is not None]
                columns.add_column(name, rows, held)
            else:
                held_ = np.concatenate([p.numbers[name] for p in self._parts if name in p.numbers])
                array = held_[held_.view(np.int64) != ABSENT_BITS]
                columns.add_column(name, rows, self._numbers(array, name, kind))
        return columns

    def _numbers(self, array: NDArray[np.float64], name: str, kind: type) -> Numbers:
        if kind is int:
            if not bool((np.abs(array) < _EXACT).all()):
                raise NotPlainError
            whole = array.astype(np.int64)
            return Numbers(whole, int(whole[0]), int(whole[-1]))
        first_row = self.first or {}
        first = first_row.get(name, float(array[0]))
        last = self._last.get(name, float(array[-1]))
        sure = (name in first_row or not first.is_integer()) and (
            name in self._last or not last.is_integer()
        )
        if not sure:
            raise NotPlainError
        return Numbers(array, first, last)


class FlatReader:
    """Reads files of plain rows; remembers the names, as many files have the same."""

    def __init__(self) -> None:
        self._schema = FlatSchema({}, {})

    def read(
        self, path: Path, run_id: str, keep: Callable[[int, dict[str, Any]], bool]
    ) -> tuple[JsonLines, Columns] | None:
        """The lines (findings and counts) and columns of a file; None when it needs care.

        Parameters
        ----------
        path : Path
        run_id : str
        keep : callable
            Takes line and object, and gives whether it is no row and was kept; it is asked about
            the objects that are not flat.
        """
        log, rows = _FlatLog(path, run_id, keep), _Collected()
        schema = self._schema
        try:
            for piece in pieces(path):
                before = log.n_lines
                block = Block([Part(log, piece)], schema)
                n_quotes = 0
                for decoded in block.decode():
                    part = _Rows.of(decoded, before, block.has_nan)
                    rows.add(part, block, decoded)
                    n_quotes += part.n_quotes()
                schema = block.schema
                if log.odd or block.n_quotes[0] != n_quotes:
                    return None
            columns = rows.columns(schema.kinds) if rows.first is not None else None
        except NotPlainError:
            return None
        if columns is None:
            return None
        lines = log.careful()
        lines.accept(b"", log.n_lines - log.n_told, frozenset())
        return lines, columns


def _record(line: bytes) -> dict[str, Any]:
    """The object of a plain line.

    Raises
    ------
    NotPlainError
        If the line is none.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise NotPlainError from None
    if not isinstance(record, dict):
        raise NotPlainError
    return record
