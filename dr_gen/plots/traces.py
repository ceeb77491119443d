"""The curves of each configuration on one axis, ready to be drawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.address import MetricAddress
from dr_gen.stats.aggregate import Band, band
from dr_gen.stats.smoothing import resample

if TYPE_CHECKING:
    from dr_gen.analysis.seeds import ConfigurationSummary, Summary
    from dr_gen.model.group import RunGroup
    from dr_gen.model.run import RunData

__all__ = ["BAND_WORDS", "RunLine", "Trace", "finite_limits", "thin", "traces"]

Floats = NDArray[np.float64]

_MAX_GRID: Final = 20_000
_MAX_DRAWN: Final = 600
_CUT: Final = 3.0

BAND_WORDS: Final = {
    "t": "{level:g} % Student-t interval for the mean, at each point on its own",
    "std": "mean ± 1 standard deviation (ddof = 1) over runs",
    "range": "minimum to maximum over runs",
}
"""What a band of each kind is, in words."""


@attrs.frozen(eq=False)
class RunLine:
    """One run: its own points, as logged.

    Attributes
    ----------
    run, status : str
    xs, values : float64, dims (point,)
    """

    run: str
    status: str
    xs: Floats
    values: Floats


@attrs.frozen(eq=False)
class Trace:
    """One configuration on one x-axis.

    Attributes
    ----------
    label : str
        In display names.
    used, others : tuple of RunLine
        Runs in the summary, and the other runs of the configuration that have the curve.
    n_runs : int
        All its runs, with or without curve.
    x_name : str
    grid : float64, dims (x,)
        Every x of the used runs.
    band : Band
        Over the used runs, at each x of the grid.
    interpolated : bool
        Whether some run has no point of its own at some x inside its range.
    """

    label: str
    used: tuple[RunLine, ...]
    others: tuple[RunLine, ...]
    n_runs: int
    x_name: str
    grid: Floats
    band: Band
    interpolated: bool

    @property
    def n_words(self) -> str:
        """``n = 5 of 5``, or ``n = 3–5 of 5`` where runs have different lengths."""
        counts = self.band.n[self.band.n > 0]
        low, high = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
        return f"n = {high if low == high else f'{low}–{high}'} of {self.n_runs}"


def traces(
    group: RunGroup,
    summary: Summary,
    x: str | None = None,
    kind: str = "t",
    level: float = 0.95,
) -> list[Trace]:
    """One trace a row of the summary that has runs with the curve, in its order.

    Parameters
    ----------
    group : RunGroup
    summary : Summary
        Says which runs are used; its metric without the reduction is what is drawn.
    x : str, optional
        The x-axis; by default the usual one of the best configuration.
    kind : {"t", "std", "range"}
        See `dr_gen.stats.aggregate.band`.
    level : float
        Confidence level of a ``t`` band.

    Raises
    ------
    UnknownKeyError
        If no run has the x-axis.
    UsageError
        If x is text.
    """
    address = attrs.evolve(summary.metric, reduction=None)
    out: list[Trace] = []
    x_name = x
    for row in summary.rows:
        others = [run for ids in row.excluded.values() for run in ids]
        if x_name is None:
            x_name = _usual_axis(group, address, (*row.used, *others))
        if x_name is None:
            continue
        used_lines = _lines(group, row.used, address, x_name)
        other_lines = _lines(group, others, address, x_name)
        if used_lines or other_lines:
            out.append(_trace(group, row, used_lines, other_lines, x_name, kind, level))
    if x is not None and not out:
        raise UnknownKeyError("x-axis", x, _known_axes(group, address), str(address))
    return out


def _known_axes(group: RunGroup, address: MetricAddress) -> tuple[str, ...]:
    holders = [run for run in group if address.curve in run.metrics]
    return tuple(sorted({x for run in holders for x in run[str(address.split)][address.metric]}))


def _usual_axis(group: RunGroup, address: MetricAddress, runs: Sequence[str]) -> str | None:
    for run in runs:
        if address.curve in group[run].metrics:
            found: RunData = group[run]
            return found.curve(address).x_name
    return None


def _lines(
    group: RunGroup, runs: Collection[str], address: MetricAddress, x: str
) -> tuple[RunLine, ...]:
    lines = []
    for name in runs:
        run = group[name]
        try:
            curve = run.curve(address, x)
        except UnknownKeyError:
            continue
        if curve.xs.dtype == object:
            raise UsageError(f"x-axis {x!r} holds text; a curve needs numbers")
        if len(curve):
            xs = curve.xs.astype(np.float64)
            lines.append(RunLine(name, str(run.status), xs, curve.values))
    return tuple(lines)


def _trace(
    group: RunGroup,
    row: ConfigurationSummary,
    used: tuple[RunLine, ...],
    others: tuple[RunLine, ...],
    x_name: str,
    kind: str,
    level: float,
) -> Trace:
    every = [line.xs for line in used]
    grid = np.unique(np.concatenate(every)) if every else np.empty(0)
    if len(grid) > _MAX_GRID:
        grid = grid[np.linspace(0, len(grid) - 1, _MAX_GRID).astype(np.intp)]
    rows = [resample(line.xs, line.values, grid) for line in used]
    matrix = np.array(rows) if rows else np.empty((0, len(grid)))
    label = group.hpm_group.describe(row.configuration)
    return Trace(
        label,
        used,
        others,
        row.n_runs,
        x_name,
        grid,
        band(matrix, level, kind),
        any(_lacks_inside(line.xs, grid) for line in used),
    )


def _lacks_inside(xs: Floats, grid: Floats) -> bool:
    inside = grid[(grid > xs[0]) & (grid < xs[-1])]
    return not bool(np.isin(inside, xs).all())


def thin(xs: Floats, *columns: Floats, limit: int = _MAX_DRAWN) -> tuple[Floats, ...]:
    """Fewer points that look the same: in each stretch of x, the extremes of every column.

    Parameters
    ----------
    xs, *columns : float64, dims (point,)
    limit : int
        About how many points to keep; a curve with fewer comes back as it is.

    Examples
    --------
    >>> x = np.arange(9.0)
    >>> thin(x, np.array([0, 0, 9, 0, 0, 0, -9, 0, 0.0]), limit=4)[1].tolist()
    [0.0, 9.0, 0.0, -9.0, 0.0]
    """
    if len(xs) <= limit:
        return (xs, *columns)
    n_stretches = max(1, limit // (2 * len(columns)))
    starts = np.linspace(0, len(xs), n_stretches + 1).astype(np.intp)[:-1]
    stretch = np.zeros(len(xs), np.intp)
    stretch[starts[1:]] = 1
    stretch = np.cumsum(stretch)
    keep = np.zeros(len(xs), bool)
    keep[[0, -1]] = True
    for column in columns:
        empty = np.logical_and.reduceat(~np.isfinite(column), starts)
        keep[starts[empty]] = True  # a stretch without values stays a gap
        for extreme in (np.fmin, np.fmax):
            found = extreme.reduceat(column, starts)
            places = np.flatnonzero(column == found[stretch])
            first = np.ones(len(places), bool)
            first[1:] = stretch[places[1:]] != stretch[places[:-1]]
            keep[places[first & ~empty[stretch[places]]]] = True
    return (xs[keep], *(column[keep] for column in columns))


def finite_limits(parts: Sequence[Floats]) -> tuple[float, float, bool] | None:
    """Lower and upper limit for an axis, and whether a few far points are cut off.

    Far is beyond three times the spread of the middle 96 % of the values, so that one exploding
    run does not press all others into a line.

    Examples
    --------
    >>> finite_limits([np.linspace(0, 1, 100), np.array([1e9])])
    (-0.04, 1.04, True)
    """
    values = np.concatenate([np.empty(0), *parts])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        near, far = np.quantile(values, [0.02, 0.98])
        # Values that are nearly all the same have no spread to go by.
        spread = far - near or 10 * max(abs(near), 1.0)
        inside = (values >= near - _CUT * spread) & (values <= far + _CUT * spread)
    cut = not bool(inside.all())
    kept = values[inside] if cut else values
    low, high = float(kept.min()), float(kept.max())
    margin = 0.04 * (high - low) or abs(high) * 0.01 or 0.5
    return low - margin, high + margin, cut
