"""Records and the numbers in them: what is decoded many at a time is what one by one gives."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.readers.protobuf import MalformedMessageError, fields, spans
from dr_gen.readers.tensorboard import events as tfevents
from dr_gen.readers.tensorboard import heads as tfheads
from dr_gen.readers.tensorboard import layouts as tflayouts
from dr_gen.readers.tensorboard import scalars as tfscalars
from dr_gen.readers.tensorboard.checksums import checksum, checksums
from dr_gen.readers.tensorboard.event import layout
from dr_gen.readers.tensorboard.events import LARGEST, RecordFile
from dr_gen.readers.tensorboard.numbers import number_at, numbers
from dr_gen.readers.tensorboard.scalars import EventLog
from tests.readers.event_files import (
    HEADER,
    double,
    event,
    exact,
    field,
    record,
    scalar,
    tensor,
    text,
    varint,
    write,
)

STEPS = st.one_of(st.integers(0, 300), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.floats(width=32)
EVENTS = st.builds(
    lambda values, step, wall: event(b"".join(values), step, wall),
    st.lists(
        st.one_of(
            st.builds(scalar, st.sampled_from(["a", "loss", "naïve λ"]), FLOATS),
            st.builds(exact, st.sampled_from(["a", "loss"]), st.floats()),
            st.builds(text, st.just("note"), st.text(max_size=5)),
            st.builds(
                lambda n, size: tensor(n, b"", "images") + field(1, field(4, bytes(size))),
                st.just("picture"),
                st.integers(0, 9),
            ),
        ),
        max_size=3,
    ),
    STEPS,
    st.sampled_from([0.0, 1.7e9, 1.7e9 + 0.25, math.nan]),
)


def taken(content: bytes) -> tuple[EventLog, dict[bytes, Any]]:
    """What the events of a file hold."""
    log, records = EventLog(), RecordFile(Path("events"))
    for block in records.read(content):
        log.take(block)
    log.close()
    return log, dict(log.points())


def facts(content: bytes) -> tuple[Any, ...]:
    """The same as plain values."""
    log, points = taken(content)
    arrays = {
        tag: [repr(column.tolist()) for column in (p.records, p.walls, p.steps, p.values)]
        for tag, p in points.items()
    }
    said = [(s.extra, s.record, repr(s.wall), s.step) for s in log.said]
    return arrays, said, +log.skipped, log.plugins, repr(log.first), log.broken, log.odd


@given(message=st.binary(max_size=60))
def test_spans_are_the_fields(message: bytes) -> None:
    """Fields are found where they lie, and a message that is none is none either way."""

    def of_fields() -> list[Any]:
        return [(n, k) for n, k, _ in fields(message)]

    def of_spans() -> list[Any]:
        return [(n, k) for n, k, _, _ in spans(message, 0, len(message))]

    found = []
    for of in (of_fields, of_spans):
        try:
            found.append(of())
        except MalformedMessageError:
            found.append([])
    assert found[0] == found[1]
    for number, kind, value in fields(message) if found[0] else ():
        if isinstance(value, bytes):
            places = [s for s in spans(message, 0, len(message)) if s[:2] == (number, kind)]
            assert value in [message[a:b] for _, _, a, b in places]


@given(data=st.data(), size=st.integers(1, 90))
def test_checksums_of_many(data: st.DataObject, size: int) -> None:
    """What is summed from the bytes that differ is what the library sums from all bytes."""
    rows = data.draw(st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=5))
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), size)
    differing = {place: table[:, place] ^ table[0, place] for place in range(size)}
    found = checksums([rows[0]], np.zeros(len(rows), np.intp), differing)
    assert found.tolist() == [checksum(row) for row in rows]


@given(events=st.lists(EVENTS, min_size=1, max_size=6), times=st.integers(1, 20))
def test_many_together_are_as_one_by_one(events: list[bytes], times: int) -> None:
    """Whether events are decoded together or alone changes nothing."""
    content = HEADER + b"".join(map(record, events * times))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfscalars, "_FEW", 10**9)
        alone = facts(content)
        patch.setattr(tfscalars, "_FEW", 0)
        together = facts(content)
    assert alone == together


@given(files=st.lists(st.lists(EVENTS, max_size=4), min_size=2, max_size=4))
def test_what_is_known_of_other_files_changes_nothing(files: list[list[bytes]]) -> None:
    """Layouts that were learnt, and those that had to be forgotten, are the same ones."""
    known = tflayouts.KnownLayouts()
    for events in files:
        content = HEADER + b"".join(map(record, events * 15))
        log = EventLog(known)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tflayouts, "_MOST", 5)
            for block in RecordFile(Path("events")).read(content):
                log.take(block)
        log.close()
        fresh, points = taken(content)
        found = dict(log.points())
        assert found.keys() == points.keys()
        for tag, one in found.items():
            assert np.array_equal(one.values, points[tag].values, equal_nan=True)
            assert np.array_equal(one.steps, points[tag].steps)
        assert (log.said == fresh.said or "nan" in repr(log.said), log.skipped) == (
            True,
            fresh.skipped,
        )


@given(
    events=st.lists(EVENTS, min_size=1, max_size=4),
    place=st.integers(0, 10**6),
    bit=st.integers(0, 7),
)
def test_a_wrong_bit_costs_one_record(events: list[bytes], place: int, bit: int) -> None:
    """A bit that changed in the data of an event is found, however the event is decoded."""
    records = [record(one) for one in events for _ in range(20)]
    before = taken(HEADER + b"".join(records))[1]
    number = place % len(records)
    data = bytearray(records[number])
    if len(data) == 16:
        return
    data[12 + place % (len(data) - 16)] ^= 1 << bit
    records[number] = bytes(data)
    log, after = taken(HEADER + b"".join(records))
    offset = len(HEADER) + sum(map(len, records[:number]))
    assert log.broken == [(number + 1, offset)]
    for tag, points in before.items():
        left = points.values[points.records != number + 1]
        values = after[tag].values if tag in after else np.empty(0)
        assert np.array_equal(values, left, equal_nan=True)


NUMBERS = {
    "simple_value": (scalar("a", 0.5), 0.5),
    "float tensor, packed": (
        tensor("a", field(1, 1) + field(2, b"") + field(5, struct.pack("<f", 0.1))),
        np.float32(0.1).item(),
    ),
    "float tensor, not packed": (
        tensor("a", field(1, 1) + varint(5 << 3 | 5) + struct.pack("<f", -2.5)),
        -2.5,
    ),
    "float tensor, content": (
        tensor("a", field(1, 1) + field(4, struct.pack("<f", 1.5))),
        1.5,
    ),
    "double tensor": (exact("a", 0.1), 0.1),
    "double tensor, not packed": (tensor("a", field(1, 2) + double(6, 0.1)), 0.1),
    "double tensor, content": (tensor("a", field(1, 2) + field(4, struct.pack("<d", 0.1))), 0.1),
    "int32 tensor": (tensor("a", field(1, 3) + field(7, varint(-7))), -7.0),
    "int32 tensor, content": (tensor("a", field(1, 3) + field(4, struct.pack("<i", -7))), -7.0),
    "int64 tensor": (tensor("a", field(1, 9) + field(10, varint(2**40))), 2.0**40),
    "int64 tensor, not packed": (tensor("a", field(1, 9) + field(10, 300)), 300.0),
    "int64 tensor, content": (tensor("a", field(1, 9) + field(4, struct.pack("<q", -1))), -1.0),
    "uint64 tensor": (tensor("a", field(1, 23) + field(17, varint(2**64 - 1))), 2.0**64),
    "uint8 tensor, content": (tensor("a", field(1, 4) + field(4, b"\xff")), 255.0),
    "bool tensor": (tensor("a", field(1, 10) + field(11, b"\x01")), 1.0),
    "half tensor": (tensor("a", field(1, 19) + field(13, varint(0x3E00))), 1.5),
    "half tensor, content": (tensor("a", field(1, 19) + field(4, b"\x00\x3e")), 1.5),
    "bfloat16 tensor": (tensor("a", field(1, 14) + field(13, varint(0x3FC0))), 1.5),
    "bfloat16 tensor, content": (tensor("a", field(1, 14) + field(4, b"\xc0\x3f")), 1.5),
    "a zero that was left out": (tensor("a", field(1, 1) + field(2, b"")), 0.0),
    "shape of one": (
        tensor("a", field(1, 1) + field(2, field(2, field(1, 1))) + field(5, struct.pack("<f", 3))),
        3.0,
    ),
    "no plugin": (tensor("a", field(1, 1) + field(5, struct.pack("<f", 3)), None), 3.0),
}


@pytest.mark.parametrize("few", [0, 10**9], ids=["together", "alone"])
@pytest.mark.parametrize(("value", "expected"), NUMBERS.values(), ids=NUMBERS.keys())
def test_every_form_of_a_scalar(
    value: bytes, expected: float, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scalar is read in each form that tensors have."""
    monkeypatch.setattr(tfscalars, "_FEW", few)
    content = HEADER + b"".join(record(event(value, step, 1e9)) for step in range(1, 40))
    log, points = taken(content)
    assert points[b"a"].values.tolist() == [expected] * 39
    assert points[b"a"].steps.tolist() == list(range(1, 40))
    assert not log.skipped


