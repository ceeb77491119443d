"""What a group of runs is made of: a record a run, and the columns of all."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Finding
from dr_gen.model.hpm import canonical
from dr_gen.model.hpm_table import HpmTable

__all__ = ["LazyRecords", "RunRecord", "RunTable", "Status"]


_CONFIG_LOST = frozenset({"no-config", "config-without-value", "config-not-a-dict"})


class Status(enum.StrEnum):
    """How a run ended, as far as its log tells."""

    COMPLETED = "completed"
    RUNNING = "running"
    FAILED = "failed"
    DIVERGED = "diverged"
    INCOMPLETE = "incomplete"


def _status(status: str) -> Status:
    if type(status) is Status:
        return status
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

    def __reduce__(self) -> tuple[Any, ...]:
        # As attrs does it takes twice as long, and there are very many.
        told = (self.id, self.experiment, self.source, self.status, self.reasons)
        return (type(self), (*told, self.metadata, self.findings, self.time_parsed))


class LazyRecords(Sequence[RunRecord]):
    """Records that are made when they are first asked for.

    Parameters
    ----------
    ids, statuses : sequence
        What most questions need of each record.
    texts : sequence
        What `make` makes a record of.
    make : callable
    facts : callable, optional
        Makes of a text something with `experiment` and `source`, quicker than `make`.
    """

    def __init__(
        self,
        ids: Sequence[str],
        statuses: Sequence[Status],
        texts: Sequence[Any],
        make: Callable[[Any], RunRecord],
        facts: Callable[[Any], Any] | None = None,
    ) -> None:
        self.ids, self.statuses = tuple(ids), tuple(statuses)
        self._texts, self._make, self._facts = texts, make, facts or make
        self._made: dict[int, RunRecord] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def sources(self, make: Callable[[Any], RunRecord]) -> list[Any]:
        """The records that are made already; what `make` makes the others of."""
        if self._make is not make:
            return list(self)
        return [self._made.get(i, text) for i, text in enumerate(self._texts)]

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RunRecord, ...]: ...
    def __getitem__(self, index: int | slice) -> RunRecord | tuple[RunRecord, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        number = range(len(self))[index]
        if number not in self._made:
            self._made[number] = self._make(self._texts[number])
        return self._made[number]

    def replaced(self, records: Mapping[int, RunRecord]) -> LazyRecords:
        """The same with some records known already, of the same ids and statuses."""
        out = LazyRecords(self.ids, self.statuses, self._texts, self._make, self._facts)
        out._made = {**self._made, **records}
        return out

    @classmethod
    def gathered(cls, rows: Sequence[tuple[LazyRecords, int]]) -> LazyRecords:
        """Some records of several sequences, in the order given, still not made."""
        ids = [records.ids[i] for records, i in rows]
        statuses = [records.statuses[i] for records, i in rows]
        texts, first = [records._texts[i] for records, i in rows], rows[0][0]
        out = cls(ids, statuses, texts, first._make, first._facts)
        made = ((number, records._made.get(i)) for number, (records, i) in enumerate(rows))
        out._made = {number: record for number, record in made if record is not None}
        return out

    def facts(self, name: str, runs: Iterable[int]) -> list[str]:
        """The experiment or the source of some runs."""
        made = self._made
        return [getattr(made.get(i) or self._facts(self._texts[i]), name) for i in runs]

    def __reduce__(self) -> tuple[Any, ...]:
        return (tuple, (list(self),))


@attrs.frozen(eq=False, repr=False)
class RunTable:
    """The columns of all runs: run i is ``records[i]``, column i of `hpms`, run i of `curves`.

    Raises
    ------
    UsageError
        If two runs have one id.
    """

    records: Sequence[RunRecord]
    hpms: HpmTable
    curves: CurveTable

    def __attrs_post_init__(self) -> None:
        if len(self.by_id) < len(self.records):
            twice = next(i for i in self.ids if self.ids.count(i) > 1)
            raise UsageError(f"two runs have the id {twice!r}; ids are unique in a group")

    @functools.cached_property
    def unconfigured(self) -> frozenset[int]:
        """Numbers of the runs whose configuration could not be read."""
        without = np.flatnonzero(~(self.hpms.codes >= 0).any(axis=0)).tolist()
        return frozenset(
            i
            for i in without
            if any(finding.code in _CONFIG_LOST for finding in self.records[i].findings)
        )

    @functools.cached_property
    def ids(self) -> tuple[str, ...]:
        """Id of each run."""
        records = self.records
        return records.ids if isinstance(records, LazyRecords) else tuple(r.id for r in records)

    @functools.cached_property
    def statuses(self) -> tuple[Status, ...]:
        """Status of each run."""
        records = self.records
        if isinstance(records, LazyRecords):
            return records.statuses
        return tuple(record.status for record in records)

    @functools.cached_property
    def by_id(self) -> dict[str, int]:
        """Number of each run."""
        return {run: i for i, run in enumerate(self.ids)}

    def facts(self, name: str, runs: Iterable[int]) -> list[str]:
        """The experiment or the source of some runs."""
        if isinstance(self.records, LazyRecords):
            return self.records.facts(name, runs)
        return [getattr(self.records[i], name) for i in runs]

    def replaced(self, records: Mapping[int, RunRecord]) -> Sequence[RunRecord]:
        """The records with others for some runs, of the same ids and statuses."""
        if isinstance(self.records, LazyRecords):
            return self.records.replaced(records)
        return tuple(records.get(i, record) for i, record in enumerate(self.records))

    def take(self, runs: NDArray[np.intp]) -> RunTable:
        """The columns of `runs` alone."""
        records = _gathered([(self.records, i) for i in runs.tolist()])
        return RunTable(records, self.hpms.take(runs), self.curves.take(runs))

    @classmethod
    def concat(cls, tables: list[RunTable]) -> RunTable:
        """Tables behind one another; empties the list, so that not everything is there twice."""
        records = _gathered([(t.records, i) for t in tables for i in range(len(t.records))])
        hpms = HpmTable.concat([table.hpms for table in tables])
        n_runs = [len(table.records) for table in tables]
        curves = [table.curves for table in tables]
        tables.clear()
        return cls(records, hpms, CurveTable.concat(curves, n_runs))


def _gathered(rows: Sequence[tuple[Sequence[RunRecord], int]]) -> Sequence[RunRecord]:
    lazy = [(records, i) for records, i in rows if isinstance(records, LazyRecords)]
    if lazy and len(lazy) == len(rows):
        return LazyRecords.gathered(lazy)
    return tuple(records[i] for records, i in rows)
