"""Which differences between configurations are more than the noise of their seeds."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np

from dr_gen.analysis.frames import configuration_columns
from dr_gen.analysis.seeds import ConfigurationSummary, Summary, summarize
from dr_gen.model.address import MetricAddress
from dr_gen.model.direction import Direction
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import Hpm
from dr_gen.stats.effect_size import Effect, hedges_g
from dr_gen.stats.multiplicity import adjust
from dr_gen.stats.significance import WelchTest, welch_pairs
from dr_gen.wording import counted

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Comparison", "Pair", "Skipped", "compare", "relevant_pairs"]

EFFECT_KIND: Final = "Hedges g"

_CORRECTIONS: Final = {
    "holm": "Holm-corrected",
    "bonferroni": "Bonferroni-corrected",
    "bh": "Benjamini–Hochberg-corrected",
}

_SELECTION_NOTE: Final = (
    "The configurations were ranked by the same values that are tested here, so the lead of the "
    "best one is on average overstated; confirm it on runs or data that took no part in the choice."
)


@attrs.frozen
class Pair:
    """Two configurations; `a` is the one with the better mean.

    Differences are a − b in the unit of the metric: negative where less is better. What cannot
    be known, since neither side varies, is NaN.

    Attributes
    ----------
    a, b : Hpm
        The configurations.
    values_a, values_b : tuple of float
        One value a run.
    test : WelchTest
        Difference of the means, its interval, statistic, degrees of freedom and p-value.
    p_adjusted : float
        The p-value corrected for all comparisons made.
    level : float
        Confidence level of both intervals.
    """

    a: Hpm
    b: Hpm
    values_a: tuple[float, ...]
    values_b: tuple[float, ...]
    test: WelchTest
    p_adjusted: float
    level: float

    @property
    def n_a(self) -> int:
        """Runs of `a`."""
        return len(self.values_a)

    @property
    def n_b(self) -> int:
        """Runs of `b`."""
        return len(self.values_b)

    @property
    def mean_a(self) -> float:
        """Mean of `a`."""
        return float(np.mean(self.values_a))

    @property
    def mean_b(self) -> float:
        """Mean of `b`."""
        return float(np.mean(self.values_b))

    @property
    def difference(self) -> float:
        """Mean of a − mean of b."""
        return self.test.difference

    @property
    def ci_low(self) -> float:
        """Lower bound of the interval for the difference."""
        return self.test.low

    @property
    def ci_high(self) -> float:
        """Upper bound of the interval for the difference."""
        return self.test.high

    @property
    def p(self) -> float:
        """Two-sided p-value, not corrected."""
        return self.test.p

    # The interval of an effect costs ten times the test, and few pairs of many are looked at.
    @functools.cached_property
    def _effect(self) -> Effect:
        return hedges_g(self.values_a, self.values_b, self.level)

    @property
    def effect(self) -> float:
        """Hedges g: the difference in pooled standard deviations, a − b."""
        return self._effect.value

    @property
    def effect_low(self) -> float:
        """Lower bound of the interval for the effect."""
        return self._effect.low

    @property
    def effect_high(self) -> float:
        """Upper bound of the interval for the effect."""
        return self._effect.high

    @property
    def effect_kind(self) -> str:
        """Name of the effect size."""
        return EFFECT_KIND

    def to_dict(self) -> dict[str, Any]:
        """The pair as plain data."""
        return {
            "a": dict(self.a),
            "b": dict(self.b),
            "n_a": self.n_a,
            "n_b": self.n_b,
            "mean_a": self.mean_a,
            "mean_b": self.mean_b,
            "difference": self.difference,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
            "level": self.level,
            "statistic": self.test.statistic,
            "df": self.test.df,
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "effect": self.effect,
            "effect_low": self.effect_low,
            "effect_high": self.effect_high,
            "effect_kind": self.effect_kind,
        }


@attrs.frozen
class Skipped:
    """A configuration that could not be compared.

    Attributes
    ----------
    configuration : Hpm
    n : int
        Runs with a value.
    reason : str
        Why not, in words.
    """

    configuration: Hpm
    n: int
    reason: str


@attrs.frozen
class Comparison:
    """Every pair of configurations that can be compared.

    Attributes
    ----------
    metric : MetricAddress
    direction : {"min", "max"}
        Which is better.
    method : str
        Test, data and correction, in words.
    correction : str
        Name of the correction: a key of `dr_gen.stats.multiplicity.METHODS`.
    level : float
        Confidence level of the intervals; these are not corrected.
    pairs : tuple of Pair
        The best configuration against the others in order of their rank, then the second, …
    skipped : tuple of Skipped
        Configurations with fewer than two values.
    notes : tuple of str
        What to know before trusting the numbers, in sentences.
    """

    metric: MetricAddress
    direction: Direction
    method: str
    correction: str
    level: float
    pairs: tuple[Pair, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "method": self.method,
            "metric": str(self.metric),
            "direction": self.direction,
            "correction": self.correction,
            "level": self.level,
            "pairs": [pair.to_dict() for pair in self.pairs],
            "skipped": [
                {"configuration": dict(s.configuration), "n": s.n, "reason": s.reason}
                for s in self.skipped
            ],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pl.DataFrame:
        """One row a pair: ``a.<key>`` and ``b.<key>`` columns, then the numbers."""
        import polars as pl

        rows = [pair.to_dict() for pair in self.pairs]
        sides = [
            column
            for side in ("a", "b")
            for column in configuration_columns(
                [getattr(pair, side) for pair in self.pairs], (), f"{side}."
            )
        ]
        numbers = [
            pl.Series(name, [row[name] for row in rows], getattr(pl, kind))
            for name, kind in _COLUMNS.items()
        ]
        return pl.DataFrame([*sides, *numbers])


_COLUMNS: Final = {
    **dict.fromkeys(("n_a", "n_b"), "Int64"),
    **dict.fromkeys(("mean_a", "mean_b", "difference", "ci_low", "ci_high", "level"), "Float64"),
    **dict.fromkeys(("statistic", "df", "p", "p_adjusted"), "Float64"),
    **dict.fromkeys(("effect", "effect_low", "effect_high"), "Float64"),
    "effect_kind": "String",
}
"""Columns of a frame of pairs, and their polars types."""


def compare(
    group: RunGroup,
    metric: str | MetricAddress | None = None,
    *,
    by: Sequence[str] | None = None,
    level: float = 0.95,
    correction: str = "holm",
    statuses: Collection[str] = ("completed",),
) -> Comparison:
    """Test every pair of configurations that have at least two values each.

    Welch's t-test on one value a run, and Hedges g; p-values corrected over all pairs.

    Parameters
    ----------
    group : RunGroup
    metric, by, level, statuses
        As for `summarize`.
    correction : {"holm", "bonferroni", "bh", "none"}
        How p-values are corrected for the number of comparisons.

    Returns
    -------
    Comparison
        The best configuration against the others first.

    Raises
    ------
    UnknownKeyError, AmbiguousNameError, UsageError
        As for `summarize`; also if there is no such correction.

    Examples
    --------
    >>> from dr_gen.model.run import RunData
    >>> group = RunGroup.from_runs([
    ...     RunData.from_dict({"id": f"{lr}-{s}", "hpms": {"lr": lr, "seed": s},
    ...                        "curves": {"val/acc1": [60 + 100 * lr + s]}})
    ...     for lr in (0.1, 0.3) for s in range(3)
    ... ])
    >>> pair = compare(group).pairs[0]
    >>> str(pair.a), str(pair.b), round(pair.difference, 9), round(pair.p, 9)
    ('lr=0.3', 'lr=0.1', 20.0, 1.6483e-05)
    """
    return compare_rows(summarize(group, metric, by=by, level=level, statuses=statuses), correction)


def compare_rows(summary: Summary, correction: str = "holm") -> Comparison:
    """`compare` for a summary that is there already.

    Raises
    ------
    UsageError
        If there is no such correction.
    """
    rows = [row for row in summary.rows if row.n >= 2]
    numbers = list(itertools.combinations(range(len(rows)), 2))
    sides = [(rows[i], rows[j]) for i, j in numbers]
    tests = welch_pairs([row.values for row in rows], numbers, summary.level)
    adjusted = adjust([test.p for test in tests], correction).tolist()
    made = sum(not np.isnan(p) for p in adjusted)
    pairs = tuple(
        Pair(a.configuration, b.configuration, a.values, b.values, test, p, summary.level)
        for (a, b), test, p in zip(sides, tests, adjusted, strict=True)
    )
    skipped = tuple(_skipped(row) for row in summary.rows if row.n < 2)
    method = _method(summary.metric, correction, made)
    notes = tuple(_notes(summary, skipped, len(pairs) - made, bool(pairs)))
    return Comparison(
        summary.metric,
        summary.direction,
        method,
        correction,
        summary.level,
        pairs,
        skipped,
        notes,
    )


def relevant_pairs(comparison: Comparison) -> tuple[Pair, ...]:
    """The best configuration that could be compared against every other, in order of rank."""
    if not comparison.pairs:
        return ()
    best = comparison.pairs[0].a
    # Those of one configuration stand together, and to compare configurations takes time.
    return tuple(
        itertools.takewhile(lambda pair: pair.a is best or pair.a == best, comparison.pairs)
    )


def _skipped(row: ConfigurationSummary) -> Skipped:
    count = "no run has a value" if row.n == 0 else "only one run has a value"
    gone = ", ".join(f"{len(ids)} {reason}" for reason, ids in row.excluded.items())
    reason = f"{count}, a test needs two" + (f" ({gone})" if gone else "")
    return Skipped(row.configuration, row.n, reason)


def _method(metric: MetricAddress, correction: str, made: int) -> str:
    family = counted(made, "comparison")
    how = _CORRECTIONS.get(correction)
    words = f"{how} over {family}" if how else f"not corrected for {family}"
    return (
        f"Welch's t-test (two-sided, unequal variances) on {metric}, one value per run; "
        f"p-values {words}"
    )


def _notes(
    summary: Summary, skipped: Sequence[Skipped], unknown: int, any_pairs: bool
) -> list[str]:
    notes = [_SELECTION_NOTE] if any_pairs else []
    if skipped:
        n = len(skipped)
        notes.append(
            f"{n} configuration{' has' if n == 1 else 's have'} fewer than two values "
            "and could not be compared."
        )
    if unknown:
        notes.append(
            f"{unknown} pair{' has' if unknown == 1 else 's have'} no p-value, because no value "
            "varies on either side: equal values bound no noise."
        )
    best = summary.best
    if any_pairs and best is not None and best.n < 2:
        notes.append(
            "The configuration with the best mean has a single run; "
            "the best one of those with several is compared."
        )
    return notes
