"""Hyperparameters as small whole numbers, so that questions about all runs are array operations."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.hpm import MISSING
from dr_gen.model.hpm_group import HpmGroup

__all__ = ["Codes", "Column", "Columns", "counts_within", "dense", "joint"]

Codes = NDArray[np.intp]

_TABLE_SIZE: Final = 1 << 17
"""Codes up to this are counted in a table; larger ones are sorted, which takes less memory."""


def dense(codes: NDArray[Any], size: int) -> tuple[Codes, Codes]:
    """Codes without gaps, and the first place where each occurs.

    Parameters
    ----------
    codes : integer array, dims (row,)
        In [0, size).
    size : int

    Returns
    -------
    codes : intp array, dims (row,)
        Equal where the given ones are, ascending as they do: 0, 1, … without gaps.
    first : intp array, dims (code,)
        Row where each code comes first.
    """
    if size > _TABLE_SIZE:
        _, first, out = np.unique(codes, return_index=True, return_inverse=True)
        return out.astype(np.intp, copy=False), first
    first = np.full(size, -1, np.intp)
    # Assigned from the back, so that the first of equal ones stays.
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    used = first >= 0
    return (np.cumsum(used) - 1)[codes], first[used]


def joint(rows: Sequence[Codes], n_rows: int) -> tuple[Codes, Codes]:
    """Codes of combinations: equal where all of `rows` are; and where each comes first.

    Examples
    --------
    >>> codes, first = joint([np.array([0, 1, 0]), np.array([1, 1, 1])], 3)
    >>> codes.tolist(), first.tolist()
    ([0, 1, 0], [0, 1])
    """
    codes, first = np.zeros(n_rows, np.intp), np.zeros(min(n_rows, 1), np.intp)
    for row in rows:
        size = int(row.max(initial=0)) + 1
        codes, first = dense(codes * size + row, max(len(first), 1) * size)
    return codes, first


def counts_within(outer: Codes, n_outer: int, inner: Codes) -> Codes:
    """How many different codes of `inner` there are at each code of `outer`.

    Examples
    --------
    >>> counts_within(np.array([0, 0, 1]), 2, np.array([5, 6, 5])).tolist()
    [2, 1]
    """
    _, first = joint([outer, inner], len(outer))
    return np.bincount(outer[first], minlength=n_outer)


@attrs.frozen(eq=False)
class Column:
    """One key over the runs.

    Attributes
    ----------
    key : str
    codes : intp array, dims (run,)
        Without gaps from 0; equal where the values are.
    values : tuple
        The value of each code; `MISSING` where runs lack the key.
    """

    key: str
    codes: Codes
    values: tuple[Any, ...]

    @property
    def n_levels(self) -> int:
        """How many values there are."""
        return len(self.values)

    @functools.cached_property
    def counts(self) -> Codes:
        """How many runs have each value."""
        return np.bincount(self.codes, minlength=self.n_levels)

    @functools.cached_property
    def present(self) -> tuple[Any, ...]:
        """The values without `MISSING`."""
        return tuple(value for value in self.values if value is not MISSING)

    @functools.cached_property
    def held(self) -> NDArray[np.bool_]:
        """Which runs have the key."""
        return np.array([value is not MISSING for value in self.values], bool)[self.codes]

    @property
    def differs_in_every_run(self) -> bool:
        """Whether no two runs have one value."""
        return self.n_levels == len(self.codes)

    def merged(self, classes: Sequence[int]) -> Column:
        """The column with values of one class counted as one, the first of them."""
        codes, _ = dense(np.array(classes, np.intp)[self.codes], self.n_levels)
        kept = sorted(set(classes))
        return Column(self.key, codes, tuple(self.values[c] for c in kept))


@attrs.frozen(eq=False)
class Columns:
    """Keys that vary over the runs whose configuration is known.

    Attributes
    ----------
    n_runs : int
    by_key : mapping
    """

    n_runs: int
    by_key: dict[str, Column]

    @classmethod
    def of(cls, hpms: HpmGroup, positions: Codes) -> Columns:
        """The columns of the runs of a group at `positions`."""
        table, runs = hpms.table, hpms.indices[positions]
        codes = table.equal_codes[:, runs]
        out: dict[str, Column] = {}
        different = (codes != codes[:, :1]).any(axis=1) if len(runs) else np.zeros(0, bool)
        for number in np.flatnonzero(different).tolist():
            row = codes[number].astype(np.intp) + 1
            categories = table.categories[number]
            packed, first = dense(row, len(categories) + 1)
            values = tuple(
                categories[code - 1] if code else MISSING for code in row[first].tolist()
            )
            out[table.keys[number]] = Column(table.keys[number], packed, values)
        return cls(len(runs), out)

    def __contains__(self, key: str) -> bool:
        return key in self.by_key

    def __getitem__(self, key: str) -> Column:
        return self.by_key[key]

    def codes(self, keys: Sequence[str]) -> list[Codes]:
        """Codes of some keys that vary."""
        return [self.by_key[key].codes for key in keys]

    def combinations(self, keys: Sequence[str]) -> tuple[Codes, Codes]:
        """The combination of `keys` that each run has, and the first run of each."""
        return joint(self.codes(keys), self.n_runs)
