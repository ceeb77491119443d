"""A ``.wandb`` file: its records, and what is wrong with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.plain_files import OPENING
from dr_gen.readers.wandb.leveldb_log import BLOCK, Damage, LevelDbLog, is_chunk
from dr_gen.readers.wandb.names import HEADER
from dr_gen.readers.wandb.records import RunLog

__all__ = ["PIECE", "TORN", "WandbFile", "torn_finding"]

TORN: Final = "truncated-record"
"""Code of the finding that the last record is not all there."""

PIECE: Final = 32 * BLOCK
"""Bytes of a file that are read at a time: whole blocks."""

_MOST_NAMED: Final = 10


class WandbFile:
    """Reads one file into the log of its run.

    Parameters
    ----------
    path : Path
    run : str
        Id of the run, for findings.

    Attributes
    ----------
    findings : list of Finding
    end : int
        Up to where it is read for good.
    sound : bool
        Whether nothing in it is damaged or missing.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.findings: list[Finding] = []
        self.end = 0
        self._path, self._run = path, run

    @property
    def sound(self) -> bool:
        """Whether it was read without loss."""
        return not self.findings

    def read(self, log: RunLog) -> None:
        """Give all records to `log`."""
        n, n_bad = log.n, len(log.bad)
        try:
            file = os.open(self._path, OPENING)
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise OSError(None, "it is not a regular file")
                self._pieces(_pieces(file), log)
            finally:
                os.close(file)
        except OSError as error:
            message = f"the file cannot be read: {error.strerror or error}"
            self._note("unreadable-file", message, Severity.ERROR, "check its permissions")
        for number, what in log.bad[n_bad:][:_MOST_NAMED]:
            self._note("bad-record", f"record {number - n}: {what}", Severity.WARNING)
        if (more := len(log.bad) - n_bad - _MOST_NAMED) > 0:
            self._note("bad-record", f"{more} more records are malformed", Severity.WARNING)

    def _pieces(self, pieces: Iterator[bytes], log: RunLog) -> None:
        first = next(pieces, b"")
        if not first:
            message, hint = "the file is empty", "the run was stopped before it wrote anything"
            self._note("empty-file", message, Severity.ERROR, hint)
            return
        if not first.startswith(HEADER):
            if not is_chunk(first, len(HEADER), BLOCK):
                message = "it does not begin as a .wandb file does"
                hint = "it is damaged, or something else"
                self._note("not-wandb", message, Severity.ERROR, hint)
                return
            self._note("bad-header", "the first bytes are damaged", Severity.WARNING)
        framed = LevelDbLog(len(HEADER))
        take = log.take
        for piece in _with_next(pieces, first[len(HEADER) :]):
            for record in framed.records(piece[0], last=piece[1]):
                take(record)
        self.end = framed.whole
        self.findings += _damage_findings(framed.damages, self._path, self._run)
        if framed.torn:
            self.findings.append(torn_finding(framed.whole, framed.torn, self._path, self._run))

    def _note(self, code: str, message: str, severity: Severity, hint: str = "") -> None:
        path = str(self._path)
        self.findings.append(Finding(code, message, severity, path, None, self._run, hint))


def torn_finding(start: int, n: int, path: Path, run: str) -> Finding:
    """The finding that a file ends in the middle of a record."""
    message = f"the last record, from byte {start}, is cut off after {n} bytes"
    hint = "the process was stopped while writing, or still runs; nothing before it is lost"
    return Finding(TORN, message, Severity.WARNING, str(path), None, run, hint)


def _damage_findings(damages: list[Damage], path: Path, run: str) -> Iterator[Finding]:
    hint = "the record there is missing from the run"
    for damage in damages[:_MOST_NAMED]:
        message = f"byte {damage.start}: {damage.what}"
        yield Finding("damaged-record", message, Severity.ERROR, str(path), None, run, hint)
    if more := damages[_MOST_NAMED:]:
        message = f"{len(more)} more places are damaged, from byte {more[0].start} on"
        yield Finding("damaged-record", message, Severity.ERROR, str(path), None, run, hint)


def _pieces(file: int) -> Iterator[bytes]:
    while data := os.read(file, PIECE):
        # Of a regular file less comes at its end alone, or when a signal was faster.
        while len(data) < PIECE and (more := os.read(file, PIECE - len(data))):
            data += more
        yield data


def _with_next(pieces: Iterable[bytes], first: bytes) -> Iterator[tuple[bytes, bool]]:
    """All pieces, and whether each is the last."""
    waiting = first
    for piece in pieces:
        yield waiting, False
        waiting = piece
    yield waiting, True
