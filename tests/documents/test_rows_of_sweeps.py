"""Rows S2-24 … S2-49, the faults listed with them, and the golden values of sweeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import dr_gen
from dr_gen import Hpm, HpmGroup, Labels, RunData, RunGroup, RunLogger
from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.stats.aggregate import t_interval
from tests.documents.rows import Rows, numbers

row = Rows()

LABELS = Labels(
    {"model.weights": "Init", "optim.lr": "LR", "optim.weight_decay": "WD"},
    {"model.weights": {"None": "random", "DEFAULT": "pretrained"}},
)
CELLS = [(w, lr, seed) for lr in (0.1, 0.01) for w in ("None", "DEFAULT") for seed in range(3)]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve logs: two learning rates × two initialisations × three seeds."""
    folder = tmp_path_factory.mktemp("sweep") / "logs"
    for i, (weights, lr, seed) in enumerate(CELLS):
        config = {
            "paths": {"run": f"/scratch/{i}"},
            "model": {"name": "resnet18", "weights": weights},
            "optim": {"lr": lr, "weight_decay": 5},
            "write_checkpoint": seed == 0,
            "epochs": 2,
            "seed": seed,
        }
        with RunLogger(folder / f"{i:02}" / "json_out.jsonl", config) as log:
            for epoch in range(2):
                for split in ("train", "val", "eval"):
                    log.metrics(split, {"acc1": 10.0 * epoch + seed}, epoch=epoch)
    return folder


@pytest.fixture
def group(logs: Path) -> RunGroup:
    """Their runs, with display names."""
    return dr_gen.load(logs, labels=LABELS, cache=False)


# ------------------------------------------------------------------ hyperparameters of a run


@row("S2-24", "S2-25")
def hyperparameters(group: RunGroup) -> None:
    """Flat, dotted and complete; which are important is for the group to say."""
    hpm = Hpm({"optim": {"lr": 0.1}, "seed": 3})
    assert (hpm["optim.lr"], "seed" in hpm, list(hpm), len(hpm)) == (
        *(0.1, True, ["optim.lr", "seed"], 2),
    )
    assert hpm.without("seed") == Hpm({"optim.lr": 0.1})
    assert hpm["seed"] == 3


@row("S2-26")
def any_value(group: RunGroup) -> None:
    """The value or None."""
    assert (group[0].hpms.get("optim.lr"), group[0].hpms.get("optim.rl")) == (0.1, None)


@row("S2-27")
def importance(group: RunGroup) -> None:
    """More keys or fewer can count as swept; the group itself stays."""
    hpms = group.hpm_group
    assert hpms.excluding("optim").important == ("model.weights",)
    assert hpms.including("seed").important == ("model.weights", "optim.lr", "seed")
    assert hpms.important == ("model.weights", "optim.lr")
    assert group[0].hpms.subset(["optim.lr"]) == Hpm({"optim.lr": 0.1})


@row("S2-28", "S2-c9")
def equality(group: RunGroup) -> None:
    """By value, never by hash alone; fit to be keys of a dict, lists included."""
    assert Hpm({"a": -1}) != Hpm({"a": -2})
    assert Hpm({"a": 1, "b": [1]}) == Hpm({"b": [1.0], "a": 1.0})
    assert len({Hpm({"a": [1, 2]}), Hpm({"a": [1, 2]}), Hpm({"a": [2, 1]})}) == 2
    assert [len(c.runs) for c in HpmGroup.from_hpms([{"a": -1}, {"a": -2}]).configurations] == [
        1,
        1,
    ]
    assert HpmGroup.from_hpms([{"a": 1}, {"a": 1.0}]).important == ()


@row("S2-29")
def texts(group: RunGroup) -> None:
    """Sorted ``key=value``, all in one line, and values as they are displayed."""
    hpm = Hpm({"optim.lr": 0.1, "model.weights": None})
    assert str(hpm) == "model.weights=None optim.lr=0.1"
    assert hpm.strings() == ["model.weights=None", "optim.lr=0.1"]
    assert dict(hpm) == {"optim.lr": 0.1, "model.weights": None}
    assert [group.hpm_group.text(key, hpm[key]) for key in sorted(hpm)] == ["random", "0.1"]


