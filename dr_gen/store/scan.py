"""A store as a lazy table: a query reads what it needs of the shards, and nothing else."""

from __future__ import annotations

import contextlib
import functools
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.curve import resolved_rows
from dr_gen.model.noise import NOISE_KEYS
from dr_gen.model.pieces import portions
from dr_gen.store.curve_index import read_index
from dr_gen.store.parts import Part
from dr_gen.store.scan_columns import Batch, Column, OfCurve, columns_of
from dr_gen.store.shards import ReadRows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["scan_metrics"]

RowRepeats = Literal["last", "first", "all"]

_PORTION = 1 << 18
"""How many rows are put together at a time."""


def scan_metrics(
    store: str | os.PathLike[str],
    *,
    hpms: Sequence[str] | None = None,
    x: str | None = None,
    repeats: RowRepeats = "last",
    noise: Sequence[str] = NOISE_KEYS,
) -> pl.LazyFrame:
    """The curves of a store as one long table that is read when it is collected.

    Columns are ``experiment``, ``run``, ``split``, ``metric``, one for each x-axis, ``value``, and
    one for each hyperparameter. A query reads the columns it uses, of the curves that its filters
    on anything but x and value let through; other shards are not even opened. It reads in
    portions, so that ``collect(engine="streaming")`` works on a store larger than memory.

    Parameters
    ----------
    store : str or Path
    hpms : sequence of str, optional
        Keys of the hyperparameters to have as columns; by default those that are important over
        the whole store.
    x : str, optional
        The x-axis that `repeats` looks at; curves without it are left out. By default each curve's
        usual one, as for `RunData.curve`.
    repeats : {"last", "first", "all"}
        Which rows of a curve there are. As everywhere, ``last`` and ``first`` keep one row for
        each x, and none without x; the rows of a curve come in the order of x. ``all`` keeps every
        row that was logged, in the order logged. A mean belongs to no row: group for it.
    noise : sequence of str
        Patterns of keys that are never important.

    Returns
    -------
    polars.LazyFrame
        One row a point; the rows of a curve are together, the curves in no particular order.
        ``experiment``, ``run``, ``split``, ``metric`` and hyperparameters that are text are
        Categorical, ``value`` is Float64 with NaN for what was logged as NaN.

        An x-axis is null where the curve does not have it, or the row lacks it; Int64, or Float64
        when some of its values are no whole numbers, or String when some are text. One that is
        called like another column is ``x.<name>``.

        A hyperparameter is Boolean, Int64, Float64 (also for whole numbers beside others), or text:
        also for lists, and when its values are of several kinds. It is null where it was logged as
        null and where a run lacks it; when both occur, it is text, with ``None`` for the former.
        One that is called like another column is ``hpm.<key>``.

        What UTF-8 cannot hold of a name is escaped.

    Raises
    ------
    StoreFormatError, StoreError
        If there is no store, or it cannot be read. Also when collected, if a shard that is needed
        has been replaced or removed since (inside a ``ComputeError`` before polars 2).
    UnknownKeyError
        If no run has one of `hpms`, or no curve the x-axis `x`.
    UsageError
        If `repeats` is something else.

    Examples
    --------
    >>> import tempfile
    >>> from dr_gen.model.group import RunGroup
    >>> from dr_gen.model.run import RunData
    >>> from dr_gen.store.store import save
    >>> group = RunGroup.from_runs(
    ...     RunData.from_dict({"id": name, "hpms": {"lr": lr}, "curves": {"val/acc1": [lr, 2.0]}})
    ...     for name, lr in (("a", 0.1), ("b", 0.2))
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(group, folder)
    ...     table = scan_metrics(folder)
    ...     print(table.collect_schema().names())
    ...     table.filter(run="b", metric="acc1").select("epoch", "value").collect().rows()
    ['experiment', 'run', 'split', 'metric', 'epoch', 'value', 'lr']
    [(0, 0.2), (1, 2.0)]
    """
    from polars.io.plugins import register_io_source

    if repeats not in ("last", "first", "all"):
        raise UsageError(f"repeats must be last, first or all here, not {repeats!r}")
    index = read_index(Path(store), noise)
    if x is not None and x not in index.x_pools:
        raise UnknownKeyError("x-axis", x, tuple(index.x_pools))
    keys = index.hpms.important if hpms is None else [hpms] if isinstance(hpms, str) else hpms
    columns = columns_of(index, dict.fromkeys(map(index.hpms.real_key, keys)))
    scan = _Scan(index.parts, columns, x, repeats)
    return register_io_source(scan, schema=scan.schema, is_pure=True)


