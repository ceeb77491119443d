"""Rows S0-33 … S0-78, and the faults listed with them: what a collection of runs does."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import polars as pl
import pytest

import dr_gen
from dr_gen import MISSING, Collection, RunData, RunGroup
from dr_gen.errors import NotOneError, UnknownKeyError, UsageError
from tests.documents.rows import Rows, numbers

row = Rows()

HPMS: list[dict[str, Any]] = [
    {"model": {"name": "a", "type": "x"}, "lr": 0.1, "n": 1, "list": [1, 2], "null": None},
    {"model": {"name": "b", "type": "x"}, "lr": 0.01, "n": 2, "list": [1, 3], "null": None},
    {"model": {"name": "a", "type": "y"}, "lr": 1, "n": 3, "list": [1, 2], "flag": True},
    {"model": {"name": "b", "type": "y"}, "lr": 0.1, "n": 3},
]
ALL = ("r0", "r1", "r2", "r3")


@attrs.frozen
class Impl:
    """What is made of the folder of a run."""

    folder: Path

    @property
    def square(self) -> int:
        """Something to aggregate."""
        return len(self.folder.name) ** 2


@pytest.fixture
def runs() -> RunGroup[Any, Impl]:
    """Four runs of different keys."""
    group = RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": f"r{i}",
                "hpms": hpms,
                "source": f"logs/{'r' * (i + 1)}/log.jsonl",
                "status": "failed" if i == 1 else "completed",
                "curves": {"val/acc": [0.5, i / 4]},
            }
        )
        for i, hpms in enumerate(HPMS)
    )
    return dr_gen.typed(group, impl=Impl)


# ------------------------------------------------------------------ a sequence


@row("S0-33")
def sequence(runs: RunGroup) -> None:
    """Length, truth, iteration, positions, slices and lists of positions."""
    assert (len(runs), bool(runs), bool(runs[:0])) == (4, True, False)
    assert [run.id for run in runs] == list(ALL)
    assert (runs[0].id, runs[-1].id, runs[1:3].ids, runs[::-2].ids) == (
        *("r0", "r3", ("r1", "r2"), ("r3", "r1")),
    )
    assert isinstance(runs[[2, 0]], RunGroup)
    assert runs[[2, 0]].ids == runs[iter([2, 0])].ids == ("r2", "r0")
    assert runs[1:][0].impl == Impl(Path("logs/rr"))


@row("S0-34")
def columns_in_brackets(runs: RunGroup) -> None:
    """A key in brackets is a polars series."""
    assert isinstance(runs["lr"], pl.Series)
    assert runs["lr"].to_list() == [0.1, 0.01, 1.0, 0.1]


@row("S0-35")
def text(runs: RunGroup) -> None:
    """How many runs, how they ended, what was swept; an empty one says so."""
    assert repr(runs).startswith("RunGroup: 4 runs (3 completed, 1 failed), 4 configurations")
    assert repr(runs[:0]) == "RunGroup: 0 runs (none), 0 configurations; swept: nothing"


# ------------------------------------------------------------------ selecting


@row("S0-36")
def every_criterion_has_to_hold(runs: RunGroup) -> None:
    """In the order of the runs; without criteria all; the old group stays."""
    assert runs.filter(lr=0.1, n=3).ids == ("r3",)
    assert runs.filter(("lr", 0.1), lambda run: run.id != "r0").ids == ("r3",)
    assert runs.filter() == runs
    assert len(runs) == 4


CRITERIA: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("S0-37", (lambda run: run.get("n") > 1,), {}, "123"),
    ("S0-37", (lambda run: [] if run.id == "r0" else "yes",), {}, "123"),
    ("S0-38", (("model.name", "a"),), {}, "02"),
    ("S0-39", (), {"model__name": "a", "n": 1}, "0"),
    ("S0-40", ([True, False, False, True],), {}, "03"),
    ("S0-40", (np.array([True, False, False, True]),), {}, "03"),
    ("S0-40", (pl.Series([True, False, False, True]),), {}, "03"),
    ("S0-41", (), {"lr": lambda lr: lr > 0.05}, "023"),
    ("S0-42", (), {"lr": [0.1, 1]}, "023"),
    ("S0-42", (), {"lr": {0.01}}, "1"),
    ("S0-43", (), {"lr": (0.01, 0.1)}, "013"),
    ("S0-43", (), {"model__name": ("a", "az")}, "02"),
    ("S0-43", (), {"lr": (10, 1)}, ""),
    ("S0-43", (), {"lr": (None, 0.05)}, "1"),
    ("S0-43", (), {"null": (0, 1)}, ""),
    ("S0-44", (), {"list": [1, 2]}, "02"),
    ("S0-44", (), {"list": (1, 2)}, "02"),
    ("S0-45", (), {"n": range(1, 3)}, "01"),
    ("S0-45", (), {"n": np.array([1, 2])}, "01"),
    ("S0-45", (), {"n": (1, 2, 3)}, ""),
    ("S0-46", (), {"null": None}, "01"),
    ("S0-46", (), {"model__name": "a"}, "02"),
    ("S0-47", (), {"list": [[1, 2], [1, 3]]}, "012"),
    ("S0-48", (), {"flag": True}, "2"),
    ("S0-48", (), {"list": lambda value: True}, "012"),
    ("S0-72", (Collection.eq("n", "lr", default=0),), {}, ""),
    ("S0-72", (Collection.gt("n", "lr"),), {}, "0123"),
    ("S0-72", (Collection.le("n", 2),), {}, "01"),
    ("S0-72", (Collection.ne("model.name", "b"),), {}, "02"),
    ("S0-72", (Collection.lt("lr", "n"), Collection.ge("n", 3)), {}, "23"),
    ("S0-73", (Collection.startswith("model.type", "x"),), {}, "01"),
    ("S0-73", (Collection.endswith("lr", ".1"),), {}, "03"),
    ("S0-73", (Collection.match("model.name", "[B]", flags=2),), {}, "13"),
    ("S0-73", (Collection.match("flag", "no", default="none"),), {}, "013"),
    ("S0-status", (), {"status": "!failed"}, "023"),
    ("S0-status", (), {"status": "!FAILED"}, "023"),
    ("S0-metric", (("val/acc@best", (0.6, 1.0)),), {}, "3"),
    ("S0-text", ("lr >= 0.1 and model.name = a",), {}, "02"),
]


@pytest.mark.parametrize(("number", "criteria", "by_key", "wanted"), CRITERIA)
def test_what_a_criterion_selects(
    runs: RunGroup, number: str, criteria: tuple[Any, ...], by_key: dict[str, Any], wanted: str
) -> None:
    """Each kind of criterion; what an item lacks it does not fit."""
    assert runs.filter(*criteria, **by_key).ids == tuple(f"r{i}" for i in wanted)


@row("S0-40")
def a_mask_has_to_fit(runs: RunGroup) -> None:
    """A mask of another length is an error; one made of a column works."""
    with pytest.raises(UsageError, match="does not fit 4 runs"):
        runs.filter([True])
    assert runs.filter(runs["n"] >= 2).ids == ("r1", "r2", "r3")


@row("S0-48", "S0-c1")
def different_runs_never_crash(runs: RunGroup) -> None:
    """A lack is no match, nor is it excluded; a key that no run has is an error with a hint."""
    assert runs.exclude(flag=True).ids == ("r0", "r1", "r3")
    for select in (runs.filter, runs.exclude, runs.get, runs.first):
        with pytest.raises(UnknownKeyError, match="did you mean 'flag'"):
            select(flg=True)


@row("S0-49")
def exclude(runs: RunGroup) -> None:
    """What fits any criterion goes."""
    assert runs.exclude(n=1, lr=0.01).ids == ("r2", "r3")


@row("S0-50", "S0-51", "S0-52")
def one_run(runs: RunGroup) -> None:
    """One, or an error that says how many; the first and the last."""
    assert runs.try_get(n=9) is None
    assert runs.try_get(n=1) == runs.get(n=1) == runs[0]
    assert (runs.first().id, runs.last().id) == ("r0", "r3")
    assert (runs.first(n=3).id, runs.last(n=3).id) == ("r2", "r3")
    for verb in (runs.try_get, runs.get):
        with pytest.raises(NotOneError, match="2 runs fit"):
            verb(n=3)
    for verb in (runs.get, runs.first, runs.last):
        with pytest.raises(NotOneError, match="no run fits") as info:
            verb(n=9)
        assert isinstance(info.value, ValueError)


# ------------------------------------------------------------------ columns


@row("S0-53", "S0-54", "S0-55")
def columns(runs: RunGroup) -> None:
    """Lists, arrays and series, with a default, also a function of the run."""
    assert runs.to_list("flag", 0) == [0, 0, True, 0]
    assert runs.to_list("flag", lambda run: run.id) == ["r0", "r1", True, "r3"]
    assert runs.to_list("flag") == [MISSING, MISSING, True, MISSING]
    with pytest.raises(UnknownKeyError):
        runs.to_list("nothing")
    assert runs.to_numpy("n").tolist() == [1, 2, 3, 3]
    assert runs[:3].to_numpy("list").shape == (3, 2)
    assert runs.to_series("model.name").name == "model.name"
    assert runs.to_series("n", name="number").to_list() == [1, 2, 3, 3]


@row("S0-56", "S0-57")
def different_values(runs: RunGroup) -> None:
    """Sorted, each once, lists as rows; how many; NaN is one value."""
    assert runs.unique("lr").tolist() == [0.01, 0.1, 1]
    assert runs[:3].unique("list").tolist() == [[1, 2], [1, 3]]
    assert (runs.n_unique("n"), runs.n_unique("flag", False)) == (3, 2)
    assert Collection([{"x": float("nan")}, {"x": float("nan")}]).n_unique("x") == 1


@row("S0-58", "S0-c8")
def sort(runs: RunGroup) -> None:
    """By several keys, equal ones in their order, in reverse as well; without keys as it is."""
    assert runs.sort("lr", "n").ids == ("r1", "r0", "r3", "r2")
    assert runs.sort("lr", reverse=True).ids == ("r2", "r0", "r3", "r1")
    assert runs.sort("model.name").ids == ("r0", "r2", "r1", "r3")
    assert runs.sort() == runs


@row("S0-59", "S0-60", "S0-61", "S0-62", "S0-64", "S0-c13")
def functions(runs: RunGroup) -> None:
    """Lazily or side by side, lambdas as well, with arguments and progress; objects of all runs."""
    assert next(runs.map(lambda run, more: run.id + more, "!")) == "r0!"
    told: list[int] = []
    squares = runs.pmap(
        lambda run, k: run.impl.square + k, 1, workers=2, progress=lambda n, of: told.append(n)
    )
    assert squares == [2, 5, 10, 17]
    assert told == [1, 2, 3, 4]
    assert runs.pmap(lambda run: run.cfg)[0]["n"] == 1
    impls = Collection(run.impl for run in runs)
    assert impls.filter(square=(4, 9)).to_list("folder") == [Path("logs/rr"), Path("logs/rrr")]
    frame = runs.to_frame("id").with_columns(
        pl.Series("square", runs.pmap(lambda r: r.impl.square))
    )
    assert frame.rows()[1] == ("r1", 4)


# ------------------------------------------------------------------ tables and groups


@row("S0-63", "S0-66", "S0-c7")
def frames(runs: RunGroup) -> None:
    """One row a run; defaults by key; functions; lists and structs; nulls for lacks."""
    defaults = {"flag": False}
    frame = runs.to_frame(
        *("n", "flag", ("list", [0])),
        defaults=defaults,
        double=lambda run: 2 * run.get("n"),
        pair=lambda run: [run.get("n"), 0],
        both=lambda run: {"id": run.id},
    )
    assert defaults == {"flag": False}
    assert frame["flag"].to_list() == [False, False, True, False]
    assert frame["list"].to_list() == [[1, 2], [1, 3], [1, 2], [0]]
    assert frame["double"].to_list() == [2, 4, 6, 6]
    assert (frame["pair"].dtype, frame["both"].dtype) == (
        *(pl.List(pl.Int64), pl.Struct({"id": pl.String})),
    )
    assert runs.to_frame("flag")["flag"].to_list() == [None, None, True, None]
    with pytest.raises(UnknownKeyError):
        runs.to_frame("nothing")


@row("S0-65", "S0-c2")
def whole_frames(runs: RunGroup) -> None:
    """Without keys: run information and the whole configuration."""
    frame = runs.to_frame()
    assert frame.columns[:4] == ["id", "status", "experiment", "source"]
    assert set(frame.columns[4:]) == {
        *("model.name", "model.type", "lr", "n", "list", "null", "flag")
    }
    assert len(frame) == 4


@row("S0-67", "S0-68")
def groups(runs: RunGroup) -> None:
    """Like a dict in order of appearance: a value for one key, else a tuple; each a full group."""
    by_name = runs.group_by("model.name")
    assert (list(by_name), len(by_name), "a" in by_name) == (["a", "b"], 2, True)
    assert by_name["b"].ids == ("r1", "r3")
    assert by_name.get("c") is None
    assert isinstance(by_name["a"], RunGroup)
    pairs = runs.group_by("model__name", "lr")
    assert list(pairs) == [("a", 0.1), ("b", 0.01), ("a", 1), ("b", 0.1)]
    assert pairs["a", 0.1].ids == ("r0",)
    assert [list(by) for by in (runs.group_by("list"), runs.group_by("null"))] == [
        *([(1, 2), (1, 3), MISSING], [None, MISSING])
    ]
    assert [group.ids for group in runs.filter(lr=9).group_by("n").values()] == []
    alone = Collection([1, 2]).group_by()
    assert [key for key, _ in alone.items()] == [()]


@row("S0-69")
def aggregates(runs: RunGroup) -> None:
    """Keys as they were given, lists of keys, one column a function; nothing of nothing."""
    frame = runs.group_by("model__name").agg(
        "n", count=len, top=lambda group: max(group.to_list("n"))
    )
    assert frame.to_dicts() == [
        {"model__name": "a", "n": [1, 3], "count": 2, "top": 3},
        {"model__name": "b", "n": [2, 3], "count": 2, "top": 3},
    ]
    assert runs[:0].group_by("n").agg(count=len).shape == (0, 2)


@row("S0-70", "S0-71", "S0-c7")
def chance(runs: RunGroup) -> None:
    """Without replacement, by a seed of its own; too many is an error, none of none is none."""
    before = random.getstate()
    assert runs.sample(2, seed=1).ids == runs.sample(2, seed=1).ids
    assert sorted(runs.shuffle(seed=3).ids) == list(ALL)
    assert random.getstate() == before
    assert len(runs[:0].shuffle()) == 0
    for k in (0, 5):
        with pytest.raises(UsageError):
            runs.sample(k)


@row("S0-74", "S0-77")
def additions(runs: RunGroup, tmp_path: Path) -> None:
    """Keys, metrics, tags and notes are added to all runs, and kept in a store."""
    from dr_gen.store.store import save

    added = runs.update("flag", False).update(("a", "b"), lambda run: (run.id, 1))
    added = added.with_metric("test/acc", lambda run: [run.get("n") / 3]).with_tags("good")
    assert added.to_list("flag") == [False, False, True, False]
    assert added.to_list("test/acc@last") == [1 / 3, 2 / 3, 1, 1]
    assert runs.to_list("flag") == [MISSING, MISSING, True, MISSING]
    save(runs, tmp_path)
    dr_gen.save_overlay(added, tmp_path)
    found = dr_gen.open_store(tmp_path)
    assert found.to_list("a") == list(ALL)
    assert found[0].metadata["tags"] == ["good"]
    assert dr_gen.scan_metrics(tmp_path).filter(split="test").collect().height == 4


@row("S0-75")
def concatenated(runs: RunGroup) -> None:
    """The frame of each run below the other; none of none."""
    frame = runs.concat(lambda run: pl.DataFrame({"acc": run.curve("val/acc").values}), "n")
    assert frame.rows()[:3] == [(0.5, 1), (0.0, 1), (0.5, 2)]
    assert runs[:0].concat(lambda run: pl.DataFrame()).height == 0


@row("S0-76")
def files_of_all(runs: RunGroup, tmp_path: Path) -> None:
    """Those of each run one after the other, all or by a glob."""
    logs = [tmp_path / name / "log.jsonl" for name in ("b", "a")]
    for log in logs:
        log.parent.mkdir()
        log.touch()
        (log.parent / "model.pt").touch()
    group = RunGroup.from_runs(
        RunData.from_dict({"id": log.parent.name, "source": str(log)}) for log in logs
    )
    assert [p.parent.name for p in dr_gen.iter_artifacts(group, "*.pt")] == ["b", "a"]
    assert len(list(dr_gen.iter_artifacts(group))) == 4


@row("S0-78")
def the_same_configuration(runs: RunGroup) -> None:
    """Equal configurations are found, whatever the order of keys and the kind of number."""
    twice = RunGroup.from_runs(
        [
            RunData.from_dict({"id": "a", "hpms": {"lr": 1, "seed": 0, "wd": 0.1}}),
            RunData.from_dict({"id": "b", "hpms": {"wd": 0.1, "lr": 1.0, "seed": 0}}),
        ]
    )
    assert twice[0].hpms == twice[1].hpms
    assert "duplicate-seed" in dr_gen.check_design(twice).codes


# ------------------------------------------------------------------ what must not come back


@row("S0-c3", "S0-c4")
def falsy_items_and_masks(runs: RunGroup) -> None:
    """A found 0 is found; masks and integers of NumPy are fine in brackets."""
    assert Collection([0, 1], lambda item, key: item).get(n=0) == 0
    assert runs[np.int64(1)].id == "r1"
    assert runs[np.array([True, False, True, False])].ids == ("r0", "r2")
    assert runs[[True, False, True, False]].ids == ("r0", "r2")
    assert runs[np.array([2, 1])].ids == ("r2", "r1")


@row("S0-c5", "S0-c6")
def values_of_several_kinds(runs: RunGroup) -> None:
    """They sort, have an order and lie in ranges; a column keeps each as it is."""
    mixed = Collection([{"x": v} for v in (2, "a", None, 0.5, True, [1])])
    assert mixed.sort("x").to_list("x") == [None, True, 0.5, 2, "a", [1]]
    assert mixed.n_unique("x") == 6
    assert mixed.filter(x=(0, 3)).to_list("x") == [2, 0.5]
    assert mixed.to_frame("x")["x"].to_list() == [2, "a", None, 0.5, True, [1]]
    assert Collection([{"x": 1}, {"x": 0.5}]).to_series("x").to_list() == [1.0, 0.5]
    frame = runs.to_frame("cfg", "impl")
    assert frame["impl"].to_list()[0] == Impl(Path("logs/r"))
    assert frame["cfg"].to_list()[3]["model"]["type"] == "y"


@row("S0-c9")
def masks_are_no_keys(runs: RunGroup) -> None:
    """A tuple of two bools is a mask; a pair to be equal to is told from a range by a list."""
    assert runs[:2].filter((True, False)).ids == ("r0",)
    assert runs.filter(n=[(1, 2), 3]).ids == ("r2", "r3")


@row("S0-c11")
def metrics_are_there(runs: RunGroup) -> None:
    """Numbers of curves are keys like any other."""
    assert runs.sort("val/acc@last", reverse=True)[0].id == "r3"
    assert runs.to_frame("id", best="val/acc@best")["best"].to_list() == [0.5, 0.5, 0.5, 0.75]


@row("S0-c15")
def no_partial_update(runs: RunGroup) -> None:
    """Values that do not fit their keys change nothing."""
    with pytest.raises(UsageError):
        runs.update(("new", "newer"), (1,))
    with pytest.raises(UnknownKeyError):
        runs.to_list("new")


@row("S0-c16")
def dicts_are_no_lists(runs: RunGroup) -> None:
    """A dict is never equal to the list of its keys."""
    items = Collection([{"d": {"a": 1}}])
    assert len(items.filter(d=["a"])) == 0
    assert len(items.filter(d={"a": 1})) == 1


@pytest.mark.parametrize(("name", "check"), row.cases(), ids=[name for name, _ in row.cases()])
def test_row(name: str, check: Callable[..., None], runs: RunGroup, tmp_path: Path) -> None:
    """The capability is there, as its row has it or better."""
    check(*([runs, tmp_path] if name in ("S0-74", "S0-77", "S0-76") else [runs]))


def test_no_row_is_left_out() -> None:
    """Each row has a check."""
    checked = row.checks.keys() | {number for number, *_ in CRITERIA}
    assert numbers("S0", (33, 78)) <= checked
