"""From logs to a group of runs, by way of the cache, in this process or by others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from dr_gen.group_validators import validate_group
from dr_gen.ingestion.opening import open_store
from dr_gen.ingestion.planning import plan
from dr_gen.ingestion.plans import Plan, Source
from dr_gen.ingestion.reading import Progress, drained, read_sources, renamed
from dr_gen.ingestion.rechecking import rechecked
from dr_gen.ingestion.roots import Roots
from dr_gen.ingestion.rules import Rules
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.parallel import SERIAL, Workers, beginning
from dr_gen.validators import Validator

__all__ = ["group_of_logs"]


def group_of_logs(
    roots: Roots,
    options: Mapping[str, Any],
    validators: Sequence[Validator] | None,
    progress: Progress | None,
    cache: bool,
    crew: Workers,
    settings: Mapping[str, Any],
) -> RunGroup:
    """The runs of logs, maybe with some of stores.

    Parameters and errors as of `dr_gen.ingestion.loading.load`, whose `options` are for `plan`.
    """
    checks = None if validators is None else tuple(validators)
    if cache and validators is None and not roots.stores:
        # Here and below, since it is not always kept, nor shared among processes.
        from dr_gen.ingestion import cache as caches

        cached = caches.load(roots, options, progress, crew, **settings)
        if cached is not None:
            return validate_group(cached)
    if crew.alone:
        decided = plan(roots, **options)
        rules = attrs.evolve(decided.rules, validators=checks)
        runs, found = _read_here(decided.sources, rules, progress)
        return _together(decided, rules, drained(runs), found, settings)
    from dr_gen.ingestion import handing_over
    from dr_gen.ingestion.batches import is_much, who_reads

    early = crew if is_much(roots.paths) else SERIAL
    with beginning(early, handing_over.__name__) as begun:
        decided = plan(roots, **options)
        rules = attrs.evolve(decided.rules, validators=checks)
        begun = crew if early.alone else begun
        sizes = [*map(_size, decided.sources)]
        if who_reads(begun, sum(sizes)).alone or not decided.sources:
            runs, found = _read_here(decided.sources, rules, progress)
        else:
            import tempfile

            # By way of files: arrays that are sent between processes are copied several times.
            with tempfile.TemporaryDirectory(prefix="dr_gen-") as folder:
                told = (decided.sources, sizes, rules, folder, progress)
                runs, found = handing_over.read_by(begun, *told)
        return _together(decided, rules, drained(runs), found, settings)


def _read_here(
    sources: Sequence[Source], rules: Rules, progress: Progress | None
) -> tuple[list[RunData], list[Finding]]:
    """The runs of sources, and the findings of none of them."""
    results = read_sources(sources, rules, progress)
    found = [finding for result in results for finding in result.findings]
    return [run for result in results for run in result.runs], found


def _size(source: Source) -> int:
    try:
        return os.stat(source.path).st_size
    except OSError:
        return 0


def _together(
    decided: Plan,
    rules: Rules,
    read: Iterable[RunData],
    found: Iterable[Finding],
    settings: Mapping[str, Any],
) -> RunGroup:
    """The runs of the stores of a plan, and those that were read, as one group."""
    runs: list[RunData] = []
    findings = list(decided.findings)
    for store in decided.stores:
        stored = rechecked(open_store(store), rules.expected_epochs, rules.validators)
        runs += stored
        findings += stored.source_findings
    runs += read
    findings += found
    named = renamed(runs)
    runs.clear()
    group = RunGroup.from_runs(drained(named), source_findings=tuple(findings), **settings)
    return validate_group(group)
