"""A store: a folder of immutable shards, and a catalogue that says which of them count.

::

    STORE/
      catalogue.json     replaced in one step; until then a change has not happened
      shards/
        runs-….nc        netCDF-4, never changed after it is there

Any number of readers, also while a writer is at work: one that finds a shard gone, because a
newer catalogue does without it, starts over with that catalogue. Names of shards are unique, so
two writers cannot mix: the last to commit wins.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from dr_gen.errors import StoreError, StoreFormatError, UsageError
from dr_gen.model.direction import Direction
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.labels import Labels
from dr_gen.model.noise import NOISE_KEYS
from dr_gen.model.run_table import RunTable
from dr_gen.store import catalogue as catalogues
from dr_gen.store import netcdf
from dr_gen.store.atomic import TEMPORARY, replacing, sync_folder
from dr_gen.store.catalogue import SHARDS, Catalogue, Shard
from dr_gen.store.layout import Layout, from_layout, to_layout
from dr_gen.store.schema import migrations, stamp

__all__ = ["commit", "is_store", "open_store", "save"]

_STALE_SECONDS = 24 * 3600.0
_ATTEMPTS = 10


def is_store(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a folder that looks like a store, in order or not."""
    # os.path says no where Path raises: in a folder that may not be looked into.
    return os.path.isfile(Path(path, catalogues.NAME)) and os.path.isdir(Path(path, SHARDS))


# ---------------------------------------------------------------------------- writing


