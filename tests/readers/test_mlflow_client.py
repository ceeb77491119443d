"""What MLflow's own client wrote is read back as the client reads it, without MLflow."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from dr_gen.model.run import RunData
from dr_gen.validators import validate
from tests.readers.mlflow_stores import START, read_all

WRITER = Path(__file__).with_name("mlflow_writer.py")
NEEDED = ("mlflow", "sqlalchemy", "alembic")
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDED)), reason="MLflow's client is not installed"
)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``mlruns`` and ``mlflow.db`` as the client wrote them.

    In another process: on import MLflow warns, and changes what is global.
    """
    root = tmp_path_factory.mktemp("mlflow")
    own = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, str(WRITER), str(root)]
    subprocess.run(command, check=True, env={**os.environ, **own}, capture_output=True)
    return root


@pytest.fixture(scope="session")
def expected(stores: Path) -> dict[str, list[dict[str, Any]]]:
    """What the client itself reads of each store."""
    kinds = ("folder", "database")
    return {kind: json.loads((stores / f"{kind}.json").read_text()) for kind in kinds}


@pytest.fixture(scope="session")
def read(stores: Path) -> dict[str, dict[str, RunData]]:
    """What we read, by the name of the run in MLflow."""
    results = read_all(stores)
    database = results.pop("mlflow.db").runs
    folder = [run for result in results.values() for run in result.runs]
    found = {"folder": folder, "database": database}
    return {kind: {run.metadata["name"]: run for run in runs} for kind, runs in found.items()}


@pytest.mark.parametrize("kind", ["folder", "database"])
def test_every_run_is_read_as_the_client_reads_it(kind: str, expected: Any, read: Any) -> None:
    """Runs, experiments, tags and each value with its step and time are those of the client."""
    assert read[kind].keys() == {one["name"] for one in expected[kind]}
    for one in expected[kind]:
        run = read[kind][one["name"]]
        assert run.id.endswith(f"/{one['experiment_id']}/{one['uuid']}")
        assert run.experiment == ("folder" if one["experiment"] == "Default" else "my sweep")
        assert run.metadata["mlflow"]["status"] == one["status"]
        own = {name: text for name, text in one["tags"].items() if not name.startswith("mlflow.")}
        assert run.metadata.get("tags", {}) == own
        curves = {curve.original_name: curve for curve in run.curves()}
        told = {name for name in one["metrics"] if name != "epoch" and "system" not in name}
        assert curves.keys() == told
        for name in told:
            same_values(run, curves[name], one["metrics"][name])


def same_values(run: RunData, curve: Any, history: list[tuple[int, str, int]]) -> None:
    """The points of a curve are those of a history of MLflow."""
    logged = attrs.evolve(run[curve.split][curve.metric], repeats="all")
    wanted = [float(value) for _, value, _ in history]
    wanted = [math.copysign(math.inf, v) if abs(v) > 1.7e308 else v for v in wanted]
    order = np.argsort([stamp for stamp, _, _ in history], kind="stable")
    times = logged["time"]
    assert np.array_equal(times.values, np.array(wanted)[order], equal_nan=True)
    assert times.xs.tolist() == [(history[i][0] - START) / 1000 for i in order]
    steps = [history[i][2] for i in order]
    if any(steps) or len(steps) == 1:
        assert sorted(logged["step"].xs.tolist()) == sorted(steps)
    else:
        assert logged["step"].xs.tolist() == list(range(len(steps)))
        assert logged["step"].inferred


def test_both_stores_give_equal_runs(read: Any) -> None:
    """A run is the same through the folder and through the database, bit for bit."""
    assert read["folder"].keys() == read["database"].keys()
    for name, run in read["folder"].items():
        other = read["database"][name]
        assert run.hpms == other.hpms
        assert sorted(run.metrics) == sorted(other.metrics)
        for split, metrics in run.items():
            for metric, curves in metrics.items():
                both = [attrs.evolve(c, repeats="all") for c in (curves, other[split][metric])]
                assert both[0] == both[1], f"{name}: {split}/{metric}"


@pytest.mark.parametrize("kind", ["folder", "database"])
def test_params_have_their_types_back(kind: str, read: Any) -> None:
    """Params come back as what they were, and under dotted keys."""
    assert dict(read[kind]["full run"].hpms) == {
        **{"lr": 1e-4, "optim.momentum": 0.9, "nesterov": True, "decay": None},
        **{"milestones": [30, 60], "note": "two\nlines", "hash": "0012", "empty dict": {}},
    }


@pytest.mark.parametrize("kind", ["folder", "database"])
def test_what_else_is_known_of_a_run(kind: str, read: Any) -> None:
    """Description, times, parent and metrics of the machine are in the metadata."""
    facts = read[kind]["full run"].metadata
    assert (facts["notes"], facts["train_seconds"]) == ("a good run", 90.0)
    assert facts["mlflow"]["start_time"] == "2023-11-14T22:13:20+00:00"
    usage = {"n": 2, "min": 10.0, "mean": 20.0, "max": 30.0}
    assert facts["system"] == {"cpu_utilization_percentage": usage}
    parent = read[kind]["parent"].metadata["mlflow"]["run_id"]
    assert read[kind]["run FAILED"].metadata["mlflow"]["parentRunId"] == parent


@pytest.mark.parametrize("kind", ["folder", "database"])
def test_a_counter_among_the_metrics_is_an_axis(kind: str, read: Any) -> None:
    """The epoch that was logged like a metric is an axis of what was logged at its steps."""
    run = read[kind]["full run"]
    assert run.curve("test/acc", x="epoch", repeats="all").xs.tolist() == [0, 0, 1, 1]
    assert "train/epoch" not in run.metrics


@pytest.mark.parametrize("kind", ["folder", "database"])
def test_states_are_those_of_mlflow(kind: str, read: Any) -> None:
    """Finished, failed, killed, running and scheduled runs have our statuses."""
    statuses = {name: str(validate(run).status) for name, run in read[kind].items()}
    assert statuses == {
        **{"full run": "completed", "run FAILED": "failed", "run KILLED": "failed"},
        **{"run RUNNING": "running", "run SCHEDULED": "incomplete", "parent": "completed"},
    }


def test_deleted_runs_are_left_out_unless_asked_for(stores: Path) -> None:
    """That they are there is said; asked for, they are read, those of a deleted experiment too."""
    results = read_all(stores)
    said = [f for result in results.values() for f in result.findings if f.code == "deleted-run"]
    assert sorted(finding.message[0] for finding in said) == ["1", "1", "2"]
    names = [
        r.metadata["name"] for one in read_all(stores, deleted=True).values() for r in one.runs
    ]
    assert names.count("run deleted") == names.count("run of a deleted experiment") == 2


def test_nothing_is_left_beside_the_database(stores: Path) -> None:
    """Reading leaves the folder of the database as it was."""
    before = {path: path.stat().st_mtime_ns for path in stores.iterdir()}
    read_all(stores)
    assert {path: path.stat().st_mtime_ns for path in stores.iterdir()} == before
