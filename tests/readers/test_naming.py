"""What names of columns mean."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dr_gen.readers.cells import duration, read_number
from dr_gen.readers.naming import (
    grows,
    is_of_machine,
    row_split,
    split_name,
    time_axis,
    x_column,
)
from dr_gen.readers.splits import file_split


@pytest.mark.parametrize(
    ("name", "split", "metric"),
    [
        ("loss", None, "loss"),
        ("val", None, "val"),
        ("train/loss", "train", "loss"),
        ("training_loss", "train", "loss"),
        ("tr_loss", "train", "loss"),
        ("Train Loss", "train", "Loss"),
        ("validation/acc/top1", "val", "acc/top1"),
        ("valid-loss", "val", "loss"),
        ("val.loss", "val", "loss"),
        ("valLoss", "val", "Loss"),
        ("val_acc1", "val", "acc1"),
        ("dev_f1", "dev", "f1"),
        ("eval_g0_accuracy", "eval", "g0_accuracy"),
        ("evaluation/env_runners/reward", "eval", "env_runners/reward"),
        ("test_return_mean", "test", "return_mean"),
        ("loss/train", "train", "loss"),
        ("loss_val", "val", "loss"),
        ("fps/train", "train", "fps"),
        ("best_val_acc", "val", "best_val_acc"),
        ("imagenet-zeroshot-val-top1", "val", "imagenet-zeroshot-val-top1"),
        ("losses/train_loss", "train", "losses/train_loss"),
        ("coco/bbox_mAP", "val", "coco/bbox_mAP"),
        ("metrics/mAP50-95(B)", "val", "metrics/mAP50-95(B)"),
        ("metrics/precision(B)", "val", "metrics/precision(B)"),
        ("metrics/loss", None, "metrics/loss"),
        ("bbox/AP50", "val", "bbox/AP50"),
        ("std_dev", None, "std_dev"),
        ("max_val", None, "max_val"),
        ("is_valid", None, "is_valid"),
        ("num_valid_actions", None, "num_valid_actions"),
        ("trainer/lr", None, "trainer/lr"),
        ("evaluated", None, "evaluated"),
        ("contest_score", None, "contest_score"),
    ],
)
def test_split_in_a_name(name: str, split: str | None, metric: str) -> None:
    """A split is found where it is a word of its own, and nowhere else."""
    assert split_name(name) == (split, metric)


@given(st.text(max_size=12))
def test_any_name_has_a_metric(name: str) -> None:
    """Whatever a column is called, there is a metric name, and nothing is invented."""
    split, metric = split_name(name)
    assert metric in name
    assert (metric == "") == (name == "")
    assert split in {None, "train", "val", "dev", "eval", "test"}


@pytest.mark.parametrize(
    ("column", "x", "split"),
    [
        ("epoch", "epoch", None),
        ("EPOCH", "epoch", None),
        ("_step", "step", None),
        ("current_steps", "step", None),
        ("trainer/global_step", "global_step", None),
        ("training_iteration", "iteration", None),
        ("it", "iter", None),
        ("timesteps_total", "timesteps_total", None),
        ("time/total_timesteps", "total_timesteps", None),
        ("time/batch", "batch", None),
        ("time/epoch", "epoch", None),
        ("images_seen", "samples", None),
        ("tokens", "tokens", None),
        ("misc/total_timesteps", "total_timesteps", None),
        ("misc/nupdates", "update", None),
        ("frame", "frame", None),
        ("timestep", "timestep", None),
        ("num_input_tokens_seen", "tokens", None),
        ("misc/time_elapsed", "time", None),
        ("_runtime", "time", None),
        ("_timestamp", "timestamp", None),
        ("train/epoch", "epoch", "train"),
        ("val_step", "step", "val"),
        ("valid_num_updates", "num_updates", "val"),
    ],
)
def test_x_columns(column: str, x: str, split: str | None) -> None:
    """Counters and times are known by whole names, some of them with a split."""
    found = x_column(column)
    assert found is not None
    assert (found.x, found.split) == (x, split)


@pytest.mark.parametrize(
    ("stem", "split"),
    [("val", "val"), ("Eval_metrics", "eval"), ("test_run", None), ("run", None), ("", None)],
)
def test_split_of_a_file(stem: str, split: str | None) -> None:
    """A file called like a split, and nothing else, holds that split."""
    assert file_split(stem) == split


@pytest.mark.parametrize(
    "column", ["loss", "epochs", "train_time", "eval_samples", "step_time", ""]
)
def test_no_x_columns(column: str) -> None:
    """What only contains the name of a counter is none."""
    assert x_column(column) is None


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_what_grows(steps: list[float]) -> None:
    """Sums of positive steps grow, unless they never move; turned around they do not."""
    total, sums = 0.0, []
    for step in steps:
        total += step
        sums.append(total)
    moves = len(set(sums)) > 1
    assert grows(sums) == (moves or len(sums) < 2)
    if moves and len(set(sums)) == len(sums):
        assert not grows(sums[::-1])


def test_a_clock_that_starts_again_grows() -> None:
    """One restart in many rows is a resumed run; one in a few is not believed."""
    assert grows([*range(30), *range(30)])
    assert not grows([5, 6, 1, 2])


def test_times_since_1970() -> None:
    """Large seconds are a timestamp, whatever the column is called."""
    assert [time_axis(x, v) for x, v in [("time", 12.0), ("time", 1.7e9), ("timestamp", 1.0)]] == [
        "time",
        "timestamp",
        "timestamp",
    ]


@pytest.mark.parametrize(
    ("column", "text", "split"),
    [
        ("mode", "TRAIN", "train"),
        ("split", "fold 3", "fold 3"),
        ("type", "checkpoint", None),
        ("split", " ", None),
        ("event", "train_step", "train"),
        ("event", "start", None),
        ("data_name", "train_clean", "train_clean"),
    ],
)
def test_split_of_a_row(column: str, text: str, split: str | None) -> None:
    """A column called split may hold any name, the others only known ones."""
    assert row_split(column, text) == split


@given(st.integers(0, 10**7))
def test_durations(seconds: int) -> None:
    """Every text that Python makes of a duration is read as its seconds."""
    from datetime import timedelta

    assert duration(str(timedelta(seconds=seconds))) == seconds


@given(st.floats() | st.integers(-(2**63), 2**63))
def test_numbers_as_text(number: float) -> None:
    """A number is read from its text as it is."""
    kind, found = read_number(repr(number))
    assert kind == "text"
    assert repr(found) == repr(number)


@pytest.mark.parametrize("text", ["1_000", "0x10", "", "1e", "12%", "1,5", "infinite", "12:34"])
def test_texts_that_are_no_numbers(text: str) -> None:
    """What only looks like a number stays a text."""
    assert read_number(text)[0] == "words"


@pytest.mark.parametrize("value", [10**400, "9" * 400, "1e999"])
def test_numbers_beyond_a_float(value: object) -> None:
    """A number that no float holds is none, not infinity."""
    assert read_number(value)[0] == "large"


@pytest.mark.parametrize(
    ("name", "is_so"),
    [
        *(("system/cpu_utilization_percentage", True), ("system.gpu.0.temp", True)),
        *(("system_loss", False), ("train/system/loss", False), ("systems/loss", False)),
    ],
)
def test_metrics_of_the_machine(name: str, is_so: bool) -> None:
    """They are known by the whole first part of their name."""
    assert is_of_machine(name) == is_so
