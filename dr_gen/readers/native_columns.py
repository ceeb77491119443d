"""From the lines of many plain native logs to the columns of their runs, in a few array steps.

Gives what `NativeReader.read` gives file by file. A log that this cannot tell exactly (metrics that
come and go, an x that repeats, a configuration in the wrong place) is named, and left to it.
"""

from __future__ import annotations

import itertools
import operator
from array import array
from collections.abc import Sequence
from typing import Any, Final

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import POOL_FLOAT, POOL_INT, CurveTable
from dr_gen.readers.plain_lines import ABSENT_BITS, NAN_STAND_IN, PlainFile, Schema, quotes

__all__ = ["Columns", "columns_of"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_EXACT: Final = 2**53
_TIMES: Final = frozenset({"time", "timestamp"})
_NEEDED: Final = "epoch"
_NAME = operator.attrgetter("data_name")
_STATS = operator.attrgetter("agg_stats")
_TITLE = operator.attrgetter("title")


@attrs.frozen
class Columns:
    """What the metric lines of several files hold.

    Attributes
    ----------
    odd : set of int
        Files that need the careful reader; the rest is only of use when there is none.
    others : list of list of (int, line)
        For each file its lines that are no metric lines, with their place.
    curves : CurveTable or None
    """

    odd: set[int]
    others: list[list[tuple[int, Any]]]
    curves: CurveTable | None


def columns_of(files: Sequence[PlainFile], schema: Schema) -> Columns:
    """The curves of all files in one table; file i is run i."""
    objects = list(itertools.chain.from_iterable(file.objects for file in files))
    counts = np.array([len(file.objects) for file in files])
    firsts = np.cumsum(counts) - counts
    run = np.repeat(np.arange(len(files)), counts)
    names = list(map(_NAME, objects))
    splits = {name: i for i, name in enumerate(n for n in dict.fromkeys(names) if n is not None)}
    split = np.fromiter(map({None: -1, **splits}.__getitem__, names), np.int64, len(names))
    odd = {int(r) for r in run[np.isin(split, _strange(splits))]}
    others: list[list[tuple[int, Any]]] = [[] for _ in files]
    elsewhere = split < 0
    if elsewhere.any():
        for place in np.flatnonzero(elsewhere).tolist():
            number = int(run[place])
            others[number].append((place - int(firsts[number]), objects[place]))
        kept = ~elsewhere
        objects = list(itertools.compress(objects, kept.tolist()))
        run, split = run[kept], split[kept]
    rows = _Rows(objects, run, split, len(files), schema)
    odd |= rows.without_metrics()
    if odd or not objects:
        return Columns(odd, others, None)
    table = _table(rows, tuple(splits), files, others, odd)
    return Columns(odd, others, table)


def _strange(splits: dict[str, int]) -> list[int]:
    """Splits whose names need care."""
    return [i for name, i in splits.items() if not name or name != name.strip() or "/" in name]


class _Rows:
    """The metric lines as arrays, and in groups: the lines of one split of one run."""

    def __init__(
        self, objects: list[Any], run: Ints, split: Ints, n_files: int, schema: Schema
    ) -> None:
        self.objects, self.run, self.split, self.n_files = objects, run, split, n_files
        self.schema = schema
        self.stats = list(map(_STATS, objects))

    def without_metrics(self) -> set[int]:
        if None not in self.stats:
            return set()
        lacking = [stats is None for stats in self.stats]
        return {int(r) for r in self.run[lacking]}

    def group(self) -> None:
        """Bring the rows in order: by run, by split in order of appearance, as logged."""
        key = self.run * (int(self.split.max()) + 1) + self.split
        order = np.argsort(key, kind="stable")
        starts = _starts(key[order])
        if not bool((np.diff(order[starts]) > 0).all()):
            rank = np.empty(len(key), np.int64)
            sizes = np.diff(np.append(starts, len(key)))
            rank[order] = np.repeat(np.argsort(np.argsort(order[starts])), sizes)
            order = np.argsort(rank, kind="stable")
            starts = _starts(rank[order])
        self.order, self.starts = order, starts
        self.sizes = np.diff(np.append(starts, len(key)))
        self.g_run, self.g_split = self.run[order][starts], self.split[order][starts]
        self.g_of_row = np.repeat(np.arange(len(starts)), self.sizes)
        self.place = np.arange(len(key)) - np.repeat(starts, self.sizes)

    def values(self) -> tuple[NDArray[np.float64], Mask, Mask]:
        """Values by row and metric; whether a group has a metric; groups with gaps."""
        n, k = len(self.stats), len(self.schema.metrics)
        cells = itertools.chain.from_iterable(map(msgspec.structs.astuple, self.stats))
        values = np.fromiter(cells, np.float64, n * k).reshape(n, k)
        values[values == NAN_STAND_IN] = np.nan
        values = values[self.order]
        absent = values.view(np.int64) == ABSENT_BITS
        present, uneven = self._presence(absent)
        odd: Mask = np.any(uneven, axis=1) | ~np.any(present, axis=1)
        return values, present, odd

    def _presence(self, absent: Mask) -> tuple[Mask, Mask]:
        if not absent.any():
            present = np.ones((len(self.starts), absent.shape[1]), np.bool_)
            return present, ~present
        lacking = np.logical_and.reduceat(absent, self.starts)
        some = np.logical_or.reduceat(absent, self.starts)
        return ~lacking, some & ~lacking

    def axis(self, number: int) -> _Axis:
        """One x-axis over all rows in the order of the groups."""
        cells = list(map(operator.attrgetter(f"x{number}"), self.objects))
        try:
            exact = np.frombuffer(array("q", cells), np.int64)[self.order]
        except (TypeError, OverflowError):
            return self._mixed_axis(cells)
        everywhere = np.ones(len(self.starts), np.bool_)
        return _Axis(exact, everywhere, everywhere, ~everywhere)

    def _mixed_axis(self, cells: list[float | int]) -> _Axis:
        floats = np.fromiter(cells, np.float64, len(cells))
        whole = np.fromiter(map(isinstance, cells, itertools.repeat(int)), np.bool_, len(cells))
        floats, whole = floats[self.order], whole[self.order]
        absent = floats.view(np.int64) == ABSENT_BITS
        present, uneven = self._presence(absent[:, None])
        # Of one kind in the whole file, as its other splits share the column.
        mixed = np.zeros(self.n_files, np.bool_)
        mixed[self.g_run[self.g_of_row[~whole & ~absent]]] = True
        bad = ~np.isfinite(floats) & ~absent | (floats == NAN_STAND_IN)
        bad |= whole & (np.abs(floats) >= _EXACT)
        odd = uneven[:, 0] | np.logical_or.reduceat(bad, self.starts)
        return _Axis(floats, present[:, 0], ~mixed[self.g_run], odd)


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


def _starts(keys: Ints) -> Ints:
    return np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1))


