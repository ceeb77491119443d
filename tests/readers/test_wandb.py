"""Runs of Weights & Biases: what their files say, written here byte by byte."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, ClassVar

import attrs
import hypothesis.strategies as st
import numpy as np
import pytest
import yaml
from hypothesis import example, given

from dr_gen.ingestion import load
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.readers.contract import TRACKER, Claim, ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.naming import x_column
from dr_gen.readers.tree import Tree, walk
from dr_gen.readers.wandb.cells import decoded
from dr_gen.readers.wandb.reader import WandbReader
from dr_gen.testing import ReaderContract
from dr_gen.validators import validate
from tests.readers import wandb_logs as logs
from tests.readers.test_reader_contracts import as_logged, rows_of

READER = WandbReader()
NAME = "run-20260101_120000-abc"


def home(folder: Path, name: str = NAME) -> Path:
    """A folder of a run with its inner folders."""
    for inner in ("files", "logs"):
        (folder / name / inner).mkdir(parents=True)
    return folder / name


def claims(folder: Path) -> dict[str, Claim]:
    """The claims on a folder, by the path below it that stands for each."""
    found = READER.claims(Tree.of(walk(str(folder))[0]))
    return {str(Path(claim.path).relative_to(folder)): claim for claim in found}


def read(path: Path, content: bytes | None = None, columns: ColumnMap | None = None) -> ReadResult:
    """What the reader makes of one file, after writing it."""
    if content is not None:
        path.write_bytes(content)
    return READER.read(path, "run", ReadOptions(columns=columns or ColumnMap()))


def run_of(path: Path, *records: bytes, columns: ColumnMap | None = None) -> RunData:
    """The one run of a file of these records."""
    [run] = read(path, logs.wandb_file(*records), columns).runs
    return run


def claimed(folder: Path) -> RunData:
    """The one run of a folder, with all that belongs to it."""
    [claim] = claims(folder).values()
    options = ReadOptions(parts=tuple(map(Path, claim.parts)))
    [run] = READER.read(Path(claim.path), "run", options).runs
    return run


def codes(run: RunData) -> list[str]:
    """The codes of its findings."""
    return [finding.code for finding in run.findings]


def row(step: int, **values: Any) -> bytes:
    """A row as the tool writes it."""
    about = {"_step": step, "_runtime": step * 0.5, "_timestamp": 1.7e9 + step * 0.5}
    return logs.history({**values, **about}, step)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log may be."""
    return tmp_path / "run-abc.wandb"


def named_in_full(run: RunData) -> RunData:
    """The run as it is logged with the split in front of each name."""
    logged = as_logged(run)
    curves = {
        f"{split}/{metric}": {
            "values": curves.default.values,
            "x": {name: curve.xs for name, curve in curves.items()},
            "original_name": f"{split}/{metric}",
        }
        for split, metrics in logged.items()
        for metric, curves in ((m, attrs.evolve(c, repeats="all")) for m, c in metrics.items())
    }
    return RunData.from_dict({"id": run.id, "hpms": dict(run.hpms), "curves": curves})


class TestLog(ReaderContract):
    """The log of records."""

    reader: ClassVar[WandbReader] = READER
    lines: ClassVar[bool] = False

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run with one row a value."""
        records = [logs.run("abc", run.hpms.nested())]
        for split, metric, x, value in rows_of(run):
            records.append(logs.history({f"{split}/{metric}": value, **x}))
        path = tmp_path / "run-abc.wandb"
        path.write_bytes(logs.wandb_file(*records, logs.ended()))
        return path, named_in_full(run)


class TestHistoryFile(ReaderContract):
    """The lines that were written before there was a log."""

    reader: ClassVar[WandbReader] = READER

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run with one line a value, and its configuration beside it."""
        config = {key: {"desc": None, "value": value} for key, value in run.hpms.nested().items()}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({"wandb_version": 1, **config}))
        lines = [{f"{s}/{metric}": value, **x} for s, metric, x, value in rows_of(run)]
        path = tmp_path / "wandb-history.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path, named_in_full(run)


# ---------------------------------------------------------------------- rows


