"""What is saved comes back, bit for bit."""

from __future__ import annotations

import pickle
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dr_gen import testing
from dr_gen.convert import exact_json, from_exact_json, run_to_dict
from dr_gen.model.curve_builder import CurveBuilder
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, Hpm
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.labels import Labels
from dr_gen.model.noise import NOISE_KEYS
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, RunTable, Status
from dr_gen.store.change import changing
from dr_gen.store.layout import from_layout, to_layout
from dr_gen.store.schema import SCHEMA
from dr_gen.store.store import is_store, open_store, save
from dr_gen.store.writing import commit, writing

# Any code point at all: NUL, controls and halves of surrogate pairs too.
wild_text = st.text(st.characters(), max_size=5)
wild_runs = testing.runs(
    ids=wild_text,
    hpms=testing.hpms(wild_text, st.one_of(testing.hpm_values(), wild_text)),
    splits=wild_text,
    metrics=wild_text,
)


def exact(group: RunGroup) -> list[Any]:
    """Everything that is known of a group, in a form in which equal means the same bits."""
    facts: list[Any] = [exact_json([str(f) for f in group.source_findings])]
    for run in group:
        plain = run_to_dict(run)
        plain["hpms"] = dict(sorted(plain["hpms"].items()))  # keys have no order of their own
        curves = run.table.curves
        kinds = [
            curves.axis_values(axis).dtype.str
            for curve in curves.curves_of_run(run.index).tolist()
            for axis in curves.axes_of_block(int(curves.block[curve]))
        ]
        facts += [exact_json(plain), kinds]
    return facts


def reopened(group: RunGroup, **options: Any) -> RunGroup:
    """The group after a stay on disk."""
    with tempfile.TemporaryDirectory() as folder:
        save(group, Path(folder, "store"), **options)
        return open_store(Path(folder, "store"))


@given(st.one_of(testing.groups(), testing.groups(wild_runs)), st.booleans())
def test_a_group_comes_back_as_it_was(group: RunGroup, compress: bool) -> None:
    """Every run, in order, with every value, x, flag, name, fact and finding; types too."""
    back = reopened(group, compress=compress)
    assert back == group
    assert back.ids == group.ids
    assert exact(back) == exact(group)


@given(testing.groups())
def test_the_layout_needs_no_file(group: RunGroup) -> None:
    """Arrays and texts alone hold everything."""
    back = RunGroup(
        from_layout(to_layout(group.table)), group.indices, source_findings=group.source_findings
    )
    assert exact(back) == exact(group)


@given(testing.groups(min_size=2), st.data())
def test_several_shards_are_one_group(group: RunGroup, data: st.DataObject) -> None:
    """However runs are spread over shards, they come back in the order of the catalogue."""
    cut = data.draw(st.integers(0, len(group)))
    parts = [group.table.take(group.indices[a:b]) for a, b in ((cut, None), (0, cut))]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        with writing(store), changing(store) as change:
            written = [*map(change.write, parts)]
            where = {run: (i, row) for i, w in enumerate(written) for row, run in enumerate(w.runs)}
            rows = {run: where[run] for run in group.ids}
            commit(change, [w.shard for w in written], rows, group.source_findings)
        assert exact(open_store(folder)) == exact(group)


HPM_VALUES = [
    *(None, True, 1, 1.0, 0, 0.0, -0.0, False, "1", "", "None", "null", "<missing>"),
    *(float("nan"), float("inf"), float("-inf"), 5e-324, 1e308, 2**64, -(10**300)),
    *("ü ☃ 😀", "\0", "a\0b\0", "\ud800", "\udcff\n", "\\u0000"),
    *([], {}, [1, [2.0, [True, None]]], {"a": {"b": []}}, {"": "\0"}, [float("nan")]),
]


def test_values_that_are_equal_stay_apart() -> None:
    """1, 1.0 and True, 0.0 and -0.0, null and "None": each comes back as itself."""
    group = RunGroup.from_runs(
        RunData.build(f"r{i}", {"key": value, "list": [value]})
        for i, value in enumerate(HPM_VALUES)
    )
    back = reopened(group)
    assert [repr(run.hpms["list"]) for run in back] == [repr([value]) for value in HPM_VALUES]
    assert exact(back) == exact(group)