def _table(
    rows: _Rows,
    splits: tuple[str, ...],
    files: Sequence[PlainFile],
    others: list[list[tuple[int, Any]]],
    odd: set[int],
) -> CurveTable | None:
    schema = rows.schema
    rows.group()
    values, present, odd_groups = rows.values()
    axes = [rows.axis(i) for i in range(len(schema.xs))]
    has_x = np.stack([axis.present for axis in axes], axis=1) if axes else None
    if has_x is None or _NEEDED not in schema.xs:
        odd.update(range(len(files)))
        return None
    clean = np.stack([axis.clean(rows.starts) for axis in axes], axis=1)
    counters = np.array([name not in _TIMES for name in schema.xs])
    odd_groups |= ~has_x[:, schema.xs.index(_NEEDED)]
    odd_groups |= ~(clean & has_x & counters).any(axis=1)
    odd_groups |= np.any([axis.odd for axis in axes], axis=0)
    odd |= {int(r) for r in rows.g_run[odd_groups]}
    odd |= _misplaced(rows, has_x, files)
    odd |= _misquoted(rows, present, has_x, files, others)
    if odd:
        return None
    metric_order = _appearance(present, len(schema.metrics))
    columns = _curves(rows, values, present, metric_order)
    x_order = _appearance(has_x, len(schema.xs))
    return CurveTable(
        splits=splits,
        metrics=tuple(schema.metrics[i] for i in metric_order),
        x_names=tuple(schema.xs[i] for i in x_order),
        originals=(),
        **columns,
        **_x_columns(rows, axes, has_x, clean, x_order),
    )


def _appearance(present: Mask, n: int) -> list[int]:
    """Columns that some group has, in the order in which the groups bring them."""
    if present.all():
        return list(range(n))
    seen: dict[int, None] = {}
    patterns, first = np.unique(present, axis=0, return_index=True)
    for pattern in patterns[np.argsort(first)]:
        seen.update(dict.fromkeys(np.flatnonzero(pattern).tolist()))
    return list(seen)