NO_SCALARS = {
    "two floats": tensor("a", field(1, 1) + field(2, field(2, field(1, 2))) + field(5, bytes(8))),
    "two floats, one said": tensor("a", field(1, 1) + field(5, bytes(8))),
    "a text": tensor("a", field(1, 7) + field(8, b"text")),
    "content of another length": tensor("a", field(1, 2) + field(4, bytes(4))),
    "no type": tensor("a", field(4, bytes(4))),
    "complex": tensor("a", field(1, 8) + field(4, bytes(8))),
}


@pytest.mark.parametrize("value", NO_SCALARS.values(), ids=NO_SCALARS.keys())
def test_other_tensors_are_counted(value: bytes) -> None:
    """A tensor that is no scalar gives no point, and is counted."""
    log, points = taken(HEADER + record(event(value, 1)) * 30)
    assert (points, dict(log.skipped)) == ({}, {"tensor": 30})


def test_a_plugin_that_was_named_once_is_known() -> None:
    """A tensor without metadata is what the first one of its tag was."""
    bare = tensor("a", field(1, 1) + field(5, struct.pack("<f", 3)), None)
    histogram = tensor("a", field(1, 1) + field(5, struct.pack("<f", 3)), "histograms")
    assert len(taken(record(event(scalar("a", 1.0))) + record(event(bare)))[1][b"a"].values) == 2
    log, points = taken(record(event(histogram)) + record(event(bare)))
    assert (points, dict(log.skipped)) == ({}, {"histogram": 1, "tensor": 1})


