"""How runs ended, why, and where in the sweep."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from dr_gen.analysis.frames import configuration_columns
from dr_gen.analysis.samples import members
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import Hpm
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FAILURES", "ConfigurationFailures", "FailureReason", "FailureTable", "failures"]

FAILURES: Final = (Status.FAILED, Status.DIVERGED, Status.INCOMPLETE)
"""Statuses of runs that ended without completing; a run that still runs is none of them."""


_NUMBER: Final = re.compile(r"(?<![\w.])[-+]?\d[\d.]*(?:e[-+]?\d+)?(?!\w)")
"""A number that stands alone: not the one in ``acc1``."""


@attrs.frozen
class FailureReason:
    """Runs that did not complete, for one reason.

    Attributes
    ----------
    status : Status
    reason : str
        In words. Runs whose reasons differ in numbers alone are put together, and the numbers
        become ``…``.
    runs : tuple of str
        Ids, in the order of the group.
    findings : tuple of Finding
        What the logs of these runs say, warnings and errors, those with a line first.
    """

    status: Status
    reason: str
    runs: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


@attrs.frozen
class ConfigurationFailures:
    """How the runs of one configuration ended.

    Attributes
    ----------
    configuration : Hpm
    runs : mapping
        Status to ids of its runs; only statuses that occur.
    """

    configuration: Hpm
    runs: Mapping[Status, tuple[str, ...]]

    @property
    def n_runs(self) -> int:
        """Runs there are."""
        return sum(map(len, self.runs.values()))

    @property
    def n_failed(self) -> int:
        """Runs that ended without completing (`FAILURES`)."""
        return sum(len(self.runs.get(status, ())) for status in FAILURES)

    @property
    def rate(self) -> float:
        """`n_failed` of `n_runs`, between 0 and 1."""
        return self.n_failed / self.n_runs


@attrs.frozen
class FailureTable:
    """How all runs ended.

    Attributes
    ----------
    counts : mapping
        Status to number of runs; every status, also those that do not occur.
    reasons : tuple of FailureReason
        One a reason; the runs that did not complete, the most frequent reason first.
    configurations : tuple of ConfigurationFailures
        Every configuration, in order of the values.
    """

    counts: Mapping[Status, int]
    reasons: tuple[FailureReason, ...]
    configurations: tuple[ConfigurationFailures, ...]

    @property
    def n_runs(self) -> int:
        """Runs there are."""
        return sum(self.counts.values())

    @property
    def n_failed(self) -> int:
        """Runs that ended without completing (`FAILURES`)."""
        return sum(self.counts[status] for status in FAILURES)

    @property
    def n_unfinished(self) -> int:
        """Runs that did not complete, those that still run among them."""
        return self.n_runs - self.counts[Status.COMPLETED]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data; findings as ``file:line: severity code: message``."""
        return {
            "n_runs": self.n_runs,
            "n_failed": self.n_failed,
            "statuses": {str(status): n for status, n in self.counts.items()},
            "reasons": [
                {
                    "status": str(r.status),
                    "reason": r.reason,
                    "runs": list(r.runs),
                    "findings": [str(finding) for finding in r.findings],
                }
                for r in self.reasons
            ],
            "configurations": [
                {
                    "configuration": dict(c.configuration),
                    "n_runs": c.n_runs,
                    "n_failed": c.n_failed,
                    "rate": c.rate,
                    "runs": {str(status): list(ids) for status, ids in c.runs.items()},
                }
                for c in self.configurations
            ],
        }

    def to_frame(self) -> pl.DataFrame:
        """One row a configuration: its keys, a count for each status, n_failed, n_runs, rate."""
        import polars as pl

        rows = self.configurations
        counts = {str(status): [len(c.runs.get(status, ())) for c in rows] for status in Status}
        counts["n_failed"] = [c.n_failed for c in rows]
        counts["n_runs"] = [c.n_runs for c in rows]
        keys = configuration_columns([c.configuration for c in rows], (*counts, "rate"))
        numbers = [pl.Series(name, values, pl.Int64) for name, values in counts.items()]
        return pl.DataFrame(
            [*keys, *numbers, pl.Series("rate", [c.rate for c in rows], pl.Float64)]
        )


def failures(group: RunGroup, *, by: Sequence[str] | None = None) -> FailureTable:
    """How the runs of a group ended: by status, by reason and by configuration.

    Parameters
    ----------
    group : RunGroup
    by : sequence of str, optional
        Keys to group by, as for `summarize`; by default the important hyperparameters.

    Raises
    ------
    UnknownKeyError
        If no run has a key.

    Examples
    --------
    >>> group = RunGroup.from_runs([
    ...     RunData.from_dict({"id": "a"}),
    ...     RunData.from_dict({"id": "b", "status": "diverged", "reasons": ["train/loss is nan"]}),
    ... ])
    >>> found = failures(group)
    >>> found.n_failed, found.n_runs, found.reasons[0].reason, found.reasons[0].runs
    (1, 2, 'train/loss is nan', ('b',))
    """
    statuses, ids = group.statuses, group.ids
    configurations = []
    for configuration, positions in members(group, by):
        runs = {
            status: tuple(ids[i] for i in positions.tolist() if statuses[i] == status)
            for status in Status
        }
        held = {status: names for status, names in runs.items() if names}
        configurations.append(ConfigurationFailures(configuration, held))
    counts = {status: statuses.count(status) for status in Status}
    return FailureTable(counts, tuple(_reasons(group)), tuple(configurations))


def _reasons(group: RunGroup) -> list[FailureReason]:
    grouped: dict[tuple[Status, str], list[RunData]] = {}
    for run in group:
        if run.status != Status.COMPLETED:
            kind = _NUMBER.sub("…", _words(run))
            grouped.setdefault((run.status, kind), []).append(run)
    found = []
    for (status, kind), runs in grouped.items():
        texts = {_words(run) for run in runs}
        reason = texts.pop() if len(texts) == 1 else kind
        found.append(FailureReason(status, reason, tuple(r.id for r in runs), _telling(runs)))
    order = list(Status)
    return sorted(found, key=lambda r: (order.index(r.status), -len(r.runs)))


def _words(run: RunData) -> str:
    return "; ".join(run.reasons) or "no reason was logged"


def _telling(runs: Sequence[RunData]) -> tuple[Finding, ...]:
    found = [f for run in runs for f in run.findings if f.severity != Severity.INFO]
    return tuple(sorted(found, key=lambda f: f.line is None))
