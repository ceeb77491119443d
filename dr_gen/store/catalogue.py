"""The catalogue of a store: which shards are in it. Replacing it is what commits a change."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, overload

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.convert import exact_json, finding_from_dict, finding_to_dict
from dr_gen.errors import StoreError, StoreFormatError, UsageError
from dr_gen.model.finding import Finding
from dr_gen.store import sources as source_tables
from dr_gen.store.atomic import replacing
from dr_gen.store.exact import decoded
from dr_gen.store.schema import CREATOR, SCHEMA, migrations, stamp
from dr_gen.store.sources import SourceRecord, SourceTable

__all__ = [
    "NAME",
    "SHARDS",
    "Catalogue",
    "Place",
    "Shard",
    "exists",
    "has_sources",
    "read",
    "write",
]

NAME = "catalogue.json"
SHARDS = "shards"


Place = tuple[int, int]
"""Number of a shard, and number of a run in it."""


class _Everywhere(Sequence[Place]):
    """The places of all runs of some shards, in order: nearly always they are just these.

    Parameters
    ----------
    sizes : iterable of int
        How many runs each shard has.
    """

    def __init__(self, sizes: Iterable[int]) -> None:
        self._sizes = tuple(sizes)

    def __len__(self) -> int:
        return sum(self._sizes)

    @functools.cached_property
    def _listed(self) -> tuple[Place, ...]:
        return tuple((i, row) for i, size in enumerate(self._sizes) for row in range(size))

    @overload
    def __getitem__(self, index: int) -> Place: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Place, ...]: ...
    def __getitem__(self, index: int | slice) -> Place | tuple[Place, ...]:
        return self._listed[index]

    def __iter__(self) -> Iterator[Place]:
        return iter(self._listed)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Everywhere):
            return self._sizes == other._sizes
        return self._listed == other

    def __hash__(self) -> int:
        return hash(self._listed)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        shards = np.repeat(np.arange(len(self._sizes)), self._sizes)
        rows = [np.arange(size) for size in self._sizes]
        return np.stack([shards, np.concatenate([*rows, shards[:0]])], axis=1).astype(dtype)


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
    starts : mapping
        Name of an array to the byte where it begins, of long ones that lie there in one piece.
    """

    name: str
    size: int
    runs: int
    points: int
    starts: Mapping[str, int] = attrs.field(factory=dict, eq=False)


def _table(sources: Iterable[SourceRecord]) -> SourceTable:
    return sources if isinstance(sources, SourceTable) else SourceTable.of(sources)


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
    places : sequence of (int, int)
        For each run the number of its shard and its number there; runs of a shard that no place
        names do not count any more. By default all runs of all shards, in order.
    sources : SourceTable
        Where the runs come from; none when they were made by hand.
    """

    shards: tuple[Shard, ...] = ()
    runs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    places: Sequence[Place] = attrs.field()
    sources: SourceTable = attrs.field(factory=SourceTable, converter=_table)

    @places.default
    def _every_run(self) -> Sequence[Place]:
        return _Everywhere(shard.runs for shard in self.shards)


def exists(store: Path) -> bool:
    """Whether `store` is a folder that looks like a store, in order or not."""
    # os.path says no where Path raises: in a folder that may not be looked into.
    return os.path.isfile(store / NAME) and os.path.isdir(store / SHARDS)


def has_sources(store: Path) -> bool:
    """Whether the runs of a store were read from files that it remembers."""
    try:
        return _SOURCES in (store / NAME).read_bytes()
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
        "shards": [attrs.asdict(shard, filter=_not_starts) for shard in catalogue.shards],
        "findings": [finding_to_dict(finding) for finding in catalogue.findings],
        "runs": catalogue.runs,
    }
    # By themselves, so that a dr_gen of before they were known passes over them.
    if starts := {shard.name: shard.starts for shard in catalogue.shards if shard.starts}:
        data["starts"] = starts
    if catalogue.places != Catalogue(catalogue.shards).places:
        data["places"] = catalogue.places
    if catalogue.sources:
        data["sources"] = source_tables.to_plain(catalogue.sources)
    with replacing(store / NAME) as temporary:
        temporary.write_text(exact_json(data) + "\n", encoding="ascii")


def _not_starts(field: attrs.Attribute[Any], _: Any) -> bool:
    return field.name != "starts"


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
        data = _decoded(content, sources)
        if not isinstance(data, Mapping) or data.get("creator") != CREATOR:
            raise UsageError("it is not a catalogue of dr_gen")
        for step in migrations(data.get("schema"), str(path)):
            data = step.catalogue(dict(data))
        return _from_plain(data, sources)
    except UsageError as error:
        reason = f"is damaged ({error}); remove the store and save the runs again"
        raise StoreFormatError(str(path), reason) from None


_SOURCES = b'"sources": {'
"""What stands before the sources, which come last. In a text its quotes would be escaped."""


def _decoded(content: bytes, with_sources: bool) -> Any:
    """The plain data of a catalogue of our form; of an older one with everything in it."""
    at = -1 if with_sources else content.find(b", " + _SOURCES)
    if at > 0 and content.endswith(b"}}\n"):
        # Most of the file, and of use for nobody but who plans.
        with contextlib.suppress(UsageError):
            data = decoded(content[:at] + b"}")
            if isinstance(data, dict) and data.get("schema") == SCHEMA:
                return data
    return decoded(content)


def _from_plain(data: Mapping[str, Any], with_sources: bool) -> Catalogue:
    try:
        starts = data.get("starts", {})
        shards = tuple(Shard(**s, starts=_starts(starts.get(s["name"]))) for s in data["shards"])
        runs = tuple(map(str, data["runs"]))
        findings = tuple(map(finding_from_dict, data["findings"]))
        places = _places(data.get("places"), shards)
    except KeyError as error:
        raise UsageError(f"no {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(str(error)) from None
    known = data.get("sources") if with_sources else None
    sources = source_tables.from_plain(known) if known else SourceTable()
    if any(not isinstance(s.name, str) or Path(s.name).name != s.name for s in shards):
        raise UsageError("a shard is not a plain file name")
    if len(places) != len(runs):
        raise UsageError("its shards hold another number of runs than it names")
    return Catalogue(shards, runs, findings, places, sources)


def _starts(plain: Any) -> dict[str, int]:
    return {str(name): int(start) for name, start in ({} if plain is None else plain).items()}


def _places(plain: Any, shards: Sequence[Shard]) -> Sequence[Place]:
    if plain is None:
        return Catalogue(tuple(shards)).places
    places = tuple((int(shard), int(row)) for shard, row in plain)
    inside = all(0 <= i < len(shards) and 0 <= row < shards[i].runs for i, row in places)
    if not inside or len(set(places)) < len(places):
        raise UsageError("a run is in no shard, or two runs are one")
    return places
