"""The files that runs left beside their logs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from dr_gen.errors import UsageError
from dr_gen.model.run import RunData

__all__ = ["ARTIFACTS", "artifact_folder", "iter_artifacts"]

ARTIFACTS: Final = "artifacts"
"""The folder beside a log that holds what the run produced, where there is one."""

OfRun: TypeAlias = RunData[Any, Any] | str | os.PathLike[str]
"""A run, or the path of its log or folder."""


def artifact_folder(run: OfRun) -> Path:
    """Where a run left its artifacts.

    ``artifacts`` beside its log if there is such a folder, as MLflow has it, else the folder of
    the log itself. ``contextlib.chdir(artifact_folder(run))`` works in it.

    Parameters
    ----------
    run : RunData or path
        A run, or its log or folder.

    Raises
    ------
    UsageError
        If the run has no source.
    """
    source = run.source if isinstance(run, RunData) else os.fspath(run)
    if not source:
        name = f"run {run.id!r}" if isinstance(run, RunData) else "an empty path"
        raise UsageError(f"{name} has no source, and so no folder of artifacts")
    path = Path(source)
    folder = path if path.is_dir() else path.parent
    inside = folder / ARTIFACTS
    return inside if inside.is_dir() else folder


def iter_artifacts(runs: OfRun | Iterable[OfRun], pattern: str = "*") -> Iterator[Path]:
    """The files and folders that runs left, sorted by path for each, none twice.

    Parameters
    ----------
    runs : RunGroup, run, path, or iterable of runs or paths
        Such as a group, or what `iter_run_dirs` gives.
    pattern : str
        A glob below the folder of artifacts of each: ``*.pt``, ``checkpoints/*``, ``**/*.png``;
        by default all that lies right in it.

    Yields
    ------
    Path

    Raises
    ------
    UsageError
        If a run has no source, or the pattern is none that `Path.glob` takes.

    Examples
    --------
    >>> import tempfile
    >>> root = tempfile.TemporaryDirectory()
    >>> for name in ("a/artifacts/model.pt", "a/log.jsonl", "b/model.pt"):
    ...     Path(root.name, name).parent.mkdir(parents=True, exist_ok=True)
    ...     Path(root.name, name).touch()
    >>> found = iter_artifacts([Path(root.name, "a"), Path(root.name, "b")], "*.pt")
    >>> [path.relative_to(root.name).as_posix() for path in found]
    ['a/artifacts/model.pt', 'b/model.pt']
    >>> root.cleanup()
    """
    # A run is iterable, too: over its splits.
    several = [runs] if isinstance(runs, RunData | str | os.PathLike) else list(runs)
    folders = dict.fromkeys(map(artifact_folder, several))
    try:
        # Not one after another: a pattern that is none is told at once.
        found = [path for folder in folders for path in sorted(folder.glob(pattern))]
    except (ValueError, NotImplementedError) as error:
        raise UsageError(f"no pattern {pattern!r}: {error}") from None
    return iter(dict.fromkeys(found))
