"""From the cells of a log to numbers, with a record of all that is none.

Findings are collected by column, so that a column of a million odd cells is one finding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dr_gen.model.finding import Finding, Severity, line_ranges
from dr_gen.readers.cells import MAX_LIST, read_number

__all__ = ["CellNotes", "flat_metrics"]

_SMALL: Final = 2**53
_NUMERIC: Final = frozenset({"number", "text", "duration", "bool"})


def flat_metrics(nested: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values of a nested mapping, names joined by ``/``; empty mappings vanish.

    Examples
    --------
    >>> list(flat_metrics({"train": {"loss": 1}, "extra": {}, "lr": 2}))
    [('train/loss', 1), ('lr', 2)]
    """
    for name, value in nested.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{inner}", v) for inner, v in flat_metrics(value))
        else:
            yield name, value


class CellNotes:
    """Turns cells into numbers, and remembers the ones that were none.

    Examples
    --------
    >>> notes = CellNotes(Path("a.jsonl"), "a")
    >>> list(notes.numbers(3, "val/acc1", "acc1", "97.5"))
    [('acc1', 97.5)]
    >>> print(notes.findings()[0])
    a.jsonl:3: info text-number: val/acc1: 1 number was written as text
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path, self._run = str(path), run
        self._lines: dict[tuple[str, str], list[int]] = {}

    def numbers(
        self, line: int, subject: str, name: str, value: Any
    ) -> Iterator[tuple[str, float | int]]:
        """The numbers in a cell of a metric: one, none, or one an item of a short list."""
        kind, number = read_number(value)
        if kind == "number":
            yield name, number
            return
        if kind == "list":
            yield from self._items(line, subject, name, value)
            return
        if kind in _CODES:
            self.note(_CODES[kind], subject, line)
        if kind in _NUMERIC:
            yield name, number

    def _items(
        self, line: int, subject: str, name: str, items: list[Any]
    ) -> Iterator[tuple[str, float | int]]:
        cells = [read_number(item) for item in items[: MAX_LIST + 1]]
        if len(items) > MAX_LIST or any(kind != "number" for kind, _ in cells):
            self.note("list-column", subject, line)
            return
        yield from ((f"{name}/{i}", number) for i, (_, number) in enumerate(cells))

    def x(self, line: int, name: str, value: Any) -> float | int | None:
        """The number in a cell of an x-axis, or None."""
        if type(value) is int and -_SMALL < value < _SMALL:
            return value
        kind, number = read_number(value)
        if kind == "text":
            self.note("text-number", name, line)
        if kind in ("number", "text", "duration") and math.isfinite(number):
            return number
        if kind != "null":
            self.note("bad-x", name, line)
        return None

    def note(self, code: str, subject: str, line: int) -> None:
        """Remember one cell of a column."""
        self._lines.setdefault((code, subject), []).append(line)

    def findings(self) -> tuple[Finding, ...]:
        """One finding for each column and kind of cell."""
        return tuple(
            self._finding(code, subject, lines) for (code, subject), lines in self._lines.items()
        )

    def _finding(self, code: str, subject: str, lines: list[int]) -> Finding:
        severity, one, many, hint = _NOTES[code]
        n = len(lines)
        text = one if n == 1 else many.format(n=n, lines=line_ranges(sorted(set(lines))))
        message = f"{subject}: {text}"
        return Finding(code, message, severity, self._path, lines[0], self._run, hint)


_CODES: Final = {
    "text": "text-number",
    "duration": "text-number",
    "bool": "bool-number",
    "null": "null-value",
    "words": "not-a-number",
    "large": "number-too-large",
}
_NOTES: Final = {
    "text-number": (
        Severity.INFO,
        "1 number was written as text",
        "{n} numbers were written as text",
        "",
    ),
    "bool-number": (
        Severity.INFO,
        "a true or false was read as 1 or 0",
        "{n} values true or false were read as 1 and 0",
        "",
    ),
    "null-value": (
        Severity.INFO,
        "1 value is null; the point is left out",
        "{n} values are null; the points are left out (lines {lines})",
        "",
    ),
    "not-a-number": (
        Severity.WARNING,
        "1 value is text and no number; it is left out",
        "{n} values are text and no numbers; they are left out (lines {lines})",
        "",
    ),
    "number-too-large": (
        Severity.WARNING,
        "1 number is too large for a float; it is left out",
        "{n} numbers are too large for a float; they are left out (lines {lines})",
        "",
    ),
    "list-column": (
        Severity.INFO,
        "1 list is no short list of numbers; it is left out",
        "{n} lists are no short lists of numbers; they are left out (lines {lines})",
        f"up to {MAX_LIST} numbers are read as one metric an item",
    ),
    "bad-x": (
        Severity.WARNING,
        "1 value is no finite number; the row lacks this x",
        "{n} values are no finite numbers; the rows lack this x (lines {lines})",
        "",
    ),
    "text-column": (
        Severity.INFO,
        "1 text is no measurement; it is left out",
        "{n} texts are no measurements; they are left out",
        "a text that never changes is kept in the metadata",
    ),
    "id-changed": (
        Severity.WARNING,
        "the value changes",
        "the value changes in {n} rows (lines {lines}); the last one is kept",
        "several runs in one file? split it, one run a file",
    ),
}
