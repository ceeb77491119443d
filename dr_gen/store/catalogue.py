"""The catalogue of a store: which shards are in it. Replacing it is what commits a change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from dr_gen.convert import exact_json, finding_from_dict, finding_to_dict, from_exact_json
from dr_gen.errors import StoreError, StoreFormatError, UsageError
from dr_gen.model.finding import Finding
from dr_gen.store.atomic import replacing
from dr_gen.store.schema import CREATOR, migrations, stamp

__all__ = [
    "NAME",
    "SHARDS",
    "Catalogue",
    "Place",
    "Shard",
    "SourceRecord",
    "Stamp",
    "exists",
    "has_sources",
    "read",
    "write",
]

NAME = "catalogue.json"
SHARDS = "shards"


Place = tuple[int, int]
"""Number of a shard, and number of a run in it."""


@attrs.frozen
class Shard:
    """One file of runs, never changed once it is written.

    Attributes
    ----------
    name : str
        File name inside the folder of shards.
    size : int
        In bytes.
    runs, points : int
        How many runs and values it holds.
    """

    name: str
    size: int
    runs: int
    points: int


@attrs.frozen
class Stamp:
    """By what a file is known to be the same as before.

    Attributes
    ----------
    size : int
        In bytes.
    mtime_ns, ctime_ns : int
        When its content, and what the system knows of it, were last changed.
    digest : str
        Of the content; empty when the file was old enough that a later change must have moved
        its times.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    digest: str = ""


@attrs.frozen
class SourceRecord:
    """One file that was looked at, and what became of it.

    Attributes
    ----------
    path, given : str
        Absolute, and as it was named.
    stamp : Stamp
        Taken before it was read.
    beside : mapping
        Name to stamp of the settings files beside it.
    format : str
        Name of the reader; empty when it is no log.
    confidence, reason
        How it was recognised.
    run_id, experiment : str
        What the reader was told.
    how : str
        By which rules it was read; other rules, another reading.
    names, runs : tuple of str
        Ids of its runs as the reader gave them, and as they are in the store.
    findings : tuple of Finding
        What belongs to none of its runs.
    gone : bool
        Whether it is no longer there.
    """

    path: str
    given: str
    stamp: Stamp
    beside: Mapping[str, Stamp] = attrs.field(factory=dict)
    format: str = ""
    confidence: float = 0.0
    reason: str = ""
    run_id: str = ""
    experiment: str = ""
    how: str = ""
    names: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    gone: bool = False


@attrs.frozen
class Catalogue:
    """What a store holds.

    Attributes
    ----------
    shards : tuple of Shard
    runs : tuple of str
        Ids of all runs, in the order of the group.
    findings : tuple of Finding
        What belongs to the sources and to no run.
    places : tuple of (int, int)
        For each run the number of its shard and its number there; runs of a shard that no place
        names do not count any more. By default all runs of all shards, in order.
    sources : tuple of SourceRecord
        Where the runs come from; none when they were made by hand.
    """

    shards: tuple[Shard, ...] = ()
    runs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    places: tuple[Place, ...] = attrs.field()
    sources: tuple[SourceRecord, ...] = ()

    @places.default
    def _every_run(self) -> tuple[Place, ...]:
        return tuple((i, row) for i, shard in enumerate(self.shards) for row in range(shard.runs))


def exists(store: Path) -> bool:
    """Whether `store` is a folder that looks like a store, in order or not."""
    # os.path says no where Path raises: in a folder that may not be looked into.
    return os.path.isfile(store / NAME) and os.path.isdir(store / SHARDS)


def has_sources(store: Path) -> bool:
    """Whether the runs of a store were read from files that it remembers."""
    try:
        return b'"sources": {' in (store / NAME).read_bytes()
    except OSError:
        return False


