"""Long arrays of a shard as they lie in its file: mapped into memory, and so never copied.

Where they lie is no secret of HDF5, but its Python interfaces do not tell. Whoever wrote a shard
looks for them, sees byte for byte that it found them, and has it written down in the catalogue.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALIGNED", "LONG", "array_at", "content_of", "found_in", "is_mappable"]

LONG: Final = 1 << 20
"""Bytes from which on an array is long: shorter ones are read as fast as they are mapped."""

ALIGNED: Final = 64
"""Long arrays begin at multiples of this, as NumPy and others want them to."""

_HEAD: Final = 1 << 12
_TRIES: Final = 64
_CHUNK: Final = 1 << 20

_OF_THIS_MACHINE: Final = frozenset(
    {
        *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs"),
        *("jfs", "overlay", "reiserfs", "tmpfs", "xfs", "zfs"),
    }
)
"""Kinds of file systems that keep what a reader has mapped, whoever removes the file meanwhile.
Those of a network may not, and a process that then looks at it is killed."""


def found_in(path: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """The byte where each of some arrays begins in a file.

    Parameters
    ----------
    path : Path
    arrays : mapping
        Contiguous. Short ones are not looked for.

    Returns
    -------
    dict
        Without those that do not lie there in one piece, such as compressed ones.
    """
    long = {name: _letters(array) for name, array in arrays.items() if array.nbytes >= LONG}
    places: dict[str, int] = {}
    with contextlib.suppress(OSError), open(path, "rb", buffering=0) as file:
        if not long or sys.byteorder != "little":
            return {}
        behind = 0  # the last one found: they lie in the order in which they were written
        for name, letters in long.items():
            for at in _candidates(file, letters[:_HEAD].tobytes(), behind):
                if _lies_at(file, at, letters):
                    places[name], behind = at, at + len(letters)
                    break
    return places


def _letters(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _candidates(file: BinaryIO, head: bytes, start: int) -> Iterator[int]:
    """Where `head` stands, at places that an array can begin at; not too many of them."""
    # Piece by piece, since what is mapped counts as memory of the process.
    left = _TRIES
    while left:
        window = _read(file, start, _CHUNK + len(head) - 1)
        at = window.find(head)
        while at >= 0 and left:
            left -= 1
            if (start + at) % ALIGNED == 0:
                yield start + at
            at = window.find(head, at + 1)
        if len(window) < _CHUNK:
            return
        start += _CHUNK


def _lies_at(file: BinaryIO, at: int, letters: NDArray[np.uint8]) -> bool:
    chunks = ((start, letters[start : start + _CHUNK]) for start in range(0, len(letters), _CHUNK))
    return all(_read(file, at + start, len(chunk)) == chunk.tobytes() for start, chunk in chunks)


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def is_mappable(path: Path) -> bool:
    """Whether a file may be mapped and then removed, or replaced, by somebody else.

    Nothing is known of it on systems that do not tell what kind of file system it is on.
    """
    if sys.byteorder != "little":
        return False
    try:
        device = os.stat(path).st_dev
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    # Number, parent, device, root, mount point, options, …, a dash, and the kind.
    rows = (row.partition(" - ") for row in mounts.splitlines() if f" {number} " in row)
    kinds = {kind.split()[0] for about, _, kind in rows if about.split()[2] == number and kind}
    return bool(kinds) and kinds <= _OF_THIS_MACHINE


def content_of(path: Path) -> memoryview:
    """The content of a file that is not empty, read-only; it stays as long as it is used.

    Raises
    ------
    OSError
        If it cannot be opened, or not be mapped.
    """
    # All pages at once, where the system can: one by one takes longer than looking at the numbers.
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    with open(path, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ))


def array_at(
    content: memoryview, at: int, shape: Sequence[int], dtype: np.dtype[Any]
) -> NDArray[Any] | None:
    """The array that begins at a byte of a file; None where there is no room for it."""
    size = int(np.prod(shape, dtype=np.int64))
    if not 0 <= at <= len(content) - size * dtype.itemsize or at % ALIGNED:
        return None
    return np.frombuffer(content, dtype, size, at).reshape(shape)
