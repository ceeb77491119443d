"""Any items, with the verbs of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError
from dr_gen.model.column import Column
from dr_gen.model.hpm import MISSING
from dr_gen.model.nested import entry_or_attribute
from dr_gen.model.verbs import Verbs

__all__ = ["Collection"]

ItemT = TypeVar("ItemT")


def _items(items: Iterable[ItemT]) -> tuple[ItemT, ...]:
    return tuple(items)


@attrs.frozen(eq=False, repr=False)
class Collection(Verbs[ItemT]):
    """Any items, with the verbs of runs.

    Attributes
    ----------
    items : tuple
    find : callable
        Gives the value of an item under a dotted key: `MISSING`, or a `KeyError` or
        `AttributeError`, where there is none. By default entries of mappings and attributes.
    indices : intp array, dims (item,), or None
        Which of `items` this collection has, in which order.

    Examples
    --------
    >>> jobs = Collection([{"name": "a", "size": {"w": 1}}, {"name": "b", "size": {"w": 3}}])
    >>> jobs
    Collection(dict, n=2)
    >>> jobs.get(size__w=(2, None)), jobs.to_list("size.w")
    ({'name': 'b', 'size': {'w': 3}}, [1, 3])
    """

    items: tuple[ItemT, ...] = attrs.field(converter=_items)
    find: Callable[[ItemT, str], Any] = entry_or_attribute
    indices: NDArray[np.intp] | None = None

    @property
    def _chosen(self) -> NDArray[np.intp]:
        return np.arange(len(self.items)) if self.indices is None else self.indices

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[ItemT]:
        return (self.items[i] for i in self._chosen.tolist())

    def item(self, position: int) -> ItemT:
        """The item at a position."""
        return self.items[int(self._chosen[position])]

    def take(self, positions: NDArray[np.intp]) -> Self:
        """The items at some positions, in the order given."""
        return attrs.evolve(self, indices=self._chosen[positions])

    def column(self, key: str) -> Column:
        """The value of a key in each item."""
        values = [self._found(item, key) for item in self.items]
        if values and all(value is MISSING for value in values):
            names = dict.fromkeys(n for i in self.items if isinstance(i, Mapping) for n in i)
            raise UnknownKeyError("key", key, tuple(map(str, names)))
        return Column.of(key, values).take(self._chosen)

    def _found(self, item: ItemT, key: str) -> Any:
        for name in dict.fromkeys((key, key.replace("__", "."))):
            try:
                value = self.find(item, name)
            except (KeyError, AttributeError):
                continue
            if value is not MISSING:
                return value
        return MISSING

    def is_key(self, name: str) -> bool:
        """Whether some item has the key."""
        return any(self._found(item, name) is not MISSING for item in self.items)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Collection) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kinds = " | ".join(dict.fromkeys(type(item).__name__ for item in self))
        return f"Collection({kinds}, n={len(self)})" if len(self) else "Collection(empty)"
