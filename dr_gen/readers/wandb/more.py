"""Logs of Weights & Biases that grew: only what was appended is read, where it is usual."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, RunTable
from dr_gen.readers.contract import ColumnMap, More, ReadResult
from dr_gen.readers.joining import Joining, Row, of_whole_file
from dr_gen.readers.naming import x_column
from dr_gen.readers.number_arrays import Numbers
from dr_gen.readers.wandb.facts import end_of, facts_that_grow, final_values, state_of
from dr_gen.readers.wandb.history import is_only_there
from dr_gen.readers.wandb.leveldb_log import LevelDbLog
from dr_gen.readers.wandb.log import PIECE, TORN, torn_finding
from dr_gen.readers.wandb.records import RunLog

__all__ = ["read_more"]

_USUAL: Final = frozenset({2, 3, 7, 11, 18})
"""Kinds of records that go on as before: history, summary, measurements, telemetry, the end."""


def read_more(items: Sequence[More], clock: Callable[[], datetime]) -> list[ReadResult | None]:
    """One result for each item; None where the file has to be read from its beginning."""
    group = RunGroup.from_runs(item.before for item in items)
    joining = Joining(group.table.curves, _is_time)
    records = list(group.table.records)
    tails: list[tuple[int, _Tail] | None] = []
    for item, index in zip(items, group.indices.tolist(), strict=True):
        tail = _Tail.of(item) if _is_plain(item) else None
        if tail is None or not _joined(item, tail, index, joining):
            tails.append(None)
            continue
        records[index] = tail.record(item, clock)
        tails.append((index, tail))
    table = RunTable(tuple(records), group.table.hpms, joining.build())
    return [
        None
        if found is None
        else ReadResult((RunData(table, found[0]),), state=found[1].state, end=found[1].end)
        for found in tails
    ]


def _is_time(axis: str) -> bool:
    meant = x_column(axis)
    return meant is not None and meant.is_time


def _joined(item: More, tail: _Tail, run: int, joining: Joining) -> bool:
    """Put the rows that were appended behind those of their run, if they are like these."""
    known = _Columns(item, run, joining)
    rows = known.rows(tail)
    return rows is not None and joining.take(run, rows, known.rising)


def _is_plain(item: More) -> bool:
    usual = item.options.columns == ColumnMap() and isinstance(item.state, dict)
    return usual and all(finding.code == TORN for finding in item.before.findings)


@attrs.frozen
class _Tail:
    """What was appended to one log.

    Attributes
    ----------
    log : RunLog
    summary : dict
        The final values, with those that were told before.
    state : dict
        For what is appended next.
    end, torn : int
        Up to where the file is read, and how many bytes are behind that.
    """

    log: RunLog
    summary: dict[str, Any]
    state: dict[str, Any]
    end: int
    torn: int

    @classmethod
    def of(cls, item: More) -> _Tail | None:
        """What was appended, if it is of the usual kind."""
        framed, log = LevelDbLog(item.state["end"]), RunLog()
        for name, text in item.state["final"].items():
            if (cells := log.table.cells(name)) is not None:
                cells.final = text.encode()
        for piece, last in _pieces(item.tail, item.state["end"]):
            for record in framed.records(piece, last=last):
                log.take(record)
        log.table.read()
        state = state_of(log.table, framed.whole)
        odd = framed.damages or log.bad or log.removed or not log.kinds <= _USUAL or state is None
        before = item.before.record.metadata.get("environment", {})
        if odd or state is None or any(before.get(k) != v for k, v in log.machine.items()):
            return None
        return cls(log, final_values(log.table, {}), state, framed.whole, framed.torn)

    def record(self, item: More, clock: Callable[[], datetime]) -> RunRecord:
        """The record of the run with what was appended."""
        before = item.before.record.metadata
        metadata = {**before, **facts_that_grow(self.log, self.summary, before)}
        if self.log.exit_code is not None:
            metadata["end"] = end_of(self.log, has_log=True, machine={})
        torn = torn_finding(self.end, self.torn, item.path, item.run_id)
        record = of_whole_file(item, metadata, clock)
        return attrs.evolve(record, findings=[torn] if self.torn else [])


def _pieces(tail: bytes, start: int) -> Iterator[tuple[bytes, bool]]:
    """The tail, cut where the pieces of the whole file are."""
    place = 0
    while place < len(tail):
        end = place + PIECE - (start + place) % PIECE
        yield tail[place:end], end >= len(tail)
        place = end


class _Columns:
    """What the columns of one log mean."""

    def __init__(self, item: More, run: int, joining: Joining) -> None:
        self._metrics = joining.columns(run)
        renamed: Mapping[str, str] = item.before.record.metadata.get("x_columns", {})
        self._axes = {renamed.get(x, x): x for x in joining.axes(run)}
        meant = {x: x_column(column) for column, x in self._axes.items()}
        self.rising = {x for x, column in meant.items() if column is not None and column.must_grow}

    def rows(self, tail: _Tail) -> list[Row] | None:
        """The rows that were appended; None where they are more than numbers of known names."""
        known = {*self._metrics, *self._axes}
        if any(is_only_there(name, value, known) for name, value in tail.summary.items()):
            return None
        table = tail.log.table
        cells: list[dict[str, Any]] = [{} for _ in table.lines]
        for column in table.by_name.values():
            if not column.used:
                continue
            rows, values, twice = column.column()
            if column.name not in known or twice or not isinstance(values, Numbers):
                return None
            for row, value in zip(rows.tolist(), values, strict=True):
                cells[row][column.name] = value
        xs = (row[column] for row in cells for column in self._axes if column in row)
        if not all(map(math.isfinite, xs)):
            return None
        return [row for found in cells for row in self._split(found)]

    def _split(self, row: dict[str, Any]) -> Iterator[Row]:
        xs = {x: row.pop(column) for column, x in self._axes.items() if column in row}
        by_split: dict[str, dict[str, float]] = {}
        for name, value in row.items():
            split, metric = self._metrics[name]
            by_split.setdefault(split, {})[metric] = value
        for split, values in by_split.items():
            yield Row(split, values, xs)
