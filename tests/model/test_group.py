"""Many runs."""

from __future__ import annotations

import copy
import itertools
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
from dr_gen.model.hpm import Hpm
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData
from dr_gen.testing import groups, runs


def some(n: int = 4) -> RunGroup:
    return RunGroup.from_runs(
        [
            RunData.from_dict(
                {
                    "id": f"r{i}",
                    "hpms": {"lr": [0.1, 0.2][i % 2], "seed": i},
                    "status": "failed" if i == 3 else "completed",
                    "curves": {"val/acc": [1.0, 2.0 + i], "train/loss": [3.0, 1.0]},
                }
            )
            for i in range(n)
        ]
    )


unique_runs = st.lists(runs(), max_size=4, unique_by=lambda run: run.id)


@given(unique_runs)
def test_runs_come_back_as_they_were(members: list[RunData]) -> None:
    """A group has the runs it was made of, in their order, found by place and by id."""
    group = RunGroup.from_runs(members)
    assert len(group) == len(members)
    assert list(group.ids) == [run.id for run in members]
    assert all(itertools.starmap(RunData.__eq__, zip(group, members, strict=True)))
    for i, run in enumerate(members):
        assert group[i] == group[run.id] == group[i - len(members)] == run
        assert repr(sorted(group[i].hpms.items())) == repr(sorted(run.hpms.items()))
        assert run in group
        assert run.id in group
    assert "no such run" not in group


@given(unique_runs, unique_runs)
def test_runs_of_several_groups_make_a_group(a: list[RunData], b: list[RunData]) -> None:
    """Runs may come from different columns, in any mixture."""
    b = [run.with_facts(id=f"b {run.id}") for run in b]
    first, second = RunGroup.from_runs(a), RunGroup.from_runs(b)
    mixed = [run for pair in itertools.zip_longest(first, second) for run in pair if run]
    group = RunGroup.from_runs(mixed)
    assert list(group) == mixed
    assert RunGroup.from_runs(reversed(group)) == group[::-1]
    wanted = {f"{s}/{m}" for run in mixed for s in run for m in run[s]}
    assert set(group.metrics) == wanted