def save(
    group: RunGroup,
    path: str | os.PathLike[str],
    *,
    compress: bool = False,
    now: datetime | None = None,
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

    Raises
    ------
    StoreError
        If the folder is something else, or cannot be written to; it is then left as it was.
    UsageError
        If metadata or hyperparameters hold what is no plain data.
    """
    whole = np.array_equal(group.indices, np.arange(len(group.table.records)))
    table = group.table if whole else group.table.take(group.indices)
    commit([table], path, group.ids, group.source_findings, compress=compress, now=now)


def commit(
    tables: Sequence[RunTable],
    path: str | os.PathLike[str],
    runs: Sequence[str],
    findings: Sequence[Finding] = (),
    *,
    compress: bool = False,
    now: datetime | None = None,
) -> None:
    """Write one shard for each of `tables`, and make them the store.

    Parameters
    ----------
    tables : sequence of RunTable
    path : str or Path
    runs : sequence of str
        Ids of the runs of all tables, in the order that the store is to have.
    findings : sequence of Finding
        What belongs to no run.
    compress, now
        As for `save`.

    Raises
    ------
    StoreError, UsageError
        As for `save`.
    """
    store = Path(path)
    layouts = [to_layout(table) for table in tables]
    try:
        _check_place(store)
        made = _make_folders(store)
    except OSError as error:
        raise _unwritable(store, error) from None
    written: list[Path] = []
    try:
        if not compress:
            _check_space(store, layouts)
        shards = []
        for layout, table in zip(layouts, tables, strict=True):
            written.append(store / SHARDS / f"runs-{uuid.uuid4().hex[:16]}.nc")
            shards.append(_write_shard(layout, table, written[-1], compress, now))
        before = catalogues.read(store).shards if is_store(store) else ()
        catalogue = Catalogue(tuple(shards), tuple(runs), tuple(findings))
        catalogues.write(catalogue, store, now)
    except BaseException as error:
        _undo(store, written, made)
        # netCDF says "HDF error" in a RuntimeError for whatever the system refused.
        if isinstance(error, OSError | RuntimeError) and not isinstance(error, StoreError):
            raise _unwritable(store, error) from None
        raise
    _sweep(store, keep={shard.name for shard in shards}, replaced=[s.name for s in before])


def _check_place(store: Path) -> None:
    if is_store(store):
        catalogues.read(store)
        return
    if store.is_dir() and all(map(_is_ours, [*store.iterdir(), *store.glob(f"{SHARDS}/*")])):
        return  # empty, or what is left of a writer that was killed before its first commit
    if store.is_dir():
        raise StoreError(
            str(store), "is a folder with other content, not a store; name a new or an empty one"
        )
    if store.exists():
        raise StoreError(str(store), "is a file; a store is a folder, name a new or an empty one")


def _is_ours(path: Path) -> bool:
    """Whether a path in the folder of a store has a name that only we give."""
    if path.parent.name == SHARDS:
        return path.name.startswith("runs-") and ".nc" in path.name
    return path.name == SHARDS or path.name.startswith(f"{catalogues.NAME}{TEMPORARY}")


def _make_folders(store: Path) -> list[Path]:
    """The folders that were made, the innermost first."""
    missing = [f for f in (store / SHARDS, store, *store.parents) if not f.exists()]
    (store / SHARDS).mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)
    return missing


def _check_space(store: Path, layouts: Sequence[Layout]) -> None:
    # Not exact, but it spares most users a full disk.
    needed = sum(
        sum(array.nbytes for array in layout.arrays.values()) + sum(map(len, layout.texts.values()))
        for layout in layouts
    )
    free = shutil.disk_usage(store).free
    if needed > free:
        raise StoreError(
            str(store),
            f"cannot be written: it needs about {needed / 1e6:.0f} MB "
            f"and the disk has {free / 1e6:.0f} MB left",
        )


def _write_shard(
    layout: Layout, table: RunTable, path: Path, compress: bool, now: datetime | None
) -> Shard:
    with replacing(path) as temporary:
        netcdf.write(layout, temporary, stamp(now), compress=compress)
        size = temporary.stat().st_size
    return Shard(path.name, size, len(table.records), len(table.curves.values))


def _unwritable(store: Path, error: BaseException) -> StoreError:
    if isinstance(error, StoreError):
        return error
    reason = (error.strerror if isinstance(error, OSError) else None) or f"{error}; disk full?"
    return StoreError(str(store), f"cannot be written: {reason}")


def _undo(store: Path, written: Sequence[Path], made: Sequence[Path]) -> None:
    with contextlib.suppress(OSError):
        # What went wrong may have gone wrong after the catalogue was replaced.
        named = {shard.name for shard in catalogues.read(store).shards} if is_store(store) else ()
        for shard in written:
            if shard.name not in named:
                shard.unlink(missing_ok=True)
        for folder in made:
            folder.rmdir()


def _sweep(store: Path, keep: Collection[str], replaced: Collection[str]) -> None:
    """Remove the shards that were replaced, and what writers left behind that were killed.

    Nothing else: a file that is new and unknown may be another writer's next shard.
    """
    oldest = time.time() - _STALE_SECONDS
    with contextlib.suppress(OSError):
        for file in [*store.glob(f"{SHARDS}/*"), *store.iterdir()]:
            if not file.is_file() or not _is_ours(file) or file.name in keep:
                continue
            if file.name in replaced or file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)


# ---------------------------------------------------------------------------- reading


def open_store(
    path: str | os.PathLike[str],
    *,
    labels: Labels | None = None,
    noise: Sequence[str] = NOISE_KEYS,
    directions: Mapping[str, Direction] | None = None,
) -> RunGroup:
    """The runs of a store, exactly as they were saved.

    Parameters
    ----------
    path : str or Path
    labels, noise, directions
        As for `RunGroup`.

    Returns
    -------
    RunGroup
        Read into memory; every array is read-only.

    Raises
    ------
    StoreFormatError
        If a file is damaged, or of a form that this version does not read.
    StoreError
        If there is no store, or a file of it is missing or may not be read.
    """
    catalogue, tables = _read(Path(path))
    table = tables[0] if len(tables) == 1 else RunTable.concat(tables)
    if table.by_id.keys() != set(catalogue.runs):
        reason = "names other runs than its shards hold; remove the store and save the runs again"
        raise StoreFormatError(str(Path(path) / catalogues.NAME), reason)
    indices = np.array([table.by_id[run] for run in catalogue.runs], np.intp)
    return RunGroup(
        table, indices, catalogue.findings, tuple(noise), labels or Labels(), directions or {}
    )


def _read(store: Path) -> tuple[Catalogue, list[RunTable]]:
    for attempt in range(_ATTEMPTS):
        catalogue = catalogues.read(store)
        try:
            return catalogue, [_read_shard(store / SHARDS / s.name, s) for s in catalogue.shards]
        except StoreError:
            # A writer may have replaced the store since its catalogue was read.
            if attempt == _ATTEMPTS - 1 or catalogues.read(store) == catalogue:
                raise
    raise AssertionError("unreachable")


def _read_shard(path: Path, shard: Shard) -> RunTable:
    again = "remove the store and save the runs again"
    try:
        size = os.stat(path).st_size
        if size != shard.size:
            raise StoreFormatError(
                str(path), f"is damaged: {size} bytes instead of {shard.size}; {again}"
            )
        layout, schema = netcdf.read(path)
        for step in migrations(schema, str(path)):
            layout = step.shard(layout)
        table = from_layout(layout)
    except StoreError:
        raise
    except FileNotFoundError:
        raise StoreError(str(path), f"is named by the catalogue but not there; {again}") from None
    except PermissionError as error:
        raise StoreError(str(path), f"cannot be read: {error.strerror}") from None
    except (OSError, RuntimeError, UsageError) as error:
        raise StoreFormatError(str(path), f"is damaged ({error}); {again}") from None
    if len(table.records) != shard.runs:
        reason = f"is damaged: {len(table.records)} runs instead of {shard.runs}; {again}"
        raise StoreFormatError(str(path), reason)
    return table
