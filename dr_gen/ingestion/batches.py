"""Many sources, read batch by batch, so that memory does not grow with them."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from dr_gen.errors import WorkerError
from dr_gen.ingestion.reading import Batch, Outcome, Progress, ReadBatch
from dr_gen.model.finding import Finding
from dr_gen.parallel import SERIAL, Workers, run
from dr_gen.store.catalogue import Place, Shard
from dr_gen.store.sources import Mark

__all__ = [
    "BATCH_BYTES",
    "NOTHING",
    "PAYS_BYTES",
    "PORTIONS",
    "Fresh",
    "batches",
    "is_much",
    "read_batches",
    "tapering",
    "who_reads",
]

BATCH_BYTES = 384_000_000
"""How much of the sources becomes one shard. Larger batches take more memory (a third of it is held
as columns), smaller ones leave more shards, which takes time whenever the store is opened."""

_MOST_SOURCES = 25_000
"""About how many sources become one shard, however small they are."""

PORTIONS = 3
"""In how many portions a batch is read, each of which takes about as much memory while it is."""

_ELSEWHERE_BYTES = 32_000_000
_LEAST_BYTES = 4_000_000
_EACH = 2
"""Batches for each process: more even out their times, fewer make fewer shards."""

_TAPER = 3
"""A part is what each process would do of what is left, cut into so many."""

PAYS_BYTES = 20_000_000
"""From how much on processes pay: starting them takes as long as reading this much."""


def who_reads(workers: Workers, n_bytes: int) -> Workers:
    """Whoever is asked to read, or this process where it is done sooner alone."""
    return SERIAL if workers.executor is None and n_bytes < PAYS_BYTES else workers


def is_much(paths: Iterable[str | os.PathLike[str]]) -> bool:
    """Whether files, and what lies in folders, are so much that processes pay; looked at briefly.

    Examples
    --------
    >>> is_much([])
    False
    """
    total = 0
    for path in paths:
        inside = (os.path.join(at, name) for at, _, names in os.walk(path) for name in names)
        for file in itertools.chain([path], inside):
            with contextlib.suppress(OSError):
                total += os.stat(file).st_size
            if total >= PAYS_BYTES:
                return True
    return False


def batches(
    sizes: Sequence[int], workers: Workers, batch_bytes: int = BATCH_BYTES
) -> Iterator[slice]:
    """Which sources to read together.

    Parameters
    ----------
    sizes : sequence of int
        Bytes of each source.
    workers : Workers
    batch_bytes : int
        About how much a batch has at most, but for one with a single large source in it. A very
        small source counts for more than it is.

    Examples
    --------
    >>> list(batches([3, 3, 3, 3, 1], Workers(), 7))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    if workers.executor is not None:
        batch_bytes = min(batch_bytes, _ELSEWHERE_BYTES)
    # Of very small sources, what is known of their runs is most of what is held.
    sizes = [max(size, batch_bytes // _MOST_SOURCES) for size in sizes]
    total = sum(sizes)
    number = -(-total // batch_bytes)
    if workers.number > 1:
        number = max(number, min(_EACH * workers.number, total // _LEAST_BYTES))
    # Of one size, since the last one decides when all is done.
    ends = itertools.accumulate(sizes)
    parts = ((end - size) * number // max(total, 1) for end, size in zip(ends, sizes, strict=True))
    first = 0
    for _, part in itertools.groupby(parts):
        last = first + sum(1 for _ in part)
        yield slice(first, last)
        first = last


def tapering(sizes: Sequence[int], workers: Workers) -> Iterator[slice]:
    """Which sources to read together where it costs nothing to be in a part of one's own.

    Each part is a share of what is left: large ones keep everybody at work, and at the end small
    ones are left to whoever has time. An executor of somebody else gets them as `batches` do.

    Examples
    --------
    >>> [part.stop - part.start for part in tapering([10_000_000] * 24, Workers(2))]
    [4, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    if workers.executor is not None:
        yield from batches(sizes, workers)
        return
    left, first = sum(sizes), 0
    while first < len(sizes):
        share = max(min(left // (_TAPER * workers.number), BATCH_BYTES), _LEAST_BYTES)
        last, n_bytes = first, 0
        while last < len(sizes) and (last == first or n_bytes + sizes[last] <= share):
            n_bytes += sizes[last]
            last += 1
        yield slice(first, last)
        left, first = left - n_bytes, last


@attrs.frozen
class Fresh:
    """What was read, by the path that the store has for each source.

    Attributes
    ----------
    names : mapping
        Ids of its runs as the reader gave them.
    findings : mapping
        What belongs to none of its runs.
    places : mapping
        Where its runs are: number of the shard, and number in it.
    shards : list of Shard
        Not in any catalogue yet.
    written : mapping
        What the run at each place is called there.
    marks : mapping
        How far it was read, where that is known.
    """

    names: Mapping[str, tuple[str, ...]]
    findings: Mapping[str, tuple[Finding, ...]]
    places: Mapping[str, tuple[Place, ...]]
    shards: list[Shard]
    written: Mapping[Place, str]
    marks: Mapping[str, Mark | None]

    def behind(self, other: Fresh) -> Fresh:
        """What was read twice over, the shards of `other` behind these."""
        n = len(self.shards)
        moved = {
            path: tuple((n + shard, row) for shard, row in places)
            for path, places in other.places.items()
        }
        written = {(n + shard, row): name for (shard, row), name in other.written.items()}
        return Fresh(
            {**self.names, **other.names},
            {**self.findings, **other.findings},
            {**self.places, **moved},
            [*self.shards, *other.shards],
            {**self.written, **written},
            {**self.marks, **other.marks},
        )


NOTHING = Fresh({}, {}, {}, [], {}, {})
"""Nothing was read."""


def read_batches(
    job: ReadBatch,
    paths: Sequence[str],
    work: Sequence[Batch],
    workers: Workers,
    progress: Progress | None,
) -> Fresh:
    """Read all of `work`, whose sources the store knows by `paths`.

    Raises
    ------
    StoreError, WorkerError, UsageError
        See `ReadBatch` and `run`.
    """
    n, done = len(paths), 0

    def within(place: int, _: int) -> None:
        if progress is not None:
            progress(done + place, n)

    def finished(batch: Batch) -> None:
        nonlocal done
        done += len(batch.sources)
        if progress is not None and not workers.alone:
            progress(done, n)

    doing = functools.partial(job, progress=within) if workers.alone else job
    return _gathered(paths, run(job, work, workers, finished, doing))


def _gathered(paths: Sequence[str], outcomes: Sequence[Outcome]) -> Fresh:
    names: dict[str, tuple[str, ...]] = {}
    findings: dict[str, tuple[Finding, ...]] = {}
    places: dict[str, tuple[Place, ...]] = {}
    shards: list[Shard] = []
    written: dict[Place, str] = {}
    marks: dict[str, Mark | None] = {}
    left = iter(paths)
    for outcome in outcomes:
        for source in outcome.missing:
            if source.path.exists():
                reason = f"a worker does not see {source.path}; do all share its file system?"
                raise WorkerError(reason)
        runs = ((len(shards), row) for row in itertools.count())
        facts = zip(outcome.names, outcome.findings, outcome.marks, left, strict=False)
        for here, found, mark, path in facts:
            names[path], findings[path], marks[path] = here, found, mark
            places[path] = tuple(itertools.islice(runs, len(here)))
        if outcome.written is not None:
            written.update({(len(shards), i): name for i, name in enumerate(outcome.written.runs)})
            shards.append(outcome.written.shard)
    return Fresh(names, findings, places, shards, written, marks)
