"""What a type checker sees of runs that were loaded with classes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKED = Path(__file__).with_name("typed_runs.py")


def expected() -> dict[int, str]:
    """The message that each line with ``# error:`` asks for."""
    lines = CHECKED.read_text(encoding="utf-8").splitlines()
    found = {i: re.search(r"  # error: (.+)$", line) for i, line in enumerate(lines, start=1)}
    return {i: match[1] for i, match in found.items() if match}


def test_mypy_accepts_the_use_and_rejects_mistakes() -> None:
    """Under strict rules just the marked lines are errors, each for the reason it says."""
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--show-error-codes"]
    done = subprocess.run(
        [*command, "--hide-error-context", str(CHECKED)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    name = re.escape(CHECKED.relative_to(ROOT).as_posix())
    pattern = re.compile(rf"^{name}:(\d+): error: (.+)$", re.MULTILINE)
    found: dict[int, str] = {}
    for line, message in pattern.findall(done.stdout.replace("\\", "/")):
        found[int(line)] = f"{found.get(int(line), '')} {message}"
    wanted = expected()
    assert len(wanted) >= 8
    assert found.keys() == wanted.keys(), done.stdout + done.stderr
    for line, message in wanted.items():
        assert message in found[line]
    assert "error:" not in re.sub(pattern, "", done.stdout), done.stdout
