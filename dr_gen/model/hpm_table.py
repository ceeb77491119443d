"""Hyperparameters of many runs in columns: codes into the values that occur."""

from __future__ import annotations

import functools
import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.hpm import MISSING, Hpm, canonical

__all__ = ["HpmTable", "value_order"]

Codes = NDArray[np.int32]

_FEW = 8
"""Tables of fewer runs than this are put together row by row, which is then faster."""


def _exact(value: Any) -> Hashable:
    """Equal only for values that are the same bit for bit: keeps 1, 1.0, True and -0.0 apart."""
    if isinstance(value, float):
        return (float, value.hex())
    if isinstance(value, list | dict):
        return (type(value), json.dumps(value))
    return (type(value), value)


def _encode(cells: list[Any], codes: Codes) -> tuple[Any, ...]:
    """The values among `cells` that differ, each once; `codes` becomes the index of each cell."""
    kinds = set(map(type, cells))
    if kinds <= {str} or kinds <= {int} or kinds <= {bool}:
        # Equal are the same here, and need no stand-in.
        index = {value: i for i, value in enumerate(dict.fromkeys(cells))}
        codes[:] = list(map(index.__getitem__, cells))
        return tuple(index)
    seen: dict[Hashable, int] = {}
    values: list[Any] = []
    for place, value in enumerate(cells):
        if value is not MISSING:
            code = codes[place] = seen.setdefault(_exact(value), len(values))
            if code == len(values):
                values.append(value)
    return tuple(values)


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
            values = _encode(cells, found)
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
    def equal_codes(self) -> Codes:
        """Like `codes`, but values that are equal (``1`` and ``1.0``) share one code."""
        out = self.codes.copy()
        for position, values in enumerate(self.categories):
            if set(map(type, values)) <= {str}:
                continue  # texts that differ are not equal, and names of runs are many
            first: dict[Hashable, int] = {}
            classes = [first.setdefault(canonical(v), i) for i, v in enumerate(values)]
            if len(first) < len(values):
                lookup = np.array([*classes, -1], np.int32)
                out[position] = lookup[self.codes[position]]
        return out

    def row(self, run: int) -> Hpm:
        """The hyperparameters of one run."""
        column = self.codes[:, run].tolist()
        items = zip(self.keys, self.categories, column, strict=True)
        return Hpm({key: values[code] for key, values, code in items if code >= 0})

    def column(self, key: str, runs: NDArray[np.intp]) -> list[Any]:
        """The value of `key` in each of `runs`, `MISSING` where there is none."""
        if key not in self._position:
            return [MISSING] * len(runs)
        values = self.categories[self._position[key]]
        codes = self.codes[self._position[key], runs].tolist()
        return [values[code] if code >= 0 else MISSING for code in codes]

    def distinct(self, key: str, runs: NDArray[np.intp]) -> list[Any]:
        """The values of `key` over `runs`, each once, in `value_order`."""
        position = self._position[key]
        codes = np.unique(self.equal_codes[position, runs]).tolist()
        values = self.categories[position]
        return sorted((values[c] if c >= 0 else MISSING for c in codes), key=value_order)

    def present(self, runs: NDArray[np.intp]) -> tuple[str, ...]:
        """Keys that at least one of `runs` has."""
        held = np.flatnonzero((self.codes[:, runs] >= 0).any(axis=1))
        return tuple(self.keys[i] for i in held.tolist())

    def varying(self, runs: NDArray[np.intp]) -> tuple[str, ...]:
        """Keys with more than one value over `runs`; to lack a key is a value too."""
        if len(runs) == 0:
            return ()
        codes = self.equal_codes[:, runs]
        differs = np.flatnonzero((codes != codes[:, :1]).any(axis=1))
        return tuple(self.keys[i] for i in differs.tolist())

    def group_codes(self, keys: Sequence[str], runs: NDArray[np.intp]) -> list[tuple[int, ...]]:
        """For each of `runs` the equality codes of `keys`: equal tuples, equal configurations."""
        positions = np.array([self._position[key] for key in keys], np.intp)
        codes = self.equal_codes[positions[:, None], runs].T.tolist()
        return [tuple(row) for row in codes]

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
            for position in table._by_appearance():
                key, mine = table.keys[position], table.codes[position]
                seen, values = columns.setdefault(key, ({}, []))
                if key not in codes:
                    codes[key] = np.full(starts[-1], -1, np.int32)
                lookup = np.full(len(table.categories[position]) + 1, -1, np.int32)
                used, first = np.unique(mine[mine >= 0], return_index=True)
                for code in used[np.argsort(first)].tolist():
                    value = table.categories[position][code]
                    lookup[code] = seen.setdefault(_exact(value), len(values))
                    if lookup[code] == len(values):
                        values.append(value)
                codes[key][start : start + table.n_runs] = lookup[mine]
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
