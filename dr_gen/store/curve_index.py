"""Which curves a store holds and where they lie, without their values."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.axis import axis_ranks, pick_axes
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.hpm_group import HpmGroup
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.run_table import RunTable
from dr_gen.store.catalogue import SHARDS, Catalogue, Shard
from dr_gen.store.layout import Head
from dr_gen.store.overlays import overlaid_hpms
from dr_gen.store.shards import read_head, read_records
from dr_gen.store.snapshot import check_runs, read_settled

__all__ = ["CurveIndex", "Part", "read_index"]


@attrs.frozen(eq=False)
class Part:
    """The curves of one shard that count.

    Attributes
    ----------
    path : Path
    shard : Shard
    table : CurveTable
        All curves of the shard, without values and x values.
    x_texts : tuple of str
        What the codes of x values that are text mean.
    curves : intp array, dims (curve,)
        Those of the table that count.
    run, split, metric : intp arrays, dims (curve,)
        Of each of them, as codes into the names of the index.
    """

    path: Path
    shard: Shard
    table: CurveTable
    x_texts: tuple[str, ...]
    curves: NDArray[np.intp]
    run: NDArray[np.intp]
    split: NDArray[np.intp]
    metric: NDArray[np.intp]

    @functools.cached_property
    def usual_axes(self) -> NDArray[np.intp]:
        """The axis of each block of the table that is its usual one, dims (block,)."""
        return pick_axes(self.table, np.arange(len(self.table.block_size)))

    @functools.cached_property
    def axes(self) -> Mapping[str, NDArray[np.intp]]:
        """X name to the axis of each block of that name, -1 for none, dims (block,)."""
        table = self.table
        found = {}
        for code, name in enumerate(table.x_names):
            named = np.flatnonzero(table.axis_x == code)
            found[name] = np.full(len(table.block_size), -1, np.intp)
            found[name][table.axis_block[named]] = named
        return found


@attrs.frozen(eq=False)
class CurveIndex:
    """The curves of a store.

    Attributes
    ----------
    parts : tuple of Part
        One for each shard that has runs that count.
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
    splits = _codes(head.curves.splits for head in heads)
    metrics = _codes(head.curves.metrics for head in heads)
    parts = [
        _part(*each, splits, metrics) for each in zip(paths, shards, heads, numbers, strict=True)
    ]
    hpms = _hpms(store, paths, shards, heads, numbers, catalogue.runs, noise)
    return CurveIndex(tuple(parts), tuple(splits), tuple(metrics), tuple(experiments), hpms)


def _codes(names: Iterable[Sequence[str]]) -> dict[str, int]:
    return {name: i for i, name in enumerate(dict.fromkeys(n for each in names for n in each))}


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


def _part(
    path: Path,
    shard: Shard,
    head: Head,
    number: NDArray[np.intp],
    splits: Mapping[str, int],
    metrics: Mapping[str, int],
) -> Part:
    table = head.curves
    run = number[table.run]
    counts = np.flatnonzero(run >= 0)
    split, metric = (
        np.array([codes[name] for name in names], np.intp)[column[counts]]
        for codes, names, column in (
            (splits, table.splits, table.split),
            (metrics, table.metrics, table.metric),
        )
    )
    return Part(path, shard, table, head.x_texts, counts, run[counts], split, metric)


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
