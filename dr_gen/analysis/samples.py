"""One number of each run, by configuration, and the runs that gave none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError
from dr_gen.model.address import MetricAddress
from dr_gen.model.group import RunGroup
from dr_gen.model.grouping import grouped
from dr_gen.model.hpm import MISSING, Hpm, canonical
from dr_gen.model.hpm_table import value_order
from dr_gen.model.run_table import Status

__all__ = [
    "NO_VALUE",
    "Sample",
    "group_keys",
    "known_statuses",
    "members",
    "same_seed_notes",
    "samples",
]

NO_VALUE = "no value"
"""Why a run of a wanted status is left out: its value is not finite, or it lacks the metric."""


@attrs.frozen
class Sample:
    """The values of one configuration, one a run.

    Attributes
    ----------
    configuration : Hpm
        The keys grouped by, with their values.
    used : tuple of str
        Ids of the runs that gave a finite value, in the order of the group.
    values : tuple of float
        Their values, in the unit of the metric.
    excluded : mapping
        Reason (a status, or `NO_VALUE`) to the ids of the runs left out for it.
    """

    configuration: Hpm
    used: tuple[str, ...]
    values: tuple[float, ...]
    excluded: Mapping[str, tuple[str, ...]]

    @property
    def n_runs(self) -> int:
        """Runs of the configuration, used or not."""
        return len(self.used) + sum(map(len, self.excluded.values()))


def group_keys(group: RunGroup, by: Sequence[str] | None) -> tuple[str, ...]:
    """The keys to group by: the important hyperparameters, or those named.

    Raises
    ------
    UnknownKeyError
        If no run has such a key.
    AmbiguousNameError
        If several keys are called so.
    UsageError
        If `by` is one text and not a sequence of them.
    """
    if by is None:
        return group.hpm_group.important
    if isinstance(by, str):
        raise UsageError(f"by is a sequence of keys, such as [{by!r}], not a text")
    return tuple(dict.fromkeys(group.column(name).name for name in by))


def members(group: RunGroup, by: Sequence[str] | None) -> list[tuple[Hpm, NDArray[np.intp]]]:
    """Each combination of keys in order of the values, and which runs have it.

    Parameters
    ----------
    group : RunGroup
    by : sequence of str, optional
        Any keys that `RunGroup.filter` knows: hyperparameters, facts such as ``status``, metric
        addresses. By default the important hyperparameters.

    Returns
    -------
    list of (Hpm, positions)
        `MISSING` is the value of a key that the runs lack.

    Raises
    ------
    UnknownKeyError, AmbiguousNameError, UsageError
        As for `group_keys`.
    """
    keys = group_keys(group, by)
    if by is None:
        return group.hpm_group.members(keys)
    if not len(group):
        return []
    found = grouped(group, keys)
    rows = [row for row, _ in found.rows()]
    order = sorted(range(len(rows)), key=lambda i: [value_order(value) for value in rows[i]])
    named = [Hpm.from_plain(dict(zip(keys, row, strict=True))) for row in rows]
    return [(named[i], found.members[i]) for i in order]


def known_statuses(statuses: Collection[str]) -> tuple[Status, ...]:
    """Statuses by name, in their own order.

    Raises
    ------
    UsageError
        If there is no such status, or `statuses` is one text.
    """
    known = tuple(str(status) for status in Status)
    odd = [] if isinstance(statuses, str) else [s for s in statuses if s not in known]
    if isinstance(statuses, str) or odd:
        found = statuses if isinstance(statuses, str) else ", ".join(map(str, odd))
        raise UsageError(f"statuses are a collection of {', '.join(known)}; found {found}")
    return tuple(status for status in Status if status in statuses)


def samples(
    group: RunGroup,
    address: MetricAddress,
    by: Sequence[str] | None,
    statuses: Collection[str],
) -> list[Sample]:
    """The values of each configuration, in order of the configurations.

    Parameters
    ----------
    group : RunGroup
    address : MetricAddress
        With split and reduction.
    by : sequence of str, optional
        As for `members`.
    statuses : collection of str
        Runs of another status are left out, and named by it.

    Raises
    ------
    UnknownKeyError
        If no run has such a key or metric.
    """
    wanted = known_statuses(statuses)
    values, ids, found = group.values(address).tolist(), group.ids, group.statuses
    out = []
    for configuration, positions in members(group, by):
        used: list[str] = []
        numbers: list[float] = []
        left_out: dict[str, list[str]] = {}
        for i in positions.tolist():
            if found[i] not in wanted:
                left_out.setdefault(str(found[i]), []).append(ids[i])
            elif not np.isfinite(values[i]):
                left_out.setdefault(NO_VALUE, []).append(ids[i])
            else:
                used.append(ids[i])
                numbers.append(values[i])
        reasons = [reason for reason in (*map(str, Status), NO_VALUE) if reason in left_out]
        excluded = {reason: tuple(left_out[reason]) for reason in reasons}
        out.append(Sample(configuration, tuple(used), tuple(numbers), excluded))
    return out


def same_seed_notes(group: RunGroup, found: Sequence[Sample]) -> list[str]:
    """A sentence for each set of used runs that share configuration and seed."""
    hpms = group.hpm_group
    if hpms.seed is None:
        return []
    used = {run for sample in found for run in sample.used}
    seeds = hpms.values(hpms.seed)
    notes = []
    for configuration, positions in hpms.members(hpms.important):
        by_seed: dict[object, list[int]] = {}
        for i in positions.tolist():
            if hpms.ids[i] in used and seeds[i] is not MISSING:
                by_seed.setdefault(canonical(seeds[i]), []).append(i)
        for same in by_seed.values():
            if len(same) > 1:
                runs = ", ".join(hpms.ids[i] for i in same)
                name = hpms.describe(configuration)
                notes.append(
                    f"{name}: {len(same)} runs have the seed {seeds[same[0]]} ({runs}); "
                    "they count as independent runs, so leave out any that is a copy."
                )
    return notes
