"""What is done with an ordered sequence of items whose keys can be looked up."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import NotOneError, UsageError
from dr_gen.model import comparing
from dr_gen.model.column import Column
from dr_gen.model.keyed import Keyed, KeyLike

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import polars as pl

    from dr_gen.model.criteria import Criterion
    from dr_gen.model.grouping import Groups
    from dr_gen.model.selection import Selector

__all__ = ["Verbs"]

ItemT = TypeVar("ItemT")
R = TypeVar("R")
P = ParamSpec("P")


class Verbs(Keyed[ItemT]):
    """Selecting, ordering, grouping and tabling of items.

    Everything that selects or orders gives a new collection of the same class, in the order of
    this one unless said otherwise. What selects takes criteria as described in
    `dr_gen.model.selection`; several have all to hold.
    """

    __slots__ = ()

    eq, ne = staticmethod(comparing.eq), staticmethod(comparing.ne)
    lt, le = staticmethod(comparing.lt), staticmethod(comparing.le)
    gt, ge = staticmethod(comparing.gt), staticmethod(comparing.ge)
    startswith = staticmethod(comparing.startswith)
    endswith = staticmethod(comparing.endswith)
    match = staticmethod(comparing.match)

    # ------------------------------------------------------------------ selecting

    def filter(self, *criteria: Selector, **by_key: Any) -> Self:
        """The items that fit every criterion.

        Parameters
        ----------
        *criteria
            Text, (key, value), callable, mask, or what `eq` and its kind make.
        **by_key
            Key to value; ``__`` in a key reads as a dot.

        Raises
        ------
        UnknownKeyError
            If no item has a key.
        """
        # Here and below, since not every group is selected from or grouped.
        from dr_gen.model.criteria import All

        return self.take(np.flatnonzero(self._mask(All, criteria, by_key)))

    def exclude(self, *criteria: Selector, **by_key: Any) -> Self:
        """The items that fit none of the criteria; one that lacks a key does not fit it."""
        from dr_gen.model.criteria import Either

        return self.take(np.flatnonzero(~self._mask(Either, criteria, by_key)))

    def _mask(
        self,
        join: Callable[[Iterable[Criterion]], Criterion],
        criteria: Iterable[Selector],
        by_key: dict[str, Any],
    ) -> NDArray[np.bool_]:
        from dr_gen.model import selection

        return join(selection.criteria(criteria, by_key)).mask(self)

    def get(self, *criteria: Selector, **by_key: Any) -> ItemT:
        """The one item that fits.

        Raises
        ------
        NotOneError
            If none fits, or several do.
        """
        found = self.filter(*criteria, **by_key)
        if len(found) != 1:
            raise NotOneError(self.kind, len(found), found._some_names())
        return found.item(0)

    def try_get(self, *criteria: Selector, **by_key: Any) -> ItemT | None:
        """The one item that fits, or None.

        Raises
        ------
        NotOneError
            If several fit.
        """
        found = self.filter(*criteria, **by_key)
        if len(found) > 1:
            raise NotOneError(self.kind, len(found), found._some_names())
        return found.item(0) if len(found) else None

    def first(self, *criteria: Selector, **by_key: Any) -> ItemT:
        """The first item that fits.

        Raises
        ------
        NotOneError
            If none fits.
        """
        return self._end(self.filter(*criteria, **by_key), 0)

    def last(self, *criteria: Selector, **by_key: Any) -> ItemT:
        """The last item that fits.

        Raises
        ------
        NotOneError
            If none fits.
        """
        return self._end(self.filter(*criteria, **by_key), -1)

    def _end(self, found: Self, place: int) -> ItemT:
        if not len(found):
            raise NotOneError(self.kind, 0)
        return found.item(place)

    @property
    def kind(self) -> str:
        """What an item is called in a message."""
        return "item"

    def _some_names(self) -> tuple[str, ...]:
        return self.ids or tuple(repr(self.item(i)) for i in range(min(len(self), 3)))

    # ------------------------------------------------------------------ order and chance

    def sort(self, *keys: KeyLike, reverse: bool = False) -> Self:
        """The items by the values of `keys`, the first key counting most.

        Values of any kind have an order (null, bools, numbers, texts, the rest); items that lack
        a key, and NaN, come last. Equal items keep their order, in reverse as well.

        Parameters
        ----------
        *keys : str or callable
            A callable gets the item.
        reverse : bool
            Largest first.
        """
        if not keys:
            return self
        ranks = [self.lookup(key).ranks(reverse) for key in reversed(keys)]
        return self.take(np.lexsort(ranks))

    def sample(self, k: int, seed: int | np.random.Generator | None = None) -> Self:
        """`k` items drawn at random, none twice, in the order drawn.

        Parameters
        ----------
        k : int
            From 1 to the number of items.
        seed : int or Generator, optional
            The same seed draws the same items.

        Raises
        ------
        UsageError
            If there are not so many items.
        """
        if not (isinstance(k, int | np.integer) and 1 <= k <= len(self)):
            raise UsageError(f"cannot draw {k!r} of {len(self)} items")
        return self.take(np.random.default_rng(seed).permutation(len(self))[:k])

    def shuffle(self, seed: int | np.random.Generator | None = None) -> Self:
        """All items in a random order; the same `seed` gives the same one."""
        return self.sample(len(self), seed) if len(self) else self

    # ------------------------------------------------------------------ one thing of each item

    def map(
        self, function: Callable[Concatenate[ItemT, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[R]:
        """``function(item, *args, **kwargs)`` of each item, one after another as asked for."""
        return (function(item, *args, **kwargs) for item in self)

    def pmap(
        self,
        function: Callable[..., R],
        *args: Any,
        workers: int | Literal["auto"] = "auto",
        executor: Executor | None = None,
        progress: bool | Callable[[int, int], object] = False,
        **kwargs: Any,
    ) -> list[R]:
        """``function(item, *args, **kwargs)`` of each item side by side, in the order of the items.

        Parameters
        ----------
        function : callable
        workers : int or "auto"
            How many threads; what waits for files or computes in numpy gains by them.
        executor : concurrent.futures.Executor, optional
            Who does it instead, such as a ``ProcessPoolExecutor`` or that of dask; it may need a
            function that can be pickled, which a lambda cannot.
        progress : bool or callable
            A bar on a terminal, or a function of the number done and the number there are.
        """
        from dr_gen.model.side_by_side import mapped

        job = functools.partial(_called, function, args, kwargs)
        return mapped(job, list(self), workers, executor, progress)

    # ------------------------------------------------------------------ tables

    def group_by(self, *keys: str) -> Groups[Self]:
        """Items that have equal values under some keys, by these values.

        Parameters
        ----------
        *keys : str
            Real or display names. By default those that make a configuration: of runs all that
            was swept, which leaves the seeds together.

        Returns
        -------
        Groups
            Like a dict: the value, or the tuple of values for several keys, to a collection.
        """
        from dr_gen.model.grouping import grouped

        return grouped(self, keys or self.default_keys())

    def default_keys(self) -> tuple[str, ...]:
        """What to group by when nothing is said."""
        return ()

    def all_columns(self) -> dict[str, Column]:
        """What a frame of everything has."""
        return {}

    def to_frame(
        self,
        *keys: str | tuple[str, Any],
        defaults: Mapping[str, Any] | None = None,
        **named: str | Callable[[ItemT], Any],
    ) -> pl.DataFrame:
        """One row an item.

        The type of a column fits all its values; values of several kinds stay Python objects
        (`polars.Object`). Texts are categories. What an item lacks is null.

        Parameters
        ----------
        *keys : str or (key, default)
            Also metric addresses. Without any, and without `named`, everything known of the
            items: of runs their facts and the whole configuration.
        defaults : mapping, optional
            Values for items that lack a key, or callables that get the item.
        **named : str or callable
            Further columns: a key under another name, or a function of the item, of which a list
            becomes a list and a dict a struct.

        Returns
        -------
        polars.DataFrame
            With ``.to_pandas()`` for pandas.

        Raises
        ------
        UnknownKeyError
            If no item has a key, and it has no default.
        """
        from dr_gen.model import frames

        if not keys and not named and not defaults:
            found = self.all_columns().items()
            return frames.table({name: frames.series(column, name) for name, column in found})
        return frames.frame(self, keys, defaults, named)

    def concat(
        self, function: Callable[[ItemT], pl.DataFrame], *keys: str | tuple[str, Any]
    ) -> pl.DataFrame:
        """What a function makes of each item, one frame below the other.

        Parameters
        ----------
        function : callable
            Gives a frame for an item; a column that some frames lack is null in their rows.
        *keys : str or (key, default)
            Columns that say of each row what its item has, as in `to_frame`.

        Returns
        -------
        polars.DataFrame
        """
        from dr_gen.model import frames

        return frames.below(self, [function(item) for item in self], keys)


def _called(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], item: Any
) -> Any:
    return function(item, *args, **kwargs)
