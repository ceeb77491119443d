"""Which event files are one run, by their names and those of their folders alone.

* All event files of a folder: a run that was resumed begins a new file.
* In folders called like a split, below a folder with event files or beside one called ``train``
  (``train`` and ``validation`` of Keras, ``eval`` of estimators): splits of the run above.
* In a folder called by the seconds since 1970, below a folder with event files: what
  ``add_hparams`` wrote.
* In a folder that the process of the run above may have written for ``add_scalars``: only what is
  in the files tells, so that they are read together at least.
* In ``.guild``: output of the run that is the folder above.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from dr_gen.readers.contract import Claim
from dr_gen.readers.settings import SIDECARS
from dr_gen.readers.splits import file_split
from dr_gen.readers.tensorboard.names import GUILD, WORD, is_event_name
from dr_gen.readers.tree import Tree, natural_order

__all__ = ["GUILD_FACTS", "Member", "arranged", "claims"]

GUILD_FACTS: Final = ("flags", "exit_status", "id", "label", "random_seed", "started", "stopped")
"""Files in ``.guild/attrs`` that are read."""

_EMPTY: Final = ".profile-empty"
_TIME_OF_FIRST: Final = 21
"""Where the time of the first event ends, in bytes. Two processes in containers may have their
number and host in common, and the second in which they began, but not this time."""
_SINCE_1970: Final = re.compile(r"\d{9,11}\.\d+")
_WRITER: Final = re.compile(
    r"tfevents\.(?P<time>\d+)\.(?P<host>.+?)(?:\.(?P<process>\d+)\.\d+)?(?:\.v2)?$"
)


@attrs.frozen
class Member:
    """A file of a run.

    Attributes
    ----------
    path : str
    split : str or None
        What its folder is called, when that is a split.
    role : {"own", "trial", "branch"}
        Written by the run itself, by ``add_hparams``, or maybe by ``add_scalars``.
    """

    path: str
    split: str | None = None
    role: str = "own"


def claims(tree: Tree) -> Iterator[Claim]:
    """The runs in a tree."""
    paths = [
        os.path.join(folder, name)
        for folder, names in tree.holding(WORD)
        for name in names
        if is_event_name(name)
    ]
    for home, members in arranged(paths).items():
        anchor = max(members, key=_age)
        parts = [member.path for member in members if member is not anchor]
        parts += _beside(tree, home, os.path.dirname(anchor.path))
        names = sorted(os.path.basename(m.path) for m in members if m.role == "own")
        # Guild draws the id that the folder of a run is called; a copy of one is called so too.
        drawn = [os.path.basename(home)] if tree.has(os.path.join(home, GUILD), "opref") else []
        identity = "/".join([*drawn, *names])
        telling = 0 if drawn else _TIME_OF_FIRST
        yield Claim(anchor.path, tuple(parts), home or os.curdir, identity, telling=telling)


def arranged(paths: Iterable[str], *, branches: bool = True) -> dict[str, list[Member]]:
    """The folder of each run to its files, in the order in which they were begun.

    Parameters
    ----------
    paths : iterable of str
        Event files.
    branches : bool
        Whether to put what may be of ``add_scalars`` to the run above.
    """
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(os.path.dirname(path), []).append(path)
    found = _Folders(folders)
    runs: dict[str, list[Member]] = {}
    for folder in sorted(folders, key=natural_order):
        home, split, role = found.place(folder, branches=branches)
        ordered = sorted(folders[folder], key=_name_order)
        runs.setdefault(home, []).extend(Member(path, split, role) for path in ordered)
    return runs


def _name_order(path: str) -> tuple[bool, list[tuple[int, float, str]]]:
    name = os.path.basename(path)
    return not name.endswith(_EMPTY), natural_order(name)


def _age(member: Member) -> tuple[bool, bool, list[tuple[int, float, str]], str]:
    """Sort key that puts the file last that grows."""
    return member.role == "own", *_name_order(member.path), member.path


def _beside(tree: Tree, home: str, folder: str) -> Iterator[str]:
    """Files with facts about a run that are not beside the file that stands for it."""
    attributes = os.path.join(home, GUILD, "attrs")
    for name in GUILD_FACTS:
        if tree.has(attributes, name):
            yield os.path.join(attributes, name)
    if folder != home:
        for name in SIDECARS:
            if tree.has(home, name):
                yield os.path.join(home, name)


class _Folders:
    """Folders with event files, and what they are to each other."""

    def __init__(self, folders: Mapping[str, Sequence[str]]) -> None:
        self._folders = folders
        self._begun: dict[str, dict[tuple[str, str], float]] = {}
        self._inside: dict[str, list[str]] = {}
        self._around: set[str] = set()
        for folder in folders:
            if os.path.basename(folder) != GUILD:
                self._inside.setdefault(os.path.dirname(folder), []).append(folder)
            self._around.update(_above(folder))
        self._splits = {
            parent: {folder: split for folder in inside if (split := _split(folder))}
            for parent, inside in self._inside.items()
        }

    def place(self, folder: str, *, branches: bool) -> tuple[str, str | None, str]:
        """The folder of the run that the files of a folder belong to, their split and role."""
        parent, name = os.path.split(folder)
        if name == GUILD:
            return parent, None, "own"
        if self._has_own(parent) and folder != parent:
            if _SINCE_1970.fullmatch(name):
                return parent, None, "trial"
            if name.startswith("eval_"):
                return parent, name, "own"
        if branches and (home := self._trunk(folder)) is not None:
            return home, None, "branch"
        split = self._splits.get(parent, {}).get(folder) if folder != parent else None
        if split is not None and self._is_split(parent):
            return parent, split, "own"
        # A run may be called a test; nobody calls one validation.
        return folder, None if split == "test" else split, "own"

    def _has_own(self, folder: str) -> bool:
        return folder in self._folders or os.path.join(folder, GUILD) in self._folders

    def _is_split(self, parent: str) -> bool:
        """Whether the folders below are the splits of one run."""
        splits, inside = self._splits[parent], self._inside[parent]
        several = len(splits) > 1 or len(inside) == 1
        return self._has_own(parent) or (several and "train" in splits.values())

    def _trunk(self, folder: str) -> str | None:
        """The folder of a run whose process may have written this one for ``add_scalars``."""
        if folder in self._around:
            return None
        for depth, above in enumerate(_above(folder), 1):
            if above in self._folders:
                if depth == 1 and "_" not in os.path.basename(folder):
                    return None  # PyTorch calls the folder tag_name, tensorboardX tag/name
                return above if self._is_branch(folder, above, depth) else None
        return None

    def _is_branch(self, folder: str, above: str, depth: int) -> bool:
        begun = self._writers(above)
        for writer, time in self._writers(folder).items():
            # Only a process has a number: without one, the depth has to tell.
            deep_enough = depth == 1 if writer[1] else depth > 1
            if not (deep_enough and time >= begun.get(writer, math.inf)):
                return False
        return True

    def _writers(self, folder: str) -> Mapping[tuple[str, str], float]:
        """Host and process of the writers of a folder, and when each began the first file."""
        if folder not in self._begun:
            begun = self._begun[folder] = {}
            for path in self._folders[folder]:
                match = _WRITER.search(os.path.basename(path))
                writer = (match["host"], match["process"] or "") if match else ("", path)
                time = float(match["time"]) if match else 0.0
                begun[writer] = min(time, begun.get(writer, math.inf))
        return self._begun[folder]


def _split(folder: str) -> str | None:
    return file_split(os.path.basename(folder))


def _above(folder: str) -> Iterator[str]:
    """The folders around a folder, from the inside."""
    while folder and (above := os.path.dirname(folder)) != folder:
        yield above
        folder = above
