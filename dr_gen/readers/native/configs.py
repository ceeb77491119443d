"""Many nested configurations to one table of hyperparameters.

The runs of a sweep have configurations of one *shape*: the same keys, other values; and what is
nested in them is mostly the same in many runs, to the letter. So an object is decoded into a struct
in which what is nested stays text, and of equal texts only one is decoded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.hpm_table import HpmTable, encode
from dr_gen.readers.decoding import REFUSED
from dr_gen.readers.plain_lines import quotes

__all__ = ["Configurations"]

Ints = NDArray[np.intp]
_Text = bytes | msgspec.Raw

_DEPTH: Final = 50
_MOST_SHAPES: Final = 32
_ANY: Final = msgspec.json.Decoder()
_QUOTE, _COLON, _OPEN = b'":{'
_SPACES: Final = tuple(b" \t\r\n")
_CELL: Any = None | bool | int | float | str
_LEAF: Any = _CELL | list[_CELL]


class _OddError(Exception):
    """Some objects need care: the numbers of them."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.numbers = set(numbers)


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: Literal["dict_config"]
    value: msgspec.Raw


_LINE: Final = msgspec.json.Decoder(_Line)


class Configurations:
    """Reads configurations, and remembers their shapes."""

    def __init__(self) -> None:
        self._objects = _Objects(0)

    def table(self, lines: Sequence[bytes]) -> HpmTable | set[int]:
        """The table of the configurations in lines of logs, or which of them need care."""
        try:
            table, n_names = self._objects.table(_values(lines))
            # A name may be there twice.
            odd = np.flatnonzero(_names(lines) != n_names + len(_Line.__struct_fields__))
            if len(odd):
                alone = HpmTable.from_mappings(_flat_rows(lines, odd.tolist()))
                plain = np.setdiff1d(np.arange(len(lines)), odd)
                table = _in_place([(plain, table.take(plain)), (odd, alone)])
        except _OddError as error:
            return error.numbers
        first_has_all = bool((table.codes[:, 0] >= 0).all())
        return table if first_has_all else table.take(np.arange(len(lines)))


class _Objects:
    """The objects that stand in one place of configurations.

    Parameters
    ----------
    depth : int
        In how many others they stand.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._shapes: list[_Shape] = []
        self._inner: dict[str, _Objects] = {}

    def table(self, texts: Sequence[_Text]) -> tuple[HpmTable, Ints]:
        """Keys and values of objects, and how many names there are in each.

        Raises
        ------
        _OddError
            With the places in `texts` of those that need care.
        """
        if (alike := self._alike(texts)) is not None:
            return self._shaped(self._shapes[0], alike)
        places: dict[_Shape, list[int]] = {}
        members: dict[_Shape, list[Any]] = {}
        rows: dict[int, dict[str, Any]] = {}
        n_names = np.zeros(len(texts), np.intp)
        odd: set[int] = set()
        for place, text in enumerate(texts):
            shape, made = self._decoded(text)
            if shape is not None:
                places.setdefault(shape, []).append(place)
                members.setdefault(shape, []).append(made)
                continue
            rows[place] = {}
            if not isinstance(made, dict) or not _flatten(made, "", rows[place], self._depth):
                odd.add(place)
            else:  # not before: it may be too deep to go through
                n_names[place] = _n_names(made)
        parts = []
        for shape, found in places.items():
            at = np.array(found, np.intp)
            try:
                table, n_names[at] = self._shaped(shape, members.pop(shape))
                parts.append((at, table))
            except _OddError as error:
                odd.update(at[[*error.numbers]].tolist())
        if odd:
            raise _OddError(odd)
        if rows:
            parts.append((np.array([*rows]), HpmTable.from_mappings([*rows.values()])))
        return _in_place(parts), n_names

    def _alike(self, texts: Sequence[_Text]) -> list[Any] | None:
        """All objects as structs of the last shape, which as a rule they have."""
        try:
            return list(map(self._shapes[0].decode, texts)) if self._shapes else None
        except REFUSED:
            return None

    def _decoded(self, text: _Text) -> tuple[_Shape | None, Any]:
        """An object as a struct of some shape; as it is where it has none."""
        for place, shape in enumerate(self._shapes):
            try:
                made = shape.decode(text)
            except REFUSED:
                continue
            if place:
                self._shapes.insert(0, self._shapes.pop(place))
            return shape, made
        try:
            record = _ANY.decode(text)
            if len(self._shapes) < _MOST_SHAPES and self._depth < _DEPTH and _has_shape(record):
                shape = _Shape(record)
                made = shape.decode(text)
                self._shapes.insert(0, shape)
                return shape, made
        except REFUSED:
            return None, None
        return None, record

    def _shaped(self, shape: _Shape, objects: Sequence[Any]) -> tuple[HpmTable, Ints]:
        """Keys and values of objects of one shape, and the number of names."""
        keys: list[str] = []
        categories: list[tuple[Any, ...]] = []
        codes: list[NDArray[np.int32]] = []
        n_names = np.full(len(objects), len(shape.names))
        odd: set[int] = set()
        columns = zip(*map(msgspec.structs.astuple, objects), strict=True)
        for name, is_nested, cells in zip(shape.names, shape.nested, columns, strict=True):
            if not is_nested:
                keys.append(name)
                codes.append(np.empty((1, len(objects)), np.int32))
                categories.append(encode(list(cells), codes[-1][0]))
                continue
            texts, which = _each_once(cells)
            try:
                inner, n_inner = self._nested(name, texts)
            except _OddError as error:
                odd.update(np.flatnonzero(np.isin(which, [*error.numbers])).tolist())
                continue
            keys += inner.keys
            categories += inner.categories
            codes.append(inner.codes[:, which])
            n_names += n_inner[which]
        if odd or len(set(keys)) < len(keys):
            raise _OddError(odd or range(len(objects)))
        return HpmTable(tuple(keys), tuple(categories), np.concatenate(codes)), n_names

    def _nested(self, name: str, texts: Sequence[bytes]) -> tuple[HpmTable, Ints]:
        """What stands under one name, some of which may be no objects."""
        is_object = np.array([_is_object(text) for text in texts])
        n_names = np.zeros(len(texts), np.intp)
        parts = []
        if is_object.any():
            at = np.flatnonzero(is_object)
            inner = self._inner.setdefault(name, _Objects(self._depth + 1))
            try:
                table, n_names[at] = inner.table([texts[i] for i in at.tolist()])
            except _OddError as error:
                raise _OddError(at[[*error.numbers]].tolist()) from None
            keys = tuple(f"{name}.{key}" for key in table.keys)
            parts.append((at, HpmTable(keys, table.categories, table.codes)))
        if not is_object.all():
            at = np.flatnonzero(~is_object)
            values = [_leaf(texts[i]) for i in at.tolist()]
            if odd := [i for i, found in zip(at.tolist(), values, strict=True) if not found]:
                raise _OddError(odd)
            parts.append((at, HpmTable.from_mappings([{name: value} for [value] in values])))
        return _in_place(parts), n_names


class _Shape:
    """The names in an object, and which of them have more names below.

    Parameters
    ----------
    record : mapping
        An object of this shape.

    Attributes
    ----------
    names : tuple of str
    nested : tuple of bool
    decode : callable
        Makes a struct of a text with an object, its values in the order of the names.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.names = tuple(record)
        self.nested = tuple(isinstance(value, dict) for value in record.values())
        kinds = [msgspec.Raw if is_nested else _LEAF for is_nested in self.nested]
        struct = msgspec.defstruct(
            "Object",
            [(f"f{i}", kind) for i, kind in enumerate(kinds)],
            rename={f"f{i}": name for i, name in enumerate(self.names)},
            gc=False,
            forbid_unknown_fields=True,
        )
        self.decode: Callable[[_Text], Any] = msgspec.json.Decoder(struct).decode


