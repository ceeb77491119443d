"""Runs in the terms of classes of one's own."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attrs
import pytest

import dr_gen
from dr_gen import RunData, RunGroup, RunLogger, Severity, artifact_folder, typed
from dr_gen.errors import ConfigMismatchError, NotOneError, UnknownKeyError, UsageError


@attrs.frozen
class Optim:
    lr: float
    name: str = "sgd"


@dataclass
class Config:
    optim: Optim
    seed: int
    layers: int = 2


class Analyzer:
    made = 0

    def __init__(self, folder: Path, cfg: Config | None = None) -> None:
        type(self).made += 1
        self.folder, self.cfg = folder, cfg


def folder_name(folder: Path) -> str:
    return folder.name


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Three logs that fit the class, and one that does not."""
    for name, lr in (("a", 0.1), ("b", 0.2), ("c", 0.2), ("odd", "fast")):
        config = {"optim": {"lr": lr, "momentum": 0.9}, "seed": len(name)}
        if name == "odd":
            config["seed"] = "three"
        (tmp_path / "logs" / name / "artifacts").mkdir(parents=True)
        with RunLogger(tmp_path / "logs" / name / "log.jsonl", config) as log:
            log.metrics("val", {"acc": 0.5}, epoch=0)
    return tmp_path / "logs"


def from_files(logs: Path) -> RunGroup[Config, Analyzer]:
    return dr_gen.load(logs, config=Config, impl=Analyzer, cache=False)


def from_the_cache(logs: Path) -> RunGroup[Config, Analyzer]:
    dr_gen.load(logs)
    return dr_gen.load(logs, config=Config, impl=Analyzer)


def from_a_store(logs: Path) -> RunGroup[Config, Analyzer]:
    dr_gen.ingest(logs, logs.parent / "store")
    return dr_gen.load(logs.parent / "store", config=Config, impl=Analyzer)


