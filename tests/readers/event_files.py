"""Event files written byte by byte: what the formats of TensorFlow allow, and what they do not."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from dr_gen.readers.tensorboard.checksums import checksum

__all__ = [
    "HEADER",
    "double",
    "event",
    "exact",
    "field",
    "metadata",
    "record",
    "scalar",
    "session_end",
    "session_start",
    "tensor",
    "text",
    "varint",
    "write",
]


def varint(number: int) -> bytes:
    """A whole number of variable length; negative ones take ten bytes."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value: bytes | int) -> bytes:
    """A field of a message: bytes with their length, or a whole number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def double(number: int, value: float) -> bytes:
    """A field of 8 bytes."""
    return varint(number << 3 | 1) + struct.pack("<d", value)


def event(summary: bytes = b"", step: int = 0, wall: float = 0.0, rest: bytes = b"") -> bytes:
    """An event with the values of a summary; what is 0 is left out, as writers do."""
    out = double(1, wall) if wall else b""
    out += field(2, step) if step else b""
    return out + (field(5, summary) if summary else b"") + rest


def scalar(tag: str, value: float) -> bytes:
    """A value of a summary as TensorFlow 1, PyTorch and tensorboardX write it."""
    inner = field(1, tag.encode()) + varint(2 << 3 | 5) + struct.pack("<f", value)
    return field(1, inner)


def metadata(plugin: str, content: bytes = b"") -> bytes:
    """Which plugin shows a value."""
    return field(1, field(1, plugin.encode()) + (field(2, content) if content else b""))


def tensor(tag: str, content: bytes, plugin: str | None = "scalars", more: bytes = b"") -> bytes:
    """A value of a summary that is a tensor."""
    inner = field(1, tag.encode()) + field(8, content)
    inner += b"" if plugin is None else field(9, metadata(plugin, more))
    return field(1, inner)


def exact(tag: str, value: float) -> bytes:
    """A scalar of 64 bits, in a tensor."""
    return tensor(tag, field(1, 2) + field(2, b"") + field(6, struct.pack("<d", value)))


def text(tag: str, content: str) -> bytes:
    """A text, as ``add_text`` writes it."""
    return tensor(tag, field(1, 7) + field(8, content.encode()), "text")


def session_start(hpms: Mapping[str, object]) -> bytes:
    """Hyperparameters, as ``add_hparams`` writes them."""
    entries = b"".join(
        field(1, field(1, name.encode()) + field(2, _cell(value))) for name, value in hpms.items()
    )
    content = field(3, entries)
    return tensor("_hparams_/session_start_info", b"", "hparams", content)


def session_end(status: int) -> bytes:
    """How a session ended: 1 well, 2 failed, 3 not yet."""
    return tensor("_hparams_/session_end_info", b"", "hparams", field(4, field(1, status)))


def _cell(value: object) -> bytes:
    if value is None:
        return field(1, 0)
    if isinstance(value, bool):
        return field(4, int(value))
    if isinstance(value, int | float):
        return double(2, float(value))
    if isinstance(value, str):
        return field(3, value.encode())
    if isinstance(value, Mapping):
        items = value.items()
        pairs = (field(1, field(1, str(k).encode()) + field(2, _cell(v))) for k, v in items)
        return field(5, b"".join(pairs))
    assert isinstance(value, list)
    return field(6, b"".join(field(1, _cell(one)) for one in value))


def record(data: bytes) -> bytes:
    """A record with its length and checksums."""
    length = struct.pack("<Q", len(data))
    return length + _sum(length) + data + _sum(data)


def _sum(data: bytes) -> bytes:
    return checksum(data).to_bytes(4, "little")


HEADER = record(field(3, b"brain.Event:2"))


def write(path: Path, events: Iterable[bytes]) -> Path:
    """A file of events behind the one with the version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(HEADER + b"".join(map(record, events)))
    return path
