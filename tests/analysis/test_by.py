"""Grouping by any key that a filter knows: hyperparameters, facts, numbers of metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.analysis.comparison import compare
from dr_gen.analysis.failures import failures
from dr_gen.analysis.samples import members
from dr_gen.analysis.seeds import summarize
from dr_gen.errors import AmbiguousNameError, UnknownKeyError
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING
from dr_gen.model.run import RunData
from dr_gen.report.report import write_report

VALUES = st.sampled_from([None, True, 1, 1.0, -1, 0.1, float("nan"), "1", "a", [1, 2], {"b": 1}])
ROWS = st.lists(st.dictionaries(st.sampled_from(["lr", "wd", "x"]), VALUES), max_size=8)


def group_of(rows: list[dict[str, Any]]) -> RunGroup:
    """One run a row."""
    return RunGroup.from_runs(
        RunData.from_dict({"id": f"r{i}", "hpms": row}) for i, row in enumerate(rows)
    )


@given(ROWS)
def test_by_what_was_swept_is_the_default(rows: list[dict[str, Any]]) -> None:
    """Naming the important keys gives what naming none gives, in the same order."""
    group = group_of(rows)
    named, default = members(group, group.hpm_group.important), members(group, None)
    assert [hpm for hpm, _ in named] == [hpm for hpm, _ in default]
    for (_, mine), (_, theirs) in zip(named, default, strict=True):
        assert np.array_equal(mine, theirs)


def _flat(rows: list[dict[str, Any]]) -> bool:
    """Whether `lr` is a key of its own in all of some rows, and not the beginning of others."""
    return bool(rows) and not any(isinstance(row.get("lr"), dict) for row in rows)


@given(ROWS.filter(_flat), st.sampled_from(["lr", "status", "id"]))
def test_every_run_is_in_one_group(rows: list[dict[str, Any]], key: str) -> None:
    """Grouping splits the runs, and those of one group have equal values."""
    group = group_of([{"lr": 0, **row} for row in rows])
    found = members(group, [key])
    positions = [i for _, each in found for i in each.tolist()]
    assert sorted(positions) == list(range(len(group)))
    values = group.to_list(key)
    for hpm, each in found:
        assert all(group_of([{key: values[i]}])[0].hpms == hpm for i in each.tolist())


@pytest.fixture
def group() -> RunGroup:
    """Two experiments and two learning rates, of which one run failed."""
    cells = [(e, lr, s) for e in ("old", "new") for lr in (0.1, 0.2) for s in (0, 1)]
    return RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": f"{experiment}-{lr}-{seed}",
                "experiment": experiment,
                "status": "failed" if (experiment, lr, seed) == ("new", 0.2, 1) else "completed",
                "hpms": {"optim": {"lr": lr, "name": "sgd"}, "seed": seed},
                "curves": {"val/acc": [lr + seed, 5 * lr + seed], "train/acc": [seed]},
            }
        )
        for experiment, lr, seed in cells
    )


def test_summaries_by_facts_and_numbers(group: RunGroup) -> None:
    """The configurations are named by the keys asked for, and the means are theirs."""
    summary = summarize(group, "val/acc@last", by=["experiment"])
    assert summary.keys == ("experiment",)
    assert [(dict(r.configuration), r.n, r.n_runs) for r in summary.rows] == [
        ({"experiment": "old"}, 4, 4),
        ({"experiment": "new"}, 3, 4),
    ]
    assert summary.rows[0].mean == pytest.approx(np.mean([0.5, 1.5, 1.0, 2.0]))
    assert any("Runs that differ in lr are pooled" in note for note in summary.notes)
    by_number = summarize(group, "val/acc@last", by=["train/acc@last", "lr"])
    assert by_number.keys == ("train/acc@last", "optim.lr")
    assert [list(r.configuration.values()) for r in by_number.rows] == [
        [1.0, 0.2],
        [1.0, 0.1],
        [0.0, 0.2],
        [0.0, 0.1],
    ]
    assert summary.to_frame()["experiment"].to_list() == ["old", "new"]
    whole = summarize(group, "val/acc", by=["optim"])
    assert [dict(r.configuration) for r in whole.rows] == [
        {"optim": {"lr": lr, "name": "sgd"}} for lr in (0.2, 0.1)
    ]


def test_comparisons_and_failures_by_facts(group: RunGroup) -> None:
    """What is compared, and how often it failed, follows the same keys."""
    (pair,) = compare(group, "val/acc@last", by=["experiment"]).pairs
    assert (dict(pair.a), dict(pair.b)) == ({"experiment": "old"}, {"experiment": "new"})
    found = failures(group, by=["status"])
    assert [(dict(c.configuration), c.n_failed) for c in found.configurations] == [
        ({"status": "completed"}, 0),
        ({"status": "failed"}, 1),
    ]


def test_a_key_that_only_the_others_have_is_a_lack(group: RunGroup) -> None:
    """As in a filter, the keys of all runs count; one that none has is a mistake."""
    more = RunGroup.from_runs([*group, RunData.from_dict({"id": "x", "hpms": {"momentum": 0.9}})])
    (row,) = summarize(more.exclude(id="x"), "val/acc", by=["momentum"]).rows
    assert dict(row.configuration) == {"momentum": MISSING}
    with pytest.raises(UnknownKeyError, match="did you mean 'experiment'"):
        summarize(group, "val/acc", by=["experimnt"])
    with pytest.raises(AmbiguousNameError):
        summarize(group, "val/acc", by=["acc"])


def test_a_report_by_other_keys(group: RunGroup, tmp_path: Path) -> None:
    """Its ranking, comparison and failures are those of the keys, the sweep stays what it is."""
    written = write_report(group, tmp_path, metric="val/acc@last", by=["experiment"])
    data = json.loads(written.json.read_text())
    assert data["by"] == ["experiment"]
    assert [row["configuration"]["experiment"] for row in data["summary"]] == ["old", "new"]
    assert data["comparison"]["pairs"][0]["a"] == {"experiment": "old"}
    assert list(data["sweep"]["varying"]) == ["optim.lr"]
    assert "experiment=old" in data["answer"]
    text = written.markdown.read_text()
    assert "| experiment | Count | completed | failed |" in " ".join(text.split())
    assert "| Rank | experiment | n used |" in " ".join(text.split())
    for figure in ("curves", "runs", "ranking"):
        assert "experiment=old" in (tmp_path / "figures" / f"{figure}.svg").read_text()
