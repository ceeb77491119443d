"""Stores of MLflow that are cut, overwritten or made to harm: nothing is raised, and what is left
is kept.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dr_gen.model.finding import Finding
from dr_gen.readers.contract import ReadOptions, ReadResult
from dr_gen.readers.mlflow.metrics import MetricFile, decoded
from dr_gen.readers.mlflow.reader import MlflowReader
from tests.readers.mlflow_stores import (
    UUID,
    Stored,
    points,
    read_all,
    read_one,
    write_database,
    write_folder,
)

LINES = b"1700000000000 0.5 0\n1700000001000 0.25 1\n1700000002000 nan 2\n"
RUN = Stored(
    metrics={"train/loss": points(*[1 / (i + 1) for i in range(9)]), "val_acc": points(0.5, 0.6)},
    params={"lr": "0.1", "layers": "[1, 2]"},
    tags={"team": "a", "mlflow.note.content": "b"},
)


def findings_of(result: ReadResult) -> list[Finding]:
    """All findings, those of runs as well."""
    return [*result.findings, *(finding for run in result.runs for finding in run.findings)]


def metric(path: Path) -> Path:
    """The file of a metric of `RUN`, given its meta.yaml."""
    return path.parent / "metrics" / "train" / "loss"


# ------------------------------------------------------------------ metric files


@given(st.lists(st.tuples(st.integers(0, 2**62), st.floats(), st.integers(-(2**62), 2**62))))
def test_lines_come_back_bit_for_bit(rows: list[tuple[int, float, int]]) -> None:
    """Whatever was logged is decoded as it was, with the lines of other files."""
    data = "".join(f"{stamp} {value} {step}\n" for stamp, value, step in rows).encode()
    before, lines, after = decoded([MetricFile(n, d) for n, d in enumerate_files(data)])
    assert lines.stamps.tolist() == [stamp for stamp, _, _ in rows]
    assert lines.steps.tolist() == [step for _, _, step in rows]
    assert list(map(repr, lines.values.tolist())) == [repr(float(value)) for _, value, _ in rows]
    assert before.values.tolist()[:2] == after.values.tolist()[:2] == [0.5, 0.25]


def enumerate_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    """A file between two others."""
    yield from (("a", LINES), ("b", data), ("c", LINES))


@given(
    st.lists(
        st.one_of(
            st.sampled_from(LINES.splitlines()),
            st.binary(max_size=12),
            st.sampled_from([b"1 2", b"1 2 3 name digest", b"1  3", b"1 0.5 0 ", b"1 1e999 0"]),
        ),
        max_size=6,
    )
)
def test_lines_together_are_those_read_alone(lines: list[bytes]) -> None:
    """A file is decoded to the same with others as it is line by line."""
    data = b"\n".join(lines)
    [alone] = decoded([MetricFile("a", data + b"#")])  # a last line without its end needs care
    together = decoded([MetricFile("a", data + b"\n"), MetricFile("b", LINES)])[0]
    assert together.values.tolist()[: len(alone.values)] == pytest.approx(
        alone.values.tolist(), nan_ok=True
    )


@pytest.mark.parametrize(
    ("tail", "values", "code"),
    [
        (b"1700000003000 0.75 3", [0.5, 0.25, 0.125, 0.75], None),
        (b"1700000003000 0.75 ", [0.5, 0.25, 0.125], "torn-line"),
        (b"1700000003000 0.7", [0.5, 0.25, 0.125], "torn-line"),
        (b"17000", [0.5, 0.25, 0.125], "torn-line"),
        (b"1700000003000 0.75 30", [0.5, 0.25, 0.125], "torn-line"),
        (b"nothing to see\n", [0.5, 0.25, 0.125], "bad-metric-line"),
        (b"\0" * 4096, [0.5, 0.25, 0.125], "torn-line"),
        (b"\n\n", [0.5, 0.25, 0.125], None),
        (b"1700000003000 1e999 3\n", [0.5, 0.25, 0.125], "bad-metric-line"),
        (b"99999999999999999999 1.0 3\n", [0.5, 0.25, 0.125], "bad-metric-line"),
        (b"1700000003000 \xff 3\n", [0.5, 0.25, 0.125], "bad-metric-line"),
    ],
)
def test_the_end_of_a_metric(
    tail: bytes, values: list[float], code: str | None, tmp_path: Path
) -> None:
    """A last line counts where nothing of it can be missing; else it is named."""
    path = write_folder(tmp_path, Stored(metrics={"train/loss": points(0.5, 0.25, 0.125)}))
    with metric(path).open("ab") as file:
        file.write(tail)
    run = read_one(path)
    assert run.curve("train/loss").values.tolist() == values
    assert [finding.code for finding in run.findings] == ([code] if code else [])
    for finding in run.findings:
        assert (finding.path, finding.line) == (str(metric(path)), 4)


@pytest.mark.parametrize(
    ("data", "n", "codes"),
    [
        (b"1700000000000 0.5 7", 1, ["torn-line"]),
        (b"1700000000000 0.5 0", 1, []),
        (b"1700000000000 0.5", 0, ["torn-line"]),
        (b"", 0, ["empty-file"]),
        (b"1 0.5 0\nx\ny\n2 0.5 1\n", 2, ["bad-metric-line"]),
    ],
)
def test_metrics_with_little_in_them(data: bytes, n: int, codes: list[str], tmp_path: Path) -> None:
    """A file of one line without its end is kept, an empty one has no points; both are said."""
    path = write_folder(tmp_path, RUN)
    metric(path).write_bytes(data)
    run = read_one(path)
    assert run.n_points == n + 2
    assert [finding.code for finding in run.findings] == codes
    if n == 2:
        assert "2 lines are no `timestamp value step` (lines 2-3)" in run.findings[0].message


# ------------------------------------------------------------------ other files


@pytest.mark.parametrize(
    "meta",
    [
        b"status: 3\nstart_time: [1, 2\n",
        b"- a\n- b\n",
        b"status: {a: 1}\nend_time: never\nstart_time: 99999999999999999999999\n",
        b"a: &a [*a]\nstatus: *b\n",
        b"!!python/object/apply:os.system ['true']\n",
        b"run_name: 'x\n  y'\nstatus: 4\nlifecycle_stage: active\n",
        "status: 4\nrun_name: ü: 'ß'\n".encode(),
        b"\xff\xfe\x00",
    ],
)
def test_any_meta_yaml(meta: bytes, tmp_path: Path) -> None:
    """What it says is taken as far as it can be read, safely; the metrics are all there."""
    path = write_folder(tmp_path, RUN)
    path.write_bytes(meta)
    [result] = read_all(tmp_path).values()
    [run] = result.runs
    assert run.n_points == 11
    ended = b"status: 4" in meta
    assert (run.metadata.get("end", {}).get("status") == "failed") == ended


def test_a_cut_meta_yaml_does_not_lie(tmp_path: Path) -> None:
    """A number that lacks its last digits is none: the last line without its end is left out."""
    path = write_folder(tmp_path, RUN)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"start_time:") + 16])
    run = read_one(path)
    assert run.curve("train/loss", x="time").xs[0] == 0
    assert [finding.code for finding in run.findings] == ["torn-line"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder, a link that leads nowhere and a file that is gone are findings; the rest counts."""
    path = write_folder(tmp_path, RUN)
    options = ReadOptions(parts=(metric(path), path.parent / "params" / "lr", path.parent))
    metric(path).unlink()
    [run] = MlflowReader().read(path, "run", options).runs
    assert dict(run.hpms) == {"lr": 0.1}
    assert [finding.code for finding in run.findings] == ["unreadable-file"]
    folder = (*options.parts, path.parent / "metrics" / "train")
    [run] = MlflowReader().read(path, "run", ReadOptions(parts=folder)).runs
    assert [finding.code for finding in run.findings] == ["unreadable-file"] * 2


