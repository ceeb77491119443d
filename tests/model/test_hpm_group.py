"""What was swept over the runs of a group."""

from __future__ import annotations

import itertools
import pickle
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import AmbiguousNameError, UnknownKeyError
from dr_gen.model.hpm import MISSING, Hpm, canonical
from dr_gen.model.hpm_group import HpmGroup
from dr_gen.model.labels import Labels
from dr_gen.model.noise import NOISE_KEYS, is_noise, matches_key, noise_pattern, seed_key
from dr_gen.testing import hpm_values, hpms

LABELS = Labels(
    {"model.weights": "Init", "optim.lr": "LR", "optim.weight_decay": "WD"},
    {"model.weights": {"None": "random", "DEFAULT": "pretrained"}},
)
KEYS = ("optim.lr", "seed", "paths.out", "k")
rows_of_runs = st.lists(hpms(st.sampled_from(KEYS), hpm_values()), max_size=7)


def sweep(weights: Any = None) -> HpmGroup:
    """Two learning rates × two initialisations × three seeds."""
    rows = [
        {
            "model": {"name": "resnet18", "weights": init},
            "optim": {"lr": lr, "weight_decay": 1e-4},
            "paths": {"out": f"/tmp/{lr}/{seed}"},
            "write_checkpoint": None if seed else "last",
            "seed": seed,
        }
        for lr in (0.1, 0.01)
        for init in (weights, "DEFAULT")
        for seed in range(3)
    ]
    return HpmGroup.from_hpms([Hpm(row) for row in rows], labels=LABELS)


@given(rows_of_runs)
def test_configurations_partition_the_runs(rows: list[Hpm]) -> None:
    """Each run is in one configuration, with the values of that configuration."""
    group = HpmGroup.from_hpms(rows, ids=[f"r{i}" for i in range(len(rows))])
    members = [run for configuration in group.configurations for run in configuration.runs]
    assert sorted(members) == sorted(group.ids)
    for configuration in group.configurations:
        assert tuple(configuration.hpms) == group.important
        for run in configuration.runs:
            assert rows[int(run[1:])].subset(group.important) == configuration.hpms
    assert len({configuration.hpms for configuration in group.configurations}) == len(
        group.configurations
    )


@given(rows_of_runs, st.randoms(use_true_random=False))
def test_configurations_do_not_depend_on_the_order_of_runs(rows: list[Hpm], random: Any) -> None:
    """The same runs in another order are the same configurations in the same order."""
    ids = [f"r{i}" for i in range(len(rows))]
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = HpmGroup.from_hpms([rows[i] for i in order], ids=[ids[i] for i in order])
    found = [(c.hpms, sorted(c.runs)) for c in shuffled.configurations]
    wanted = [(c.hpms, sorted(c.runs)) for c in HpmGroup.from_hpms(rows, ids=ids).configurations]
    # Lists and dicts are ordered by their text, in which equal numbers may differ.
    assert sorted(found, key=lambda c: c[1]) == sorted(wanted, key=lambda c: c[1])


@given(rows_of_runs)
def test_important_keys_vary_and_are_no_noise(rows: list[Hpm]) -> None:
    """Keys that vary are either important or excluded as noise, never both."""
    group = HpmGroup.from_hpms(rows)
    assert sorted((*group.important, *group.excluded)) == sorted(group.varying)
    for key in group.varying:
        values = {canonical(row.get(key, MISSING)) for row in rows}
        assert len(group.varying[key]) == len(values) > 1
        assert (key in group.excluded) is is_noise(key)
    assert HpmGroup.from_hpms(rows, noise=()).important == tuple(sorted(group.varying))


@given(rows_of_runs)
def test_texts_and_tables_of_any_group_can_be_shown(rows: list[Hpm]) -> None:
    """Whatever the values are, a group has its tables and its text."""
    group = HpmGroup.from_hpms(rows, labels=LABELS)
    header, table = group.sweep_table()
    assert all(len(row) == len(header) for row in table)
    assert sum(row[-1] for row in table) == len(rows)
    assert repr(group).startswith(f"HpmGroup({len(rows)} runs")
    assert group._repr_html_().count("<tr>") == len(table) + 1
    _, keys = group.swept_table()
    assert [len(values) for values in keys] == [len(group.varying[k]) for k in group.important]


