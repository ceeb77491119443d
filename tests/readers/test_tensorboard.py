"""Runs of event files: files joined, restarts resolved, hyperparameters and ends found."""

from __future__ import annotations

import math
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from dr_gen.model.run import RunData
from dr_gen.readers.contract import ColumnMap, More, ReadOptions, ReadResult
from dr_gen.readers.tensorboard.reader import TensorBoardReader
from dr_gen.readers.tree import Tree, walk
from dr_gen.testing import ReaderContract, blocks, runs
from dr_gen.validators import validate
from tests.readers.event_files import (
    HEADER,
    double,
    event,
    exact,
    field,
    metadata,
    record,
    scalar,
    session_end,
    session_start,
    tensor,
    text,
    write,
)
from tests.readers.refused import refusing

READER = TensorBoardReader()
NAME = "events.out.tfevents.1700000000.host.7.0"
LATER = "events.out.tfevents.1700000500.host.8.0"


def claimed(folder: Path) -> list[tuple[Path, tuple[Path, ...], Path]]:
    """Anchor, parts and what names the run, of each claim."""
    claims = READER.claims(Tree.of(walk(str(folder))[0]))
    return [(Path(c.path), tuple(map(Path, c.parts)), Path(c.named)) for c in claims]


def results_of(folder: Path, **options: Any) -> dict[str, ReadResult]:
    """What is read of each claim, by the folder of the run."""
    return {
        named.relative_to(folder).as_posix(): READER.read(
            anchor, "run", ReadOptions(parts=parts, **options)
        )
        for anchor, parts, named in claimed(folder)
    }


def run_of(folder: Path, **options: Any) -> RunData:
    """The only run below a folder."""
    [result] = results_of(folder, **options).values()
    [run] = result.runs
    return run


def codes(run: RunData) -> list[str]:
    """The codes of the findings of a run."""
    return [finding.code for finding in run.findings]


def losses(steps: range, offset: float = 0.0, wall: float = 1e9) -> list[bytes]:
    """A loss at some steps, one a second."""
    return [event(scalar("loss", offset + s), s, wall + s) for s in steps]


class TestTensorBoard(ReaderContract):
    """The reader of event files."""

    reader: ClassVar[TensorBoardReader] = READER
    lines = False

    def source_runs(self) -> SearchStrategy[RunData]:
        """Runs by step, whose values have 64 bits."""

        def counted(size: int) -> SearchStrategy[Any]:
            return st.integers(1, 10**12).map(lambda first: np.arange(first, first + size))

        return runs(
            ids=st.just("run"),
            hpms=st.just({"optim.lr": 0.1, "seed": 0, "act": "ü", "amp": True, "decay": None}),
            splits=st.sampled_from(["train", "val", "eval"]),
            metrics=st.sampled_from(["loss", "acc1", "θ[0]"]),
            rows=blocks(x_names=st.just("step"), xs=counted),
        )

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run without wall times, so that steps are its only axis."""
        events = [event(session_start(run.hpms))]
        curves: dict[str, Any] = {}
        for split, metrics in run.items():
            for metric in metrics:
                curve = run.curve(f"{split}/{metric}", x="step", repeats="all")
                steps, values = curve.xs.tolist(), curve.values.tolist()
                if steps:
                    name = f"{split}/{metric}"
                    curves[name] = {"x": {"step": steps}, "values": values, "original_name": name}
                    events += [event(exact(name, v), s) for s, v in zip(steps, values, strict=True)]
        path = write(tmp_path / NAME, events)
        return path, RunData.from_dict({"id": "run", "hpms": dict(run.hpms), "curves": curves})


# ------------------------------------------------------------------ curves


def test_axes_and_names(tmp_path: Path) -> None:
    """Tags become splits and metrics, steps and seconds since the first event are the axes."""
    events = [
        event(scalar("loss", 1.0), 0, 1e9 + 5),
        event(scalar("val_acc", 0.5), 0, 1e9 + 6),
        event(scalar("loss", 0.5), 10, 1e9 + 15.5),
    ]
    header = event(rest=field(3, b"brain.Event:2"), wall=1e9 + 1)
    (tmp_path / NAME).write_bytes(b"".join(map(record, [header, *events])))
    run = run_of(tmp_path)
    assert run.metrics == ("train/loss", "val/acc")
    loss = run["train"]["loss"]
    assert (loss["step"].xs.tolist(), loss["step"].values.tolist()) == ([0, 10], [1.0, 0.5])
    assert loss["time"].xs.tolist() == [4.0, 14.5]
    assert run.curve("val/acc").original_name == "val_acc"
    assert run.metadata["start_time"] == 1e9 + 1
    assert run.metadata["x_columns"] == {"time": "wall_time"}
    assert run.findings == ()


@pytest.mark.parametrize(
    "tag",
    ["loss[0]", "θ/ρ-σ", "a b  c", "layer.1/weight:0", "Loss (smooth)", "100%", "x" * 300, "損失"],
)
def test_unusual_names(tag: str, tmp_path: Path) -> None:
    """Any text is a name, and it stays available as it was."""
    write(tmp_path / NAME, [event(scalar(tag, 1.0), 1)])
    [curve] = run_of(tmp_path).curves()
    assert curve.original_name == tag


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """Two tags that are no UTF-8 stay two, and an empty one is called so."""
    values = [field(1, field(1, tag) + b"\x15\0\0\x80?") for tag in (b"\xff", b"\xfe", b"")]
    write(tmp_path / NAME, [event(value, 3) for value in values])
    run = run_of(tmp_path)
    assert run.metrics == ("train/\\xff", "train/\\xfe", "train/unnamed")


def test_a_counter_is_an_axis(tmp_path: Path) -> None:
    """An epoch that was logged at the steps of the others is their axis, and stays a metric."""
    events = []
    for step in (10, 20, 30):
        events += [event(scalar(n, v), step) for n, v in (("train/epoch", step / 20), ("m", 1.0))]
        events.append(event(scalar("eval/m", 2.0), step))
    events.append(event(scalar("test/m", 2.0), 31))
    write(tmp_path / NAME, events)
    run = run_of(tmp_path)
    assert run.curve("eval/m", x="epoch").xs.tolist() == [0.5, 1.0, 1.5]
    assert run.curve("train/epoch", x="step").values.tolist() == [0.5, 1.0, 1.5]
    assert set(run["test"]["m"]) == {"step"}
    assert run.metadata["x_columns"] == {"epoch": "train/epoch"}


def test_steps_that_are_all_zero(tmp_path: Path) -> None:
    """Where no step was logged, the values of each metric are counted."""
    events = [event(scalar(tag, i), 0, 1e9 + i) for i in range(4) for tag in ("a", "b")]
    write(tmp_path / NAME, events)
    run = run_of(tmp_path)
    assert run.curve("a").xs.tolist() == [0, 1, 2, 3]
    assert run.curve("b").inferred
    assert codes(run) == ["x-inferred"]


@given(steps=st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_repeated_steps_are_kept(
    steps: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Everything that was logged stays in the columns, and the last value at a step counts."""
    folder = tmp_path_factory.mktemp("run")
    write(folder / NAME, [event(scalar("loss", i), s, 1e9 + i) for i, s in enumerate(steps)])
    run = run_of(folder)
    assert run.n_points == len(steps)
    assert run.curve("loss", x="time").values.tolist() == list(range(len(steps)))
    if any(steps):
        last = {step: float(i) for i, step in enumerate(steps)}
        curve = run.curve("loss", x="step")
        assert dict(zip(curve.xs.tolist(), curve.values.tolist(), strict=True)) == last
        assert ("repeated-x" in codes(run) or "closing-row" in codes(run)) == (
            len(last) < len(steps)
        ) or "x-constant" in codes(run)


