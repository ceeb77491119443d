"""Runs of Weights & Biases that other people logged: the facts that are known of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, ReadOptions
from dr_gen.readers.tree import Tree, walk
from dr_gen.readers.wandb.reader import WandbReader
from dr_gen.validators import validate


def runs_in(folder: Path) -> dict[str, RunData]:
    """The runs below a folder, by the id that the tool gave them, judged."""
    reader = WandbReader()
    runs = {}
    for claim in reader.claims(Tree.of(walk(str(folder))[0])):
        path = Path(claim.path)
        found = formats.detect(path, path.read_bytes()[:HEAD_BYTES])
        assert found is not None
        assert found[0].name == "wandb"
        parts = tuple(map(Path, claim.parts))
        [run] = reader.read(path, claim.named, ReadOptions(parts=parts)).runs
        assert run.metadata["run_id"] not in runs
        runs[run.metadata["run_id"]] = validate(run)
    return runs


def test_links_to_the_latest_run_are_no_runs(real_logs: Path, tmp_path: Path) -> None:
    """Two runs, though links show each twice, and each is called as its folder."""
    folder = tmp_path / "logs"
    shutil.copytree(real_logs / "wandb-hydra-vime", folder)
    for link in folder.glob("**/latest-run"):
        # Where links are not known they are files that say where they lead.
        target = link.read_text().strip()
        link.parent.chmod(0o755)
        link.unlink()
        link.symlink_to(target)
        assert link.is_dir()
    assert len(list(folder.glob("**/wandb/*run*/run-*.wandb"))) == 4
    runs = runs_in(folder)
    assert sorted(runs) == ["gwrblhjq", "q1b0a7un"]
    assert all(Path(run.id).name.startswith("run-2023") for run in runs.values())


def test_vime(real_logs: Path) -> None:
    """Two rows an epoch, one for each split, on all the axes that were logged."""
    runs = runs_in(real_logs / "wandb-hydra-vime")
    assert sorted(runs) == ["gwrblhjq", "q1b0a7un"]
    small, large = runs["q1b0a7un"], runs["gwrblhjq"]
    score = small.curve("val/score", x="epoch")
    assert score.original_name == "valid-score"
    assert len(score) == 64
    assert (score.at(0), score.at(17)) == (0.18400000035762787, 0.6434999704360962)
    assert small.value("val/score@last", x="epoch") == 0.7735000252723694
    assert small.value("val/score@best", x="epoch") == 0.7774999737739563
    assert score.xs[score.values.argmax()] == 58
    steps = {x for split in small for x in small[split]["loss"]["step"].xs.tolist()}
    assert steps == set(range(128))
    assert small.metadata["summary"]["valid-score"] == 0.7735000252723694
    best = large.curve("val/score", x="epoch")
    assert large.value("val/score@best", x="epoch") == 0.9024999737739563
    assert large.value("val/score@last", x="epoch") == 0.9024999737739563
    assert (best.at(99), best.at(17)) == (0.9024999737739563, 0.7544999718666077)
    assert large.value("train/loss@last", x="epoch") == 0.8624672889709473
    assert {x for s in large for x in large[s]["loss"]["step"].xs.tolist()} == set(range(200))
    for run in runs.values():
        assert set(run["val"]["score"]) == {"epoch", "step", "global_step", "time", "timestamp"}
        assert run.hpms["beta"] == 0.5
        assert run.hpms["optim"] is None
        assert (run.status, run.findings) == ("completed", ())
        assert run.metadata["end"]["reason"] == "the run ended with exit code 0"
        assert run.metadata["step_metrics"] == {"*": "trainer/global_step"}
        assert run.metadata["system_metrics"]["gpu.0.temp"]["n"] == 22
        assert "--multirun" in run.metadata["environment"]["args"]


def test_offline_run_without_rows(real_logs: Path) -> None:
    """It is listed, with its project and its exit code, and has no points and no settings."""
    [run] = runs_in(real_logs / "wandb-own-offline").values()
    assert (run.metadata["run_id"], run.metadata["project"]) == ("g9dvvkua", "code-toad")
    assert (run.n_points, run.metrics, dict(run.hpms)) == (0, (), {})
    assert run.metadata["end"] == {
        **{"status": "completed", "reason": "the run ended with exit code 0"},
    }
    assert "summary" not in run.metadata
    assert [finding.code for finding in run.findings] == ["no-metrics"]
    assert run.status == Status.COMPLETED
    assert run.reasons == ("ended by itself: the run has no metric values",)


def test_a_log_alone_tells_the_same(real_logs: Path) -> None:
    """A log that was moved out of its folder lacks nothing but what is known of the machine."""
    reader = WandbReader()
    [path] = (real_logs / "wandb-hydra-vime").glob("**/run-2023*/run-q1b0a7un.wandb")
    [alone] = reader.read(path, "run", ReadOptions()).runs
    whole = runs_in(real_logs / "wandb-hydra-vime")["q1b0a7un"]
    assert alone.hpms == whole.hpms
    assert {c.original_name: c.values.tolist() for c in alone.curves()} == {
        c.original_name: c.values.tolist() for c in whole.curves()
    }
