"""Adding to runs: hyperparameters, tags, notes and metrics that were not logged."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, Hpm
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData

KEYS = st.sampled_from(["lr", "wd", "optim.name", "new"])
VALUES = st.sampled_from([None, True, 0, 1, 1.0, -0.0, float("nan"), "a", [1], [1, 2]])
ROWS = st.lists(st.dictionaries(KEYS, VALUES), min_size=1, max_size=6)


def group_of(*rows: dict[str, Any], **settings: Any) -> RunGroup:
    """One run a row."""
    runs = [RunData.from_dict({"id": f"r{i}", "hpms": row}) for i, row in enumerate(rows)]
    return RunGroup.from_runs(runs, **settings)


@given(ROWS, KEYS, VALUES, st.booleans(), st.data())
def test_an_update_is_that_of_dicts(
    rows: list[dict[str, Any]], key: str, value: Any, force: bool, data: st.DataObject
) -> None:
    """Runs of the selection get the value where they lack it, or in any case with force."""
    group = group_of(*rows)
    chosen = data.draw(st.lists(st.sampled_from(range(len(rows))), unique=True))
    found = group[chosen].update(key, value, force=force)
    for run, i in zip(found, chosen, strict=True):
        expected = {**rows[i], key: value} if force or key not in rows[i] else rows[i]
        assert run.hpms == Hpm(expected)
        assert run.hpms.strings() == Hpm(expected).strings()
    assert group == group_of(*rows)
    if chosen:
        assert found == RunGroup.from_runs([run.update(key, value, force=force) for run in found])


@given(ROWS, st.dictionaries(KEYS, st.dictionaries(st.integers(0, 5), VALUES, max_size=4)))
def test_a_table_with_other_cells_is_that_of_the_rows(
    rows: list[dict[str, Any]], cells: dict[str, dict[int, Any]]
) -> None:
    """Columns with some values replaced have the codes and categories of a table made anew."""
    cells = {k: {i: v for i, v in c.items() if i < len(rows)} for k, c in cells.items()}
    changed = [dict(row) for row in rows]
    for key, column in cells.items():
        for i, value in column.items():
            changed[i][key] = value
    found = HpmTable.from_mappings(rows).updated({k: c for k, c in cells.items() if c})
    expected = HpmTable.from_mappings(changed)
    assert set(found.keys) == set(expected.keys)
    for key, categories, codes in zip(
        expected.keys, expected.categories, expected.codes, strict=True
    ):
        place = found.keys.index(key)
        assert repr(found.categories[place]) == repr(categories)
        assert np.array_equal(found.codes[place], codes)


def test_a_function_is_asked_where_it_is_needed() -> None:
    """It gets the run, and is not called for those that have the keys."""
    asked = []

    def both(run: RunData) -> tuple[int, str]:
        asked.append(run.id)
        return int(run.get("n")) * 2, "made"

    group = group_of({"n": 1}, {"n": 2, "a": 0}, {"n": 3, "a": 0, "b": None})
    found = group.update(("a", "b"), both)
    assert asked == ["r0", "r1"]
    assert found.to_list("a") == [2, 0, 0]
    assert found.to_list("b") == ["made", "made", None]
    assert group.update(("a", "b"), both, force=True).to_list("a") == [2, 4, 6]
    assert asked == ["r0", "r1", "r0", "r1", "r2"]
    assert group.to_list("b") == [MISSING, MISSING, None]


def test_several_keys_at_once() -> None:
    """A mapping, a sequence of values, and a dict as a group of keys."""
    group = group_of({"a": 1}, {})
    found = group.update({"a": 2, "optim__lr": lambda run: 0.1, ("x", "y"): (3, 4)})
    assert [dict(run.hpms) for run in found] == [
        {"a": 1, "optim.lr": 0.1, "x": 3, "y": 4},
        {"a": 2, "optim.lr": 0.1, "x": 3, "y": 4},
    ]
    nested = group.update("optim", {"lr": 0.1, "name": "sgd"}).update("optim", 3)
    assert nested[0].hpms == Hpm({"a": 1, "optim.lr": 0.1, "optim.name": "sgd"})
    partly = group.update("b", lambda run: MISSING if run.id == "r0" else 5)
    assert partly.to_list("b") == [MISSING, 5]


def test_keys_by_display_name() -> None:
    """What has a display name is meant by it; the last part of a key is no name to write to."""
    group = group_of({"optim": {"lr": 0.1}}, {}, labels=Labels({"optim.lr": "LR"}))
    assert group.update("LR", 0.3).to_list("optim.lr") == [0.1, 0.3]
    plain = group_of({"optim": {"lr": 0.1}}, {})
    assert [dict(run.hpms) for run in plain.update("lr", 0.3)] == [
        {"optim.lr": 0.1, "lr": 0.3},
        {"lr": 0.3},
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((("a", "b"), (1,)), "1 values for 2 keys"),
        ((("a", "b"), "ab"), "need a sequence of values"),
        ((("a", "b"), lambda run: 3), "need a sequence of values"),
        (("a", object()), "hyperparameter 'a' has a object"),
        (("status", "failed"), "is a fact of the run"),
        (("val/acc", 0.5), "see with_metric"),
        (("a..b", 1), "is no name"),
        (("", 1), "is no name"),
        ((3, 1), "a key is a text"),
        (((3, "a"), (1, 2)), "a key is a text"),
    ],
)
def test_mistakes_in_an_update_are_told(arguments: tuple[Any, ...], words: str) -> None:
    """Nothing is changed by half."""
    group = group_of({"n": 1}, {})
    with pytest.raises(UsageError, match=words):
        group.update(*arguments)
    assert group == group_of({"n": 1}, {})


def test_an_update_can_be_selected_by() -> None:
    """Old and new runs filter, group and vary alike afterwards."""
    group = group_of({"width": 1}, {"width": 2}, {}).update("width", 1)
    assert group.filter(width=1).ids == ("r0", "r2")
    assert group.hpm_group.varying == {"width": [1, 2]}
    assert len(pickle.loads(pickle.dumps(group[1:])).filter(width=1)) == 1


def test_tags_are_added() -> None:
    """Tags come behind those there are, each once, from values and functions."""
    runs = [
        RunData.from_dict({"id": "a", "metadata": {"tags": ["old"]}}),
        RunData.from_dict({"id": "b", "metadata": {"tags": "one"}}),
        RunData.from_dict({"id": "c", "metadata": {"tags": {"team": "x"}}}),
        RunData.from_dict({"id": "d"}),
    ]
    group = RunGroup.from_runs(runs)
    found = group.with_tags("new", lambda run: ["old", run.id] if run.id < "c" else None)
    assert [run.metadata["tags"] for run in found] == [
        ["old", "new", "a"],
        ["one", "new", "old", "b"],
        ["team=x", "new"],
        ["new"],
    ]
    assert group[0].metadata["tags"] == ["old"]
    assert group[3].with_tags("x").metadata["tags"] == ["x"]
    with pytest.raises(UsageError, match="a tag is a text, not 3"):
        group.with_tags(3)  # type: ignore[arg-type]


def test_notes_fill_in_or_replace() -> None:
    """As with hyperparameters, what is there stays unless it is forced."""
    first = RunData.from_dict({"id": "a", "metadata": {"notes": "mine", "other": 1}})
    group = RunGroup.from_runs([first, RunData.from_dict({"id": "b"})])
    assert [run.metadata["notes"] for run in group.with_notes("new")] == ["mine", "new"]
    forced = group.with_notes(lambda run: f"of {run.id}", force=True)
    assert [run.metadata["notes"] for run in forced] == ["of a", "of b"]
    assert forced[0].metadata["other"] == 1
    with pytest.raises(UsageError, match="notes are a text"):
        group.with_notes(lambda run: 3)


def metered() -> RunGroup:
    """Two runs with one metric, and one without any."""
    return RunGroup.from_runs(
        [
            RunData.from_dict({"id": "a", "curves": {"val/acc": [1.0, 2.0]}}),
            RunData.from_dict({"id": "b", "curves": {"val/acc": [3.0], "val/f1": [0.5]}}),
            RunData.from_dict({"id": "c"}),
        ]
    )


def test_metrics_are_added() -> None:
    """Values, points and curves on any axis; runs that have the metric keep theirs."""
    group = metered()
    found = group.with_metric("val/f1", [0.1, 0.2], {"step": [10, 20]})
    assert found.values("val/f1@last").tolist() == [0.2, 0.5, 0.2]
    assert found["a"].curve("val/f1", "step").xs.tolist() == [10, 20]
    assert found["b"] == group["b"]
    assert [curve.values.tolist() for curve in found["a"].curves()] == [[1.0, 2.0], [0.1, 0.2]]
    assert group.metrics == metered().metrics
    assert group["c"].with_metric("test/acc", 7).value("test/acc") == 7.0
    made = group.with_metric("val/last", lambda run: run.value("val/acc") if len(run) else None)
    assert made.to_list("val/last@last") == [2.0, 3.0, MISSING]


def test_metrics_are_replaced() -> None:
    """With force the old curve is gone, and the others are what they were."""
    group = metered()
    new = {"values": [9.0, 8.0], "x": {"epoch": [0, 1], "time": [0.5, 1.5]}}
    found = group.with_metric("val/acc", lambda run: new, force=True)
    assert found.curves("val/acc").values.tolist() == [[9.0, 8.0]] * 3
    assert found["b"].curve("val/f1") == group["b"].curve("val/f1")
    assert set(found["a"]["val"]["acc"]) == {"epoch", "time"}


@pytest.mark.parametrize(
    ("add", "words"),
    [
        (lambda g: g.with_metric("acc", [1.0]), "split/metric"),
        (lambda g: g.with_metric("val/new@best", [1.0]), "split/metric"),
        (lambda g: g.with_metric("val/new", ["x"]), "not numbers"),
        (lambda g: g.with_metric("val/new", [1.0], {"epoch": [0, 1]}), "1 values for 2"),
        (lambda g: g.with_metric("val/new", [1.0], [0]), "x is a mapping"),
        (lambda g: g.with_metric("val/new", {"values": [1.0], "y": 3}), "values and x"),
    ],
)
def test_mistakes_in_a_metric_are_told(add: Callable[[RunGroup], RunGroup], words: str) -> None:
    """What does not fit raises our own error."""
    with pytest.raises(UsageError, match=words):
        add(metered())


def of_the_test(run: RunData) -> int:
    return 3


def test_what_was_done_is_remembered() -> None:
    """A group knows its changes: what they came from, and for which runs."""
    group = group_of({"a": 1}, {}).update("a", 2).update("b", of_the_test, force=True)
    first, second = group[1:].edits
    assert (first.origin, first.force, first.hpms) == ("value", False, {"r1": {"a": 2}})
    assert second.origin == "def of_the_test(run: RunData) -> int: return 3"
    assert second.hpms == {"r0": {"b": 3}, "r1": {"b": 3}}
    assert pickle.loads(pickle.dumps(group)).edits == group.edits
    assert group.update("c", len).edits[-1].origin == "builtins.len"
    with pytest.raises(UnknownKeyError):
        group_of({"a": 1}).filter(b=3)