def test_long_and_foreign_texts(tmp_path: Path) -> None:
    """A text of any length is kept up to a limit, and one that is not UTF-8 as far as it goes."""
    path = write_folder(tmp_path, Stored(params={"long": "x" * 2_000_000, "deep": "[" * 9_000}))
    (path.parent / "params" / "odd").write_bytes(b"caf\xe9")
    run = read_one(path)
    assert len(run.hpms["long"]) == 1 << 20
    assert (run.hpms["odd"], run.hpms["deep"]) == ("caf�", "[" * 9_000)
    assert {finding.code for finding in run.findings} == {"long-text", "not-utf8"}


# ------------------------------------------------------------------ databases


def test_a_cut_database_keeps_what_came_before(tmp_path: Path) -> None:
    """Of a database that lost its end the values in front of that are there, in order."""
    values = [i / 7 for i in range(3000)]
    path = write_database(tmp_path / "mlflow.db", Stored(metrics={"loss": points(*values)}))
    content = path.read_bytes()
    known = 0
    for cut in range(4096 * 14, len(content), 4096 * 7):
        path.write_bytes(content[:cut])
        [result] = read_all(tmp_path).values()
        assert "damaged-database" in {finding.code for finding in findings_of(result)}
        for run in result.runs:
            if run.n_points:
                found = run.curve("train/loss").values.tolist()
                assert found == values[: len(found)]
        n = sum(run.n_points for run in result.runs)
        assert n >= known
        known = n
    assert known > 0


