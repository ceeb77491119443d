"""One logical run, as five real writers leave it: the same curves, and no writer is needed."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dr_gen.convert import run_to_dict
from dr_gen.ingestion import load
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.run_table import Status
from dr_gen.readers.runlogger import RunLogger
from tests.readers.refused import SDKS, refusing
from tests.readers.wandb_programs import logged

EPOCHS, STEPS = 4, 5
OPTIM = {"lr": 3e-4, "name": "adam", "nesterov": True}
FLAT = {**{f"optim.{name}": value for name, value in OPTIM.items()}, "epochs": EPOCHS, "seed": 7}
CONFIG = {"optim": OPTIM, "epochs": EPOCHS, "seed": 7}

Point = tuple[str, int, int, dict[str, float]]
"""Split, epoch, step and metrics."""


def points() -> Iterator[Point]:
    """The run: losses and accuracies of the training by the step, of the validation by epoch."""
    for step in range(EPOCHS * STEPS):
        loss, acc = math.exp(-step / 7) + 1e-4 / 3, 100 * step / (step + 3)
        yield "train", step // STEPS, step, {"loss": loss, "acc1": acc}
        if step % STEPS == STEPS - 1:
            top = {"acc1": acc - math.pi, "acc5": acc / 3 + 66}
            yield "val", step // STEPS, step, {"loss": loss * 1.1 + 1e-9, **top}


ROWS = list(points())
FACTS = json.dumps({"config": CONFIG, "flat": FLAT, "rows": ROWS})


def by_native(folder: Path) -> None:
    """With the logger that comes with dr_gen."""
    with RunLogger(folder / "run.jsonl", CONFIG) as log:
        for split, epoch, step, values in ROWS:
            log.metrics(split, values, epoch=epoch, step=step)


def run(folder: Path, program: str, *arguments: str, **environ: str) -> None:
    """Run a program that logs into a folder, in a process of its own."""
    beside = folder.parents[1] / folder.name
    beside.mkdir()
    (beside / "facts.json").write_text(FACTS)
    (beside / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (beside / "train.py").write_text(_BEGIN + program)
    command = [sys.executable, str(beside / "train.py"), *arguments]
    whole = {**os.environ, **environ}
    done = subprocess.run(command, cwd=folder, env=whole, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()[-3000:]


_BEGIN = """
import json
from pathlib import Path
facts = json.loads(Path(__file__).with_name("facts.json").read_text())
"""

TENSORBOARDX = """
from tensorboardX import SummaryWriter
with SummaryWriter("run") as writer:
    writer.add_hparams(facts["flat"], {})
    for split, epoch, step, values in facts["rows"]:
        if split == "train":
            writer.add_scalar("epoch", epoch, step)
        for name, value in values.items():
            writer.add_scalar(f"{split}/{name}", value, step)
"""

MLFLOW = """
import mlflow
mlflow.set_tracking_uri("file:mlruns")
mlflow.set_experiment("five")
with mlflow.start_run():
    mlflow.log_params(facts["flat"])
    for split, epoch, step, values in facts["rows"]:
        values = {f"{split}_{name}": value for name, value in values.items()}
        mlflow.log_metrics({**values, "epoch": epoch} if split == "train" else values, step=step)
"""

WANDB = f"""
import json
facts = json.loads({FACTS!r})
with init(config=facts["config"]) as run:
    for split, epoch, step, values in facts["rows"]:
        row = {{f"{{split}}/{{name}}": value for name, value in values.items()}}
        run.log({{**row, "epoch": epoch}}, step=step)
"""

HYDRA = """
import hydra
@hydra.main(version_base=None, config_path=".", config_name="config")
def main(config):
    out = Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir)
    with open(out / "metrics.jsonl", "w") as file:
        for split, epoch, step, values in facts["rows"]:
            row = {f"{split}_{name}": value for name, value in values.items()}
            file.write(json.dumps({"epoch": epoch, "step": step, **row}) + "\\n")
