"""Tables with one row a group of runs, for ``--by``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dr_gen.analysis.samples import group_keys
from dr_gen.cli.output import note, print_json, print_table
from dr_gen.model.finding import Severity
from dr_gen.model.hpm import MISSING

if TYPE_CHECKING:
    from dr_gen.model.group import RunGroup
    from dr_gen.model.grouping import Groups

__all__ = ["print_configurations", "print_findings_by", "print_runs_by"]


def print_runs_by(group: RunGroup, by: Sequence[str], as_json: bool) -> None:
    """How many runs each group has, and how they ended."""
    groups = group.group_by(*group_keys(group, by)).sort()
    if as_json:
        print_json([_facts(groups, row, runs) for row, runs in groups.rows()])
        return
    rows = [
        [*_shown(groups, row), len(runs), _counted(runs.statuses), len(runs.findings)]
        for row, runs in groups.rows()
    ]
    names = _names(groups)
    n = len(names)
    print_table([*names, "runs", "status", "findings"], rows, right=(n, n + 2))
    note(repr(groups))


def print_findings_by(group: RunGroup, by: Sequence[str], as_json: bool) -> None:
    """How many findings of each kind the runs of each group have."""
    groups = group.group_by(*group_keys(group, by)).sort()
    found = [
        (row, runs, [finding for run in runs for finding in run.findings])
        for row, runs in groups.rows()
    ]
    if as_json:
        print_json(
            [
                {
                    **_facts(groups, row, runs),
                    "findings": dict(Counter(str(finding.severity) for finding in findings)),
                    "codes": dict(Counter(finding.code for finding in findings)),
                }
                for row, runs, findings in found
            ]
        )
        return
    kinds = (Severity.ERROR, "errors"), (Severity.WARNING, "warnings"), (Severity.INFO, "notes")
    rows = []
    for row, runs, findings in found:
        counts = Counter(finding.severity for finding in findings)
        codes = Counter(finding.code for finding in findings)
        numbers = [counts[severity] for severity, _ in kinds]
        listed = ", ".join(f"{n} {code}" for code, n in codes.most_common()) or "-"
        rows.append([*_shown(groups, row), len(runs), *numbers, listed])
    names = _names(groups)
    first = len(names)
    header = [*names, "runs", *(noun for _, noun in kinds), "codes"]
    print_table(header, rows, right=range(first, first + 1 + len(kinds)))


def print_configurations(group: RunGroup, by: Sequence[str], as_json: bool) -> None:
    """The combinations of some keys and how many runs have each."""
    groups = group.group_by(*group_keys(group, by)).sort()
    if as_json:
        found = [
            {"hpms": _named(groups, row), "runs": list(runs.ids)} for row, runs in groups.rows()
        ]
        varying = {column.name: column.distinct() for column in groups.columns}
        excluded = list(group.hpm_group.excluded)
        print_json({"varying": varying, "excluded": excluded, "configurations": found})
        return
    rows = [[*_shown(groups, row), len(runs)] for row, runs in groups.rows()]
    names = _names(groups)
    print_table([*names, "Count"], rows, title="Configurations", right=(len(names),))
    note(repr(groups))


def _facts(groups: Groups[RunGroup], row: Sequence[Any], runs: RunGroup) -> dict[str, Any]:
    statuses = dict(Counter(map(str, runs.statuses)))
    return {"group": _named(groups, row), "runs": list(runs.ids), "statuses": statuses}


def _named(groups: Groups[RunGroup], row: Sequence[Any]) -> dict[str, Any]:
    pairs = zip(groups.columns, row, strict=True)
    return {column.name: value for column, value in pairs if value is not MISSING}


def _names(groups: Groups[RunGroup]) -> list[str]:
    return list(groups.whole.labels.key_names([column.name for column in groups.columns]).values())


def _shown(groups: Groups[RunGroup], row: Sequence[Any]) -> list[str]:
    pairs = zip(groups.columns, row, strict=True)
    return ["-" if value is MISSING else column.text(value) for column, value in pairs]


def _counted(statuses: Sequence[Any]) -> str:
    return ", ".join(f"{n} {status}" for status, n in Counter(statuses).most_common())
