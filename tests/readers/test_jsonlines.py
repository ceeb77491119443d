"""The reader of other people's JSON lines: what columns mean, and that no point is lost."""

from __future__ import annotations

import json
import math
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dr_gen.model.run import RunData
from dr_gen.readers.contract import HEAD_BYTES, ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.jsonlines.reader import JsonLinesReader

READER = JsonLinesReader(clock=lambda: datetime(2025, 6, 25, tzinfo=UTC))

numbers = st.floats() | st.integers(-(2**53), 2**53)
bad_lines = st.sampled_from(['{"epoch": 3, "lo', "[1]", "garbage", '"text"'])


def read(path: Path, *rows: Any, columns: ColumnMap | None = None) -> ReadResult:
    """What is read of a file of these rows; a str is a line as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return READER.read(path, "r", ReadOptions(columns=columns or ColumnMap()))


def run_of(path: Path, *rows: Any, columns: ColumnMap | None = None) -> RunData:
    """The one run of a file of these rows."""
    [run] = read(path, *rows, columns=columns).runs
    return run


def codes(run: RunData) -> list[tuple[str, int | None]]:
    """Code and line of every finding."""
    assert all(finding.run == "r" for finding in run.findings)
    return [(finding.code, finding.line) for finding in run.findings]


def points(run: RunData, address: str, x: str | None = None) -> list[tuple[Any, float]]:
    """Every logged x and value, in the order of x."""
    curve = run.curve(address, x=x, repeats="all")
    return list(zip(curve.xs.tolist(), curve.values.tolist(), strict=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


# ---------------------------------------------------------------- no point is lost


@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["train/loss", "val_loss", "acc/val", "lr", "best_val_acc"]),
            numbers,
            max_size=5,
        )
        | bad_lines,
        max_size=12,
    )
)
def test_all_points(rows: list[Any]) -> None:
    """Points equal those of a plain loop over the lines; bad lines cost only themselves."""
    names = {
        "train/loss": "train/loss",
        "val_loss": "val/loss",
        "acc/val": "val/acc",
        "lr": "train/lr",
        "best_val_acc": "val/best_val_acc",
    }
    expected: dict[str, list[tuple[int, float]]] = {}
    bad, lines = [], []
    for number, row in enumerate(rows, 1):
        if isinstance(row, str):
            bad.append(number)
            lines.append(row)
            continue
        lines.append({"step": number, **row})
        for name, value in row.items():
            expected.setdefault(names[name], []).append((number, float(value)))
    with tempfile.TemporaryDirectory() as folder:
        result = read(Path(folder, "run.jsonl"), *lines)
    if len(bad) == len(rows):
        assert not result.runs
        return
    [run] = result.runs
    assert set(run.metrics) == set(expected)
    for address, pairs in expected.items():
        assert repr(points(run, address, "step")) == repr(pairs)
        assert run.curve(address).original_name in names
    assert [f.line for f in run.findings if f.code in ("bad-json", "not-an-object")] == bad


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["train", "val", "test"]), numbers, numbers),
        min_size=1,
        max_size=9,
    )
)
def test_row_splits_and_nesting_agree(rows: list[Any]) -> None:
    """Split given by a column, by nesting, by prefix or by suffix: the curves are the same."""
    forms = [
        [{"epoch": e, "split": s, "loss": a, "acc": b} for e, (s, a, b) in enumerate(rows)],
        [{"epoch": e, s: {"loss": a, "acc": b}} for e, (s, a, b) in enumerate(rows)],
        [{"epoch": e, f"{s}_loss": a, f"{s}/acc": b} for e, (s, a, b) in enumerate(rows)],
        [{"epoch": e, f"loss/{s}": a, f"acc_{s}": b} for e, (s, a, b) in enumerate(rows)],
        [{"epoch": e, "mode": s.upper(), "loss": a, "acc": b} for e, (s, a, b) in enumerate(rows)],
    ]
    with tempfile.TemporaryDirectory() as folder:
        runs = [run_of(Path(folder, "run.jsonl"), *form) for form in forms]
    first = {address: repr(points(runs[0], address, "epoch")) for address in runs[0].metrics}
    assert set(first) == {f"{split}/{name}" for split, _, _ in rows for name in ("loss", "acc")}
    for run in runs[1:]:
        assert {a: repr(points(run, a, "epoch")) for a in run.metrics} == first


def test_facts_of_the_run(path: Path) -> None:
    """A run knows its source, its experiment and when it was read."""
    path.write_text('{"epoch": 0, "loss": 1}\n')
    [run] = READER.read(path, "r", ReadOptions("exp")).runs
    assert (run.id, run.experiment, run.source) == ("r", "exp", str(path))
    assert run.metadata == {"time_parsed": "2025-06-25T00:00:00+00:00"}
    assert run.findings == ()


# ---------------------------------------------------------------- x


def test_several_axes(path: Path) -> None:
    """Every counter of a row is an axis under the name logged or its plain form."""
    rows = [
        {
            "epoch": i // 2,
            "iter": i,
            "current_steps": i * 10,
            "elapsed_time": f"0:00:{i:02}",
            "loss": i,
        }
        for i in range(4)
    ]
    run = run_of(path, *rows)
    curves = run["train"]["loss"]
    assert set(curves) == {"epoch", "iter", "step", "time"}
    assert curves["time"].xs.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert run.metadata["x_columns"] == {"step": "current_steps", "time": "elapsed_time"}
    assert codes(run) == []


def test_two_columns_of_one_axis(path: Path) -> None:
    """The first in the table is called by our name, the other keeps its own."""
    run = run_of(path, *[{"_step": i, "step": i * 10, "loss": 0.5} for i in range(3)])
    curves = run["train"]["loss"]
    assert curves["step"].xs.tolist() == [0, 10, 20]
    assert curves["_step"].xs.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("times", "axis"),
    [
        ([1.0, 2.0, 4.5], "time"),
        ([0.5, 0.4, 0.6], None),
        ([1.7e9, 1.7e9 + 5, 1.7e9 + 6], "timestamp"),
    ],
)
def test_time_is_an_axis_if_it_runs(path: Path, times: list[float], axis: str | None) -> None:
    """A time that falls is a measurement; one of seconds since 1970 is a timestamp."""
    run = run_of(path, *[{"epoch": i, "time": t, "loss": 0.5} for i, t in enumerate(times)])
    assert ("train/time" in run.metrics) == (axis is None)
    assert set(run["train"]["loss"]) == {"epoch", axis} - {None}


def test_counted_steps(path: Path) -> None:
    """Without any x the rows of a split are counted, and the curve and a finding say so."""
    run = run_of(path, {"loss": 0.5}, {"loss": 0.25, "val_loss": 1.0}, {"loss": math.nan})
    assert points(run, "train/loss")[:2] == [(0, 0.5), (1, 0.25)]
    assert run.curve("train/loss").inferred
    assert codes(run) == [("x-inferred", 1), ("x-inferred", 2)]


def test_counters_that_restart(path: Path) -> None:
    """Where only two counters together tell rows apart, counted steps keep all points in reach."""
    rows = [{"epoch": e, "iter": i, "loss": e + i / 10} for e in range(3) for i in range(4)]
    run = run_of(path, *rows)
    assert len(run.curve("train/loss")) == 12
    assert run.curve("train/loss").x_name == "step"
    assert codes(run) == [("x-ambiguous", 1)]


def test_step_that_is_always_zero(path: Path) -> None:
    """A step that never moves hides no point: the rows are counted beside it."""
    run = run_of(path, *[{"step": 0, "loss": i / 10} for i in range(5)])
    assert [value for _, value in points(run, "train/loss")] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert codes(run) == [("x-constant", 1)]


def test_repeated_rows(path: Path) -> None:
    """A resumed run is named with the lines and the range that came again."""
    rows = [
        {"epoch": e, "step": e * 10, "loss": float(i)} for i, e in enumerate([0, 1, 2, 1, 2, 3])
    ]
    run = run_of(path, *rows)
    assert codes(run) == [("repeated-x", 4)]
    assert "epoch 1–2, step 10–20 logged again in 2 rows (lines 4-5)" in run.findings[0].message
    assert run.curve("train/loss").values.tolist() == [0.0, 3.0, 4.0, 5.0]


def test_metrics_of_one_moment_on_several_lines(path: Path) -> None:
    """Different metrics logged at one step on lines of their own are no repeats."""
    rows = [{"step": s, name: 1.0} for s in range(4) for name in ("loss", "acc", "lr")]
    run = run_of(path, *rows)
    assert codes(run) == []
    assert len(run.curve("train/acc")) == 4


def test_bad_x(path: Path) -> None:
    """An x that is no number is missing and named; its value is still in reach."""
    run = run_of(
        path, {"step": 1, "loss": 1.0}, {"step": "two", "loss": 2.0}, {"step": 3, "loss": 3.0}
    )
    assert codes(run) == [("bad-x", 2), ("partial-x", 2)]
    assert points(run, "train/loss", "step") == [(1.0, 1.0), (3.0, 3.0)]
    assert run.curve("train/loss").values.tolist() == [1.0, 2.0, 3.0]


def test_x_of_a_split(path: Path) -> None:
    """A counter with a split is the x of that split; the only one there is, is everybody's."""
    rows = [
        {"train/step": i, "train/loss": 1.0, "val/step": i * 10, "val/loss": 2.0} for i in range(3)
    ]
    run = run_of(path, *rows)
    assert points(run, "train/loss", "step") == [(0, 1.0), (1, 1.0), (2, 1.0)]
    assert points(run, "val/loss", "step") == [(0, 2.0), (10, 2.0), (20, 2.0)]
    rows = [{"train/global_step": 5, "train/loss": 1.0}, {"train/global_step": 9, "eval/loss": 2.0}]
    assert points(run_of(path, *rows), "eval/loss", "global_step") == [(9, 2.0)]


