"""A report as JSON: every number with all its digits."""

from __future__ import annotations

from typing import Any, Final

import attrs

from dr_gen.analysis.comparison import Comparison, relevant_pairs
from dr_gen.analysis.heldout import HeldOut
from dr_gen.convert import finding_to_dict, json_text
from dr_gen.report.answer import answer
from dr_gen.report.facts import Facts

__all__ = ["report_data", "to_json"]

_MOST_PAIRS: Final = 2000


def to_json(facts: Facts) -> str:
    """The report as strict JSON; NaN and infinities are null."""
    return json_text(report_data(facts), indent=1) + "\n"


def report_data(facts: Facts) -> dict[str, Any]:
    """The report as plain data."""
    summary = facts.summary
    return {
        "answer": answer(facts),
        "metric": None if summary is None else str(summary.metric),
        "direction": None if summary is None else summary.direction,
        "level": facts.level,
        "by": None if facts.by is None else list(facts.by),
        "sweep": _sweep(facts),
        "design": facts.design.to_dict(),
        "failures": facts.failures.to_dict(),
        "summary": [] if summary is None else summary.to_dicts(),
        "summary_notes": [] if summary is None else list(summary.notes),
        "held_out": None if facts.held_out is None else _held_out(facts.held_out),
        "comparison": None if facts.comparison is None else _comparison(facts.comparison),
        "findings": [finding_to_dict(finding) for finding in facts.group.findings],
        "runs": _runs(facts),
        "provenance": attrs.asdict(facts.provenance),
    }


def _sweep(facts: Facts) -> dict[str, Any]:
    hpms = facts.group.hpm_group
    return {
        "varying": {key: hpms.varying[key] for key in hpms.important},
        "excluded": list(hpms.excluded),
        "configurations": [
            {"hpms": dict(c.hpms), "runs": list(c.runs)} for c in hpms.configurations
        ],
    }


def _held_out(found: HeldOut) -> dict[str, Any]:
    rows = [
        {
            "configuration": dict(row.configuration),
            "n": row.n,
            "mean": row.mean,
            "std": row.std,
            "ci_low": row.ci_low,
            "ci_high": row.ci_high,
            "runs": list(row.used),
            "values": list(row.values),
        }
        for row in found.rows
    ]
    return {"metric": str(found.metric), "chosen_by": str(found.chosen_by), "rows": rows}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    n = len(comparison.pairs)
    shown = comparison
    if n > _MOST_PAIRS:
        # Hundreds of configurations make a file that nobody opens; the count says what is left out.
        shown = attrs.evolve(comparison, pairs=relevant_pairs(comparison))
    return {**shown.to_dict(), "n_pairs": n, "complete": n <= _MOST_PAIRS}


def _runs(facts: Facts) -> list[dict[str, Any]]:
    rows = () if facts.summary is None else facts.summary.rows
    values = {run: v for row in rows for run, v in zip(row.used, row.values, strict=True)}
    return [
        {
            "id": run.id,
            "status": str(run.status),
            "reasons": list(run.reasons),
            "experiment": run.experiment,
            "source": run.source,
            "seed": run.seed,
            "hpms": dict(run.hpms),
            "value": values.get(run.id),
        }
        for run in facts.group
    ]
