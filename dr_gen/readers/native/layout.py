"""From complete rows of plain native logs to the columns of their runs, without any index.

Where every line has every metric, and every axis as a whole number, the rows of one split in the
order of their logs are already what one column after the other is to hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import POOL_INT, CurveTable
from dr_gen.model.pieces import room
from dr_gen.readers.native.logs import PlainLog
from dr_gen.readers.native.rows import Rows, starts_of
from dr_gen.readers.native.schema import Schema

__all__ = ["NEEDED", "TIMES", "complete_columns"]

Ints = NDArray[np.int64]

TIMES: Final = frozenset({"time", "timestamp"})
"""Axes that tell no rows apart."""

NEEDED: Final = "epoch"
"""The axis that every line of metrics has."""


def complete_columns(
    parts: Sequence[Rows], logs: Sequence[PlainLog], schema: Schema
) -> CurveTable | None:
    """The curves of rows in one table; None where a closer look is needed.

    Parameters
    ----------
    parts : sequence of Rows
        One behind another; their logs are numbered as those given.
    logs : sequence of PlainLog
    schema : Schema
        Names of metrics, axes and splits.
    """
    shape = (len(schema.metrics), len(schema.xs))
    if any((part.values.shape[1], len(part.xs)) != shape or not part.complete for part in parts):
        return None
    all_axes = list(range(len(schema.xs)))
    if NEEDED not in schema.xs or any(log.axes != all_axes for log in logs):
        return None
    splits = _splits(parts)
    blocks = _in_order(splits)
    size = _by_block([split.sizes for split in splits], blocks)
    # Block by block, in it axis by axis.
    start = (len(all_axes) * (np.cumsum(size) - size))[:, None] + size[:, None] * all_axes
    values, pool = _placed(parts, splits, [start[block, 0] for block in blocks], *shape)
    axes = _axes(pool, start, schema)
    if axes is None:
        return None
    return CurveTable(
        splits=tuple(schema.splits[split.code] for split in splits),
        metrics=schema.metrics,
        x_names=schema.xs,
        originals=(),
        values=values,
        block_size=size,
        **_curves(splits, blocks, len(schema.metrics)),
        **axes,
    )


@attrs.frozen(eq=False)
class _Split:
    """The rows of one split.

    Attributes
    ----------
    code : int
    starts, sizes : int64 arrays, dims (group,)
        A group is the rows of one log.
    log, first_row : int64 arrays, dims (group,)
        The log, and the first row of the group among all of all splits.
    """

    code: int
    starts: Ints
    sizes: Ints
    log: Ints
    first_row: Ints

    def places(self, low: int, high: int, starts: Ints) -> tuple[Ints, Ints]:
        """Where the first x of the rows from `low` to before `high` belong, and how far the next.

        Parameters
        ----------
        low, high : int
        starts : int64 array, dims (group,)
            Where the x of each group begin.
        """
        first = int(self.starts.searchsorted(low, "right")) - 1
        some = slice(first, int(self.starts.searchsorted(high)))
        counts = np.diff(np.append(self.starts[some], high).clip(low))
        place = np.repeat(starts[some] - self.starts[some], counts)
        place += np.arange(low, high)
        return place, np.repeat(self.sizes[some], counts)


def _splits(parts: Sequence[Rows]) -> list[_Split]:
    """The splits that there are, in the order in which the logs bring them."""
    groups: dict[int, _Groups] = {}
    first = 0
    for part in parts:
        for code in np.flatnonzero(np.bincount(part.split)).tolist():
            rows = np.flatnonzero(part.split == code)
            groups.setdefault(code, _Groups()).add(part.log[rows], rows, first)
        first += len(part)
    splits = [_Split(code, *found.all()) for code, found in groups.items()]
    return sorted(splits, key=lambda split: int(split.first_row[0]))


class _Groups:
    """Collects the groups of one split: the rows of one log."""

    def __init__(self) -> None:
        self._found: list[tuple[Ints, NDArray[np.int32], Ints]] = []
        self._n_rows = 0

    def add(self, logs: NDArray[np.int32], rows: Ints, first: int) -> None:
        """Add rows that follow the others.

        Parameters
        ----------
        logs, rows : int arrays, dims (row,)
            The log of each, and its place in what is added together.
        first : int
            How many rows of all splits come before.
        """
        begin = starts_of(logs)
        if self._found and self._found[-1][1][-1] == logs[0]:
            begin = begin[1:]  # the last log goes on
        if len(begin):
            self._found.append((self._n_rows + begin, logs[begin], first + rows[begin]))
        self._n_rows += len(logs)

    def all(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Where each begins, its size, its log and its first row among all of all splits."""
        starts, logs, places = map(np.concatenate, zip(*self._found, strict=True))
        sizes = np.diff(np.append(starts, self._n_rows))
        return starts, sizes, logs.astype(np.int64), places


