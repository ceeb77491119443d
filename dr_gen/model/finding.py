"""One thing wrong or worth knowing about a run or a source."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import attrs

__all__ = ["Finding", "FindingGroup", "LateFindings", "Severity", "group_repeats", "line_ranges"]


class Severity(enum.StrEnum):
    """How much a finding matters; ordered from least to most by `rank`."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for error."""
        return list(Severity).index(self)


def _severity(severity: str) -> Severity:
    # Nearly always it is one, and to look for that takes longer than all the rest of a finding.
    return severity if type(severity) is Severity else Severity(severity)


@attrs.frozen
class Finding:
    """One thing wrong or worth knowing.

    Attributes
    ----------
    code : str
        Short stable name in kebab case, such as ``bad-json``.
    message : str
        What was expected and what was found.
    severity : Severity
        ``info``, ``warning`` or ``error``; given as text or `Severity`.
    path : str or None
        The file it is about.
    line : int or None
        Line in that file, from 1.
    run : str or None
        Id of the run it is about.
    hint : str
        What to do about it.

    Examples
    --------
    >>> print(Finding("bad-json", "not JSON", "error", "a.jsonl", 3, hint="remove the line"))
    a.jsonl:3: error bad-json: not JSON (remove the line)
    """

    code: str
    message: str
    severity: Severity = attrs.field(default=Severity.WARNING, converter=_severity)
    path: str | None = None
    line: int | None = None
    run: str | None = None
    hint: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        # As attrs does it takes twice as long, and there may be very many.
        told = (self.code, self.message, self.severity, self.path, self.line, self.run, self.hint)
        return (type(self), told)

    @property
    def place(self) -> str:
        """``file:line``, as far as known; the run when there is no file."""
        if self.path is None:
            return self.run or "-"
        return self.path if self.line is None else f"{self.path}:{self.line}"

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.severity} {self.code}: {self.message}{hint}"


class LateFindings(Sequence[Finding]):
    """Findings that are looked for when they are first asked for; equal to the tuple of them.

    Parameters
    ----------
    find : callable
        Gives the findings; called once.
    """

    def __init__(self, find: Callable[[], Iterable[Finding]]) -> None:
        self._find = find

    @functools.cached_property
    def _found(self) -> tuple[Finding, ...]:
        return tuple(self._find())

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, index: int | slice) -> Finding | tuple[Finding, ...]:
        return self._found[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, tuple | LateFindings):
            return self._found == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._found)

    def __repr__(self) -> str:
        return repr(self._found)

    def __reduce__(self) -> tuple[Any, ...]:
        return (tuple, (self._found,))


@attrs.frozen
class FindingGroup:
    """Findings of one file that differ in their line only.

    Attributes
    ----------
    first : Finding
        The one of the smallest line.
    lines : tuple of int
        Every line, ascending; empty when the findings have none.
    count : int
        How many findings there are.
    """

    first: Finding
    lines: tuple[int, ...]
    count: int

    def __str__(self) -> str:
        if self.count == 1:
            return str(self.first)
        where = f", lines {line_ranges(self.lines)}" if len(self.lines) > 1 else ""
        return f"{self.first} [{self.count} times{where}]"


def line_ranges(lines: Sequence[int], limit: int = 8) -> str:
    """Text for ascending line numbers, runs of them shortened.

    Examples
    --------
    >>> line_ranges([3, 4, 5, 9])
    '3-5, 9'
    """
    ranges: list[list[int]] = []
    for line in lines:
        if ranges and line == ranges[-1][1] + 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in ranges[:limit]]
    return ", ".join(shown) + (", …" if len(ranges) > limit else "")


def group_repeats(findings: Iterable[Finding]) -> list[FindingGroup]:
    """Findings with those that differ only in their line put together.

    The groups keep the order in which their first finding came.
    """
    groups: dict[Finding, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(attrs.evolve(finding, line=None), []).append(finding)
    out = []
    for members in groups.values():
        lines = sorted({f.line for f in members if f.line is not None})
        first = min(members, key=lambda f: f.line or 0)
        out.append(FindingGroup(first, tuple(lines), len(members)))
    return out
