"""One writer at a time; readers ask nobody."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dr_gen.errors import StoreBusyError

try:
    import fcntl
except ImportError:  # Windows: the last writer to commit wins
    fcntl = None  # type: ignore[assignment]

__all__ = ["NAME", "PATIENCE", "holding"]

NAME = "writer.lock"
PATIENCE = 60.0
"""How many seconds a writer waits for another one, unless told otherwise."""
_PAUSE = 0.02


@contextlib.contextmanager
def holding(folder: Path, timeout: float) -> Iterator[bool]:
    """Be the one writer of a store while the block runs; gives whether the last one was killed.

    The lock is the system's own (flock) on a file that says who has it, so that it ends with its
    process, however that ends.

    Parameters
    ----------
    folder : Path
        Folder of the store.
    timeout : float
        How many seconds to wait for another writer.

    Raises
    ------
    StoreBusyError
        If the other is still at work then; it says who that is.
    OSError
        If the file cannot be made.
    """
    import socket  # here, since whoever only reads needs none

    path = folder / NAME
    end = time.monotonic() + timeout
    while (descriptor := _taken(path)) is None:
        if time.monotonic() >= end:
            raise StoreBusyError(
                str(folder), f"is being written by {_holder(path)}; try again later"
            )
        time.sleep(_PAUSE)
    try:
        # A writer that comes to its end takes the file along.
        killed = fcntl is not None and os.fstat(descriptor).st_size > 0
        who = {"host": socket.gethostname(), "pid": os.getpid()}
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({**who, "since": since}).encode())
        yield killed
    finally:
        # Removed while it is held: whoever gets hold of the old file sees that it has no name.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _taken(path: Path) -> int | None:
    """The open lock file, locked; None when somebody else has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _holder(path: Path) -> str:
    try:
        about = json.loads(path.read_bytes())
        return f"process {about['pid']} on {about['host']} since {about['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
