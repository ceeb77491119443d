"""Filling a `CurveTable` curve by curve."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dr_gen.errors import UsageError
from dr_gen.model.curve_table import POOL_FLOAT, POOL_INT, POOL_TEXT, CurveTable
from dr_gen.model.pieces import are_behind, joined

__all__ = ["CurveBuilder", "as_values", "as_x"]

_LARGEST = 2**63
_NUMBER = int | float | np.integer | np.floating


def as_values(values: ArrayLike, what: str = "values", *, copy: bool = True) -> NDArray[np.float64]:
    """`values` as a 1-D float64 array, unless `copy` is false of its own.

    Raises
    ------
    UsageError
        If they are not one-dimensional numbers.
    """
    try:
        array = np.array(values, np.float64, copy=copy or None)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{what} are not numbers: {error}") from None
    if array.ndim != 1:
        raise UsageError(f"{what} have {array.ndim} dimensions; expected one")
    return array


def as_x(xs: ArrayLike, name: str = "x", *, copy: bool = True) -> NDArray[Any]:
    """`xs` as an int64, float64 or object (text) array, one-dimensional; see `as_values`.

    None is a missing x, like NaN. Integers beyond 64 bits become floats.

    Raises
    ------
    UsageError
        If they are neither numbers nor text, or not one-dimensional.
    """
    try:
        array = np.asarray(xs)
    except ValueError as error:
        raise UsageError(f"x-axis {name!r}: {error}") from None
    if array.ndim != 1:
        raise UsageError(f"x-axis {name!r} has {array.ndim} dimensions; expected one")
    if array.dtype.kind in "bi" or (array.dtype.kind == "u" and array.max(initial=0) < _LARGEST):
        return array.astype(np.int64, copy=copy)
    if array.dtype.kind in "uf":
        return array.astype(np.float64, copy=copy)
    if array.size == 0:
        return np.empty(0, np.float64)
    items = array.tolist()
    if array.dtype.kind == "O" and all(item is None or isinstance(item, _NUMBER) for item in items):
        return as_values(items, f"values of x-axis {name!r}")
    # From a list, text and numbers together would silently become text.
    given = items if isinstance(xs, np.ndarray) else list(xs)  # type: ignore[arg-type]
    odd = [type(item).__name__ for item in given if not isinstance(item, str)]
    if not odd:
        return np.array(given, object)
    raise UsageError(
        f"x-axis {name!r} holds {odd[0]} values; expected numbers or text "
        "(give dates as seconds, anything else as text)"
    )


def _is_clean(xs: NDArray[Any]) -> bool:
    if xs.dtype == object:
        items = xs.tolist()
        return all(a < b for a, b in itertools.pairwise(items))
    if xs.dtype.kind == "f" and not bool(np.isfinite(xs).all()):
        return False
    return bool((xs[1:] > xs[:-1]).all())


class _Names:
    """Codes for names, in order of first appearance."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def code(self, name: str) -> int:
        return self.codes.setdefault(name, len(self.codes))

    def __len__(self) -> int:
        return len(self.codes)