def test_what_is_passed_over_may_be_any_bytes() -> None:
    """Images of one size are one layout, whatever is in them, and none of them is decoded."""
    rng = np.random.default_rng(0)
    images = [field(1, field(1, b"i") + field(4, rng.bytes(500))) for _ in range(50)]
    log, points = taken(b"".join(record(event(one, 5)) for one in images))
    assert (points, dict(log.skipped), log.broken) == ({}, {"image": 50}, [])


@given(number=st.integers(-(2**63), 2**63 - 1))
def test_one_number_is_as_one_of_many(number: int) -> None:
    """A step is the same integer, whichever function takes it."""
    data = event(step=number) or event(step=0, wall=1.0)
    found = layout(data, 0, len(data))
    if found.step is None:
        assert number == 0
        return
    assert number_at(data, 0, found.step) == number
    row = np.frombuffer(data, np.uint8)[None]
    assert numbers(row, found.step).tolist() == [float(number)]


# ------------------------------------------------------------------ files


@given(
    sizes=st.lists(
        st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(1, 12)),
        min_size=1,
        max_size=4,
    ),
    walk=st.sampled_from([2, 3, 8]),
    rest=st.binary(max_size=30),
)
def test_heads_are_followed_wherever_they_repeat(
    sizes: list[tuple[list[int], int]], walk: int, rest: bytes
) -> None:
    """Sizes that repeat, stop to repeat, and repeat otherwise are found as one by one."""
    expected = [size for pattern, times in sizes for size in pattern * times]
    content = b"".join(record(bytes(size)) for size in expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfheads, "_WALK", walk)
        found = tfheads.Heads().follow(content + rest)
    patched = (found.sizes.tolist(), found.end, found.wanted, found.is_damaged)
    plain = tfheads.Heads().follow(content + rest)
    assert patched == (plain.sizes.tolist(), plain.end, plain.wanted, plain.is_damaged)
    assert found.sizes.tolist() == expected
    assert found.end == len(content)
    ends = np.cumsum(np.array(expected) + 16)
    assert found.starts.tolist() == (ends - np.array(expected) - 4).tolist()


