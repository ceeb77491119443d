"""All curves of a group in a few columns.

Values lie behind one another in one array, metric-major: sorted by split, metric, run. A *block*
is a set of rows of one log, seen through its x-axes: every curve belongs to one block, and
metrics logged in the same rows share it, so that x is kept once.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.pieces import behind, gathered, in_order
from dr_gen.model.stored import Array, StoredArray

__all__ = ["POOL_FLOAT", "POOL_INT", "POOL_TEXT", "CurveTable", "only"]

Ints = NDArray[np.int64]

POOL_INT, POOL_FLOAT, POOL_TEXT = 0, 1, 2
"""Where the x values of an axis lie: int64, float64 or object (text)."""


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    # A view, so that the caller's own array stays writable.
    view = array.view()
    view.setflags(write=False)
    return view


def _float64(array: Any) -> Any:
    return array if isinstance(array, StoredArray) else _read_only(np.asarray(array, np.float64))


def _int64(array: Any) -> Ints:
    return _read_only(np.asarray(array, np.int64))


def _int32(array: Any) -> NDArray[np.int32]:
    return _read_only(np.asarray(array, np.int32))


def _bool(array: Any) -> NDArray[np.bool_]:
    return _read_only(np.asarray(array, np.bool_))


def _pools(pools: Sequence[Any]) -> tuple[Any, ...]:
    ints, floats, text = pools
    return (
        ints if isinstance(ints, StoredArray) else _read_only(np.asarray(ints, np.int64)),
        _float64(floats),
        _read_only(np.asarray(text, object)),
    )


@attrs.frozen(eq=False, repr=False)
class CurveTable:
    """Columns behind the curves; every array is read-only.

    Attributes
    ----------
    splits, metrics, x_names, originals : tuple of str
        Names that the codes below point into.
    values : float64, dims (obs,)
        The values of all curves, behind one another in the order of the curves. They and the
        numbers of `pools` may be a `StoredArray`; the other columns never are.
    run, split, metric, original : int32, dims (curve,)
        Codes; `run` counts runs from 0, `original` is -1 where the source used our name.
        Sorted by (split, metric, run), no combination twice.
    block : int32, dims (curve,)
        The rows a curve was logged in.
    block_size : int64, dims (block,)
        Number of points of each curve of the block.
    axis_block, axis_x, axis_pool : int32, dims (axis,)
        The x-axes, sorted by block: of which block, called what, in which pool.
    axis_start : int64, dims (axis,)
        Where its x values begin in the pool.
    axis_inferred : bool, dims (axis,)
        Whether the x values were counted by the reader and not logged.
    axis_clean : bool, dims (axis,)
        Whether x strictly increases and is never missing.
    pools : tuple of arrays
        x values: int64, float64 (NaN where a row lacks this x), object (text).
    """

    splits: tuple[str, ...]
    metrics: tuple[str, ...]
    x_names: tuple[str, ...]
    originals: tuple[str, ...]
    values: NDArray[np.float64] = attrs.field(converter=_float64)
    run: NDArray[np.int32] = attrs.field(converter=_int32)
    split: NDArray[np.int32] = attrs.field(converter=_int32)
    metric: NDArray[np.int32] = attrs.field(converter=_int32)
    original: NDArray[np.int32] = attrs.field(converter=_int32)
    block: NDArray[np.int32] = attrs.field(converter=_int32)
    block_size: Ints = attrs.field(converter=_int64)
    axis_block: NDArray[np.int32] = attrs.field(converter=_int32)
    axis_x: NDArray[np.int32] = attrs.field(converter=_int32)
    axis_pool: NDArray[np.int32] = attrs.field(converter=_int32)
    axis_start: Ints = attrs.field(converter=_int64)
    axis_inferred: NDArray[np.bool_] = attrs.field(converter=_bool)
    axis_clean: NDArray[np.bool_] = attrs.field(converter=_bool)
    pools: tuple[Any, ...] = attrs.field(converter=_pools)

    @functools.cached_property
    def size(self) -> Ints:
        """Number of points of each curve."""
        return self.block_size[self.block]

    @functools.cached_property
    def start(self) -> Ints:
        """Where the values of each curve begin."""
        ends: Ints = np.cumsum(self.size)
        return ends - self.size

    @functools.cached_property
    def not_finite(self) -> Ints:
        """The curves that hold NaN or infinity."""
        bad = np.flatnonzero(~np.isfinite(np.asarray(self.values)))
        of_curve = np.searchsorted(self.start, bad, side="right") - 1
        return np.flatnonzero(np.bincount(of_curve, minlength=len(self.start)))

    @functools.cached_property
    def _axis_first(self) -> Ints:
        """First axis of each block; one entry more than there are blocks."""
        blocks = np.arange(len(self.block_size) + 1)
        return np.searchsorted(self.axis_block, blocks).astype(np.int64)

    @functools.cached_property
    def _address(self) -> Ints:
        """Split and metric of each curve as one sorted number."""
        return self.split.astype(np.int64) * len(self.metrics) + self.metric

    @functools.cached_property
    def _by_run(self) -> tuple[NDArray[np.intp], Ints]:
        order = np.argsort(self.run, kind="stable")
        n_runs = int(self.run.max()) + 1 if len(self.run) else 0
        return order, np.searchsorted(self.run[order], np.arange(n_runs + 1)).astype(np.int64)

    @functools.cached_property
    def _codes(self) -> tuple[dict[str, int], dict[str, int]]:
        return (
            {name: i for i, name in enumerate(self.splits)},
            {name: i for i, name in enumerate(self.metrics)},
        )

    def curves_of_run(self, run: int) -> NDArray[np.intp]:
        """The curves of one run, by split and metric."""
        order, first = self._by_run
        if run + 1 >= len(first):
            return order[:0]
        return order[first[run] : first[run + 1]]

    def curves_at(self, split: str, metric: str) -> slice:
        """The curves of one metric over all runs: a slice, sorted by run."""
        splits, metrics = self._codes
        if split not in splits or metric not in metrics:
            return slice(0, 0)
        address = splits[split] * len(self.metrics) + metrics[metric]
        low, high = np.searchsorted(self._address, [address, address + 1])
        return slice(int(low), int(high))

    def find(self, run: int, split: str, metric: str) -> int | None:
        """The curve of one metric of one run, or None."""
        where = self.curves_at(split, metric)
        position = int(where.start) + int(np.searchsorted(self.run[where], run))
        if position < where.stop and self.run[position] == run:
            return position
        return None

    def axes_of_block(self, block: int) -> range:
        """The axes of a block."""
        first, last = self._axis_first[block : block + 2].tolist()
        return range(first, last)

    def axis_named(self, block: int, x_name: str) -> int | None:
        """The axis of a block that is called `x_name`, or None."""
        for axis in self.axes_of_block(block):
            if self.x_names[self.axis_x[axis]] == x_name:
                return axis
        return None

    def curve_values(self, curve: int) -> NDArray[np.float64]:
        """The values of a curve in the order of its rows."""
        start = self.start[curve]
        return np.asarray(self.values[start : start + self.size[curve]])

    def values_of(self, curves: NDArray[np.intp]) -> NDArray[np.float64]:
        """The values of several curves, behind one another."""
        return np.asarray(gathered([self.values], self.start[curves], self.size[curves]))

    def x_of(self, axes: NDArray[np.intp], pool: int) -> NDArray[Any]:
        """The x values of several axes of one pool, behind one another."""
        sizes = self.block_size[self.axis_block[axes]]
        return np.asarray(gathered([self.pools[pool]], self.axis_start[axes], sizes))

    def axis_values(self, axis: int) -> NDArray[Any]:
        """The x values of an axis in the order of its rows."""
        start = self.axis_start[axis]
        size = self.block_size[self.axis_block[axis]]
        return np.asarray(self.pools[self.axis_pool[axis]][start : start + size])

    def take(self, runs: NDArray[np.intp]) -> CurveTable:
        """The curves of `runs` alone, the runs numbered in the order given."""
        highest = max(int(self.run.max(initial=-1)), int(runs.max(initial=-1)))
        number = np.full(highest + 1, -1, np.int32)
        number[runs] = np.arange(len(runs), dtype=np.int32)
        kept = np.flatnonzero(number[self.run] >= 0)
        return only(self, kept, number[self.run[kept]])

    def without(self, curves: Sequence[int]) -> CurveTable:
        """All curves but some."""
        kept = np.delete(np.arange(len(self.run)), curves)
        return only(self, kept, self.run[kept])

    @classmethod
    def concat(cls, tables: list[CurveTable], n_runs: Sequence[int]) -> CurveTable:
        """Tables behind one another; table i brings ``n_runs[i]`` runs.

        Empties the list, so that not everything is there twice.
        """
        names = {
            field: tuple(dict.fromkeys(name for t in tables for name in getattr(t, field)))
            for field in ("splits", "metrics", "x_names", "originals")
        }
        if not tables:
            nothing: dict[str, Any] = {**dict.fromkeys(_COLUMNS, ()), "pools": ((), (), ())}
            return cls(**names, **nothing)
        pools, begins = _once([table.pools for table in tables])
        first_run = np.cumsum([0, *n_runs])
        first_block = np.cumsum([0, *(len(t.block_size) for t in tables)])
        columns: dict[str, list[NDArray[Any]]] = {n: [] for n in _COLUMNS if n != "values"}
        for i, table in enumerate(tables):
            columns["run"].append(table.run + first_run[i])
            columns["block"].append(table.block + first_block[i])
            columns["axis_block"].append(table.axis_block + first_block[i])
            columns["axis_start"].append(table.axis_start + begins[i][table.axis_pool])
            for column, field in _CODED:
                index = {name: code for code, name in enumerate(names[field])}
                lookup = np.array([*(index[n] for n in getattr(table, field)), -1], np.int32)
                columns[column].append(lookup[getattr(table, column)])
            for column in ("block_size", "axis_pool", "axis_inferred", "axis_clean"):
                columns[column].append(getattr(table, column))
        columns_ = {name: np.concatenate(parts) for name, parts in columns.items()}
        order = np.lexsort((columns_["run"], columns_["metric"], columns_["split"]))
        columns_ |= {name: columns_[name][order] for name in _PER_CURVE}
        bounds = [(t.start, t.size) for t in tables]
        values: list[Array] = [t.values for t in tables]
        tables.clear()
        del table  # the last one
        return cls(
            **names,
            **columns_,  # type: ignore[arg-type]
            values=in_order(values, bounds, order),
            pools=[behind(pool) for pool in pools],
        )

    def sorted(self) -> CurveTable:
        """The same curves in the order that the other methods rely on."""
        order = np.lexsort((self.run, self.metric, self.split))
        if bool((order[1:] > order[:-1]).all()):
            return self
        values = gathered([self.values], self.start[order], self.size[order])
        moved = {name: getattr(self, name)[order] for name in _PER_CURVE}
        return attrs.evolve(self, values=values, **moved)

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: pickling drops the read-only flag of arrays.
        return (CurveTable, tuple(getattr(self, field.name) for field in attrs.fields(CurveTable)))


_PER_CURVE = ("run", "split", "metric", "original", "block")
_CODED = (
    ("split", "splits"),
    ("metric", "metrics"),
    ("axis_x", "x_names"),
    ("original", "originals"),
)
_COLUMNS = tuple(
    field.name
    for field in attrs.fields(CurveTable)
    if field.name not in ("splits", "metrics", "x_names", "originals", "pools")
)


def _once(pools: Sequence[tuple[Array, ...]]) -> tuple[list[list[Array]], list[Ints]]:
    """The pools of several tables, what is the same piece of memory once.

    Returns
    -------
    list of lists of arrays
        For each of the three kinds what has to be put behind one another.
    list of int64 arrays, dims (pool,)
        For each table where its pools begin in that.
    """
    pieces: list[list[Array]] = [[], [], []]
    sizes, known = [0, 0, 0], dict[tuple[int, int, int], int]()
    begins = []
    for three in pools:
        begin = np.zeros(3, np.int64)
        for number, pool in enumerate(three):
            if not isinstance(pool, StoredArray):
                key = (number, pool.__array_interface__["data"][0], len(pool))
                if len(pool) and key in known:
                    begin[number] = known[key]
                    continue
                known[key] = sizes[number]
            begin[number] = sizes[number]
            pieces[number].append(pool)
            sizes[number] += len(pool)
        begins.append(begin)
    return pieces, begins


def only(table: CurveTable, kept: NDArray[np.intp], run: NDArray[np.int32]) -> CurveTable:
    """Only the curves `kept`, with new run numbers, and only the blocks and x they need.

    Parameters
    ----------
    table : CurveTable
    kept : dims (curve,)
    run : dims (curve,)
        What run each of them belongs to in the new table.
    """
    order = np.lexsort((run, table.metric[kept], table.split[kept]))
    kept, run = kept[order], run[order]
    blocks, block = np.unique(table.block[kept], return_inverse=True)
    axes = np.flatnonzero(np.isin(table.axis_block, blocks))
    sizes = table.block_size[table.axis_block[axes]]
    starts = np.zeros(len(axes), np.int64)
    pools = []
    for number, pool in enumerate(table.pools):
        mine = table.axis_pool[axes] == number
        pools.append(gathered([pool], table.axis_start[axes][mine], sizes[mine]))
        ends = np.cumsum(sizes[mine])
        starts[mine] = ends - sizes[mine]
    return attrs.evolve(
        table,
        values=gathered([table.values], table.start[kept], table.size[kept]),
        run=run,
        split=table.split[kept],
        metric=table.metric[kept],
        original=table.original[kept],
        block=block.astype(np.int32),
        block_size=table.block_size[blocks],
        axis_block=np.searchsorted(blocks, table.axis_block[axes]).astype(np.int32),
        axis_x=table.axis_x[axes],
        axis_pool=table.axis_pool[axes],
        axis_start=starts,
        axis_inferred=table.axis_inferred[axes],
        axis_clean=table.axis_clean[axes],
        pools=tuple(pools),
    )
