"""The columns of many series, put together without looking at each number again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import POOL_FLOAT, POOL_INT, CurveTable

__all__ = ["LoggedAxis", "TableParts", "all_rise", "rises"]

_FIELDS: Final = ("splits", "metrics", "x_names", "originals")


def rises(xs: NDArray[Any]) -> bool:
    """Whether numbers strictly increase; NaN does not."""
    return bool((xs[1:] > xs[:-1]).all())


def all_rise(arrays: Sequence[NDArray[Any]]) -> list[bool]:
    """Whether the numbers of each array strictly increase, found in one step.

    Examples
    --------
    >>> all_rise([np.array([1, 2]), np.array([2, 2]), np.array([0]), np.array([], np.int64)])
    [True, False, True, True]
    """
    sizes = np.fromiter(map(len, arrays), np.int64, len(arrays))
    if not sizes.sum():
        return [True] * len(arrays)
    joined = np.concatenate(arrays)
    falls = np.zeros(len(joined) + 1, np.int64)
    falls[2:] = np.cumsum(~(joined[1:] > joined[:-1]))
    ends = np.cumsum(sizes)
    firsts = np.minimum(ends - sizes + 1, len(joined))
    return [bool(rise) for rise in falls[np.maximum(ends, firsts)] == falls[firsts]]


@attrs.frozen(eq=False)
class LoggedAxis:
    """An axis of some rows: int64 or float64, counted or not, rising or not."""

    name: str
    xs: NDArray[Any]
    inferred: bool
    clean: bool


class TableParts:
    """Collects blocks and curves of runs, then makes a table of them.

    As `dr_gen.model.curve_builder.CurveBuilder` does for whatever it is given; what comes here is
    known to be fit for a table, and to be given once.
    """

    def __init__(self) -> None:
        self._names: dict[str, dict[str, int]] = {field: {} for field in _FIELDS}
        self._curves: list[tuple[int, int, int, int, int]] = []
        self._values: list[NDArray[np.float64]] = []
        self._sizes: list[int] = []
        self._axes: list[tuple[int, int, int, int, bool, bool]] = []
        self._pools: tuple[list[NDArray[Any]], ...] = ([], [])
        self._ends = [0, 0]

    def block(self, axes: Iterable[LoggedAxis]) -> int:
        """Rows with their axes; gives the number of the block."""
        number, names = len(self._sizes), self._names["x_names"]
        size = 0
        for axis in axes:
            size = len(axis.xs)
            pool = POOL_INT if axis.xs.dtype == np.int64 else POOL_FLOAT
            code = names.setdefault(axis.name, len(names))
            start = self._ends[pool]
            self._axes.append((number, code, pool, start, axis.inferred, axis.clean))
            self._pools[pool].append(axis.xs)
            self._ends[pool] += size
        self._sizes.append(size)
        return number

    def curve(
        self, run: int, address: tuple[str, str], original: str, values: NDArray[Any], block: int
    ) -> None:
        """One metric of a run, in the rows of a block."""
        names = self._names
        splits, metrics, originals = names["splits"], names["metrics"], names["originals"]
        split = splits.setdefault(address[0], len(splits))
        metric = metrics.setdefault(address[1], len(metrics))
        source = -1 if original == address[1] else originals.setdefault(original, len(originals))
        self._curves.append((run, split, metric, source, block))
        self._values.append(values)

    def build(self) -> CurveTable:
        """The table of all that was added."""
        curves = np.array(self._curves, np.int64).reshape(-1, 5).T
        axes = np.array(self._axes, np.int64).reshape(-1, 6).T
        nothing = np.empty(0)
        pools = [np.concatenate(pool) if pool else nothing for pool in self._pools]
        names = {field: tuple(codes) for field, codes in self._names.items()}
        table = CurveTable(
            **names,
            values=np.concatenate(self._values) if self._values else nothing,
            run=curves[0],
            split=curves[1],
            metric=curves[2],
            original=curves[3],
            block=curves[4],
            block_size=np.array(self._sizes, np.int64),
            axis_block=axes[0],
            axis_x=axes[1],
            axis_pool=axes[2],
            axis_start=axes[3],
            axis_inferred=axes[4],
            axis_clean=axes[5],
            pools=(*pools, np.empty(0, object)),
        )
        return table.sorted()
