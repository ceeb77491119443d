"""Layouts as netCDF-4 files."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dr_gen.store.columns import COLUMNS, TEXTS, Column
from dr_gen.store.layout import Layout

if TYPE_CHECKING:
    from netCDF4 import Dataset

__all__ = ["Open", "read", "write"]

_CHUNK = 65536
# The C library of netCDF knows no threads: two of them in it at once crash the process.
# Files that are open are closed by whoever drops them last, perhaps while he holds it: hence R.
_LOCK = threading.RLock()

_TITLE = "Training runs: metrics over x, one curve behind another"
_COMMENT = (
    "Contiguous ragged array: values of curve c are value[s:s+row_size[c]], with s the sum of "
    "row_size[:c]. featureType is timeSeries because a curve is a series of values at one place "
    "(one metric of one split of one run, numbered by curve) along the progress of training; "
    "there are no geographic coordinates and x need not be a time. Metrics that were logged in "
    "the same rows share their x: the x-axes of curve c are all a with axis_block[a] == "
    "curve_block[c]; axis_x[a] says what axis a counts; its values are x[axis_start[a] : "
    "axis_start[a]+row_size[c]], with x = x_int, x_float or x_text by axis_kind[a]."
)


def write(layout: Layout, path: Path, stamp: Mapping[str, Any], *, compress: bool = False) -> None:
    """Write `layout` to a new file.

    Parameters
    ----------
    layout : Layout
    path : Path
        Replaced if it is there.
    stamp : mapping
        ``creator``, ``version``, ``created`` and ``schema``.
    compress : bool
        Deflate (level 1, with shuffle) instead of plain contiguous arrays, which are read at the
        speed of memory. Any netCDF-4 program reads both.

    Raises
    ------
    OSError, RuntimeError
        As the library raises them, for example when the disk is full.
    """
    with _LOCK, _open(path, "w") as file:
        file.set_fill_off()
        file.setncatts(_global_attributes(stamp))
        for column in COLUMNS:
            extra = layout.attributes.get(column.name, {})
            _write_column(file, column, layout.arrays[column.name], extra, compress)
        for name, long_name in TEXTS.items():
            letters = np.frombuffer(layout.texts[name].encode("ascii"), "S1")
            column = Column(name, (f"{name}_length",), "S1", long_name)
            _write_column(file, column, letters, {}, compress)


def _open(path: Path, mode: Literal["r", "w"]) -> Dataset:
    from netCDF4 import Dataset

    # Byte for byte, since names of folders need not be UTF-8; absolute, since "http:" may be one.
    name = os.fsencode(path.absolute()).decode("latin-1")
    return Dataset(name, mode, format="NETCDF4", encoding="latin-1")


def _global_attributes(stamp: Mapping[str, Any]) -> dict[str, Any]:
    who = f"{stamp['creator']} {stamp['version']}"
    return {
        "Conventions": "CF-1.11",
        "featureType": "timeSeries",
        "title": _TITLE,
        "source": f"logs of training runs, read by {who}",
        "history": f"{stamp['created']} {who}: written",
        "comment": _COMMENT,
        "creator": stamp["creator"],
        "creator_version": stamp["version"],
        "date_created": stamp["created"],
        "schema_number": np.int32(stamp["schema"]),
    }


def _write_column(
    file: Dataset,
    column: Column,
    array: NDArray[Any],
    extra: Mapping[str, Any],
    compress: bool,
) -> None:
    for name, size in zip(column.dims, array.shape, strict=True):
        # A dimension of size 0 would be an unlimited one: it and what lies along it are left out.
        if size and name not in file.dimensions:
            file.createDimension(name, size)
    if array.size == 0:
        return
    dtype: Any = column.dtype
    how: dict[str, Any] = {"contiguous": True}
    if column.dtype == "O":
        dtype, how = str, {}  # text of any length is neither contiguous nor compressed
    elif compress:
        chunks = (*(1 for _ in array.shape[1:]), min(array.shape[-1], _CHUNK))
        how = {"zlib": True, "complevel": 1, "shuffle": True, "chunksizes": chunks}
    variable = file.createVariable(column.name, dtype, column.dims, fill_value=False, **how)
    attributes = {"long_name": column.long_name, "comment": column.comment, **column.attributes}
    for name, value in {**attributes, **extra}.items():
        if isinstance(value, np.ndarray):
            value = value.astype(array.dtype)  # flags are of the type of their variable
        if not isinstance(value, str) or value:
            variable.setncattr(name, value)
    variable[...] = array


def read(path: Path, without: Collection[str] = ()) -> tuple[Layout, Any]:
    """What a file holds, and its schema number (None when it has none).

    Nothing is checked here: a file of an older form is brought up to date first.

    Parameters
    ----------
    path : Path
    without : collection of str
        Variables to leave in the file.

    Raises
    ------
    OSError, RuntimeError
        As the library raises them, for example for a file that is cut short.
    """
    arrays: dict[str, NDArray[Any]] = {}
    texts: dict[str, str] = {}
    with _LOCK, _open(path, "r") as file:
        file.set_auto_maskandscale(False)
        for name, variable in file.variables.items():
            if variable.dtype == np.dtype("S1"):
                texts[name] = variable[...].tobytes().decode("ascii", "replace")
            elif variable.dtype is not str and name not in without:
                arrays[name] = np.asarray(variable[...])
        sizes = {name: len(dimension) for name, dimension in file.dimensions.items()}
        schema = file.__dict__.get("schema_number")
    return Layout(sizes, arrays, texts), schema.item() if isinstance(schema, np.generic) else schema


class Open:
    """A file that stays open until nobody refers to it any more."""

    def __init__(self, path: Path) -> None:
        with _LOCK:
            self._file = _open(path, "r")
            self._file.set_auto_maskandscale(False)

    def numbers(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Part of a variable of one dimension.

        Raises
        ------
        OSError, RuntimeError
            As the library raises them.
        """
        with _LOCK:
            return np.asarray(self._file.variables[name][start:stop])

    def __del__(self) -> None:
        with _LOCK, contextlib.suppress(AttributeError, OSError, RuntimeError):
            self._file.close()
