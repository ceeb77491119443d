"""From a list of numbers for each metric to the curves of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_builder import CurveBuilder
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.run import RunData
from dr_gen.readers.cells import read_number
from dr_gen.readers.columns import Column, axes_of, metric_names
from dr_gen.readers.contract import ColumnMap, ReadOptions
from dr_gen.readers.json_history.shapes import Shape
from dr_gen.readers.naming import DEFAULT_SPLIT, split_name
from dr_gen.readers.rows import free_address
from dr_gen.readers.settings import differing, named, read_sidecars

__all__ = ["run_of_series"]


def run_of_series(
    path: Path,
    run_id: str,
    shape: Shape,
    options: ReadOptions,
    findings: Iterable[Finding],
    time_parsed: str,
) -> RunData:
    """The run whose series a document holds."""
    builder = CurveBuilder()
    notes = list(findings)
    taken: set[str] = set()
    by_length: dict[int, dict[str, Sequence[Any]]] = {}
    for name, values in shape.series.items():
        if name not in options.columns.ignore:
            by_length.setdefault(len(values), {})[name] = values
    for series in by_length.values():
        inferred = _add(builder, series, options.columns, taken)
        if inferred:
            message = f"no {inferred} was logged; it is counted from 0"
            finding = Finding("x-inferred", message, Severity.INFO, str(path), None, run_id)
            if finding not in notes:
                notes.append(finding)
    beside = read_sidecars(path, run_id)
    notes += beside.findings
    settings = dict(shape.settings)
    common = {key: value for key, value in settings.items() if key in beside.hpms}
    if clash := differing(common, {key: beside.hpms[key] for key in common}):
        message = f"the document and the settings files beside it differ in {named(clash)}"
        conflict = (str(path), None, run_id, "the document counts")
        notes.append(Finding("config-conflict", message, Severity.WARNING, *conflict))
    return RunData.build(
        run_id,
        {**beside.hpms, **settings},
        builder.build(),
        experiment=options.experiment,
        source=str(path),
        metadata={"results": dict(shape.results)} if shape.results else {},
        findings=notes,
        time_parsed=time_parsed,
    )


def _add(
    builder: CurveBuilder, series: Mapping[str, Sequence[Any]], options: ColumnMap, taken: set[str]
) -> str:
    """Add series of one length; gives the name of an axis that had to be counted."""
    n = len(next(iter(series.values())))
    columns = {name: Column(name, range(n), values) for name, values in series.items()}
    axes: dict[str, NDArray[Any]] = {}
    used: set[str] = set()
    for name, x in options.x.items():
        if name in columns:
            axes[x] = _xs(series[name])
            used.add(name)
    for axis in axes_of((c for n, c in columns.items() if n not in used), axes):
        xs = _xs(axis.column.values)
        # A split of its own, or no number: it stays a measurement.
        if axis.split is None and not (xs.dtype.kind == "f" and np.isnan(xs).all()):
            axes[axis.x] = xs
            used.add(axis.column.name)
    metrics = [column for name, column in columns.items() if name not in used]
    counted = "" if any(x not in ("time", "timestamp") for x in axes) else _counter(series)
    if counted:
        axes[counted] = np.arange(n, dtype=np.int64)
    if not metrics:
        return ""
    block = builder.add_block(axes, (counted,) if counted else ())
    splits = [DEFAULT_SPLIT] * n
    explicit = {
        name: (split, metric) if slash else (None, split)
        for name, address in options.metrics.items()
        for split, slash, metric in [address.partition("/")]
    }
    for column, names in metric_names(metrics, splits, explicit):
        for split, metric in names.values():
            to, unique = free_address(split, metric, taken)
            builder.add_curve(0, to, unique, _values(column.values), block, column.name)
    return counted


def _counter(series: Mapping[str, Sequence[Any]]) -> str:
    """What rows are counted as: epochs where a training and an evaluation are side by side."""
    splits = {split_name(name)[0] or DEFAULT_SPLIT for name in series}
    return "epoch" if len(splits) > 1 else "step"


def _values(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([read_number(value)[1] for value in values], np.float64)


def _xs(values: Sequence[Any]) -> NDArray[Any]:
    if all(type(value) is int and abs(value) < 2**53 for value in values):
        return np.array(values, np.int64)
    xs = _values(values)
    return np.where(np.isfinite(xs), xs, np.nan)
