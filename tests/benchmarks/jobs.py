"""What is measured, each as a function of the logs and of a store of them."""

from __future__ import annotations

import inspect
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

import dr_gen
from tests.benchmarks.answers import Answer, Block
from tests.benchmarks.counting import counted
from tests.benchmarks.event_logs import answer_of_events, by_tbparse
from tests.benchmarks.mlflow_folders import by_client
from tests.benchmarks.peers import PEERS
from tests.benchmarks.record_logs import answer_of_records, by_wandb
from tests.benchmarks.selecting import (
    Asked,
    by_dr_gen,
    by_hydraflow,
    loaded_by_dr_gen,
    loaded_by_hydraflow,
)
from tests.benchmarks.workloads import Workload, bytes_of, grow

__all__ = ["JOBS", "Job", "Place", "answer_of", "can_use_workers", "open_all"]

ONE_METRIC = "val/acc1"
SETTLED = 2.1
"""Seconds after which a file is known by its size and times alone (see `ingestion.stamps`)."""


@attrs.frozen
class Place:
    """Where a job is done.

    Attributes
    ----------
    workload : Workload
    logs, store : Path
        The store need not exist.
    round : int
        How often it was done here before.
    """

    workload: Workload
    logs: Path
    store: Path
    round: int = 0


def nothing(result: Any) -> dict[str, Any]:
    """No facts."""
    return {}


@attrs.frozen
class Job:
    """Something to measure.

    Attributes
    ----------
    run : callable
        What is measured; gets what `prepare` gave.
    prepare : callable
        Done before, not measured; gets the place.
    facts : callable
        What is told of the result, not measured.
    needs_store : bool
        Whether the store has to be there, filled from the logs.
    settles : bool
        Whether to wait after `prepare` until its changes to the logs are not young any more.
    once : bool
        Whether one round is enough, since it takes long.
    """

    run: Callable[[Any], Any]
    prepare: Callable[[Place], Any] = lambda place: place
    facts: Callable[[Any], Mapping[str, Any]] = nothing
    needs_store: bool = False
    settles: bool = False
    once: bool = False


def can_use_workers() -> bool:
    """Whether `load` and `ingest` take `workers`."""
    return "workers" in inspect.signature(dr_gen.load).parameters


def answer_of(group: dr_gen.RunGroup) -> Answer:
    """What the runs of a group hold, as every other contestant gives it."""
    blocks = []
    for run in group:
        curves = run.curves()
        flat = any("/" in curve.original_name for curve in curves)
        for curve in curves:
            name = curve.original_name if flat else f"{curve.split}/{curve.metric}"
            blocks.append(Block(run.id, [name], curve.xs, curve.values[None]))
    return Answer(blocks, {run.id: dict(run.hpms) for run in group if run.hpms})


def open_all(store: Path) -> dr_gen.RunGroup:
    """The runs of a store, every number looked at and every hyperparameter compared."""
    group = dr_gen.open_store(store)
    np.add.reduce(group.table.curves.values)
    assert group.hpm_group.varying
    return group


def _loading(**options: Any) -> Job:
    return Job(
        lambda place: dr_gen.load(place.logs, cache=False, **options),
        facts=lambda group: answer_of(group).facts(),
    )


def _of_peer(job: Callable[[Path], Answer]) -> Job:
    return Job(lambda place: job(place.logs), facts=lambda answer: answer.facts())


def _ingest(place: Place) -> dr_gen.RunGroup:
    return dr_gen.ingest(place.logs, place.store)


def _fresh(place: Place) -> Place:
    store = place.store.with_name(f"{place.store.name}-{place.round}")
    shutil.rmtree(store, ignore_errors=True)  # of a run that was interrupted
    return attrs.evolve(place, store=store)


def _grown(every: int) -> Callable[[Place], Place]:
    def prepare(place: Place) -> Place:
        grow(place.workload, place.logs, place.workload.length + place.round, every)
        return place

    return prepare


