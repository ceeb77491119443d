"""Records from a log in the framing of LevelDB, whatever state the file is in.

Blocks of 32 KiB hold chunks, each with a head of seven bytes (CRC-32, length, kind) that never
crosses the end of a block; a record is one chunk, or a first, middle ones and a last. Described at
https://github.com/google/leveldb/blob/main/doc/log_format.md; the checksum here is the plain CRC-32
of kind and data, as Weights & Biases writes it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import attrs

__all__ = ["BLOCK", "Damage", "LevelDbLog", "is_chunk"]

BLOCK: Final = 32768
"""Bytes of a block; blocks are counted from the beginning of the file."""

_HEAD: Final = struct.Struct("<IHB")
_SIZE: Final = _HEAD.size
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_NOTHING: Final = bytes(_SIZE)


@attrs.frozen
class Damage:
    """Bytes of a log that gave no record.

    Attributes
    ----------
    start : int
        The first of them, counted from the beginning of the file.
    what : str
        What is wrong there, in words.
    """

    start: int
    what: str


class LevelDbLog:
    """The records of a log, given piece by piece.

    A damaged chunk costs its record, and what follows in its block only where no sound chunk comes
    right behind it; the other blocks are read. Nothing is allocated because a length says so.

    Parameters
    ----------
    start : int
        Where in the file the first piece begins: at a chunk.

    Attributes
    ----------
    damages : list of Damage
        In order; complete when the records of the last piece were taken.
    whole : int
        Up to where it is read for good, known once the records of a piece were taken.
    torn : int
        How many bytes are behind that: the beginning of a record, or zeros.

    Examples
    --------
    >>> log = LevelDbLog(0)
    >>> chunk = zlib.crc32(bytes([1]) + b"hi").to_bytes(4, "little") + bytes([2, 0, 1]) + b"hi"
    >>> list(log.records(chunk + chunk[:5], last=True)), log.whole, log.torn
    ([b'hi'], 9, 5)
    """

    def __init__(self, start: int) -> None:
        self.damages: list[Damage] = []
        self.whole = start
        self._place = start
        self._parts: list[bytes] = []
        self._began = start
        self._lost = False

    @property
    def torn(self) -> int:
        """Bytes of a record that is not all there."""
        return self._place - self.whole

    def records(self, data: bytes, *, last: bool) -> Iterator[bytes]:
        """The records that end in the next piece, which ends with a block or is the last one."""
        view = memoryview(data)
        place, n, base = 0, len(data), self._place
        self._place += n
        while place < n:
            room = BLOCK - (base + place) % BLOCK
            if room < _SIZE:
                place += room
                continue
            if place + _SIZE > n:
                break
            crc, size, kind = _HEAD.unpack_from(data, place)
            end = place + _SIZE + size
            if size + _SIZE > room:
                place = self._passed(data, place, end, room, f"a length of {size} bytes")
            elif end > n:
                break
            elif crc != zlib.crc32(view[place + 6 : end]) or not _FULL <= kind <= _LAST:
                what = "a checksum that does not fit"
                if data.startswith(_NOTHING, place):
                    if last and not data[place:].strip(b"\0"):
                        break
                    what, end = "zeros where a record was expected", place + room
                place = self._passed(data, place, end, room, what)
            else:
                if kind == _FULL and not self._parts:
                    record: bytes | None = data[place + _SIZE : end]
                    self._lost = False
                else:
                    record = self._joined(kind, data[place + _SIZE : end], base + place)
                if record is not None:
                    yield record
                place = end
        self.whole = self._began if self._parts else base + min(place, n)

    def _joined(self, kind: int, part: bytes, start: int) -> bytes | None:
        """The record that ends with a chunk, if one does."""
        if kind in (_FULL, _FIRST):
            if self._parts:
                self.damages.append(Damage(self._began, "a record that does not go on"))
            self._lost = False
            self._parts, self._began = ([], start) if kind == _FULL else ([part], start)
            return part if kind == _FULL else None
        if not self._parts:
            # Behind a damage it is known why the beginning is missing.
            if not self._lost:
                self.damages.append(Damage(start, "a part of a record without its beginning"))
            self._lost = kind != _LAST
            return None
        self._parts.append(part)
        if kind == _MIDDLE:
            return None
        record, self._parts = b"".join(self._parts), []
        return record

    def _passed(self, data: bytes, place: int, end: int, room: int, what: str) -> int:
        """Where to go on behind a chunk that is none, which is remembered."""
        block_end = min(place + room, len(data))
        start = self._place - len(data) + place
        self.damages.append(Damage(self._began if self._parts else start, what))
        self._parts, self._lost = [], True
        nothing_left = 0 <= block_end - end < _SIZE
        return end if nothing_left or is_chunk(data, end, block_end) else block_end


def is_chunk(data: bytes, place: int, block_end: int) -> bool:
    """Whether a whole and sound chunk begins at a place of a block."""
    block_end = min(block_end, len(data))
    if place + _SIZE > block_end:
        return False
    crc, size, kind = _HEAD.unpack_from(data, place)
    end = place + _SIZE + size
    if end > block_end or not _FULL <= kind <= _LAST:
        return False
    return bool(crc == zlib.crc32(memoryview(data)[place + 6 : end]))
