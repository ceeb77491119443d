"""The grid that was swept: its keys and values, and the cells without a run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import attrs
import numpy as np

from dr_gen.analysis.design.dependence import Dependence, Levels, conditions, dependence
from dr_gen.analysis.design.issue import DesignIssue, listed
from dr_gen.analysis.design.sweep import Sweep
from dr_gen.model.codes import Codes, dense, joint
from dr_gen.model.finding import Severity
from dr_gen.model.hpm import MISSING, Hpm
from dr_gen.model.hpm_table import value_order

__all__ = ["Factor", "Grid", "Kind", "grid_issues", "grids"]

Kind = Literal["single", "grid", "partial grid", "one at a time", "sampled"]

_MOST_CELLS: Final = 200
_MOST_SHOWN: Final = 3
_LARGEST: Final = 1_000_000
_MOSTLY: Final = 0.5
_ONE_AT_A_TIME: Final = 0.6


@attrs.frozen
class Factor:
    """A key that was swept.

    Attributes
    ----------
    key : str
    values : tuple
        In order.
    """

    key: str
    values: tuple[Any, ...]


@attrs.frozen
class Grid:
    """Configurations with the same keys, and all combinations of the values that occur in them.

    Attributes
    ----------
    kind : {"single", "grid", "partial grid", "one at a time", "sampled"}
        How the combinations were chosen: one; all; most; one key changed at a time from a base;
        or less than half of them, or each with a number of its own.
    factors : tuple of Factor
        Keys that vary on their own.
    together : tuple of tuple of str
        Keys that always change together; the first of each is a factor, or derived.
    derived : mapping
        Key that follows from others to these.
    where : Hpm
        Keys that decide which other keys there are, with their value in this part of the sweep;
        empty when all configurations have the same keys.
    n_configurations : int
        Cells that have a run.
    n_cells : int
        Cells there are.
    missing : tuple of Hpm
        Cells without a run, in order, at most 200.
    """

    kind: Kind
    factors: tuple[Factor, ...]
    together: tuple[tuple[str, ...], ...]
    derived: Mapping[str, tuple[str, ...]]
    where: Hpm
    n_configurations: int
    n_cells: int
    missing: tuple[Hpm, ...]

    @property
    def n_missing(self) -> int:
        """Cells without a run."""
        return self.n_cells - self.n_configurations

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that vary on their own."""
        return tuple(factor.key for factor in self.factors)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "kind": self.kind,
            "where": dict(self.where),
            "factors": {factor.key: list(factor.values) for factor in self.factors},
            "together": [list(keys) for keys in self.together],
            "derived": {key: list(of) for key, of in self.derived.items()},
            "n_configurations": self.n_configurations,
            "n_cells": self.n_cells,
            "n_missing": self.n_missing,
            "missing": [dict(cell) for cell in self.missing],
        }


def grids(sweep: Sweep) -> tuple[tuple[Grid, ...], dict[str, str], tuple[str, ...]]:
    """The grid of each part of a sweep, and the keys that only a part has (`conditions`)."""
    n = sweep.n_configurations
    levels = [_levels(sweep, key, np.arange(n)) for key in sweep.factors]
    absent = {
        level.key: np.array([value is MISSING for value in level.values])[level.codes]
        for level in levels
        if MISSING in level.values
    }
    depends, apart = conditions(levels, absent)
    parts, first = joint([absent[key].astype(np.intp) for key in (*depends, *apart)], n)
    deciding = tuple(dict.fromkeys(depends.values()))
    found = []
    for part in range(len(first)):
        if len(first) == 1:
            found.append(_grid(levels, n, ()))
            break
        members = np.flatnonzero(parts == part)
        inside = [_levels(sweep, key, members) for key in sweep.factors]
        found.append(_grid(inside, len(members), deciding))
    return tuple(found), depends, apart


