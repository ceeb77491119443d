"""What is given to runs after they were logged, and putting it there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from dr_gen.model.curve_builder import CurveBuilder
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.plain_curves import add_entry
from dr_gen.model.run_table import RunRecord, RunTable

__all__ = ["NOTES", "TAGS", "Edit", "applied", "applied_hpms", "tags_of"]

TAGS, NOTES = "tags", "notes"
"""Where tags and notes stand in the metadata of a run."""


@attrs.frozen
class Edit:
    """What was added to runs by one call, in plain data.

    Attributes
    ----------
    origin : str
        What it comes from: ``value``, or the text of the function that gave it.
    force : bool
        Whether it replaces what is there; otherwise it only fills in what is missing.
    hpms : mapping
        Run id to dotted key to value.
    tags : mapping
        Run id to tags, which are added to those there are.
    notes : mapping
        Run id to text.
    curves : mapping
        Run id to a list of curves as `RunData.from_dict` takes them.
    """

    origin: str = "value"
    force: bool = False
    hpms: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    tags: Mapping[str, list[str]] = attrs.field(factory=dict)
    notes: Mapping[str, str] = attrs.field(factory=dict)
    curves: Mapping[str, list[Mapping[str, Any]]] = attrs.field(factory=dict)

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of the runs that it is about."""
        return tuple(dict.fromkeys([*self.hpms, *self.tags, *self.notes, *self.curves]))

    def about(self, runs: frozenset[str]) -> Edit:
        """What it says of `runs` alone."""
        names = ("hpms", "tags", "notes", "curves")
        kept: dict[str, Any] = {
            name: {run: what for run, what in getattr(self, name).items() if run in runs}
            for name in names
        }
        return attrs.evolve(self, **kept)


def applied(edit: Edit, table: RunTable) -> RunTable:
    """The runs with what an edit gives them; those of it that are not there are left out."""
    edit = edit.about(frozenset(table.by_id))
    changed: dict[str, Any] = {}
    if edit.hpms:
        changed["hpms"] = applied_hpms(edit, table.hpms, table.by_id)
    if edit.tags or edit.notes:
        numbers = [table.by_id[run] for run in dict.fromkeys([*edit.tags, *edit.notes])]
        changed["records"] = table.replaced(
            {number: _annotated(edit, table.records[number]) for number in numbers}
        )
    if edit.curves:
        changed["curves"] = _with_curves(edit, table)
    return attrs.evolve(table, **changed) if changed else table


def applied_hpms(edit: Edit, hpms: HpmTable, numbers: Mapping[str, int]) -> HpmTable:
    """The hyperparameters with those that an edit gives.

    Parameters
    ----------
    edit : Edit
    hpms : HpmTable
    numbers : mapping
        Run id to its number in `hpms`.
    """
    cells: dict[str, dict[int, Any]] = {}
    for run, values in edit.hpms.items():
        if run in numbers:
            for key, value in values.items():
                cells.setdefault(key, {})[numbers[run]] = value
    if not edit.force:
        for key, found in cells.items():
            held = hpms.held(key)
            cells[key] = {number: value for number, value in found.items() if not held[number]}
    return hpms.updated({key: found for key, found in cells.items() if found})


def tags_of(metadata: Mapping[str, Any]) -> list[str]:
    """The tags of a run as a list, however its log has them."""
    found = metadata.get(TAGS)
    if found is None:
        return []
    if isinstance(found, Mapping):  # of MLflow, which has a value for each
        return [f"{name}={value}" for name, value in found.items()]
    return [found] if isinstance(found, str) else list(map(str, np.atleast_1d(found)))


def _annotated(edit: Edit, record: RunRecord) -> RunRecord:
    metadata = dict(record.metadata)
    if record.id in edit.tags:
        metadata[TAGS] = list(dict.fromkeys([*tags_of(metadata), *edit.tags[record.id]]))
    if record.id in edit.notes and (edit.force or not metadata.get(NOTES)):
        metadata[NOTES] = edit.notes[record.id]
    return attrs.evolve(record, metadata=metadata)


def _with_curves(edit: Edit, table: RunTable) -> CurveTable:
    builder, dropped = CurveBuilder(), []
    for run, entries in edit.curves.items():
        number = table.by_id[run]
        for entry in entries:
            there = table.curves.find(number, entry["split"], entry["metric"])
            if there is None or edit.force:
                add_entry(builder, number, entry)
                dropped += [] if there is None else [there]
    left = table.curves.without(dropped) if dropped else table.curves
    # Both number the runs alike.
    return CurveTable.concat([left, builder.build()], [0, len(table.records)])
