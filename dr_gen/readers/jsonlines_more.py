"""Rows of other people's loops that were appended to a log whose names are understood."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunTable
from dr_gen.readers.columns import is_setting
from dr_gen.readers.contract import ColumnMap, More, ReadResult
from dr_gen.readers.joining import LASTING, Joining, Row, is_plain_number, of_whole_file
from dr_gen.readers.lines import JsonLines, log_suffix
from dr_gen.readers.measurements import flat_metrics
from dr_gen.readers.naming import x_column
from dr_gen.readers.sniffing import TEXT_LOGS

__all__ = ["read_more"]


def read_more(items: Sequence[More], clock: Callable[[], datetime]) -> list[ReadResult | None]:
    """One result for each item; None where the file has to be read from its beginning."""
    group = RunGroup.from_runs(item.before for item in items)
    joining = Joining(group.table.curves, _is_time)
    records = list(group.table.records)
    joined: list[int | None] = []
    for item, index in zip(items, group.indices.tolist(), strict=True):
        known = _Columns(item, index, joining)
        rows = known.rows() if known.plain else None
        if rows is None or not joining.take(index, rows, known.rising):
            joined.append(None)
            continue
        records[index] = of_whole_file(item, item.before.record.metadata, clock)
        joined.append(index)
    table = RunTable(tuple(records), group.table.hpms, joining.build())
    return [None if i is None else ReadResult((RunData(table, i),)) for i in joined]


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

    def rows(self) -> list[Row] | None:
        """The rows that were appended; None where a line is more than plain numbers."""
        item = self._item
        lines = JsonLines(item.path, item.run_id, embedded=log_suffix(item.path) in TEXT_LOGS)
        rows = []
        n = 0
        for raw in io.BytesIO(item.tail):
            # The number of a line only stands in findings, and there are to be none.
            for record in lines.read_line(2, raw):
                n += 1
                found = self._row(record)
                if not found:
                    return None
                rows += found
        return None if lines.findings or lines.bad_lines or lines.n_lines != n else rows

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
