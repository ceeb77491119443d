"""Few shards instead of many: small ones, and those most of whose runs were replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from dr_gen.store.catalogue import Place, Shard
from dr_gen.store.change import Change
from dr_gen.store.shards import read_runs

__all__ = ["FULL", "ONE", "compacted", "worn"]

FULL = 32_000_000
"""Bytes from which on a shard is as good as a larger one; what is put together stays near it, so
that memory does not grow with the store."""

ONE = 128_000_000
"""Bytes up to which the shards of a new store become one, which opens in half the time."""

_MANY = 20
"""Small shards of which a reader feels that they are many."""


def worn(shards: Sequence[Shard], places: Sequence[Place]) -> list[list[int]]:
    """Which shards had better be put together: groups of their numbers.

    Parameters
    ----------
    shards : sequence of Shard
    places : sequence of (int, int)
        Shard and number in it of each run that counts.

    Returns
    -------
    list of list of int
        None as long as there are few small shards and each shard has at most as many runs that
        do not count any more as runs that do: rewriting then costs more than it spares.
    """
    live = Counter(shard for shard, _ in places)
    sizes = {i: shards[i].size * n // shards[i].runs for i, n in sorted(live.items())}
    small = [i for i, size in sizes.items() if size < FULL]
    mostly_gone = [i for i, n in live.items() if shards[i].runs > 2 * n]
    if len(small) < _MANY and not mostly_gone:
        return []
    groups: list[list[int]] = [[]]
    for number in small:
        if sum(sizes[i] for i in groups[-1]) >= FULL:
            groups.append([])
        groups[-1].append(number)
    groups += [[number] for number in mostly_gone if number not in small]
    return [group for group in groups if len(group) > 1 or set(group) & set(mostly_gone)]


def compacted(
    change: Change, shards: Sequence[Shard], places: Sequence[Place], *, as_one: bool = False
) -> tuple[list[Shard], list[Place]]:
    """The same runs without worn shards: new shards of the change stand behind `shards`.

    With `as_one` all of them become one, unless they are large together.

    Raises
    ------
    StoreError
        If one cannot be read, or written.
    """
    out = list(shards)
    moved: dict[Place, Place] = {}
    as_one = as_one and len(shards) > 1 and sum(shard.size for shard in shards) <= ONE
    for group in [list(range(len(shards)))] if as_one else worn(shards, places):
        kept = [place for place in places if place[0] in group]
        table, rows = read_runs(change.store, shards, kept)
        if not np.array_equal(rows, np.arange(len(table.records))):
            table = table.take(rows)
        moved.update({place: (len(out), row) for row, place in enumerate(kept)})
        out.append(change.write(table).shard)
    return out, [moved.get(place, place) for place in places]
