"""What MLflow knows of a run beside its metrics, however it is stored: as our record of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.finding import Finding, Severity
from dr_gen.model.run_table import RunRecord
from dr_gen.readers.settings import flat_config
from dr_gen.readers.typed_texts import typed

__all__ = ["Facts", "config_of", "milliseconds", "seconds_since", "summary"]

_STATUSES: Final = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
_ENDS: Final = {
    "RUNNING": "running",
    "SCHEDULED": "incomplete",
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "killed",
}
_SYSTEM: Final = "mlflow."
_NOTE, _NAME, _USER = "note.content", "runName", "user"
_LAST_SECONDS: Final = 10**11
"""Times below are seconds, as MLflow wrote until 2018, and not milliseconds."""
_YEARS: Final = 10 * 365 * 86_400_000
_EXACT: Final = 2**62
_LAST_TIME: Final = 253_402_300_799_000


@attrs.define
class Facts:
    """What is stored of one run.

    Attributes
    ----------
    run_id, path : str
        Our id of it, and the file it is in.
    meta : mapping
        As MLflow calls it: ``run_uuid``, ``status``, ``start_time``, and so on.
    experiment : mapping
        Likewise, of the experiment.
    params, tags : mapping
        Name to text.
    findings : list of Finding
        What is known to be wrong with it so far.
    """

    run_id: str
    path: str
    meta: Mapping[str, Any] = attrs.field(factory=dict)
    experiment: Mapping[str, Any] = attrs.field(factory=dict)
    params: dict[str, str] = attrs.field(factory=dict)
    tags: dict[str, str] = attrs.field(factory=dict)
    findings: list[Finding] = attrs.field(factory=list)
    system: dict[str, Any] = attrs.field(factory=dict)

    def note(
        self,
        code: str,
        message: str,
        severity: Severity = Severity.WARNING,
        path: str | None = None,
        line: int | None = None,
        hint: str = "",
    ) -> None:
        """Add a finding, by default about the file of the run."""
        where = self.path if path is None else path
        self.findings.append(Finding(code, message, severity, where, line, self.run_id, hint))

    @property
    def is_deleted(self) -> bool:
        """Whether the run, or the experiment with all its runs, is marked as deleted."""
        return "deleted" in (
            self.meta.get("lifecycle_stage"),
            self.experiment.get("lifecycle_stage"),
        )

    @property
    def start(self) -> int | None:
        """When it began, in milliseconds since 1970."""
        return milliseconds(self.meta.get("start_time"))

    def record(self, experiment: str, now: str, x_columns: Mapping[str, str]) -> RunRecord:
        """What is known of it beside hyperparameters and curves.

        Parameters
        ----------
        experiment : str
            What it belongs to.
        now : str
            When it was read.
        x_columns : mapping
            Axes that are called otherwise in the source, to the name there.
        """
        end = self._end()
        own = {k[len(_SYSTEM) :]: v for k, v in self.tags.items() if k.startswith(_SYSTEM)}
        name = own.pop(_NAME, None) or self.meta.get("run_name") or self.meta.get("name")
        notes = own.pop(_NOTE, None)
        others = {k: v for k, v in self.tags.items() if not k.startswith(_SYSTEM)}
        metadata: dict[str, Any] = {"format": "mlflow", "mlflow": {**self._origin(), **own}}
        start, stop = self.start, milliseconds(self.meta.get("end_time"))
        optional = {
            "name": str(name) if name else None,
            "notes": notes,
            "tags": others,
            "system": self.system,
            "x_columns": dict(x_columns),
            "train_seconds": None if start is None or stop is None else (stop - start) / 1000,
            "end": end,
        }
        metadata |= {key: value for key, value in optional.items() if value not in (None, {}, "")}
        return RunRecord(
            self.run_id,
            experiment=experiment,
            source=self.path,
            metadata=metadata,
            findings=self.findings,
            time_parsed=now,
        )

    def _end(self) -> dict[str, str] | None:
        if not self.meta:
            return None
        # As MLflow takes it, a run without a status has not ended.
        given = str(self.meta.get("status", "RUNNING")).strip().upper()
        status = _STATUSES.get(given, given)
        if status not in _ENDS:
            allowed = ", ".join(_ENDS)
            self.note("unknown-status", f"status {given!r:.60} is none of {allowed}")
            return None
        end = {"status": _ENDS[status]}
        return end if status == "FINISHED" else {**end, "reason": f"its status is {status}"}

    def _origin(self) -> dict[str, Any]:
        meta, experiment = self.meta, self.experiment
        user = meta.get("user_id")
        found = {
            "run_id": meta.get("run_uuid") or meta.get("run_id"),
            "experiment_id": meta.get("experiment_id", experiment.get("experiment_id")),
            "experiment": experiment.get("name"),
            "status": _STATUSES.get(str(meta.get("status")), meta.get("status")),
            "start_time": _iso(self.start),
            "end_time": _iso(milliseconds(meta.get("end_time"))),
            _USER: None if user == "unknown" else user,
            "source.name": meta.get("source_name"),
            "source.git.commit": meta.get("source_version"),
            "lifecycle_stage": meta.get("lifecycle_stage"),
        }
        return {key: str(value) for key, value in found.items() if value not in (None, "")}


def config_of(facts: Facts) -> dict[str, Any]:
    """The hyperparameters of a run: its params, typed, under dotted keys."""
    named = {name.replace("/", "."): text for name, text in facts.params.items()}
    config = {key: typed(text) for key, text in named.items()}
    if len(named) == len(facts.params) and not any(isinstance(v, dict) for v in config.values()):
        return config
    pairs = [(name.replace("/", "."), typed(text)) for name, text in facts.params.items()]
    flat: dict[str, Any] = {}
    for key, value in pairs:
        found, problems = flat_config({key: value})
        problems += [
            f"key {one!r} is there twice, dotted and nested; the first counts"
            for one in found
            if one in flat
        ]
        flat = {**found, **flat}
        for problem in problems:
            facts.note("config-collision", problem)
    return flat


def milliseconds(value: Any) -> int | None:
    """A time that MLflow stored, in milliseconds since 1970, or None where it is none."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not 0 < number <= _LAST_TIME:
        return None
    return number * 1000 if number < _LAST_SECONDS else number