def test_a_sweep_of_twelve_runs() -> None:
    """Two rates × two initialisations × three seeds are four configurations of three runs."""
    group = sweep()
    assert group.important == ("model.weights", "optim.lr")
    assert group.excluded == ("paths.out", "seed", "write_checkpoint")
    assert group.seed == "seed"
    assert group.sweep_table() == (
        ["Init", "LR", "Count"],
        [
            ["random", "0.01", 3],
            ["random", "0.1", 3],
            ["pretrained", "0.01", 3],
            ["pretrained", "0.1", 3],
        ],
    )
    assert group.swept_table() == (
        ["Key", "Values"],
        [[["Init", "random"], ["", "pretrained"]], [["LR", "0.01"], ["", "0.1"]]],
    )
    assert group.describe(group.configurations[0].hpms) == "Init=random LR=0.01"
    assert repr(group) == "HpmGroup(12 runs, 4 configurations; swept: Init (2), LR (2))"


def test_null_written_as_text_shows_alike() -> None:
    """Older logs write null as the text None; it has the display name of null."""
    assert sweep("None").sweep_table()[1][0][:1] == ["pretrained"]
    assert {row[0] for row in sweep("None").sweep_table()[1]} == {"random", "pretrained"}


def test_a_key_that_some_runs_lack_varies() -> None:
    """The absence of a key is a value: it is shown, and sets the runs apart."""
    group = HpmGroup.from_hpms([{"lr": 0.1, "wd": 0.5}, {"lr": 0.1}, {"lr": 0.1, "wd": None}])
    assert group.important == ("wd",)
    assert group.varying["wd"] == [MISSING, None, 0.5]
    assert group.sweep_table() == (["wd", "Count"], [["-", 1], ["None", 1], ["0.5", 1]])
    assert group.values("wd") == [0.5, MISSING, None]


def test_numbers_of_two_types_do_not_vary() -> None:
    """1 and 1.0 are one configuration, True is another."""
    group = HpmGroup.from_hpms([{"a": 1}, {"a": 1.0}, {"a": True}])
    assert [len(c.runs) for c in group.configurations] == [1, 2]


def test_lists_may_vary() -> None:
    """A list is a value like any other."""
    group = HpmGroup.from_hpms([{"a": [1, 2]}, {"a": [1.0, 2.0]}, {"a": [2, 1]}])
    assert [len(c.runs) for c in group.configurations] == [2, 1]


def test_one_configuration_has_a_name() -> None:
    """Runs that differ in nothing are one configuration."""
    group = HpmGroup.from_hpms([{"lr": 0.1, "seed": s} for s in range(3)])
    assert [(dict(c.hpms), len(c.runs)) for c in group.configurations] == [({}, 3)]
    assert group.describe({}) == "all runs"
    assert group.sweep_table() == (["Count"], [[3]])


@given(hpms(), st.randoms(use_true_random=False))
def test_a_description_does_not_depend_on_the_order_of_keys(hpm: Hpm, random: Any) -> None:
    """One configuration has one name, in the order of its keys, as the text of an `Hpm` has."""
    group = HpmGroup.from_hpms([hpm])
    order = list(hpm)
    random.shuffle(order)
    assert group.describe(hpm.subset(order)) == group.describe(hpm)
    names = group.labels.key_names(sorted(hpm))
    shown = [f"{names[key]}={group.text(key, hpm[key])}" for key in sorted(hpm)]
    assert group.describe(hpm) == (" ".join(shown) or "all runs")


def test_no_runs_are_no_configurations() -> None:
    """A group of no runs has no keys and no configurations."""
    group = HpmGroup.from_hpms([])
    assert (group.keys, group.important, group.configurations) == ((), (), ())
    assert group.sweep_table() == (["Count"], [])
    assert group.seed is None


