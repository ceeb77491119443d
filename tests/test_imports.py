"""What a program waits for before its first log is read: it is told by what was imported."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dr_gen.ingestion import ingest
from dr_gen.readers import plugins

HEAVY = {"xarray", "scipy", "matplotlib", "polars", "pandas", "yaml", "sqlite3", "cattrs"}
OTHERS = {
    *("netCDF4", "csv", "html", "difflib", "multiprocessing", "subprocess", "concurrent.futures"),
    *("tempfile", "importlib.metadata", "email", "socket"),
}
LIGHT = {"reader", "names", "claiming"}
"""Modules of a format that tell its files without reading them."""

SINGLE = {"jsonlines.sniffing"}
OF_OURS = {"native"}
OF_NO_FORMAT = {"tables", "series"}
"""Packages of readers that several formats read with."""


def imported(code: str) -> set[str]:
    """What a program has imported at its end: our modules by their names within the package."""
    code = f"import sys, dr_gen\n{code}\nprint(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.removeprefix("dr_gen.") for name in done.stdout.split()}


def reading(names: Iterable[str]) -> set[str]:
    """The modules among `names` that read other people's files."""
    found = set()
    for name in names:
        first, _, rest = name.partition(".")
        package, _, module = rest.partition(".")
        if first == "readers" and module and package not in OF_OURS and module not in LIGHT:
            found.add(rest)
    return found - SINGLE


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder with two logs of ours."""
    folder = tmp_path / "runs"
    folder.mkdir()
    for seed in range(2):
        lines = [{"type": "dict_config", "value": {"seed": seed}}]
        for epoch in range(3):
            stats = {"loss": 1 / (epoch + 1)}
            lines.append({"data_name": "val", "agg_stats": stats, "epoch": epoch})
        text = "\n".join(map(json.dumps, lines))
        (folder / f"{seed}.jsonl").write_text(f"{text}\n")
    return folder


def load(path: Path, n: int, **options: object) -> str:
    """The source of a program that loads runs and counts them."""
    return f"assert len(dr_gen.load({str(path)!r}, **{options!r})) == {n}"


def test_logs_of_ours_import_no_other_reader(logs: Path) -> None:
    """Who has native logs waits for nothing that reads others, keeps a cache or shares work."""
    names = imported(load(logs, 2, cache=False))
    assert "readers.native.reader" in names
    assert reading(names) == set()
    assert names & (HEAVY | OTHERS) == set()
    assert {"ingestion.cache", "ingestion.handing_over", "store.shards"} & names == set()


def test_json_lines_import_what_reads_json_lines(tmp_path: Path) -> None:
    """Who has rows of a loop waits for their reader, and for that of no other format."""
    (tmp_path / "a.jsonl").write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 1.5}\n')
    names = imported(load(tmp_path, 1, cache=False))
    assert {name.partition(".")[0] for name in reading(names)} == {"jsonlines"}
    assert names & (HEAVY | OTHERS) == set()


def test_a_store_is_opened_without_readers(logs: Path, tmp_path: Path) -> None:
    """A store is opened by no reader, and without what plans, reads, selects and groups."""
    store = tmp_path / "store"
    ingest(logs, store)
    opened = f"assert len(dr_gen.open_store({str(store)!r})) == 2"
    for code in (opened, load(store, 2)):
        names = imported(code)
        assert "store.shards" in names
        assert [name for name in names if name.startswith("readers")] == []
        assert {"ingestion.planning", "ingestion.reading", "model.grammar"} & names == set()
        assert names & (HEAVY | {"importlib.metadata", "multiprocessing", "html"}) == set()


@pytest.mark.parametrize(
    ("name", "content", "format", "module"),
    [
        ("a.csv", "epoch,loss\n0,1.5\n1,1.25\n2,1.0\n", "csv", "source"),
        ("history.json", '{"loss": [3, 2, 1], "val_loss": [4, 3, 2]}', "json_history", "source"),
        ("trainer_state.json", '{"log_history": [{"step": 1, "loss": 2}]}', "huggingface", "files"),
    ],
)
def test_a_reader_comes_with_its_files(
    name: str, content: str, format: str, module: str, tmp_path: Path
) -> None:
    """Where there is something for a format to read, what reads it is imported, and no other."""
    (tmp_path / name).write_text(content)
    names = reading(imported(load(tmp_path, 1, cache=False)))
    assert f"{format}.{module}" in names
    others = {found.partition(".")[0] for found in names} - OF_NO_FORMAT - {format}
    assert others <= {"wandb_export"}  # which is asked about the header of every table


def test_declared_formats_are_those_of_the_metadata(tmp_path: Path) -> None:
    """A package that declares a format is found in any folder that Python looks into."""
    folder = tmp_path / "outside-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[dr_gen.readers]\noutside = outside:Reader\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        [found] = plugins.declared("dr_gen.readers")
        assert (found.name, found.value) == ("outside", "outside:Reader")
    assert list(plugins.declared("dr_gen.readers")) == list(entry_points(group="dr_gen.readers"))
    assert list(plugins.declared("console_scripts")) == list(entry_points(group="console_scripts"))


def test_finders_of_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where packages may be found in another way than in folders, the metadata are asked."""

    class Finder:
        @staticmethod
        def find_spec(*_: object) -> None:
            return None

        @staticmethod
        def find_distributions(*_: object) -> list[object]:
            asked.append(1)
            return []

    asked: list[int] = []
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert list(plugins.declared("no.such.group")) == []
    assert asked
