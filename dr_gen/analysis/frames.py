"""Configurations as columns of a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from dr_gen.model.hpm import Hpm, one_kind

if TYPE_CHECKING:
    import polars as pl

__all__ = ["configuration_columns"]


def configuration_columns(
    hpms: Sequence[Hpm], taken: Collection[str], prefix: str = ""
) -> list[pl.Series]:
    """One column a key, in the keys' own names.

    What becomes of nulls, missing keys and values of several kinds: see `one_kind`.

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
        columns.append(pl.Series(f"hpm.{name}" if name in taken else name, one_kind(values)))
    return columns
