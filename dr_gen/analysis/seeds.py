"""What each configuration did over its seeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from dr_gen.analysis.frames import configuration_columns
from dr_gen.analysis.metric import resolve_metric
from dr_gen.analysis.samples import Sample, group_keys, same_seed_notes, samples
from dr_gen.model.address import MetricAddress
from dr_gen.model.direction import Direction, direction_of
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import Hpm
from dr_gen.stats.aggregate import describe, t_interval

if TYPE_CHECKING:
    import polars as pl

__all__ = ["INTERVAL", "ConfigurationSummary", "Summary", "summarize"]

INTERVAL: Final = "student-t"
"""The kind of interval that `summarize` gives."""


@attrs.frozen
class ConfigurationSummary:
    """One configuration over its runs; numbers in the unit of the metric.

    Attributes
    ----------
    configuration : Hpm
        The keys grouped by, with their values.
    used : tuple of str
        Ids of the runs in the numbers, in the order of the group.
    values : tuple of float
        The value of each of them.
    excluded : mapping
        Reason (a status, or ``no value``) to the ids of the runs left out for it.
    mean, median, minimum, maximum : float
        NaN when no run was used.
    std : float
        ddof = 1; NaN for fewer than two runs.
    ci_low, ci_high : float
        Interval for the mean; NaN for fewer than two runs.
    """

    configuration: Hpm
    used: tuple[str, ...]
    values: tuple[float, ...]
    excluded: Mapping[str, tuple[str, ...]]
    mean: float
    std: float
    ci_low: float
    ci_high: float
    median: float
    minimum: float
    maximum: float

    @property
    def n(self) -> int:
        """Runs used."""
        return len(self.used)

    @property
    def n_runs(self) -> int:
        """Runs there are; those not used are in `excluded`."""
        return self.n + sum(map(len, self.excluded.values()))


@attrs.frozen
class Summary:
    """Every configuration over its runs, best first.

    Attributes
    ----------
    metric : MetricAddress
        What was summarized, with its reduction.
    direction : {"min", "max"}
        Which is better.
    level : float
        Confidence level of the intervals.
    rows : tuple of ConfigurationSummary
        By mean, best first; those without one last; equal ones in order of the configurations.
    keys : tuple of str
        What was grouped by.
    notes : tuple of str
        What to know before trusting the numbers, in sentences.
    interval : str
        Kind of interval: ``student-t``.
    """

    metric: MetricAddress
    direction: Direction
    level: float
    rows: tuple[ConfigurationSummary, ...]
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    interval: str = INTERVAL

    @property
    def best(self) -> ConfigurationSummary | None:
        """The row with the best mean; None when no row has one."""
        return self.rows[0] if self.rows and self.rows[0].n else None

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict a configuration, best first, in plain data."""
        return [
            {
                "configuration": dict(row.configuration),
                "n": row.n,
                "n_runs": row.n_runs,
                "mean": row.mean,
                "std": row.std,
                "ci_low": row.ci_low,
                "ci_high": row.ci_high,
                "level": self.level,
                "interval": self.interval,
                "median": row.median,
                "min": row.minimum,
                "max": row.maximum,
                "runs": list(row.used),
                "values": list(row.values),
                "excluded": {reason: list(ids) for reason, ids in row.excluded.items()},
            }
            for row in self.rows
        ]

    def to_frame(self) -> pl.DataFrame:
        """One row a configuration: a column for each key, then the numbers."""
        import polars as pl

        rows = self.to_dicts()
        keys = configuration_columns([row.configuration for row in self.rows], _COLUMNS)
        numbers = [
            pl.Series(name, [row[name] for row in rows], getattr(pl, kind))
            for name, kind in _COLUMNS.items()
        ]
        return pl.DataFrame([*keys, *numbers])


_COLUMNS: Final = {
    **dict.fromkeys(("n", "n_runs"), "Int64"),
    **dict.fromkeys(("mean", "std", "ci_low", "ci_high", "level"), "Float64"),
    "interval": "String",
    **dict.fromkeys(("median", "min", "max"), "Float64"),
}
"""Columns of a frame beside the keys, and their polars types."""


