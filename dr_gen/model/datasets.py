"""Runs as datasets of xarray."""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from dr_gen.model import cube
from dr_gen.model.address import MetricAddress

if TYPE_CHECKING:
    import xarray as xr

    from dr_gen.model.group import RunGroup

__all__ = ["dataset", "tree"]

_EXACT = 2**53


def dataset(group: RunGroup, addresses: Sequence[str | MetricAddress], x: str | None) -> xr.Dataset:
    """Metrics as variables, named by their addresses; see `RunGroup.to_xarray`."""
    found = {str(address): _bare(group, address, x) for address in addresses}
    return _with_runs(group, _joinable(found))


def tree(group: RunGroup, addresses: Sequence[str | MetricAddress], x: str | None) -> xr.DataTree:
    """A child for each split, metrics as variables in it; see `RunGroup.to_xarray`."""
    import xarray as xr

    splits: dict[str, dict[str, xr.DataArray]] = {}
    for address in addresses:
        full = group.address(address)
        found = splits.setdefault(str(full.split), {})
        name = _one_level(str(full).removeprefix(f"{full.split}/"), found)
        found[name] = _bare(group, full, x)
    children = {split: xr.Dataset(_joinable(found)) for split, found in splits.items()}
    dims = {dim for child in children.values() for dim in child.dims}
    root = _with_runs(group, {}, *map(str, dims))
    for name in [str(name) for name in root.coords if "/" in str(name)]:
        root = root.rename({name: _one_level(name, root.coords)})
    return xr.DataTree.from_dict({"/": root, **children}, name="runs")


def _one_level(name: str, taken: Container[Hashable]) -> str:
    """A name without slashes, each of which would be a level of the tree."""
    name = name.replace("/", ".")
    while name in taken:
        name += "_"
    return name


def _bare(group: RunGroup, address: str | MetricAddress, x: str | None) -> xr.DataArray:
    """One metric with its dimensions alone as coordinates; a number of each run has no axis."""
    full = group.address(address)
    array = group.curves(full, x if full.reduction is None else None)
    return array.drop_vars([name for name in array.coords if name not in array.dims])


def _joinable(found: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """The metrics with axes of one name that can be joined without changing an x.

    Integers that no float holds, texts and floats are not joined: those of another type than the
    first get an axis of their own, such as ``step.float64``.
    """
    axes: dict[str, list[xr.DataArray]] = {}
    for array in found.values():
        for dim in array.dims:
            if dim != "run" and array.sizes[dim]:
                axes.setdefault(str(dim), []).append(array[dim])
    apart = {name for name, parts in axes.items() if not _exactly_joined(parts)}
    out = {}
    for name, array in found.items():
        for dim in map(str, array.dims):
            if dim in axes and not array.sizes[dim]:
                array = array.assign_coords({dim: axes[dim][0].values[:0]})
            if dim in apart and array[dim].dtype != axes[dim][0].dtype:
                array = array.rename({dim: f"{dim}.{array[dim].dtype}"})
        out[name] = array
    return out


def _exactly_joined(parts: Sequence[xr.DataArray]) -> bool:
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) == 1:
        return True
    whole = [part for part in parts if part.dtype.kind == "i"]
    fits = all(part.min() >= -_EXACT and part.max() <= _EXACT for part in whole)
    return kinds == {"i", "f"} and fits


def _with_runs(group: RunGroup, found: dict[str, xr.DataArray], *taken: str) -> xr.Dataset:
    import numpy as np
    import xarray as xr

    data = xr.Dataset(found)
    taken = (*taken, *map(str, data.variables))
    coords: dict[str, Any] = cube.run_coords(group.hpm_group, *taken)
    if "status" not in (*taken, *coords):
        coords["status"] = ("run", np.array([str(status) for status in group.statuses]))
    return data.assign_coords(coords)
