"""Files that are there whole or not at all, whenever the power goes."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

__all__ = ["TEMPORARY", "replacing", "sync_folder"]

TEMPORARY = ".tmp-"
"""Stands in the name of every file that is not complete yet."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new name to write `path` under: moved there when the block ends, removed if it raises.

    The name is in the same folder, since only within a file system a move is a single step, and
    unlike any other writer's.

    Raises
    ------
    OSError
        If the file cannot be written out or moved; `path` is then as it was.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as temporary:
    ...         written = temporary.write_text("whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    temporary = path.with_name(f"{path.name}{TEMPORARY}{uuid.uuid4().hex[:12]}")
    try:
        yield temporary
        # Without this a power cut may leave the new name on an empty file.
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut, where the system can (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