def test_steps_beyond_those_of_floats(tmp_path: Path) -> None:
    """Steps are whole numbers of 64 bits."""
    steps = [-(2**63), -1, 2**53 + 1, 2**63 - 1]
    write(tmp_path / NAME, [event(scalar("a", 1.0), s) for s in steps])
    assert run_of(tmp_path).curve("a", x="step").xs.tolist() == steps


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    """NaN and infinity are values, wall times that are neither are left out."""
    values = [math.nan, math.inf, -math.inf, 1.0]
    walls = [1e9, math.nan, math.inf, -math.inf]
    rows = enumerate(zip(values, walls, strict=True), 1)
    write(tmp_path / NAME, [event(scalar("a", v), i, w) for i, (v, w) in rows])
    run = run_of(tmp_path)
    assert np.array_equal(run.curve("a", x="step").values, values, equal_nan=True)
    assert run.curve("a", x="time").xs.tolist() == [0.0]


def test_metrics_of_the_machine_are_kept_apart(tmp_path: Path) -> None:
    """What the machine did is no result of the training."""
    events = [event(scalar(tag, i), i) for i in (1, 2) for tag in ("loss", "system/gpu.0.memory")]
    write(tmp_path / NAME, events)
    run = run_of(tmp_path)
    assert run.metrics == ("train/loss",)
    assert run.metadata["system"] == {"gpu.0.memory": {"n": 2, "min": 1.0, "mean": 1.5, "max": 2.0}}


def test_a_mapping_of_columns_overrules(tmp_path: Path) -> None:
    """The caller says what tags mean, in place of their names."""
    events = [event(scalar(tag, i), i) for i in (1, 2) for tag in ("a", "b", "wd", "tick")]
    write(tmp_path / NAME, events)
    columns = ColumnMap({"tick": "batch"}, {"a": "test/score"}, hpms=("wd",), ignore=("b",))
    run = run_of(tmp_path, columns=columns)
    assert run.metrics == ("test/score",)
    assert run.curve("test/score", x="batch").xs.tolist() == [1, 2]
    assert dict(run.hpms) == {"wd": 2.0}


# ------------------------------------------------------------------ several files


def test_a_resumed_run_is_one(tmp_path: Path) -> None:
    """Files of one folder are joined in the order in which they were begun."""
    write(tmp_path / NAME, losses(range(1, 8)))
    write(tmp_path / LATER, losses(range(5, 11), 100.0, 1e9 + 500))
    [(anchor, parts, named)] = claimed(tmp_path)
    assert (anchor.name, [part.name for part in parts], named) == (LATER, [NAME], tmp_path)
    run = run_of(tmp_path)
    first = [float(s) for s in range(1, 5)]
    assert run.curve("loss", x="step").values.tolist() == [
        *first,
        *(100.0 + s for s in range(5, 11)),
    ]
    assert run.curve("loss", x="step", repeats="first").values.tolist()[4:7] == [5.0, 6.0, 7.0]
    assert run.n_points == 13
    [finding] = run.findings
    assert (finding.code, finding.line) == ("repeated-x", None)
    assert "step 5–7 logged again in 3 values of loss" in finding.message


