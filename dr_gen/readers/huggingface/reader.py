"""Reader of what the Trainer of Hugging Face writes into its output folder.

``trainer_state.json``, there and in each ``checkpoint-…``, holds the history so far: the states of
one folder are one source. A state whose history is the beginning of that of another is of the
same run; any other is a run of its own. Rows of the training have ``loss``, which is
``train/loss``, those of an evaluation ``eval_…``: ``eval/…``, by step and epoch. The closing row,
whose ``train_loss`` is the mean over the whole training, is ``metadata["summary"]``; times and
speeds are ``metadata["timings"]``, the rest of the state is ``metadata["trainer_state"]``.

``all_results.json`` and the results of ``train``, ``eval``, ``test`` and ``predict`` are
``metadata["results"]``; what they say of a split that the history lacks is one point at the end.
Where there are only results, they are a run of single points. ``trainer_log.jsonl``, which
LLaMA-Factory writes beside the state, adds the time, and rows that came after the last state.

Settings: those in the state, and the files ``training_args.json`` or ``.yaml``, ``args.json``,
``adapter_config.json`` (``adapter.…``) and ``config.json`` (``model.…`` where it describes one).
``training_args.bin`` is a pickle, and never opened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import Claim, Detection, OfTracker, ReadOptions, ReadResult
from dr_gen.readers.huggingface.names import (
    RESULTS,
    SETTINGS,
    STATE,
    STEPS,
    checkpoint_number,
)
from dr_gen.readers.lines import decoded_head
from dr_gen.readers.tree import Tree

__all__ = ["HuggingFaceReader"]

_PREFIXES: Final = ("train_", "eval_", "test_", "predict_")

_TELLING: Final = 256
"""Bytes of a state with numbers in it: what is equal so far in a folder of one name is a copy."""


class HuggingFaceReader(Stamping, OfTracker):
    """Reads the output folders of the Trainer of Hugging Face."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the format."""
        return "huggingface"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Nothing but what is claimed is read when the format is named."""
        return ()

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """Each output folder: its state or else that of the last checkpoint, with all others."""
        states: dict[str, list[str]] = {}
        for folder, names in tree.folders.items():
            if STATE in names:
                number = checkpoint_number(Path(folder))
                output = folder if number is None else os.path.dirname(folder)
                states.setdefault(output, []).append(folder)
            elif not states.get(folder) and any(name in names for name in RESULTS):
                states.setdefault(folder, [])
        for output, folders in states.items():
            yield _claim(tree, output, folders)

    def detect(self, path: Path, head: bytes) -> Detection:
        """By the name of the file and what is in it."""
        if path.name == STATE:
            return _detected_state(head)
        if path.name not in RESULTS:
            return Detection(0.0, f"not called {STATE} or like results")
        # Here, so that who has nothing of theirs does not wait for what reads it.
        from dr_gen.readers.huggingface.state import is_timing

        try:
            found = json.loads(decoded_head(path, head))
        except (ValueError, RecursionError):
            return Detection(0.0, "not JSON")
        names = list(found) if isinstance(found, dict) else []
        ours = [name for name in names if name.startswith(_PREFIXES)]
        if ours and any(map(is_timing, names)):
            return Detection(0.9, "results with the time that they took")
        return Detection(0.6 if ours and "epoch" in names else 0.0, "results by their names")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The runs of an output folder."""
        from dr_gen.readers.huggingface.files import Output

        return Output(path, run_id, options, self.clock().isoformat()).result()


def _claim(tree: Tree, output: str, folders: list[str]) -> Claim:
    """What belongs to one output folder, the file that stands for it first."""
    ordered = sorted(folders, key=lambda f: _rank(f, output), reverse=True)
    files = [os.path.join(folder, STATE) for folder in ordered]
    there = tree.folders.get(output, ())
    files += [os.path.join(output, name) for name in (*RESULTS, STEPS) if name in there]
    for folder in dict.fromkeys((output, *ordered[:1])):
        inside = tree.folders.get(folder, ())
        files += [os.path.join(folder, name) for name in SETTINGS if name in inside]
    # Results that were saved with a checkpoint as well are those of the output folder.
    kept = (
        os.path.join(folder, name)
        for folder in ordered
        for name in (*RESULTS, STEPS)
        if folder != output and name in tree.folders.get(folder, ())
    )
    return Claim(
        files[0],
        tuple(dict.fromkeys(files[1:])),
        named=output or os.curdir,
        identity=f"huggingface:{os.path.basename(output)}",
        telling=_TELLING,
        kept=tuple(kept),
    )


def _rank(folder: str, output: str) -> tuple[bool, int]:
    return folder == output, checkpoint_number(Path(folder)) or 0


def _detected_state(head: bytes) -> Detection:
    if b'"log_history"' in head:
        return Detection(0.99, "a state of the trainer with its history")
    if head.lstrip().startswith(b"{"):
        return Detection(0.7, "the beginning of an object, and the name")
    return Detection(0.3, "the name alone; no object is in it")
