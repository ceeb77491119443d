"""What a group of runs is made of: a record a run, and the columns of all."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Finding
from dr_gen.model.hpm import canonical
from dr_gen.model.hpm_table import HpmTable

__all__ = ["RunRecord", "RunTable", "Status"]


_CONFIG_LOST = frozenset({"no-config", "config-without-value", "config-not-a-dict"})


class Status(enum.StrEnum):
    """How a run ended, as far as its log tells."""

    COMPLETED = "completed"
    RUNNING = "running"
    FAILED = "failed"
    DIVERGED = "diverged"
    INCOMPLETE = "incomplete"


def _status(status: str) -> Status:
    try:
        return Status(status)
    except ValueError:
        allowed = ", ".join(Status)
        raise UsageError(f"no status {status!r}; expected one of {allowed}") from None


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(texts)


def _findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(findings)


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    return dict(facts)


@attrs.frozen
class RunRecord:
    """What is known of one run beside its hyperparameters and curves.

    Attributes
    ----------
    id : str
        Unique in its group.
    experiment : str
        What it belongs to, usually the name of the folder given.
    source : str
        The file or folder it was read from.
    status : Status
        How it ended.
    reasons : tuple of str
        Why it has this status, in words.
    metadata : mapping
        Anything else logged: ``log_strs`` (text lines), ``train_time`` (text), and so on.
    findings : tuple of Finding
        What is wrong or worth knowing.
    time_parsed : str or None
        When it was read, ISO 8601 in UTC. Not compared: it says nothing about the run.
    """

    id: str
    experiment: str = ""
    source: str = ""
    status: Status = attrs.field(default=Status.COMPLETED, converter=_status)
    reasons: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    # NaN equals NaN, as in hyperparameters.
    metadata: Mapping[str, Any] = attrs.field(factory=dict, converter=_facts, eq=canonical)
    findings: tuple[Finding, ...] = attrs.field(default=(), converter=_findings)
    time_parsed: str | None = attrs.field(default=None, eq=False)


@attrs.frozen(eq=False, repr=False)
class RunTable:
    """The columns of all runs: run i is ``records[i]``, column i of `hpms`, run i of `curves`.

    Raises
    ------
    UsageError
        If two runs have one id.
    """

    records: tuple[RunRecord, ...]
    hpms: HpmTable
    curves: CurveTable

    def __attrs_post_init__(self) -> None:
        if len(self.by_id) < len(self.records):
            ids = [record.id for record in self.records]
            twice = next(i for i in ids if ids.count(i) > 1)
            raise UsageError(f"two runs have the id {twice!r}; ids are unique in a group")

    @functools.cached_property
    def unconfigured(self) -> frozenset[int]:
        """Numbers of the runs whose configuration could not be read."""
        return frozenset(
            i
            for i, record in enumerate(self.records)
            if any(finding.code in _CONFIG_LOST for finding in record.findings)
            and not (self.hpms.codes[:, i] >= 0).any()
        )

    @functools.cached_property
    def by_id(self) -> dict[str, int]:
        """Number of each run."""
        return {record.id: i for i, record in enumerate(self.records)}

    def take(self, runs: NDArray[np.intp]) -> RunTable:
        """The columns of `runs` alone."""
        records = tuple(self.records[i] for i in runs.tolist())
        return RunTable(records, self.hpms.take(runs), self.curves.take(runs))

    @classmethod
    def concat(cls, tables: Sequence[RunTable]) -> RunTable:
        """Tables behind one another."""
        records = tuple(record for table in tables for record in table.records)
        curves = CurveTable.concat(
            [table.curves for table in tables], [len(table.records) for table in tables]
        )
        return cls(records, HpmTable.concat([table.hpms for table in tables]), curves)
