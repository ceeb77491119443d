"""The seeds of each configuration: how many, which, and whether they are the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dr_gen.analysis.design.columns import Column
from dr_gen.analysis.design.issue import DesignIssue, listed
from dr_gen.analysis.design.sweep import Sweep
from dr_gen.model.codes import Codes, counts_within, dense, joint
from dr_gen.model.finding import Severity
from dr_gen.model.hpm_table import value_order
from dr_gen.model.run_table import Status

__all__ = ["is_seed", "replicate_issues", "seeds_of"]

_MOST_NAMED: Final = 3
_LEFT_EARLY: Final = (Status.FAILED, Status.DIVERGED, Status.INCOMPLETE)


def is_seed(value: Any) -> bool:
    """Whether a value is a seed; a null or a lack says that there was none."""
    return isinstance(value, int | float | str)


def seeds_of(sweep: Sweep) -> Codes:
    """How many different seeds each configuration has; its runs, where no key holds a seed.

    Of several seeds their combinations count. A run without one counts by itself. A seed that is
    the same in all runs is one seed.

    Returns
    -------
    intp array, dims (configuration,)
    """
    if not sweep.seeds:
        return sweep.n_runs_of if sweep.seed is None else np.ones_like(sweep.n_runs_of)
    n, held = sweep.n_configurations, _held(sweep)
    codes, _ = sweep.columns.combinations(sweep.seeds)
    seeded = counts_within(sweep.configuration[held], n, codes[held])
    return seeded + np.bincount(sweep.configuration[~held], minlength=n)


def replicate_issues(sweep: Sweep, statuses: np.ndarray) -> Iterator[DesignIssue]:
    """What the seeds do not allow to say.

    Parameters
    ----------
    sweep : Sweep
    statuses : array of Status, dims (run,)
    """
    counts = seeds_of(sweep)
    yield from _duplicates(sweep, statuses)
    yield from _single(sweep, counts)
    if counts.max() > 1:
        yield from _unequal(sweep, counts)
        yield from _unseeded(sweep)
        yield from _unpaired(sweep)
    yield from _without_result(sweep, statuses)


def _held(sweep: Sweep) -> NDArray[np.bool_]:
    """Which runs have any of the seeds."""
    held: NDArray[np.bool_] = np.any([sweep.columns[key].held for key in sweep.seeds], axis=0)
    return held


def _duplicates(sweep: Sweep, statuses: np.ndarray) -> Iterator[DesignIssue]:
    if sweep.seed is None:
        return
    # A seed that is the same in all runs tells none apart.
    seeds, _ = sweep.columns.combinations(sweep.seeds)
    same, _ = joint([sweep.configuration, seeds], sweep.n_runs)
    held = _held(sweep) if sweep.seeds else np.ones(sweep.n_runs, bool)
    counts = np.bincount(same, weights=held)
    twice = counts[same] > 1
    if not twice.any():
        return
    done = np.bincount(same, weights=statuses == Status.COMPLETED) > 1
    copies, retried = twice & done[same], twice & ~done[same]
    for runs, severity, text, hint in (
        (
            copies,
            Severity.WARNING,
            "but count as independent replicates",
            "leave out copies; if they are meant, give each its own seed",
        ),
        (
            retried,
            Severity.INFO,
            "of which one at most completed: retries, it seems",
            "means use completed runs alone, so nothing is counted twice",
        ),
    ):
        if runs.any():
            names = _names(sweep, np.unique(sweep.configuration[runs]))
            of = f"{int(runs.sum()):,} of {sweep.n_runs:,} runs"
            what = f"{of} share configuration and seed with another ({names}), {text}"
            keys = (sweep.seed,)
            code = "duplicate-seed" if severity is Severity.WARNING else "retried-runs"
            yield DesignIssue(code, severity, what, keys, sweep.ids(runs), hint)


def _names(sweep: Sweep, configurations: Codes) -> str:
    shown = [sweep.name(c) for c in configurations[:_MOST_NAMED].tolist()]
    return "; ".join([*shown, "…"] if len(configurations) > len(shown) else shown)


def _single(sweep: Sweep, counts: Codes) -> Iterator[DesignIssue]:
    alone = np.flatnonzero(counts == 1)
    if not len(alone):
        return
    of = f"{len(alone):,} of {sweep.n_configurations:,} configurations"
    what = f"{of} have a single seed, so nothing is known of their spread: {_names(sweep, alone)}"
    runs = sweep.ids(np.isin(sweep.configuration, alone))
    hint = "run more seeds before you compare them"
    yield DesignIssue("single-seed", Severity.WARNING, what, (), runs, hint)


def _unequal(sweep: Sweep, counts: Codes) -> Iterator[DesignIssue]:
    if counts.min() == counts.max():
        return
    usual = int(np.bincount(counts).argmax())
    odd = np.flatnonzero(counts != usual)
    shown = [f"{sweep.name(c)}: {counts[c]}" for c in odd[:_MOST_NAMED].tolist()]
    rest = "; …" if len(odd) > len(shown) else ""
    what = (
        f"configurations have {counts.min()} to {counts.max()} seeds, most have {usual}; "
        f"{len(odd):,} have not: {'; '.join(shown)}{rest}"
    )
    runs = sweep.ids(np.isin(sweep.configuration, odd))
    hint = "means over more seeds are surer; the best of more seeds is better by chance alone"
    yield DesignIssue("unequal-seeds", Severity.WARNING, what, (), runs, hint)


def _unseeded(sweep: Sweep) -> Iterator[DesignIssue]:
    if sweep.seed is None:
        what = "no key holds the seed, so copies cannot be told from replicates"
        yield DesignIssue("no-seed", Severity.INFO, what, hint="log the seed of each run")
    elif sweep.seed in sweep.columns:
        column = sweep.columns[sweep.seed]
        unset = np.array([not is_seed(value) for value in column.values], bool)
        lacking = unset[column.codes]
        if lacking.any():
            of = f"{int(lacking.sum()):,} of {sweep.n_runs:,} runs"
            what = f"{of} have no seed: they cannot be repeated"
            ids, keys = sweep.ids(lacking), (sweep.seed,)
            yield DesignIssue("no-seed", Severity.INFO, what, keys, ids, "log the seed of each run")


def _unpaired(sweep: Sweep) -> Iterator[DesignIssue]:
    if sweep.seed is None or sweep.seed not in sweep.columns or sweep.n_configurations < 2:
        return
    column = sweep.columns[sweep.seed]
    held = column.held
    configuration, seeds = sweep.configuration[held], column.codes[held]
    _, first = joint([configuration, seeds], len(seeds))
    counts = np.bincount(configuration[first], minlength=sweep.n_configurations)
    packed, _ = dense(seeds, column.n_levels)
    n_seeds = int(packed.max(initial=-1)) + 1
    in_all = int((np.bincount(packed[first]) == sweep.n_configurations).sum())
    # Some seeds lost here and others there leave enough to pair; that is `unequal-seeds`.
    if n_seeds <= counts.max() and 2 * in_all >= counts.min():
        return
    most = int(counts.argmax())
    other = _least_alike(sweep, packed, held, most)
    shown = "; ".join(f"{sweep.name(c)}: {_seed_texts(sweep, column, c)}" for c in (most, other))
    what = (
        f"configurations do not have the same seeds: {in_all} of {n_seeds:,} are in all of them "
        f"({shown})"
    )
    hint = "seeds cannot be paired; use the same seeds for every configuration"
    yield DesignIssue("unpaired-seeds", Severity.WARNING, what, (sweep.seed,), hint=hint)


def _least_alike(sweep: Sweep, seeds: Codes, held: np.ndarray, one: int) -> int:
    """The configuration that shares the smallest part of its seeds with another."""
    configuration = sweep.configuration[held]
    of_one = np.zeros(int(seeds.max()) + 1, bool)
    of_one[seeds[configuration == one]] = True
    n = sweep.n_configurations
    runs = np.bincount(configuration, minlength=n)
    shared = np.bincount(configuration, weights=of_one[seeds], minlength=n)
    # A configuration of no seeds says nothing.
    return int(np.where(runs > 0, shared / np.maximum(runs, 1), 2.0).argmin())


def _seed_texts(sweep: Sweep, column: Column, configuration: int) -> str:
    codes = np.unique(column.codes[sweep.configuration == configuration]).tolist()
    values = sorted((column.values[code] for code in codes), key=value_order)
    whole = all(type(value) is int for value in values)
    if whole and len(values) > 2 and values[-1] - values[0] == len(values) - 1:
        return f"{values[0]}–{values[-1]}"
    return listed([sweep.text(column.key, value) for value in values])


def _without_result(sweep: Sweep, statuses: np.ndarray) -> Iterator[DesignIssue]:
    """Configurations all of whose runs ended without completing."""
    early = np.isin(statuses, _LEFT_EARLY)
    lost = np.bincount(sweep.configuration, weights=~early, minlength=sweep.n_configurations) == 0
    which = np.flatnonzero(lost)
    if not len(which):
        return
    of = f"{len(which):,} of {sweep.n_configurations:,} configurations"
    what = f"no run completed in {of}: {_names(sweep, which)}"
    runs = sweep.ids(lost[sweep.configuration])
    hint = "`dr-gen check` says why; their cells are as good as missing"
    yield DesignIssue("no-result", Severity.WARNING, what, (), runs, hint)