@pytest.mark.parametrize("load", [from_files, from_the_cache, from_a_store])
def test_runs_have_a_configuration_and_an_object(
    load: Callable[[Path], RunGroup[Config, Analyzer]],
    logs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever runs come from, they have their class, made of what was logged."""
    monkeypatch.setenv("DR_GEN_CACHE", str(tmp_path / "cache"))
    group = load(logs)
    run = group.first(lr=0.1)
    assert run.cfg == Config(Optim(0.1), 1)
    assert run.impl.folder == logs / "a" / "artifacts"
    assert run.impl.cfg is run.cfg
    assert len(group) == 4


def test_each_is_made_once_and_late(logs: Path) -> None:
    """Nothing is made before it is asked for, and no selection makes it again."""
    Analyzer.made = 0
    group = from_files(logs)
    assert Analyzer.made == 0
    first = group.first(lr=0.1)
    assert first.impl is group[0].impl
    for same in (
        group.filter(lr=0.1)[0],
        group.group_by("lr")[0.1][0],
        group.sort("id")[0],
        RunGroup.from_runs(group)[0],
    ):
        assert same.impl is first.impl
        assert same.cfg is first.cfg
    assert Analyzer.made == 1


def test_threads_share_what_was_made(logs: Path) -> None:
    """Of several that ask at once all get the same."""
    group = from_files(logs).exclude(seed="three")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: group[i % 3].cfg, range(60)))
    assert {id(cfg) for cfg in found} == {id(run.cfg) for run in group}


def test_a_configuration_that_does_not_fit(logs: Path) -> None:
    """One finding names every problem, and asking for the configuration raises them all."""
    group = from_files(logs)
    run = group.get(seed="three")
    problems = (
        "optim.lr: expected a number, found 'fast'",
        "seed: expected a whole number, found 'three'",
    )
    (found,) = (finding for finding in group.findings if finding.code == "config-mismatch")
    assert found.message == f"the configuration does not fit Config: {'; '.join(problems)}"
    assert (found.run, found.path, found.severity) == (run.id, run.source, Severity.WARNING)
    assert found in run.findings
    for ask in (lambda: run.cfg, lambda: run.impl):
        with pytest.raises(ConfigMismatchError, match=r"run .*odd.* does not fit Config") as info:
            ask()
        assert info.value.problems == problems
    assert not any(f.code == "config-mismatch" for f in dr_gen.load(logs, cache=False).findings)


def test_classes_survive_pickling(logs: Path) -> None:
    """A run, and a group, that were sent to another process have the same classes."""
    group = from_files(logs)
    for copy in (pickle.loads(pickle.dumps(group)), pickle.loads(pickle.dumps(group[1:]))):
        assert copy[-1].id == group[-1].id
        assert copy.get(id=group.ids[1]).cfg == group[1].cfg
    run = pickle.loads(pickle.dumps(group[0]))
    assert (run.cfg, run.impl.folder) == (group[0].cfg, group[0].impl.folder)


def test_without_classes() -> None:
    """The configuration is nested dicts then, and there is no object."""
    run = RunData.from_dict({"id": "a", "hpms": {"optim.lr": 0.1}})
    assert run.cfg == {"optim": {"lr": 0.1}}
    assert run.impl is None
    group = typed(RunGroup.from_runs([run]), Config)
    assert group[0].impl is None
    assert typed(group, None, None)[0].cfg == run.cfg  # type: ignore[call-overload]


def with_defaults(folder: Path, cfg: object = 3, more: int = 4) -> object:
    return cfg


@pytest.mark.parametrize(
    ("impl", "found"),
    [
        (folder_name, "artifacts"),
        (lambda folder: folder.name, "artifacts"),
        (str, None),
        (lambda *both: both[1].seed, 1),
        (with_defaults, Config(Optim(0.1), 1)),
        (lambda folder, cfg: cfg.optim.lr, 0.1),
    ],
)
def test_what_makes_the_object(impl: Callable[..., Any], found: Any, logs: Path) -> None:
    """A class or function of the folder, or of the folder and the configuration."""
    run = dr_gen.load(logs, config=Config, impl=impl, cache=False)[0]
    assert run.impl == (str(logs / "a" / "artifacts") if impl is str else found)


def needs_three(folder: Path, cfg: Config, more: int) -> None:
    pass


@pytest.mark.parametrize("impl", [lambda: None, needs_three, "Analyzer"])
def test_what_cannot_make_it_is_refused(impl: Any, tmp_path: Path) -> None:
    """A mistake is told before anything is read."""
    with pytest.raises(UsageError, match="impl"):
        dr_gen.load(tmp_path / "nowhere", impl=impl)
    with pytest.raises(UsageError, match="class of attrs or a dataclass"):
        dr_gen.load(tmp_path / "nowhere", config=dict)


def test_the_folder_of_artifacts(tmp_path: Path) -> None:
    """It is the one called so beside the log, else that of the log; a run by hand has none."""
    (tmp_path / "run" / "artifacts").mkdir(parents=True)
    (tmp_path / "run" / "artifacts" / "log.jsonl").touch()
    for source in ("run", "run/log.jsonl", "run/artifacts", "run/artifacts/log.jsonl"):
        assert artifact_folder(os.fspath(tmp_path / source)) == tmp_path / "run" / "artifacts"
    assert artifact_folder(os.fspath(tmp_path / "log.jsonl")) == tmp_path
    by_hand = RunGroup.from_runs([RunData.from_dict({"id": "a"})])
    with pytest.raises(UsageError, match="run 'a' has no source"):
        _ = typed(by_hand, impl=folder_name)[0].impl


def test_groups_of_different_classes_have_none(logs: Path) -> None:
    """A group that is put together keeps its classes where they are the same."""
    one, two = from_files(logs), dr_gen.load(logs, config=Config, cache=False)
    alike = RunGroup.from_runs([one[0], from_files(logs)[1]])
    assert alike[1].cfg == one[1].cfg
    mixed = RunGroup.from_runs([one[0], two[1]])
    assert mixed[0].cfg == {"optim": {"lr": 0.1, "momentum": 0.9}, "seed": 1}


def test_one_path_is_one_run(logs: Path) -> None:
    """`Run.load` gives a run for a path and a group for several."""
    run = dr_gen.Run[Config, Analyzer].load(logs / "a", Analyzer, cache=False)
    assert run.impl.cfg == run.cfg == Config(Optim(0.1), 1)
    group = dr_gen.Run[Config].load([logs / "b", logs / "c"], cache=False)
    assert [run.cfg.seed for run in group] == [1, 1]
    assert isinstance(dr_gen.Run.load([logs / "b"], cache=False)[0].cfg, dict)
    with pytest.raises(NotOneError, match="4 runs fit"):
        dr_gen.Run.load(logs, cache=False)


class Energy:
    """An analyzer with a number, a nested one, and a method."""

    def __init__(self, folder: Path) -> None:
        self.energy = float(len(folder.parent.name))
        self.of = {"it": {"square": self.energy**2}}

    def method(self) -> None:
        """Nothing that a run has."""


def test_what_objects_have_is_found_by_key(logs: Path) -> None:
    """Attributes of `impl` and of `cfg` select, sort and table; a misfit run has none of `cfg`."""
    group = dr_gen.load(logs, config=Config, impl=Energy, cache=False)
    assert group.to_list("impl.energy") == [1.0, 1.0, 1.0, 3.0]
    assert group.filter(impl__energy=(2, None)).ids == ("odd",)
    assert group.sort("impl.of.it.square", reverse=True).ids[0] == "odd"
    assert group.filter("impl.energy = 1 and cfg.optim.lr > 0.1").ids == ("b", "c")
    assert group.to_list("cfg.layers") == [2, 2, 2, dr_gen.MISSING]
    assert group.to_list("impl")[0] is group[0].impl
    assert group.to_frame("id", "impl.energy")["impl.energy"].to_list() == [1, 1, 1, 3]
    assert group[3].get("impl.energy") == 3.0
    assert group[3].get("cfg.layers", 7) == 7
    assert [len(runs) for runs in group.group_by("impl.energy").values()] == [3, 1]
    for key in ("impl.method", "impl.enrgy", "cfg.nope"):
        with pytest.raises(UnknownKeyError):
            group.to_list(key)
    assert dr_gen.load(logs, cache=False).to_list("cfg.optim.name", 1) == [1] * 4
    with pytest.raises(UnknownKeyError):
        dr_gen.load(logs, cache=False).filter(impl=1)


def test_a_hyperparameter_comes_before_an_object() -> None:
    """A key of the configuration that is called so is meant."""
    run = RunData.from_dict({"id": "a", "hpms": {"impl": {"energy": 3}}})
    group = typed(RunGroup.from_runs([run]), impl=Energy)
    assert group.to_list("impl.energy") == [3]


def test_files_that_runs_left(logs: Path) -> None:
    """By run, by group or by path; each once, sorted; a run without a source has none."""
    for name in "ba":
        (logs / name / "artifacts" / "ckpt").mkdir()
        for file in ("ckpt/2.pt", "ckpt/1.pt", "model.pt"):
            (logs / name / "artifacts" / file).write_text(name)
    group = dr_gen.load(logs, cache=False)

    def found(runs: Any, *pattern: str) -> list[str]:
        return [str(p.relative_to(logs)) for p in dr_gen.iter_artifacts(runs, *pattern)]

    assert found(group[0]) == ["a/artifacts/ckpt", "a/artifacts/model.pt"]
    assert found(group, "model.*") == ["a/artifacts/model.pt", "b/artifacts/model.pt"]
    assert found(group["b"], "**/*.pt") == [
        *("b/artifacts/ckpt/1.pt", "b/artifacts/ckpt/2.pt", "b/artifacts/model.pt")
    ]
    assert found(dr_gen.iter_run_dirs(logs), "*.pt") == found(group, "*.pt")
    assert found(logs / "b", "*.pt") == ["b/artifacts/model.pt"]
    assert found(group.filter(id="c")) == found([]) == []
    flat = [logs / "one.jsonl", logs / "two.jsonl"]
    for log in flat:
        log.touch()
    assert found(flat, "*.jsonl") == ["one.jsonl", "two.jsonl"]
    with pytest.raises(UsageError, match="run 'x' has no source"):
        dr_gen.iter_artifacts(RunData.from_dict({"id": "x"}))
    with pytest.raises(UsageError, match="no pattern '/abs'"):
        dr_gen.iter_artifacts(group, "/abs")
