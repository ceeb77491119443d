"""Where the runs are: the folders of runs below a folder, by experiment.

Two kinds of tree are known. MLflow's has ``<experiment>/meta.yaml`` with the experiment's name and
``<experiment>/<run>/`` with ``meta.yaml`` and ``artifacts``. In any other tree a folder is a run's
when it holds what a run leaves behind (a log, settings, ``.hydra``, ``artifacts``), and belongs to
the experiment that the first folder below the root is called after.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import attrs

from dr_gen.errors import SourceNotFoundError, UnknownKeyError, UsageError
from dr_gen.readers.settings import SIDECARS
from dr_gen.readers.tree import experiment_name, is_usual_log, natural_order

__all__ = [
    "Names",
    "RunDir",
    "experiment_names",
    "experiment_of",
    "find_run_dirs",
    "iter_run_dirs",
    "local_path",
]

Names = str | Iterable[str] | Callable[[str], bool] | None
"""Experiments by name, by glob, by several of these, or by a predicate; all of them when None."""

_Chosen = tuple[str, ...] | Callable[[str], bool] | None

_META: Final = "meta.yaml"
_DELETED: Final = re.compile(rb"^lifecycle_stage: *[\"']?deleted\b", re.MULTILINE)
_OF_A_RUN: Final = re.compile(rb"^run_(?:uu)?id:", re.MULTILINE)
_GLOB: Final = re.compile(r"[*?\[]")
_NO_RUNS: Final = re.compile(r"\..*|__pycache__|node_modules", re.DOTALL)
_LEFT_BEHIND: Final = re.compile(r"\.hydra|artifacts|checkpoint-\d+")
_WANDB: Final = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-\w+")
_SETTINGS: Final = frozenset(name for name in SIDECARS if "/" not in name)
_TABLES: Final = frozenset(
    {"metrics.csv", "progress.csv", "results.csv", "log.csv", "training.csv"}
)


@attrs.frozen
class RunDir:
    """A folder of a run.

    Attributes
    ----------
    path : Path
    experiment : str
    """

    path: Path
    experiment: str


def iter_run_dirs(root: str | os.PathLike[str], names: Names = None) -> Iterator[Path]:
    """The folders of runs below a folder, in natural order of experiments and runs.

    Parameters
    ----------
    root : path
        A tracking folder of MLflow (``mlruns``), one experiment of it, or any tree of runs; a
        ``file:`` URI as well.
    names : str, iterable of str or callable, optional
        Which experiments: a name, a glob such as ``training_*``, several of these (any of them
        fits), or a predicate of the name. By default all. Deleted ones (``.trash``, and those
        that MLflow marks so) are never among them.

    Yields
    ------
    Path

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    UnknownKeyError
        If a name that is no glob is that of no experiment.
    UsageError
        If `names` is none of these.

    Examples
    --------
    >>> import tempfile
    >>> root = tempfile.TemporaryDirectory()
    >>> for name in ("lr_2/run_10", "lr_2/run_9", "wd/run_1"):
    ...     Path(root.name, name, "artifacts").mkdir(parents=True)
    >>> [str(path.relative_to(root.name)) for path in iter_run_dirs(root.name, "lr_*")]
    ['lr_2/run_9', 'lr_2/run_10']
    >>> root.cleanup()
    """
    # Not a generator itself: a misspelt name is an error here, not where it is first used.
    return iter([found.path for found in find_run_dirs(root, names)])


def experiment_names(root: str | os.PathLike[str]) -> list[str]:
    """Names of the experiments below a folder that have a run, in natural order.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    """
    return list(dict.fromkeys(found.experiment for found in find_run_dirs(root)))


def find_run_dirs(root: str | os.PathLike[str], names: Names = None) -> list[RunDir]:
    """As `iter_run_dirs`, with the experiment of each."""
    folder = local_path(root)
    if not folder.is_dir():
        raise SourceNotFoundError(str(root))
    chosen = names if names is None or callable(names) else _patterns(names)
    wanted = _predicate(chosen)
    runs, empty = _below(folder)
    found = sorted(runs, key=lambda run: natural_order(run.experiment))
    _require(chosen, [*(run.experiment for run in found), *empty])
    return [run for run in found if wanted(run.experiment)]


def experiment_of(folder: Path) -> str | None:
    """The experiment whose folder this is, or that of the run whose folder it is; None otherwise.

    They are known by what trackers leave: ``artifacts``, ``.hydra``, the ``meta.yaml`` of MLflow.
    """
    run = _Folder.of(folder, folder)
    if run.experiment is not None or not run.is_tracked:
        return run.experiment
    above = folder.absolute().parent
    return _Folder.of(above, above).experiment or experiment_name(above)


def local_path(path: str | os.PathLike[str]) -> Path:
    """A path, or the path that a ``file:`` URI means.

    Examples
    --------
    >>> [local_path(uri).as_posix() for uri in ("/a/b", "file:///a/b%20c", "file:C:/a", "mlruns")]
    ['/a/b', '/a/b c', 'C:/a', 'mlruns']
    """
    text = os.fspath(path)
    if not isinstance(text, str) or not text.casefold().startswith("file:"):
        return Path(path)
    return Path(unquote(urlsplit(text).path))


def _predicate(names: _Chosen) -> Callable[[str], bool]:
    if names is None:
        return lambda name: True
    if callable(names):
        return names
    return lambda name: any(name == p or fnmatchcase(name, p) for p in names)


def _patterns(names: Any) -> tuple[str, ...]:
    patterns = (names,) if isinstance(names, str) else names
    if not isinstance(patterns, Iterable):
        raise UsageError(
            f"names of experiments are a text, several texts or a callable, not {names!r}"
        )
    patterns = tuple(patterns)
    odd = [pattern for pattern in patterns if not isinstance(pattern, str)]
    if odd:
        raise UsageError(f"names of experiments are texts; found {odd[0]!r}")
    return patterns


def _require(names: _Chosen, known: Iterable[str]) -> None:
    """A name that is no pattern has to be the name of an experiment."""
    if names is None or callable(names):
        return
    there = tuple(dict.fromkeys(known))
    for name in names:
        if name not in there and not _GLOB.search(name):
            raise UnknownKeyError("experiment", name, there)


@attrs.frozen
class _Folder:
    """What is in a folder, as far as it tells whose it is.

    Attributes
    ----------
    path : Path
    listed : bool
        Whether it could be looked into.
    folders : tuple of Path
        Those in it that may hold runs, in natural order.
    is_run, is_tracked, has_settings : bool
        Whether there is something that only a run leaves behind; something other than a log, which
        may lie in a folder of many; settings, which a whole sweep may have as well.
    experiment : str or None
        Name of the experiment of MLflow that it is.
    deleted : bool
        Whether MLflow has it down as deleted.
    """

    path: Path
    listed: bool = True
    folders: tuple[Path, ...] = ()
    is_run: bool = False
    is_tracked: bool = False
    has_settings: bool = False
    experiment: str | None = None
    deleted: bool = False

    @classmethod
    def of(cls, path: Path, root: Path) -> _Folder:
        """Look into a folder; links are followed when they lead out of `root`."""
        try:
            entries = list(os.scandir(path))
        except OSError:
            # Taken for a run, so that whoever reads it says what is wrong with it.
            return cls(path, listed=False)
        inside = {entry.name for entry in entries if _is_folder(entry, root)}
        files = {entry.name for entry in entries} - inside
        meta = _bytes(path / _META) if _META in files else None
        experiment = None if meta is None else _experiment(meta, path)
        tracked = any(map(_LEFT_BEHIND.fullmatch, inside))
        traces = tracked or any(map(_is_log, files)) or _WANDB.fullmatch(path.name) is not None
        names = [name for name in inside if not _NO_RUNS.fullmatch(name)]
        return cls(
            path,
            folders=tuple(path / name for name in sorted(names, key=natural_order)),
            is_run=experiment is None and (traces or meta is not None),
            is_tracked=tracked or meta is not None,
            has_settings=not files.isdisjoint(_SETTINGS),
            experiment=experiment,
            deleted=meta is not None and _DELETED.search(meta) is not None,
        )


def _is_folder(entry: os.DirEntry[str], root: Path) -> bool:
    try:
        if not entry.is_symlink():
            return entry.is_dir()
        # What lies in the tree counts under its own name, and a ring has no end.
        target = Path(entry.path).resolve()
        here = root.resolve()
        return (
            target.is_dir()
            and target != here
            and here not in target.parents
            and (target not in here.parents)
        )
    except OSError:
        return False


def _is_log(name: str) -> bool:
    return is_usual_log(name) or name in _TABLES or name.startswith("events.out.tfevents.")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _experiment(meta: bytes, path: Path) -> str | None:
    """The name in what MLflow wrote of an experiment; None where it is about a run."""
    # To read YAML takes a millisecond, and there are as many of these as runs.
    if _OF_A_RUN.search(meta):
        return None
    import yaml

    try:
        data = yaml.safe_load(meta)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    if not isinstance(data, dict) or "experiment_id" not in data:
        return None
    return str(data.get("name") or path.name)


def _below(root: Path) -> tuple[list[RunDir], list[str]]:
    """The runs below a folder, or the folder itself when it is one, and experiments without."""
    top = _Folder.of(root, root)
    if top.experiment is not None:
        return list(_of_mlflow(top, root)), [top.experiment]
    found: list[RunDir] = []
    names = []
    for path in top.folders:
        child = _Folder.of(path, root)
        runs = list(_within(child, path.name, root))
        alone = [run.path for run in runs] == [path]
        found += [RunDir(path, experiment_name(root))] if alone else runs
        names += [] if alone else [child.experiment or path.name]
    if not found and (top.is_run or top.has_settings or not top.listed):
        found = [RunDir(root, experiment_name(root.resolve().parent))]
    return found, names


def _within(folder: _Folder, experiment: str, root: Path) -> Iterator[RunDir]:
    if folder.experiment is not None:
        yield from _of_mlflow(folder, root)
    elif folder.is_run or not folder.listed:
        if not folder.deleted:
            yield RunDir(folder.path, experiment)
    else:
        below = [
            run
            for path in folder.folders
            for run in _within(_Folder.of(path, root), experiment, root)
        ]
        yield from below
        if folder.has_settings and not below:
            yield RunDir(folder.path, experiment)


def _of_mlflow(experiment: _Folder, root: Path) -> Iterator[RunDir]:
    """Runs of an experiment of MLflow: the folders right below it."""
    if experiment.deleted:
        return
    for path in experiment.folders:
        folder = _Folder.of(path, root)
        if (folder.is_run or not folder.listed) and not folder.deleted:
            yield RunDir(path, experiment.experiment or "")
