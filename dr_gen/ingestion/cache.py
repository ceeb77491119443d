"""Stores that `load` keeps in the user's cache folder, one for each way to load something."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from dr_gen.errors import DrGenError, StoreBusyError, StoreError
from dr_gen.ingestion.applying import apply, is_current
from dr_gen.ingestion.planning import plan
from dr_gen.ingestion.reading import Progress
from dr_gen.ingestion.roots import Roots
from dr_gen.model.group import RunGroup
from dr_gen.parallel import SERIAL, Workers
from dr_gen.store import catalogue as catalogues
from dr_gen.store.atomic import replacing
from dr_gen.store.schema import stamp
from dr_gen.store.store import open_store
from dr_gen.store.writing import writing

__all__ = ["VARIABLE", "Entry", "clear", "entries", "folder", "load"]

VARIABLE = "DR_GEN_CACHE"
"""Environment variable that names another folder for the cache."""

_ABOUT, _STORE = "about.json", "store"
_PATIENCE = 5.0
_log = logging.getLogger("dr_gen")


@attrs.frozen
class Entry:
    """One store in the cache.

    Attributes
    ----------
    path : Path
        Its folder.
    sources : tuple of str
        What was loaded, absolute.
    version : str
        Of the dr_gen that reads it.
    used : str
        When something new was last read into it, ISO 8601.
    size : int
        In bytes.
    stale : bool
        Whether nobody will ask for it again: a source is gone, or the version is another one.
    """

    path: Path
    sources: tuple[str, ...]
    version: str
    used: str
    size: int
    stale: bool


def folder() -> Path:
    """Where the cache is."""
    import platformdirs

    return Path(os.environ.get(VARIABLE) or platformdirs.user_cache_dir("dr_gen"))


def load(
    roots: Roots,
    options: Mapping[str, Any],
    progress: Progress | None = None,
    workers: Workers = SERIAL,
    **settings: Any,
) -> RunGroup | None:
    """The runs of `roots` by way of its store in the cache; None when the cache is of no use.

    Parameters
    ----------
    roots : Roots
    options : mapping
        As for `plan`.
    progress : callable, optional
    workers : Workers
        Who reads.
    **settings
        Attributes of the group.

    Raises
    ------
    SourceNotFoundError, UnknownFormatError, AmbiguousFormatError, UnknownKeyError
        See `plan`.
    """
    place = folder() / _key(roots, options)
    store = place / _STORE
    try:
        decided = plan(roots, store, **options)
        if not decided.sources:
            return None  # what to say of a folder without logs does not depend on what was there
        if not is_current(decided, keep_gone=False):
            with writing(store, _PATIENCE):
                if _changed(store, decided.before):
                    decided = plan(roots, store, **options)
                apply(decided, progress=progress, keep_gone=False, workers=workers)
            _write_about(place, roots)
        group = open_store(store, **settings)
    except StoreError as error:
        if not isinstance(error, StoreBusyError):  # damaged: the next load makes it anew
            shutil.rmtree(place, ignore_errors=True)
        _log.warning("read without the cache: %s", error)
        return None
    except DrGenError:
        raise
    except OSError as error:
        _log.warning("read without the cache: %s", error)
        return None
    n_read, n = len(decided.to_read), len(decided.sources)
    _log.info("%d of %d files read, the others are known; kept in %s", n_read, n, place)
    return group


def _key(roots: Roots, options: Mapping[str, Any]) -> str:
    facts = [
        [[*both] for both in zip(roots.absolute(), roots.paths, strict=True)],
        {k: attrs.asdict(v) if attrs.has(type(v)) else v for k, v in sorted(options.items())},
        [stamp()["version"], stamp()["schema"]],
    ]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()


def _changed(store: Path, before: catalogues.Catalogue) -> bool:
    there = catalogues.exists(store)
    return (catalogues.read(store, sources=True) if there else catalogues.Catalogue()) != before


def _write_about(place: Path, roots: Roots) -> None:
    about = {**stamp(), "sources": roots.absolute()}
    with replacing(place / _ABOUT) as temporary:
        temporary.write_text(json.dumps(about) + "\n", encoding="ascii")


def entries() -> list[Entry]:
    """All stores in the cache, the one that was used last first."""
    found = []
    for about in folder().glob(f"*/{_ABOUT}"):
        try:
            data = json.loads(about.read_bytes())
            sources = tuple(map(str, data["sources"]))
            size = sum(f.stat().st_size for f in about.parent.rglob("*") if f.is_file())
            now = stamp()
            same = (data["version"], data["schema"]) == (now["version"], now["schema"])
            stale = not (same and all(map(os.path.lexists, sources)))
            used = str(data["created"])
            datetime.fromisoformat(used)
            found.append(Entry(about.parent, sources, str(data["version"]), used, size, stale))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda entry: entry.used, reverse=True)


def clear(*, everything: bool = False) -> list[Entry]:
    """Remove the stores that nobody will ask for again, or all of them; what was removed.

    Raises
    ------
    StoreError
        If one cannot be removed.
    """
    removed = [entry for entry in entries() if everything or entry.stale]
    for entry in removed:
        try:
            shutil.rmtree(entry.path)
        except OSError as error:
            raise StoreError(str(entry.path), f"cannot be removed: {error.strerror}") from None
    return removed
