"""Changing a store: all of a change, or nothing of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from dr_gen.errors import StoreError, UsageError
from dr_gen.model.finding import Finding
from dr_gen.model.run_table import RunTable
from dr_gen.store import catalogue as catalogues
from dr_gen.store import lock
from dr_gen.store.atomic import TEMPORARY, sync_folder
from dr_gen.store.catalogue import SHARDS, Catalogue, Place
from dr_gen.store.layout import Layout, to_layout
from dr_gen.store.shards import read_runs, write_shard
from dr_gen.store.sources import SourceRecord

__all__ = ["OVERLAYS", "PATIENCE", "commit", "writing"]

OVERLAYS = "overlays.json"
"""The file of what was added by hand; see `dr_gen.store.overlays`."""

PATIENCE = 60.0
"""How many seconds a writer waits for another one, unless told otherwise."""

_STALE_SECONDS = 24 * 3600.0
_MAX_SHARDS = 20
_ATTEMPTS = 10


@contextlib.contextmanager
def writing(store: Path, timeout: float = PATIENCE) -> Iterator[None]:
    """Be the one writer of `store` while the block runs; its folder is made if need be.

    Raises
    ------
    StoreError
        If the folder is something else or cannot be written to, or if another writer does not
        finish in `timeout` seconds.
    """
    with contextlib.ExitStack() as stack:
        try:
            _check_place(store)
            made = _locked(store, timeout, stack)
            # A writer before us may have taken with it what it had made for nothing.
            (store / SHARDS).mkdir(exist_ok=True)
        except OSError as error:
            raise _unwritable(store, error) from None
        # Leave nothing behind when nothing is committed; inside the lock what another may need.
        if store / SHARDS in made:
            stack.callback(_remove_unused, store)
        yield


def _locked(store: Path, timeout: float, stack: contextlib.ExitStack) -> list[Path]:
    """Lock a store until `stack` ends, and say which folders had to be made for it."""
    made: list[Path] = []
    for attempt in range(_ATTEMPTS):
        made += _make_folders(store)
        inner = contextlib.ExitStack()
        inner.callback(_remove_empty, [folder for folder in made if folder != store / SHARDS])
        try:
            inner.enter_context(lock.holding(store, timeout))
        except FileNotFoundError:  # the folder went with a writer that wrote nothing
            if attempt == _ATTEMPTS - 1:
                raise
        except BaseException:
            inner.callback(_remove_empty, [store / SHARDS] if store / SHARDS in made else [])
            inner.close()
            raise
        else:
            stack.enter_context(inner)
            break
    return made


def _remove_unused(store: Path) -> None:
    """Remove the folder of shards, unless a catalogue without any run was committed."""
    if not os.path.isfile(store / catalogues.NAME):
        _remove_empty([store / SHARDS])


def _remove_empty(folders: Sequence[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def commit(
    tables: Sequence[RunTable],
    path: str | os.PathLike[str],
    runs: Sequence[str],
    findings: Sequence[Finding] = (),
    *,
    sources: Iterable[SourceRecord] = (),
    base: Catalogue | None = None,
    compress: bool = False,
    now: datetime | None = None,
) -> None:
    """Write one shard for each of `tables`, and make them the store.

    The caller is the one writer; see `writing`.

    Parameters
    ----------
    tables : sequence of RunTable
    path : str or Path
    runs : sequence of str
        Ids of the runs of all tables, in the order that the store is to have.
    findings : sequence of Finding
        What belongs to no run.
    sources : iterable of SourceRecord
        Where the runs come from.
    base : Catalogue, optional
        The catalogue as it is, when those of its runs that `runs` names and no table holds are to
        stay; without it the store is replaced as a whole.
    compress, now
        As for `save`.

    Raises
    ------
    StoreError, UsageError
        As for `save`.
    """
    store = Path(path)
    base = base or Catalogue()
    places = _places(base, tables, runs)
    if _worn(base, places):
        tables, base = [_compacted(store, base, tables, places)], Catalogue()
        places = _places(base, tables, runs)
    layouts = [to_layout(table) for table in tables]
    written: list[Path] = []
    try:
        if not compress:
            _check_space(store, layouts)
        shards = list(base.shards)
        for layout, table in zip(layouts, tables, strict=True):
            written.append(store / SHARDS / f"runs-{uuid.uuid4().hex[:16]}.nc")
            shards.append(write_shard(layout, table, written[-1], compress, now))
        before = catalogues.read(store).shards if catalogues.exists(store) else ()
        live = sorted({shard for shard, _ in places})
        number = {shard: i for i, shard in enumerate(live)}
        catalogue = Catalogue(
            tuple(shards[shard] for shard in live),
            tuple(runs),
            tuple(findings),
            tuple((number[shard], row) for shard, row in places),
            sources,
        )
        catalogues.write(catalogue, store, now)
    except BaseException as error:
        _undo(store, written)
        # netCDF says "HDF error" in a RuntimeError for whatever the system refused.
        if isinstance(error, OSError | RuntimeError) and not isinstance(error, StoreError):
            raise _unwritable(store, error) from None
        raise
    keep = {shard.name for shard in catalogue.shards}
    _sweep(store, keep, {s.name for s in before} | {w.name for w in written} - keep)


def _places(base: Catalogue, tables: Sequence[RunTable], runs: Sequence[str]) -> list[Place]:
    """Shard and number in it of each of `runs`, the tables being shards behind those of `base`."""
    where = dict(zip(base.runs, base.places, strict=True))
    for number, table in enumerate(tables, start=len(base.shards)):
        where.update({run: (number, row) for run, row in table.by_id.items()})
    unknown = [run for run in runs if run not in where]
    if unknown:
        raise UsageError(f"no table holds the run {unknown[0]!r}")
    return [where[run] for run in runs]


def _worn(base: Catalogue, places: Sequence[Place]) -> bool:
    """Whether reading is slowed by many shards, or by many runs that do not count any more."""
    kept = {shard for shard, _ in places if shard < len(base.shards)}
    rows = sum(base.shards[shard].runs for shard in kept)
    live = sum(shard in kept for shard, _ in places)
    return len(kept) >= _MAX_SHARDS or rows > 2 * live


def _compacted(
    store: Path, base: Catalogue, tables: Sequence[RunTable], places: Sequence[Place]
) -> RunTable:
    """All runs that count, in order, as one table."""
    kept = [place for place in places if place[0] < len(base.shards)]
    old, indices = read_runs(store, base.shards, kept)
    table = RunTable.concat([old, *tables])
    row = dict(zip(kept, indices.tolist(), strict=True))
    start = len(old.records)
    for number, one in enumerate(tables, start=len(base.shards)):
        row.update({(number, i): start + i for i in range(len(one.records))})
        start += len(one.records)
    return table.take(np.array([row[place] for place in places], np.intp))


def _check_place(store: Path) -> None:
    if catalogues.exists(store):
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
    ours = path.name in (SHARDS, lock.NAME)
    replaced = (catalogues.NAME, OVERLAYS)
    return ours or any(path.name.startswith(f"{name}{TEMPORARY}") for name in replaced)


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


def _unwritable(store: Path, error: BaseException) -> StoreError:
    if isinstance(error, StoreError):
        return error
    reason = (error.strerror if isinstance(error, OSError) else None) or f"{error}; disk full?"
    return StoreError(str(store), f"cannot be written: {reason}")


def _undo(store: Path, written: Sequence[Path]) -> None:
    with contextlib.suppress(OSError):
        # What went wrong may have gone wrong after the catalogue was replaced.
        there = catalogues.exists(store)
        named = {shard.name for shard in catalogues.read(store).shards} if there else ()
        for shard in written:
            if shard.name not in named:
                shard.unlink(missing_ok=True)


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
