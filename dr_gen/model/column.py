"""The values of one key over many items: codes into the values that occur."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.hpm import MISSING, canonical, format_value
from dr_gen.model.hpm_table import value_order

__all__ = ["Column", "array_of", "is_number", "plain_array", "stand_in"]

Mask = NDArray[np.bool_]


@attrs.frozen(eq=False)
class Column:
    """One key, looked up in every item of a collection.

    What is asked of a value is asked once for each value that occurs, not once for each item.

    Attributes
    ----------
    name : str
        What the key is really called.
    categories : sequence
        Values; of those that occur, each once or more often.
    codes : integer array, dims (item,)
        Index into the categories; -1 for an item that lacks the key.
    text : callable
        What a value is displayed as.
    allowed : tuple of str
        The only values there can be, when these are known, as of a status. They are negated by
        a leading ``!``.
    categorical : bool
        Whether texts are few, each of many items, as hyperparameters are.

    Examples
    --------
    >>> column = Column.of("lr", [0.1, None, MISSING, 0.1])
    >>> column.values(), column.where(lambda value: value == 0.1).tolist()
    ([0.1, None, MISSING, 0.1], [True, False, False, True])
    """

    name: str
    categories: Sequence[Any]
    codes: NDArray[np.integer]
    text: Callable[[Any], str] = format_value
    allowed: tuple[str, ...] = ()
    categorical: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        values: Iterable[Any],
        text: Callable[[Any], str] = format_value,
        allowed: tuple[str, ...] = (),
    ) -> Column:
        """A column from one value an item, `MISSING` where there is none."""
        cells = [v.tolist() if isinstance(v, np.generic | np.ndarray) else v for v in values]
        held = np.array([cell is not MISSING for cell in cells], bool)
        return cls(name, cells, np.where(held, np.arange(len(cells)), -1), text, allowed)

    def __len__(self) -> int:
        return len(self.codes)

    def values(self, default: Any = MISSING) -> list[Any]:
        """The value of each item; `default` for one that lacks the key."""
        categories = self.categories
        return [categories[c] if c >= 0 else default for c in self.codes.tolist()]

    @property
    def held(self) -> Mask:
        """Which items have the key."""
        return np.asarray(self.codes >= 0)

    def take(self, positions: NDArray[Any]) -> Column:
        """The column of some of the items."""
        return attrs.evolve(self, codes=self.codes[positions])

    def filled(self, default: Any) -> Column:
        """The column with `default`, a value, for items that lack the key."""
        if default is MISSING or self.held.all():
            return self
        codes = np.where(self.held, self.codes, len(self.categories))
        return attrs.evolve(self, categories=[*self.categories, default], codes=codes)

    @functools.cached_property
    def used(self) -> list[int]:
        """Codes of the values that an item has, ascending."""
        occurs = np.zeros(len(self.categories) + 1, bool)
        occurs[self.codes] = True
        found: list[int] = np.flatnonzero(occurs[:-1]).tolist()
        return found

    def where(self, test: Callable[[Any], Any]) -> Mask:
        """Which items have a value that passes `test`."""
        hits = np.zeros(len(self.categories) + 1, bool)
        for code in self.used:
            hits[code] = bool(test(self.categories[code]))
        marked: Mask = hits[self.codes]
        return marked

    @functools.cached_property
    def stand_ins(self) -> frozenset[Hashable]:
        """The stand-in of every category."""
        return frozenset(map(stand_in, self.categories))

    def meant_by(self, shown: str) -> list[Any]:
        """The values that a text stands for.

        Itself if it is one, else what is displayed so, else the number that it spells.
        """
        if shown in self.categories:
            return [shown]
        folded = shown.strip().casefold()
        hits = [value for value in self.categories if self.text(value).casefold() == folded]
        if not hits:
            with contextlib.suppress(ValueError):
                number = float(folded)
                hits = [v for v in self.categories if is_number(v) and v == number]
        return hits

    @functools.cached_property
    def equal_codes(self) -> NDArray[np.intp]:
        """Like `codes`, but equal values (``1`` and ``1.0``) share one."""
        used = self.used
        values = [self.categories[code] for code in used]
        # Of these kinds equal values are the same, and need no stand-in.
        plain = set(map(type, values)) in ({str}, {int}, {bool})
        first: dict[Hashable, int] = {}
        same = map(first.setdefault, values if plain else map(stand_in, values), used)
        lookup = np.full(len(self.categories) + 1, -1, np.intp)
        lookup[used] = np.fromiter(same, np.intp, len(used))
        codes: NDArray[np.intp] = lookup[self.codes]
        return codes

    def distinct(self) -> list[Any]:
        """The values that occur, each once, in order; to lack the key is none."""
        codes = np.unique(self.equal_codes[self.held]).tolist()
        return sorted((self.categories[code] for code in codes), key=value_order)

    def ranks(self, reverse: bool = False) -> NDArray[np.intp]:
        """Where each item stands when sorted by value; equal values stand together.

        NaN and items that lack the key stand last in either direction.
        """
        codes = np.unique(self.equal_codes[self.held]).tolist()
        codes.sort(key=lambda code: value_order(self.categories[code]))
        lookup = np.full(len(self.categories) + 1, len(codes) + 1, np.intp)
        lookup[codes] = -np.arange(len(codes)) if reverse else np.arange(len(codes))
        nan = [code for code in codes if self.categories[code] != self.categories[code]]
        lookup[nan] = len(codes)
        return lookup[self.equal_codes]


def stand_in(value: Any) -> Hashable:
    """Equal for equal values, as `canonical`, also where an item holds what no log can."""
    found = canonical(value)
    try:
        hash(found)
    except TypeError:
        return ("object", id(value))
    return found


def is_number(value: Any) -> bool:
    """Whether a value is a number; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def array_of(values: Sequence[Any]) -> NDArray[Any]:
    """Values as an array of their own kind, as objects where numpy would change one of them.

    Examples
    --------
    >>> array_of([1, 2.5]), array_of([True, 1]), array_of([2**70])
    (array([1. , 2.5]), array([True, 1], dtype=object),
     array([1180591620717411303424], dtype=object))
    """
    kinds = {type(value) for value in values}
    if kinds <= {int, float} or kinds in ({str}, {bool}):
        with contextlib.suppress(OverflowError):
            array = np.array(values)
            # numpy makes floats of large integers, and shortens text that ends in NUL.
            if float in kinds or array.tolist() == values:
                return array
    out = np.empty(len(values), object)
    for i, value in enumerate(values):
        out[i] = value
    return out


def plain_array(values: Sequence[Any]) -> NDArray[Any]:
    """As `array_of`, with NaN for a lack among numbers, and lists of numbers as rows.

    Examples
    --------
    >>> plain_array([1, MISSING, 2.5]), plain_array([[1, 2], [3, 4]]).shape
    (array([1. , nan, 2.5]), (2, 2))
    """
    held = [value for value in values if value is not MISSING]
    if held and len(held) < len(values) and all(map(is_number, held)):
        return array_of([float("nan") if value is MISSING else value for value in values])
    if held and all(isinstance(v, list) and v and all(map(is_number, v)) for v in values):
        flat = array_of([number for value in values for number in value])
        if flat.dtype != object and len({len(value) for value in values}) == 1:
            return flat.reshape(len(values), -1)
    return array_of(values)