def test_a_key_that_a_run_lacks_stays_lacking() -> None:
    """`MISSING` is no value of a run: the key is just not there, before and after."""
    runs = [RunData.build("a", Hpm({"lr": MISSING, "k": None})), RunData.build("b", {"lr": 1})]
    group = RunGroup.from_runs(runs)
    back = reopened(group)
    assert [dict(run.hpms) for run in back] == [{"k": None}, {"lr": 1}]
    assert back.hpm_group.values("lr") == [MISSING, 1]
    assert exact(back) == exact(group)


def odd_run() -> RunData:
    """A run with everything that tends to be lost."""
    return RunData.from_dict(
        {
            "id": "a/\0\ud800 ü",
            "experiment": "\udcfe",
            "source": "/logs/\udcff.jsonl",
            "status": "diverged",
            "reasons": ["NaN at epoch 3", ""],
            "metadata": {
                "log_strs": ["x\0", "\ud800"],
                "deep": [[1, [2.0]], {"a": None}],
                "b": True,
            },
            "findings": [
                Finding("gap", "m\0", "error", "p\udcff", 2**70, "r", "hint"),
                Finding("", "", "info"),
            ],
            "time_parsed": "2026-01-01T00:00:00+00:00",
            "hpms": {"lr": 0.1},
            "curves": [
                {"split": "v\0", "metric": "m", "x": {"epoch": []}, "values": []},
                {"split": "val", "metric": "", "x": {"": np.empty(0, int)}, "values": []},
                {
                    "split": "val",
                    "metric": "acc",
                    "x": {
                        "epoch": [3, 3, -(2**63)],
                        "time": [0.5, float("nan"), -0.0],
                        "day": ["b", "a\0", "\ud800"],
                        "counted": [0.0, 1.0, 2.0],
                    },
                    "inferred": ["counted"],
                    "values": [float("nan"), float("-inf"), -0.0],
                    "original_name": "Acc",
                },
            ],
        }
    )


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [RunData.build("without curves")],
        [odd_run()],
        [RunData.build("a", {"x": 1}), odd_run(), RunData.build("z")],
    ],
    ids=["empty", "bare", "odd", "mixed"],
)
@pytest.mark.parametrize("compress", [False, True])
def test_odd_groups_come_back(runs: list[RunData], compress: bool) -> None:
    """No runs, no curves, no points, and names that files do not like."""
    group = RunGroup.from_runs(runs, source_findings=[Finding("cut-off", "gone", path="f")])
    back = reopened(group, compress=compress)
    assert exact(back) == exact(group)
    assert [run.record.time_parsed for run in back] == [run.record.time_parsed for run in group]


def test_statuses_come_back() -> None:
    """Each status is one of ours again, not a text."""
    group = RunGroup.from_runs(RunData.build(str(s), status=s, reasons=["why"]) for s in Status)
    back = reopened(group)
    assert [type(s) for s in back.statuses] == [Status] * len(Status)
    assert back.statuses == tuple(Status)


def test_a_selection_is_saved_alone_and_in_its_order() -> None:
    """Runs that were filtered out leave nothing behind in the files."""
    runs = [
        RunData.from_dict({"id": i, "hpms": {"secret": i}, "curves": {"val/acc": [1.0] * 5}})
        for i in ("b", "gone", "a")
    ]
    group = RunGroup.from_runs(runs)[[2, 0]]
    with tempfile.TemporaryDirectory() as folder:
        save(group, folder)
        assert open_store(folder).ids == ("a", "b")
        assert len(open_store(folder).table.curves.values) == 10
        files = [file for file in Path(folder).rglob("*") if file.is_file()]
        assert not [file for file in files if b"gone" in file.read_bytes()]


def test_what_comes_back_is_read_only() -> None:
    """No array of a store can be changed by accident."""
    back = reopened(RunGroup.from_runs([odd_run()]))
    curves = back.table.curves
    arrays = [
        *(value for value in vars_of(curves) if isinstance(value, np.ndarray)),
        *curves.pools,
        back.table.hpms.codes,
        back["a/\0\ud800 ü"]["val"]["acc"]["counted"].values,
    ]
    assert not any(array.flags.writeable for array in arrays)
    with pytest.raises(ValueError, match="read-only"):
        curves.values[0] = 1.0


def vars_of(value: Any) -> list[Any]:
    """The fields of an attrs value."""
    return [getattr(value, field.name) for field in type(value).__attrs_attrs__]


