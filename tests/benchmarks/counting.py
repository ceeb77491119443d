"""How many bytes of the files of a folder are read.

What the kernel counts (``rchar`` of ``/proc/self/io``) is the reading of the whole process, and a
store reads its own files as well, through C. So the ways in which Python reads files are counted:
`open` and what builds on it, `os.read` and `os.pread`. Linux only.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import attrs

__all__ = ["Count", "counted"]


@attrs.define
class Count:
    """Bytes read so far."""

    n_bytes: int = 0


@contextlib.contextmanager
def counted(folder: Path) -> Iterator[Count]:
    """Count what is read, from now on, of the files below `folder`."""
    count = Count()
    below = f"{folder}{os.sep}"
    real_open = io.open

    class File(io.FileIO):
        def readinto(self, buffer: Any) -> Any:
            return add(super().readinto(buffer))

        def read(self, size: int | None = -1) -> Any:
            return add(super().read(-1 if size is None else size))

        def readall(self) -> Any:
            return add(super().readall())

    def add(result: Any) -> Any:
        count.n_bytes += len(result) if isinstance(result, bytes) else (result or 0)
        return result

    def opening(file: Any, mode: str = "r", buffering: int = -1, *how: Any, **also: Any) -> Any:
        named = isinstance(file, str | os.PathLike) and os.fspath(file).startswith(below)
        if not named or mode not in ("r", "rb"):
            return real_open(file, mode, buffering, *how, **also)
        raw = File(file)
        if buffering == 0:
            return raw
        return io.BufferedReader(raw) if mode == "rb" else io.TextIOWrapper(raw, *how, **also)

    def of_descriptor(read: Callable[..., bytes]) -> Callable[..., bytes]:
        def reading(descriptor: int, *how: int) -> bytes:
            ours = os.readlink(f"/proc/self/fd/{descriptor}").startswith(below)
            return add(read(descriptor, *how)) if ours else read(descriptor, *how)

        return reading

    with (
        mock.patch.object(io, "open", opening),
        mock.patch.object(builtins, "open", opening),
        mock.patch.object(os, "read", of_descriptor(os.read)),
        mock.patch.object(os, "pread", of_descriptor(os.pread)),
    ):
        yield count