def _levels(sweep: Sweep, key: str, configurations: Codes) -> Levels:
    """A key over some configurations, its values in order."""
    column = sweep.columns[key]
    codes, first = dense(column.codes[sweep.first[configurations]], column.n_levels)
    used = column.codes[sweep.first[configurations]][first].tolist()
    values = [column.values[code] for code in used]
    order = _order(values)
    rank = np.empty(len(values), np.intp)
    rank[order] = np.arange(len(values))
    return Levels(key, rank[codes], tuple(values[i] for i in order))


def _order(values: Sequence[Any]) -> list[int]:
    """Places of values in the order of `value_order`."""
    if set(map(type, values)) == {float}:
        numbers = np.array(values)
        if not np.isnan(numbers).any():
            # Thousands of drawn rates are sorted many times as quick.
            places: list[int] = np.argsort(numbers, kind="stable").tolist()
            return places
    return sorted(range(len(values)), key=lambda i: value_order(values[i]))


def _grid(all_levels: Sequence[Levels], n_configurations: int, deciding: Sequence[str]) -> Grid:
    constant = {level.key: level.values[0] for level in all_levels if level.n == 1}
    where = Hpm({key: constant[key] for key in deciding if key in constant})
    by_key = {level.key: level for level in all_levels if level.n > 1}
    found = dependence(list(by_key.values()))
    free = [by_key[key] for key in found.free]
    n_cells = math.prod(level.n for level in free)
    return Grid(
        _kind(free, n_configurations, n_cells),
        tuple(Factor(level.key, level.values) for level in free),
        found.together,
        found.derived,
        where,
        n_configurations,
        n_cells,
        tuple(_missing(free, by_key, found, where, n_cells)),
    )


def _kind(free: Sequence[Levels], n_configurations: int, n_cells: int) -> Kind:
    if n_configurations == 1:
        return "single"
    if n_configurations == n_cells:
        return "grid"
    if n_configurations <= _ONE_AT_A_TIME * n_cells and _from_a_base(free):
        return "one at a time"
    drawn = any(level.numbers and level.n == n_configurations for level in free)
    return "sampled" if drawn or n_configurations < _MOSTLY * n_cells else "partial grid"


def _from_a_base(free: Sequence[Levels]) -> bool:
    """Whether every configuration differs from the most common values in one key at most."""
    usual = [np.bincount(level.codes).argmax() for level in free]
    changed = sum((lv.codes != base).astype(np.intp) for lv, base in zip(free, usual, strict=True))
    return bool(np.max(changed) <= 1 and np.min(changed) == 0)


def _missing(
    free: Sequence[Levels],
    by_key: Mapping[str, Levels],
    found: Dependence,
    where: Hpm,
    n_cells: int,
) -> Iterator[Hpm]:
    """The first cells without a run, with the keys that go with those of the grid."""
    if not free or not len(free[0].codes) < n_cells <= _LARGEST:
        return
    sizes = tuple(level.n for level in free)
    taken = np.zeros(n_cells, bool)
    taken[np.ravel_multi_index([level.codes for level in free], sizes)] = True
    empty = np.flatnonzero(~taken)[:_MOST_CELLS]
    for cell in zip(*(codes.tolist() for codes in np.unravel_index(empty, sizes)), strict=True):
        values = dict(where)
        for level, code in zip(free, cell, strict=True):
            values[level.key] = level.values[code]
        for first, *others in found.together:
            if first in found.free:
                at = int(np.flatnonzero(by_key[first].codes == cell[found.free.index(first)])[0])
                values |= {k: by_key[k].values[by_key[k].codes[at]] for k in others}
        yield Hpm(values)


def grid_issues(
    sweep: Sweep, found: Sequence[Grid], depends: Mapping[str, str], apart: Sequence[str]
) -> Iterator[DesignIssue]:
    """What the choice of configurations does not allow to say."""
    if sweep.n_configurations == 1:
        what = "no key was swept: all runs are one configuration"
        yield DesignIssue("nothing-swept", Severity.INFO, what)
    if apart:
        yield _apart(sweep, apart)
    yield from _conditional(sweep, depends, apart)
    seen: set[tuple[str, ...]] = set()
    for grid in found:
        for issue in itertools.chain(_dependent(sweep, grid), _incomplete(sweep, grid)):
            place = (issue.code, *issue.keys, *(() if "-key" in issue.code else grid.where))
            if place not in seen or issue.code == "missing-cells":
                seen.add(place)
                yield issue


