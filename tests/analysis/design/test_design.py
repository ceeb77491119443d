"""The design check against plain Python, and what it is as data."""

from __future__ import annotations

import itertools
import pickle
import time
from collections import Counter
from typing import Any

import attrs
import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dr_gen.analysis.design.check import check_design
from dr_gen.analysis.design.environment import environment_kind
from dr_gen.convert import json_text
from dr_gen.errors import UnknownKeyError
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import Hpm, canonical
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, RunTable
from dr_gen.testing import groups, hpm_values, hpms

LEVELS = {"lr": [0.1, 0.2, 0.3], "wd": [0.0, 0.5], "opt": ["sgd", "adam", "lion"]}
CELLS = list(itertools.product(*LEVELS.values()))
KEYS = tuple(sorted(LEVELS))


def group_of(rows: list[dict[str, Any]], **settings: Any) -> RunGroup:
    """One run a row."""
    runs = [RunData.from_dict({"id": f"r{i}", "hpms": row}) for i, row in enumerate(rows)]
    return RunGroup.from_runs(runs, **settings)


def row(cell: tuple[Any, ...], seed: Any) -> dict[str, Any]:
    return {**dict(zip(LEVELS, cell, strict=True)), "seed": seed}


@given(st.lists(st.sampled_from(CELLS), min_size=1, unique=True), st.integers(2, 3))
def test_cells_are_those_of_plain_python(cells: list[tuple[Any, ...]], n_seeds: int) -> None:
    """However the configurations lie, cells with and without runs add up to the whole grid."""
    found = check_design(group_of([row(cell, seed) for cell in cells for seed in range(n_seeds)]))
    assert found.n_configurations == len(cells)
    assert found.n_runs == len(cells) * n_seeds
    assert found.seeds == (n_seeds, n_seeds)
    (grid,) = found.grids
    values = {factor.key: factor.values for factor in grid.factors}
    # Keys that go with others are no factors of their own; what is left tells all cells apart.
    have = {tuple(dict(row(cell, 0))[key] for key in values) for cell in cells}
    assert len(have) == len(cells) == grid.n_configurations
    for key, levels in values.items():
        assert list(levels) == sorted({dict(row(cell, 0))[key] for cell in cells})
    everything = set(itertools.product(*values.values()))
    missing = {tuple(cell[key] for key in values) for cell in grid.missing}
    assert missing == everything - have
    assert (grid.n_cells, grid.n_missing) == (len(everything), len(missing))
    assert found.complete is (not missing)
    together = {key for keys in grid.together for key in keys[1:]}
    varying = {k for k, i in zip(LEVELS, range(3), strict=True) if len({c[i] for c in cells}) > 1}
    assert set(values) | together | set(grid.derived) == varying


@given(
    st.dictionaries(st.sampled_from(CELLS), st.lists(st.integers(0, 5), min_size=1, max_size=5),
                    min_size=1)
)  # fmt: skip
def test_seeds_are_counted_as_plain_python_counts(
    seeds: dict[tuple[Any, ...], list[int]],
) -> None:
    """Copies, single and unequal seeds are those that counting by hand finds."""
    rows = [row(cell, seed) for cell, numbers in seeds.items() for seed in numbers]
    found = check_design(group_of(rows))
    issues = {issue.code: issue for issue in found.issues}
    ids = [f"r{i}" for i in range(len(rows))]
    times = Counter(map(repr, rows))
    copies = [ids[i] for i, r in enumerate(rows) if times[repr(r)] > 1]
    assert list(issues["duplicate-seed"].runs if copies else ()) == copies
    assert ("duplicate-seed" in issues) is bool(copies)
    counts = {cell: len(set(numbers)) for cell, numbers in seeds.items()}
    assert found.seeds == (min(counts.values()), max(counts.values()))
    alone = [i for i, r in zip(ids, rows, strict=True) if counts[_cell(r)] == 1]
    assert list(issues["single-seed"].runs if alone else ()) == alone
    assert ("unequal-seeds" in issues) is (len(set(counts.values())) > 1)
    sets = [set(numbers) for numbers in seeds.values()]
    if "unpaired-seeds" in issues:
        assert set.union(*sets) != set.intersection(*sets)
    if max(counts.values()) > 1 and len(sets) > 1 and not set.intersection(*sets):
        assert "unpaired-seeds" in issues


