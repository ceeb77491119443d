"""Folders and databases of MLflow: what belongs to a run, what it holds, and what is left out."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, ColumnMap, ReadOptions
from dr_gen.readers.mlflow.reader import MlflowReader
from dr_gen.readers.tree import Tree, walk
from dr_gen.validators import validate
from tests.readers.mlflow_stores import (
    START,
    UUID,
    Stored,
    points,
    read_all,
    read_one,
    write_database,
    write_folder,
)
from tests.readers.refused import refusing

LOSSES = {"train/loss": points(3.0, 2.0, 1.0)}
STORES = ["folder", "database"]


def written(kind: str, root: Path, *runs: Stored) -> Path:
    """Runs in a folder, or in a database; the path to read the first by."""
    root.mkdir(parents=True, exist_ok=True)
    if kind == "database":
        return write_database(root / "mlflow.db", *runs)
    first, *_ = [write_folder(root / "mlruns", run) for run in runs]
    return first


def claimed(root: Path) -> dict[str, list[str]]:
    """The sources that the names of files tell: what stands for each, and the other files."""
    found = {}
    for claim in MlflowReader().claims(Tree.of(walk(str(root))[0])):
        parts = [Path(part).relative_to(root).as_posix() for part in claim.parts]
        found[Path(claim.path).relative_to(root).as_posix()] = sorted(parts)
    return found


def touched(root: Path, *names: str) -> None:
    """Files of these names, with a line in each."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1700000000000 0.5 0\n")


# ------------------------------------------------------------------ which files


def test_a_run_is_its_folder(tmp_path: Path) -> None:
    """All files of its folder belong to it, and the description of its experiment."""
    run = Stored(metrics={"val/deep/acc": points(1.0)}, params={"lr": "1"}, tags={"a": "b"})
    write_folder(tmp_path, run)
    touched(tmp_path / "0" / run.uuid, "artifacts/history.csv", "inputs/5f/meta.yaml")
    touched(tmp_path, "0/tags/mlflow.note.content")
    inside = ("artifacts/history.csv", "inputs/5f/meta.yaml", "metrics/val/deep/acc")
    assert claimed(tmp_path) == {
        f"0/{run.uuid}/meta.yaml": sorted(
            ["0/meta.yaml", *(f"0/{run.uuid}/{n}" for n in (*inside, "params/lr", "tags/a"))]
        )
    }


def test_the_folder_of_a_run_may_be_the_one_that_is_looked_at() -> None:
    """Given by itself, or as the current folder, it is a run like any other."""
    for start in ("", "runs/", f"/data/{UUID(1)}/"):
        tree = Tree.of([f"{start}meta.yaml", f"{start}metrics/val/loss", f"{start}params/lr"])
        [claim] = MlflowReader().claims(tree)
        assert claim.path == f"{start}meta.yaml"
        assert sorted(claim.parts) == [f"{start}metrics/val/loss", f"{start}params/lr"]
        assert claim.named == (start.rstrip("/") or ".")


@pytest.mark.parametrize("metric", [None, "system/cpu_utilization_percentage"])
def test_a_run_without_metrics_leaves_a_log_among_its_artifacts(
    metric: str | None, tmp_path: Path
) -> None:
    """Programs that only manage their runs with MLflow log elsewhere: their log is the run then."""
    metrics = {} if metric is None else {metric: points(1.0)}
    path = write_folder(tmp_path, Stored(metrics=metrics, params={"lr": "1"}))
    touched(path.parent, "artifacts/log.jsonl", "artifacts/.hydra/config.yaml")
    [claim] = MlflowReader().claims(Tree.of(walk(str(tmp_path))[0]))
    assert claim.alone_in == str(path.parent)
    inside = {Path(part).relative_to(path.parent.parent).as_posix() for part in claim.parts}
    assert f"{UUID(1)}/artifacts/log.jsonl" not in inside
    assert f"{UUID(1)}/artifacts/.hydra/config.yaml" in inside
    write_folder(tmp_path, Stored(metrics=LOSSES))
    [claim] = MlflowReader().claims(Tree.of(walk(str(tmp_path))[0]))
    assert claim.alone_in == ""
    assert str(path.parent / "artifacts" / "log.jsonl") in claim.parts


def test_copies_can_be_told_and_names_are_those_of_folders(tmp_path: Path) -> None:
    """A run is called by its folder, and known by the id that MLflow drew."""
    path = write_folder(tmp_path, Stored())
    [claim] = MlflowReader().claims(Tree.of(walk(str(tmp_path))[0]))
    assert (claim.path, claim.named) == (str(path), str(path.parent))
    assert claim.identity == UUID(1)