def _apart(sweep: Sweep, apart: Sequence[str]) -> DesignIssue:
    held = np.array([sweep.columns[key].held for key in apart])
    patterns, counts = np.unique(held, axis=1, return_counts=True)
    names = np.array(sweep.labels(apart), object)
    parts = [
        f"{n:,} runs have {' and '.join(names[having]) or 'none of them'}"
        for having, n in zip(patterns.T, counts.tolist(), strict=True)
    ]
    what = f"runs have different keys: {listed(parts)}; each part is looked at on its own"
    hint = "separate sweeps? look at one at a time; the same key under two names? give it one"
    return DesignIssue("different-keys", Severity.WARNING, what, apart, hint=hint)


def _conditional(
    sweep: Sweep, depends: Mapping[str, str], apart: Sequence[str]
) -> Iterator[DesignIssue]:
    for key in sweep.factors:
        column = sweep.columns[key]
        if MISSING not in column.values or key in apart:
            continue
        if key in depends:
            what = (
                f"{sweep.label(key)} is there for some values of {sweep.label(depends[key])} only; "
                "each part of the sweep is looked at on its own"
            )
            yield DesignIssue("conditional-key", Severity.INFO, what, (key, depends[key]))
            continue
        lacking = sweep.ids(~column.held)
        what = (
            f"{len(lacking)} of {sweep.n_runs} runs lack {sweep.label(key)}, which no other key "
            "explains; they count as a configuration of their own"
        )
        hint = "runs of an older version of the code? fill in the value that they used"
        yield DesignIssue("sometimes-missing", Severity.WARNING, what, (key,), lacking, hint)


def _dependent(sweep: Sweep, grid: Grid) -> Iterator[DesignIssue]:
    for keys in grid.together:
        names = " and ".join(sweep.labels(keys))
        what = f"{names} always change together: what they do cannot be told apart"
        hint = "run the combinations in between, or speak of them as one"
        yield DesignIssue("aliased-keys", Severity.WARNING, what, keys, hint=hint)
    for key, sources in grid.derived.items():
        names = " and ".join(sweep.labels(sources))
        what = f"{sweep.label(key)} follows from {names}: it has no effect of its own to be seen"
        yield DesignIssue("derived-key", Severity.INFO, what, (key, *sources))


def _incomplete(sweep: Sweep, grid: Grid) -> Iterator[DesignIssue]:
    shape = " × ".join(sweep.labels(grid.keys))
    where = f" where {sweep.describe(grid.where)}" if len(grid.where) else ""
    some = f"{grid.n_configurations:,} of {grid.n_cells:,} combinations of {shape}{where}"
    if grid.kind == "partial grid":
        shown = [sweep.describe(cell.subset(grid.keys)) for cell in grid.missing[:_MOST_SHOWN]]
        cells = "; ".join(shown) + ("; …" if grid.n_missing > len(shown) else "")
        count = f"{grid.n_missing:,} of {grid.n_cells:,} cells"
        what = f"{count} of {shape}{where} have no run: {cells}"
        hint = "run them, or compare means only over cells that all values have"
        yield DesignIssue("missing-cells", Severity.WARNING, what, grid.keys, hint=hint)
    elif grid.kind == "one at a time":
        what = f"one key was changed at a time, {some}: whether keys act together cannot be seen"
        yield DesignIssue("one-at-a-time", Severity.INFO, what, grid.keys)
    elif grid.kind == "sampled":
        what = f"{some} were run: this is no grid, so means by one key mix different others"
        yield DesignIssue("no-grid", Severity.INFO, what, grid.keys)
