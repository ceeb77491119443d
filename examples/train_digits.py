"""Train a small network on scikit-learn's digits, over a sweep, and log every run.

The task is the same for all runs: tell the ten digits apart from 150 labelled images of 8 × 8
pixels. The network is a perceptron with two hidden layers of 64 units, trained by SGD with
momentum, in numpy and single precision. What differs, 2 × 3 × 3 configurations with 5 seeds each:

* where the hidden layers start: at random, or as they were after learning to tell the digits 5 to
  9 apart on other images, which no run of the sweep sees. These weights are made once, at the
  start of this script, and serve all runs, as the weights of a model zoo do; the output layer
  starts at random in any case;
* the learning rate. The largest is past the edge of what is stable: there, some runs or all of a
  configuration diverge. That is nothing but their arithmetic: weights grow until they overflow,
  and infinity minus infinity is NaN. Such a run goes on to its last epoch, as most scripts let it;
* the weight decay.

The seed decides the initial weights and the order of the images, never which image is in which
split. Results are the same from run to run on one machine, except for the times.

::

    python examples/train_digits.py --out data/digits
    python examples/train_digits.py --out data/digits --interrupt 4

With ``--interrupt K``, K of the runs do not end by themselves (POSIX only). Nothing is simulated:
every other one is killed from outside (SIGKILL) once its log has reached a random size, which
leaves whole lines; the others run under a limit on the size of a file (RLIMIT_FSIZE), as a quota
or a full disk would set it: the system cuts the write that crosses it short, which leaves half a
line, and ends the process at the next write (SIGXFSZ). For the latter to happen the signal's
default action has to be restored, since Python ignores it and would raise an OSError.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dr_gen import RunLogger

try:
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]
except ImportError:
    raise SystemExit("this example needs scikit-learn: pip install scikit-learn") from None

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Layer = tuple[Floats, Floats]

WEIGHTS: Final = (None, "DEFAULT")
LEARNING_RATES: Final = (0.003, 0.03, 0.3)
WEIGHT_DECAYS: Final = (0.0001, 0.01, 0.1)
SEEDS: Final = range(5)

LAYERS: Final = (64, 64, 64, 10)
SLOPE: Final = np.float32(0.1)
MOMENTUM: Final = np.float32(0.9)
BATCH_SIZE: Final = 32
STEP_SIZE: Final = 20
GAMMA: Final = 0.1
SPLIT_SEED: Final = 0
SIZES: Final = {"eval": 400, "val": 300, "train": 150}
PRETRAIN_CLASSES: Final = range(5, 10)
PRETRAIN_SEED: Final = 100
PRETRAIN_EPOCHS: Final = 30
PRETRAIN_LR: Final = 0.03
PRETRAIN_DECAY: Final = 0.0001
BYTES_AN_EPOCH: Final = 3 * 180


# ---------------------------------------------------------------- data


@dataclass(frozen=True)
class Split:
    """Images, (n, 64), from 0 to 1, and their labels, (n,)."""

    images: Floats
    labels: Labels


def load_splits() -> dict[str, Split]:
    """Disjoint splits: `train`, `val`, `eval` of all digits, `pretrain` of the digits 5 to 9."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    images, labels = (images[order] / 16).astype(np.float32), labels[order].astype(np.int64)
    splits, start = {}, 0
    for name, size in SIZES.items():
        splits[name] = Split(images[start : start + size], labels[start : start + size])
        start += size
    images, labels = images[start:], labels[start:]
    kept = np.isin(labels, PRETRAIN_CLASSES)
    splits["pretrain"] = Split(images[kept], labels[kept] - PRETRAIN_CLASSES.start)
    return splits


# ---------------------------------------------------------------- network


def random_layers(sizes: tuple[int, ...], rng: np.random.Generator) -> list[Layer]:
    """Weights by He's rule, biases zero."""
    return [
        (
            rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)).astype(np.float32),
            np.zeros(outputs, np.float32),
        )
        for inputs, outputs in itertools.pairwise(sizes)
    ]


def forward(layers: list[Layer], images: Floats) -> list[Floats]:
    """The images, what each hidden layer makes of them, and the logits."""
    outputs = [images]
    for weights, biases in layers[:-1]:
        hidden = outputs[-1] @ weights + biases
        outputs.append(np.maximum(hidden, SLOPE * hidden))
    weights, biases = layers[-1]
    return [*outputs, outputs[-1] @ weights + biases]


def log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def gradients(layers: list[Layer], outputs: list[Floats], labels: Labels) -> list[Layer]:
    """Of the mean cross-entropy, by layer."""
    error = np.exp(log_softmax(outputs[-1]))
    error[np.arange(len(labels)), labels] -= 1
    error /= np.float32(len(labels))
    found = []
    for (weights, _), inputs in zip(layers[::-1], outputs[-2::-1], strict=True):
        found.append((inputs.T @ error, error.sum(axis=0)))
        error = (error @ weights.T) * np.where(inputs > 0, np.float32(1), SLOPE)
    return found[::-1]


