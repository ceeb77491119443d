"""What `load` keeps in the user's cache folder, and when it does without."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from dr_gen.errors import DrGenError, UnknownFormatError
from dr_gen.ingestion import cache, load
from dr_gen.model.finding import Finding
from dr_gen.model.run import RunData
from dr_gen.readers.native.reader import NativeReader
from dr_gen.readers.runlogger import RunLogger
from dr_gen.store.store import open_store
from dr_gen.store.writing import writing


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder of two logs."""
    (tmp_path / "logs").mkdir()
    for seed in range(2):
        with RunLogger(tmp_path / "logs" / f"{seed}.jsonl", {"seed": seed}) as log:
            log.metrics("val", {"acc1": 1.0}, epoch=0)
    return tmp_path / "logs"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the native logs that are read."""
    names: list[str] = []
    reader = NativeReader.read_many

    def spied(self: NativeReader, items: Any) -> Any:
        names.extend(path.name for path, _, _ in items)
        return reader(self, items)

    monkeypatch.setattr(NativeReader, "read_many", spied)
    return names


def test_the_second_load_reads_nothing(place: Path, logs: Path, read: list[str]) -> None:
    """It equals the first, and a load without cache."""
    first = load(logs)
    assert sorted(read) == ["0.jsonl", "1.jsonl"]
    second = load(logs)
    assert len(read) == 2
    assert first == second == load(logs, cache=False)


def test_it_says_where_it_keeps_what(
    place: Path, logs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line of log, with the folder and how much was read."""
    with caplog.at_level(logging.INFO, "dr_gen"):
        load(logs)
        load(logs)
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("2 of 2 files read")
    assert second.startswith("0 of 2 files read")
    assert str(place) in first


def test_without_cache_nothing_is_left(place: Path, logs: Path) -> None:
    """Neither with cache=False nor with validators of the caller's own, nor after an error."""

    def none(run: RunData) -> list[Finding]:
        return []

    load(logs, cache=False)
    load(logs, validators=[none])
    with pytest.raises(DrGenError):
        load(logs / "nowhere")
    (logs / "empty").mkdir()
    with pytest.raises(DrGenError):
        load(logs / "empty")
    assert not place.exists()


def test_each_way_to_load_has_its_own(
    place: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options and the spelling of the path stand in the runs, so they stand in the key."""
    monkeypatch.chdir(logs.parent)
    assert load("logs")[0].source == os.path.join("logs", "0.jsonl")
    assert load(logs)[0].source == str(logs / "0.jsonl")
    assert [f.code for f in load(logs, expected_epochs=9)[0].findings] == ["short-run"]
    assert load(logs)[0].findings == ()
    assert len(cache.entries()) == 3


@pytest.mark.parametrize("kind", ["file", "below a file"])
def test_a_cache_that_cannot_be_written_is_done_without(
    place: Path, logs: Path, kind: str, caplog: pytest.LogCaptureFixture, monkeypatch
) -> None:
    """One warning, and the runs all the same."""
    place.write_text("mine")
    if kind == "below a file":
        monkeypatch.setenv(cache.VARIABLE, str(place / "below"))
    assert load(logs).ids == ("0", "1")
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "without the cache" in record.getMessage()
    assert place.read_text() == "mine"


@pytest.mark.parametrize("what", ["catalogue.json", "shards"])
def test_a_damaged_cache_is_made_anew(place: Path, logs: Path, what: str, read: list[str]) -> None:
    """Whatever happened to it, the runs are those of the logs, and next time it works again."""
    whole = load(logs)
    (found,) = place.glob(f"*/store/{what}")
    for file in [found] if found.is_file() else found.iterdir():
        file.write_bytes(b"x" * file.stat().st_size)
    assert load(logs) == whole
    assert load(logs) == whole
    read.clear()
    assert load(logs) == whole
    assert read == []


def test_a_shard_that_somebody_removed_is_made_anew(
    place: Path, logs: Path, read: list[str]
) -> None:
    """As any other damage."""
    whole = load(logs)
    for shard in place.glob("*/store/shards/*"):
        shard.unlink()
    assert load(logs) == whole
    assert load(logs) == whole
    read.clear()
    assert load(logs) == whole
    assert read == []


def test_a_busy_cache_is_done_without(
    place: Path, logs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another process that fills it is not waited for long, and not disturbed."""
    monkeypatch.setattr(cache, "_PATIENCE", 0.05)
    load(logs)
    (store,) = place.glob("*/store")
    (logs / "0.jsonl").unlink()
    with writing(store):
        assert load(logs).ids == ("1",)
    assert "is being written by process" in caplog.text
    assert open_store(store).ids == ("0", "1")
    assert load(logs).ids == ("1",)
    assert open_store(store).ids == ("1",)


def test_a_folder_that_lost_its_logs_is_said(place: Path, logs: Path) -> None:
    """The same error as without a cache."""
    load(logs)
    for file in logs.iterdir():
        file.unlink()
    with pytest.raises(UnknownFormatError):
        load(logs)


def test_the_cache_lists_and_clears(place: Path, logs: Path, tmp_path: Path) -> None:
    """What nobody will ask for again goes; all goes when asked."""
    assert cache.entries() == []
    load(logs)
    load(logs / "0.jsonl")
    (logs / "0.jsonl").unlink()
    assert {(e.sources, e.stale) for e in cache.entries()} == {
        ((str(logs),), False),
        ((str(logs / "0.jsonl"),), True),
    }
    assert all(entry.size > 1000 for entry in cache.entries())
    assert [entry.sources for entry in cache.clear()] == [(str(logs / "0.jsonl"),)]
    (kept,) = cache.entries()
    about = kept.path / "about.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "version": "0.0.1"}))
    assert cache.entries()[0].stale
    load(logs)
    assert len(cache.clear(everything=True)) == 1
    assert list(place.iterdir()) == []
    (place / "other").mkdir()
    (place / "other" / "about.json").write_text("{}")
    cache.clear(everything=True)
    assert (place / "other").exists()


def test_folder_without_a_run_is_kept_as_one(
    place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A log without a readable line is no run, and its store opens the next time."""
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "empty.jsonl").write_bytes(b"")
    first = load(tmp_path / "junk")
    assert len(first) == 0
    assert [finding.code for finding in first.findings] == ["empty-file"]
    assert load(tmp_path / "junk") == first == load(tmp_path / "junk", cache=False)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
