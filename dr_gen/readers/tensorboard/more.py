"""Event files that grew: only what was appended is read, where it is scalars and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import CurveTable
from dr_gen.model.run import RunData
from dr_gen.readers.contract import ColumnMap, More, ReadResult
from dr_gen.readers.naming import DEFAULT_SPLIT, is_of_machine
from dr_gen.readers.series.axes import Series
from dr_gen.readers.tensorboard.events import RecordFile
from dr_gen.readers.tensorboard.files import damages
from dr_gen.readers.tensorboard.runs import curves_of, is_finished, longer, since
from dr_gen.readers.tensorboard.scalars import EventLog
from dr_gen.readers.tensorboard.source import left_out, metadata_of

__all__ = ["read_more"]

_OF_SERIES = frozenset({"x-inferred", "x-constant", "closing-row", "repeated-x"})
_LATE = frozenset({*_OF_SERIES, "other-summaries"})
"""Findings about all points of a run, which are made anew."""


def read_more(item: More, clock: Callable[[], datetime]) -> ReadResult | None:
    """What `read` would give for the whole file; None where only reading it again tells."""
    state = item.state
    if not isinstance(state, dict) or item.options.columns != ColumnMap():
        return None
    records, log = RecordFile(item.path, state["end"]), EventLog()
    for block in records.read(item.tail):
        log.take(block)
    log.close()
    if not _is_plain(records, log, state):
        return None
    before = _before(item.before, state)
    series = _joined(before, log, state) if before is not None else None
    if before is None or series is None:
        return None
    if is_finished(series) != is_finished(list(before.values())):
        return None
    run, path = item.run_id, str(item.path)
    skipped = Counter(state["skipped"]) + log.skipped
    curves, x_columns, of_series = curves_of(series, run, path, ColumnMap())
    known = {k: v for k, v in item.before.record.metadata.items() if k != "x_columns"}
    kept = [finding for finding in item.before.record.findings if finding.code not in _LATE]
    torn = damages(item.path, run, records, log, last=True)
    new = RunData.build(
        run,
        item.before.hpms,
        curves,
        experiment=item.options.experiment,
        source=path,
        metadata=metadata_of(known, x_columns, curves),
        findings=[*kept, *of_series, *left_out(skipped, run, path), *torn],
        time_parsed=clock().isoformat(),
    )
    after = {
        **state,
        "end": records.end,
        "series": [[one.split, one.name] for one in series],
        "skipped": dict(+skipped),
    }
    return ReadResult((new,), state=after, end=records.end)


def _is_plain(records: RecordFile, log: EventLog, state: Mapping[str, Any]) -> bool:
    """Whether the tail holds whole events with scalars, and what is counted alone."""
    damaged = bool(log.broken or log.odd or records.large)
    damaged |= records.ending is not None and records.ending.what == "length"
    plugins = {_name(tag): plugin for tag, plugin in log.plugins.items() if plugin != "scalars"}
    news = any(state["plugins"].get(tag) != plugin for tag, plugin in plugins.items())
    return not (damaged or log.said or news or state["first"] is None)


def _name(tag: bytes) -> str:
    return tag.decode(errors="backslashreplace")


def _before(run: RunData, state: Mapping[str, Any]) -> dict[tuple[str, str], Series] | None:
    """The series of a run as they were before they became curves."""
    table = run.table.curves
    found: dict[tuple[str, str], Series] = {}
    by_name: dict[str, list[int]] = {}
    for curve in table.curves_of_run(run.index).tolist():
        original = int(table.original[curve])
        metric = table.metrics[table.metric[curve]]
        by_name.setdefault(metric if original < 0 else table.originals[original], []).append(curve)
    for split, name in state["series"]:
        curves = by_name.get(name, [])
        if len(curves) > 1:  # of one tag in several folders that of the folder
            curves = [curve for curve in curves if table.splits[table.split[curve]] == split]
        if len(curves) != 1:
            return None
        found[split, name] = _series(table, curves[0], split, name)
    return found


def _series(table: CurveTable, curve: int, split: str, name: str) -> Series:
    values = np.array(table.curve_values(curve))
    axes: dict[str, NDArray[Any]] = {
        table.x_names[table.axis_x[axis]]: table.axis_values(axis)
        for axis in table.axes_of_block(int(table.block[curve]))
        if not table.axis_inferred[axis]
    }
    # Where no step is left, all of them were 0.
    steps = np.array(axes.get("step", np.zeros(len(values))), np.int64)
    times = np.array(axes.get("time", np.full(len(values), np.nan)), np.float64)
    return Series(name, steps, times, values, split=split)


def _joined(
    before: dict[tuple[str, str], Series], log: EventLog, state: Mapping[str, Any]
) -> list[Series] | None:
    """The series with what was logged since."""
    series = dict(before)
    own = state["split"] or DEFAULT_SPLIT
    for tag, points in log.points():
        name = _name(tag)
        if is_of_machine(name) or state["plugins"].get(name, "scalars") != "scalars":
            return None
        times = since(points.walls, state["first"])
        new = Series(name, points.steps, times, points.values, split=own)
        old = series.get((own, name))
        if old is None and not state["last"]:
            return None  # its place among the others is another
        series[own, name] = new if old is None else longer(old, [new])
    return list(series.values())
