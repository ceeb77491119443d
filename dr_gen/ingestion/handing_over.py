"""Runs that other processes read, without a store: columns in plain files, mapped by who asked."""

from __future__ import annotations

import mmap
import os
import pickle
import struct
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.errors import WorkerError
from dr_gen.ingestion.batches import batches
from dr_gen.ingestion.collector import paused
from dr_gen.ingestion.plans import Source
from dr_gen.ingestion.reading import Progress, check_folder, read_sources, renamed
from dr_gen.ingestion.rules import Rules
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunTable
from dr_gen.parallel import Workers, run

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
            runs = [one for result in results for one in result.runs]
            path = ""
            if runs:
                path = os.path.join(self.place, uuid.uuid4().hex)
                _write(RunGroup.from_runs(renamed(runs)).table, path)
        pairs = zip(sources, results, strict=True)
        return Handed(
            path,
            tuple(one.id for one in runs),
            tuple(finding for result in results for finding in result.findings),
            tuple(s for s, r in pairs if not r.runs and not os.path.lexists(s.path)),
        )


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
    work = [tuple(sources[part]) for part in batches(sizes, workers)]
    n_done = 0

    def finished(done: tuple[Source, ...]) -> None:
        nonlocal n_done
        n_done += len(done)
        if progress is not None:
            progress(n_done, len(sources))

    runs: list[RunData] = []
    findings: list[Finding] = []
    for handed in run(ReadAside(place, rules), work, workers, finished):
        if unseen := [source.path for source in handed.missing if source.path.exists()]:
            reason = f"a worker does not see {unseen[0]}; do all share its file system?"
            raise WorkerError(reason)
        runs += _taken(handed)
        findings += handed.findings
    return runs, findings


def _taken(handed: Handed) -> Iterator[RunData]:
    if not handed.path:
        return
    try:
        table = _read(handed.path)
    except OSError as error:
        reason = f"{handed.path} was written by a worker, but cannot be read here: {error.strerror}"
        raise WorkerError(f"{reason}; do all share the folder of temporary files?") from None
    for index, name in enumerate(handed.names):
        one = RunData(table, index)
        yield one if one.id == name else one.with_facts(id=name)


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
