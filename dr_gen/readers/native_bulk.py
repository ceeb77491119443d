"""Many native logs read together: the plain ones in columns, the others by the careful reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, RunTable
from dr_gen.readers.contract import ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.native_columns import columns_of
from dr_gen.readers.native_configs import Configurations
from dr_gen.readers.native_logs import PlainLog
from dr_gen.readers.native_rows import Rows, rows_of
from dr_gen.readers.native_schema import Schema
from dr_gen.readers.plain_files import PIECE, NotPlainError, pieces
from dr_gen.readers.plain_lines import Block, Part

__all__ = ["read_many"]

Item = tuple[Path, str, ReadOptions]
Careful = Callable[[Path, str, ReadOptions], ReadResult]
Clock = Callable[[], datetime]

_MOST_CELLS: Final = 1 << 21
"""Values that are held as rows before they become columns."""


def read_many(items: Iterable[Item], careful: Careful, clock: Clock) -> Iterator[ReadResult]:
    """One result for each file, in order; runs that were read together share their columns."""
    reading = _Reading(careful, clock)
    for path, run_id, options in items:
        log = PlainLog(path, run_id, options)
        reading.add(log)
        if reading.n_cells > _MOST_CELLS:
            yield from reading.results()
    yield from reading.results()


class _Reading:
    """Logs that were begun, and the rows of them."""

    def __init__(self, careful: Careful, clock: Clock) -> None:
        self._careful, self._clock = careful, clock
        self._schema = Schema()
        self._configurations = Configurations()
        self._begin()

    def _begin(self) -> None:
        self._logs: list[PlainLog] = []
        self._parts: list[tuple[int, Part]] = []
        self._n_bytes = 0
        self._rows: list[Rows] = []
        self.n_cells = 0

    def add(self, log: PlainLog) -> None:
        """Read a log, as far as it is plain."""
        number = len(self._logs)
        self._logs.append(log)
        if log.options.columns != ColumnMap():
            log.odd = True
            return
        try:
            for piece in pieces(log.path):
                if self._parts and self._parts[-1][0] == number:
                    self._decode()  # lines are counted block by block
                self._parts.append((number, Part(log, piece)))
                self._n_bytes += len(piece.data)
                if self._n_bytes >= PIECE:
                    self._decode()
                if log.odd:
                    return
        except NotPlainError:
            log.odd = True

    def _decode(self) -> None:
        parts = [(number, part) for number, part in self._parts if not part.log.odd]
        self._parts, self._n_bytes = [], 0
        if not parts:
            return
        block = Block([part for _, part in parts], self._schema)
        numbers = [number for number, _ in parts]
        rows = rows_of(block, [self._logs[n] for n in numbers], numbers)
        self._schema = block.schema
        if rows is not None:
            self._rows.append(rows)
            self.n_cells += rows.values.size
        for _, part in parts[:-1]:
            part.log.close()

    def results(self) -> Iterator[ReadResult]:
        """What the logs held."""
        self._decode()
        logs = self._logs
        for log in logs:
            log.close()
        for log in logs:
            log.odd |= not log.is_whole()
        rows = None
        if self._rows:
            rows = Rows.concat(self._rows, len(self._schema.metrics), len(self._schema.xs))
        self._begin()
        yield from self._together(logs, 0, rows)

    def _together(
        self, logs: Sequence[PlainLog], first: int, rows: Rows | None
    ) -> Iterator[ReadResult]:
        """Results of logs: what lies between two that need care becomes one table."""
        plain: list[PlainLog] = []
        for number, log in enumerate(logs, first):
            if not log.odd:
                plain.append(log)
                continue
            yield from self._plain(plain, number - len(plain), rows)
            plain = []
            yield self._careful(log.path, log.run_id, log.options)
        yield from self._plain(plain, first + len(logs) - len(plain), rows)

    def _plain(
        self, logs: Sequence[PlainLog], first: int, rows: Rows | None
    ) -> Iterator[ReadResult]:
        if not logs or rows is None:
            return
        low, high = rows.log.searchsorted([first, first + len(logs)])
        mine = rows.take(slice(low, high)).numbered_from(first)
        found = columns_of(mine, logs, self._schema)
        if isinstance(found, set):
            for number in found:
                logs[number].odd = True
            yield from self._together(logs, first, rows)
            return
        hpms = self._configurations.table([log.configuration or b"" for log in logs])
        if isinstance(hpms, set):
            for number in hpms:
                logs[number].odd = True
            yield from self._together(logs, first, rows)
            return
        now = self._clock().isoformat()
        records = tuple(_record(log, now) for log in logs)
        table = RunTable(records, hpms, found)
        for index in range(len(logs)):
            yield ReadResult((RunData(table, index),))


def _record(log: PlainLog, now: str) -> RunRecord:
    return RunRecord(
        log.run_id,
        experiment=log.options.experiment,
        source=str(log.path),
        metadata=log.metadata(),
        findings=log.findings,
        time_parsed=now,
    )