class CurveBuilder:
    """Collects blocks and curves, then makes a `CurveTable` of them.

    Parameters
    ----------
    copy : bool
        False where no array that is given changes before the table is built: they are then copied
        once less, and x values that are given again, as the same object, are kept once.
    like : CurveTable, optional
        Where the x of the new table is that of this one, bit for bit, it is the same memory.

    Examples
    --------
    >>> builder = CurveBuilder()
    >>> rows = builder.add_block({"epoch": [0, 1], "time": [0.5, 1.5]})
    >>> builder.add_curve(0, "val", "acc1", [50.0, 60.0], rows)
    >>> table = builder.build()
    >>> table.curve_values(table.find(0, "val", "acc1")).tolist()
    [50.0, 60.0]
    """

    def __init__(self, *, copy: bool = True, like: CurveTable | None = None) -> None:
        self._copy, self._like = copy, like
        self._names = {name: _Names() for name in ("splits", "metrics", "x_names", "originals")}
        self._curves: list[tuple[int, int, int, int, int]] = []
        self._values: list[NDArray[np.float64]] = []
        self._block_sizes: list[int] = []
        self._axes: list[tuple[int, int, int, int, bool, bool]] = []
        self._pools: tuple[list[NDArray[Any]], ...] = ([], [], [])
        self._pool_sizes = [0, 0, 0]
        self._seen: set[tuple[int, int, int]] = set()
        self._known: dict[int, tuple[NDArray[Any], int, int, bool]] = {}

    def add_block(self, axes: Mapping[str, ArrayLike], inferred: Collection[str] = ()) -> int:
        """Rows with their x-axes, all of one length; gives the number of the block.

        Raises
        ------
        UsageError
            If there is no axis, or their lengths differ.
        """
        arrays = {name: as_x(xs, name, copy=self._copy) for name, xs in axes.items()}
        sizes = {len(xs) for xs in arrays.values()}
        if len(sizes) != 1:
            lengths = ", ".join(f"{name} {len(xs)}" for name, xs in arrays.items())
            raise UsageError(f"x-axes of one curve need one length; found {lengths or 'none'}")
        block = len(self._block_sizes)
        self._block_sizes.append(sizes.pop())
        for name, xs in arrays.items():
            code = self._names["x_names"].code(name)
            if id(xs) not in self._known:
                self._known[id(xs)] = (xs, *self._placed(xs), _is_clean(xs))
            _, pool, start, clean = self._known[id(xs)]
            self._axes.append((block, code, pool, start, name in inferred, clean))
        return block

    def _placed(self, xs: NDArray[Any]) -> tuple[int, int]:
        """Add x values; gives the pool, and where they begin in it."""
        pool = {"i": POOL_INT, "f": POOL_FLOAT}.get(xs.dtype.kind, POOL_TEXT)
        start = self._pool_sizes[pool]
        self._pools[pool].append(xs)
        self._pool_sizes[pool] += len(xs)
        return pool, start

    def add_curve(
        self,
        run: int,
        split: str,
        metric: str,
        values: ArrayLike,
        block: int,
        original: str | None = None,
    ) -> None:
        """One metric of one split of run number `run`, logged in the rows of `block`.

        Raises
        ------
        UsageError
            If the length is not that of the block, or the run has this curve already.
        """
        array = as_values(values, f"values of {split}/{metric}", copy=self._copy)
        if len(array) != self._block_sizes[block]:
            raise UsageError(
                f"{split}/{metric} has {len(array)} values for {self._block_sizes[block]} x values"
            )
        split_code = self._names["splits"].code(split)
        metric_code = self._names["metrics"].code(metric)
        if (run, split_code, metric_code) in self._seen:
            raise UsageError(f"{split}/{metric} is there already; a run has one curve of a metric")
        self._seen.add((run, split_code, metric_code))
        changed = original is not None and original != metric
        original_code = self._names["originals"].code(str(original)) if changed else -1
        self._curves.append((run, split_code, metric_code, original_code, block))
        self._values.append(array)

    def build(self) -> CurveTable:
        """The table of all that was added; asked for once."""
        curves = np.array(self._curves, np.int64).reshape(-1, 5).T
        axes = np.array(self._axes, np.int64).reshape(-1, 6).T
        self._known.clear()
        texts = np.concatenate([np.empty(0, np.object_), *self._pools[POOL_TEXT]])
        pools = (self._joined(POOL_INT, np.int64), self._joined(POOL_FLOAT, np.float64), texts)
        table = CurveTable(
            **{name: tuple(names.codes) for name, names in self._names.items()},
            values=joined(self._values, np.float64),
            run=curves[0],
            split=curves[1],
            metric=curves[2],
            original=curves[3],
            block=curves[4],
            block_size=np.array(self._block_sizes, np.int64),
            axis_block=axes[0],
            axis_x=axes[1],
            axis_pool=axes[2],
            axis_start=axes[3],
            axis_inferred=axes[4],
            axis_clean=axes[5],
            pools=pools,
        )
        return table.sorted()

    def _joined(self, pool: int, dtype: Any) -> Any:
        arrays = self._pools[pool]
        if self._like is not None and are_behind(arrays, self._like.pools[pool]):
            return self._like.pools[pool]
        return joined(arrays, dtype)
