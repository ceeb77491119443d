"""What the objects of a log of JSON lines hold: taken one by one, understood as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
from dr_gen.readers.contract import ColumnMap
from dr_gen.readers.joining import is_plain_number
from dr_gen.readers.measurements import CellNotes
from dr_gen.readers.naming import DEFAULT_SPLIT, x_column
from dr_gen.readers.row_splits import RowSplits
from dr_gen.readers.rows import CurveRows
from dr_gen.readers.settings import (
    CONFIG_KEYS,
    Settings,
    differing,
    flat_config,
    named,
    read_sidecars,
)
from dr_gen.readers.splits import file_split

__all__ = ["JsonLog"]

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


def _parted(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configurations in an object, and the row that is the rest of it."""
    if record.get("type") == "dict_config" and isinstance(record.get("value"), dict):
        # The first line of a native log, here above rows of another kind.
        record = {"config": record["value"]}
    record = _widened(record)
    configs = {
        key: value
        for key, value in record.items()
        if key.casefold() in CONFIG_KEYS and isinstance(value, dict)
    }
    return configs, {key: value for key, value in record.items() if key not in configs}


class JsonLog:
    """What the lines of one log hold: taken one by one, understood as a whole.

    Parameters
    ----------
    path : Path
    run : str
        Id of the run.
    options : ColumnMap
        What columns mean, where guessing fails.
    beside : Settings, optional
        The settings beside the log; by default those of its usual settings files.
    headed : bool
        Whether the first row may be about the run instead of a row.
    """

    def __init__(
        self,
        path: Path,
        run: str,
        options: ColumnMap,
        beside: Settings | None = None,
        *,
        headed: bool = True,
    ) -> None:
        self.hpms: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.findings: list[Finding] = []
        self.cells = CellNotes(path, run)
        self.rows = CurveRows(path, run, "step")
        self.run, self.columns = run, Columns()
        self._path, self._options, self._beside = path, options, beside
        self._headed = headed
        self._configs: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._split: Column | None = None
        self._axes: list[Axis] = []
        self._metrics: list[Column] = []
        self._n_texts = 0

    def _note(
        self, code: str, message: str, severity: str, line: int | None = None, hint: str = ""
    ) -> None:
        self.findings.append(
            Finding(code, message, Severity(severity), str(self._path), line, self.run, hint)
        )

    # ------------------------------------------------------------------ line by line

    def take(self, line: int, record: dict[str, Any]) -> None:
        """Take one object."""
        configs, rest = _parted(record)
        for key, value in configs.items():
            self._config(line, key, value)
        if rest or not configs:
            self.columns.add(line, rest)

    def keep(self, line: int, record: dict[str, Any]) -> bool:
        """Take one object if it is all configuration; whether it was."""
        configs, rest = _parted(record)
        if rest or not configs:
            return False
        self.take(line, record)
        return True

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
        columns, options = self.columns, self._options
        for line, name in columns.repeated:
            message = f"{name!r} is there twice, nested and flat; the last value counts"
            self._note("duplicate-key", message, "warning", line)
        if self._headed:
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
        column = self.columns.find(name)
        if column is None:
            close = nearest(name, list(self.columns.by_name))
            hint = f"did you mean {' or '.join(close)}?" if close else ""
            message = f"no column {name!r}, which the column mapping names"
            self._note("unknown-column", message, "warning", None, hint)
        return column

    def _header(self) -> None:
        columns = self.columns
        if not is_header(columns):
            return
        record = columns.first or {}
        mine = [name for name, column in columns.by_name.items() if list(column.rows[:2]) == [0]]
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
                    self.cells.note("text-column", column.name, self.columns.lines[row])
        else:
            self._fact(column, kind.what, kind.doubt)

    def _fact(self, column: Column, what: str, doubt: bool) -> None:
        """A fact about the run: the last value is kept."""
        lines = [self.columns.lines[row] for row in column.rows]
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
        beside = read_sidecars(self._path, self.run) if self._beside is None else self._beside
        self.findings += beside.findings
        common = {key: value for key, value in self.hpms.items() if key in beside.hpms}
        other = {key: beside.hpms[key] for key in common}
        if clash := differing(common, other):
            message = f"the log and the settings files beside it differ in {named(clash)}"
            self._note("config-conflict", message, "warning", None, "the log counts")
        self.hpms = {**beside.hpms, **self.hpms}
        if all(key.casefold() in SEED_KEYS for key in self.hpms):
            # Nothing else says what was set; as measurements they stay where they are as well.
            self.hpms = {**repeated_settings(self.columns), **self.hpms}

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
        n = len(self.columns.lines)
        message = f"{n} rows without an x-axis, of texts and whole numbers, are no training log"
        hint = "name the columns with a column mapping to read it all the same"
        path = str(self._path)
        return Finding("not-a-log", message, Severity.INFO, path, None, None, hint)

    def is_steady(self) -> bool:
        """Whether more rows of the same names change nothing of what was decided.

        Only numbers, each an x or a metric by its name; no facts about the run in the rows, and
        no split. Settings that rows repeat show in the second row.
        """
        columns = self.columns
        usual = self._options == ColumnMap() and not self._configs and self._split is None
        if not usual or "header" in self.metadata or columns.repeated or len(columns.lines) < 2:
            return False
        axes = [axis for axis in self._axes if axis.split is None]
        metrics = [column for column in self._metrics if x_column(column.name) is None]
        if not axes or len(axes) + len(metrics) != len(columns.by_name):
            return False
        return all(
            column.array is not None or all(map(is_plain_number, column.values))
            for column in columns.by_name.values()
        )

    # ------------------------------------------------------------------ numbers

    def curves(self, like: CurveTable | None = None) -> CurveTable:
        """The curves; findings about cells and x are complete after that."""
        lines = self.columns.lines
        self.rows.add_rows(lines)
        self._add_axes()
        stem = self._path.name.partition(".")[0]
        splits = self.columns.splits(self._split, file_split(stem) or DEFAULT_SPLIT)
        explicit = {
            column.name: _target(address)
            for name, address in self._options.metrics.items()
            if (column := self.columns.find(name)) is not None
        }
        parts = RowSplits(splits)
        for column, names in metric_names(self._metrics, splits, explicit):
            if self._add_together(column, names, parts):
                continue
            for row, value in zip(column.rows, column.values, strict=True):
                split, metric = names[splits[row]]
                subject = f"{split}/{metric}"
                if type(value) is float:
                    self.rows.add(row, split, metric, value, column.name)
                    continue
                for name, number in self.cells.numbers(lines[row], subject, metric, value):
                    original = column.name + name[len(metric) :]
                    self.rows.add(row, split, name, number, original)
        return self.rows.build(like)

    def _add_together(
        self, column: Column, names: Mapping[str, tuple[str, str]], parts: RowSplits
    ) -> bool:
        """Add a column of numbers at once if it is a metric of its own in each split."""
        targets = set(names.values())
        if column.array is None or len(targets) < len(names):
            return False
        if any(self.rows.has(split, metric) for split, metric in targets):
            return False
        for own, (split, metric) in names.items():
            rows, values = column.row_array, column.array
            if len(names) > 1:
                mine, rows = parts.part(own, rows)
                values = values[mine]
            self.rows.add_many(rows, split, metric, values, column.name)
        return True

    def _add_axes(self) -> None:
        renamed = {}
        for axis in self._axes:
            if axis.is_time:
                self.rows.times.add(axis.x)
            if axis.x != axis.column.name:
                renamed[axis.x] = axis.column.name
            array = axis.column.array
            if array is not None and np.isfinite(array).all():
                self.rows.add_xs(axis.column.row_array, axis.x, array, axis.split)
                continue
            for row, value in zip(axis.column.rows, axis.column.values, strict=True):
                x = self.cells.x(self.columns.lines[row], axis.column.name, value)
                if x is not None:
                    self.rows.add_x(row, axis.x, x, axis.split)
        if renamed:
            self.metadata["x_columns"] = renamed

    def run_data(
        self,
        experiment: str,
        findings: Iterable[Finding],
        time_parsed: str,
        like: CurveTable | None = None,
    ) -> RunData:
        """The run, once all is understood, with `findings` about the file before its own.

        X values that are those of `like`, bit for bit, are the same memory.
        """
        curves = self.curves(like)
        own = [*self.findings, *self.cells.findings(), *self.rows.findings]
        return RunData.build(
            self.run,
            self.hpms,
            curves,
            experiment=experiment,
            source=str(self._path),
            metadata=self.metadata,
            findings=[*findings, *own],
            time_parsed=time_parsed,
        )


def _target(address: str) -> tuple[str | None, str]:
    split, slash, metric = address.partition("/")
    return (split, metric) if slash else (None, split)
