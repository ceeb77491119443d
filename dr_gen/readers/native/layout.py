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
from dr_gen.model.pieces import ranges, room
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
    splits = _Split.all_of(parts, len(schema.splits))
    n_blocks = sum(len(split.starts) for split in splits)
    number = np.empty(n_blocks, np.int64)
    number[np.argsort(np.concatenate([split.first_row for split in splits]))] = np.arange(n_blocks)
    blocks = np.split(number, np.cumsum([len(split.starts) for split in splits])[:-1])
    # Splits are named in the order in which the logs bring them.
    order = sorted(range(len(splits)), key=lambda i: int(blocks[i][0]))
    splits, blocks = [splits[i] for i in order], [blocks[i] for i in order]
    axes = _axes(splits, blocks, parts, schema)
    if axes is None:
        return None
    return CurveTable(
        splits=tuple(schema.splits[split.code] for split in splits),
        metrics=schema.metrics,
        x_names=schema.xs,
        originals=(),
        **_curves(splits, blocks, parts),
        **axes,
    )


@attrs.frozen(eq=False)
class _Split:
    """The rows of one split.

    Attributes
    ----------
    code : int
    rows : list of int64 arrays
        Which rows of each part.
    starts, sizes : int64 arrays, dims (group,)
        A group is the rows of one log.
    log, first_row : int64 arrays, dims (group,)
        The log, and the first row of the group among all of all splits.
    """

    code: int
    rows: list[Ints]
    starts: Ints
    sizes: Ints
    log: Ints
    first_row: Ints

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        return int(self.sizes.sum())

    @classmethod
    def all_of(cls, parts: Sequence[Rows], n_splits: int) -> list[_Split]:
        """The splits that there are, of those that have a code."""
        offsets = np.cumsum([0, *map(len, parts)])
        there = [np.bincount(part.split, minlength=n_splits) for part in parts]
        codes = np.flatnonzero(np.sum(there, axis=0)).tolist()
        return [cls._of(code, parts, offsets) for code in codes]

    @classmethod
    def _of(cls, code: int, parts: Sequence[Rows], offsets: Ints) -> _Split:
        rows = [np.flatnonzero(part.split == code) for part in parts]
        logs = np.concatenate([part.log[mine] for part, mine in zip(parts, rows, strict=True)])
        starts = starts_of(logs)
        sizes = np.diff(np.append(starts, len(logs)))
        places = np.concatenate([mine + at for mine, at in zip(rows, offsets, strict=False)])
        return cls(code, rows, starts, sizes, logs[starts].astype(np.int64), places[starts])


def _curves(
    splits: Sequence[_Split], blocks: Sequence[Ints], parts: Sequence[Rows]
) -> dict[str, Any]:
    """The columns of the curves, sorted by split, metric and run."""
    n_metrics = parts[0].values.shape[1]
    values = room(sum(split.n_rows for split in splits) * n_metrics, np.float64)
    first = 0
    for split in splits:
        stop = first + split.n_rows * n_metrics
        by_metric = values[first:stop].reshape(n_metrics, -1)
        at = 0
        for part, rows in zip(parts, split.rows, strict=True):
            by_metric[:, at : at + len(rows)] = part.values[rows].T
            at += len(rows)
        first = stop
    n_runs = [len(split.log) for split in splits]
    n_curves = np.multiply(n_runs, n_metrics)
    metrics = [np.repeat(np.arange(n_metrics), n) for n in n_runs]
    return {
        "values": values,
        "run": np.concatenate([np.tile(split.log, n_metrics) for split in splits]),
        "split": np.repeat(np.arange(len(splits)), n_curves),
        "metric": np.concatenate(metrics),
        "original": np.full(int(n_curves.sum()), -1),
        "block": np.concatenate([np.tile(block, n_metrics) for block in blocks]),
        "block_size": _by_block([split.sizes for split in splits], blocks),
    }


def _axes(
    splits: Sequence[_Split], blocks: Sequence[Ints], parts: Sequence[Rows], schema: Schema
) -> dict[str, Any] | None:
    """The columns of the axes, sorted by block; None if no counter of a group increases."""
    n_axes = len(schema.xs)
    size = _by_block([split.sizes for split in splits], blocks)
    # Block by block, in it axis by axis.
    start = (n_axes * (np.cumsum(size) - size))[:, None] + size[:, None] * np.arange(n_axes)
    pool = room(n_axes * int(size.sum()), np.int64)
    clean = []
    for split, block in zip(splits, blocks, strict=True):
        place = ranges(start[block, 0], split.sizes)
        gap = np.repeat(split.sizes, split.sizes)
        rising = []
        for axis in range(n_axes):
            held = [p.xs[axis].values[rows] for p, rows in zip(parts, split.rows, strict=True)]
            xs = np.concatenate(held)
            pool[place] = xs
            place += gap
            grows = np.ones(len(xs), np.bool_)
            np.greater(xs[1:], xs[:-1], out=grows[1:])
            grows[split.starts] = True
            rising.append(np.logical_and.reduceat(grows, split.starts))
        clean.append(np.stack(rising, axis=1))
    is_clean = _by_block(clean, blocks)
    counters = np.array([name not in TIMES for name in schema.xs])
    if not (is_clean & counters).any(axis=1).all():
        return None
    n_blocks = len(start)
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
