"""Changing a store: all of a change, or nothing of it."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dr_gen.errors import StoreError
from dr_gen.model.finding import Finding
from dr_gen.store import catalogue as catalogues
from dr_gen.store import lock
from dr_gen.store.atomic import TEMPORARY, sync_folder
from dr_gen.store.catalogue import SHARDS, Catalogue, Place, Shard
from dr_gen.store.change import Change, unwritable
from dr_gen.store.compaction import compacted
from dr_gen.store.lock import PATIENCE
from dr_gen.store.sources import SourceRecord

__all__ = ["OVERLAYS", "commit", "writing"]

OVERLAYS = "overlays.json"
"""The file of what was added by hand; see `dr_gen.store.overlays`."""

_STALE_SECONDS = 24 * 3600.0
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
            made, killed = _locked(store, timeout, stack)
            # A writer before us may have taken with it what it had made for nothing.
            (store / SHARDS).mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(store, error) from None
        if killed:
            there = catalogues.exists(store)
            named = {shard.name for shard in catalogues.read(store).shards} if there else set()
            _sweep(store, named, older_than=math.inf)
        # Leave nothing behind when nothing is committed; inside the lock what another may need.
        if store / SHARDS in made:
            stack.callback(_remove_unused, store)
        yield


def _locked(store: Path, timeout: float, stack: contextlib.ExitStack) -> tuple[list[Path], bool]:
    """Lock a store until `stack` ends.

    Returns
    -------
    made : list of Path
        The folders that had to be made for it.
    killed : bool
        Whether the last writer was killed.
    """
    made: list[Path] = []
    killed = False
    for attempt in range(_ATTEMPTS):
        made += _make_folders(store)
        inner = contextlib.ExitStack()
        inner.callback(_remove_empty, [folder for folder in made if folder != store / SHARDS])
        try:
            killed = inner.enter_context(lock.holding(store, timeout))
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
    return made, killed


def _remove_unused(store: Path) -> None:
    """Remove the folder of shards, unless a catalogue without any run was committed."""
    if not os.path.isfile(store / catalogues.NAME):
        _remove_empty([store / SHARDS])


def _remove_empty(folders: Sequence[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def commit(
    change: Change,
    shards: Sequence[Shard],
    rows: Mapping[str, Place],
    findings: Sequence[Finding] = (),
    *,
    sources: Iterable[SourceRecord] = (),
    as_one: bool = False,
) -> None:
    """Make some runs of some shards the store, in one step.

    The caller is the one writer; see `writing`.

    Parameters
    ----------
    change : Change
    shards : sequence of Shard
        Of the store as it is, and of the change.
    rows : mapping
        Id of each run to where it is in `shards`, in the order that the store is to have. The
        runs that are nowhere here go.
    findings : sequence of Finding
        What belongs to no run.
    sources : iterable of SourceRecord
        Where the runs come from.
    as_one : bool
        Whether the shards had better be put together; see `compacted`.

    Raises
    ------
    StoreError
        If the store cannot be written, or a shard of the change is not there.
    """
    store = change.store
    try:
        _check_shards(change, shards)
        before = catalogues.read(store).shards if catalogues.exists(store) else ()
        shards, places = compacted(change, shards, [*rows.values()], as_one=as_one)
        live = sorted({shard for shard, _ in places})
        number = {shard: i for i, shard in enumerate(live)}
        catalogue = Catalogue(
            tuple(shards[shard] for shard in live),
            tuple(rows),
            tuple(findings),
            tuple((number[shard], row) for shard, row in places),
            sources,
        )
        catalogues.write(catalogue, store, change.now)
    except (OSError, RuntimeError) as error:
        raise unwritable(store, error) from None
    keep = {shard.name for shard in catalogue.shards}
    replaced = {shard.name for shard in before} - keep
    _sweep(store, keep, replaced, time.time() - _STALE_SECONDS)


def _check_shards(change: Change, shards: Sequence[Shard]) -> None:
    """See with our own eyes what other processes say that they wrote."""
    for shard in shards:
        path = change.store / SHARDS / shard.name
        if change.made(shard) and not os.path.isfile(path):
            reason = "was written by a worker, but is not there; do all share this folder?"
            raise StoreError(str(path), reason)


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


def _sweep(
    store: Path, keep: Collection[str], replaced: Collection[str] = (), older_than: float = 0.0
) -> None:
    """Remove the shards that were replaced, and what writers left behind that were killed.

    Nothing else: a file that is new and unknown may be another writer's next shard, where the
    system has no locks.
    """
    with contextlib.suppress(OSError):
        for file in [*store.glob(f"{SHARDS}/*"), *store.iterdir()]:
            ours = file.is_file() and _is_ours(file) and file.name != lock.NAME
            if not ours or file.name in keep:
                continue
            if file.name in replaced or file.stat().st_mtime < older_than:
                file.unlink(missing_ok=True)
