"""Comparisons as a table of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.benchmarks.comparisons import Comparison, Quantity, Task
from tests.benchmarks.workloads import WORKLOADS

__all__ = ["markdown", "shown", "table"]

Medians = Mapping[Task, Mapping[str, float]]


def table(rows: Sequence[Comparison], found: Medians, goals: bool) -> list[list[str]]:
    """Cells of the table with a head; `goals` adds what is asked for and whether it is met."""
    head = ["what", "workload", "dr_gen", "against", "it takes", "ratio", "of CPU time"]
    if goals:
        head += ["at least / most", "aim", "reached"]
    return [head, *(_cells(row, found, goals) for row in rows)]


def _cells(row: Comparison, found: Medians, goals: bool) -> list[str]:
    ours = found[row.task]
    value = ours[row.quantity]
    cells = [row.what, _workload(row.task[1]), shown(value, row.quantity)]
    reached = -value
    if row.other is None:
        cells += [""] * 4
    else:
        theirs = found[row.other, row.task[1]]
        reached = theirs[row.quantity] / value
        timed = row.quantity == "wall"
        cpu = _times(theirs["cpu"] / ours["cpu"]) if timed else ""
        cells += [row.other, shown(theirs[row.quantity], row.quantity), _times(reached), cpu]
    if goals:
        cells += _goals(row, reached)
    return cells


def _goals(row: Comparison, reached: float) -> list[str]:
    if row.least is None or row.aim is None:
        return ["", "", ""]
    sign = 1 if row.other else -1
    verdict = "no"
    if reached >= sign * row.least:
        verdict = "aim" if reached >= sign * row.aim else "yes"
    if row.other:
        return [f"{row.least:g}×", f"{row.aim:g}×", verdict]
    return [shown(row.least, row.quantity), shown(row.aim, row.quantity), verdict]


def _times(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×"


def _workload(name: str) -> str:
    return f"{name}, {WORKLOADS[name].runs:,} runs" if name else ""


def shown(value: float, quantity: Quantity) -> str:
    """A number with its unit, with three digits."""
    if quantity == "peak":
        return f"{value / 1e6:.0f} MB"
    if quantity == "share":
        return f"{100 * value:.3g} %"
    if value < 0.9995:
        return f"{1000 * value:.3g} ms"
    return f"{value:.3g} s"


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """Cells as a table that reads well as text, too; the first three columns are words."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    words = {0, 1, 3}

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if at in words else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = ("-" * w if at in words else "-" * (w - 1) + ":" for at, w in enumerate(widths))
    head, *body = cells
    return "\n".join([line(head), f"| {' | '.join(rule)} |", *map(line, body)])
