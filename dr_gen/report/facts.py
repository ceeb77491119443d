"""Everything a report says, found once: the same for every form it is written in."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Final

import attrs

from dr_gen.analysis.comparison import Comparison, compare_rows
from dr_gen.analysis.design.check import DesignCheck, check_design
from dr_gen.analysis.failures import FailureTable, failures
from dr_gen.analysis.heldout import HeldOut, held_out
from dr_gen.analysis.metric import default_metric
from dr_gen.analysis.samples import group_keys
from dr_gen.analysis.seeds import Summary, summarize
from dr_gen.model.address import MetricAddress
from dr_gen.model.group import RunGroup

__all__ = ["Facts", "Provenance", "gather", "provenance"]

_PACKAGES: Final = ("dr_gen", "numpy", "scipy", "xarray", "matplotlib")


@attrs.frozen
class Provenance:
    """Where a report comes from.

    Attributes
    ----------
    source : str
        Store or folder that was read.
    command : str
        What was typed to get the report.
    written : str
        When, ISO 8601 in UTC.
    versions : mapping
        Of Python and the packages that made the numbers.
    """

    source: str
    command: str
    written: str
    versions: Mapping[str, str]


@attrs.frozen(eq=False)
class Facts:
    """What was found in a group of runs.

    Attributes
    ----------
    group : RunGroup
    level : float
        Confidence level of the intervals.
    failures : FailureTable
    provenance : Provenance
    summary : Summary or None
        None when no run has a metric.
    by : tuple of str or None
        What the runs are grouped by, where it is not what was swept.
    """

    group: RunGroup
    level: float
    failures: FailureTable
    provenance: Provenance
    summary: Summary | None
    by: tuple[str, ...] | None = None

    @functools.cached_property
    def comparison(self) -> Comparison | None:
        """The summary's configurations against each other."""
        return None if self.summary is None else compare_rows(self.summary)

    @functools.cached_property
    def design(self) -> DesignCheck:
        """What the choice of runs does not allow to say."""
        return check_design(self.group)

    @functools.cached_property
    def held_out(self) -> HeldOut | None:
        """The summary's choice on a split that took no part in it, where there is one."""
        return None if self.summary is None else held_out(self.summary, self.group)


def gather(
    group: RunGroup,
    metric: str | MetricAddress | None,
    level: float,
    origin: Provenance,
    by: Sequence[str] | None = None,
) -> Facts:
    """Ask everything that a report answers.

    Raises
    ------
    UnknownKeyError, AmbiguousNameError, UsageError
        As for `summarize`; but no metric named and none there is no mistake.
    """
    chosen = default_metric(group) if metric is None else metric
    keys = None if by is None else group_keys(group, by)
    summary = None if chosen is None else summarize(group, chosen, by=keys, level=level)
    return Facts(group, level, failures(group, by=keys), origin, summary, keys)


def provenance(source: str, command: str, now: datetime | None) -> Provenance:
    """Source and command as given, the versions of this process, and the time.

    A `now` without a time zone is taken for UTC.
    """
    moment = datetime.now(UTC) if now is None else now
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    versions = {"python": platform.python_version()}
    versions |= {package: _version(package) for package in _PACKAGES}
    return Provenance(source, command, moment.isoformat(timespec="seconds"), versions)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        # Run from a checkout that nobody installed.
        return "not installed"
