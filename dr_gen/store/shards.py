"""Shards of a store: runs in immutable files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import StoreError, StoreFormatError, UsageError
from dr_gen.model.run_table import RunTable
from dr_gen.store import netcdf
from dr_gen.store.atomic import replacing
from dr_gen.store.catalogue import SHARDS, Place, Shard
from dr_gen.store.layout import Layout, from_layout
from dr_gen.store.ondemand import ON_DEMAND, Reading, columns
from dr_gen.store.schema import migrations, stamp

__all__ = ["read_runs", "write_shard"]


def write_shard(
    layout: Layout, table: RunTable, path: Path, compress: bool, now: datetime | None
) -> Shard:
    """Write one shard, and say what is in it."""
    with replacing(path) as temporary:
        netcdf.write(layout, temporary, stamp(now), compress=compress)
        size = temporary.stat().st_size
    return Shard(path.name, size, len(table.records), len(table.curves.values))


def read_runs(
    store: Path,
    shards: Sequence[Shard],
    places: Sequence[Place],
    reading: Reading | None = None,
) -> tuple[RunTable, NDArray[np.intp]]:
    """The runs at `places` (shard, number in it) as one table, and the number of each there.

    Values and x stay in their files when it is told how they are to be read later.

    Raises
    ------
    StoreFormatError
        If a shard is damaged, or of a form that this version does not read.
    StoreError
        If one is missing or may not be read.
    """
    rows: list[list[int]] = [[] for _ in shards]
    for shard, row in places:
        rows[shard].append(row)
    tables, starts, number = [], 0, {}
    for i, shard_ in enumerate(shards):
        live = sorted(rows[i])
        if not live and len(shards) > 1:
            continue
        table = _read_shard(store / SHARDS / shard_.name, shard_, reading)
        if len(live) < shard_.runs:
            table = table.take(np.array(live, np.intp))
        number.update({(i, row): starts + k for k, row in enumerate(live)})
        starts += len(live)
        tables.append(table)
    table = tables[0] if len(tables) == 1 else RunTable.concat(tables)
    return table, np.array([number[place] for place in places], np.intp)


def _read_shard(path: Path, shard: Shard, reading: Reading | None) -> RunTable:
    again = "remove the store and save the runs again"
    try:
        size = os.stat(path).st_size
        if size != shard.size:
            raise StoreFormatError(
                str(path), f"is damaged: {size} bytes instead of {shard.size}; {again}"
            )
        layout, schema = netcdf.read(path, ON_DEMAND if reading else ())
        steps = migrations(schema, str(path))
        if steps and reading:  # what is left in the file would stay in its older form
            layout, _ = netcdf.read(path)
        elif reading:
            left = columns(path, layout.sizes, reading)
            layout = attrs.evolve(layout, arrays={**layout.arrays, **left})
        for step in steps:
            layout = step.shard(layout)
        table = from_layout(layout)
    except StoreError:
        raise
    except FileNotFoundError:
        raise StoreError(str(path), f"is named by the catalogue but not there; {again}") from None
    except PermissionError as error:
        raise StoreError(str(path), f"cannot be read: {error.strerror}") from None
    except (OSError, RuntimeError, UsageError) as error:
        raise StoreFormatError(str(path), f"is damaged ({error}); {again}") from None
    if len(table.records) != shard.runs:
        reason = f"is damaged: {len(table.records)} runs instead of {shard.runs}; {again}"
        raise StoreFormatError(str(path), reason)
    return table