def _in_order(splits: Sequence[_Split]) -> list[Ints]:
    """The blocks of the groups of each split: all of them, numbered by their first rows."""
    first = np.concatenate([split.first_row for split in splits])
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return np.split(number, np.cumsum([len(split.starts) for split in splits])[:-1])


def _placed(
    parts: Sequence[Rows],
    splits: Sequence[_Split],
    starts: Sequence[Ints],
    n_metrics: int,
    n_axes: int,
) -> tuple[NDArray[np.float64], Ints]:
    """The values by split, metric and row, and x by block and axis.

    Each part is looked at once, while it is at hand: to go through all of them for each split and
    column takes twice as long.

    Parameters
    ----------
    parts, splits
    starts : sequence of int64 arrays, dims (group,)
        For each split where the x of its groups begin.
    n_metrics, n_axes : int
    """
    n_rows = [int(split.sizes.sum()) for split in splits]
    values = room(n_metrics * sum(n_rows), np.float64)
    pool = room(n_axes * sum(n_rows), np.int64)
    ends = np.cumsum(np.multiply(n_metrics, n_rows))[:-1]
    by_metric = [piece.reshape(n_metrics, -1) for piece in np.split(values, ends)]
    at = [0] * len(splits)
    for part in parts:
        for i, split in enumerate(splits):
            rows = np.flatnonzero(part.split == split.code)
            low, high = at[i], at[i] + len(rows)
            by_metric[i][:, low:high] = part.values[rows].T
            if low < high:
                place, gap = split.places(low, high, starts[i])
                for x in part.xs:
                    pool[place] = x.values[rows]
                    place += gap
            at[i] = high
    return values, pool


def _curves(splits: Sequence[_Split], blocks: Sequence[Ints], n_metrics: int) -> dict[str, Any]:
    """The columns of the curves, sorted by split, metric and run."""
    n_runs = [len(split.log) for split in splits]
    n_curves = np.multiply(n_runs, n_metrics)
    metrics = [np.repeat(np.arange(n_metrics), n) for n in n_runs]
    return {
        "run": np.concatenate([np.tile(split.log, n_metrics) for split in splits]),
        "split": np.repeat(np.arange(len(splits)), n_curves),
        "metric": np.concatenate(metrics),
        "original": np.full(int(n_curves.sum()), -1),
        "block": np.concatenate([np.tile(block, n_metrics) for block in blocks]),
    }


def _axes(pool: Ints, start: Ints, schema: Schema) -> dict[str, Any] | None:
    """The columns of the axes, sorted by block; None if no counter of a group increases.

    Parameters
    ----------
    pool : int64 array
    start : int64 array, dims (block, axis)
        Where the x of each begin there.
    schema : Schema
    """
    grows = np.ones(len(pool), np.bool_)
    np.greater(pool[1:], pool[:-1], out=grows[1:])
    grows[start] = True
    is_clean = np.logical_and.reduceat(grows, start.ravel()).reshape(start.shape)
    counters = np.array([name not in TIMES for name in schema.xs])
    if not (is_clean & counters).any(axis=1).all():
        return None
    n_blocks, n_axes = start.shape
    return {
        "axis_block": np.repeat(np.arange(n_blocks), n_axes),
        "axis_x": np.tile(np.arange(n_axes), n_blocks),
        "axis_pool": np.full(start.size, POOL_INT),
        "axis_start": start.ravel(),
        "axis_inferred": np.zeros(start.size, np.bool_),
        "axis_clean": is_clean.ravel(),
        "pools": (pool, np.empty(0), np.empty(0, object)),
    }


def _by_block(parts: Sequence[NDArray[Any]], blocks: Sequence[Ints]) -> NDArray[Any]:
    """Of each split what belongs to its groups, put in the order of the blocks."""
    together = np.concatenate(parts)
    out = np.empty_like(together)
    out[np.concatenate(blocks)] = together
    return out
