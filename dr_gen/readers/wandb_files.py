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
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from dr_gen.readers.contract import Claim
from dr_gen.readers.tree import Tree, natural_order

__all__ = ["CONFIG", "HISTORY", "METADATA", "SUMMARY", "Session", "claims", "id_of", "sessions"]

CONFIG: Final = "config.yaml"
HISTORY: Final = "wandb-history.jsonl"
METADATA: Final = "wandb-metadata.json"
SUMMARY: Final = "wandb-summary.json"

_HOME: Final = re.compile(r"(?:offline-|dry)?run-(\d{8}_\d{6})-(.+)", re.DOTALL)
_LOG: Final = re.compile(r"run-(.+)\.wandb", re.DOTALL)
_LATEST: Final = "latest-run"
_INSIDE: Final = ("files", "logs")
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
    found = _HOME.fullmatch(name)
    return found[2] if found else ""


def claims(tree: Tree) -> Iterator[Claim]:
    """The runs among some files, each with all that was written for it."""
    homes = {folder: _Home.of(tree, folder) for folder in _homes(tree)}
    by_run: dict[tuple[str, str], list[_Home]] = {}
    for home in homes.values():
        logs = home.logs
        if len(logs) > 1:
            # Moved together; what else lies there belongs to none of them alone.
            yield from (_of_run(id_of(log), log, home.beside(log), "") for log in logs)
        elif home.anchor:
            run = id_of(logs[0]) if logs else id_of(home.folder)
            # Without a time in its name a folder is no part of a series.
            series = os.path.dirname(home.folder) if home.started and run else home.folder
            if any(home.started == other.started for other in by_run.get((series, run), ())):
                series = home.folder  # no other process, but a copy under another name
            by_run.setdefault((series, run), []).append(home)
    for (series, run), together in list(by_run.items()):
        if os.path.basename(series) == _LATEST:
            real = by_run.get((os.path.dirname(series), run))
            if real is not None and run:
                # A link that became a copy.
                real += together
                del by_run[series, run]
    latest = dict(sorted(by_run, key=lambda key: max(home.started for home in by_run[key])))
    for (series, run), together in by_run.items():
        claim = _claim(run, together)
        if latest[series] == run:
            links = _copied_links(tree, series, claim)
            claim = attrs.evolve(claim, parts=(*claim.parts, *links))
        yield claim


def _copied_links(tree: Tree, series: str, claim: Claim) -> list[str]:
    """What the tool said of itself, once more, where links to it became copies."""
    # Without what it is a copy of it may be a link that leads nowhere.
    said = {os.path.basename(part) for part in claim.parts if _is_debug(os.path.basename(part))}
    names = sorted(said.intersection(tree.folders.get(series, ())))
    links = (os.path.join(series, name) for name in names)
    return [link for link in links if link not in claim.parts]


def _claim(run: str, homes: Sequence[_Home]) -> Claim:
    homes = sorted(homes, key=lambda home: (home.started, natural_order(home.folder)))
    with_logs = [home for home in homes if home.logs] or homes
    last = with_logs[-1]
    files = [path for home in homes for path in home.files if path != last.anchor]
    bare = last.logs and not last.started and os.path.basename(last.folder) != _LATEST
    return _of_run(run, last.anchor, tuple(files), "" if bare else last.folder)


def _of_run(run: str, path: str, parts: tuple[str, ...], named: str) -> Claim:
    # The tool draws the id, so that even a damaged copy is known by it.
    return Claim(path, parts, named, f"wandb:{run}" if run else "", telling=0)


@attrs.frozen
class _Home:
    """A folder with what was written for one run.

    Attributes
    ----------
    folder : str
    started : str
        The time in its name; empty: it is not called as such folders are.
    logs : tuple of str
        Its ``.wandb`` files.
    files : tuple of str
        All files that belong to the run, also the logs.
    anchor : str
        The one that stands for all; empty: there is none.
    """

    folder: str
    started: str
    logs: tuple[str, ...]
    files: tuple[str, ...]
    anchor: str

    @classmethod
    def of(cls, tree: Tree, folder: str) -> _Home:
        """What lies in a folder of the tree."""
        name = os.path.basename(folder)
        named = _HOME.fullmatch(name)
        names = tree.folders.get(folder, ())
        logs = tuple(os.path.join(folder, name) for name in names if _is_log(name))
        is_run = named is not None or name == _LATEST
        files = [os.path.join(folder, name) for name in names if _is_part(name, names, is_run)]
        for inner in _INSIDE:
            top = os.path.join(folder, inner)
            files += [path for path in tree.below(top) if _belongs(path, top, inner)]
        by_name = {os.path.basename(path): path for path in reversed(files)}
        others = (by_name[kind] for kind in _PREFERRED if kind in by_name)
        anchor = next(iter((*logs, *others)), "")
        return cls(folder, named[1] if named else "", logs, tuple(files), anchor)

    def beside(self, log: str) -> tuple[str, ...]:
        """What belongs to one of several logs."""
        return tuple(path for path in self.files if path == f"{log}.synced")


def _homes(tree: Tree) -> Iterator[str]:
    """Folders in which something of a run lies, each once."""
    seen: set[str] = set()
    for folder, names in tree.folders.items():
        top, name = os.path.split(folder)
        if name in _INSIDE and _HOME.fullmatch(os.path.basename(top)):
            home = top
        elif any(map(_is_log, names)) or _HOME.fullmatch(name):
            home = folder
        elif HISTORY in names or SUMMARY in names:
            home = top if name == "files" else folder
        else:
            continue
        if home not in seen:
            seen.add(home)
            yield home


def _is_log(name: str) -> bool:
    return name.endswith(".wandb") and _LOG.fullmatch(name) is not None


def _is_debug(name: str) -> bool:
    return name.startswith("debug") and name.endswith(".log")


def _is_part(name: str, names: Sequence[str], is_run: bool) -> bool:
    """Whether a file in a folder is the tool's; in one of another name that is less sure."""
    if _is_log(name.removesuffix(".synced")) or name in (HISTORY, SUMMARY, METADATA):
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
        kind = _KINDS.get(file.name) or ("log" if _is_log(file.name) or file == path else None)
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
    found = _HOME.fullmatch(os.path.basename(folder))
    return found[1] if found else ""
