"""How a group looks in a terminal and in a notebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from dr_gen.model.hpm import MISSING
from dr_gen.model.hpm_group import HpmGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.wording import counted

__all__ = ["MAX_ROWS", "group_html", "group_text"]

_MAX_KEYS = 6
MAX_ROWS = 20
"""How many runs of a group a notebook shows."""


def group_text(hpms: HpmGroup, statuses: Sequence[Status]) -> str:
    """One line: runs by status, configurations, what was swept."""
    counts = ", ".join(f"{n} {status}" for status, n in Counter(statuses).most_common())
    names = hpms.labels.key_names(hpms.important)
    keys = [f"{names[k]} ({len(hpms.varying[k])})" for k in hpms.important[:_MAX_KEYS]]
    more = len(hpms.important) - _MAX_KEYS
    swept = ", ".join([*keys, f"{more} more"] if more > 0 else keys)
    configurations = counted(len(hpms.configurations), "configuration")
    return (
        f"RunGroup: {counted(len(statuses), 'run')} ({counts or 'none'}), {configurations}; "
        f"swept: {swept or 'nothing'}"
    )


def group_html(caption: str, hpms: HpmGroup, first: Iterable[RunData]) -> str:
    """A table of the `first` runs: id, status, important hyperparameters, seed, points."""
    from html import escape

    keys = [*hpms.important, *([hpms.seed] if hpms.seed else [])]
    names = hpms.labels.key_names(keys)
    head = "".join(f"<th>{escape(n)}</th>" for n in ("run", "status", *names.values(), "points"))
    rows = []
    for run in first:
        values = run.hpms
        shown = [hpms.labels.value(key, values.get(key, MISSING)) for key in keys]
        cells = [run.id, str(run.status), *shown, str(run.n_points)]
        rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    if len(hpms.ids) > len(rows):
        rows.append(f"<td colspan='{len(names) + 3}'>… {len(hpms.ids) - len(rows)} more</td>")
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>"
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
