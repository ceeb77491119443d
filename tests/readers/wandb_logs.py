"""Writes ``.wandb`` files for the tests, byte by byte, so that damage can be done to them."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

HEADER = b":W&B\xe1\xbe\x00"
BLOCK = 32768


def number(value: int) -> bytes:
    """A variable-length integer."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    return bytes([*out, value])


def field(tag: int, value: bytes | str | int) -> bytes:
    """A field of a message: a number, or anything else with its length."""
    if isinstance(value, int):
        return number(tag << 3) + number(value)
    body = value.encode() if isinstance(value, str) else value
    return number(tag << 3 | 2) + number(len(body)) + body


def text(value: Any) -> str:
    """JSON as the tool writes it: whole floats have no point."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def item(name: str | tuple[str, ...], value: Any) -> bytes:
    """A name and a value; names in a tuple are the path of a nested value."""
    path = b"".join(field(2, part) for part in name) if isinstance(name, tuple) else field(1, name)
    return path + field(16, value if isinstance(value, bytes) else text(value))


def items(values: Mapping[Any, Any], tag: int = 1) -> bytes:
    """Several of them."""
    return b"".join(field(tag, item(name, value)) for name, value in values.items())


def record(kind: int, body: bytes, num: int = 1) -> bytes:
    """A record of some kind."""
    return field(1, num) + field(kind, body)


def history(row: Mapping[Any, Any], step: int | None = None) -> bytes:
    """A row."""
    about = b"" if step is None else field(2, field(1, step))
    return record(2, items(row) + about)


def summary(values: Mapping[Any, Any], remove: Iterable[str] = ()) -> bytes:
    """A change of the summary."""
    return record(3, items(values) + b"".join(field(2, item(name, None)) for name in remove))


def config(values: Mapping[Any, Any], remove: Iterable[Any] = ()) -> bytes:
    """A change of the configuration."""
    return record(5, items(values) + b"".join(field(2, item(name, None)) for name in remove))


def run(run_id: str = "abc", values: Mapping[str, Any] | None = None, **texts: str) -> bytes:
    """The record of the run itself."""
    tags = {"entity": 2, "project": 3, "group": 6, "job_type": 7, "name": 8, "notes": 9}
    body = field(1, run_id) + b"".join(field(tags[key], value) for key, value in texts.items())
    return record(17, body + field(4, items(values or {})))


def stats(values: Mapping[str, Any]) -> bytes:
    """Measurements of the machine."""
    return record(7, field(2, field(1, 1_700_000_000)) + items(values, 3))


def printed(line: str) -> bytes:
    """What was printed."""
    return record(13, field(1, 1) + field(3, line))


def ended(code: int = 0) -> bytes:
    """The exit record, and the two behind it."""
    return record(18, field(1, code) if code else b"")


def framed(records: Iterable[bytes], start: int = len(HEADER)) -> bytes:
    """The records in their framing, from a place of the file on."""
    out = bytearray()

    def chunk(kind: int, data: bytes) -> None:
        out.extend(struct.pack("<IHB", zlib.crc32(bytes([kind]) + data), len(data), kind) + data)

    for data in records:
        room = BLOCK - (start + len(out)) % BLOCK
        if room < 7:
            out.extend(bytes(room))
            room = BLOCK
        if len(data) + 7 <= room:
            chunk(1, data)
            continue
        chunk(2, data[: room - 7])
        rest = data[room - 7 :]
        while len(rest) > BLOCK - 7:
            chunk(3, rest[: BLOCK - 7])
            rest = rest[BLOCK - 7 :]
        chunk(4, rest)
    return bytes(out)


def wandb_file(*records: bytes) -> bytes:
    """A whole file."""
    return HEADER + framed([record(21, b""), *records])