def scores(logits: Floats, labels: Labels) -> dict[str, Any]:
    """Mean cross-entropy, and percent of labels that are the first, or among the first five."""
    loss = -log_softmax(logits)[np.arange(len(labels)), labels].mean()
    ranked = np.argsort(-logits, axis=1, kind="stable") == labels[:, None]
    return {
        "loss": loss,
        "acc1": 100 * ranked[:, :1].any(axis=1).mean(),
        "acc5": 100 * ranked[:, :5].any(axis=1).mean(),
    }


def train_epochs(
    layers: list[Layer],
    split: Split,
    rng: np.random.Generator,
    *,
    epochs: int,
    lr: float,
    weight_decay: float,
) -> Iterator[tuple[list[Layer], float, dict[str, Any]]]:
    """After each epoch: the layers, its learning rate, and the scores met on the way."""
    momenta = [(np.zeros_like(weights), np.zeros_like(biases)) for weights, biases in layers]
    decay = np.float32(weight_decay)
    for epoch in range(epochs):
        rate = lr * GAMMA ** (epoch // STEP_SIZE)
        order = rng.permutation(len(split.labels))
        seen = []
        for start in range(0, len(order), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            outputs = forward(layers, split.images[batch])
            seen.append(outputs[-1])
            found = gradients(layers, outputs, split.labels[batch])
            momenta = [
                (MOMENTUM * dw + gw + decay * weights, MOMENTUM * db + gb)
                for (dw, db), (gw, gb), (weights, _) in zip(momenta, found, layers, strict=True)
            ]
            layers = [
                (weights - np.float32(rate) * dw, biases - np.float32(rate) * db)
                for (weights, biases), (dw, db) in zip(layers, momenta, strict=True)
            ]
        yield layers, rate, scores(np.concatenate(seen), split.labels[order])


def pretrain(split: Split) -> list[Layer]:
    """The hidden layers of a network that has learnt the digits 5 to 9."""
    rng = np.random.default_rng(PRETRAIN_SEED)
    layers = random_layers((*LAYERS[:-1], len(PRETRAIN_CLASSES)), rng)
    *_, (trained, _, _) = train_epochs(
        layers, split, rng, epochs=PRETRAIN_EPOCHS, lr=PRETRAIN_LR, weight_decay=PRETRAIN_DECAY
    )
    return trained[:-1]


# ---------------------------------------------------------------- runs


@dataclass(frozen=True)
class Trial:
    """One run of the sweep."""

    weights: str | None
    lr: float
    weight_decay: float
    seed: int
    epochs: int

    @property
    def name(self) -> str:
        init = "random" if self.weights is None else "pretrained"
        return f"{init}-lr{self.lr}-wd{self.weight_decay}-s{self.seed}"

    def config(self, out: str) -> dict[str, Any]:
        """The whole configuration, as a run of a larger project would have it."""
        return {
            "paths": {"root": ".", "out": out, "log": f"{out}/{self.name}.jsonl"},
            "metrics": {"loggers": ["json"], "names": ["loss", "acc1", "acc5"]},
            "model": {
                "name": "mlp",
                "weights": self.weights,
                "layers": LAYERS,
                "activation": {"name": "leaky_relu", "slope": 0.1},
            },
            "optim": {
                "name": "sgd",
                "lr": self.lr,
                "weight_decay": self.weight_decay,
                "momentum": 0.9,
                "lr_scheduler": {"name": "steplr", "step_size": STEP_SIZE, "gamma": GAMMA},
            },
            "data": {
                "name": "digits",
                "sizes": SIZES,
                "split_seed": SPLIT_SEED,
                "transforms": None,
            },
            "pretrain": {
                "classes": PRETRAIN_CLASSES,
                "epochs": PRETRAIN_EPOCHS,
                "lr": PRETRAIN_LR,
                "weight_decay": PRETRAIN_DECAY,
            },
            "train": {"batch_size": BATCH_SIZE, "drop_last": False},
            "seed": self.seed,
            "epochs": self.epochs,
            "device": "cpu",
            "write_checkpoint": None,
        }


@dataclass(frozen=True)
class Sweep:
    """What all runs share; it crosses to the processes that run them."""

    splits: dict[str, Split]
    hidden: list[Layer]
    out: Path

    def log_path(self, trial: Trial) -> Path:
        return self.out / f"{trial.name}.jsonl"


def run(sweep: Sweep, trial: Trial) -> None:
    """Train and log one run."""
    rng = np.random.default_rng(trial.seed)
    layers = random_layers(LAYERS, rng)
    if trial.weights == "DEFAULT":
        layers = [*sweep.hidden, layers[-1]]
    train = sweep.splits["train"]
    steps_an_epoch = -(-len(train.labels) // BATCH_SIZE)
    # An absolute path would tell where this machine keeps things.
    shown = sweep.out.name if sweep.out.is_absolute() else sweep.out.as_posix()
    epochs = train_epochs(
        layers, train, rng, epochs=trial.epochs, lr=trial.lr, weight_decay=trial.weight_decay
    )
    # A diverging run overflows at every step; its log says so, a warning a step adds nothing.
    with (
        np.errstate(over="ignore", invalid="ignore"),
        RunLogger(sweep.log_path(trial), trial.config(shown)) as log,
    ):
        log.text(">> Running Training")
        for epoch, (trained, rate, met) in enumerate(epochs):
            if epoch % 10 == 0:
                log.text(f">> Start Epoch: {epoch}")
            step = steps_an_epoch * (epoch + 1)
            log.metrics("train", {**met, "lr": rate}, epoch=epoch, step=step)
            for name in ("val", "eval"):
                split = sweep.splits[name]
                logits = forward(trained, split.images)[-1]
                log.metrics(name, scores(logits, split.labels), epoch=epoch, step=step)


# ---------------------------------------------------------------- interruptions


def run_under_quota(sweep: Sweep, trial: Trial, limit: int) -> None:
    """Run in a process of which no file may grow beyond `limit` bytes."""
    import resource  # here, since Windows has none

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    run(sweep, trial)


def interrupt_by_quota(sweep: Sweep, trial: Trial, size: int) -> int:
    """Start a run that the system ends when its log is to grow beyond `size` bytes."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=run_under_quota, args=(sweep, trial, size))
    process.start()
    process.join()
    return process.exitcode or 0


def interrupt_by_kill(sweep: Sweep, trial: Trial, size: int) -> int:
    """Start a run and kill it once its log has `size` bytes.

    A whole run takes less than a tenth of a second. One that was over before it could be killed is
    removed and started again.
    """
    context = multiprocessing.get_context("spawn")
    path = sweep.log_path(trial)
    while True:
        path.unlink(missing_ok=True)
        process = context.Process(target=run, args=(sweep, trial))
        process.start()
        while process.is_alive() and not (path.exists() and path.stat().st_size >= size):
            time.sleep(0.0002)
        process.kill()
        process.join()
        if process.exitcode != 0:
            return process.exitcode or 0


def split_off(trials: list[Trial], count: int) -> tuple[list[Trial], list[tuple[Trial, int]]]:
    """The trials to run to their end, and those to interrupt with the size at which to do so."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(trials), count, replace=False)
    full = BYTES_AN_EPOCH * trials[0].epochs
    sizes = rng.integers(full // 5, full * 4 // 5, count)
    interrupted = [(trials[i], int(size)) for i, size in zip(chosen, sizes, strict=True)]
    return [trial for i, trial in enumerate(trials) if i not in chosen], interrupted


# ---------------------------------------------------------------- command line


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a small network on digits, over a sweep.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the logs")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--interrupt", type=int, default=0, metavar="K", help="runs to interrupt")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    given = parser.parse_args()
    if next(given.out.glob("*.jsonl"), None) is not None:
        parser.error(f"{given.out} has logs already; remove them or give another folder")
    return given


def main() -> None:
    """Run the sweep."""
    given = arguments()
    trials = [
        Trial(*values, epochs=given.epochs)
        for values in itertools.product(WEIGHTS, LEARNING_RATES, WEIGHT_DECAYS, SEEDS)
    ]
    # The matrices are small: threads would only slow them down, and could change the last bits.
    for library in ("OPENBLAS", "MKL", "OMP"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    splits = load_splits()
    whole, interrupted = split_off(trials, given.interrupt)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.jobs, mp_context=context) as pool:
        sweep = Sweep(splits, pool.submit(pretrain, splits["pretrain"]).result(), given.out)
        for done in [pool.submit(run, sweep, trial) for trial in whole]:
            done.result()
    ends = Counter({"completed": len(whole)})
    for index, (trial, size) in enumerate(interrupted):
        interrupt = (interrupt_by_kill, interrupt_by_quota)[index % 2]
        code = interrupt(sweep, trial, size)
        if code > 0:
            raise SystemExit(f"{trial.name} failed, see above")
        end = signal.Signals(-code).name if code else "completed"
        print(f"{trial.name}: {end} at {sweep.log_path(trial).stat().st_size} bytes")
        ends[end] += 1
    print(f"{given.out}: {', '.join(f'{count} {end}' for end, count in ends.items())}")


if __name__ == "__main__":
    main()
