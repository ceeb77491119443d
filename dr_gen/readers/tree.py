"""The files below a folder, and what the runs in them are called."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from dr_gen.artifacts import ARTIFACTS
from dr_gen.model.finding import Finding, Severity

__all__ = [
    "LOG_SUFFIXES",
    "TABLE_SUFFIXES",
    "TEXT_SUFFIXES",
    "Tree",
    "experiment_name",
    "folder_id",
    "is_usual_log",
    "natural_order",
    "run_id",
    "stem_of",
    "walk",
]

TEXT_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".log", ".txt", ".gz"})
"""Endings of logs that hold one record a line."""

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
"""Endings of tables."""

LOG_SUFFIXES = TEXT_SUFFIXES | TABLE_SUFFIXES
"""Endings that are no part of the name of a run."""

_SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules"})
_USUAL_NAMES = """all_results events history json_out log log_history logs metrics none output
    progress result results scalars stats summary train trainer_log trainer_state training
    training_log"""
_GENERIC_STEMS = frozenset(_USUAL_NAMES.split())
_NUMBERS = re.compile(r"([0-9]+(?:\.[0-9]+)?)")


def _frozen(folders: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {folder: tuple(sorted(folders[folder])) for folder in sorted(folders)}


@attrs.frozen
class Tree:
    """The files below a folder, as they are named; nothing is known but their names.

    Attributes
    ----------
    folders : mapping of str to tuple of str
        Each folder that holds files, and the names of these, both sorted. Of a folder that is
        given as ``.`` the key is empty.

    Examples
    --------
    >>> tree = Tree.of(["runs/a/meta.yaml", "runs/a/metrics/loss", "runs/b.txt"])
    >>> tree.folders["runs/a"], tree.has("runs/a/metrics", "loss")
    (('meta.yaml',), True)
    >>> [folder for folder, names in tree.holding(".yaml")]
    ['runs/a']
    >>> list(tree.below("runs/a"))
    ['runs/a/meta.yaml', 'runs/a/metrics/loss']
    """

    folders: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict, converter=_frozen)
    _order: tuple[str, ...] = attrs.field(init=False, repr=False, eq=False)
    _names: str = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_order", tuple(self.folders))
        # Most words that a reader looks for are in the name of no file: that is told at once.
        every = "\0".join(["\0".join(names) for names in self.folders.values()])
        object.__setattr__(self, "_names", every)

    @classmethod
    def of(cls, files: Iterable[str]) -> Tree:
        """The tree of the files at some paths."""
        folders: dict[str, list[str]] = {}
        last, names = None, list[str]()
        for path in files:
            # As `os.path.split` does, which takes longer than to list the file.
            cut = path.rfind(os.sep) + 1
            if path[:cut] != last:
                last = path[:cut]
                folder = last.rstrip(os.sep) or last
                names = folders.setdefault(folder, [])
            names.append(path[cut:])
        return cls(folders)

    def has(self, folder: str, name: str) -> bool:
        """Whether a folder holds a file of that name."""
        return name in self.folders.get(folder, ())

    def holding(self, part: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The folders with a file that has `part` in its name, and the names of all files there."""
        if part in self._names:
            for folder, names in self.folders.items():
                if any(part in name for name in names):
                    yield folder, names

    def below(self, folder: str) -> Iterator[str]:
        """The paths of all files in a folder and the folders in it, sorted by folder and name."""
        start = os.path.join(folder, "") if folder else ""
        if folder in self.folders and folder:
            yield from (os.path.join(folder, name) for name in self.folders[folder])
        # By number: to skip those before it one by one takes long where there are many.
        for place in range(bisect_left(self._order, start), len(self._order)):
            inner = self._order[place]
            if not inner.startswith(start):
                break
            yield from (os.path.join(inner, name) for name in self.folders[inner])


def natural_order(path: str | os.PathLike[str]) -> list[tuple[int, float, str]]:
    """Sort key that puts ``run_10`` after ``run_9`` and ``lr0.1`` after ``lr0.01``.

    Examples
    --------
    >>> sorted(["run_10", "run_9", "lr0.1-s0", "lr0.01-s1"], key=natural_order)
    ['lr0.01-s1', 'lr0.1-s0', 'run_9', 'run_10']
    """
    parts = _NUMBERS.split(os.fspath(path))
    # The text as well: "1" and "01" are one number but two names.
    return [(0, float(p), p) if i % 2 else (1, 0.0, p) for i, p in enumerate(parts)]


def experiment_name(root: Path) -> str:
    """Name of the folder given, or of the folder of the file given."""
    folder = root.parent if os.path.isfile(root) else root
    return folder.name or folder.resolve().name


