"""Tables that are one run together.

Monitors of environments that ran side by side have a table of episodes each. And the splits of a
run may have a table each, called alike but for the name of the split.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.csv.runs import indexed
from dr_gen.readers.naming import DEFAULT_SPLIT, SPLIT_COLUMNS
from dr_gen.readers.splits import file_split
from dr_gen.readers.tables.columns import value_of
from dr_gen.readers.tables.delimited import Table
from dr_gen.readers.tables.log import TableFile

__all__ = ["splits_together", "together"]


def splits_together(files: Sequence[tuple[Path, TableFile]], run: str) -> TableFile:
    """The tables of the splits of one run as one, with the split of each row in a column."""
    findings = [finding for _, file in files for finding in file.findings]
    first = files[0][1].table
    names: dict[str, None] = {}
    used = []
    for path, file in files:
        if first.form is not None and set(first.columns).isdisjoint(file.table.columns):
            message = f"its columns are others than those of {files[0][0].name}"
            hint = "it is left out; read it by itself if it is a log"
            strange = (str(path), None, run, hint)
            findings.append(Finding("other-columns", message, Severity.WARNING, *strange))
            continue
        # Row numbers begin again in each table.
        columns, _ = indexed(file.table.columns)
        used.append((path, columns, file.table.lines))
        names |= dict.fromkeys(columns)
    if len(used) < 2:
        return TableFile(first, tuple(findings))
    cells: dict[str, list[str]] = {name: [] for name in names}
    lines: list[int] = []
    splits: list[str] = []
    for path, columns, its_lines in used:
        n = len(its_lines)
        lines += its_lines
        splits += [file_split(path.name.partition(".")[0]) or DEFAULT_SPLIT] * n
        for name, column in cells.items():
            column += columns.get(name, [""] * n)
    cells.setdefault(SPLIT_COLUMNS[0], splits)
    return TableFile(attrs.evolve(first, columns=cells, lines=lines), tuple(findings))


def together(files: Sequence[TableFile]) -> TableFile:
    """The tables of several monitors as one: all episodes, in the order in which they ended."""
    tables = [file.table for file in files if file.table.form is not None]
    first = tables[0]
    starts = [_start(table) for table in tables]
    names = list(first.columns)
    cells: dict[str, list[str]] = {name: [] for name in names}
    lines: list[int] = []
    ends: list[float] = []
    for table, start in zip(tables, starts, strict=True):
        n = len(table.lines)
        lines += table.lines
        for name in names:
            cells[name] += table.columns.get(name, [""] * n)
        seconds = map(value_of, table.columns.get("t", [""] * n))
        ends += [start + s if isinstance(s, int | float) else np.nan for s in seconds]
    findings = tuple(finding for file in files for finding in file.findings)
    if not lines:
        return TableFile(attrs.evolve(first, problems=[]), findings)
    order = np.argsort(np.array(ends), kind="stable").tolist()
    merged = {name: [column[row] for row in order] for name, column in cells.items()}
    if len(tables) > 1 and "t" in merged:
        zero = min(starts)
        merged["t"] = [repr(round(ends[r] - zero, 6)) if ends[r] == ends[r] else "" for r in order]
    comments = [comment for table in tables for comment in table.comments]
    lines = [lines[row] for row in order]
    return TableFile(Table(first.form, merged, lines, comments, [], first.torn), findings)


def _start(table: Table) -> float:
    """When a monitor began, in seconds."""
    for _, text in table.comments:
        try:
            found = json.loads(text).get("t_start")
        except (ValueError, AttributeError, RecursionError):
            continue
        if isinstance(found, int | float) and np.isfinite(found):
            return float(found)
    return 0.0
