"""Where the runs are in MLflow's trees and in any others."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dr_gen
from dr_gen.errors import SourceNotFoundError, UnknownKeyError, UsageError
from dr_gen.readers.run_dirs import (
    experiment_names,
    experiment_of,
    find_run_dirs,
    iter_run_dirs,
    local_path,
)
from dr_gen.readers.runlogger import RunLogger

EXPERIMENTS = {"0": "Default", "101": "my_experiment", "102": "training_a", "1020": "training_b"}


@pytest.fixture
def mlruns(tmp_path: Path) -> Path:
    """A tracking folder as MLflow writes it, with what it leaves beside the runs."""
    root = tmp_path / "mlruns"
    for number, name in EXPERIMENTS.items():
        experiment = root / number
        meta = f"artifact_location: x\nexperiment_id: '{number}'\nlifecycle_stage: active\n"
        write(experiment / "meta.yaml", f"{meta}name: {name}\n")
        (experiment / "models" / "m-1").mkdir(parents=True)
        for run in ("a10", "a9") if number != "0" else ():
            folder = experiment / f"{run}{number}"
            (folder / "artifacts").mkdir(parents=True)
            write(folder / "meta.yaml", f"run_id: {run}{number}\nlifecycle_stage: active\nname: ''")
    deleted = root / "101" / "dead"
    (deleted / "artifacts").mkdir(parents=True)
    write(deleted / "meta.yaml", "run_id: dead\nlifecycle_stage: deleted\n")
    (root / ".trash" / "7" / "b1" / "artifacts").mkdir(parents=True)
    return root


def write(path: Path, text: str = "") -> None:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def found(root: Path, names: object = None) -> list[str]:
    """Folders below the root, as text."""
    return [path.relative_to(root).as_posix() for path in iter_run_dirs(root, names)]  # type: ignore[arg-type]


MINE = ["101/a9101", "101/a10101"]
A, B = ["102/a9102", "102/a10102"], ["1020/a91020", "1020/a101020"]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (None, MINE + A + B),
        ("my_experiment", MINE),
        ("training_*", A + B),
        ("training_[b]", B),
        (["training_b", "my_*"], MINE + B),
        (("training_?", "my_experiment"), MINE + A + B),
        ([], []),
        ("Default", []),
        ("nothing_*", []),
        (lambda name: name.endswith("_a"), A),
        ((name for name in ("training_a",)), A),
    ],
    ids=[
        *(
            "all",
            "name",
            "glob",
            "class",
            "list",
            "tuple",
            "none of them",
            "no runs",
            "no such glob",
        ),
        *("predicate", "generator"),
    ],
)
def test_experiments_are_chosen_by_name(mlruns: Path, names: object, wanted: list[str]) -> None:
    """By name, glob, several of them or a predicate come their runs, in natural order."""
    assert found(mlruns, names) == wanted


def test_a_misspelt_experiment_is_an_error(mlruns: Path) -> None:
    """A name of no experiment is answered with the nearest, at once and not when first used."""
    with pytest.raises(UnknownKeyError, match="'my_experiment'"):
        iter_run_dirs(mlruns, "my_experimnt")
    with pytest.raises(UnknownKeyError, match="nope"):
        iter_run_dirs(mlruns, (name for name in ["training_*", "nope"]))
    with pytest.raises(UsageError, match="3"):
        iter_run_dirs(mlruns, 3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="3"):
        iter_run_dirs(mlruns, ["a", 3])  # type: ignore[list-item]
    with pytest.raises(SourceNotFoundError):
        iter_run_dirs(mlruns / "nope")


def test_names_of_experiments(mlruns: Path) -> None:
    """Experiments with runs are listed by their names, not by their numbers."""
    assert experiment_names(mlruns) == ["my_experiment", "training_a", "training_b"]
    assert {run.experiment for run in find_run_dirs(mlruns / "102")} == {"training_a"}


def test_one_experiment_or_run_may_be_the_root(mlruns: Path) -> None:
    """The folder of an experiment gives its runs, that of a run itself."""
    assert found(mlruns / "101") == ["a9101", "a10101"]
    assert found(mlruns / "101" / "a9101") == ["."]


def test_the_default_experiment_counts_when_it_has_runs(mlruns: Path) -> None:
    """What was logged without naming an experiment is not lost."""
    (mlruns / "0" / "b1" / "artifacts").mkdir(parents=True)
    assert found(mlruns, "Default") == ["0/b1"]
    assert "0/b1" in found(mlruns)


def test_a_uri_is_a_path(mlruns: Path) -> None:
    """The tracking URI of MLflow may be given as it is."""
    assert list(iter_run_dirs(mlruns.as_uri())) == list(iter_run_dirs(mlruns))
    assert local_path("file:///a/b") == Path("/a/b")


def test_new_runs_are_seen(mlruns: Path) -> None:
    """Nothing is remembered from one call to the next."""
    before = found(mlruns)
    (mlruns / "102" / "new" / "artifacts").mkdir(parents=True)
    write(mlruns / "102" / "meta.yaml", "experiment_id: '102'\nname: renamed\n")
    assert set(found(mlruns)) - set(before) == {"102/new"}
    assert "renamed" in experiment_names(mlruns)


def test_broken_descriptions_are_no_obstacle(mlruns: Path) -> None:
    """A description that is no YAML hides no run."""
    write(mlruns / "102" / "a9102" / "meta.yaml", "{: broken")
    write(mlruns / "103" / "meta.yaml", "experiment_id: 103\n")
    (mlruns / "103" / "c1" / "artifacts").mkdir(parents=True)
    assert "102/a9102" in found(mlruns)
    assert found(mlruns, "103") == ["103/c1"]


def test_any_tree_of_runs(tmp_path: Path) -> None:
    """Folders with a log, settings of Hydra, checkpoints or artifacts are runs."""
    write(tmp_path / "cifar" / "lr0.1" / "metrics.jsonl")
    write(tmp_path / "cifar" / "lr0.01" / ".hydra" / "config.yaml")
    write(tmp_path / "cifar" / "config.yaml")
    write(tmp_path / "hf" / "out" / "checkpoint-500" / "trainer_state.json")
    write(tmp_path / "tb" / "v" / "1" / "events.out.tfevents.1.host")
    write(tmp_path / "wb" / "wandb" / "run-20230529_231014-q1b0a7un" / "files" / "config.yaml")
    write(tmp_path / "alone" / "args.yaml")
    write(tmp_path / "notes" / "readme.md")
    write(tmp_path / "log.txt")
    assert sorted(found(tmp_path)) == [
        *("alone", "cifar/lr0.01", "cifar/lr0.1", "hf/out", "tb/v/1"),
        "wb/wandb/run-20230529_231014-q1b0a7un",
    ]
    assert {r.path.name: r.experiment for r in find_run_dirs(tmp_path)} == {
        "lr0.1": "cifar",
        "lr0.01": "cifar",
        "out": "hf",
        "1": "tb",
        "run-20230529_231014-q1b0a7un": "wb",
        "alone": tmp_path.name,
    }
    assert found(tmp_path, "cifar") == ["cifar/lr0.01", "cifar/lr0.1"]
    assert found(tmp_path, "notes") == []


def test_links_and_rings_end(tmp_path: Path) -> None:
    """A link to a run of the tree is no second run, one that leads out is followed."""
    root = tmp_path / "root"
    write(root / "exp" / "run1" / "metrics.jsonl")
    (root / "exp" / "latest-run").symlink_to(root / "exp" / "run1")
    (root / "exp" / "up").symlink_to(tmp_path)
    write(tmp_path / "elsewhere" / "run2" / "metrics.jsonl")
    (root / "far").symlink_to(tmp_path / "elsewhere")
    assert found(root) == ["exp/run1", "far/run2"]


@given(st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from(["r1", "r2", "r10"])), min_size=1))
def test_every_run_of_a_tree_is_found_once(tmp_path_factory: pytest.TempPathFactory,
                                           runs: set[tuple[str, str]]) -> None:  # fmt: skip
    """All runs are there, and choosing the experiments one by one parts them."""
    root = tmp_path_factory.mktemp("tree")
    for experiment, run in runs:
        write(root / experiment / run / "metrics.jsonl")
    assert sorted(found(root)) == sorted("/".join(run) for run in runs)
    each = [found(root, name) for name in experiment_names(root)]
    assert list(itertools.chain(*each)) == found(root)


def test_what_is_found_can_be_loaded(mlruns: Path) -> None:
    """`load` takes the runs as they come, from a generator as well."""
    for i, path in enumerate(iter_run_dirs(mlruns)):
        with RunLogger(path / "artifacts" / "log.jsonl", {"lr": 0.1, "seed": i}) as log:
            log.metrics("val", {"acc": 1.0}, epoch=0)
    group = dr_gen.load(iter_run_dirs(mlruns, ["training_*", "my_*"]), cache=False)
    assert group.hpm_group.values("seed") == [0, 1, 2, 3, 4, 5]
    one = dr_gen.load(iter_run_dirs(mlruns, "training_a"))
    assert one.hpm_group.values("seed") == [2, 3]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_off_limits_is_not_lost(tmp_path: Path) -> None:
    """A folder that cannot be looked into is named, so that its reader says what is wrong."""
    write(tmp_path / "exp" / "closed" / "metrics.jsonl")
    (tmp_path / "exp" / "closed").chmod(0)
    assert found(tmp_path) == ["exp/closed"]
    (tmp_path / "exp" / "closed").chmod(0o700)


def test_real_trees(real_logs: Path) -> None:
    """Folders of other people's trackers give the runs that are in them."""
    assert len(found(real_logs / "mlflow-fairprune" / "data" / "mlruns")) == 35
    assert experiment_names(real_logs / "mlflow-mlfix" / "tests" / "mlruns") == ["Default"]
    assert len(found(real_logs / "wandb-hydra-vime", "multirun")) == 10


