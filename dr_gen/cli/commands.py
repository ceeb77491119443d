"""What each command does once its arguments are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dr_gen.cli import groups
from dr_gen.cli.opening import Opening
from dr_gen.cli.output import ProgressBar, note, number, print_json, print_table
from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.edit import NOTES, tags_of
from dr_gen.model.finding import Severity, group_repeats
from dr_gen.model.hpm import MISSING
from dr_gen.wording import counted

if TYPE_CHECKING:
    from dr_gen.analysis.comparison import Comparison
    from dr_gen.analysis.seeds import Summary
    from dr_gen.model.finding import Finding
    from dr_gen.model.group import RunGroup
    from dr_gen.model.hpm import Hpm

__all__ = ["check", "compare", "ingest", "report", "runs", "show", "summarize", "sweep"]

_KINDS = {"part": "read with them", "copy": "copied and left out", "no log": "no logs"}
_MAX_PAIRS = 20
_MAX_IDS = 5


def ingest(
    sources: Sequence[str],
    store: str,
    opening: Opening,
    deleted: bool,
    compress: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Read `sources` and write them to a store."""
    from dr_gen.ingestion import ingest as ingest_runs
    from dr_gen.ingestion import plan

    asked = opening.options()
    asked["deleted"] |= deleted
    found = plan(sources, store, **asked)
    table = [[name, n, f"{low:.2f}"] for name, (n, low) in found.formats().items()]
    if not as_json:
        print_table(["format", "sources", "confidence"], table, right=(1, 2))
        if found.steps:
            counts = found.counts()
            kinds = (*(kind for kind in counts if kind not in _KINDS), *_KINDS)
            note(", ".join(f"{counts[k]:,} {_KINDS.get(k, k)}" for k in kinds if k in counts))
    with ProgressBar("reading") as progress:
        group = ingest_runs(
            sources,
            store,
            compress=compress,
            progress=progress,
            workers=workers or "auto",
            **asked,
        )
    if as_json:
        formats = {name: {"files": n, "confidence": c} for name, n, c in table}
        counts = Counter(str(finding.severity) for finding in group.findings)
        print_json({"store": store, "runs": len(group), "formats": formats, "findings": counts})
        return
    points = sum(run.n_points for run in group)
    note(f"{counted(len(group), 'run')} with {counted(points, 'point')} in {store}")
    note(_count_findings(group.findings))


def runs(path: str, by: Sequence[str] | None, opening: Opening, as_json: bool) -> None:
    """List the runs, or groups of them."""
    group = opening.group(path, opening.settings())
    if by:
        groups.print_runs_by(group, by, as_json)
        return
    if as_json:
        print_json([_run_facts(group, i) for i in range(len(group))])
        return
    hpms = group.hpm_group
    keys = [*hpms.important, *([hpms.seed] if hpms.seed else [])]
    names = hpms.labels.key_names(keys)
    rows = []
    for run in group:
        values = run.hpms
        shown = [hpms.labels.value(key, values.get(key, MISSING)) for key in keys]
        rows.append([run.id, run.status, *shown, run.n_points, len(run.findings)])
    width = len(keys) + 2
    print_table(
        ["run", "status", *names.values(), "points", "findings"], rows, right=(width, width + 1)
    )
    note(repr(group))


def _run_facts(group: RunGroup, position: int) -> dict[str, Any]:
    run = group[position]
    return {
        "id": run.id,
        "status": str(run.status),
        "experiment": run.experiment,
        "source": run.source,
        "hpms": dict(run.hpms),
        "metrics": list(run.metrics),
        "points": run.n_points,
        "findings": len(run.findings),
        "reasons": list(run.reasons),
    }


def sweep(path: str, by: Sequence[str] | None, opening: Opening, as_json: bool) -> None:
    """Show what was swept, or the combinations of some keys."""
    group = opening.group(path, opening.settings())
    if by:
        groups.print_configurations(group, by, as_json)
        return
    hpms = group.hpm_group
    if as_json:
        configurations = [
            {"hpms": _without_missing(c.hpms), "runs": list(c.runs)} for c in hpms.configurations
        ]
        varying = {key: hpms.varying[key] for key in hpms.important}
        excluded = list(hpms.excluded)
        print_json({"varying": varying, "excluded": excluded, "configurations": configurations})
        return
    print_sweep(group)


