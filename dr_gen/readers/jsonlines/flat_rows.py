"""The rows of one file at a time, column by column, from the structs that its lines became."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.pieces import ranges, room
from dr_gen.readers.columns import Columns
from dr_gen.readers.jsonlines.spreading import Spreader
from dr_gen.readers.number_arrays import Numbers
from dr_gen.readers.plain_files import NotPlainError
from dr_gen.readers.plain_lines import ABSENT, ABSENT_BITS, NAN_STAND_IN, with_nan

__all__ = ["Fields", "FlatRows"]

_EXACT: Final = 2**53
_FEWEST: Final = 1024


@attrs.frozen
class Fields:
    """Where the columns are in a struct.

    Attributes
    ----------
    numbers : tuple of str
        Columns of numbers, in order.
    values : callable
        Takes the numbers out of a struct.
    texts : dict of str to callable
        Columns of texts, and what takes the text out of a struct.
    """

    numbers: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    texts: Mapping[str, Callable[[Any], str | None]]

    @classmethod
    def of(cls, kinds: Mapping[str, type]) -> Fields:
        """The columns of these kinds, in the fields ``f0``, ``f1`` and so on."""
        fields = {name: f"f{i}" for i, name in enumerate(kinds)}
        numbers = tuple(name for name, kind in kinds.items() if kind is not str)
        texts = {name: operator.attrgetter(fields[name]) for name in kinds if name not in numbers}
        values: Callable[[Any], tuple[Any, ...]] = msgspec.structs.astuple
        if texts and len(numbers) > 1:
            values = operator.attrgetter(*(fields[name] for name in numbers))
        elif texts:
            one = [fields[name] for name in numbers]

            def values(made: Any) -> tuple[Any, ...]:
                return tuple(getattr(made, field) for field in one)

        return cls(numbers, values, texts)


class FlatRows:
    """Collects the rows of a file; what they are put in is used again for the next one.

    Numbers lie in one array, dims (column, row), that grows when it is full. Each chunk of rows is
    put in its place while it is in the cache of the processor, and its structs are let go.
    """

    def __init__(self) -> None:
        self._cells = np.empty((0, 0), np.float64)
        self._spreader = Spreader()
        self.begin()

    def begin(self) -> None:
        """Forget all rows; the columns that were made of them must not be used any more."""
        self._n_rows = self._n_numbers = 0
        self._n_absent = 0
        self._texts: dict[str, list[str | None]] = {}
        self._lines: list[tuple[int, int]] = []
        self._ends: list[bytes] = []
        self.n_quotes = 0

    def __len__(self) -> int:
        return self._n_rows

    def add(
        self,
        fields: Fields,
        objects: Sequence[Any],
        lines: Sequence[tuple[int, int]],
        *,
        has_nan: bool,
    ) -> None:
        """Add rows.

        Parameters
        ----------
        fields : Fields
            Those of the rows before, and perhaps more.
        objects : sequence
            One struct a row.
        lines : sequence of (int, int)
            First line, counted from 0, and number of lines of what lies behind one another.
        has_nan : bool
            Whether `NAN_STAND_IN` stands anywhere.
        """
        n_new, n_numbers = len(objects), len(fields.numbers)
        start, stop = self._n_rows, self._n_rows + n_new
        self._make_room(n_numbers, stop)
        place = self._cells[:n_numbers, start:stop]
        self._spreader.spread(list(map(fields.values, objects)), place)
        n_absent = int(np.count_nonzero(place.view(np.int64) == ABSENT_BITS))
        if has_nan:
            place[place == NAN_STAND_IN] = np.nan
        self.n_quotes += 2 * (place.size - n_absent)
        self._n_absent += n_absent
        self._n_rows = stop
        self._add_texts(fields, objects, start, has_nan=has_nan)
        self._lines += lines

    def between(self, first: bytes, last: bytes) -> None:
        """What the first and the last of the rows that are added next were made of."""
        self._ends = [*(self._ends[:1] or [first]), last]

    def _make_room(self, n_numbers: int, n_rows: int) -> None:
        """Room for so many columns and rows; those that were not there before are absent."""
        n, before = self._n_rows, self._n_numbers
        high, wide = self._cells.shape
        if n_numbers > high or n_rows > wide:
            if n_numbers > high:
                high = 2 * n_numbers if n else n_numbers
            if n_rows > wide:
                wide = max(_FEWEST, 2 * n_rows)
            larger = room(high * wide, np.float64).reshape(high, wide)
            larger[:before, :n] = self._cells[:before, :n]
            self._cells = larger
        if n_numbers > before:
            self._cells[before:n_numbers, :n] = ABSENT
            self._n_absent += n * (n_numbers - before)
            self._n_numbers = n_numbers

    def _add_texts(
        self, fields: Fields, objects: Sequence[Any], start: int, *, has_nan: bool
    ) -> None:
        for name, take in fields.texts.items():
            texts: list[str | None] = list(map(take, objects))
            if has_nan:
                texts = [None if text is None else with_nan(text) for text in texts]
            held = [text for text in texts if text is not None]
            self.n_quotes += 4 * len(held) + "".join(held).count('"')
            self._texts.setdefault(name, [None] * start).extend(texts)

    # ------------------------------------------------------------------ columns

    def columns(self, kinds: Mapping[str, type]) -> Columns:
        """The columns in order of first appearance.

        Their numbers are those of this table: good until `begin`.

        Parameters
        ----------
        kinds : mapping
            Name to ``int``, ``float`` or ``str``.

        Raises
        ------
        NotPlainError
            If it is not sure whether a number was logged as a whole one.
        """
        first, last = map(_record, self._ends)
        firsts, counts = np.array(self._lines, np.int64).T
        lines = ranges(firsts + 1, counts)
        columns = Columns(Numbers(lines, int(lines[0]), int(lines[-1])), first)
        shared: dict[bytes, NDArray[np.intp]] = {}
        every = np.arange(self._n_rows) if not self._n_absent else None
        numbers = iter(self._cells[: self._n_numbers, : self._n_rows])
        for name, kind in kinds.items():
            if kind is str:
                texts = self._texts[name]
                mask = np.fromiter((text is not None for text in texts), np.bool_, len(texts))
                held = [text for text in texts if text is not None]
                columns.add_column(name, _rows(mask, shared), held)
                continue
            array, rows = next(numbers), every
            if rows is None:
                mask = array.view(np.int64) != ABSENT_BITS
                rows = _rows(mask, shared)
                array = array if len(rows) == self._n_rows else array[rows]
            columns.add_column(name, rows, _numbers(array, name, kind, first, last))
        return columns


def _rows(mask: NDArray[np.bool_], known: dict[bytes, NDArray[np.intp]]) -> NDArray[np.intp]:
    """Where a mask is true, in one array for all that are true there."""
    key = np.packbits(mask).tobytes()
    if key not in known:
        known[key] = np.flatnonzero(mask)
    return known[key]


def _numbers(
    array: NDArray[np.float64],
    name: str,
    kind: type,
    first_row: Mapping[str, Any],
    last_row: Mapping[str, Any],
) -> Numbers:
    if kind is int:
        if not -_EXACT < array.min() <= array.max() < _EXACT:
            raise NotPlainError
        # In their place: a column of a long log is a large array.
        whole = array.view(np.int64)
        whole[...] = array
        return Numbers(whole, int(whole[0]), int(whole[-1]))
    first = first_row.get(name, float(array[0]))
    last = last_row.get(name, float(array[-1]))
    sure = (name in first_row or not first.is_integer()) and (
        name in last_row or not last.is_integer()
    )
    if not sure:
        raise NotPlainError
    return Numbers(array, first, last)


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
