"""From facts to sections: what a report says, in which order."""

from __future__ import annotations

from collections.abc import Iterator

from dr_gen.analysis.comparison import Comparison
from dr_gen.analysis.seeds import Summary
from dr_gen.errors import UsageError
from dr_gen.plots.curves import plot_curves
from dr_gen.plots.panels import plot_runs
from dr_gen.plots.ranking import plot_ranking
from dr_gen.report import tables
from dr_gen.report.answer import answer, how_it_ended, interval_words
from dr_gen.report.facts import Facts
from dr_gen.report.sections import Block, FigureBlock, Paragraph, Report, Section
from dr_gen.wording import counted

__all__ = ["build"]


def build(facts: Facts) -> Report:
    """The report on these facts; reads and writes no file."""
    parts = {
        "In short": ("answer", _answer),
        "What was swept": ("sweep", _sweep),
        "How the runs ended": ("ended", _ended),
        "Curves": ("curves", _curves),
        "Ranking": ("ranking", _ranking),
        "Comparison": ("comparison", _comparison),
        "Findings": ("findings", _findings),
        "Where the numbers come from": ("provenance", _provenance),
    }
    sections = tuple(
        Section(title, anchor, tuple(blocks(facts))) for title, (anchor, blocks) in parts.items()
    )
    return Report(_title(facts), sections)


def _title(facts: Facts) -> str:
    experiments = sorted({run.experiment for run in facts.group if run.experiment})
    what = facts.provenance.source or ", ".join(experiments[:3])
    runs = counted(len(facts.group), "training run")
    return f"{runs}: {what}" if what else runs


def _answer(facts: Facts) -> Iterator[Block]:
    yield Paragraph(answer(facts), "answer")


def _sweep(facts: Facts) -> Iterator[Block]:
    hpms = facts.group.hpm_group
    n = len(hpms.configurations)
    if hpms.important:
        keys = counted(len(hpms.important), "hyperparameter")
        verb = "varies" if len(hpms.important) == 1 else "vary"
        cells = f"{counted(n, 'combination')} over {counted(len(facts.group), 'run')}"
        yield Paragraph(f"{keys} {verb}, in {cells}.")
        yield tables.swept_table(facts.group)
    else:
        yield Paragraph(
            "No hyperparameter varies over the runs, so they count as one configuration."
            if hpms.keys
            else "The runs have no hyperparameters, so they count as one configuration."
        )
    if hpms.excluded:
        yield Paragraph(
            f"These vary too, but are no part of a configuration: {', '.join(hpms.excluded)}.",
            "note",
        )
    if facts.design.issues:
        yield tables.design_table(facts.design)


def _ended(facts: Facts) -> Iterator[Block]:
    yield Paragraph(how_it_ended(facts))
    if len(facts.group):
        yield tables.ended_table(facts.group, facts.failures)
    if facts.failures.reasons:
        yield tables.reasons_table(facts.failures)


def _curves(facts: Facts) -> Iterator[Block]:
    summary, group = facts.summary, facts.group
    if summary is None:
        yield Paragraph("No run has a metric, so there is no curve.")
        return
    try:
        if summary.best is not None:
            figure = plot_curves(group, summary.metric, level=facts.level, by=facts.by)
            alt = f"Mean curves of {summary.metric.curve} by configuration, with a band over runs"
            yield FigureBlock("curves", figure, alt)
        alt = f"Curves of {summary.metric.curve} of every run, one panel a configuration"
        yield FigureBlock("runs", plot_runs(group, summary.metric, by=facts.by), alt)
    except UsageError as error:
        yield Paragraph(f"The curves cannot be drawn: {error}.", "note")


def _ranking(facts: Facts) -> Iterator[Block]:
    summary = facts.summary
    if summary is None:
        yield Paragraph("No run has a metric, so there is nothing to rank.")
        return
    yield tables.ranking_table(facts.group, summary, facts.held_out)
    if summary.best is not None:
        alt = f"Mean and interval of {summary.metric} for each configuration"
        yield FigureBlock("ranking", plot_ranking(summary, facts.group), alt)
    for note in summary.notes:
        yield Paragraph(note, "note")


def _comparison(facts: Facts) -> Iterator[Block]:
    summary, comparison = facts.summary, facts.comparison
    if summary is None or comparison is None or not comparison.pairs:
        yield Paragraph(
            "Nothing can be compared: that takes two configurations with at least two runs each."
        )
        return
    yield tables.comparison_table(facts.group, comparison, summary)
    yield Paragraph(_methods(summary, comparison))
    for note in comparison.notes:
        yield Paragraph(note, "note")


def _methods(summary: Summary, comparison: Comparison) -> str:
    """What was done, so that somebody else could do it again."""
    counts = sorted({row.n for row in summary.rows if row.n >= 2})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    n_pairs = len(comparison.pairs)
    return (
        f"Methods. {comparison.method}. One value is {summary.metric} of one run; only runs that "
        f"completed and have a finite value are used, {n} a configuration, the others are "
        f"excluded and counted. Means have {interval_words(summary.level)}s; differences have "
        f"Welch's interval at the same level; Hedges g is the difference in pooled standard "
        "deviations, corrected for small samples, with the exact interval from the noncentral t "
        "distribution. Intervals are not corrected for the number of comparisons, p-values are "
        f"as stated. Of {counted(n_pairs, 'pair')} the table shows those with the best "
        "configuration; report.json has the others."
    )


def _findings(facts: Facts) -> Iterator[Block]:
    findings = facts.group.findings
    if not findings:
        yield Paragraph("Nothing odd was found in the logs.")
        return
    yield tables.finding_codes_table(findings)
    yield tables.findings_table(findings)


def _provenance(facts: Facts) -> Iterator[Block]:
    yield tables.provenance_table(facts.provenance)
    if facts.summary is not None:
        yield tables.runs_table(facts.group, facts.summary)
    yield Paragraph(
        "report.json, beside this page, holds every number with all its digits, each run with its "
        "source file, and every finding."
    )
