"""One run."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import AmbiguousNameError, UnknownKeyError, UsageError
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.testing import groups, names, runs


def two_splits() -> RunData:
    return RunData.from_dict(
        {
            "id": "a",
            "hpms": {"optim": {"lr": 0.1}, "data": {"seed": 4}},
            "status": "failed",
            "reasons": ["killed"],
            "metadata": {"train_time": "1:02:03"},
            "time_parsed": "2026-01-02T03:04:05+00:00",
            "findings": [Finding("no-end", "cut")],
            "curves": {
                "train/loss": {"x": {"step": [10, 20], "epoch": [0, 1]}, "values": [2.0, 1.0]},
                "val/loss": [3.0, 2.5],
                "val/acc1": {"values": [10.0, 20.0], "original_name": "top1"},
            },
        }
    )


@given(runs())
def test_it_is_a_mapping_of_mappings(run: RunData) -> None:
    """Splits, metrics and axes are found by name, and every curve is in the list of curves."""
    assert list(run.keys()) == list(run)
    assert len(run) == len(list(run))
    pairs = [(split, metric) for split in run for metric in run[split]]
    assert [f"{split}/{metric}" for split, metric in pairs] == list(run.metrics)
    assert [(curve.split, curve.metric) for curve in run.curves()] == pairs
    assert all(len(run[split]) > 0 for split in run)
    assert run.n_points == sum(curve.n_rows for curve in run.curves())
    for split, metric in pairs:
        assert run.curve(f"{split}/{metric}") == run[split][metric].default
        for x_name, curve in run[split][metric].items():
            assert (curve.split, curve.metric, curve.x_name) == (split, metric, x_name)
            assert run.curve(f"{split}/{metric}", x_name) == curve


@given(runs())
def test_a_copy_is_equal(run: RunData) -> None:
    """A run survives pickling and copying, with all that is known of it."""
    for other in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run)):
        assert other == run
        assert repr(other.metadata) == repr(run.metadata)
        assert other.findings == run.findings
        assert repr(dict(other.hpms)) == repr(dict(run.hpms))
        for split in run:
            assert pickle.loads(pickle.dumps(run[split])) == run[split] == other[split]


CHANGES: dict[str, Any] = {
    "id": "another id",
    "experiment": "another",
    "source": "elsewhere",
    "reasons": ["another"],
    "metadata": {"another": 1},
    "findings": [Finding("another", "one")],
}


@given(runs(), st.sampled_from(list(CHANGES)))
def test_runs_differ_when_a_fact_does(run: RunData, fact: str) -> None:
    """Equality compares every fact, but not when the run was read."""
    assert run.with_facts(**{fact: CHANGES[fact]}) != run
    assert run.with_facts(time_parsed="some other time") == run
    others = [status for status in Status if status != run.status]
    assert all(run.with_facts(status=status) != run for status in others)
    assert run != run.id


def test_nan_in_what_else_was_logged_is_equal_to_itself() -> None:
    """A run with NaN among its other facts equals the same run read again."""
    a, b = (RunData.build("a", metadata={"best": [float("nan")]}) for _ in range(2))
    assert a == b


def test_runs_differ_when_a_row_does() -> None:
    """Equality compares every row, also one that a later row at the same x replaces."""
    first = {"x": {"epoch": [0, 0]}, "values": [1.0, 2.0]}
    other = {"x": {"epoch": [0, 0]}, "values": [9.0, 2.0]}
    a, b = (RunData.from_dict({"id": "a", "curves": {"val/acc": c}}) for c in (first, other))
    assert a.curve("val/acc") == b.curve("val/acc")
    assert a != b
    assert a != RunData.from_dict({"id": "a"})
    assert RunData.build("a", {"lr": 1}) == RunData.build("a", {"lr": 1.0})
    assert RunData.build("a", {"lr": 1}) != RunData.build("a", {"lr": True})


@given(runs(), names())
def test_facts_change_into_a_new_run(run: RunData, new: str) -> None:
    """Changing a fact leaves the run as it was, and the curves as they were."""
    before = pickle.dumps(run.record)
    other = run.with_facts(id=new, status="diverged")
    assert (other.id, other.status) == (new, Status.DIVERGED)
    assert pickle.dumps(run.record) == before
    assert other.hpms == run.hpms
    assert other.metrics == run.metrics
    assert other.with_facts(id=run.id, status=run.status) == run


@given(runs())
def test_its_texts_name_every_metric(run: RunData) -> None:
    """The text is one line, the markup holds no markup of the log."""
    assert "\n" not in repr(run)
    html = run._repr_html_()
    assert html.count("<tr>") == 4 + len(run.hpms) + len(run.metrics)
    assert "<b>" not in html


def test_facts_of_a_run() -> None:
    """What a run was given is what it has."""
    run = two_splits()
    assert (run.id, run.status, run.reasons, run.seed) == ("a", "failed", ("killed",), 4)
    assert run.metadata == {
        "train_time": "1:02:03",
        "time_parsed": "2026-01-02T03:04:05+00:00",
    }
    assert run["val"]["acc1"]["epoch"].inferred
    assert run["val"]["acc1"]["epoch"].original_name == "top1"
    assert not run["train"]["loss"]["epoch"].inferred
    assert repr(run) == "RunData 'a': failed, 3 curves (train: loss; val: loss, acc1)"
    assert RunData.build("b").seed is None


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("val/acc1", 20.0),
        ("acc1", 20.0),
        ("acc1@first", 10.0),
        ("val/loss@best", 2.5),
        ("train/loss@step=10", 2.0),
        ("train/loss@epoch=1", 1.0),
        ("val/acc1@mean", 15.0),
        ("val/acc1@step=10", math.nan),
        ("val/acc1@mean:9", math.nan),
    ],
)
def test_one_number_of_a_run(address: str, value: float) -> None:
    """An address with a reduction is a number; without one it is the last value."""
    np.testing.assert_equal(two_splits().value(address), value)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda r: r["vall"], UnknownKeyError, "no split 'vall' in run 'a'; did you mean 'val'"),
        (lambda r: r["val"]["acc"], UnknownKeyError, "no metric 'acc' in split 'val'.*'acc1'"),
        (lambda r: r["val"]["acc1"]["step"], UnknownKeyError, "no x-axis 'step'.*epoch"),
        (lambda r: r.curve("val/acc2"), UnknownKeyError, "did you mean 'val/acc1'"),
        (lambda r: r.curve("val/acc1", "step"), UnknownKeyError, "no x-axis 'step'"),
        (lambda r: r.curve("loss"), AmbiguousNameError, "train/loss, val/loss"),
        (lambda r: r.curve("val/acc1@best"), UsageError, r"value\(\)"),
        (lambda r: r.value("val/acc1@bset"), UsageError, "allowed are best"),
        (lambda r: r.with_facts(status="done"), UsageError, "no status 'done'.*completed"),
        (lambda r: r.with_facts(id="b").hpms["lr"], UnknownKeyError, r"optim\.lr"),
    ],
)
def test_mistakes_say_what_there_is(
    call: Callable[[RunData], Any], error: type[Exception], says: str
) -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(error, match=says):
        call(two_splits())


def test_a_list_of_curves_is_the_same_as_a_mapping() -> None:
    """Curves can be given by address or as a list of mappings."""
    by_name = RunData.from_dict({"id": "a", "curves": {"val/a/b": [1.0, 2.0]}})
    listed = RunData.from_dict(
        {"id": "a", "curves": [{"split": "val", "metric": "a/b", "values": [1.0, 2.0]}]}
    )
    assert by_name == listed
    assert by_name["val"]["a/b"]["epoch"].values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", ["acc@1", "acc@best", "x y", "a/b", "größe", "<b>", "@", "="])
@pytest.mark.parametrize("split", ["val", "odd split", "v@l", "ü"])
def test_odd_names_work_everywhere(split: str, name: str) -> None:
    """A metric can be called anything: it is found, reduced and shown all the same."""
    run = RunData.from_dict({"id": "r", "curves": {f"{split}/{name}": [1.0, 3.0, 2.0]}})
    (address,) = run.metrics
    assert run.curve(address).values.tolist() == [1.0, 3.0, 2.0]
    assert run.value(f"{address}@max") == 3.0
    group = RunGroup.from_runs([run])
    assert group.values(f"{address}@max").tolist() == [3.0]
    assert group.curves(address).values.tolist() == [[1.0, 3.0, 2.0]]
    assert "3 points" in run._repr_html_()


def test_a_split_with_a_slash_is_found() -> None:
    """A slash in the name of a split does no harm."""
    run = RunData.from_dict(
        {"id": "r", "curves": [{"split": "a/b", "metric": "c", "values": [1.0, 2.0]}]}
    )
    assert run.value("a/b/c") == 2.0
    assert "a/b/c" in run._repr_html_()
    assert RunGroup.from_runs([run]).values("a/b/c@first").tolist() == [1.0]


def test_a_run_without_curves_is_a_run() -> None:
    """A run that logged nothing is true, equal to itself and has no points."""
    run = RunData.from_dict({"id": "empty"})
    assert run
    assert (len(run), run.metrics, run.n_points, run.curves()) == (0, (), 0, [])
    assert pickle.loads(pickle.dumps(run)) == run
    with pytest.raises(UnknownKeyError, match="there are none"):
        run.curve("val/acc")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "no id"),
        ({"id": "a", "hpm": {}}, "found hpm"),
        ({"id": "a", 3: {}}, "found 3"),
        ("a", "mapping"),
        ({"id": "a", "hpms": [1]}, "mapping"),
        ({"id": "a", "status": "done"}, "no status 'done'"),
        ({"id": "a", "curves": 3}, "curves are"),
        ({"id": "a", "curves": [3]}, "mapping"),
        ({"id": "a", "curves": [{"split": "val", "metric": "a"}]}, "no 'values'"),
        ({"id": "a", "curves": {"acc": [1]}}, "not named split/metric"),
        ({"id": "a", "curves": {"/acc": [1]}}, "not named split/metric"),
        ({"id": "a", "curves": {3: [1]}}, "not named split/metric"),
        ({"id": "a", "curves": {"val/acc": 3}}, "values of val/acc"),
        ({"id": "a", "curves": {"val/acc": None}}, "values of val/acc"),
        ({"id": "a", "curves": {"val/acc": ["a"]}}, "values of val/acc"),
        ({"id": "a", "curves": {"val/acc": {"values": [1], "x": [0]}}}, "x is a mapping"),
        ({"id": "a", "curves": {"val/acc": {"values": [1], "x": {}}}}, "found none"),
        ({"id": "a", "curves": {"val/acc": {"values": [1], "x": {"e": [1, 2]}}}}, "1 values for 2"),
    ],
)
def test_plain_data_that_is_no_run_is_refused(data: Any, says: str) -> None:
    """What is wrong with a description of a run is said in words."""
    with pytest.raises(UsageError, match=says):
        RunData.from_dict(data)


def test_a_missing_x_may_be_null() -> None:
    """A row without x is kept in the columns and left out of the curve on that axis."""
    run = RunData.from_dict(
        {
            "id": "a",
            "curves": {
                "val/acc": {"x": {"epoch": [0, None, 2], "step": [1, 2, 3]}, "values": [1, 2, 3]}
            },
        }
    )
    assert run.curve("val/acc", "epoch").values.tolist() == [1.0, 3.0]
    assert run.curve("val/acc").x_name == "step"
    assert run.n_points == 3


@given(groups(min_size=1), st.data())
def test_a_run_of_a_group_is_the_run_itself(group: RunGroup, data: st.DataObject) -> None:
    """A view into a group equals the run on its own, and pickles without the others."""
    run = data.draw(st.sampled_from(list(group)))
    alone = pickle.loads(pickle.dumps(run))
    assert alone == run
    assert len(alone.table.records) == 1
    assert len(alone.table.curves.values) == run.n_points


def test_one_run_of_many_is_small_to_send() -> None:
    """Sending a run sends its own rows, not those of its group; so does sending a curve."""
    one = {"id": "r0", "curves": {"val/acc": np.arange(100.0), "train/loss": np.arange(100.0)}}
    many = RunGroup.from_runs(
        [RunData.from_dict({**one, "id": f"r{i}", "hpms": {"lr": i}}) for i in range(300)]
    )
    alone = RunData.from_dict({**one, "hpms": {"lr": 0}})
    assert len(pickle.dumps(many[0])) <= 1.1 * len(pickle.dumps(alone))
    assert len(pickle.dumps(many[7]["val"]["acc"]["epoch"])) < 10_000
    assert len(pickle.dumps(many[7]["val"])) < 10_000
    assert len(pickle.dumps(many[:2])) < 3 * len(pickle.dumps(alone))
