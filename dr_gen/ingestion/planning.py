"""Deciding what to read: from names, times and the beginnings of files; nothing is parsed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from dr_gen.errors import UnknownFormatError
from dr_gen.ingestion.memory import Look, Looks, Memory
from dr_gen.ingestion.plans import Kind, Late, Plan, Source, Step
from dr_gen.ingestion.recognising import COPY, PART, Files, Found, Seen, recognised, together
from dr_gen.ingestion.roots import Asked, PathLike, Roots, roots_of
from dr_gen.ingestion.rules import Rules
from dr_gen.model.finding import Finding
from dr_gen.readers import formats
from dr_gen.readers.contract import ColumnMap
from dr_gen.readers.run_dirs import experiment_of
from dr_gen.readers.tree import experiment_name
from dr_gen.store.sources import SourceRecord

__all__ = ["plan", "unique"]


def plan(
    source: Asked,
    store: PathLike | None = None,
    *,
    format: str | None = None,
    experiment: str | None = None,
    columns: ColumnMap | None = None,
    expected_epochs: int | None = None,
    deleted: bool = False,
) -> Plan:
    """Decide what to read, without reading more than the beginning of each file.

    Parameters
    ----------
    source : path or sequence of paths
        Files, folders (searched to any depth) and stores.
    store : path, optional
        The store that is to be brought up to date: what is unchanged since is not even opened.
        It need not be there yet.
    format : str, optional
        Name of the format; by default each file is recognised by its content.
    experiment : str, optional
        What the runs belong to; by default the name of the folder given, or, of the folder of a
        single run as trackers leave it, of its experiment.
    columns, expected_epochs, deleted
        As for `load`; a file that was read otherwise is to be read again.

    Raises
    ------
    SourceNotFoundError
        If a path is not there.
    UnknownFormatError
        If nothing was recognised.
    AmbiguousFormatError
        If two formats fit a file equally well.
    UnknownKeyError
        If there is no format called `format`.
    StoreError
        If the store cannot be read.
    """
    named = experiment is not None
    rules = Rules(format, columns or ColumnMap(), expected_epochs, deleted=deleted, named=named)
    return _plan(roots_of(source), store, rules, experiment, whole=())


def _plan(
    roots: Roots,
    store: PathLike | None,
    rules: Rules,
    experiment: str | None,
    whole: Collection[str],
) -> Plan:
    reader = None if rules.format is None else formats.reader(rules.format)
    target = None if store is None else Path(store)
    memory = Memory(target, rules, whole)
    findings = [] if reader is not None else list(formats.formats().findings)
    searches = [*_searches(roots, experiment, memory, findings)]
    absolute = () if target is None else roots.absolute()
    as_before = memory.is_as_before(absolute, [(s.experiment, s.looks) for s in searches])
    sources: Sequence[Source]
    steps: Sequence[Step]
    if as_before:
        sources, steps = _unchanged(memory, searches)
    else:
        files = _files(memory, searches)
        what = recognised(files, reader, findings)
        sources = tuple(_with_unique_ids([source for source, _ in what.logs]))
        if target is None:
            findings += what.copies.values()
            steps, grown = (), set()
        else:
            seen = [*files.values()]
            steps = (*_steps(memory, seen, sources, what, absolute),)
            grown = {one.look.path for one in seen if one.look.grown}
        if odd := grown.difference(step.record.path for step in steps if step.since is not None):
            return _plan(roots, store, rules, experiment, {*whole, *odd})
    n_files = sum(len(search.looks) for search in searches)
    if not (sources or roots.stores or memory.before.sources) and not any(f.path for f in findings):
        where = ", ".join(roots.paths)
        reason = f"no training log was recognised in {n_files} file{'' if n_files == 1 else 's'}"
        looked_for = formats.names() if rules.format is None else (rules.format,)
        raise UnknownFormatError(where, looked_for, reason)
    found = (sources, roots.stores, tuple(findings), n_files)
    again = partial(_again, roots, store, rules, experiment, whole)
    return Plan(*found, steps, target, memory.before, rules, absolute, as_before, again)


def _again(
    roots: Roots,
    store: PathLike | None,
    rules: Rules,
    experiment: str | None,
    whole: Collection[str],
    more: Collection[str],
) -> Plan:
    return _plan(roots, store, rules, experiment, {*whole, *more})


@attrs.frozen
class _Search:
    """What was found at paths that were given.

    Attributes
    ----------
    root : str or None
        The folder that was searched; None where each file was given by its name.
    experiment : str
    looks : Looks
    given : sequence of str
        The files that were given.
    """

    root: str | None
    experiment: str
    looks: Looks
    given: Sequence[str] = ()

    def names(self) -> Sequence[str]:
        """The names of all files."""
        if self.root is None:
            return self.given
        looks = self.looks
        return [*looks.kept.values(), *(look.given for look in looks.others), *looks.names]


def _files(memory: Memory, searches: Sequence[_Search]) -> Files:
    """All files, with what is known of them."""
    known = {look.given: look for search in searches for look in search.looks.others}
    kept = {given: row for search in searches for row, given in search.looks.kept.items()}

    def look(given: str) -> Look:
        if given in kept:
            return memory.recall(kept[given], given)
        return known.get(given) or Look("", given)

    return Files([(one.root, one.experiment, one.names()) for one in searches], look)


def _searches(
    roots: Roots, experiment: str | None, memory: Memory, findings: list[Finding]
) -> Iterator[_Search]:
    stores = frozenset(map(str, roots.stores))
    # Of many files given one by one most lie in one folder.
    for folder, alike in itertools.groupby(roots.paths, roots.folder_of):
        if folder is not None:
            given = [*alike]
            name = experiment_name(Path(given[0])) if experiment is None else experiment
            yield _Search(None, name, memory.look(given), given)
            continue
        for top in alike:
            if top not in stores:
                files, unlisted = memory.walked(top)
                findings += unlisted
                of_folder = experiment_of(Path(top)) if experiment is None else experiment
                name = experiment_name(Path(top)) if of_folder is None else of_folder
                yield _Search(top, name, memory.look(memory.outside(files, top)))


def _unchanged(
    memory: Memory, searches: Sequence[_Search]
) -> tuple[Sequence[Source], Sequence[Step]]:
    """Sources and steps where nothing is to be done, none of them made yet."""
    table = memory.before.sources
    readers = formats.formats().readers
    given = {row: name for search in searches for row, name in search.looks.kept.items()}

    def source(row: int) -> Source:
        record = table[row]
        told = (record.run_id, record.experiment, readers[record.format])
        return Source(Path(given[row]), *told, record.confidence, record.reason)

    def step(row: int) -> Step:
        record = table[row]
        if record.gone:
            return Step("gone", record)
        if record.format:
            return Step("unchanged", record, source(row))
        return Step(_KINDS.get(record.reason, "no log"), record)

    is_log = [bool(told[0]) for told in table.told]
    logs = [row for row, told in enumerate(table.told_as) if is_log[told] and row in given]
    return Late(logs, source), Late(range(len(table)), step)


def _steps(
    memory: Memory,
    seen: Iterable[Seen],
    sources: Sequence[Source],
    what: Found,
    roots: Sequence[str],
) -> Iterator[Step]:
    """What to do with each file: those that are logs first, in the order of `sources`."""
    looks = [look for _, look in what.logs]
    for source, look in zip(sources, looks, strict=True):
        if look.stamp is not None:
            yield _step(source, look, memory.how)
    logs = {look.path for look in looks}
    for one in seen:
        if one.look.stamp is not None and one.look.path not in logs:
            record = _no_log(one.look, what, memory.how)
            yield Step(_KINDS.get(record.reason, "no log"), record)
    looked_at = [one.look.path for one in seen if one.look.stamp is not None]
    for old, is_below in memory.left(looked_at, roots):
        if not is_below:
            yield Step("elsewhere", old)
        elif old.runs:
            yield Step("gone", attrs.evolve(old, gone=True))


_KINDS: Final[Mapping[str, Kind]] = {PART: "part", COPY: "copy"}


def _no_log(look: Look, what: Found, how: str) -> SourceRecord:
    assert look.stamp is not None
    record = SourceRecord(look.path, look.given, look.stamp, look.beside, how=how)
    if look.given in what.copies:
        return attrs.evolve(record, reason=COPY, findings=(what.copies[look.given],))
    return attrs.evolve(record, reason=PART) if look.given in what.parts else record


def _step(source: Source, look: Look, how: str) -> Step:
    old, stamp = look.known, look.stamp
    assert stamp is not None
    told = (source.reader.name, source.run_id, source.experiment)
    if old is not None and look.same and told == (old.format, old.run_id, old.experiment):
        if stamp != old.stamp or look.beside != old.beside or old.gone:
            old = attrs.evolve(old, stamp=stamp, beside=look.beside, gone=False)
        return Step("unchanged", old, source)
    record = SourceRecord(
        look.path,
        look.given,
        stamp,
        look.beside,
        format=source.reader.name,
        confidence=source.confidence,
        reason=source.reason,
        run_id=source.run_id,
        experiment=source.experiment,
        how=how,
        together=together(look.given, source.together),
    )
    if old is None or not old.format:
        return Step("new", record, source)
    if look.grown and told == (old.format, old.run_id, old.experiment):
        return Step("grown", record, source, old)
    grown = stamp.size > old.stamp.size and record.how == old.how
    return Step("grown" if grown else "rewritten", record, source)


def _with_unique_ids(sources: Sequence[Source]) -> Iterator[Source]:
    """Sources whose runs would share an id get longer ones."""
    counts = Counter(source.run_id for source in sources)
    taken: set[str] = set()
    for source in sources:
        name = source.run_id
        if counts[name] > 1:
            experiments = {s.experiment for s in sources if s.run_id == name}
            name = f"{name}/{source.path.name}"
            if len(experiments) > 1:
                name = f"{source.experiment}/{name}"
        name = unique(name, taken)
        yield source if name == source.run_id else attrs.evolve(source, run_id=name)


def unique(name: str, taken: set[str]) -> str:
    """`name`, or the first ``name~2``, ``name~3``, … that is not taken; taken from then on."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}~{number}", number + 1
    taken.add(free)
    return free
