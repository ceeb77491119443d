"""Runs of MLflow that were read from files, decoded and put into columns together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dr_gen.model.finding import Finding, Severity
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, RunTable
from dr_gen.readers.contract import ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.mlflow.files import FileRun
from dr_gen.readers.mlflow.metrics import MetricFile, MetricLines, decoded
from dr_gen.readers.mlflow.runs import Facts, config_of, seconds_since, summary
from dr_gen.readers.naming import is_of_machine
from dr_gen.readers.series.axes import Series
from dr_gen.readers.series.curves import SeriesCurves
from dr_gen.readers.settings import differing, named

__all__ = ["Collected", "Together", "deleted_finding", "experiment_of"]

_ENOUGH: Final = 1 << 24
"""Bytes of metrics that are held before they become columns."""
_DEFAULT: Final = "Default"


def experiment_of(facts: Facts, options: ReadOptions) -> str:
    """What a run belongs to: the name that MLflow knows, unless the caller named it otherwise."""
    name = facts.experiment.get("name")
    known = isinstance(name, str) and name not in ("", _DEFAULT)
    return str(name) if known and not options.named else options.experiment


def deleted_finding(n: int, path: str, run: str | None) -> Finding:
    """That runs were left out since they were deleted."""
    message = f"{n} deleted run{' is' if n == 1 else 's are'} left out"
    hint = "read it with deleted=True (--deleted)" if n == 1 else "read them with deleted=True"
    return Finding("deleted-run", message, Severity.INFO, path, None, run, hint)


class Together:
    """Runs that become one table.

    Parameters
    ----------
    columns : ColumnMap
    now : str
        When they are read.
    """

    def __init__(self, columns: ColumnMap, now: str) -> None:
        self._columns, self._now = columns, now
        self._curves = SeriesCurves(columns)
        self._records: list[RunRecord] = []
        self._configs: list[Mapping[str, Any]] = []

    def add(
        self, facts: Facts, lines: Mapping[str, MetricLines], config: Mapping[str, Any], of: str
    ) -> None:
        """Add a run with its metrics, the configuration found beside it, and its experiment."""
        own = config_of(facts)
        if clash := differing({k: own[k] for k in own if k in config}, config):
            clash = [key for key in clash if key in own]
        if clash:
            message = f"the params and the configuration of Hydra differ in {named(clash)}"
            facts.note("config-conflict", message, hint="the params count")
        given = {**config, **own}
        series = self._series(facts, lines, given)
        x_columns, findings = self._curves.add_run(facts.run_id, facts.path, series)
        facts.findings += findings
        self._records.append(facts.record(of, self._now, x_columns))
        self._configs.append(given)

    def runs(self) -> list[RunData]:
        """The runs, in the order added."""
        if not self._records:
            return []
        hpms = HpmTable.from_mappings(self._configs)
        table = RunTable(tuple(self._records), hpms, self._curves.build())
        return [RunData(table, index) for index in range(len(self._records))]

    def _series(
        self, facts: Facts, lines: Mapping[str, MetricLines], config: dict[str, Any]
    ) -> list[Series]:
        columns = self._columns
        known = [n for n in (*columns.x, *columns.metrics, *columns.hpms) if n not in lines]
        if known:
            message = f"no metric {named(known)}, which the column mapping names"
            facts.note("unknown-column", message)
        kept: dict[str, MetricLines] = {}
        for name, one in lines.items():
            if len(one.values) == 0 or name in columns.ignore:
                continue
            if name in columns.hpms:
                config.setdefault(name.replace("/", "."), float(one.values[-1]))
            elif is_of_machine(name) and name not in columns.metrics:
                facts.system[name[len("system/") :]] = summary(one.values)
            else:
                kept[name] = one
            if one.datasets:
                listed = named(one.datasets)
                message = f"{name}: logged for the dataset{'s' * (len(one.datasets) > 1)} {listed}"
                facts.note("metric-dataset", message, Severity.INFO)
        if facts.system:
            n = len(facts.system)
            message = f"{n} metric{'s' * (n > 1)} of the machine: only the ranges are kept"
            hint = (
                "they are in metadata['system']; metrics= of a column mapping makes curves of them"
            )
            facts.note("machine-metrics", message, Severity.INFO, hint=hint)
        times = seconds_since(facts.start, [one.stamps for one in kept.values()])
        return [
            Series(name, one.steps, at, one.values, one.rising)
            for (name, one), at in zip(kept.items(), times, strict=True)
        ]


class Collected:
    """Runs whose files were read, until enough are there to be decoded together."""

    def __init__(self, now: str) -> None:
        self._now = now
        self._begin()

    def _begin(self) -> None:
        self._found: list[tuple[FileRun, ReadOptions] | Finding] = []
        self._n_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether enough is there."""
        return self._n_bytes > _ENOUGH

    def nothing(self, finding: Finding) -> None:
        """A source without a run, and why."""
        self._found.append(finding)

    def add(self, run: FileRun, options: ReadOptions) -> None:
        """The files of a run."""
        if run.deleted and not options.deleted:
            self._found.append(deleted_finding(1, run.facts.path, run.facts.run_id))
            return
        self._found.append((run, options))
        self._n_bytes += sum(len(file.data) for _, file in run.metrics)

    def results(self) -> Iterator[ReadResult]:
        """A result for each source so far, in order; then none is left."""
        found = self._found
        self._begin()
        kept = [one for one in found if not isinstance(one, Finding)]
        files: list[MetricFile] = [file for run, _ in kept for _, file in run.metrics]
        lines = iter(decoded(files))
        made: list[RunData] = []
        for start, stop in _alike([options.columns for _, options in kept]):
            together = Together(kept[start][1].columns, self._now)
            for run, options in kept[start:stop]:
                metrics = {name: next(lines) for name, _ in run.metrics}
                for (name, file), one in zip(run.metrics, metrics.values(), strict=True):
                    for code, message, line in one.problems:
                        run.facts.note(code, f"{name}: {message}", path=file.path, line=line)
                together.add(run.facts, metrics, run.config, experiment_of(run.facts, options))
            made += together.runs()
        runs = iter(made)
        for source in found:
            if isinstance(source, Finding):
                yield ReadResult(findings=(source,))
            else:
                yield ReadResult((next(runs),))


def _alike(columns: Sequence[ColumnMap]) -> Iterator[tuple[int, int]]:
    """Bounds of neighbours that are equal."""
    start = 0
    for place in range(1, len(columns) + 1):
        if place == len(columns) or columns[place] != columns[start]:
            yield start, place
            start = place
