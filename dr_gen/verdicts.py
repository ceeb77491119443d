"""How a run ended, as its log and what is wrong with it tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dr_gen.model.curve import MetricCurve, MetricCurves
from dr_gen.model.finding import Finding
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, RunTable, Status
from dr_gen.screens import epochs_of

__all__ = [
    "EPOCH_KEYS",
    "Verdicts",
    "configured_epochs",
    "end_of",
    "epochs_reached",
    "has_end",
    "usual_blocks",
]

EPOCH_KEYS = ("epochs", "num_epochs", "n_epochs", "max_epochs", "total_epochs", "num_train_epochs")
"""Last dotted parts of keys that say how long a run was meant to train, by preference."""

_CUT = ("truncated-line", "truncated-record", "bad-length")
_OTHER_ENDS = frozenset(Status) - {Status.COMPLETED}
_FAILED_ENDS = frozenset({"failed", "crashed", "error", "killed", "interrupted", "aborted"})


class Verdicts:
    """The statuses of the runs of a table.

    Parameters
    ----------
    table : RunTable
    blown : mapping
        Number of a run to why it counts as diverged.
    """

    def __init__(self, table: RunTable, blown: Mapping[int, Sequence[str]]) -> None:
        self._table, self._blown = table, blown
        self._epochs = epochs_of(table, EPOCH_KEYS)

    def of(
        self, index: int, record: RunRecord, findings: Iterable[Finding]
    ) -> tuple[Status, tuple[str, ...]]:
        """The status of a run with these findings, and the reasons."""
        end, said = end_of(record.metadata)
        blown = self._blown.get(index, ())
        if blown:
            return Status.DIVERGED, (*blown, *([said] if said else []))
        if end in _FAILED_ENDS:
            return Status.FAILED, (said or f"the log ends with status {end}",)
        if end == "running":
            return Status.RUNNING, ("the log says that it is running",)
        if end in _OTHER_ENDS:
            return Status(end), (said or f"the log ends with status {end}",)
        by_code: dict[str, Finding] = {}
        for finding in findings:
            by_code.setdefault(finding.code, finding)
        lacks = [by_code[code] for code in ("short-run", "no-metrics") if code in by_code]
        if lacks and end == "completed":
            return Status.COMPLETED, (f"ended by itself: {lacks[0].message}",)
        cut = [by_code[code] for code in _CUT if code in by_code]
        if not lacks and cut and self._reached(index) is None:
            lacks = cut
        if lacks:
            messages = [finding.message for finding in (*lacks, *cut)]
            return Status.INCOMPLETE, tuple(dict.fromkeys(messages))
        return Status.COMPLETED, (self._why_completed(index, record),)

    def _reached(self, index: int) -> float | None:
        reached = float(self._epochs.reached[index])
        if np.isnan(reached):
            return epochs_reached(RunData(self._table, index))
        return None if reached < 0 else reached

    def _why_completed(self, index: int, record: RunRecord) -> str:
        if has_end(record.metadata):
            return "the log has its end marker"
        known = self._epochs.of(index)
        if known is None and np.isnan(self._epochs.wanted[index] + self._epochs.reached[index]):
            wanted = configured_epochs(self._table, index, EPOCH_KEYS)
            reached = None if wanted is None else self._reached(index)
            known = None if wanted is None or reached is None else (wanted, reached)
        if known is not None:
            wanted, reached = known
            return f"{reached:g} of {wanted} epochs were logged"
        return "no sign of failure"


def epochs_reached(run: RunData) -> float | None:
    """How many epochs a run has; None when nothing was logged by epoch.

    Whole epochs are counted, each once; a fractional epoch is a position, and its largest counts.
    """
    best: float | None = None
    for curve in usual_blocks(run):
        curves = run[curve.split][curve.metric]
        if "epoch" not in curves:
            continue
        xs = curves["epoch"].xs
        if xs.dtype == object or len(xs) == 0:
            continue
        whole = bool((xs == np.floor(xs)).all())
        reached = float(len(xs)) if whole else float(xs[-1])
        best = reached if best is None else max(best, reached)
    return best


def configured_epochs(table: RunTable, index: int, keys: Sequence[str]) -> int | None:
    """How many epochs the configuration of a run names."""
    hpms, runs = table.hpms, np.array([index])
    for name in keys:
        found = [key for key in hpms.keys if key == name or key.endswith(f".{name}")]
        for key in sorted(found, key=lambda key: (key.count("."), key)):
            [value] = hpms.column(key, runs)
            if (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and 1 <= value < np.inf
            ):
                return int(value)
    return None


def usual_blocks(run: RunData) -> list[MetricCurve]:
    """One curve for each different set of rows, on its usual axis."""
    table = run.table.curves
    curves = table.curves_of_run(run.index)
    _, first = np.unique(table.block[curves], return_index=True)
    return [MetricCurves(table, int(curves[i])).default for i in first]


def end_of(metadata: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Status and reason that the log itself gives for its end."""
    end = metadata.get("end")
    if not isinstance(end, dict) or "status" not in end:
        return None, None
    reason = end.get("reason")
    return str(end["status"]).casefold(), str(reason) if reason else None


def has_end(metadata: Mapping[str, Any]) -> bool:
    """Whether the log says that it ends."""
    return metadata.get("train_time") is not None or end_of(metadata)[0] is not None
