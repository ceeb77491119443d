"""A sweep as the checks see it: what was swept, what tells replicates apart, what is noise."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.analysis.design.columns import Columns
from dr_gen.model.codes import Codes
from dr_gen.model.hpm import MISSING
from dr_gen.model.hpm_group import HpmGroup

__all__ = ["Sweep"]


@attrs.frozen(eq=False)
class Sweep:
    """The runs whose configuration is known, by what their keys are for.

    Attributes
    ----------
    hpms : HpmGroup
    columns : Columns
        The keys that vary.
    positions : intp array, dims (run,)
        The runs in the group.
    factors : tuple of str
        Keys that were swept; their combinations are the configurations.
    seed : str or None
        The key that tells the replicates of a configuration apart.
    seeds : tuple of str
        All keys that vary and hold seeds; `seed` among them when it varies.
    noise : tuple of str
        The other keys that vary.
    named_by : tuple of str
        Factors that are enough to name a configuration; all of them when empty.
    """

    hpms: HpmGroup
    columns: Columns
    positions: Codes
    factors: tuple[str, ...]
    seed: str | None
    seeds: tuple[str, ...]
    noise: tuple[str, ...]
    named_by: tuple[str, ...] = ()

    @functools.cached_property
    def _configurations(self) -> tuple[Codes, Codes]:
        return self.columns.combinations(self.factors)

    @property
    def configuration(self) -> Codes:
        """Number of the configuration of each run, dims (run,)."""
        return self._configurations[0]

    @property
    def first(self) -> Codes:
        """The first run of each configuration, dims (configuration,)."""
        return self._configurations[1]

    @property
    def n_runs(self) -> int:
        """How many runs there are."""
        return len(self.positions)

    @property
    def n_configurations(self) -> int:
        """How many configurations there are."""
        return len(self.first)

    @functools.cached_property
    def n_runs_of(self) -> Codes:
        """How many runs each configuration has, dims (configuration,)."""
        return np.bincount(self.configuration, minlength=self.n_configurations)

    def ids(self, runs: NDArray[Any]) -> tuple[str, ...]:
        """Ids of some runs, given as a mask or as numbers."""
        ids = self.hpms.ids
        return tuple(ids[i] for i in self.positions[runs].tolist())

    def describe(self, hpms: Mapping[str, Any]) -> str:
        """A configuration in display names."""
        return self.hpms.describe(hpms)

    def name(self, configuration: int) -> str:
        """A configuration, given by number, in display names."""
        run, values = int(self.first[configuration]), {}
        for key in self.named_by or self.factors:
            column = self.columns[key]
            values[key] = column.values[int(column.codes[run])]
        return self.describe({k: v for k, v in values.items() if v is not MISSING} or values)

    def label(self, key: str) -> str:
        """Display name of a key."""
        return self.labels((key,))[0]

    def labels(self, keys: Sequence[str]) -> list[str]:
        """Display names of keys, in the order of the keys."""
        names = self.hpms.labels.key_names([*self.factors, *(k for k in keys)])
        return [names[key] for key in keys]

    def text(self, key: str, value: Any) -> str:
        """Display text of a value."""
        return self.hpms.labels.value(key, value)