def write(catalogue: Catalogue, store: Path, now: datetime | None = None) -> None:
    """Make `catalogue` the one of the store, in one step.

    Raises
    ------
    OSError
        If it cannot be written; the store then holds what it held.
    """
    data: dict[str, Any] = {
        **stamp(now),
        "shards": [attrs.asdict(shard) for shard in catalogue.shards],
        "findings": [finding_to_dict(finding) for finding in catalogue.findings],
        "runs": catalogue.runs,
    }
    if catalogue.places != Catalogue(catalogue.shards).places:
        data["places"] = catalogue.places
    if catalogue.sources:
        names = [field.name for field in attrs.fields(SourceRecord)]
        data["sources"] = {"columns": names, "rows": [*map(_row, catalogue.sources)]}
    with replacing(store / NAME) as temporary:
        temporary.write_text(exact_json(data) + "\n", encoding="ascii")


def _row(source: SourceRecord) -> list[Any]:
    plain = {
        "stamp": attrs.astuple(source.stamp),
        "beside": {name: attrs.astuple(stamp) for name, stamp in source.beside.items()},
        "findings": [finding_to_dict(finding) for finding in source.findings],
    }
    return [plain.get(f.name, getattr(source, f.name)) for f in attrs.fields(SourceRecord)]


def read(store: Path, *, sources: bool = False) -> Catalogue:
    """The catalogue of a store; where the runs come from only when asked for `sources`.

    Raises
    ------
    StoreFormatError
        If it is damaged or of a form that this version does not read.
    StoreError
        If it is not there or may not be read.
    """
    path = store / NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(str(store), f"is not a store: it has no {NAME}") from None
    except OSError as error:
        raise StoreError(str(path), f"cannot be read: {error.strerror}") from None
    try:
        data = from_exact_json(content)
        if not isinstance(data, Mapping) or data.get("creator") != CREATOR:
            raise UsageError("it is not a catalogue of dr_gen")
        for step in migrations(data.get("schema"), str(path)):
            data = step.catalogue(dict(data))
        return _from_plain(data, sources)
    except UsageError as error:
        reason = f"is damaged ({error}); remove the store and save the runs again"
        raise StoreFormatError(str(path), reason) from None


def _from_plain(data: Mapping[str, Any], with_sources: bool) -> Catalogue:
    try:
        shards = tuple(Shard(**shard) for shard in data["shards"])
        runs = tuple(map(str, data["runs"]))
        findings = tuple(map(finding_from_dict, data["findings"]))
        known = data.get("sources") if with_sources else None
        sources = tuple(_sources(known)) if known else ()
        if "places" in data:
            places = tuple((int(shard), int(row)) for shard, row in data["places"])
        else:
            places = Catalogue(shards).places
    except KeyError as error:
        raise UsageError(f"no {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(str(error)) from None
    if any(not isinstance(s.name, str) or Path(s.name).name != s.name for s in shards):
        raise UsageError("a shard is not a plain file name")
    if len(places) != len(runs):
        raise UsageError("its shards hold another number of runs than it names")
    inside = all(0 <= i < len(shards) and 0 <= row < shards[i].runs for i, row in places)
    if not inside or len(set(places)) < len(places):
        raise UsageError("a run is in no shard, or two runs are one")
    return Catalogue(shards, runs, findings, places, sources)


def _sources(known: Mapping[str, Any]) -> Iterator[SourceRecord]:
    names = [field.name for field in attrs.fields(SourceRecord)]
    if known["columns"] != names:
        raise UsageError(f"sources have {known['columns']}, not {names}")
    for row in known["rows"]:
        fields = list(row)
        fields[_STAMP] = Stamp(*fields[_STAMP])
        fields[_BESIDE] = {name: Stamp(*values) for name, values in fields[_BESIDE].items()}
        fields[_FINDINGS] = tuple(map(finding_from_dict, fields[_FINDINGS]))
        for number in (_NAMES, _RUNS):
            fields[number] = tuple(fields[number])
        yield SourceRecord(*fields)


_STAMP, _BESIDE, _NAMES, _RUNS, _FINDINGS = (
    [field.name for field in attrs.fields(SourceRecord)].index(name)
    for name in ("stamp", "beside", "names", "runs", "findings")
)