@row("S2-30")
def runs_of_each(group: RunGroup) -> None:
    """Configuration to the ids of its runs."""
    found = {c.hpms: c.runs for c in group.hpm_group.configurations}
    assert found[Hpm({"optim.lr": 0.1, "model.weights": "None"})] == ("00", "01", "02")


@row("S2-31", "S2-32", "S2-36")
def what_varies(group: RunGroup) -> None:
    """Keys with more than one value, sorted; paths, checkpoints and seeds do not count."""
    hpms = group.hpm_group
    assert hpms.varying["optim.lr"] == [0.01, 0.1]
    assert list(hpms.varying) == sorted(hpms.varying)
    assert hpms.important == ("model.weights", "optim.lr")
    assert hpms.excluded == ("paths.run", "seed", "write_checkpoint")


# ------------------------------------------------------------------ groups of runs


@row("S2-33", "S2-34", "S2-35", "S2-c16")
def loading(group: RunGroup, logs: Path) -> None:
    """To any depth, in natural order, named by path; what fails says so and stays in sight."""
    assert group.ids == tuple(f"{i:02}" for i in range(12))
    assert [run.source for run in group] == [str(p) for p in sorted(logs.glob("*/*.jsonl"))]
    (logs.parent / "odd").mkdir(exist_ok=True)
    (logs.parent / "odd" / "json_out.jsonl").write_text('{"type": "dict_config", "value": 3}\n')
    (logs.parent / "odd" / "good.jsonl").write_bytes(Path(group[0].source).read_bytes())
    odd = dr_gen.load(logs.parent / "odd", cache=False)
    assert "good" in odd.ids
    wrong = [finding for finding in odd.findings if finding.path and "json_out" in finding.path]
    assert all(finding.message for finding in wrong)
    assert wrong


@row("S2-37", "S2-38", "S2-39")
def display_names(group: RunGroup) -> None:
    """Names for keys and values; without one the last part of the key."""
    hpms = group.hpm_group
    assert hpms.labels.key_names(["model.weights", "optim.lr", "model.name"]) == {
        **{"model.weights": "Init", "optim.lr": "LR", "model.name": "name"}
    }
    assert [hpms.text("model.weights", w) for w in ("None", None, "DEFAULT", "other")] == [
        *("random", "random", "pretrained", "other")
    ]
    assert hpms.describe({"optim.lr": 0.01, "model.weights": "None"}) == "Init=random LR=0.01"


@row("S2-40", "S2-41")
def display_names_back(group: RunGroup) -> None:
    """In any case; a name that means nothing is an error with a hint."""
    hpms = group.hpm_group
    assert [hpms.real_key(name) for name in (" init ", "LR", "optim.lr", "Weights")] == [
        *("model.weights", "optim.lr", "optim.lr", "model.weights")
    ]
    assert hpms.real_value("init", "random") == "None"
    with pytest.raises(UnknownKeyError, match=r"optim\.lr"):
        hpms.real_key("optim.rl")


@row("S2-42", "S2-43")
def tables(group: RunGroup) -> None:
    """Values of each key; combinations with the runs that each has, of the runs there are."""
    assert group.hpm_group.swept_table() == (
        ["Key", "Values"],
        [[["Init", "pretrained"], ["", "random"]], [["LR", "0.01"], ["", "0.1"]]],
    )
    header, rows = group.hpm_group.sweep_table()
    assert header == ["Init", "LR", "Count"]
    assert sorted(r[-1] for r in rows) == [3, 3, 3, 3]
    assert [r[-1] for r in group.exclude(seed=2).hpm_group.sweep_table()[1]] == [2] * 4


