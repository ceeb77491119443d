"""SQLite databases of other programs: read as they stand, and never written to.

A database that its program has open may have a ``-wal`` or ``-journal`` file beside it, without
which it is not whole. SQLite writes to those even when it only reads, so that such a database is
read in a copy.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

__all__ = ["MAGIC", "companions", "is_sqlite", "missing_bytes", "opened", "stamp"]

MAGIC: Final = b"SQLite format 3\0"
_HOT_JOURNAL: Final = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_HEAD: Final = 100
_SUFFIXES: Final = ("-wal", "-journal")
_CHECK_EVERY: Final = 1_000_000
_LEAST_BUDGET, _PER_BYTE = 50_000_000, 20


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as a database of SQLite does."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


def companions(path: str) -> tuple[str, ...]:
    """The files beside a database without which it is not whole."""
    found = []
    for suffix in _SUFFIXES:
        try:
            with open(path + suffix, "rb") as file:
                beginning = file.read(len(_HOT_JOURNAL))
        except OSError:
            continue
        # A journal that is done with is cut to nothing, or its beginning is zeroed.
        if beginning and (suffix == "-wal" or beginning == _HOT_JOURNAL):
            found.append(path + suffix)
    return tuple(found)


def missing_bytes(path: str) -> int:
    """How much shorter a database is than its first page says."""
    page, pages = _pages(path)
    return max(0, page * pages - os.path.getsize(path)) if pages else 0


def _pages(path: str) -> tuple[int, int]:
    """Bytes of a page, and how many pages there ought to be; 0 where that is not known."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if len(head) < _HEAD or head[24:28] != head[92:96]:
        return 1, 0  # where the two counts of changes differ, the number of pages says nothing
    page = int.from_bytes(head[16:18], "big")
    return page if page > 1 else 1 << 16, int.from_bytes(head[28:32], "big")


def stamp(path: str) -> tuple[tuple[int, int] | None, ...]:
    """What changes when a database is written to."""
    found: list[tuple[int, int] | None] = []
    for file in (path, *(path + suffix for suffix in _SUFFIXES)):
        try:
            about = os.stat(file)
        except OSError:
            found.append(None)
        else:
            found.append((about.st_size, about.st_mtime_ns))
    return tuple(found)


@contextlib.contextmanager
def opened(path: str, *, copied: bool = False, alone: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection that only reads; nothing is left beside the database.

    What a damaged database makes of a query is bounded by its size: the query then fails.

    Parameters
    ----------
    path : str
    copied : bool
        Whether to read a copy in any case, since the database is being written to.
    alone : bool
        Whether to leave out what lies beside it, so that nothing need be copied.

    Raises
    ------
    sqlite3.Error, OSError
        If it is no database, or cannot be read.
    """
    # Here, so that who has no database does not wait for what reads it.
    import shutil
    import sqlite3
    import tempfile

    with contextlib.ExitStack() as stack:
        beside = () if alone else companions(path)
        name, mode = path, "mode=ro&immutable=1"
        is_cut = not beside and missing_bytes(path) > 0
        if copied or beside or is_cut:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dr-gen-"))
            name, mode = os.path.join(folder, "copy.db"), "mode=rw"
            shutil.copyfile(path, name)
            for file in beside:
                # It may be gone by now: then all of it is in the database.
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(file, name + file[len(path) :])
            if is_cut:
                # Of half a page the beginning says what is in the end that is not there.
                os.truncate(name, os.path.getsize(name) // _pages(name)[0] * _pages(name)[0])
        uri = f"{Path(name).absolute().as_uri()}?{mode}"
        connection = stack.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True)))
        _careful(connection, os.path.getsize(name))
        if is_cut:
            # It is refused as a whole otherwise; pages that are not there are so still.
            connection.execute("PRAGMA writable_schema = ON")
        yield connection


def _careful(connection: sqlite3.Connection, size: int) -> None:
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    left = (_LEAST_BUDGET + _PER_BYTE * size) // _CHECK_EVERY

    def is_over() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    connection.set_progress_handler(is_over, _CHECK_EVERY)
    # Nothing that the schema of a stranger names is run.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
