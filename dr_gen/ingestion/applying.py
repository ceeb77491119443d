"""Carrying a plan out: read what changed, and commit it to the store in one step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from dr_gen.errors import UsageError
from dr_gen.ingestion.batches import (
    BATCH_BYTES,
    NOTHING,
    PORTIONS,
    Fresh,
    batches,
    read_batches,
    who_reads,
)
from dr_gen.ingestion.planning import unique
from dr_gen.ingestion.plans import Plan, Step
from dr_gen.ingestion.reading import Batch, Progress, ReadBatch, judged
from dr_gen.ingestion.resuming import Resumed, resumed
from dr_gen.ingestion.rules import Rules
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.parallel import SERIAL, Workers
from dr_gen.store.catalogue import Catalogue, Place, Shard
from dr_gen.store.change import Change, changing
from dr_gen.store.renaming import renamed_runs
from dr_gen.store.sources import SourceRecord, SourceTable
from dr_gen.store.writing import commit

__all__ = ["apply", "is_current"]


def apply(
    plan: Plan,
    *,
    progress: Progress | None = None,
    keep_gone: bool = True,
    compress: bool = False,
    workers: Workers = SERIAL,
    batch_bytes: int = BATCH_BYTES,
) -> bool:
    """Bring a store up to date; the caller is its one writer.

    What is read is written batch by batch and let go; it counts from the moment the catalogue is
    replaced, which is the last thing done.

    Parameters
    ----------
    plan : Plan
        Made for the store as it is now.
    progress : callable, optional
    keep_gone : bool
        Whether runs whose file vanished stay, with a finding that says so.
    compress : bool
    workers : Workers
        Who reads.
    batch_bytes : int
        How much of the sources each of them makes one shard of, at least one file.

    Returns
    -------
    bool
        Whether there was anything to write.

    Raises
    ------
    StoreError
        If the store cannot be written; it then is as it was.
    WorkerError
        If a worker did not do its part; the store then is as it was.
    """
    store = plan.store
    if store is None:
        raise UsageError("the plan was made for no store; name one when planning")
    if plan.as_before and is_current(plan, keep_gone=keep_gone):
        return False
    more = resumed(plan)
    plan = more.plan
    steps = [step for step in plan.steps if keep_gone or step.kind != "gone"]
    to_read = [step for step in steps if step.to_read]
    n_bytes = sum(step.record.stamp.size for step in to_read)
    with changing(store, compress=compress) as change:
        crew = who_reads(workers, n_bytes)
        fresh = _read(change, plan.rules, steps, more, crew, batch_bytes, progress)
        ids = _ids(steps, fresh.names)
        grown = {step.record.path: step for step in more.steps}
        steps = [grown.get(step.record.path, step) for step in steps]
        content = _content(plan, steps, fresh, ids)
        if content == _content_of(plan.before):
            return False
        sources, runs, findings = content
        shards, where = _places(change, plan.before, steps, fresh, ids)
        rows = {run: where[run] for run in runs}
        # What is read in one go may as well be opened in one go, unless somebody was in a hurry.
        as_one = not plan.before.shards and crew.alone
        commit(change, shards, rows, findings, sources=sources, as_one=as_one)
    return True


def _read(
    change: Change,
    rules: Rules,
    steps: Sequence[Step],
    more: Resumed,
    workers: Workers,
    batch_bytes: int,
    progress: Progress | None,
) -> Fresh:
    """Read what is left to be read, under the names that it is most likely to have."""
    done = {step.record.path for step in more.steps}
    to_read = [step for step in steps if step.to_read and step.record.path not in done]
    pairs = [(step, step.source) for step in to_read if step.source]
    likely = _ids(steps, {step.record.path: (source.run_id,) for step, source in pairs})
    sizes = [step.record.stamp.size for step, _ in pairs]
    work = []
    for part in batches(sizes, workers, batch_bytes):
        ids = tuple(likely[step.record.path][0] for step, _ in pairs[part])
        stamps = tuple(step.record.stamp for step, _ in pairs[part])
        work.append(Batch(tuple(source for _, source in pairs[part]), ids, stamps))
    paths = [step.record.path for step, _ in pairs]
    job = ReadBatch(change, rules, portion=-(-batch_bytes // PORTIONS))
    fresh = read_batches(job, paths, work, workers, progress)
    return fresh.behind(_joined(change, rules, more))


def _joined(change: Change, rules: Rules, more: Resumed) -> Fresh:
    """The runs of the files of which only the end was read."""
    if not more.steps:
        return NOTHING
    results = judged([s.source for s in more.steps if s.source], more.results, rules)
    runs = [run for result in results for run in result.runs]
    written = change.write(RunGroup.from_runs(runs).table)
    paths = [step.record.path for step in more.steps]
    return Fresh(
        {path: (run.id,) for path, run in zip(paths, runs, strict=True)},
        {path: result.findings for path, result in zip(paths, results, strict=True)},
        {path: ((0, row),) for row, path in enumerate(paths)},
        [written.shard],
        {(0, row): name for row, name in enumerate(written.runs)},
        {step.record.path: step.record.mark for step in more.steps},
    )


def _places(
    change: Change,
    before: Catalogue,
    steps: Sequence[Step],
    fresh: Fresh,
    ids: Mapping[str, tuple[str, ...]],
) -> tuple[list[Shard], dict[str, Place]]:
    """All shards, and where each run is in them; none is there under another name."""
    n_old = len(before.shards)
    known = dict(zip(before.runs, before.places, strict=True))
    named = dict(zip(before.places, before.runs, strict=True))
    named |= {(n_old + shard, row): name for (shard, row), name in fresh.written.items()}
    where: dict[str, Place] = {}
    for step in steps:
        path = step.record.path
        if path in fresh.places:
            places = [(n_old + shard, row) for shard, row in fresh.places[path]]
        else:
            places = [known[run] for run in step.record.runs]
        where.update(zip(ids[path], places, strict=True))
    wrong = {place: run for run, place in where.items() if named[place] != run}
    shards, moved = renamed_runs(change, [*before.shards, *fresh.shards], wrong)
    return shards, {run: moved.get(place, place) for run, place in where.items()}


def is_current(plan: Plan, *, keep_gone: bool = True) -> bool:
    """Whether carrying out the plan would change nothing."""
    sources = plan.before.sources
    if plan.as_before and (keep_gone or not any(one.gone for one in sources.noted())):
        runs, findings = tuple(sources.runs()), (*plan.findings, *_findings(sources.noted()))
        return (runs, findings) == (plan.before.runs, plan.before.findings)
    steps = [step for step in plan.steps if keep_gone or step.kind != "gone"]
    if any(step.to_read for step in steps):
        return False
    return _content(plan, steps, NOTHING, _ids(steps, {})) == _content_of(plan.before)


_Content = tuple[SourceTable, tuple[str, ...], tuple[Finding, ...]]
"""Sources, ids of runs and findings of a store."""


def _content_of(catalogue: Catalogue) -> _Content:
    return catalogue.sources, catalogue.runs, catalogue.findings


def _content(
    plan: Plan,
    steps: Sequence[Step],
    fresh: Fresh,
    ids: Mapping[str, tuple[str, ...]],
) -> _Content:
    # Those that are not looked for come first, those that are no longer there last.
    rank = {"elsewhere": 0, "gone": 2}
    ordered = sorted(steps, key=lambda step: rank.get(step.kind, 1))
    records = (_record(step.record, fresh, ids) for step in ordered)
    sources = SourceTable.of(records, plan.roots)
    runs = tuple(sources.runs())
    return sources, runs, (*plan.findings, *_findings(sources.noted()))


def _ids(steps: Sequence[Step], fresh: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The ids of the runs of each file, by its path; no two runs share one."""
    ids, taken = {}, set[str]()
    for step in steps:
        if step.kind in ("elsewhere", "gone"):
            ids[step.record.path] = step.record.runs
            taken.update(step.record.runs)
    for step in steps:
        path = step.record.path
        if path in ids:
            continue
        names = fresh.get(path, step.record.names)
        ids[path] = tuple(unique(name, taken) for name in names)
    return ids


def _record(record: SourceRecord, fresh: Fresh, ids: Mapping[str, tuple[str, ...]]) -> SourceRecord:
    path = record.path
    if path not in fresh.names:
        # Another file may have taken or freed the name of a run.
        return record if record.runs == ids[path] else attrs.evolve(record, runs=ids[path])
    names, findings, mark = fresh.names[path], fresh.findings[path], fresh.marks[path]
    return attrs.evolve(record, names=names, runs=ids[path], findings=findings, mark=mark)


def _findings(sources: Iterable[SourceRecord]) -> Iterator[Finding]:
    noted = list(sources)
    for source in noted:
        yield from source.findings
    for source in noted:
        if source.gone:
            message = "the file is no longer there; its runs are kept as they were last read"
            for run in source.runs:
                yield Finding("source-gone", message, Severity.INFO, source.given, run=run)
