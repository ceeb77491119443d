"""Conditions on the value of one key.

An item that lacks the key meets none of them.
"""

from __future__ import annotations

import inspect
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError
from dr_gen.model.column import Column, stand_in
from dr_gen.model.hpm import MISSING, format_value

__all__ = [
    "ORDERS",
    "AnyOf",
    "Between",
    "Condition",
    "Differs",
    "Equal",
    "Ordered",
    "Satisfies",
    "Spelled",
    "in_order",
    "related",
    "tried",
]

Mask = NDArray[np.bool_]
Test = Callable[[Any], Any]

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Condition(ABC):
    """What is asked of the value of a key."""

    @abstractmethod
    def test(self, column: Column) -> Test:
        """The question, put to the values of one column."""

    def mask(self, column: Column) -> Mask:
        """Which items of the column meet it."""
        return column.where(self.test(column))


@attrs.frozen
class Equal(Condition):
    """The value is `value`, given itself or as it is displayed.

    `spelled` is how a number, null or bool was written where it may have been meant as text: it is
    read as text for a key that has no such value but such a text.
    """

    value: Any
    spelled: str | None = attrs.field(default=None, eq=False)

    def test(self, column: Column) -> Test:
        """Compare by content: numbers as numbers, NaN equal to NaN."""
        return _among(column, [(self.value, self.spelled)])


@attrs.frozen
class AnyOf(Condition):
    """The value is one of `values`, or is a list of just these."""

    values: tuple[Any, ...]
    spelled: tuple[str | None, ...] = attrs.field(default=(), eq=False)

    def test(self, column: Column) -> Test:
        """Compare with each of them, and with all of them as one list."""
        spelled = self.spelled or (None,) * len(self.values)
        single = _among(column, list(zip(self.values, spelled, strict=True)))
        if not self.values:
            return single
        whole = stand_in(list(self.values))
        return lambda value: single(value) or stand_in(value) == whole


def _among(column: Column, wanted: Sequence[tuple[Any, str | None]]) -> Test:
    if column.allowed:
        texts = [value for value, _ in wanted]
        tests = [_allowed(column, text) for text in texts]
        return lambda value: any(test(value) for test in tests)
    meant: list[Any] = []
    for value, spelled in wanted:
        if isinstance(value, str):
            meant += [value, *column.meant_by(value)]
        elif spelled is not None and stand_in(value) not in column.stand_ins:
            meant += [value, *column.meant_by(spelled)]
        else:
            meant.append(value)
    found = frozenset(stand_in(value) for value in meant if value is not MISSING)
    return lambda value: stand_in(value) in found


def _allowed(column: Column, text: Any) -> Test:
    name = text.removeprefix("!").strip().casefold() if isinstance(text, str) else text
    if name not in column.allowed:
        listed = ", ".join(column.allowed)
        raise UsageError(
            f"no {column.name} {text!r}; expected one of {listed}, or ! before one for all others"
        )
    negated = name != text and text.startswith("!")
    return lambda value: (value == name) is not negated


@attrs.frozen
class Between(Condition):
    """The value is from `low` to `high`, both included; None leaves an end open.

    A list is no single value, and is compared with ``[low, high]``.
    """

    low: Any
    high: Any

    def test(self, column: Column) -> Test:
        """Numbers with numbers, texts with texts; anything else is outside."""
        whole = stand_in([self.low, self.high])

        def inside(value: Any) -> bool:
            if isinstance(value, list):
                return stand_in(value) == whole
            low = value if self.low is None else self.low
            high = value if self.high is None else self.high
            return in_order(value, ">=", low) and in_order(value, "<=", high)

        return inside


@attrs.frozen
class Ordered(Condition):
    """The value is smaller or larger than `bound`: ``<``, ``<=``, ``>``, ``>=``."""

    relation: str
    bound: Any

    def test(self, column: Column) -> Test:
        """Numbers with numbers, texts with texts; nothing else has an order."""
        return lambda value: in_order(value, self.relation, self.bound)


@attrs.frozen
class Spelled(Condition):
    """The value as text, real or displayed, starts with, ends with or matches `text`.

    `how` is ``startswith``, ``endswith``, or ``match`` for a regular expression that fits from
    the beginning.
    """

    how: str
    text: str
    flags: int = 0

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise UsageError(f"{self.how} takes a text, not {self.text!r}")
        if self.how == "match":
            try:
                re.compile(self.text, self.flags)
            except re.error as error:
                raise UsageError(f"{self.text!r} is no regular expression: {error}") from None

    def test(self, column: Column) -> Test:
        """Look at the real text and at the displayed one."""
        text = self.text
        pattern = re.compile(text, self.flags) if self.how == "match" else None

        def fits(shown: str) -> bool:
            if pattern is not None:
                return pattern.match(shown) is not None
            return shown.startswith(text) if self.how == "startswith" else shown.endswith(text)

        return lambda value: fits(format_value(value)) or fits(column.text(value))


@attrs.frozen
class Satisfies(Condition):
    """The value passes a test of the caller's; one that it cannot be tried on does not."""

    predicate: Test

    def test(self, column: Column) -> Test:
        """The predicate."""
        return self.predicate

    def mask(self, column: Column) -> Mask:
        """Try each value once."""
        values = [column.categories[code] for code in column.used]
        hits = np.zeros(len(column.categories) + 1, bool)
        hits[column.used] = tried(self.predicate, values)
        marked: Mask = hits[column.codes]
        return marked


@attrs.frozen
class Differs(Condition):
    """There is a value, and it does not meet `condition`."""

    condition: Condition

    def test(self, column: Column) -> Test:
        """The opposite."""
        test = self.condition.test(column)
        return lambda value: not test(value)

    def mask(self, column: Column) -> Mask:
        """The other items that have the key."""
        return column.held & ~self.condition.mask(column)


def in_order(value: Any, relation: str, other: Any) -> bool:
    """Whether two values of one kind (numbers, texts, bools) stand in a relation."""
    kind = _kind(value)
    return kind is not None and kind is _kind(other) and ORDERS[relation](value, other)


def _kind(value: Any) -> type | None:
    """What a value can be compared with: bools, numbers, texts, or nothing."""
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return float
    return str if isinstance(value, str) else None


def tried(predicate: Callable[[Any], Any], values: Sequence[Any]) -> list[bool]:
    """What a test of the caller's says to each value; no to what it cannot take.

    Raises
    ------
    TypeError, AttributeError, KeyError
        If it can take none of them, nulls aside: then the test is at fault, not the values.
    """
    _takes_one(predicate)
    failed: Exception | None = None
    passed = []
    fine = False
    for value in values:
        try:
            passed.append(bool(predicate(value)))
            fine = True
        except (TypeError, AttributeError, KeyError) as error:
            passed.append(False)
            if value is not None:
                failed = error
    if failed is not None and not fine:
        raise failed
    return passed


def _takes_one(predicate: Callable[[Any], Any]) -> None:
    try:
        signature = inspect.signature(predicate)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise UsageError(f"a predicate takes one argument: {error}") from None


def related(relation: str, value: Any, spelled: str | None = None) -> Condition:
    """The condition that a value stands in a relation to `value`."""
    if relation in ORDERS:
        return Ordered(relation, value)
    equal = Equal(value, spelled)
    return equal if relation == "=" else Differs(equal)