@attrs.frozen(eq=False)
class _Scan:
    """What polars calls for the rows; see `register_io_source`."""

    parts: tuple[Part, ...]
    columns: Mapping[str, Column]
    x: str | None
    repeats: RowRepeats

    @property
    def schema(self) -> dict[str, Any]:
        """Name to type of every column."""
        return {name: column.dtype for name, column in self.columns.items()}

    def __call__(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        import polars as pl

        names = list(self.columns) if with_columns is None else with_columns
        # The rows are counted before the predicate looks at them: none may be left out by then.
        of_curve, of_row = self._split(predicate, n_rows is None)
        roots = [] if of_row is None else of_row.meta.root_names()
        yield pl.DataFrame(schema={name: self.columns[name].dtype for name in names})
        left = n_rows
        for batch in self._batches(of_curve, min(_PORTION, n_rows or _PORTION)):
            frame = pl.DataFrame(
                [self.columns[n].series(batch).alias(n) for n in dict.fromkeys([*names, *roots])]
            )
            if left is not None:
                frame = frame.head(left)
                left -= len(frame)
            if of_row is not None:
                frame = frame.filter(of_row)
            yield from frame.select(names).iter_slices(batch_size or _PORTION)
            if left == 0:
                return

    def _split(
        self, predicate: pl.Expr | None, may_skip: bool
    ) -> tuple[list[pl.Expr], pl.Expr | None]:
        """The parts of a predicate that tell of whole curves, and the rest of it."""
        if predicate is None or not may_skip:
            return [], predicate
        of_curve: list[pl.Expr] = []
        of_row: list[pl.Expr] = []
        for condition in _conditions(predicate):
            roots = condition.meta.root_names()
            whole = roots and all(isinstance(self.columns[n], OfCurve) for n in roots)
            (of_curve if whole else of_row).append(condition)
        return of_curve, functools.reduce(operator.and_, of_row) if of_row else None

    def _batches(self, conditions: Sequence[pl.Expr], most: int) -> Iterator[Batch]:
        with contextlib.ExitStack() as stack:
            # All are opened before the first is read: a writer may replace them meanwhile.
            needed = [(part, self._chosen(part, conditions)) for part in self.parts]
            opened = [
                (part, chosen, stack.enter_context(part.reading()))
                for part, chosen in needed
                if len(chosen)
            ]
            for part, chosen, read in opened:
                sizes = part.table.size[part.curves[chosen]]
                for some in portions(sizes, most):
                    yield self._batch(part, read, chosen[some], sizes[some])

    def _chosen(self, part: Part, conditions: Sequence[pl.Expr]) -> NDArray[np.intp]:
        """The curves of a part that fulfil all conditions and have the x-axis asked for."""
        import polars as pl

        holds = np.ones(len(part.curves), bool)
        if self.x is not None:
            axes = part.axes.get(self.x, np.full(len(part.table.block_size), -1))
            holds &= axes[part.table.block[part.curves]] >= 0
        names = {name for condition in conditions for name in condition.meta.root_names()}
        cells = {name: self.columns[name].of_curves(part) for name in names}  # type: ignore[attr-defined]
        frame = pl.DataFrame(cells)
        for condition in conditions:
            holds &= frame.select(condition).to_series().fill_null(False).to_numpy()
        return np.flatnonzero(holds)

    def _batch(
        self, part: Part, read: ReadRows, chosen: NDArray[np.intp], sizes: NDArray[np.int64]
    ) -> Batch:
        batch = Batch(part, read, chosen, sizes, None, sizes)
        if self.repeats == "all":
            return batch
        of_block = part.usual_axes if self.x is None else part.axes[self.x]
        axes = of_block[part.table.block[part.curves[chosen]]]
        clean = part.table.axis_clean[axes]
        if clean.all():
            return batch
        starts = np.cumsum(sizes) - sizes
        kept = []
        for axis, size, start, fine in zip(axes, sizes, starts.tolist(), clean, strict=True):
            rows = np.arange(size)
            if not fine:
                pool = int(part.table.axis_pool[axis])
                rows = resolved_rows(batch.x_values(axis[None], size[None], pool), self.repeats)
            kept.append(rows + start)
        counts = np.array([*map(len, kept)], np.int64)
        return attrs.evolve(batch, kept=np.concatenate(kept), counts=counts)


def _conditions(predicate: pl.Expr) -> list[pl.Expr]:
    """What has to hold at once for `predicate` to hold: it is taken apart where it says *and*."""
    inputs = predicate.meta.pop()
    if len(inputs) == 2:
        right, left = inputs
        if (left & right).meta.eq(predicate):
            return [*_conditions(left), *_conditions(right)]
    return [predicate]
