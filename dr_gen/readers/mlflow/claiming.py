"""Which files of MLflow are one source, by their names alone.

::

    mlruns/0/meta.yaml                       the experiment
    mlruns/0/4f1c…/meta.yaml                 the run, and what stands for it
    mlruns/0/4f1c…/metrics/val/loss          a line for each value
    mlruns/0/4f1c…/params/lr                 the text of the value
    mlruns/0/4f1c…/tags/mlflow.runName
    mlruns/0/4f1c…/artifacts/…               not looked into, but for a configuration of Hydra
    mlflow.db, mlflow.db-wal                 a database, and what SQLite keeps beside it
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Final

from dr_gen.readers.contract import Claim
from dr_gen.readers.tree import Tree

__all__ = [
    "ARTIFACTS",
    "CONFIG",
    "META",
    "METRICS",
    "PARAMS",
    "TAGS",
    "database_claims",
    "folder_claims",
    "folder_of",
    "is_run_folder",
]

META: Final = "meta.yaml"
METRICS, PARAMS, TAGS, ARTIFACTS = "metrics", "params", "tags", "artifacts"
"""Folders in that of a run."""

CONFIG: Final = os.path.join(ARTIFACTS, ".hydra", "config.yaml")
"""The one file among the artifacts that is read."""

_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
_INSIDE: Final = frozenset({METRICS, PARAMS, TAGS, ARTIFACTS, "inputs", "outputs"})
_IN_RUN: Final = re.compile(rf"(?:^|[/\\])(?:{'|'.join(sorted(_INSIDE))})(?![^/\\])")
_NO_RUNS: Final = frozenset({"models", "traces", "datasets", "tags"})


def is_run_folder(folder: str) -> bool:
    """Whether a folder has the name of a run: 32 hexadecimal digits."""
    return _RUN_ID.fullmatch(os.path.basename(folder)) is not None


def folder_of(path: str) -> str | None:
    """The folder of the run that a file stands for, or None.

    That is a ``meta.yaml``, or where it is missing any file in a folder that has the name of a run.
    """
    folder, name = os.path.split(path)
    if name == META and os.path.basename(folder) not in _INSIDE:
        return folder
    while os.path.basename(folder):
        inner, folder = os.path.basename(folder), os.path.dirname(folder)
        if inner in _INSIDE and is_run_folder(folder):
            return folder
    return None


def folder_claims(tree: Tree) -> Iterator[Claim]:
    """A source for each folder of a run, deleted ones too.

    All files in it belong to it, artifacts too. Where it has no metrics, another log among its
    artifacts may be the one of the training: that is read then, and it is not.
    """
    with_meta = {folder for folder, names in tree.folders.items() if META in names}
    runs = {folder for folder in with_meta if _may_be_run(folder)}
    # An experiment holds folders of runs, and of nothing that is inside of one.
    runs -= {os.path.dirname(folder) for folder in runs if folder}
    runs = {folder for folder in runs if _owner(folder, runs) == folder}
    inside: dict[str, list[str]] = {folder: [] for folder in runs}
    for folder in tree.folders:
        owner = _owner(folder, runs)
        if owner is not None:
            inside.setdefault(owner, []).append(folder)
    for folder, within in inside.items():
        mine = _paths(tree, within)
        meta = os.path.join(folder, META)
        anchor = meta if folder in runs else _stand_in(folder, mine)
        if anchor is None:
            continue
        alone = not _has_metrics(tree, folder, within)
        if alone:
            artifacts = os.path.join(folder, ARTIFACTS, "")
            config = os.path.join(folder, CONFIG)
            mine = [path for path in mine if path == config or not path.startswith(artifacts)]
        above = os.path.dirname(folder)
        experiment = [os.path.join(above, META)] if above in with_meta and above != folder else []
        parts = (*(path for path in mine if path != anchor), *experiment)
        identity = os.path.basename(folder) if is_run_folder(folder) else ""
        named = folder or os.curdir
        # The id is drawn of 128 bits, and the folder is called by it wherever it is copied to.
        yield Claim(anchor, parts, named, identity, named if alone else "", certain=True)


def _may_be_run(folder: str) -> bool:
    above, name = os.path.split(folder)
    return name not in _INSIDE and not _NO_RUNS.intersection((name, os.path.basename(above)))


def _owner(folder: str, runs: set[str]) -> str | None:
    """The folder of the run that a folder is or lies in.

    The outermost counts: what lies in the artifacts of a run is no run.
    """
    for match in _IN_RUN.finditer(folder):
        above = folder[: match.start()]
        if above in runs or is_run_folder(above):
            return above
    return folder if folder in runs else None


def _paths(tree: Tree, folders: Iterable[str]) -> list[str]:
    found: list[str] = []
    for folder in folders:
        start = folder + os.sep if folder else ""
        found += [start + name for name in tree.folders[folder]]
    return found


def _has_metrics(tree: Tree, folder: str, within: Iterable[str]) -> bool:
    """Whether a run has metrics of the training, and not only of the machine."""
    # Here, so that who has no such folder does not wait for what names mean.
    from dr_gen.readers.naming import is_of_machine

    top = os.path.join(folder, METRICS)
    if top in tree.folders and not all(map(is_of_machine, tree.folders[top])):
        return True
    start = os.path.join(top, "")
    # Of a name all that a folder does not tell is what stands behind the last slash.
    return any(
        one.startswith(start) and not is_of_machine(f"{one[len(start) :]}/".replace(os.sep, "/"))
        for one in within
    )


def _stand_in(folder: str, files: list[str]) -> str | None:
    """What stands for a run without its meta.yaml: its first metric, or else param."""
    for kind in (METRICS, PARAMS):
        start = os.path.join(folder, kind, "")
        for path in files:
            if path.startswith(start):
                return path
    return None


def database_claims(tree: Tree) -> Iterator[Claim]:
    """Databases that have files beside them without which they are not whole."""
    beside: dict[str, list[str]] = {}
    for suffix in ("-wal", "-journal"):
        for folder, names in tree.holding(suffix):
            for name in names:
                if name.endswith(suffix) and name[: -len(suffix)] in names:
                    path = os.path.join(folder, name)
                    beside.setdefault(path[: -len(suffix)], []).append(path)
    for path, parts in beside.items():
        yield Claim(path, tuple(sorted(parts, reverse=True)))
