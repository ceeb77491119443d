"""What the real writers of event files wrote comes back."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.model.run import RunData
from dr_gen.readers.contract import ReadOptions, ReadResult
from dr_gen.readers.tensorboard.reader import TensorBoardReader
from dr_gen.readers.tree import Tree, walk

tensorboardX = pytest.importorskip("tensorboardX")
summaries = pytest.importorskip("tensorboardX.proto.summary_pb2")

READER = TensorBoardReader()
TAGS = ["train/loss", "val_acc", "a[0]", "θ/ρ", "with blank", "Loss (ema)", "50%", "x" * 200]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets: names of files hold the second in which they were begun."""
    clock = [1.7e9]

    def tick() -> float:
        clock[0] += 0.25
        return clock[0]

    monkeypatch.setattr(time, "time", tick)
    return clock


def results_of(folder: Path) -> dict[str, ReadResult]:
    """What is read of each claim, by the folder of the run."""
    return {
        Path(claim.named).relative_to(folder).as_posix(): READER.read(
            Path(claim.path), "run", ReadOptions(parts=tuple(map(Path, claim.parts)))
        )
        for claim in READER.claims(Tree.of(walk(str(folder))[0]))
    }


def run_of(folder: Path) -> RunData:
    """The only run below a folder."""
    [result] = results_of(folder).values()
    [run] = result.runs
    return run


def by_original(run: RunData) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of each tag."""
    found = {}
    for curve in run.curves():
        logged = run.curve(f"{curve.split}/{curve.metric}", x="step", repeats="all")
        found[curve.original_name] = (logged.xs.tolist(), logged.values.tolist())
    return found


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(TAGS), st.integers(1, 2**62), st.floats(width=32)),
        min_size=1,
        max_size=30,
        unique_by=lambda row: row[:2],
    )
)
def test_scalars(
    rows: list[tuple[str, int, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Names, steps and values of all scalars come back, and wall times in their order."""
    folder = tmp_path_factory.mktemp("run")
    with tensorboardX.SummaryWriter(str(folder)) as writer:
        for i, (tag, step, value) in enumerate(rows):
            # Its add_scalar changes the tag; that of PyTorch does not.
            summary = summaries.Summary()
            summary.value.add(tag=tag, simple_value=value)
            writer.file_writer.add_summary(summary, step, walltime=2e9 + i)
    run = run_of(folder)
    expected: dict[str, list[tuple[int, float]]] = {}
    for tag, step, value in rows:
        expected.setdefault(tag, []).append((step, value))
    found = by_original(run)
    assert found.keys() == expected.keys()
    for tag, points in expected.items():
        steps, values = zip(*sorted(points, key=lambda point: point[0]), strict=True)
        assert found[tag][0] == list(steps)
        assert np.array_equal(found[tag][1], values, equal_nan=True)
    times = {
        x for c in run.curves() for x in run.curve(f"{c.split}/{c.metric}", x="time").xs.tolist()
    }
    assert sorted(times) == [2e9 + i - run.metadata["start_time"] for i in range(len(rows))]


def test_everything_else_is_left_out(tmp_path: Path) -> None:
    """Images, histograms and texts are counted, and cost no scalar."""
    rng = np.random.default_rng(0)
    with tensorboardX.SummaryWriter(str(tmp_path)) as writer:
        for step in range(3):
            writer.add_scalar("loss", step, step)
            writer.add_image("sample", rng.random((3, 16, 16)), step)
            writer.add_histogram("weights", rng.normal(size=500), step)
            writer.add_pr_curve("pr", rng.integers(2, size=50), rng.random(50), step)
        writer.add_text("note", "hello **world**")
        writer.add_text("config", '{"optim": {"lr": 0.1}}')
    run = run_of(tmp_path)
    assert by_original(run) == {"loss": ([0, 1, 2], [0.0, 1.0, 2.0])}
    assert dict(run.hpms) == {"optim.lr": 0.1}
    assert run.metadata["texts"] == {"note": "hello **world**"}
    [finding] = run.findings
    assert finding.message == (
        "only scalars are read; left out: 3 histograms, 3 images, 3 precision-recall curves"
    )


def test_hyperparameters(tmp_path: Path) -> None:
    """Hyperparameters and results of one trial are those of the run."""
    hpms = {"lr": 1e-4, "bs": 32, "opt": "adam", "amp": True, "wd": "None"}
    with tensorboardX.SummaryWriter(str(tmp_path)) as writer:
        for step in range(3):
            writer.add_scalar("loss", step, step)
        writer.add_hparams(hpms, {"hparam/acc": 0.5}, global_step=3)
    run = run_of(tmp_path)
    assert dict(run.hpms) == hpms
    assert by_original(run)["hparam/acc"] == ([3], [0.5])
    assert run.metadata["end"]["status"] == "completed"


