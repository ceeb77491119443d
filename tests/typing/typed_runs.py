"""What mypy accepts and rejects of runs that were loaded with classes; see `test_typed_runs`.

Nothing here is called. A line with an error ends in ``# error:`` and a part of its message.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_type

import dr_gen
from dr_gen import Run, RunData, RunGroup


@dataclass
class MyConfig:
    learning_rate: float
    batch_size: int
    model_type: str = "mlp"


class ModelAnalyzer:
    def __init__(self, artifacts_dir: Path, cfg: MyConfig | None = None) -> None:
        self.artifacts_dir = artifacts_dir
        self.cfg = cfg

    def load_model(self) -> bytes:
        return (self.artifacts_dir / "model.pt").read_bytes()


def size_of_folder(folder: Path) -> int:
    return len(list(folder.iterdir()))


def of_both(folder: Path, cfg: MyConfig) -> list[float]:
    return [cfg.learning_rate]


def loading() -> None:
    group = dr_gen.load("runs", config=MyConfig, impl=ModelAnalyzer, cache=False)
    assert_type(group, RunGroup[MyConfig, ModelAnalyzer])
    assert_type(group[0], RunData[MyConfig, ModelAnalyzer])
    assert_type(group[0].cfg.learning_rate, float)
    assert_type(group[0].impl.load_model(), bytes)
    print(group[0].cfg.learning_rat)  # error: "MyConfig" has no attribute "learning_rat"
    group[0].impl.load_modl()  # error: "ModelAnalyzer" has no attribute "load_modl"
    group[0].cfg.batch_size.upper()  # error: "int" has no attribute "upper"


def other_ways() -> None:
    assert_type(dr_gen.load("runs"), RunGroup[Any, Any])
    assert_type(dr_gen.load(["a", "b"], config=MyConfig, noise=["x"]), RunGroup[MyConfig, Any])
    assert_type(dr_gen.load("runs", impl=size_of_folder), RunGroup[Any, int])
    assert_type(dr_gen.load("a", config=MyConfig, impl=of_both), RunGroup[MyConfig, list[float]])
    assert_type(dr_gen.typed(dr_gen.open_store("store"), MyConfig), RunGroup[MyConfig, Any])
    plain = dr_gen.open_store("store")
    assert_type(dr_gen.typed(plain, MyConfig, size_of_folder)[-1].impl, int)
    dr_gen.load("runs", config=3)  # error: No overload variant
    dr_gen.load("runs", config=MyConfig, cach=False)  # error: No overload variant


def verbs() -> None:
    group = dr_gen.load("runs", config=MyConfig, impl=ModelAnalyzer)
    assert_type(group.filter(learning_rate=0.1), RunGroup[MyConfig, ModelAnalyzer])
    assert_type(group.exclude("status=failed").sort("id"), RunGroup[MyConfig, ModelAnalyzer])
    assert_type(group[2:5], RunGroup[MyConfig, ModelAnalyzer])
    assert_type(group.sample(3, seed=0).shuffle(), RunGroup[MyConfig, ModelAnalyzer])
    assert_type(group.get(id="a").cfg, MyConfig)
    for run in group:
        assert_type(run.cfg.model_type, str)
        print(run.cfg.momentum)  # error: "MyConfig" has no attribute "momentum"
    for runs in group.group_by("batch_size").values():
        assert_type(runs, RunGroup[MyConfig, ModelAnalyzer])
    assert_type(list(group.map(lambda run: run.cfg.batch_size)), list[int])
    assert_type(RunGroup.from_runs(group), RunGroup[MyConfig, ModelAnalyzer])
    assert_type(group[0].with_facts(id="b").cfg, MyConfig)


def as_in_the_document() -> None:
    runs = Run[MyConfig].load(["path/to/run1", "path/to/run2"])
    assert_type(runs, RunGroup[MyConfig, Any])
    run = Run[MyConfig, ModelAnalyzer].load("path/to/run", ModelAnalyzer)
    assert_type(run, RunData[MyConfig, ModelAnalyzer])
    run.impl.load_modl()  # error: "ModelAnalyzer" has no attribute "load_modl"


def unnamed(group: RunGroup, run: RunData) -> object:
    """What knows nothing of classes takes runs with them and without."""
    return group[0].cfg.anything, run.impl.anything


def passing_on() -> None:
    group = dr_gen.load("runs", config=MyConfig, impl=ModelAnalyzer)
    unnamed(group, group[0])
    unnamed(dr_gen.load("runs"), dr_gen.load("runs")[0])
    more: RunGroup[object, object] = group
    other: RunGroup[str] = group  # error: Incompatible types in assignment
    unnamed(more, other[0])
