"""What is asked of ten thousand runs that are loaded, of dr_gen and of HydraFlow.

Both hold the same configurations. HydraFlow reads them from the folders that Hydra leaves, before
the clock starts; its answers are asked for as its documentation has it. It does not say which keys
vary, nor tables a whole configuration: here the keys are told to it, and it compares the values of
each. Of several ways to do so in it the quickest is taken. Both have to give the same answer.

dr_gen is asked several times, each time without anything that it may have kept from before, and the
median counts; HydraFlow once, since it takes seconds.
"""

from __future__ import annotations

import json
import statistics
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

import dr_gen

__all__ = [
    "QUESTIONS",
    "SWEPT",
    "Asked",
    "Loaded",
    "by_dr_gen",
    "by_hydraflow",
    "loaded_by_dr_gen",
    "loaded_by_hydraflow",
]

QUESTIONS = ("varying", "filter", "group_by", "to_frame")
SWEPT = (
    *("data.batch_size", "data.transform.flip", "data.transform.random_crop", "model.name"),
    *("optim.label_smoothing", "optim.lr", "optim.weight_decay"),
)
TIMES = 5


@attrs.frozen
class Loaded:
    """Runs, and the keys of their configurations in order.

    Attributes
    ----------
    runs : object
        A `RunGroup`, or a collection of HydraFlow.
    keys : tuple of str
    """

    runs: Any
    keys: tuple[str, ...]


@attrs.frozen
class Asked:
    """What was answered, and how long it took.

    Attributes
    ----------
    seconds : mapping
        By the name of the question.
    answers : mapping
        By the name of the question, in plain data: names of keys, ids of runs, values of groups
        with ids, columns with values.
    """

    seconds: Mapping[str, float]
    answers: Mapping[str, Any]

    def facts(self) -> dict[str, Any]:
        """The times, and for each answer a number that is the same for the same answer."""
        sums = {f"{name} answer": _checksum(found) for name, found in self.answers.items()}
        return {**self.seconds, **sums}


def _checksum(found: Any) -> int:
    # HydraFlow has lists of a class of its own.
    return zlib.crc32(json.dumps(found, sort_keys=True, default=list).encode())


def by_dr_gen(loaded: Loaded) -> Asked:
    """The questions, to a `RunGroup`."""
    asked: dict[str, Callable[[dr_gen.RunGroup], Any]] = {
        "varying": lambda group: group.hpm_group.varying,
        "filter": lambda group: group.filter(lr=0.1),
        "group_by": lambda group: group.group_by(*SWEPT),
        "to_frame": lambda group: group.to_frame(),
    }
    found, seconds = {}, {}
    for name, question in asked.items():
        took = []
        for _ in range(TIMES):
            group = _forgetful(loaded.runs)
            start = time.perf_counter()
            found[name] = question(group)
            took.append(time.perf_counter() - start)
        seconds[name] = statistics.median(took)
    frame = found["to_frame"]
    answers = {
        "varying": sorted(found["varying"]),
        "filter": list(found["filter"].ids),
        "group_by": [[list(key), list(runs.ids)] for key, runs in found["group_by"].items()],
        "to_frame": {key: frame[key].to_list() for key in loaded.keys},
    }
    return Asked(seconds, answers)


def _forgetful(group: dr_gen.RunGroup) -> dr_gen.RunGroup:
    """The same runs, without what was found out about them."""
    table = attrs.evolve(group.table, hpms=attrs.evolve(group.table.hpms))
    return attrs.evolve(group, table=table)


def by_hydraflow(loaded: Loaded) -> Asked:
    """The questions, to a collection of HydraFlow."""
    runs = loaded.runs
    asked: dict[str, Callable[[], Any]] = {
        "varying": lambda: _varying(runs),
        "filter": lambda: runs.filter(("optim.lr", 0.1)),
        "group_by": lambda: runs.group_by(*SWEPT),
        "to_frame": lambda: runs.to_frame(*loaded.keys),
    }
    found, seconds = {}, {}
    for name, question in asked.items():
        start = time.perf_counter()
        found[name] = question()
        seconds[name] = time.perf_counter() - start
    frame = found["to_frame"]
    answers = {
        "varying": sorted(found["varying"]),
        "filter": _ids(found["filter"]),
        "group_by": [[list(key), _ids(group)] for key, group in found["group_by"].items()],
        "to_frame": {key: frame[key].to_list() for key in loaded.keys},
    }
    return Asked(seconds, answers)


def _varying(runs: Any) -> set[str]:
    # Quicker than `n_unique` of each key, which cannot take nulls either.
    first, *rest = (run.to_dict() for run in runs)
    return {key for other in rest for key in first if other[key] != first[key]}


def _ids(runs: Any) -> list[str]:
    return [run.info.run_id for run in runs]


def loaded_by_dr_gen(logs: Path) -> Loaded:
    """The runs of a folder of logs."""
    group = dr_gen.load(logs, cache=False)
    return Loaded(group, group.hpm_group.keys)


def loaded_by_hydraflow(logs: Path) -> Loaded:
    """The same runs, by way of the folders that Hydra would have left, beside the logs."""
    from hydraflow import Run

    configs = {file.stem: _logged(file) for file in sorted(logs.glob("*.jsonl"))}
    folder = logs.with_name(f"{logs.name}.hydra")
    for name, config in configs.items():
        _as_hydra_leaves(folder / name, config)
    runs = Run.load(folder / name for name in configs)
    for run in runs:
        run.cfg  # noqa: B018  # read when it is first asked for
    return Loaded(runs, tuple(runs[0].to_dict()))


def _logged(file: Path) -> dict[str, Any]:
    with file.open("rb") as log:
        return dict(json.loads(log.readline())["value"])


def _as_hydra_leaves(folder: Path, config: Mapping[str, Any]) -> None:
    import yaml

    file = folder / "artifacts" / ".hydra" / "config.yaml"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        file.write_text(yaml.dump(config, Dumper=dumper, sort_keys=False), encoding="utf-8")
