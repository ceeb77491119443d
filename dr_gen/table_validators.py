"""Validators that look at all runs of a table in a few array steps.

Each is a `Validator` like any other; `validate_all` asks it once for a whole table.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError
from dr_gen.model.axis import pick_axes
from dr_gen.model.curve import MetricCurve
from dr_gen.model.curve_table import POOL_INT, CurveTable
from dr_gen.model.direction import direction_of
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.pieces import portions, ranges
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunTable
from dr_gen.screens import epochs_of
from dr_gen.verdicts import EPOCH_KEYS, configured_epochs, end_of, epochs_reached

__all__ = [
    "Found",
    "Validator",
    "blown",
    "expected_epochs",
    "finding_about",
    "finding_in",
    "found_by",
    "gaps",
    "non_finite_values",
    "on_tables",
]

Validator = Callable[[RunData], Iterable[Finding]]
"""Looks at one run and gives what it finds."""

Found = Iterator[tuple[int, Finding]]
"""Numbers of runs in their table, and what is wrong with them."""

_AT_ONCE = 1 << 16
"""Points looked at together: few enough to stay at hand."""


def on_tables(find: Callable[[RunTable], Found]) -> Validator:
    """A validator that finds what `find` finds in the table of one run, or of many."""

    @functools.wraps(find)
    def validator(run: RunData) -> Iterator[Finding]:
        return (finding for _, finding in find(RunGroup.from_runs([run]).table))

    validator.__dict__["find"] = find
    return validator


def found_by(validator: Validator, table: RunTable) -> Found | None:
    """What a validator finds in a table; None if it looks at runs one by one."""
    find: Callable[[RunTable], Found] | None = getattr(validator, "find", None)
    return None if find is None else find(table)


def finding_about(
    run: RunData, code: str, message: str, severity: Severity, *, hint: str = ""
) -> Finding:
    """A finding about a run as a whole."""
    return Finding(code, message, severity, run.source or None, None, run.id, hint)


def finding_in(
    table: RunTable, index: int, code: str, message: str, severity: Severity, *, hint: str = ""
) -> Finding:
    """A finding about a run of a table, without a view of the run: there may be very many."""
    record = table.records[index]
    return Finding(code, message, severity, record.source or None, None, record.id, hint)


# ------------------------------------------------------------------ epochs


def expected_epochs(epochs: int | None = None, keys: Sequence[str] = EPOCH_KEYS) -> Validator:
    """A validator of how many epochs were trained: ``short-run`` and ``long-run``.

    The split with the most epochs counts; a run that says itself that it completed may be
    shorter (it stopped early), which is then a warning and no error.

    Parameters
    ----------
    epochs : int, optional
        How many are expected; by default what the configuration says under one of `keys`.

    Raises
    ------
    UsageError
        If `epochs` is not at least 1.
    """
    if epochs is not None and epochs < 1:
        raise UsageError(f"expected epochs must be at least 1, not {epochs!r}")

    @on_tables
    def check(table: RunTable) -> Found:
        known = epochs_of(table, keys, epochs)
        for index in np.flatnonzero(known.differ).tolist():
            run = RunData(table, index)
            wanted, reached = known.of(index) or (
                configured_epochs(table, index, keys) if epochs is None else epochs,
                epochs_reached(run),
            )
            if wanted is None or reached is None or reached == wanted:
                continue
            if reached < wanted:
                stopped = end_of(run.metadata)[0] == "completed"
                severity = Severity.WARNING if stopped else Severity.ERROR
                message = f"{reached:g} of {wanted} epochs were logged"
                hint = "resume it, or leave it out"
                yield index, finding_about(run, "short-run", message, severity, hint=hint)
            else:
                message = f"{reached:g} epochs were logged where {wanted} were expected"
                hint = "two trainings in one log, or the configuration was changed"
                yield index, finding_about(run, "long-run", message, Severity.WARNING, hint=hint)

    return check


# ------------------------------------------------------------------ gaps


@on_tables
def gaps(table: RunTable) -> Found:
    """Points missing inside a split that is otherwise logged at regular x: ``gap``."""
    curves = table.curves
    blocks, first = np.unique(curves.block, return_index=True)
    axes = pick_axes(curves, blocks)
    whole, clean = curves.axis_pool[axes] == POOL_INT, curves.axis_clean[axes]
    found: list[tuple[int, int, str]] = []
    regular = np.flatnonzero(whole & clean & (curves.block_size[blocks] > 2))
    regular = regular[~_by_one(curves, axes[regular], curves.block_size[blocks[regular]])]
    for part in portions(curves.block_size[blocks[regular]], _AT_ONCE):
        some = regular[part]
        for place, *holes in _holes(curves, axes[some], curves.block_size[blocks[some]]):
            at = int(some[place])
            said = _missing(curves, int(first[at]), int(axes[at]), *holes)
            found.append((int(curves.run[first[at]]), int(blocks[at]), said))
    for at in np.flatnonzero(whole & ~clean).tolist():
        xs = MetricCurve(curves, int(first[at]), int(axes[at])).xs
        if len(xs) > 2 and (gap := _gap(curves, int(first[at]), int(axes[at]), xs, np.diff(xs))):
            found.append((int(curves.run[first[at]]), int(blocks[at]), gap))
    hint = "lines were lost or never written"
    for index, _, message in sorted(found):
        yield index, finding_in(table, index, "gap", message, Severity.WARNING, hint=hint)


def _by_one(
    curves: CurveTable, axes: NDArray[np.intp], sizes: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which of `axes`, whose x increases and is whole, count by one: most do, and have no hole."""
    x, first = np.asarray(curves.pools[POOL_INT]), curves.axis_start[axes]
    found: NDArray[np.bool_] = x[first + sizes - 1] - x[first] == sizes - 1
    return found


