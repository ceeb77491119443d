"""What is wrong with a run that only shows beside the other runs of its group."""

from __future__ import annotations

import os
from collections.abc import Iterator

import attrs
import numpy as np

from dr_gen.model.finding import Finding, LateFindings, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, canonical
from dr_gen.validators import finding_about

__all__ = ["validate_group"]

_MOST = 0.5
_DRAWS_IDS = "mlflow"
"""Under this name in the metadata is the id of a run, which no two runs share."""


def validate_group(group: RunGroup) -> RunGroup:
    """The group with findings about runs that differ from the others.

    ``missing-split``: a split that most of the runs have. ``duplicate-seed``: two runs of one
    configuration with one seed; both are kept. ``same-run``: two runs with the id that MLflow drew
    for one, as databases have that are copies; both are kept. ``same-name``: a run in an exported
    chart is called like another one; both are kept too. ``logged-twice``: two tools wrote into one
    folder, which often is one training. They are looked for when they are first asked for: in a
    large group that takes longer than to open its store.
    """
    return attrs.evolve(group, source_findings=LateFindings(lambda: _with_odd(group)))


def _with_odd(group: RunGroup) -> list[Finding]:
    known = group.source_findings
    return [*known, *(f for f in _all_odd(group) if f not in known)]


def _all_odd(group: RunGroup) -> Iterator[Finding]:
    yield from _odd_splits(group)
    yield from _same_seeds(group)
    yield from _same_ids(group)
    yield from _same_names(group)
    yield from _logged_twice(group)


def _odd_splits(group: RunGroup) -> Iterator[Finding]:
    curves, position = group.table.curves, group.indices
    n_runs = len(group.table.records)
    has = np.zeros((n_runs, len(curves.splits)), bool)
    has[curves.run, curves.split] = True
    points = np.bincount(curves.run, weights=curves.size, minlength=n_runs) > 0
    has, points = has[position], points[position]
    counts = has[points].sum(axis=0)
    common = np.flatnonzero(counts > _MOST * points.sum()).tolist()
    for where in np.flatnonzero(points & ~has[:, common].all(axis=1)).tolist():
        for code in sorted(common, key=lambda code: curves.splits[code]):
            if not has[where, code]:
                split, n = curves.splits[code], counts[code]
                message = f"there is no split {split!r}, which {n} other runs have"
                yield finding_about(group[where], "missing-split", message, Severity.WARNING)


def _same_ids(group: RunGroup) -> Iterator[Finding]:
    first: dict[object, str] = {}
    for run in group:
        known = run.metadata.get(_DRAWS_IDS)
        drawn = known.get("run_id") if isinstance(known, dict) else None
        if not drawn:
            continue
        other = first.setdefault(str(drawn), run.id)
        if other != run.id:
            message = f"the same run as {other!r} by the id {drawn}"
            hint = "both are counted; leave out the one that is a copy"
            yield finding_about(run, "same-run", message, Severity.WARNING, hint=hint)


def _same_seeds(group: RunGroup) -> Iterator[Finding]:
    hpms = group.hpm_group
    if hpms.seed is None:
        return
    seeds = hpms.values(hpms.seed)
    for _, positions in hpms.members(hpms.important):
        first: dict[object, str] = {}
        for position in positions.tolist():
            seed, run_id = seeds[position], group.ids[position]
            if seed is MISSING or seed is None:
                continue
            other = first.setdefault(canonical(seed), run_id)
            if other != run_id:
                message = f"same configuration and seed ({seed}) as run {other!r}"
                hint = "both are counted; leave one out if it is a copy"
                yield finding_about(
                    group[position], "duplicate-seed", message, Severity.WARNING, hint=hint
                )


def _same_names(group: RunGroup) -> Iterator[Finding]:
    # Elsewhere an id or a folder tells runs apart, and names are often alike.
    first: dict[tuple[str, str], str] = {}
    for position, index in enumerate(group.indices.tolist()):
        record = group.table.records[index]
        name = record.metadata.get("name")
        if record.metadata.get("format") != "wandb-export" or not isinstance(name, str):
            continue
        other = first.setdefault((record.experiment, name), record.id)
        if other != record.id:
            message = f"its name {name!r} is that of run {other!r} too"
            hint = "both are counted; leave one out if they are one run"
            yield finding_about(group[position], "same-name", message, Severity.WARNING, hint=hint)


def _logged_twice(group: RunGroup) -> Iterator[Finding]:
    tools: dict[str, dict[str, str]] = {}
    for position, index in enumerate(group.indices.tolist()):
        record = group.table.records[index]
        tool = record.metadata.get("format")
        if not record.source or not isinstance(tool, str):
            continue
        known = tools.setdefault(os.path.dirname(record.source), {})
        known.setdefault(tool, record.id)
        others = [run for other, run in known.items() if other != tool]
        if others:
            message = f"run {others[0]!r} was logged by another tool into the same folder"
            hint = "both are counted; if they are one training, choose one with format="
            yield finding_about(
                group[position], "logged-twice", message, Severity.WARNING, hint=hint
            )