def run_id(path: str | Path, root: str | Path) -> str:
    """Path below the root without its ending; of a file called like any other, its folder's.

    A folder ``artifacts`` is that of the run around it.

    Examples
    --------
    >>> run_id(Path("sweep/lr0.1/seed-3.jsonl"), Path("sweep"))
    'lr0.1/seed-3'
    >>> run_id(Path("sweep/lr0.1/metrics.json"), Path("sweep"))
    'lr0.1'
    >>> run_id(Path("sweep/lr0.1/artifacts/log.jsonl"), Path("sweep/lr0.1"))
    'lr0.1'
    """
    # On text, since this is asked of every file each time and paths are slow.
    top, whole = os.fspath(root), os.fspath(path)
    relative = os.path.basename(whole)
    if whole != top:
        relative = whole if top == os.curdir else whole[len(top.rstrip(os.sep)) + 1 :]
    folder, name = os.path.split(relative) if os.sep in relative else ("", relative)
    stem = stem_of(name)
    if stem.casefold() not in _GENERIC_STEMS:
        return os.path.join(folder, stem).replace(os.sep, "/") if folder else stem
    if os.path.basename(folder) == ARTIFACTS:
        folder = os.path.dirname(folder)
    return folder.replace(os.sep, "/") or experiment_name(Path(root)) or stem


def folder_id(path: str, root: str) -> str:
    """What a run is called that is a folder: its path below the root.

    Examples
    --------
    >>> folder_id("mlruns/0/4f1c", "mlruns"), folder_id("sweep/lr0.1", "sweep/lr0.1")
    ('0/4f1c', 'lr0.1')
    """
    relative = os.path.relpath(path or os.curdir, root or os.curdir)
    if relative == os.curdir or relative.startswith(os.pardir):
        return os.path.basename(os.path.abspath(path or os.curdir)) or "run"
    return relative.replace(os.sep, "/")


def is_usual_log(name: str) -> bool:
    """Whether a file is called as many a program calls its log, whatever the run is called.

    Examples
    --------
    >>> is_usual_log("metrics.jsonl"), is_usual_log("lr0.1-s0.jsonl"), is_usual_log("metrics")
    (True, False, False)
    """
    stem = stem_of(name)
    return stem != name and stem.casefold() in _GENERIC_STEMS


def stem_of(name: str) -> str:
    """The name of a file without the endings of logs.

    Examples
    --------
    >>> stem_of("val_log.jsonl.gz"), stem_of("lr0.1")
    ('val_log', 'lr0.1')
    """
    # Not by `os.path.splitext`, which takes several times as long; a name may begin with dots.
    while (cut := name.rfind(".")) > 0 and name[cut:] in LOG_SUFFIXES and name[:cut].strip("."):
        name = name[:cut]
    return name


def walk(root: str, noted: Mapping[str, set[str]] | None = None) -> tuple[list[str], list[Finding]]:
    """Files below a folder, in no order, and folders that cannot be listed.

    Links are followed, but nothing is taken twice: what a link points to counts under its own
    name when it lies in the tree as well.

    Parameters
    ----------
    root : str
    noted : mapping of str to set of str, optional
        Names that are looked for, to the folders that hold a file, folder or link called so, each
        with a slash at its end; filled in. Under the empty name are all folders that were listed.
    """
    # On text: a `Path` for each file takes longer than to list it. And not the methods of `Path`,
    # which raise for what is off limits: that becomes a finding.
    if not os.path.isdir(root):
        return [root], []
    found: list[str] = []
    findings: list[Finding] = []
    folders_seen: set[tuple[int, int]] = set()
    waiting, links = [root], list[str]()
    linked: list[str] = []
    while waiting:
        folder = waiting.pop()
        identity = _identity(folder)
        if identity is None or identity in folders_seen:
            continue
        folders_seen.add(identity)
        try:
            _list(folder, found, waiting, links, noted or {})
        except OSError as error:
            message = f"the folder cannot be listed: {error.strerror}"
            findings.append(Finding("unreadable-folder", message, Severity.ERROR, folder))
        if not waiting:
            # Only when all that is really here was seen can a link be known to lead elsewhere.
            waiting += [link for link in links if os.path.isdir(link)]
            linked += [link for link in links if not os.path.isdir(link)]
            links = []
    return [*found, *_once(linked, found)], findings


def _list(
    folder: str,
    files: list[str],
    folders: list[str],
    links: list[str],
    noted: Mapping[str, set[str]],
) -> None:
    """Add what a folder holds to the lists."""
    start = "" if folder == os.curdir else folder.rstrip(os.sep) + os.sep
    inner: list[str] = []
    linked: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name in noted:
                noted[name].add(start)
            if entry.is_file(follow_symlinks=False):
                files.append(start + name)  # first, since nearly all are
            elif entry.is_symlink():
                linked.append(start + name)
            elif not entry.is_dir():
                files.append(start + name)
            elif name not in _SKIPPED_FOLDERS:
                inner.append(start + name)
    # Of two links to one place the first counts: which that is must not depend on the disk.
    folders += sorted(inner)
    links += sorted(linked)
    if noted:
        noted[_LISTED].add(start)


_LISTED = ""
"""No file is called so."""


def _identity(path: str) -> tuple[int, int] | None:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _once(links: Sequence[str], files: Iterable[str]) -> list[str]:
    """Links to none of `files` nor to what another leads to; one that leads nowhere stays."""
    if not links:
        return []  # to look at each file would take longer than all the rest
    real = set(map(_identity, files))
    kept = []
    for path in links:
        identity = _identity(path)
        if identity is None or identity not in real:
            real.add(identity)
            kept.append(path)
    return kept