def test_trials(tmp_path: Path, now: list[float]) -> None:
    """As the manual of the writer shows: one writer for five trials, which are five runs."""
    with tensorboardX.SummaryWriter(str(tmp_path)) as writer:
        for i in range(5):
            writer.add_hparams({"lr": 0.1 * i, "bsize": i}, {"hparam/accuracy": 10 * i})
    [result] = results_of(tmp_path).values()
    assert [(run.hpms["bsize"], run.value("hparam/accuracy")) for run in result.runs] == [
        (i, 10.0 * i) for i in range(5)
    ]


def test_lines_of_one_plot(tmp_path: Path) -> None:
    """The lines of ``add_scalars`` are metrics of the run, by the plot and the line."""
    with tensorboardX.SummaryWriter(str(tmp_path)) as writer:
        for step in range(3):
            writer.add_scalar("lr", 0.5, step)
            writer.add_scalars("loss", {"train": step, "val": 10 * step}, step)
            writer.add_scalars("data/wave", {"sin": math.sin(step)}, step)
    run = run_of(tmp_path)
    assert sorted(run.metrics) == ["train/data/wave/sin", "train/loss", "train/lr", "val/loss"]
    assert run.curve("val/loss").values.tolist() == [0.0, 10.0, 20.0]
    assert run.curve("train/data/wave/sin").original_name == "data/wave/sin"


def test_a_resumed_run(tmp_path: Path, now: list[float]) -> None:
    """A writer that goes on from a checkpoint takes back what the first one logged after it."""
    for start, offset, purge in ((0, 0.0, None), (5, 100.0, 5)):
        with tensorboardX.SummaryWriter(str(tmp_path), purge_step=purge) as writer:
            for step in range(start, start + 8 - start // 2):
                writer.add_scalar("loss", step + offset, step)
            if not offset:
                writer.add_scalar("loss", -1.0, 50)
        now[0] += 100
    run = run_of(tmp_path)
    steps, _ = by_original(run)["loss"]
    assert steps == [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10]
    assert run.curve("loss", x="step").values.tolist() == [
        *(float(step) for step in range(5)),
        *(100.0 + step for step in range(5, 11)),
    ]
    assert [finding.code for finding in run.findings] == ["purged-steps", "repeated-x"]


# ------------------------------------------------------------------ TensorBoard's own writers


def test_tensors_of_tensorboard(tmp_path: Path) -> None:
    """The writer of TensorBoard writes scalars as tensors."""
    summary = pytest.importorskip("tensorboard.summary")
    writer = summary.Writer(str(tmp_path))
    for step in range(40):
        writer.add_scalar("train/loss", 1 / (1 + step), step=step)
        writer.add_scalar("val/loss", 2 / (1 + step), step=step)
    writer.close()
    run = run_of(tmp_path)
    for split, top in (("train", 1), ("val", 2)):
        curve = run.curve(f"{split}/loss")
        assert curve.xs.tolist() == list(range(40))
        assert curve.values.tolist() == [float(np.float32(top / (1 + s))) for s in range(40)]


def torch_writer(folder: Path) -> Any:
    """What ``torch.utils.tensorboard`` writes with."""
    files = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
    return files.EventFileWriter(str(folder))


def test_lines_of_one_plot_of_pytorch(tmp_path: Path) -> None:
    """PyTorch calls the folder of a line by plot and line, and logs the plot in it."""
    protos = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    folders = {"": "lr", "loss_train": "loss", "loss_val": "loss", "a_b_c": "a/b"}
    writers = {folder: torch_writer(tmp_path / folder) for folder in folders}
    for step in range(3):
        for folder, tag in folders.items():
            event = protos.Event(wall_time=1.7e9 + step, step=step)
            event.summary.value.add(tag=tag, simple_value=float(step))
            writers[folder].add_event(event)
    for writer in writers.values():
        writer.close()
    assert sorted(run_of(tmp_path).metrics) == ["train/a/b/c", "train/loss", "train/lr", "val/loss"]


def test_hyperparameters_of_keras(tmp_path: Path) -> None:
    """The callback of Keras writes hyperparameters into the files of the run."""
    protos = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    hparams = pytest.importorskip("tensorboard.plugins.hparams.summary_v2")
    writer = torch_writer(tmp_path)
    start = hparams.hparams_pb({"units": 64, "act": "relu", "dropout": 0.5}, trial_id="t1")
    writer.add_event(protos.Event(wall_time=1.7e9, summary=start))
    event = protos.Event(wall_time=1.7e9 + 5, step=1)
    event.summary.value.add(tag="epoch_loss", simple_value=0.25)
    writer.add_event(event)
    writer.close()
    run = run_of(tmp_path)
    assert dict(run.hpms) == {"units": 64, "act": "relu", "dropout": 0.5}
    assert run.metadata["group"] == "t1"
    assert run.findings == ()
