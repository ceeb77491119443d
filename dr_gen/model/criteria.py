"""Criteria: which items of a collection are meant.

Whatever callers write, keywords, tuples, predicates, masks or text, becomes one of these.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError
from dr_gen.model.column import Column, stand_in
from dr_gen.model.conditions import ORDERS, Condition, in_order, related, tried
from dr_gen.model.hpm import MISSING

__all__ = [
    "All",
    "Compared",
    "Criterion",
    "Either",
    "Fits",
    "Items",
    "Key",
    "Marked",
    "Not",
    "Where",
]

Mask = NDArray[np.bool_]


class Items(Protocol):
    """What a criterion is tried on: items whose keys can be looked up."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def column(self, key: str) -> Column:
        """A key of every item."""

    def is_key(self, name: str) -> bool:
        """Whether `name` is the whole real name of a key that some item has."""


class Criterion(ABC):
    """Something that is true or false of an item."""

    @abstractmethod
    def mask(self, items: Items) -> Mask:
        """Of which items it is true.

        Returns
        -------
        bool array, dims (item,)
        """


@attrs.frozen
class Where(Criterion):
    """The value of `key` meets `condition`; `default` stands in where an item lacks the key."""

    key: str
    condition: Condition
    default: Any = MISSING

    def mask(self, items: Items) -> Mask:
        """Ask the column of the key."""
        return self.condition.mask(_column(items, self.key, self.default))


def _column(items: Items, key: str, default: Any) -> Column:
    """A key of every item; with a default also one that no item has."""
    try:
        return items.column(key).filled(default)
    except UnknownKeyError:
        if default is MISSING:
            raise
        return Column.of(key, [default] * len(items))


@attrs.frozen
class Key:
    """The name of a key, where a text could be a value as well."""

    name: str


@attrs.frozen
class Compared(Criterion):
    """A key against another key, or against a text that may be the name of one.

    A text is a value if the key has such a value, else a key if it is one's whole name. `relation`
    is ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
    """

    left: str
    relation: str
    right: Key | str
    default: Any = MISSING

    def mask(self, items: Items) -> Mask:
        """Compare item by item, or with the one value."""
        left = _column(items, self.left, self.default)
        if isinstance(self.right, str) and (left.meant_by(self.right) or left.allowed):
            return related(self.relation, self.right).mask(left)
        name = self.right.name if isinstance(self.right, Key) else self.right
        if isinstance(self.right, str) and not items.is_key(name):
            return related(self.relation, name).mask(left)
        right = _column(items, name, self.default)
        pairs = zip(left.values(), right.values(), strict=True)
        return np.array([_related(a, self.relation, b) for a, b in pairs], bool)


def _related(left: Any, relation: str, right: Any) -> bool:
    if left is MISSING or right is MISSING:
        return False
    if relation in ORDERS:
        return in_order(left, relation, right)
    return (stand_in(left) == stand_in(right)) is (relation == "=")


@attrs.frozen
class Fits(Criterion):
    """A test of the caller's passes the whole item; one that it cannot be tried on does not."""

    predicate: Callable[[Any], Any]

    def mask(self, items: Items) -> Mask:
        """Try each item."""
        return np.array(tried(self.predicate, list(items)), bool)


@attrs.frozen(eq=False)
class Marked(Criterion):
    """The items that a mask marks, one entry an item of the collection it is used on."""

    marks: Callable[[Items], Mask]

    def mask(self, items: Items) -> Mask:
        """The mask, fitted to the items."""
        return self.marks(items)


def _parts(parts: Iterable[Criterion]) -> tuple[Criterion, ...]:
    return tuple(parts)


@attrs.frozen
class All(Criterion):
    """Every part is true; without parts true of everything."""

    parts: tuple[Criterion, ...] = attrs.field(default=(), converter=_parts)

    def mask(self, items: Items) -> Mask:
        """What is left of all items."""
        start = np.ones(len(items), bool)
        return functools.reduce(np.logical_and, (part.mask(items) for part in self.parts), start)


@attrs.frozen
class Either(Criterion):
    """At least one part is true; without parts true of nothing."""

    parts: tuple[Criterion, ...] = attrs.field(default=(), converter=_parts)

    def mask(self, items: Items) -> Mask:
        """All that any part marks."""
        start = np.zeros(len(items), bool)
        return functools.reduce(np.logical_or, (part.mask(items) for part in self.parts), start)


@attrs.frozen
class Not(Criterion):
    """`part` is not true, be it that an item lacks the key it is about."""

    part: Criterion

    def mask(self, items: Items) -> Mask:
        """The other items."""
        return ~self.part.mask(items)