# ------------------------------------------------------------------ doubts


def _misplaced(rows: _Rows, has_x: Mask, files: Sequence[PlainFile]) -> set[int]:
    """Files that name their axes in another order than the schema."""
    place = {name: i for i, name in enumerate(rows.schema.xs)}
    odd = set()
    by_file: dict[int, set[int]] = {}
    if not has_x.all():
        for run, mine in zip(rows.g_run.tolist(), has_x, strict=True):
            by_file.setdefault(run, set()).update(np.flatnonzero(mine).tolist())
    everything = set(range(len(place)))
    for number, file in enumerate(files):
        first = [place[name] for name in file.first_metrics if name in place]
        if first != sorted(first) or set(first) != by_file.get(number, everything):
            odd.add(number)
    return odd


def _misquoted(
    rows: _Rows,
    present: Mask,
    has_x: Mask,
    files: Sequence[PlainFile],
    others: list[list[tuple[int, Any]]],
) -> set[int]:
    """Files with more quotation marks than the names in them take: a name came twice."""
    per_row = 6 + 2 * present.sum(axis=1) + 2 * has_x.sum(axis=1)
    expected = np.bincount(rows.g_run, per_row * rows.sizes, len(files)).astype(np.int64)
    odd = set()
    for number, file in enumerate(files):
        wanted = int(expected[number]) + sum(_quotes_of(line) for _, line in others[number])
        if file.n_quotes != wanted:
            titles = sum(map(bool, map(_has_title, file.objects)))
            if file.n_quotes != wanted + 4 * titles:
                odd.add(number)
    return odd


def _has_title(line: Any) -> bool:
    return line.agg_stats is not None and line.title is not None


def _quotes_of(line: Any) -> int:
    """Quotation marks that a line takes which is no metric line."""
    n = 4 + (2 + quotes(line.value) if line.value is not None else 0)
    if line.status is not None:
        n += 2 + quotes(line.status)
    if line.reason is not msgspec.UNSET:
        n += 2 + quotes(line.reason)
    return n


# ------------------------------------------------------------------ columns


def _curves(
    rows: _Rows, values: NDArray[np.float64], present: Mask, metric_order: list[int]
) -> dict[str, Any]:
    """The columns of the curves, sorted by split, metric and run, one block a group."""
    present = present[:, metric_order]
    groups, metrics = np.nonzero(present)
    order = np.lexsort((rows.g_run[groups], metrics, rows.g_split[groups]))
    groups, metrics = groups[order], metrics[order]
    sizes = rows.sizes[groups]
    starts = np.zeros(present.shape, np.int64)
    starts[groups, metrics] = np.cumsum(sizes) - sizes
    where = starts[rows.g_of_row] + rows.place[:, None]
    cells = values if metric_order == list(range(values.shape[1])) else values[:, metric_order]
    out = np.empty(int(sizes.sum()))
    if present.all():
        out[where.ravel()] = cells.ravel()
    else:
        held = present[rows.g_of_row]
        out[where[held]] = cells[held]
    return {
        "values": out,
        "run": rows.g_run[groups],
        "split": rows.g_split[groups],
        "metric": metrics,
        "original": np.full(len(groups), -1),
        "block": groups,
        "block_size": rows.sizes,
    }


def _x_columns(
    rows: _Rows, axes: list[_Axis], has_x: Mask, clean: Mask, x_order: list[int]
) -> dict[str, Any]:
    """The columns of the axes: by block, in it as the schema has them."""
    whole = np.stack([axis.whole for axis in axes], axis=1)
    codes = np.zeros(len(axes), np.int64)
    codes[x_order] = np.arange(len(x_order))
    starts = np.zeros(has_x.shape, np.int64)
    pools: list[NDArray[Any]] = [np.empty(0), np.empty(0), np.empty(0, object)]
    for number, dtype in ((POOL_INT, np.int64), (POOL_FLOAT, np.float64)):
        mine = has_x & (whole if number == POOL_INT else ~whole)
        sizes = np.where(mine, rows.sizes[:, None], 0)
        first = (np.cumsum(sizes.ravel()) - sizes.ravel()).reshape(has_x.shape)
        starts[mine] = first[mine]
        pool = np.empty(int(sizes.sum()), dtype)
        for position, axis in enumerate(axes):
            row = np.flatnonzero(mine[:, position][rows.g_of_row])
            pool[first[:, position][rows.g_of_row[row]] + rows.place[row]] = axis.xs[row]
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
