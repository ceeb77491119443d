"""From what callers write to criteria: one language for every verb that selects.

* ``lr=0.1``: the value; texts also as they are displayed
* ``lr=[0.1, 0.2]``, a set, an array: any of them; an empty list fits nothing
* ``lr=(0.01, 0.1)``: from the one to the other, both included; None leaves an end open
* ``lr=lambda lr: lr > 0.05``: what passes a test of one's own
* ``weights=None``: null, which is not the same as to lack the key
* ``status="!failed"``: any other status
* ``("val/acc1@best", (0.8, 1.0))``: a key that is no Python name, such as a metric address
* ``lambda run: run.n_points > 10``: a test of the whole item
* ``[True, False, …]``: a mask, also of numpy, polars or xarray
* ``"optim.lr >= 0.01 and model.weights = DEFAULT"``: text, see `dr_gen.model.grammar`
* ``ge("optim.lr", "optim.min_lr")``: one of the functions below; a text names a key or a value
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from dr_gen.errors import UsageError
from dr_gen.model import picking
from dr_gen.model.conditions import (
    AnyOf,
    Between,
    Condition,
    Equal,
    Satisfies,
    Spelled,
    related,
)
from dr_gen.model.criteria import Compared, Criterion, Fits, Key, Marked, Where
from dr_gen.model.grammar import parse
from dr_gen.model.hpm import MISSING

__all__ = [
    "Selector",
    "criteria",
    "endswith",
    "eq",
    "ge",
    "gt",
    "le",
    "lt",
    "match",
    "ne",
    "startswith",
]

Selector: TypeAlias = Criterion | str | tuple[str, Any] | Callable[[Any], Any] | Iterable[Any]
"""What stands for a criterion without a keyword."""


def criteria(written: Iterable[Selector], by_key: dict[str, Any]) -> list[Criterion]:
    """One criterion for each thing written.

    Raises
    ------
    UsageError
        If one of them is nothing that selects.
    CriterionError
        If a text does not follow the grammar.
    """
    found = [_criterion(item) for item in written]
    return found + [Where(key, _condition(wanted)) for key, wanted in by_key.items()]


def _criterion(written: Any) -> Criterion:
    if isinstance(written, Criterion):
        return written
    if isinstance(written, str):
        return parse(written)
    if callable(written):
        return Fits(written)
    if isinstance(written, tuple) and len(written) == 2 and isinstance(written[0], str):
        return Where(written[0], _condition(written[1]))
    if isinstance(written, Iterable) and not isinstance(written, dict):
        # Read once: a generator has nothing left the second time.
        mask = picking.plain_mask(written)
        return Marked(lambda items: picking.fitted(mask, len(items), getattr(items, "ids", ())))
    raise UsageError(
        f"a criterion is a text, (key, value), a callable, a mask, or key=value; found {written!r}"
    )


def _condition(wanted: Any) -> Condition:
    if isinstance(wanted, Condition):
        return wanted
    if callable(wanted):
        return Satisfies(wanted)
    wanted = _plain(wanted)
    if isinstance(wanted, tuple):
        return Between(*wanted) if len(wanted) == 2 else Equal(list(wanted))
    return AnyOf(tuple(wanted)) if isinstance(wanted, list) else Equal(wanted)


def _plain(wanted: Any) -> Any:
    """Without numpy: what can be any of several things as a list, scalars as plain numbers."""
    if isinstance(wanted, np.ndarray | np.generic):
        return wanted.tolist()
    if hasattr(wanted, "__array__") and hasattr(wanted, "dims"):
        # xarray, whose items are arrays again.
        return np.asarray(wanted).tolist()
    if isinstance(wanted, tuple | list):
        return type(wanted)([_plain(item) for item in wanted])
    if isinstance(wanted, dict | str) or not isinstance(wanted, Iterable):
        return wanted
    # Sets, ranges, generators, series of polars and of pandas, arrays of xarray.
    return [_plain(item) for item in wanted]


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


def _compared(left: str, relation: str, right: Any, default: Any) -> Criterion:
    if isinstance(right, str | Key):
        return Compared(left, relation, right, default)
    return Where(left, related(relation, _plain(right)), default)


def startswith(key: str, text: str, *, default: Any = MISSING) -> Criterion:
    """The value of `key`, as text, real or displayed, starts with `text`."""
    return Where(key, Spelled("startswith", text), default)


def endswith(key: str, text: str, *, default: Any = MISSING) -> Criterion:
    """The value of `key`, as text, real or displayed, ends with `text`."""
    return Where(key, Spelled("endswith", text), default)


def match(key: str, pattern: str, *, default: Any = MISSING, flags: int = 0) -> Criterion:
    """The value of `key`, as text, fits a regular expression from its beginning."""
    return Where(key, Spelled("match", pattern, int(flags)), default)
