"""Trees that were copied: trainings of Lightning and Hugging Face, which draw no ids."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dr_gen.ingestion import ingest, load

STEPS = 30


def lightning(folder: Path, first: float = 1.0) -> None:
    """A version of Lightning."""
    folder.mkdir(parents=True)
    rows = [f"{i},{i * 10},{first / (i + 1)}" for i in range(STEPS)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,step,train_loss", *rows]) + "\n")
    (folder / "hparams.yaml").write_text("lr: 0.1\n")


def trainer(folder: Path, first: float = 1.0) -> None:
    """An output folder of a trainer, with a checkpoint that has the results as well."""
    history = [{"epoch": i, "step": i * 10, "loss": first / (i + 1)} for i in range(STEPS)]
    state = {"global_step": STEPS * 10, "max_steps": STEPS * 10, "log_history": history}
    results = {"train_loss": 0.5, "train_runtime": 3.0, "epoch": STEPS}
    for place in (folder, folder / "checkpoint-300"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "trainer_state.json").write_text(json.dumps(state))
        for name in ("all_results", "train_results"):
            (place / f"{name}.json").write_text(json.dumps(results))


BOTH = pytest.mark.parametrize(
    ("write", "name"), [(lightning, "version_3"), (trainer, "out")], ids=["lightning", "trainer"]
)


@BOTH
def test_a_copied_tree_is_no_second_training(
    write: Callable[..., None], name: str, tmp_path: Path
) -> None:
    """Of a training and its copy in another tree the plainer one is read, and a finding says so."""
    write(tmp_path / "runs" / name)
    shutil.copytree(tmp_path / "runs", tmp_path / "old" / "runs (copy)")
    for group in (load(tmp_path, cache=False), ingest(tmp_path, tmp_path.parent / f"s-{name}")):
        assert group.ids == (f"runs/{name}",)
        assert [one.code for one in group.findings if "cop" in one.code] == ["copied-run"]


@BOTH
def test_trainings_of_one_name_are_two(
    write: Callable[..., None], name: str, tmp_path: Path
) -> None:
    """Folders that are called alike hold two trainings when their numbers differ."""
    write(tmp_path / "a" / name)
    write(tmp_path / "b" / name, first=2.0)
    assert load(tmp_path, cache=False).ids == (f"a/{name}", f"b/{name}")


def test_a_header_alone_is_no_copy(tmp_path: Path) -> None:
    """A version that was stopped before its first row is no beginning of another one."""
    lightning(tmp_path / "a" / "version_0")
    lightning(tmp_path / "b" / "version_0")
    (tmp_path / "b" / "version_0" / "metrics.csv").write_text("epoch,step,train_loss\n")
    assert len(load(tmp_path, cache=False)) == 2
