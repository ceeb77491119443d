"""Reader of JSON lines as most training loops write them: one object a line.

Objects may be flat or nested (names are then joined by ``/``). What names mean is in `naming`.
Hyperparameters come from a ``config``, ``params``, ``hparams``, ``hyperparameters`` or ``args``
object in any line (the first counts, also where every row repeats it), and from ``config``,
``args``, ``hparams`` or ``params`` files (JSON or YAML) beside the log; the line wins. A first line
whose names occur nowhere else describes the run and is kept as ``metadata["header"]``. Where
none of these is there, two or more usual names (``lr``, ``seed``, ``optimizer``, …) with one value
in all rows are taken for hyperparameters. Facts
that are no measurements (ids, hosts, texts that never change) are in ``metadata["columns"]``, and
``metadata["x_columns"]`` says which column an axis came from where its name differs.

Files: ``.jsonl``, ``.ndjson``, ``.json``, ``.log`` and ``.txt``, each also with ``.gz``. In a log
or text file the objects may end lines that begin with other text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from dr_gen.errors import nearest
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.noise import SEED_KEYS
from dr_gen.model.run import RunData
from dr_gen.readers.cells import read_number
from dr_gen.readers.columns import (
    Axis,
    Column,
    Columns,
    axes_of,
    is_header,
    kind_of,
    looks_like_settings,
    metric_names,
    repeated_settings,
)
from dr_gen.readers.contract import ColumnMap, Detection, More, ReadOptions, ReadResult
from dr_gen.readers.joining import is_plain_number
from dr_gen.readers.jsonlines_more import read_more
from dr_gen.readers.lines import JsonLines, log_suffix
from dr_gen.readers.measurements import CellNotes
from dr_gen.readers.naming import DEFAULT_SPLIT, file_split, x_column
from dr_gen.readers.rows import CurveRows
from dr_gen.readers.settings import CONFIG_KEYS, differing, flat_config, named, read_sidecars
from dr_gen.readers.sniffing import CEILING, TEXT_LOGS, json_lines_detection

__all__ = ["JsonLinesReader"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@attrs.frozen
class JsonLinesReader:
    """Reads JSON lines whose names have to be guessed.

    Attributes
    ----------
    clock : callable
        Gives the time that a run is stamped with.
    """

    clock: Callable[[], datetime] = attrs.field(default=_utc_now, eq=False, repr=False)

    @property
    def name(self) -> str:
        """Name of the format."""
        return "jsonlines"

    @property
    def ceiling(self) -> float:
        """It is never surer of a file than this."""
        return CEILING

    def detect(self, path: Path, head: bytes) -> Detection:
        """See `json_lines_detection`; never above 0.9, for formats that are known exactly."""
        return json_lines_detection(path, head)

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The run of a file; no run when it holds no object, or a list of other things."""
        lines = JsonLines(path, run_id, embedded=log_suffix(path) in TEXT_LOGS)
        log = _JsonLog(path, run_id, options.columns)
        for number, record in lines:
            log.take(number, record)
        if lines.n_objects == 0:
            return ReadResult(findings=tuple(lines.findings))
        log.understand()
        if (strange := log.no_log()) is not None:
            return ReadResult(findings=(*lines.findings, strange))
        curves = log.curves()
        findings = [*lines.findings, *log.findings, *log.cells.findings(), *log.rows.findings]
        run = RunData.build(
            run_id,
            log.hpms,
            curves,
            experiment=options.experiment,
            source=str(path),
            metadata=log.metadata,
            findings=findings,
            time_parsed=self.clock().isoformat(),
        )
        return ReadResult((run,), closed=not log.is_steady())

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        """What `read` would give for files that grew, from what was appended; None: it cannot."""
        return read_more(items, self.clock)


_NAMING = ("name", "metric", "tag", "key")


def _widened(record: dict[str, Any]) -> dict[str, Any]:
    """A row of the long form, a name and its value, as a row of one column of that name."""
    value = record.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return record
    for naming in _NAMING:
        if isinstance(name := record.get(naming), str) and name and name not in record:
            rest = {k: v for k, v in record.items() if k not in (naming, "value")}
            return {**rest, name: value}
    return record


