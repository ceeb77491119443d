"""Event files of other people's trainings: the facts that are known of them."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dr_gen.model.run import RunData
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, ReadOptions
from dr_gen.readers.tree import Tree, walk
from dr_gen.validators import validate


def runs_of(folder: Path) -> dict[str, RunData]:
    """The runs below a folder, judged, by their folder."""
    reader = formats.FORMATS["tensorboard"]
    found = {}
    for claim in reader.claims(Tree.of(walk(str(folder))[0])):  # type: ignore[attr-defined]
        anchor = Path(claim.path)
        with anchor.open("rb") as file:
            sure = formats.detect(anchor, file.read(HEAD_BYTES))
        assert sure is not None
        assert sure[0] is reader
        options = ReadOptions(parts=tuple(map(Path, claim.parts)))
        name = Path(claim.named).relative_to(folder).as_posix()
        for run in reader.read(anchor, name, options).runs:
            found[run.id] = validate(run)
    return found


def lasts(runs: dict[str, RunData], start: str) -> list[float]:
    """The last value of the only metric of each run of a group, by seed."""
    group = {int(name.rsplit("_", 1)[1]): run for name, run in runs.items() if start in name}
    assert sorted(group) == [0, 10, 100]
    return [group[seed].curves()[0].values[-1].item() for seed in sorted(group)]


def test_deep_reinforcement_learning(real_logs: Path) -> None:
    """Eleven groups of three seeds, named after their folders; names are not all ASCII."""
    runs = runs_of(real_logs / "tb-drl-lizhi-a")
    assert len(runs) == 33
    cheetah = lasts(runs, "TD3_env_HalfCheetah-v2")
    assert cheetah == [14990, 12870, 14411]
    assert statistics.mean(cheetah) == pytest.approx(14090.3333, abs=1e-4)
    assert statistics.stdev(cheetah) == pytest.approx(1095.7739, abs=1e-4)
    assert lasts(runs, "TD3_env_BipedalWalker-v3") == [316, 321, 322]
    assert lasts(runs, "A2C_env_CartPole-v1") == [500, 500, 258]
    assert lasts(runs, "TD3_env_Walker2d-v2") == [5459, 5215, 4462]
    walkers = sorted(name for name in runs if "BipedalWalker" in name)
    assert [runs[name].n_points for name in walkers] == [200, 400, 248]
    poles = [run.curves()[0] for name, run in sorted(runs.items()) if "A2C_env_CartPole-v1" in name]
    assert [np.mean(curve.values[-10:]).item() for curve in poles] == [500, 500, 450.1]
    [seed0] = [run for name, run in runs.items() if "Walker2d-v2_number_1_seed_0" in name]
    [curve] = seed0.curves()
    assert (curve.original_name, curve.x_name) == ("step_rewards_Walker2d-v2", "step")
    best = int(np.argmax(curve.values))
    assert (curve.values[best], curve.xs[best]) == (5536, 2939999)
    assert {run.curves()[0].xs[0].item() for run in runs.values()} <= {999, 4999}
    assert {str(run.status) for run in runs.values()} == {"completed"}
    assert not any(run.findings for run in runs.values())


def test_guild(real_logs: Path) -> None:
    """Five runs in hidden folders with flags and exit codes; copies inside two others are none."""
    runs = runs_of(real_logs / "tb-guild-samples" / "guild" / "tests" / "samples")
    filtered = {
        name.removeprefix("filter-runs/")[:4]: run
        for name, run in runs.items()
        if name.startswith("filter-runs/")
    }
    assert {name: str(run.status) for name, run in filtered.items()} == {
        "2dc1": "failed",
        "79ca": "completed",
        "ac99": "failed",
        "fa6f": "failed",
        "fe83": "failed",
    }
    assert filtered["2dc1"].reasons == ("exit status -16",)
    assert {name: (run.hpms["noise"], run.hpms["x"]) for name, run in filtered.items()} == {
        "2dc1": (0.1, 1.1),
        "79ca": (0.1, 0.1),
        "ac99": (0.4, -1.2),
        "fa6f": (0.1, -1.0),
        "fe83": (0.1, -1.0),
    }
    assert {run.seed for run in filtered.values()} == {1403141443}
    loss = filtered["2dc1"].curve("loss")
    assert (loss.xs.tolist(), loss.values.tolist()) == ([0], [0.478751003742218])
    [proxy] = [run for name, run in runs.items() if name.endswith("logs")]
    acc = proxy.curve("train/acc")
    assert (len(acc), *acc.values[[0, -1]].round(10).tolist()) == (20, 0.9233999848, 0.9951500297)
    held_out = proxy.curve("val/acc")
    assert held_out.original_name == "val_acc"
    best = int(np.argmax(held_out.values))
    assert (held_out.values[best].round(10), held_out.xs[best]) == (0.9850999713, 16)
    assert [finding.message for finding in proxy.findings] == [
        "only scalars are read; left out: 2 graphs"
    ]


def test_hugging_face(real_logs: Path) -> None:
    """Five trainings whose hyperparameters are JSON in a text, and whose epoch repeats."""
    runs = runs_of(real_logs / "hf-lora-agnews")
    assert sorted(runs) == [f"runs/run{i}" for i in range(5)]
    assert [run.n_points for run in runs.values()] == [126] * 5
    run = runs["runs/run4"]
    accuracy = run.curve("eval/accuracy", x="step")
    values = dict(zip(accuracy.xs.tolist(), accuracy.values.tolist(), strict=True))
    assert values[500] == pytest.approx(0.9089506172839507, rel=1e-6)
    assert values[1200] == pytest.approx(0.9135802469135802, rel=1e-6)
    loss = run.curve("train/loss", x="step")
    assert loss.values[[0, -1]].round(4).tolist() == [1.2893, 0.2362]
    epoch = run.curve("train/epoch", x="step", repeats="all")
    assert (len(epoch), len(run.curve("train/epoch", x="step"))) == (25, 12)
    assert run.curve("eval/accuracy", x="epoch").xs[-1] == epoch.values[-1]
    assert run.hpms["output_dir"] == "./results"
    assert "learning_rate" in run.hpms
    # It ends at max_steps, long before the number of epochs.
    assert str(run.status) == "completed"
    assert run.hpms["model_config.model_type"] == "roberta"
    [repeated] = [finding for finding in run.findings if finding.code == "repeated-x"]
    assert "13 values of train/epoch" in repeated.message


def test_tensors(real_logs: Path) -> None:
    """Scalars that are tensors are all there, as in the table beside them."""
    root = real_logs / "algoperf-sfadamw-v2"
    runs = runs_of(root)
    assert len(runs) == 24
    n = 0
    for name, run in runs.items():
        table = pl.read_csv(root / name / "eval_measurements.csv", infer_schema_length=None)
        for curve in run.curves():
            if curve.original_name in table.columns:
                logged = table.select("global_step", value=curve.original_name).drop_nulls()
                found = run.curve(f"{curve.split}/{curve.metric}", x="step")
                # The end of a training is in the events alone.
                at = np.isin(found.xs, logged["global_step"].to_numpy())
                assert len(logged) == at.sum() >= len(found) - 1, curve
                assert np.allclose(found.values[at], logged["value"].to_numpy(), rtol=1e-6), curve
                n += len(logged)
    assert n > 10_000


def test_as_tensorboard_reads_them(real_logs: Path) -> None:
    """TensorBoard's own reader finds the same steps and values in every file."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    n = 0
    for folder in ("hf-lora-agnews", "tb-drl-lizhi-a", "tb-guild-samples"):
        for name, run in runs_of(real_logs / folder).items():
            theirs = accumulators.EventAccumulator(
                str(Path(run.source).parent), {"scalars": 0, "tensors": 0}
            ).Reload()
            tags = theirs.Tags()["scalars"]
            mine = {curve.original_name for curve in run.curves()}
            assert mine == set(tags), name
            for curve in run.curves():
                x = "time" if "start_time" in run.metadata else "step"
                ours = run.curve(f"{curve.split}/{curve.metric}", x=x, repeats="all")
                scalars = theirs.Scalars(curve.original_name)
                n += len(scalars)
                assert ours.values.tolist() == [one.value for one in scalars]
                xs = [one.wall_time - run.metadata.get("start_time", 0) for one in scalars]
                assert x == "step" or ours.xs.tolist() == xs
    assert n > 5000
