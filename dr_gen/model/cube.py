"""One metric over all runs of a group, straight from the columns."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.address import MetricAddress
from dr_gen.model.axis import WALL_TIMES, axis_ranks, pick_axes
from dr_gen.model.curve import MetricCurve, Repeats
from dr_gen.model.curve_table import POOL_INT, POOL_TEXT, CurveTable, only
from dr_gen.model.direction import Direction, direction_of
from dr_gen.model.hpm_group import HpmGroup
from dr_gen.model.pieces import ranges
from dr_gen.model.stored import Rows, StoredArray
from dr_gen.stats.reductions import reduce_ragged

if TYPE_CHECKING:
    import xarray as xr


__all__ = ["curves", "holds", "numbers", "pairs", "run_coords", "values"]

_CLOSE = 4
"""Whole numbers lie close when they spread over at most so many times their count."""


@attrs.frozen(eq=False)
class _Selected:
    """The curves of one metric in a group, on one x-axis.

    Attributes
    ----------
    curves, axes : dims (curve,)
        Curves of the table, and the axis of each; only curves that have the axis.
    position : dims (curve,)
        Which run of the group each belongs to.
    x_name : str
    """

    table: CurveTable
    curves: NDArray[np.intp]
    axes: NDArray[np.intp]
    position: NDArray[np.intp]
    x_name: str

    @property
    def clean(self) -> bool:
        return bool(self.table.axis_clean[self.axes].all())

    @property
    def at_once(self) -> int | None:
        """How many values should be in memory at once; None: all of them may."""
        values: Any = self.table.values
        return values.at_once if isinstance(values, StoredArray) else None

    def only(self, mask: NDArray[np.bool_] | slice) -> _Selected:
        """Some of the curves."""
        kept = (self.curves[mask], self.axes[mask], self.position[mask])
        return _Selected(self.table, *kept, self.x_name)

    def parts(self) -> Iterator[_Selected]:
        """All of the curves, but no more of them together than should be in memory at once."""
        if (limit := self.at_once) is None:
            yield self
            return
        ends = np.cumsum(self.table.size[self.curves])
        part = np.maximum(ends - 1, 0) // limit
        for first in np.flatnonzero(np.diff(part, prepend=-1)).tolist():
            yield self.only(part == part[first])

    def by_pool(self) -> Iterator[tuple[NDArray[np.intp], int]]:
        """The axes of each pool."""
        pools = self.table.axis_pool[self.axes]
        for pool in np.unique(pools).tolist():
            yield self.axes[pools == pool], pool

    def points(self, repeats: Repeats) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[Any]]:
        """x, value and size of each curve, behind one another, in the order of x."""
        if not self.clean:
            points = self.resolved(repeats)
            sizes = np.array([len(x) for x, _ in points])
            return _joined([x for x, _ in points]), np.concatenate([v for _, v in points]), sizes
        found, sizes = self._rows()
        pools = np.unique(self.table.axis_pool[self.axes])
        if len(pools) == 1:
            return self.table.x_of(self.axes, int(pools[0])), found, sizes
        xs = _joined([self.table.axis_values(axis) for axis in self.axes.tolist()])
        return xs, found, sizes

    def ordered(self) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Value and size of each curve, in the order of x."""
        if self.clean:
            return self._rows()
        points = self.resolved("last")
        return np.concatenate([v for _, v in points]), np.array([len(v) for _, v in points])

    def _rows(self) -> tuple[NDArray[np.float64], NDArray[Any]]:
        return self.table.values_of(self.curves), self.table.size[self.curves]

    def resolved(self, repeats: Repeats) -> list[tuple[NDArray[Any], NDArray[np.float64]]]:
        """Points x and value of each curve on its own, in the order of x."""
        both = zip(self.curves.tolist(), self.axes.tolist(), strict=True)
        views = (MetricCurve(self.table, curve, axis, repeats) for curve, axis in both)
        return [(view.xs, view.values) for view in views]


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    if len({part.dtype for part in parts if len(part)}) > 1 and any(
        part.dtype == object for part in parts
    ):
        parts = [np.array([str(x) for x in part.tolist()], object) for part in parts]
    return np.concatenate(parts)


