"""The columns of a store as a table, and what their cells are made of."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import StoreFormatError
from dr_gen.model.curve_table import POOL_FLOAT, POOL_TEXT
from dr_gen.model.hpm import one_kind
from dr_gen.store.columns import X_POOLS
from dr_gen.store.curve_index import CurveIndex
from dr_gen.store.layout import readable
from dr_gen.store.parts import Part
from dr_gen.store.ragged import gather
from dr_gen.store.shards import ReadRows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Batch", "Column", "OfCurve", "columns_of"]


@attrs.frozen(eq=False)
class Batch:
    """Rows of some curves of one part.

    Attributes
    ----------
    read : callable
        Parts of the long arrays of the shard.
    chosen : intp array, dims (curve,)
        The curves, among those of the part.
    sizes : int64 array, dims (curve,)
        How many rows of each were logged.
    kept : intp array, dims (row,), or None
        Those of the logged rows, behind one another, that there are; None for all.
    counts : int64 array, dims (curve,)
        How many those are for each curve.
    """

    part: Part
    read: ReadRows
    chosen: NDArray[np.intp]
    sizes: NDArray[np.int64]
    kept: NDArray[np.intp] | None
    counts: NDArray[np.int64]

    def x_values(self, axes: NDArray[np.intp], sizes: NDArray[np.int64], pool: int) -> NDArray[Any]:
        """The x values of axes that lie in one pool, behind one another; texts as texts."""
        name = X_POOLS[pool]
        dtype = (np.int64, np.float64, np.int32)[pool]
        starts = self.part.table.axis_start[axes]
        found = gather(functools.partial(self.read, name), starts, sizes, dtype)
        if pool != POOL_TEXT:
            return found
        texts = self.part.x_texts
        if len(found) and not 0 <= found.min() <= found.max() < len(texts):
            raise StoreFormatError(str(self.part.path), f"is damaged: {name} points outside")
        named: NDArray[Any] = np.array(texts, object)[found]
        return named

    def rows(self, logged: NDArray[Any]) -> NDArray[Any]:
        """Those of the logged rows that there are."""
        return logged if self.kept is None else logged[self.kept]


class Column(Protocol):
    """One column of the table."""

    @property
    def dtype(self) -> Any:
        """The polars type."""

    def series(self, batch: Batch) -> pl.Series:
        """The cells of a batch."""


@attrs.frozen(eq=False)
class OfCurve:
    """A column that is the same all along a curve.

    Attributes
    ----------
    distinct : Series
        The cells that occur.
    by : str
        Which codes of a part it goes by: those of its runs, splits or metrics.
    codes : intp array, optional
        Index into `distinct` by that code; by default the code itself.
    """

    distinct: pl.Series
    by: str
    codes: NDArray[np.intp] | None = None

    @property
    def dtype(self) -> Any:
        """The polars type."""
        return self.distinct.dtype

    def cells(self, part: Part, chosen: NDArray[np.intp] | slice) -> NDArray[np.uint32]:
        """Index into `distinct` of each of the curves, dims (curve,)."""
        codes: NDArray[np.intp] = getattr(part, self.by)[chosen]
        return (codes if self.codes is None else self.codes[codes]).astype(np.uint32)

    def of_curves(self, part: Part) -> pl.Series:
        """One cell for each curve of a part."""
        return self._gathered(self.cells(part, slice(None)))

    def series(self, batch: Batch) -> pl.Series:
        """The cells of a batch."""
        return self._gathered(np.repeat(self.cells(batch.part, batch.chosen), batch.counts))

    def _gathered(self, cells: NDArray[np.uint32]) -> pl.Series:
        import polars as pl

        # As a Series: polars checks an array value by value.
        return self.distinct.gather(pl.Series(cells))


@attrs.frozen(eq=False)
class _Value:
    dtype: Any

    def series(self, batch: Batch) -> pl.Series:
        import polars as pl

        starts = batch.part.table.start[batch.part.curves[batch.chosen]]
        read = functools.partial(batch.read, "value")
        return pl.Series(batch.rows(gather(read, starts, batch.sizes, np.float64)))


@attrs.frozen(eq=False)
class _XValues:
    """The values on one x-axis.

    Attributes
    ----------
    name : str
    dtype : polars type
    kind : dtype
        The same for NumPy.
    """

    name: str
    dtype: Any
    kind: Any

    def series(self, batch: Batch) -> pl.Series:
        import polars as pl

        table = batch.part.table
        of_block = batch.part.axes.get(self.name)
        blocks = table.block[batch.part.curves[batch.chosen]]
        axes = np.full(len(blocks), -1) if of_block is None else of_block[blocks]
        out = np.zeros(int(batch.sizes.sum()), self.kind)
        for pool in np.unique(table.axis_pool[axes[axes >= 0]]).tolist():
            mine = (axes >= 0) & (table.axis_pool[axes] == pool)
            found = batch.x_values(axes[mine], batch.sizes[mine], pool)
            if self.kind is object:
                found = np.array([_text(value) for value in found.tolist()], object)
            out[np.repeat(mine, batch.sizes)] = found
        lacks = batch.rows(np.repeat(axes < 0, batch.sizes))
        if self.kind is object:
            cells = batch.rows(out).tolist()
            pairs = zip(cells, lacks.tolist(), strict=True)
            return pl.Series([None if lack else cell for cell, lack in pairs], dtype=pl.String)
        series = pl.Series(batch.rows(out), nan_to_null=True)
        return series.set(pl.Series(lacks), None) if lacks.any() else series


def _text(x: Any) -> str | None:
    return None if x != x else readable(str(x))


def columns_of(index: CurveIndex, keys: Collection[str]) -> dict[str, Column]:
    """Name to column, for the curves of a store and these keys of hyperparameters."""
    import polars as pl

    experiments = {name: i for i, name in enumerate(dict.fromkeys(index.experiments))}
    of_run = np.array([experiments[name] for name in index.experiments], np.intp)
    columns: dict[str, Column] = {
        "experiment": OfCurve(_texts(experiments), "run", of_run),
        "run": OfCurve(_texts(index.hpms.ids), "run"),
        "split": OfCurve(_texts(index.splits), "split"),
        "metric": OfCurve(_texts(index.metrics), "metric"),
    }
    taken = {*columns, "value"}
    for name, pools in index.x_pools.items():
        kind: Any = np.float64 if POOL_FLOAT in pools else np.int64
        dtype: Any = pl.Float64 if POOL_FLOAT in pools else pl.Int64
        if POOL_TEXT in pools:
            kind, dtype = object, pl.String
        columns[_free(readable(name), "x", taken)] = _XValues(name, dtype, kind)
    columns["value"] = _Value(pl.Float64)
    for key in keys:
        columns[_free(readable(key), "hpm", taken)] = _hpm_column(index, key)
    return columns


def _free(name: str, prefix: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{prefix}.{name}"
    taken.add(name)
    return name


def _texts(names: Collection[str | None]) -> pl.Series:
    import polars as pl

    return pl.Series([n if n is None else readable(n) for n in names], dtype=pl.Categorical)


def _hpm_column(index: CurveIndex, key: str) -> OfCurve:
    import polars as pl

    values, codes = index.hpms.table.coded(key, index.hpms.indices)
    cells = one_kind(values)
    kinds = {type(cell) for cell in cells if cell is not None}
    dtypes: Mapping[type, Any] = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64}
    if kinds == {str} or not kinds:
        return OfCurve(_texts(cells), "run", codes)  # type: ignore[arg-type]
    return OfCurve(pl.Series(cells, dtype=dtypes[kinds.pop()]), "run", codes)
