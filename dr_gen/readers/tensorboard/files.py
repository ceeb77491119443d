"""One event file: its events, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.tensorboard.events import Ending, RecordFile
from dr_gen.readers.tensorboard.folders import Member
from dr_gen.readers.tensorboard.layouts import KnownLayouts
from dr_gen.readers.tensorboard.scalars import EventLog, Points

__all__ = ["EventFile", "damages", "read_events"]

_MEGABYTE: Final = 1e6


@attrs.frozen(eq=False)
class EventFile:
    """What one event file holds.

    Attributes
    ----------
    member : Member
    log : EventLog
    points : dict
        Tag to its values, in the order in which the tags came.
    findings : tuple of Finding
    end : int
        Where its last whole record ends, in bytes.
    is_cut : bool
        Whether a record begins there.
    """

    member: Member
    log: EventLog
    points: dict[str, Points]
    findings: tuple[Finding, ...]
    end: int
    is_cut: bool


def read_events(
    member: Member, run: str, *, last: bool, known: KnownLayouts
) -> EventFile | Finding:
    """Read one file; a finding when it cannot be read.

    Parameters
    ----------
    member : Member
    run : str
        For findings.
    last : bool
        Whether it is the one that may go on: the last record of others is cut off for good.
    known : KnownLayouts
        Of events in other files; those of this one are added.
    """
    path = Path(member.path)
    records, log = RecordFile(path), EventLog(known)
    try:
        for block in records.blocks():
            log.take(block)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        hint = "check its permissions"
        return Finding("unreadable-file", message, Severity.ERROR, str(path), None, run, hint)
    log.close()
    points = {tag.decode(errors="backslashreplace"): found for tag, found in log.points()}
    findings = damages(path, run, records, log, last=last)
    is_cut = records.ending is not None and records.ending.what == "cut"
    return EventFile(member, log, points, tuple(findings), records.end, is_cut)


def damages(
    path: Path, run: str, records: RecordFile, log: EventLog, *, last: bool
) -> list[Finding]:
    """What is wrong with a file; what an unfinished record says comes last."""
    found: list[tuple[str, str, Severity, str]] = []
    broken = sorted([place for _, place in log.broken] + records.broken)
    if broken:
        message = f"{_records(broken)} with a wrong checksum; left out"
        found.append(("bad-checksum", message, Severity.WARNING, "the disk or a copy damaged it"))
    if records.lost:
        message = (
            f"the length of {_records([place for place, _ in records.lost])} is damaged: "
            f"{sum(size for _, size in records.lost)} bytes up to the next record are left out"
        )
        found.append(("lost-records", message, Severity.WARNING, "the disk or a copy damaged it"))
    if log.odd:
        message = f"{_records([place for _, place in log.odd])} that hold no event; left out"
        found.append(("bad-record", message, Severity.WARNING, ""))
    if records.large:
        size = max(size for _, size in records.large) / _MEGABYTE
        places = [place for place, _ in records.large]
        message = f"{_records(places)} of up to {size:.0f} MB; passed over"
        found.append(("large-record", message, Severity.INFO, ""))
    if records.end == 0 and records.ending is None:
        found.append(("empty-log", "the file is empty", Severity.WARNING, ""))
    if records.ending is not None:
        found.append(_of_ending(records.ending, last=last))
    return [
        Finding(code, message, severity, str(path), None, run, hint)
        for code, message, severity, hint in found
    ]


def _of_ending(ending: Ending, *, last: bool) -> tuple[str, str, Severity, str]:
    if ending.what == "length":
        message = (
            f"the length of the record at byte {ending.place} is damaged: "
            f"the last {ending.left} bytes cannot be read"
        )
        # An earlier file has a gap then, but does not hold how the run went on.
        code = "bad-length" if last else "lost-records"
        return code, message, Severity.ERROR, "what came before it is kept"
    there = f"{ending.left} of {ending.wanted}" if ending.wanted else str(ending.left)
    message = f"the last record, at byte {ending.place}, is cut off: {there} bytes are there"
    if last:
        hint = "the run was killed, or is being written"
        return "truncated-record", message, Severity.WARNING, hint
    return "cut-record", message, Severity.INFO, "the run was killed then, and resumed"


def _records(places: list[Any]) -> str:
    """How many records, and where the first is."""
    if len(places) == 1:
        return f"1 record at byte {places[0]}"
    return f"{len(places)} records, the first at byte {places[0]},"
