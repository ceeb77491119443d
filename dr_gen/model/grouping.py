"""Groups of items that have equal values under some keys."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model import selection
from dr_gen.model.codes import places
from dr_gen.model.column import Column, stand_in
from dr_gen.model.conditions import Equal
from dr_gen.model.criteria import All, Either
from dr_gen.model.hpm import MISSING
from dr_gen.model.selection import Selector

if TYPE_CHECKING:
    import polars as pl

    from dr_gen.model.verbs import Verbs

__all__ = ["Groups", "Pair", "grouped"]

C = TypeVar("C", bound="Verbs[Any]")

_CODES = 2**62


@attrs.frozen(eq=False)
class Pair(Generic[C]):
    """Two groups that differ in one key only.

    Attributes
    ----------
    key : str
        The key in which they differ.
    shared : dict
        The other keys, with the values that both have.
    a, b : object
        The values of the key.
    left, right : collection
        The items that have them.
    """

    key: str
    shared: dict[str, Any]
    a: Any
    b: Any
    left: C
    right: C


@attrs.frozen(eq=False, repr=False)
class Groups(Mapping[Any, C], Generic[C]):
    """Collections by what their items have in common, used like a dict.

    The key of a group is the value that its items share, or the tuple of values when there are
    several keys; a list is a tuple in it, a dict a frozenset of pairs, and a lack is `MISSING`.
    Groups are in the order in which they first appear; every group is a full collection in the
    order of the whole.

    Attributes
    ----------
    whole : collection
        What was grouped.
    by : tuple of str
        The keys, as they were given.
    columns : tuple of Column, dims (group,)
        The values of each key.
    members : tuple of arrays, dims (item,)
        For each group the positions of its items in `whole`.

    Examples
    --------
    >>> from dr_gen.model.collection import Collection
    >>> jobs = Collection([{"lr": 0.1, "acc": 5}, {"lr": 0.2, "acc": 6}, {"lr": 0.1, "acc": 7}])
    >>> groups = jobs.group_by("lr")
    >>> groups
    Groups: 2 groups of 3 items by lr
    >>> groups[0.1].to_list("acc"), list(groups.filter(min_runs=2))
    ([5, 7], [0.1])
    >>> groups.agg("acc", count=len).rows()
    [(0.1, [5, 7], 2), (0.2, [6], 1)]
    """

    whole: C
    by: tuple[str, ...]
    columns: tuple[Column, ...]
    members: tuple[NDArray[np.intp], ...]

    # ------------------------------------------------------------------ a mapping

    @functools.cached_property
    def _rows(self) -> list[tuple[Any, ...]]:
        """The values of each group."""
        values = [column.values() for column in self.columns]
        return list(zip(*values, strict=True)) if values else [()] * len(self.members)

    def _as_key(self, row: tuple[Any, ...]) -> Any:
        frozen = tuple(map(_hashable, row))
        return frozen[0] if len(self.by) == 1 else frozen

    @functools.cached_property
    def _place(self) -> dict[Hashable, int]:
        places = {stand_in(list(row)): place for place, row in enumerate(self._rows)}
        for place, row in enumerate(self._rows):
            places.setdefault(stand_in([_hashable(value) for value in row]), place)
        return places

    def _found(self, key: Any) -> int | None:
        row = [key] if len(self.by) == 1 else key
        if not isinstance(row, tuple | list) or len(row) != len(self.by):
            return None
        place = self._place.get(stand_in(list(row)))
        if place is None:
            shown = [[c.text(v) for c, v in zip(self.columns, r, strict=True)] for r in self._rows]
            hits = [i for i, texts in enumerate(shown) if _named(row, self._rows[i], texts)]
            place = hits[0] if len(hits) == 1 else None
        return place

    def __getitem__(self, key: Any) -> C:
        place = self._found(key)
        if place is None:
            raise UnknownKeyError("group", repr(key), tuple(map(repr, self)))
        return self.whole.take(self.members[place])

    def __iter__(self) -> Iterator[Any]:
        return map(self._as_key, self._rows)

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, key: object) -> bool:
        return self._found(key) is not None

    # ------------------------------------------------------------------ choosing groups

    def _take(self, places: NDArray[np.intp]) -> Self:
        columns = tuple(column.take(places) for column in self.columns)
        return attrs.evolve(self, columns=columns, members=tuple(self.members[i] for i in places))

    def filter(
        self,
        *criteria: Selector,
        min_runs: int | None = None,
        max_runs: int | None = None,
        include: Mapping[str, Any] | Iterable[Any] | None = None,
        exclude: Mapping[str, Any] | Iterable[Any] | None = None,
        **by_key: Any,
    ) -> Self:
        """The groups that fit every criterion.

        Parameters
        ----------
        *criteria, **by_key
            As for items, about the keys of the grouping; a callable gets the group.
        min_runs, max_runs : int, optional
            How many items a group has, both included.
        include, exclude : mapping or keys of groups, optional
            A mapping of keys to values, or values (tuples for several keys) of whole groups:
            only these, or all but these.

        Raises
        ------
        UnknownKeyError
            If the groups have no such key.
        """
        view = _Shared(self)
        keep = All(selection.criteria(criteria, by_key)).mask(view)
        sizes = np.array([len(positions) for positions in self.members], np.intp)
        keep &= (sizes >= (min_runs or 0)) & (sizes <= (sizes if max_runs is None else max_runs))
        if include is not None:
            keep &= self._listed(view, include, All)
        if exclude is not None:
            keep &= ~self._listed(view, exclude, Either)
        return self._take(np.flatnonzero(keep))

    def _listed(
        self, view: _Shared, wanted: Mapping[str, Any] | Iterable[Any], join: type[All | Either]
    ) -> NDArray[np.bool_]:
        if isinstance(wanted, Mapping):
            return join(selection.criteria((), dict(wanted))).mask(view)
        if isinstance(wanted, str):
            raise UsageError(f"groups are named by a sequence of keys, not by the text {wanted!r}")
        mask = np.zeros(len(self), bool)
        mask[[place for key in wanted if (place := self._found(key)) is not None]] = True
        return mask

    def exclude(self, *criteria: Selector, **by_key: Any) -> Self:
        """The groups that fit none of the criteria."""
        mask = Either(selection.criteria(criteria, by_key)).mask(_Shared(self))
        return self._take(np.flatnonzero(~mask))

    def sort(self, *keys: str, reverse: bool = False) -> Self:
        """The groups in the order of their values, by all keys unless some are named."""
        view = _Shared(self)
        columns = [view.column(key) for key in keys] if keys else list(self.columns)
        if not columns:
            return self
        return self._take(np.lexsort([column.ranks(reverse) for column in reversed(columns)]))

    @property
    def items_left(self) -> C:
        """The items of all groups, in the order of the whole."""
        positions = np.concatenate(self.members) if self.members else np.array([], np.intp)
        return self.whole.take(np.sort(positions))

    def matching(self, base: Mapping[str, Any]) -> Groups[C]:
        """The items that have the values of `base`, grouped by the keys that it leaves open.

        Parameters
        ----------
        base : mapping
            Keys to values, such as a configuration; `MISSING` for a lack.

        Raises
        ------
        UnknownKeyError
            If no item has a key of it.
        """
        left, fixed = self.items_left, set()
        for key, value in base.items():
            column = left.column(key)
            fixed.add(column.name)
            hit = ~column.held if value is MISSING else Equal(value).mask(column)
            left = left.take(np.flatnonzero(hit))
        pairs = zip(self.by, self.columns, strict=True)
        return grouped(left, [name for name, column in pairs if column.name not in fixed])

    def pairs(self, key: str, *values: Any) -> list[Pair[C]]:
        """Groups that are alike but for one key, two by two.

        Parameters
        ----------
        key : str
            The key in which they differ; it need not be one of the grouping.
        *values
            Only these values of it, in this order; by default all, in the order of the values.

        Returns
        -------
        list of Pair
            A combination that only one value of the key has is in none of them.

        Raises
        ------
        UnknownKeyError
            If no item has the key.
        """
        left = self.items_left
        name = left.column(key).name
        others = [k for k, c in zip(self.by, self.columns, strict=True) if c.name != name]
        found: list[Pair[C]] = []
        for row, members in grouped(left, others).rows():
            sides = grouped(members, [key]).sort()
            if values:
                wanted = [place for v in values if (place := sides._found(v)) is not None]
                sides = sides._take(np.array(wanted, np.intp))
            shared = dict(zip(others, row, strict=True))
            for (a, one), (b, two) in itertools.combinations(sides.rows(), 2):
                found.append(Pair(key, shared, a[0], b[0], one, two))
        return found

    def rows(self) -> list[tuple[tuple[Any, ...], C]]:
        """The values of each group, always as a tuple and as they are, with its items."""
        taken = [self.whole.take(positions) for positions in self.members]
        return list(zip(self._rows, taken, strict=True))

    # ------------------------------------------------------------------ one row a group

    def agg(self, *keys: str, **named: Callable[[C], Any]) -> pl.DataFrame:
        """One row a group: the keys of the grouping, then what is asked for.

        Parameters
        ----------
        *keys : str
            A list of the values of its items.
        **named : callable
            What it gives for the group.

        Returns
        -------
        polars.DataFrame
        """
        from dr_gen.model import frames

        pairs = zip(self.by, self.columns, strict=True)
        columns = {name: frames.series(column, name) for name, column in pairs}
        for key in keys:
            values = self.whole.lookup(key).values(None)
            lists = [[values[i] for i in positions.tolist()] for positions in self.members]
            columns[key] = frames.series(Column.of(key, lists), key)
        taken = [group for _, group in self.rows()] if named else []
        for name, function in named.items():
            found = Column.of(name, [function(group) for group in taken])
            columns[name] = frames.series(found, name)
        return frames.table(columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Groups):
            return NotImplemented
        same = self.by == other.by and self._place == other._place
        mine, theirs = self.rows(), other.rows()
        return same and all(a[1] == b[1] for a, b in zip(mine, theirs, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        n = sum(map(len, self.members))
        keys = f" by {', '.join(self.by)}" if self.by else ""
        return f"Groups: {len(self)} groups of {n} {self.whole.kind}s{keys}"


@attrs.frozen(eq=False)
class _Shared:
    """Groups as items with keys, for criteria about them."""

    groups: Groups[Any]

    @property
    def ids(self) -> tuple[str, ...]:
        return ()

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[Any]:
        return (group for _, group in self.groups.rows())

    def column(self, key: str) -> Column:
        names = dict(zip(self.groups.by, self.groups.columns, strict=True))
        if key in names:
            return names[key]
        try:
            real = self.groups.whole.column(key).name
        except UnknownKeyError:
            real = key
        for column in names.values():
            if column.name == real:
                return column
        raise UnknownKeyError("key of the grouping", key, self.groups.by)

    def is_key(self, name: str) -> bool:
        return any(name == column.name for column in self.groups.columns)


def _named(wanted: Sequence[Any], row: Sequence[Any], texts: Sequence[str]) -> bool:
    return all(
        stand_in(want) == stand_in(value)
        or (isinstance(want, str) and want.strip().casefold() == text.casefold())
        for want, value, text in zip(wanted, row, texts, strict=True)
    )


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return frozenset((key, _hashable(entry)) for key, entry in value.items())
    return value


def grouped(whole: C, by: Sequence[str]) -> Groups[C]:
    """The items of a collection by their values of some keys; see `Verbs.group_by`."""
    columns = [whole.lookup(key) for key in by]
    codes = np.zeros(len(whole), np.int64)
    span = 1
    for column in columns:
        size = len(column.categories) + 1
        if span * size > _CODES:
            codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
            span = len(codes) + 1
        codes = codes * size + (column.equal_codes + 1)
        span *= size
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    members = places(group)
    order = np.argsort(first)
    shared = tuple(column.take(first[order]) for column in columns)
    parts = tuple(members[i] for i in order.tolist())
    return Groups(whole, tuple(by), shared, parts)
