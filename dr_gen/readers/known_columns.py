"""Rows that were appended to a log of which it is known what its columns mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunTable
from dr_gen.readers.columns import is_setting
from dr_gen.readers.contract import ColumnMap, More, ReadResult
from dr_gen.readers.joining import LASTING, Joining, Row, is_plain_number, of_whole_file
from dr_gen.readers.measurements import flat_metrics
from dr_gen.readers.naming import x_column

__all__ = ["Records", "joined"]

Records = Callable[[More], Iterable[Mapping[str, Any]] | None]
"""Gives the rows in what was appended; None where it is more than plain rows."""


def joined(
    items: Sequence[More], records: Records, clock: Callable[[], datetime]
) -> list[ReadResult | None]:
    """One result for each item; None where the file has to be read from its beginning."""
    group = RunGroup.from_runs(item.before for item in items)
    joining = Joining(group.table.curves, _is_time)
    facts = list(group.table.records)
    done: list[int | None] = []
    for item, index in zip(items, group.indices.tolist(), strict=True):
        known = _Columns(item, index, joining)
        rows = known.rows(records(item)) if known.plain else None
        if rows is None or not joining.take(index, rows, known.rising):
            done.append(None)
            continue
        facts[index] = of_whole_file(item, item.before.record.metadata, clock)
        done.append(index)
    table = RunTable(tuple(facts), group.table.hpms, joining.build())
    return [
        None if i is None else ReadResult((RunData(table, i),), state=item.state)
        for item, i in zip(items, done, strict=True)
    ]


def _is_time(axis: str) -> bool:
    meant = x_column(axis)
    return meant is not None and meant.is_time


class _Columns:
    """What the columns of one log mean, and the rows that were appended to it."""

    def __init__(self, item: More, run: int, joining: Joining) -> None:
        self._item = item
        self._metrics = joining.columns(run)
        axes = joining.axes(run)
        renamed: Mapping[str, str] = item.before.record.metadata.get("x_columns", {})
        self._axes = {renamed.get(x, x): x for x in axes}
        meant = {x: x_column(column) for column, x in self._axes.items()}
        self.rising = {x for x, column in meant.items() if column is not None and column.must_grow}
        usual = item.options.columns == ColumnMap()
        self.plain = usual and all(f.code in LASTING for f in item.before.findings)
        settings = {
            name: joining.constant(run, *self._metrics[name])
            for name in self._metrics
            if is_setting(name)
        }
        constant = {name: value for name, value in settings.items() if value is not None}
        # Two or more that every row repeats may be hyperparameters.
        self._settings = constant if len(constant) > 1 else {}

    def rows(self, records: Iterable[Mapping[str, Any]] | None) -> list[Row] | None:
        """The rows that were appended; None where one is more than plain numbers."""
        rows = []
        for record in records or ():
            found = self._row(record)
            if not found:
                return None
            rows += found
        return None if records is None else rows

    def _row(self, record: Mapping[str, Any]) -> list[Row]:
        cells = list(flat_metrics(record))
        row = dict(cells)
        xs = {x: row.pop(column) for column, x in self._axes.items() if column in row}
        if len(row) + len(xs) < len(cells) or not row.keys() <= self._metrics.keys():
            return []
        if not all(map(is_plain_number, (*row.values(), *xs.values()))):
            return []
        if not all(map(math.isfinite, xs.values())):
            return []
        if any(name not in row or row[name] != value for name, value in self._settings.items()):
            return []
        by_split: dict[str, dict[str, float]] = {}
        for name, value in row.items():
            split, metric = self._metrics[name]
            by_split.setdefault(split, {})[metric] = value
        return [Row(split, values, xs) for split, values in by_split.items()]
