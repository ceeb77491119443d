"""The curves of a run from its event files: files joined, restarts resolved, splits told apart."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Severity
from dr_gen.readers.contract import ColumnMap
from dr_gen.readers.naming import DEFAULT_SPLIT, is_of_machine
from dr_gen.readers.series.axes import Series
from dr_gen.readers.series.curves import SeriesCurves
from dr_gen.readers.settings import named
from dr_gen.readers.tensorboard.facts import Facts, is_restart, summary
from dr_gen.readers.tensorboard.files import EventFile
from dr_gen.readers.tensorboard.scalars import Points

__all__ = [
    "Joined",
    "curves_of",
    "first_event",
    "is_finished",
    "last_event",
    "longer",
    "plugins_of",
    "series_of",
    "since",
]

_NEVER: Final = np.iinfo(np.int64).max
_RECORDS: Final = 40
"""Bits that hold the number of a record in its file."""
_CLOSING: Final = "train/train_runtime"
_OVERLAP: Final = 1.0
"""Seconds by which files may overlap: a writer is not closed at once."""


@attrs.frozen(eq=False)
class Joined:
    """The series of a run.

    Attributes
    ----------
    series : list of Series
        In the order in which they were first logged.
    steady : bool
        Whether more events of the last file can only add to them.
    """

    series: list[Series]
    steady: bool


def first_event(files: Iterable[EventFile]) -> float:
    """The wall time of the first event of some files; NaN without."""
    return min((f.log.first for f in files if not math.isnan(f.log.first)), default=math.nan)


def last_event(file: EventFile) -> float:
    """The wall time of the last scalar of a file; minus infinity without."""
    walls = [points.walls for points in file.points.values() if len(points.walls)]
    latest = [float(np.nanmax(wall)) for wall in walls if not np.isnan(wall).all()]
    return max(latest, default=-math.inf)


def _start_of(file: EventFile) -> float:
    """The wall time of the first scalar of a file; infinity without."""
    walls = [points.walls for points in file.points.values() if len(points.walls)]
    earliest = [float(np.nanmin(wall)) for wall in walls if not np.isnan(wall).all()]
    return min(earliest, default=math.inf)


def since(walls: NDArray[np.float64], first: float) -> NDArray[np.float64]:
    """Seconds since the first event; NaN where there is no telling."""
    with np.errstate(over="ignore"):
        times = walls - first
    times[np.isinf(times)] = np.nan
    return times


def series_of(files: Sequence[EventFile], facts: Facts, first: float, columns: ColumnMap) -> Joined:
    """The values of each tag over all files.

    Parameters
    ----------
    files : sequence of EventFile
        Those of one folder in the order in which they were begun.
    facts : Facts
        Gets what is found; metrics of the machine, and those that are hyperparameters.
    first : float
        When the run began, in seconds since 1970.
    columns : ColumnMap
    """
    series: list[Series] = []
    steady = True
    for (_, split), some in _by_folder(files).items():
        _overlaps(some, facts)
        points, dropped = _without_purged(some, facts)
        steady &= not (dropped or _started_over(some, facts))
        for tag, found in points.items():
            if tag in columns.ignore:
                continue
            if tag in columns.hpms:
                facts.hpms.setdefault(tag.replace("/", "."), float(found.values[-1]))
            elif is_of_machine(tag) and tag not in columns.metrics:
                system = facts.metadata.setdefault("system", {})
                system[tag[len("system/") :]] = summary(found.values)
                steady = False
            else:
                times = since(found.walls, first)
                own = split or DEFAULT_SPLIT
                series.append(Series(tag, found.steps, times, found.values, split=own))
    return Joined(_together(series), steady)


def curves_of(
    series: Sequence[Series], run: str, path: str, columns: ColumnMap
) -> tuple[CurveTable, dict[str, str], list[Any]]:
    """The curves of a run, what the source calls their axes, and findings."""
    curves = SeriesCurves(columns, keep=True)
    x_columns, findings = curves.add_run(run, path, series)
    return curves.build(), {"time": "wall_time", **x_columns}, findings


def is_finished(series: Sequence[Series]) -> bool:
    """Whether what Hugging Face logs of a whole training stands at its last step."""
    closing = [one.steps.max() for one in series if one.name == _CLOSING and len(one.steps)]
    return bool(closing) and max(closing) >= max(one.steps.max() for one in series)


def _by_folder(files: Sequence[EventFile]) -> dict[tuple[str, str | None], list[EventFile]]:
    folders: dict[tuple[str, str | None], list[EventFile]] = {}
    for file in files:
        key = (os.path.dirname(file.member.path), file.member.split)
        folders.setdefault(key, []).append(file)
    return folders


def _together(series: Sequence[Series]) -> list[Series]:
    """Series of one name and split, which several folders had, as one."""
    found: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        found.setdefault((one.split, one.name), []).append(one)
    return [longer(some[0], some[1:]) for some in found.values()]


def longer(first: Series, others: Sequence[Series]) -> Series:
    """A series with others behind it."""
    if not others:
        return first
    some = (first, *others)
    return attrs.evolve(
        first,
        steps=np.concatenate([one.steps for one in some]),
        times=np.concatenate([one.times for one in some]),
        values=np.concatenate([one.values for one in some]),
    )


# ------------------------------------------------------------------ restarts


def _without_purged(files: Sequence[EventFile], facts: Facts) -> tuple[dict[str, Points], bool]:
    """The points of each tag over the files of a folder, and whether a restart took some.

    A writer that goes on from a checkpoint says from which step on. What was logged before is then
    void from there on. Of it, values that were logged again stay: repeats are for the caller to
    resolve. The others have nothing that would take their place, and are left out.
    """
    pieces: dict[str, list[tuple[int, Points]]] = {}
    for number, file in enumerate(files):
        for tag, found in file.points.items():
            pieces.setdefault(tag, []).append((number, found))
    restarts = [
        ((number << _RECORDS) + said.record, said.step)
        for number, file in enumerate(files)
        for said in file.log.said
        if said.extra.what == "session" and is_restart(said.extra.content)
    ]
    ordered = np.array(restarts, np.int64).reshape(-1, 2)
    joined: dict[str, Points] = {}
    lost: dict[str, NDArray[np.int64]] = {}
    for tag, some in pieces.items():
        points = _concatenated([found for _, found in some])
        if restarts:
            starts = np.repeat([n << _RECORDS for n, _ in some], [len(p.steps) for _, p in some])
            void = _void(points, starts + points.records, ordered)
            if void.any():
                lost[tag] = points.steps[void]
                points = Points(*(column[~void] for column in attrs.astuple(points)))
        joined[tag] = points
    if lost:
        steps = np.concatenate(list(lost.values()))
        low, high = int(steps.min()), int(steps.max())
        span = f"step {low}" + (f"–{high}" if high > low else "")
        message = (
            f"{span}: {len(steps)} values of {named(list(lost))} from before a restart, which were "
            "not logged again; left out"
        )
        hint = "the writer said so (purge_step)"
        facts.note("purged-steps", message, Severity.WARNING, hint)
    return joined, bool(lost)


def _concatenated(some: Sequence[Points]) -> Points:
    if len(some) == 1:
        return some[0]
    columns = zip(*(attrs.astuple(points) for points in some), strict=True)
    return Points(*(np.concatenate(column) for column in columns))


def _void(
    points: Points, places: NDArray[np.int64], restarts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which points a restart made void, and nothing came in their place.

    Parameters
    ----------
    points : Points
    places : int64 array, dims (point,)
        In what order points and restarts were logged.
    restarts : int64 array, dims (restart, 2)
        Place and step of each, in that order.
    """
    _, which = np.unique(points.steps, return_inverse=True)
    latest = np.zeros(len(places), np.int64)
    np.maximum.at(latest, which, places)
    # The least step of all restarts that come behind a place.
    least = np.append(np.minimum.accumulate(restarts[::-1, 1])[::-1], _NEVER)
    after = np.searchsorted(restarts[:, 0], latest[which], side="right")
    void: NDArray[np.bool_] = (least[after] <= points.steps) & (after < len(restarts))
    return void


