"""Learning curves: mean and band over the runs of each configuration."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np

from dr_gen.analysis.seeds import Summary, summarize
from dr_gen.plots.style import COLOURS, CONTEXT, MARKERS, new_figure, plain, styled, wrapped
from dr_gen.plots.traces import BAND_WORDS, Floats, Trace, finite_limits, thin, traces
from dr_gen.stats.aggregate import BAND_KINDS
from dr_gen.stats.arguments import choose
from dr_gen.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dr_gen.model.address import MetricAddress
    from dr_gen.model.group import RunGroup

__all__ = ["BETTER", "plot_curves"]

BETTER: Final = {"max": "higher is better", "min": "lower is better"}
"""What a direction means, in words."""

_FEW: Final = 3
_MOST_CONTEXT: Final = 60
_MOST_RUNS: Final = 10
_WORTH_ZOOMING: Final = 0.4


def plot_curves(
    group: RunGroup,
    metric: str | MetricAddress | None = None,
    x: str | None = None,
    *,
    band: str = "t",
    level: float = 0.95,
    by: Sequence[str] | None = None,
    max_configurations: int = len(COLOURS),
    statuses: Collection[str] = ("completed",),
) -> Figure:
    """Mean line and band over the runs of each configuration, the best few in colour.

    The configurations are ranked by `summarize`; those beyond the first `max_configurations` are
    grey mean lines. Runs of another status are dashed and in no mean. With up to three
    configurations every run is drawn faintly too. Where most of the height is the first half of
    training, a second panel enlarges the second half.

    Parameters
    ----------
    group : RunGroup
    metric : str, optional
        ``split/metric[@reduction]``; the reduction only ranks. By default `default_metric`.
    x : str, optional
        The x-axis; by default the usual one.
    band : {"t", "std", "range"}
        Student-t interval for the mean, standard deviation, or minimum to maximum.
    level : float
        Confidence level of a ``t`` band.
    by : sequence of str, optional
        Keys to group by, as for `summarize`; by default the important hyperparameters.
    max_configurations : int
        How many are in colour, at most six.
    statuses : collection of str
        Runs of these are in the means.

    Raises
    ------
    UnknownKeyError, AmbiguousNameError, UsageError
        As for `summarize`; also if the band is unknown, or x is unknown or text.
    """
    choose(band, BAND_KINDS, "band")
    summary = summarize(group, metric, by=by, level=level, statuses=statuses)
    found = traces(group, summary, x, band, level)
    averaged = [trace for trace in found if trace.used]
    shown = averaged[: max(1, min(max_configurations, len(COLOURS)))]
    limits = finite_limits(_shown_values(shown, -math.inf))
    zoom = _zoom(shown, limits)
    words = _caption(summary, found, shown, BAND_WORDS[band].format(level=100 * level))
    if limits is not None and limits[2]:
        words += " The y-axis leaves out a few far points."
    with styled():
        figure = new_figure(3.3 + 0.19 * len(shown), _title(summary, averaged, shown), words)
        panels = figure.subplots(1, 1 if zoom is None else 2, squeeze=False).ravel().tolist()
        for panel in panels:
            _context(panel, averaged[len(shown) : len(shown) + _MOST_CONTEXT])
            for rank, trace in enumerate(shown):
                _draw(panel, trace, rank, faint=len(shown) <= _FEW, labelled=panel is panels[0])
            panel.set_xlabel(plain(found[0].x_name if found else "x"))
        curve = attrs.evolve(summary.metric, reduction=None)
        panels[0].set_ylabel(wrapped(f"{curve} ({BETTER[summary.direction]})", 40))
        _frame(panels, limits, zoom)
        if shown:
            figure.legend(loc="outside lower left", ncols=1, handlelength=2.6, borderpad=0.2)
    return figure


def _draw(axes: Axes, trace: Trace, rank: int, *, faint: bool, labelled: bool) -> None:
    colour = COLOURS[rank]
    xs, mean, low, high = thin(trace.grid, trace.band.mean, trace.band.low, trace.band.high)
    axes.fill_between(xs, low, high, color=colour, alpha=0.15, linewidth=0)
    if faint and len(trace.used) <= _MOST_RUNS:
        for line in trace.used:
            axes.plot(*thin(line.xs, line.values), color=colour, linewidth=0.6, alpha=0.5)
    for line in trace.others[:_MOST_RUNS]:
        axes.plot(
            *thin(line.xs, line.values), color=colour, linewidth=0.8, alpha=0.7, linestyle="--"
        )
    label = f"{rank + 1}. {wrapped(trace.label, 92, 2)}  ({trace.n_words})"
    # Markers at different places for each curve: they must not hide one another.
    every = max(1, math.ceil(len(xs) / 6))
    axes.plot(
        xs,
        mean,
        color=colour,
        label=label if labelled else None,
        marker=MARKERS[rank],
        markersize=4.5,
        markevery=(min(rank * every // len(COLOURS), len(xs) - 1), every),
        zorder=3,
    )


def _context(axes: Axes, rest: Sequence[Trace]) -> None:
    for trace in rest:
        xs, mean = thin(trace.grid, trace.band.mean)
        axes.plot(xs, mean, color=CONTEXT, linewidth=0.8, alpha=0.8, zorder=1.5)


def _title(summary: Summary, averaged: Sequence[Trace], shown: Sequence[Trace]) -> str:
    curve, n = attrs.evolve(summary.metric, reduction=None), len(averaged)
    if len(shown) < n:
        return f"{curve}: best {len(shown)} of {n} configurations by {summary.metric}"
    return f"{curve}: {counted(n, 'configuration')}"


def _caption(
    summary: Summary, found: Sequence[Trace], shown: Sequence[Trace], band_words: str
) -> str:
    words = [f"Line: mean over runs. Band: {band_words}."]
    if sum(bool(trace.used) for trace in found) > len(shown):
        words.append("Grey: means of the others.")
    left_out = sum(sum(map(len, row.excluded.values())) for row in summary.rows)
    if left_out:
        n_runs = sum(row.n_runs for row in summary.rows)
        dashed = ", dashed where their configuration is in colour" if shown else ""
        words.append(f"{left_out} of {n_runs} runs are in no mean{dashed}.")
    if any(trace.interpolated for trace in found):
        words.append("Between the logged points of a run values are interpolated.")
    return " ".join(words)


def _shown_values(shown: Sequence[Trace], start: float) -> list[Floats]:
    """What has to be in the picture from x = `start` on: the runs and their means."""
    lines = [(line.xs, line.values) for trace in shown for line in trace.used]
    lines += [(trace.grid, trace.band.mean) for trace in shown]
    return [values[xs >= start] for xs, values in lines]


def _zoom(
    shown: Sequence[Trace], limits: tuple[float, float, bool] | None
) -> tuple[float, float, float, float] | None:
    """Left, right, bottom and top of the second half of x, if it is a small part of the height."""
    if limits is None or min(len(trace.grid) for trace in shown) < 6:
        return None
    left = min(float(trace.grid[0]) for trace in shown)
    right = max(float(trace.grid[-1]) for trace in shown)
    middle = (left + right) / 2
    late = finite_limits(_shown_values(shown, middle))
    if late is None or late[1] - late[0] > _WORTH_ZOOMING * (limits[1] - limits[0]):
        return None
    return middle, right, late[0], late[1]


def _frame(
    panels: Sequence[Axes],
    limits: tuple[float, float, bool] | None,
    zoom: tuple[float, float, float, float] | None,
) -> None:
    if limits is None:
        # The whole picture is that there is nothing to average.
        panels[0].text(0.5, 0.5, "no run to average", transform=panels[0].transAxes, ha="center")
        return
    panels[0].set_ylim(limits[0], limits[1])
    if zoom is not None:
        left, right, bottom, top = zoom
        margin = 0.03 * (right - left)
        panels[1].set_xlim(left - margin, right + margin)
        panels[1].set_ylim(bottom, top)
        panels[1].set_title("the second half, enlarged")
        # A shaded frame shows where the enlarged part is taken from.
        panels[0].fill_between(
            np.array([left, right]), bottom, top, color=CONTEXT, alpha=0.25, linewidth=0, zorder=0.5
        )
