"""The run in a document, or in the documents of its epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.contract import ReadOptions, ReadResult
from dr_gen.readers.json_history.documents import read_document
from dr_gen.readers.json_history.series import run_of_series
from dr_gen.readers.json_history.shapes import Shape, shape_of
from dr_gen.readers.json_log import JsonLog

__all__ = ["read_source"]


def read_source(
    path: Path, run_id: str, options: ReadOptions, clock: Callable[[], datetime]
) -> ReadResult:
    """What `JsonHistoryReader.read` gives."""
    documents = [read_document(file, run_id) for file in (*options.parts, path)]
    findings = tuple(finding for one in documents for finding in one.findings)
    shapes = [shape_of(one.value) for one in documents if one.value is not None]
    known = [shape for shape in shapes if shape is not None]
    if not known:
        if not findings:
            message = "neither lists of numbers nor rows with numbers are in it"
            strange = Finding("not-a-log", message, Severity.INFO, str(path))
            return ReadResult(findings=(strange,))
        return ReadResult(findings=findings)
    stamp = clock().isoformat()
    if known[-1].kind == "series":
        run = run_of_series(path, run_id, known[-1], options, findings, stamp)
        return ReadResult((run,), closed=True)
    log = JsonLog(path, run_id, options.columns)
    for line, row in enumerate(_rows(known), 1):
        log.take(line, row)
    log.hpms = {**known[-1].settings, **log.hpms}
    if known[-1].results:
        log.metadata["results"] = dict(known[-1].results)
    log.understand()
    if known[-1].kind == "rows" and known[-1].rows and (odd := log.no_log()) is not None:
        return ReadResult(findings=(*findings, odd))
    return ReadResult((log.run_data(options.experiment, findings, stamp),), closed=True)


def _rows(shapes: list[Shape]) -> Iterator[dict[str, Any]]:
    """The rows of all documents; that of an epoch that is there again is left out."""
    before: Any = None
    for shape in shapes:
        for row in shape.rows:
            if row != before:
                yield dict(row)
            before = row
