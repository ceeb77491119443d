"""Shards of a store: runs in immutable files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import StoreError, StoreFormatError, UsageError
from dr_gen.model.run_table import RunRecord, RunTable
from dr_gen.store import netcdf
from dr_gen.store.atomic import replacing
from dr_gen.store.catalogue import SHARDS, Place, Shard
from dr_gen.store.columns import COLUMNS
from dr_gen.store.layout import (
    HEAD,
    Head,
    Layout,
    encoded,
    from_layout,
    head_from_layout,
    records_from_layout,
)
from dr_gen.store.mapped import found_in
from dr_gen.store.ondemand import ON_DEMAND, Reading, columns
from dr_gen.store.schema import Migration, migrations, stamp

__all__ = ["ReadRows", "read_head", "read_records", "read_runs", "reading_rows", "write_shard"]


def write_shard(
    layout: Layout, table: RunTable, path: Path, compress: bool, now: datetime | None
) -> Shard:
    """Write one shard, and say what is in it."""
    with replacing(path) as temporary:
        netcdf.write(layout, temporary, stamp(now), compress=compress)
        size = temporary.stat().st_size
        starts = {} if compress else found_in(temporary, _contiguous(layout))
    return Shard(path.name, size, len(table.records), len(table.curves.values), starts)


def _contiguous(layout: Layout) -> dict[str, NDArray[Any]]:
    texts = {name: np.frombuffer(encoded(text), "S1") for name, text in layout.texts.items()}
    arrays = {c.name: np.asarray(layout.arrays[c.name]) for c in COLUMNS if not c.for_people}
    return {**arrays, **texts}


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
    where = np.asarray(places, np.intp).reshape(-1, 2)
    numbers = np.empty(len(where), np.intp)
    tables, start = [], 0
    for i, shard in enumerate(shards):
        mine = np.flatnonzero(where[:, 0] == i)
        if not len(mine) and len(shards) > 1:
            continue
        live = np.sort(where[mine, 1])
        table = _read_shard(store / SHARDS / shard.name, shard, reading)
        if len(live) < shard.runs:
            table = table.take(live)
        numbers[mine] = start + np.searchsorted(live, where[mine, 1])
        start += len(live)
        tables.append(table)
    table = tables[0] if len(tables) == 1 else RunTable.concat(tables)
    return table, numbers


def _read_shard(path: Path, shard: Shard, reading: Reading | None) -> RunTable:
    with _damage(path):
        table = from_layout(_read_layout(path, shard, reading=reading))
        _check_runs(len(table.records), shard)
    return table


def read_head(path: Path, shard: Shard) -> Head:
    """What is known of a shard without its values and x values.

    Raises
    ------
    StoreFormatError, StoreError
        As for `read_runs`.
    """
    with _damage(path):
        head = head_from_layout(_read_layout(path, shard, HEAD))
        _check_runs(len(head.ids), shard)
    return head


def read_records(path: Path, shard: Shard) -> Sequence[RunRecord]:
    """The records of a shard alone.

    Raises
    ------
    StoreFormatError, StoreError
        As for `read_runs`.
    """
    with _damage(path):
        return records_from_layout(_read_layout(path, shard, ("records_json", "names_json")))


ReadRows = Callable[[str, int, int], NDArray[Any]]
"""Name of an array, start and stop: that part of it."""


@contextlib.contextmanager
def reading_rows(path: Path, shard: Shard) -> Iterator[ReadRows]:
    """Read parts of the long arrays of a shard.

    Once the block has begun, a writer may replace the shard: what is read is still its own.

    Raises
    ------
    StoreFormatError, StoreError
        As for `read_runs`, here and by the function.
    """
    with contextlib.ExitStack() as stack:
        with _damage(path):
            _check_size(path, shard)
            rows = stack.enter_context(contextlib.closing(netcdf.Rows(path)))
            old = _read_layout(path, shard) if _steps(rows.schema, path) else None

        def read(name: str, start: int, stop: int) -> NDArray[Any]:
            with _damage(path):
                return rows(name, start, stop) if old is None else old.arrays[name][start:stop]

        yield read


def _read_layout(
    path: Path,
    shard: Shard,
    only: Collection[str] | None = None,
    reading: Reading | None = None,
) -> Layout:
    """The content of a shard, or those parts of it called `only` and perhaps more."""
    _check_size(path, shard)
    starts = None if reading or only is not None else shard.starts
    layout, schema = netcdf.read(path, only, ON_DEMAND if reading else (), starts)
    steps = _steps(schema, path)
    if steps and (reading or only is not None):  # a step may need any part of the older form
        layout, _ = netcdf.read(path)
    elif reading:
        left = columns(path, layout.sizes, reading)
        layout = attrs.evolve(layout, arrays={**layout.arrays, **left})
    for step in steps:
        layout = step(layout)
    return layout


def _steps(schema: Any, path: Path) -> list[Callable[[Layout], Layout]]:
    """What brings a shard of an older form up to date; most steps leave shards alone."""
    nothing = attrs.fields(Migration).shard.default
    return [step.shard for step in migrations(schema, str(path)) if step.shard is not nothing]


_AGAIN = "remove the store and save the runs again"


def _check_size(path: Path, shard: Shard) -> None:
    size = os.stat(path).st_size
    if size != shard.size:
        raise UsageError(f"{size} bytes instead of {shard.size}")


def _check_runs(found: int, shard: Shard) -> None:
    if found != shard.runs:
        raise UsageError(f"{found} runs instead of {shard.runs}")


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Say of whatever goes wrong with a shard what it means for its store."""
    try:
        yield
    except StoreError:
        raise
    except FileNotFoundError:
        reason = f"is named by the catalogue but not there; {_AGAIN}"
        raise StoreError(str(path), reason) from None
    except PermissionError as error:
        raise StoreError(str(path), f"cannot be read: {error.strerror}") from None
    except (OSError, RuntimeError, UsageError) as error:
        raise StoreFormatError(str(path), f"is damaged ({error}); {_AGAIN}") from None
