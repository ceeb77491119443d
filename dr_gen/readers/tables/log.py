"""The log of a training in a file of rows with delimiters: from its cells to a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from dr_gen.model.finding import Finding, Severity, line_ranges
from dr_gen.readers.contract import ColumnMap
from dr_gen.readers.json_log import JsonLog
from dr_gen.readers.settings import Settings
from dr_gen.readers.tables.columns import columns_of, has_objects, records_of
from dr_gen.readers.tables.delimited import Table, parse_table
from dr_gen.readers.tables.text_files import read_text

__all__ = ["TableFile", "is_growing", "log_of", "read_table", "state_of"]


@attrs.frozen
class TableFile:
    """A table, and what is wrong with its file."""

    table: Table
    findings: tuple[Finding, ...]


def read_table(path: Path, run: str) -> TableFile:
    """The table in a file; never raises."""
    found = read_text(path, run)
    findings = list(found.findings)
    table = parse_table(found.text)
    for problem in table.problems:
        lines = sorted(problem.lines)
        where = f" (lines {line_ranges(lines)})" if len(lines) > 1 else ""
        first = lines[0] if lines else None
        findings.append(
            Finding(
                problem.code,
                f"{problem.message}{where}",
                problem.severity,
                str(path),
                first,
                run,
                problem.hint,
            )
        )
    if found.text.strip() and table.form is None and not findings:
        message = "there is no header: no line of names above the rows"
        hint = "add a first line with the names of the columns"
        findings.append(Finding("no-header", message, Severity.ERROR, str(path), None, run, hint))
    if table.form is not None and not table.lines and not findings:
        message = "there is a header, and no row below it"
        hint = "the run was stopped before it wrote anything"
        findings.append(Finding("no-rows", message, Severity.WARNING, str(path), 1, run, hint))
    return TableFile(table, tuple(findings))


def log_of(
    path: Path,
    run: str,
    cells: Mapping[str, Sequence[str]],
    lines: Sequence[int],
    options: ColumnMap,
    beside: Settings | None = None,
) -> JsonLog:
    """What the rows of one run hold, not understood yet."""
    log = JsonLog(path, run, options, beside)
    if has_objects(cells):
        for line, record in zip(lines, records_of(cells, len(lines)), strict=True):
            log.take(line, record)
    else:
        log.columns = columns_of(cells, lines)
    return log


def state_of(table: Table) -> dict[str, Any] | None:
    """What is needed to go on when a file grows."""
    if table.form is None:
        return None
    return {"delimiter": table.form.delimiter, "names": list(table.form.names)}


def is_growing(file: TableFile, log: JsonLog, options: ColumnMap) -> bool:
    """Whether more rows that are appended change nothing of what was decided."""
    plain = all(finding.code == "truncated-line" for finding in file.findings)
    return plain and not file.table.comments and options == ColumnMap() and log.is_steady()
