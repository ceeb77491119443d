"""The history of a run of Weights & Biases: JSON text by row and name, made columns of numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.measurements import flat_metrics
from dr_gen.readers.number_arrays import Numbers

__all__ = ["UNREADABLE", "Cells", "Table", "decoded"]

_EXACT: Final = 2**53
_SETTLE: Final = 1 << 14
_MAX_DEPTH: Final = 100
_MOST: Final = 50_000


class _Unreadable:
    """A value that is no JSON."""

    def __repr__(self) -> str:
        return "<no JSON>"


UNREADABLE: Final = _Unreadable()


def decoded(texts: Sequence[bytes]) -> list[Any]:
    """The values of some JSON texts; `UNREADABLE` where one is none.

    Examples
    --------
    >>> decoded([b"1", b"0.5", b"NaN", b"[1,2]", b"oops", b"1,2"])
    [1, 0.5, nan, [1, 2], <no JSON>, <no JSON>]
    """
    joined = b"[" + b",".join(texts) + b"]"
    if any(text.count(b"{") + text.count(b"[") > _MAX_DEPTH for text in texts if len(text) > 100):
        return [_value(text) for text in texts]
    for parse in (msgspec.json.decode, json.loads):
        try:
            values = parse(joined)
        except (ValueError, RecursionError, msgspec.MsgspecError):
            continue
        # A text that is no value, such as "1,2", may still make the list one.
        if len(values) == len(texts):
            return list(values)
    return [_value(text) for text in texts]


def _value(text: bytes) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return UNREADABLE
    return value if _is_flat(value) else UNREADABLE


def _is_flat(value: Any) -> bool:
    """Whether a value is no more than so deep that one can work with it."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner = [list(v.values()) if isinstance(v, dict) else v for v in level]
        level = [v for part in inner if isinstance(part, list) for v in part]
        if not level:
            return True
    return False


def _are_plain(values: Sequence[Any]) -> bool:
    """Whether all are numbers that fit into an array as they are."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return bool(-_EXACT < min(values) <= max(values) < _EXACT)
    if kinds == {int, float}:
        return all(type(value) is float or -_EXACT < value < _EXACT for value in values)
    return kinds == {float}


def _gathered(values: list[Any]) -> Sequence[Any]:
    """Values of a column, in an array where all are plain numbers."""
    if not values or not _are_plain(values):
        return values
    whole = all(type(value) is int for value in values)
    return Numbers(np.array(values, np.int64 if whole else np.float64), values[0], values[-1])


class Cells:
    """One column: the rows that have it, and the value in each.

    Attributes
    ----------
    name : str
        With the names of nested values joined by ``/``.
    rows : list of int
    texts : list of bytes
        JSON of the rows that were not read yet.
    final : bytes or None
        What the summary said last, JSON too.
    """

    __slots__ = ("_parts", "final", "name", "rows", "texts")

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[int] = []
        self.texts: list[bytes] = []
        self.final: bytes | None = None
        self._parts: list[tuple[NDArray[np.intp], Sequence[Any]]] = []

    @property
    def used(self) -> bool:
        """Whether a row has it."""
        return bool(self.rows or self._parts)

    def add(self, rows: Sequence[int], values: list[Any]) -> None:
        """Add rows whose values are known, behind those that were read."""
        self._parts.append((np.array(rows, np.intp), _gathered(values)))

    def read(self) -> Columns:
        """Read the texts; what is nested in them is no part of the column, and given back."""
        rows, values = self.rows, decoded(self.texts)
        self.rows, self.texts = [], []
        inner: Columns = {}
        if any(type(value) is dict for value in values):
            flat: list[tuple[int, Any]] = []
            for row, value in zip(rows, values, strict=True):
                if type(value) is dict:
                    _collect(inner, row, {self.name: value})
                else:
                    flat.append((row, value))
            rows, values = [row for row, _ in flat], [value for _, value in flat]
        if rows:
            self.add(rows, values)
        return inner

    def column(self) -> tuple[NDArray[np.intp], Sequence[Any], list[int]]:
        """Rows, values, and the rows that had several, of which the last one counts."""
        parts = self._parts
        rows = np.concatenate([rows for rows, _ in parts])
        arrays = [values.array for _, values in parts if isinstance(values, Numbers)]
        values: Sequence[Any]
        if len(arrays) == len(parts):
            values = Numbers(np.concatenate(arrays), parts[0][1][0], parts[-1][1][-1])
        else:
            values = [value for _, part in parts for value in part]
        if bool((rows[1:] > rows[:-1]).all()):
            return rows, values, []
        order = np.argsort(rows, kind="stable")
        again = np.diff(rows[order]) == 0
        kept = order[np.append(~again, True)]
        picked: Sequence[Any] = [values[i] for i in kept.tolist()]
        if isinstance(values, Numbers):
            picked = Numbers(values.array[kept], picked[0], picked[-1])
        return rows[kept], picked, np.unique(rows[order][1:][again]).tolist()


Columns = dict[str, tuple[list[int], list[Any]]]
"""Rows and values by name."""


def _collect(into: Columns, row: int, record: Mapping[str, Any]) -> None:
    for name, value in flat_metrics(record):
        rows, values = into.setdefault(name, ([], []))
        rows.append(row)
        values.append(value)


class Table:
    """The columns of a history.

    Attributes
    ----------
    lines : list of int
        Where each row stands: its line, or the number of its record.
    by_name : dict
        Name to column, in the order of first appearance.
    full : bool
        Whether there were more names than anybody logs; the others are left out.
    """

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.by_name: dict[str, Cells] = {}
        self.full = False

    def cells(self, name: str) -> Cells | None:
        """The column of a name, made when it is new; None when there are too many."""
        found = self.by_name.get(name)
        if found is None:
            if len(self.by_name) >= _MOST:
                self.full = True
                return None
            found = self.by_name[name] = Cells(name)
        return found

    def add_rows(self, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Rows whose values are known, each with its line."""
        found: Columns = {}
        for line, record in rows:
            _collect(found, len(self.lines), record)
            self.lines.append(line)
        self._add(found)

    def end_row(self, line: int) -> None:
        """All cells of a row were given to their columns."""
        self.lines.append(line)
        if len(self.lines) % _SETTLE == 0:
            self.read()

    def read(self) -> None:
        """Read the texts of all rows so far."""
        for cells in list(self.by_name.values()):
            if cells.texts:
                self._add(cells.read())

    def _add(self, columns: Columns) -> None:
        for name, (rows, values) in columns.items():
            if (cells := self.cells(name)) is not None:
                if cells.texts:
                    self._add(cells.read())
                cells.add(rows, values)
