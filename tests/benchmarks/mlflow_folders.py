"""Folders of MLflow: written as its file store writes them, read by its client and by our reader.

The client does what people do with it: it searches all runs, asks for the history of each metric,
and makes arrays of it. Its own folders it only reads where the environment allows it.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.answers import Answer, Block, flattened

__all__ = ["ENVIRONMENT", "METRICS", "by_client", "write_run"]

METRICS = ("train/loss", "train/acc1", "val/loss", "val/acc1")
PARAMS = (
    *("seed", "model.name", "model.pretrained", "optim.lr", "optim.weight_decay", "optim.momentum"),
    *("optim.betas", "data.batch_size", "train.epochs", "train.ema_decay"),
)
ENVIRONMENT = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""What the client needs to read its own folders, and to do nothing else."""
START = 1_700_000_000_000
META = """artifact_uri: mlflow-artifacts:/0/{uuid}/artifacts
end_time: {end}
entry_point_name: ''
experiment_id: '0'
lifecycle_stage: active
run_id: {uuid}
run_name: {name}
run_uuid: {uuid}
source_name: ''
source_type: 4
source_version: ''
start_time: {start}
status: 3
tags: []
user_id: ada
"""
EXPERIMENT = """artifact_location: mlflow-artifacts:/0
creation_time: 1700000000000
experiment_id: '0'
last_update_time: 1700000000000
lifecycle_stage: active
name: Default
"""


def write_run(folder: Path, number: int, config: Mapping[str, Any], values: Any) -> None:
    """A run in the folder of its experiment, its metrics logged one by one.

    Parameters
    ----------
    folder : Path
        Of all experiments.
    number : int
    config : mapping
    values : float array, dims (split, epoch, metric)
        Losses and accuracies of two splits.
    """
    uuid = f"a{number * 0x9E3779B97F4A7C15 % 2**60:015x}b{number:015x}"
    own = folder / "0" / uuid
    for inner in ("metrics/train", "metrics/val", "params", "tags", "artifacts"):
        (own / inner).mkdir(parents=True, exist_ok=True)
    (folder / "0" / "meta.yaml").write_text(EXPERIMENT, encoding="ascii")
    end = START + 1000 * values.shape[1]
    texts = {"meta.yaml": META.format(uuid=uuid, name=config["name"], start=START, end=end)}
    flat = flattened(config)
    texts |= {f"params/{key}": str(flat[key]) for key in PARAMS}
    tags = {"runName": config["name"], "user": "ada", "source.type": "LOCAL"}
    texts |= {f"tags/mlflow.{key}": text for key, text in {**tags, "source.name": "a.py"}.items()}
    for place, name in enumerate(METRICS):
        column = values[place // 2, :, place % 2].tolist()
        stamps = (START + 1000 * step + place for step in range(len(column)))
        lines = zip(stamps, column, range(len(column)), strict=True)
        texts[f"metrics/{name}"] = "".join(f"{stamp} {v} {step}\n" for stamp, v, step in lines)
    for inner, text in texts.items():
        (own / inner).write_text(text, encoding="ascii")


def by_client(folder: Path) -> Answer:
    """`search_runs`, and `get_metric_history` of each metric."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.absolute().as_uri())
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    blocks: list[Block] = []
    hpms: dict[str, dict[str, Any]] = {}
    token = None
    while True:
        page = client.search_runs(experiments, max_results=1000, page_token=token)
        for run in page:
            name = f"{run.info.experiment_id}/{run.info.run_id}"
            hpms[name] = {key: _value(text) for key, text in run.data.params.items()}
            for metric in run.data.metrics:
                history = client.get_metric_history(run.info.run_id, metric)
                steps = np.array([point.step for point in history])
                values = np.array([[point.value for point in history]])
                blocks.append(Block(name, [metric], steps, values))
        token = page.token
        if not token:
            return Answer(blocks, hpms)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
