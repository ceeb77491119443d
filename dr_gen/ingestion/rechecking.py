"""Judging the runs of a store once more, without their logs."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from dr_gen.model.group import RunGroup
from dr_gen.model.run_table import RunRecord
from dr_gen.validators import Validator, expected_epochs, validate_all

__all__ = ["rechecked"]

_OF_EPOCHS = ("short-run", "long-run")
"""What is found where a run has not the epochs that it should have."""


def rechecked(
    group: RunGroup, epochs: int | None = None, validators: Sequence[Validator] | None = None
) -> RunGroup:
    """The runs of a store with what further checks find, and the statuses that follow from it.

    Parameters
    ----------
    group : RunGroup
    epochs : int, optional
        Epochs that every run should have; what was found for another number is forgotten.
    validators : sequence of callables, optional
        Run beside those that the store was filled with.

    Raises
    ------
    UsageError
        If `epochs` is less than 1.
    """
    checks = [*(validators or ()), *([] if epochs is None else [expected_epochs(epochs)])]
    if not checks or not len(group):
        return group
    records = list(group.table.records)
    if epochs is not None:
        records = [_without(record, _OF_EPOCHS) for record in records]
    before = attrs.evolve(group, table=attrs.evolve(group.table, records=tuple(records)))
    judged = validate_all(list(before), checks)
    return attrs.evolve(group, table=judged[0].table)


def _without(record: RunRecord, codes: Sequence[str]) -> RunRecord:
    kept = tuple(finding for finding in record.findings if finding.code not in codes)
    return record if len(kept) == len(record.findings) else attrs.evolve(record, findings=kept)
