"""What a key means for runs: a hyperparameter, a fact, or a number of a metric."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import AmbiguousNameError, UnknownKeyError, UsageError
from dr_gen.model import cube
from dr_gen.model.address import MetricAddress, find_address
from dr_gen.model.column import Column
from dr_gen.model.direction import Direction
from dr_gen.model.hpm import MISSING, unflatten
from dr_gen.model.labels import Labels
from dr_gen.model.run_table import RunTable, Status

__all__ = ["FACTS", "RunKeys"]

FACTS = ("id", "status", "experiment", "source")
"""What is known of every run beside its hyperparameters."""


@attrs.frozen(eq=False)
class RunKeys:
    """The keys of some runs of a table.

    A name is, in this order: the whole name of a hyperparameter, a fact (`FACTS`), the display
    name or the last part of one hyperparameter, a metric address, the name of a part of the
    configuration. The keys of all runs of the table count: a selection that left no run with a key
    still knows it.

    Attributes
    ----------
    table : RunTable
    indices : intp array, dims (run,)
        Which runs, in which order.
    labels : Labels
    directions : mapping
        Where the direction of a metric is not the usual one.
    """

    table: RunTable
    indices: NDArray[np.intp]
    labels: Labels = attrs.field(factory=Labels)
    directions: Mapping[str, Direction] = attrs.field(factory=dict)

    def column(self, name: str) -> Column:
        """The value of a key in each run.

        Raises
        ------
        UnknownKeyError
            If no run has such a key.
        AmbiguousNameError
            If several keys are called so.
        UsageError
            If it is a metric address with a reduction that there is not.
        """
        keys = self.table.hpms.keys
        dotted = name if name in keys else name.replace("__", ".")
        if dotted not in keys and name in FACTS:
            return self.fact(name)
        real = self.labels.real_key(name, keys)
        if real is not None:
            return self.hpm(real)
        parts = [key for key in keys if key.startswith(f"{dotted}.")]
        folded = dotted.strip().casefold()
        ends = [] if parts else [key for key in keys if _last_part(key) == folded]
        if len(ends) > 1:
            raise AmbiguousNameError("hyperparameter", name, tuple(ends))
        try:
            return self._metric(find_address(name, self.metrics, default="last"))
        except (UnknownKeyError, UsageError) as error:
            if parts:
                return self._part(dotted, parts)
            if isinstance(error, UsageError) and "@" in name:
                raise
            raise UnknownKeyError("key", name, self.known) from None

    @property
    def known(self) -> tuple[str, ...]:
        """Names that mean something, for a hint."""
        return (*self.table.hpms.keys, *FACTS, *map("/".join, self.metrics))

    @functools.cached_property
    def metrics(self) -> list[tuple[str, str]]:
        """Split and name of every metric of the table."""
        curves = self.table.curves
        new = np.ones(len(curves.split), bool)
        # Sorted by split and metric.
        new[1:] = (np.diff(curves.split) != 0) | (np.diff(curves.metric) != 0)
        codes = zip(curves.split[new].tolist(), curves.metric[new].tolist(), strict=True)
        return [(curves.splits[split], curves.metrics[metric]) for split, metric in codes]

    def hpm(self, key: str) -> Column:
        """A hyperparameter, by its whole name."""
        place = self.table.hpms.keys.index(key)
        text: Callable[[Any], str] = functools.partial(self.labels.value, key)
        codes = self.table.hpms.codes[place, self.indices]
        return Column(key, self.table.hpms.categories[place], codes, text, categorical=True)

    def fact(self, name: str) -> Column:
        """What is known of every run under one of `FACTS`."""
        runs = self.indices.tolist()
        if name == "id":
            return Column("id", self.table.ids, self.indices, str)
        if name == "status":
            code = {status: i for i, status in enumerate(Status)}
            codes = [code[self.table.statuses[i]] for i in runs]
            names = tuple(map(str, Status))
            return Column("status", names, np.array(codes, np.intp), str, names)
        return Column.of(name, self.table.facts(name, runs), str)

    def _metric(self, address: MetricAddress) -> Column:
        curves, reduction = self.table.curves, address.reduction
        held = cube.holds(curves, self.indices, address)
        values = np.full(len(self.indices), np.nan)
        if held.any():
            values = cube.values(curves, self.indices, address, None, self.directions)
        if reduction is not None and reduction.kind == "at":
            # NaN is what a run has that did not get that far, too.
            held &= ~np.isnan(values)
        codes = np.where(held, np.arange(len(values)), -1)
        return Column(str(address), values.tolist(), codes)

    def _part(self, name: str, keys: list[str]) -> Column:
        columns = {key.removeprefix(f"{name}."): self.hpm(key).values() for key in keys}
        rows = [
            {key: value for key, value in zip(columns, row, strict=True) if value is not MISSING}
            for row in zip(*columns.values(), strict=True)
        ]
        return Column.of(name, [unflatten(row) if row else MISSING for row in rows])


def _last_part(key: str) -> str:
    return key.rsplit(".", 1)[-1].casefold()
