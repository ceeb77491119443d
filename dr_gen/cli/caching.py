"""What ``dr-gen cache`` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dr_gen.cli.output import note, print_json, print_table
from dr_gen.ingestion import cache

__all__ = ["clear", "show"]


def show(as_json: bool) -> None:
    """List the stores in the cache."""
    entries = cache.entries()
    if as_json:
        print_json({"folder": str(cache.folder()), "entries": _plain(entries)})
        return
    rows = [
        [", ".join(e.sources), f"{e.size / 1e6:.1f}", e.used, "yes" if e.stale else "-"]
        for e in entries
    ]
    print_table(["logs", "MB", "last read", "stale"], rows, right=(1,))
    note(f"{len(entries)} stores, {_megabytes(entries)} in {cache.folder()}")


def clear(everything: bool, as_json: bool) -> None:
    """Remove stores from the cache."""
    removed = cache.clear(everything=everything)
    if as_json:
        print_json({"folder": str(cache.folder()), "removed": _plain(removed)})
        return
    note(f"{len(removed)} stores removed, {_megabytes(removed)}; {len(cache.entries())} left")


def _megabytes(entries: Sequence[cache.Entry]) -> str:
    return f"{sum(entry.size for entry in entries) / 1e6:.1f} MB"


def _plain(entries: Sequence[cache.Entry]) -> list[dict[str, Any]]:
    return [
        {
            "path": str(entry.path),
            "sources": list(entry.sources),
            "version": entry.version,
            "last_read": entry.used,
            "bytes": entry.size,
            "stale": entry.stale,
        }
        for entry in entries
    ]
