"""Metrics that were added to a store by hand, among those that its lazy table reads."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_builder import CurveBuilder
from dr_gen.model.curve_table import POOL_TEXT, CurveTable
from dr_gen.model.plain_curves import add_entry
from dr_gen.store.columns import X_POOLS
from dr_gen.store.overlays import list_overlays
from dr_gen.store.parts import Names, Part
from dr_gen.store.shards import ReadRows
from dr_gen.store.writing import OVERLAYS

__all__ = ["with_added"]

_Key = tuple[int, str, str]
"""Number of a run in the store, split and metric."""


def with_added(parts: Sequence[Part], store: Path, runs: Sequence[str], names: Names) -> list[Part]:
    """The curves of a store with those that its overlays add, as `Edit`s add them.

    Parameters
    ----------
    parts : sequence of Part
        What was logged.
    store : Path
    runs : sequence of str
        Ids of the runs of the store, in its order.
    names : Names
        Gets the names of splits and metrics that are new.

    Raises
    ------
    StoreFormatError, StoreError
        As for `list_overlays`.
    """
    numbers = {run: number for number, run in enumerate(runs)}
    edits = [edit for overlay in list_overlays(store) for edit in overlay.edits if edit.curves]
    about = {numbers[run] for edit in edits for run in edit.curves if run in numbers}
    if not about:
        return list(parts)
    logged = _logged(parts, about, names)
    added: dict[_Key, Mapping[str, Any]] = {}
    for edit in edits:
        for run in [run for run in edit.curves if run in numbers]:
            for entry in edit.curves[run]:
                key = (numbers[run], str(entry["split"]), str(entry["metric"]))
                if edit.force or not (key in added or key in logged):
                    added[key] = entry
    kept = [_without(part, added.keys() & logged, names) for part in parts]
    builder = CurveBuilder()
    for (number, _, _), entry in added.items():
        add_entry(builder, number, entry)
    return [*kept, _in_memory(builder.build(), store / OVERLAYS, names, len(runs))]


def _logged(parts: Sequence[Part], about: set[int], names: Names) -> set[_Key]:
    """The curves of some runs."""
    return {
        key
        for part in parts
        for key in _keys(part, np.isin(part.run, np.array(sorted(about), np.intp)), names)
    }


def _keys(part: Part, some: NDArray[np.bool_], names: Names) -> list[_Key]:
    splits, metrics = list(names.splits), list(names.metrics)
    columns = (part.run[some], part.split[some], part.metric[some])
    codes = zip(*(column.tolist() for column in columns), strict=True)
    return [(run, splits[split], metrics[metric]) for run, split, metric in codes]


def _without(part: Part, replaced: set[_Key], names: Names) -> Part:
    if not replaced:
        return part
    there = _keys(part, np.ones(len(part.run), bool), names)
    return part.only(np.array([key not in replaced for key in there], bool))


def _in_memory(table: CurveTable, path: Path, names: Names, n_runs: int) -> Part:
    """A part whose values are at hand."""
    # In files texts are codes.
    texts = tuple(map(str, table.pools[POOL_TEXT]))
    arrays = {**dict(zip(X_POOLS, table.pools, strict=True)), "value": table.values}
    arrays[X_POOLS[POOL_TEXT]] = np.arange(len(texts), dtype=np.int32)
    reading = functools.partial(_reading, arrays)
    return Part.of(reading, path, table, names, np.arange(n_runs), texts)


@contextlib.contextmanager
def _reading(arrays: Mapping[str, Any]) -> Iterator[ReadRows]:
    yield lambda name, start, stop: arrays[name][start:stop]
