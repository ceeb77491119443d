"""``dr-gen cache``: what is kept of raw logs, and how to be rid of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dr_gen.cli.main import main
from dr_gen.ingestion import load
from dr_gen.readers.runlogger import RunLogger


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log that was loaded, in a cache of its own."""
    monkeypatch.setenv("DR_GEN_CACHE", str(tmp_path / "cache"))
    with RunLogger(tmp_path / "run.jsonl", {"seed": 1}) as logger:
        logger.metrics("val", {"acc1": 1.0}, epoch=0)
    load(tmp_path / "run.jsonl")
    return tmp_path / "run.jsonl"


def test_the_cache_is_listed(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what it was made of, for people and for programs."""
    assert main(["cache", "list"]) == 0
    assert str(log) in capsys.readouterr().out
    assert main(["cache", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["folder"] == str(log.parent / "cache")
    (entry,) = listed["entries"]
    assert (entry["sources"], entry["stale"]) == ([str(log)], False)
    assert entry["bytes"] > 0


def test_the_cache_is_cleared(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is still good stays unless all is to go."""
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "0 stores removed, 0.0 MB; 1 left\n"
    assert main(["cache", "clear", "--all", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["removed"]) == 1
    assert main(["cache", "clear", "--all"]) == 0
    assert "0 left" in capsys.readouterr().out
