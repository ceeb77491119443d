"""Tables that the pages of Weights & Biases export."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import SearchStrategy

from dr_gen.ingestion import load
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.readers.contract import ReadOptions, ReadResult
from dr_gen.readers.wandb_export.reader import WandbExportReader
from dr_gen.testing import ReaderContract, blocks, runs
from dr_gen.validators import validate

READER = WandbExportReader()
NAME = "wandb_export_2024-05-05T10_07_23.233-04_00.csv"


def written(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """A table as the pages write it: all cells in quotation marks."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([header, *rows])
    return path


def chart(path: Path, x: str, columns: dict[str, list[Any]], xs: Sequence[Any]) -> Path:
    """A chart in which each value stands for itself."""
    header = [x, *(name + end for name in columns for end in ("", "__MIN", "__MAX"))]
    rows = [
        [x_value, *(values[i] for values in columns.values() for _ in range(3))]
        for i, x_value in enumerate(xs)
    ]
    return written(path, header, rows)


def read(path: Path) -> ReadResult:
    """What the reader makes of a file."""
    return READER.read(path, "export", ReadOptions())


def by_name(path: Path) -> dict[str, RunData]:
    """The runs of a file as they are called in it."""
    return {run.metadata["name"]: run for run in read(path).runs}


class TestChart(ReaderContract):
    """A chart of one run."""

    reader: ClassVar[WandbExportReader] = READER

    def source_runs(self) -> SearchStrategy[RunData]:
        """Runs as far as a chart tells of them: over one x, and without settings."""

        def counted(size: int) -> SearchStrategy[Any]:
            return st.integers(0, 9).map(lambda first: np.arange(first, first + size))

        return runs(
            ids=st.just("run"),
            hpms=st.just({}),
            splits=st.sampled_from(["train", "val"]),
            metrics=st.sampled_from(["loss", "acc1"]),
            rows=blocks(x_names=st.just("step"), xs=counted),
        )

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run as a chart, with one row a value."""
        header, rows, curves = ["Step"], list[list[Any]](), dict[str, Any]()
        values = [
            (f"{split}/{metric}", x, value)
            for split, metrics in run.items()
            for metric, curve in metrics.items()
            for logged in [attrs.evolve(curve, repeats="all")]
            if "step" in logged
            for x, value in zip(
                logged["step"].xs.tolist(), logged["step"].values.tolist(), strict=True
            )
        ]
        names = list(dict.fromkeys(name for name, _, _ in values)) or ["train/loss"]
        header += [f"my run - 1 - {name}{end}" for name in names for end in ("", "__MIN", "__MAX")]
        for name, x, value in values:
            cells = [cell for other in names for cell in [repr(value) if other == name else ""] * 3]
            rows.append([x, *cells])
            curve = curves.setdefault(
                name, {"values": [], "x": {"step": []}, "original_name": name}
            )
            curve["values"].append(value)
            curve["x"]["step"].append(x)
        path = written(tmp_path / NAME, header, rows)
        return path, RunData.from_dict({"id": run.id, "curves": curves})


def test_a_chart_of_several_runs(tmp_path: Path) -> None:
    """Each run has its own rows; names may hold what stands between name and metric."""
    columns: dict[str, list[Any]] = {
        "warm-sweep-1 - val/acc": [0.5, "", 0.75],
        "a - b [λ=0.1] - val/acc": ["", 0.25, 0.375],
    }
    path = chart(tmp_path / NAME, "Step", columns, [0, 10, 20])
    found = by_name(path)
    assert list(found) == ["warm-sweep-1", "a - b [λ=0.1]"]
    assert [run.id for run in found.values()] == ["export/warm-sweep-1", "export/a - b [λ=0.1]"]
    curve = found["warm-sweep-1"].curve("val/acc")
    assert (curve.x_name, curve.xs.tolist()) == ("step", [0, 20])
    assert curve.values.tolist() == [0.5, 0.75]
    assert found["a - b [λ=0.1]"].curve("val/acc").xs.tolist() == [10, 20]
    assert all(run.findings == () for run in found.values())


@pytest.mark.parametrize(
    ("x", "ours", "first"),
    [
        ("Step", "step", 3),
        ("Relative Time (Process)", "time", 3),
        ("Relative Time (Wall)", "time", 3),
        ("Wall Time", "timestamp", 1_700_000_000_000),
        ("epoch", "epoch", 3),
        ("trainer/global_step", "global_step", 3),
        ("tokens/seen", "tokens/seen", 3),
    ],
)
def test_the_x_of_a_chart(tmp_path: Path, x: str, ours: str, first: float) -> None:
    """As the pages call it, or any column that was logged; wall time is in seconds for us."""
    path = chart(tmp_path / NAME, x, {"r - loss": [2.0, 1.0]}, [first, first + 1000])
    [run] = read(path).runs
    assert run.id == "export"
    curve = run.curve("loss", x=ours)
    scale = 1000 if ours == "timestamp" else 1
    assert curve.xs.tolist() == [first / scale, (first + 1000) / scale]


def test_steps_beside_another_x_are_an_axis(tmp_path: Path) -> None:
    """Charts over another x may tell the step of each run as well."""
    columns: dict[str, list[Any]] = {"r - _step": [5, 9], "r - train/loss": [2.0, 1.0]}
    [run] = read(chart(tmp_path / NAME, "epoch", columns, [0, 1])).runs
    assert run.metrics == ("train/loss",)
    assert run.curve("train/loss", x="step").xs.tolist() == [5, 9]


def test_values_of_groups_say_that_they_are(tmp_path: Path) -> None:
    """A mean of several runs is no run; where the least and the most differ it is said."""
    header = ["Step", "Group: big - loss", "Group: big - loss__MIN", "Group: big - loss__MAX"]
    path = written(tmp_path / NAME, header, [[0, 2, 1, 3], [1, 1, 1, 1]])
    result = read(path)
    [run] = result.runs
    assert (run.metadata["name"], run.metadata["group"]) == ("big", "big")
    assert run.curve("loss").values.tolist() == [2, 1]
    [finding] = result.findings
    assert (finding.code, finding.line) == ("aggregated-values", 2)


def test_runs_of_one_name_in_one_chart(tmp_path: Path) -> None:
    """Names need not be different: no column is lost, and it is said."""
    three = [f"r - loss{end}" for end in ("", "__MIN", "__MAX")]
    other = [column.replace("r - ", "r_3 - ") for column in three]
    header = ["Step", *three, *three, *three, *other]
    path = written(tmp_path / NAME, header, [[0, *"333444777888"], [1, *"222111555666"]])
    group = load(path, cache=False)
    assert [run.id.rpartition("/")[2] for run in group] == ["r", "r_2", "r_3_", "r_3"]
    assert [run.metadata["name"] for run in group] == ["r", "r", "r", "r_3"]
    values = [run.curve("loss").values.tolist() for run in group]
    assert values == [[3, 2], [4, 1], [7, 5], [8, 6]]
    assert [finding.code for finding in group.findings] == ["same-name"] * 2


def exports(folder: Path, *files: tuple[str, dict[str, list[Any]]]) -> None:
    """Charts as they come out of the pages one after the other, each over its x."""
    for minute, (x, columns) in enumerate(files):
        path = folder / f"wandb_export_2024-05-05T10_{minute:02}_23.233-04_00.csv"
        chart(path, x, columns, range(len(next(iter(columns.values())))))


def test_charts_of_one_folder_show_the_same_runs(tmp_path: Path) -> None:
    """One run has the curves of all charts that show it, each over its own x."""
    loss = {"a - loss": [3.0, 2.0, 1.0], "b - loss": [6.0, 5.0, 4.0]}
    exports(tmp_path, ("Step", loss), ("epoch", {"b - val/acc": [0.5, 0.75]}))
    group = load(tmp_path, cache=False)
    assert group.ids == (f"{tmp_path.name}/a", f"{tmp_path.name}/b")
    assert [run.metrics for run in group] == [("train/loss",), ("train/loss", "val/acc")]
    assert group[1].curve("loss", x="step").values.tolist() == [6, 5, 4]
    assert group[1].curve("val/acc", x="epoch").values.tolist() == [0.5, 0.75]
    assert {f.code for f in group.findings} <= {"unequal-lengths"}


def test_charts_of_one_run_are_one_run(tmp_path: Path) -> None:
    """It is called as the folder is."""
    exports(tmp_path, ("Step", {"r - loss": [2.0, 1.0]}), ("Step", {"r - acc": [0.25, 0.5]}))
    [run] = load(tmp_path, cache=False)
    assert (run.id, run.metadata["name"]) == (tmp_path.name, "r")
    assert [run.value("loss@last"), run.value("acc@last")] == [1.0, 0.5]


def test_runs_that_are_alike_in_name_alone_stay_two(tmp_path: Path) -> None:
    """Where two charts have one metric of one name nothing is joined, and it is said."""
    charts = [("Step", {"r - loss": [2.0, 1.0], f"{i} - loss": [1.0, 1.0]}) for i in range(2)]
    exports(tmp_path, *charts)
    group = load(tmp_path, cache=False)
    assert [run.metadata["name"] for run in group] == ["r", "r", "0", "1"]
    assert len(set(group.ids)) == 4
    [finding] = [f for f in group.findings if f.code == "same-name"]
    assert (finding.run, repr(group.ids[0]) in finding.message) == (group.ids[1], True)


def test_a_group_is_no_run_of_its_name(tmp_path: Path) -> None:
    """A chart of groups beside one of runs."""
    exports(tmp_path, ("Step", {"r - loss": [2.0]}), ("Step", {"Group: r - acc": [0.5]}))
    assert [run.metrics for run in load(tmp_path, cache=False)] == [("train/loss",), ("train/acc",)]


def test_what_else_lies_among_charts(tmp_path: Path) -> None:
    """A table of runs is read too; what is no export, by its name alone, is said."""
    exports(tmp_path, ("Step", {"r - loss": [2.0]}), ("Step", {"r - acc": [0.5]}))
    table = tmp_path / "wandb_export_2024-05-06T10_00_00.000+00_00.csv"
    written(table, ["Name", "State", "Notes", "User", "Tags", "lr", "acc"], [["q", *"-----", 1]])
    other = tmp_path / "wandb_export_2024-05-07T10_00_00.000+00_00.csv"
    other.write_text("epoch,loss\n0,1\n")
    group = load(tmp_path, cache=False)
    assert [run.metadata["name"] for run in group] == ["r", "q"]
    [finding] = [f for f in group.findings if f.code == "not-an-export"]
    assert finding.path == str(other)


def test_the_table_of_runs(tmp_path: Path) -> None:
    """Settings come before results, each in their order; the state is the status."""
    header = [
        *("Name", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep"),
        *("batch_size", "eval_every", "lr", "optim.name"),
        *("_step", "best", "note", "val_acc"),
    ]
    rows = [
        [
            *("a", "finished", "-", "u", "x, y", "2025-11-13T09:48:11.000Z", "60", ""),
            *("8", "10", "0.1", "adam", "99", "1.5", "text", "0.5"),
        ],
        [
            *("b", "crashed", "n", "u", "", "2025-11-13T09:48:12.000Z", "5", "s"),
            *("8", "10", "1e-4", "sgd", "", "", "", ""),
        ],
        ["a", "running", *[""] * 6, "16", "", "true", "", "3", "2", "", "0.25"],
    ]
    result = read(written(tmp_path / "runs.csv", header, rows))
    assert result.findings == ()
    first, second, third = map(validate, result.runs)
    assert [run.id for run in result.runs] == ["export/a", "export/b", "export/a_2"]
    assert dict(first.hpms) == {
        **{"batch_size": 8, "eval_every": 10, "lr": 0.1, "optim.name": "adam"}
    }
    assert dict(second.hpms)["lr"] == 1e-4
    assert dict(third.hpms) == {"batch_size": 16, "lr": True}
    assert set(first.metrics) == {"train/best", "val/acc"}
    assert first.curve("val/acc", x="step").xs.tolist() == [99]
    assert first.metadata["tags"] == ["x", "y"]
    assert "notes" not in first.metadata
    assert (first.status, second.status) == (Status.COMPLETED, Status.FAILED)
    assert third.status == Status.RUNNING
    assert second.n_points == 0


def test_without_order_names_decide(tmp_path: Path) -> None:
    """Where columns were chosen and arranged by hand."""
    header = ["Name", "State", "User", "Created", "Runtime"]
    header += ["lr", "val/acc", "bs", "_step", "z", "a"]
    rows = [["a", "finished", "u", "", "1", "0.1", "0.5", "8", "3", "1", "2"]]
    result = read(written(tmp_path / "runs.csv", header, rows))
    [run] = result.runs
    assert (dict(run.hpms), run.metrics) == ({"lr": 0.1, "bs": 8, "z": 1, "a": 2}, ("val/acc",))
    assert [finding.code for finding in result.findings] == ["settings-or-results"]


def test_other_tables_are_not_recognised() -> None:
    """Nor is a chart under another name, or what only looks like one."""
    chart_head = b'"Step","r - loss","r - loss__MIN","r - loss__MAX"\n'
    assert READER.detect(Path("any.csv"), chart_head).confidence > 0.9
    assert READER.detect(Path("any.csv"), b"\xef\xbb\xbf" + chart_head).confidence > 0.9
    assert READER.detect(Path("any.txt"), chart_head).confidence == 0
    for head in (b"step,loss\n0,1\n", b"Name,State\n", b"x,loss,loss__MIN,loss__MAX\n", b'"a'):
        assert READER.detect(Path("any.csv"), head).confidence == 0
    many = ",".join(f"r{i} - m,r{i} - m__MIN,r{i} - m__MAX" for i in range(9000)).encode()
    for cut in (65534, 65535, 65536, 65540):
        assert READER.detect(Path("any.csv"), (b"Step," + many)[:cut]).confidence > 0.9


@given(st.binary(max_size=300))
def test_any_bytes_are_read(tmp_path_factory: pytest.TempPathFactory, tail: bytes) -> None:
    """Behind a header that is recognised."""
    path = tmp_path_factory.mktemp("export") / NAME
    path.write_bytes(b"Step,r - loss,r - loss__MIN,r - loss__MAX\n1,2,2,2\n" + tail)
    for run in read(path).runs:
        assert validate(run).n_points >= 1


def test_a_cell_without_end_is_a_finding(tmp_path: Path) -> None:
    """The rest of the file is in it."""
    path = tmp_path / NAME
    text = 'Step,r - loss,r - loss__MIN,r - loss__MAX\n1,2,2,2\n2,"' + "3,3,3\n" * 100_000
    path.write_text(text)
    result = read(path)
    assert result.runs[0].curve("loss").values.tolist() == [2]
    assert {finding.code for finding in result.findings} & {"bad-csv", "truncated-line", "bad-row"}
