"""Which form our files have, and how those of older forms are brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from dr_gen.convert import finding_from_dict
from dr_gen.errors import StoreFormatError, UsageError
from dr_gen.store.sources import SourceRecord, SourceTable, Stamp, to_plain
from dr_gen.version import VERSION

if TYPE_CHECKING:
    from dr_gen.store.layout import Layout

__all__ = ["CREATOR", "MIGRATIONS", "SCHEMA", "Migration", "Migrations", "migrations", "stamp"]

CREATOR = "dr_gen"
SCHEMA = 2
"""The form that is written. A change that an older dr_gen would misread gets the next number."""


@attrs.frozen
class Migration:
    """One step from a schema number to a later one.

    Attributes
    ----------
    catalogue : callable
        What the older form has in ``catalogue.json`` to what the later one has.
    shard : callable
        The same for the content of a shard. Shards are never rewritten for it: each is brought up
        to date whenever it is read.
    """

    catalogue: Callable[[dict[str, Any]], dict[str, Any]] = lambda data: data
    shard: Callable[[Layout], Layout] = lambda layout: layout


Migrations = Mapping[tuple[int, int], Migration]


def _sources_in_columns(data: dict[str, Any]) -> dict[str, Any]:
    """Form 1 had one list of all facts for each file."""
    if "sources" not in data:
        return data
    try:
        table = SourceTable.of(map(_source_record, data["sources"]["rows"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"sources: {error}") from None
    return {**data, "sources": to_plain(table)}


def _source_record(row: list[Any]) -> SourceRecord:
    path, given, stamp, beside = row[:4]
    names, runs, findings, gone = row[-4:]
    record = SourceRecord(
        path,
        given,
        Stamp(*stamp),
        {name: Stamp(*values) for name, values in beside.items()},
        names=tuple(names),
        runs=tuple(runs),
        findings=tuple(map(finding_from_dict, findings)),
        gone=gone,
    )
    told = ("format", "confidence", "reason", "run_id", "experiment", "how")
    return attrs.evolve(record, **dict(zip(told, row[4:-4], strict=True)))


MIGRATIONS: Migrations = {(1, 2): Migration(_sources_in_columns)}
"""Steps by the numbers that they lead from and to."""


def migrations(
    found: Any, path: str, table: Migrations = MIGRATIONS, current: int = SCHEMA
) -> list[Migration]:
    """The steps from schema number `found` to `current`, in order.

    Raises
    ------
    StoreFormatError
        If the number is newer, no step leads on from it, or it is none.
    """
    if isinstance(found, bool) or not isinstance(found, int):
        raise StoreFormatError(path, f"has no schema number (found {found!r}); save the runs again")
    if found > current:
        raise StoreFormatError(
            path,
            f"was written by a newer dr_gen (schema {found}, this one reads up to {current}); "
            "update dr_gen",
        )
    steps = []
    while found < current:
        onward = [key for key in table if key[0] == found and found < key[1] <= current]
        if not onward:
            raise StoreFormatError(
                path,
                f"has schema {found}, which this dr_gen (schema {current}) cannot read; "
                "save the runs again",
            )
        step = max(onward)
        steps.append(table[step])
        found = step[1]
    return steps


def stamp(now: datetime | None = None) -> dict[str, Any]:
    """Who writes what and when: ``creator``, ``version``, ``created`` (ISO 8601), ``schema``."""
    created = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    return {"creator": CREATOR, "version": VERSION, "created": created, "schema": SCHEMA}
