"""Many native logs read together: the plain ones in columns, the others by the careful reader."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from dr_gen.model.curve_table import CurveTable
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, RunTable
from dr_gen.readers.contract import ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.decoding import Pace
from dr_gen.readers.native.columns import columns_of
from dr_gen.readers.native.configs import Configurations
from dr_gen.readers.native.layout import complete_columns
from dr_gen.readers.native.logs import PlainLog
from dr_gen.readers.native.rows import Rows, rows_of
from dr_gen.readers.native.schema import Schema
from dr_gen.readers.plain_files import LineBuffer, NotPlainError
from dr_gen.readers.plain_lines import Block, Part

__all__ = ["read_many"]

Item = tuple[Path, str, ReadOptions]
Careful = Callable[[Path, str, ReadOptions], ReadResult]
Clock = Callable[[], datetime]
_Hpms = Sequence[tuple[list[int], HpmTable]]
"""Numbers of logs, ascending, and their configurations."""

_NO_COLUMNS: Final = ColumnMap()

_AT_ONCE: Final = 1 << 22
"""Bytes of configurations that are held as text before they become codes."""

_MOST_CELLS: Final = 1 << 24
"""Values that are held as rows before they become columns."""


def read_many(items: Iterable[Item], careful: Careful, clock: Clock) -> Iterator[ReadResult]:
    """One result for each file, in order; runs that were read together share their columns."""
    reading = _Reading(careful, clock)
    for path, run_id, options in items:
        reading.add(PlainLog(path, run_id, options))
        if reading.n_cells > _MOST_CELLS:
            yield from reading.results()
    yield from reading.results()


class _Reading:
    """Logs that were begun, and the rows of them."""

    def __init__(self, careful: Careful, clock: Clock) -> None:
        self._careful, self._clock = careful, clock
        self._schema, self._pace, self._buffer = Schema(), Pace(), LineBuffer()
        self._configurations = Configurations()
        self._begin()

    def _begin(self) -> None:
        self._logs: list[PlainLog] = []
        self._parts: list[tuple[int, Part]] = []
        self._rows: list[Rows] = []
        self._hpms: list[tuple[list[int], HpmTable]] = []
        self._n_packed = self._n_waiting = self.n_cells = 0

    def add(self, log: PlainLog) -> None:
        """Read a log, as far as it is plain."""
        number = len(self._logs)
        self._logs.append(log)
        if log.options.columns != _NO_COLUMNS:
            log.odd = True
            return
        try:
            for piece in self._buffer.pieces(log.path, self._decode):
                self._parts.append((number, Part(log, piece)))
                if log.odd:
                    return
        except NotPlainError:
            log.odd = True
        if self._n_waiting > _AT_ONCE:
            self._pack()

    def _decode(self) -> None:
        parts, self._parts = self._parts, []
        self._buffer.clear()
        if not parts:
            return
        block = Block(self._buffer.data, [part for _, part in parts], self._schema, self._pace)
        numbers = [number for number, _ in parts]
        rows = rows_of(block, [self._logs[n] for n in numbers], numbers)
        self._schema = block.schema
        if rows is not None:
            self._rows.append(rows)
            self.n_cells += rows.values.size
        # That of a log of several blocks counts as often, which are few.
        self._n_waiting += sum(len(part.log.configuration or b"") for _, part in parts)
        for _, part in parts[:-1]:
            part.log.close()

    def _pack(self) -> None:
        """Close the logs; of their configurations, which are large, keep codes."""
        self._decode()
        for log in self._logs[self._n_packed :]:
            log.close()
            log.odd |= not log.is_whole()
        numbers = [n for n in range(self._n_packed, len(self._logs)) if not self._logs[n].odd]
        table: HpmTable | set[int] = set()
        while isinstance(table, set) and numbers:
            table = self._configurations.table(
                [self._logs[n].configuration or b"" for n in numbers]
            )
            if isinstance(table, set):
                for place in table:
                    self._logs[numbers[place]].odd = True
                numbers = [n for n in numbers if not self._logs[n].odd]
            else:
                self._hpms.append((numbers, table))
        for log in self._logs[self._n_packed :]:
            log.configuration = None
        self._n_packed, self._n_waiting = len(self._logs), 0

    def results(self) -> Iterator[ReadResult]:
        """What the logs held."""
        self._pack()
        logs, parts, hpms = self._logs, self._rows, self._hpms
        self._begin()
        yield from self._together(logs, 0, parts, hpms)

    def _together(
        self, logs: Sequence[PlainLog], first: int, parts: Sequence[Rows], hpms: _Hpms
    ) -> Iterator[ReadResult]:
        """Results of logs: what lies between two that need care becomes one table."""
        plain: list[PlainLog] = []
        for number, log in enumerate(logs, first):
            if log.odd:
                yield from self._plain(plain, number - len(plain), parts, hpms)
                plain = []
                yield self._careful(log.path, log.run_id, log.options)
            else:
                plain.append(log)
        yield from self._plain(plain, first + len(logs) - len(plain), parts, hpms)

    def _plain(
        self, logs: Sequence[PlainLog], first: int, parts: Sequence[Rows], hpms: _Hpms
    ) -> Iterator[ReadResult]:
        if not logs:
            return
        stop = first + len(logs)
        mine = [part.between(first, stop) for part in parts]
        found = self._columns(logs, [part for part in mine if len(part)])
        if isinstance(found, set):
            for number in found:
                logs[number].odd = True
            yield from self._together(logs, first, parts, hpms)
            return
        now = self._clock().isoformat()
        records = tuple(_record(log, now) for log in logs)
        table = RunTable(records, _between(hpms, first, stop), found)
        for index in range(len(logs)):
            yield ReadResult((RunData(table, index),))

    def _columns(self, logs: Sequence[PlainLog], parts: list[Rows]) -> CurveTable | set[int]:
        """The curves of logs, or which of them need care; empties the list."""
        found = complete_columns(parts, logs, self._schema)
        if found is not None:
            return found
        schema = self._schema
        for place, part in enumerate(parts):
            parts[place] = part.in_groups(len(schema.splits))
        return columns_of(Rows.concat(parts, len(schema.metrics), len(schema.xs)), logs, schema)


def _between(hpms: _Hpms, first: int, stop: int) -> HpmTable:
    """The configurations of the logs from `first` to before `stop`, all of which have one."""
    found = []
    for numbers, table in hpms:
        low, high = bisect.bisect_left(numbers, first), bisect.bisect_left(numbers, stop)
        if high - low == len(numbers):
            found.append(table)
        elif low < high:
            found.append(table.take(np.arange(low, high)))
    return found[0] if len(found) == 1 else HpmTable.concat(found)


def _record(log: PlainLog, now: str) -> RunRecord:
    return RunRecord(
        log.run_id,
        experiment=log.options.experiment,
        source=str(log.path),
        metadata=log.metadata(),
        findings=log.findings,
        time_parsed=now,
    )
