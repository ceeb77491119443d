"""Which files of Weights & Biases belong to one run, by their names alone.

::

    wandb/run-20230529_231014-q1b0a7un/run-q1b0a7un.wandb     everything that was logged
                                       files/config.yaml, files/wandb-summary.json,
                                       files/wandb-metadata.json, files/output.log
                                       logs/debug.log, logs/debug-internal.log
    wandb/latest-run -> run-20230529_231014-q1b0a7un

Folders of runs that were not synced begin with ``offline-run-``, before 0.10 with ``dryrun-``; then
there was no ``.wandb`` file and no folder ``files``, but ``wandb-history.jsonl``. Folders of one id
in one ``wandb`` folder are a run that was resumed.

What was printed, media, and copies of links are kept from other readers and not read, so that a
run that prints is gone on with. Where ``latest-run`` became a folder it is a copy, perhaps of
several runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from dr_gen.readers.contract import Claim
from dr_gen.readers.tree import Tree, natural_order
from dr_gen.readers.wandb.names import (
    CONFIG,
    HISTORY,
    HOME,
    INSIDE,
    METADATA,
    SUMMARY,
    homes_in,
    id_of,
    is_log,
)

__all__ = ["Session", "claims", "sessions"]

_LATEST: Final = "latest-run"
_OWN: Final = frozenset({CONFIG, HISTORY, METADATA, SUMMARY, "wandb-events.jsonl"})
# Not read, but nobody else is to take it for a log.
_TEXT: Final = "output.log"
_PREFERRED: Final = (HISTORY, SUMMARY, CONFIG)


@attrs.frozen
class Session:
    """The files of one process of a run.

    Attributes
    ----------
    folder : str
        Where they lie.
    log, history, config, summary, metadata : Path or None
        Those that are read.
    """

    folder: str
    log: Path | None = None
    history: Path | None = None
    config: Path | None = None
    summary: Path | None = None
    metadata: Path | None = None


def claims(tree: Tree) -> Iterator[Claim]:
    """The runs among some files, each with all that was written for it."""
    homes = [home for folder in homes_in(tree) for home in _Home.of(tree, folder) if home.anchor]
    # Without a time in its name a folder is no part of a series.
    series: dict[tuple[str, str], list[_Home]] = {}
    others: list[_Home] = []
    for home in homes:
        known = series.setdefault(home.run_in, []) if home.started and home.run else None
        if known is None or any(home.started == other.started for other in known):
            others.append(home)  # no other process, but perhaps a copy under another name
        else:
            known.append(home)
    for home in others:
        if home.is_latest and home.run_in in series:
            series[home.run_in].append(home)  # a link that became a copy
        else:
            yield _claim([home])
    latest = dict(sorted(series, key=lambda key: max(home.started for home in series[key])))
    for (folder, run), together in series.items():
        claim = _claim(together)
        if latest[folder] == run:
            links = _copied_links(tree, folder, claim)
            claim = attrs.evolve(claim, kept=(*claim.kept, *links))
        yield claim


def _copied_links(tree: Tree, folder: str, claim: Claim) -> list[str]:
    """What lies in a ``wandb`` folder where links to what is in the folder of a run became files.

    That of the run itself is then a text that holds its name.
    """
    # Without what it is a copy of it may be a link that leads nowhere.
    said = {os.path.basename(part) for part in claim.kept if _is_debug(os.path.basename(part))}
    names = sorted({*said, _LATEST}.intersection(tree.folders.get(folder, ())))
    return [os.path.join(folder, name) for name in names]


def _claim(homes: Sequence[_Home]) -> Claim:
    homes = sorted(homes, key=lambda home: (home.started, natural_order(home.folder)))
    last = ([home for home in homes if home.logs] or homes)[-1]
    used = [home for home in homes if home is last or not home.is_latest]
    parts = [path for home in used for path in home.read if path != last.anchor]
    files = dict.fromkeys(path for home in homes for path in home.files)
    kept = files.keys() - {last.anchor, *parts}
    bare = last.logs and not last.started and (last.among or not last.is_latest)
    named = "" if bare else last.folder
    return Claim(
        last.anchor,
        tuple(parts),
        named,
        _identity(last.run),
        telling=0,
        kept=tuple(path for path in files if path in kept),
    )


def _identity(run: str) -> str:
    return f"wandb:{run}" if run else ""


@attrs.frozen
class _Home:
    """A folder with what was written for one run.

    Attributes
    ----------
    folder : str
    run : str
        Its id; empty: unknown.
    started : str
        The time in its name; empty: it is not called as such folders are.
    logs : tuple of str
        Its ``.wandb`` files.
    files : tuple of str
        All files that belong to the run, also the logs.
    anchor : str
        The one that stands for all; empty: there is none.
    among : bool
        Whether logs of other runs lie there too.
    """

    folder: str
    run: str
    started: str
    logs: tuple[str, ...]
    files: tuple[str, ...]
    anchor: str
    among: bool = False

    @property
    def read(self) -> list[str]:
        """Those of its files that tell of the run."""
        if self.among:
            return list(self.logs)
        return [
            path for path in self.files if path in self.logs or os.path.basename(path) in _KINDS
        ]

    @property
    def is_latest(self) -> bool:
        """Whether it is called as the link to the folder of the latest run."""
        return os.path.basename(self.folder) == _LATEST

    @property
    def run_in(self) -> tuple[str, str]:
        """The ``wandb`` folder, and the run there."""
        return os.path.dirname(self.folder), self.run

    @classmethod
    def of(cls, tree: Tree, folder: str) -> list[_Home]:
        """What lies in a folder of the tree, for each run that has its log there."""
        name = os.path.basename(folder)
        named = HOME.fullmatch(name)
        names = tree.folders.get(folder, ())
        logs = tuple(os.path.join(folder, name) for name in names if is_log(name))
        is_run = named is not None or name == _LATEST
        files = [os.path.join(folder, name) for name in names if _is_part(name, names, is_run)]
        for inner in INSIDE:
            top = os.path.join(folder, inner)
            files += [path for path in tree.below(top) if _belongs(path, top, inner)]
        if len(logs) > 1:
            # Moved together; what else lies there belongs to none of them alone.
            return [cls._among(folder, log, files) for log in logs]
        by_name = {os.path.basename(path): path for path in reversed(files)}
        others = (by_name[kind] for kind in _PREFERRED if kind in by_name)
        anchor = next(iter((*logs, *others)), "")
        run = id_of(logs[0]) if logs else id_of(folder)
        return [cls(folder, run, named[1] if named else "", logs, tuple(files), anchor)]

    @classmethod
    def _among(cls, folder: str, log: str, files: Iterable[str]) -> _Home:
        """What lies there for one of several logs, with what may be of any of them."""
        rest = (path for path in files if not is_log(os.path.basename(path)))
        return cls(folder, id_of(log), "", (log,), (log, *rest), log, among=True)


def _is_debug(name: str) -> bool:
    return name.startswith("debug") and name.endswith(".log")


def _is_part(name: str, names: Sequence[str], is_run: bool) -> bool:
    """Whether a file in a folder is the tool's; in one of another name that is less sure."""
    if is_log(name.removesuffix(".synced")) or name in (HISTORY, SUMMARY, METADATA):
        return True
    if name in (CONFIG, "wandb-events.jsonl"):
        return is_run or SUMMARY in names or HISTORY in names
    return is_run and (name == _TEXT or _is_debug(name))