def test_keys_are_found_by_any_of_their_names() -> None:
    """A key is meant by its full name, its display name or its last part, in any case."""
    group = sweep()
    for name in ("optim.lr", "optim__lr", "LR", "lr", " lr ", "OPTIM.LR"):
        assert group.real_key(name) == "optim.lr"
    for call in (group.real_key, group.values, lambda key: group.members([key])):
        with pytest.raises(UnknownKeyError, match=r"'optim\.lr'"):
            call("optim.lrr")
    assert len(group.members(["Init"])) == 2


@given(rows_of_runs)
def test_a_described_configuration_is_found_again(rows: list[Hpm]) -> None:
    """From a configuration to its description and back is a round trip."""
    group = HpmGroup.from_hpms(rows, labels=LABELS)
    texts = Counter(" ".join(group.describe(c.hpms).split()).casefold()
                    for c in group.configurations)  # fmt: skip
    for c in group.configurations:
        text = group.describe(c.hpms)
        plain = " ".join(text.split())
        if plain == text and texts[plain.casefold()] == 1:
            assert group.configuration(text) == c
        assert group.configuration(c.hpms) == c


def test_a_configuration_is_found_by_what_is_shown() -> None:
    """Display names and values, real ones, and a part of the keys mean a configuration."""
    group = sweep()
    wanted = group.configurations[1]
    names: list[Any] = ["Init=random LR=0.1", "init=Random  lr=0.1", {"Init": "random", "LR": 0.1}]
    names += [{"model.weights": None, "optim__lr": "1e-1"}, {"lr": 0.1, "weights": None}]
    for name in names:
        assert group.configuration(name) == wanted
    with pytest.raises(AmbiguousNameError, match=r"Init=random LR=0\.1"):
        group.configuration({"LR": 0.1})
    with pytest.raises(UnknownKeyError, match=r"Init=random LR=0\.1"):
        group.configuration("Init=random LR=0.11")
    with pytest.raises(UnknownKeyError, match="lr"):
        group.configuration({"lrr": 0.1})


def test_values_that_look_alike_are_told_apart() -> None:
    """A number and its text are two configurations, and look like two in every table."""
    group = HpmGroup.from_hpms([{"lr": 0.1}, {"lr": "0.1"}, {}])
    assert group.sweep_table()[1] == [["-", 1], ["0.1", 1], ["'0.1'", 1]]
    assert group.swept_table()[1] == [[["lr", "-"], ["", "0.1"], ["", "'0.1'"]]]
    assert group.configuration("lr='0.1'").runs == ("1",)


def test_importance_is_for_the_group_to_change() -> None:
    """Keys are taken for noise or for important by whole parts, in a new group."""
    group = sweep()
    assert group.excluding("optim").important == ("model.weights",)
    assert group.excluding("opt", "w*").important == ("optim.lr",)
    assert group.including("paths.out").important == ("model.weights", "optim.lr", "paths.out")
    assert group.including("seed").excluded == ("paths.out", "write_checkpoint")
    assert group.including("seed").excluding("seed").important == (
        *group.important,
        "seed",
    )
    assert group.important == ("model.weights", "optim.lr")


@given(rows_of_runs)
def test_a_cross_table_counts_every_run_once(rows: list[Hpm]) -> None:
    """The cells of a table of two keys add up to the runs."""
    group = HpmGroup.from_hpms(rows)
    for down, across in itertools.permutations(group.keys[:2], 2):
        header, table = group.cross_table(down, across)
        assert all(len(row) == len(header) for row in table)
        assert sum(sum(row[1:]) for row in table) == len(rows)
        assert len(table) == len({canonical(row.get(down, MISSING)) for row in rows})
        counts = Counter(canonical(row.get(down, MISSING)) for row in rows)
        assert sorted(sum(row[1:]) for row in table) == sorted(counts.values())


