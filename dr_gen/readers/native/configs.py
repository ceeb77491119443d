"""Many nested configurations to one table of hyperparameters.

The runs of a sweep have configurations of one *shape*: the same keys, other values. Decoding into
a struct of that shape and transposing takes a quarter of the time of decoding into dicts.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import attrs
import msgspec
import numpy as np

from dr_gen.model.hpm_table import HpmTable
from dr_gen.readers.decoding import REFUSED
from dr_gen.readers.plain_lines import quotes

__all__ = ["Configurations"]

_DEPTH: Final = 50
_MOST_SHAPES: Final = 32
_ANY: Final = msgspec.json.Decoder()
_QUOTE, _COLON = b'":'
_SPACES: Final = tuple(b" \t\r\n")


class _Shape:
    """The keys of a nested configuration.

    Parameters
    ----------
    record : mapping
        A line with a configuration of this shape.
    keys : sequence of str
        Its flat keys.
    """

    def __init__(self, record: Mapping[str, Any], keys: Sequence[str]) -> None:
        self.keys = tuple(keys)
        self.n_names = len(record)
        paths: list[str] = []
        value = self._struct(record["value"], "value.", paths)
        fields: list[Any] = [("type", Literal["dict_config"]), ("value", value)]
        line = msgspec.defstruct("Configuration", fields, gc=False, forbid_unknown_fields=True)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(line).decode
        values = operator.attrgetter(*paths)
        self.values: Callable[[Any], tuple[Any, ...]] = (
            values if len(paths) > 1 else lambda made: (values(made),)
        )

    def _struct(self, nested: Mapping[str, Any], prefix: str, paths: list[str]) -> Any:
        fields: list[Any] = []
        for number, value in enumerate(nested.values()):
            field = f"f{number}"
            if value and isinstance(value, dict):
                fields.append((field, self._struct(value, f"{prefix}{field}.", paths)))
            else:
                fields.append((field, Any))
                paths.append(prefix + field)
        self.n_names += len(nested)
        rename = {f"f{number}": name for number, name in enumerate(nested)}
        return msgspec.defstruct(
            "Nested", fields, rename=rename, gc=False, forbid_unknown_fields=True
        )


_Row = tuple[_Shape | tuple[str, ...], tuple[Any, ...]]
"""The shape, or the keys, and the values of one configuration."""


class Configurations:
    """Reads configurations, and remembers their shapes."""

    def __init__(self) -> None:
        self._shapes: list[_Shape] = []

    def table(self, lines: Sequence[bytes]) -> HpmTable | set[int]:
        """The table of the configurations in lines of logs, or which of them need care."""
        names = _names(lines)
        rows = [self._row(line, n) for line, n in zip(lines, names, strict=True)]
        odd = {number for number, row in enumerate(rows) if row is None}
        found = [row for row in rows if row is not None]
        if odd:
            return odd
        parts = _together(found)
        table = _table(parts, len(found))
        if all(map(_is_leaf, itertools.chain(*table.categories))):
            return table
        for number in _branches(parts):
            found[number] = self._flat(lines[number]) or found[number]
        parts = _together(found)
        return _branches(parts) or _table(parts, len(found))

    def _row(self, line: bytes, n_names: int) -> _Row | None:
        """A configuration by its shape, or flat; None when it needs care."""
        for place, shape in enumerate(self._shapes):
            try:
                values = shape.values(shape.decode(line))
            except REFUSED:
                continue
            if n_names != shape.n_names:  # a name may be there twice
                break
            if place:
                self._shapes.insert(0, self._shapes.pop(place))
            return shape, values
        return self._flat(line)

    def _flat(self, line: bytes) -> _Row | None:
        try:
            record = _ANY.decode(line)
        except REFUSED:
            return None
        flat: dict[str, Any] = {}
        plain = list(record) == ["type", "value"] and quotes(record) == line.count(b'"')
        if not plain or not _flatten(record["value"], "", flat, 0):
            return None
        self._learn(record, flat)
        return tuple(flat), tuple(flat.values())

    def _learn(self, record: dict[str, Any], flat: dict[str, Any]) -> None:
        if len(self._shapes) >= _MOST_SHAPES or not all(map(str.isprintable, flat)):
            return
        if any('"' in key or "\\" in key for key in flat):
            return  # msgspec has no names for what JSON can only escape
        self._shapes.insert(0, _Shape(record, list(flat)))


def _names(lines: Sequence[bytes]) -> list[int]:
    """How many names there are in each line, or -1 where that is not sure.

    Each is followed by a colon, which a text cannot be: its quotation mark would need an escape,
    and count as well. Only a space between the two would hide a name.
    """
    array = np.frombuffer(b"".join(lines), np.uint8)
    bounds = np.cumsum([0, *map(len, lines)])
    colons = np.flatnonzero(array == _COLON)
    before = array[colons - 1]
    n_names = np.diff(np.searchsorted(colons[before == _QUOTE], bounds))
    n_hidden = np.diff(np.searchsorted(colons[np.isin(before, _SPACES)], bounds))
    return [int(n) for n in np.where(n_hidden == 0, n_names, -1)]


@attrs.frozen
class _Columns:
    """The configurations of one shape: numbers of their runs, and the values of each key."""

    keys: Sequence[str]
    numbers: list[int]
    cells: list[tuple[Any, ...]]


def _together(rows: Sequence[_Row]) -> list[_Columns]:
    """The shapes in order of first appearance."""
    shapes: dict[_Shape | tuple[str, ...], tuple[list[int], list[Any]]] = {}
    for number, (shape, values) in enumerate(rows):
        numbers, members = shapes.setdefault(shape, ([], []))
        numbers.append(number)
        members.append(values)
    return [
        _Columns(
            shape.keys if isinstance(shape, _Shape) else shape,
            numbers,
            list(zip(*members, strict=True)),
        )
        for shape, (numbers, members) in shapes.items()
    ]


def _branches(parts: Sequence[_Columns]) -> set[int]:
    """Configurations of which a value is more keys, or a list with more than values."""
    found = set()
    for part in parts:
        for column in part.cells:
            kinds = set(map(type, column))
            if dict in kinds or list in kinds:
                found |= {n for n, v in zip(part.numbers, column, strict=True) if not _is_leaf(v)}
    return found


def _table(parts: Sequence[_Columns], n_runs: int) -> HpmTable:
    columns: dict[str, tuple[list[int], list[Any]]] = {}
    if len(parts) == 1:
        [only] = parts
        told = zip(only.keys, only.cells, strict=True)
        return HpmTable.from_columns({key: (only.numbers, cells) for key, cells in told}, n_runs)
    for part in parts:
        for key, column in zip(part.keys, part.cells, strict=True):
            places, values = columns.setdefault(key, ([], []))
            places += part.numbers
            values += column
    return HpmTable.from_columns(columns, n_runs)


def _flatten(nested: dict[str, Any], prefix: str, flat: dict[str, Any], depth: int) -> bool:
    """Add a nested configuration under dotted keys; whether that is as plain as it should be."""
    if not nested or depth > _DEPTH:
        return False
    for name, value in nested.items():
        key = prefix + name
        if value and isinstance(value, dict):
            if not _flatten(value, key + ".", flat, depth + 1):
                return False
        elif key in flat or not _is_leaf(value):
            return False
        else:
            flat[key] = value
    return True


def _is_leaf(value: Any) -> bool:
    if isinstance(value, list):
        return not any(isinstance(item, list | dict) for item in value)
    return not (value and isinstance(value, dict))
