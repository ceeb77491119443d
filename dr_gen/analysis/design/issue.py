"""One thing that a sweep cannot answer, or answers wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from dr_gen.model.finding import Severity

__all__ = ["DesignIssue", "listed"]

_MOST_LISTED: Final = 4


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@attrs.frozen
class DesignIssue:
    """One thing about the design of a sweep that a reader of its results has to know.

    Attributes
    ----------
    code : str
        Short stable name in kebab case, such as ``missing-cells``.
    severity : Severity
        ``error``: means or comparisons are wrong until it is dealt with; ``warning``: they say
        less than they seem to; ``info``: worth knowing.
    what : str
        What was found, in a sentence.
    keys : tuple of str
        The hyperparameters (or keys of the metadata) it is about.
    runs : tuple of str
        Ids of the runs it is about, in the order of the group; empty when it is about all.
    hint : str
        What to do about it.

    Examples
    --------
    >>> print(DesignIssue("aliased-keys", "warning", "lr and wd change together", ("lr", "wd")))
    warning aliased-keys: lr and wd change together
    """

    code: str
    severity: Severity = attrs.field(converter=Severity)
    what: str
    keys: tuple[str, ...] = attrs.field(default=(), converter=_names)
    runs: tuple[str, ...] = attrs.field(default=(), converter=_names)
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "severity": str(self.severity),
            "code": self.code,
            "what": self.what,
            "keys": list(self.keys),
            "runs": list(self.runs),
            "hint": self.hint,
        }

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.severity} {self.code}: {self.what}{hint}"


def listed(names: Sequence[object], most: int = _MOST_LISTED, between: str = ", ") -> str:
    """The first names, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], 2)
    'a, b, … 1 more'
    """
    rest = len(names) - most
    shown = between.join(map(str, names[:most]))
    return f"{shown}{between}… {rest} more" if rest > 0 else shown
