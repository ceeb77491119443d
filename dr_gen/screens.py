"""Which runs a validator need not look at: decided for all runs of a table in a few array steps.

Each function gives a mask over the runs that is true where the validator may find something. Where
it is false the validator would find nothing; a mask that is true too often only costs time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.axis import pick_axes
from dr_gen.model.curve_table import POOL_INT, CurveTable
from dr_gen.model.run_table import RunTable

__all__ = [
    "Epochs",
    "Screen",
    "epochs_of",
    "may_be_empty",
    "may_repeat_x",
    "may_vary_in_length",
    "needed",
    "screened_by",
]

Mask = NDArray[np.bool_]
Screen = Callable[[RunTable], Mask]
"""Gives a mask over the runs of a table."""

_Check = TypeVar("_Check", bound=Callable[..., Any])
_LARGE = 2**53


def screened_by(screen: Screen) -> Callable[[_Check], _Check]:
    """A decorator of a validator: it need not look at the runs where the mask is false."""

    def mark(check: _Check) -> _Check:
        check.__dict__["screen"] = screen
        return check

    return mark


def needed(validator: Callable[..., Any], table: RunTable) -> list[bool]:
    """For each run of a table whether a validator has to look at it."""
    screen: Screen | None = getattr(validator, "screen", None)
    if screen is None:
        return [True] * len(table.records)
    return [bool(may) for may in screen(table)]


def _marked(table: RunTable, runs: NDArray[np.integer]) -> Mask:
    mask = np.zeros(len(table.records), np.bool_)
    mask[runs] = True
    return mask


def _blocks(curves: CurveTable) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The blocks that have a curve, and the run of each."""
    blocks, first = np.unique(curves.block, return_index=True)
    return blocks.astype(np.int64), curves.run[first]


def may_be_empty(table: RunTable) -> Mask:
    """Runs without a single value."""
    held = table.curves.run[table.curves.size > 0]
    return ~_marked(table, held)


def may_vary_in_length(table: RunTable) -> Mask:
    """Runs with a split whose metrics differ in their number of values."""
    curves = table.curves
    key = curves.run.astype(np.int64) * max(len(curves.splits), 1) + curves.split
    order = np.argsort(key, kind="stable")
    key, size, run = key[order], curves.size[order], curves.run[order]
    differs = (key[1:] == key[:-1]) & (size[1:] != size[:-1])
    return _marked(table, run[1:][differs])


def may_repeat_x(table: RunTable) -> Mask:
    """Runs with a split whose usual x does not strictly increase."""
    curves = table.curves
    blocks, run = _blocks(curves)
    return _marked(table, run[~curves.axis_clean[pick_axes(curves, blocks)]])


@attrs.frozen(eq=False)
class Epochs:
    """How many epochs runs have, and should have.

    Attributes
    ----------
    wanted : float64 array, dims (run,)
        -1: nothing says; NaN: a closer look is needed.
    reached : float64 array, dims (run,)
        -1: nothing was logged by epoch; NaN: a closer look is needed.
    """

    wanted: NDArray[np.float64]
    reached: NDArray[np.float64]

    @property
    def differ(self) -> Mask:
        """Runs that have not exactly the epochs expected of them, or may not."""
        mask: Mask = (self.wanted != -1) & (self.reached != -1) & (self.wanted != self.reached)
        return mask

    def of(self, run: int) -> tuple[int, float] | None:
        """Wanted and reached of one run, where both are sure."""
        wanted, reached = float(self.wanted[run]), float(self.reached[run])
        return (int(wanted), reached) if wanted > 0 and reached >= 0 else None


def epochs_of(table: RunTable, keys: Sequence[str], epochs: int | None = None) -> Epochs:
    """The epochs of all runs.

    Parameters
    ----------
    keys : sequence of str
        Keys of the configuration that say how many are expected, by preference.
    epochs : int, optional
        How many are expected of every run, whatever its configuration says.
    """
    wanted = _configured(table, keys)
    if epochs is not None:
        wanted = np.full(len(table.records), float(epochs))
    curves = table.curves
    reached = np.full(len(table.records), -1.0)
    if "epoch" in curves.x_names:
        blocks, run = _blocks(curves)
        owner = np.full(len(curves.block_size), -1)
        owner[blocks] = run
        mine = (curves.axis_x == curves.x_names.index("epoch")) & (owner[curves.axis_block] >= 0)
        counted = mine & (curves.axis_pool == POOL_INT) & curves.axis_clean
        at = curves.axis_block[counted]
        np.maximum.at(reached, owner[at], curves.block_size[at])
        # What is no plain counter takes a closer look.
        reached[owner[curves.axis_block[mine & ~counted]]] = np.nan
    return Epochs(wanted, reached)


def _configured(table: RunTable, keys: Sequence[str]) -> NDArray[np.float64]:
    """The epochs that each configuration names, -1 where it names none, NaN where in doubt."""
    hpms = table.hpms
    wanted = np.full(len(table.records), -1.0)
    for name in keys:
        found = [i for i, key in enumerate(hpms.keys) if key.rsplit(".", 1)[-1] == name]
        for place in sorted(found, key=lambda i: (hpms.keys[i].count("."), hpms.keys[i])):
            lookup = np.array([*map(_as_epochs, hpms.categories[place]), -1.0])
            wanted = np.where(wanted == -1, lookup[hpms.codes[place]], wanted)
    return wanted


def _as_epochs(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 1:
        return -1.0
    return float(int(value)) if value < _LARGE else float("nan")
