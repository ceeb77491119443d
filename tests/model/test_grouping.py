"""Groups of runs that have something in common."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.collection import Collection
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, canonical
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData
from dr_gen.testing import groups

LABELS = Labels({"model.weights": "Init"}, {"model.weights": {None: "random"}})


def sweep() -> RunGroup:
    """Two initialisations, three learning rates, and seeds; one cell is not there."""
    cells = [
        (weights, lr, seed)
        for weights in ("DEFAULT", None)
        for lr in (0.1, 0.01, 1)
        for seed in range(3)
        if (weights, lr) != (None, 1) and (lr != 0.01 or seed < 2)
    ]
    return RunGroup.from_runs(
        (
            RunData.from_dict(
                {
                    "id": f"r{i}",
                    "hpms": {"model.weights": weights, "optim.lr": lr, "seed": seed, "epochs": 9},
                    "status": "failed" if seed == 2 else "completed",
                    "curves": {"val/acc": [seed, lr]},
                }
            )
            for i, (weights, lr, seed) in enumerate(cells)
        ),
        labels=LABELS,
    )


def test_groups_are_like_a_dict() -> None:
    """One key gives values, several give tuples, in order of appearance; groups are full groups."""
    by_lr = sweep().group_by("optim.lr")
    assert list(by_lr) == list(by_lr.keys()) == [0.1, 0.01, 1]
    assert [len(group) for group in by_lr.values()] == [6, 4, 3]
    assert dict(by_lr)[0.1].ids == by_lr[0.1].ids == ("r0", "r1", "r2", "r8", "r9", "r10")
    assert isinstance(by_lr[1], RunGroup)
    assert by_lr[1.0].hpm_group.labels is LABELS
    assert 0.01 in by_lr
    assert 0.02 not in by_lr
    assert by_lr.get(0.02) is None
    both = sweep().group_by("Init", "optim__lr")
    assert list(both)[:2] == [("DEFAULT", 0.1), ("DEFAULT", 0.01)]
    assert both[(None, 0.1)].ids == both["random", 0.1].ids == both["RANDOM", "0.1"].ids
    assert (None, 1) not in both
    for key in ((None, 1), None, 0.1, ("DEFAULT",), ("x", "y", "z")):
        with pytest.raises(UnknownKeyError, match="no group"):
            both[key]
    assert repr(both) == "Groups: 5 groups of 13 runs by Init, optim__lr"


def test_everything_but_the_seed_without_a_word() -> None:
    """By default runs are grouped by what was swept; other things are one group."""
    found = sweep().group_by()
    assert found.by == ("model.weights", "optim.lr")
    assert [group.ids for group in found.values()] == [
        group.ids for group in sweep().group_by("model.weights", "optim.lr").values()
    ]
    alone = sweep().filter(Init=None, lr=0.1).group_by()
    assert list(alone) == [()]
    assert len(alone[()]) == 3
    assert list(Collection([1, 2]).group_by()) == [()]
    assert len(Collection([]).group_by()) == 0
    assert len(RunGroup.from_runs([]).group_by()) == 0


def test_values_of_any_kind_are_keys() -> None:
    """Null, a lack, NaN, bools, lists and dicts each are a group; equal numbers are one."""
    nan = float("nan")
    values = [1, 1.0, True, None, MISSING, nan, nan, [1, 2], [1.0, 2], {"a": [1]}, -1, -2, "1"]
    rows = [{"x": value} if value is not MISSING else {"y": 0} for value in values]
    found = Collection(rows).group_by("x")
    assert [len(group) for group in found.values()] == [2, 1, 1, 1, 2, 2, 1, 1, 1, 1]
    assert list(found)[2:4] == [None, MISSING]
    assert (1, 2) in found
    assert found[[1, 2]] == found[(1, 2)]
    assert len(found[nan]) == 2
    assert len(found[1]) == 2
    assert len(found[True]) == 1
    assert len(dict(found)) == 9  # Python takes True for 1; the groups do not.
    assert found.sort().agg(n=len)["n"].to_list()


LOOK_ALIKES = [0, 1, True, False, 0.0, 1.0, -0.0, "1", "True", None, float("nan"), [1], [True]]


@pytest.mark.parametrize(
    "values", [*itertools.product(LOOK_ALIKES, repeat=2), LOOK_ALIKES], ids=repr
)
def test_values_that_look_alike_are_one_group_if_they_are_equal(values: list[Any]) -> None:
    """A bool is no number, a text neither; in a column of few kinds as in one of many."""
    items = Collection([{"x": value} for value in values])
    wanted = {canonical(value) for value in values}
    assert items.n_unique("x") == len(items.group_by("x")) == len(wanted)
    for value in values:
        group = items.group_by("x")[value]
        assert {canonical(found) for found in group.to_list("x")} == {canonical(value)}
        assert len(group) == sum(canonical(v) == canonical(value) for v in values)


@given(groups(), st.data())
def test_groups_part_the_runs(group: RunGroup, data: st.DataObject) -> None:
    """Every run is in one group, with all that have its values and no other, in order."""
    keys = data.draw(st.lists(st.sampled_from([*group.hpm_group.keys, "status"]), max_size=3))
    found = group.group_by(*keys) if keys else group.group_by()
    keys = list(found.by)

    def values(run: RunData) -> Any:
        return [canonical(run.get(key, MISSING)) if has(run, key) else MISSING for key in keys]

    def has(run: RunData, key: str) -> bool:
        return key == "status" or key in run.hpms

    wanted: list[tuple[Any, list[str]]] = []
    for run in group:
        same = [ids for of, ids in wanted if of == values(run)]
        if same:
            same[0].append(run.id)
        else:
            wanted.append((values(run), [run.id]))
    assert [list(members.ids) for members in found.values()] == [ids for _, ids in wanted]
    assert found.items_left == group
    for key, members in found.items():
        assert found[key] == members
        assert key in found
    assert sum(found.agg(n=len)["n"].to_list()) == len(group)
    assert pickle.loads(pickle.dumps(found)) == found == group.group_by(*keys)


def test_choosing_groups() -> None:
    """By size, by the values of the keys in the language of every filter, by whole groups."""
    found = sweep().group_by("Init", "optim.lr")
    assert len(found.filter(min_runs=3)) == 3
    assert [len(g) for g in found.filter(max_runs=2).values()] == [2, 2]
    assert len(found.filter(min_runs=3, max_runs=2)) == 0
    assert list(found.filter(lr=(0.05, 1), Init="random")) == [(None, 0.1)]
    assert list(found.filter("lr<0.1 and not Init=DEFAULT")) == [(None, 0.01)]
    assert list(found.filter(("optim.lr", [0.01]))) == [("DEFAULT", 0.01), (None, 0.01)]
    assert list(found.filter(lambda group: "r0" in group)) == [("DEFAULT", 0.1)]
    assert list(found.exclude(lr=0.1)) == [("DEFAULT", 0.01), ("DEFAULT", 1), (None, 0.01)]
    assert list(found.filter(include={"lr": [0.1, 1], "Init": None})) == [(None, 0.1)]
    assert list(found.filter(include=[("random", 0.1), ("x", 1)])) == [(None, 0.1)]
    assert list(found.filter(exclude={"lr": [0.1, 1], "Init": None})) == [("DEFAULT", 0.01)]
    assert len(found.filter(exclude=[("random", 0.1), ("x", 1)])) == 4
    assert len(found.filter(include=[])) == 0
    assert len(found.filter()) == len(found.filter(exclude=[])) == 5
    by_lr = sweep().group_by("lr")
    assert list(by_lr.filter(include=[1, 0.01])) == [0.01, 1]
    assert list(by_lr.sort()) == [0.01, 0.1, 1]
    assert list(by_lr.sort("lr", reverse=True)) == [1, 0.1, 0.01]
    assert found.filter(min_runs=3).items_left.ids == sweep().exclude(lr=0.01).ids


@pytest.mark.parametrize("name", ["seed", "sed", "status"])
def test_groups_have_the_keys_of_the_grouping_alone(name: str) -> None:
    """A key by which nothing was grouped, or a typo, never keeps or drops everything."""
    found = sweep().group_by("Init", "optim.lr")
    uses: list[Any] = [{name: 1}, {"include": {name: [1]}}, {"exclude": {name: [1]}}]
    for arguments in uses:
        with pytest.raises(UnknownKeyError, match=f"no key of the grouping '{name}'"):
            found.filter(**arguments)
    with pytest.raises(UsageError, match="sequence of keys"):
        found.filter(include="random")


def test_groups_that_match_a_base() -> None:
    """The values of a base are fixed, the other keys go on grouping; earlier choices stay."""
    found = sweep().group_by("Init", "optim.lr")
    base = found.matching({"model.weights": "DEFAULT"})
    assert base.by == ("optim.lr",)
    assert [(lr, len(group)) for lr, group in base.items()] == [(0.1, 3), (0.01, 2), (1, 3)]
    assert list(found.filter(min_runs=3).matching({"Init": "DEFAULT"})) == [0.1, 1]
    assert list(found.matching({"Init": None, "seed": 0})) == [0.1, 0.01]
    assert [len(g) for g in found.matching({"Init": None, "seed": 0}).values()] == [1, 1]
    assert list(found.matching(sweep().hpm_group.configurations[0].hpms)) == [()]
    assert len(found.matching({"Init": "x"})) == 0
    with pytest.raises(UnknownKeyError):
        found.matching({"Intt": "x"})
    rows = Collection([{"a": 1, "b": 1}, {"a": 1}])
    assert rows.group_by("a").matching({"b": MISSING}).items_left == rows[1:]


def test_pairs_differ_in_one_key_only() -> None:
    """Conditions are compared where both are there; all else is the same."""
    found = sweep().group_by().pairs("Init")
    assert [pair.shared for pair in found] == [{"optim.lr": 0.1}, {"optim.lr": 0.01}]
    assert [(pair.a, pair.b) for pair in found] == [(None, "DEFAULT")] * 2
    assert found[0].left.ids == ("r8", "r9", "r10")
    assert found[0].right.ids == ("r0", "r1", "r2")
    assert [p.a for p in sweep().group_by().pairs("Init", "DEFAULT", "random")] == ["DEFAULT"] * 2
    assert sweep().group_by().pairs("Init", "DEFAULT", "x") == []
    by_lr = sweep().group_by("Init").pairs("optim.lr")
    assert [(p.shared["Init"], p.a, p.b) for p in by_lr] == [
        *(("DEFAULT", a, b) for a, b in itertools.combinations([0.01, 0.1, 1], 2)),
        (None, 0.01, 0.1),
    ]
    assert sweep().group_by("optim.lr").filter(min_runs=5).pairs("Init")[0].left.n_unique("lr") == 1
    with pytest.raises(UnknownKeyError):
        sweep().group_by().pairs("Intt")


def test_one_row_a_group() -> None:
    """Keys as they were given, lists of values, and what functions make of each group."""
    frame = (
        sweep()
        .group_by("optim__lr")
        .agg("seed", "val/acc@best", count=len, best=lambda g: float(g.values("acc@best").max()))
    )
    assert frame.columns == ["optim__lr", "seed", "val/acc@best", "count", "best"]
    assert frame["optim__lr"].to_list() == [0.1, 0.01, 1]
    assert frame["seed"].to_list() == [[0, 1, 2, 0, 1, 2], [0, 1, 0, 1], [0, 1, 2]]
    assert frame["val/acc@best"].dtype == pl.List(pl.Float64)
    assert frame["count"].to_list() == [6, 4, 3]
    assert frame["best"].to_list() == [2.0, 1.0, 2.0]
    assert sweep().group_by("seed").agg("seed")["seed"].to_list() == [[0] * 5, [1] * 5, [2] * 3]
    assert sweep()[:0].group_by("lr").agg(count=len).shape == (0, 2)
    with pytest.raises(UnknownKeyError):
        sweep().group_by("lr").agg("sed")


def test_very_many_combinations() -> None:
    """More combinations than an integer can count are told apart, wherever they differ."""
    for place in (0, 15, 29):
        rows = [{f"k{j}": i if j == place else 0 for j in range(30)} for i in range(40)]
        rows += rows[:7]
        found = Collection(rows).group_by(*rows[0])
        assert [len(group) for group in found.values()] == [2] * 7 + [1] * 33
