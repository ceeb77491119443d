"""MLflow's SQLite store: one database with many experiments and runs.

Versions of MLflow differ in the columns of the tables: what is not there is not asked for. A run
is called by the file, its experiment and its id, ``mlflow.db/0/4f1c…``, as in the file store; the
only run of a database by the file alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.contract import Detection, ReadOptions, ReadResult
from dr_gen.readers.mlflow.metrics import MetricLines
from dr_gen.readers.mlflow.results import Together, deleted_finding, experiment_of
from dr_gen.readers.mlflow.runs import Facts
from dr_gen.readers.sqlite_files import companions, missing_bytes, opened, stamp

__all__ = ["detect", "identities", "read"]

_TABLES: Final = frozenset({"experiments", "runs", "metrics", "params"})
_WORDS: Final = (b"experiments", b"latest_metrics", b"run_uuid")
_ROWS: Final = 50_000
_LARGEST: Final = float(np.finfo(np.float64).max)
"""What MLflow stores for infinity, which some databases do not have."""
_METRIC: Final = {"run_uuid": "", "key": "", "value": None, "timestamp": 0, "step": 0, "is_nan": 0}
_PAIR: Final = {"run_uuid": "", "key": "", "value": None}
_RUN: Final = (
    *("run_uuid", "name", "status", "start_time", "end_time", "lifecycle_stage", "experiment_id"),
    *("user_id", "source_name", "source_version", "artifact_uri"),
)
_EXPERIMENT: Final = ("experiment_id", "name", "lifecycle_stage")
_ERRORS: Final = (sqlite3.Error, sqlite3.Warning, OSError, ValueError, OverflowError)


def detect(path: Path, head: bytes) -> Detection:
    """Whether a database has the tables of MLflow."""
    try:
        tables = _names(path, alone=True)
        if not tables >= _TABLES and companions(str(path)):  # a new one may be all beside the file
            tables = _names(path, alone=False)
    except _ERRORS:
        known = all(word in head for word in _WORDS) or path.name == "mlflow.db"
        if known:
            return Detection(0.6, "a damaged database, with names that MLflow uses")
        return Detection(0.0, "a damaged database")
    if tables >= _TABLES:
        return Detection(0.98, "a database with the tables of MLflow")
    return Detection(0.0, "a database without the tables of MLflow")


def identities(path: Path) -> frozenset[str]:
    """The ids of the runs that are not deleted, of a database that is whole."""
    try:
        with opened(str(path)) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return frozenset()  # what was moved there may be all that is left of it
            there = {str(row[1]) for row in connection.execute("PRAGMA table_info(runs)")}
            stage = "lifecycle_stage" if "lifecycle_stage" in there else "''"
            found = connection.execute(f"SELECT run_uuid, {stage} FROM runs").fetchall()
    except _ERRORS:
        return frozenset()
    return frozenset(str(uuid) for uuid, stage in found if uuid and stage != "deleted")


def _names(path: Path, *, alone: bool) -> set[str]:
    with opened(str(path), alone=alone) as connection:
        return _tables(connection)


def read(path: Path, run_id: str, options: ReadOptions, now: str) -> ReadResult:
    """All runs of a database."""
    before = stamp(str(path))
    found = _Database(str(path), run_id)
    found.read()
    if stamp(str(path)) != before:  # it was written to meanwhile: a copy is made faster than read
        found = _Database(str(path), run_id)
        found.read(copied=True)
    return found.result(options, now)


def _tables(connection: sqlite3.Connection) -> set[str]:
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
    return {
        str(name)
        for name, sql in connection.execute(query)
        if not str(sql).lstrip().upper().startswith("CREATE VIRTUAL")
    }


@attrs.define
class _Columns:
    """Metric rows: which series each belongs to, and what it holds."""

    codes: list[NDArray[np.int64]] = attrs.field(factory=list)
    stamps: list[NDArray[np.int64]] = attrs.field(factory=list)
    values: list[NDArray[np.float64]] = attrs.field(factory=list)
    steps: list[NDArray[np.int64]] = attrs.field(factory=list)


class _Database:
    def __init__(self, path: str, run_id: str) -> None:
        self._path, self._run_id = path, run_id
        self._findings: list[Finding] = []
        self._experiments: dict[Any, dict[str, Any]] = {}
        self._runs: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, dict[str, dict[str, str]]] = {"params": {}, "tags": {}}
        self._series: dict[tuple[str, str], int] = {}
        self._rows = _Columns()
        self._odd = 0

    def _note(self, code: str, message: str, severity: Severity, hint: str = "") -> None:
        self._findings.append(
            Finding(code, message, severity, self._path, None, self._run_id, hint)
        )

    # ------------------------------------------------------------------ tables

    def read(self, *, copied: bool = False) -> None:
        """Read all tables, each as far as it can be read."""
        try:
            with opened(self._path, copied=copied) as connection:
                n = 0 if companions(self._path) else missing_bytes(self._path)
                if n:
                    self._damaged("the file was cut", ValueError(f"{n} bytes are missing"))
                tables = _tables(connection)
                if lacking := sorted(_TABLES - tables):
                    message = f"the database lacks the tables {', '.join(lacking)}"
                    self._note("no-tables", message, Severity.ERROR)
                for name, take in {
                    "experiments": self._experiment_rows,
                    "runs": self._run_rows,
                    "params": self._text_rows,
                    "tags": self._text_rows,
                    "metrics": self._metric_rows,
                }.items():
                    if name in tables:
                        self._table(connection, name, take)
        except _ERRORS as error:
            self._damaged("the database cannot be read", error)

    def _damaged(self, what: str, error: Exception) -> None:
        text = getattr(error, "strerror", None) or error
        hint = "what came before the damage is kept; `sqlite3 FILE .recover` may find more"
        self._note("damaged-database", f"{what}: {text}", Severity.ERROR, hint)

    def _table(self, connection: sqlite3.Connection, name: str, take: Any) -> None:
        try:
            there = {str(row[1]) for row in connection.execute(f'PRAGMA table_info("{name}")')}
            take(connection, name, there)
        except _ERRORS as error:
            self._damaged(f"table {name} cannot be read to its end", error)

    def _select(
        self, connection: sqlite3.Connection, table: str, columns: Sequence[str]
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Rows in the order that they were written, many at a time."""
        if not columns:
            return
        listed = ", ".join(f'"{column}"' for column in columns)
        # An index that holds all columns would be read instead, and has an order of its own.
        cursor = connection.execute(f'SELECT {listed} FROM "{table}" NOT INDEXED')
        while True:
            rows: list[tuple[Any, ...]] = []
            try:
                for row in cursor:
                    rows.append(row)
                    if len(rows) == _ROWS:
                        break
            except _ERRORS:
                if rows:
                    yield rows  # what came before the damage
                raise
            if rows:
                yield rows
            if len(rows) < _ROWS:
                return

    def _dicts(
        self, connection: sqlite3.Connection, table: str, columns: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        for rows in self._select(connection, table, columns):
            yield from (dict(zip(columns, row, strict=True)) for row in rows)

    def _experiment_rows(self, connection: sqlite3.Connection, name: str, there: set[str]) -> None:
        for row in self._dicts(connection, name, [c for c in _EXPERIMENT if c in there]):
            self._experiments[row.get("experiment_id")] = row

    def _run_rows(self, connection: sqlite3.Connection, name: str, there: set[str]) -> None:
        for row in self._dicts(connection, name, [c for c in _RUN if c in there]):
            uuid = row.get("run_uuid")
            if uuid is not None:
                self._runs.setdefault(str(uuid), row)

    def _text_rows(self, connection: sqlite3.Connection, name: str, there: set[str]) -> None:
        texts = self._texts[name]
        for rows in self._given(connection, name, there, _PAIR):
            for run, key, value in zip(*rows, strict=True):
                text = "" if value is None else str(value)
                texts.setdefault(str(run), {})[str(key)] = text

    def _metric_rows(self, connection: sqlite3.Connection, name: str, there: set[str]) -> None:
        for runs, keys, values, stamps, steps, nans in self._given(
            connection, name, there, _METRIC
        ):
            series = self._series
            pairs = zip(map(str, runs), map(str, keys), strict=True)
            codes = [series.setdefault(pair, len(series)) for pair in pairs]
            numbers = self._numbers(values, np.float64)
            infinite = np.abs(numbers) == _LARGEST
            numbers[infinite] = np.copysign(np.inf, numbers[infinite])
            numbers[np.array([bool(nan) for nan in nans], np.bool_)] = np.nan
            self._rows.codes.append(np.array(codes, np.int64))
            self._rows.values.append(numbers)
            self._rows.stamps.append(self._numbers(stamps, np.int64))
            self._rows.steps.append(self._numbers(steps, np.int64))

    def _given(
        self,
        connection: sqlite3.Connection,
        table: str,
        there: set[str],
        wanted: Mapping[str, Any],
    ) -> Iterator[list[Sequence[Any]]]:
        """Columns of some rows; of one that the table lacks the value that is usual."""
        held = [column for column in wanted if column in there]
        for rows in self._select(connection, table, held):
            columns = dict(zip(held, zip(*rows, strict=True), strict=True))
            yield [columns.get(c, [usual] * len(rows)) for c, usual in wanted.items()]

    def _numbers(self, cells: Sequence[Any], kind: Any) -> NDArray[Any]:
        try:
            return np.array(cells, kind)
        except (TypeError, ValueError, OverflowError):
            known = [type(c) in (int, float) and abs(c) < 2**63 for c in cells]
            self._odd += len(known) - sum(known)
            nothing = 0 if kind is np.int64 else np.nan
            return np.array([c if k else nothing for c, k in zip(cells, known, strict=True)], kind)

    # ------------------------------------------------------------------ runs

    def result(self, options: ReadOptions, now: str) -> ReadResult:
        """The runs that were read."""
        if self._odd:
            message = f"{self._odd} cells of the table metrics are no numbers"
            self._note("not-a-number", message, Severity.WARNING)
        metrics = self._metrics()
        n_deleted = 0
        together = Together(options.columns, now)
        for uuid, row in self._runs.items():
            facts = self._facts(uuid, row)
            if facts.is_deleted and not options.deleted:
                n_deleted += 1
                continue
            together.add(facts, metrics.get(uuid, {}), {}, experiment_of(facts, options))
        if n_deleted:
            self._findings.append(deleted_finding(n_deleted, self._path, None))
        if homeless := metrics.keys() - self._runs.keys():
            message = f"metrics of {len(homeless)} runs that the table runs lacks are left out"
            self._note("unknown-runs", message, Severity.WARNING)
        runs = tuple(together.runs())
        if not self._runs and not self._findings:
            self._note("no-runs", "the database holds no run", Severity.INFO)
        return ReadResult(runs, tuple(self._findings))

    def _facts(self, uuid: str, row: Mapping[str, Any]) -> Facts:
        experiment = row.get("experiment_id")
        several = len(self._runs) > 1
        name = f"{self._run_id}/{experiment}/{uuid}" if several else self._run_id
        texts = self._texts
        return Facts(
            name,
            self._path,
            {key: value for key, value in row.items() if value is not None},
            self._experiments.get(experiment, {}),
            texts["params"].get(uuid, {}),
            texts["tags"].get(uuid, {}),
        )

    def _metrics(self) -> dict[str, dict[str, MetricLines]]:
        """Run to name to what was logged, in the order of the rows."""
        if not self._series:
            return {}
        codes = np.concatenate(self._rows.codes)
        order = np.argsort(codes, kind="stable")
        stamps = np.concatenate(self._rows.stamps)[order]
        values = np.concatenate(self._rows.values)[order]
        steps = np.concatenate(self._rows.steps)[order]
        bounds = np.searchsorted(codes[order], np.arange(len(self._series) + 1)).tolist()
        found: dict[str, dict[str, MetricLines]] = {}
        for (run, name), code in self._series.items():
            some = slice(bounds[code], bounds[code + 1])
            lines = MetricLines(stamps[some], values[some], steps[some])
            found.setdefault(run, {})[name] = lines
        return found