def _has_shape(record: Any) -> bool:
    """Whether it is an object that a struct can be made of."""
    if not isinstance(record, dict) or not record:
        return False
    # msgspec has no names for what JSON can only escape.
    return all(name.isprintable() and '"' not in name and "\\" not in name for name in record)


def _values(lines: Sequence[bytes]) -> list[msgspec.Raw]:
    """The configurations in lines.

    Raises
    ------
    _OddError
        With the lines that hold none.
    """
    values, odd = [], set()
    for number, line in enumerate(lines):
        try:
            values.append(_LINE.decode(line).value)
        except REFUSED:
            odd.add(number)
    if odd:
        raise _OddError(odd)
    return values


def _names(lines: Sequence[bytes]) -> Ints:
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
    return np.where(n_hidden == 0, n_names, -1)


def _flat_rows(lines: Sequence[bytes], numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Some configurations, each looked at by itself.

    Raises
    ------
    _OddError
        With those in which a name is twice.
    """
    rows, odd = [], set()
    for number in numbers:
        record = _ANY.decode(lines[number])
        flat: dict[str, Any] = {}
        rows.append(flat)
        once = quotes(record) == lines[number].count(b'"')
        if not once or not _flatten(record["value"], "", flat, 0):
            odd.add(number)
    if odd:
        raise _OddError(odd)
    return rows


def _each_once(cells: Sequence[msgspec.Raw]) -> tuple[list[bytes], Ints]:
    """The texts that differ, and which of them each is."""
    texts = list(map(bytes, cells))
    number = dict(zip(dict.fromkeys(texts), itertools.count(), strict=False))
    if len(number) == len(texts):
        return texts, np.arange(len(texts))
    return list(number), np.fromiter(map(number.__getitem__, texts), np.intp, len(texts))


def _in_place(parts: Sequence[tuple[Ints, HpmTable]]) -> HpmTable:
    """One table of several, each with the places of its runs there."""
    if len(parts) == 1:
        return parts[0][1]
    order = np.argsort(np.concatenate([places for places, _ in parts]))
    return HpmTable.concat([table for _, table in parts]).take(order)


def _is_object(text: bytes) -> bool:
    """Whether it is an object with something in it: an empty one is a value."""
    return text[0] == _OPEN and not text[1:-1].isspace() and len(text) > len(b"{}")


def _n_names(value: Any) -> int:
    if not isinstance(value, dict):
        return 0
    return len(value) + sum(map(_n_names, value.values()))


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


def _leaf(text: bytes) -> list[Any]:
    """The value that a text is; nothing if it is none that a configuration should have."""
    try:
        value = _ANY.decode(text)
    except REFUSED:
        return []
    return [value] if _is_leaf(value) else []


def _is_leaf(value: Any) -> bool:
    if isinstance(value, list):
        return not any(isinstance(item, list | dict) for item in value)
    return not (value and isinstance(value, dict))
