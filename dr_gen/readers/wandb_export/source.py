"""The runs in exported charts and tables of runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.model.finding import Finding, Severity
from dr_gen.model.run import RunData
from dr_gen.readers.cells import read_number
from dr_gen.readers.contract import ColumnMap, Detection, ReadOptions, ReadResult
from dr_gen.readers.json_log import JsonLog
from dr_gen.readers.naming import split_name, x_column
from dr_gen.readers.settings import Settings, flat_config
from dr_gen.readers.split_files import as_one

__all__ = ["detected", "read_source"]

_BETWEEN: Final = " - "
_LEAST, _MOST = "__MIN", "__MAX"
_GROUP: Final = "Group: "
# As the pages call what the tool logs by itself.
_OWN_X: Final = {
    **{"Step": "_step", "Wall Time": "_timestamp"},
    **{"Relative Time (Process)": "_runtime", "Relative Time (Wall)": "_runtime"},
}
_FACTS: Final = {
    **{"Name": "name", "State": "state", "Notes": "notes", "User": "user", "Tags": "tags"},
    **{"Created": "start_time", "Runtime": "runtime", "Sweep": "sweep_id", "Agent": "agent"},
    **{"ID": "run_id", "Group": "group", "Job Type": "job_type", "Hostname": "host"},
}
_USUAL: Final = frozenset({"Notes", "User", "Tags", "Created", "Runtime", "Sweep"})
_ENOUGH: Final = 3
_ENDS: Final = {
    **{"finished": "completed", "failed": "failed", "crashed": "failed", "killed": "failed"},
    **{"preempted": "failed", "running": "running", "pending": "running"},
}


def detected(head: bytes) -> Detection:
    """How sure `WandbExportReader` is of a file called ``.csv``, from its header."""
    header = next(iter(_cells(head.decode("utf-8-sig", "replace"))), (0, []))[1]
    if _charted(header):
        return Detection(0.98, "columns with their __MIN and __MAX, as charts are exported")
    if _is_run_table(header):
        return Detection(0.98, "the columns of an exported table of runs")
    return Detection(0.0, "neither the header of a chart nor that of a table of runs")


def read_source(path: Path, run_id: str, options: ReadOptions, now: str) -> ReadResult:
    """What `WandbExportReader.read` gives."""
    tables = [_Table(file) for file in (path, *options.parts)]
    charts = [table for table in tables if _charted(table.header)]
    several = len({run for table in charts for run in _by_run(table)}) > 1
    by_name: dict[str, list[RunData]] = {}
    runs: list[RunData] = []
    for table in tables:
        if table in charts:
            for name, log in _of_chart(table, run_id, options.columns, several=several):
                shown = by_name.setdefault(name, [])
                _join(shown, _built(log, options.experiment, now))
        elif _is_run_table(table.header):
            inner = run_id if len(tables) == 1 else f"{run_id}/{table.path.stem}"
            found = _of_runs(table, inner, options.columns)
            runs += (_built(log, options.experiment, now) for log in found)
        elif not table.findings:
            message = "it has neither the header of a chart nor that of a table of runs"
            table.note("not-an-export", message, Severity.ERROR)
    charted = (run for shown in by_name.values() for run in _told_apart(shown))
    findings = (finding for table in tables for finding in table.findings)
    return ReadResult((*charted, *runs), tuple(findings))


def _join(shown: list[RunData], run: RunData) -> None:
    """Add what a chart shows of a run to what others do, where they show something else."""
    for i, other in enumerate(shown):
        if (joined := as_one([other, run])) is not None:
            shown[i] = joined
            return
    shown.append(run)


def _told_apart(shown: Sequence[RunData]) -> Iterator[RunData]:
    """Runs of one name, each with an id of its own."""
    for number, run in enumerate(shown, 1):
        yield run if number == 1 else run.with_facts(id=f"{run.id}~{number}")


def _built(log: JsonLog, experiment: str, now: str) -> RunData:
    facts = log.metadata
    log.understand()
    log.metadata = {"format": "wandb-export", **facts, **log.metadata}
    return log.run_data(experiment, (), now)


# ---------------------------------------------------------------------- the file


class _Table:
    """A file of comma-separated values, as far as it can be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings: list[Finding] = []
        self.header: list[str] = []
        self.rows: list[tuple[int, list[str]]] = []
        try:
            text = path.read_bytes().decode("utf-8-sig", "replace")
        except OSError as error:
            message = f"the file cannot be read: {error.strerror or error}"
            self.note("unreadable-file", message, Severity.ERROR)
            return
        if not text.strip():
            self.note("empty-file", "the file is empty", Severity.ERROR)
            return
        try:
            for line, cells in _cells(text):
                self._take(line, cells)
        except csv.Error as error:
            message = f"not readable from there on: {error}"
            self.note("bad-csv", message, Severity.ERROR, len(self.rows) + 2)
        if not text.endswith("\n"):
            self._close(torn=text.count('"') % 2 == 1)

    def _take(self, line: int, cells: list[str]) -> None:
        if not self.header:
            self.header = cells
        elif len(cells) == len(self.header):
            self.rows.append((line, cells))
        elif cells:
            message = f"{len(cells)} cells in a table of {len(self.header)} columns"
            self.note("bad-row", message, line=line, hint="the row is left out")

    def _close(self, *, torn: bool) -> None:
        """Without a line end the last row may be all there, as the pages write it, or cut off."""
        last = self.findings[-1] if self.findings else None
        line = self.rows[-1][0] if self.rows else 0
        if last is not None and last.code == "bad-row" and (last.line or 0) > line:
            line = last.line or 0
            self.findings.pop()
        elif torn and self.rows:
            self.rows[-1][1][-1] = ""  # of the cell that does not end a part may be missing
        else:
            return
        self.note("truncated-line", "the last line is cut off", line=line)

    def note(
        self,
        code: str,
        message: str,
        severity: Severity = Severity.WARNING,
        line: int | None = None,
        hint: str = "",
    ) -> None:
        """Add a finding about the file."""
        self.findings.append(Finding(code, message, severity, str(self.path), line, None, hint))


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text that are not blank, each with the line that it begins in."""
    rows = csv.reader(io.StringIO(text, newline=""))
    line = 1
    for cells in rows:
        if cells:
            yield line, cells
        line = rows.line_num + 1


def _value(text: str) -> Any:
    """A number, true or false, or the text."""
    kind, number = read_number(text)
    if kind == "text":
        return number
    return {"true": True, "false": False}.get(text.casefold(), text)


# ---------------------------------------------------------------------- charts


def _charted(header: Sequence[str]) -> list[tuple[int, int, int]]:
    """The columns of a chart, with those of their least and most; none in another table."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(header[1:], 1):
        places.setdefault(name, []).append(place)
    found: list[tuple[int, int, int]] = []
    for name, own in places.items():
        ends = (places.get(name + end, ()) for end in (_LEAST, _MOST))
        # Two runs of one name have a column each.
        found += zip(own, *ends, strict=False) if _BETWEEN in name else ()
    # The head of a file may have cut off one of the last three.
    return sorted(found) if len(header) - 1 - 3 * len(found) <= 3 else []