@row("S2-44")
def selected_runs(group: RunGroup) -> None:
    """By display or real names, one value or several, grouped by configuration."""
    found = group.filter(init=["random", "pretrained"], lr=0.1).group_by("Init", "LR")
    assert {key: runs.ids for key, runs in found.items()} == {
        **{("None", 0.1): ("00", "01", "02"), ("DEFAULT", 0.1): ("03", "04", "05")}
    }
    assert len(group.filter(("optim.lr", 0.1), ("model.weights", "None"))) == 3


@row("S2-45", "S2-46")
def selected_metrics(group: RunGroup) -> None:
    """The curves of each seed, by configuration and split."""
    found = {
        key: {split: runs.curves(f"{split}/acc1").values.tolist() for split in ("train", "eval")}
        for key, runs in group.filter(LR=0.1).group_by("Init").items()
    }
    assert found["None"]["eval"] == [[0, 10], [1, 11], [2, 12]]
    assert found["DEFAULT"]["train"] == found["None"]["eval"]


@row("S2-47")
def ignored_runs(group: RunGroup) -> None:
    """Without some runs the sweep is another; to leave out what is not there changes nothing."""
    left = group.exclude(LR=0.1)
    assert (len(left), left.hpm_group.important) == (6, ("model.weights",))
    assert group.exclude(id="00").ids == group.ids[1:]
    assert group.exclude(id="nobody") == group


@row("S2-48", "S2-c16")
def known_runs(group: RunGroup) -> None:
    """Those of some ids that are there, in the order of the group."""
    assert group.filter(id=["05", "01", "nobody"]).ids == ("01", "05")


@row("S2-49")
def chosen_entries(group: RunGroup) -> None:
    """Groups by the values of their keys; a key of none of them is an error."""
    found = group.group_by("Init", "LR")
    assert list(found.filter(LR=[0.1], Init="random")) == [("None", 0.1)]
    with pytest.raises(UnknownKeyError):
        found.filter(WD=5)


# ------------------------------------------------------------------ what must not come back


@row("S2-c5")
def unknown_keys_select_nothing(group: RunGroup) -> None:
    """A typo is an error, and a key that does not vary selects by its value, however named."""
    for select in (group.exclude, group.filter):
        with pytest.raises(UnknownKeyError):
            select(typo=0.1)
    assert len(group.filter(WD=5)) == len(group.filter(("optim.weight_decay", 5))) == 12
    assert len(group.filter(WD=6)) == 0


@row("S2-c6")
def every_run_is_looked_at(group: RunGroup) -> None:
    """A key that is not swept is tested for each run."""
    assert group.filter(seed=1).to_list("seed") == [1] * 4


@row("S2-c7")
def values_as_they_are(group: RunGroup) -> None:
    """Raw values of renamed keys, and numbers however they are written."""
    assert len(group.filter(("model.weights", "None"))) == 6
    assert len(group.filter(LR="1e-1")) == len(group.filter("LR = 1e-1")) == 6


@row("S2-c8")
def lacks_vary(group: RunGroup) -> None:
    """A key that one run lacks varies, and nothing raises."""
    hpms = HpmGroup.from_hpms([{"a": 1, "b": 1}, {"a": 2}])
    assert hpms.important == ("a", "b")
    assert hpms.sweep_table()[1] == [["1", "1", 1], ["2", "-", 1]]


@row("S2-c10", "S2-c11")
def whole_parts(group: RunGroup) -> None:
    """Noise is named by whole parts; keys that are no text, and empty groups, are kept."""
    rows = [{"pathsize": i, "seed_x": i, "data": {"seed": i}, "paths": {"a": i}} for i in (1, 2)]
    assert HpmGroup.from_hpms(rows).important == ("pathsize", "seed_x")
    assert dict(Hpm({"a": {0: "x"}, "b": {}})) == {"a.0": "x", "b": {}}


@row("S2-c12")
def errors_are_errors(group: RunGroup) -> None:
    """Misuse raises errors of the package that are built-in ones, too, and no asserts."""
    with pytest.raises(KeyError):
        group["nobody"]
    with pytest.raises(ValueError, match="cannot draw"):
        group.sample(13)
    with pytest.raises(UsageError):
        group.filter({"a": 1})


