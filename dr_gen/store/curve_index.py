"""Which curves a store holds and where they lie, without their values."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.axis import axis_ranks
from dr_gen.model.hpm_group import HpmGroup
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.run_table import RunTable
from dr_gen.store.added import with_added
from dr_gen.store.catalogue import SHARDS, Catalogue, Shard
from dr_gen.store.layout import Head
from dr_gen.store.overlays import overlaid_hpms
from dr_gen.store.parts import Names, Part
from dr_gen.store.shards import read_head, read_records, reading_rows
from dr_gen.store.snapshot import check_runs, read_settled

__all__ = ["CurveIndex", "read_index"]


@attrs.frozen(eq=False)
class CurveIndex:
    """The curves of a store.

    Attributes
    ----------
    parts : tuple of Part
        One for each shard that has runs that count, and one of what was added to them by hand.
    splits, metrics : tuple of str
        Names that the codes of the parts mean.
    experiments : tuple of str
        Of each run.
    hpms : HpmGroup
        Of the runs, in the order of the store; so their ids.
    """

    parts: tuple[Part, ...]
    splits: tuple[str, ...]
    metrics: tuple[str, ...]
    experiments: tuple[str, ...]
    hpms: HpmGroup

    @functools.cached_property
    def x_pools(self) -> Mapping[str, frozenset[int]]:
        """Each x name that a curve has, the usual ones first, and the pools its values are in."""
        pools: dict[str, set[int]] = {}
        for part in self.parts:
            blocks = np.unique(part.table.block[part.curves])
            for name, of_block in part.axes.items():
                axes = of_block[blocks]
                if (axes >= 0).any():
                    found = np.unique(part.table.axis_pool[axes[axes >= 0]]).tolist()
                    pools.setdefault(name, set()).update(found)
        ranks = dict(zip(pools, axis_ranks(tuple(pools)), strict=True))
        return {name: frozenset(pools[name]) for name in sorted(pools, key=ranks.__getitem__)}


def read_index(store: Path, noise: Sequence[str]) -> CurveIndex:
    """The curves of a store, as its last commit left it.

    Raises
    ------
    StoreFormatError, StoreError
        As for `open_store`.
    """
    return read_settled(store, lambda catalogue: _index(store, catalogue, tuple(noise)))


def _index(store: Path, catalogue: Catalogue, noise: tuple[str, ...]) -> CurveIndex:
    places = np.array(catalogue.places, np.intp).reshape(-1, 2)
    paths, shards, heads, numbers = [], [], [], []
    for i in np.unique(places[:, 0]).tolist():
        shard = catalogue.shards[i]
        path = store / SHARDS / shard.name
        number = np.full(shard.runs, -1, np.intp)
        mine = np.flatnonzero(places[:, 0] == i)
        number[places[mine, 1]] = mine
        paths.append(path)
        shards.append(shard)
        heads.append(read_head(path, shard))
        numbers.append(number)
    experiments = _in_order([head.experiments for head in heads], numbers)
    check_runs(store, catalogue, tuple(_in_order([head.ids for head in heads], numbers)))
    names = Names()
    parts = []
    for path, shard, head, number in zip(paths, shards, heads, numbers, strict=True):
        reading = functools.partial(reading_rows, path, shard)
        parts.append(Part.of(reading, path, head.curves, names, number, head.x_texts))
    parts = with_added(parts, store, catalogue.runs, names)
    hpms = _hpms(store, paths, shards, heads, numbers, catalogue.runs, noise)
    splits, metrics = tuple(names.splits), tuple(names.metrics)
    return CurveIndex(tuple(parts), splits, metrics, tuple(experiments), hpms)


def _in_order(
    columns: Sequence[Sequence[str]], numbers: Sequence[NDArray[np.intp]]
) -> Iterable[str]:
    """What each shard says of its runs, in the order of the store."""
    said = {
        number: text
        for texts, of_row in zip(columns, numbers, strict=True)
        for text, number in zip(texts, of_row.tolist(), strict=True)
    }
    return [said[number] for number in sorted(said) if number >= 0]


def _hpms(
    store: Path,
    paths: Sequence[Path],
    shards: Sequence[Shard],
    heads: Sequence[Head],
    numbers: Sequence[NDArray[np.intp]],
    ids: tuple[str, ...],
    noise: tuple[str, ...],
) -> HpmGroup:
    tables, order, unconfigured = [], [np.empty(0, np.intp)], set[int]()
    for path, shard, head, number in zip(paths, shards, heads, numbers, strict=True):
        live = np.flatnonzero(number >= 0)
        whole = len(live) == len(number)
        tables.append(head.hpms if whole else head.hpms.take(live))
        order.append(number[live])
        if not (head.hpms.codes[:, live] >= 0).any(axis=0).all():
            runs = RunTable(read_records(path, shard), head.hpms, head.curves)
            unconfigured |= set(number[sorted(runs.unconfigured)].tolist())
    table = tables[0] if len(tables) == 1 else HpmTable.concat(tables)
    # The columns are in the order of the shards, the group in that of the store.
    indices = np.argsort(np.concatenate(order))
    lost = frozenset(indices[sorted(n for n in unconfigured if n >= 0)].tolist())
    return overlaid_hpms(HpmGroup(table, indices, ids, noise, unconfigured=lost), store)