def _without_missing(hpm: Hpm) -> dict[str, Any]:
    return {key: value for key, value in hpm.items() if value is not MISSING}


def print_sweep(group: RunGroup) -> None:
    """The two tables of a sweep: values of each key, runs of each configuration."""
    hpms = group.hpm_group
    header, keys = hpms.swept_table()
    ends: list[int] = []
    for rows in keys:
        ends.append((ends[-1] if ends else -1) + len(rows))
    if keys:
        print_table(header, [row for rows in keys for row in rows], title="Swept", breaks=ends)
        header, rows = hpms.sweep_table()
        print_table(header, rows, title="Configurations", right=(len(header) - 1,))
    if hpms.excluded:
        note(f"varies but does not count as swept: {', '.join(hpms.excluded)}")
    note(repr(group))


def check(path: str, by: Sequence[str] | None, opening: Opening, as_json: bool) -> int:
    """List the findings, or count them by group; 1 if there are errors."""
    from dr_gen.convert import finding_to_dict

    group = opening.group(path, opening.settings())
    findings = group.findings
    if by:
        groups.print_findings_by(group, by, as_json)
    elif as_json:
        print_json([finding_to_dict(finding) for finding in findings])
    else:
        for repeated in group_repeats(findings):
            note(str(repeated))
        note(f"{counted(len(group), 'run')}, {_count_findings(findings)}")
    return int(any(finding.severity is Severity.ERROR for finding in findings))