main()
"""

QUIET = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}

WRITERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "native": ("dr_gen", by_native),
    "tensorboard": ("tensorboardX", lambda folder: run(folder, TENSORBOARDX)),
    "mlflow": ("mlflow", lambda folder: run(folder, MLFLOW, **QUIET)),
    "wandb": ("wandb", lambda folder: logged(folder, WANDB)),
    "jsonlines": ("hydra", lambda folder: run(folder, HYDRA, "optim.lr=3e-4")),
}
"""Format to the package that writes it, and how the run is written."""

HERE = [name for name, (package, _) in WRITERS.items() if importlib.util.find_spec(package)]


def is_info(finding: Finding) -> bool:
    """Whether nothing is wrong."""
    return finding.severity is Severity.INFO


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of each writer that is installed."""
    top = tmp_path_factory.mktemp("five") / "runs"
    for name in HERE:
        (top / name).mkdir(parents=True)
        WRITERS[name][1](top / name)
    return top


@pytest.fixture(scope="module")
def group(written: Path) -> RunGroup:
    """The runs of that folder."""
    return load(written, cache=False)


def test_each_writer_leaves_one_run(group: RunGroup) -> None:
    """One run for each, found by the format it has, completed and with nothing to be said."""
    assert sorted(run.metadata["format"] for run in group) == sorted(HERE)
    assert {run.status for run in group} == {Status.COMPLETED}
    assert [finding for run in group for finding in run.findings if not is_info(finding)] == []


@pytest.mark.parametrize("name", WRITERS)
def test_curves_are_those_that_were_logged(group: RunGroup, name: str) -> None:
    """Names, steps, epochs and values are the same to the seventh digit, settings are equal."""
    if name not in HERE:
        pytest.skip(f"{WRITERS[name][0]} is not installed")
    [run] = [run for run in group if run.metadata["format"] == name]
    expected: dict[str, list[tuple[int, int, float]]] = {}
    for split, epoch, step, values in ROWS:
        for metric, value in values.items():
            expected.setdefault(f"{split}/{metric}", []).append((step, epoch, value))
    assert dict(run.hpms) == FLAT
    # In event files a counter may be what is to be seen, and stays a metric as well.
    assert set(run.metrics) - expected.keys() <= {"train/epoch"}
    assert expected.keys() <= set(run.metrics)
    for address, wanted in expected.items():
        steps, epochs, values = (np.array(column) for column in zip(*wanted, strict=True))
        for x, xs in (("step", steps), ("epoch", epochs)):
            curve = run.curve(address, x=x, repeats="all")
            assert curve.xs.tolist() == xs.tolist(), (address, x)
            np.testing.assert_allclose(curve.values, values, rtol=1e-6)


def test_curves_of_all_are_equal(group: RunGroup) -> None:
    """Side by side they are one configuration with as many replicates as there are writers."""
    assert len(group.hpm_group.configurations) == 1
    first = group[0]
    for address in first.metrics:
        one = first.curve(address, x="step")
        for other in group:
            curve = other.curve(address, x="step")
            assert np.array_equal(curve.xs, one.xs)
            np.testing.assert_allclose(curve.values, one.values, rtol=1e-6)


def test_no_sdk_is_imported(written: Path, group: RunGroup) -> None:
    """Where no writer can be imported all of them are read just the same."""
    program = """
import json, sys
import dr_gen
from dr_gen.convert import run_to_dict
print(json.dumps([run_to_dict(run) for run in dr_gen.load(sys.argv[1], cache=False)]))
"""
    found = json.loads(refusing(program, str(written)))
    expected = json.loads(json.dumps([run_to_dict(run) for run in group]))
    for one in (*found, *expected):
        assert one.pop("time_parsed")
        one["metadata"].pop("time_parsed", None)
    for one, other in zip(found, expected, strict=True):
        for key in one:
            assert one[key] == other[key]
    assert {package for package, _ in WRITERS.values()} - {"dr_gen"} <= set(SDKS)
