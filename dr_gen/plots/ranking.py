"""Configurations in order: mean, interval, and the value of every run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from dr_gen.plots.curves import BETTER
from dr_gen.plots.style import COLOURS, FAILED, MUTED, new_figure, plain, styled, wrapped
from dr_gen.plots.traces import finite_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dr_gen.analysis.seeds import ConfigurationSummary, Summary
    from dr_gen.model.group import RunGroup

__all__ = ["plot_ranking"]

_LABEL: Final = 36
_LINES: Final = 3


def plot_ranking(summary: Summary, group: RunGroup, *, max_configurations: int = 30) -> Figure:
    """Mean and interval of each configuration, best on top, with the value of every run.

    Parameters
    ----------
    summary : Summary
        From `summarize`.
    group : RunGroup
        Its runs; gives the display names.
    max_configurations : int
        How many rows at most.
    """
    rows = summary.rows[: max(1, max_configurations)]
    describe = group.hpm_group.describe
    labels = [wrapped(describe(row.configuration), _LABEL, _LINES) for row in rows]
    lines = sum(map(_lines, labels))
    total, shown = len(summary.rows), len(rows)
    which = f"best {shown} of {total} configurations" if shown < total else "configurations, ranked"
    caption = (
        f"Diamond: mean. Bar: {100 * summary.level:g} % Student-t interval for the mean. "
        "Dots: one run each. Right: runs used of all."
    )
    with styled():
        figure = new_figure(0.55 + 0.16 * lines, f"{summary.metric}: {which}", caption)
        axes = figure.subplots()
        centres = np.cumsum([_lines(label) for label in labels]).tolist()
        _limits(axes, rows)
        for y, row in zip(centres, rows, strict=True):
            _row(axes, y, row)
        axes.set_yticks(centres, labels)
        axes.tick_params(axis="y", length=0, labelcolor="#222222")
        first, last = (centres[0], centres[-1]) if centres else (0.0, 1.0)
        axes.set_ylim(last + 1.0, first - 1.0)
        axes.grid(False, axis="y")
        axes.set_xlabel(wrapped(f"{summary.metric} ({BETTER[summary.direction]})", 80))
    return figure


def _lines(label: str) -> float:
    """Height of a row, in lines of text."""
    return max(1.5, label.count("\n") + 1.3)


def _row(axes: Axes, y: float, row: ConfigurationSummary) -> None:
    left, right = axes.get_xlim()
    if row.n:
        # The runs lie beside the bar, so that neither hides the other.
        axes.plot(row.values, [y - 0.42] * row.n, "o", color=COLOURS[5], markersize=3, alpha=0.9)
        axes.plot([row.mean], [y], "D", color=COLOURS[0], markersize=4.5, zorder=3)
        if math.isfinite(row.ci_low):
            axes.plot([row.ci_low, row.ci_high], [y, y], color=COLOURS[0], linewidth=1.5, zorder=2)
            # An interval that leaves the picture says so by an arrow at its edge.
            for bound, edge, arrow in ((row.ci_low, left, "<"), (row.ci_high, right, ">")):
                if not left <= bound <= right:
                    axes.plot([edge], [y], arrow, color=COLOURS[0], markersize=5, clip_on=False)
    else:
        reasons = ", ".join(f"{len(ids)} {reason}" for reason, ids in row.excluded.items())
        axes.text(left, y, f"  no value: {plain(reasons)}", va="center", fontsize=8, color=FAILED)
    count = f" {row.n} of {row.n_runs}"
    colour = MUTED if row.n == row.n_runs else FAILED
    axes.text(
        1.005, y, count, transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=colour
    )


def _limits(axes: Axes, rows: Sequence[ConfigurationSummary]) -> None:
    """The values decide, and intervals up to twice as wide: those of two runs can be huge."""
    values = [np.array(row.values) for row in rows if row.n]
    found = finite_limits(values)
    if found is None:
        axes.set_xlim(0.0, 1.0)
        axes.set_xticks([])
        return
    low, high, _ = found
    width = high - low
    lows = [row.ci_low for row in rows if math.isfinite(row.ci_low)]
    highs = [row.ci_high for row in rows if math.isfinite(row.ci_high)]
    low = max(min([low, *lows]), low - width / 2)
    high = min(max([high, *highs]), high + width / 2)
    axes.set_xlim(low - 0.02 * width, high + 0.02 * width)
