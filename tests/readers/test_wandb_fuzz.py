"""Hostile logs of Weights & Biases: whatever the bytes are, reading ends, and soon."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from dr_gen.readers.contract import HEAD_BYTES, ReadOptions
from dr_gen.readers.wandb.reader import WandbReader
from dr_gen.validators import validate
from tests.readers import wandb_logs as logs

READER = WandbReader()
SECONDS = 5.0
"""For one file of 80 kB: a hundred times as long as it takes."""


def records() -> list[bytes]:
    """Records of all kinds, one of them over several blocks."""
    found = [logs.run("abc", {"lr": 0.1, "optim": {"name": "adam"}}, name="näme")]
    for i in range(40):
        row = {("train/loss",): 1 / (i + 1), ("net", "a"): i, ("_step",): i, ("t",): "x" * i}
        found += [logs.summary(row), logs.history(row, i), logs.history({"val/acc": i, "_step": i})]
    found += [logs.stats({"cpu": 1, "net": {"in": 3}}), logs.printed("hello"), logs.printed("\xff")]
    found += [logs.config({"lr": 0.2, ("optim", "eps"): 1}), logs.history({"long": "y" * 70_000})]
    found += [logs.history({"h": {"_type": "histogram", "bins": [1, 2]}, "_step": 41})]
    found += [logs.record(12, logs.field(2, "val/*") + logs.field(4, "t")), logs.ended(1)]
    return found


def mutated(rng: random.Random) -> bytes:
    """A log that something happened to: to its bytes, or inside its records."""
    inside = rng.random() < 0.5
    parts = records()
    if inside:
        # With checksums that fit, so that the messages are looked at.
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(parts))
            parts[at] = changed(parts[at], rng)
        return logs.wandb_file(*parts)
    return changed(logs.wandb_file(*parts), rng)


def changed(data: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes cut, put in, repeated or made a length that is not there."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at, n = rng.randrange(len(out) + 1), rng.choice([1, 2, 7, 100, 32768])
        kind = rng.randrange(6)
        if kind == 0 and out:
            out[min(at, len(out) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at : at + n]
        elif kind == 2:
            out[at:at] = rng.randbytes(min(n, 100))
        elif kind == 3:
            out[at : at + 5] = b"\xff\xff\xff\xff\x7f"
        elif kind == 4:
            out[at:at] = out[at : at + n]
        else:
            out[at : at + n] = bytes(min(n, len(out) - at))
    return bytes(out[: rng.randrange(len(out) + 1)] if rng.random() < 0.1 else out)


def check(folder: Path, contents: Iterator[bytes]) -> None:
    """Read each, and look at all that came out."""
    path = folder / "run-abc.wandb"
    for number, content in enumerate(contents):
        path.write_bytes(content)
        start = time.process_time()
        READER.detect(path, content[:HEAD_BYTES])
        result = READER.read(path, "run", ReadOptions())
        for run in map(validate, result.runs):
            assert run.n_points <= 5000, number
            for curve in run.curves():
                assert len(curve.xs) == len(curve.values)
        assert result.end is None or 0 <= result.end <= len(content), number
        assert time.process_time() - start < SECONDS, number


def test_damaged_logs(tmp_path: Path) -> None:
    """Some hundred logs, each damaged in another way."""
    check(tmp_path, (mutated(random.Random(seed)) for seed in range(200)))


@pytest.mark.slow
def test_many_damaged_logs(tmp_path: Path) -> None:
    """Ten thousand of them."""
    check(tmp_path, (mutated(random.Random(seed)) for seed in range(10_000, 20_000)))


@pytest.mark.parametrize(
    "records",
    [
        [
            logs.config({("a",) * 50_000: 1}),
            logs.history({("a",) * 50_000: 1, ("b", "_type"): "x"}),
        ],
        [logs.history({"a/" * 50_000: 1.0, ("b", "_type"): "x"})],
        [
            logs.summary({f"m{i}": 1 for i in range(20_000)}),
            logs.summary({}, remove=[f"m{i}" for i in range(20_000)]),
        ],
        [logs.history({f"m{i}": float(i), "_step": i // 2}) for i in range(3000)],
        [logs.record(12, logs.field(1, f"m{i}") + logs.field(4, f"x{i}")) for i in range(9000)],
    ],
    ids=["deep paths", "long names", "removals", "names", "definitions"],
)
def test_nothing_takes_more_time_than_it_has_bytes(tmp_path: Path, records: list[bytes]) -> None:
    """Paths, names and removals of which there are far too many."""
    check(tmp_path, iter([logs.wandb_file(*records)]))


@pytest.mark.parametrize(
    "body", [b"\x0a\xff\xff\xff\xff\x0f", b"\x0a" * 50_000, b"\x0a\x00" * 50_000]
)
def test_memory_is_in_proportion(tmp_path: Path, body: bytes) -> None:
    """Lengths that promise gigabytes, and as many empty items as there can be."""
    path = tmp_path / "run-abc.wandb"
    path.write_bytes(logs.wandb_file(*[logs.record(2, body), logs.record(3, body)] * 3))
    tracemalloc.start()
    try:
        READER.read(path, "run", ReadOptions())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8e6 + 60 * path.stat().st_size
