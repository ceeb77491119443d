"""How far a file was read, and whether what was read is still its beginning when it grew.

A file that grew is taken for the same file when it has the same inode, the settings beside it are
as they were, and the last bytes before the place where reading ended are still there. That cannot
see an edit further up that keeps every length, of a file that is appended to as well: loggers do
not do that, and a log that is started over has other digits at that place. Editors and ``sed -i``
write a new file, which has another inode (the file system may give the old number again, but only
once the old file is gone). To be surer would take to read what was read already, in the worst case
all of it; ``load(…, cache=False)`` and a new store always do.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs

from dr_gen.ingestion.stamps import digest_of, is_settled
from dr_gen.readers.contract import Reader, ReadResult
from dr_gen.store.sources import Mark, Stamp

__all__ = ["TORN", "Grown", "behind", "grown", "mark_after", "of_records"]

_BEFORE = 64
"""Bytes before the end that are looked at: most of a line, with digits of its numbers."""

_LONGEST_LINE = 1 << 16
TORN = frozenset({"truncated-line", "truncated-record"})
"""Codes of the finding that the last line or record is not all there."""


def of_records(reader: Reader) -> bool:
    """Whether a reader goes on behind a record, not behind a line."""
    return bool(getattr(reader, "tail_of_records", False))


@attrs.frozen
class Grown:
    """What was appended to a file.

    Attributes
    ----------
    last : bytes
        What stands right before it.
    tail : bytes
        Whole lines.
    stamp : Stamp
        That of the file, with a digest of what was appended if it is young.
    mark : Mark
        How far it is read now; the reader has its say in it later.
    """

    last: bytes
    tail: bytes
    stamp: Stamp
    mark: Mark


def mark_after(
    path: Path, stamp: Stamp, result: ReadResult, *, records: bool = False
) -> Mark | None:
    """How far a file was read that was read as a whole; None when that cannot be told.

    Parameters
    ----------
    path : Path
    stamp : Stamp
        Taken before it was read: only if it still holds, what was read is what is there.
    result : ReadResult
        What the reader made of it.
    records : bool
        Whether the file is one of records, and the reader says where the last one ends.
    """
    if len(result.runs) != 1 or result.findings or result.closed:
        return None
    if records and (result.end is None or not 0 < result.end <= stamp.size):
        return None
    torn = any(finding.code in TORN for finding in result.runs[0].findings)
    end = result.end if records and result.end is not None else stamp.size
    try:
        with open(path, "rb", buffering=0) as file:
            about = os.fstat(file.fileno())
            now = (about.st_size, about.st_mtime_ns, about.st_ctime_ns)
            if now != (stamp.size, stamp.mtime_ns, stamp.ctime_ns) or not _is_plain(about):
                return None
            length = min(end, _LONGEST_LINE if torn and not records else _BEFORE)
            last = os.pread(file.fileno(), length, end - length)
    except OSError:
        return None
    if records:
        return Mark(end, about.st_ino, _check(last), result.own, result.state)
    # A last line without an end may go on: only a torn one is as if it were not there.
    whole = last[: last.rfind(b"\n") + 1]
    if not whole or (len(whole) < len(last)) != torn:
        return None
    offset = stamp.size - len(last) + len(whole)
    return Mark(offset, about.st_ino, _check(whole[-_BEFORE:]), result.own, result.state)


def grown(path: Path, stamp: Stamp, mark: Mark, now: int, *, records: bool = False) -> Grown | None:
    """What was appended since `mark`; None when the beginning is another, or a line is torn.

    Parameters
    ----------
    path : Path
    stamp : Stamp
        As the file is now.
    mark : Mark
    now : int
        Time in nanoseconds since 1970.
    records : bool
        Whether the file is one of records: the reader says where the last one ends.
    """
    before = min(mark.offset, _BEFORE)
    try:
        with open(path, "rb", buffering=0) as file:
            about = os.fstat(file.fileno())
            if about.st_ino != mark.inode or about.st_size < stamp.size:
                return None
            # What was written after the stamp was taken comes the next time.
            content = _read(file.fileno(), mark.offset - before, stamp.size)
    except OSError:
        return None
    last, tail = content[:before], content[before:]
    if _check(last) != mark.check or not (records or tail.endswith(b"\n")):
        return None
    if not is_settled(stamp, now):
        stamp = attrs.evolve(stamp, digest=digest_of(tail), since=mark.offset)
    return Grown(last, tail, stamp, behind(mark, last + tail, mark.offset + len(tail)))


def behind(mark: Mark, content: bytes, end: int) -> Mark:
    """A mark at `end`, further on in the file of another.

    Parameters
    ----------
    mark : Mark
    content : bytes
        What stands before and behind `mark`, `end` within it.
    end : int
        The byte behind the last line or record that was read.
    """
    start = mark.offset - min(mark.offset, _BEFORE)
    check = _check(content[: end - start][-_BEFORE:])
    return Mark(end, mark.inode, check)


def _is_plain(about: os.stat_result) -> bool:
    return stat.S_ISREG(about.st_mode)


def _read(file: int, start: int, end: int) -> bytes:
    parts = []
    while start < end and (part := os.pread(file, end - start, start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def _check(last: bytes) -> str:
    import hashlib  # here, since a load that keeps nothing marks nothing

    return hashlib.blake2b(last, digest_size=8).hexdigest()
