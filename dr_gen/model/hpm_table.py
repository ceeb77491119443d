"""Hyperparameters of many runs in columns: codes into the values that occur."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.codes import Codes as Row
from dr_gen.model.codes import joint
from dr_gen.model.hpm import MISSING, Hpm, canonical

__all__ = ["HpmTable", "encode", "value_order"]

Codes = NDArray[np.int32]

_FEW = 8
"""Tables of fewer runs than this are put together row by row, which is then faster."""


_SAME = frozenset({str, int, bool, type(None)})


def _exact(value: Any) -> Hashable:
    """Equal only for values that are the same bit for bit: keeps 1, 1.0, True and -0.0 apart."""
    if type(value) is str:
        return value  # equal to nothing else
    if isinstance(value, float):
        return (float, value.hex())
    if isinstance(value, list | dict):
        return (type(value), repr(value))
    return (type(value), value)


def encode(cells: list[Any], codes: Codes) -> tuple[Any, ...]:
    """The values that differ bit for bit, each once, in order of first appearance.

    Parameters
    ----------
    cells : list
    codes : int32 array, dims (cell,)
        Becomes the index of the value of each cell; stays as it is for `MISSING`.

    Examples
    --------
    >>> codes = np.zeros(4, np.int32)
    >>> encode([1, 1.0, True, 1], codes), codes.tolist()
    ((1, 1.0, True), [0, 1, 2, 0])
    """
    kinds = set(map(type, cells))
    if (len(kinds) == 1 and kinds <= _SAME) or (kinds == {float} and _no_look_alikes(cells)):
        # Equal are the same here, and need no stand-in.
        values = tuple(dict.fromkeys(cells))
        if len(values) in (1, len(cells)):
            codes[:] = np.arange(len(values))
            return values
        index = {value: i for i, value in enumerate(values)}
        codes[:] = np.fromiter(map(index.__getitem__, cells), np.int32, len(cells))
        return values
    if kinds == {list}:
        texts = list(map(repr, cells))
        encode(texts, codes)
        return tuple(dict(zip(texts, cells, strict=True)).values())
    seen: dict[Hashable, int] = {}
    others: list[Any] = []
    for place, value in enumerate(cells):
        if value is not MISSING:
            code = codes[place] = seen.setdefault(_exact(value), len(others))
            if code == len(others):
                others.append(value)
    return tuple(others)


def _no_look_alikes(cells: list[float]) -> bool:
    """Whether there is neither NaN, which is unequal to itself, nor a zero below zero."""
    array = np.array(cells)
    return not bool(np.any(np.isnan(array) | ((array == 0) & np.signbit(array))))


def _in_order(codes: Codes) -> Codes:
    """The codes that occur, by first appearance."""
    if codes[0] >= 0 and bool((codes[1:] > codes[:-1]).all()):
        return codes  # as with names, of which each run has its own
    used, first = np.unique(codes[codes >= 0], return_index=True)
    return used[np.argsort(first)]


def _numbered(cells: list[Any], seen: dict[Hashable, int], values: list[Any]) -> Codes:
    """The number of each of some different values; those not in `seen` are added at the end."""
    exact: list[Hashable] = cells
    if set(map(type, cells)) != {str}:  # texts are the only ones that equal nothing else
        exact = list(map(_exact, cells))
    n_known = len(values)
    if seen.keys().isdisjoint(exact):
        seen.update(zip(exact, itertools.count(n_known), strict=False))
        values += cells
        return np.arange(n_known, len(values), dtype=np.int32)
    is_new = [key not in seen for key in exact]
    seen.update(zip(itertools.compress(exact, is_new), itertools.count(n_known), strict=False))
    values += itertools.compress(cells, is_new)
    return np.fromiter(map(seen.__getitem__, exact), np.int32, len(exact))


def _may_be_equal(values: tuple[Any, ...], kinds: set[type]) -> bool:
    """Whether two of some values that differ bit for bit, of these types, may still be equal."""
    if not kinds.isdisjoint((list, dict)) or kinds >= {int, float}:
        return len(values) > 1
    # Without ints that leaves the two zeros.
    return float in kinds and sum(value == 0.0 for value in values if type(value) is float) > 1


def value_order(value: Any) -> tuple[int, Any]:
    """Sort key for values of any kind: missing, null, bools, numbers (NaN last), text, the rest."""
    if value is MISSING:
        return (0, 0)
    if value is None:
        return (1, 0)
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (3, (value != value, 0 if value != value else value))
    if isinstance(value, str):
        return (4, value)
    return (5, repr(value))


@attrs.frozen(eq=False, repr=False)
class HpmTable:
    """The hyperparameters of `n_runs` runs.

    Attributes
    ----------
    keys : tuple of str
        All keys, in order of first appearance.
    categories : tuple of tuple
        For each key the values that occur, each once, bit for bit.
    codes : int32 array, dims (key, run)
        Index into the categories of the key; -1 where a run lacks it.
    """

    keys: tuple[str, ...]
    categories: tuple[tuple[Any, ...], ...]
    codes: Codes

    @classmethod
    def from_mappings(cls, rows: Sequence[Mapping[str, Any]]) -> HpmTable:
        """Columns from one flat mapping a run."""
        keys = dict.fromkeys(key for row in rows for key in row)
        categories: list[tuple[Any, ...]] = []
        codes = np.full((len(keys), len(rows)), -1, np.int32)
        kept = []
        for position, key in enumerate(keys):
            cells = [row.get(key, MISSING) for row in rows]
            found = codes[position]
            values = encode(cells, found)
            # To lack a key is no value, and has no category.
            if values:
                kept.append(position)
                categories.append(values)
        names = tuple(keys)
        return cls(tuple(names[i] for i in kept), tuple(categories), codes[kept])

    @property
    def n_runs(self) -> int:
        """How many runs there are."""
        return int(self.codes.shape[1])

    @functools.cached_property
    def _position(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self.keys)}

    @functools.cached_property
    def _kinds(self) -> list[set[type]]:
        """The types of the values of each key."""
        return [set(map(type, values)) for values in self.categories]

    @functools.cached_property
    def equal_codes(self) -> Codes:
        """Like `codes`, but values that are equal (``1`` and ``1.0``) share one code."""
        out = self.codes
        for position, values in enumerate(self.categories):
            if not _may_be_equal(values, self._kinds[position]):
                continue
            first: dict[Hashable, int] = {}
            classes = [first.setdefault(canonical(v), i) for i, v in enumerate(values)]
            if len(first) < len(values):
                out = self.codes.copy() if out is self.codes else out
                lookup = np.array([*classes, -1], np.int32)
                out[position] = lookup[self.codes[position]]
        return out

    def row(self, run: int) -> Hpm:
        """The hyperparameters of one run."""
        column = self.codes[:, run].tolist()
        items = zip(self.keys, self.categories, column, strict=True)
        return Hpm.from_plain({key: values[code] for key, values, code in items if code >= 0})

    def column(self, key: str, runs: NDArray[np.intp]) -> list[Any]:
        """The value of `key` in each of `runs`, `MISSING` where there is none."""
        if key not in self._position:
            return [MISSING] * len(runs)
        values = self.categories[self._position[key]]
        codes = self.codes[self._position[key], runs].tolist()
        return [values[code] if code >= 0 else MISSING for code in codes]

    def coded(self, key: str, runs: NDArray[np.intp]) -> tuple[list[Any], NDArray[np.intp]]:
        """The values of `key` that occur in `runs`, and for each of these which of them it has.

        `MISSING` is one of the values where a run has none.
        """
        if key not in self._position:
            return [MISSING], np.zeros(len(runs), np.intp)
        values = self.categories[self._position[key]]
        codes = self.codes[self._position[key], runs]
        # Code -1, of those that lack the key, counts from the end as in any list.
        used = np.zeros(len(values) + 1, bool)
        used[codes] = True
        place = np.cumsum(used) - 1
        cells = [*values, MISSING]
        return [cells[i] for i in np.flatnonzero(used).tolist()], place[codes]

    def distinct(self, key: str, runs: NDArray[np.intp]) -> list[Any]:
        """The values of `key` over `runs`, each once, in `value_order`."""
        position = self._position[key]
        values = self.categories[position]
        used = np.zeros(len(values) + 1, bool)
        # Code -1, of those that lack the key, counts from the end as in any list.
        used[self.equal_codes[position, runs]] = True
        found = list(itertools.compress([*values, MISSING], used.tolist()))
        # Texts and whole numbers alone have an order of their own, many times as quick.
        alike = self._kinds[position] in ({str}, {int}) and not used[-1]
        return sorted(found, key=None if alike else value_order)

    def present(self, runs: NDArray[np.intp]) -> tuple[str, ...]:
        """Keys that at least one of `runs` has."""
        held = np.flatnonzero((self.codes[:, runs] >= 0).any(axis=1))
        return tuple(self.keys[i] for i in held.tolist())

    def mixed(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Those of some keys that hold texts, and other values or none as well."""
        out = []
        for key in keys:
            position = self._position[key]
            kinds = self._kinds[position]
            if str in kinds and (len(kinds) > 1 or (self.codes[position] < 0).any()):
                out.append(key)
        return tuple(out)

    def varying(self, runs: NDArray[np.intp]) -> tuple[str, ...]:
        """Keys with more than one value over `runs`; to lack a key is a value too."""
        if len(runs) == 0:
            return ()
        codes = self.equal_codes
        # To gather all of them takes longer than the rest of it.
        if len(runs) != self.n_runs or not np.array_equal(runs, np.arange(self.n_runs)):
            codes = codes[:, runs]
        differs = np.flatnonzero((codes != codes[:, :1]).any(axis=1))
        return tuple(self.keys[i] for i in differs.tolist())

    def group_codes(self, keys: Sequence[str], runs: NDArray[np.intp]) -> list[tuple[int, ...]]:
        """For each of `runs` the equality codes of `keys`: equal tuples, equal configurations."""
        positions = np.array([self._position[key] for key in keys], np.intp)
        codes = self.equal_codes[positions[:, None], runs].T.tolist()
        return [tuple(row) for row in codes]

    def combinations(self, keys: Sequence[str], runs: NDArray[np.intp]) -> tuple[Row, Row]:
        """The combination of `keys` that each of `runs` has, and the first of them that has it.

        Returns
        -------
        codes : intp array, dims (run,)
            Equal where the values of all `keys` are.
        first : intp array, dims (combination,)
            Place in `runs`.
        """
        rows = (self.equal_codes[self._position[key], runs].astype(np.intp) + 1 for key in keys)
        return joint(list(rows), len(runs))

    def held(self, key: str) -> NDArray[np.bool_]:
        """Which runs have a key, or something below it, dims (run,)."""
        below = f"{key}."
        places = [i for i, name in enumerate(self.keys) if name == key or name.startswith(below)]
        return np.asarray((self.codes[places] >= 0).any(axis=0))

    def updated(self, cells: Mapping[str, Mapping[int, Any]]) -> HpmTable:
        """The same runs with other values.

        Parameters
        ----------
        cells : mapping
            Key to number of a run to the value that it gets.
        """
        keys = tuple(dict.fromkeys([*self.keys, *cells]))
        codes = np.full((len(keys), self.n_runs), -1, np.int32)
        codes[: len(self.keys)] = self.codes
        categories = [*self.categories, *([()] * (len(keys) - len(self.keys)))]
        runs = np.arange(self.n_runs)
        for key, changed in cells.items():
            position = keys.index(key)
            column = self.column(key, runs)
            for run, value in changed.items():
                column[run] = value
            codes[position] = -1
            categories[position] = encode(column, codes[position])
        return HpmTable(keys, tuple(categories), codes)

    def take(self, runs: NDArray[np.intp]) -> HpmTable:
        """The table of `runs` alone, without keys and values that none of them has."""
        return HpmTable.concat([attrs.evolve(self, codes=self.codes[:, runs])])

    @classmethod
    def concat(cls, tables: Sequence[HpmTable]) -> HpmTable:
        """Tables behind one another, without keys and values that none of the runs has."""
        starts = np.cumsum([0, *(table.n_runs for table in tables)])
        if _FEW * len(tables) > starts[-1]:
            return cls.from_mappings([t.row(run) for t in tables for run in range(t.n_runs)])
        columns: dict[str, tuple[dict[Hashable, int], list[Any]]] = {}
        codes: dict[str, Codes] = {}
        for start, table in zip(starts.tolist(), tables, strict=False):
            stop = start + table.n_runs
            # As most are, in a sweep: all of the first value.
            is_constant: list[bool] = np.logical_not(table.codes.any(axis=1)).tolist()
            for position in table._by_appearance():
                key, mine = table.keys[position], table.codes[position]
                seen, values = columns.setdefault(key, ({}, []))
                if key not in codes:
                    codes[key] = np.full(starts[-1], -1, np.int32)
                known = table.categories[position]
                if is_constant[position]:
                    codes[key][start:stop] = _numbered([known[0]], seen, values)
                    continue
                lookup = np.full(len(known) + 1, -1, np.int32)
                order = _in_order(mine)
                lookup[order] = _numbered([known[i] for i in order.tolist()], seen, values)
                codes[key][start:stop] = lookup[mine]
        stacked = np.array([*codes.values()], np.int32).reshape(len(codes), starts[-1])
        return cls(tuple(columns), tuple(tuple(v) for _, v in columns.values()), stacked)

    def _by_appearance(self) -> list[int]:
        """Positions of the keys that a run has, in the order in which the runs bring them."""
        held = self.codes >= 0
        used = np.flatnonzero(held.any(axis=1))
        if len(used) == 0:
            return []
        order: list[int] = used[np.argsort(held[used].argmax(axis=1), kind="stable")].tolist()
        return order

    def __reduce__(self) -> tuple[Any, ...]:
        return (HpmTable, (self.keys, self.categories, self.codes))
