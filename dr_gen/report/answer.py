"""The answer to "which configuration is best, by how much, how sure": one paragraph."""

from __future__ import annotations

import math

from dr_gen.analysis.comparison import Comparison, Pair, relevant_pairs
from dr_gen.analysis.seeds import ConfigurationSummary, Summary
from dr_gen.model.run_table import Status
from dr_gen.report.facts import Facts
from dr_gen.report.numbers import decimals_for, number, p_value
from dr_gen.wording import counted

__all__ = ["answer", "half_width", "how_it_ended", "interval_words", "summary_decimals"]


def answer(facts: Facts) -> str:
    """What a reader in a hurry takes away, in sentences.

    Parameters
    ----------
    facts : Facts

    Returns
    -------
    str
        Plain text.
    """
    if len(facts.group) == 0:
        return "There are no runs."
    summary, comparison = facts.summary, facts.comparison
    if summary is None or comparison is None:
        return f"No run has a metric, so there is nothing to rank. {how_it_ended(facts)}"
    if summary.best is None:
        return f"No run can be used for {summary.metric}. {how_it_ended(facts)}"
    parts = [_best(facts, summary, summary.best), *_lead(facts, summary, comparison)]
    return " ".join([*parts, *_held_out(facts), how_it_ended(facts)])


def summary_decimals(summary: Summary) -> int | None:
    """Decimals for the numbers of a summary, from the spread over runs."""
    return decimals_for(row.std for row in summary.rows if row.n >= 2)


def half_width(row: ConfigurationSummary) -> float:
    """Half the width of the interval for the mean."""
    return (row.ci_high - row.ci_low) / 2


def interval_words(level: float) -> str:
    """Which interval is meant, for a sentence."""
    return f"{100 * level:g} % Student-t interval"


def _best(facts: Facts, summary: Summary, row: ConfigurationSummary) -> str:
    decimals, name = summary_decimals(summary), _name(facts, row)
    mean = number(row.mean, decimals)
    used = f"n = {row.n} of {counted(row.n_runs, 'run')}"
    if row.n >= 2:
        spread = number(half_width(row), decimals)
        value = f"{mean} ± {spread} (mean and {interval_words(summary.level)}, {used})"
    else:
        value = f"{mean} ({used}, so no interval)"
    if len(summary.rows) == 1:
        return f"{name}: {summary.metric} {value}."
    return f"Best of {len(summary.rows)} configurations: {name}, {summary.metric} {value}."


def _name(facts: Facts, row: ConfigurationSummary) -> str:
    return facts.group.hpm_group.describe(row.configuration)


def _lead(facts: Facts, summary: Summary, comparison: Comparison) -> list[str]:
    best = summary.best
    rivals = [row for row in summary.rows[1:] if row.n]
    if best is None or not rivals:
        return ["There is no second configuration with a value to compare it with."] * (
            len(summary.rows) > 1
        )
    pairs = [p for p in relevant_pairs(comparison) if p.a == best.configuration]
    runner_up = rivals[0]
    pair = next((p for p in pairs if p.b == runner_up.configuration), None)
    gap = number(abs(best.mean - runner_up.mean), summary_decimals(summary))
    lead = f"Its mean is {gap} better than that of the runner-up, {_name(facts, runner_up)}"
    if pair is None or math.isnan(pair.p):
        return [f"{lead}; how sure that is cannot be said from these runs."]
    return [f"{lead} {_test(pair, summary, comparison)}", *_separable(pairs, len(rivals))]


def _test(pair: Pair, summary: Summary, comparison: Comparison) -> str:
    decimals = summary_decimals(summary)
    ends = sorted((_gain(pair.ci_low, summary), _gain(pair.ci_high, summary)))
    interval = f"[{number(ends[0], decimals)}, {number(ends[1], decimals)}]"
    made = sum(not math.isnan(p.p) for p in comparison.pairs)
    alpha = 1 - comparison.level
    verdict = "more than noise" if pair.p_adjusted <= alpha else "not told apart from noise"
    p = p_value(pair.p_adjusted)
    return (
        f"({100 * comparison.level:g} % interval {interval}; Welch's t-test, "
        f"p {p if p.startswith('<') else f'= {p}'} after {comparison.correction.capitalize()} "
        f"correction over {counted(made, 'comparison')}): {verdict} at the level {alpha:.3g}."
    )


def _gain(bound: float, summary: Summary) -> float:
    """A bound of a − b as a gain: positive where a is better."""
    return bound if summary.direction == "max" else -bound


def _separable(pairs: list[Pair], rivals: int) -> list[str]:
    if rivals < 2:
        return []
    alpha = 1 - pairs[0].level
    beaten = sum(p.p_adjusted <= alpha for p in pairs)
    return [
        f"At that level its lead is more than noise over {beaten} of the "
        f"{counted(rivals, 'other configuration')} with a value."
    ]


def _held_out(facts: Facts) -> list[str]:
    found, summary = facts.held_out, facts.summary
    if found is None or summary is None or found.rows[0].n == 0:
        return []
    row = found.rows[0]
    decimals = decimals_for(r.std for r in found.rows if r.n >= 2)
    spread = f" ± {number((row.ci_high - row.ci_low) / 2, decimals)}" if row.n >= 2 else ""
    return [
        f"At the points so chosen its {found.metric}, which had no part in the choice, is "
        f"{number(row.mean, decimals)}{spread} (n = {row.n})."
    ]


def how_it_ended(facts: Facts) -> str:
    """How many runs did not complete, and how."""
    found = facts.failures
    if found.n_unfinished == 0:
        return "The run completed." if found.n_runs == 1 else f"All {found.n_runs} runs completed."
    unfinished = {s: n for s, n in found.counts.items() if n and s != Status.COMPLETED}
    kinds = ", ".join(f"{n} {status}" for status, n in unfinished.items())
    return f"{found.n_unfinished} of {counted(found.n_runs, 'run')} did not complete ({kinds})."
