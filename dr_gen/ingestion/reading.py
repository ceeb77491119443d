"""What sources hold, in this process or in others."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs
import numpy as np

from dr_gen.errors import DrGenError, WorkerError
from dr_gen.ingestion.collector import paused
from dr_gen.ingestion.marks import mark_after, of_records
from dr_gen.ingestion.planning import unique
from dr_gen.ingestion.plans import Source
from dr_gen.ingestion.rules import Rules
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.pieces import portions
from dr_gen.model.run import RunData
from dr_gen.readers.contract import Paths, ReadOptions, ReadResult
from dr_gen.readers.hydra import surrounded
from dr_gen.store.change import Change, Written
from dr_gen.store.sources import Mark, Stamp
from dr_gen.validators import validate_all

__all__ = [
    "Batch",
    "Outcome",
    "Progress",
    "ReadBatch",
    "drained",
    "judged",
    "options_for",
    "read_sources",
    "renamed",
]

Progress = Callable[[int, int], None]
"""Called with the number of sources done and the number there are."""


@attrs.frozen
class Batch:
    """Sources that are read together and become one shard.

    Attributes
    ----------
    sources : tuple of Source
    ids : tuple of str
        What the run of each is to be called in the store, when it holds one that is called as the
        reader was told.
    stamps : tuple of Stamp
        Taken of each before it is read.
    """

    sources: tuple[Source, ...]
    ids: tuple[str, ...]
    stamps: tuple[Stamp, ...]


@attrs.frozen
class Outcome:
    """What is known of a batch that was read; its runs are in their shard.

    Attributes
    ----------
    names : tuple of tuples of str
        For each source the ids of its runs as the reader gave them.
    findings : tuple of tuples of Finding
        For each source what belongs to none of its runs.
    written : Written or None
        The shard, with the runs of all sources in order; None when there is no run.
    marks : tuple of Mark or None
        For each source how far it was read.
    missing : tuple of Source
        Those that are not there.
    """

    names: tuple[tuple[str, ...], ...]
    findings: tuple[tuple[Finding, ...], ...]
    written: Written | None
    marks: tuple[Mark | None, ...]
    missing: tuple[Source, ...] = ()


@attrs.frozen
class ReadBatch:
    """The job: reads a batch and leaves its runs in a shard. It can be sent to any process.

    Attributes
    ----------
    change : Change
        What the shard is part of.
    rules : Rules
    folder : str
        Where relative paths begin.
    portion : int
        How many bytes of the sources are read at once.
    """

    change: Change
    rules: Rules
    folder: str = attrs.field(factory=os.getcwd)
    portion: int = 1 << 62

    def __call__(self, batch: Batch, progress: Progress | None = None) -> Outcome:
        """Read a batch.

        Raises
        ------
        StoreError
            If the shard cannot be written.
        WorkerError
            If relative paths mean something else in this process.
        """
        paths = (self.change.store, *(source.path for source in batch.sources))
        check_folder(self.folder, paths)
        with paused():
            return self._outcome(batch, progress)

    def _outcome(self, batch: Batch, progress: Progress | None) -> Outcome:
        results = self._results(batch, progress)
        runs: list[RunData] = []
        for source, wanted, result in zip(batch.sources, batch.ids, results, strict=True):
            named = [run.id for run in result.runs] == [source.run_id] != [wanted]
            runs += [result.runs[0].with_facts(id=wanted)] if named else result.runs
        pairs = list(zip(batch.sources, results, strict=True))
        names = tuple(tuple(run.id for run in result.runs) for result in results)
        findings = tuple(result.findings for result in results)
        marks = tuple(
            mark_after(source.path, stamp, result, records=of_records(source.reader))
            if hasattr(source.reader, "read_more")
            else None
            for (source, result), stamp in zip(pairs, batch.stamps, strict=True)
        )
        missing = tuple(s for s, r in pairs if not r.runs and not os.path.lexists(s.path))
        # From here on the runs are held by nothing but their list.
        results.clear()
        pairs.clear()
        return Outcome(names, findings, self._written(runs), marks, missing)

    def _results(self, batch: Batch, progress: Progress | None) -> list[ReadResult]:
        """What the sources hold, read in portions: the lines of each are let go before the next."""
        results: list[ReadResult] = []
        sizes = np.array([stamp.size for stamp in batch.stamps], np.int64)

        def within(place: int, _: int) -> None:
            if progress is not None:
                progress(len(results) + place, len(batch.sources))

        for part in portions(sizes, self.portion):
            results += read_sources(batch.sources[part], self.rules, within)
        return results

    def _written(self, runs: list[RunData]) -> Written | None:
        if not runs:
            return None
        named = renamed(runs)
        runs.clear()
        return self.change.write(RunGroup.from_runs(drained(named)).table)


def read_sources(
    sources: Sequence[Source], rules: Rules, progress: Progress | None
) -> list[ReadResult]:
    """What each source holds, its runs judged."""
    results: list[ReadResult] = []
    for _, alike in itertools.groupby(sources, key=lambda source: id(source.reader)):
        for result in _read_alike(list(alike), rules):
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
        # Not evolved, which takes several times as long.
        ReadResult(
            tuple(itertools.islice(looked_at, len(result.runs))),
            result.findings,
            result.closed,
            result.state,
            n,
            result.end,
        )
        for result, n in zip(results, own, strict=True)
    ]


def options_for(sources: Sequence[Source], rules: Rules) -> list[ReadOptions]:
    """What a reader is told of each source; nearly always it is told the same of many."""

    @functools.cache
    def options(experiment: str, parts: tuple[str, ...]) -> ReadOptions:
        return ReadOptions(experiment, rules.columns, Paths(parts), rules.deleted, rules.named)

    return [options(source.experiment, source.parts) for source in sources]


def _read_alike(sources: Sequence[Source], rules: Rules) -> Iterator[ReadResult]:
    """Sources of one reader, as the jobs they were logged in complete them."""
    for source, result in zip(sources, _as_logged(sources, rules), strict=True):
        if source.around:
            result = attrs.evolve(result, runs=surrounded(result.runs, source.around))
        yield result


def _as_logged(sources: Sequence[Source], rules: Rules) -> Iterator[ReadResult]:
    """Sources of one reader: all together if it can, else one by one."""
    options = options_for(sources, rules)
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
            import logging

            log = logging.getLogger("dr_gen")
            log.warning("%s: %d files read one by one: %r", sources[0].reader.name, left, error)
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


def check_folder(folder: str, paths: Iterable[str | os.PathLike[str]]) -> None:
    """See that paths mean here what they mean in `folder`.

    Raises
    ------
    WorkerError
        If some are relative, and this process runs elsewhere.
    """
    if os.getcwd() != folder and not all(map(os.path.isabs, paths)):
        reason = f"a worker runs in {os.getcwd()}, not in {folder}; give absolute paths"
        raise WorkerError(reason)


def drained(runs: list[RunData]) -> Iterator[RunData]:
    """The runs, each taken from the list: it is gone when its columns were copied to others."""
    runs.reverse()
    while runs:
        yield runs.pop()


def renamed(runs: Sequence[RunData]) -> list[RunData]:
    """Runs of several stores may share ids: later ones get a number behind theirs."""
    taken: set[str] = set()
    out = []
    for run in runs:
        name = unique(run.id, taken)
        out.append(run if name == run.id else run.with_facts(id=name))
    return out