def _count_findings(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    kinds = (Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "note")
    parts = [counted(counts[severity], noun) for severity, noun in kinds]
    return f"{counted(len(findings), 'finding')}: {', '.join(parts)}"


def show(path: str, run_id: str | None, opening: Opening, as_json: bool) -> None:
    """Show one run."""
    from dr_gen.convert import run_to_dict

    group = opening.group(path, opening.settings())
    if not len(group):
        raise UsageError("no run could be read; `dr-gen check` lists why")
    if run_id is None and len(group) > 1:
        more = ", …" if len(group) > _MAX_IDS else ""
        listed = ", ".join(group.ids[:_MAX_IDS]) + more
        raise UsageError(f"which run? there are {len(group)}: {listed}")
    if run_id is not None and run_id not in group:
        raise UnknownKeyError("run", run_id, group.ids)
    run = group[0 if run_id is None else group.ids.index(run_id)]
    if as_json:
        print_json(run_to_dict(run))
        return
    note(repr(run))
    for reason in run.reasons:
        note(f"  {reason}")
    note(f"source: {run.source}")
    if tags := tags_of(run.metadata):
        note(f"tags: {', '.join(tags)}")
    if run.metadata.get(NOTES):
        note(f"notes: {run.metadata[NOTES]}")
    labels = group.labels
    rows = [[key, labels.key(key), labels.value(key, run.hpms[key])] for key in run.hpms]
    print_table(["hyperparameter", "shown as", "value"], rows)
    curves = [
        [
            f"{curve.split}/{curve.metric}",
            f"{curve.x_name}{' (counted)' if curve.inferred else ''}",
            len(curve),
            *(number(curve.reduce(how)) for how in ("first", "last", "min", "max")),
        ]
        for curve in run.curves()
    ]
    header = ["metric", "x", "points", "first", "last", "min", "max"]
    print_table(header, curves, right=(2, 3, 4, 5, 6))
    for repeated in group_repeats(run.findings):
        note(str(repeated))


def summarize(
    path: str,
    metric: str | None,
    by: Sequence[str] | None,
    all_runs: bool,
    opening: Opening,
    as_json: bool,
) -> None:
    """One metric over the seeds of each configuration."""
    from dr_gen.analysis import seeds

    group, question = _question(path, metric, by, all_runs, opening)
    summary = seeds.summarize(group, **question)
    if as_json:
        print_json(summary.to_dicts())
        return
    print_summary(group, summary)


def _question(
    path: str, metric: str | None, by: Sequence[str] | None, all_runs: bool, opening: Opening
) -> tuple[RunGroup, dict[str, Any]]:
    """The runs, and what is asked of them."""
    from dr_gen.model.run_table import Status

    settings = opening.settings()
    question = {
        "metric": metric or settings.metric,
        "by": by,
        "level": settings.level,
        "statuses": tuple(Status) if all_runs else (Status.COMPLETED,),
    }
    return opening.group(path, settings), question


def print_summary(group: RunGroup, summary: Summary) -> None:
    """The ranking of configurations as a table."""
    keys = list(summary.rows[0].configuration) if summary.rows else []
    names = group.labels.key_names(keys)
    rows = []
    for row in summary.rows:
        shown = [group.labels.value(key, row.configuration[key]) for key in keys]
        left_out = ", ".join(f"{len(ids)} {why}" for why, ids in row.excluded.items())
        interval = f"[{number(row.ci_low)}, {number(row.ci_high)}]"
        rows.append(
            [
                *(shown or ["all runs"]),
                f"{row.n} of {row.n_runs}",
                number(row.mean),
                number(row.std),
                interval,
                number(row.minimum),
                number(row.maximum),
                left_out or "-",
            ]
        )
    percent = f"{summary.level:.0%} interval"
    measures = ["runs used", "mean", "std", percent, "min", "max", "left out"]
    header = [*(names.values() if keys else ["configuration"]), *measures]
    better = "less" if summary.direction == "min" else "more"
    title = f"{summary.metric} ({better} is better), Student-t interval of the mean"
    first = len(header) - len(measures)
    print_table(header, rows, title=title, right=range(first, len(header) - 1))
    for text in summary.notes:
        note(text)


def compare(
    path: str,
    metric: str | None,
    by: Sequence[str] | None,
    all_runs: bool,
    opening: Opening,
    as_json: bool,
) -> None:
    """Which differences are real."""
    from dr_gen.analysis import comparison

    group, question = _question(path, metric, by, all_runs, opening)
    result = comparison.compare(group, **question)
    if as_json:
        print_json(result.to_dict())
        return
    print_comparison(group, result, result.pairs)


def print_comparison(group: RunGroup, result: Comparison, pairs: Sequence[Any]) -> None:
    """Differences between configurations as a table, the first ones when there are many."""
    describe = group.hpm_group.describe
    rows = [
        [
            describe(pair.a),
            describe(pair.b),
            f"{pair.n_a}, {pair.n_b}",
            number(pair.difference),
            f"[{number(pair.ci_low)}, {number(pair.ci_high)}]",
            number(pair.p, 2),
            number(pair.p_adjusted, 2),
            number(pair.effect, 3),
        ]
        for pair in pairs[:_MAX_PAIRS]
    ]
    header = ["a", "b", "runs", "a - b", f"{result.level:.0%} interval", "p", "p adjusted"]
    header.append("Hedges g")
    print_table(header, rows, title=str(result.metric), right=range(2, len(header)))
    if len(pairs) > _MAX_PAIRS:
        note(f"… {len(pairs) - _MAX_PAIRS} more pairs; --json prints them all")
    note(result.method)
    for text in result.notes:
        note(text)


def report(
    path: str,
    output: str,
    metric: str | None,
    by: Sequence[str] | None,
    opening: Opening,
    command: str,
    as_json: bool,
) -> None:
    """Write the report; print the sweep, the ranking and the comparison."""
    from dr_gen.analysis import comparison, seeds
    from dr_gen.report.report import write_report

    settings = opening.settings()
    group = opening.group(path, settings)
    address = metric or settings.metric
    asked: dict[str, Any] = {"metric": address, "by": by, "level": settings.level}
    written = write_report(group, output, source=path, command=command, **asked)
    if as_json:
        print_json({kind: str(getattr(written, kind)) for kind in ("html", "markdown", "json")})
        return
    print_sweep(group)
    if group.metrics:
        print_summary(group, seeds.summarize(group, **asked))
        result = comparison.compare(group, **asked)
        print_comparison(group, result, comparison.relevant_pairs(result))
    note(f"report: {written.html} (also {written.markdown.name}, {written.json.name})")