def pairs(table: CurveTable, runs: NDArray[np.intp]) -> list[tuple[str, str]]:
    """Every split and metric that one of `runs` has, in the order of the columns."""
    mine = np.isin(table.run, runs)
    codes = np.unique(np.column_stack([table.split[mine], table.metric[mine]]), axis=0)
    return [(table.splits[s], table.metrics[m]) for s, m in codes.tolist()]


def _held(
    table: CurveTable, runs: NDArray[np.intp], address: MetricAddress
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The curves of a metric that `runs` have, and the place of each among them."""
    where = table.curves_at(str(address.split), address.metric)
    highest = max(int(table.run.max(initial=-1)), int(runs.max(initial=-1)))
    position = np.full(highest + 1, -1, np.intp)
    position[runs] = np.arange(len(runs))
    held = position[table.run[where]]
    return np.flatnonzero(held >= 0) + where.start, held[held >= 0]


def holds(table: CurveTable, runs: NDArray[np.intp], address: MetricAddress) -> NDArray[np.bool_]:
    """Which of `runs` have a metric."""
    mask = np.zeros(len(runs), bool)
    mask[_held(table, runs, address)[1]] = True
    return mask


def _select(
    table: CurveTable, runs: NDArray[np.intp], address: MetricAddress, x: str | None
) -> _Selected:
    chosen, position = _held(table, runs, address)
    x_name = _common_axis(table, chosen) if x is None else x
    axis_of_block = np.full(len(table.block_size), -1, np.intp)
    if x_name in table.x_names:
        named = np.flatnonzero(table.axis_x == table.x_names.index(x_name))
        axis_of_block[table.axis_block[named]] = named
    axes = axis_of_block[table.block[chosen]]
    has = axes >= 0
    if not has.any():
        codes = table.axis_x[_axes(table, chosen)].tolist()
        known = tuple(table.x_names[code] for code in dict.fromkeys(codes))
        raise UnknownKeyError("x-axis", x_name, known, str(address))
    return _Selected(table, chosen[has], axes[has], position[has], x_name)


def _axes(table: CurveTable, curves: NDArray[np.intp]) -> NDArray[np.int64]:
    """The axes of each of the curves, behind one another."""
    blocks = table.block[curves]
    first, last = (np.searchsorted(table.axis_block, blocks + more) for more in (0, 1))
    return ranges(first, last - first)


def _common_axis(table: CurveTable, curves: NDArray[np.intp]) -> str:
    """The axis that suits most curves: increasing, logged, in the order of `DEFAULT_X`."""
    axes = _axes(table, curves)
    codes = table.axis_x[axes]
    clean = np.bincount(codes, table.axis_clean[axes]).tolist()
    count = np.bincount(codes).tolist()
    logged = np.bincount(codes, ~table.axis_inferred[axes]).tolist()
    rank = axis_ranks(table.x_names)
    found, first = np.unique(codes, return_index=True)
    place = dict(zip(found.tolist(), first.tolist(), strict=True))

    def order(code: int) -> tuple[bool, float, int, float, int, int]:
        is_time = table.x_names[code] in WALL_TIMES
        return (is_time, -clean[code], -count[code], -logged[code], rank[code], place[code])

    return table.x_names[min(place, key=order)]


def curves(
    table: CurveTable, hpms: HpmGroup, address: MetricAddress, x: str | None, repeats: Repeats
) -> xr.DataArray:
    """The runs of `hpms` as one array; see `RunGroup.curves`."""
    import xarray as xr

    if repeats not in ("last", "first", "mean"):
        raise UsageError(f"repeats must be last, first or mean here, not {repeats!r}")
    selected = _select(table, hpms.indices, address, x)
    n_runs = len(hpms.indices)
    if (limit := selected.at_once) is None:
        grid, dense = _in_memory(selected, n_runs, repeats)
    else:
        grid = _grid(selected)
        rows = max(limit // max(len(grid), 1), 1)
        starts = range(0, max(n_runs, 1), rows)
        blocks = [_rows(selected, repeats, grid, i, min(i + rows, n_runs)) for i in starts]
        stored: Any = table.values
        dense = stored.stacked(blocks, len(grid))
    # The other dimension is called run already.
    x_dim = "x.run" if selected.x_name == "run" else selected.x_name
    coords = {**run_coords(hpms, x_dim), x_dim: grid}
    attributes = {"split": str(address.split), "metric": address.metric}
    return xr.DataArray(dense, coords, ("run", x_dim), name=str(address), attrs=attributes)


def _in_memory(
    selected: _Selected, n_runs: int, repeats: Repeats
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Every x that occurs, ascending, and the values there, dims (run, x)."""
    values: Any = selected.table.values
    if not isinstance(values, StoredArray):
        found = _on_whole_numbers(selected, n_runs)
        if found is not None:
            return found
    xs, points, sizes = selected.points(repeats)
    grid, column = np.unique(xs, return_inverse=True)
    dense = np.full((n_runs, len(grid)), np.nan)
    dense[np.repeat(selected.position, sizes), column] = points
    return grid, dense


def _on_whole_numbers(
    selected: _Selected, n_runs: int
) -> tuple[NDArray[Any], NDArray[np.float64]] | None:
    """`_in_memory` for x that are whole numbers, ascend and lie close; None for others.

    Such x need not be sorted, and of a curve that counts by one, as most do, the first x tells
    all, and neighbours are copied together: this takes a fifth of the time.
    """
    table = selected.table
    selected = selected.only(table.size[selected.curves] > 0)
    sizes, starts = table.size[selected.curves], table.axis_start[selected.axes]
    whole = (table.axis_pool[selected.axes] == POOL_INT).all()
    if len(sizes) == 0 or not whole or not selected.clean:
        return None
    xs = table.pools[POOL_INT]
    low, high = int(xs[starts].min()), int(xs[starts + sizes - 1].max())
    width = high - low + 1
    if width > _CLOSE * int(sizes.max()):
        return None
    first, last = xs[starts] - low, xs[starts + sizes - 1] - low
    by_one = last - first == sizes - 1
    bounds = (np.bincount(at[by_one], minlength=width + 1) for at in (first, last + 1))
    there = np.cumsum(np.subtract(*bounds))[:width] > 0
    dense = np.full((n_runs, width), np.nan)
    cells, row, begin = dense.ravel(), selected.position * width, table.start[selected.curves]
    _copy(table.values, begin[by_one], cells, (row + first)[by_one], sizes[by_one])
    row, begin, starts, sizes = (of[~by_one] for of in (row, begin, starts, sizes))
    columns = xs[ranges(starts, sizes)] - low
    there[columns] = True
    cells[columns + np.repeat(row, sizes)] = table.values[ranges(begin, sizes)]
    return low + np.flatnonzero(there), dense if there.all() else dense[:, there]


def _copy(
    source: NDArray[np.float64],
    starts: NDArray[np.int64],
    target: NDArray[np.float64],
    places: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> None:
    """Copy ranges of one array to places in another; those that touch in both go in one piece."""
    ends = starts + sizes
    apart = (starts[1:] != ends[:-1]) | (places[1:] != (places + sizes)[:-1])
    first = np.append(0, np.flatnonzero(apart) + 1)[: len(starts)]
    last = np.append(first[1:], len(starts))[: len(first)] - 1
    pieces = zip(*(at.tolist() for at in (starts[first], ends[last], places[first])), strict=True)
    for low, high, place in pieces:
        target[place : place + high - low] = source[low:high]


def _grid(selected: _Selected) -> NDArray[Any]:
    """Every x of the curves, once, ascending; read bit by bit."""
    found: dict[int, NDArray[Any]] = {}
    for part in selected.parts():
        for axes, pool in part.by_pool():
            clean = part.table.axis_clean[axes]
            others = part.table.x_of(axes[~clean], pool)
            # As `resolve` leaves them out.
            others = others[np.isfinite(others)] if others.dtype.kind == "f" else others
            known = [found[pool]] if pool in found else []
            found[pool] = np.unique(
                np.concatenate([*known, part.table.x_of(axes[clean], pool), others])
            )
    # Not before all are known: beside texts 1 and 1.0 are two.
    return np.unique(_joined([*found.values()]))


def _rows(selected: _Selected, repeats: Repeats, grid: NDArray[Any], low: int, high: int) -> Rows:
    """The runs from `low` to `high` of the group as a block of rows that is made when needed."""
    part = selected.only((low <= selected.position) & (selected.position < high))
    row = (part.position - low).astype(np.int32)
    table = only(part.table, part.curves, row)
    make = functools.partial(_dense, table, part.x_name, repeats, grid, high - low)
    return high - low, make


def _dense(
    table: CurveTable, x_name: str, repeats: Repeats, grid: NDArray[Any], n_rows: int
) -> NDArray[np.float64]:
    """The curves of a table of one metric, dims (run, x), NaN where a run has no point."""
    dense = np.full((n_rows, len(grid)), np.nan)
    if len(table.run):
        runs = np.arange(n_rows)
        address = MetricAddress(*pairs(table, runs)[0])
        selected = _select(table, runs, address, x_name)
        if grid.dtype == object:
            views = selected.resolved(repeats)
            xs = np.array([str(x) for own, _ in views for x in own.tolist()], object)
            points = np.concatenate([values for _, values in views])
            sizes = np.array([len(values) for _, values in views])
        else:
            xs, points, sizes = selected.points(repeats)
        dense[np.repeat(selected.position, sizes), np.searchsorted(grid, xs)] = points
    return dense


def numbers(values: NDArray[np.float64], hpms: HpmGroup, address: MetricAddress) -> xr.DataArray:
    """One number a run, with the coordinates of `curves`."""
    import xarray as xr

    return xr.DataArray(values, run_coords(hpms), ("run",), name=str(address))


def values(
    table: CurveTable,
    runs: NDArray[np.intp],
    address: MetricAddress,
    x: str | None,
    directions: Mapping[str, Direction],
) -> NDArray[np.float64]:
    """One number of each of `runs`; see `RunGroup.values`."""
    how = address.reduction
    assert how is not None
    out = np.full(len(runs), np.nan)
    if how.kind == "at":
        selected = _select(table, runs, address, how.x_name)
        # No number is a text, and beside texts the numbers would become such.
        numeric = selected.table.axis_pool[selected.axes] != POOL_TEXT
        for part in selected.only(numeric).parts() if numeric.any() else ():
            xs, points, sizes = part.points("last")
            hit = np.flatnonzero(xs == how.x)
            out[np.repeat(part.position, sizes)[hit]] = points[hit]
        return out
    # Each run on its own usual axis: its number must not depend on the runs beside it.
    selected = _usual(table, runs, address) if x is None else _select(table, runs, address, x)
    kind = how.kind
    if kind == "best":
        kind = direction_of(address.curve, directions)
    for part in selected.parts():
        points, sizes = part.ordered()
        starts = np.cumsum(sizes) - sizes
        out[part.position] = reduce_ragged(points, starts, sizes, kind, how.count)
    return out


def _usual(table: CurveTable, runs: NDArray[np.intp], address: MetricAddress) -> _Selected:
    chosen, position = _held(table, runs, address)
    return _Selected(table, chosen, pick_axes(table, table.block[chosen]), position, "")


def run_coords(hpms: HpmGroup, *taken: str) -> dict[str, Any]:
    """Coordinates on ``run``: ids, important hyperparameters, seed; `taken` are other dims."""
    coords: dict[str, Any] = {"run": hpms.run_index}
    for shown, variable in hpms.coordinates.items():
        name = f"hpm.{shown}" if shown in ("run", *taken) else shown
        coords[name] = variable.copy()
    return coords
