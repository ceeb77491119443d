"""Deciding what to read: from names, times and the beginnings of files; nothing is parsed."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import attrs

from dr_gen.errors import SourceNotFoundError, UnknownFormatError, UsageError
from dr_gen.ingestion.rules import Rules
from dr_gen.ingestion.stamps import Folders, renewed
from dr_gen.model.finding import Finding, Severity
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, ColumnMap, Reader
from dr_gen.readers.tree import LOG_SUFFIXES, experiment_name, run_id, walk
from dr_gen.store import catalogue as catalogues
from dr_gen.store.catalogue import Catalogue, SourceRecord, Stamp

__all__ = ["PathLike", "Plan", "Source", "Step", "plan", "roots_of", "unique"]

PathLike = str | os.PathLike[str]
Kind = Literal["new", "grown", "rewritten", "unchanged", "gone", "elsewhere", "no log"]
"""What became of a file since it was last looked at; `elsewhere`: it was not looked for."""


@attrs.frozen
class Source:
    """One file to read.

    Attributes
    ----------
    path : Path
    run_id : str
        Id of the run when the file holds one.
    experiment : str
    reader : Reader
    confidence : float
        How sure the reader is, from 0 to 1; 1 when the format was named by the caller.
    reason : str
        What the format was recognised by.
    """

    path: Path
    run_id: str
    experiment: str
    reader: Reader
    confidence: float
    reason: str


@attrs.frozen
class Step:
    """What is to be done with one file.

    Attributes
    ----------
    kind : str
        Only what is ``new``, ``grown`` or ``rewritten`` is read.
    record : SourceRecord
        What the store will remember of it; of a file that is to be read all but its content.
    source : Source or None
        The file, when it is there and a log.
    """

    kind: Kind
    record: SourceRecord
    source: Source | None = None

    @property
    def to_read(self) -> bool:
        """Whether the file is to be read."""
        return self.kind in ("new", "grown", "rewritten")


@attrs.frozen
class Plan:
    """What is to be read.

    Attributes
    ----------
    sources : tuple of Source
        Every log, in the natural order of their paths.
    stores : tuple of Path
        Stores of ours among the paths given.
    findings : tuple of Finding
        What could not even be looked at.
    n_files : int
        How many files were looked at.
    steps : tuple of Step
        For a store that is to be brought up to date: what to do with each file.
    store : Path or None
        That store.
    before : Catalogue
        What is in it.
    rules : Rules
    """

    sources: tuple[Source, ...]
    stores: tuple[Path, ...]
    findings: tuple[Finding, ...]
    n_files: int
    steps: tuple[Step, ...] = ()
    store: Path | None = None
    before: Catalogue = attrs.field(factory=Catalogue, repr=False)
    rules: Rules = attrs.field(factory=Rules, repr=False)

    def formats(self) -> dict[str, tuple[int, float]]:
        """Format name to the number of its files and the lowest confidence among them."""
        counts: Counter[str] = Counter()
        lowest: dict[str, float] = {}
        for source in self.sources:
            name = source.reader.name
            counts[name] += 1
            lowest[name] = min(source.confidence, lowest.get(name, 1.0))
        return {name: (n, lowest[name]) for name, n in counts.most_common()}

    def counts(self) -> dict[str, int]:
        """How many files there are of each kind."""
        return dict(Counter(step.kind for step in self.steps))


def plan(
    source: PathLike | Sequence[PathLike],
    store: PathLike | None = None,
    *,
    format: str | None = None,
    experiment: str | None = None,
    columns: ColumnMap | None = None,
    expected_epochs: int | None = None,
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
        What the runs belong to; by default the name of the folder given.
    columns, expected_epochs
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
    rules = Rules(format, columns or ColumnMap(), expected_epochs)
    reader = None if format is None else formats.reader(format)
    roots = roots_of(source)
    target = None if store is None else Path(store)
    memory = _Memory(target, rules)
    sources: list[Source] = []
    stores: list[Path] = []
    findings = [] if reader is not None else list(formats.formats().findings)
    n_files = 0
    for root in roots:
        if catalogues.exists(root):
            stores.append(root)
            continue
        files, unlisted = walk(root)
        files = memory.outside(root, files)
        findings += unlisted
        n_files += len(files)
        name = experiment if experiment is not None else experiment_name(root)
        sources += _recognised(root, files, name, reader, findings, memory)
    if not (sources or stores or memory.known) and not any(f.path for f in findings):
        where = ", ".join(map(str, roots))
        reason = f"no training log was recognised in {n_files} file{'' if n_files == 1 else 's'}"
        raise UnknownFormatError(where, tuple(formats.names()), reason)
    unique_ids = tuple(_with_unique_ids(sources))
    steps = () if target is None else memory.steps(unique_ids, roots)
    seen = (unique_ids, tuple(stores), tuple(findings), n_files)
    return Plan(*seen, tuple(steps), target, memory.before, rules)


def roots_of(source: PathLike | Sequence[PathLike]) -> list[Path]:
    """The paths given, each there.

    Raises
    ------
    SourceNotFoundError
        If one is not.
    UsageError
        If there is none, or one is no path.
    """
    paths = [source] if isinstance(source, str | os.PathLike) else source
    given = isinstance(paths, Sequence) and len(paths) > 0
    if not given or not all(isinstance(p, str | os.PathLike) and os.fspath(p) for p in paths):
        raise UsageError(f"expected folders or files of runs, or stores; found {source!r}")
    roots = [Path(p) for p in paths]
    for root in roots:
        if not os.path.lexists(root):
            raise SourceNotFoundError(str(root))
    return roots


class _Memory:
    """What a store knows of files, held against the files as they are now."""

    def __init__(self, store: Path | None, rules: Rules) -> None:
        self._store = None if store is None else f"{os.path.abspath(store)}{os.sep}"
        self._how = "" if store is None else rules.how()
        self._now = time.time_ns()
        self._folders = Folders(self._now)
        self._looked_at: dict[str, _Look] = {}
        self._absolute: dict[str, str] = {}
        there = store is not None and catalogues.exists(store)
        self.before = catalogues.read(store, sources=True) if there and store else Catalogue()
        self.known: Mapping[str, SourceRecord] = {s.path: s for s in self.before.sources}

    def outside(self, root: Path, files: list[Path]) -> list[Path]:
        """The files that are not of the store itself."""
        below = f"{os.path.abspath(root)}{os.sep}"
        if self._store is None or not self._store.startswith(below):
            return files
        return [file for file in files if not os.path.abspath(file).startswith(self._store)]

    def look(self, path: Path) -> SourceRecord | None:
        """What is known of a file, if it still holds."""
        if self._store is None:
            return None
        name = self._name(path)
        old = self.known.get(name)
        try:
            stamp, same = renewed(path, old.stamp if old else None, self._now)
        except OSError:
            return None
        beside, same_beside = self._folders.beside(str(path), old.beside if old else None)
        same = same and same_beside and old is not None and old.how == self._how
        self._looked_at[name] = (str(path), stamp, beside, same)
        return old if same else None

    def _name(self, path: Path) -> str:
        # Once for each folder: making a path absolute costs more than looking at the file.
        text = str(path)
        folder = text[: text.rfind(os.sep) + 1]
        if folder not in self._absolute:
            self._absolute[folder] = os.path.join(os.path.abspath(folder), "")
        return self._absolute[folder] + text[len(folder) :]

    def steps(self, sources: Iterable[Source], roots: Sequence[Path]) -> Iterator[Step]:
        """What to do with each file: those that are logs first, in the order of `sources`."""
        left = dict(self._looked_at)
        for source in sources:
            name = self._name(source.path)
            yield self._step(source, name, *left.pop(name))
        for name, (given, stamp, beside, _) in left.items():
            record = SourceRecord(name, given, stamp, beside, how=self._how)
            yield Step("no log", record)
        below = [os.path.abspath(root) for root in roots]
        for path, old in self.known.items():
            if path in self._looked_at:
                continue
            if not any(path == root or path.startswith(root + os.sep) for root in below):
                yield Step("elsewhere", old)
            elif old.runs:
                yield Step("gone", attrs.evolve(old, gone=True))

    def _step(
        self, source: Source, name: str, given: str, stamp: Stamp, beside: _Beside, same: bool
    ) -> Step:
        old = self.known.get(name)
        told = (source.reader.name, source.run_id, source.experiment)
        if old is not None and same and told == (old.format, old.run_id, old.experiment):
            if stamp != old.stamp or beside != old.beside or old.gone:
                old = attrs.evolve(old, stamp=stamp, beside=beside, gone=False)
            return Step("unchanged", old, source)
        record = SourceRecord(
            name,
            given,
            stamp,
            beside,
            format=source.reader.name,
            confidence=source.confidence,
            reason=source.reason,
            run_id=source.run_id,
            experiment=source.experiment,
            how=self._how,
        )
        if old is None or not old.format:
            return Step("new", record, source)
        grown = stamp.size > old.stamp.size and record.how == old.how
        return Step("grown" if grown else "rewritten", record, source)


_Beside = Mapping[str, Stamp]
_Look = tuple[str, Stamp, _Beside, bool]
"""Path as given, stamps of the file and of those beside it, and whether all is as known."""


def _recognised(
    root: Path,
    files: Iterable[Path],
    experiment: str,
    reader: Reader | None,
    findings: list[Finding],
    memory: _Memory,
) -> Iterator[Source]:
    readers = formats.formats().readers
    for path in files:
        name = run_id(path, root)
        known = memory.look(path)
        if known is not None and known.format in readers:
            one = readers[known.format]
            yield Source(path, name, experiment, one, known.confidence, known.reason)
        elif known is not None and not known.format:
            continue
        elif reader is not None:
            if path == root or (path.suffix in LOG_SUFFIXES and not _is_sidecar(path)):
                yield Source(path, name, experiment, reader, 1.0, "named by the caller")
        else:
            yield from _detected(path, root, name, experiment, findings)


def _detected(
    path: Path, root: Path, name: str, experiment: str, findings: list[Finding]
) -> Iterator[Source]:
    try:
        head = _head(path)
    except OSError as error:
        if path == root or path.suffix in (".jsonl", ".ndjson"):
            message = f"the file cannot be read: {error.strerror or error}"
            findings.append(
                Finding("unreadable-file", message, Severity.ERROR, str(path), run=name)
            )
        return
    found = formats.detect(path, head)
    if found is not None:
        claimed, detection = found
        confidence, reason = detection.confidence, detection.reason
        yield Source(path, name, experiment, claimed, confidence, reason)


def _is_sidecar(path: Path) -> bool:
    return path.stem.casefold() in ("config", "args", "hparams", "params")


def _head(path: Path) -> bytes:
    if not path.is_file():
        broken = "it is a link that leads nowhere"
        raise OSError(None, "it is not a regular file" if path.exists() else broken)
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


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
