"""Text files of rows with one delimiter between the cells: the header, and the columns below it.

Every cell that is certain comes out, with the line of its row; everything else is a finding.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from dr_gen.model.finding import Severity
from dr_gen.readers.tables.ragged_rows import NAMELESS, Fit, is_numeric

__all__ = ["Delimited", "Problem", "Table", "parse_table", "split_line"]

_DELIMITERS: Final = ",\t;|"
_COMMENT: Final = "#"
_SAMPLE: Final = 20
_MOST_JOINS: Final = 200
_MOST_COLUMNS: Final = 50_000
_LARGEST_RECORD: Final = 1 << 17
_LONGEST_RECORD: Final = 64
"""Lines that one row may go over: quotes may hold line ends, but one that is never closed must
not take all that follows."""


@attrs.frozen
class Problem:
    """Something wrong with some lines: code, severity, lines, and what to say of it."""

    code: str
    severity: Severity
    lines: Sequence[int]
    message: str
    hint: str = ""


@attrs.frozen
class Delimited:
    """What a file of rows is written with.

    Attributes
    ----------
    delimiter : str
    names : tuple of str
        The header.
    """

    delimiter: str
    names: tuple[str, ...]


@attrs.frozen
class Table:
    """A file of rows.

    Attributes
    ----------
    form : Delimited or None
        None when the file has no header.
    columns : dict of str to list of str
        The cells of each column, without blanks around them; empty where a row has none.
    lines : list of int
        The line of each row.
    comments : list of (int, str)
        Line and text of what stands behind a ``#``, above or between the rows.
    problems : list of Problem
    torn : bool
        Whether the last line does not end.
    """

    form: Delimited | None
    columns: dict[str, list[str]] = attrs.field(factory=dict)
    lines: list[int] = attrs.field(factory=list)
    comments: list[tuple[int, str]] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)
    torn: bool = False


def parse_table(text: str, limit: int | None = None) -> Table:
    r"""The table in a text; only that of the first `limit` lines if there are more.

    Examples
    --------
    >>> table = parse_table("# made by x\nepoch,loss\n0,0.5\n1,\n2,0.3")
    >>> table.form.names, table.columns, table.lines
    (('epoch', 'loss'), {'epoch': ['0', '1', '2'], 'loss': ['0.5', '', '']}, [3, 4, 5])
    >>> table.comments, [problem.code for problem in table.problems]
    ([(1, 'made by x')], ['truncated-line'])
    """
    return _Parser(text, limit).table()


def split_line(text: str, delimiter: str, strict: bool = True) -> list[str] | None:
    """The cells of a row without blanks around them; None when it does not end where it does."""
    if '"' not in text:
        return [cell.strip() for cell in text.split(delimiter)]
    if len(text) > _LARGEST_RECORD:
        return None
    lines = io.StringIO(text, newline="")
    try:
        [cells] = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=strict)
    except (csv.Error, ValueError):
        return None
    return [cell.strip() for cell in cells]


class _Parser:
    """Takes a text apart."""

    def __init__(self, text: str, limit: int | None) -> None:
        end = "\n" if "\n" in text or "\r" not in text else "\r"
        lines = text.split(end) if limit is None else text.split(end, limit)
        last = lines.pop()
        self.lines = [line.rstrip("\r") for line in lines] if "\r" in text else lines
        cut = limit is not None and len(lines) == limit
        self.torn = "" if cut or not last.strip() else last.rstrip("\r")
        self.comments: list[tuple[int, str]] = []
        self.problems: list[Problem] = []
        self.delimiter = ","
        self._joins = 0

    def _note(
        self, code: str, severity: str, lines: Sequence[int], message: str, hint: str = ""
    ) -> None:
        self.problems.append(Problem(code, Severity(severity), lines, message, hint))

    def table(self) -> Table:
        """The table, with all that was found on the way."""
        start, names = self._header()
        torn = bool(self.torn)
        if not names:
            self._cut_off(torn, False)
            return Table(None, comments=self.comments, problems=self.problems, torn=torn)
        names = self._unique(names)
        columns, lines = self._uniform(start, len(names)), list(range(start + 2, self._end + 2))
        if columns is None or not set(names).isdisjoint(itertools.chain(*columns)):
            names, columns, lines = self._ragged(start, names)
        last = self._last(len(columns))
        if last is not None:
            lines.append(len(self.lines) + 1)
            for column, cell in zip(columns, last, strict=True):
                column.append(cell)
        self._cut_off(torn, bool(lines))
        held = dict(zip(names, columns, strict=True))
        for name in [name for name in held if name.startswith(NAMELESS)]:
            if not any(held[name]):
                del held[name]
        form = Delimited(self.delimiter, tuple(held))
        return Table(form, held, lines, self.comments, self.problems, torn)

    @property
    def _end(self) -> int:
        """The last line that is not blank."""
        end = len(self.lines) - 1
        while end >= 0 and not self.lines[end].strip():
            end -= 1
        return end

    # ------------------------------------------------------------------ header

    def _header(self) -> tuple[int, list[str]]:
        """Where the header is, and the names in it; none when there is no header."""
        for i, line in enumerate(self.lines):
            text = line.strip()
            if text.startswith(_COMMENT):
                self.comments.append((i + 1, text.lstrip(_COMMENT).strip()))
            elif text:
                self.delimiter = self._likely_delimiter(i)
                names = split_line(line, self.delimiter) or []
                if len(names) > _MOST_COLUMNS:
                    return i, []
                if any(name and not is_numeric(name) for name in names):
                    return i, names
                return i - 1, self._names_in_comment(len(names))
        return 0, []

    def _names_in_comment(self, n: int) -> list[str]:
        """The header where it is the comment right above rows of numbers."""
        if n < 2 or not self.comments:
            return []
        text = self.comments[-1][1]
        names = split_line(text, self.delimiter) or []
        if len(names) != n or any(map(is_numeric, names)):
            return []
        del self.comments[-1]
        return names

    def _likely_delimiter(self, start: int) -> str:
        """The delimiter that parts most lines like the header."""
        sample = [line for line in self.lines[start : start + _SAMPLE] if line.strip()]
        best, chosen = (0, 0), _DELIMITERS[0]
        for delimiter in _DELIMITERS:
            if delimiter not in sample[0]:
                continue
            sizes = [len(split_line(line, delimiter) or ()) for line in sample]
            # One cell more is a delimiter at the end, or the name of the row.
            score = (sum(sizes[0] <= size <= sizes[0] + 1 for size in sizes), sizes[0])
            if score > best:
                best, chosen = score, delimiter
        return chosen

    def _unique(self, names: list[str]) -> list[str]:
        """Names that are each there once; what has no name, but the first, is numbered."""
        found: list[str] = []
        twice: list[str] = []
        for i, name in enumerate(names):
            name = name or (f"{NAMELESS}{i + 1}" if i else "")
            free = name
            numbers = itertools.count(2)
            while free in found and name:
                free = f"{name}_{next(numbers)}"
            if free != name:
                twice.append(name)
            found.append(free)
        if twice:
            message = f"the header names {', '.join(dict.fromkeys(twice))} more than once"
            self._note("duplicate-column", "warning", [], message, "later ones get a number")
        return found

    # ------------------------------------------------------------------ rows

    def _uniform(self, start: int, n: int) -> list[list[str]] | None:
        """The columns, if all lines are rows of `n` plain cells."""
        body = self.lines[start + 1 : self._end + 1]
        counts = set(map(str.count, body, itertools.repeat(self.delimiter)))
        text = self.delimiter.join(body)
        if counts - {n - 1} or '"' in text or _COMMENT in text or (n == 1 and "" in body):
            return None
        cells = text.split(self.delimiter) if body else []
        if " " in text or "\t" in text:
            cells = list(map(str.strip, cells))
        return [cells[i::n] for i in range(n)]

    def _records(self, start: int) -> Iterator[tuple[int, list[str]]]:
        """The lines below the header that are neither blank nor a comment, with their cells."""
        at = start + 1
        while at < len(self.lines):
            line = self.lines[at].strip()
            if not line:
                at += 1
            elif line.startswith(_COMMENT):
                self.comments.append((at + 1, line.lstrip(_COMMENT).strip()))
                at += 1
            else:
                cells, n_lines = self._record(at)
                yield at + 1, cells
                at += n_lines

    def _record(self, at: int) -> tuple[list[str], int]:
        """The cells of the row that begins in a line, and how many lines it takes."""
        line = self.lines[at]
        found = split_line(line, self.delimiter)
        if found is not None:
            return found, 1
        quotes = line.count('"')
        if quotes % 2 == 0:
            return split_line(line, self.delimiter, strict=False) or [], 1
        for end in range(at + 1, min(at + _LONGEST_RECORD, len(self.lines))):
            inside = self.lines[end].count('"')
            quotes += inside
            if not inside or quotes % 2 or self._joins >= _MOST_JOINS:
                continue
            self._joins += 1
            joined = "\n".join(self.lines[at : end + 1])
            found = split_line(joined, self.delimiter)
            if found is not None:
                self._joins -= 1
                return found, end + 1 - at
        return [], 1

    def _ragged(self, start: int, names: list[str]) -> tuple[list[str], list[list[str]], list[int]]:
        """Names, columns and lines where not all lines are alike."""
        sections: list[tuple[list[str], list[tuple[int, list[str]]]]] = [(names, [])]
        again: list[int] = []
        for line, cells in self._records(start):
            if self._is_header(cells, sections[-1][0]):
                again.append(line)
                if cells != sections[-1][0]:
                    sections.append((self._unique(cells), []))
            else:
                sections[-1][1].append((line, cells))
        if again:
            changed = " with other names" if len(sections) > 1 else ""
            message = f"the header is there again{changed}"
            self._note("repeated-header", "info", again, message, "a resumed run?")
        place: dict[str, int] = {}
        rows: list[tuple[int, dict[int, str]]] = []
        for names_, records in sections:
            fitted, kept = Fit(names_, records, self._note).fitted()
            where = [place.setdefault(name, len(place)) for name in fitted]
            rows += [(line, dict(zip(where, cells, strict=False))) for line, cells in kept]
        columns = [[row.get(i, "") for _, row in rows] for i in range(len(place))]
        return list(place), columns, [line for line, _ in rows]

    def _is_header(self, cells: list[str], names: Sequence[str]) -> bool:
        known = sum(cell in names for cell in cells if cell)
        texts = bool(cells) and not any(map(is_numeric, cells))
        return texts and 2 * known >= len(cells) and (known > 1 or len(names) == 1)

    # ------------------------------------------------------------------ the last line

    def _last(self, n: int) -> list[str] | None:
        """The certain cells of a last line that does not end: its last one may be cut."""
        if not self.torn or self.torn.lstrip().startswith(_COMMENT):
            return None
        cells = (split_line(self.torn, self.delimiter, strict=False) or [""])[:-1]
        if len(cells) > n or not any(map(is_numeric, cells)):
            return None
        return cells + [""] * (n - len(cells))

    def _cut_off(self, torn: bool, any_rows: bool) -> None:
        if torn:
            message = "the last line does not end: the process was stopped while writing"
            severity = "warning" if any_rows else "error"
            hint = "its last value may be cut off and is left out; nothing before it is lost"
            self._note("truncated-line", severity, [len(self.lines) + 1], message, hint)