def _cell(r: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(r[key] for key in LEVELS)


@given(st.data())
def test_keys_that_are_renamed_values_of_others_are_found(data: st.DataObject) -> None:
    """A key made one-to-one from another is found in any grid, and the grid stays full."""
    sizes = [data.draw(st.integers(2, 4)) for _ in range(2)]
    names = data.draw(st.permutations([f"name {i}" for i in range(4)]))
    rows = [
        {"a": i, "b": float(j), "like_a": names[i], "seed": s}
        for i, j, s in itertools.product(range(sizes[0]), range(sizes[1]), range(2))
    ]
    found = check_design(group_of(rows))
    assert found.complete
    assert found.grids[0].together == (("a", "like_a"),)
    assert found.codes == ("aliased-keys",)


@given(st.lists(hpms(st.sampled_from(("lr", "seed", "k", "paths.x")), hpm_values()), max_size=7))
@example([Hpm({"lr": None, "seed": None}), Hpm({"seed": [None]}), Hpm({"seed": [False]})])
def test_any_hyperparameters_can_be_checked(rows: list[Hpm]) -> None:
    """Whatever the values are, there is an answer, and it is plain data."""
    group = group_of([dict(r) for r in rows])
    found = check_design(group)
    assert found.n_configurations == sum(grid.n_configurations for grid in found.grids)
    assert json_text(found.to_dict())
    assert len(found.to_frame()) == len(found.to_dicts()) == len(found.issues)
    assert pickle.loads(pickle.dumps(found)).codes == found.codes
    ranks = [issue.severity.rank for issue in found.issues]
    assert ranks == sorted(ranks, reverse=True)


@given(groups())
def test_any_group_can_be_checked(group: RunGroup) -> None:
    """Whatever was logged, every run is in the check or said to be left out."""
    found = check_design(group)
    left_out = [i.runs for i in found.issues if i.code == "no-configuration"]
    assert found.n_runs + sum(map(len, left_out)) == len(group)


def test_what_was_swept_can_be_said() -> None:
    """With keys named, they are what was swept, and nothing is suspected of them."""
    rows = [{"lr": lr, "trial": t, "seed": s} for lr in (0.1, 0.2) for t in (0, 1) for s in (0, 1)]
    group = group_of(rows)
    assert check_design(group).codes == ("looks-like-seed",)
    assert check_design(group).failed
    assert check_design(group).seeds == (4, 4)
    said = check_design(group, by=["lr", "trial"])
    assert (said.codes, said.keys, said.failed) == ((), ("lr", "trial"), False)
    with pytest.raises(UnknownKeyError, match="'lr'"):
        check_design(group, by=["lrr"])


def test_runs_that_ended_early_are_no_replicates() -> None:
    """A retry is no copy, and a configuration of which nothing completed is named."""
    group = group_of([{"lr": lr, "seed": s} for lr in (0.1, 0.2) for s in (0, 1, 1)])
    records = [
        attrs.evolve(record, status="failed" if i in (1, 3, 4, 5) else "completed")
        for i, record in enumerate(group.table.records)
    ]
    table = attrs.evolve(group.table, records=tuple(records))
    found = check_design(attrs.evolve(group, table=table))
    assert found.codes == ("no-result", "retried-runs")
    assert [issue.runs for issue in found.issues] == [("r3", "r4", "r5"), ("r1", "r2", "r4", "r5")]


def test_runs_without_a_configuration_are_left_out_and_named() -> None:
    """A run whose configuration could not be read says nothing of the sweep."""
    lost = Finding("no-config", "there is no configuration", "error", run="lost")
    runs = [RunData.from_dict({"id": f"r{s}", "hpms": {"lr": 0.1, "seed": s}}) for s in range(3)]
    odd = RunData.from_dict({"id": "lost", "hpms": {}})
    group = RunGroup.from_runs([*runs, odd])
    records = (*group.table.records[:3], attrs.evolve(group.table.records[3], findings=(lost,)))
    group = attrs.evolve(group, table=attrs.evolve(group.table, records=records))
    found = check_design(group)
    assert found.codes == ("no-configuration", "nothing-swept")
    assert found.issues[0].runs == ("lost",)
    assert (found.n_runs, found.n_configurations) == (3, 1)


def test_seeds_that_differ_are_named() -> None:
    """Two configurations that are least alike are shown with their seeds; a warning is no error."""
    rows = [{"lr": lr, "seed": s + 5 * (lr > 0.1)} for lr in (0.1, 0.2) for s in range(5)]
    found = check_design(group_of(rows))
    assert found.codes == ("unpaired-seeds",)
    assert "0 of 10 are in all of them (lr=0.1: 0–4; lr=0.2: 5–9)" in found.issues[0].what
    assert not found.failed


@pytest.mark.parametrize(
    ("decays", "together"),
    [
        ([2, 1, 4, 3], True),
        ([2, 1, 4, 3, 5], False),
        ([1, 2, 3, 4, 5], True),
        ([5, 4, 3, 2, 1], True),
        ([1, 2, 3, 4, 1], False),
    ],
)
def test_numbers_drawn_at_random_do_not_go_together(decays: list[int], together: bool) -> None:
    """Many numbers that never repeat are coupled only when they rise or fall as one."""
    rows = [{"lr": i, "wd": wd, "seed": s} for i, wd in enumerate(decays) for s in range(2)]
    found = check_design(group_of(rows))
    assert ("aliased-keys" in found.codes) is together
    assert found.grids[0].kind == ("grid" if together else "sampled")


@pytest.mark.parametrize(("lost", "kind"), [(0, "partial grid"), (1, "sampled")])
def test_half_a_grid_is_one_with_gaps(lost: int, kind: str) -> None:
    """From half of the cells on, those without a run count as missing."""
    cells = [(i, j) for i, j in itertools.product(range(4), range(4)) if (i + j) % 2 == 0][lost:]
    found = check_design(group_of([{"a": i, "b": j, "seed": s} for i, j in cells for s in (0, 1)]))
    assert found.grids[0].kind == kind
    assert found.codes == (("missing-cells",) if kind == "partial grid" else ("no-grid",))


def test_parts_of_a_sweep_have_grids_of_their_own() -> None:
    """Where one optimizer has a key more, each part says what it is about and what it lacks."""
    rows = [
        *({"optim": "sgd", "lr": lr, "momentum": m} for lr, m in [(1, 0.0), (1, 0.9), (2, 0.0)]),
        *({"optim": name, "lr": lr} for name in ("adam", "lion") for lr in (1, 2)),
    ]
    found = check_design(group_of([{**row, "seed": s} for row in rows for s in (0, 1)]))
    assert found.codes == ("missing-cells", "conditional-key")
    sgd, others = sorted(found.grids, key=lambda grid: len(grid.where), reverse=True)
    assert dict(sgd.where) == {"optim": "sgd"}
    assert (sgd.keys, sgd.n_missing) == (("lr", "momentum"), 1)
    assert [dict(cell) for cell in sgd.missing] == [{"optim": "sgd", "lr": 2, "momentum": 0.9}]
    assert (dict(others.where), others.keys, others.n_missing) == ({}, ("lr", "optim"), 0)
    assert "lr × momentum where optim=sgd have no run: lr=2 momentum=0.9" in found.issues[0].what


@pytest.mark.parametrize(("n", "suspected"), [(3, False), (4, True)])
def test_few_runs_arouse_no_suspicion(n: int, suspected: bool) -> None:
    """Times that differ in three runs may be a choice, in four they are the clock's."""
    rows = [{"lr": i % 2, "at": f"2026-01-0{i + 1}", "seed": i // 2} for i in range(n)]
    assert ("looks-like-noise" in check_design(group_of(rows)).codes) is suspected


def test_no_runs_and_one_run() -> None:
    """Nothing is wrong with no runs, and one run is a single seed."""
    assert check_design(RunGroup.from_runs([])).codes == ()
    assert check_design(group_of([{"lr": 0.1, "seed": 0}])).codes == (
        "single-seed",
        "nothing-swept",
    )


def test_suspected_keys_do_not_hide_what_else_is_wrong() -> None:
    """With a run's name and another's seed among the keys, the missing cell is still found."""
    rows = [
        {"lr": lr, "wd": wd, "random_state": s, "session": f"run at {lr} {wd} {s}"}
        for lr, wd, s in itertools.product((0.1, 0.2, 0.3), (0.0, 0.5), range(3))
        if (lr, wd) != (0.3, 0.5)
    ]
    found = check_design(group_of(rows))
    assert found.codes == ("looks-like-seed", "differs-in-every-run", "missing-cells")
    assert (found.keys, found.seed) == (("lr", "wd"), "random_state")
    assert [dict(cell) for cell in found.grids[0].missing] == [{"lr": 0.3, "wd": 0.5}]


@pytest.mark.parametrize(
    "values",
    [
        {"nodes": [16, 32, 64]},
        {"gpus": [1, 2, 4]},
        {"tokens": [1_000_000_000, 1_500_000_000]},
        {"checkpoint_name": ["bert/base", "bert/large"]},
        {"data.root": ["/data/cifar10", "/data/cifar100"]},
        {"dataset_version": ["1.1", "1.10"]},
        {"model": ["a", "b", "c", "d", "e", "f"]},
        {"activation": ["relu", None]},
        {"use_seed_data": [True, False]},
        {"layers": [1, 2, 3, 4]},
        {"betas": [[0.9, 0.99], [0.9, 0.999]]},
        {"warmup": [10, 100, 1000], "seedling": [1, 2]},
    ],
    ids=lambda values: ", ".join(values),
)
def test_usual_sweeps_arouse_no_suspicion(values: dict[str, list[Any]]) -> None:
    """Keys that only sound like noise, or have odd values, are swept like any other."""
    cells = itertools.product(*values.values(), range(2))
    rows = [{**dict(zip([*values, "seed"], cell, strict=True))} for cell in cells]
    assert check_design(group_of(rows)).codes == ()


@pytest.mark.parametrize(
    ("key", "values", "kind"),
    [
        ("mlflow.source.git.commit", ["a1b2"], "code"),
        ("git_commit_hash", ["a1b2"], "code"),
        ("experiment.repositories", [[]], "code"),
        ("env.torch_version", ["2.1"], "software"),
        ("torch", ["2.1.0+cu118"], "software"),
        ("backend", ["torch"], None),
        ("python", ["/usr/bin/python"], None),
        ("header.gpu", ["NVIDIA A100"], "hardware"),
        ("gpu", [0, 1], None),
        ("slurm.node", ["gpu01"], "host"),
        ("commitment", ["a"], None),
        ("optim.lr", [0.1], None),
    ],
)
def test_the_environment_is_known_by_its_names(
    key: str, values: list[Any], kind: str | None
) -> None:
    """Names that trackers give to code, libraries and machines are known, others are not."""
    assert environment_kind(key, values) == kind


def test_as_data() -> None:
    """The whole check is plain data, and its issues are a frame."""
    rows = [row(cell, seed) for cell in CELLS[:-1] for seed in range(2)]
    found = check_design(group_of(rows))
    data = found.to_dict()
    assert data["n_cells"] == 18
    assert data["complete"] is False
    assert data["grids"][0]["missing"] == [dict(zip(LEVELS, CELLS[-1], strict=True))]
    assert list(data["grids"][0]["factors"]) == list(KEYS)
    assert data["issues"] == found.to_dicts()
    assert found.to_dicts()[0] | {"what": "", "hint": ""} == {
        "severity": "warning",
        "code": "missing-cells",
        "what": "",
        "keys": list(KEYS),
        "runs": [],
        "hint": "",
    }
    frame = found.to_frame()
    assert frame["code"].to_list() == ["missing-cells"]
    assert frame.schema["runs"] == pl.List(pl.String)
    empty = check_design(group_of([row(cell, seed) for cell in CELLS for seed in range(2)]))
    assert empty.to_frame().schema == frame.schema
    assert "missing-cells" in str(found.issues[0])
    assert found.issues[0].severity is Severity.WARNING


def test_huge_grids_are_not_listed() -> None:
    """Twelve keys of many values are no reason to make a list of all their combinations."""
    draw = np.random.default_rng(0)
    rows = [
        {**{f"k{i:02}": int(draw.integers(0, 50)) for i in range(12)}, "seed": s}
        for _ in range(30)
        for s in range(2)
    ]
    found = check_design(group_of(rows))
    (grid,) = found.grids
    assert grid.kind == "sampled"
    assert grid.missing == ()
    assert grid.n_cells > 10**12


def test_ten_thousand_runs_take_a_moment() -> None:
    """On 10,000 runs with 67 keys the check takes a fraction of a second."""
    cells = list(itertools.product((0.01, 0.03, 0.1, 0.3), (0.0, 1e-4), range(25), range(50)))
    fixed = {f"fixed.k{i}": i for i in range(58)}
    rows = [
        {**fixed, "optim.lr": lr, "optim.wd": wd, "model.width": w, "optim.width": w, "seed": s,
         "paths.out": f"/out/{i}", "run_name": f"run {i}", "machine.node": f"gpu{i % 40}",
         "started": f"2026-01-01 10:{i % 60:02}:{i // 60 % 60:02}"}
        for i, (lr, wd, w, s) in enumerate(cells)
    ]  # fmt: skip
    table = RunTable(
        tuple(RunRecord(f"r{i}") for i in range(len(rows))),
        HpmTable.from_mappings(rows),
        CurveTable.concat([], []),
    )
    group = RunGroup(table, np.arange(len(rows)))
    assert (len(group), len(group.table.hpms.keys)) == (10_000, 67)
    took = []
    for _ in range(3):
        fresh = attrs.evolve(group, table=pickle.loads(pickle.dumps(group.table)))
        start = time.process_time()
        found = check_design(fresh)
        took.append(time.process_time() - start)
    assert found.codes == ("looks-like-noise", "aliased-keys", "environment-drift")
    assert found.complete
    # 0.04 s where this was written; a loop over runs and keys takes seconds.
    assert min(took) < 0.3


def test_equal_values_of_other_types_are_one_level() -> None:
    """1 and 1.0 are one value of the grid, as in every other question."""
    found = check_design(group_of([{"a": a, "seed": s} for a in (1, 2) for s in (0, 1)]))
    other = check_design(group_of([{"a": a + s / 2 - s / 2, "seed": s} for a in (1, 2)
                                   for s in (0, 1)]))  # fmt: skip
    assert [canonical(v) for v in found.grids[0].factors[0].values] == [
        canonical(v) for v in other.grids[0].factors[0].values
    ]


def test_a_key_that_was_not_asked_for_is_no_noise() -> None:
    """What sets runs of one configuration apart is told of as what it is."""
    rows = [{"lr": lr, "opt": opt, "seed": s} for lr in (1, 2) for opt in "ab" for s in (0, 1)]
    for by, words in ((["lr"], "opt was not asked for, but"), (["opt"], "lr was not asked for")):
        (issue,) = [i for i in check_design(group_of(rows), by=by).issues if "hidden" in i.code]
        assert words in issue.what
        assert "(--by, by=)" in issue.hint
