"""Records in the framing of LevelDB: all that are sound come out, and damage is said."""

from __future__ import annotations

import random

import hypothesis.strategies as st
from hypothesis import given

from dr_gen.readers.wandb.leveldb_log import BLOCK, LevelDbLog
from tests.readers.wandb_logs import HEADER, framed

sizes = st.one_of(st.integers(0, 40), st.integers(BLOCK - 60, BLOCK + 60), st.just(3 * BLOCK))
payloads = st.lists(sizes, max_size=12).map(
    lambda sizes: [bytes([i % 251]) * size for i, size in enumerate(sizes)]
)


def read(data: bytes, start: int = len(HEADER), piece: int = 0) -> tuple[list[bytes], LevelDbLog]:
    """The records of bytes that begin at `start`, given in pieces of so many blocks."""
    log, found = LevelDbLog(start), []
    size = piece * BLOCK - start % BLOCK if piece else len(data)
    while len(data) > size:
        found += log.records(data[:size], last=False)
        data, size = data[size:], piece * BLOCK
    found += log.records(data, last=True)
    return found, log


@given(payloads, st.integers(0, 3))
def test_records_come_back(records: list[bytes], piece: int) -> None:
    """Records of any length come back in order, whatever pieces the file is read in."""
    data = framed(records)
    found, log = read(data, piece=piece)
    assert found == records
    assert (log.damages, log.torn, log.whole) == ([], 0, len(HEADER) + len(data))


@given(payloads, payloads, st.randoms())
def test_reading_goes_on_behind_the_last_whole_record(
    first: list[bytes], second: list[bytes], rng: random.Random
) -> None:
    """A file cut off anywhere gives its whole records, and where to go on to read the rest."""
    data = framed([*first, *second])
    cut = rng.randrange(len(data) + 1)
    found, log = read(data[:cut])
    assert log.damages == []
    assert log.whole + log.torn == len(HEADER) + cut
    rest, after = read(data[log.whole - len(HEADER) :], log.whole)
    assert found + rest == [*first, *second]
    assert (after.damages, after.torn) == ([], 0)


@given(payloads, st.integers(0), st.integers(1, 255))
def test_a_damaged_byte_costs_one_block_at_most(records: list[bytes], at: int, bits: int) -> None:
    """What is not in the block of the damage, and no part of a record that is, comes out."""
    data = bytearray(framed(records))
    if not data:
        return
    at %= len(data)
    data[at] ^= bits
    found, log = read(bytes(data))
    place, kept = 0, []
    for i, payload in enumerate(records):
        end = len(framed(records[: i + 1]))
        blocks = range((len(HEADER) + place) // BLOCK, (len(HEADER) + end - 1) // BLOCK + 1)
        if (len(HEADER) + at) // BLOCK not in blocks:
            kept.append(payload)
        place = end
    remaining = iter(found)
    assert all(payload in remaining for payload in kept)
    assert len(found) == len(records) or log.damages or log.torn


def test_a_damaged_record_alone_is_lost() -> None:
    """A flipped bit in the middle of a record does not cost those that follow in the block."""
    records = [bytes([65 + i]) * 50 for i in range(5)]
    data = bytearray(framed(records))
    data[2 * 57 + 20] ^= 1
    found, log = read(bytes(data))
    assert found == [records[0], records[1], records[3], records[4]]
    assert [damage.start for damage in log.damages] == [len(HEADER) + 2 * 57]
    assert "checksum" in log.damages[0].what


def test_zeros_are_no_records() -> None:
    """Zeros at the end are what a crash leaves; zeros in the middle are damage, and passed over."""
    data = framed([b"one"])
    found, log = read(data + bytes(100))
    assert (found, log.damages, log.torn) == ([b"one"], [], 100)
    assert log.whole == len(HEADER) + len(data)
    padded = data + bytes(BLOCK - len(HEADER) - len(data)) + framed([b"two"], 0)
    found, log = read(padded)
    assert found == [b"one", b"two"]
    assert [damage.what for damage in log.damages] == ["zeros where a record was expected"]


def test_parts_without_their_beginning_are_damage() -> None:
    """When the first part of a long record is damaged the others are passed over in silence."""
    data = bytearray(framed([b"a", b"b" * 3 * BLOCK, b"c"]))
    data[20] ^= 1
    found, log = read(bytes(data))
    assert found == [b"a", b"c"]
    assert len(log.damages) == 1
    orphan = data[BLOCK - len(HEADER) :]
    found, log = read(bytes(orphan), BLOCK)
    assert found == [b"c"]
    assert [damage.what for damage in log.damages] == ["a part of a record without its beginning"]


def test_a_record_that_does_not_go_on_is_damage() -> None:
    """The beginning of a record that another one follows is lost, and said to be."""
    data = framed([b"a" * 2 * BLOCK])[: BLOCK - len(HEADER)] + framed([b"b"], BLOCK)
    found, log = read(data)
    assert found == [b"b"]
    assert [damage.what for damage in log.damages] == ["a record that does not go on"]