def test_rows_are_understood_as_those_of_any_log(path: Path) -> None:
    """Splits, x-axes and original names come from the one table of names."""
    rows = [row(i, **{"train/loss": 1 / (i + 1), "val_acc": i, "epoch": i // 2}) for i in range(6)]
    run = run_of(path, logs.run(), *rows, logs.ended())
    assert run.metrics == ("train/loss", "val/acc")
    curve = run.curve("train/loss", x="step")
    assert (curve.xs.tolist(), curve.original_name) == ([0, 1, 2, 3, 4, 5], "train/loss")
    assert run.curve("val/acc", x="time").xs.tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    assert set(run["val"]["acc"]) == {"epoch", "step", "time", "timestamp"}
    assert run.curve("val/acc").original_name == "val_acc"
    assert run.curve("val/acc").xs.dtype.kind == "i"
    assert codes(run) == []


def test_both_ways_to_write_a_name_mean_the_same(path: Path) -> None:
    """A key, and the path of a nested one, which newer versions always write."""
    old = logs.history({"val/acc": 0.5, "net": {"a": 1, "b": {"c": 2}}, "_step": 0})
    new = logs.history(
        {("val/acc",): 0.25, ("net", "a"): 3, ("net", "b", "c"): 4, ("_step",): 1}, 1
    )
    run = run_of(path, old, new)
    assert set(run.metrics) == {"train/net/a", "train/net/b/c", "val/acc"}
    assert run.curve("val/acc").values.tolist() == [0.5, 0.25]
    assert run.curve("train/net/b/c").values.tolist() == [2, 4]
    assert run.curve("train/net/a", x="step").xs.tolist() == [0, 1]


def test_the_step_beside_the_items_counts_where_they_lack_it(path: Path) -> None:
    """A row without ``_step`` is at the step that its record names; 0 is not written."""
    run = run_of(path, logs.history({"loss": 3}, 0), logs.history({"loss": 2}, 7))
    assert run.curve("loss", x="step").xs.tolist() == [0, 7]


@given(st.lists(st.one_of(st.floats(), st.integers(-(2**60), 2**60)), min_size=1, max_size=30))
def test_numbers_come_back(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    """Every float, also NaN and infinity, and integers as the nearest float."""
    path = tmp_path_factory.mktemp("log") / "run-abc.wandb"
    run = run_of(path, *(row(i, loss=value) for i, value in enumerate(values)))
    np.testing.assert_array_equal(run.curve("loss").values, [float(v) for v in values])


@example({"_wandb/": 0.0, "_wandb": 0.5, "wandb/a": 1.0})
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.floats(0, 1), max_size=5))
def test_any_name_is_read(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    """Whatever a metric is called, its value is on a curve, a fact, or the reason is said.

    But for what the tool keeps for itself.
    """
    path = tmp_path_factory.mktemp("log") / "run-abc.wandb"
    own = {name for name in values if name.startswith("_wandb/")}
    wanted = {n: v for n, v in values.items() if x_column(n) is None and n not in own}
    run = run_of(path, *(logs.history({"loss": 1.0, "_step": i, **wanted}) for i in range(2)))
    originals = {curve.original_name: curve.values.tolist() for curve in run.curves()}
    facts = run.metadata.get("columns", {})
    for name, value in wanted.items():
        kept = originals.get(name) == [value, value] or facts.get(name) == value
        assert kept or name in run.hpms or any(name in f.message for f in run.findings), name


def test_long_names_and_long_values_are_read(path: Path) -> None:
    """Lengths of more than one byte, over several blocks."""
    long = "n" * 300
    text = "x" * 100_000
    rows = [
        logs.history({(long,): i + 0.123456789, ("note",): text, ("_step",): i}) for i in (0, 1)
    ]
    run = run_of(path, *rows)
    assert run.curve(f"train/{long}").values.tolist() == [0.123456789, 1.123456789]
    assert run.metadata["columns"]["note"] == text


def test_a_name_that_holds_the_tag_of_the_value_is_read(path: Path) -> None:
    """Bytes that look like the beginning of the value are no reason to cut a name there."""
    tricky = "Â\u0001loss".encode("latin-1").decode("utf-8", "replace") + "\u0082\u0001"
    names = [tricky, "é\u0002", "\u0802\u0001x"]
    rows = [logs.history({**{n: i + k for k, n in enumerate(names)}, "_step": i}) for i in range(3)]
    run = run_of(path, *rows)
    found = {curve.original_name: curve.values.tolist() for curve in run.curves()}
    assert found == {n: [k, k + 1, k + 2] for k, n in enumerate(names)}


def test_media_are_left_out_with_a_finding(path: Path) -> None:
    """Pictures, histograms and tables are no metrics, in either way of writing them."""
    picture = {"_type": "image-file", "path": "a.png", "width": 4, "height": 4}
    bins = {("h", "_type"): "histogram", ("h", "values"): [1, 2], ("h", "bins"): [0, 1, 2]}
    rows = [logs.history({"img": picture, "loss": 1.0, **bins, "_step": i}) for i in range(2)]
    run = run_of(path, *rows)
    assert run.metrics == ("train/loss",)
    media = [finding for finding in run.findings if finding.code == "media-column"]
    assert [finding.message.split(":")[0] for finding in media] == ["h", "img"]
    assert "(histogram)" in media[0].message


def test_the_first_row_is_a_row(path: Path) -> None:
    """Names that only the first row has are measurements, not a description of the run."""
    first = logs.history({"start": "now", "initial_loss": 3.0, "lr": 0.1, "_step": 0})
    run = run_of(path, first, row(1, loss=2.0), row(2, loss=1.0))
    assert run.curve("initial_loss").values.tolist() == [3.0]
    assert "header" not in run.metadata


def test_the_x_that_a_metric_was_defined_to_have_is_an_axis(path: Path) -> None:
    """Of any name; the mapping of the caller is stronger."""
    defined = logs.record(12, logs.field(2, "val/*") + logs.field(4, "seen"))
    rows = [logs.history({"val/acc": i / 2, "seen": i * 100, "_step": i}, i) for i in range(3)]
    run = run_of(path, defined, *rows)
    assert run.metrics == ("val/acc",)
    assert run.curve("val/acc", x="seen").xs.tolist() == [0, 100, 200]
    assert run.metadata["step_metrics"] == {"val/*": "seen"}
    run = run_of(path, defined, *rows, columns=ColumnMap(metrics={"seen": "val/seen"}))
    assert set(run.metrics) == {"val/acc", "val/seen"}


def test_findings_say_in_which_records(path: Path) -> None:
    """A log of records has no lines."""
    run = run_of(path, row(0, loss=1.0), row(1, loss=None), row(2, loss=0.5), row(2, loss=0.4))
    messages = {finding.code: finding for finding in run.findings}
    assert messages["null-value"].message.endswith("(record 3)")
    assert "step 2 logged" in messages["closing-row"].message
    assert all(finding.line is None for finding in run.findings)


def test_repeated_steps_are_kept(path: Path) -> None:
    """A step that was logged again has two values, and the policy decides."""
    steps = [0, 1, 2, 1, 2, 3]
    run = run_of(path, *(logs.history({"loss": i, "_step": s}) for i, s in enumerate(steps)))
    assert run.curve("loss").values.tolist() == [0, 3, 4, 5]
    assert run.curve("loss", repeats="first").values.tolist() == [0, 1, 2, 5]
    assert "repeated-x" in codes(run)


# ---------------------------------------------------------------------- settings and facts


def test_the_configuration_is_what_it_was_in_the_end(path: Path) -> None:
    """Updates and removals count, nested keys are dotted, what is the tool's is left out."""
    run = run_of(
        path,
        logs.run("abc", {"lr": 0.1, "_wandb": {"t": 1}, "optim": {"name": "adam", "eps": 1e-8}}),
        logs.config({"lr": 0.2, ("optim", "name"): "sgd", "late": None}),
        logs.config({"gone": 1}),
        logs.config({}, remove=["gone", ("optim", "eps"), "never"]),
    )
    assert dict(run.hpms) == {"lr": 0.2, "optim.name": "sgd", "late": None}


def test_facts_about_the_run_are_metadata(path: Path) -> None:
    """Name, project, group, tags and notes; measurements of the machine are no metrics."""
    body = logs.run(name="nämé α", project="p", group="g", job_type="t", notes="hello", entity="e")
    tags = logs.record(17, logs.field(1, "abc") + logs.field(10, "a") + logs.field(10, "b"))
    alert = logs.record(10, logs.field(1, "title") + logs.field(2, "text"))
    run = run_of(
        path,
        body,
        tags,
        logs.stats({"cpu": 1.5}),
        logs.stats({"cpu": 0.5, "net": {"in": 3}}),
        alert,
    )
    facts = run.metadata
    assert {key: facts[key] for key in ("run_id", "name", "project", "group", "job_type")} == {
        **{"run_id": "abc", "name": "nämé α", "project": "p", "group": "g", "job_type": "t"}
    }
    assert (facts["entity"], facts["notes"], facts["tags"]) == ("e", "hello", ["a", "b"])
    assert facts["system_metrics"] == {
        "cpu": {"n": 2, "min": 0.5, "max": 1.5, "last": 0.5},
        "net/in": {"n": 1, "min": 3.0, "max": 3.0, "last": 3.0},
    }
    assert facts["alerts"] == ["title: text"]
    assert run.metrics == ()


@pytest.mark.parametrize(
    ("records", "status", "reason"),
    [
        ([logs.ended(0)], Status.COMPLETED, ""),
        ([logs.ended(1)], Status.FAILED, "the run ended with exit code 1"),
        ([logs.ended(-9)], Status.FAILED, "the run ended with exit code -9"),
        ([logs.record(18, logs.field(3, 1))], Status.RUNNING, ""),
        ([], Status.INCOMPLETE, "there is no exit record: the run was killed, or is still running"),
        ([logs.record(23, b"")], Status.INCOMPLETE, "preempted"),
    ],
)
def test_the_exit_record_is_the_status(
    path: Path, records: list[bytes], status: Status, reason: str
) -> None:
    """Code 0 is completed, any other failed; without the record nobody knows."""
    run = validate(run_of(path, row(0, loss=1.0), *records))
    assert run.status == status
    assert any(reason in text for text in run.reasons), run.reasons


def test_values_that_only_the_summary_has_are_points(path: Path) -> None:
    """They are where the last row is, on each axis; what the rows say as well is not doubled."""
    rows = [row(i, loss=float(i), epoch=i * 2) for i in range(3)]
    final = {"loss": 0.1, "test_acc": 0.9, "best": {"val/acc": 1}, "_runtime": 9, "note": "text"}
    reduced = {("loss", "min"): 0.0, ("_wandb", "runtime"): 3}
    run = run_of(path, *rows, logs.summary(final), logs.summary(reduced))
    assert set(run.metrics) == {"train/loss", "test/acc", "val/best/val/acc"}
    point = run["test"]["acc"]
    assert {name: curve.xs.tolist() for name, curve in point.items()} == {
        **{"step": [2], "epoch": [4], "time": [1.0], "timestamp": [1.7e9 + 1]}
    }
    assert run.curve("train/loss").values.tolist() == [0, 1, 2]
    assert run.metadata["from_summary"] == ["test_acc", "best/val/acc"]
    assert run.metadata["summary"]["loss"] == 0.1
    assert run.metadata["summary"]["note"] == "text"
    assert "from-summary" in codes(run)


def test_a_run_of_a_summary_alone_has_its_points(path: Path) -> None:
    """Without rows the summary says where they are; what was removed from it is gone."""
    first = logs.summary({"test_acc": 0.5, "gone": 1, "_step": 7})
    run = run_of(path, first, logs.summary({"test_acc": 0.75}, remove=["gone"]), logs.ended())
    assert run.metrics == ("test/acc",)
    assert run.curve("test/acc", x="step").xs.tolist() == [7]
    assert run.curve("test/acc").values.tolist() == [0.75]


def test_media_in_the_summary_are_no_points(path: Path) -> None:
    """A histogram in the summary has numbers that are no measurements."""
    bins = {("h", "_type"): "histogram", ("h", "values"): 3}
    run = run_of(path, row(0, loss=1.0), logs.summary(bins))
    assert run.metrics == ("train/loss",)
    assert "h/values" not in run.metadata.get("summary", {})


# ---------------------------------------------------------------------- damage


def test_a_damaged_record_is_named_and_costs_nothing_else(path: Path) -> None:
    """With the byte where it stands."""
    content = bytearray(logs.wandb_file(*(row(i, loss=float(i)) for i in range(5))))
    place = content.index(logs.item("loss", 2.0))
    content[place + 8] ^= 1
    [run] = read(path, bytes(content)).runs
    assert run.curve("loss").values.tolist() == [0, 1, 3, 4]
    [damage] = [finding for finding in run.findings if finding.code == "damaged-record"]
    assert damage.message.startswith("byte ")
    assert int(damage.message.split(":")[0].removeprefix("byte ")) < place


def test_a_malformed_record_is_named(path: Path) -> None:
    """A record whose frame is sound but whose message is none; what came before in it counts."""
    bad = logs.field(1, 1) + logs.field(2, logs.field(1, logs.item("loss", 1.0)) + b"\x0a\x7fxx")
    run = run_of(path, row(0, loss=0.0), bad, b"", b"\x12", row(2, loss=2.0))
    assert sum(code == "bad-record" for code in codes(run)) == 3
    assert run.curve("loss").values.tolist() == [0, 1, 2]


def test_a_value_that_is_no_json_is_left_out(path: Path) -> None:
    """The other values of the column stay."""
    run = run_of(
        path,
        *(
            logs.history({"loss": v, "_step": i})
            for i, v in enumerate([b"1", b"oops", b"2", b"1,2", b"", b"3"])
        ),
    )
    assert run.curve("loss").values.tolist() == [1, 2, 3]
    [finding] = [finding for finding in run.findings if finding.code == "bad-value"]
    assert "3 values" in finding.message


def test_deep_values_are_refused(path: Path) -> None:
    """Nesting that would exhaust the stack is no value."""
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    run = run_of(
        path, logs.history({"loss": deep, "_step": 0}), row(1, loss=1.0), logs.config({"c": deep})
    )
    assert run.curve("loss").values.tolist() == [1.0]
    assert {"bad-value", "bad-record"} <= set(codes(run))


@pytest.mark.parametrize("content", [b"", b":W&B", b":W&B\xe1\xbe\x00", b"nothing of the kind" * 9])
def test_a_log_without_records_is_a_run_without_metrics(path: Path, content: bytes) -> None:
    """Its name tells that there was a run; that nothing is in it is said."""
    run = validate(read(path, content).runs[0])
    assert (run.metrics, run.status) == ((), Status.INCOMPLETE)
    assert run.findings


def test_a_damaged_header_costs_nothing(path: Path) -> None:
    """When the records begin where they ought to."""
    content = bytearray(logs.wandb_file(row(0, loss=1.0)))
    content[1] ^= 4
    [run] = read(path, bytes(content)).runs
    assert run.curve("loss").values.tolist() == [1.0]
    assert "bad-header" in codes(run)


def test_a_length_takes_no_memory(path: Path) -> None:
    """Lengths that say gigabytes are held against what is there."""
    huge = b"\x08\x01\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
    nested = logs.record(2, b"\x0a\xff\xff\xff\xff\x07" + b"x" * 20)
    run = run_of(path, huge, nested, row(0, loss=1.0))
    assert run.curve("loss").values.tolist() == [1.0]
    assert codes(run).count("bad-record") == 2


def test_values_are_decoded_one_by_one_where_they_must() -> None:
    """Numbers as JSON has them, those that only Python writes, and what is no value."""
    texts = [
        b"1",
        b"-0.5",
        b"1e400",
        b"NaN",
        b"-Infinity",
        b"true",
        b"null",
        b'"a,b"',
        b"]",
        b"1 2",
    ]
    found = decoded(texts)
    assert found[:3] == [1, -0.5, math.inf]
    assert math.isnan(found[3])
    assert found[4:8] == [-math.inf, True, None, "a,b"]
    assert [repr(value) for value in found[8:]] == ["<no JSON>"] * 2
    assert decoded([]) == []


# ---------------------------------------------------------------------- files


def test_the_files_of_a_run_are_claimed_together(tmp_path: Path) -> None:
    """What the tool wrote is nobody else's; what the user saved may be a log of its own."""
    folder = home(tmp_path / "wandb")
    log = folder / "run-abc.wandb"
    log.write_bytes(logs.wandb_file(row(0, loss=1.0)))
    (folder / "run-abc.wandb.synced").touch()
    mine = ["config.yaml", "wandb-summary.json", "wandb-metadata.json", "output.log"]
    for name in (*mine, "media/table/t.table.json", "events.out.tfevents.1", "metrics.csv"):
        (folder / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "files" / name).write_text("{}")
    (folder / "logs" / "debug-internal.log").write_text('{"time": 1, "level": 3}\n')
    (tmp_path / "wandb" / "latest-run").symlink_to(folder.name)
    (tmp_path / "wandb" / "debug.log").symlink_to(folder / "logs" / "debug-internal.log")
    [(anchor, claim)] = claims(tmp_path).items()
    assert anchor == f"wandb/{NAME}/run-abc.wandb"
    assert (claim.named, claim.identity) == (str(folder), "wandb:abc")
    parts = {str(Path(part).relative_to(folder)) for part in claim.parts}
    assert parts == {f"files/{name}" for name in mine[:3]}
    assert {str(Path(part).relative_to(folder)) for part in claim.kept} == {
        *("files/output.log", "files/media/table/t.table.json"),
        *("run-abc.wandb.synced", "logs/debug-internal.log"),
    }


def test_a_copied_link_is_no_second_run(tmp_path: Path) -> None:
    """Where links became copies, ``latest-run`` belongs to the run that it is a copy of."""
    for name in (NAME, "latest-run"):
        folder = home(tmp_path / "wandb", name)
        (folder / "run-abc.wandb").write_bytes(logs.wandb_file(row(0, loss=1.0)))
        (folder / "files" / "wandb-summary.json").write_text("{}")
    [(anchor, claim)] = claims(tmp_path).items()
    assert anchor == f"wandb/{NAME}/run-abc.wandb"
    assert (len(claim.parts), len(claim.kept)) == (1, 2)
    run = claimed(tmp_path)
    assert run.curve("loss").values.tolist() == [1.0]
    assert "resumed" not in codes(run)


def test_a_copied_link_may_hold_several_runs(tmp_path: Path) -> None:
    """Unpacked over one another: each log is a copy of that of its run, the rest of none."""
    runs = {f"r{day}": f"run-2026010{day}_120000-r{day}" for day in (1, 2)}
    latest = home(tmp_path / "wandb", "latest-run")
    (latest / "files" / "config.yaml").write_text("wandb_version: 1\nlr: {value: 9}\n")
    (latest / "files" / "wandb-summary.json").write_text('{"loss": 9}')
    for run, name in runs.items():
        whole = logs.wandb_file(logs.run(run), row(0, loss=1.0), row(1, loss=0.5), logs.ended())
        (home(tmp_path / "wandb", name) / f"run-{run}.wandb").write_bytes(whole)
        (latest / f"run-{run}.wandb").write_bytes(whole[:-20])
    (latest / "run-lost.wandb").write_bytes(logs.wandb_file(logs.run("lost"), row(0, loss=2.0)))
    group = load(tmp_path, cache=False)
    assert {run.id: len(run.curve("loss")) for run in group} == {
        **dict.fromkeys((f"wandb/{name}" for name in runs.values()), 2),
        "wandb/latest-run/run-lost.wandb": 1,
    }
    assert {run.hpms.get("lr") for run in group} == {None}


def test_a_log_beside_the_folders_of_runs_is_a_copy(tmp_path: Path) -> None:
    """A log that lies in the ``wandb`` folder itself is no process of the run that has its id."""
    content = logs.wandb_file(row(0, loss=1.0))
    (home(tmp_path / "wandb") / "run-abc.wandb").write_bytes(content)
    (tmp_path / "wandb" / "run-abc.wandb").write_bytes(content)
    found = claims(tmp_path).values()
    assert [(claim.parts, claim.identity) for claim in found] == [((), "wandb:abc")] * 2


@pytest.mark.parametrize("text", [NAME, '{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n'])
def test_a_link_that_became_a_text_is_no_log(tmp_path: Path, text: str) -> None:
    """As links are kept where there are none; elsewhere a log may be called so."""
    (home(tmp_path / "wandb") / "run-abc.wandb").write_bytes(logs.wandb_file(row(0, loss=1.0)))
    (tmp_path / "wandb" / "latest-run").write_text(text)
    (tmp_path / "latest-run").write_text("nothing")
    [claim] = claims(tmp_path).values()
    assert claim.kept == (str(tmp_path / "wandb" / "latest-run"),)
    assert load(tmp_path, cache=False).ids == (f"wandb/{NAME}",)


def test_copied_links_to_what_the_tool_said_of_itself_are_no_logs(tmp_path: Path) -> None:
    """They belong to the run that is the latest; elsewhere a log may be called so."""
    for day in (1, 2):
        folder = home(tmp_path / "wandb", f"run-2026010{day}_120000-r{day}")
        (folder / f"run-r{day}.wandb").write_bytes(logs.wandb_file())
        (folder / "logs" / "debug.log").touch()
    for place in ("wandb/debug.log", "debug.log"):
        (tmp_path / place).write_text('{"time": 1, "level": 3}\n' * 9)
    parts = {
        name: [str(Path(part).relative_to(tmp_path)) for part in claim.kept]
        for name, claim in claims(tmp_path).items()
    }
    assert parts == {
        "wandb/run-20260101_120000-r1/run-r1.wandb": [
            "wandb/run-20260101_120000-r1/logs/debug.log",
        ],
        "wandb/run-20260102_120000-r2/run-r2.wandb": [
            "wandb/run-20260102_120000-r2/logs/debug.log",
            "wandb/debug.log",
        ],
    }


def test_a_copied_folder_is_no_resumed_run(tmp_path: Path) -> None:
    """Of two folders of one id and one time each is claimed by itself, as what it is a copy of."""
    for name in (NAME, f"{NAME} (copy)", f"{NAME}.bak"):
        folder = home(tmp_path / "wandb", name)
        (folder / "run-abc.wandb").write_bytes(logs.wandb_file(row(0, loss=1.0)))
    found = claims(tmp_path).values()
    assert {claim.identity for claim in found} == {"wandb:abc"}
    assert [claim.parts for claim in found] == [()] * 3


def test_folders_of_one_id_are_one_run(tmp_path: Path) -> None:
    """A resumed run: rows and settings in the order of time, the end is that of the last."""
    for start, first, code in (("20260102_080000", 3, 0), ("20260101_120000", 0, 1)):
        folder = home(tmp_path / "wandb", f"run-{start}-abc")
        rows = [row(first + i, loss=float(first + i)) for i in range(3)]
        config = logs.run("abc", {"lr": first, f"only_{first}": 1})
        content = logs.wandb_file(config, *rows, logs.ended(code))
        (folder / "run-abc.wandb").write_bytes(content)
    [anchor] = claims(tmp_path)
    assert anchor == "wandb/run-20260102_080000-abc/run-abc.wandb"
    run = validate(claimed(tmp_path))
    assert run.curve("loss", x="step").xs.tolist() == [0, 1, 2, 3, 4, 5]
    assert run.curve("loss", x="step").values.tolist() == [0, 1, 2, 3, 4, 5]
    assert dict(run.hpms) == {"lr": 3, "only_0": 1, "only_3": 1}
    assert run.status == Status.COMPLETED
    assert "resumed" in codes(run)


def test_runs_of_other_folders_are_others(tmp_path: Path) -> None:
    """One id in two ``wandb`` folders, and two ids in one."""
    for parent, name in (("a/wandb", NAME), ("b/wandb", NAME), ("a/wandb", NAME[:-3] + "xyz")):
        folder = home(tmp_path / parent, name)
        (folder / f"run-{name[-3:]}.wandb").write_bytes(logs.wandb_file())
    assert len(claims(tmp_path)) == 3


def test_logs_that_were_moved_together_are_runs(tmp_path: Path) -> None:
    """Out of their folders, each is read by itself and is called by its own name."""
    for name in ("a", "b"):
        (tmp_path / f"run-{name}.wandb").write_bytes(logs.wandb_file(logs.run(name)))
    (tmp_path / "config.yaml").write_text("lr: 3")
    found = claims(tmp_path)
    assert [(name, claim.parts, claim.named) for name, claim in found.items()] == [
        ("run-a.wandb", (), ""),
        ("run-b.wandb", (), ""),
    ]


def test_other_files_fill_what_a_log_lacks(tmp_path: Path) -> None:
    """A log that is cut off: the files beside it know more, and what it says counts."""
    folder = home(tmp_path / "wandb")
    content = logs.wandb_file(logs.run("abc", {"lr": 0.1}), row(0, loss=1.0), row(1, loss=0.5))
    (folder / "run-abc.wandb").write_bytes(content[:-9])
    config = {
        "wandb_version": 1,
        "_wandb": {"value": {}},
        "lr": {"value": 9},
        "wd": {"value": 1e-4},
    }
    (folder / "files" / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "files" / "wandb-summary.json").write_text('{"test_acc": 0.75, "_wandb": {"x": 1}}')
    (folder / "files" / "wandb-metadata.json").write_text(
        json.dumps({"host": "h", "args": ["--lr", "1"], "state": "running", "email": "e"})
    )
    run = claimed(tmp_path)
    assert dict(run.hpms) == {"lr": 0.1, "wd": 1e-4}
    assert run.curve("test/acc").values.tolist() == [0.75]
    assert run.metadata["environment"] == {"host": "h", "args": ["--lr", "1"]}
    assert "truncated-record" in codes(run)


def test_files_of_a_whole_log_change_nothing(tmp_path: Path) -> None:
    """A log with its end says all there is."""
    folder = home(tmp_path / "wandb")
    content = logs.wandb_file(logs.run("abc", {"lr": 0.1}), row(0, loss=1.0), logs.ended())
    (folder / "run-abc.wandb").write_bytes(content)
    (folder / "files" / "config.yaml").write_text("lr: {value: 9}\nwd: {value: 1}\n")
    (folder / "files" / "wandb-summary.json").write_text('{"test_acc": 0.75}')
    run = claimed(tmp_path)
    assert (dict(run.hpms), run.metrics) == ({"lr": 0.1}, ("train/loss",))


@pytest.mark.parametrize("name", ["run-20190101_120000-abc", "dryrun-20190101_120000-abc"])
def test_folders_of_before_there_was_a_log(tmp_path: Path, name: str) -> None:
    """Lines, settings, summary and state in files of their own, without a folder between."""
    folder = tmp_path / "wandb" / name
    folder.mkdir(parents=True)
    rows = [
        {"loss": 1 / (i + 1), "_step": i, "_runtime": i, "h": {"_type": "histogram", "v": [1]}}
        for i in range(3)
    ]
    (folder / "wandb-history.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (folder / "config.yaml").write_text("wandb_version: 1\nlr:\n  desc: null\n  value: 1e-3\n")
    (folder / "wandb-summary.json").write_text('{"loss": 0.25, "acc": 0.5, "_step": 2}')
    about = {"state": "failed", "exitcode": 1, "project": "digits"}
    (folder / "wandb-metadata.json").write_text(json.dumps(about))
    (folder / "wandb-events.jsonl").write_text('{"system.cpu": 1, "_runtime": 1}\n')
    [(anchor, claim)] = claims(tmp_path).items()
    assert anchor == f"wandb/{name}/wandb-history.jsonl"
    assert (len(claim.parts), len(claim.kept)) == (3, 1)
    run = validate(claimed(tmp_path))
    assert run.curve("loss").values.tolist() == [1, 1 / 2, 1 / 3]
    assert run.curve("acc", x="step").xs.tolist() == [2]
    assert dict(run.hpms) == {"lr": 1e-3}
    assert run.status == Status.FAILED
    assert run.reasons[0] == "wandb-metadata.json says 'failed', exit code 1"
    assert run.metadata["project"] == "digits"


def test_a_folder_with_a_summary_alone(tmp_path: Path) -> None:
    """As they are downloaded: its numbers are points, its settings count."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "wandb-summary.json").write_text('{"test_acc": 0.5, "_step": 9}')
    (folder / "config.yaml").write_text("wandb_version: 1\nlr:\n  value: 0.1\n")
    run = claimed(tmp_path)
    assert run.curve("test/acc", x="step").xs.tolist() == [9]
    assert dict(run.hpms) == {"lr": 0.1}


def test_a_folder_with_a_configuration_alone(tmp_path: Path) -> None:
    """A run that never logged anything is listed."""
    folder = home(tmp_path / "wandb")
    text = "wandb_version: 1\n_wandb:\n  value: {}\nlr:\n  value: 0.1\n"
    (folder / "files" / "config.yaml").write_text(text)
    run = validate(claimed(tmp_path))
    assert (dict(run.hpms), run.metrics, run.status) == ({"lr": 0.1}, (), Status.INCOMPLETE)


def test_broken_files_beside_a_log_are_findings(tmp_path: Path) -> None:
    """They cost what is in them alone."""
    folder = home(tmp_path / "wandb")
    (folder / "run-abc.wandb").write_bytes(logs.wandb_file(row(0, loss=1.0)))
    (folder / "files" / "config.yaml").write_text("lr: {value: [\n")
    (folder / "files" / "wandb-summary.json").write_text("[1]")
    (folder / "files" / "wandb-metadata.json").write_text("{")
    run = claimed(tmp_path)
    assert run.metrics == ("train/loss",)
    assert codes(run).count("bad-sidecar") == 3


def test_recognition(tmp_path: Path) -> None:
    """The log by its beginning, the others by name and beginning."""
    sure = {
        ("x.bin", logs.HEADER): TRACKER,
        ("run-abc.wandb", b""): 0.95,
        ("wandb-history.jsonl", b'{"loss": 1}\n'): 0.95,
        ("wandb-summary.json", b'{"loss": 1}'): 0.95,
        ("config.yaml", b"wandb_version: 1\n\nlr:\n"): 0.95,
    }
    for (name, head), confidence in sure.items():
        assert READER.detect(Path(name), head).confidence == confidence, name
    for name, head in {
        "config.yaml": b"lr: 1\n",
        "a.wandb": b"",
        "wandb-summary.json": b"x",
    }.items():
        assert READER.detect(Path(name), head).confidence == 0, name
