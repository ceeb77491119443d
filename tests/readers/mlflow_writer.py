"""Writes the same runs into a folder and a database with MLflow's own client.

Run as a command, so that nothing of MLflow is in the process of the tests: its argument is an empty
folder, where ``mlruns`` and ``mlflow.db`` appear, and ``folder.json`` and ``database.json``: what
the client itself reads in each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

START = 1_700_000_000_000
VALUES = {
    "train/loss": [2.0, 1.5, float("nan"), 1e-12, 0.1 + 0.2],
    "val/deep/acc max: Δ": [float("inf"), -float("inf"), -0.0, 5e-324, 1.0],
    "val_loss": [3.0, 2.0, 1.0],
    "system/cpu_utilization_percentage": [10.0, 30.0],
}


def full_run(client: MlflowClient, experiment: str) -> None:
    """All kinds of values, many at once and one by one; params and tags of all kinds."""
    run = client.create_run(experiment, START, run_name="full run").info.run_id
    metrics = [
        Metric(name, value, START + 500 * i, 10 * i)
        for name, values in VALUES.items()
        for i, value in enumerate(values)
    ]
    params = {
        **{"lr": "1e-4", "optim/momentum": "0.9", "nesterov": "True", "decay": "None"},
        **{"milestones": "[30, 60]", "note": "two\nlines", "hash": "0012", "empty dict": "{}"},
    }
    tags = {"team": "ü", "stage/now": "draft", "mlflow.note.content": "a good run"}
    client.log_batch(
        run,
        metrics,
        [Param(name, text) for name, text in params.items()],
        [RunTag(name, text) for name, text in tags.items()],
    )
    for i in range(4):
        client.log_metric(run, "unstepped", i / 7, START + 1000 + i)
        client.log_metric(run, "epoch", i // 2, START + 2000 + i, 5 * i)
        client.log_metric(run, "test_acc", i / 3, START + 2001 + i, 5 * i)
    for i, step in enumerate([0, 1, 2, 1, 2, 3]):  # resumed
        client.log_metric(run, "resumed", float(i), START + 3000 + i, step)
    client.set_terminated(run, "FINISHED", START + 90_000)


def other_runs(client: MlflowClient, experiment: str) -> None:
    """One run for each state, one inside another, one without metrics, one deleted."""
    states = ["FAILED", "KILLED", "RUNNING", "SCHEDULED"]
    parent = client.create_run(experiment, START, run_name="parent").info.run_id
    client.set_terminated(parent, "FINISHED", START)
    for number, state in enumerate([*states, "deleted"]):
        tags = {"mlflow.parentRunId": parent}
        run = client.create_run(experiment, START, tags, run_name=f"run {state}").info.run_id
        for i in range(3):
            client.log_metric(run, "loss", number + i / 3, START + i, i)
        if state in states[:2]:
            client.set_terminated(run, state, START + 5)
        elif state == "deleted":
            client.delete_run(run)
        else:
            client.update_run(run, state)
    doomed = client.create_experiment("doomed")
    client.create_run(doomed, START, run_name="run of a deleted experiment")
    client.delete_experiment(doomed)


def as_read(client: MlflowClient) -> list[dict[str, Any]]:
    """What the client reads of the runs that are not deleted."""
    experiments = {e.experiment_id: e.name for e in client.search_experiments()}
    found = []
    for run in client.search_runs(list(experiments)):
        histories = {
            name: [[m.timestamp, repr(m.value), m.step] for m in history]
            for name in run.data.metrics
            for history in [client.get_metric_history(run.info.run_id, name)]
        }
        found.append(
            {
                "uuid": run.info.run_id,
                "name": run.info.run_name,
                "status": run.info.status,
                "experiment": experiments[run.info.experiment_id],
                "experiment_id": run.info.experiment_id,
                "metrics": histories,
                "params": run.data.params,
                "tags": run.data.tags,
            }
        )
    return found


def main(root: Path) -> None:
    """Write and read back both stores."""
    uris = {"folder": f"file:{root}/mlruns", "database": f"sqlite:///{root}/mlflow.db"}
    for kind, uri in uris.items():
        client = MlflowClient(tracking_uri=uri)
        full_run(client, client.create_experiment("my sweep"))
        other_runs(client, "0")
        (root / f"{kind}.json").write_text(json.dumps(as_read(client)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
