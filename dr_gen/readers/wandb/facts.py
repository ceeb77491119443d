"""What is known of a run of Weights & Biases beside its curves: its end, its summary, facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dr_gen.readers.measurements import flat_metrics
from dr_gen.readers.wandb.cells import UNREADABLE, Table, decoded
from dr_gen.readers.wandb.records import RunLog

__all__ = [
    "end_of",
    "facts_that_grow",
    "final_values",
    "is_media",
    "media_of",
    "metadata_of",
    "says_all",
    "state_of",
]

_KEPT: Final = (
    *("os", "python", "program", "args", "host", "gpu", "gpu_count", "cpu_count", "cuda", "git"),
    *("cuda_version", "startedAt", "slurm"),
)
_DEEP: Final = 100
_MOST_STATE: Final = 1 << 16
_STATES: Final = {
    **{"finished": "completed", "failed": "failed", "crashed": "failed", "killed": "failed"},
    **{"preempted": "failed", "running": "running"},
}


def media_of(names: Iterable[str], own: str = "_type") -> set[str]:
    """The names under which pictures, histograms, tables and the like are: they hold a ``_type``.

    Examples
    --------
    >>> sorted(media_of(["loss", "img/_type", "img/width", "a/b/_type"]))
    ['a/b', 'img']
    """
    return {name[: -len(own) - 1] for name in names if name.endswith(f"/{own}")}


def is_media(name: str, media: set[str]) -> bool:
    """Whether a name is part of what is called like one of `media`."""
    if not media:
        return False
    parts = name.split("/", _DEEP)[:_DEEP]
    return any("/".join(parts[:n]) in media for n in range(1, len(parts)))


def state_of(table: Table, end: int | None) -> dict[str, Any] | None:
    """What is needed to go on with a file that is read up to `end`; None where that is a lot."""
    said = [cells for cells in table.by_name.values() if cells.final is not None]
    final = {cells.name: (cells.final or b"").decode("utf-8", "replace") for cells in said}
    if end is None or sum(map(len, final.values())) > _MOST_STATE:
        return None
    return {"end": end, "final": final}


def final_values(table: Table, file: Mapping[str, Any]) -> dict[str, Any]:
    """The summary in the end, flat: what the log says, and a summary file where it says nothing.

    What the tool keeps there for itself, media and unreadable values are left out.
    """
    said = [cells for cells in table.by_name.values() if cells.final is not None]
    values = decoded([cells.final or b"" for cells in said])
    found: dict[str, Any] = {}
    for cells, value in zip(said, values, strict=True):
        found.update(flat_metrics({cells.name: value}))
    for name, value in flat_metrics(file):
        found.setdefault(name, value)
    media = media_of(found)
    return {
        name: value
        for name, value in found.items()
        if not name.startswith("_wandb/") and value is not UNREADABLE and not is_media(name, media)
    }


def says_all(table: Table, file: Mapping[str, Any]) -> bool:
    """Whether a summary file has no value that the log does not have, now and when it goes on."""
    said = {cells.name for cells in table.by_name.values() if cells.final is not None}
    return all(name in said or name.startswith("_wandb/") for name, _ in flat_metrics(file))


def end_of(log: RunLog, *, has_log: bool, machine: Mapping[str, Any]) -> dict[str, str] | None:
    """How the run ended, as the status and the reason of its log's end.

    Parameters
    ----------
    log : RunLog
    has_log : bool
        Whether there is a ``.wandb`` file, which has an exit record if the run ended.
    machine : mapping
        ``wandb-metadata.json``, which long ago told the state.
    """
    if log.still_running:
        return {"status": "running", "reason": "its exit record says that it goes on"}
    if log.exit_code is not None:
        status = "failed" if log.exit_code else "completed"
        return {"status": status, "reason": f"the run ended with exit code {log.exit_code}"}
    if has_log:
        reason = "there is no exit record: the run was killed, or is still running"
        reason += " (it was told that it would be preempted)" if log.preempted else ""
        return {"status": "incomplete", "reason": reason}
    state, code = machine.get("state"), machine.get("exitcode")
    if state not in _STATES:
        return None
    status = "failed" if isinstance(code, int) and code else _STATES[state]
    said = f", exit code {code}" if isinstance(code, int) else ""
    return {"status": status, "reason": f"wandb-metadata.json says {state!r}{said}"}


def _environment(machine: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of ``wandb-metadata.json``."""
    return {name: machine[name] for name in _KEPT if machine.get(name) not in (None, "", [])}


def metadata_of(
    log: RunLog, summary: Mapping[str, Any], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """The facts about a run, those that are known."""
    step_metrics = {name: x for name, x in log.step_metrics.items() if x}
    facts: dict[str, Any] = {
        "format": "wandb",
        "project": machine.get("project"),  # long ago; the log says it otherwise
        **{name: value for name, value in log.run.items() if value not in ("", False)},
        "environment": {**_environment(machine), **log.machine},
        "step_metrics": step_metrics,
        "goals": log.goals,
        "alerts": log.alerts,
        **facts_that_grow(log, summary, {}),
    }
    return {name: value for name, value in facts.items() if value}


def facts_that_grow(
    log: RunLog, summary: Mapping[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    """The summary and what was measured of the machine, with what was measured before."""
    system = {name: dict(known) for name, known in before.get("system_metrics", {}).items()}
    for name, known in log.system.items():
        old = system.get(name)
        if old is not None:
            least, most = min(old["min"], known["min"]), max(old["max"], known["max"])
            known = {**known, "n": old["n"] + known["n"], "min": least, "max": most}
        system[name] = dict(known)
    final = {name: value for name, value in summary.items() if not name.startswith("_")}
    facts = {"system_metrics": system, "summary": final}
    return {name: value for name, value in facts.items() if value}
