"""What the overview of the analysis system promises of hyperparameters, and what must not be.

Its section "Hyperparameter Sweep Management" has no code: each point is a test. The faults are
those that the systems before had.
"""

from __future__ import annotations

from typing import Any

import pytest

import dr_gen
from dr_gen import Hpm, HpmGroup, Labels, RunGroup, RunLogger
from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.hpm import flatten, unflatten

LABELS = Labels(
    {"model.weights": "Init", "optim.lr": "LR", "optim.weight_decay": "WD"},
    {"model.weights": {"None": "random", "DEFAULT": "pretrained"}},
)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> RunGroup:
    """Twelve logs: two learning rates × two initialisations × three seeds."""
    folder = tmp_path_factory.mktemp("logs")
    for lr in (0.1, 0.01):
        for weights in ("None", "DEFAULT"):
            for seed in range(3):
                name = f"{lr}-{weights}-{seed}"
                config = {
                    "paths": {"run": f"/scratch/{name}"},
                    "model": {"name": "resnet18", "weights": weights},
                    "optim": {"lr": lr, "weight_decay": 0.00025},
                    "write_checkpoint": None if seed else "last",
                    "seed": seed,
                }
                with RunLogger(folder / f"{name}.jsonl", config) as log:
                    log.metrics("val", {"acc1": 50.0 + seed}, epoch=0)
    return dr_gen.load(folder, labels=LABELS, cache=False)


def test_automatic_sweep_detection(group: RunGroup) -> None:
    """What varies over the suite is found without being told."""
    assert group.hpm_group.important == ("model.weights", "optim.lr")


def test_smart_grouping(group: RunGroup) -> None:
    """Runs are grouped by what varies, without paths, seeds and checkpoint settings."""
    hpms = group.hpm_group
    assert hpms.excluded == ("paths.run", "seed", "write_checkpoint")
    assert [len(c.runs) for c in hpms.configurations] == [3, 3, 3, 3]


def test_display_remapping(group: RunGroup) -> None:
    """Names and values are shown as people call them, and found by what is shown."""
    hpms = group.hpm_group
    first = hpms.configurations[2]
    assert hpms.describe(first.hpms) == "Init=random LR=0.01"
    assert hpms.configuration("Init=random LR=0.01") == first
    assert hpms.real_key("init ") == "model.weights"
    assert hpms.real_value("INIT", "Random") == "None"
    assert hpms.real_value("LR", "1e-1") == 0.1


def test_selective_filtering(group: RunGroup) -> None:
    """Runs are chosen by combinations of what was swept."""
    assert len(group.filter(LR=0.1, Init="random")) == 3


def test_sweep_summarization(group: RunGroup) -> None:
    """A table has the combinations and how many runs each has."""
    header, rows = group.hpm_group.sweep_table()
    assert header == ["Init", "LR", "Count"]
    assert sorted(rows) == [
        ["pretrained", "0.01", 3],
        ["pretrained", "0.1", 3],
        ["random", "0.01", 3],
        ["random", "0.1", 3],
    ]
    header, rows = group.hpm_group.cross_table("Init", "LR")
    assert header == ["Init / LR", "0.01", "0.1"]
    assert sorted(rows) == [["pretrained", 3, 3], ["random", 3, 3]]


def test_text_of_hyperparameters() -> None:
    """The text has the keys sorted and the values with all their digits."""
    hpm = Hpm({"optim": {"lr": 0.1}, "model": {"weights": None}})
    assert str(hpm) == "model.weights=None optim.lr=0.1"
    assert hpm.strings() == ["model.weights=None", "optim.lr=0.1"]
    assert HpmGroup.from_hpms([hpm], labels=LABELS).describe(hpm) == "Init=random LR=0.1"


FAULTS: list[tuple[str, list[dict[str, Any]], tuple[str, ...], int]] = [
    ("values whose hashes are equal", [{"a": -1}, {"a": -2}], ("a",), 2),
    ("a key that one run lacks", [{"a": 1, "b": 1}, {"a": 1}], ("b",), 2),
    ("lists that vary", [{"a": [1, 2]}, {"a": [2, 1]}], ("a",), 2),
    ("a whole number as float", [{"a": 1}, {"a": 1.0}], (), 1),
    ("a text beside its number", [{"a": 1}, {"a": "1"}], ("a",), 2),
    ("a key that begins like noise", [{"pathsize": 1}, {"pathsize": 2}], ("pathsize",), 2),
    ("a key that begins like a seed", [{"seed_x": 1}, {"seed_x": 2}], ("seed_x",), 2),
    ("a seed below another key", [{"data": {"seed": 1}}, {"data": {"seed": 2}}], (), 1),
    ("an empty group", [{"a": {}}, {"a": {"b": 1}}], ("a", "a.b"), 2),
    ("keys that are no text", [{"a": {0: 1}}, {"a": {0: 2}}], ("a.0",), 2),
    ("not a number", [{"a": float("nan")}, {"a": float("nan")}], (), 1),
]


@pytest.mark.parametrize(
    ("rows", "important", "n"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_old_faults_are_gone(
    rows: list[dict[str, Any]], important: tuple[str, ...], n: int
) -> None:
    """What varies, and how many configurations there are, where the old systems were wrong."""
    group = HpmGroup.from_hpms(rows)
    assert group.important == important
    assert len(group.configurations) == n


@pytest.mark.parametrize("change", [0.5, "new"])
def test_a_late_value_or_key_is_kept(change: Any) -> None:
    """Of 300 runs the last half may have a float among whole numbers, or a key of their own."""
    late = {"lr": 0.5} if change == 0.5 else {"lr": 1, "new": 3}
    group = HpmGroup.from_hpms([{"lr": 1}] * 150 + [late] * 150)
    key = "lr" if change == 0.5 else "new"
    assert group.values(key)[-1] == (0.5 if change == 0.5 else 3)
    assert group.important == (key,)
    assert [len(c.runs) for c in group.configurations] == [150, 150]


def test_a_misspelt_key_removes_nothing() -> None:
    """A key that no run has is an error that names the nearest."""
    group = HpmGroup.from_hpms([{"optim.lr": 0.1}, {"optim.lr": 0.2}])
    for ask in (group.real_key, group.values, lambda name: group.configuration({name: 0.1})):
        with pytest.raises(UnknownKeyError, match=r"optim\.lr"):
            ask("optim.rl")


def test_flattening_loses_nothing() -> None:
    """Lists, nulls, empty groups and numbered keys come through; a clash is refused."""
    config = {"a": {"b": [1, {"c": None}], "d": {}}, "e": {"0": "x", "f": None}}
    assert unflatten(flatten(config)) == config
    with pytest.raises(UsageError, match=r"'a\.b' is there twice"):
        flatten({"a": {"b": 1}, "a.b": 2})


def test_hyperparameters_are_keys_that_do_not_change() -> None:
    """They hash by value, can be keys of a dict, and cannot be changed under it."""
    counts = {Hpm({"a": 1, "b": [2]}): 1}
    assert counts[Hpm({"b": [2.0], "a": 1.0})] == 1
    with pytest.raises(TypeError):
        Hpm({"a": 1})["a"] = 2  # type: ignore[index]


def test_old_logs_are_checked_too(group: RunGroup) -> None:
    """The sweep of the twelve logs is a full grid with nothing wrong."""
    found = dr_gen.check_design(group)
    assert (found.codes, found.complete, found.seeds) == ((), True, (3, 3))
    assert found.grids[0].keys == ("model.weights", "optim.lr")
