"""An ordered sequence of items whose keys can be looked up."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model import picking
from dr_gen.model.column import Column, plain_array
from dr_gen.model.hpm import MISSING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["KeyLike", "Keyed"]

ItemT = TypeVar("ItemT")

KeyLike: TypeAlias = str | Callable[[Any], Any]
"""A key, or a function of an item that stands for one."""


class Keyed(Sequence[ItemT], Generic[ItemT]):
    """Items by position, and the values of a key by its name.

    A subclass says what a key is, and what some of its items are.
    """

    __slots__ = ()

    # ------------------------------------------------------------------ what a subclass says

    @abstractmethod
    def column(self, key: str) -> Column:
        """The value of a key in each item.

        Raises
        ------
        UnknownKeyError
            If no item has such a key.
        """

    @abstractmethod
    def is_key(self, name: str) -> bool:
        """Whether `name` is the whole real name of a key."""

    @abstractmethod
    def take(self, positions: NDArray[np.intp]) -> Self:
        """The items at some positions, in the order given."""

    @abstractmethod
    def item(self, position: int) -> ItemT:
        """The item at a position."""

    def named(self, name: str) -> Any:
        """What a text in brackets means: a key, as a series."""
        return self.to_series(name)

    @property
    def ids(self) -> tuple[str, ...]:
        """What the items are called, if they have names."""
        return ()

    # ------------------------------------------------------------------ brackets

    @overload
    def __getitem__(self, key: int) -> ItemT: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: slice | Iterable[Any]) -> Self: ...
    def __getitem__(self, key: Any) -> Any:
        """An item by position or name, a column by key; else a collection.

        Parameters
        ----------
        key : int, str, slice, sequence of int or of names, or mask
            A mask may be a list or an array of numpy, xarray or polars. One of xarray that names
            its runs is put in the order of these.

        Raises
        ------
        UnknownKeyError
            If there is no such name or key.
        IndexError
            If there is no such position.
        UsageError
            If a position is named twice, or a mask has the wrong length.
        """
        if isinstance(key, str):
            return self.named(key)
        if isinstance(key, int | np.integer):
            return self.item(int(key))
        if isinstance(key, slice):
            return self.take(np.arange(len(self))[key])
        if isinstance(key, list | tuple) and key and all(isinstance(k, str) for k in key):
            key = [self._place(name) for name in key]
        return self.take(picking.positions(key, len(self), self.ids))

    def _place(self, name: str) -> int:
        if name not in self.ids:
            raise UnknownKeyError("run", name, self.ids)
        return self.ids.index(name)

    # ------------------------------------------------------------------ keys

    def lookup(self, key: KeyLike, default: Any = MISSING) -> Column:
        """A key of every item, or what a callable says of each.

        Parameters
        ----------
        key : str or callable
        default : object, optional
            For items that lack the key; a callable gets the item. With it a key may be unknown.

        Raises
        ------
        UnknownKeyError
            If no item has the key, and there is no default.
        UsageError
            If it is neither a text nor a callable.
        """
        if callable(key):
            return Column.of(getattr(key, "__name__", "value"), [key(item) for item in self])
        if not isinstance(key, str):
            raise UsageError(f"a key is a text or a callable, not {key!r}")
        try:
            column = self.column(key)
        except UnknownKeyError:
            if default is MISSING:
                raise
            column = Column.of(key, [MISSING] * len(self))
        if not callable(default):
            return column.filled(default)
        values = zip(column.values(), range(len(self)), strict=True)
        filled = [default(self.item(i)) if v is MISSING else v for v, i in values]
        return Column.of(column.name, filled, column.text, column.allowed)

    def to_list(self, key: KeyLike, default: Any = MISSING) -> list[Any]:
        """The value of a key in each item; `MISSING`, or `default`, where there is none."""
        return self.lookup(key, default).values()

    def to_numpy(self, key: KeyLike, default: Any = MISSING) -> NDArray[Any]:
        """The value of a key in each item.

        Returns
        -------
        array, dims (item,)
            Of numbers, texts or bools if all are such, else of objects; among numbers NaN stands
            for a lack. Lists of numbers of one length give dims (item, entry).
        """
        return plain_array(self.lookup(key, default).values())

    def to_series(
        self, key: KeyLike, default: Any = MISSING, *, name: str | None = None
    ) -> pl.Series:
        """The value of a key in each item as a polars series; see `to_frame`."""
        from dr_gen.model.frames import series

        column = self.lookup(key, default)
        given = key if isinstance(key, str) else column.name
        return series(column, given if name is None else name)

    def unique(self, key: KeyLike, default: Any = MISSING) -> NDArray[Any]:
        """The values of a key, each once and in order; to lack the key is none."""
        return plain_array(self.lookup(key, default).distinct())

    def n_unique(self, key: KeyLike, default: Any = MISSING) -> int:
        """How many values of a key there are."""
        return len(self.lookup(key, default).distinct())