# ---------------------------------------------------------------- cells


def test_every_odd_cell_is_listed(path: Path) -> None:
    """Cells that are no plain numbers are read where they stand for one, and listed anyway."""
    rows = [
        {"epoch": 0, "t": "0.5", "n": None, "b": True, "w": "fast", "l": [1, 2], "big": 10**400},
        {"epoch": 1, "t": "nan", "n": 1.0, "b": False, "w": "slow", "l": [3, 4], "big": 1},
        {"epoch": 2, "t": 7, "long": list(range(17)), "m": 1.5},
        {"epoch": 3, "t": "x", "m": "y", "e": {}, "el": []},
    ]
    run = run_of(path, *rows)
    assert sorted(codes(run)) == sorted(
        [
            ("text-number", 1),
            ("null-value", 1),
            ("bool-number", 1),
            ("text-column", 1),
            ("number-too-large", 1),
            ("list-column", 3),
            ("not-a-number", 4),
            ("not-a-number", 4),
        ]
    )
    assert repr(points(run, "train/t", "epoch")) == "[(0, 0.5), (1, nan), (2, 7.0)]"
    assert points(run, "train/n", "epoch") == [(1, 1.0)]
    assert points(run, "train/b", "epoch") == [(0, 1.0), (1, 0.0)]
    assert points(run, "train/l/1", "epoch") == [(0, 2.0), (1, 4.0)]
    assert points(run, "train/big", "epoch") == [(1, 1.0)]
    assert points(run, "train/m", "epoch") == [(2, 1.5)]


