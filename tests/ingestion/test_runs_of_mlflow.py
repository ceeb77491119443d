"""Runs of MLflow that are there more than once: in copies, in databases, in the trash."""

from __future__ import annotations

import shutil
from pathlib import Path

import attrs
import pytest

from dr_gen.ingestion import ingest, load
from dr_gen.model.group import RunGroup
from tests.readers.mlflow_stores import UUID, Stored, points, write_database, write_folder

SHORT = Stored(metrics={"loss": points(3.0, 2.0)}, status="RUNNING", end="null")
LONG = Stored(metrics={"loss": points(3.0, 2.0, 1.0)})
ANCHOR = f"0/{UUID(1)}/meta.yaml"


def both(source: Path, store: Path) -> list[RunGroup]:
    """What a folder holds, loaded and ingested."""
    return [load(source, cache=False), ingest(source, store)]


def told(group: RunGroup, code: str) -> list[str]:
    """The paths of the findings with a code."""
    return [str(finding.path) for finding in group.findings if finding.code == code]


@pytest.mark.parametrize("longer", ["a", "b"])
def test_of_two_states_of_a_run_the_longer_counts(tmp_path: Path, longer: str) -> None:
    """One copied while it ran is left out, wherever it lies, and a warning says so."""
    source = tmp_path / "logs"
    for name in ("a", "b"):
        write_folder(source / name, LONG if name == longer else SHORT)
    shorter = "b" if longer == "a" else "a"
    for group in both(source, tmp_path / "store"):
        assert group.ids == (f"{longer}/0/{UUID(1)}",)
        assert group[0].curve("train/loss").values.tolist() == [3.0, 2.0, 1.0]
        assert told(group, "other-copy") == [str(source / shorter / ANCHOR)]
        assert told(group, "same-run") == []


def test_a_copy_that_lacks_nothing_is_said_to_be_one(tmp_path: Path) -> None:
    """Of a run and a backup of it the one that is not hidden is read, and nothing is lost."""
    source = tmp_path / "logs"
    write_folder(source / "mlruns", LONG)
    shutil.copytree(source / "mlruns", source / ".backup" / "mlruns")
    for group in both(source, tmp_path / "store"):
        assert group.ids == (f"mlruns/0/{UUID(1)}",)
        assert told(group, "copied-run") == [str(source / ".backup" / "mlruns" / ANCHOR)]
        assert told(group, "other-copy") == []


def test_copies_of_runs_without_metrics_are_no_second_runs(tmp_path: Path) -> None:
    """A run that logged nothing, copied with its params, is one run, and its params none."""
    source = tmp_path / "logs"
    write_folder(source / "a", Stored(params={"lr": "0.1", "log": "a: 1"}, status="FAILED"))
    shutil.copytree(source / "a", source / "b")
    for group in both(source, tmp_path / "store"):
        assert group.ids == (f"a/0/{UUID(1)}",)
        assert told(group, "copied-run") == [str(source / "b" / ANCHOR)]


def test_a_run_that_was_moved_to_a_database_is_read_there(tmp_path: Path) -> None:
    """The folder that it was in before is a copy; a run that only the folder has stays."""
    source, store = tmp_path / "logs", tmp_path / "store"
    write_folder(source / "mlruns", LONG)
    write_folder(source / "mlruns", attrs.evolve(LONG, uuid=UUID(2)))
    assert ingest(source, store).ids == (f"mlruns/0/{UUID(1)}", f"mlruns/0/{UUID(2)}")
    write_database(source / "mlflow.db", LONG, attrs.evolve(LONG, uuid=UUID(3)))
    expected = {f"mlflow.db/0/{UUID(n)}" for n in (1, 3)} | {f"mlruns/0/{UUID(2)}"}
    for group in both(source, store):
        assert set(group.ids) == expected
        assert told(group, "copied-run") == [str(source / "mlruns" / ANCHOR)]
    (source / "mlflow.db").unlink()
    assert f"mlruns/0/{UUID(1)}" in ingest(source, store).ids


@pytest.mark.parametrize("damage", ["deleted", "cut", "not a database"])
def test_a_folder_counts_where_the_database_cannot_replace_it(tmp_path: Path, damage: str) -> None:
    """Where the run was deleted from the database, or that is damaged, the folder is read."""
    source = tmp_path / "logs"
    write_folder(source / "mlruns", LONG)
    stage = "deleted" if damage == "deleted" else "active"
    path = write_database(source / "mlflow.db", attrs.evolve(LONG, stage=stage))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-4096])
    elif damage == "not a database":
        path.write_bytes(path.read_bytes()[:100] + bytes(5000))
    assert f"mlruns/0/{UUID(1)}" in load(source, cache=False).ids


def test_a_run_in_two_databases_is_told(tmp_path: Path) -> None:
    """Databases are copied as a whole: both runs are kept, and a warning names them."""
    source = tmp_path / "logs"
    for name in ("a.db", "b.db"):
        source.mkdir(exist_ok=True)
        write_database(source / name, LONG)
    for group in both(source, tmp_path / "store"):
        [finding] = [one for one in group.findings if one.code == "same-run"]
        assert (finding.run, group.ids) == ("b.db", ("a.db", "b.db"))
        assert "'a.db'" in finding.message