class _JsonLog:
    """What the lines of one log hold: taken one by one, understood as a whole."""

    def __init__(self, path: Path, run: str, options: ColumnMap) -> None:
        self.hpms: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.findings: list[Finding] = []
        self.cells = CellNotes(path, run)
        self.rows = CurveRows(path, run, "step")
        self._path, self._run, self._options = path, run, options
        self._columns = Columns()
        self._configs: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._split: Column | None = None
        self._axes: list[Axis] = []
        self._metrics: list[Column] = []
        self._n_texts = 0

    def _note(
        self, code: str, message: str, severity: str, line: int | None = None, hint: str = ""
    ) -> None:
        self.findings.append(
            Finding(code, message, Severity(severity), str(self._path), line, self._run, hint)
        )

    # ------------------------------------------------------------------ line by line

    def take(self, line: int, record: dict[str, Any]) -> None:
        """Take one object."""
        if record.get("type") == "dict_config" and isinstance(record.get("value"), dict):
            # The first line of a native log, here above rows of another kind.
            record = {"config": record["value"]}
        record = _widened(record)
        configs = [k for k in record if k.casefold() in CONFIG_KEYS and isinstance(record[k], dict)]
        for key in configs:
            self._config(line, key, record[key])
        rest = {key: value for key, value in record.items() if key not in configs}
        if rest or not configs:
            self._columns.add(line, rest)

    def _config(self, line: int, key: str, value: dict[str, Any]) -> None:
        if key not in self._configs:
            flat, problems = flat_config(value)
            for problem in problems:
                self._note("config-collision", problem, "warning", line)
            self.hpms = {**flat, **self.hpms}
            self._configs[key] = (value, flat)
            return
        raw, first = self._configs[key]
        # As every row of Ray Tune repeats it, only another one is worth a closer look.
        if value == raw:
            return
        flat, _ = flat_config(value)
        if changed := differing(first, flat):
            message = f"{key!r} changes: other values for {named(changed)}"
            hint = "the first one counts"
            self._note("config-changed", message, "warning", line, hint)
            self._configs[key] = (value, flat)

    # ------------------------------------------------------------------ as a whole

    def understand(self) -> None:
        """Decide what every column is."""
        columns, options = self._columns, self._options
        for line, name in columns.repeated:
            message = f"{name!r} is there twice, nested and flat; the last value counts"
            self._note("duplicate-key", message, "warning", line)
        self._header()
        self._split = self._found(options.split) or columns.split_column()
        given = {name: self._found(name) for name in (*options.x, *options.metrics, *options.hpms)}
        for name in options.ignore:
            if (column := self._found(name)) is not None:
                del columns.by_name[column.name]
        explicit = {id(column) for column in (*given.values(), self._split) if column is not None}
        free = [c for c in columns.by_name.values() if id(c) not in explicit]
        self._axes = [
            Axis(column, x, None, x in self.rows.times)
            for name, x in options.x.items()
            if (column := given[name]) is not None
        ]
        self._axes += axes_of(free, options.x.values())
        for name in options.hpms:
            if (column := given[name]) is not None:
                self._fact(column, "hpm", doubt=not column.constant)
        taken = explicit | {id(axis.column) for axis in self._axes}
        self._metrics = [c for name in options.metrics if (c := given[name]) is not None]
        for column in free:
            if id(column) not in taken:
                self._sort(column)
        self._sidecars()

    def _found(self, name: str | None) -> Column | None:
        if name is None:
            return None
        column = self._columns.find(name)
        if column is None:
            close = nearest(name, list(self._columns.by_name))
            hint = f"did you mean {' or '.join(close)}?" if close else ""
            message = f"no column {name!r}, which the column mapping names"
            self._note("unknown-column", message, "warning", None, hint)
        return column

    def _header(self) -> None:
        columns = self._columns
        if not is_header(columns):
            return
        record = columns.first or {}
        mine = [name for name, column in columns.by_name.items() if column.rows == [0]]
        for name in mine:
            del columns.by_name[name]
        flat, _ = flat_config(record)
        seeds = {key: value for key, value in flat.items() if key.casefold() in SEED_KEYS}
        settings = flat if looks_like_settings(mine) else seeds
        self.hpms = {**settings, **self.hpms}
        self.metadata["header"] = dict(record)
        what = "hyperparameters" if settings is flat else "facts about the run"
        message = f"its names are on no other line; read as {what}"
        self._note("header-line", message, "info", columns.lines[0])

    def _sort(self, column: Column) -> None:
        kind = kind_of(column)
        if kind.what == "metric":
            self._metrics.append(column)
        elif kind.what == "text":
            self._n_texts += 1
            for row, value in zip(column.rows, column.values, strict=True):
                if value is not None:
                    self.cells.note("text-column", column.name, self._columns.lines[row])
        else:
            self._fact(column, kind.what, kind.doubt)

    def _fact(self, column: Column, what: str, doubt: bool) -> None:
        """A fact about the run: the last value is kept."""
        lines = [self._columns.lines[row] for row in column.rows]
        if doubt:
            values = column.values
            for line, before, value in zip(lines[1:], values, values[1:], strict=False):
                if value != before:
                    self.cells.note("id-changed", column.name, line)
        if what == "hpm":
            name = column.name.replace("/", ".")
            self.hpms.setdefault(name, column.values[-1])
        else:
            self.metadata.setdefault("columns", {})[column.name] = column.values[-1]

    def _sidecars(self) -> None:
        beside = read_sidecars(self._path, self._run)
        self.findings += beside.findings
        common = {key: value for key, value in self.hpms.items() if key in beside.hpms}
        other = {key: beside.hpms[key] for key in common}
        if clash := differing(common, other):
            message = f"the log and the settings files beside it differ in {named(clash)}"
            self._note("config-conflict", message, "warning", None, "the log counts")
        self.hpms = {**beside.hpms, **self.hpms}
        if all(key.casefold() in SEED_KEYS for key in self.hpms):
            # Nothing else says what was set; as measurements they stay where they are as well.
            self.hpms = {**repeated_settings(self._columns), **self.hpms}

    def no_log(self) -> Finding | None:
        """Why this is no log of a training at all, or None.

        A list of jobs or of samples: rows without any x, where texts outnumber the numbers or
        nothing is a fraction.
        """
        if self._axes or self._configs or self._options != ColumnMap() or self._split is not None:
            return None
        cells = (read_number(value) for column in self._metrics for value in column.values)
        fractions = any(k in ("number", "text") and isinstance(n, float) for k, n in cells)
        if fractions and self._n_texts < len(self._metrics):
            return None
        n = len(self._columns.lines)
        message = f"{n} rows without an x-axis, of texts and whole numbers, are no training log"
        hint = "name the columns with a column mapping to read it all the same"
        path = str(self._path)
        return Finding("not-a-log", message, Severity.INFO, path, None, None, hint)

    def is_steady(self) -> bool:
        """Whether more rows of the same names change nothing of what was decided.

        Only numbers, each an x or a metric by its name; no facts about the run in the rows, and
        no split. Settings that rows repeat show in the second row.
        """
        columns = self._columns
        usual = self._options == ColumnMap() and not self._configs and self._split is None
        if not usual or "header" in self.metadata or columns.repeated or len(columns.lines) < 2:
            return False
        axes = [axis for axis in self._axes if axis.split is None]
        metrics = [column for column in self._metrics if x_column(column.name) is None]
        if not axes or len(axes) + len(metrics) != len(columns.by_name):
            return False
        cells = (column.values for column in columns.by_name.values())
        return all(map(is_plain_number, itertools.chain.from_iterable(cells)))

    # ------------------------------------------------------------------ numbers

    def curves(self) -> CurveTable:
        """The curves; findings about cells and x are complete after that."""
        lines = self._columns.lines
        for line in lines:
            self.rows.add_row(line)
        self._add_axes()
        stem = self._path.name.partition(".")[0]
        splits = self._columns.splits(self._split, file_split(stem) or DEFAULT_SPLIT)
        explicit = {
            column.name: _target(address)
            for name, address in self._options.metrics.items()
            if (column := self._columns.find(name)) is not None
        }
        for column, names in metric_names(self._metrics, splits, explicit):
            for row, value in zip(column.rows, column.values, strict=True):
                split, metric = names[splits[row]]
                subject = f"{split}/{metric}"
                if type(value) is float:
                    self.rows.add(row, split, metric, value, column.name)
                    continue
                for name, number in self.cells.numbers(lines[row], subject, metric, value):
                    original = column.name + name[len(metric) :]
                    self.rows.add(row, split, name, number, original)
        return self.rows.build()

    def _add_axes(self) -> None:
        renamed = {}
        for axis in self._axes:
            if axis.is_time:
                self.rows.times.add(axis.x)
            if axis.x != axis.column.name:
                renamed[axis.x] = axis.column.name
            for row, value in zip(axis.column.rows, axis.column.values, strict=True):
                x = self.cells.x(self._columns.lines[row], axis.column.name, value)
                if x is not None:
                    self.rows.add_x(row, axis.x, x, axis.split)
        if renamed:
            self.metadata["x_columns"] = renamed


def _target(address: str) -> tuple[str | None, str]:
    split, slash, metric = address.partition("/")
    return (split, metric) if slash else (None, split)
