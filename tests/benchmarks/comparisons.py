"""What is compared with what, on which workloads, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import attrs

__all__ = ["SCALES", "Comparison", "Scale", "Task", "comparisons"]

Quantity = Literal["wall", "peak", "seconds", "share", "varying", "filter", "group_by", "to_frame"]
Task = tuple[str, str]
"""A job and a workload; the workload of an import is empty."""


@attrs.frozen
class Scale:
    """Which workloads are used.

    Attributes
    ----------
    sweeps : tuple of str
        Loaded by every contestant; the store is tried with the last one.
    flat : str
        Of long flat logs.
    growth : tuple of str
        Of small runs, each larger than the one before.
    selected : str
        Of runs whose hyperparameters are asked for.
    events : str
        Of event files.
    mlflow : str
        Of folders of MLflow.
    records : str
        Of logs of Weights & Biases.
    rounds : int
    """

    sweeps: tuple[str, ...]
    flat: str
    growth: tuple[str, ...]
    selected: str
    events: str
    mlflow: str
    records: str
    rounds: int


SCALES = {
    "tiny": Scale(
        ("XS",), "LONG-XS", ("100",), "RUNS-XS", "EVENTS-XS", "MLFLOW-XS", "RECORDS-XS", 1
    ),
    "quick": Scale(("S",), "LONG-S", ("100", "1k"), "RUNS-S", "EVENTS-S", "MLFLOW", "RECORDS", 3),
    "full": Scale(
        ("M", "L"), "LONG", ("1k", "10k", "100k"), "RUNS", "EVENTS", "MLFLOW", "RECORDS", 5
    ),
}


@attrs.frozen
class Comparison:
    """A row of the table.

    Attributes
    ----------
    topic : str
        To choose it by.
    what : str
    task : job and workload
        Of dr_gen.
    other : str or None
        The job it is compared with, on the same workload.
    quantity : {"wall", "peak", "seconds", "share", "varying", …}
        Wall-clock time, highest memory, time as told by the job, bytes read of the logs' bytes,
        or the time of one of the questions of `selecting`.
    least, aim : float or None
        What is asked for: how many times less than the other needs, or without another one, how
        much at most, in seconds, bytes, or as a share.
    """

    topic: str
    what: str
    task: Task
    other: str | None = None
    quantity: Quantity = "wall"
    least: float | None = None
    aim: float | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What has to be measured for it."""
        return (self.task,) if self.other is None else (self.task, (self.other, self.task[1]))


def comparisons(scale: Scale) -> list[Comparison]:
    """The rows of the table, in order."""
    return [
        *_loading(scale),
        *_of_store(scale.sweeps[-1]),
        *_selecting(scale),
        *_events(scale),
        *_trackers(scale),
        *_records(scale),
        *_imports(),
        *_growing(scale),
    ]


def _loading(scale: Scale) -> Iterator[Comparison]:
    asked: dict[str, tuple[float, float] | tuple[None, None]]
    asked = {"orjson": (1.2, 1.5), "polars": (1.7, 2.2), "json": (None, None)}
    for sweep in scale.sweeps:
        for peer, goal in asked.items():
            yield Comparison("load", "load, one process", ("load", sweep), peer, "wall", *goal)
    long = ("load", scale.flat)
    yield Comparison("flat", "load long flat logs", long, "orjson", "wall", 2.0, 2.5)
    for peer in ("duckdb", "duckdb at once"):
        yield Comparison("flat", "load long flat logs", long, peer)
    for peer, goal in {"orjson": (None, None), "duckdb": (4, 5), "duckdb at once": (4, 5)}.items():
        yield Comparison("flat", "memory for that", long, peer, "peak", *goal)
    two = ("load, 2 processes", scale.sweeps[-1])
    yield Comparison("processes", "load, two processes", two, "load", "wall", 1.4, 1.7)


def _of_store(sweep: str) -> Iterator[Comparison]:
    again, one = ("reopen", sweep), ("one curve", sweep)
    metric, filling = ("one metric", sweep), ("ingest", sweep)
    yield Comparison("reopen", "reopen a store, all read", again, "load", "wall", 60, 120)
    same = ("nothing new", sweep)
    yield Comparison("unchanged", "ingest, nothing new", same, None, "wall", 0.15, 0.06)
    for job, what in {"all grown": "every log grew", "some grown": "1 % of the logs grew"}.items():
        said = f"ingest, {what} by an epoch"
        yield Comparison("grown", said, (job, sweep))
        yield Comparison(
            "grown", "logs read for that, of all", (job, sweep), None, "share", 0.02, 0.012
        )
    yield Comparison("curve", "one curve of one run", one, None, "seconds", 1e-3, 3e-4)
    yield Comparison("curve", "one metric of all runs", metric, None, "seconds", 1e-2, 2e-3)
    yield Comparison("scan", "mean curve of each group, by scan_metrics", ("scan", sweep))
    asking = ("questions", sweep)
    yield Comparison("questions", "filter, best of each run, summarize", asking)
    yield Comparison("ingest", "ingest into a store", filling)
    yield Comparison("ingest", "memory for that", filling, None, "peak", 350e6, 250e6)


def _selecting(scale: Scale) -> Iterator[Comparison]:
    task = ("select", scale.selected)
    most: tuple[tuple[Quantity, str, float], ...] = (
        ("varying", "which keys vary, with their values", 10e-3),
        ("filter", "`filter(lr=0.1)`", 5e-3),
        ("group_by", "`group_by` of seven keys", 10e-3),
        ("to_frame", "`to_frame()`, the whole configurations", 100e-3),
    )
    for quantity, what, seconds in most:
        yield Comparison("select", what, task, "hydraflow", quantity, 10, 30)
        yield Comparison("select", what, task, None, quantity, seconds, seconds / 2)


def _events(scale: Scale) -> Iterator[Comparison]:
    task, what = ("load events", scale.events), "load event files of TensorBoard"
    yield Comparison("tensorboard", what, task, "tbparse", "wall", 4, 20)
    yield Comparison("tensorboard", "memory for that", task, "tbparse", "peak")


def _trackers(scale: Scale) -> Iterator[Comparison]:
    task = ("load", scale.mlflow)
    yield Comparison("trackers", "read folders of MLflow", task, "mlflow client", "wall", 25, 35)


def _records(scale: Scale) -> Iterator[Comparison]:
    task, what = ("load records", scale.records), "load a log of Weights & Biases"
    # 20,000 rows, of which at least 25,000 a second are asked for.
    yield Comparison("wandb", what, task, None, "wall", 0.8, 0.4)
    yield Comparison("wandb", what, task, "wandb", "wall", 1.5, 2)
    yield Comparison("wandb", "memory for that", task, "wandb", "peak")


def _imports() -> Iterator[Comparison]:
    yield Comparison("import", "`import dr_gen`", ("import dr_gen", ""), None, "wall", 0.25, 0.12)
    ready = "import dr_gen; dr_gen.load, dr_gen.ingest"
    yield Comparison("import", "the same, ready to load", (ready, ""))


def _growing(scale: Scale) -> Iterator[Comparison]:
    for sweep in scale.growth:
        yield Comparison("growth", "ingest small runs", ("ingest", sweep))
        yield Comparison("growth", "memory for that", ("ingest", sweep), None, "peak")
