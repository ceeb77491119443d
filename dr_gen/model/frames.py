"""Columns as polars series and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dr_gen.errors import UsageError
from dr_gen.model.column import Column
from dr_gen.model.hpm import MISSING

if TYPE_CHECKING:
    import polars as pl

    from dr_gen.model.verbs import Verbs

__all__ = ["frame", "series"]

_INT64 = 2**63
_EXACT = 2**53


def series(column: Column, name: str) -> pl.Series:
    """A column as a series whose type fits every value, null where an item lacks the key.

    Bools, integers, floats (integers among them), texts, lists and dicts of one kind have a type
    of polars; values of several kinds stay what they are, as Python objects.
    """
    import polars as pl

    used = column.used
    values = [column.categories[code] for code in used]
    dtype = _dtype(values, column.categorical)
    if dtype is pl.Object:
        return pl.Series(name, column.values(None), dtype=pl.Object)
    place = np.zeros(len(column.categories) + 1, np.uint32)
    place[used] = np.arange(len(used))
    at = pl.Series(place[column.codes])
    if not column.held.all():
        at = at.set(pl.Series(~column.held), None)
    return pl.Series(name, values, dtype=dtype, strict=False).gather(at)


def _dtype(values: Sequence[Any], categorical: bool = False) -> Any:
    """The type of polars that holds all values as they are; `Object` if there is none."""
    import polars as pl

    held = [value for value in values if value is not None]
    kinds = {type(value) for value in held}
    if not kinds:
        return pl.Null
    if kinds == {bool}:
        return pl.Boolean
    if kinds == {int} and all(-_INT64 <= value < _INT64 for value in held):
        return pl.Int64
    if kinds <= {int, float} and float in kinds:
        whole = (value for value in held if isinstance(value, int))
        return pl.Float64 if all(abs(value) <= _EXACT for value in whole) else pl.Object
    if all(isinstance(value, str) for value in held):
        return pl.Categorical if categorical else pl.String
    if kinds == {list}:
        inner = _dtype([entry for value in held for entry in value])
        return pl.Object if inner is pl.Object else pl.List(inner)
    if kinds == {dict}:
        return _struct(held)
    return pl.Object


def _struct(values: Sequence[Mapping[Any, Any]]) -> Any:
    import polars as pl

    names = list(dict.fromkeys(name for value in values for name in value))
    # A struct has every field: it could not tell a null from a lack.
    if not names or any(value.keys() != set(names) for value in values):
        return pl.Object
    inner = {str(name): _dtype([value[name] for value in values]) for name in names}
    return pl.Object if pl.Object in inner.values() else pl.Struct(inner)


def table(columns: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Series of one length as a frame."""
    import polars as pl

    return pl.DataFrame(list(columns.values()))


def frame(
    items: Verbs[Any],
    keys: Sequence[str | tuple[str, Any]],
    defaults: Mapping[str, Any] | None,
    named: Mapping[str, Any],
) -> pl.DataFrame:
    """One row an item; see `Verbs.to_frame`."""
    fallback = dict(defaults or {})
    columns: dict[str, pl.Series] = {}
    for key in keys:
        name, default = (key, fallback.pop(key, MISSING)) if isinstance(key, str) else key
        columns[name] = series(items.lookup(name, default), name)
    for name, what in named.items():
        columns[name] = series(items.lookup(what, fallback.pop(name, MISSING)), name)
    if fallback:
        raise UsageError(f"defaults for {', '.join(fallback)}, which are no columns of the frame")
    return table(columns)


def below(
    items: Verbs[Any], parts: Sequence[pl.DataFrame], keys: Sequence[str | tuple[str, Any]]
) -> pl.DataFrame:
    """The frame of each item below the other; see `Verbs.concat`."""
    import polars as pl

    rows = np.repeat(np.arange(len(parts)), [part.height for part in parts])
    found = pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame()
    # From the whole collection, so that a column has one type.
    return found.with_columns(column.gather(rows) for column in frame(items, keys, None, {}))
