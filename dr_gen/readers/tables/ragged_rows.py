"""Rows of cells that have more or fewer cells than the header above them has names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dr_gen.readers.cells import read_number

__all__ = ["NAMELESS", "Fit", "Records", "is_numeric"]

Records = list[tuple[int, list[str]]]
"""Rows with the line that each begins in."""

NAMELESS: Final = "column_"
"""Beginning of the names of columns that have none."""

_SAMPLE: Final = 20


class Fit:
    """Fits rows of any length below a header."""

    def __init__(self, names: list[str], records: Records, note: Callable[..., None]) -> None:
        self.names, self.records, self._note = names, records, note

    def fitted(self) -> tuple[list[str], Records]:
        """The names with those of further columns, and the rows that can be kept."""
        n = len(self.names)
        longer = [i for i, (_, cells) in enumerate(self.records) if len(cells) > n]
        if longer:
            self._fit_longer(longer, n)
        bad, short, kept = [], [], []
        for line, cells in self.records:
            if len(cells) < n and not any(map(is_numeric, cells)):
                bad.append(line)
                continue
            if len(cells) < n:
                short.append(line)
            kept.append((line, cells))
        if bad:
            self._note("bad-row", "error", bad, "no row of the table", "remove or repair the line")
        if short:
            message = f"fewer cells than the {n} names of the header"
            self._note("short-row", "warning", short, message, "the last columns are left blank")
        return self.names, kept

    def _fit_longer(self, longer: list[int], n: int) -> None:
        """Rows with more cells than the header has names."""
        rows = self.records
        lines = [rows[i][0] for i in longer]
        if not any(any(rows[i][1][n:]) for i in longer):
            message = f"more cells than the {n} names of the header, the last ones blank"
            hint = "a column was added without a name; those before it are read by theirs"
            self._note("long-row", "warning", lines, message, hint)
            self.records = [(line, cells[:n]) for line, cells in rows]
            return
        one_more = len(longer) == len(rows) > 1 and all(len(cells) == n + 1 for _, cells in rows)
        if one_more and self.names[0]:
            self.names = ["", *self.names]  # as R writes the names of rows
            return
        alone = [i for i in longer if not self._has_company(i)]
        if alone:
            message = f"more cells than the {n} names of the header: two rows in one?"
            hint = "it is left out; repair the line"
            self._note("bad-row", "error", [rows[i][0] for i in alone], message, hint)
        left_out = set(alone)
        together = [i for i in longer if i not in left_out]
        if together:
            certain = self._certain(together, n)
            message = f"more cells than the {n} names of the header: columns were added later"
            hint = "the first cells are read by the names above them, the added ones by number"
            if certain < n:
                hint = f"only the first {certain} columns are sure to be those of the header"
            self._note("long-row", "warning", [rows[i][0] for i in together], message, hint)
            if certain == n:
                most = max(len(rows[i][1]) for i in together)
                self.names = [*self.names, *(f"{NAMELESS}{i + 1}" for i in range(n, most))]
            for i in together if certain < n else ():
                rows[i] = (rows[i][0], rows[i][1][:certain] + [""] * (n - certain))
        self.records = [record for i, record in enumerate(rows) if i not in left_out]

    def _has_company(self, i: int) -> bool:
        size = len(self.records[i][1])
        return any(
            0 <= j < len(self.records) and len(self.records[j][1]) == size for j in (i - 1, i + 1)
        )

    def _certain(self, together: list[int], n: int) -> int:
        """How many columns hold the same kind of cells as in the rows that fit."""
        fitting = [cells for _, cells in self.records if len(cells) == n][:_SAMPLE]
        others = [self.records[i][1] for i in together[:_SAMPLE]]
        for column in range(n):
            before, now = (
                {is_numeric(cells[column]) for cells in some if cells[column]}
                for some in (fitting, others)
            )
            if before and now and before.isdisjoint(now):
                return column
        return n


def is_numeric(cell: str) -> bool:
    """Whether a cell holds a number."""
    return read_number(cell)[0] in ("text", "large")
