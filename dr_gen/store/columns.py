"""What a shard holds, array by array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

__all__ = ["COLUMNS", "TEXTS", "X_POOLS", "Column", "flags"]


@attrs.frozen
class Column:
    """One array of the layout.

    Attributes
    ----------
    name : str
    dims : tuple of str
    dtype : str
        NumPy's code; ``O`` for text.
    long_name, comment : str
        What a stranger reads in the file.
    attributes : mapping
        Further netCDF attributes.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    long_name: str
    comment: str = ""
    attributes: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def for_people(self) -> bool:
        """Whether nothing is read back from it."""
        return self.dtype == "O" or self.name == "curve"


def flags(*meanings: str) -> dict[str, Any]:
    """The netCDF attributes that say what the codes 0, 1, … of a variable mean."""
    return {"flag_values": np.arange(len(meanings)), "flag_meanings": " ".join(meanings)}


X_POOLS = ("x_int", "x_float", "x_text")
"""The variables that hold x values, by `axis_kind`."""

_ROWS = "x of axis a: axis_start[a] onward, block_size[axis_block[a]] values"

COLUMNS: tuple[Column, ...] = (
    Column("run_id", ("run",), "O", "run"),
    Column("status", ("run",), "O", "how the run ended"),
    Column("experiment", ("run",), "O", "experiment that the run belongs to"),
    Column(
        *("hpm_code", ("hpm", "run"), "i4", "hyperparameter of a run, as a code"),
        "index into the values of the key in hpms_json; -1: the run does not have the key",
    ),
    Column(
        *("curve", ("curve",), "i4", "number of the curve", "one metric of one split of one run"),
        {"cf_role": "timeseries_id"},
    ),
    Column(
        *("row_size", ("curve",), "i8", "number of values of the curve", ""),
        {"sample_dimension": "obs", "units": "1"},
    ),
    Column(
        *("value", ("obs",), "f8", "value of the metric"),
        "curve behind curve, in the order logged, repeated x included; NaN was logged as NaN",
    ),
    Column("curve_run", ("curve",), "i4", "run of the curve", "index along run"),
    Column("curve_split", ("curve",), "i4", "split of the curve"),
    Column("curve_metric", ("curve",), "i4", "metric of the curve"),
    Column(
        *("curve_original", ("curve",), "i4", "name of the metric in the source"),
        "index into originals of names_json; -1: the same name as here",
    ),
    Column(
        *("curve_block", ("curve",), "i4", "rows that the curve was logged in"),
        "index along block; curves of one block were logged together and share their x",
    ),
    Column("block_size", ("block",), "i8", "number of rows of the block", "", {"units": "1"}),
    Column("axis_block", ("axis",), "i4", "block of the x-axis", "index along block"),
    Column("axis_x", ("axis",), "i4", "what the x-axis counts"),
    Column(
        *("axis_kind", ("axis",), "i4", "variable that holds the x values of the axis", ""),
        flags(*X_POOLS),
    ),
    Column("axis_start", ("axis",), "i8", "where the x values of the axis begin", _ROWS),
    Column(
        *("axis_inferred", ("axis",), "i1", "where x comes from"),
        "counted: the log has no such number, the reader counted the rows",
        flags("logged", "counted"),
    ),
    Column(
        *("axis_clean", ("axis",), "i1", "whether x strictly increases"),
        "not_increasing: repeats, goes back or is missing (NaN) somewhere",
        flags("not_increasing", "strictly_increasing"),
    ),
    Column("x_int", ("x_int_obs",), "i8", "x values that are whole numbers", _ROWS, {"units": "1"}),
    Column("x_float", ("x_float_obs",), "f8", "x values that are not whole numbers", _ROWS),
    Column(
        *("x_text", ("x_text_obs",), "i4", "x values that are text, as codes"),
        f"index into x_texts of names_json; {_ROWS}",
    ),
)

TEXTS: dict[str, str] = {
    "records_json": "JSON: for each run its id, experiment, source, status, metadata and findings",
    "hpms_json": "JSON: hyperparameter keys, and for each of them the values that occur",
    "names_json": "JSON: names that the codes point into",
}
"""Texts of the layout, and what each holds."""
