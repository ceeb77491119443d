"""Small sweeps with everything that is wrong with each: no more and no less may be found."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pytest

from dr_gen.analysis.design.check import DesignCheck, check_design
from dr_gen.model.finding import Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData

Row = dict[str, Any]


def grid(**values: Any) -> list[Row]:
    """Every combination of the values; ``__`` in a name is a dot."""
    keys = [key.replace("__", ".") for key in values]
    return [dict(zip(keys, cell, strict=True)) for cell in itertools.product(*values.values())]


def group_of(rows: list[Row], metadata: list[Row] | None = None, **settings: Any) -> RunGroup:
    """One run a row."""
    facts: list[Mapping[str, Any]] = list(metadata or [{}] * len(rows))
    return RunGroup.from_runs(
        (
            RunData.from_dict({"id": f"r{i}", "hpms": row, "metadata": dict(facts[i])})
            for i, row in enumerate(rows)
        ),
        **settings,
    )


def with_each(rows: list[Row], **made: Any) -> list[Row]:
    """Rows with further keys, each made of the number of the row and the row."""
    return [
        {**row, **{key.replace("__", "."): make(i, row) for key, make in made.items()}}
        for i, row in enumerate(rows)
    ]


SEEDS = range(3)
CLEAN = grid(optim__lr=[0.1, 0.01], model__weights=[None, "DEFAULT"], seed=SEEDS)


def commit(n: int) -> str:
    """A commit as git writes it."""
    return f"{n * 7919:07x}".rjust(40, "a")


@attrs.frozen
class Labelled:
    """A sweep and the codes of what is wrong with it."""

    name: str
    rows: list[Row]
    codes: set[str]
    keys: set[str] = attrs.field(factory=set)
    metadata: list[Row] | None = None


def labelled() -> Iterator[Labelled]:
    """The sweeps."""
    yield Labelled("a full grid", CLEAN, set())
    yield Labelled("a missing cell", CLEAN[:-3], {"missing-cells"}, {"optim.lr", "model.weights"})
    yield Labelled("a copy", [*CLEAN, CLEAN[4]], {"duplicate-seed"}, {"seed"})
    yield Labelled("unequal seeds", CLEAN[:-1], {"unequal-seeds"})
    yield Labelled(
        "other seeds for other configurations",
        with_each(grid(lr=[0.1, 0.2], seed=range(5)), seed=lambda i, row: i),
        {"unpaired-seeds"},
        {"seed"},
    )
    yield Labelled(
        "some seeds the same",
        with_each(grid(lr=[0.1, 0.2], seed=range(4)), seed=lambda i, row: i - 2 * (i > 3)),
        {"unpaired-seeds"},
    )
    yield Labelled(
        "two keys one-to-one",
        with_each(grid(lr=[0.1, 0.2, 0.3], seed=SEEDS), wd=lambda i, row: row["lr"] / 10),
        {"aliased-keys"},
        {"lr", "wd"},
    )
    yield Labelled(
        "two keys one-to-one in a larger grid",
        with_each(CLEAN, clip=lambda i, row: {0.1: "on", 0.01: "off"}[row["optim.lr"]]),
        {"aliased-keys"},
        {"optim.lr", "clip"},
    )
    yield Labelled(
        "a key that follows from another",
        with_each(
            grid(model=["r18", "r50", "vit"], lr=[0.1, 0.2], seed=SEEDS),
            family=lambda i, row: row["model"][0],
        ),
        {"derived-key"},
        {"family", "model"},
    )
    yield Labelled(
        "a key that follows from two others",
        with_each(
            grid(batch=[16, 32, 64], accumulate=[1, 2, 4], seed=SEEDS),
            total=lambda i, row: row["batch"] * row["accumulate"],
        ),
        {"derived-key"},
        {"total", "batch", "accumulate"},
    )
    yield Labelled(
        "a seed by another name",
        grid(lr=[0.1, 0.2], random_state=SEEDS),
        {"looks-like-seed"},
        {"random_state"},
    )
    yield Labelled(
        "two seeds",
        with_each(grid(lr=[0.1, 0.2], seed=SEEDS), torch_seed=lambda i, row: 1000 + row["seed"]),
        {"looks-like-seed"},
        {"torch_seed"},
    )
    yield Labelled(
        "two seeds that were crossed",
        grid(lr=[0.1, 0.2], seed=SEEDS, data_seed=[0, 1]),
        {"looks-like-seed"},
        {"data_seed"},
    )
    yield Labelled(
        "two seeds that are noise",
        grid(lr=[0.1, 0.2], seed=SEEDS, data__seed=[0, 1]),
        set(),
    )
    yield Labelled(
        "two numbers of which one follows",
        with_each(grid(batch=[16, 32, 64], seed=SEEDS), warmup=lambda i, row: row["batch"] // 33),
        {"derived-key"},
        {"batch", "warmup"},
    )
    yield Labelled(
        "a time of each run",
        with_each(CLEAN, begun=lambda i, row: f"2026-01-02T03:{i:02}:05"),
        {"looks-like-noise"},
        {"begun"},
    )
    yield Labelled(
        "a clock of each run",
        with_each(CLEAN, begun=lambda i, row: 1_767_323_045.25 + 61 * i),
        {"looks-like-noise"},
        {"begun"},
    )
    yield Labelled(
        "a folder of each run",
        with_each(CLEAN, save_to=lambda i, row: f"/scratch/me/{i}"),
        {"looks-like-noise"},
        {"save_to"},
    )
    yield Labelled(
        "an id of each run",
        with_each(CLEAN, session=lambda i, row: str(uuid.UUID(int=i * 977 << 64))),
        {"looks-like-noise"},
        {"session"},
    )
    yield Labelled(
        "a name of each run",
        with_each(CLEAN, nickname=lambda i, row: f"amber-fox-{i}"),
        {"differs-in-every-run"},
        {"nickname"},
    )
    yield Labelled(
        "a port of each run",
        with_each(CLEAN, dist__port=lambda i, row: 29500 + 13 * i % 101),
        {"differs-in-every-run"},
        {"dist.port"},
    )
    yield Labelled(
        "a data set that hides behind a path",
        grid(lr=[0.1, 0.2], paths__data=["/data/cifar10", "/data/cifar100"], seed=SEEDS),
        {"hidden-by-noise", "duplicate-seed"},
        {"paths.data", "seed"},
    )
    yield Labelled(
        "a data set that hides behind a path, without seeds",
        grid(lr=[0.1, 0.2], paths__data=["/data/cifar10", "/data/cifar100"], n=[1]) * 2,
        {"hidden-by-noise", "no-seed"},
        {"paths.data"},
    )
    yield Labelled(
        "folders that are used for more than one run",
        with_each(CLEAN, paths__out=lambda i, row: f"/out/{i % 5}"),
        set(),
    )
    yield Labelled(
        "a rate that hides behind a path",
        with_each(CLEAN, drop__path=lambda i, row: [0.1, 0.2][i % 2]),
        {"hidden-by-noise"},
        {"drop.path"},
    )
    yield Labelled(
        "a width that is called like a machine",
        grid(lr=[0.1, 0.2], tree__node=[16, 32], seed=SEEDS),
        {"hidden-by-noise", "duplicate-seed"},
        {"tree.node", "seed"},
    )
    yield Labelled(
        "a number as text",
        with_each(CLEAN, optim__lr=lambda i, row: "0.1" if i == 1 else row["optim.lr"]),
        {"spelled-differently"},
        {"optim.lr"},
    )
    yield Labelled(
        "a constant in two spellings",
        with_each(CLEAN, nesterov=lambda i, row: "True" if i < 2 else True),
        {"spelled-differently"},
        {"nesterov"},
    )
    yield Labelled(
        "a constant of three types",
        with_each(CLEAN, depth=lambda i, row: [1, 1.0, True][i % 3]),
        {"spelled-differently", "mixed-types"},
        {"depth"},
    )
    yield Labelled(
        "a constant as int and float",
        with_each(CLEAN, depth=lambda i, row: [1, 1.0][i % 2]),
        {"mixed-types"},
        {"depth"},
    )
    yield Labelled(
        "one run a configuration",
        grid(lr=[0.1, 0.2], wd=[0.0, 0.5], seed=[7]),
        {"single-seed"},
    )
    yield Labelled(
        "one configuration with one run",
        CLEAN[:-2],
        {"single-seed", "unequal-seeds"},
    )
    yield Labelled(
        "code that changed inside configurations",
        with_each(CLEAN, git__commit=lambda i, row: commit(row["seed"] // 2)),
        {"looks-like-noise", "code-drift"},
        {"git.commit"},
    )
    yield Labelled(
        "code that changed with the configuration",
        with_each(CLEAN, git_sha=lambda i, row: commit(row["optim.lr"] == 0.1)),
        {"looks-like-noise", "confounded-code"},
        {"git_sha"},
    )
    yield Labelled(
        "code that changed, in the metadata of MLflow",
        CLEAN,
        {"code-drift"},
        {"mlflow.source.git.commit"},
        [{"mlflow.source.git.commit": commit(i % 2)} for i in range(len(CLEAN))],
    )
    yield Labelled(
        "code that changed, in other metadata",
        CLEAN,
        {"confounded-code"},
        {"run.revision"},
        [{"run": {"revision": "ab"[i // 6], "log_strs": [str(i)]}} for i in range(len(CLEAN))],
    )
    yield Labelled(
        "a library that changed, in the metadata of wandb",
        CLEAN,
        {"environment-drift", "dirty-code"},
        {"header.python", "header.git.dirty"},
        [
            {"header": {"python": f"3.{10 + i % 2}.1", "git": {"dirty": i == 1}}}
            for i in range(len(CLEAN))
        ],
    )
    yield Labelled(
        "a machine for each configuration",
        with_each(CLEAN, host=lambda i, row: f"gpu{(row['optim.lr'] == 0.1) + 1}"),
        {"confounded-environment"},
        {"host"},
    )
    yield Labelled(
        "cards of two kinds",
        with_each(CLEAN, gpu_name=lambda i, row: ["A100", "V100"][i % 2]),
        {"looks-like-noise", "environment-drift"},
        {"gpu_name"},
    )
    yield Labelled(
        "keys of one optimizer only",
        grid(optim=["sgd"], lr=[0.1, 0.2], momentum=[0.0, 0.9], seed=SEEDS)
        + grid(optim=["adam"], lr=[0.1, 0.2], seed=SEEDS),
        {"conditional-key"},
        {"momentum", "optim"},
    )
    yield Labelled(
        "keys of a choice within a choice",
        grid(optim=["sgd"], momentum=[0.0, 0.9], seed=SEEDS)
        + grid(optim=["sgd"], momentum=[0.95], nesterov=[True, False], seed=SEEDS)
        + grid(optim=["adam"], seed=SEEDS),
        {"conditional-key"},
        {"momentum", "optim", "nesterov"},
    )
    yield Labelled(
        "two sweeps in one folder",
        grid(alpha=[0.1, 0.2], beta=[1, 2], seed=SEEDS)
        + grid(lr=[0.1, 0.2], name=["a", "b"], seed=SEEDS),
        {"different-keys"},
        {"alpha", "beta", "lr", "name"},
    )
    yield Labelled(
        "a key under two names",
        grid(lr=[0.1], wd=[0.0, 0.5], seed=SEEDS)
        + grid(lr=[0.1], weight_decay=[0.1, 0.7], seed=SEEDS),
        {"different-keys"},
        {"wd", "weight_decay"},
    )
    yield Labelled(
        "a key that the oldest runs lack",
        [
            {k: v for k, v in row.items() if k != "wd" or i > 1}
            for i, row in enumerate(grid(lr=[0.1, 0.2], wd=[0.5], seed=range(4)))
        ],
        {"sometimes-missing", "missing-cells", "unequal-seeds", "unpaired-seeds"},
        {"wd", "lr", "seed"},
    )
    yield Labelled(
        "one key at a time",
        [
            {**{"lr": 0.1, "wd": 0.0, "depth": 18}, **change, "seed": seed}
            for change in ({}, {"lr": 0.2}, {"lr": 0.3}, {"wd": 0.5}, {"depth": 34}, {"depth": 50})
            for seed in SEEDS
        ],
        {"one-at-a-time"},
        {"lr", "wd", "depth"},
    )
    yield Labelled(
        "drawn at random",
        [
            {
                "lr": 0.1 * 0.77**i,
                "wd": 0.003 * (i * 11 % 25 + 1),
                "batch": 32 << (i * i % 3),
                "seed": seed,
            }
            for i in range(12)
            for seed in SEEDS
        ],
        {"no-grid"},
        {"lr", "wd", "batch"},
    )
    yield Labelled(
        "replicates that are only numbered",
        grid(lr=[0.1, 0.2], fold=[0, 1, 2]),
        {"maybe-seed", "single-seed"},
        {"fold"},
    )
    yield Labelled("nothing swept", grid(lr=[0.1], seed=SEEDS), {"nothing-swept"})
    yield Labelled("no seed", grid(lr=[0.1, 0.2], note=["a"]) * 2, {"no-seed"})
    yield Labelled("a seed that is null", grid(lr=[0.1, 0.2], seed=[None]) * 2, {"no-seed"})
    yield Labelled(
        "one seed in all runs",
        grid(lr=[0.1, 0.2], seed=[42]) * 3,
        {"duplicate-seed", "single-seed"},
        {"seed"},
    )
    yield Labelled("one run of each", grid(lr=[0.1, 0.2], seed=[42]), {"single-seed"}, set())
    yield Labelled(
        "one seed in all runs, and one that varies",
        grid(lr=[0.1, 0.2], seed=[42], data__seed=SEEDS),
        set(),
    )


LABELLED = list(labelled())
each = pytest.mark.parametrize("sweep", LABELLED, ids=lambda sweep: sweep.name)


def check(sweep: Labelled) -> DesignCheck:
    return check_design(group_of(sweep.rows, sweep.metadata))


@each
def test_what_is_wrong_is_found_and_nothing_else(sweep: Labelled) -> None:
    """A sweep has exactly the issues of its label, about exactly its keys."""
    found = check(sweep)
    assert set(found.codes) == sweep.codes, [str(issue) for issue in found.issues]
    if sweep.keys:
        assert {key for issue in found.issues for key in issue.keys} == sweep.keys
    for issue in found.issues:
        assert issue.what
        assert issue.hint or issue.severity is Severity.INFO
        assert set(issue.runs) <= {f"r{i}" for i in range(len(sweep.rows))}


@each
def test_the_order_of_runs_does_not_matter(sweep: Labelled) -> None:
    """The same runs in another order have the same issues, keys, runs and grids."""
    order = sorted(range(len(sweep.rows)), key=lambda i: (i * 7919) % 31)
    group = group_of(sweep.rows, sweep.metadata)
    one, other = check_design(group), check_design(group[order])
    assert one.codes == other.codes
    assert one.grids == other.grids
    assert (one.keys, one.seed, one.seeds) == (other.keys, other.seed, other.seeds)
    runs = [{(i.code, i.keys): sorted(i.runs) for i in found.issues} for found in (one, other)]
    assert runs[0] == runs[1]


def test_there_are_enough_labelled_sweeps() -> None:
    """At least twenty different sweeps are labelled."""
    assert len(LABELLED) >= 20
    assert len({sweep.name for sweep in LABELLED}) == len(LABELLED)
