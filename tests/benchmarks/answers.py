"""What every contestant has to come up with, and whether two of them did."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["Answer", "Block", "flattened"]


@attrs.frozen
class Block:
    """Curves of one run that share their x.

    Attributes
    ----------
    run : str
    names : sequence of str
        As logged: the column of a flat row; split/metric of others.
    x : int array, dims (point,)
        Epochs, or steps of a flat log.
    values : float64 array, dims (name, point)
    """

    run: str
    names: Sequence[str]
    x: NDArray[Any]
    values: NDArray[np.float64]


@attrs.frozen
class Answer:
    """Every curve of every run, and the configurations, dotted key to value, by run."""

    blocks: Sequence[Block]
    hpms: Mapping[str, Mapping[str, Any]]

    def facts(self) -> dict[str, int]:
        """Counts and sums that agree when the answers do, whatever order they are in.

        `points` sums, modulo 2^64, over all points: the bits of the value, times one factor made
        of x and one of the name of the run and curve. It shows a value that was rounded, left
        out, or put to another x or curve. Every NaN counts as the same.
        """
        total = 0
        for block in self.blocks:
            names = [zlib.crc32(f"{block.run} {name}".encode()) for name in block.names]
            curve = np.array(names, np.uint64)[:, None] * np.uint64(2) + np.uint64(1)
            x = np.asarray(block.x).astype(np.uint64) * np.uint64(2) + np.uint64(1)
            values = np.where(np.isnan(block.values), np.nan, block.values + 0.0)
            total += int((values.view(np.uint64) * x * curve).sum(dtype=np.uint64))
        texts = (f"{run} {json.dumps(self.hpms[run], sort_keys=True)}" for run in self.hpms)
        return {
            "runs": len(self.hpms),
            "n_points": sum(block.values.size for block in self.blocks),
            "points": total % 2**64,
            "hpms": sum(zlib.crc32(text.encode()) for text in texts),
        }


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration as dotted keys; lists are leaves."""
    return dict(_leaves(config, prefix))


def _leaves(config: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
