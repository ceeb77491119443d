"""Runs with a file for each split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dr_gen.ingestion import ingest, load
from dr_gen.model.run import RunData
from dr_gen.readers.split_files import as_one, claims_by_split
from dr_gen.readers.splits import SPLIT_OF, any_split, file_split
from dr_gen.readers.tree import Tree, stem_of
from dr_gen.testing import runs


def write(path: Path, *rows: Mapping[str, Any]) -> None:
    """A log of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_file_for_each_split_is_one_run(tmp_path: Path) -> None:
    """Two files called by splits give one run with both, and the settings that either names."""
    write(tmp_path / "a" / "train.jsonl", {"config": {"lr": 0.1}}, {"step": 0, "loss": 2.0})
    write(tmp_path / "a" / "val.jsonl", {"epoch": 0, "loss": 3.0}, {"epoch": 1, "loss": 2.5})
    for group in (load(tmp_path, cache=False), ingest(tmp_path, tmp_path.parent / "of-splits")):
        assert group.ids == ("a",)
        (run,) = group
        assert dict(run.hpms) == {"lr": 0.1}
        assert run.curve("train/loss").values.tolist() == [2.0]
        assert run.curve("val/loss", x="epoch").values.tolist() == [3.0, 2.5]


def test_a_grown_split_is_noticed(tmp_path: Path) -> None:
    """Whichever of the files grows, the store follows."""
    source, store = tmp_path / "logs", tmp_path / "store"
    write(source / "train.jsonl", {"step": 0, "loss": 2.0})
    write(source / "val.jsonl", {"step": 0, "loss": 3.0})
    ingest(source, store)
    for name in ("train", "val"):
        with (source / f"{name}.jsonl").open("a") as file:
            file.write('{"step": 1, "loss": 1.0}\n')
        (run,) = ingest(source, store)
        assert run.curve(f"{name}/loss").values[-1] == 1.0
        assert run == load(source, cache=False)[0]


def test_files_that_tell_of_the_same_split_stay_apart(tmp_path: Path) -> None:
    """Where both files have the same curve they are two runs, and nothing is dropped."""
    write(tmp_path / "a" / "train.jsonl", {"step": 0, "val/loss": 2.0})
    write(tmp_path / "a" / "test.jsonl", {"step": 0, "val/loss": 3.0})
    group = load(tmp_path, cache=False)
    assert group.ids == ("a/train", "a/test")
    assert [run.value("val/loss") for run in group] == [2.0, 3.0]


def test_other_settings_are_told(tmp_path: Path) -> None:
    """Where the files disagree the first counts, with a finding that names the keys."""
    write(tmp_path / "train.jsonl", {"config": {"lr": 0.1}}, {"step": 0, "loss": 2.0})
    write(tmp_path / "val.jsonl", {"config": {"lr": 0.2}}, {"step": 0, "loss": 3.0})
    (run,) = load(tmp_path, cache=False)
    assert dict(run.hpms) == {"lr": 0.1}
    (finding,) = [f for f in run.findings if f.code == "config-conflict"]
    assert finding.path == str(tmp_path / "val.jsonl")
    assert "lr" in finding.message


@pytest.mark.parametrize(
    ("files", "claimed"),
    [
        (["a/train.jsonl"], []),
        (["a/train.jsonl", "b/val.jsonl"], []),
        (["a/train.jsonl", "a/val.json"], []),
        (["a/train_log.jsonl", "a/val.jsonl"], []),
        (["a/run_1.jsonl", "a/run_2.jsonl"], []),
        (["log-maze-train.jsonl", "log-coin-test.jsonl"], []),
        (["train.jsonl", "valid.jsonl", "test.jsonl"], ["train.jsonl"]),
        (["a/train.jsonl.gz", "a/eval.jsonl.gz"], ["a/train.jsonl.gz"]),
    ],
)
def test_only_what_is_alike_is_claimed(files: list[str], claimed: list[str]) -> None:
    """Files of one folder, one ending and one kind of name belong together, and no others."""
    assert [c.path for c in claims_by_split(Tree.of(files), [".jsonl", ".json", ".gz"])] == claimed


@given(runs(splits=st.just("train")), runs(splits=st.just("val")))
def test_one_run_has_the_curves_of_both(a: RunData, b: RunData) -> None:
    """Joined are all curves of both runs, unchanged; the first gives the name."""
    one = as_one([a, b])
    assert one is not None
    assert (one.id, one.n_points) == (a.id, a.n_points + b.n_points)
    for run in (a, b):
        for split in run:
            assert dict(one[split]) == dict(run[split])
    if a.n_points:
        assert as_one([a, b, a]) is None


@example(["Train"])
@example(["x", "TE\u017fT_log"])
@example(["metrics-eval"])
@given(
    st.lists(
        st.lists(
            st.sampled_from([*SPLIT_OF, "Train", "TE\u017fT", "log", "run", "3", "x"])
            | st.sampled_from(["_", "-", ".", " ", "_x", "metrics"]),
            max_size=5,
        ).map("".join),
        max_size=4,
    )
)
def test_no_split_is_overlooked(stems: list[str]) -> None:
    """Names without any word of a split, told together, hold no file of a split."""
    names = [f"{stem}.jsonl" for stem in stems]
    if not any_split(names):
        assert [file_split(stem_of(name)) for name in names] == [None] * len(names)
