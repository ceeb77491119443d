"""How a group looks in a terminal and in a notebook."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from dr_gen.model.hpm import MISSING

if TYPE_CHECKING:
    from dr_gen.model.group import RunGroup

__all__ = ["group_html", "group_text", "status_counts"]

_MAX_ROWS = 20


def status_counts(group: RunGroup) -> dict[str, int]:
    """Number of runs of each status that occurs, the most frequent first."""
    return {str(status): n for status, n in Counter(group.statuses).most_common()}


def group_text(group: RunGroup) -> str:
    """One line: runs by status, configurations, what was swept."""
    counts = ", ".join(f"{n} {status}" for status, n in status_counts(group).items())
    hpms = group.hpm_group
    swept = ", ".join(f"{group.labels.key(k)} ({len(hpms.varying[k])})" for k in hpms.important)
    n = len(hpms.configurations)
    return (
        f"RunGroup: {len(group)} run{'' if len(group) == 1 else 's'} ({counts or 'none'}), "
        f"{n} configuration{'' if n == 1 else 's'}; swept: {swept or 'nothing'}"
    )


def group_html(group: RunGroup) -> str:
    """A table of the first runs: id, status, important hyperparameters, seed, points."""
    hpms = group.hpm_group
    keys = [*hpms.important, *([hpms.seed] if hpms.seed else [])]
    names = hpms.labels.key_names(keys)
    head = "".join(f"<th>{escape(n)}</th>" for n in ("run", "status", *names.values(), "points"))
    rows = []
    for run in group[:_MAX_ROWS]:
        values = run.hpms
        shown = [hpms.labels.value(key, values.get(key, MISSING)) for key in keys]
        cells = [run.id, str(run.status), *shown, str(run.n_points)]
        rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    if len(group) > _MAX_ROWS:
        rows.append(f"<td colspan='{len(names) + 3}'>… {len(group) - _MAX_ROWS} more</td>")
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    caption = f"<caption>{escape(group_text(group))}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
