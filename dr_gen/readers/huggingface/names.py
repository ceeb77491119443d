"""What the Trainer of Hugging Face calls its files, and the folders of its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["RESULTS", "SETTINGS", "STATE", "STEPS", "checkpoint_number"]

STATE: Final = "trainer_state.json"
RESULTS: Final = (
    "all_results.json",
    "train_results.json",
    "eval_results.json",
    "test_results.json",
    "predict_results.json",
)
"""Files of results; the first has all of them."""

STEPS: Final = "trainer_log.jsonl"
"""What LLaMA-Factory writes at each step."""

SETTINGS: Final = (
    *("training_args.json", "training_args.yaml", "args.json", "args.yaml", "hparams.yaml"),
    *("adapter_config.json", "config.json"),
)
"""Files of settings; earlier ones win."""

_CHECKPOINT: Final = "checkpoint-"


def checkpoint_number(folder: Path) -> int | None:
    """The step in the name of a folder of a checkpoint.

    Examples
    --------
    >>> checkpoint_number(Path("out/checkpoint-500")), checkpoint_number(Path("out/best"))
    (500, None)
    """
    number = folder.name.removeprefix(_CHECKPOINT)
    is_one = folder.name.startswith(_CHECKPOINT) and number.isdecimal() and len(number) < 19
    return int(number) if is_one else None
