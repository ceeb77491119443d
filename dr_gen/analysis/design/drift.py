"""Code, libraries and machines that changed during a sweep."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from dr_gen.analysis.design.columns import Column
from dr_gen.analysis.design.environment import (
    Environment,
    environment_kind,
    is_dirty_key,
    logged_kind,
)
from dr_gen.analysis.design.issue import DesignIssue, listed
from dr_gen.analysis.design.sweep import Sweep
from dr_gen.model.codes import counts_within
from dr_gen.model.finding import Severity
from dr_gen.model.hpm import MISSING, canonical

__all__ = ["drift_issues", "logged_environment"]

_EVIDENCE: Final = 2
"""Runs beside the first of each configuration that have to agree with it in their machine."""

_WORD: Final = {
    Environment.CODE: "code",
    Environment.SOFTWARE: "environment",
    Environment.HARDWARE: "environment",
    Environment.HOST: "environment",
}


def logged_environment(metadata: Sequence[Mapping[str, Any]]) -> list[Column]:
    """What the metadata of runs says of code and machine: one column a dotted key.

    Parameters
    ----------
    metadata : sequence of mappings
        One a run.
    """
    found: dict[str, dict[int, Any]] = {}
    for run, facts in enumerate(metadata):
        for key, value in _leaves(facts, ""):
            found.setdefault(key, {})[run] = value
    columns = []
    for key, by_run in found.items():
        if logged_kind(key, [v for v in by_run.values() if v is not None]) is None:
            continue
        values = [by_run.get(run, MISSING) for run in range(len(metadata))]
        first: dict[Hashable, int] = {}
        codes = [first.setdefault(canonical(value), len(first)) for value in values]
        ordered = dict(zip(codes, values, strict=True))
        column = Column(key, np.array(codes, np.intp), tuple(ordered[i] for i in range(len(first))))
        columns.append(column)
    return columns


# Texts that a run printed, and how long it took: no need to look into them.
_SKIPPED: Final = frozenset({"log_strs", "train_time", "train_seconds", "end", "x_columns"})


def _leaves(facts: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{key}.")
        elif key not in _SKIPPED:
            yield key, value


def drift_issues(sweep: Sweep, logged: Sequence[Column]) -> Iterator[DesignIssue]:
    """Keys of the environment that vary inside configurations, or with them.

    Parameters
    ----------
    sweep : Sweep
    logged : sequence of Column
        What the metadata says (`logged_environment`).
    """
    known = [sweep.columns[key] for key in sweep.columns.by_key if key not in sweep.factors]
    kinds = [(c, environment_kind(c.key, c.present)) for c in known]
    kinds += [(c, logged_kind(c.key, c.present)) for c in logged if c.n_levels > 1]
    for column, kind in kinds:
        if kind is not None and len(column.present) > 1 and not is_dirty_key(column.key):
            yield from _drift(sweep, column, kind)
    yield from _dirty(sweep, logged)


def _drift(sweep: Sweep, column: Column, kind: Environment) -> Iterator[DesignIssue]:
    held = column.held
    n = sweep.n_configurations
    within = counts_within(sweep.configuration[held], n, column.codes[held])
    word, shown = _WORD[kind], _values(sweep, column)
    mixed = np.flatnonzero(within > 1)
    what = f"{column.key} ({kind.words}) has {len(column.present):,} values ({shown})"
    if len(mixed):
        severity = Severity.INFO if kind is Environment.HOST else Severity.WARNING
        what += (
            f" and differs inside {len(mixed):,} of {n:,} configurations, such as "
            f"{sweep.name(int(mixed[0]))}: part of their spread may come from it"
        )
        runs = sweep.ids(np.isin(sweep.configuration, mixed) & held)
        hint = f"filter by {column.key}, or run the odd ones again"
        yield DesignIssue(f"{word}-drift", severity, what, (column.key,), runs, hint)
        return
    agreeing = int(held.sum()) - int((within > 0).sum())
    if kind is Environment.CODE or agreeing >= _EVIDENCE:
        what += (
            " and no configuration ran with two of them: a difference between configurations may "
            "come from it"
        )
        hint = "run some configurations again under the other"
        yield DesignIssue(f"confounded-{word}", Severity.WARNING, what, (column.key,), (), hint)


def _values(sweep: Sweep, column: Column) -> str:
    texts = [sweep.text(column.key, value) for value in column.present]
    return listed([t if len(t) <= 40 else f"{t[:12]}…" for t in texts], 3)


def _dirty(sweep: Sweep, logged: Sequence[Column]) -> Iterator[DesignIssue]:
    table, hpms = sweep.hpms.table, sweep.hpms
    by_key = {c.key: np.array([v is True for v in c.values], bool)[c.codes] for c in logged}
    for key in table.keys:
        if is_dirty_key(key):
            values = table.column(key, hpms.indices[sweep.positions])
            by_key[key] = np.array([value is True for value in values], bool)
    for key, dirty in by_key.items():
        if is_dirty_key(key) and dirty.any():
            of = f"{int(dirty.sum()):,} of {sweep.n_runs:,} runs"
            what = f"{of} were made with code that was not committed ({key})"
            hint = "the commit does not tell what they ran; commit before a sweep"
            yield DesignIssue("dirty-code", Severity.INFO, what, (key,), sweep.ids(dirty), hint)
