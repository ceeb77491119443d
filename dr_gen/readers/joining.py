"""Rows that were logged after a run was read, put behind the rows that it has.

Only where that can be nothing else than what reading all rows together gives: the new rows have
the metrics and the x-axes of the old ones of their split, and an axis goes on increasing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs
import numpy as np

from dr_gen.model.curve_growth import lengthened
from dr_gen.model.curve_table import POOL_INT, POOL_TEXT, CurveTable
from dr_gen.model.run_table import RunRecord
from dr_gen.readers.contract import More

__all__ = ["LASTING", "Joining", "Row", "SplitRows", "is_plain_number", "of_whole_file"]

_SMALL: Final = 2**53

LASTING: Final = frozenset(
    {"bad-json", "torn-line", "not-an-object", "duplicate-key", "joined-lines", "zero-bytes", "bom"}
    | {"no-config", "config-not-first", "too-deep"}
)
"""Codes of findings about one line, which are the same whatever comes after it."""


def is_plain_number(value: Any) -> bool:
    """Whether a cell is a number that needs no second look; NaN and infinity are."""
    return type(value) is float or (type(value) is int and -_SMALL < value < _SMALL)


@attrs.frozen
class Row:
    """One row of one split: values of its metrics, and where it is on its axes."""

    split: str
    values: Mapping[str, float]
    xs: Mapping[str, float]


@attrs.frozen
class SplitRows:
    """What one split of a run has so far of metrics that were logged in the same rows.

    Attributes
    ----------
    curves : dict
        Metric to curve.
    axes : dict
        Axis name to axis.
    """

    curves: dict[str, int]
    axes: dict[str, int]


def of_whole_file(
    item: More, metadata: Mapping[str, Any], clock: Callable[[], datetime]
) -> RunRecord:
    """The record of a run whose file grew, with the findings that it had."""
    return RunRecord(
        item.run_id,
        experiment=item.options.experiment,
        source=str(item.path),
        metadata=metadata,
        findings=item.before.findings,
        time_parsed=clock().isoformat(),
    )


class Joining:
    """Collects rows for the runs of a table, then puts them behind those that are there.

    Parameters
    ----------
    table : CurveTable
    is_time : callable
        Whether an axis of this name holds seconds: it does not tell rows apart.
    """

    def __init__(self, table: CurveTable, is_time: Callable[[str], bool]) -> None:
        self._table, self._is_time = table, is_time
        self._values: dict[int, list[float]] = {}
        self._xs: dict[int, list[float]] = {}
        self._unclean: set[int] = set()
        self._block = table.block.tolist()
        self._split, self._metric = table.split.tolist(), table.metric.tolist()
        self._original = table.original.tolist()

    def columns(self, run: int) -> dict[str, tuple[str, str]]:
        """What the source calls each metric of a run, to its split and our name of it."""
        table = self._table
        found = {}
        for curve in table.curves_of_run(run).tolist():
            split, metric = table.splits[self._split[curve]], table.metrics[self._metric[curve]]
            original = self._original[curve]
            found[metric if original < 0 else table.originals[original]] = (split, metric)
        return found

    def is_renamed(self, run: int) -> bool:
        """Whether the source has another name for one of the metrics of a run."""
        return any(self._original[curve] >= 0 for curve in self._table.curves_of_run(run).tolist())

    def axes(self, run: int) -> set[str]:
        """The names of all axes of a run."""
        table = self._table
        blocks = {self._block[curve] for curve in table.curves_of_run(run).tolist()}
        axes = (axis for block in blocks for axis in table.axes_of_block(block))
        return {table.x_names[table.axis_x[axis]] for axis in axes}

    def constant(self, run: int, split: str, metric: str) -> float | None:
        """The value of a metric that has only one, else None."""
        curve = self._table.find(run, split, metric)
        values = self._table.curve_values(curve) if curve is not None else np.empty(0)
        same = len(values) > 0 and bool((values == values[0]).all())
        return values[0].item() if same else None

    def take(self, run: int, rows: Sequence[Row], rising: Collection[str] = ()) -> bool:
        """Add rows to a run, in order; False, and nothing is added, where they do not fit.

        Parameters
        ----------
        run : int
        rows : sequence of Row
        rising : collection of str
            Names of axes that have to increase.
        """
        known: dict[tuple[str, frozenset[str]], SplitRows | None] = {}
        alike: dict[tuple[str, frozenset[str]], list[Row]] = {}
        for row in rows:
            key = row.split, frozenset(row.values)
            if key not in known:
                known[key] = self._split_rows(run, *key)
            have = known[key]
            if have is None or row.xs.keys() != have.axes.keys():
                return False
            alike.setdefault(key, []).append(row)
        parts = [(have, alike[key]) for key, have in known.items() if have is not None]
        unclean = [self._unclean_axes(have, some, rising) for have, some in parts]
        if any(axes is None for axes in unclean):
            return False
        for (have, some), axes in zip(parts, unclean, strict=True):
            self._unclean.update(axes or ())
            for metric, curve in have.curves.items():
                self._values[curve] = [row.values[metric] for row in some]
            for name, axis in have.axes.items():
                self._xs[axis] = [row.xs[name] for row in some]
        return True

    def build(self) -> CurveTable:
        """The table with all that was added."""
        return lengthened(self._table, self._values, self._xs, sorted(self._unclean))

    def _split_rows(self, run: int, split: str, metrics: frozenset[str]) -> SplitRows | None:
        """What a split has of some metrics, where these and no others share their rows."""
        table = self._table
        curves = table.curves_of_run(run).tolist()
        own = {
            name: curve
            for curve in curves
            if table.splits[self._split[curve]] == split
            and (name := table.metrics[self._metric[curve]]) in metrics
        }
        blocks = {self._block[curve] for curve in own.values()}
        if len(own) < len(metrics) or len(blocks) != 1:
            return None
        block = blocks.pop()
        axes = table.axes_of_block(block)
        others = sum(self._block[curve] == block for curve in curves) > len(own)
        if others or table.axis_inferred[axes].any() or POOL_TEXT in table.axis_pool[axes]:
            return None
        return SplitRows(own, {table.x_names[table.axis_x[axis]]: axis for axis in axes})

    def _unclean_axes(
        self, have: SplitRows, rows: Sequence[Row], rising: Collection[str]
    ) -> list[int] | None:
        """Axes that increase no more; None when no counter is left that tells all rows apart."""
        table = self._table
        unclean, any_left = [], False
        for name, axis in have.axes.items():
            old = table.axis_values(axis)
            xs = [row.xs[name] for row in rows]
            if table.axis_pool[axis] == POOL_INT:
                if any(type(x) is not int for x in xs):
                    return None
            elif bool(np.isnan(old).any()):
                return None
            together = [old[-1].item(), *xs]
            if all(a < b for a, b in itertools.pairwise(together)):
                clean = bool(table.axis_clean[axis])
                any_left |= clean and not self._is_time(name)
            else:
                clean = False
                unclean.append(axis)
            if name in rising and not clean:
                return None
        return unclean if any_left else None
