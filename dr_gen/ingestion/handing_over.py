"""Runs that other processes read, without a store: columns in plain files, mapped by who asked."""

from __future__ import annotations

import mmap
import os
import pickle
import struct
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.errors import WorkerError
from dr_gen.ingestion.batches import tapering
from dr_gen.ingestion.collector import paused
from dr_gen.ingestion.plans import Source
from dr_gen.ingestion.reading import Progress, check_folder, read_sources, renamed
from dr_gen.ingestion.rules import Rules
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunTable
from dr_gen.parallel import Workers, run
from dr_gen.readers.contract import ReadResult
from dr_gen.store.sharing import with_shared_x

__all__ = ["Handed", "ReadAside", "read_by"]

_ALIGNED: Final = 64
_LENGTH: Final = struct.Struct("<q")


@attrs.frozen
class Handed:
    """What is known of sources that were read; the runs are in a file.

    Attributes
    ----------
    path : str
        The file; empty when there is no run.
    names : tuple of str
        The ids of the runs as the reader gave them.
    findings : tuple of Finding
        What belongs to no run.
    missing : tuple of Source
        Those that are not there.
    """

    path: str
    names: tuple[str, ...]
    findings: tuple[Finding, ...]
    missing: tuple[Source, ...]


@attrs.frozen
class Kept:
    """Sources that were read by the process that asked.

    Attributes
    ----------
    table : RunTable or None
        None when there is no run.
    names, findings
        As in `Handed`.
    """

    table: RunTable | None
    names: tuple[str, ...]
    findings: tuple[Finding, ...]


@attrs.frozen
class ReadAside:
    """The job: reads sources and leaves their runs in a file. It can be sent to any process.

    Attributes
    ----------
    place : str
        The folder of the file.
    rules : Rules
    folder : str
        Where relative paths begin.
    """

    place: str
    rules: Rules
    folder: str = attrs.field(factory=os.getcwd)

    def __call__(self, sources: tuple[Source, ...]) -> Handed:
        """Read sources.

        Raises
        ------
        WorkerError
            If relative paths mean something else in this process.
        OSError
            If the file cannot be written.
        """
        check_folder(self.folder, [self.place, *(source.path for source in sources)])
        with paused():
            results = read_sources(sources, self.rules, None)
            names, table = _joined(results)
            path = ""
            if table is not None:
                path = os.path.join(self.place, uuid.uuid4().hex)
                _write(table, path)
        pairs = zip(sources, results, strict=True)
        missing = tuple(s for s, r in pairs if not r.runs and not os.path.lexists(s.path))
        return Handed(path, names, _findings(results), missing)

    def here(self, sources: tuple[Source, ...]) -> Kept:
        """Read sources in the process that asked; their runs are left in memory."""
        results = read_sources(sources, self.rules, None)
        names, table = _joined(results)
        return Kept(table, names, _findings(results))


def _joined(results: Sequence[ReadResult]) -> tuple[tuple[str, ...], RunTable | None]:
    """The ids of all runs, and their columns with x that they share kept once.

    There is less of it to hand over then, and less to put together with the others in the end,
    while nobody can help.
    """
    runs = [one for result in results for one in result.runs]
    if not runs:
        return (), None
    table = RunGroup.from_runs(renamed(runs)).table
    shared = attrs.evolve(table, curves=with_shared_x(table.curves))
    return tuple(one.id for one in runs), shared


def _findings(results: Sequence[ReadResult]) -> tuple[Finding, ...]:
    return tuple(finding for result in results for finding in result.findings)


def read_by(
    workers: Workers,
    sources: Sequence[Source],
    sizes: Sequence[int],
    rules: Rules,
    place: str,
    progress: Progress | None,
) -> tuple[list[RunData], list[Finding]]:
    """The runs of sources, and the findings of none of them, as others read them.

    Parameters
    ----------
    workers : Workers
    sources : sequence of Source
    sizes : sequence of int
        Bytes of each.
    rules : Rules
    place : str
        A folder that all see.
    progress : callable, optional

    Raises
    ------
    WorkerError
        If a worker did not do its part.
    """
    work = [tuple(sources[part]) for part in tapering(sizes, workers)]
    n_done = 0

    def finished(done: tuple[Source, ...]) -> None:
        nonlocal n_done
        n_done += len(done)
        if progress is not None:
            progress(n_done, len(sources))

    runs: list[RunData] = []
    findings: list[Finding] = []
    job = ReadAside(place, rules)
    results: list[Handed | Kept] = run(job, work, workers, finished, job.here)
    for one in results:
        table = one.table if isinstance(one, Kept) else _taken(one)
        if table is not None:
            named = (RunData(table, index) for index in range(len(one.names)))
            pairs = zip(named, one.names, strict=True)
            runs += [data if data.id == name else data.with_facts(id=name) for data, name in pairs]
        findings += one.findings
    return runs, findings


def _taken(handed: Handed) -> RunTable | None:
    if unseen := [source.path for source in handed.missing if source.path.exists()]:
        raise WorkerError(f"a worker does not see {unseen[0]}; do all share its file system?")
    if not handed.path:
        return None
    try:
        return _read(handed.path)
    except OSError as error:
        reason = f"{handed.path} was written by a worker, but cannot be read here: {error.strerror}"
        raise WorkerError(f"{reason}; do all share the folder of temporary files?") from None


def _write(table: RunTable, path: str) -> None:
    """Write columns as they lie in memory, behind what is said of them."""
    columns: list[pickle.PickleBuffer] = []
    said = pickle.dumps(table, protocol=5, buffer_callback=columns.append)
    parts = [memoryview(said), *(column.raw() for column in columns)]
    sizes = pickle.dumps([part.nbytes for part in parts])
    with open(path, "xb", buffering=0) as file:
        file.write(_LENGTH.pack(len(sizes)) + sizes)
        for part in parts:
            file.write(bytes(-file.tell() % _ALIGNED))
            while part:  # of a large one, the system may take less
                part = part[file.write(part) :]


def _read(path: str) -> RunTable:
    whole: Any
    if os.name == "nt":  # where what is mapped cannot be removed
        whole = Path(path).read_bytes()
    else:
        with open(path, "rb") as file:
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    content = memoryview(whole)
    [length] = _LENGTH.unpack_from(content)
    at = _LENGTH.size + length
    parts = []
    for size in pickle.loads(content[_LENGTH.size : at]):
        at += -at % _ALIGNED
        parts.append(content[at : at + size])
        at += size
    table: RunTable = pickle.loads(parts[0], buffers=parts[1:])
    return table