@row("S2-c14", "S2-golden-short")
def short_runs_are_used(logs: Path, tmp_path: Path) -> None:
    """Three of five epochs: a finding, a status, and all that was logged is there."""
    config = {"type": "dict_config", "value": {"epochs": 5, "lr": 0.1}}
    lines = [config, {"type": "str", "value": ">> Running"}]
    for value in (1.0, 2.0, 3.0):
        for split in ("train", "val", "eval"):
            stats = {"loss": value, "acc1": 50 + value}
            lines.append({"data_name": split, "agg_stats": stats})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run,) = dr_gen.load(tmp_path, cache=False)
    (finding,) = [finding for finding in run.findings if finding.code == "short-run"]
    assert finding.message == "3 of 5 epochs were logged"
    assert (run.status, len(run.metrics)) == ("incomplete", 6)
    assert run.curve("train/loss").values.tolist() == [1.0, 2.0, 3.0]


# ------------------------------------------------------------------ golden values


@row("golden-table")
def golden_sweep_table(group: RunGroup) -> None:
    """Twelve logs: four rows of three runs, keys ``Init`` and ``LR``."""
    header, rows = group.hpm_group.sweep_table()
    assert header == ["Init", "LR", "Count"]
    assert [r[-1] for r in rows] == [3, 3, 3, 3]


@row("golden-text")
def golden_texts(group: RunGroup) -> None:
    """The text of a configuration, and as it is displayed."""
    hpm = Hpm({"optim": {"lr": 0.1}, "model": {"weights": None}})
    assert str(hpm) == "model.weights=None optim.lr=0.1"
    assert HpmGroup.from_hpms([hpm], labels=LABELS).describe(hpm) == "Init=random LR=0.1"


@row("golden-late-value", "golden-late-key")
def golden_late(group: RunGroup) -> None:
    """Of 300 runs the last 150 have another kind of value, and a key of their own."""
    rows = [{"lr": 1}] * 150 + [{"lr": 0.5, "new": "x"}] * 150
    late = RunGroup.from_runs(
        RunData.from_dict({"id": str(i), "hpms": hpms}) for i, hpms in enumerate(rows)
    )
    frame = late.to_frame()
    assert frame["lr"].to_list() == [1.0] * 150 + [0.5] * 150
    assert frame["new"].to_list() == [None] * 150 + ["x"] * 150
    assert len(late.filter(lr=0.5, new="x")) == 150


@row("golden-hash")
def golden_hashes(group: RunGroup) -> None:
    """-1 and -2 are two groups."""
    assert list(dr_gen.Collection([{"a": -1}, {"a": -2}]).group_by("a")) == [-1, -2]


@row("golden-typo")
def golden_typo(group: RunGroup) -> None:
    """A misspelt key leaves out nothing."""
    with pytest.raises(UnknownKeyError):
        group.exclude(typo=0.1)
    assert len(group) == 12


@row("golden-interval")
def golden_interval(group: RunGroup) -> None:
    """The t-interval of five values with one far away."""
    found = t_interval(np.array([1.0, 2, 3, 4, 100]), level=0.95)
    assert round((found.high + found.low) / 2, 4) == 22
    assert round((found.high - found.low) / 2, 4) == 54.1585


@pytest.mark.parametrize(("name", "check"), row.cases(), ids=[name for name, _ in row.cases()])
def test_row(
    name: str, check: Callable[..., None], group: RunGroup, logs: Path, tmp_path: Path
) -> None:
    """The capability is there, as its row has it or better."""
    given = {"group": group, "logs": logs, "tmp_path": tmp_path}
    names = check.__code__.co_varnames[: check.__code__.co_argcount]
    check(**{name: given[name] for name in names})


def test_no_row_is_left_out() -> None:
    """Each row has a check."""
    assert numbers("S2", (24, 49)) <= row.checks.keys()
