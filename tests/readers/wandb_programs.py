"""Programs that log with Weights & Biases itself, offline, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["logged"]

_SETTINGS = "wandb.Settings(x_disable_stats=True, x_disable_meta=True, disable_git=True)"
_BEGIN = f"""
import math
import numpy as np
import wandb


def init(**options):
    return wandb.init(project="project", settings={_SETTINGS}, **options)


"""


def logged(folder: Path, program: str) -> int:
    """Run a program that logs below a folder, and tell its exit code."""
    pytest.importorskip("wandb")
    # Whatever the machine knows of an account, a proxy or a server is not for this.
    keep = ("PATH", "PYTHONPATH", "SYSTEMROOT", "TEMP", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    environ = {name: os.environ[name] for name in keep if name in os.environ}
    environ |= {
        **{"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_CONSOLE": "off"},
        **{"WANDB_DIR": str(folder), "HOME": str(folder), "WANDB_ERROR_REPORTING": "false"},
        **{f"WANDB_{name}_DIR": str(folder / "own") for name in ("CACHE", "CONFIG", "DATA")},
    }
    command = [sys.executable, "-c", _BEGIN + program]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, timeout=120)
    assert done.returncode == 0 or b"on purpose" in done.stderr, done.stderr.decode()[-3000:]
    return done.returncode