def summarize(
    group: RunGroup,
    metric: str | MetricAddress | None = None,
    *,
    by: Sequence[str] | None = None,
    level: float = 0.95,
    statuses: Collection[str] = ("completed",),
) -> Summary:
    """Mean, spread and interval of one metric for each configuration over its runs.

    Parameters
    ----------
    group : RunGroup
    metric : str, optional
        ``split/metric[@reduction]``, with ``best`` where no reduction is named; by default what
        `default_metric` picks.
    by : sequence of str, optional
        Any keys that `RunGroup.filter` knows, real or display names; by default the important
        hyperparameters.
    level : float
        Confidence level of the Student-t interval for the mean, in (0, 1).
    statuses : collection of str
        Only runs of these are used; the others are counted and named.

    Returns
    -------
    Summary
        Best first, in the metric's direction.

    Raises
    ------
    UnknownKeyError
        If no run has the metric or a key.
    AmbiguousNameError
        If no split is named and several have the metric.
    UsageError
        If `level` or a status makes no sense, or no metric is named and no run has one.

    Examples
    --------
    >>> from dr_gen.model.run import RunData
    >>> group = RunGroup.from_runs([
    ...     RunData.from_dict({"id": f"{lr}-{s}", "hpms": {"lr": lr, "seed": s},
    ...                        "curves": {"val/loss": [2.0, lr + s]}})
    ...     for lr in (0.1, 0.3) for s in (0, 1)
    ... ])
    >>> [(str(row.configuration), row.n, row.mean) for row in summarize(group).rows]
    [('lr=0.1', 2, 0.6), ('lr=0.3', 2, 0.8)]
    """
    address = resolve_metric(group, metric)
    direction = direction_of(address.curve, group.directions)
    found = samples(group, address, by, statuses)
    rows = [_summary(sample, level) for sample in found]
    worst_last = float("inf")
    sign = 1.0 if direction == "min" else -1.0
    ranked = sorted(rows, key=lambda row: sign * row.mean if row.n else worst_last)
    keys = group_keys(group, by)
    notes = (*_notes(group, found, keys, rows), *same_seed_notes(group, found))
    return Summary(address, direction, level, tuple(ranked), keys, notes)


def _summary(sample: Sample, level: float) -> ConfigurationSummary:
    found = describe(sample.values)
    low, high = t_interval(sample.values, level)
    return ConfigurationSummary(
        sample.configuration,
        sample.used,
        sample.values,
        sample.excluded,
        mean=found.mean,
        std=found.std,
        ci_low=low,
        ci_high=high,
        median=found.median,
        minimum=found.minimum,
        maximum=found.maximum,
    )


def _notes(
    group: RunGroup,
    found: Sequence[Sample],
    keys: Sequence[str],
    rows: Sequence[ConfigurationSummary],
) -> list[str]:
    notes = []
    n_runs, n_used = sum(s.n_runs for s in found), sum(len(s.used) for s in found)
    if n_used < n_runs:
        notes.append(
            f"{n_runs - n_used} of {n_runs} runs are not in the numbers; where runs fail because "
            "of their configuration, the mean of the others flatters it."
        )
    pooled = [key for key in group.hpm_group.important if key not in keys]
    if pooled:
        names = ", ".join(group.labels.key_names(pooled).values())
        notes.append(
            f"Runs that differ in {names} are pooled: they are not replicates, and the intervals "
            "hold for the mix of values that was run."
        )
    alone = sum(row.n == 1 for row in rows)
    if alone:
        notes.append(f"{_configurations(alone)} a single run only, so no spread and no interval.")
    constant = sum(row.n > 1 and row.std == 0.0 for row in rows)
    if constant:
        notes.append(
            f"{_configurations(constant)} the same value in every run; an interval of width 0 "
            "says that no spread was seen, not that there is none."
        )
    return notes


def _configurations(n: int) -> str:
    return f"{n} configuration{' has' if n == 1 else 's have'}"
