"""What the files and folders of Weights & Biases are called, and how a ``.wandb`` file begins."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from dr_gen.readers.tree import Tree

__all__ = [
    "CONFIG",
    "HEADER",
    "HISTORY",
    "HOME",
    "INSIDE",
    "METADATA",
    "SUMMARY",
    "homes_in",
    "id_of",
    "is_log",
]

HEADER: Final = b":W&B\xe1\xbe\x00"
"""The beginning of every ``.wandb`` file: a name, a number and the version of the format."""

CONFIG: Final = "config.yaml"
HISTORY: Final = "wandb-history.jsonl"
METADATA: Final = "wandb-metadata.json"
SUMMARY: Final = "wandb-summary.json"

HOME: Final = re.compile(r"(?:offline-|dry)?run-(\d{8}_\d{6})-(.+)", re.DOTALL)
"""The name of the folder of a run: when it began, and its id."""

INSIDE: Final = ("files", "logs")
"""Folders in that of a run."""

_LOG: Final = re.compile(r"run-(.+)\.wandb", re.DOTALL)


def id_of(path: str | os.PathLike[str]) -> str:
    """The id that the name of a ``.wandb`` file or of the folder of a run tells, or nothing.

    Examples
    --------
    >>> id_of("wandb/run-20230529_231014-q1b0a7un"), id_of("run-my-id.wandb"), id_of("files")
    ('q1b0a7un', 'my-id', '')
    """
    name = os.path.basename(path)
    if found := _LOG.fullmatch(name):
        return found[1]
    found = HOME.fullmatch(name)
    return found[2] if found else ""


def homes_in(tree: Tree) -> Iterator[str]:
    """The folders in which something of a run lies, each once."""
    seen: set[str] = set()
    logs = {folder for folder, names in tree.holding(".wandb") if any(map(is_log, names))}
    for folder, names in tree.folders.items():
        top, name = os.path.split(folder)
        if name in INSIDE and HOME.fullmatch(os.path.basename(top)):
            home = top
        elif folder in logs or HOME.fullmatch(name):
            home = folder
        elif HISTORY in names or SUMMARY in names:
            home = top if name == "files" else folder
        else:
            continue
        if home not in seen:
            seen.add(home)
            yield home


def is_log(name: str) -> bool:
    """Whether a file is called like a log."""
    return name.endswith(".wandb") and _LOG.fullmatch(name) is not None