def test_models_traces_and_artifacts_are_no_runs(tmp_path: Path) -> None:
    """What lies in the registry, or in the artifacts of a run, is not read as another run."""
    path = write_folder(tmp_path, Stored(metrics=LOSSES))
    inside = write_folder(path.parent / "artifacts", Stored(UUID(2), metrics=LOSSES))
    assert inside.exists()
    model = "artifact_location: x\nmodel_id: m-1\nname: model\nsource_run_id: 1\nstatus: 2\n"
    version = "name: net\nrun_id: 1\nrun_link: ''\nsource: x\nstatus: READY\nversion: 1\n"
    for name, text in {
        "0/models/m-1/meta.yaml": model,
        "models/net/meta.yaml": "name: net\n",
        "models/net/version-1/meta.yaml": version,
        "0/datasets/5f/meta.yaml": "digest: x\nname: y\n",
        "0/traces/tr-1/trace_info.yaml": "request_id: tr-1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    touched(tmp_path, "0/models/m-1/metrics/loss", "0/models/m-1/params/lr", "models/net/tags/a")
    assert list(read_all(tmp_path)) == [f"0/{UUID(1)}"]
    for name in ("0/models/m-1/meta.yaml", "models/net/version-1/meta.yaml", "0/meta.yaml"):
        head = (tmp_path / name).read_bytes()
        assert MlflowReader().detect(tmp_path / name, head).confidence == 0, name


def test_a_named_format_makes_no_runs_of_what_is_none(tmp_path: Path) -> None:
    """Read without being recognised, what describes an experiment is a finding, and no run."""
    path = write_folder(tmp_path, Stored(metrics=LOSSES)).parents[1] / "meta.yaml"
    result = MlflowReader().read(path, "0", ReadOptions())
    assert (result.runs, [finding.code for finding in result.findings]) == ((), ["not-mlflow"])
    assert ".db" in MlflowReader().suffixes


def test_another_meta_yaml_is_not_ours(tmp_path: Path) -> None:
    """Other programs have files of that name; they are left to other formats."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.yaml").write_text("package:\n  name: x\nrun_id: 5\n")
    assert read_all(tmp_path) == {}


@pytest.mark.parametrize("kind", STORES)
def test_the_format_is_found_by_content(kind: str, tmp_path: Path) -> None:
    """Of all formats ours is the surest."""
    path = written(kind, tmp_path, Stored(metrics=LOSSES))
    found = formats.detect(path, path.read_bytes()[:HEAD_BYTES])
    assert found is not None
    assert (found[0].name, found[1].confidence) == ("mlflow", 0.98)


def test_a_file_alone_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Without its other files a run is what its meta.yaml says."""
    path = write_folder(tmp_path, Stored(metrics=LOSSES, status="FAILED"))
    [run] = MlflowReader().read(path, "run", ReadOptions("mine")).runs
    assert (run.n_points, run.experiment) == (0, "mine")
    assert validate(run).status == "failed"


def test_a_run_without_its_meta_yaml(tmp_path: Path) -> None:
    """Its metrics and params are read all the same, and it is said what is not known."""
    path = write_folder(tmp_path, Stored(metrics=LOSSES, params={"lr": "0.1"}))
    path.unlink()
    [result] = read_all(tmp_path).values()
    [run] = result.runs
    assert run.curve("train/loss").values.tolist() == [3.0, 2.0, 1.0]
    assert run.curve("train/loss", x="time").xs.tolist() == [0.0, 1.0, 2.0]
    assert dict(run.hpms) == {"lr": 0.1}
    assert [finding.code for finding in run.findings] == ["no-meta"]
    assert "end" not in run.metadata


# ------------------------------------------------------------------ what they hold


@pytest.mark.parametrize("kind", STORES)
def test_the_experiment_is_called_as_in_mlflow(kind: str, tmp_path: Path) -> None:
    """Unless it is the default one, or the caller named it otherwise."""
    path = written(kind, tmp_path, Stored(experiment=7, metrics=LOSSES))
    assert read_one(path).experiment == "sweep"
    assert read_one(path, named=True).experiment == "folder"
    other = written(kind, tmp_path / "other", Stored(metrics=LOSSES))
    assert read_one(other).experiment == "folder"


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(
    ("status", "ours"),
    [
        *(("FINISHED", "completed"), ("RUNNING", "running"), ("SCHEDULED", "incomplete")),
        *(("FAILED", "failed"), ("KILLED", "failed")),
    ],
)
def test_states(kind: str, status: str, ours: str, tmp_path: Path) -> None:
    """Each state of MLflow has a status of ours, written as a number or as a word."""
    path = written(kind, tmp_path, Stored(status=status, metrics=LOSSES))
    assert validate(read_one(path)).status == ours
    if kind == "folder":
        path.write_text(re.sub(r"(?m)^status: .*", f"status: {status}", path.read_text()))
        assert validate(read_one(path)).status == ours


@pytest.mark.parametrize("kind", STORES)
def test_a_state_that_there_is_not(kind: str, tmp_path: Path) -> None:
    """It is a finding, and the run is judged by its log alone."""
    path = written(kind, tmp_path, Stored(status="9", metrics=LOSSES))
    run = read_one(path)
    assert [finding.code for finding in run.findings] == ["unknown-status"]
    assert validate(run).status == "completed"


@pytest.mark.parametrize("kind", STORES)
def test_runs_without_metrics_are_listed(kind: str, tmp_path: Path) -> None:
    """They have no curves, but what else is known of them."""
    run = read_one(written(kind, tmp_path, Stored(params={"lr": "0.1"}, status="KILLED")))
    assert (list(run), dict(run.hpms)) == ([], {"lr": 0.1})
    assert validate(run).status == "failed"


@pytest.mark.parametrize("kind", STORES)
def test_deleted_runs_are_left_out(kind: str, tmp_path: Path) -> None:
    """How many there are is said; asked for, they are read under the same ids."""
    runs = [Stored(UUID(i), metrics=LOSSES, stage="deleted" if i else "active") for i in range(3)]
    written(kind, tmp_path, *runs)
    results = read_all(tmp_path).values()
    [kept] = [run for result in results for run in result.runs]
    said = [finding for result in results for finding in result.findings]
    assert sum(int(finding.message.split()[0]) for finding in said) == 2
    assert {(f.code, f.severity) for f in said} == {("deleted-run", "info")}
    all_of_them = [r for one in read_all(tmp_path, deleted=True).values() for r in one.runs]
    assert len(all_of_them) == 3
    assert kept.id in {run.id for run in all_of_them}


def test_the_trash_is_deleted(tmp_path: Path) -> None:
    """Where an experiment was thrown away, its runs may still be marked as active."""
    write_folder(tmp_path / ".trash", Stored(metrics=LOSSES))
    [result] = read_all(tmp_path).values()
    assert (len(result.runs), result.findings[0].code) == (0, "deleted-run")


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(
    ("steps", "axis", "xs", "code"),
    [
        ([0, 0, 0], "step", [0, 1, 2], "x-inferred"),
        ([0, 0], "step", [0, 1], "x-inferred"),
        ([5, 5, 5], "row", [0, 1, 2], "x-constant"),
        ([0, 1, 2, 1, 2], "step", [0, 1, 1, 2, 2], "repeated-x"),
        ([0, 1, 2, 2], "step", [0, 1, 2, 2], "closing-row"),
        ([0, 1, 2, -1], "step", [-1, 0, 1, 2], None),
        ([0], "step", [0], None),
    ],
)
def test_steps(
    kind: str, steps: list[int], axis: str, xs: list[int], code: str | None, tmp_path: Path
) -> None:
    """Steps that cannot tell values apart are counted; all values of one step are kept."""
    logged = [(START + 10 * i, float(i), step) for i, step in enumerate(steps)]
    run = read_one(written(kind, tmp_path, Stored(metrics={"loss": logged})))
    curve = run.curve("train/loss", x=axis, repeats="all")
    assert curve.xs.tolist() == xs
    assert sorted(curve.values.tolist()) == [float(i) for i in range(len(steps))]
    assert [finding.code for finding in run.findings] == ([code] if code else [])
    assert run.curve("train/loss").x_name == axis
    assert curve.inferred == (code in ("x-inferred", "x-constant"))


@pytest.mark.parametrize("kind", STORES)
def test_metrics_logged_together_share_their_rows(kind: str, tmp_path: Path) -> None:
    """One block for what has the same steps and times in one split."""
    alike = points(1.0, 2.0)
    metrics = {"loss": alike, "acc": alike, "val_loss": alike, "late": points(1.0, 2.0, apart=7)}
    run = read_one(written(kind, tmp_path, Stored(metrics=metrics)))
    blocks = {c.original_name: int(c.table.block[c.curve]) for c in run.curves()}
    assert blocks["loss"] == blocks["acc"]
    assert len(set(blocks.values())) == 3


@pytest.mark.parametrize("kind", STORES)
def test_the_machine_is_kept_apart(kind: str, tmp_path: Path) -> None:
    """Metrics of the machine are no metrics of the training; that they are not kept is said."""
    metrics = {**LOSSES, "system/gpu_0_memory_usage_megabytes": points(10.0, 30.0)}
    run = read_one(written(kind, tmp_path, Stored(metrics=metrics)))
    assert run.metrics == ("train/loss",)
    usage = {"n": 2, "min": 10.0, "mean": 20.0, "max": 30.0}
    assert run.metadata["system"] == {"gpu_0_memory_usage_megabytes": usage}
    [finding] = run.findings
    assert finding.message == "1 metric of the machine: only the ranges are kept"


@pytest.mark.parametrize("kind", STORES)
def test_names_that_mean_the_same_are_kept_apart(kind: str, tmp_path: Path) -> None:
    """Of two names for one metric one keeps it; brackets and Greek letters are part of a name."""
    metrics = {"val/loss": points(1.0), "val_loss": points(2.0), "Δ [max] (σ)": points(3.0)}
    run = read_one(written(kind, tmp_path, Stored(metrics=metrics)))
    found = {curve.original_name: curve.values.tolist() for curve in run.curves()}
    assert found == {"val/loss": [1.0], "val_loss": [2.0], "Δ [max] (σ)": [3.0]}
    assert "train/Δ [max] (σ)" in run.metrics


@pytest.mark.parametrize("kind", STORES)
def test_a_column_mapping_overrules(kind: str, tmp_path: Path) -> None:
    """What the caller says of a metric counts; a name that is not there is a finding."""
    metrics = {"loss": points(3.0, 2.0), "cycle": points(7.0, 9.0), "lr": points(0.1, 0.1)}
    given = {"x": {"cycle": "cycle"}, "metrics": {"loss": "eval/error"}}
    columns = ColumnMap(**given, hpms=("lr",), ignore=("nothing",), split=None)
    run = read_one(written(kind, tmp_path, Stored(metrics=metrics)), columns=columns)
    assert run.metrics == ("eval/error",)
    assert run.curve("eval/error", x="cycle").xs.tolist() == [7, 9]
    assert dict(run.hpms) == {"lr": 0.1}
    other = ColumnMap(metrics={"los": "eval/error"})
    run = read_one(written(kind, tmp_path / "b", Stored(metrics=metrics)), columns=other)
    assert "unknown-column" in {finding.code for finding in run.findings}


@pytest.mark.parametrize("kind", STORES)
def test_a_counter_that_tells_values_apart_takes_the_place_of_steps(
    kind: str, tmp_path: Path
) -> None:
    """Where no step was logged but an epoch, values lie on epochs and nothing is counted."""
    logged = {"epoch": (0.0, 1.0), "a": (5.0, 4.0)}
    metrics = {k: [(START + i, v, 0) for i, v in enumerate(vs)] for k, vs in logged.items()}
    run = read_one(written(kind, tmp_path, Stored(metrics=metrics)))
    assert list(run["train"]["a"]) == ["epoch", "time"]
    assert run.metrics == ("train/a",)
    assert not run.findings


@pytest.mark.parametrize("kind", STORES)
def test_a_counter_that_serves_no_metric_is_a_metric(kind: str, tmp_path: Path) -> None:
    """Nothing is lost: what is no axis of anything stays what was logged."""
    metrics = {"epoch": points(1.0, 2.0), "acc": points(0.5, 0.6, first=50)}
    run = read_one(written(kind, tmp_path, Stored(metrics=metrics)))
    assert set(run.metrics) == {"train/epoch", "train/acc"}


def test_times_in_seconds_of_old_versions(tmp_path: Path) -> None:
    """Before 2019 values had no step, and times were whole seconds."""
    path = write_folder(tmp_path, Stored(metrics=LOSSES))
    lines = "".join(f"{START // 1000 + 60 * i} {i}.5\n" for i in range(3))
    (path.parent / "metrics" / "train" / "loss").write_text(lines)
    run = read_one(path)
    assert run.curve("train/loss", x="time").xs.tolist() == [0.0, 60.0, 120.0]
    assert run.curve("train/loss").xs.tolist() == [0, 1, 2]


def test_values_about_datasets(tmp_path: Path) -> None:
    """Newer versions write the dataset behind the step; the values count, and it is said."""
    path = write_folder(tmp_path, Stored(metrics=LOSSES))
    lines = "".join(f"{START + i} {i}.5 {i} cifar 10 5f3a\n" for i in range(3))
    (path.parent / "metrics" / "train" / "loss").write_text(lines)
    run = read_one(path)
    assert run.curve("train/loss").values.tolist() == [0.5, 1.5, 2.5]
    assert [f.message for f in run.findings] == ["train/loss: logged for the dataset cifar 10 5f3a"]


def test_the_configuration_of_hydra_in_the_artifacts(tmp_path: Path) -> None:
    """Programs that use both leave it there; the params count where they differ."""
    path = write_folder(tmp_path, Stored(params={"lr": "0.1"}))
    folder = path.parent / "artifacts" / ".hydra"
    folder.mkdir()
    (folder / "config.yaml").write_text("lr: 0.2\nmodel: {depth: 3}\n")
    run = read_one(path)
    assert dict(run.hpms) == {"lr": 0.1, "model.depth": 3}
    assert [finding.code for finding in run.findings] == ["config-conflict"]


def test_dicts_among_params_are_dotted_keys(tmp_path: Path) -> None:
    """A key that is there twice keeps its first value, and it is said."""
    params = {"optim": "{'lr': 0.1, 'name': 'sgd'}", "optim.lr": "0.2"}
    run = read_one(write_folder(tmp_path, Stored(params=params)))
    assert dict(run.hpms) == {"optim.lr": 0.1, "optim.name": "sgd"}
    assert [finding.code for finding in run.findings] == ["config-collision"]


def test_many_together_are_what_each_is_alone(tmp_path: Path) -> None:
    """Runs that are read together, some of them damaged, are those that are read one by one."""
    for i in range(12):
        metrics = {"loss": points(*range(i)), "val/acc": points(0.5, float("nan"), first=i)}
        path = write_folder(tmp_path, Stored(UUID(i), metrics=metrics, params={"i": str(i)}))
        if i % 5 == 0:
            (path.parent / "metrics" / "loss").write_text("1 2 3\nhere\n")
    together = read_all(tmp_path)
    reader = MlflowReader()
    for claim in reader.claims(Tree.of(walk(str(tmp_path))[0])):
        name = Path(claim.named).relative_to(tmp_path).as_posix()
        options = ReadOptions("folder", parts=tuple(map(Path, claim.parts)))
        assert reader.read(Path(claim.path), name, options) == together[name]


# ------------------------------------------------------------------ databases


def test_runs_of_a_database_have_ids_as_in_the_folder(tmp_path: Path) -> None:
    """The experiment and the id that MLflow drew, behind the name of the file."""
    runs = [Stored(UUID(1), metrics=LOSSES), Stored(UUID(2), experiment=7, metrics=LOSSES)]
    write_database(tmp_path / "mlflow.db", *runs)
    [result] = read_all(tmp_path).values()
    ids = [run.id for run in result.runs]
    assert ids == [f"mlflow.db/0/{UUID(1)}", f"mlflow.db/7/{UUID(2)}"]
    for run in runs:
        write_folder(tmp_path / "mlruns", run)
    folders = [name for name in read_all(tmp_path) if name.startswith("mlruns")]
    assert folders == [f"mlruns/0/{UUID(1)}", f"mlruns/7/{UUID(2)}"]


OLD_TABLES = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256) NOT NULL);
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), status VARCHAR(20),
    start_time BIGINT, end_time BIGINT, experiment_id INTEGER, lifecycle_stage VARCHAR(20));
CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32),
    is_nan BOOLEAN, step BIGINT, PRIMARY KEY (key, timestamp, run_uuid, value));
CREATE TABLE params (key VARCHAR(250), value VARCHAR(250), run_uuid VARCHAR(32));
CREATE TABLE tags (key VARCHAR(250), value VARCHAR(250), run_uuid VARCHAR(32));
INSERT INTO experiments VALUES (0, 'Default');
"""


@pytest.mark.parametrize(
    "lacking", [[], ["step"], ["is_nan"], ["step", "is_nan"], ["tags"], ["lifecycle_stage"]]
)
def test_databases_of_older_versions(lacking: list[str], tmp_path: Path) -> None:
    """Columns and tables that there are not mean what was usual then."""
    stored = Stored(metrics=LOSSES, params={"lr": "0.1"}, tags={"a": "b"})
    path = write_database(tmp_path / "old.db", stored, tables=OLD_TABLES)
    connection = sqlite3.connect(path)
    for name in lacking:
        table = "runs" if name == "lifecycle_stage" else "metrics"
        drop = "TABLE tags" if name == "tags" else f"TABLE {table} DROP COLUMN {name}"
        connection.execute(("DROP " if name == "tags" else "ALTER ") + drop)
    connection.commit()
    connection.close()
    run = read_one(path)
    assert run.curve("train/loss").values.tolist() == [3.0, 2.0, 1.0]
    assert run.curve("train/loss").xs.tolist() == [0, 1, 2]
    assert run.curve("train/loss").inferred == ("step" in lacking)
    assert ("tags" in run.metadata) == ("tags" not in lacking)


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_database_that_is_open_elsewhere(journal: str, tmp_path: Path) -> None:
    """What was committed is read while its program has it open, and nothing beside it changes."""
    path = write_database(tmp_path / "mlflow.db", Stored(metrics=LOSSES))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute(f"PRAGMA journal_mode = {journal}")
    insert = "INSERT INTO metrics (key, value, timestamp, run_uuid, step) VALUES (?, ?, ?, ?, ?)"
    writer.execute(insert, ("train/loss", 0.5, START, UUID(1), 3))
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN IMMEDIATE")
    rows = [("train/loss", 9.0, START + i, UUID(1), i) for i in range(4, 3000)]
    writer.executemany(insert, rows)
    beside = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert len(beside) > 1
    run = read_one(path)
    assert run.curve("train/loss").values.tolist() == [3.0, 2.0, 1.0, 0.5]
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == beside
    writer.execute("COMMIT")
    writer.close()
    assert read_one(path).n_points == 3000


def test_a_database_that_is_still_in_its_log(tmp_path: Path) -> None:
    """What was never moved into the file itself is recognised and read all the same."""
    path = tmp_path / "new.db"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    whole = write_database(tmp_path / "whole.db", Stored(metrics=LOSSES))
    source = sqlite3.connect(whole)
    for line in source.iterdump():
        writer.execute(line)
    source.close()
    whole.unlink()
    assert path.stat().st_size < (tmp_path / "new.db-wal").stat().st_size
    assert read_one(path).n_points == 3
    writer.close()


def test_what_lies_beside_a_database_belongs_to_it(tmp_path: Path) -> None:
    """When only the log of what was written grows, the database is read again."""
    touched(tmp_path, "a.db", "a.db-wal", "b.db", "b.db-journal", "c.db", "d-wal")
    assert claimed(tmp_path) == {"a.db": ["a.db-wal"], "b.db": ["b.db-journal"]}


def test_other_databases_are_left_alone(tmp_path: Path) -> None:
    """A database of other tables is not ours, nor are views that have the names of ours."""
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE runs (x)")
    for name in ("experiments", "metrics", "params"):
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM runs")
    connection.commit()
    connection.close()
    assert read_all(tmp_path) == {}
    result = MlflowReader().read(tmp_path / "other.db", "x", ReadOptions())
    assert [finding.code for finding in result.findings] == ["no-tables"]


def test_a_database_without_runs(tmp_path: Path) -> None:
    """It is said that there is none."""
    write_database(tmp_path / "mlflow.db")
    [result] = read_all(tmp_path).values()
    assert (result.runs, [f.code for f in result.findings]) == ((), ["no-runs"])


# ------------------------------------------------------------------ without MLflow

BLOCKED = """
import sys
from pathlib import Path
from tests.readers.mlflow_stores import read_all
results = read_all(Path(sys.argv[1])).values()
print(sum(run.n_points for result in results for run in result.runs))
"""


def test_no_tracker_is_imported(tmp_path: Path) -> None:
    """Both stores are read where MLflow and what it needs cannot be imported."""
    for kind in STORES:
        written(kind, tmp_path, Stored(metrics=LOSSES))
    assert refusing(BLOCKED, str(tmp_path)).strip() == "6"


def test_ten_thousand_folders_are_told_apart_at_once() -> None:
    """Claims look at names alone, in a time that grows as the names do."""
    names = ["meta.yaml", "metrics/loss", "params/lr", "tags/mlflow.user", "artifacts/m/x"]
    runs = [f"mlruns/0/{UUID(i)}" for i in range(10_000)]
    tree = Tree.of(["mlruns/0/meta.yaml", *(f"{run}/{name}" for run in runs for name in names)])
    found: list[Any] = list(MlflowReader().claims(tree))
    assert len(found) == 10_000
    assert {len(claim.parts) for claim in found} == {5}
