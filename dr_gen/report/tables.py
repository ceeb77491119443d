"""The tables of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dr_gen.analysis.comparison import Comparison, relevant_pairs
from dr_gen.analysis.design.check import DesignCheck
from dr_gen.analysis.failures import FailureTable
from dr_gen.analysis.heldout import HeldOut
from dr_gen.analysis.seeds import Summary
from dr_gen.model.finding import Finding, FindingGroup, group_repeats
from dr_gen.model.group import RunGroup
from dr_gen.report.answer import half_width, summary_decimals
from dr_gen.report.facts import Provenance
from dr_gen.report.numbers import decimals_for, number, p_value, signed
from dr_gen.report.sections import Table

__all__ = [
    "comparison_table",
    "design_table",
    "ended_table",
    "finding_codes_table",
    "findings_table",
    "provenance_table",
    "ranking_table",
    "reasons_table",
    "runs_table",
    "swept_table",
]

_MOST_ROWS: Final = 40
_MOST_VALUES: Final = 24
_MOST_IDS: Final = 12
_MOST_LINES: Final = 3


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], **facts: Any) -> Table:
    shown = tuple(tuple(row) for row in rows[:_MOST_ROWS])
    return Table(tuple(header), shown, more=max(0, len(rows) - _MOST_ROWS), **facts)


def _listed(names: Sequence[str], most: int = _MOST_IDS) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f", … {rest} more" if rest > 0 else "")


def _columns(group: RunGroup, keys: Iterable[str]) -> list[str]:
    """Header of the columns that name a configuration."""
    return list(group.labels.key_names(list(keys)).values()) or ["Configuration"]


def _cells(group: RunGroup, configuration: Mapping[str, Any]) -> list[str]:
    return [group.labels.value(*item) for item in configuration.items()] or ["all runs"]


def swept_table(group: RunGroup) -> Table:
    """Each important hyperparameter with its values."""
    hpms = group.hpm_group
    names = group.labels.key_names(hpms.important)
    rows = []
    for key in hpms.important:
        values = [group.labels.value(key, value) for value in hpms.varying[key]]
        rows.append((names[key], key, str(len(values)), _listed(values, _MOST_VALUES)))
    header = ("Key", "Hyperparameter", "Values", "")
    return _table(header, rows, numeric=frozenset({2}))


def design_table(found: DesignCheck) -> Table:
    """What the choice of runs does not allow to say, the gravest first."""
    rows = [
        (str(i.severity), i.code, f"{i.what} ({i.hint})" if i.hint else i.what)
        for i in found.issues
    ]
    caption = "What the choice of runs does not allow to say."
    return _table(("Severity", "Code", "What"), rows, caption=caption)


def ended_table(group: RunGroup, found: FailureTable) -> Table:
    """Each configuration with its number of runs, by how they ended."""
    statuses = [status for status, n in found.counts.items() if n]
    configurations = found.configurations
    keys = _columns(group, configurations[0].configuration if configurations else ())
    rows = [
        [
            *_cells(group, c.configuration),
            str(c.n_runs),
            *(str(len(c.runs.get(status, ())) or "–") for status in statuses),
        ]
        for c in configurations
    ]
    if len(rows) > 1:
        # Out of order first: hundreds of completed ones must not hide the one that failed.
        order = sorted(range(len(rows)), key=lambda i: -configurations[i].n_failed)
        rows = [rows[i] for i in order] if len(rows) > _MOST_ROWS else rows
        total = [str(found.n_runs), *(str(found.counts[status]) for status in statuses)]
        rows.insert(0, ["all", *[""] * (len(keys) - 1), *total])
    header = (*keys, "Count", *map(str, statuses))
    numeric = frozenset(range(len(keys), len(header)))
    caption = "Runs of each configuration, by how they ended."
    return _table(header, rows, caption=caption, numeric=numeric)


def reasons_table(found: FailureTable) -> Table:
    """Why runs did not complete, which, and what their logs say."""
    rows = []
    for reason in found.reasons:
        lines = [str(finding) for finding in _one_a_run(reason.findings)[:_MOST_LINES]]
        rest = len(reason.findings) - len(lines)
        if rest > 0:
            lines.append(f"… {rest} more under Findings")
        runs = _listed(reason.runs)
        said = "\n".join(lines) or "–"
        rows.append((str(reason.status), reason.reason, str(len(reason.runs)), runs, said))
    header = ("Status", "Reason", "Runs", "Which", "What the logs say")
    return _table(header, rows, caption="Runs that did not complete.", numeric=frozenset({2}))


def _one_a_run(findings: Sequence[Finding]) -> list[Finding]:
    """The most telling finding of each run: one with a line, then the gravest."""
    ordered = sorted(findings, key=lambda f: (f.line is None, -f.severity.rank))
    return list({(f.run or f.path): f for f in reversed(ordered)}.values())[::-1]


def ranking_table(group: RunGroup, summary: Summary, held: HeldOut | None) -> Table:
    """Every configuration by its mean, best first."""
    decimals, keys = summary_decimals(summary), _columns(group, summary.keys)
    percent = f"{100 * summary.level:g} %"
    rows = []
    for rank, row in enumerate(summary.rows, 1):
        left_out = ", ".join(f"{len(ids)} {reason}" for reason, ids in row.excluded.items())
        numbers = (row.mean, half_width(row), row.std, row.median, row.minimum, row.maximum)
        rows.append(
            [
                str(rank) if row.n else "–",
                *_cells(group, row.configuration),
                f"{row.n} of {row.n_runs}",
                *(number(value, decimals) for value in numbers),
                left_out or "–",
            ]
        )
    header = ["Rank", *keys, "n used", "mean", f"± {percent} t", "std", "median", "min", "max"]
    header.append("left out")
    numeric = {0, *range(len(keys) + 2, len(header) - 1)}
    if held is not None:
        places = decimals_for(row.std for row in held.rows if row.n >= 2)
        for line, other in zip(rows, held.rows, strict=True):
            half = (other.ci_high - other.ci_low) / 2
            line += [str(other.n), number(other.mean, places), number(half, places)]
        numeric |= set(range(len(header), len(header) + 3))
        header += [f"{held.metric}: n", "mean", f"± {percent} t"]
    better = "highest" if summary.direction == "max" else "lowest"
    caption = (
        f"{summary.metric}, {better} mean first. ± is half the width of the {percent} Student-t "
        "interval for the mean over runs; std has ddof = 1."
    )
    if held is not None:
        caption += f" {held.metric} is taken where {held.chosen_by} is reached in each run."
    return _table(header, rows, caption=caption, numeric=frozenset(numeric))


def comparison_table(group: RunGroup, comparison: Comparison, summary: Summary) -> Table:
    """The best configuration against each of the others."""
    decimals, keys = summary_decimals(summary), _columns(group, summary.keys)
    pairs = relevant_pairs(comparison)
    rows = [
        [
            *_cells(group, pair.b),
            f"{pair.n_a}, {pair.n_b}",
            signed(pair.difference, decimals),
            f"[{number(pair.ci_low, decimals)}, {number(pair.ci_high, decimals)}]",
            p_value(pair.p),
            p_value(pair.p_adjusted),
            number(pair.effect, 2),
            f"[{number(pair.effect_low, 2)}, {number(pair.effect_high, 2)}]",
        ]
        for pair in pairs
    ]
    percent = f"{100 * comparison.level:g} %"
    header = [*keys, "n, n", "difference", percent, "p", "p adjusted", "Hedges g", percent]
    best = group.hpm_group.describe(pairs[0].a) if pairs else ""
    caption = (
        f"{best} minus each of the others, in {comparison.metric}. "
        f"[ ] are {percent} intervals, not corrected for the number of comparisons."
    )
    numeric = frozenset(range(len(keys), len(header)))
    return _table(header, rows, caption=caption, numeric=numeric)


def finding_codes_table(findings: Sequence[Finding]) -> Table:
    """How often each kind of finding occurs, the gravest first."""
    kinds = Counter((f.severity, f.code) for f in findings)
    runs: dict[Any, set[str]] = {}
    for f in findings:
        runs.setdefault((f.severity, f.code), set()).update([f.run] if f.run else [])
    order = sorted(kinds, key=lambda kind: (-kind[0].rank, -kinds[kind], kind[1]))
    rows = [
        (str(severity), code, str(kinds[severity, code]), str(len(runs[severity, code])))
        for severity, code in order
    ]
    header = ("Severity", "Code", "Findings", "Runs")
    return _table(header, rows, caption="What was found in the logs.", numeric=frozenset({2, 3}))


def findings_table(findings: Sequence[Finding]) -> Table:
    """Every finding with its place, repeats put together, the gravest first."""
    groups: Iterable[FindingGroup] = group_repeats(findings)
    ordered = sorted(groups, key=lambda g: -g.first.severity.rank)
    rows = []
    for g in ordered:
        f = g.first
        times = f" [{g.count} times]" if g.count > 1 else ""
        hint = f" ({f.hint})" if f.hint else ""
        rows.append((str(f.severity), f.code, f.place, f"{f.message}{hint}{times}"))
    header = ("Severity", "Code", "Place", "What")
    return _table(header, rows, folded=f"Each finding with its place ({len(rows)})")


def provenance_table(origin: Provenance) -> Table:
    """Source, command, versions and time."""
    rows = [
        ("Source", origin.source or "not given"),
        ("Command", origin.command or "not given"),
        ("Written", origin.written),
        ("Versions", ", ".join(f"{name} {v}" for name, v in origin.versions.items())),
    ]
    return _table(("What", "Value"), rows)


def runs_table(group: RunGroup, summary: Summary) -> Table:
    """The runs behind each mean, and those left out."""
    rows = [
        [
            *_cells(group, row.configuration),
            _listed(row.used) or "–",
            "\n".join(f"{reason}: {_listed(ids)}" for reason, ids in row.excluded.items()) or "–",
        ]
        for row in summary.rows
    ]
    header = [*_columns(group, summary.keys), "Runs in the numbers", "Runs left out"]
    used = sum(row.n for row in summary.rows)
    folded = f"The runs behind each number ({used} of {len(group)})"
    return _table(header, rows, folded=folded)