def test_cells_of_other_kinds(tmp_path: Path) -> None:
    """A database takes any value in any column; what is no number is said."""
    path = write_database(tmp_path / "mlflow.db", RUN)
    connection = sqlite3.connect(path)
    columns = "key, value, timestamp, run_uuid, step"
    odd = [("odd", "text", "soon", UUID(1), "late"), (b"\xff", b"\xfe", 2**62, UUID(1), 1.5)]
    connection.executemany(f"INSERT INTO metrics ({columns}) VALUES (?, ?, ?, ?, ?)", odd)
    connection.execute("UPDATE runs SET start_time = 'once', status = NULL, experiment_id = 'x'")
    connection.execute("INSERT INTO params VALUES ('b', x'ff', ?)", (UUID(1),))
    connection.commit()
    connection.close()
    [result] = read_all(tmp_path).values()
    [run] = result.runs
    assert run.curve("train/loss").values.tolist() == [1 / (i + 1) for i in range(9)]
    assert "not-a-number" in {finding.code for finding in result.findings}


def test_a_table_without_end_is_given_up(tmp_path: Path) -> None:
    """What a schema makes of a query is bounded: here a table whose every row takes ages."""
    path = write_database(tmp_path / "mlflow.db", RUN)
    connection = sqlite3.connect(path)
    ages = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    connection.executescript(f"DROP TABLE tags; CREATE VIEW tags AS {ages};")
    connection.commit()
    connection.close()
    started = time.perf_counter()
    assert read_one(path).n_points == 11
    assert time.perf_counter() - started < 10


# ------------------------------------------------------------------ mutations


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One way in which the bytes of a file may be wrong."""
    data = bytearray(content)
    kind = rng.randrange(7)
    place = rng.randrange(len(data) + 1)
    if kind == 0:
        return b""
    if kind == 1:
        return bytes(data[:place])
    if kind == 2:
        for _ in range(rng.randrange(1, 20)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 3:
        data[place:place] = rng.randbytes(rng.randrange(1, 40))
    elif kind == 4:
        del data[place : place + rng.randrange(1, 200)]
    elif kind == 5:  # lengths and page numbers: large, small and negative
        value = rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, rng.getrandbits(32)])
        data[place : place + 4] = value.to_bytes(4, "big")
    else:
        data[place : place + rng.randrange(1, 600)] = bytes(rng.randrange(1, 600))
    return bytes(data)


def check_folders(root: Path, n: int, seed: int) -> None:
    """Folders in which one file is wrong, at any place of any kind."""
    write_folder(root / "whole", RUN)
    whole = root / "whole"
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    contents = {file: (whole / file).read_bytes() for file in files}
    folder = root / "tried"
    shutil.copytree(whole, folder)
    rng = random.Random(seed)
    for _ in range(n):
        file = rng.choice([*files, *[f for f in files if f.name in ("meta.yaml", "loss")]])
        (folder / file).write_bytes(mutated(contents[file], rng))
        check(read_all(folder))
        check(read_all(folder, deleted=True))
        (folder / file).write_bytes(contents[file])


def check_databases(root: Path, n: int, seed: int) -> None:
    """A database that is wrong at any place."""
    others = [Stored(UUID(i), metrics={"loss": points(*range(60))}) for i in range(2, 5)]
    path = write_database(root / "mlflow.db", RUN, *others)
    content = path.read_bytes()
    rng = random.Random(seed)
    for _ in range(n):
        path.write_bytes(mutated(content, rng))
        check(read_all(root))
        check({"mlflow.db": MlflowReader().read(path, "mlflow.db", ReadOptions())})
        assert [file.name for file in root.iterdir()] == ["mlflow.db"]


def check(results: dict[str, ReadResult]) -> None:
    """What was read can be looked at, and there is no more of it than was written."""
    for result in results.values():
        assert len(result.runs) <= 200
        for run in result.runs:
            assert run.n_points <= 2000
            assert all(len(curve.values) == len(curve.xs) for curve in run.curves())
        for finding in findings_of(result):
            assert finding.path is not None


def test_damaged_folders(tmp_path: Path) -> None:
    """Whatever is wrong with one file, nothing is raised."""
    check_folders(tmp_path, 250, seed=1)


def test_damaged_databases(tmp_path: Path) -> None:
    """Whatever is wrong with a database, nothing is raised, and nothing left beside it."""
    check_databases(tmp_path, 250, seed=2)


@pytest.mark.slow
def test_ten_thousand_damaged_files(tmp_path: Path) -> None:
    """The same for many more."""
    (tmp_path / "database").mkdir()
    check_folders(tmp_path / "folders", 6_000, seed=3)
    check_databases(tmp_path / "database", 6_000, seed=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_in_the_place_of_a_metric(content: bytes, tmp_path: Path) -> None:
    """A metric may hold anything: it is read as far as it is one."""
    path = write_folder(tmp_path, RUN)
    metric(path).write_bytes(content)
    run = read_one(path)
    assert run.curve("val/acc").values.tolist() == [0.5, 0.6]
    assert all(finding.path for finding in run.findings)