def test_facts_are_no_metrics(path: Path) -> None:
    """Ids, hosts, sizes and texts that never change are kept beside the curves."""
    facts = {
        "pid": 17,
        "hostname": "a",
        "done": False,
        "model": "vit",
        "n_parameters": 5,
        "gone": None,
    }
    run = run_of(path, *[{"epoch": e, "loss": 1.0, **facts} for e in range(3)])
    assert run.metrics == ("train/loss",)
    assert run.metadata["columns"] == facts
    assert codes(run) == []


def test_seed_column_is_a_hyperparameter(path: Path) -> None:
    """A seed in every row is the seed of the run; one that changes is a warning."""
    run = run_of(path, *[{"epoch": e, "loss": 1.0, "seed": 4} for e in range(3)])
    assert run.seed == 4
    run = run_of(path, *[{"epoch": e, "loss": 1.0, "seed": e // 2} for e in range(4)])
    assert codes(run) == [("id-changed", 3)]


def test_columns_of_one_name(path: Path) -> None:
    """Two columns that mean the same metric are both kept, whichever came first."""
    rows = [{"epoch": 0, "train_loss": 1.0, "loss": 2.0}, {"epoch": 1, "loss": 3.0}]
    for order in (rows, rows[::-1]):
        run = run_of(path, *order)
        assert points(run, "train/loss", "epoch") == [(0, 2.0), (1, 3.0)]
        assert points(run, "train/train_loss", "epoch") == [(0, 1.0)]


def test_name_twice_in_a_row(path: Path) -> None:
    """A name that is there nested and flat is said; the last one counts."""
    run = run_of(path, '{"epoch": 0, "val/loss": 1.0, "val": {"loss": 2.0}}')
    assert points(run, "val/loss") == [(0, 2.0)]
    assert codes(run) == [("duplicate-key", 1)]


# ---------------------------------------------------------------- hyperparameters


@pytest.mark.parametrize(
    "key", ["config", "params", "hparams", "hyperparameters", "args", "Config"]
)
def test_configuration_line(path: Path, key: str) -> None:
    """The object of such a line is the configuration, and makes no row."""
    run = run_of(path, {key: {"optim": {"lr": 0.1}, "seed": 2}}, {"epoch": 0, "loss": 1.0})
    assert dict(run.hpms) == {"optim.lr": 0.1, "seed": 2}
    assert run.metrics == ("train/loss",)
    assert codes(run) == []


def test_configuration_in_every_row(path: Path) -> None:
    """A configuration that each row repeats is read once, is no metric, and may not change."""
    rows = [{"training_iteration": i, "score": 1.0, "config": {"a": 0.5}} for i in range(3)]
    run = run_of(path, *rows)
    assert dict(run.hpms) == {"a": 0.5}
    assert run.metrics == ("train/score",)
    assert codes(run) == []
    rows[2]["config"] = {"a": 0.7}
    assert codes(run_of(path, *rows)) == [("config-changed", 3)]


def test_settings_files_beside_the_log(path: Path) -> None:
    """Settings files are merged, the log wins, and every clash and every bad file is named."""
    folder = path.parent
    (folder / "config.yaml").write_text("optim:\n  lr: 1e-4\n  name: sgd\nseed: 1\n")
    (folder / "params.json").write_text('{"seed": 2, "wd": null}')
    (folder / "args.yaml").write_text("a: [1\nb: 2\n")
    (folder / "hparams.json").write_text("[1]")
    run = run_of(path, {"config": {"optim": {"name": "adam"}}}, {"epoch": 0, "loss": 1.0})
    assert dict(run.hpms) == {"optim.lr": 1e-4, "optim.name": "adam", "seed": 1, "wd": None}
    found = {(f.code, Path(str(f.path)).name, f.line) for f in run.findings}
    assert found == {
        ("bad-sidecar", "args.yaml", 2),
        ("bad-sidecar", "hparams.json", None),
        ("config-conflict", "params.json", None),
        ("config-conflict", "run.jsonl", None),
    }


@pytest.mark.parametrize(
    ("header", "hpms"),
    [
        ({"env_info": "linux\nPython", "seed": 3, "exp_name": "x.py"}, {"seed": 3}),
        (
            {"lr": 0.1, "batch_size": 64, "model": {"depth": 2}},
            {"lr": 0.1, "batch_size": 64, "model.depth": 2},
        ),
        ({"hook_msgs": {}}, {}),
    ],
)
def test_first_line_that_describes_the_run(
    path: Path, header: dict[str, Any], hpms: dict[str, Any]
) -> None:
    """A first line of names that occur nowhere else is no row of metrics."""
    run = run_of(path, header, *[{"epoch": e, "acc": 0.5} for e in range(2)])
    assert run.metadata["header"] == header
    assert dict(run.hpms) == hpms
    assert run.metrics == ("train/acc",)
    assert codes(run) == [("header-line", 1)]


# ---------------------------------------------------------------- column mapping


def test_column_mapping(path: Path) -> None:
    """A mapping says what guessing cannot; a column it names that is not there is a finding."""
    rows = [
        {"n": i * 5, "who": "holdout", "q": 0.5, "in": {"z": 2.0}, "drop": 1.0, "depth": 3}
        for i in range(3)
    ]
    mapping = ColumnMap(
        x={"n": "samples"},
        metrics={"q": "val/quality", "in.z": "zeta"},
        split="who",
        hpms=("depth",),
        ignore=("drop",),
    )
    run = run_of(path, *rows, columns=mapping)
    assert set(run.metrics) == {"val/quality", "holdout/zeta"}
    assert points(run, "val/quality", "samples") == [(0, 0.5), (5, 0.5), (10, 0.5)]
    assert dict(run.hpms) == {"depth": 3}
    assert run.curve("holdout/zeta").original_name == "in/z"
    run = run_of(path, *rows, columns=ColumnMap(x={"N": "samples"}))
    assert run.findings[0].code == "unknown-column"
    assert "did you mean n?" in run.findings[0].hint


# ---------------------------------------------------------------- what is no log


@pytest.mark.parametrize(
    "row",
    [
        {"tag": "A", "desc": "x", "return_code": 0, "start": "1", "duration_seconds": 2},
        {"text": "a sentence", "label": 1},
        {"id": 3, "label": 0},
        {},
    ],
)
def test_lists_of_other_things(path: Path, row: dict[str, Any]) -> None:
    """Rows of jobs or samples make no run, and say so; with a mapping they are read."""
    rows = [
        {k: f"{v}{i}" if isinstance(v, str) else v + i for k, v in row.items()} for i in range(4)
    ]
    result = read(path, *rows)
    assert result.runs == ()
    assert [f.code for f in result.findings] == ["not-a-log"]
    numeric = [name for name, value in row.items() if isinstance(value, int)]
    if numeric:
        mapping = ColumnMap(metrics={numeric[0]: "train/number"})
        assert len(points(run_of(path, *rows, columns=mapping), "train/number")) == 4


LOG = '{"epoch": 0, "loss": 1.5}\n{"epoch": 1, "loss": 1.25}\n'


@pytest.mark.parametrize(
    ("name", "content", "low", "high"),
    [
        ("a.jsonl", LOG, 0.85, 0.9),
        ("a.jsonl", '{"config": {"lr": 0.1}}\n' + LOG, 0.9, 0.9),
        ("a.ndjson", LOG + "garbage\n", 0.7, 0.85),
        ("log.txt", LOG, 0.7, 0.9),
        ("20250101_1.json", LOG, 0.6, 0.9),
        ("x.log.json", '{"hook_msgs": {}}\n' + LOG, 0.5, 0.9),
        ("result.json", LOG.splitlines()[0], 0.6, 0.9),
        (
            "train.log",
            "".join(f"12:00 | train | {line}\n" for line in LOG.splitlines() * 2),
            0.5,
            0.9,
        ),
        ("a.jsonl", "", 0.3, 0.3),
        ("a.jsonl", "\0\1\2", 0.3, 0.3),
        ("a.jsonl", '{"loss": "' + "x" * HEAD_BYTES, 0.5, 0.5),
        ("metrics.json", '{"config": {"a": "' + "x" * HEAD_BYTES, 0.4, 0.4),
        ("a.json", '{"epoch": 1, "loss": 0.5}', 0, 0),
        ("metrics.json", '{"accuracy": 0.5}', 0, 0),
        ("metrics.json", "{}", 0, 0),
        ("a.json", json.dumps({"epoch": 1, "loss": 0.5}, indent=2), 0, 0),
        ("package.json", '{"name": "x", "version": "1.0"}', 0, 0),
        ("config.json", LOG, 0, 0),
        ("a.txt", "some text\nwith {braces}\n", 0, 0),
        ("a.csv", LOG, 0, 0),
        ("captions.json", '{"id": 1, "score": 0.5}\n' * 3, 0, 0),
    ],
)
def test_recognised(name: str, content: str, low: float, high: float) -> None:
    """Content and name together decide how sure the reader is."""
    detection = READER.detect(Path(name), content.encode()[:HEAD_BYTES])
    assert low <= detection.confidence <= high, detection
    assert detection.reason


def test_seconds_of_an_epoch_are_a_measurement(path: Path) -> None:
    """A column time/epoch that goes up and down is no axis, one that only rises is."""
    timed = run_of(path, *[{"epoch": e, "time/epoch": 9 + e % 2} for e in range(4)])
    assert timed.metrics == ("train/time/epoch",)
    counted = run_of(path, *[{"time/epoch": e // 2, "time/batch": e, "a": 1.5} for e in range(4)])
    assert points(counted, "train/a", "batch") == [(e, 1.5) for e in range(4)]
    assert points(counted, "train/a", "epoch") == [(e // 2, 1.5) for e in range(4)]


def test_events_name_rows(path: Path) -> None:
    """Events such as train_step are splits; one that only the first row has is its header."""
    run = run_of(
        path,
        {"event": "start", "lr": 0.1, "seed": 3},
        *[{"event": "train_step", "step": i, "loss": i / 2} for i in range(3)],
        {"event": "eval", "step": 2, "loss": 0.25},
    )
    assert (run.hpms["lr"], run.hpms["seed"]) == (0.1, 3)
    assert points(run, "train/loss") == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert points(run, "eval/loss") == [(2, 0.25)]


def test_first_event_alone_is_no_header(path: Path) -> None:
    """A first row that holds nothing but the name of its event says nothing of the run."""
    rows = [{"event": "start"}, *[{"event": "train", "step": i, "loss": 0.5} for i in range(3)]]
    assert "header" not in run_of(path, *rows).metadata


def test_settings_in_every_row(path: Path) -> None:
    """Several usual names that never change are hyperparameters, one alone is not."""
    rows = [{"lr": 0.1, "optimizer": "sgd", "epoch": e, "loss": 0.5} for e in range(3)]
    run = run_of(path, *rows)
    assert dict(run.hpms) == {"lr": 0.1, "optimizer": "sgd"}
    assert points(run, "train/lr") == [(e, 0.1) for e in range(3)]
    alone = run_of(path, *[{"lr": 0.1, "epoch": e, "loss": 0.5} for e in range(3)])
    assert dict(alone.hpms) == {}
    configured = run_of(path, {"config": {"lr": 0.2}}, *rows)
    assert dict(configured.hpms) == {"lr": 0.2}


def test_file_called_like_a_split(tmp_path: Path) -> None:
    """Names without a split belong to that of the file's name; a split in a name still counts."""
    run = run_of(tmp_path / "val.jsonl", *[{"epoch": e, "a": 0.5, "train_b": 1} for e in (0, 1)])
    assert set(run.metrics) == {"train/b", "val/a"}


def test_cut_head_is_not_held_against_the_file() -> None:
    """That the head ends in mid-line says nothing about the file."""
    head = (LOG * HEAD_BYTES).encode()[:HEAD_BYTES]
    assert READER.detect(Path("a.jsonl"), head).confidence == 0.9