def _by_run(table: _Table) -> dict[str, list[tuple[int, str]]]:
    """The runs of a chart, with the number and the metric of each column."""
    found: dict[str, list[tuple[int, str]]] = {}
    taken: dict[str, int] = {}
    charted = _charted(table.header)
    names = {table.header[place].rpartition(_BETWEEN)[0] for place, _, _ in charted}
    for place, _, _ in charted:
        column = table.header[place]
        run, _, metric = column.rpartition(_BETWEEN)
        taken[column] = taken.get(column, 0) + 1
        inner = run if taken[column] == 1 else f"{run}_{taken[column]}"
        while inner != run and inner in names:
            inner += "_"
        found.setdefault(inner, []).append((place, metric))
    return found


def _of_chart(
    table: _Table, run_id: str, options: ColumnMap, *, several: bool
) -> Iterator[tuple[str, JsonLog]]:
    x = _OWN_X.get(table.header[0], table.header[0])
    _aggregated(table)
    mapping = options
    if x_column(x) is None and x not in options.x:
        mapping = attrs.evolve(options, x={x: x, **options.x})
    for run, places in _by_run(table).items():
        name = run if several else ""
        log = JsonLog(
            table.path, f"{run_id}/{name}" if name else run_id, mapping, Settings(), headed=False
        )
        called = table.header[places[0][0]].rpartition(_BETWEEN)[0]
        log.metadata["name"] = called.removeprefix(_GROUP)
        if run.startswith(_GROUP):
            log.metadata["group"] = called.removeprefix(_GROUP)
        for line, cells in table.rows:
            row = {metric: _value(cells[i]) for i, metric in places if cells[i] not in ("", "null")}
            if row:
                log.columns.add(line, {x: _seconds(x, _value(cells[0])), **row})
        yield run, log