def _holes(
    curves: CurveTable, axes: NDArray[np.intp], sizes: NDArray[np.int64]
) -> Iterator[tuple[int, int, int, int]]:
    """Those of `axes`, whose x increases, that have holes.

    Yields
    ------
    place, missing, low, high : int
        Place in `axes`; how many points are missing; between which x first.
    """
    x, starts = np.asarray(curves.pools[POOL_INT]), curves.axis_start[axes]
    index = ranges(starts, sizes - 1)
    steps = x[index + 1] - x[index]
    ends = np.cumsum(sizes - 1)
    firsts = ends - (sizes - 1)
    uneven = np.flatnonzero(steps != np.repeat(steps[firsts], sizes - 1))
    of = np.searchsorted(ends, uneven, side="right")
    n_uneven = np.bincount(of, minlength=len(sizes))
    # More than half of them are the median: the first step then is the usual one.
    few = 2 * n_uneven < sizes - 1
    usual = steps[firsts[of]]
    over = np.flatnonzero(few[of] & (steps[uneven] > usual))
    over = over[steps[uneven[over]] % usual[over] == 0]
    missing = steps[uneven[over]] // usual[over] - 1
    places, begin = np.unique(of[over], return_index=True)
    counts = np.add.reduceat(missing, begin) if len(begin) else begin
    low = index[uneven[over[begin]]]
    found = (places, counts, x[low], x[low + 1])
    yield from zip(*(column.tolist() for column in found), strict=True)
    for place in np.flatnonzero((n_uneven > 0) & ~few).tolist():
        at, end = int(firsts[place]), int(ends[place])
        if (hole := _hole(steps[at:end])) is not None:
            where = int(index[at + hole[0]])
            yield place, hole[1], int(x[where]), int(x[where + 1])


def _gap(
    curves: CurveTable, curve: int, axis: int, xs: NDArray[np.int64], steps: NDArray[np.int64]
) -> str | None:
    """What is missing where the steps are not the usual one."""
    if (hole := _hole(steps)) is None:
        return None
    at, missing = hole
    return _missing(curves, curve, axis, missing, int(xs[at]), int(xs[at + 1]))


