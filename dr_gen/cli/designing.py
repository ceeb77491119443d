"""The command that checks the design of a sweep."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dr_gen.cli.opening import Opening
from dr_gen.cli.output import note, print_json, print_table
from dr_gen.model.finding import Severity
from dr_gen.wording import counted

if TYPE_CHECKING:
    from dr_gen.analysis.design.check import DesignCheck
    from dr_gen.analysis.design.grid import Grid
    from dr_gen.model.group import RunGroup

__all__ = ["design"]

_MOST_VALUES = 12
_MOST_IDS = 5
_WIDEST = 100
_HEADINGS = {
    Severity.ERROR: "Wrong until dealt with",
    Severity.WARNING: "Says less than it seems to",
    Severity.INFO: "Worth knowing",
}


def design(path: str, by: Sequence[str] | None, opening: Opening, as_json: bool) -> int:
    """Print what was swept and what it does not allow to say; 1 if there are errors."""
    from dr_gen.analysis.design.check import check_design

    group = opening.group(path, opening.settings())
    found = check_design(group, by=by)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(group, found)
    return int(found.failed)


def _print(group: RunGroup, found: DesignCheck) -> None:
    _paragraph(_headline(group, found), "")
    for grid in found.grids:
        _print_grid(group, grid)
    for severity, heading in _HEADINGS.items():
        issues = [issue for issue in found.issues if issue.severity is severity]
        if issues:
            note()
            note(f"{heading}:")
        for issue in issues:
            _paragraph(f"{issue.code}: {issue.what}.", "- ")
            if issue.hint:
                _paragraph(f"→ {issue.hint}", "  ")
            if issue.runs and len(issue.runs) < found.n_runs:
                rest = len(issue.runs) - _MOST_IDS
                ids = ", ".join(issue.runs[:_MOST_IDS]) + (f", … {rest} more" if rest > 0 else "")
                _paragraph(f"runs: {ids}", "  ")
    note()
    counts = Counter(issue.severity for issue in found.issues)
    nouns = zip(_HEADINGS, ("error", "warning", "note"), strict=True)
    parts = [counted(counts[severity], noun) for severity, noun in nouns if counts[severity]]
    fine = "nothing stands in the way of comparing configurations"
    note(", ".join(parts) if parts else fine if found.n_runs else "there is nothing to check")


def _headline(group: RunGroup, found: DesignCheck) -> str:
    few, many = found.seeds
    names = group.labels.key_names(found.keys).values()
    seeds = f"{few}" if few == many else f"{few} to {many}"
    replicate = "seed" if found.seed else "run"
    of = f" of {', '.join(names)}" if found.keys else ""
    return (
        f"{counted(found.n_runs, 'run')}, {counted(found.n_configurations, 'configuration')}{of}; "
        f"{seeds} {replicate}{'' if many == 1 else 's'} each"
    )


def _print_grid(group: RunGroup, grid: Grid) -> None:
    if not grid.factors:
        return
    names = group.labels.key_names(grid.keys)
    together = {keys[0]: keys[1:] for keys in grid.together}
    rows = []
    for factor in grid.factors:
        texts = [group.labels.value(factor.key, value) for value in factor.values]
        rest = len(texts) - _MOST_VALUES
        shown = ", ".join(texts[:_MOST_VALUES]) + (f", … {rest} more" if rest > 0 else "")
        others = group.labels.key_names(together.get(factor.key, ())).values()
        name = " = ".join([names[factor.key], *others])
        rows.append([name, len(texts), shown])
    where = f" where {group.hpm_group.describe(grid.where)}" if len(grid.where) else ""
    print_table(["swept", "values", ""], rows, right=(1,), title=f"{_shape(grid)}{where}")
    if len(rows) == 2 and not where and max(len(f.values) for f in grid.factors) <= _MOST_VALUES:
        header, cells = group.hpm_group.cross_table(*grid.keys)
        across = range(1, len(header))
        print_table(header, cells, right=across, title="Runs of each cell")


def _shape(grid: Grid) -> str:
    cells = f"{grid.n_configurations:,} of {grid.n_cells:,} combinations"
    if grid.kind == "grid":
        return f"A full grid of {counted(grid.n_cells, 'cell')}"
    if grid.kind == "one at a time":
        return f"One key at a time from a base: {cells}"
    if grid.kind == "sampled":
        return f"No grid: {cells}"
    return f"A grid with gaps: {cells}"


def _paragraph(text: str, bullet: str) -> None:
    """Text broken at the width of the terminal; one line where it is none."""
    width = min(shutil.get_terminal_size().columns, _WIDEST) if sys.stdout.isatty() else sys.maxsize
    for line in _lines(text, bullet, width):
        note(line)


def _lines(text: str, bullet: str, width: int) -> Iterator[str]:
    options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    yield from textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        **options,
    )
