"""How long things take, by pytest-benchmark: ``pytest tests/benchmarks -m benchmark``.

``--workload M`` chooses the sweep, ``--benchmark-save=NAME`` and ``--benchmark-compare`` hold two
versions against each other. Against other parsers: `compare`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest

import dr_gen
from tests.benchmarks.jobs import JOBS, ONE_METRIC, SETTLED, Place, answer_of, open_all
from tests.benchmarks.measuring import importing
from tests.benchmarks.peers import by_json

pytestmark = pytest.mark.benchmark

Benchmark = Any
"""The fixture of pytest-benchmark, which need not be installed."""


@pytest.fixture(scope="module")
def stored(sweep: Place) -> Place:
    """The sweep with its store."""
    JOBS["fill"].run(sweep)
    return sweep


@pytest.fixture(scope="module")
def group(stored: Place) -> dr_gen.RunGroup:
    """The runs of the store."""
    return dr_gen.open_store(stored.store)


def fresh(place: Place) -> Callable[[], tuple[tuple[Place], dict[str, Any]]]:
    """Before each round: the same logs, without a store."""

    def setup() -> tuple[tuple[Place], dict[str, Any]]:
        shutil.rmtree(place.store, ignore_errors=True)
        return (place,), {}

    return setup


def test_cold_load(benchmark: Benchmark, sweep: Place) -> None:
    """Loading logs without a cache."""
    loaded = benchmark.pedantic(JOBS["load"].run, (sweep,), rounds=5, warmup_rounds=1)
    assert answer_of(loaded).facts() == by_json(sweep.logs).facts()


def test_cold_ingest(benchmark: Benchmark, sweep: Place) -> None:
    """Ingesting logs into a new store."""
    place = attrs.evolve(sweep, store=sweep.store.with_name("cold"))
    job = JOBS["fill"]
    filled = benchmark.pedantic(job.run, setup=fresh(place), rounds=5, warmup_rounds=1)
    assert len(filled) == sweep.workload.runs


def test_reopen(benchmark: Benchmark, stored: Place) -> None:
    """Opening a store, every number looked at."""
    assert len(benchmark(open_all, stored.store)) == stored.workload.runs


def test_nothing_new(benchmark: Benchmark, stored: Place) -> None:
    """Ingesting again what is already there."""
    job = JOBS["nothing new"]
    again = benchmark.pedantic(job.run, (stored,), rounds=5, warmup_rounds=1)
    assert len(again) == stored.workload.runs


@pytest.mark.parametrize("name", ["all grown", "some grown"])
def test_grown(benchmark: Benchmark, sweep: Place, name: str) -> None:
    """Ingesting what an epoch appended to every log, or to one in a hundred."""
    folder = sweep.store.with_name(name)
    shutil.copytree(sweep.logs, folder / "logs")
    place = attrs.evolve(sweep, logs=folder / "logs", store=folder / "store")
    before = JOBS["fill"].run(place)
    job, rounds = JOBS[name], iter(range(100))

    def grown() -> tuple[tuple[Place], dict[str, Any]]:
        state = job.prepare(attrs.evolve(place, round=next(rounds)))
        time.sleep(SETTLED)
        return (state,), {}

    benchmark.pedantic(job.run, setup=grown, rounds=3)
    after = dr_gen.open_store(place.store)
    assert answer_of(after).facts()["n_points"] > answer_of(before).facts()["n_points"]


def test_one_curve(benchmark: Benchmark, group: dr_gen.RunGroup) -> None:
    """One curve of one run, by name."""
    name = group.ids[len(group) // 2]
    assert benchmark(lambda: group[name].curve(ONE_METRIC).values).size


def test_one_metric(benchmark: Benchmark, group: dr_gen.RunGroup) -> None:
    """One metric of all runs as an array."""
    assert benchmark(group.curves, ONE_METRIC).sizes["run"] == len(group)


def test_scan(benchmark: Benchmark, stored: Place) -> None:
    """The mean curve of each learning rate, by polars from the store."""
    assert benchmark(JOBS["scan"].run, stored).height


def test_questions(benchmark: Benchmark, group: dr_gen.RunGroup) -> None:
    """Filtering, the best value of each run, and a summary."""
    n_filtered, best, _ = benchmark(JOBS["questions"].run, group)
    assert 0 < n_filtered < len(best)


@pytest.mark.parametrize("statement", ["import dr_gen", "import dr_gen; dr_gen.load"])
def test_import(benchmark: Benchmark, statement: str) -> None:
    """A fresh interpreter with the package; most of it is the interpreter's own start."""
    taken = benchmark.pedantic(importing, (statement,), rounds=5, warmup_rounds=1)
    assert taken["wall"] > 0
