"""Logs of Weights & Biases: written as its own writer does, read by its own parser and by ours.

The parser is what its package had for its own files until version 0.30: the framing in Python, the
messages by protocol buffers. It reads the values as one would, a `json.loads` each, and leaves out
all that is no row or setting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dr_gen.model.group import RunGroup
from tests.benchmarks.answers import Answer, Block, flattened
from tests.readers import wandb_logs as logs

__all__ = ["answer_of_records", "by_wandb", "write_run"]

METRICS = ("train/loss", "val/acc")
START = 1_700_000_000.0


def write_run(folder: Path, number: int, config: Mapping[str, Any], values: Any) -> None:
    """A folder of a run, with one row for each step, and what the tool adds to it.

    Parameters
    ----------
    folder : Path
        Of all runs.
    number : int
    config : mapping
    values : float array, dims (metric, step)
    """
    name = f"r{number:05d}"
    own = folder / "wandb" / f"run-20260101_120000-{name}"
    own.mkdir(parents=True, exist_ok=True)
    log = logs.wandb_file(logs.run(name, config), *_rows(values), logs.ended())
    (own / f"run-{name}.wandb").write_bytes(log)


def _rows(values: Any) -> Iterator[bytes]:
    for step, row in enumerate(values.T.tolist()):
        at = {"_step": step, "_runtime": step * 0.0173, "_timestamp": START + step * 0.0173}
        items = {
            (key,): value for key, value in {**dict(zip(METRICS, row, strict=True)), **at}.items()
        }
        yield logs.summary({("_wandb", "runtime"): step // 60, "_runtime": step // 60})
        yield logs.summary(items)
        yield logs.history(items, step)


def by_wandb(folder: Path) -> Answer:
    """`DataStore` and `Record` of the package itself."""
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    blocks: list[Block] = []
    hpms: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("wandb/*/*.wandb")):
        store, record, name = DataStore(), Record(), path.stem.removeprefix("run-")
        store.open_for_scan(str(path))
        rows: list[dict[str, Any]] = []
        while (data := store.scan_data()) is not None:
            record.ParseFromString(data)
            if record.HasField("history"):
                items = record.history.item
                rows.append(
                    {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items}
                )
            elif record.HasField("run"):
                items = record.run.config.update
                hpms[name] = flattened({i.key: json.loads(i.value_json) for i in items})
        store.close()
        steps = np.array([row["_step"] for row in rows])
        values = np.array([[row[metric] for row in rows] for metric in METRICS], np.float64)
        blocks.append(Block(name, METRICS, steps, values))
    return Answer(blocks, hpms)


def answer_of_records(group: RunGroup) -> Answer:
    """What the runs of a group hold, under the names of the source."""
    blocks = []
    for run in group:
        name = run.metadata["run_id"]
        for curve in run.curves():
            blocks.append(Block(name, [curve.original_name], curve.xs, curve.values[None]))
    return Answer(blocks, {run.metadata["run_id"]: dict(run.hpms) for run in group})
