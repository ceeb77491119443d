"""Carrying a plan out: read what changed, and commit it to the store in one step."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import attrs

from dr_gen.errors import DrGenError, UsageError
from dr_gen.ingestion.planning import unique
from dr_gen.ingestion.plans import Plan, Source, Step
from dr_gen.ingestion.resuming import marked, resumed
from dr_gen.ingestion.rules import Rules
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.readers.contract import ColumnMap, ReadOptions, ReadResult
from dr_gen.store.catalogue import Catalogue
from dr_gen.store.sources import SourceRecord, SourceTable
from dr_gen.store.writing import commit
from dr_gen.validators import validate_all

__all__ = ["Progress", "apply", "is_current", "judged", "read_sources", "renamed"]

_log = logging.getLogger("dr_gen")

Progress = Callable[[int, int], None]
"""Called with the number of sources done and the number there are."""


def apply(
    plan: Plan,
    *,
    progress: Progress | None = None,
    keep_gone: bool = True,
    compress: bool = False,
) -> bool:
    """Bring a store up to date; the caller is its one writer.

    Parameters
    ----------
    plan : Plan
        Made for the store as it is now.
    progress : callable, optional
    keep_gone : bool
        Whether runs whose file vanished stay, with a finding that says so.
    compress : bool

    Returns
    -------
    bool
        Whether there was anything to write.

    Raises
    ------
    StoreError
        If the store cannot be written; it then is as it was.
    """
    store = plan.store
    if store is None:
        raise UsageError("the plan was made for no store; name one when planning")
    if plan.as_before and is_current(plan, keep_gone=keep_gone):
        return False
    more = resumed(plan)
    plan = more.plan
    steps = [step for step in plan.steps if keep_gone or step.kind != "gone"]
    read = {step.record.path: step for step in more.steps}
    joined = judged([s.source for s in more.steps if s.source], more.results, plan.rules)
    fresh = dict(zip(read, joined, strict=True))
    pending = [step for step in steps if step.to_read and step.record.path not in read]
    while True:
        found = read_sources([s.source for s in pending if s.source], plan.rules, progress)
        for step, result in zip(pending, found, strict=True):
            fresh[step.record.path] = result
            read[step.record.path] = marked(step, result)
        ids = _ids(steps, fresh)
        # Another file may have taken or freed the name of a run.
        pending = [
            step
            for step in steps
            if step.record.path not in fresh and ids[step.record.path] != step.record.runs
        ]
        if not pending:
            break
    steps = [read.get(step.record.path, step) for step in steps]
    content = _content(plan, steps, fresh, ids)
    if content == _content_of(plan.before):
        return False
    sources, runs, findings = content
    new = [
        run if run.id == name else run.with_facts(id=name)
        for path, result in fresh.items()
        for run, name in zip(result.runs, ids[path], strict=True)
    ]
    tables = [RunGroup.from_runs(new).table] if new else []
    commit(tables, store, runs, findings, sources=sources, base=plan.before, compress=compress)
    return True


def is_current(plan: Plan, *, keep_gone: bool = True) -> bool:
    """Whether carrying out the plan would change nothing."""
    sources = plan.before.sources
    if plan.as_before and (keep_gone or not any(one.gone for one in sources.noted())):
        runs, findings = tuple(sources.runs()), (*plan.findings, *_findings(sources.noted()))
        return (runs, findings) == (plan.before.runs, plan.before.findings)
    steps = [step for step in plan.steps if keep_gone or step.kind != "gone"]
    if any(step.to_read for step in steps):
        return False
    return _content(plan, steps, {}, _ids(steps, {})) == _content_of(plan.before)


_Content = tuple[SourceTable, tuple[str, ...], tuple[Finding, ...]]
"""Sources, ids of runs and findings of a store."""


def _content_of(catalogue: Catalogue) -> _Content:
    return catalogue.sources, catalogue.runs, catalogue.findings


def _content(
    plan: Plan,
    steps: Sequence[Step],
    fresh: Mapping[str, ReadResult],
    ids: Mapping[str, tuple[str, ...]],
) -> _Content:
    # Those that are not looked for come first, those that are no longer there last.
    rank = {"elsewhere": 0, "gone": 2}
    ordered = sorted(steps, key=lambda step: rank.get(step.kind, 1))
    records = (_record(step.record, fresh.get(step.record.path), ids) for step in ordered)
    sources = SourceTable.of(records, plan.roots)
    runs = tuple(sources.runs())
    return sources, runs, (*plan.findings, *_findings(sources.noted()))


def _ids(steps: Sequence[Step], fresh: Mapping[str, ReadResult]) -> dict[str, tuple[str, ...]]:
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
        result = fresh.get(path)
        names = step.record.names if result is None else tuple(run.id for run in result.runs)
        ids[path] = tuple(unique(name, taken) for name in names)
    return ids


def _record(
    record: SourceRecord, result: ReadResult | None, ids: Mapping[str, tuple[str, ...]]
) -> SourceRecord:
    if result is None:
        return record
    names = tuple(run.id for run in result.runs)
    return attrs.evolve(record, names=names, runs=ids[record.path], findings=result.findings)


def _findings(sources: Iterable[SourceRecord]) -> Iterator[Finding]:
    noted = [*sources]
    for source in noted:
        yield from source.findings
    for source in noted:
        if source.gone:
            message = "the file is no longer there; its runs are kept as they were last read"
            for run in source.runs:
                yield Finding("source-gone", message, Severity.INFO, source.given, run=run)


def read_sources(
    sources: Sequence[Source], rules: Rules, progress: Progress | None
) -> list[ReadResult]:
    """What each source holds, its runs judged."""
    results: list[ReadResult] = []
    for _, alike in itertools.groupby(sources, key=lambda source: id(source.reader)):
        for result in _read_alike(list(alike), rules.columns):
            if progress is not None:
                progress(len(results), len(sources))
            results.append(result)
    if progress is not None and sources:
        progress(len(sources), len(sources))
    return judged(sources, results, rules)


def judged(
    sources: Sequence[Source], results: Sequence[ReadResult], rules: Rules
) -> list[ReadResult]:
    """What the readers gave for `sources`, with what the validators say of it."""
    runs = [run for result in results for run in result.runs]
    names = [s.reader.name for s, r in zip(sources, results, strict=True) for _ in r.runs]
    own = [sum(len(run.findings) for run in result.runs) for result in results]
    looked_at = iter(validate_all(runs, rules.checks, names))
    return [
        attrs.evolve(result, runs=tuple(itertools.islice(looked_at, len(result.runs))), own=n)
        for result, n in zip(results, own, strict=True)
    ]


def _read_alike(sources: Sequence[Source], columns: ColumnMap) -> Iterator[ReadResult]:
    """Sources of one reader: all together if it can, else one by one."""
    options = [ReadOptions(source.experiment, columns) for source in sources]
    read_many = getattr(sources[0].reader, "read_many", None)
    done = 0
    if read_many is not None:
        items = [(s.path, s.run_id, o) for s, o in zip(sources, options, strict=True)]
        try:
            for result in read_many(items):
                yield result
                done += 1
        except DrGenError:
            raise
        except Exception as error:
            # One by one it hits a single file; said, since it is slow and a fault of the reader.
            left = len(sources) - done
            _log.warning("%s: %d files read one by one: %r", sources[0].reader.name, left, error)
    for source, option in zip(sources[done:], options[done:], strict=True):
        yield _read_one(source, option)


def _read_one(source: Source, options: ReadOptions) -> ReadResult:
    try:
        return source.reader.read(source.path, source.run_id, options)
    except DrGenError:
        raise
    except Exception as error:
        # A reader from outside may be wrong in ways of its own; one file must not end the load.
        message = f"the reader {source.reader.name!r} failed: {type(error).__name__}: {error}"
        hint = "please report it with the file"
        finding = Finding(
            "reader-failed", message, Severity.ERROR, str(source.path), None, source.run_id, hint
        )
        return ReadResult(findings=(finding,))


def renamed(runs: Sequence[RunData]) -> list[RunData]:
    """Runs of several stores may share ids: later ones get a number behind theirs."""
    taken: set[str] = set()
    out = []
    for run in runs:
        name = unique(run.id, taken)
        out.append(run if name == run.id else run.with_facts(id=name))
    return out