def test_a_restart_makes_later_steps_void(tmp_path: Path) -> None:
    """A writer that says from which step it goes on takes back what was not logged again."""
    restart = event(step=5, wall=1e9 + 500, rest=field(7, field(1, 1)))
    write(tmp_path / NAME, losses(range(1, 10)))
    write(tmp_path / LATER, [restart, *losses(range(5, 8), 100.0, 1e9 + 500)])
    run = run_of(tmp_path)
    assert run.curve("loss", x="step").xs.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert run.curve("loss", x="step", repeats="first").values.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert run.curve("loss", x="step").values.tolist()[4:] == [105.0, 106.0, 107.0]
    [purged] = [f for f in run.findings if f.code == "purged-steps"]
    assert "step 8–9: 2 values of loss from before a restart" in purged.message


@given(
    logged=st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=15),
    cut=st.integers(0, 15),
)
def test_restarts(
    logged: list[tuple[bool, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A value is left out where a restart took its step back and nobody logged that step again."""
    folder = tmp_path_factory.mktemp("run")
    restart = field(7, field(1, 1))
    events = [
        event(step=step, wall=1e9 + i, rest=restart)
        if is_restart
        else event(scalar("loss", i), step, 1e9 + i)
        for i, (is_restart, step) in enumerate(logged)
    ]
    write(folder / NAME, events[:cut])
    write(folder / LATER, events[cut:])
    kept = []
    for i, (is_restart, step) in enumerate(logged):
        void = any(
            took_back and first <= step and (False, step) not in logged[j:]
            for j, (took_back, first) in enumerate(logged)
            if j > i
        )
        if not is_restart and not void:
            kept.append(i)
    run = run_of(folder)
    if kept:
        assert run.curve("loss", x="time", repeats="all").values.tolist() == kept
    assert run.n_points == len(kept)


def test_a_restart_inside_a_file(tmp_path: Path) -> None:
    """A restart in the same file counts for what stands before it alone."""
    restart = event(step=2, rest=field(7, field(1, 1)))
    stop = event(step=1, rest=field(7, field(1, 2)))
    events = [*losses(range(1, 5)), restart, *losses(range(2, 3), 10.0), stop]
    write(tmp_path / NAME, events)
    run = run_of(tmp_path)
    assert run.curve("loss", x="step").values.tolist() == [1.0, 12.0]


def test_two_writers_at_once(tmp_path: Path) -> None:
    """Two files with the same tags that were written at one time may be two runs."""
    write(tmp_path / NAME, losses(range(1, 9)))
    write(tmp_path / LATER, losses(range(1, 9), 100.0, 1e9 + 3))
    run = run_of(tmp_path)
    [finding] = [f for f in run.findings if f.code == "overlapping-files"]
    assert NAME in finding.message
    assert "a folder of its own" in finding.hint
    write(tmp_path / LATER, [event(scalar("other", 1.0), s, 1e9 + s) for s in range(9)])
    assert codes(run_of(tmp_path)) == []


def test_keras_writes_splits(tmp_path: Path) -> None:
    """Folders called by splits are the splits of the run above."""
    for split, offset in (("train", 0.0), ("validation", 10.0)):
        events = [event(scalar("epoch_loss", offset + s), s, 1e9 + s) for s in range(3)]
        write(tmp_path / "exp" / split / f"{NAME}.v2", events)
        write(tmp_path / "exp2" / split / f"{NAME}.v2", events)
    found = results_of(tmp_path)
    assert sorted(found) == ["exp", "exp2"]
    run = found["exp"].runs[0]
    assert run.metrics == ("train/epoch_loss", "val/epoch_loss")
    assert run.curve("val/epoch_loss").values.tolist() == [10.0, 11.0, 12.0]


def test_estimators_evaluate_below(tmp_path: Path) -> None:
    """A folder eval, or one of a named evaluation, below a run is a split of it."""
    write(tmp_path / NAME, losses(range(3)))
    write(tmp_path / "eval" / NAME, [event(scalar("accuracy", 0.5), 2)])
    write(tmp_path / "eval_easy" / NAME, [event(scalar("accuracy", 0.75), 2)])
    run = run_of(tmp_path)
    assert run.metrics == ("train/loss", "eval/accuracy", "eval_easy/accuracy")


def test_a_run_may_be_called_like_a_split(tmp_path: Path) -> None:
    """A folder called test among other runs is a run."""
    for name in ("test", "exp1", "exp2"):
        write(tmp_path / name / NAME, losses(range(3)))
    found = results_of(tmp_path)
    assert sorted(found) == ["exp1", "exp2", "test"]
    assert found["test"].runs[0].metrics == ("train/loss",)


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is called by its dot."""
    write(tmp_path / "train" / NAME, losses(range(3)))
    write(tmp_path / "val" / NAME, losses(range(3)))
    monkeypatch.chdir(tmp_path)
    [claim] = READER.claims(Tree.of(walk(".")[0]))
    assert (claim.named, claim.path, claim.parts) == (".", f"val/{NAME}", (f"train/{NAME}",))


def test_what_is_no_event_file(tmp_path: Path) -> None:
    """A file that was made of an event file is none; an empty one of a profiler never grows."""
    write(tmp_path / NAME, losses(range(3)))
    (tmp_path / f"{NAME}.csv").write_text("step,loss\n1,2\n")
    (tmp_path / "events.out.tfevents.1800000000.host.profile-empty").write_bytes(HEADER)
    [(anchor, parts, _)] = claimed(tmp_path)
    assert anchor.name == NAME
    assert [part.name for part in parts] == ["events.out.tfevents.1800000000.host.profile-empty"]
    assert len(run_of(tmp_path).curve("loss")) == 3


def test_copies_have_one_identity(tmp_path: Path) -> None:
    """The names of the files of a run hold when, where and by whom it was begun."""
    write(tmp_path / "a" / NAME, losses(range(3)))
    shutil.copytree(tmp_path / "a", tmp_path / "backup" / "a")
    write(tmp_path / "b" / LATER, losses(range(3)))
    claims = list(READER.claims(Tree.of(walk(str(tmp_path))[0])))
    assert [claim.identity for claim in claims] == [NAME, LATER, NAME]


# ------------------------------------------------------------------ folders of PyTorch's writer


def trial(folder: Path, name: str, hpms: dict[str, object], value: float) -> None:
    """What ``add_hparams`` leaves."""
    events = [session_start(hpms), session_end(1), scalar("hparam/acc", value)]
    write(folder / name / NAME, [event(one, wall=1e9 + 50) for one in events])


def test_add_hparams_belongs_to_the_run(tmp_path: Path) -> None:
    """One trial below a run tells its hyperparameters and results."""
    write(tmp_path / NAME, losses(range(3)))
    trial(tmp_path, "1700000123.4567", {"lr": 0.1, "bs": 32}, 0.9)
    run = run_of(tmp_path)
    assert dict(run.hpms) == {"lr": 0.1, "bs": 32}
    assert type(run.hpms["bs"]) is int
    assert run.metrics == ("train/loss", "train/hparam/acc")
    assert run.metadata["end"] == {"status": "completed", "reason": None}


def test_add_hparams_twice_is_one_run(tmp_path: Path) -> None:
    """The same hyperparameters written twice, as by a resumed run, are one set."""
    write(tmp_path / NAME, losses(range(3)))
    for name in ("1700000123.5", "1700000456.5"):
        trial(tmp_path, name, {"lr": 0.1}, 0.9)
    run = run_of(tmp_path)
    assert dict(run.hpms) == {"lr": 0.1}
    assert len(run.curve("hparam/acc", repeats="all")) == 2


@pytest.mark.parametrize("scalars", [0, 3])
def test_several_trials_are_runs(tmp_path: Path, scalars: int) -> None:
    """Trials with other hyperparameters each are runs, and what lies above only if it has any."""
    write(tmp_path / NAME, losses(range(scalars)))
    for i in range(3):
        trial(tmp_path, f"170000012{i}.5", {"lr": 0.1 * i}, 0.5 + i)
    [result] = results_of(tmp_path).values()
    above = ["run"] if scalars else []
    assert [run.id for run in result.runs] == [*above, *(f"run/170000012{i}.5" for i in range(3))]
    assert dict(result.runs[-1].hpms) == {"lr": 0.2}
    assert result.runs[-1].value("hparam/acc") == 2.5
    assert result.closed


def test_runs_may_be_called_by_the_time(tmp_path: Path) -> None:
    """A folder called by the time without what ``add_hparams`` writes is a run of its own."""
    write(tmp_path / NAME, losses(range(1)))
    for n in (1, 2):
        write(tmp_path / f"170000012{n}.5" / NAME, losses(range(n + 1)))
    [result] = results_of(tmp_path).values()
    assert [(run.id, run.n_points) for run in result.runs] == [
        ("run", 1),
        ("run/1700000121.5", 2),
        ("run/1700000122.5", 3),
    ]


def test_add_scalars_belongs_to_the_run(tmp_path: Path) -> None:
    """The lines of one plot lie in folders of their own, called by the plot and the line."""
    write(tmp_path / NAME, losses(range(3)))
    lines = {"Loss_train": "Loss", "Loss_val": "Loss", "a_b_sin": "a/b"}
    for n, (name, tag) in enumerate(lines.items(), 1):
        events = [event(scalar(tag, s), s, 1e9 + s) for s in range(2)]
        write(tmp_path / name / f"events.out.tfevents.1700000001.host.7.{n}", events)
    names = ["train/Loss", "train/a/b/sin", "train/loss", "val/Loss"]
    assert sorted(run_of(tmp_path).metrics) == names


def test_runs_of_one_process_are_runs(tmp_path: Path) -> None:
    """Folders that the same process wrote, but not as lines of a plot, are runs of their own."""
    write(tmp_path / NAME, losses(range(3)))
    for n in (1, 2):
        folder = tmp_path / f"trial_{n}"
        write(folder / f"events.out.tfevents.1700000001.host.7.{n}", losses(range(n)))
    [result] = results_of(tmp_path).values()
    assert [(run.id, run.n_points) for run in result.runs] == [
        ("run", 3),
        ("run/trial_1", 1),
        ("run/trial_2", 2),
    ]
    # Another process is another source at once.
    write(tmp_path / "other_run" / LATER, losses(range(3)))
    assert sorted(results_of(tmp_path)) == [".", "other_run"]


# ------------------------------------------------------------------ hyperparameters and ends


def test_nested_hyperparameters(tmp_path: Path) -> None:
    """Values keep their types; what is nested gets dotted keys."""
    hpms = {"a": {"b": 1, "c": [1, "x"]}, "flag": False, "none": None, "text": "1e-4", "f": 0.5}
    write(tmp_path / NAME, [event(session_start(hpms))])
    run = run_of(tmp_path)
    expected = {"a.b": 1, "a.c": [1, "x"], "flag": False, "none": None, "text": "1e-4", "f": 0.5}
    assert dict(run.hpms) == expected
    assert run.n_points == 0


@pytest.mark.parametrize(
    ("status", "end"), [(1, "completed"), (2, "failed"), (3, "running"), (0, None)]
)
def test_how_a_session_ended(tmp_path: Path, status: int, end: str | None) -> None:
    """The status of the end of a session is that of the run."""
    write(tmp_path / NAME, [*losses(range(3)), event(session_end(status), wall=1e9 + 9)])
    run = run_of(tmp_path)
    assert run.metadata.get("end") == (None if end is None else {"status": end, "reason": None})
    assert str(validate(run).status) == (end or "completed")


def test_a_run_that_went_on_did_not_end(tmp_path: Path) -> None:
    """Who writes the end with the hyperparameters, and trains then, has not ended."""
    write(tmp_path / NAME, [event(session_end(1), wall=1e9), *losses(range(5))])
    assert "end" not in run_of(tmp_path).metadata


def test_the_end_of_a_training_of_hugging_face(tmp_path: Path) -> None:
    """What is logged of a whole training ends it, unless it goes on after that."""
    rows = [("train/loss", 10), ("train/train_runtime", 10), ("eval/loss", 10)]
    write(tmp_path / NAME, [event(scalar(tag, 1.0), s, 1e9 + i) for i, (tag, s) in enumerate(rows)])
    assert run_of(tmp_path).metadata["end"] == {"status": "completed", "reason": None}
    write(tmp_path / LATER, [event(scalar("train/loss", 1.0), 11, 1e9 + 500)])
    assert "end" not in run_of(tmp_path).metadata


def test_texts_that_are_configurations(tmp_path: Path) -> None:
    """JSON of Hugging Face, a table of CleanRL and lines of names and values are all read."""
    table = "|param|value|\n|-|-|\n|seed|1|\n|lr|0.0003|\n|env|Hopper-v4|\n|anneal|True|\n|a|x|y|"
    events = [
        event(text("args/text_summary", '{"output_dir": "out", "optim": {"lr": 1e-4}}')),
        event(text("hyperparameters/text_summary", table)),
        event(text("model_config", '```json\n{"layers": 2}\n```')),
        event(text("config", "alpha: 0.5\nname = 'b'\n")),
        event(text("note", "hello"), 1),
        event(text("note", "good bye"), 2),
        event(text("config/broken", "{not json")),
        event(text("long", "x" * 5000)),
    ]
    write(tmp_path / NAME, events)
    run = run_of(tmp_path)
    assert dict(run.hpms) == {
        **{"output_dir": "out", "optim.lr": 1e-4},
        **{"seed": 1, "lr": 0.0003, "env": "Hopper-v4", "anneal": True, "a": "x|y"},
        **{"model_config.layers": 2, "alpha": 0.5, "name": "b"},
    }
    assert run.metadata["texts"] == {"note": "good bye", "config/broken": "{not json"}
    [finding] = [f for f in run.findings if f.code == "other-summaries"]
    assert finding.message.endswith("left out: 1 earlier text, 1 text")


def test_settings_beside_the_events(tmp_path: Path) -> None:
    """Lightning writes hparams.yaml beside the events; what the events say counts."""
    write(tmp_path / NAME, [event(session_start({"lr": 0.1})), *losses(range(3))])
    (tmp_path / "hparams.yaml").write_text("lr: 0.2\nwidth: 64\n")
    run = run_of(tmp_path)
    assert dict(run.hpms) == {"lr": 0.1, "width": 64}
    assert codes(run) == ["config-conflict"]


def test_settings_above_splits(tmp_path: Path) -> None:
    """Settings in the folder of a run that has its events in splits are among its files."""
    for split in ("train", "validation"):
        write(tmp_path / split / NAME, losses(range(3)))
    (tmp_path / "config.json").write_text('{"lr": 0.2}')
    [(_, parts, _)] = claimed(tmp_path)
    assert tmp_path / "config.json" in parts
    assert dict(run_of(tmp_path).hpms) == {"lr": 0.2}


def guild_run(folder: Path, exit_status: str | None = "0") -> None:
    """A run as Guild keeps it."""
    write(folder / ".guild" / NAME, losses(range(3)))
    facts = {"flags": "noise: 0.1\nx: 1e-2\n", "id": folder.name, "random_seed": "3"}
    (folder / ".guild" / "attrs").mkdir()
    (folder / ".guild" / "opref").write_text("test: '' '' train")
    for name, content in (facts | ({"exit_status": exit_status} if exit_status else {})).items():
        (folder / ".guild" / "attrs" / name).write_text(content)


@pytest.mark.parametrize(
    ("exit_status", "status"), [("0", "completed"), ("-15", "failed"), (None, "completed")]
)
def test_guild_keeps_facts_beside(tmp_path: Path, exit_status: str | None, status: str) -> None:
    """Flags and exit code of Guild are hyperparameters and status of the run."""
    guild_run(tmp_path / "f00d", exit_status)
    [(name, result)] = results_of(tmp_path).items()
    [run] = result.runs
    assert name == "f00d"
    assert dict(run.hpms) == {"noise": 0.1, "x": 0.01, "random_seed": 3}
    assert str(validate(run).status) == status


def test_guild_runs_inside_guild_runs_are_copies(tmp_path: Path) -> None:
    """What a run of Guild depends on lies in it as a copy, which is no run."""
    guild_run(tmp_path / "f00d")
    guild_run(tmp_path / "beef" / "target")
    (tmp_path / "beef" / ".guild").mkdir()
    (tmp_path / "beef" / ".guild" / "opref").write_text("test: '' '' train")
    found = results_of(tmp_path)
    assert [f.code for f in found["beef/target"].findings] == ["dependency-copy"]
    assert found["beef/target"].runs == ()
    assert len(found["f00d"].runs) == 1


# ------------------------------------------------------------------ damage


def test_an_empty_file_is_a_run(tmp_path: Path) -> None:
    """A file without a byte, and one with a header alone, are runs without points."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / NAME).touch()
    write(tmp_path / "b" / NAME, [])
    for name, expected in (("a", ["empty-log"]), ("b", [])):
        run = run_of(tmp_path / name)
        assert (run.n_points, codes(run)) == (0, expected)
        assert str(validate(run).status) == "incomplete"


def test_a_wrong_checksum_costs_the_record(tmp_path: Path) -> None:
    """Damaged data are left out, and the finding says where they are."""
    path = write(tmp_path / NAME, losses(range(1, 4)))
    content = bytearray(path.read_bytes())
    place = len(HEADER) + len(record(losses(range(1, 2))[0]))
    content[place + 20] ^= 4
    path.write_bytes(content)
    run = run_of(tmp_path)
    assert run.curve("loss").values.tolist() == [1.0, 3.0]
    [finding] = run.findings
    assert (finding.code, finding.path) == ("bad-checksum", str(path))
    assert f"1 record at byte {place}" in finding.message


def test_a_wrong_length_ends_the_file(tmp_path: Path) -> None:
    """Where a length is damaged and no record found behind it, how much that is is said."""
    path = write(tmp_path / NAME, losses(range(1, 3)))
    content = bytearray(path.read_bytes())
    place = len(HEADER) + len(record(losses(range(1, 2))[0]))
    content[place] ^= 4
    path.write_bytes(content + bytes(99))
    run = run_of(tmp_path)
    assert run.curve("loss").values.tolist() == [1.0]
    [finding] = run.findings
    assert finding.code == "bad-length"
    assert f"the last {len(content) + 99 - place} bytes" in finding.message
    assert str(validate(run).status) == "incomplete"
    write(tmp_path / LATER, losses(range(3, 6), wall=1e9 + 500))
    run = run_of(tmp_path)
    assert (codes(run), str(validate(run).status)) == (["lost-records"], "completed")


def test_damaged_files_go_on(tmp_path: Path) -> None:
    """A file with a gap can be followed as any other; damage behind its end makes it be reread."""
    path = write(tmp_path / NAME, losses(range(1, 4)))
    content = path.read_bytes()
    content = HEADER + b"?" + content[len(HEADER) :]
    path.write_bytes(content)
    before = READER.read(path, "run", ReadOptions())
    more = b"".join(map(record, losses(range(4, 9))))
    after = grown(path, content + more, before)
    assert after == READER.read(path, "run", ReadOptions())
    assert after is not None
    assert codes(after.runs[0]) == ["lost-records"]
    assert grown(path, content + b"?" + more, before) is None
    assert len(READER.read(path, "run", ReadOptions()).runs[0].curve("loss")) == 8


def test_a_wrong_length_costs_the_record(tmp_path: Path) -> None:
    """Behind a damaged length the next record is looked for; where and how much is lost is said."""
    path = write(tmp_path / NAME, losses(range(1, 4)))
    content = bytearray(path.read_bytes())
    size = len(record(losses(range(1, 2))[0]))
    place = len(HEADER) + size
    content[place] ^= 4
    path.write_bytes(content)
    run = run_of(tmp_path)
    assert run.curve("loss").values.tolist() == [1.0, 3.0]
    [finding] = run.findings
    assert finding.code == "lost-records"
    assert f"1 record at byte {place} is damaged: {size} bytes" in finding.message
    assert str(validate(run).status) == "completed"


def test_a_record_that_is_no_event(tmp_path: Path) -> None:
    """Data that are whole but no event cost the record."""
    write(tmp_path / NAME, [*losses(range(1, 3)), b"\x2a\x7fno event", *losses(range(3, 4))])
    run = run_of(tmp_path)
    assert run.curve("loss").values.tolist() == [1.0, 2.0, 3.0]
    assert codes(run) == ["bad-record"]


def test_a_cut_record(tmp_path: Path) -> None:
    """The last record may be unfinished; that of an earlier file says that the run was killed."""
    path = write(tmp_path / NAME, losses(range(1, 4)))
    path.write_bytes(path.read_bytes()[:-3])
    run = run_of(tmp_path)
    assert run.curve("loss").values.tolist() == [1.0, 2.0]
    assert codes(run) == ["truncated-record"]
    assert str(validate(run).status) == "incomplete"
    write(tmp_path / LATER, losses(range(4, 6), wall=1e9 + 500))
    run = run_of(tmp_path)
    assert (codes(run), str(validate(run).status)) == (["cut-record"], "completed")


def test_a_part_that_went_away(tmp_path: Path) -> None:
    """A file that cannot be read is said; the others are read."""
    path = write(tmp_path / NAME, losses(range(1, 4)))
    result = READER.read(path, "run", ReadOptions(parts=(tmp_path / LATER,)))
    [run] = result.runs
    assert codes(run) == ["unreadable-file"]
    assert len(run.curve("loss")) == 3
    assert result.closed


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """What would wait for a writer is not opened."""
    os.mkfifo(tmp_path / NAME)
    [result] = results_of(tmp_path).values()
    assert [finding.code for finding in result.findings] == ["unreadable-file"]
    assert "it is no file" in result.findings[0].message


def test_many_sources_are_as_each(tmp_path: Path) -> None:
    """Reading sources together, which share what is known of events, changes nothing."""
    for n in range(3):
        events = [*losses(range(n, 40 + n)), event(exact("val/θ", n), 300 * n, 1e9)]
        write(tmp_path / f"run{n}" / NAME, events)
    items = [
        (anchor, f"run{i}", ReadOptions(parts=parts))
        for i, (anchor, parts, _) in enumerate(claimed(tmp_path))
    ]
    assert list(READER.read_many(items)) == [READER.read(*item) for item in items]


def test_deep_values_are_no_trouble(tmp_path: Path) -> None:
    """Values inside values without end are cut off."""
    value = field(3, b"x")
    for _ in range(5000):
        value = field(6, field(1, value))
    start = field(3, field(1, field(1, b"deep") + field(2, value)))
    one = field(1, field(1, b"h") + field(9, metadata("hparams", start)))
    write(tmp_path / NAME, [event(one), event(text("config", "[" * 10**5))])
    assert list(run_of(tmp_path).hpms) == ["deep"]


def test_no_sdk_is_needed(tmp_path: Path) -> None:
    """Event files are read where no package that writes or reads them can be imported."""
    write(tmp_path / NAME, [event(session_start({"lr": 0.5})), *losses(range(100))])
    program = """
import dr_gen
[run] = dr_gen.load(sys.argv[1], cache=False)
assert len(run.curve("loss")) == 100 and run.hpms["lr"] == 0.5
"""
    refusing(program, str(tmp_path))


# ------------------------------------------------------------------ growing files


def grown(path: Path, content: bytes, before: ReadResult, **options: Any) -> ReadResult | None:
    """What is made of a file that has `content` now, and had less before."""
    end = before.end
    assert end is not None
    options_ = ReadOptions(**options)
    [run] = before.runs
    kept = tuple(f for f in run.findings if f.code != "truncated-record")
    run = run.with_facts(findings=kept)
    more = More(
        path, "run", options_, run, before.state, content[max(0, end - 64) : end], content[end:]
    )
    path.write_bytes(content)
    [result] = READER.read_more([more])
    return result


def cuts(n: int, size: int) -> Iterator[int]:
    """Some places in a file of `size` bytes."""
    yield from sorted({size * i // n for i in range(n + 1)})


GROWING = st.lists(
    st.builds(
        lambda tag, step, value, wall: event(scalar(tag, value), step, 1e9 + wall),
        st.sampled_from(["loss", "val/loss", "epoch", "θ"]),
        st.integers(0, 12),
        st.floats(width=32),
        st.floats(0, 1e3),
    ),
    min_size=1,
    max_size=14,
)


@given(events=GROWING, where=st.tuples(st.integers(0, 100), st.integers(0, 100)))
def test_going_on_is_reading_it_all(
    events: list[bytes], where: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What was appended, once or twice, gives exactly what the whole file gives."""
    folder = tmp_path_factory.mktemp("run")
    path = write(folder / NAME, events)
    content = path.read_bytes()
    least = len(HEADER) + len(record(events[0]))
    first, second = sorted(least + (len(content) - least) * w // 100 for w in where)
    path.write_bytes(content[:first])
    result: ReadResult | None = READER.read(path, "run", ReadOptions())
    for end in (second, len(content)):
        assert result is not None
        assert not result.closed
        result = grown(path, content[:end], result)
        whole = READER.read(path, "run", ReadOptions())
        assert result == whole


def test_going_on_after_a_resume(tmp_path: Path) -> None:
    """Where a run has several files the last one may grow."""
    old = write(tmp_path / NAME, losses(range(1, 8)))
    path = write(tmp_path / LATER, losses(range(5, 9), 100.0, 1e9 + 500))
    before = READER.read(path, "run", ReadOptions(parts=(old,)))
    content = path.read_bytes() + b"".join(map(record, losses(range(9, 30), 100.0, 1e9 + 500)))
    after = grown(path, content, before, parts=(old,))
    assert after == READER.read(path, "run", ReadOptions(parts=(old,)))
    assert after is not None
    assert len(after.runs[0].curve("loss")) == 29


REREAD = {
    "a text": event(text("note", "x"), 9, 1e9),
    "hyperparameters": event(session_start({"lr": 1})),
    "a restart": event(step=1, rest=field(7, field(1, 1))),
    "no event": b"\x2a\x7fno event",
    "a plugin": event(tensor("t", field(1, 1) + field(5, bytes(4)), "pr_curves"), 3, 1e9),
    "the end": event(scalar("train/train_runtime", 3.0), 9, 1e9),
    "the machine": event(scalar("system/cpu", 3.0), 3, 1e9),
}


@pytest.mark.parametrize("data", REREAD.values(), ids=REREAD.keys())
def test_what_needs_the_whole_file(data: bytes, tmp_path: Path) -> None:
    """An event that says more than scalars do makes the file be read as a whole."""
    path = write(tmp_path / NAME, losses(range(1, 4)))
    before = READER.read(path, "run", ReadOptions())
    assert grown(path, path.read_bytes() + record(data), before) is None
    assert READER.read_more([]) == []


def test_runs_with_hyperparameters_go_on(tmp_path: Path) -> None:
    """Lightning writes hyperparameters and an end before it trains: the run can be followed."""
    first = [event(one, wall=1e9) for one in (session_start({"lr": 0.5}), session_end(1))]
    path = write(tmp_path / NAME, [*first, *losses(range(3, 6))])
    before = READER.read(path, "run", ReadOptions())
    after = grown(path, path.read_bytes() + record(losses(range(6, 7))[0]), before)
    assert after == READER.read(path, "run", ReadOptions())
    assert after is not None
    assert dict(after.runs[0].hpms) == {"lr": 0.5}
    path = write(tmp_path / "ended" / NAME, [*losses(range(3)), event(session_end(1), wall=2e9)])
    assert READER.read(path, "run", ReadOptions()).closed


def test_trainings_in_one_folder_are_told(tmp_path: Path) -> None:
    """A curve that begins with a later training and ends with an earlier one says so."""
    old = write(tmp_path / NAME, losses(range(8)))
    path = write(tmp_path / LATER, losses(range(3), 100.0, 1e9 + 500))
    before = READER.read(path, "run", ReadOptions(parts=(old,)))
    [run] = before.runs
    assert run.curve("loss").values.tolist() == [100.0, 101.0, 102.0, *range(3, 8)]
    assert codes(run) == ["started-over", "repeated-x"]
    assert "begins again at step 0 and ends at step 2" in run.findings[0].message
    assert before.closed  # once it comes further than the other, all is its own
    write(tmp_path / LATER, losses(range(9), 100.0, 1e9 + 500))
    after = READER.read(path, "run", ReadOptions(parts=(old,)))
    assert codes(after.runs[0]) == ["repeated-x"]
    assert not after.closed


def test_restarts_go_on(tmp_path: Path) -> None:
    """A run that was resumed can be followed once it logged again what was taken back."""
    restart = event(step=3, wall=1e9 + 500, rest=field(7, field(1, 1)))
    events = [*losses(range(5)), restart, *losses(range(3, 4), 9.0, 1e9 + 500)]
    path = write(tmp_path / NAME, events)
    assert READER.read(path, "run", ReadOptions()).closed
    path = write(tmp_path / NAME, [*events, *losses(range(4, 5), 9.0, 1e9 + 500)])
    before = READER.read(path, "run", ReadOptions())
    more = b"".join(map(record, losses(range(5, 9), 9.0, 1e9 + 500)))
    after = grown(path, path.read_bytes() + more, before)
    assert after == READER.read(path, "run", ReadOptions())
    assert after is not None
    assert after.runs[0].curve("loss", x="step").values.tolist()[3:5] == [12.0, 13.0]


def test_a_large_record_is_said(tmp_path: Path) -> None:
    """A record that is too large for scalars is passed over, and damage in it found."""
    data = bytearray(record(event(rest=field(4, bytes(17_000_000)))))
    path = write(tmp_path / NAME, losses(range(2)))
    path.write_bytes(path.read_bytes() + data)
    [finding] = run_of(tmp_path).findings
    assert (finding.code, str(finding.severity)) == ("large-record", "info")
    data[100] ^= 1
    path.write_bytes(path.read_bytes() + data)
    assert codes(run_of(tmp_path)) == ["bad-checksum", "large-record"]


def test_images_go_on(tmp_path: Path) -> None:
    """Images that were appended are counted with those before."""
    image = event(field(1, field(1, b"i") + field(4, b"png")), 3, 1e9)
    path = write(tmp_path / NAME, [image, *losses(range(1, 4))])
    before = READER.read(path, "run", ReadOptions())
    after = grown(path, path.read_bytes() + 2 * record(image), before)
    assert after == READER.read(path, "run", ReadOptions())
    assert after is not None
    assert after.runs[0].findings[0].message.endswith("3 images")


# ------------------------------------------------------------------ hostile files


def sample() -> bytes:
    """A small file with all that events may hold."""
    events = [
        event(session_start({"lr": 0.1, "nested": {"a": [1]}}), wall=1e9),
        event(text("args", '{"lr": 0.1}'), wall=1e9),
        event(text("hyperparameters", "|param|value|\n|-|-|\n|seed|1|")),
        event(field(1, field(1, b"i") + field(4, bytes(50))), 3, 1e9),
        event(step=4, rest=field(7, field(1, 1))),
        event(rest=field(4, b"graph") + double(1, 1e9)),
        event(scalar("a", 1.0) + scalar("b", 2.0) + exact("c", 3.0), 7, 1e9),
        *(event(scalar("loss", s), s, 1e9 + s) for s in range(20)),
        *(event(exact("val/loss", s), s * 1000, 1e9 + s) for s in range(20)),
        event(tensor("n", field(1, 9) + field(10, 5)), 8, 1e9),
        event(session_end(1), wall=2e9),
    ]
    return HEADER + b"".join(map(record, events))


def mutated(content: bytes, rng: np.random.Generator, *, repaired: bool) -> bytes:
    """A file with some bytes changed, cut, repeated or put in; its checksums right if repaired."""
    records = []
    place = 0
    while place < len(content):
        size = struct.unpack_from("<Q", content, place)[0]
        records.append(bytearray(content[place + 12 : place + 12 + size]))
        place += 16 + size
    if not repaired:
        records = [bytearray(content)]
    for _ in range(rng.integers(1, 5)):
        data = records[rng.integers(len(records))]
        at = int(rng.integers(len(data) + 1))
        match rng.integers(6):
            case 0 if at < len(data):
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                del data[at : at + int(rng.integers(1, 20))]
            case 2:
                data[at:at] = rng.bytes(int(rng.integers(1, 20)))
            case 3:
                data[at : at + 8] = struct.pack("<Q", int(rng.integers(2**63)))
            case 4:
                data[at:at] = data[: int(rng.integers(len(data) + 1))]
            case _:
                data[at : at + int(rng.integers(1, 12))] = b"\xff" * int(rng.integers(1, 12))
    return b"".join(map(record, map(bytes, records))) if repaired else bytes(records[0])


def attack(folder: Path, seeds: range) -> None:
    """Read mutated files; none may raise, and all that is lost is said."""
    content, path = sample(), folder / NAME
    for seed in seeds:
        rng = np.random.default_rng(seed)
        path.write_bytes(mutated(content, rng, repaired=bool(seed % 2)))
        result = READER.read(path, "run", ReadOptions())
        for run in result.runs:
            validate(run)
            assert all(finding.path == str(path) for finding in run.findings), seed


def test_damaged_files(tmp_path: Path) -> None:
    """Whatever was done to a file, what is left of it is read."""
    attack(tmp_path, range(300))


@pytest.mark.slow
def test_many_damaged_files(tmp_path: Path) -> None:
    """Ten thousand files, damaged in all ways."""
    attack(tmp_path, range(300, 11_000))