def _belongs(path: str, top: str, inner: str) -> bool:
    """Whether a file in one of the inner folders is the tool's; others may be logs themselves."""
    name = os.path.basename(path)
    if inner == "logs":
        return _is_debug(name)
    if os.path.dirname(path) == top:
        return name in _OWN or name == _TEXT
    return path.startswith(os.path.join(top, "media", "")) and name.endswith(".json")


# ------------------------------------------------------------------ to read them


def sessions(path: Path, parts: Iterable[Path]) -> list[Session]:
    """The processes of a run, the first one first.

    Parameters
    ----------
    path : Path
        The file that stands for the run.
    parts : iterable of Path
        The others.
    """
    found: dict[str, dict[str, Path]] = {}
    for file in (path, *parts):
        kind = _KINDS.get(file.name) or ("log" if is_log(file.name) or file == path else None)
        if kind is not None:
            found.setdefault(_home_of(file), {}).setdefault(kind, file)
    mine = _home_of(path)
    homes = [home for home in found if home == mine or os.path.basename(home) != _LATEST]
    homes.sort(key=lambda home: (_started(home), natural_order(home)))
    return [Session(home, **found[home]) for home in homes]


_KINDS: Final = {HISTORY: "history", CONFIG: "config", SUMMARY: "summary", METADATA: "metadata"}


def _home_of(file: Path) -> str:
    return str(file.parent.parent if file.parent.name == "files" else file.parent)


def _started(folder: str) -> str:
    found = HOME.fullmatch(os.path.basename(folder))
    return found[1] if found else ""
