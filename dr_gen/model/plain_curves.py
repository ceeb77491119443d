"""Curves given as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dr_gen.errors import UsageError
from dr_gen.model.curve_builder import CurveBuilder, as_values
from dr_gen.model.curve_table import CurveTable

__all__ = ["add_entry", "curves_from"]


def curves_from(curves: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> CurveTable:
    """The curves of one run; see `RunData.from_dict`.

    Raises
    ------
    UsageError
        If one of them does not fit.
    """
    builder = CurveBuilder()
    if isinstance(curves, Mapping):
        entries = [_named(address, entry) for address, entry in curves.items()]
    elif isinstance(curves, Iterable):
        entries = [_as_mapping(entry, "a curve in a list") for entry in curves]
    else:
        raise UsageError(f"curves are a mapping or a list, not a {type(curves).__name__}")
    for entry in entries:
        add_entry(builder, 0, entry)
    return builder.build()


def add_entry(builder: CurveBuilder, run: int, entry: Mapping[str, Any]) -> None:
    """Add one curve of run number `run`, given with its split, metric and values.

    Raises
    ------
    UsageError
        If it does not fit.
    """
    missing = [name for name in ("split", "metric", "values") if name not in entry]
    if missing:
        raise UsageError(f"a curve needs split, metric and values; no {missing[0]!r}")
    split, metric = entry["split"], entry["metric"]
    values = as_values(entry["values"], f"values of {split}/{metric}")
    axes, inferred = entry.get("x"), tuple(entry.get("inferred", ()))
    if axes is None:
        axes, inferred = {"epoch": np.arange(len(values))}, ("epoch",)
    block = builder.add_block(_as_mapping(axes, "x"), inferred)
    builder.add_curve(run, split, metric, values, block, entry.get("original_name"))


def _as_mapping(entry: Any, what: str) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise UsageError(f"{what} is a mapping, not a {type(entry).__name__}")
    return dict(entry)


def _named(address: str, entry: Any) -> dict[str, Any]:
    split, slash, metric = str(address).partition("/")
    if not (split and slash and metric):
        raise UsageError(f"curve {address!r} is not named split/metric")
    body = dict(entry) if isinstance(entry, Mapping) else {"values": entry}
    return {"split": split, "metric": metric, **body}
