"""Configurations as columns of a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from dr_gen.model.hpm import MISSING, Hpm, format_value

if TYPE_CHECKING:
    import polars as pl

__all__ = ["configuration_columns"]


def configuration_columns(
    hpms: Sequence[Hpm], taken: Collection[str], prefix: str = ""
) -> list[pl.Series]:
    """One column a key, in the keys' own names.

    Values of one kind keep it; a column of several kinds becomes text. A null is null, and so is
    a missing key unless the column has nulls of its own, which then are the text ``None``.

    Parameters
    ----------
    hpms : sequence of Hpm
        One a row, all with the same keys.
    taken : collection of str
        Names of other columns; a key so called becomes ``hpm.<key>``.
    prefix : str
        Put before every name.
    """
    import polars as pl

    keys = list(hpms[0]) if hpms else []
    columns = []
    for key in keys:
        name = f"{prefix}{key}"
        values = [hpm[key] for hpm in hpms]
        columns.append(pl.Series(f"hpm.{name}" if name in taken else name, _column(values)))
    return columns


def _column(values: Sequence[Any]) -> list[Any]:
    present = [v for v in values if v is not MISSING]
    lacks = len(present) < len(values)
    kinds = {type(v) for v in present if v is not None}
    plain = len(kinds) <= 1 and kinds <= {bool, int, float, str}
    numbers = kinds == {int, float}
    if (plain or numbers) and not (lacks and None in present):
        as_is = float if numbers else (lambda value: value)
        return [None if v is MISSING or v is None else as_is(v) for v in values]
    return [None if v is MISSING else format_value(v) for v in values]
