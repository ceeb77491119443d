"""Reading a store as one commit left it, while a writer may be at work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dr_gen.errors import StoreError, StoreFormatError
from dr_gen.store import catalogue as catalogues
from dr_gen.store.catalogue import Catalogue

__all__ = ["check_runs", "read_settled"]

_ATTEMPTS = 10

_T = TypeVar("_T")


def read_settled(store: Path, read: Callable[[Catalogue], _T]) -> _T:
    """What `read` makes of the catalogue of a store, all of it from one and the same commit.

    Raises
    ------
    StoreFormatError, StoreError
        As `read` raises them, unless it was because the store has been replaced meanwhile.
    """
    for attempt in range(_ATTEMPTS):
        catalogue = catalogues.read(store)
        try:
            return read(catalogue)
        except StoreError:
            # A writer may have replaced the store since its catalogue was read.
            if attempt == _ATTEMPTS - 1 or catalogues.read(store) == catalogue:
                raise
    raise AssertionError("unreachable")


def check_runs(store: Path, catalogue: Catalogue, found: tuple[str, ...]) -> None:
    """That the shards hold the runs that the catalogue says they do.

    Raises
    ------
    StoreFormatError
        If they hold others.
    """
    if found != catalogue.runs:
        reason = "names other runs than its shards hold; remove the store and save the runs again"
        raise StoreFormatError(str(store / catalogues.NAME), reason)
