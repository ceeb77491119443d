"""From files to a group of runs: plan what to read, then read it.

`plan` looks at names and the beginnings of files and decides; nothing is parsed. `load` and
`ingest` carry a plan out. Neither raises for what a log holds: bad content becomes findings.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from dr_gen.errors import DrGenError, SourceNotFoundError, UnknownFormatError, UsageError
from dr_gen.group_validators import validate_group
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup, with_records
from dr_gen.model.run import RunData
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, ColumnMap, Reader, ReadOptions, ReadResult
from dr_gen.readers.tree import LOG_SUFFIXES, experiment_name, run_id, walk
from dr_gen.validators import Validator, default_validators, validate_all

__all__ = ["Plan", "Progress", "Source", "ingest", "load", "plan"]

PathLike = str | os.PathLike[str]
Progress = Callable[[int, int], None]
"""Called with the number of sources done and the number there are."""


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
class Plan:
    """What is to be read.

    Attributes
    ----------
    sources : tuple of Source
        In the natural order of their paths.
    stores : tuple of Path
        Stores of ours among the paths given.
    findings : tuple of Finding
        What could not even be looked at.
    n_files : int
        How many files were looked at.
    """

    sources: tuple[Source, ...]
    stores: tuple[Path, ...]
    findings: tuple[Finding, ...]
    n_files: int

    def formats(self) -> dict[str, tuple[int, float]]:
        """Format name to the number of its files and the lowest confidence among them."""
        counts = Counter(source.reader.name for source in self.sources)
        return {
            name: (n, min(s.confidence for s in self.sources if s.reader.name == name))
            for name, n in counts.most_common()
        }


# ------------------------------------------------------------------ plan


def plan(
    source: PathLike | Sequence[PathLike],
    *,
    format: str | None = None,
    experiment: str | None = None,
) -> Plan:
    """Decide what to read, without reading more than the beginning of each file.

    Parameters
    ----------
    source : path or sequence of paths
        Files, folders (searched to any depth) and stores.
    format : str, optional
        Name of the format; by default each file is recognised by its content.
    experiment : str, optional
        What the runs belong to; by default the name of the folder given.

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
    """
    from dr_gen.store.store import is_store

    roots = _roots(source)
    reader = None if format is None else formats.reader(format)
    sources: list[Source] = []
    stores: list[Path] = []
    findings = [] if reader is not None else list(formats.formats().findings)
    n_files = 0
    for root in roots:
        if not os.path.lexists(root):
            raise SourceNotFoundError(str(root))
        if is_store(root):
            stores.append(root)
            continue
        files, unlisted = walk(root)
        findings += unlisted
        n_files += len(files)
        name = experiment if experiment is not None else experiment_name(root)
        sources += _recognised(root, files, name, reader, findings)
    if not sources and not stores and not any(f.path for f in findings):
        where = ", ".join(map(str, roots))
        reason = f"no training log was recognised in {n_files} file{'' if n_files == 1 else 's'}"
        raise UnknownFormatError(where, tuple(formats.names()), reason)
    return Plan(tuple(_with_unique_ids(sources)), tuple(stores), tuple(findings), n_files)


def _roots(source: Any) -> list[Path]:
    paths = [source] if isinstance(source, str | os.PathLike) else source
    given = isinstance(paths, Sequence) and len(paths) > 0
    if not given or not all(isinstance(p, str | os.PathLike) and os.fspath(p) for p in paths):
        raise UsageError(f"expected folders or files of runs, or stores; found {source!r}")
    return [Path(p) for p in paths]


def _recognised(
    root: Path,
    files: Iterable[Path],
    experiment: str,
    reader: Reader | None,
    findings: list[Finding],
) -> Iterator[Source]:
    for path in files:
        name = run_id(path, root)
        if reader is not None:
            if path == root or (path.suffix in LOG_SUFFIXES and not _is_sidecar(path)):
                yield Source(path, name, experiment, reader, 1.0, "named by the caller")
            continue
        try:
            head = _head(path)
        except OSError as error:
            if path == root or path.suffix in (".jsonl", ".ndjson"):
                message = f"the file cannot be read: {error.strerror or error}"
                findings.append(
                    Finding("unreadable-file", message, Severity.ERROR, str(path), run=name)
                )
            continue
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
        yield attrs.evolve(source, run_id=_unique(name, taken))


# ------------------------------------------------------------------ read


def load(
    path: PathLike | Sequence[PathLike],
    *,
    format: str | None = None,
    columns: ColumnMap | None = None,
    experiment: str | None = None,
    expected_epochs: int | None = None,
    validators: Sequence[Validator] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> RunGroup:
    """Runs of a store, or of any folders and files.

    Parameters
    ----------
    path : path or sequence of paths
    format : str, optional
        Name of the format; by default each file is recognised by its content.
    columns : ColumnMap, optional
        What columns mean, where guessing fails.
    experiment : str, optional
        What the runs belong to; by default the name of the folder given.
    expected_epochs : int, optional
        Epochs that every run should have; by default what its configuration says.
    validators : sequence of callables, optional
        Instead of `default_validators`.
    progress : callable, optional
        Called with the number of sources read and the number there are.
    **settings
        Attributes of the group: `noise`, `labels`, `directions`.

    Returns
    -------
    RunGroup
        In the natural order of their paths. What is wrong with a run is in its findings, what
        belongs to no run in the findings of the group.

    Raises
    ------
    SourceNotFoundError, UnknownFormatError, AmbiguousFormatError, UnknownKeyError
        See `plan`.
    """
    from dr_gen.store.store import open_store

    decided = plan(path, format=format, experiment=experiment)
    if len(decided.stores) == 1 and not decided.sources and not decided.findings:
        return open_store(decided.stores[0], **settings)
    checks = default_validators(expected_epochs) if validators is None else tuple(validators)
    runs: list[RunData] = []
    findings = list(decided.findings)
    for store in decided.stores:
        stored = open_store(store)
        runs += stored
        findings += stored.source_findings
    read = list(_read(decided.sources, columns or ColumnMap(), findings, progress))
    checked = validate_all(_with_formats(read), checks)
    group = RunGroup.from_runs(
        _renamed([*runs, *checked]), source_findings=tuple(findings), **settings
    )
    return validate_group(group)


def ingest(
    source: PathLike | Sequence[PathLike],
    store: PathLike,
    *,
    compress: bool = False,
    **options: Any,
) -> RunGroup:
    """Read runs and write them to a store.

    The sources are never written to.

    Parameters
    ----------
    source : path or sequence of paths
    store : path
        A folder of its own; made if it is not there, replaced as a whole if it is a store.
    compress : bool
        Smaller files that open slower.
    **options
        As for `load`.

    Returns
    -------
    RunGroup
        As opened from the store.

    Raises
    ------
    StoreError
        If the store cannot be written; what was there before stays as it was.
    SourceNotFoundError, UnknownFormatError, AmbiguousFormatError, UnknownKeyError
        See `plan`.
    """
    from dr_gen.store.store import open_store, save

    settings: Mapping[str, Any] = {
        name: options[name] for name in ("noise", "labels", "directions") if name in options
    }
    save(load(source, **options), store, compress=compress)
    return open_store(store, **settings)


def _read(
    sources: Sequence[Source],
    columns: ColumnMap,
    findings: list[Finding],
    progress: Progress | None,
) -> Iterator[tuple[RunData, str]]:
    """Runs, each with the name of its format."""
    done = 0
    for _, alike in itertools.groupby(sources, key=lambda source: id(source.reader)):
        for source, result in _read_alike(list(alike), columns):
            if progress is not None:
                progress(done, len(sources))
            done += 1
            findings += result.findings
            for run in result.runs:
                yield run, source.reader.name
    if progress is not None:
        progress(len(sources), len(sources))


def _with_formats(read: Sequence[tuple[RunData, str]]) -> list[RunData]:
    """The runs with the names of their formats in their metadata."""
    runs = [run for run, _ in read]
    records = [
        attrs.evolve(run.record, metadata={**run.record.metadata, "format": name})
        for run, name in read
    ]
    return with_records(runs, records)


def _read_alike(
    sources: Sequence[Source], columns: ColumnMap
) -> Iterator[tuple[Source, ReadResult]]:
    """Sources of one reader: all together if it can, else one by one."""
    options = [ReadOptions(source.experiment, columns) for source in sources]
    read_many = getattr(sources[0].reader, "read_many", None)
    done = 0
    if read_many is not None:
        items = [(s.path, s.run_id, o) for s, o in zip(sources, options, strict=True)]
        try:
            for result in read_many(items):
                yield sources[done], result
                done += 1
        except DrGenError:
            raise
        except Exception:
            # Whatever it was, one by one it hits a single file.
            pass
    for source, option in zip(sources[done:], options[done:], strict=True):
        yield source, _read_one(source, option)


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


def _renamed(runs: Sequence[RunData]) -> list[RunData]:
    """Runs of several stores may share ids: later ones get a number behind theirs."""
    taken: set[str] = set()
    out = []
    for run in runs:
        name = _unique(run.id, taken)
        out.append(run if name == run.id else run.with_facts(id=name))
    return out


def _unique(name: str, taken: set[str]) -> str:
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name}~{number}", number + 1
    taken.add(unique)
    return unique
