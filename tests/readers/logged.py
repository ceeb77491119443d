"""What a log can hold of a run, and what may happen to a file."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs

from dr_gen.model.run import RunData

__all__ = ["as_logged", "mutated", "rows_of"]


def rows_of(run: RunData) -> list[tuple[str, str, dict[str, Any], float]]:
    """Split, metric, x on each axis and value of every point, in the order logged."""
    rows = []
    for split, metrics in run.items():
        for metric, curves in metrics.items():
            logged = attrs.evolve(curves, repeats="all")
            axes = {name: curve.xs.tolist() for name, curve in logged.items()}
            values = logged.default.values.tolist()
            for i, value in enumerate(values):
                rows.append((split, metric, {name: xs[i] for name, xs in axes.items()}, value))
    return rows


def as_logged(run: RunData, name_of: Callable[[str, str], str] | None = None) -> RunData:
    """The run without what a log cannot hold: curves of no points, and other names.

    `name_of` gives what a metric of a split is called there, by default as it is.
    """
    curves: dict[str, Any] = {}
    for split, metric, x, value in rows_of(run):
        original = metric if name_of is None else name_of(split, metric)
        empty = {"values": [], "x": {name: [] for name in x}, "original_name": original}
        curve = curves.setdefault(f"{split}/{metric}", empty)
        curve["values"].append(value)
        for name, position in x.items():
            curve["x"][name].append(position)
    return RunData.from_dict({"id": run.id, "hpms": dict(run.hpms), "curves": curves})


def mutated(rng: random.Random, content: bytes) -> bytes:
    """The content with one to three kinds of damage: flips, cuts, copies, insertions, zeros."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + rng.randint(1, 20)]
        elif kind == 3:
            data[at:at] = rng.randbytes(rng.randint(1, 12))
        elif kind == 4:
            data[at:at] = bytes(rng.randint(1, 40))
        elif kind == 5:
            data[at:at] = rng.choice(_TOKENS) * rng.randint(1, 3)
        else:
            other = rng.randrange(len(data) + 1)
            data[at:at] = data[other : other + rng.randint(1, 60)]
    return bytes(data)


_TOKENS = (
    *(b"\n", b"\r\n", b",", b";", b"\t", b'"', b"'", b"#", b"{", b"}", b"[", b"]", b":", b"\\"),
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"null", b"true", b"\xff", b"\xef\xbb\xbf"),
    *(b'{"a":' * 50, b"[" * 200, b"epoch", b"step", b"loss"),
)
