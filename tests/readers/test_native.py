"""The reader of the native log: every readable point, and every problem with its line."""

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
from dr_gen.readers.contract import ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.native.reader import NativeReader
from dr_gen.readers.runlogger import RunLogger

READER = NativeReader(clock=lambda: datetime(2025, 6, 25, tzinfo=UTC))
CONFIG = '{"type": "dict_config", "value": {"optim": {"lr": 0.1}, "seed": 0}}'
END = '{"type": "end", "status": "completed"}'

splits = st.sampled_from(["train", "val", "eval"])
stats = st.dictionaries(
    st.sampled_from(["loss", "acc1", "lr"]), st.floats() | st.integers(-(2**53), 2**53), max_size=3
)
metric_rows = st.builds(
    lambda split, values: {"data_name": split, "agg_stats": values}, splits, stats
)
bad_lines = st.sampled_from(['{"data_name": "val", "agg', "[1]", "garbage", "12"])
other_lines = st.sampled_from(
    ['{"type": "str", "value": "hello"}', '{"type": "int", "value": 3}', ""]
)


def metric(split: str, **values: Any) -> str:
    """A metric line; `epoch`, `step` and `time` go beside the metrics."""
    axes = {name: values.pop(name) for name in ("epoch", "step", "time") if name in values}
    return json.dumps({"data_name": split, "agg_stats": values, **axes})


