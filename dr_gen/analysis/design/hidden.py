"""Keys that count as noise although they were swept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from dr_gen.analysis.design.columns import Column
from dr_gen.analysis.design.environment import environment_kind
from dr_gen.analysis.design.issue import DesignIssue, listed
from dr_gen.analysis.design.sweep import Sweep
from dr_gen.model.codes import Codes, counts_within, joint
from dr_gen.model.finding import Severity
from dr_gen.model.noise import noise_pattern

__all__ = ["hidden_issues"]

_MOST_SHOWN: Final = 3


def hidden_issues(sweep: Sweep, suspected: set[str]) -> Iterator[DesignIssue]:
    """Noise that sets runs of one configuration apart as only a hyperparameter does.

    Parameters
    ----------
    sweep : Sweep
    suspected : set of str
        Keys that were already said to look like noise.
    """
    if sweep.n_runs < 2:
        return
    for key in sweep.noise:
        column = sweep.columns[key]
        if key in suspected or environment_kind(key, column.present) is not None:
            continue
        if 2 * column.n_levels > sweep.n_runs:
            continue
        # The same value in all runs of a configuration: a name or a folder made from it.
        within = counts_within(sweep.configuration, sweep.n_configurations, column.codes)
        if within.max() > 1 and (_crossed(sweep, column) or _fractions(column)):
            yield _issue(sweep, column)


def _crossed(sweep: Sweep, column: Column) -> bool:
    """Whether runs of one configuration, seed by seed, are there for several values."""
    if sweep.seeds:
        replicate = _codes(sweep, [sweep.configuration, *sweep.columns.codes(sweep.seeds)])
        alone = np.bincount(replicate)
        apart = np.bincount(_codes(sweep, [replicate, column.codes]))
        # Every run that shares its seed with another is told from it by this key.
        return bool(alone.max() > 1 and apart.max() == 1 and (alone > 1).mean() >= 0.5)
    runs = np.bincount(_codes(sweep, [sweep.configuration, column.codes]))
    values = counts_within(sweep.configuration, sweep.n_configurations, column.codes)
    return bool(runs.min() > 1 and values.min() == values.max() == column.n_levels)


def _codes(sweep: Sweep, rows: list[Codes]) -> Codes:
    return joint(rows, sweep.n_runs)[0]


def _fractions(column: Column) -> bool:
    """Whether the values are fractions: no path, name, time or counter is one."""
    values = [value for value in column.present if value is not None]
    return all(isinstance(v, float) and 0 <= abs(v) <= 1 for v in values) and any(
        v not in (0.0, 1.0) for v in values
    )


def _issue(sweep: Sweep, column: Column) -> DesignIssue:
    pattern = noise_pattern(column.key, sweep.hpms.noise)
    texts = [sweep.text(column.key, value) for value in column.values]
    counts = "was not asked for" if pattern is None else f"counts as noise (pattern {pattern!r})"
    what = (
        f"{column.key} {counts}, but sets runs of one configuration apart like a hyperparameter: "
        f"{listed(texts, _MOST_SHOWN)}; means are over all of them"
    )
    hint = (
        f"count it as swept: `important: [{column.key}]` in the settings, or '!{column.key}' in "
        "noise="
    )
    if pattern is None:
        hint = "group by it as well (--by, by=), or choose one of its values"
    return DesignIssue("hidden-by-noise", Severity.ERROR, what, (column.key,), hint=hint)
