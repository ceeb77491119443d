"""What the choice of the best point on one split is worth on another."""

from __future__ import annotations

from typing import Final

import attrs
import numpy as np

from dr_gen.analysis.seeds import ConfigurationSummary, Summary
from dr_gen.model.address import MetricAddress
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import Hpm
from dr_gen.model.run import RunData
from dr_gen.stats.aggregate import describe, t_interval

__all__ = ["HeldOut", "HeldOutRow", "held_out"]

_CHOSEN_ON: Final = frozenset({"val", "valid", "validation", "dev"})
_HELD_OUT: Final = ("eval", "evaluation", "test", "testing")
_EXTREMES: Final = frozenset({"best", "min", "max"})


@attrs.frozen
class HeldOutRow:
    """One configuration on the held-out split; NaN where there is no such number.

    Attributes
    ----------
    configuration : Hpm
    used : tuple of str
        Ids of the runs that have a value there.
    values : tuple of float
        Their values, in the unit of the metric.
    mean, std, ci_low, ci_high : float
        As in `ConfigurationSummary`.
    """

    configuration: Hpm
    used: tuple[str, ...]
    values: tuple[float, ...]
    mean: float
    std: float
    ci_low: float
    ci_high: float

    @property
    def n(self) -> int:
        """Runs used."""
        return len(self.used)


@attrs.frozen
class HeldOut:
    """A metric of a held-out split at the point that each run's other split chose.

    Attributes
    ----------
    metric : MetricAddress
        The curve on the held-out split.
    chosen_by : MetricAddress
        What chose the point.
    rows : tuple of HeldOutRow
        In the order of the summary.
    """

    metric: MetricAddress
    chosen_by: MetricAddress
    rows: tuple[HeldOutRow, ...]


def held_out(summary: Summary, group: RunGroup) -> HeldOut | None:
    """The held-out value of each run at the point where its validation value is best.

    The best of many validation values is too good an estimate; the value of a split that took no
    part in the choice is not.

    Parameters
    ----------
    summary : Summary
        From `summarize`, for these runs.
    group : RunGroup

    Returns
    -------
    HeldOut or None
        None unless the metric is the best (or smallest, or largest) of a validation split and
        ``eval`` or ``test`` has the metric too.

    Examples
    --------
    >>> from dr_gen.analysis.seeds import summarize
    >>> run = RunData.from_dict({"id": "a", "curves": {
    ...     "val/acc1": [50.0, 70.0, 60.0], "test/acc1": [51.0, 65.0, 68.0]}})
    >>> group = RunGroup.from_runs([run])
    >>> held_out(summarize(group, "val/acc1@best"), group).rows[0].values
    (65.0,)
    """
    address, reduction = summary.metric, summary.metric.reduction
    if reduction is None or reduction.kind not in _EXTREMES or reduction.count is not None:
        return None
    if str(address.split).casefold() not in _CHOSEN_ON:
        return None
    known = {name.casefold(): name for name in group.metrics}
    wanted = [known.get(f"{split}/{address.metric}".casefold()) for split in _HELD_OUT]
    found = next((name for name in wanted if name is not None), None)
    if found is None:
        return None
    metric = MetricAddress.parse(found)
    kind = summary.direction if reduction.kind == "best" else reduction.kind
    rows = tuple(_row(row, group, address, metric, kind, summary.level) for row in summary.rows)
    return HeldOut(metric, address, rows)


def _row(
    row: ConfigurationSummary,
    group: RunGroup,
    chosen_by: MetricAddress,
    metric: MetricAddress,
    kind: str,
    level: float,
) -> HeldOutRow:
    pairs = [(run, _value(group[run], chosen_by, metric, kind)) for run in row.used]
    pairs = [(run, value) for run, value in pairs if np.isfinite(value)]
    values = tuple(value for _, value in pairs)
    stats = describe(values)
    low, high = t_interval(values, level)
    used = tuple(run for run, _ in pairs)
    return HeldOutRow(row.configuration, used, values, stats.mean, stats.std, low, high)


def _value(run: RunData, chosen_by: MetricAddress, metric: MetricAddress, kind: str) -> float:
    chooser = run.curve(attrs.evolve(chosen_by, reduction=None))
    if (
        metric.curve not in run.metrics
        or chooser.x_name not in run[str(metric.split)][metric.metric]
    ):
        return float("nan")
    values = np.where(np.isfinite(chooser.values), chooser.values, np.nan)
    best = np.nanargmin(values) if kind == "min" else np.nanargmax(values)
    other = run.curve(metric, chooser.x_name)
    hit = np.flatnonzero(other.xs == chooser.xs[best])
    return float(other.values[hit[-1]]) if len(hit) else float("nan")
