"""Which x-axis a curve runs over when none is named."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import CurveTable

__all__ = ["DEFAULT_X", "WALL_TIMES", "axis_ranks", "pick_axes", "pick_axis"]

DEFAULT_X = ("epoch", "step", "global_step", "iteration", "iter", "batch", "samples", "tokens")
"""The axis a curve runs over when none is named, in order of preference."""


WALL_TIMES = ("time", "timestamp")
"""Axes of wall time: they suit a curve only where nothing was counted."""


def axis_ranks(x_names: tuple[str, ...]) -> list[int]:
    """Place of each name in `DEFAULT_X`; names that are not there come after it."""
    rank = {name: i for i, name in enumerate(DEFAULT_X)}
    return [rank.get(name, len(rank)) for name in x_names]


def pick_axes(table: CurveTable, blocks: NDArray[np.integer]) -> NDArray[np.intp]:
    """The axis of each block that a reader of the curve expects.

    The first of `DEFAULT_X` whose x strictly increases; counted x comes after logged x, and
    an axis of repeated or missing x after both. Wall time comes last.

    Returns
    -------
    intp array, dims (block,)
    """
    ranks = np.array(axis_ranks(table.x_names), np.int64)
    is_time = np.array([name in WALL_TIMES for name in table.x_names], bool)
    x, inferred, clean = table.axis_x, table.axis_inferred, table.axis_clean
    # The last key counts most; among equals the sort keeps the order of the columns.
    order = np.lexsort((ranks[x], inferred, ~clean, is_time[x], table.axis_block))
    first = np.searchsorted(table.axis_block[order], blocks)
    picked: NDArray[np.intp] = order[first]
    return picked


def pick_axis(table: CurveTable, block: int) -> int:
    """The axis of one block, see `pick_axes`."""
    ranks = axis_ranks(table.x_names)

    def order(axis: int) -> tuple[bool, bool, bool, int]:
        x, messy = table.axis_x[axis], not table.axis_clean[axis]
        return (table.x_names[x] in WALL_TIMES, messy, bool(table.axis_inferred[axis]), ranks[x])

    return min(table.axes_of_block(block), key=order)
