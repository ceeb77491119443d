"""The rows of a run of Weights & Biases as columns that are understood like those of any log."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.cells import read_number
from dr_gen.readers.columns import Column, Columns, axes_of
from dr_gen.readers.contract import ColumnMap
from dr_gen.readers.naming import x_column
from dr_gen.readers.number_arrays import Numbers
from dr_gen.readers.wandb.cells import UNREADABLE, Cells, Table
from dr_gen.readers.wandb.facts import is_media, media_of

__all__ = ["History", "history_of", "is_only_there"]

_REDUCTIONS: Final = frozenset({"min", "max", "mean", "best", "last", "first", "copy"})
_AXES: Final = ("_step", "_runtime", "_timestamp")

_Column = tuple[NDArray[np.intp], Sequence[Any]]


@attrs.frozen
class History:
    """The columns of a run.

    Attributes
    ----------
    columns : Columns
    mapping : ColumnMap
        What columns mean, with the x-axes that metrics were defined to have.
    media : dict
        Name of what is no number (pictures, histograms, tables) to its kind.
    from_summary : tuple of str
        Columns of one value that only the summary has, in a last row of their own.
    unreadable : dict
        Name to the rows whose value is no JSON.
    """

    columns: Columns
    mapping: ColumnMap
    media: Mapping[str, str]
    from_summary: tuple[str, ...]
    unreadable: Mapping[str, Sequence[int]]


def history_of(
    table: Table, summary: Mapping[str, Any], step_metrics: Mapping[str, str], options: ColumnMap
) -> History:
    """The columns of a table, whose texts were read.

    Parameters
    ----------
    table : Table
    summary : mapping
        The final values, flat.
    step_metrics : mapping
        Metric to the x that it was defined to have.
    options : ColumnMap
        What the caller says.
    """
    sorting = _Sorting(table)
    found, lines = sorting.found, list(table.lines)
    mapping = _with_axes(options, step_metrics, found)
    alone = tuple(name for name, value in summary.items() if is_only_there(name, value, found))
    if alone:
        found = _with_last_row(found, len(lines), {n: summary[n] for n in alone}, summary, mapping)
        lines.append(lines[-1] if lines else 1)
    columns = Columns()
    if lines:
        columns = Columns(Numbers(np.array(lines, np.int64), lines[0], lines[-1]), {})
    columns.repeated += sorting.repeated
    for name, (rows, values) in found.items():
        columns.add_column(name, rows, values)
    return History(columns, mapping, sorting.media, alone, sorting.unreadable)


class _Sorting:
    """The columns of a table that may be measurements, and what else there is."""

    def __init__(self, table: Table) -> None:
        self.found: dict[str, _Column] = {}
        self.media: dict[str, str] = {}
        self.unreadable: dict[str, Sequence[int]] = {}
        self.repeated: list[tuple[int, str]] = []
        self._lines = table.lines
        used = [cells for cells in table.by_name.values() if cells.used]
        media = media_of(cells.name for cells in used)
        for cells in used:
            if cells.name.startswith("_wandb/"):
                continue
            if is_media(cells.name, media):
                name, _, leaf = cells.name.rpartition("/")
                if leaf == "_type" and name in media:
                    self.media[name] = str(cells.column()[1][0])
                continue
            self._add(cells)

    def _add(self, cells: Cells) -> None:
        rows, values, twice = cells.column()
        self.repeated += [(self._lines[row], cells.name) for row in twice]
        if not isinstance(values, Numbers) and any(value is UNREADABLE for value in values):
            kept = [i for i, value in enumerate(values) if value is not UNREADABLE]
            bad = np.delete(rows, kept).tolist()
            self.unreadable[cells.name] = [self._lines[row] for row in bad]
            rows, values = rows[kept], [values[i] for i in kept]
        if len(values):
            self.found[cells.name] = rows, values


def _with_axes(
    options: ColumnMap, step_metrics: Mapping[str, str], found: Mapping[str, _Column]
) -> ColumnMap:
    """The mapping of the caller, and the x-axes of metrics that no table of names knows."""
    said = {*options.x, *options.metrics, *options.hpms, *options.ignore, options.split}
    mine = {
        x: x
        for x in dict.fromkeys(step_metrics.values())
        if x in found and x not in said and x_column(x) is None and isinstance(found[x][1], Numbers)
    }
    return attrs.evolve(options, x={**mine, **options.x}) if mine else options


def is_only_there(name: str, value: Any, found: Container[str]) -> bool:
    """Whether a value of the summary is a measurement that no row has."""
    if name in found or name.startswith("_") or read_number(value)[0] not in ("number", "bool"):
        return False
    of, _, reduction = name.rpartition("/")
    # With `define_metric(…, summary="max")` the summary holds what the rows tell as well.
    return not (reduction in _REDUCTIONS and of in found)


def _with_last_row(
    found: dict[str, _Column],
    row: int,
    values: Mapping[str, Any],
    summary: Mapping[str, Any],
    mapping: ColumnMap,
) -> dict[str, _Column]:
    """The columns with one more row, which is where the last one was on every axis."""
    said = {*mapping.x, *mapping.metrics, *mapping.hpms, *mapping.ignore, mapping.split}
    free = [Column(name, rows.tolist(), v) for name, (rows, v) in found.items() if name not in said]
    axes = {axis.column.name for axis in axes_of(free, mapping.x.values())} | {*mapping.x}
    at = np.array([row], np.intp)
    more: dict[str, _Column] = {}
    for name in axes.intersection(found):
        rows, xs = found[name]
        last: Sequence[Any] = [*xs, xs[-1]]
        if isinstance(xs, Numbers):
            last = Numbers(np.append(xs.array, xs.array[-1]), xs[0], xs[-1])
        more[name] = np.append(rows, at), last
    if not found:
        more |= {x: (at, [summary[x]]) for x in _AXES if read_number(summary.get(x))[0] == "number"}
    return {**found, **more, **{name: (at, [value]) for name, value in values.items()}}
