"""From metrics that were logged one by one to the columns of their runs.

For formats that keep a series for each metric: its steps, times and values in the order logged.
Metrics of a split that were logged at the same steps and times share one block. What the names
mean is in `naming`; a counter that was logged like a metric (``epoch``) becomes an axis of the
metrics that have a step wherever it has one.

Steps that are all zero were not logged: they are counted, and marked as inferred. Where all steps
are one other number, the points are counted beside them. Several values at one step are all kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.columns import Column, metric_names
from dr_gen.readers.contract import ColumnMap
from dr_gen.readers.naming import x_column
from dr_gen.readers.rows import free_address
from dr_gen.readers.series.axes import STEP, Series, SeriesAxes, not_logged
from dr_gen.readers.series.table import LoggedAxis, TableParts, rises
from dr_gen.readers.settings import named

__all__ = ["SeriesCurves"]

_MANY: Final = 3
_ROW: Final = "row"
_TIME: Final = "time"
Names = tuple[tuple[str, str], ...]
"""Split and metric of each series of a run."""
_Ambiguity = tuple[str, NDArray[np.int64]]
"""Code of a finding, and the steps that it is about."""


@attrs.define
class _Run:
    """What was seen of one run: names of metrics, and steps of them, by code of a finding."""

    subjects: dict[str, list[str]] = attrs.field(factory=dict)
    steps: dict[str, list[NDArray[np.int64]]] = attrs.field(factory=dict)

    def note(self, code: str, subject: str, steps: NDArray[np.int64]) -> None:
        self.subjects.setdefault(code, []).append(subject)
        self.steps.setdefault(code, []).append(steps)


class SeriesCurves:
    """Collects the series of runs, then makes the curves of all of them.

    Parameters
    ----------
    columns : ColumnMap
        What names mean, where guessing fails; its `split` says nothing here.
    keep : bool
        Whether a counter that is an axis of other metrics stays a metric as well.

    Examples
    --------
    >>> curves = SeriesCurves()
    >>> loss = Series("loss", np.array([0, 0]), np.array([1.5, 2.5]), np.array([3.0, 2.0]))
    >>> x_columns, [finding] = curves.add_run("a", "runs/a", [loss])
    >>> finding.message
    'every step is 0 in loss; counted from 0 in the order logged'
    >>> table = curves.build()
    >>> table.x_names, table.axis_inferred.tolist()
    (('step', 'time'), [True, False])
    """

    def __init__(self, columns: ColumnMap | None = None, *, keep: bool = False) -> None:
        self._columns, self._keep = columns or ColumnMap(), keep
        self._table = TableParts()
        self._names: dict[Names, Names] = {}
        self._counters: dict[str, bool] = {}
        self._n_runs = 0

    def add_run(
        self, run: str, path: str, series: Sequence[Series]
    ) -> tuple[dict[str, str], list[Finding]]:
        """The metrics of the next run.

        Parameters
        ----------
        run, path : str
            For findings.
        series : sequence of Series
            Each with a name of its own and one point or more.

        Returns
        -------
        x_columns : dict
            Axes that the source calls otherwise, to its names.
        findings : list of Finding
        """
        seen, blocks = _Run(), dict[Any, tuple[int, _Ambiguity | None]]()
        axes = None
        if self._columns.x or self._has_counters(series):
            axes = SeriesAxes(series, self._columns.x)
        metrics = self._metrics(series, axes)
        for one, address in zip(metrics, self._named(metrics), strict=True):
            key = (address[0], one.steps.tobytes(), one.times.tobytes())
            if key not in blocks:
                counters = axes.of(one, address[0]) if axes else {}
                logged, odd = _axes(one, counters)
                blocks[key] = self._table.block(logged), odd
            block, odd = blocks[key]
            if odd is not None:
                seen.note(odd[0], one.name, odd[1])
            self._table.curve(self._n_runs, address, one.name, one.values, block)
        self._n_runs += 1
        used = axes.used if axes else {}
        return {x: name for x, name in used.items() if x != name}, _findings(seen, run, path)

    def build(self) -> CurveTable:
        """The curves of all runs."""
        return self._table.build()

    def _metrics(self, series: Sequence[Series], axes: SeriesAxes | None) -> Sequence[Series]:
        """The series that are no counters of others."""
        if axes is None:
            return series
        if self._keep:
            return [one for one in series if one.name not in self._columns.x]
        metrics = [one for one in series if not axes.may_be(one)]
        for one, (split, _) in zip(metrics, self._named(metrics), strict=True):
            axes.of(one, split)
        idle = [one for one in series if axes.may_be(one) and one.name not in axes.used.values()]
        return [*metrics, *idle]

    def _has_counters(self, series: Sequence[Series]) -> bool:
        known = self._counters
        for one in series:
            if one.name not in known:
                known[one.name] = x_column(one.name) is not None
        return any(known[one.name] for one in series)

    def _named(self, series: Sequence[Series]) -> Names:
        names = tuple((one.split, one.name) for one in series)
        if names not in self._names:
            explicit = {name: _target(to) for name, to in self._columns.metrics.items()}
            columns = [Column(one.name, [row], []) for row, one in enumerate(series)]
            splits = [one.split for one in series]
            found = metric_names(columns, splits, explicit)
            taken: set[str] = set()
            self._names[names] = tuple(
                free_address(*to[split], taken)
                for (_, to), split in zip(found, splits, strict=True)
            )
        return self._names[names]


def _target(address: str) -> tuple[str | None, str]:
    split, slash, metric = address.partition("/")
    return (split, metric) if slash else (None, split)


def _axes(
    one: Series, counters: dict[str, NDArray[Any]]
) -> tuple[list[LoggedAxis], _Ambiguity | None]:
    """The axes of a series, and what is to be said of its steps."""
    steps, times, n = one.steps, one.times, len(one.steps)
    known = one.rising or (rises(steps), rises(times))
    others = [LoggedAxis(x, xs, False, rises(xs)) for x, xs in counters.items()]
    counted_by_others = any(axis.clean for axis in others)
    if not np.isnan(times).all():
        others.append(LoggedAxis(_TIME, times, False, known[1]))
    if not_logged(steps):
        if counted_by_others:
            return others, None
        counted = LoggedAxis(STEP, np.arange(n, dtype=np.int64), True, True)
        return [counted, *others], ("x-inferred", steps)
    logged = LoggedAxis(STEP, steps, False, known[0])
    if known[0]:
        return [logged, *others], None
    if n >= _MANY and bool((steps == steps[0]).all()):
        counted = LoggedAxis(_ROW, np.arange(n, dtype=np.int64), True, True)
        return [logged, counted, *others], ("x-constant", steps)
    return [logged, *others], _repeats(steps)


def _repeats(steps: NDArray[np.int64]) -> _Ambiguity | None:
    """The steps that come again, if any does."""
    distinct, first = np.unique(steps, return_index=True)
    if len(distinct) == len(steps):
        return None
    again = np.ones(len(steps), np.bool_)
    again[first] = False
    closing = not again[:-1].any() and len(steps) > 2 and steps[-1] == steps[-2]
    return "closing-row" if closing else "repeated-x", steps[again]


_NOTES: Final = {
    "x-inferred": (
        Severity.INFO,
        "every step is 0 in {metrics}; counted from 0 in the order logged",
        "the order of the values is the only order there is",
    ),
    "x-constant": (
        Severity.INFO,
        "every step is the same in {metrics}; the values are counted as well",
        "the order of the values is the only order there is",
    ),
    "closing-row": (
        Severity.INFO,
        "{steps} logged once more at the end in {metrics}",
        "the last value counts (repeats=)",
    ),
    "repeated-x": (
        Severity.WARNING,
        "{steps} logged again in {n} values of {metrics}",
        "a resumed run? the last value counts (repeats=)",
    ),
}


def _findings(seen: _Run, run: str, path: str) -> list[Finding]:
    found = []
    for code, subjects in seen.subjects.items():
        severity, text, hint = _NOTES[code]
        steps = np.concatenate(seen.steps[code])
        low, high = int(steps.min()), int(steps.max())
        span = f"step {low}" + (f"–{high}" if high > low else "")
        message = text.format(metrics=named(subjects), steps=span, n=len(steps))
        found.append(Finding(code, message, severity, path, None, run, hint))
    return found
