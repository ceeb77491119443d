"""What is asked for: paths that are given, looked at alone or in the list of their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dr_gen.errors import SourceNotFoundError
from dr_gen.ingestion.roots import roots_of

MANY = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Very many files, a folder and links that are called like them."""
    for number in range(MANY):
        (tmp_path / f"{number}.jsonl").touch()
    (tmp_path / "inner.jsonl").mkdir()
    (tmp_path / "inner.jsonl" / "a.jsonl").touch()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "inner.jsonl")
    (tmp_path / "file.jsonl").symlink_to(tmp_path / "0.jsonl")
    (tmp_path / "broken.jsonl").symlink_to(tmp_path / "nowhere")
    return tmp_path


@pytest.mark.parametrize("relative", [False, True])
def test_folders_among_very_many_files(
    folder: Path, relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is known for what it is, whatever it is called, and keeps its place."""
    monkeypatch.chdir(folder)
    start = "" if relative else f"{folder}{os.sep}"
    names = [*(f"{number}.jsonl" for number in range(MANY)), "file.jsonl", "broken.jsonl"]
    paths = [start + name for name in (*names, "link.jsonl", "inner.jsonl", "inner.jsonl/a.jsonl")]
    roots = roots_of(paths)
    assert roots.paths == tuple(paths)
    assert roots.folders == {f"{start}link.jsonl", f"{start}inner.jsonl"}
    alone = [roots_of(path) for path in paths]
    assert roots.folders == frozenset().union(*(one.folders for one in alone))


def test_one_that_is_not_there_among_very_many(folder: Path) -> None:
    """It is told as if it had been given alone."""
    paths = [str(folder / f"{number}.jsonl") for number in range(MANY)]
    with pytest.raises(SourceNotFoundError, match=r"none\.jsonl"):
        roots_of([*paths, str(folder / "none.jsonl")])
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        roots_of([f"{folder}/nowhere/{number}.jsonl" for number in range(MANY)])
