"""One metric over all runs of a group, straight from the columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.address import MetricAddress
from dr_gen.model.curve import DEFAULT_X, MetricCurve, Repeats
from dr_gen.model.curve_table import CurveTable, ranges
from dr_gen.model.direction import direction_of
from dr_gen.stats.reductions import reduce_ragged

if TYPE_CHECKING:
    import xarray as xr

    from dr_gen.model.group import RunGroup

__all__ = ["addresses", "curves", "values"]


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

    def points(self, repeats: Repeats) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[Any]]:
        """x, value and size of each curve, behind one another, in the order of x."""
        if not self.clean:
            pairs = list(zip(self.curves.tolist(), self.axes.tolist(), strict=True))
            views = [MetricCurve(self.table, curve, axis, repeats) for curve, axis in pairs]
            both = [(view.xs, view.values) for view in views]
            xs = _joined([x for x, _ in both])
            return xs, np.concatenate([v for _, v in both]), np.array([len(x) for x, _ in both])
        sizes = self.table.size[self.curves]
        found = self.table.values[ranges(self.table.start[self.curves], sizes)]
        pools = np.unique(self.table.axis_pool[self.axes])
        if len(pools) == 1:
            index = ranges(self.table.axis_start[self.axes], sizes)
            return self.table.pools[int(pools[0])][index], found, sizes
        xs = _joined([self.table.axis_values(axis) for axis in self.axes.tolist()])
        return xs, found, sizes


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    if len({part.dtype for part in parts if len(part)}) > 1 and any(
        part.dtype == object for part in parts
    ):
        parts = [np.array([str(x) for x in part.tolist()], object) for part in parts]
    return np.concatenate(parts)


def addresses(table: CurveTable, runs: NDArray[np.intp]) -> tuple[str, ...]:
    """Every ``split/metric`` that one of `runs` has, by split and metric."""
    mine = np.isin(table.run, runs)
    pairs = np.unique(np.column_stack([table.split[mine], table.metric[mine]]), axis=0)
    return tuple(f"{table.splits[s]}/{table.metrics[m]}" for s, m in pairs.tolist())


def _select(group: RunGroup, address: MetricAddress, x: str | None) -> _Selected:
    table = group.table.curves
    where = table.curves_at(str(address.split), address.metric)
    position = np.full(len(group.table.records), -1, np.intp)
    position[group.indices] = np.arange(len(group))
    held = position[table.run[where]]
    chosen = np.flatnonzero(held >= 0) + where.start
    x_name = _common_axis(table, chosen) if x is None else x
    axis_of_block = np.full(len(table.block_size), -1, np.intp)
    if x_name in table.x_names:
        named = np.flatnonzero(table.axis_x == table.x_names.index(x_name))
        axis_of_block[table.axis_block[named]] = named
    axes = axis_of_block[table.block[chosen]]
    has = axes >= 0
    if not has.any():
        known = tuple(dict.fromkeys(name for name, _, _ in _axes(table, chosen)))
        raise UnknownKeyError("x-axis", x_name, known, str(address))
    return _Selected(table, chosen[has], axes[has], held[held >= 0][has], x_name)


def _axes(table: CurveTable, curves: NDArray[np.intp]) -> list[tuple[str, bool, bool]]:
    blocks = table.block[curves].tolist()
    axes = [axis for block in blocks for axis in table.axes_of_block(block)]
    names = [table.x_names[code] for code in table.axis_x[axes].tolist()]
    clean, inferred = table.axis_clean[axes].tolist(), table.axis_inferred[axes].tolist()
    return list(zip(names, clean, inferred, strict=True))


def _common_axis(table: CurveTable, curves: NDArray[np.intp]) -> str:
    """The axis that suits most curves: increasing, logged, in the order of `DEFAULT_X`."""
    rank = {name: i for i, name in enumerate(DEFAULT_X)}
    votes: dict[str, list[int]] = {}
    for name, clean, inferred in _axes(table, curves):
        tally = votes.setdefault(name, [0, 0, 0])
        tally[0] += clean
        tally[1] += 1
        tally[2] += not inferred
    order = {
        name: (name == "time", -clean, -count, -logged, rank.get(name, len(rank)))
        for name, (clean, count, logged) in votes.items()
    }
    return min(votes, key=lambda name: order[name])


def curves(
    group: RunGroup, address: MetricAddress, x: str | None, repeats: Repeats
) -> xr.DataArray:
    """See `RunGroup.curves`."""
    import xarray as xr

    if address.reduction is not None:
        found = values(group, address, x)
        return xr.DataArray(found, _coords(group, ""), ("run",), name=str(address))
    if repeats not in ("last", "first", "mean"):
        raise UsageError(f"repeats must be last, first or mean here, not {repeats!r}")
    selected = _select(group, address, x)
    xs, points, sizes = selected.points(repeats)
    grid, column = np.unique(xs, return_inverse=True)
    dense = np.full((len(group), len(grid)), np.nan)
    dense[np.repeat(selected.position, sizes), column] = points
    coords = {**_coords(group, selected.x_name), selected.x_name: grid}
    attributes = {"split": str(address.split), "metric": address.metric}
    return xr.DataArray(
        dense, coords, ("run", selected.x_name), name=str(address), attrs=attributes
    )


def values(group: RunGroup, address: MetricAddress, x: str | None) -> NDArray[np.float64]:
    """See `RunGroup.values`."""
    how = address.reduction
    assert how is not None
    out = np.full(len(group), np.nan)
    if how.kind == "at":
        selected = _select(group, address, how.x_name)
        xs, points, sizes = selected.points("last")
        hit = np.flatnonzero(xs == how.x) if xs.dtype != object else np.empty(0, np.intp)
        out[np.repeat(selected.position, sizes)[hit]] = points[hit]
        return out
    selected = _select(group, address, x)
    _, points, sizes = selected.points("last")
    kind = how.kind
    if kind == "best":
        kind = direction_of(address.curve, group.directions)
    starts = np.cumsum(sizes) - sizes
    out[selected.position] = reduce_ragged(points, starts, sizes, kind, how.count)
    return out


def _coords(group: RunGroup, x_name: str) -> dict[str, Any]:
    hpms = group.hpm_group
    coords: dict[str, Any] = {"run": list(group.ids)}
    columns = {key: hpms.values(key) for key in hpms.important}
    if hpms.seed is not None:
        columns["seed"] = hpms.values(hpms.seed)
    for key, column in columns.items():
        name = f"hpm.{key}" if key in ("run", x_name) else key
        coords[name] = ("run", _coordinate(column))
    return coords


def _coordinate(column: list[Any]) -> NDArray[Any]:
    kinds = {type(value) for value in column}
    if kinds <= {int} or kinds <= {int, float}:
        try:
            return np.array(column)
        except OverflowError:
            pass
    if kinds == {str} or kinds == {bool}:
        return np.array(column)
    out = np.empty(len(column), object)
    for i, value in enumerate(column):
        out[i] = value
    return out