def _growing(every: int) -> Job:
    def run(place: Place) -> tuple[Place, int]:
        with counted(place.logs) as count:  # takes less than a hundredth of the time
            _ingest(place)
        return place, count.n_bytes

    def facts(result: tuple[Place, int]) -> dict[str, Any]:
        place, n_bytes = result
        total = bytes_of(place.logs)
        return {"share": n_bytes / total, "bytes_read": n_bytes, "bytes": total}

    return Job(run, _grown(every), facts, needs_store=True, settles=True)


def _opened(place: Place) -> dr_gen.RunGroup:
    return dr_gen.open_store(place.store)


def _one_curve(group: dr_gen.RunGroup) -> float:
    """Median time of one curve of one run, by name, of runs drawn at random, in seconds."""
    took = []
    for index in np.random.default_rng(0).permutation(len(group))[:100].tolist():
        name = group.ids[index]
        start = time.perf_counter()
        curve = group[name].curve(ONE_METRIC)
        curve.xs, curve.values  # noqa: B018
        took.append(time.perf_counter() - start)
    return float(np.median(took))


def _one_metric(group: dr_gen.RunGroup) -> float:
    """Median time of one metric of all runs, in seconds, each metric asked for once."""
    took = []
    for address in group.metrics:
        start = time.perf_counter()
        group.curves(address)
        took.append(time.perf_counter() - start)
    return float(np.median(took))


def _scan(place: Place) -> Any:
    import polars as pl

    table = dr_gen.scan_metrics(place.store, hpms=["optim.lr"])
    split, metric = ONE_METRIC.split("/")
    means = table.filter(split=split, metric=metric).group_by("optim.lr", "epoch")
    return means.agg(pl.col("value").mean()).collect()


def _questions(group: dr_gen.RunGroup) -> Any:
    some = group.filter(("optim.lr", 0.1))
    best = group.values(f"{ONE_METRIC}@best")
    return len(some), best, dr_gen.summarize(group, f"{ONE_METRIC}@best").best


def _selecting(load: Callable[[Path], Any], ask: Callable[[Any], Asked], **how: bool) -> Job:
    return Job(ask, lambda place: load(place.logs), lambda asked: asked.facts(), **how)


def _seconds(result: float) -> dict[str, float]:
    return {"seconds": result}


JOBS: dict[str, Job] = {
    **{name: _of_peer(job) for name, job in PEERS.items()},
    "load": _loading(),
    "load, 2 processes": _loading(workers=2),
    "fill": Job(_ingest),
    "ingest": Job(_ingest, _fresh, lambda group: {"runs": len(group)}),
    "reopen": Job(
        lambda place: open_all(place.store),
        facts=lambda group: answer_of(group).facts(),
        needs_store=True,
    ),
    "nothing new": Job(_ingest, needs_store=True),
    "all grown": _growing(1),
    "some grown": _growing(100),
    "one curve": Job(_one_curve, _opened, _seconds, needs_store=True),
    "one metric": Job(_one_metric, _opened, _seconds, needs_store=True),
    "scan": Job(_scan, needs_store=True),
    "questions": Job(_questions, _opened, needs_store=True),
    "select": _selecting(loaded_by_dr_gen, by_dr_gen),
    # It takes a minute to read as many files of YAML.
    "hydraflow": _selecting(loaded_by_hydraflow, by_hydraflow, once=True),
    "tbparse": _of_peer(by_tbparse),
    "load events": Job(
        lambda place: dr_gen.load(place.logs, cache=False),
        facts=lambda group: answer_of_events(group).facts(),
    ),
    "mlflow client": _of_peer(by_client),
    "wandb": _of_peer(by_wandb),
    "load records": Job(
        lambda place: dr_gen.load(place.logs, cache=False),
        facts=lambda group: answer_of_records(group).facts(),
    ),
}
