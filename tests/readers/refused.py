"""Programs that run where the package of no tool is installed, or as if none were."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["SDKS", "refusing"]

SDKS: Final = (
    *("accelerate", "alembic", "comet_ml", "datasets", "fastai", "google", "hydra", "hydraflow"),
    *("keras", "lightning", "lightning_fabric", "mlflow", "omegaconf", "pytorch_lightning", "ray"),
    *("sqlalchemy", "stable_baselines3", "tbparse", "tensorboard", "tensorboardX", "tensorflow"),
    *("torch", "transformers", "ultralytics", "wandb"),
)
"""What writes logs, and what their own readers need."""


def refusing(program: str, *arguments: str, also: tuple[str, ...] = ()) -> str:
    """What a program prints in a process where none of `SDKS`, nor of `also`, can be imported."""
    # So that who only asks whether there is one is told that there is none.
    refusal = f"import sys\nsys.modules.update(dict.fromkeys({(*SDKS, *also)!r}))\n"
    command = [sys.executable, "-c", refusal + program, *arguments]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
