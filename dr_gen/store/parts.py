"""The curves of a store, file by file, as its lazy table reads them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.axis import pick_axes
from dr_gen.model.curve_table import CurveTable
from dr_gen.store.shards import ReadRows

__all__ = ["Names", "Part"]


@attrs.frozen
class Names:
    """Names to the codes that stand for them in all parts of a store; new ones get the next."""

    splits: dict[str, int] = attrs.field(factory=dict)
    metrics: dict[str, int] = attrs.field(factory=dict)

    @staticmethod
    def codes(known: dict[str, int], names: Sequence[str]) -> NDArray[np.intp]:
        """The code of each of some names, which are added to the known ones, dims (name,)."""
        return np.array([known.setdefault(name, len(known)) for name in names], np.intp)


@attrs.frozen(eq=False)
class Part:
    """Curves that lie in one file, and count.

    Attributes
    ----------
    reading : callable
        Opens what has their values and x values.
    path : Path
        The file.
    table : CurveTable
        All curves of it, without values and x values.
    curves : intp array, dims (curve,)
        Those of the table that count.
    run, split, metric : intp arrays, dims (curve,)
        Of each of them, as codes into the names of the index.
    x_texts : tuple of str
        What the codes of x values that are text mean.
    """

    reading: Callable[[], AbstractContextManager[ReadRows]]
    path: Path
    table: CurveTable
    curves: NDArray[np.intp]
    run: NDArray[np.intp]
    split: NDArray[np.intp]
    metric: NDArray[np.intp]
    x_texts: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        reading: Callable[[], AbstractContextManager[ReadRows]],
        path: Path,
        table: CurveTable,
        names: Names,
        number: NDArray[np.intp],
        x_texts: tuple[str, ...] = (),
    ) -> Part:
        """The curves of a file.

        Parameters
        ----------
        reading, path, table
        names : Names
            Gets those of the table that are new.
        number : intp array, dims (run,)
            Of each run of the table in the store, -1 for one that does not count.
        x_texts
        """
        run = number[table.run]
        curves = np.flatnonzero(run >= 0)
        split = names.codes(names.splits, table.splits)[table.split[curves]]
        metric = names.codes(names.metrics, table.metrics)[table.metric[curves]]
        return cls(reading, path, table, curves, run[curves], split, metric, x_texts)

    def only(self, kept: NDArray[np.bool_]) -> Part:
        """Without some of the curves that count."""
        columns = {name: getattr(self, name)[kept] for name in ("curves", "run", "split", "metric")}
        return attrs.evolve(self, **columns)

    @functools.cached_property
    def usual_axes(self) -> NDArray[np.intp]:
        """The axis of each block of the table that is its usual one, dims (block,)."""
        return pick_axes(self.table, np.arange(len(self.table.block_size)))

    @functools.cached_property
    def axes(self) -> Mapping[str, NDArray[np.intp]]:
        """X name to the axis of each block of that name, -1 for none, dims (block,)."""
        table = self.table
        found = {}
        for code, name in enumerate(table.x_names):
            named = np.flatnonzero(table.axis_x == code)
            found[name] = np.full(len(table.block_size), -1, np.intp)
            found[name][table.axis_block[named]] = named
        return found
