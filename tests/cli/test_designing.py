"""`dr-gen design`: what it prints and what it exits with."""

from __future__ import annotations

import itertools
import json
import os
import pty
import sys
from pathlib import Path

import pytest

from dr_gen.cli.main import main
from dr_gen.model.group import RunGroup
from dr_gen.readers.runlogger import RunLogger
from dr_gen.store.store import save


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A grid of two keys that lacks a cell, with a name of its own for each run."""
    folder = tmp_path / "logs"
    cells = itertools.product((0.1, 0.01), ("sgd", "adam"), range(2))
    for i, (lr, name, seed) in enumerate(cells):
        if (lr, name) != (0.01, "adam"):
            config = {"optim": {"lr": lr, "name": name}, "seed": seed, "nick": f"fox-{i}"}
            with RunLogger(folder / f"run{i}.jsonl", config) as log:
                log.metrics("val", {"acc1": 50 + seed}, epoch=0)
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_design_as_data(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """`design --json` is one document with the grid and the issues; errors exit with 1."""
    code, out, err = run(capsys, "design", logs, "--json")
    assert (code, err) == (1, "")
    found = json.loads(out)
    assert [issue["code"] for issue in found["issues"]] == ["differs-in-every-run", "missing-cells"]
    assert found["keys"] == ["optim.lr", "optim.name"]
    assert found["grids"][0]["missing"] == [{"optim.lr": 0.01, "optim.name": "adam"}]
    assert (found["n_configurations"], found["n_cells"], found["seeds"]) == (3, 4, [2, 2])


def test_design_as_text(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """A newcomer reads what was swept, what is wrong, and what to do; warnings exit with 0."""
    code, out, _ = run(capsys, "design", logs, "--by", "lr", "--by", "name")
    assert code == 0
    assert "6 runs, 3 configurations of lr, name; 2 seeds each" in out
    assert "A grid with gaps: 3 of 4 combinations" in out
    assert [line.split() for line in out.splitlines() if line.strip().startswith("0.0")] == [
        ["0.01", "0", "2"]
    ]
    assert "- missing-cells: 1 of 4 cells of lr × name have no run: lr=0.01 name=adam." in out
    assert "→ run them" in out
    assert out.endswith("\n1 warning\n")
    assert run(capsys, "design", logs)[0] == 1


def test_a_clean_sweep_says_so(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """Where nothing is wrong, that is said, and filters hold."""
    code, out, _ = run(capsys, "design", logs, "--where", "optim.name=sgd", "--by", "optim.lr")
    assert code == 0
    assert "A full grid of 2 cells" in out
    assert "nothing stands in the way" in out


def test_misuse_is_one_line(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """A key that no run has is answered with the nearest, and exits with 2."""
    code, out, err = run(capsys, "design", logs, "--by", "optim.lrr")
    assert (code, out) == (2, "")
    assert "'optim.lr'" in err
    assert err.count("\n") == 1


def test_text_fits_a_terminal(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of 60 columns no line is longer."""
    monkeypatch.setenv("COLUMNS", "60")
    shown = bytearray()

    def keep(fd: int) -> bytes:
        data = os.read(fd, 4096)
        shown.extend(data)
        return data

    pty.spawn([sys.executable, "-m", "dr_gen", "design", str(logs)], keep)
    lines = shown.decode().splitlines()
    printed = [line for line in lines if not line.startswith("dr-gen:")]
    assert any("missing-cells" in line for line in printed)
    assert max(len(line) for line in printed if "\x1b" not in line) <= 60


def test_no_runs_are_nothing_to_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A store without runs is not said to be fine."""
    save(RunGroup.from_runs([]), tmp_path / "store")
    code, out, err = run(capsys, "design", tmp_path / "store")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "there is nothing to check"
