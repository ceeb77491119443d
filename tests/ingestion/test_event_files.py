"""Event files as they are searched for, remembered, and followed while they grow."""

from __future__ import annotations

import builtins
import io
import os
from pathlib import Path
from typing import Any

import pytest

from dr_gen.ingestion import ingest, load
from dr_gen.model.group import RunGroup
from tests.readers.event_files import HEADER, event, record, scalar, write

NAME = "events.out.tfevents.1700000000.host.1.0"
LATER = "events.out.tfevents.1700000500.host.1.0"


def losses(steps: range, wall: float = 1e9) -> list[bytes]:
    """A loss at some steps, one a second."""
    return [event(scalar("loss", float(s)), s, wall + s) for s in steps]


def append(path: Path, steps: range, wall: float = 1e9) -> int:
    """Let a file grow; how many bytes it got."""
    more = b"".join(map(record, losses(steps, wall)))
    with path.open("ab") as file:
        file.write(more)
    return len(more)


def content(group: RunGroup) -> dict[str, Any]:
    """Steps, times, values and findings of every run."""
    return {
        run.id: (
            {
                (curve.split, curve.metric, x): (at.xs.tolist(), at.values.tolist())
                for curve in run.curves()
                for x, at in run[curve.split][curve.metric].items()
            },
            [(finding.code, finding.message) for finding in run.findings],
        )
        for run in group
    }


@pytest.fixture
def n_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the bytes that are read of event files, however they are read."""
    counts: list[int] = []
    opened, read, pread = builtins.open, os.read, os.pread

    class Counted(io.FileIO):
        def readinto(self, buffer: Any) -> int | None:
            counts.append(super().readinto(buffer) or 0)
            return counts[-1]

        def read(self, size: int | None = -1) -> bytes | None:  # type: ignore[override]
            piece = super().read(-1 if size is None else size)
            counts.append(len(piece or b""))
            return piece

    def spied(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any) -> Any:
        if "tfevents" not in str(file) or mode != "rb":
            return opened(file, mode, buffering, *rest, **more)
        raw = Counted(file)
        return raw if buffering == 0 else io.BufferedReader(raw)

    def counted(piece: bytes) -> bytes:
        counts.append(len(piece))
        return piece

    monkeypatch.setattr(builtins, "open", spied)
    monkeypatch.setattr(os, "read", lambda *told: counted(read(*told)))
    monkeypatch.setattr(os, "pread", lambda *told: counted(pread(*told)))
    # What is young is read once more, to be sure of it.
    monkeypatch.setattr("dr_gen.ingestion.stamps._SETTLED_NS", -(10**18))
    return counts


LAYOUTS = {
    "resumed": (NAME, LATER),
    "resumed twice": (NAME, LATER.replace("0500", "0300"), LATER),
    "splits": (f"train/{NAME}", f"validation/{LATER}"),
}


@pytest.mark.parametrize("names", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_of_several_files_the_end_of_the_last_is_read(
    names: tuple[str, ...], n_read: list[int], tmp_path: Path
) -> None:
    """Of a run of several files of which the last grew, what was appended is read and no more."""
    source, store = tmp_path / "runs", tmp_path / "store"
    for place, name in enumerate(names):
        begun = 1e9 + 5000 * place
        write(source / "run" / name, losses(range(500 * place, 500 * place + 700), begun))
    group = ingest(source, store)
    assert len(group) == 1
    for start in (2000, 2050):
        appended = append(source / "run" / names[-1], range(start, start + 50), begun)
        n_read.clear()
        followed = ingest(source, store)
        assert appended <= sum(n_read) < appended + 200
        assert content(followed) == content(load(source, cache=False))


def test_a_part_that_grew_makes_all_be_read(n_read: list[int], tmp_path: Path) -> None:
    """Where another file than the last grew as well, the run is read as a whole."""
    source, store = tmp_path / "runs", tmp_path / "store"
    paths = [write(source / "run" / name, losses(range(9))) for name in (NAME, LATER)]
    ingest(source, store)
    for path in paths:
        append(path, range(9, 12))
    n_read.clear()
    followed = ingest(source, store)
    assert sum(n_read) >= sum(path.stat().st_size for path in paths)
    assert content(followed) == content(load(source, cache=False))


@pytest.mark.parametrize("size", [0, 5, 12, 20])
def test_a_stump_is_no_copy(size: int, tmp_path: Path) -> None:
    """A file too short to hold the time of its first event may be of any run: it is listed."""
    write(tmp_path / "a" / NAME, losses(range(3)))
    stump = write(tmp_path / "b" / NAME, [])
    stump.write_bytes(HEADER[:size])
    group = load(tmp_path, cache=False)
    assert group.ids == ("a", "b")
    assert not [finding for finding in group.findings if finding.code == "copied-run"]
    assert [str(run.status) for run in group] == ["completed", "incomplete"]


def test_a_beginning_is_a_copy(tmp_path: Path) -> None:
    """The first event holds when the run began, to the microsecond: it is the same run."""
    write(tmp_path / "a" / NAME, losses(range(3)))
    write(tmp_path / "b" / NAME, [])
    group = load(tmp_path, cache=False)
    assert group.ids == ("a",)
    [finding] = [finding for finding in group.findings if finding.code == "copied-run"]
    assert finding.path == str(tmp_path / "b" / NAME)


def test_two_tools_in_one_folder_are_told(tmp_path: Path) -> None:
    """Where two tools wrote into one folder both runs are kept, and one says so of the other."""
    folder = tmp_path / "version_0"
    write(folder / "events.out.tfevents.1000000000.host.1.0", losses(range(3)))
    (folder / "metrics.csv").write_text("epoch,step,train_loss\n0,0,0.5\n")
    (folder / "hparams.yaml").write_text("lr: 0.1\n")
    group = load(tmp_path, cache=False)
    assert len(group) == 2
    [finding] = [one for one in group.findings if one.code == "logged-twice"]
    assert "into the same folder" in finding.message
    chosen = load(tmp_path, format="lightning", cache=False)
    assert len(chosen) == 1
    assert not [one for one in chosen.findings if one.code == "logged-twice"]
