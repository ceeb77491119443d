"""From the rows of many plain native logs to the columns of their runs, in a few array steps.

Gives what `NativeReader.read` gives file by file. A log that this cannot tell exactly (metrics that
come and go, an x that repeats) is named, and left to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import POOL_FLOAT, POOL_INT, CurveTable
from dr_gen.readers.native.layout import NEEDED, TIMES
from dr_gen.readers.native.logs import PlainLog
from dr_gen.readers.native.rows import Rows, XColumn, group_order, starts_of
from dr_gen.readers.native.schema import Schema
from dr_gen.readers.plain_lines import ABSENT_BITS, NAN_STAND_IN

__all__ = ["columns_of"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_EXACT: Final = 2**53


def columns_of(rows: Rows, logs: Sequence[PlainLog], schema: Schema) -> CurveTable | set[int]:
    """The curves of all rows in one table, or the logs that need the careful reader.

    Parameters
    ----------
    rows : Rows
        Their logs are numbered as those given.
    logs : sequence of PlainLog
    schema : Schema
        Names of metrics, axes and splits.
    """
    groups = _Groups(rows, len(logs))
    present, odd = groups.metrics()
    axes = [groups.axis(column) for column in groups.rows.xs]
    if not axes or NEEDED not in schema.xs:
        return set(range(len(logs)))
    has_x = np.stack([axis.present for axis in axes], axis=1)
    clean = np.stack([axis.clean(groups.starts) for axis in axes], axis=1)
    counters = np.array([name not in TIMES for name in schema.xs])
    odd |= ~has_x[:, schema.xs.index(NEEDED)]
    odd |= ~(clean & has_x & counters).any(axis=1)
    odd |= np.any([axis.odd for axis in axes], axis=0)
    found = set(groups.log[odd].tolist()) | _misplaced(groups, has_x, logs)
    if found:
        return found
    metric_order = _appearance(present, len(schema.metrics))
    x_order = _appearance(has_x, len(schema.xs))
    used = dict.fromkeys(groups.split.tolist())
    codes = np.zeros(len(schema.splits), np.int64)
    codes[list(used)] = np.arange(len(used))
    return CurveTable(
        splits=tuple(schema.splits[i] for i in used),
        metrics=tuple(schema.metrics[i] for i in metric_order),
        x_names=tuple(schema.xs[i] for i in x_order),
        originals=(),
        **_curves(groups, codes, present, metric_order),
        **_x_columns(groups, axes, has_x, clean, x_order),
    )


class _Groups:
    """Rows in groups: the lines of one split of one log.

    Attributes
    ----------
    rows : Rows
        In the order of the groups.
    starts, sizes : int64 arrays, dims (group,)
        First row and number of rows of each.
    log, split : int arrays, dims (group,)
    """

    def __init__(self, rows: Rows, n_logs: int) -> None:
        key = rows.log.astype(np.int64) * (int(rows.split.max()) + 1) + rows.split
        starts = starts_of(key)
        if len(set(key[starts].tolist())) < len(starts):
            order = group_order(key)
            rows, starts = rows.take(order), starts_of(key[order])
        self.rows, self.starts, self.n_logs = rows, starts, n_logs
        self.sizes = np.diff(np.append(starts, len(rows)))
        self.log, self.split = rows.log[starts], rows.split[starts]
        self.of_row = np.repeat(np.arange(len(starts), dtype=np.int32), self.sizes)

    def metrics(self) -> tuple[Mask, Mask]:
        """Whether a group has a metric, dims (group, metric); groups with gaps."""
        absent = self.rows.values.view(np.int64) == ABSENT_BITS
        present, uneven = self._presence(absent)
        odd: Mask = np.any(uneven, axis=1) | ~np.any(present, axis=1)
        return present, odd

    def _presence(self, absent: Mask) -> tuple[Mask, Mask]:
        if not absent.any():
            present = np.ones((len(self.starts), absent.shape[1]), np.bool_)
            return present, ~present
        lacking = np.logical_and.reduceat(absent, self.starts)
        some = np.logical_or.reduceat(absent, self.starts)
        return ~lacking, some & ~lacking

    def axis(self, column: XColumn) -> _Axis:
        """One x-axis over all rows."""
        floats, whole = column.values, column.whole
        if whole is None:
            everywhere = np.ones(len(self.starts), np.bool_)
            return _Axis(floats, everywhere, everywhere, ~everywhere)
        absent = floats.view(np.int64) == ABSENT_BITS
        present, uneven = self._presence(absent[:, None])
        # Of one kind in the whole file, as its other splits share the column.
        mixed = np.zeros(self.n_logs, np.bool_)
        mixed[self.rows.log[~whole & ~absent]] = True
        bad = ~np.isfinite(floats) & ~absent | (floats == NAN_STAND_IN)
        bad |= whole & (np.abs(floats) >= _EXACT)
        odd = uneven[:, 0] | np.logical_or.reduceat(bad, self.starts)
        return _Axis(floats, present[:, 0], ~mixed[self.log], odd)


@attrs.frozen
class _Axis:
    """One x-axis: x by row; by group whether it is there, whole, and in need of care."""

    xs: NDArray[Any]
    present: Mask
    whole: Mask
    odd: Mask

    def clean(self, starts: Ints) -> Mask:
        """Groups in which x strictly increases."""
        grows = np.ones(len(self.xs), np.bool_)
        grows[1:] = self.xs[1:] > self.xs[:-1]
        grows[starts] = True
        found: Mask = np.logical_and.reduceat(grows, starts)
        return found


def _misplaced(groups: _Groups, has_x: Mask, logs: Sequence[PlainLog]) -> set[int]:
    """Logs whose first metric line has not all their axes."""
    everything = list(range(has_x.shape[1]))
    by_log: dict[int, set[int]] = {}
    if not has_x.all():
        for number, mine in zip(groups.log.tolist(), has_x, strict=True):
            by_log.setdefault(number, set()).update(np.flatnonzero(mine).tolist())
    return {
        number
        for number in np.flatnonzero(np.bincount(groups.log)).tolist()
        if logs[number].axes != sorted(by_log.get(number, everything))
    }


def _appearance(present: Mask, n: int) -> list[int]:
    """Columns that some group has, in the order in which the groups bring them."""
    if present.all():
        return list(range(n))
    seen: dict[int, None] = {}
    patterns, first = np.unique(present, axis=0, return_index=True)
    for pattern in patterns[np.argsort(first)]:
        seen.update(dict.fromkeys(np.flatnonzero(pattern).tolist()))
    return list(seen)


# ------------------------------------------------------------------ columns


def _curves(
    rows_in: _Groups, codes: Ints, present: Mask, metric_order: list[int]
) -> dict[str, Any]:
    """The columns of the curves, sorted by split, metric and run, one block a group."""
    present = present[:, metric_order]
    groups, metrics = np.nonzero(present)
    split = codes[rows_in.split]
    order = np.lexsort((rows_in.log[groups], metrics, split[groups]))
    groups, metrics = groups[order], metrics[order]
    sizes = rows_in.sizes[groups]
    starts = np.full(present.shape, -1, np.int64)
    starts[groups, metrics] = np.cumsum(sizes) - sizes
    out = np.empty(int(sizes.sum()))
    place = np.arange(len(rows_in.rows)) - rows_in.starts[rows_in.of_row]
    # Metric by metric: an index for all values at once would be larger than they are.
    for position, metric in enumerate(metric_order):
        start = starts[:, position]
        values = rows_in.rows.values[:, metric]
        if present[:, position].all():
            out[start[rows_in.of_row] + place] = values
        else:
            held = present[:, position][rows_in.of_row]
            out[start[rows_in.of_row[held]] + place[held]] = values[held]
    return {
        "values": out,
        "run": rows_in.log[groups],
        "split": split[groups],
        "metric": metrics,
        "original": np.full(len(groups), -1),
        "block": groups,
        "block_size": rows_in.sizes,
    }


def _x_columns(
    groups: _Groups, axes: list[_Axis], has_x: Mask, clean: Mask, x_order: list[int]
) -> dict[str, Any]:
    """The columns of the axes: by block, in it as the schema has them."""
    whole = np.stack([axis.whole for axis in axes], axis=1)
    codes = np.zeros(len(axes), np.int64)
    codes[x_order] = np.arange(len(x_order))
    starts = np.zeros(has_x.shape, np.int64)
    pools: list[NDArray[Any]] = [np.empty(0), np.empty(0), np.empty(0, object)]
    place = np.arange(len(groups.rows)) - groups.starts[groups.of_row]
    for number, dtype in ((POOL_INT, np.int64), (POOL_FLOAT, np.float64)):
        mine = has_x & (whole if number == POOL_INT else ~whole)
        sizes = np.where(mine, groups.sizes[:, None], 0)
        first = (np.cumsum(sizes.ravel()) - sizes.ravel()).reshape(has_x.shape)
        starts[mine] = first[mine]
        pool = np.empty(int(sizes.sum()), dtype)
        for position, axis in enumerate(axes):
            row: Any = slice(None)
            if not mine[:, position].all():
                row = np.flatnonzero(mine[:, position][groups.of_row])
            pool[first[:, position][groups.of_row[row]] + place[row]] = axis.xs[row]
        pools[number] = pool
    blocks, names = np.nonzero(has_x)
    return {
        "axis_block": blocks,
        "axis_x": codes[names],
        "axis_pool": np.where(whole, POOL_INT, POOL_FLOAT)[blocks, names],
        "axis_start": starts[blocks, names],
        "axis_inferred": np.zeros(len(blocks), np.bool_),
        "axis_clean": clean[blocks, names],
        "pools": tuple(pools),
    }
