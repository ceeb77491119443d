"""Which rows of a log are of which split, asked about many columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowSplits"]

Rows = NDArray[np.intp]


class RowSplits:
    """The splits of all rows, in arrays as soon as there is a question about them.

    Parameters
    ----------
    splits : sequence of str, dims (row,)

    Examples
    --------
    >>> splits = RowSplits(["train", "val", "train"])
    >>> mine, rows = splits.part("train", np.arange(3))
    >>> mine.tolist(), rows.tolist()
    ([True, False, True], [0, 2])
    """

    def __init__(self, splits: Sequence[str]) -> None:
        self._splits = splits
        self._known: dict[tuple[str, int], tuple[Rows, NDArray[np.bool_], Rows]] = {}

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {split: i for i, split in enumerate(dict.fromkeys(self._splits))}

    @functools.cached_property
    def _codes(self) -> Rows:
        codes = map(self._numbers.__getitem__, self._splits)
        return np.fromiter(codes, np.intp, len(self._splits))

    def part(self, split: str, rows: Rows) -> tuple[NDArray[np.bool_], Rows]:
        """Which of some rows are of a split, and these rows; the same arrays for the same rows."""
        key = split, id(rows)
        if key not in self._known:
            mine = self._codes[rows] == self._numbers[split]
            self._known[key] = rows, mine, rows[mine]  # they live as long as what they are known by
        return self._known[key][1:]
