"""Reader of tables that training loops write: a header, then one row a report.

Comma, semicolon, tab or bar; quotes, a byte order mark, any line ends; names and cells may be
padded. Blank cells were not logged. Lines that begin with ``#`` are comments: one that holds a JSON
object describes the run (``metadata["header"]``). What names mean is in `naming`; hyperparameters
come from settings files beside the table, from columns that hold a configuration, and from those
that say which run a row belongs to.

A table may hold several runs: where a counter begins again for each ``seed``, ``task``, ``env``,
``algo``, ``run`` and the like, each is a run of its own, called by these. A first column without a
name that counts the rows is the epoch of a history, or the step.

The files ``0.monitor.csv``, ``1.monitor.csv``, … in one folder are the environments of one run:
their episodes are one table, in the order of time. ``train.csv`` and ``eval.csv`` in one folder,
and other tables whose names differ in the split alone, are the splits of one run.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from dr_gen.model.finding import Finding
from dr_gen.model.run import RunData
from dr_gen.readers.clock import utc_now
from dr_gen.readers.contract import Claim, Detection, More, ReadOptions, ReadResult
from dr_gen.readers.csv.groups import monitor_claims, splits_together, together
from dr_gen.readers.csv.runs import Part, indexed, runs_in
from dr_gen.readers.csv.sniffing import CEILING, csv_detection, is_monitor
from dr_gen.readers.json_log import JsonLog
from dr_gen.readers.split_files import claims_by_split
from dr_gen.readers.tables.delimited import Table
from dr_gen.readers.tables.log import TableFile, is_growing, log_of, read_table, state_of
from dr_gen.readers.tables.more import read_more
from dr_gen.readers.tree import TABLE_SUFFIXES, Tree

__all__ = ["CsvReader"]


@attrs.frozen
class CsvReader:
    """Reads tables with delimiters whose names have to be guessed.

    Attributes
    ----------
    clock : callable
        Gives the time that a run is stamped with.
    """

    clock: Callable[[], datetime] = attrs.field(default=utc_now, eq=False, repr=False)

    @property
    def name(self) -> str:
        """Name of the format."""
        return "csv"

    @property
    def suffixes(self) -> frozenset[str]:
        """What is read when the format is named."""
        return TABLE_SUFFIXES

    @property
    def ceiling(self) -> float:
        """It is never surer of a file than this."""
        return CEILING

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """The monitors of one folder, and tables that are called alike but for their split."""
        return itertools.chain(monitor_claims(tree), claims_by_split(tree, TABLE_SUFFIXES))

    def detect(self, path: Path, head: bytes) -> Detection:
        """See `csv_detection`; never above 0.9, for formats that are known exactly."""
        return csv_detection(path, head)

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The runs of a file; none when it holds no header, or a table of other things."""
        file = read_table(path, run_id)
        others = [(part, read_table(part, run_id)) for part in options.parts]
        if is_monitor(file.table):
            file = together([file, *(other for _, other in others)])
        elif others:
            file = splits_together([(path, file), *others], run_id)
        if file.table.form is None:
            return ReadResult(findings=file.findings)
        cells, index = indexed(file.table.columns)
        parts = runs_in(cells, file.table.lines, options.columns.hpms)
        runs: list[RunData] = []
        steady = len(parts) == 1 and index is None and not others
        for part in parts:
            found = self._run(path, run_id, options, file, part, index)
            if isinstance(found, Finding):
                return ReadResult(findings=(*file.findings, found))
            runs.append(found[0])
            steady = steady and found[1]
        state = state_of(file.table) if steady else None
        return ReadResult(tuple(runs), closed=not steady, state=state)

    def _run(
        self,
        path: Path,
        run_id: str,
        options: ReadOptions,
        file: TableFile,
        part: Part,
        index: str | None,
    ) -> tuple[RunData, bool] | Finding:
        """One run, and whether it may be gone on with; or why it is none."""
        name = f"{run_id}/{part.name}" if part.name else run_id
        columns = options.columns
        if is_monitor(file.table):
            columns = attrs.evolve(columns, x={"t": "time", **columns.x})
        if part.hpms:
            # They are taken out of the table already.
            rest = tuple(key for key in columns.hpms if key not in part.hpms)
            columns = attrs.evolve(columns, hpms=rest)
        log = log_of(path, name, part.cells, part.lines, columns)
        log.hpms = {**log.hpms, **part.hpms}
        if part.facts:
            log.metadata["columns"] = dict(part.facts)
        self._header(log, file.table)
        log.understand()
        if part.lines and (strange := log.no_log()) is not None:
            return strange
        findings = [attrs.evolve(finding, run=name) for finding in file.findings]
        run = log.run_data(options.experiment, findings, self.clock().isoformat())
        if index is not None:
            named = {**run.metadata.get("x_columns", {}), index: ""}
            run = run.with_facts(metadata={**run.metadata, "x_columns": named})
        own = not part.name and not part.hpms and not part.facts
        return run, own and is_growing(file, log, options.columns)

    def _header(self, log: JsonLog, table: Table) -> None:
        """What a comment says of the run: as metadata, its texts as hyperparameters too."""
        for _, text in table.comments:
            header = _json_object(text)
            if header:
                log.metadata["header"] = header
                texts = {key: value for key, value in header.items() if isinstance(value, str)}
                log.hpms = {**texts, **log.hpms}
                return

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        """What `read` would give for files that grew, from what was appended; None: it cannot."""
        return read_more(items, self.clock)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
