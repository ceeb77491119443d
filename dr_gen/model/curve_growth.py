"""Curves to which points are added behind those that they have."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import CurveTable
from dr_gen.model.pieces import ranges

__all__ = ["lengthened"]

Added = Mapping[int, Sequence[float]]


def lengthened(table: CurveTable, values: Added, xs: Added, unclean: Sequence[int]) -> CurveTable:
    """The table with more rows in some of its blocks.

    Parameters
    ----------
    table : CurveTable
    values : mapping
        Curve to the values behind its own: as many for all curves of a block.
    xs : mapping
        Axis to as many x values behind its own; for all axes of these blocks, none of text.
    unclean : sequence of int
        Axes that do not strictly increase any more.

    Examples
    --------
    >>> from dr_gen.model.run import RunData
    >>> run = RunData.from_dict({"id": "a", "curves": {"val/acc1": [1.0, 2.0]}})
    >>> table = lengthened(run.table.curves, {0: [3.0]}, {0: [2]}, [])
    >>> table.values.tolist(), table.axis_values(0).tolist()
    ([1.0, 2.0, 3.0], [0, 1, 2])
    """
    more = np.zeros(len(table.block_size), np.int64)
    more[table.block[[*values]]] = [*map(len, values.values())]
    block_size = table.block_size + more
    size = block_size[table.block]
    joined = _joined(table.values, table.start, table.size, size, values)
    old_sizes, sizes = table.block_size[table.axis_block], block_size[table.axis_block]
    axis_start = np.zeros(len(sizes), np.int64)
    pools = []
    for number, pool in enumerate(table.pools):
        mine = np.flatnonzero(table.axis_pool == number)
        ends = np.cumsum(sizes[mine])
        axis_start[mine] = ends - sizes[mine]
        place = {axis: i for i, axis in enumerate(mine.tolist())}
        added = {place[axis]: cells for axis, cells in xs.items() if axis in place}
        pools.append(_joined(pool, table.axis_start[mine], old_sizes[mine], sizes[mine], added))
    clean = table.axis_clean.copy()
    clean[[*unclean]] = False
    return attrs.evolve(
        table,
        values=joined,
        block_size=block_size,
        axis_start=axis_start,
        axis_clean=clean,
        pools=tuple(pools),
    )


def _joined(
    old: NDArray[Any],
    starts: NDArray[np.int64],
    old_sizes: NDArray[np.int64],
    sizes: NDArray[np.int64],
    added: Added,
) -> NDArray[Any]:
    """Pieces of an array behind one another, with what is added behind each."""
    new_starts = np.cumsum(sizes) - sizes
    out = np.empty(int(sizes.sum()), old.dtype)
    out[ranges(new_starts, old_sizes)] = old[ranges(starts, old_sizes)]
    order = sorted(added)
    where = ranges(new_starts[order] + old_sizes[order], (sizes - old_sizes)[order])
    cells = itertools.chain.from_iterable(added[piece] for piece in order)
    out[where] = np.fromiter(cells, old.dtype, len(where))
    return out
