"""Jobs as Hydra writes them: around any log, and without one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dr_gen.ingestion import ingest, load
from dr_gen.model.run_table import Status
from dr_gen.readers.contract import TRACKER, ReadOptions
from dr_gen.readers.hydra import HydraReader, Jobs
from dr_gen.readers.runlogger import RunLogger
from dr_gen.readers.tree import Tree, walk

REAL = Path(__file__).parents[3] / "shared" / "real_logs" / "wandb-hydra-vime"
PROGRAM = """
import json
import sys
from pathlib import Path

import hydra
from omegaconf import OmegaConf


@hydra.main(version_base=None, config_path=".", config_name="config")
def main(cfg):
    out = Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir)
    if cfg.optim.lr > 0.4:
        return  # a job that logs nothing
    (out / "deep" / "er").mkdir(parents=True)
    with open(out / "deep" / "er" / "metrics.jsonl", "w") as file:
        for step in range(3):
            file.write(json.dumps({"step": step, "train/loss": cfg.optim.lr / (step + 1)}) + "\\n")


main()
"""
CONFIG = {"optim": {"lr": 0.1, "name": "sgd", "betas": [0.9, 0.999]}, "seed": 3, "note": None}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multirun of four jobs by Hydra itself, two of which log nothing."""
    pytest.importorskip("hydra")
    top = tmp_path_factory.mktemp("hydra")
    (top / "train.py").write_text(PROGRAM)
    (top / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    arguments = ["-m", "optim.lr=0.1,1e-2,0.5", "seed=1", "hydra.sweep.dir=multirun"]
    for more in ([], ["+extra.depth=2", "optim.lr=0.5", "hydra.sweep.subdir=late"]):
        command = [sys.executable, "train.py", *arguments, *more]
        subprocess.run(command, cwd=top, check=True, capture_output=True, timeout=120)
    return top / "multirun"


def test_a_sweep_by_hydra(sweep: Path) -> None:
    """Each job is one run, with the configuration around its log, or without a log at all."""
    group = load(sweep, cache=False)
    assert group.ids == ("0/deep/er", "1/deep/er", "2", "late")
    assert [run.n_points for run in group] == [3, 3, 0, 0]
    assert group["1/deep/er"].hpms.nested() == {
        **CONFIG,
        "seed": 1,
        "optim": {**CONFIG["optim"], "lr": 0.01},
    }
    assert group["late"].hpms["extra.depth"] == 2
    assert group["late"].status is Status.INCOMPLETE
    assert [run.metadata["hydra"]["num"] for run in group] == [0, 1, 2, 0]
    assert group[0].metadata["hydra"]["overrides"] == ["optim.lr=0.1", "seed=1"]
    assert group[0].metadata["hydra"]["name"] == "train"
    assert set(group.hpm_group.important) == {"optim.lr", "extra.depth"}


def test_what_changes_around_a_log_is_noticed(tmp_path: Path) -> None:
    """A log is read again when the configuration of its job is another."""
    source, store = tmp_path / "job", tmp_path / "store"
    (source / ".hydra").mkdir(parents=True)
    (source / "logs").mkdir()
    config = source / ".hydra" / "config.yaml"
    config.write_text("lr: 0.1\n")
    (source / "logs" / "a.jsonl").write_text('{"step": 0, "train/loss": 0.5}\n')
    assert dict(ingest(source, store)[0].hpms) == {"lr": 0.1}
    config.write_text("lr: 0.25\n")
    assert dict(ingest(source, store)[0].hpms) == {"lr": 0.25}
    config.unlink()
    assert dict(ingest(source, store)[0].hpms) == {}
    assert dict(load(source, cache=False)[0].hpms) == {}


def test_the_log_knows_better_than_the_job(tmp_path: Path) -> None:
    """What a log says of itself counts; the job fills in what it leaves out."""
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("lr: 0.1\nwidth: 64\n")
    with RunLogger(tmp_path / "run.jsonl", {"lr": 0.3}) as log:
        log.metrics("val", {"loss": 1.0}, epoch=0)
    (run,) = load(tmp_path, cache=False)
    assert dict(run.hpms) == {"lr": 0.3, "width": 64}


def test_the_innermost_job_counts(tmp_path: Path) -> None:
    """A job inside the folder of another one has its own configuration."""
    for folder, lr in ((tmp_path, 1), (tmp_path / "inner", 2)):
        (folder / ".hydra").mkdir(parents=True)
        (folder / ".hydra" / "config.yaml").write_text(f"lr: {lr}\n")
        (folder / "log.jsonl").write_text('{"step": 0, "train/loss": 0.5}\n')
    group = load(tmp_path, cache=False)
    assert {run.id: run.hpms["lr"] for run in group} == {tmp_path.name: 1, "inner": 2}


def test_jobs_end_at_the_root() -> None:
    """A folder above the one that was asked for is no job of its logs."""
    tree = Tree.of(["a/.hydra/config.yaml", "a/b/log.jsonl", ".hydra/config.yaml"])
    jobs = Jobs(tree)
    assert jobs.around("a/b/log.jsonl", "a/b") == ()
    assert jobs.around("a/b/log.jsonl", "a") == ("a/.hydra/config.yaml",)
    assert jobs.around("c/log.jsonl", ".") == (".hydra/config.yaml",)


@pytest.mark.parametrize(
    "content",
    [b"", b"- 1\n", b"\xff\xfe\x00", b"a: [1", b"a: &a [*a]", b"lr: !!python/object/new:os.x [1]"],
    ids=["empty", "a list", "no text", "torn", "in itself", "an object"],
)
def test_odd_configurations_are_findings(content: bytes, tmp_path: Path) -> None:
    """A job whose files cannot be read is a run all the same, and says why it lacks the rest."""
    folder = tmp_path / "job" / ".hydra"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_bytes(content)
    (folder / "overrides.yaml").write_bytes(content)
    (folder / "hydra.yaml").write_bytes(content)
    group = load(tmp_path, cache=False)
    assert group.ids == ("job",)
    if content:
        assert any(str(folder) in str(finding.path) for finding in group.findings)


def test_a_job_is_recognised_by_its_place() -> None:
    """A ``config.yaml`` anywhere else is nobody's job."""
    reader = HydraReader()
    assert reader.detect(Path("a/.hydra/config.yaml"), b"").confidence == TRACKER
    assert reader.detect(Path("a/config.yaml"), b"").confidence == 0
    assert list(reader.claims(Tree.of(["a/config.yaml", "a/.hydra/hydra.yaml"]))) == []


def test_reading_a_job_alone(tmp_path: Path) -> None:
    """Without the other files the configuration is still there."""
    path = tmp_path / ".hydra" / "config.yaml"
    path.parent.mkdir()
    path.write_text(json.dumps({"a": {"b": 1e-4}}))
    (run,) = HydraReader().read(path, "r", ReadOptions("e")).runs
    assert (run.id, run.experiment, dict(run.hpms)) == ("r", "e", {"a.b": 1e-4})


@pytest.mark.skipif(not REAL.is_dir(), reason="the real logs are not beside this checkout")
def test_real_jobs_are_not_told_by_their_numbers() -> None:
    """Two sweeps in one folder: ten jobs, whose numbers repeat, are ten runs."""
    jobs = list(HydraReader().claims(Tree.of(walk(str(REAL))[0])))
    assert len(jobs) == 10
    group = load(REAL, cache=False)
    silent = [run for run in group if not run.n_points]
    assert len(silent) == 8
    numbers = [run.metadata["hydra"]["num"] for run in group]
    assert sorted(numbers).count(0) == sorted(numbers).count(1) == 2
    swept = {run.hpms["data.n_labeled"] for run in group}
    assert swept == {0.1, 0.2, 100, 1000}
