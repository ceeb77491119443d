"""Folders of logs as sweeps leave them, made from a seed: the same bytes every time.

Configurations have 67 leaves, of which a handful vary, and five seeds each. Half a percent of the
lines are malformed, one file in a hundred is cut off, and a run may diverge and then logs ``NaN``,
as `json.dumps` writes it and strict parsers reject it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np

from tests.benchmarks import event_logs, record_logs
from tests.benchmarks.mlflow_folders import write_run

__all__ = ["WORKLOADS", "Workload", "bytes_of", "configuration", "grow", "write"]

SEEDS = 5
MALFORMED, TRUNCATED = 0.005, 0.01
METRICS = ("loss", "acc1", "acc5", "lr")
STEPS_PER_EPOCH = 176


@attrs.frozen
class Workload:
    """A sweep.

    Attributes
    ----------
    name : str
    runs : int
    length : int
        Epochs of a run, or rows of a flat one.
    splits : tuple of str
    form : {"native", "flat", "events", "mlflow", "records"}
        A line for each split of each epoch, one wide row for each step, an event file each,
        folders of MLflow, or logs of Weights & Biases.
    sound : bool
        Whether all lines and files are whole.
    """

    name: str
    runs: int
    length: int
    splits: tuple[str, ...] = ("train", "val")
    form: Literal["native", "flat", "events", "mlflow", "records"] = "native"
    sound: bool = False

    @property
    def bytes(self) -> int:
        """About how large its logs are."""
        lines = self.length * {"flat": 1, "events": 3, "records": 3}.get(
            self.form, len(self.splits)
        )
        return self.runs * (1_800 + 180 * lines)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("XS", 20, 30),
        Workload("S", 200, 100),
        Workload("M", 2_000, 100, ("train", "val", "eval")),
        Workload("L", 10_000, 100),
        Workload("LONG-XS", 2, 500, form="flat"),
        Workload("LONG-S", 4, 20_000, form="flat"),
        Workload("LONG", 20, 200_000, form="flat"),
        Workload("RUNS-XS", 20, 5, ("val",), sound=True),
        Workload("RUNS-S", 1_000, 5, ("val",), sound=True),
        Workload("RUNS", 10_000, 5, ("val",), sound=True),
        Workload("EVENTS-XS", 2, 50, form="events"),
        Workload("EVENTS-S", 2, 10_000, form="events"),
        Workload("EVENTS", 4, 25_000, form="events"),
        Workload("MLFLOW-XS", 10, 20, form="mlflow"),
        Workload("MLFLOW", 200, 100, form="mlflow"),
        Workload("RECORDS-XS", 2, 50, form="records"),
        Workload("RECORDS", 1, 20_000, form="records"),
        Workload("100", 100, 5, ("val",)),
        Workload("1k", 1_000, 5, ("val",)),
        Workload("10k", 10_000, 5, ("val",)),
        Workload("100k", 100_000, 5, ("val",)),
    )
}


def write(workload: Workload, folder: Path, seed: int = 0, processes: int = 2) -> Path:
    """Write the logs of a sweep into `folder`, which is made; nothing happens if it is there.

    Parameters
    ----------
    workload : Workload
    folder : Path
    seed : int
    processes : int
        How many write; 1 for this one alone.
    """
    if folder.exists():
        return folder
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    partial.mkdir(parents=True)
    shares = [range(start, workload.runs, processes) for start in range(processes)]
    if processes == 1:
        _write_runs(workload, partial, seed, shares[0])
    else:
        with ProcessPoolExecutor(processes) as pool:
            jobs = [pool.submit(_write_runs, workload, partial, seed, share) for share in shares]
            for job in jobs:
                job.result()
    partial.rename(folder)
    return folder


def grow(workload: Workload, folder: Path, epoch: int, every: int = 1) -> int:
    """Append to every `every`-th log what one more epoch writes; how many bytes that was.

    Parameters
    ----------
    workload : Workload
        In the native form.
    folder : Path
        What `write` made of it, maybe grown before.
    epoch : int
        Its number.
    every : int
    """
    n_bytes = 0
    for run, file in list(enumerate(sorted(folder.glob("*.jsonl"))))[::every]:
        rng = np.random.default_rng([epoch, run])
        values = rng.random((len(workload.splits), 1, len(METRICS)))
        text = "\n".join(_native_lines(workload.splits, values, STEPS_PER_EPOCH, epoch)) + "\n"
        with file.open("a", encoding="ascii") as log:
            n_bytes += log.write(text)
    return n_bytes


def bytes_of(folder: Path) -> int:
    """Size of all logs of a folder."""
    with os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries)


def configuration(index: int, seed: int, rng: np.random.Generator) -> dict[str, Any]:
    """What a run was started with, nested, as training scripts log it."""
    model = str(rng.choice(["resnet18", "resnet50", "vit_small", "convnext_tiny"]))
    crop, name = bool(rng.integers(2)), f"config{index:05d}"
    home = f"/scratch/sweep/{name}/seed{seed}"
    return {
        "seed": seed,
        "name": f"{name}-s{seed}",
        "project": "baselines",
        "tags": ["sweep", "images"],
        "model": {
            **{"name": model, "source": "timm", "weights": None, "pretrained": False},
            **{"num_classes": 10, "drop_rate": 0.0, "drop_path": 0.1, "dtype": "float32"},
            **{"channels_last": True, "compile": False, "head": {"pool": "avg", "bias": True}},
        },
        "optim": {
            **{"name": "sgd", "lr": float(rng.choice([0.01, 0.03, 0.1, 0.3, 1.0]))},
            **{"weight_decay": float(rng.choice([0.0, 1e-5, 1e-4, 1e-3])), "momentum": 0.9},
            **{"nesterov": False, "betas": [0.9, 0.999], "eps": 1e-08, "clip_norm": None},
            "label_smoothing": float(rng.choice([0.0, 0.1])),
            "schedule": {
                **{"name": "cosine", "warmup_epochs": 5, "warmup_factor": 0.01},
                **{"min_lr": 1e-06, "gamma": 0.1, "milestones": [30, 60, 90]},
            },
        },
        "data": {
            **{"name": "cifar10", "root": "/scratch/data/cifar10", "download": False},
            **{"batch_size": int(rng.choice([128, 256, 512])), "num_workers": 4},
            **{"pin_memory": True, "shuffle": True, "drop_last": False, "train_fraction": 0.9},
            "transform": {
                **{"random_crop": crop, "crop_size": 32, "crop_padding": 4, "flip": crop},
                **{"flip_prob": 0.5, "color_jitter": False, "normalize": True},
                **{"mean": [0.4914, 0.4822, 0.4465], "std": [0.2023, 0.1994, 0.201]},
            },
        },
        "train": {
            **{"epochs": 100, "start_epoch": 0, "amp": True, "accumulate": 1, "ema": False},
            **{"ema_decay": 0.9999, "deterministic": True, "log_every": 50},
        },
        "val": {"every": 1, "batch_size": 512, "amp": False},
        "paths": {"home": home, "checkpoints": f"{home}/checkpoints", "log": f"{home}/log.jsonl"},
        "machine": {
            **{"device": "cuda:0", "node": f"gpu{(index * 7 + seed) % 40:03d}"},
            **{"job": 1_000_000 + SEEDS * index + seed, "world_size": 1},
        },
    }


def _write_runs(workload: Workload, folder: Path, seed: int, runs: range) -> None:
    lines: Callable[..., Iterator[str]] = _run_lines if workload.form == "native" else _flat_lines
    digits = max(5, len(str(workload.runs - 1)))
    for run in runs:
        rng = np.random.default_rng([seed, 1, run])
        if workload.form == "events":
            event_logs.write_run(folder, run, workload.length, rng)
            continue
        config = configuration(
            run // SEEDS, run % SEEDS, np.random.default_rng([seed, 0, run // 5])
        )
        if workload.form == "mlflow":
            write_run(folder, run, config, _curves(rng, config["optim"]["lr"], 2, workload.length))
            continue
        if workload.form == "records":
            values = _curves(rng, config["optim"]["lr"], 2, workload.length)
            record_logs.write_run(folder, run, config, values[[0, 1], :, [0, 1]])
            continue
        written = list(lines(workload, config, rng))
        text = "\n".join(written if workload.sound else _with_faults(written, rng)) + "\n"
        if not workload.sound and rng.random() < TRUNCATED:
            text = text[: int(len(text) * rng.uniform(0.5, 0.95))]
        (folder / f"run_{run:0{digits}d}.jsonl").write_text(text, encoding="ascii")


def _run_lines(
    workload: Workload, config: dict[str, Any], rng: np.random.Generator
) -> Iterator[str]:
    values = _curves(rng, config["optim"]["lr"], len(workload.splits), workload.length)
    steps = 45_000 // config["data"]["batch_size"]
    yield json.dumps({"type": "dict_config", "value": config})
    yield json.dumps({"type": "str", "value": f"model: {config['model']['name']}"})
    for epoch, lines in enumerate(
        zip(*[iter(_native_lines(workload.splits, values, steps))] * len(values), strict=True)
    ):
        yield from lines
        if epoch % 10 == 9:
            yield json.dumps({"type": "str", "value": f"epoch {epoch}: checkpoint saved"})
    yield json.dumps({"type": "str", "value": f"Training time 0:{rng.integers(10, 59)}:00"})


def _native_lines(
    splits: tuple[str, ...], values: np.ndarray, steps: int, first: int = 0
) -> Iterator[str]:
    """Lines of `values`, dims (split, epoch, metric), the splits of an epoch together."""
    for epoch, rows in enumerate(values.transpose(1, 0, 2).tolist(), start=first):
        for split, row in zip(splits, rows, strict=True):
            x = {"epoch": epoch, "step": (epoch + 1) * steps}
            stats = dict(zip(METRICS, row, strict=True))
            yield json.dumps({**x, "data_name": split, "agg_stats": stats})


def _flat_lines(
    workload: Workload, config: dict[str, Any], rng: np.random.Generator
) -> Iterator[str]:
    train, val = _curves(rng, config["optim"]["lr"], 2, workload.length).tolist()
    times = np.cumsum(rng.gamma(4, 0.01, workload.length)).round(3).tolist()
    yield json.dumps({"type": "dict_config", "value": config})
    for step, (t, v, time) in enumerate(zip(train, val, times, strict=True)):
        row = {"step": step, "epoch": step // 390, "train/loss": t[0], "train/acc": t[1]}
        row |= {"val/loss": v[0], "val/acc": v[1], "lr": t[3], "time": time}
        yield json.dumps(row)


def _curves(rng: np.random.Generator, lr: float, n_splits: int, length: int) -> np.ndarray:
    """Values that look like a training, dims (split, epoch, metric); losses may become NaN."""
    t = np.arange(1, length + 1) / length
    gap = 1 + 0.1 * np.arange(n_splits)[:, None]
    decay = 0.15 + 2.2 * np.exp(-(2 + rng.random()) * t * (0.5 + min(lr, 0.3)))
    loss = np.abs(decay * gap + rng.normal(0, 0.02, (n_splits, length)))
    acc1 = 100 * np.clip(1 - loss / 2.6 + rng.normal(0, 0.004, loss.shape), 0, 1)
    acc5 = np.minimum(100, acc1 + 8 + rng.normal(0, 0.2, loss.shape))
    rate = np.broadcast_to(lr * 0.5 * (1 + np.cos(np.pi * t)), loss.shape)
    if rng.random() < 0.25 * min(1.0, lr):
        diverged = int(rng.integers(2, length))
        loss[:, diverged:], acc1[:, diverged:] = np.nan, 10.0
    return np.stack([loss, acc1, acc5, rate], axis=-1)


def _with_faults(lines: list[str], rng: np.random.Generator) -> list[str]:
    """Some lines after the configuration cut in half, without a colon, or no JSON at all."""
    for at in np.flatnonzero(rng.random(len(lines)) < MALFORMED).tolist():
        if at == 0:
            continue
        line = lines[at]
        kinds = (line[: len(line) // 2], line.replace('": ', '" ', 3), "Traceback (most recent):")
        lines[at] = kinds[int(rng.integers(3))]
    return lines