def _seconds(x: str, value: Any) -> Any:
    # Wall time is exported in milliseconds since 1970.
    is_large = x == "_timestamp" and isinstance(value, int | float) and value > 1e11
    return value / 1000 if is_large else value


def _aggregated(table: _Table) -> None:
    """Say where a value stands for several."""
    for own, least, most in _charted(table.header):
        lines = [line for line, cells in table.rows if cells[least] != cells[most]]
        if lines and all(len(cells) > max(own, least, most) for _, cells in table.rows):
            message = f"{len(lines)} values stand for several, of a group or an interval"
            message = f"{table.header[own]}: {message}"
            hint = "export single runs, or read their own files"
            table.note("aggregated-values", message, Severity.INFO, lines[0], hint)


# ---------------------------------------------------------------------- tables of runs


def _is_run_table(header: Sequence[str]) -> bool:
    usual = _USUAL.intersection(header)
    return {"Name", "State"} <= set(header) and len(usual) >= _ENOUGH


def _of_runs(table: _Table, run_id: str, options: ColumnMap) -> Iterator[JsonLog]:
    names = [name for name in table.header if name not in _FACTS]
    border = _border(names)
    if border is None and names:
        message = "no order tells settings from results: those that name a split are results"
        table.note("settings-or-results", message, Severity.INFO, 1)
    results = {n for i, n in enumerate(names) if (_measures(n) if border is None else i >= border)}
    taken: dict[str, int] = {}
    for line, cells in table.rows:
        row = {n: c for n, c in zip(table.header, cells, strict=True) if c not in ("", "null")}
        name = row.get("Name", "unnamed")
        taken[name] = taken.get(name, 0) + 1
        inner = name if taken[name] == 1 else f"{name}_{taken[name]}"
        hpms, _ = flat_config({n: _value(row[n]) for n in names if n in row and n not in results})
        run = run_id if len(table.rows) == 1 else f"{run_id}/{inner}"
        log = JsonLog(table.path, run, options, Settings(hpms), headed=False)
        log.metadata = _facts(row)
        found = {n: _value(row[n]) for n in names if n in row and n in results}
        if found:
            log.columns.add(line, found)
        yield log


def _facts(row: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        ours: row[name] for name, ours in _FACTS.items() if row.get(name, "-") != "-"
    }
    if "tags" in facts:
        facts["tags"] = [tag.strip() for tag in facts["tags"].split(",") if tag.strip()]
    if "runtime" in facts:
        facts["runtime"] = _value(facts["runtime"])
    state = facts.get("state", "").casefold()
    if state in _ENDS:
        facts["end"] = {"status": _ENDS[state], "reason": f"the table says {state!r}"}
    return facts


def _border(names: Sequence[str]) -> int | None:
    """Where the second of two sorted lists begins; None if it is not two of them."""
    for key in (str, str.casefold):
        sorted_ = [key(name) for name in names]
        falls = [i for i in range(1, len(names)) if sorted_[i] < sorted_[i - 1]]
        if len(falls) == 1:
            return falls[0]
    return None


def _measures(name: str) -> bool:
    """Whether a column by its name is a result."""
    return name.startswith("_") or split_name(name)[0] is not None
