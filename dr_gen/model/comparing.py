"""Functions that make a criterion: what a key is compared with, or how its text is spelled.

Criteria are imported when the first one is made: every group has these functions, and many a group
is never selected from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dr_gen.model.hpm import MISSING

if TYPE_CHECKING:
    from dr_gen.model.criteria import Criterion

__all__ = ["endswith", "eq", "ge", "gt", "le", "lt", "match", "ne", "startswith"]


def eq(left: str, right: Any, *, default: Any = MISSING) -> Criterion:
    """`left` equals `right`.

    Parameters
    ----------
    left : str
        A key, by real or display name, or a metric address.
    right : object
        A value; a text is the name of a key unless `left` has such a value. `Key` makes sure.
    default : object, optional
        Stands in where an item lacks a key; otherwise such an item does not fit.

    Examples
    --------
    >>> from dr_gen.model.collection import Collection
    >>> sizes = Collection([{"w": 1, "h": 2}, {"w": 2, "h": 2}, {"w": 3}])
    >>> list(sizes.filter(eq("w", "h"))), list(sizes.filter(ge("w", 2)))
    ([{'w': 2, 'h': 2}], [{'w': 2, 'h': 2}, {'w': 3}])
    """
    return _compared(left, "=", right, default)


def ne(left: str, right: Any, *, default: Any = MISSING) -> Criterion:
    """`left` is there and differs from `right`; arguments as of `eq`."""
    return _compared(left, "!=", right, default)


def lt(left: str, right: Any, *, default: Any = MISSING) -> Criterion:
    """`left` is less than `right`; arguments as of `eq`."""
    return _compared(left, "<", right, default)


def le(left: str, right: Any, *, default: Any = MISSING) -> Criterion:
    """`left` is at most `right`; arguments as of `eq`."""
    return _compared(left, "<=", right, default)


def gt(left: str, right: Any, *, default: Any = MISSING) -> Criterion:
    """`left` is more than `right`; arguments as of `eq`."""
    return _compared(left, ">", right, default)


def ge(left: str, right: Any, *, default: Any = MISSING) -> Criterion:
    """`left` is at least `right`; arguments as of `eq`."""
    return _compared(left, ">=", right, default)


def startswith(key: str, text: str, *, default: Any = MISSING) -> Criterion:
    """The value of `key`, as text, real or displayed, starts with `text`."""
    return _spelled(key, "startswith", text, default)


def endswith(key: str, text: str, *, default: Any = MISSING) -> Criterion:
    """The value of `key`, as text, real or displayed, ends with `text`."""
    return _spelled(key, "endswith", text, default)


def match(key: str, pattern: str, *, default: Any = MISSING, flags: int = 0) -> Criterion:
    """The value of `key`, as text, fits a regular expression from its beginning."""
    return _spelled(key, "match", pattern, default, int(flags))


def _compared(left: str, relation: str, right: Any, default: Any) -> Criterion:
    from dr_gen.model.conditions import related
    from dr_gen.model.criteria import Compared, Key, Where
    from dr_gen.model.selection import plain

    if isinstance(right, str | Key):
        return Compared(left, relation, right, default)
    return Where(left, related(relation, plain(right)), default)


def _spelled(key: str, how: str, text: str, default: Any, flags: int = 0) -> Criterion:
    from dr_gen.model.conditions import Spelled
    from dr_gen.model.criteria import Where

    return Where(key, Spelled(how, text, flags), default)
