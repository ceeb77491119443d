"""The wire format of protocol buffers: the fields of a message, without its definition.

Laid out as in https://protobuf.dev/programming-guides/encoding/. Lengths are checked before
anything is taken, so that a message costs no more than the bytes it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = [
    "FIXED32",
    "FIXED64",
    "LENGTH",
    "VARINT",
    "MalformedMessageError",
    "fields",
    "spans",
    "varint",
]

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5
_LONGEST_VARINT: Final = 10


class MalformedMessageError(ValueError):
    """The bytes are no message; what readers turn into a finding."""


def varint(message: bytes, start: int) -> tuple[int, int]:
    """The variable-length integer (unsigned, 64 bits) at a place, and the place behind it.

    Raises
    ------
    MalformedMessageError
        If it does not end in time.

    Examples
    --------
    >>> varint(bytes([0x96, 0x01, 0xFF]), 0)
    (150, 2)
    """
    value = shift = 0
    for place in range(start, min(start + _LONGEST_VARINT, len(message))):
        byte = message[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, place + 1
        shift += 7
    raise MalformedMessageError(f"no end of the number at byte {start}")


def fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """The fields of a message in order: number, wire type and value.

    The value of `VARINT` is an unsigned integer, of the others the bytes: 8 for `FIXED64`, 4 for
    `FIXED32`, any number for `LENGTH`.

    Raises
    ------
    MalformedMessageError
        At the first field that is none; those before it were given.

    Examples
    --------
    >>> list(fields(bytes.fromhex("089601 1202 6869")))
    [(1, 0, 150), (2, 2, b'hi')]
    """
    place, end = 0, len(message)
    while place < end:
        tag, place = varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, place = varint(message, place)
            yield number, kind, value
            continue
        if kind == LENGTH:
            size, place = varint(message, place)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise MalformedMessageError(f"wire type {kind} at byte {place}")
        if number == 0 or size > end - place:
            raise MalformedMessageError(f"field {number} of {size} bytes at byte {place}")
        yield number, kind, message[place : place + size]
        place += size


def spans(message: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Where the fields of a message lie: number, wire type, and from where to where their value.

    Nothing is copied, so that what nobody wants costs nothing. `start` and `end` say where in
    `message` the message itself lies.

    Raises
    ------
    MalformedMessageError
        At the first field that is none; those before it were given.

    Examples
    --------
    >>> list(spans(bytes.fromhex("ff 089601 1202 6869"), 1, 8))
    [(1, 0, 2, 4), (2, 2, 6, 8)]
    """
    place = start
    while place < end:
        # Almost every tag is one byte; the general way takes twice as long.
        tag, place = (message[place], place + 1) if message[place] < 128 else varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            begin = place
            _, place = varint(message, place)
        elif kind == LENGTH:
            size, begin = varint(message, place)
            place = begin + size
        elif kind in (FIXED64, FIXED32):
            begin = place
            place += 8 if kind == FIXED64 else 4
        else:
            raise MalformedMessageError(f"wire type {kind} at byte {place}")
        if number == 0 or place > end:
            raise MalformedMessageError(f"field {number} at byte {begin} ends at {place} of {end}")
        yield number, kind, begin, place