def seconds_since(
    start: int | None, stamps: Sequence[NDArray[np.int64]]
) -> list[NDArray[np.float64]]:
    """Times of the values of a run's metrics in seconds since it began.

    Parameters
    ----------
    start : int or None
        When it began, in milliseconds; the first value counts where that is earlier.
    stamps : sequence of int64 arrays
        Milliseconds, or seconds in logs of before 2019; none of them empty.
    """
    if not stamps:
        return []
    firsts, lasts = [int(one.min()) for one in stamps], [int(one.max()) for one in stamps]
    first, last = min(firsts), max(lasts)
    scale = 1000.0
    if start is not None and first >= 0 and 0 < last < _LAST_SECONDS < start:
        first, scale, start = first, 1.0, start // 1000
    # A time that is years away is none of this run.
    years = _YEARS if scale > 1 else _YEARS // 1000
    begin = first if start is None or first - start > years else min(start, first)
    exact = begin > -_EXACT and last - begin < _EXACT
    return [(one - begin if exact else one.astype(np.float64) - begin) / scale for one in stamps]


def summary(values: NDArray[np.float64]) -> dict[str, float | int]:
    """What is kept of a metric of the machine: how many values, and between what."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return {"n": len(values)}
    low, high = float(known.min()), float(known.max())
    return {"n": len(values), "min": low, "mean": float(known.mean()), "max": high}


def _iso(time: int | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time / 1000, UTC).isoformat()