def test_blocks_of_a_file_are_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that lie across the blocks in which a file is read are whole."""
    events = [event(scalar("a", i), i, 1e9) + field(6, bytes(i % 97)) for i in range(400)]
    path = write(tmp_path / "events.out.tfevents.1.h", events)
    whole = taken(path.read_bytes())[1][b"a"].values.tolist()
    for size in (1, 50, 97, 1000):
        monkeypatch.setattr("dr_gen.readers.tensorboard.events._BLOCK", size)
        log, records = EventLog(), RecordFile(path)
        for block in records.blocks():
            log.take(block)
        assert dict(log.points())[b"a"].values.tolist() == whole
        assert (records.end, records.ending) == (path.stat().st_size, None)


@pytest.mark.parametrize("broken", [False, True])
def test_a_large_record_is_passed_over(tmp_path: Path, broken: bool) -> None:
    """A record too large for a scalar is compared with its checksum, and not kept."""
    large = bytearray(record(event(rest=field(4, bytes(LARGEST)))))
    large[5000] ^= broken
    path = tmp_path / "events.out.tfevents.1.h"
    path.write_bytes(HEADER + large + record(event(scalar("a", 1.0))))
    log, records = EventLog(), RecordFile(path)
    kept = 0
    for block in records.blocks():
        kept = max(kept, len(block.content))
        log.take(block)
    assert records.large == [(len(HEADER), len(large))]
    assert records.broken == [len(HEADER)] * broken
    assert dict(log.points())[b"a"].records.tolist() == [2]
    assert kept < LARGEST


@pytest.mark.parametrize("size", [1 << 20, 1 << 30, 1 << 62, 2**64 - 1])
def test_a_length_beyond_the_end_takes_no_memory(tmp_path: Path, size: int) -> None:
    """A length that is whole but larger than the file ends it; nothing is allocated for it."""
    length = struct.pack("<Q", size)
    path = tmp_path / "events.out.tfevents.1.h"
    path.write_bytes(HEADER + length + checksum(length).to_bytes(4, "little") + b"rest")
    records = RecordFile(path)
    assert sum(len(block.starts) for block in records.blocks()) == 1
    ending = records.ending
    assert ending is not None
    assert (ending.what, ending.place, ending.left) == ("cut", len(HEADER), 16)
    assert ending.wanted == size + 16


JUNK = st.binary(max_size=30) | st.integers(0, 300).map(bytes)


@given(
    pieces=st.lists(st.tuples(EVENTS, JUNK), min_size=1, max_size=8),
    near=st.sampled_from([16, 40, 1 << 16]),
)
def test_records_are_found_again(
    pieces: list[tuple[bytes, bytes]], near: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever lies between records costs none of them, and all of it is counted."""
    path = tmp_path_factory.mktemp("events") / "events"
    path.write_bytes(b"".join(record(data) + junk for data, junk in pieces))
    records = RecordFile(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfevents, "_NEAR", near)
        patch.setattr(tfevents, "_BLOCK", 2 * near)
        blocks = list(records.blocks())
    assert [b.data(i) for b in blocks for i in range(len(b.starts))] == [d for d, _ in pieces]
    inner = sum(len(junk) for _, junk in pieces[:-1])
    assert sum(size for _, size in records.lost) == inner
    assert (0 if records.ending is None else records.ending.left) == len(pieces[-1][1])


def test_damage_everywhere_ends_the_search(tmp_path: Path) -> None:
    """In a file that is damaged between all records the search comes to an end."""
    one = record(event(scalar("a", 1.0)))
    path = tmp_path / "events"
    path.write_bytes((one + b"?") * 5000)
    records = RecordFile(path)
    n = sum(len(block.starts) for block in records.blocks())
    assert n == len(records.lost) + 1 == 65
    assert records.ending is not None
    assert records.ending.left == path.stat().st_size - records.end