def test_the_experiment_of_a_folder(tmp_path: Path) -> None:
    """That of a run is the folder around it, or what MLflow calls it; other folders have none."""
    for name in ("sweep/run/artifacts", "hydra/0/.hydra", "1/abc/artifacts", "logs/sub"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "logs" / "log.jsonl").touch()
    (tmp_path / "1" / "meta.yaml").write_text("experiment_id: '1'\nname: mine\n")
    found = {
        name: experiment_of(tmp_path / name)
        for name in ("sweep/run", "hydra/0", "1/abc", "1", "sweep", "logs", "logs/sub", "nowhere")
    }
    assert found == {
        **{"sweep/run": "sweep", "hydra/0": "hydra", "1/abc": "mine", "1": "mine"},
        **dict.fromkeys(["sweep", "logs", "logs/sub", "nowhere"]),
    }


def test_runs_are_called_after_their_folder(tmp_path: Path) -> None:
    """Whether a tree is given or each run of it, a run has its folder's name and experiment."""
    for run in ("a", "b"):
        folder = tmp_path / "sweep" / run / "artifacts"
        folder.mkdir(parents=True)
        (folder / "log.jsonl").write_text('{"epoch": 0, "val/acc": 1.0}\n')
    for source in (tmp_path / "sweep", iter_run_dirs(tmp_path / "sweep")):
        group = dr_gen.load(source, cache=False)
        assert group.ids == ("a", "b")
        assert group.to_list("experiment") == ["sweep"] * 2
