"""Measuring tasks in turn, on folders that are made for them."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.comparisons import Task
from tests.benchmarks.jobs import JOBS, SETTLED
from tests.benchmarks.measuring import importing, measure
from tests.benchmarks.selecting import QUESTIONS
from tests.benchmarks.workloads import WORKLOADS, write

__all__ = ["AGREE", "Measurement", "check_answers", "folders", "in_turn", "medians"]

Measurement = dict[str, Any]
AGREE = (
    *("runs", "n_points", "points", "hpms"),
    *(f"{question} answer" for question in QUESTIONS),
)
GROW = ("all grown", "some grown")


def folders(tasks: Sequence[Task], data: Path) -> dict[Task, tuple[Path, Path]]:
    """Logs and store of each task; logs that grow are copies, each with a store of its own."""
    made: dict[Task, tuple[Path, Path]] = {}
    for job, name in tasks:
        if not name:
            continue
        place = f"{name} {job}" if job in GROW else name
        made[job, name] = (data / place, data / f"{place}.store")
    return made


def in_turn(tasks: Sequence[Task], rounds: int, data: Path) -> list[Measurement]:
    """Each task once a round: what slows the machine down hits all of them alike."""
    places = folders(tasks, data)
    _prepare(places, data)
    found = []
    for round in range(rounds):
        for number, (job, name) in enumerate(tasks, start=1):
            if round and job in JOBS and JOBS[job].once:
                continue
            _say(f"round {round + 1} of {rounds}, {number} of {len(tasks)}: {job} {name}")
            if name:
                logs, store = places[job, name]
                taken = measure(job, name, logs, store, round)
                if job == "ingest":
                    shutil.rmtree(f"{store}-{round}")
            else:
                taken = importing(job)
            found.append({"job": job, "workload": name, "round": round, **taken})
    return found


def _prepare(places: Mapping[Task, tuple[Path, Path]], data: Path) -> None:
    for name in sorted({name for _, name in places}):
        if not (data / name).exists():
            _say(f"writing the logs of {name}")
            write(WORKLOADS[name], data / name)
    for (_, name), (logs, _) in places.items():
        if logs != data / name:
            shutil.rmtree(logs, ignore_errors=True)  # it grew when it was used before
            shutil.copytree(data / name, logs)
    stored = {(name, *place) for (job, name), place in places.items() if JOBS[job].needs_store}
    if stored:
        time.sleep(SETTLED)
    for name, logs, store in sorted(stored):
        _say(f"a store of {logs.name}")
        shutil.rmtree(store, ignore_errors=True)
        measure("fill", name, logs, store)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def check_answers(found: Sequence[Measurement]) -> None:
    """That all who loaded a workload recovered the same, and that all give the same answers.

    Raises
    ------
    RuntimeError
        If two differ.
    """
    first: dict[str, Measurement] = {}
    for one in found:
        told_of = [key for key in AGREE if key in one]
        if len(told_of) < len(QUESTIONS):  # of no answer
            continue
        other = first.setdefault(one["workload"], one)
        wrong = [key for key in told_of if one[key] != other[key]]
        if wrong:
            told = ", ".join(f"{key} {one[key]} and {other[key]}" for key in wrong)
            raise RuntimeError(f"{one['job']} and {other['job']} on {one['workload']}: {told}")


def medians(found: Sequence[Measurement]) -> dict[Task, dict[str, float]]:
    """The median over the rounds of each number of a task."""
    by_task: dict[Task, list[Measurement]] = {}
    for one in found:
        by_task.setdefault((one["job"], one["workload"]), []).append(one)
    return {
        task: {
            key: statistics.median(one[key] for one in rows)
            for key in ("wall", "cpu", "peak", "seconds", "share", *QUESTIONS)
            if key in rows[0]
        }
        for task, rows in by_task.items()
    }
