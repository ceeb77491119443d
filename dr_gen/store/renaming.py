"""Other names for runs that are in shards already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from dr_gen.store.catalogue import Place, Shard
from dr_gen.store.change import Change
from dr_gen.store.shards import read_runs

__all__ = ["renamed_runs"]


def renamed_runs(
    change: Change, shards: Sequence[Shard], names: Mapping[Place, str]
) -> tuple[list[Shard], dict[Place, Place]]:
    """The runs at some places once more, under other names.

    A shard never changes: they are written as further shards of the change, each with those of
    one shard, so that memory does not grow with their number.

    Returns
    -------
    shards : list of Shard
        Those given, and the new ones behind them.
    moved : dict
        Where the run of each place is now.

    Raises
    ------
    StoreError
        If a shard cannot be read, or written.
    """
    out = list(shards)
    moved: dict[Place, Place] = {}
    for number in sorted({shard for shard, _ in names}):
        places = [place for place in names if place[0] == number]
        table, rows = read_runs(change.store, shards, places)
        table = table.take(rows)
        records = zip(table.records, places, strict=True)
        named = tuple(attrs.evolve(record, id=names[place]) for record, place in records)
        moved.update({place: (len(out), row) for row, place in enumerate(places)})
        out.append(change.write(attrs.evolve(table, records=named)).shard)
    return out, moved
