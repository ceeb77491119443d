"""The runs in a file of rows, or in several that are one table together."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from dr_gen.model.finding import Finding
from dr_gen.model.run import RunData
from dr_gen.readers.contract import ReadOptions, ReadResult
from dr_gen.readers.csv.groups import splits_together, together
from dr_gen.readers.csv.runs import Part, indexed, runs_in
from dr_gen.readers.csv.sniffing import is_monitor
from dr_gen.readers.json_log import JsonLog
from dr_gen.readers.tables.delimited import Table
from dr_gen.readers.tables.log import TableFile, is_growing, log_of, read_table, state_of

__all__ = ["read_source"]


def read_source(
    path: Path, run_id: str, options: ReadOptions, clock: Callable[[], datetime]
) -> ReadResult:
    """What `CsvReader.read` gives."""
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
        found = _run(path, run_id, options, file, part, index, clock)
        if isinstance(found, Finding):
            return ReadResult(findings=(*file.findings, found))
        runs.append(found[0])
        steady = steady and found[1]
    state = state_of(file.table) if steady else None
    return ReadResult(tuple(runs), closed=not steady, state=state)


def _run(
    path: Path,
    run_id: str,
    options: ReadOptions,
    file: TableFile,
    part: Part,
    index: str | None,
    clock: Callable[[], datetime],
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
    _header(log, file.table)
    log.understand()
    if part.lines and (strange := log.no_log()) is not None:
        return strange
    findings = [attrs.evolve(finding, run=name) for finding in file.findings]
    run = log.run_data(options.experiment, findings, clock().isoformat())
    if index is not None:
        named = {**run.metadata.get("x_columns", {}), index: ""}
        run = run.with_facts(metadata={**run.metadata, "x_columns": named})
    own = not part.name and not part.hpms and not part.facts
    return run, own and is_growing(file, log, options.columns)


def _header(log: JsonLog, table: Table) -> None:
    """What a comment says of the run: as metadata, its texts as hyperparameters too."""
    for _, text in table.comments:
        header = _json_object(text)
        if header:
            log.metadata["header"] = header
            texts = {key: value for key, value in header.items() if isinstance(value, str)}
            log.hpms = {**texts, **log.hpms}
            return


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
