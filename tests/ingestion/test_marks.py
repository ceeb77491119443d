"""How far a file was read, and whether it is still the one that was read."""

from __future__ import annotations

import os
import time
from pathlib import Path

import attrs
import pytest

from dr_gen.ingestion.marks import Grown, grown, mark_after
from dr_gen.ingestion.stamps import renewed
from dr_gen.model.finding import Finding
from dr_gen.model.run import RunData
from dr_gen.readers.contract import ReadResult
from dr_gen.store.sources import Mark

ROWS = b"".join(b'{"step": %d, "loss": 0.%d}\n' % (i, i) for i in range(20))
RUN = RunData.build("a")
PLAIN = ReadResult((RUN,))
TORN = ReadResult((RUN.with_facts(findings=[Finding("truncated-line", "cut off")]),), own=1)


def marked(path: Path, result: ReadResult = PLAIN) -> Mark | None:
    """The mark of a file that was read as it is."""
    return mark_after(path, renewed(path, None, time.time_ns())[0], result)


def appended(path: Path, mark: Mark, *, now: int | None = None) -> Grown | None:
    """What was appended to a file since."""
    now = time.time_ns() if now is None else now
    return grown(path, renewed(path, None, now)[0], mark, now)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file of rows."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(ROWS)
    return path


def test_what_was_appended_is_whole_lines(log: Path) -> None:
    """With what stands before them, and how far the file is read now."""
    mark = marked(log)
    assert mark is not None
    assert (mark.offset, mark.inode) == (len(ROWS), log.stat().st_ino)
    with log.open("ab") as file:
        file.write(b"one\ntwo\n")
    more = appended(log, mark)
    assert more is not None
    assert (more.tail, ROWS.endswith(more.last), len(more.last)) == (b"one\ntwo\n", True, 64)
    assert more.mark.offset == log.stat().st_size
    assert (more.stamp.digest != "", more.stamp.since) == (True, len(ROWS))
    assert renewed(log, more.stamp, time.time_ns()) == (more.stamp, True)
    old = appended(log, mark, now=time.time_ns() + 10_000_000_000)
    assert old is not None
    assert (old.stamp.digest, old.stamp.since) == ("", 0)
    assert old.mark == attrs.evolve(more.mark)
    with log.open("ab") as file:
        file.write(b"three\n")
    third = appended(log, more.mark)
    assert third is not None
    assert third.tail == b"three\n"


@pytest.mark.parametrize("what", ["other end", "other file", "torn", "shorter", "gone"])
def test_what_is_not_the_same_file_with_more_is_read_again(log: Path, what: str) -> None:
    """Another beginning, another inode, half a line, or nothing at all."""
    mark = marked(log)
    assert mark is not None
    stamp = renewed(log, None, time.time_ns())[0]
    if what == "other end":
        log.write_bytes(ROWS[:-4] + b"9}\n\n" + ROWS)
    elif what == "other file":
        log.rename(log.with_suffix(".old"))
        log.write_bytes(ROWS + ROWS)
    elif what == "torn":
        log.write_bytes(ROWS + b'{"step": 2')
    elif what == "shorter":
        os.truncate(log, len(ROWS) - 5)
        assert grown(log, stamp, mark, time.time_ns()) is None
    else:
        log.unlink()
        assert grown(log, stamp, mark, time.time_ns()) is None
        return
    assert appended(log, mark) is None


def test_a_torn_line_is_read_again_from_its_beginning(log: Path) -> None:
    """The mark stands before it; a last line that is whole but for its end may yet go on."""
    with log.open("ab") as file:
        file.write(b'{"step": 20, "lo')
    mark = marked(log, TORN)
    assert mark is not None
    assert (mark.offset, mark.own) == (len(ROWS), 1)
    with log.open("ab") as file:
        file.write(b'ss": 3}\n')
    more = appended(log, mark)
    assert more is not None
    assert more.tail == b'{"step": 20, "loss": 3}\n'
    log.write_bytes(ROWS + b'{"step": 20}')
    assert marked(log, PLAIN) is None
    log.write_bytes(b'{"step": 20')
    assert marked(log, TORN) is None


def test_a_file_that_grew_while_it_was_read_has_no_mark(log: Path) -> None:
    """How much of it was read is not known then; nor is where a reader that cannot go on was."""
    stamp = renewed(log, None, time.time_ns())[0]
    with log.open("ab") as file:
        file.write(b"more\n")
    assert mark_after(log, stamp, PLAIN) is None
    for result in (ReadResult((RUN,), closed=True), ReadResult(), ReadResult((RUN, RUN))):
        assert marked(log, result) is None
    assert marked(log, ReadResult((RUN,), (Finding("a", "b"),))) is None
    assert marked(log) is not None
