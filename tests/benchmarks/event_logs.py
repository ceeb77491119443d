"""Event files of TensorBoard: written as PyTorch writes them, read by tbparse and by dr_gen.

tbparse is what people use to get at scalars without a server. It reads every event with the classes
of protocol buffers of TensorBoard and gives a frame of all points, here without wall times, which
dr_gen keeps. Of its frame only an array for each curve is made.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

import dr_gen
from tests.benchmarks.answers import Answer, Block

__all__ = ["TAGS", "answer_of_events", "by_tbparse", "write_run"]

TAGS = (
    *("train/loss", "train/acc1", "train/acc5", "train/lr", "train/grad_norm"),
    *("val/loss", "val/acc1", "val/acc5", "perf/samples_per_second", "perf/memory"),
)
START = 1_700_000_000.0


def write_run(folder: Path, number: int, length: int, rng: np.random.Generator) -> None:
    """A run in a folder of its own, an event for each tag of each step."""
    values = rng.normal(size=(length, len(TAGS))).astype("<f4")
    walls = START + np.cumsum(rng.gamma(4, 0.01, values.shape).ravel()).reshape(values.shape)
    own = folder / f"run_{number:05d}"
    own.mkdir()
    with (own / f"events.out.tfevents.1700000000.node7.{4000 + number}.0").open("wb") as file:
        file.write(_record(struct.pack("<Bd", 9, START) + b"\x1a\rbrain.Event:2"))
        for step, (row, times) in enumerate(zip(values, walls.tolist(), strict=True)):
            file.writelines(_events(step, row.tobytes(), times))


def _events(step: int, values: bytes, times: list[float]) -> Iterator[bytes]:
    head = b"\x10" + _varint(step) if step else b""
    for place, (tag, time) in enumerate(zip(TAGS, times, strict=True)):
        name = tag.encode()
        value = b"\n" + _varint(len(name)) + name + b"\x15" + values[4 * place : 4 * place + 4]
        summary = b"\n" + _varint(len(value)) + value
        yield _record(struct.pack("<Bd", 9, time) + head + b"*" + _varint(len(summary)) + summary)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFF_FFFF)


def by_tbparse(folder: Path) -> Answer:
    """The scalars of all runs below a folder, by tbparse."""
    from tbparse import SummaryReader

    frame = SummaryReader(str(folder), extra_columns={"dir_name"}).scalars
    blocks = [
        Block(run, [tag], points["step"].to_numpy(), points["value"].to_numpy()[None])
        for (run, tag), points in frame.groupby(["dir_name", "tag"], sort=False)
    ]
    return Answer(blocks, {block.run: {} for block in blocks})


def answer_of_events(group: dr_gen.RunGroup) -> Answer:
    """What the runs hold, by the folder of their events."""
    blocks = [
        Block(_folder(run), [curve.original_name], curve.xs, curve.values[None])
        for run in group
        for curve in run.curves()
    ]
    return Answer(blocks, {_folder(run): {} for run in group})


def _folder(run: Any) -> str:
    return Path(run.source).parent.name