def _overlaps(files: Sequence[EventFile], facts: Facts) -> None:
    """Say where two files of a folder were written at one time, to the same tags."""
    spans = [(_start_of(file), last_event(file), file) for file in files]
    spans = sorted((span for span in spans if span[0] < math.inf), key=lambda span: span[0])
    for (_, end, a), (start, _, b) in itertools.pairwise(spans):
        common = [tag for tag in a.points if tag in b.points]
        if start < end - _OVERLAP and common:
            names = " and ".join(sorted(os.path.basename(file.member.path) for file in (a, b)))
            message = f"{names} were written at the same time, and both have {named(common)}"
            hint = "two runs in one folder? give each a folder of its own; the later file counts"
            facts.note("overlapping-files", message, Severity.WARNING, hint)


def _started_over(files: Sequence[EventFile], facts: Facts) -> bool:
    """Say where a file begins again with the first step and does not come as far as the one before.

    The curve then goes on with what an earlier training logged, and nothing in it shows that.
    """
    found = []
    for before, after in itertools.pairwise(files):
        again = [
            tag
            for tag, points in after.points.items()
            if (earlier := before.points.get(tag)) is not None
            and len(points.steps)
            and len(earlier.steps)
            and points.steps.min() <= earlier.steps.min()
            and points.steps.max() < earlier.steps.max()
        ]
        if again:
            found.append((before, after, again))
    if not found:
        return False
    before, after, again = found[-1]
    old, new = before.points[again[0]].steps, after.points[again[0]].steps
    names = [os.path.basename(file.member.path) for file in (before, after)]
    others = f"; {len(found)} files do so" if len(found) > 1 else ""
    message = (
        f"{names[1]} begins again at step {new.min()} and ends at step {new.max()}, where "
        f"{names[0]} came to step {old.max()}: {named(again)} end with an earlier training{others}"
    )
    hint = "several trainings in one folder? give each a folder of its own"
    facts.note("started-over", message, Severity.WARNING, hint, Path(after.member.path))
    return True


def plugins_of(files: Iterable[EventFile]) -> Mapping[str, str]:
    """Tags to the plugins that show them."""
    return {
        tag.decode(errors="backslashreplace"): plugin
        for file in files
        for tag, plugin in file.log.plugins.items()
    }
