"""Counters that were logged like metrics: the x-axes that they are for the metrics beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.naming import DEFAULT_SPLIT, grows, x_column

__all__ = ["STEP", "Series", "SeriesAxes", "not_logged"]

STEP: Final = "step"


@attrs.frozen(eq=False)
class Series:
    """One metric of one run, as it was logged.

    Attributes
    ----------
    name : str
        What the source calls it.
    steps : int64, dims (point,)
    times : float64, dims (point,)
        Seconds since the run began; NaN where that is not known.
    values : float64, dims (point,)
    rising : tuple of bool or None
        Whether steps and times strictly increase, where that is known.
    split : str
        What it is of where its name names no split.
    """

    name: str
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    rising: tuple[bool, bool] | None = None
    split: str = DEFAULT_SPLIT


def not_logged(steps: NDArray[np.int64]) -> bool:
    """Whether steps are those that a tool writes where none are given: several, and all zero."""
    return len(steps) > 1 and not steps.any()


@attrs.frozen(eq=False)
class _Counter:
    """A counter, by our name of it; of one split, or of all."""

    x: str
    split: str | None
    rank: int
    series: Series

    def at(self, other: Series) -> NDArray[Any] | None:
        """Where the points of another series are on it, or None where it does not tell."""
        mine, steps = self.series.steps, other.steps
        if not_logged(mine) or not_logged(steps):
            same = len(mine) == len(steps) and not_logged(mine) and not_logged(steps)
            return self.values if same else None
        if self.x == STEP:
            return None
        if np.array_equal(mine, steps):
            return self.values
        order = np.argsort(mine, kind="stable")
        known, xs = mine[order], self.values[order]
        if bool(((known[1:] == known[:-1]) & (xs[1:] != xs[:-1])).any()):
            return None
        place = np.minimum(np.searchsorted(known, steps), len(known) - 1)
        return xs[place] if bool((known[place] == steps).all()) else None

    @property
    def values(self) -> NDArray[Any]:
        values = self.series.values
        whole = bool((values == np.floor(values)).all()) and bool((np.abs(values) < 2**53).all())
        return values.astype(np.int64) if whole else values


class SeriesAxes:
    """The counters among the series of a run.

    Parameters
    ----------
    series : sequence of Series
    given : mapping
        Names of series to the x-axis that they are, as the caller says.

    Attributes
    ----------
    used : dict
        Our names of the axes, to what the source calls them; complete once all metrics were asked.

    Examples
    --------
    >>> steps, times = np.array([0, 10, 20]), np.zeros(3)
    >>> epoch = Series("epoch", steps, times, np.array([0.0, 0.0, 1.0]))
    >>> loss = Series("val_loss", steps[1:], times[1:], np.array([3.0, 2.0]))
    >>> SeriesAxes([epoch, loss], {}).of(loss, "val")
    {'epoch': array([0, 1])}
    """

    def __init__(self, series: Sequence[Series], given: Mapping[str, str]) -> None:
        self.used: dict[str, str] = {}
        found = [c for c in (_counter(one, given) for one in series) if c is not None]
        # A counter that only one split carries is everybody's.
        owners = Counter(x for x, _ in {(c.x, c.split) for c in found})
        shared = (attrs.evolve(c, split=None) if owners[c.x] == 1 else c for c in found)
        self._counters = sorted(shared, key=lambda c: c.rank)

    def may_be(self, one: Series) -> bool:
        """Whether a series is one of the counters."""
        return any(counter.series is one for counter in self._counters)

    def of(self, one: Series, split: str) -> dict[str, NDArray[Any]]:
        """The axes that the counters are for a metric of a split."""
        axes: dict[str, NDArray[Any]] = {}
        for counter in self._counters:
            if counter.x not in axes and counter.split in (None, split):
                xs = None if counter.series is one else counter.at(one)
                if xs is not None:
                    axes[counter.x] = xs
                    self.used[counter.x] = counter.series.name
        return axes


def _counter(one: Series, given: Mapping[str, str]) -> _Counter | None:
    if len(one.values) == 0 or not np.isfinite(one.values).all():
        return None
    if one.name in given:
        return _Counter(given[one.name], None, -1, one)
    meant = x_column(one.name)
    if meant is None or meant.is_time or len(one.values) < 2:
        return None  # the times that the tool keeps are at hand
    if bool((one.values == one.values[0]).all()) or (meant.must_grow and not grows(one.values)):
        return None
    return _Counter(meant.x, meant.split, meant.rank, one)
