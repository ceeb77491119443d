"""The keys that vary, as codes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.codes import Codes, dense, joint
from dr_gen.model.hpm import MISSING
from dr_gen.model.hpm_group import HpmGroup

__all__ = ["Column", "Columns"]


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
