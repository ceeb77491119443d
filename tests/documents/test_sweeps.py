"""What the document "ML Experiment Analysis System Overview" says of sweeps and selection."""

from __future__ import annotations

import pytest

from dr_gen.errors import UnknownKeyError
from dr_gen.model.group import RunGroup
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData


def sweep() -> RunGroup:
    """Two initialisations by two learning rates by three seeds."""
    cells = [(w, lr, seed) for w in (None, "DEFAULT") for lr in (0.1, 0.2) for seed in range(3)]
    return RunGroup.from_runs(
        (
            RunData.from_dict(
                {
                    "id": f"{weights}-{lr}-{seed}",
                    "hpms": {
                        "model": {"weights": weights},
                        "optim": {"lr": lr, "weight_decay": 5},
                        "seed": seed,
                        "paths": {"out": f"runs/{weights}/{lr}/{seed}"},
                        "write_checkpoint": seed == 0,
                    },
                    "curves": {"val/acc1": [10.0, 20.0 + seed], "train/acc1": [30.0, 40.0]},
                }
            )
            for weights, lr, seed in cells
        ),
        labels=Labels(
            {"model.weights": "Init", "optim.lr": "LR", "optim.weight_decay": "WD"},
            {"model.weights": {None: "random", "DEFAULT": "pretrained"}},
        ),
    )


def test_smart_grouping() -> None:
    """Runs are grouped by what varies, without paths, seeds and checkpoint settings."""
    found = sweep().group_by()
    assert found.by == ("model.weights", "optim.lr")
    assert [len(runs) for runs in found.values()] == [3] * 4


def test_display_remapping_in_a_selection() -> None:
    """Display names of keys and values select, in any case, and so do the real ones."""
    for chosen in (
        sweep().filter(Init="random", LR=0.1),
        sweep().filter(init="Random", lr=[0.1]),
        sweep().filter(("model.weights", None), optim__lr=0.1),
        sweep().filter("Init=random and LR=1e-1"),
    ):
        assert chosen.ids == ("None-0.1-0", "None-0.1-1", "None-0.1-2")
    assert len(sweep().filter(WD=5)) == len(sweep().filter(("optim.weight_decay", 5))) == 12
    assert len(sweep().filter(seed=1)) == 4
    assert sweep().filter(LR="1e-1").unique("LR").tolist() == [0.1]


def test_a_typo_ignores_nothing() -> None:
    """An unknown key neither keeps nor drops every run."""
    for select in (sweep().exclude, sweep().filter):
        with pytest.raises(UnknownKeyError):
            select(typo=0.1)


def test_values_that_only_hash_alike_are_apart() -> None:
    """-1 and -2 are two groups, 1 and 1.0 one, lists can vary, keys may be missing in some."""

    def groups(*hpms: dict[str, object]) -> list[int]:
        runs = [RunData.from_dict({"id": str(i), "hpms": h}) for i, h in enumerate(hpms)]
        return [len(runs) for runs in RunGroup.from_runs(runs).group_by().values()]

    assert groups({"a": -1}, {"a": -2}) == [1, 1]
    assert groups({"a": 1}, {"a": 1.0}) == [2]
    assert groups({"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 2]}) == [2, 1]
    assert groups({"a": 1}, {}) == [1, 1]


def test_metric_querying_of_a_selection() -> None:
    """The curves of each combination, seed by seed."""
    found = {
        key: {split: runs.curves(f"{split}/acc1").values.tolist() for split in ("train", "val")}
        for key, runs in sweep().filter(LR=0.1).group_by("Init").items()
    }
    assert list(found) == [None, "DEFAULT"]
    assert found[None]["val"] == [[10.0, 20.0], [10.0, 21.0], [10.0, 22.0]]


def test_matched_comparisons() -> None:
    """Conditions that differ in the initialisation alone, where both were run."""
    whole = sweep().exclude("Init=random and LR=0.2")
    (pair,) = whole.group_by().pairs("Init")
    assert pair.shared == {"optim.lr": 0.1}
    assert (pair.left.n_unique("Init"), pair.right.to_list("Init")) == (1, ["DEFAULT"] * 3)
