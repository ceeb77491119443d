"""Stores of MLflow, written for tests without MLflow, in the forms that its versions wrote."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from dr_gen.model.run import RunData
from dr_gen.readers.contract import HEAD_BYTES, ReadOptions, ReadResult
from dr_gen.readers.mlflow.reader import MlflowReader
from dr_gen.readers.tree import Tree, walk

START = 1_700_000_000_000
"""When runs begin, in milliseconds."""
Point = tuple[int, float, int]
"""Timestamp, value and step of one value."""
UUID = "{:032x}".format

META = """artifact_uri: file:///data/mlruns/{experiment}/{uuid}/artifacts
end_time: {end}
entry_point_name: ''
experiment_id: '{experiment}'
lifecycle_stage: {stage}
run_id: {uuid}
run_name: {name}
run_uuid: {uuid}
source_name: ''
source_type: 4
source_version: ''
start_time: {start}
status: {status}
tags: []
user_id: ada
"""
NUMBERS = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5}

TABLES = """
CREATE TABLE experiments (experiment_id INTEGER NOT NULL, name VARCHAR(256) NOT NULL,
    artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32), PRIMARY KEY (experiment_id));
CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL, name VARCHAR(250), source_type VARCHAR(20),
    source_name VARCHAR(500), user_id VARCHAR(256), status VARCHAR(9), start_time BIGINT,
    end_time BIGINT, source_version VARCHAR(50), lifecycle_stage VARCHAR(20),
    artifact_uri VARCHAR(200), experiment_id INTEGER, PRIMARY KEY (run_uuid));
CREATE TABLE metrics (key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,
    run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL,
    is_nan BOOLEAN DEFAULT '0' NOT NULL, PRIMARY KEY (key, timestamp, step, run_uuid, value));
CREATE TABLE params (key VARCHAR(250) NOT NULL, value VARCHAR(500) NOT NULL,
    run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY (key, run_uuid));
CREATE TABLE tags (key VARCHAR(250) NOT NULL, value VARCHAR(5000),
    run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY (key, run_uuid));
INSERT INTO experiments VALUES (0, 'Default', '', 'active'), (7, 'sweep', '', 'active');
"""


@attrs.frozen
class Stored:
    """A run as MLflow keeps it."""

    uuid: str = UUID(1)
    metrics: Mapping[str, Sequence[Point]] = attrs.field(factory=dict)
    params: Mapping[str, str] = attrs.field(factory=dict)
    tags: Mapping[str, str] = attrs.field(factory=dict)
    status: str = "FINISHED"
    stage: str = "active"
    experiment: int = 0
    end: str = str(START + 60_000)


def points(*values: float, first: int = 0, apart: int = 1000) -> list[Point]:
    """Values at steps that count on, a second apart."""
    return [(START + apart * i, value, first + i) for i, value in enumerate(values)]


def of_model(run: RunData) -> Stored:
    """A run with whole steps, as MLflow keeps it; its times are not kept."""
    metrics = {}
    for curve in run.curves():
        logged = attrs.evolve(run[curve.split][curve.metric], repeats="all")["step"]
        pairs = enumerate(zip(logged.xs.tolist(), logged.values.tolist(), strict=True))
        metrics[f"{curve.split}/{curve.metric}"] = [(START + 9 * i, v, x) for i, (x, v) in pairs]
    return Stored(metrics=metrics, params={key: str(value) for key, value in run.hpms.items()})


def write_folder(root: Path, run: Stored, name: str = "calm-owl-1") -> Path:
    """Write a run below ``mlruns``; the path of its meta.yaml."""
    experiment = root / str(run.experiment)
    folder = experiment / run.uuid
    for kind in ("metrics", "params", "tags", "artifacts"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    if not (experiment / "meta.yaml").exists():
        called = "Default" if run.experiment == 0 else "sweep"
        text = f"experiment_id: '{run.experiment}'\nlifecycle_stage: active\nname: {called}\n"
        (experiment / "meta.yaml").write_text(text)
    facts = {"uuid": run.uuid, "experiment": run.experiment, "stage": run.stage, "end": run.end}
    status = NUMBERS.get(run.status, run.status)
    meta = META.format(**facts, status=status, start=START, name=name)
    (folder / "meta.yaml").write_text(meta, encoding="utf-8")
    for key, logged in run.metrics.items():
        text = "".join(f"{stamp} {value!r} {step}\n" for stamp, value, step in logged)
        _write(folder / "metrics" / key, text)
    for kind, texts in {"params": run.params, "tags": run.tags}.items():
        for key, text in texts.items():
            _write(folder / kind / key, text)
    return folder / "meta.yaml"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


def write_database(path: Path, *runs: Stored, tables: str = TABLES) -> Path:
    """Write runs into a new database."""
    connection = sqlite3.connect(path)
    connection.executescript(f"PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; {tables}")
    for run in runs:
        columns = "run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id"
        row = [run.uuid, "calm-owl-1", run.status, START, int(run.end), run.stage, run.experiment]
        _insert(connection, f"runs ({columns})", [row])
        rows = [
            (key, *_stored(value), stamp, run.uuid, step)
            for key, logged in run.metrics.items()
            for stamp, value, step in logged
        ]
        _insert(connection, "metrics (key, value, is_nan, timestamp, run_uuid, step)", rows)
        for kind, texts in {"params": run.params, "tags": run.tags}.items():
            found = [(key, text, run.uuid) for key, text in texts.items()]
            _insert(connection, f"{kind} (key, value, run_uuid)", found)
    connection.commit()
    connection.close()
    return path


def _insert(connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[Any]]) -> None:
    marks = ", ".join("?" * (into.count(",") + 1))
    connection.executemany(f"INSERT OR IGNORE INTO {into} VALUES ({marks})", rows)


def _stored(value: float) -> tuple[float, bool]:
    if value != value:
        return 0.0, True
    largest = 1.7976931348623157e308
    return min(max(value, -largest), largest), False


def read_all(root: Path, **options: Any) -> dict[str, ReadResult]:
    """What the sources below a folder hold, by the name of the folder or file of each."""
    reader, found = MlflowReader(), {}
    claims = {claim.path: claim for claim in reader.claims(Tree.of(walk(str(root))[0]))}
    items = []
    for path in sorted({*claims, *map(str, root.rglob("*.db"))}):
        claim = claims.get(path)
        head = Path(path).read_bytes()[:HEAD_BYTES]
        if reader.detect(Path(path), head).confidence == 0:
            continue
        parts = () if claim is None else tuple(map(Path, claim.parts))
        named = path if claim is None else claim.named or path
        given = ReadOptions("folder", parts=parts, **options)
        items.append((Path(path), Path(named).relative_to(root).as_posix(), given))
    for (_, name, _), result in zip(items, reader.read_many(items), strict=True):
        found[name] = result
    return found


def read_one(path: Path, **options: Any) -> RunData:
    """The run of a folder, given its meta.yaml, or of a database."""
    root = path.parent.parent if path.name == "meta.yaml" else path.parent
    name = path.name if path.suffix == ".db" else path.parent.name
    [run] = read_all(root, **options)[name].runs
    return run
