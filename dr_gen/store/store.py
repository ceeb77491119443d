"""A store: a folder of immutable shards, and a catalogue that says which of them count.

::

    STORE/
      catalogue.json     replaced in one step; until then a change has not happened
      overlays.json      what was added to runs by hand, if anything was
      writer.lock        only while a writer is at work
      shards/
        runs-….nc        netCDF-4, never changed after it is there

Any number of readers, also while a writer is at work: one that finds a shard gone, because a
newer catalogue does without it, starts over with that catalogue. One writer: a second one waits,
and then says who is at work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError
from dr_gen.model.direction import Direction
from dr_gen.model.group import RunGroup
from dr_gen.model.labels import Labels
from dr_gen.model.noise import NOISE_KEYS
from dr_gen.model.run_table import RunTable
from dr_gen.store import catalogue as catalogues
from dr_gen.store.catalogue import Catalogue
from dr_gen.store.change import changing
from dr_gen.store.lock import PATIENCE
from dr_gen.store.ondemand import Reading
from dr_gen.store.overlays import overlaid
from dr_gen.store.shards import read_runs
from dr_gen.store.snapshot import check_runs, read_settled
from dr_gen.store.writing import commit, writing

__all__ = ["is_store", "open_store", "save"]


def is_store(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a folder that looks like a store, in order or not."""
    return catalogues.exists(Path(path))


def save(
    group: RunGroup,
    path: str | os.PathLike[str],
    *,
    compress: bool = False,
    now: datetime | None = None,
    timeout: float = PATIENCE,
) -> None:
    """Write the runs of `group` as a store; one that is there is replaced as a whole.

    Labels, noise and directions are settings of an analysis and are not stored.

    Parameters
    ----------
    group : RunGroup
    path : str or Path
        A folder of its own: new, empty, or a store.
    compress : bool
        Half the size or less, at ten times the time to read and write.
    now : datetime, optional
        The time that is written down.
    timeout : float
        How many seconds to wait for another writer.

    Raises
    ------
    StoreError
        If the folder is something else, or cannot be written to, or another writer is
        at work in it; it is then left as it was.
    UsageError
        If metadata or hyperparameters hold what is no plain data.
    """
    whole = np.array_equal(group.indices, np.arange(len(group.table.records)))
    table = group.table if whole else group.table.take(group.indices)
    store = Path(path)
    with writing(store, timeout), changing(store, compress=compress, now=now) as change:
        written = change.write(table)
        rows = {run: (0, row) for row, run in enumerate(written.runs)}
        commit(
            change, [written.shard], {run: rows[run] for run in group.ids}, group.source_findings
        )


# ---------------------------------------------------------------------------- reading


def open_store(
    path: str | os.PathLike[str],
    *,
    labels: Labels | None = None,
    noise: Sequence[str] = NOISE_KEYS,
    directions: Mapping[str, Direction] | None = None,
    chunks: int | Literal["auto"] | None = None,
    reading: Reading | None = None,
) -> RunGroup:
    """The runs of a store, exactly as they were saved, with the overlays that it has.

    Parameters
    ----------
    path : str or Path
    chunks : int or "auto", optional
        For a store larger than memory: values are left in their files, a curve reads only its
        own, and ``group.curves(address)`` is an array of dask (the extra ``dask``) whose chunks
        hold about so many numbers each; ``auto``: as many as dask is set up to.
    reading : Reading, optional
        How numbers are read that are left in their files.
    labels, noise, directions
        As for `RunGroup`.

    Returns
    -------
    RunGroup
        Read into memory, unless `chunks` are given; every array is read-only.

    Raises
    ------
    UsageError
        If `chunks` are something else, or dask is not installed.
    StoreFormatError
        If a file is damaged, or of a form that this version does not read.
    StoreError
        If there is no store, or a file of it is missing or may not be read.
    """
    reading = _chunked(chunks) if chunks is not None else reading
    catalogue, table, indices = _read(Path(path), reading)
    check_runs(Path(path), catalogue, tuple(table.ids[i] for i in indices.tolist()))
    group = RunGroup(
        table, indices, catalogue.findings, tuple(noise), labels or Labels(), directions or {}
    )
    return overlaid(group, Path(path))


def _chunked(chunks: int | Literal["auto"]) -> Reading:
    try:
        import dask.array
        import dask.utils
    except ImportError:
        raise UsageError("chunks need dask: pip install 'dr_gen[dask]'") from None
    if chunks == "auto":
        return Reading(dask.utils.parse_bytes(dask.config.get("array.chunk-size")) // 8)
    if isinstance(chunks, bool) or not isinstance(chunks, int) or chunks < 1:
        raise UsageError(f"chunks are a number of values of at least 1 or 'auto', not {chunks!r}")
    return Reading(chunks)


def _read(store: Path, reading: Reading | None) -> tuple[Catalogue, RunTable, NDArray[np.intp]]:
    return read_settled(store, lambda c: (c, *read_runs(store, c.shards, c.places, reading)))
