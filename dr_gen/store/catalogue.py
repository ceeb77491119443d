"""The catalogue of a store: which shards are in it. Replacing it is what commits a change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from dr_gen.convert import exact_json, finding_from_dict, finding_to_dict, from_exact_json
from dr_gen.errors import StoreError, StoreFormatError, UsageError
from dr_gen.model.finding import Finding
from dr_gen.store.atomic import replacing
from dr_gen.store.schema import CREATOR, migrations, stamp

__all__ = ["NAME", "SHARDS", "Catalogue", "Shard", "read", "write"]

NAME = "catalogue.json"
SHARDS = "shards"


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
class Catalogue:
    """What a store holds.

    Attributes
    ----------
    shards : tuple of Shard
    runs : tuple of str
        Ids of all runs, in the order of the group.
    findings : tuple of Finding
        What belongs to the sources and to no run.
    """

    shards: tuple[Shard, ...] = ()
    runs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def write(catalogue: Catalogue, store: Path, now: datetime | None = None) -> None:
    """Make `catalogue` the one of the store, in one step.

    Raises
    ------
    OSError
        If it cannot be written; the store then holds what it held.
    """
    data = {
        **stamp(now),
        "shards": [attrs.asdict(shard) for shard in catalogue.shards],
        "findings": [finding_to_dict(finding) for finding in catalogue.findings],
        "runs": catalogue.runs,
    }
    with replacing(store / NAME) as temporary:
        temporary.write_text(exact_json(data) + "\n", encoding="ascii")


def read(store: Path) -> Catalogue:
    """The catalogue of a store.

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
        return _from_plain(data)
    except UsageError as error:
        reason = f"is damaged ({error}); remove the store and save the runs again"
        raise StoreFormatError(str(path), reason) from None


def _from_plain(data: Mapping[str, Any]) -> Catalogue:
    try:
        shards = tuple(Shard(**shard) for shard in data["shards"])
        runs = tuple(map(str, data["runs"]))
        findings = tuple(map(finding_from_dict, data["findings"]))
    except KeyError as error:
        raise UsageError(f"no {error}") from None
    except TypeError as error:
        raise UsageError(str(error)) from None
    if any(not isinstance(s.name, str) or Path(s.name).name != s.name for s in shards):
        raise UsageError("a shard is not a plain file name")
    if sum(shard.runs for shard in shards) != len(runs):
        raise UsageError("its shards hold another number of runs than it names")
    return Catalogue(shards, runs, findings)
