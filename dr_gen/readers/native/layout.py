"""From complete rows of plain native logs to the columns of their runs, without any index.

Where every line has every metric, and every axis as a whole number, the rows of one split in the
order of their logs are already what one column after the other is to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import POOL_INT, CurveTable
from dr_gen.model.pieces import portions, ranges, room
from dr_gen.readers.native.logs import PlainLog
from dr_gen.readers.native.rows import Rows, starts_of
from dr_gen.readers.native.schema import Schema

__all__ = ["NEEDED", "TIMES", "complete_columns"]

Ints = NDArray[np.int64]

TIMES: Final = frozenset({"time", "timestamp"})
"""Axes that tell no rows apart."""

_AT_ONCE: Final = 1 << 16
"""Rows put in their places together: few enough to stay at hand."""

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
    values, splits = _by_split(parts, len(schema.splits), *shape)
    n_blocks = sum(len(split.starts) for split in splits)
    number = np.empty(n_blocks, np.int64)
    number[np.argsort(np.concatenate([split.first_row for split in splits]))] = np.arange(n_blocks)
    blocks = np.split(number, np.cumsum([len(split.starts) for split in splits])[:-1])
    axes = _axes(splits, blocks, schema)
    if axes is None:
        return None
    return CurveTable(
        splits=tuple(schema.splits[split.code] for split in splits),
        metrics=schema.metrics,
        x_names=schema.xs,
        originals=(),
        values=values,
        **_curves(splits, blocks, len(schema.metrics)),
        **axes,
    )


@attrs.frozen(eq=False)
class _Split:
    """The rows of one split.

    Attributes
    ----------
    code : int
    xs : list of int32 or int64 arrays, dims (row,)
        One for each axis.
    starts, sizes : int64 arrays, dims (group,)
        A group is the rows of one log.
    log, first_row : int64 arrays, dims (group,)
        The log, and the first row of the group among all of all splits.
    """

    code: int
    xs: list[NDArray[np.signedinteger[Any]]]
    starts: Ints
    sizes: Ints
    log: Ints
    first_row: Ints


def _by_split(
    parts: Sequence[Rows], n_splits: int, n_metrics: int, n_axes: int
) -> tuple[NDArray[np.float64], list[_Split]]:
    """The values, by split, metric and row, and the splits that there are.

    Splits come in the order in which the logs bring them. Each part is looked at once, while it
    is at hand: to go through all of them for each split and column takes twice as long.
    """
    counts = np.stack([np.bincount(part.split, minlength=n_splits) for part in parts])
    codes = sorted(np.flatnonzero(counts.any(axis=0)).tolist(), key=_first_row_of(parts, counts))
    n_rows = counts.sum(axis=0).tolist()
    values = room(n_metrics * sum(n_rows), np.float64)
    ends = np.cumsum([n_metrics * n_rows[code] for code in codes])[:-1]
    by_metric = [piece.reshape(n_metrics, -1) for piece in np.split(values, ends)]
    kinds = [np.result_type(*{p.xs[i].values.dtype for p in parts}) for i in range(n_axes)]
    xs = [[room(n_rows[code], kind) for kind in kinds] for code in codes]
    groups = [_Groups() for _ in codes]
    at, first = [0] * len(codes), 0
    for part in parts:
        for i, code in enumerate(codes):
            rows = np.flatnonzero(part.split == code)
            here = slice(at[i], at[i] + len(rows))
            by_metric[i][:, here] = part.values[rows].T
            for column, x in zip(xs[i], part.xs, strict=True):
                column[here] = x.values[rows]
            groups[i].add(part.log[rows], rows, at[i], first)
            at[i] += len(rows)
        first += len(part)
    return values, [
        _Split(code, xs[i], *groups[i].all(n_rows[code])) for i, code in enumerate(codes)
    ]


class _Groups:
    """Collects the groups of one split: the rows of one log."""

    def __init__(self) -> None:
        self._found: list[tuple[Ints, NDArray[np.int32], Ints]] = []

    def add(self, logs: NDArray[np.int32], rows: Ints, at: int, first: int) -> None:
        """Add rows that follow the others.

        Parameters
        ----------
        logs, rows : int arrays, dims (row,)
            The log of each, and its place in what is added together.
        at, first : int
            How many rows of this split, and of all splits, come before.
        """
        if len(logs):
            begin = starts_of(logs)
            if self._found and self._found[-1][1][-1] == logs[0]:
                begin = begin[1:]  # the last log goes on
            if len(begin):
                self._found.append((at + begin, logs[begin], first + rows[begin]))

    def all(self, n_rows: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Where each begins, its size, its log and its first row among all of all splits."""
        starts, logs, places = map(np.concatenate, zip(*self._found, strict=True))
        return starts, np.diff(np.append(starts, n_rows)), logs.astype(np.int64), places


def _first_row_of(parts: Sequence[Rows], counts: Ints) -> Callable[[int], tuple[int, int]]:
    """Gives in which part a split comes first, and where there."""

    def first_row_of(code: int) -> tuple[int, int]:
        part = int(np.argmax(counts[:, code] > 0))
        return part, int(np.argmax(parts[part].split == code))

    return first_row_of


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
        "block_size": _by_block([split.sizes for split in splits], blocks),
    }


def _axes(
    splits: Sequence[_Split], blocks: Sequence[Ints], schema: Schema
) -> dict[str, Any] | None:
    """The columns of the axes, sorted by block; None if no counter of a group increases."""
    n_axes = len(schema.xs)
    size = _by_block([split.sizes for split in splits], blocks)
    # Block by block, in it axis by axis.
    start = (n_axes * (np.cumsum(size) - size))[:, None] + size[:, None] * np.arange(n_axes)
    pool = room(n_axes * int(size.sum()), np.int64)
    clean = []
    for split, block in zip(splits, blocks, strict=True):
        at = 0
        for part in portions(split.sizes, _AT_ONCE):
            sizes = split.sizes[part]
            place, gap = ranges(start[block[part], 0], sizes), np.repeat(sizes, sizes)
            here = slice(at, at + len(place))
            for xs in split.xs:
                pool[place] = xs[here]
                place += gap
            at += len(place)
        rising = []
        for xs in split.xs:
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
