"""Every run of a sweep: one small panel a configuration, all on the same axes."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.analysis.seeds import Summary, summarize
from dr_gen.plots.curves import BETTER
from dr_gen.plots.style import COLOURS, FAILED, new_figure, plain, styled, wrapped
from dr_gen.plots.traces import RunLine, Trace, finite_limits, thin, traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    from dr_gen.model.address import MetricAddress
    from dr_gen.model.group import RunGroup

__all__ = ["plot_runs"]


def plot_runs(
    group: RunGroup,
    metric: str | MetricAddress | None = None,
    x: str | None = None,
    *,
    by: Sequence[str] | None = None,
    max_configurations: int = 24,
    statuses: Collection[str] = ("completed",),
) -> Figure:
    """Every run, in one small panel a configuration, best first, all on the same axes.

    Runs of `statuses` are thin lines with their mean in bold; the others are dashed and end in
    a cross.

    Parameters
    ----------
    group : RunGroup
    metric : str, optional
        ``split/metric[@reduction]``; the reduction only ranks. By default `default_metric`.
    x : str, optional
        The x-axis; by default the usual one.
    by : sequence of str, optional
        Keys to group by, as for `summarize`; by default the important hyperparameters.
    max_configurations : int
        How many panels at most.
    statuses : collection of str
        Runs of these are in the means.

    Raises
    ------
    UnknownKeyError, AmbiguousNameError, UsageError
        As for `summarize`; also if x is unknown or text.
    """
    summary = summarize(group, metric, by=by, statuses=statuses)
    found = traces(group, summary, x)
    shown = found[: max(1, max_configurations)]
    columns = max(1, min(3, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    limits = _limits(shown)
    curve = attrs.evolve(summary.metric, reduction=None)
    title = f"{curve}: every run of each configuration"
    caption = _caption(summary, found, shown, limits is not None and limits[2])
    with styled():
        figure = new_figure(0.6 + 1.45 * rows, title, caption)
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        flat = panels.ravel().tolist()
        for panel, trace in zip(flat, shown, strict=False):
            _panel(panel, trace, 102 // columns)
        for panel in flat[len(shown) :]:
            panel.set_axis_off()
        # Once: the panels share their axes.
        flat[0].autoscale_view()
        if limits is not None:
            flat[0].set_ylim(limits[0], limits[1])
        figure.supxlabel(plain(found[0].x_name if found else "x"), fontsize=9)
        better = BETTER[summary.direction]
        figure.supylabel(wrapped(f"{curve} ({better})", 24 * rows, 2), fontsize=9)
    return figure


def _limits(shown: Sequence[Trace]) -> tuple[float, float, bool] | None:
    """Set by the runs that are averaged, and by the others as far as they stay near."""
    used = finite_limits([line.values for trace in shown for line in trace.used])
    others = [line.values for trace in shown for line in trace.others]
    if used is None:
        return finite_limits(others)
    low, high, cut = used
    near = (high - low) / 4
    values = np.concatenate([np.empty(0), *others])
    values = values[np.isfinite(values)]
    kept = values[(values > low - near) & (values < high + near)]
    cut = cut or len(kept) < len(values)
    return min([low, *kept.tolist()]), max([high, *kept.tolist()]), cut


def _panel(axes: Axes, trace: Trace, width: int) -> None:
    if trace.used:
        limit = max(40, min(120, 2000 // len(trace.used)))
        lines = [np.column_stack(thin(line.xs, line.values, limit=limit)) for line in trace.used]
        # As one thing, which takes half the time of as many lines.
        axes.add_collection(_together(lines))
        xs, mean = thin(trace.grid, trace.band.mean, limit=160)
        marker = "o" if len(xs) == 1 else None
        axes.plot(xs, mean, color=COLOURS[0], linewidth=1.6, marker=marker)
    for line in trace.others:
        _unfinished(axes, line)
    axes.set_title(f"{wrapped(trace.label, width, 2)}\n{trace.n_words}", fontsize=7)


def _together(lines: Sequence[NDArray[np.float64]]) -> LineCollection:
    from matplotlib.collections import LineCollection

    look: dict[str, Any] = {"capstyle": "projecting", "joinstyle": "round"}
    return LineCollection(lines, colors=COLOURS[5], linewidths=0.7, zorder=2, **look)


def _unfinished(axes: Axes, line: RunLine) -> None:
    xs, values = thin(line.xs, line.values, limit=120)
    axes.plot(xs, values, color=FAILED, linewidth=0.8, linestyle="--", alpha=0.8)
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite):
        last = finite[-1:]
        axes.plot(xs[last], values[last], color=FAILED, marker="x", markersize=4)


def _caption(summary: Summary, found: Sequence[Trace], shown: Sequence[Trace], cut: bool) -> str:
    words = ["Best first. Thin: one run each; bold: their mean."]
    left_out = sum(sum(map(len, row.excluded.values())) for row in summary.rows)
    if left_out:
        words.append(
            f"Dashed red, ending in ×: runs that are in no mean, {left_out} of "
            f"{sum(row.n_runs for row in summary.rows)}."
        )
    if len(shown) < len(found):
        words.append(f"The first {len(shown)} of {len(found)} configurations.")
    if cut:
        words.append("The y-axis leaves out far points.")
    return " ".join(words)