def read(path: Path, *lines: str, options: ReadOptions | None = None) -> ReadResult:
    """What is read of a file of these lines."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return READER.read(path, "r", options or ReadOptions())


def codes(result: ReadResult) -> list[tuple[str, int | None]]:
    """Code and line of every finding of the one run."""
    [run] = result.runs
    assert all(finding.run == "r" for finding in run.findings)
    assert all(finding.path == run.source for finding in run.findings)
    return [(finding.code, finding.line) for finding in run.findings]


def rows_of(run: RunData, address: str, x: str) -> list[tuple[Any, float]]:
    """Every logged x and value, in the order logged."""
    curve = run.curve(address, x=x, repeats="all")
    return list(zip(curve.xs.tolist(), curve.values.tolist(), strict=True))


def same(a: list[Any], b: list[Any]) -> bool:
    """Equality in which NaN equals NaN."""
    return repr(a) == repr(b)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


@given(lines=st.lists(metric_rows | bad_lines | other_lines, max_size=15))
def test_all_points_of_an_older_log(lines: list[Any]) -> None:
    """Points equal those of a plain loop over the lines, with the epoch counted per split.

    Bad lines cost nothing but themselves, and each is one finding on its line.
    """
    expected: dict[str, list[tuple[int, float]]] = {}
    seen = {"train": 0, "val": 0, "eval": 0}
    bad, text = [], [CONFIG]
    for number, line in enumerate(lines, 2):
        if isinstance(line, str):
            text.append(line)
            if line and not line.startswith('{"type"'):
                bad.append(number)
            continue
        text.append(json.dumps(line))
        for name, value in line["agg_stats"].items():
            point = (seen[line["data_name"]], float(value))
            expected.setdefault(f"{line['data_name']}/{name}", []).append(point)
        seen[line["data_name"]] += 1
    with tempfile.TemporaryDirectory() as folder:
        [run] = read(Path(folder, "run.jsonl"), *text).runs
    assert set(run.metrics) == set(expected)
    for address, points in expected.items():
        assert same(rows_of(run, address, "epoch"), points)
        assert run.curve(address).inferred
    broken = [f for f in run.findings if f.code in ("bad-json", "not-an-object")]
    assert [f.line for f in broken] == bad
    uncertain = any(f.code == "epoch-uncertain" for f in run.findings)
    assert uncertain == bool(bad and expected)


@given(
    rows=st.lists(
        st.tuples(splits, stats.filter(bool), st.integers(0, 5), st.none() | st.integers(0, 9)),
        max_size=12,
    )
)
def test_what_the_logger_wrote_comes_back(rows: list[Any]) -> None:
    """Every value that `RunLogger` was given is there, on every counter it was given."""
    expected: dict[str, list[tuple[int, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.jsonl")
        with RunLogger(path, {"optim": {"lr": 0.1}, "seed": 3}) as log:
            log.text(" hello ")
            for split, values, epoch, step in rows:
                log.metrics(split, values, epoch=epoch, step=step)
                for name, value in values.items():
                    expected.setdefault(f"{split}/{name}", []).append((epoch, float(value)))
        [run] = READER.read(path, "r", ReadOptions("exp")).runs
    assert dict(run.hpms) == {"optim.lr": 0.1, "seed": 3}
    assert set(run.metrics) == set(expected)
    for address, points in expected.items():
        # The view sorts by x and keeps the order logged within one x.
        assert same(rows_of(run, address, "epoch"), sorted(points, key=lambda point: point[0]))
    assert run.metadata["log_strs"][0] == "hello"
    assert run.metadata["train_time"] == "0:00:00"
    assert run.metadata["train_seconds"] == 0.0
    assert run.metadata["end"] == {"status": "completed", "reason": None}
    assert run.metadata["time_parsed"] == "2025-06-25T00:00:00+00:00"
    assert (run.experiment, run.source, run.status) == ("exp", str(path), "completed")


def test_clean_log_has_no_findings(path: Path) -> None:
    """Nothing is said about a log in which nothing is wrong."""
    lines = [metric("val", loss=1 / (e + 1), epoch=e, step=e * 10, time=e * 1.5) for e in range(5)]
    result = read(path, CONFIG, *lines, END)
    assert codes(result) == []
    [curves] = [result.runs[0]["val"]["loss"]]
    assert list(curves) == ["epoch", "step", "time"]
    assert not curves.default.inferred


@pytest.mark.parametrize(
    ("first", "found"),
    [
        (metric("train", loss=1.0, epoch=0), ["no-config"]),
        ("{}", ["other-lines", "no-config"]),
        ('{"type": "dict_config"}', ["config-without-value"]),
        ('{"type": "dict_config", "value": [1]}', ["config-not-a-dict"]),
        ('{"type": "dict_config", "value": null}', ["config-not-a-dict", "config-empty"]),
        ('{"type": "dict_config", "value": {}}', ["config-empty"]),
        ('{"type": "dict_config", "value": {"a.b": 1, "a": {"b": 2}}}', ["config-collision"]),
        ('{"type": "dict_config", "va', ["bad-json", "no-config"]),
    ],
)
def test_bad_configuration(path: Path, first: str, found: list[str]) -> None:
    """Each mistake in the configuration has its code, several add up, and the points are kept."""
    points = [metric("val", loss=0.5, epoch=e) for e in range(3)]
    result = read(path, first, *points, END)
    assert [code for code, _ in codes(result)] == found
    errors = [f for f in result.runs[0].findings if f.code.startswith(("no-config", "config-"))]
    assert all(f.line == 1 for f in errors)
    assert rows_of(result.runs[0], "val/loss", "epoch") == [(0, 0.5), (1, 0.5), (2, 0.5)]


def test_late_and_repeated_configuration(path: Path) -> None:
    """The first configuration counts wherever it is; another one is said only if it differs."""
    other = CONFIG.replace("0.1", "0.2")
    point = [metric("val", loss=0.5, epoch=e) for e in range(2)]
    result = read(path, point[0], CONFIG, CONFIG, other, point[1])
    assert codes(result) == [("config-not-first", 2), ("config-changed", 4)]
    assert "optim.lr" in result.runs[0].findings[1].message
    assert result.runs[0].hpms["optim.lr"] == 0.1


def test_values_that_are_not_finite_in_the_configuration(path: Path) -> None:
    """NaN, null and lists in the configuration are values."""
    config = '{"type": "dict_config", "value": {"a": NaN, "b": null, "c": [1, Infinity]}}'
    [run] = read(path, config, metric("val", loss=1.0, epoch=0), END).runs
    assert math.isnan(run.hpms["a"])
    assert (run.hpms["b"], run.hpms["c"]) == (None, [1, math.inf])


def test_odd_lines(path: Path) -> None:
    """Every line that cannot be used as it is has its finding, and costs nothing else."""
    result = read(
        path,
        CONFIG,
        '{"type": "str", "value": 3}',
        '{"type": "str", "value": "  "}',
        '{"data_name": "val", "agg_stats": [1]}',
        '{"data_name": 7, "agg_stats": {"loss": 1}, "epoch": 0}',
        '{"data_name": "val"}',
        '{"data_name": "val", "agg_stats": {"a": "0.5", "b": null, "c": "x", "d": [1, 2]}, '
        '"epoch": true}',
        '{"type": "list", "value": []}',
        '{"type": "end", "status": 1}',
        '{"data_name": "val", "agg_stats": {"loss": 1e5, "big": 1' + "0" * 400 + '}, "epoch": 1}',
    )
    assert sorted(codes(result)) == sorted(
        [
            ("bad-text-line", 2),
            ("bad-metric-line", 4),
            ("bad-metric-line", 5),
            ("bad-metric-line", 6),
            ("text-number", 7),
            ("null-value", 7),
            ("not-a-number", 7),
            ("bad-x", 7),
            ("other-lines", 8),
            ("bad-end-line", 9),
            ("number-too-large", 10),
            ("x-inferred", 7),
        ]
    )
    [run] = result.runs
    assert set(run.metrics) == {"7/loss", "val/a", "val/d/0", "val/d/1", "val/loss"}
    assert run.metadata["log_strs"] == []


def test_missing_epoch_beside_a_step(path: Path) -> None:
    """The epoch is counted beside a logged step, and says so; the step stays as logged."""
    lines = [metric("val", loss=0.5, step=s) for s in (10, 20, 30)]
    result = read(path, CONFIG, *lines)
    curves = result.runs[0]["val"]["loss"]
    assert curves["epoch"].xs.tolist() == [0, 1, 2]
    assert curves["step"].xs.tolist() == [10, 20, 30]
    assert (curves["epoch"].inferred, curves["step"].inferred) == (True, False)
    assert codes(result) == [("x-inferred", 2)]


def test_failed_aggregation_keeps_its_place(path: Path) -> None:
    """A text in the place of a metric line is a missing point, and later epochs are not shifted."""
    failed = '{"type": "str", "value": ">> Aggregation failed for val"}'
    result = read(path, CONFIG, metric("val", loss=0.5), failed, metric("val", loss=0.25))
    assert rows_of(result.runs[0], "val/loss", "epoch") == [(0, 0.5), (2, 0.25)]
    assert ("missing-metrics", 3) in codes(result)


def test_resumed_run(path: Path) -> None:
    """Points logged again are all there, are named once, and the last one counts."""
    lines = [metric("val", loss=float(i), epoch=e) for i, e in enumerate([0, 1, 2, 1, 2, 3])]
    result = read(path, CONFIG, *lines)
    assert codes(result) == [("repeated-x", 5)]
    assert "epoch 1–2" in result.runs[0].findings[0].message
    assert "lines 5-6" in result.runs[0].findings[0].message
    curve = result.runs[0].curve("val/loss")
    assert curve.values.tolist() == [0.0, 3.0, 4.0, 5.0]
    assert len(rows_of(result.runs[0], "val/loss", "epoch")) == 6


def test_steps_inside_an_epoch_are_no_repeats(path: Path) -> None:
    """Values logged per step share their epoch by right."""
    lines = [metric("train", loss=1.0, epoch=s // 3, step=s) for s in range(9)]
    assert codes(read(path, CONFIG, *lines)) == []


@pytest.mark.parametrize("n", [1, 2])
def test_short_file(path: Path, n: int) -> None:
    """A log of a line or two is kept, and said to be short."""
    result = read(path, *[CONFIG, metric("val", loss=1.0, epoch=0)][:n])
    assert codes(result) == [("short-file", None)]


def test_training_time(path: Path) -> None:
    """The training time is looked for in the last ten lines, as text and as seconds."""
    text = '{"type": "str", "value": "Training time 1 day, 2:03:04"}'
    after = ['{"type": "str", "value": ">> End Run"}'] * 9
    [run] = read(path, CONFIG, text, *after).runs
    assert (run.metadata["train_time"], run.metadata["train_seconds"]) == ("1 day, 2:03:04", 93784)
    [run] = read(path, CONFIG, text, *after, after[0]).runs
    assert (run.metadata["train_time"], run.metadata["train_seconds"]) == (None, None)


def test_end_of_a_continued_run(path: Path) -> None:
    """An end that was followed by more training is no end."""
    point = metric("val", loss=1.0, epoch=0)
    failed = '{"type": "end", "status": "failed", "reason": "MemoryError"}'
    [run] = read(path, CONFIG, point, failed).runs
    assert run.metadata["end"] == {"status": "failed", "reason": "MemoryError"}
    [run] = read(path, CONFIG, point, failed, CONFIG).runs
    assert "end" not in run.metadata


def test_names_that_no_address_can_hold(path: Path) -> None:
    """Any name of a split or metric leads to an address by which the curve is found."""
    result = read(
        path, CONFIG, metric("val/big", loss=1.0, epoch=0), metric("", **{"": 2.0}, epoch=0)
    )
    [run] = result.runs
    assert {address: run.value(address) for address in run.metrics} == {
        "val/big/loss": 1.0,
        "unnamed/unnamed": 2.0,
    }


@pytest.mark.parametrize("content", [b"", b"\0\1\2" * 999, b"[1]\n[2]\n"])
def test_nothing_readable_is_no_run(path: Path, content: bytes) -> None:
    """Without a readable object there is no run, but a finding for the source."""
    path.write_bytes(content)
    result = READER.read(path, "r", ReadOptions())
    assert result.runs == ()
    assert result.findings


def test_column_mapping_is_not_used(path: Path) -> None:
    """A mapping given for other files is not forced on a native log."""
    options = ReadOptions(columns=ColumnMap(x={"epoch": "step"}))
    result = read(path, CONFIG, metric("val", loss=1.0, epoch=0), END, options=options)
    assert codes(result) == [("columns-unused", None)]
    assert list(result.runs[0]["val"]["loss"]) == ["epoch"]


@pytest.mark.parametrize(
    "head",
    [
        CONFIG + "\n",
        '{"type": "dict_config", "value": [1]}\n',
        "garbage\n" + CONFIG,
        "\ufeff" + CONFIG,
        metric("val", loss=1.0) + "\n",
        '{"broken\n' + metric("val", loss=1.0),
        '{"type": "str", "value": "hello"}\n',
        '{"type": "dict_config", "value": {"a": "' + "x" * 70000,
    ],
)
def test_recognised(head: str) -> None:
    """A native log is recognised with certainty, also when its beginning is broken."""
    assert READER.detect(Path("a.jsonl"), head.encode()).confidence >= 0.95


@pytest.mark.parametrize("head", ["", "garbage", '{"loss": 1, "step": 2}\n', "\0\0"])
def test_not_recognised(head: str) -> None:
    """Anything else is no native log."""
    assert READER.detect(Path("a.jsonl"), head.encode()).confidence == 0