def test_labels_noise_and_directions_are_given_when_opening(tmp_path: Path) -> None:
    """They are settings of an analysis: not stored, but taken by `open_store`."""
    group = RunGroup.from_runs(
        [RunData.build("a", {"lr": 1})],
        labels=Labels({"lr": "LR"}),
        noise=("lr",),
        directions={"acc": "min"},
    )
    save(group, tmp_path)
    assert open_store(tmp_path).labels == Labels()
    assert open_store(tmp_path).noise == NOISE_KEYS
    assert open_store(tmp_path).directions == {}
    given = open_store(tmp_path, labels=group.labels, noise=["lr"], directions={"acc": "min"})
    assert (given.labels, given.noise, given.directions) == (
        group.labels,
        group.noise,
        group.directions,
    )


def test_metrics_of_one_block_share_their_x() -> None:
    """x is kept once for all metrics that were logged together."""
    builder = CurveBuilder()
    rows = builder.add_block({"epoch": range(100), "time": np.arange(100.0)})
    for metric in ("loss", "acc1", "acc5"):
        builder.add_curve(0, "val", metric, np.arange(100.0), rows)
    table = RunTable((RunRecord("a"),), HpmTable.from_mappings([{}]), builder.build())
    layout = to_layout(reopened(RunGroup(table, [0])).table)
    assert layout.sizes["obs"] == 300
    assert layout.sizes["x_int_obs"] == layout.sizes["x_float_obs"] == 100


def test_a_store_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Saving again leaves the new runs alone, and one shard."""
    first, second = (RunGroup.from_runs([RunData.build(i)]) for i in "ab")
    save(first, tmp_path)
    save(second, tmp_path)
    assert open_store(tmp_path).ids == ("b",)
    assert len(list((tmp_path / "shards").iterdir())) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalogue.json", "shards"]


def test_the_catalogue_says_who_wrote_what_and_when(tmp_path: Path) -> None:
    """Creator, version, time and schema number, and of each shard its size, runs and points."""
    group = RunGroup.from_runs([RunData.from_dict({"id": "a", "curves": {"val/acc": [1.0, 2.0]}})])
    save(group, tmp_path, now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    catalogue = from_exact_json((tmp_path / "catalogue.json").read_text())
    (shard,) = (tmp_path / "shards").iterdir()
    assert catalogue["creator"] == "dr_gen"
    assert catalogue["created"] == "2026-01-02T03:04:05+00:00"
    assert catalogue["schema"] == SCHEMA
    assert catalogue["runs"] == ["a"]
    assert catalogue["shards"] == [
        {"name": shard.name, "size": shard.stat().st_size, "runs": 1, "points": 2}
    ]


@pytest.mark.parametrize("name", ["plain", "größe ☃", "a#mode=zarr", "http:", "raw \udcff"])
def test_any_folder_will_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store may be in a folder of any name, new or empty, given relative or whole."""
    monkeypatch.chdir(tmp_path)
    group = RunGroup.from_runs([odd_run()])
    save(group, f"{name}/new")
    assert exact(open_store(tmp_path / name / "new")) == exact(group)
    assert is_store(f"{name}/new")
    assert not is_store(name)
    assert not is_store(f"{name}/none")


@given(testing.runs())
@example(odd_run())
def test_a_run_keeps_what_its_curves_say(run: RunData) -> None:
    """Seen through the model and not through the columns, a run is the same too."""
    (back,) = reopened(RunGroup.from_runs([run]))
    for split, metrics in run.items():
        for metric, curves in metrics.items():
            for x_name, curve in curves.items():
                mine = back[split][metric][x_name]
                assert mine == curve
                assert (mine.inferred, mine.original_name) == (curve.inferred, curve.original_name)
                assert mine.values.tobytes() == curve.values.tobytes()


@given(testing.groups())
def test_facts_are_those_of_the_records(group: RunGroup) -> None:
    """Experiments and sources are found without reading whole records, whatever is in these."""
    with tempfile.TemporaryDirectory() as folder:
        save(group, folder)
        for opened in (open_store(folder), open_store(folder)[::-1]):
            by_id = {run.id: run.record for run in group}
            for name in ("experiment", "source"):
                expected = [getattr(by_id[run], name) for run in opened.ids]
                copy = pickle.loads(pickle.dumps(opened))
                for one in (opened, copy):
                    assert one.all_columns()[name].values() == expected