def _hole(steps: NDArray[np.int64]) -> tuple[int, int] | None:
    """The first step over a hole, and how many points are missing in all; None without one."""
    n = len(steps)
    ordered = np.sort(steps)
    # As the median of all, which takes ten times as long for a few numbers.
    usual = (int(ordered[(n - 1) // 2]) + int(ordered[n // 2])) // 2
    if usual < 1 or 2 * np.count_nonzero(steps == usual) < n:
        return None
    larger = np.flatnonzero(steps > usual)
    holes = larger[steps[larger] % usual == 0]
    if len(holes) == 0:
        return None
    return int(holes[0]), int((steps[holes] // usual - 1).sum())


def _missing(curves: CurveTable, curve: int, axis: int, missing: int, low: int, high: int) -> str:
    split, x_name = curves.splits[curves.split[curve]], curves.x_names[curves.axis_x[axis]]
    plural = "" if missing == 1 else "s"
    return f"{split}: {missing} point{plural} missing, first between {x_name} {low} and {high}"


# ------------------------------------------------------------------ values that are not finite


class Unfinished(NamedTuple):
    """A curve with values that are NaN or infinite.

    Attributes
    ----------
    run : int
    curve : MetricCurve
    n_bad : int
        How many; none where only values that repeats left out were.
    first : int
        Place of the first.
    tail : int
        Place from which on all are; the number of points when the last one is not.
    """

    run: int
    curve: MetricCurve
    n_bad: int
    first: int
    tail: int


def unfinished_curves(table: RunTable) -> list[Unfinished]:
    """By run, by split and metric as the run names them."""
    curves, found = table.curves, table.curves.not_finite
    if len(found) == 0:
        return []
    # A run names its splits in the order of their first block.
    key = curves.run.astype(np.int64) * len(curves.splits) + curves.split
    order = np.lexsort((curves.block, key))
    _, begin, member = np.unique(key[order], return_index=True, return_inverse=True)
    first = np.empty(len(key), np.int64)
    first[order] = curves.block[order][begin][member]
    found = found[np.lexsort((found, first[found], curves.run[found]))]
    axes = pick_axes(curves, curves.block[found])
    sizes = curves.size[found]
    bad = ~np.isfinite(np.asarray(curves.values)[ranges(curves.start[found], sizes)])
    facts = np.stack([curves.run[found], found, axes, *_bad_values(bad, sizes)], axis=1).tolist()
    out = []
    for clean, (run, number, axis, *told) in zip(curves.axis_clean[axes], facts, strict=True):
        curve = MetricCurve(curves, number, axis)
        if not clean:  # its points are others than its values
            bad = ~np.isfinite(curve.values)
            if len(bad) == 0:
                continue
            told = np.ravel(_bad_values(bad, np.array([len(bad)]))).tolist()
        out.append(Unfinished(run, curve, *told))
    return out


def _bad_values(
    bad: NDArray[np.bool_], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """See `Unfinished`, for some curves with a point at least.

    Parameters
    ----------
    bad : bool array, dims (point,)
        The points of one behind those of the other.
    sizes : int64 array, dims (curve,)
    """
    begin = np.cumsum(sizes) - sizes
    place = ranges(np.zeros_like(begin), sizes)
    first = np.minimum.reduceat(np.where(bad, place, len(bad)), begin)
    tail = np.maximum.reduceat(np.where(bad, 0, place + 1), begin)
    return np.add.reduceat(bad.astype(np.int64), begin), first, tail


@on_tables
def non_finite_values(table: RunTable) -> Found:
    """NaN or infinite values, one finding a metric: ``non-finite``."""
    for index, curve, n_bad, first, _ in unfinished_curves(table):
        if n_bad == 0:
            continue
        xs = curve.xs
        x = f"{curve.x_name} {xs[first]}"
        where = f"from {x} on" if n_bad == len(xs) - first else f"first at {x}"
        message = f"{curve.split}/{curve.metric}: {n_bad} of {len(xs)} values not finite, {where}"
        yield index, finding_in(table, index, "non-finite", message, Severity.WARNING)


def blown(table: RunTable) -> dict[int, list[str]]:
    """Why runs count as diverged: a loss that ends in NaN or infinity."""
    found: dict[int, list[str]] = {}
    for index, curve, _, _, tail in unfinished_curves(table):
        values = curve.values
        if tail < len(values) and direction_of(curve.metric) == "min":
            where = f"from {curve.x_name} {curve.xs[tail]} on"
            text = f"{curve.split}/{curve.metric} is {values[-1]:g} {where}"
            found.setdefault(index, []).append(text)
    return found
