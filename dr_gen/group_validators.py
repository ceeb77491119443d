"""What is wrong with a run that only shows beside the other runs of its group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import attrs

from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, canonical
from dr_gen.validators import finding_about

__all__ = ["validate_group"]

_MOST = 0.5


def validate_group(group: RunGroup) -> RunGroup:
    """The group with findings about runs that differ from the others.

    ``missing-split``: a split that most of the runs have. ``duplicate-seed``: two runs of one
    configuration with one seed; both are kept.
    """
    found = [*group.source_findings]
    found += [f for f in (*_odd_splits(group), *_same_seeds(group)) if f not in found]
    return attrs.evolve(group, source_findings=tuple(found))


def _odd_splits(group: RunGroup) -> Iterator[Finding]:
    having = {run.id: tuple(run) for run in group if run.n_points}
    counts = Counter(split for splits in having.values() for split in splits)
    common = [split for split, n in counts.items() if n > _MOST * len(having)]
    for run_id, splits in having.items():
        for split in common:
            if split not in splits:
                message = f"there is no split {split!r}, which {counts[split]} other runs have"
                yield finding_about(group[run_id], "missing-split", message, Severity.WARNING)


def _same_seeds(group: RunGroup) -> Iterator[Finding]:
    hpms = group.hpm_group
    if hpms.seed is None:
        return
    seeds = hpms.values(hpms.seed)
    for _, positions in hpms.members(hpms.important):
        first: dict[object, str] = {}
        for position in positions.tolist():
            seed, run = seeds[position], group[position]
            if seed is MISSING:
                continue
            other = first.setdefault(canonical(seed), run.id)
            if other != run.id:
                message = f"same configuration and seed ({seed}) as run {other!r}"
                hint = "both are counted; leave one out if it is a copy"
                yield finding_about(run, "duplicate-seed", message, Severity.WARNING, hint=hint)