@given(groups(), st.data())
def test_picking_runs(group: RunGroup, data: st.DataObject) -> None:
    """Slices, positions and masks pick what they pick from a list, without copying a curve."""
    members = list(group)
    n = len(members)
    low, high = data.draw(st.integers(-n - 1, n + 1)), data.draw(st.integers(-n - 1, n + 1))
    step = data.draw(st.sampled_from([None, 1, 2, -1, -2]))
    assert list(group[low:high:step]) == members[low:high:step]
    positions = data.draw(st.permutations(range(n)))[: n // 2 + 1]
    negative = [p - n if data.draw(st.booleans()) else p for p in positions]
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    for picked in (positions, negative, np.array(positions, np.int32), np.array(positions, "u1")):
        assert list(group[picked]) == [members[p] for p in positions]
    for given_mask in (mask, np.array(mask, bool)):
        assert list(group[given_mask]) == list(itertools.compress(members, mask))
    assert group[positions].table is group.table
    assert group[positions].source_findings == group.source_findings


@given(groups())
def test_a_copy_is_equal(group: RunGroup) -> None:
    """A group survives pickling and copying with its settings, and so does a part of it."""
    for part in (group, group[::-1], group[:1]):
        other = pickle.loads(pickle.dumps(part))
        assert other == part == copy.deepcopy(part)
        assert other.ids == part.ids
        assert other.directions == part.directions
        assert other.noise == part.noise
        assert other.hpm_group.configurations == part.hpm_group.configurations
        assert other.findings == part.findings
    assert group != list(group)


@given(groups(min_size=1))
def test_another_run_makes_another_group(group: RunGroup) -> None:
    """Groups are equal with equal runs in equal order and equal findings."""
    assert group[:-1] != group
    changed = [*group[:-1], group[-1].with_facts(experiment="another")]
    assert RunGroup.from_runs(changed, source_findings=group.source_findings) != group
    found = (*group.source_findings, Finding("a", "b"))
    assert RunGroup.from_runs(group, source_findings=found) != group
    assert RunGroup.from_runs(group, source_findings=group.source_findings) == group


@given(groups())
def test_facts_of_all_runs(group: RunGroup) -> None:
    """Statuses, findings and hyperparameters are those of the runs, in their order."""
    assert [str(s) for s in group.statuses] == [run.status for run in group]
    assert list(group.findings) == [
        *group.source_findings,
        *(finding for run in group for finding in run.findings),
    ]
    for key in group.hpm_group.keys:
        found = group.hpm_group.values(key)
        assert repr(found) == repr([run.hpms.subset([key])[key] for run in group])


@given(groups())
def test_its_texts_can_be_shown(group: RunGroup) -> None:
    """The text is one line, the table has a row for each run and no markup of a log."""
    assert repr(group).startswith(f"RunGroup: {len(group)} run")
    assert "\n" not in repr(group).replace("\\n", "")
    html = group._repr_html_()
    assert html.count("<tr>") == len(group) + 1
    assert "<b>" not in html


@pytest.mark.parametrize(
    ("key", "error", "says"),
    [
        (4, IndexError, "out of bounds"),
        (-5, IndexError, "out of bounds"),
        ([0, 4], IndexError, "out of bounds"),
        ("r", UnknownKeyError, "no run or key 'r'"),
        ([0, 0], UsageError, "twice"),
        ([0, -4], UsageError, "twice"),
        ([True], UsageError, "does not fit 4 runs"),
        ([True] * 5, UsageError, "does not fit 4 runs"),
        (["r0", "r"], UnknownKeyError, "no run 'r'; did you mean 'r"),
        (["r0", "r0"], UsageError, "twice"),
        ([0.0], UsageError, "picked by"),
        (1.0, UsageError, "picked by"),
        (None, UsageError, "picked by"),
        ([[0, 1]], UsageError, "picked by"),
    ],
)
def test_what_picks_nothing_is_refused(key: Any, error: type[Exception], says: str) -> None:
    """A position, id or mask that does not fit is an error that says so."""
    with pytest.raises(error, match=says):
        some()[key]


def test_picking_nothing_gives_no_runs() -> None:
    """An empty selection is a group of no runs."""
    for nothing in ([], np.array([]), [False] * 4, slice(0, 0)):
        group = some()[nothing]
        assert len(group) == 0
        assert repr(group) == "RunGroup: 0 runs (none), 0 configurations; swept: nothing"
        assert group.hpm_group.configurations == ()
        assert group.metrics == ()
        with pytest.raises(UnknownKeyError, match="no metric 'val/acc'"):
            group.values("val/acc")
        assert pickle.loads(pickle.dumps(group)) == group


def test_an_id_is_taken_once() -> None:
    """Two runs of one id are refused, from one group or from two."""
    group = some(2)
    for twice in ([group[0], group[0]], [*group, *some(1)], [group[0], group[1], group[0]]):
        with pytest.raises(UsageError, match="two runs have the id 'r0'"):
            RunGroup.from_runs(twice)


def test_a_group_reads_at_a_glance() -> None:
    """The text says how many runs ended how, and what was swept."""
    assert repr(some()) == (
        "RunGroup: 4 runs (3 completed, 1 failed), 2 configurations; swept: lr (2)"
    )
    assert repr(some(1)) == ("RunGroup: 1 run (1 completed), 1 configuration; swept: nothing")


def test_a_long_table_is_cut_and_escaped() -> None:
    """A notebook shows the first runs and how many more there are, never markup of a log."""
    made = [
        RunData.from_dict({"id": f"<i>{i}", "hpms": {"<b>": f"<u>{i}", "seed": i}})
        for i in range(30)
    ]
    html = RunGroup.from_runs(made)._repr_html_()
    assert "… 10 more" in html
    assert "&lt;i&gt;0" in html
    for tag in ("<i>", "<b>", "<u>"):
        assert tag not in html
        assert tag not in made[0]._repr_html_()


def test_settings_belong_to_the_group() -> None:
    """Noise, labels and directions given to a group hold for it and for every part of it."""
    group = RunGroup.from_runs(
        some(), noise=["lr"], labels=Labels({"seed": "S"}), directions={"acc": "min"}
    )
    for part in (group, group[1:], group.filter(lr=0.1)):
        assert part.hpm_group.important == ("seed",)
        assert repr(part).endswith(f"swept: S ({len(part)})")
        assert part.values("val/acc@best").tolist() == [1.0] * len(part)
    with pytest.raises(AttributeError):
        group.noise = ()  # type: ignore[misc]


def test_an_address_is_completed() -> None:
    """A metric that one split has needs no split; a wrong one is answered with the right ones."""
    assert str(some().address("acc@best")) == "val/acc@best"
    assert str(some().address("acc", default="last")) == "val/acc@last"
    with pytest.raises(UnknownKeyError, match="did you mean 'val/acc'"):
        some().address("val/acd")
    both = RunGroup.from_runs([RunData.from_dict({"id": "a", "curves": {"a/m": [1], "b/m": [1]}})])
    with pytest.raises(AmbiguousNameError, match="a/m, b/m"):
        both.address("m")


@pytest.mark.parametrize(
    "ask",
    [lambda g: g.curves("val/x"), lambda g: g.values("val/x"), lambda g: g.values("val/acc", "t")],
)
def test_an_unknown_metric_or_axis_is_an_error(ask: Callable[[RunGroup], Any]) -> None:
    """A question about nothing is not answered with NaN."""
    with pytest.raises(UnknownKeyError):
        ask(some())


def test_a_lost_configuration_makes_no_key_vary() -> None:
    """A run whose configuration could not be read is apart, and does not invent a sweep."""
    lost = RunData.build("lost", findings=[Finding("no-config", "cut off", "error")])
    group = RunGroup.from_runs([*some(2), lost])
    assert group.hpm_group.important == ("lr",)
    assert [c.runs for c in group.hpm_group.configurations] == [("lost",), ("r0",), ("r1",)]
    alike = RunGroup.from_runs([some(1)[0], lost])
    assert alike.hpm_group.varying == {}
    without = RunGroup.from_runs([some(1)[0], RunData.build("none")])
    assert set(without.hpm_group.varying) == {"lr", "seed"}


def test_the_caller_keeps_the_dicts() -> None:
    """What was given can be changed without changing the group."""
    directions: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    group = RunGroup.from_runs(
        [RunData.from_dict({"id": "a", "metadata": metadata})], directions=directions
    )
    directions["acc"], metadata["x"] = "min", 1
    assert (group.directions, "x" in group[0].metadata) == ({}, False)
    with pytest.raises(ValueError, match="read-only"):
        group.indices[0] = 3


@given(groups(runs(hpms=st.builds(Hpm, st.fixed_dictionaries({"run": st.integers(0, 2)})))))
def test_strategies_of_the_caller_are_used(group: RunGroup) -> None:
    """A group of given runs has just these runs."""
    assert all(list(run.hpms) == ["run"] for run in group)