def test_a_group_survives_pickling() -> None:
    """A pickled group has the same configurations."""
    group = sweep()
    assert pickle.loads(pickle.dumps(group)).configurations == group.configurations


def test_html_is_escaped() -> None:
    """Names and values of a log cannot put markup into a notebook."""
    html = HpmGroup.from_hpms([{"<b>": "<i>"}, {"<b>": "&"}])._repr_html_()
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;i&gt;" in html


@pytest.mark.parametrize(
    ("key", "pattern", "matched"),
    [
        ("paths.out", "paths", True),
        ("paths", "paths", True),
        ("pathsize", "paths", False),
        ("my_paths.out", "paths", False),
        ("seed", "seed", True),
        ("data.seed", "seed", True),
        ("seed_x", "seed", False),
        ("seeds", "seed", False),
        ("optim.lr.peak", "optim.lr", True),
        ("my.optim.lr", "optim.lr", True),
        ("optim.x.lr", "optim.lr", False),
        ("data.cache_dir", "*_dir", True),
        ("data.cache_direct", "*_dir", False),
        ("a.b", "a.b.c", False),
        ("Seed", "seed", False),
    ],
)
def test_noise_is_matched_on_whole_parts(key: str, pattern: str, matched: bool) -> None:
    """A pattern hides a dotted part and what is below it, never a part that only begins so."""
    assert matches_key(key, pattern) is matched


def test_a_pattern_may_say_what_is_no_noise() -> None:
    """What follows an exclamation mark is no noise, wherever it stands."""
    for patterns in (("paths", "!paths.data"), ("!paths.data", "paths")):
        assert is_noise("paths.out", patterns)
        assert not is_noise("paths.data", patterns)
        assert not is_noise("paths.data.root", patterns)
    assert noise_pattern("a.paths", ("seed", "p*", "paths")) == "p*"


@pytest.mark.parametrize("key", ["logdir", "train.workdir", "exp_name", "output_dir", "a.seed"])
def test_where_a_run_writes_is_noise(key: str) -> None:
    """Folders and names of runs differ with every run and are never swept."""
    assert is_noise(key)
    assert not is_noise(f"{key}s")


@given(st.text("ab.", min_size=1, max_size=5), st.text("ab.", max_size=3))
def test_a_pattern_matches_itself_and_all_below(key: str, below: str) -> None:
    """A key is noise when its parent is."""
    assert matches_key(key, key)
    assert matches_key(f"{key}.{below}", key)
    assert matches_key(f"{below}.{key}", key)
    assert not is_noise(key, ())


def test_the_usual_noise_is_known() -> None:
    """Keys that vary from run to run without being swept are noise, those that are swept not."""
    noisy = ["seed", "data.seed", "paths.out", "write_checkpoint", "run_id", "logging.dir", "pid"]
    swept = ["optim.lr", "seed_x", "pathsize", "model.weights", "epochs", "batch_size", "dataset"]
    assert [key for key in noisy if not is_noise(key, NOISE_KEYS)] == []
    assert [key for key in swept if is_noise(key, NOISE_KEYS)] == []


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([], None),
        (["optim.lr", "seed_x"], None),
        (["data.seed", "seed"], "seed"),
        (["b.seed", "a.seed"], "a.seed"),
        (["manual_seed", "global_seed", "seed"], "seed"),
        (["train.Seed"], "train.Seed"),
    ],
)
def test_the_seed_is_the_one_of_the_run(keys: list[str], found: str | None) -> None:
    """Among several seeds the least nested one counts, and then the one called seed."""
    assert seed_key(keys) == found


@given(rows_of_runs)
def test_members_of_any_keys_partition_the_runs(rows: list[Hpm]) -> None:
    """Runs can be grouped by any keys, noise too."""
    group = HpmGroup.from_hpms(rows)
    members = group.members(group.keys)
    assert sorted(p for _, positions in members for p in positions.tolist()) == [*range(len(rows))]
    for hpm, positions in members:
        assert isinstance(hpm, Mapping)
        for position in positions.tolist():
            assert rows[position].subset(group.keys) == hpm
