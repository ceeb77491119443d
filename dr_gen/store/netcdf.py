"""Layouts as netCDF-4 files."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError
from dr_gen.store import mapped
from dr_gen.store.columns import COLUMNS, TEXTS, Column
from dr_gen.store.layout import Layout, Text, encoded

if TYPE_CHECKING:
    from netCDF4 import Dataset, Variable

__all__ = ["Rows", "read", "write"]

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
    with _LOCK, _aligning(), _open(path, "w") as file:
        file.set_fill_off()
        file.setncatts(_global_attributes(stamp))
        for column in COLUMNS:
            extra = layout.attributes.get(column.name, {})
            _write_column(file, column, layout.arrays[column.name], extra, compress)
        for name, long_name in TEXTS.items():
            letters = np.frombuffer(encoded(layout.texts[name]), "S1")
            column = Column(name, (f"{name}_length",), "S1", long_name)
            _write_column(file, column, letters, {}, compress)


@contextlib.contextmanager
def _aligning() -> Iterator[None]:
    """Long arrays of files that are made meanwhile begin where they can be mapped."""
    from netCDF4 import get_alignment, set_alignment

    threshold, alignment = get_alignment()
    set_alignment(mapped.LONG, mapped.ALIGNED)
    try:
        yield
    finally:
        # As long as none was set it is said to be 0, which does not do as one that is set.
        set_alignment(threshold, max(alignment, 1))


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


def read(
    path: Path,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    starts: Mapping[str, int] | None = None,
) -> tuple[Layout, Any]:
    """What a file holds, and its schema number (None when it has none).

    Nothing is checked here: a file of an older form is brought up to date first.

    Parameters
    ----------
    path : Path
    only : collection of str, optional
        Names of the arrays and texts to read; by default all but those that are for people.
    without : collection of str
        Names of those to leave in the file.
    starts : mapping, optional
        Name to the byte where it begins of those that may be mapped; see `mapped`.

    Raises
    ------
    OSError, RuntimeError
        As the library raises them, for example for a file that is cut short.
    """
    arrays: dict[str, NDArray[Any]] = {}
    texts: dict[str, Text] = {}
    with _LOCK:
        held = _held(path)
        file = held.file
        long = _mapped(path, file, starts) if starts and mapped.is_mappable(path) else {}
        for name, variable in file.variables.items():
            if name in without or (only is not None and name not in only):
                continue
            if only is None and variable.dtype is str:
                continue
            array = long[name] if name in long else np.asarray(variable[...])
            if variable.dtype == np.dtype("S1"):
                texts[name] = array.view(np.uint8).data
            else:
                arrays[name] = array
        sizes = {name: len(dimension) for name, dimension in file.dimensions.items()}
        return Layout(sizes, arrays, texts), _schema(file)


def _mapped(path: Path, file: Dataset, starts: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """The arrays of which it is true that they begin at these bytes."""
    found = {}
    with contextlib.suppress(OSError):
        content = mapped.content_of(path)
        for name, start in starts.items():
            variable = file.variables.get(name)
            if variable is None or variable.dtype is str or variable.chunking() != "contiguous":
                continue
            array = mapped.array_at(content, start, variable.shape, variable.dtype)
            # They were seen there when the file was written: is it still that file?
            if array is not None and all(_is_same(variable, array, end) for end in (0, -1)):
                found[name] = array
    return found


def _is_same(variable: Variable[Any], array: NDArray[Any], end: int) -> bool:
    place = (end,) * array.ndim
    return bool(np.asarray(variable[place]).tobytes() == array[place].tobytes())


class _Held:
    """A file that is open as long as anybody refers to this."""

    def __init__(self, path: Path) -> None:
        self.file = _open(path, "r")
        self.file.set_auto_maskandscale(False)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError, RuntimeError), _LOCK:
            self.file.close()


# The C library crashes sooner or later when a process has one file open twice.
_FILES: weakref.WeakValueDictionary[tuple[int, ...], _Held] = weakref.WeakValueDictionary()


def _held(path: Path) -> _Held:
    about = os.stat(path)
    identity = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
    held = _FILES.get(identity)
    if held is None:
        held = _FILES[identity] = _Held(path)
    return held


def _schema(file: Dataset) -> Any:
    found = file.__dict__.get("schema_number")
    return found.item() if isinstance(found, np.generic) else found


class Rows:
    """Parts of the arrays of a file, which stays open, and so readable, whatever becomes of it.

    Attributes
    ----------
    schema : Any
        The schema number, None when there is none.

    Raises
    ------
    OSError, RuntimeError
        As the library raises them.
    UsageError
        If there is no such array, or it is of another kind than it should be.
    """

    def __init__(self, path: Path) -> None:
        with _LOCK:
            self._held: _Held | None = _held(path)
            self.schema = _schema(self._held.file)

    def __call__(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """``array[start:stop]`` of the array called `name`."""
        with _LOCK:
            variable = None if self._held is None else self._held.file.variables.get(name)
            if variable is None or variable.dtype != _DTYPES[name]:
                raise UsageError(f"no {name}, or not as {_DTYPES[name]}")
            return np.asarray(variable[start:stop])

    def close(self) -> None:
        """Let go of the file."""
        self._held = None


_DTYPES = {column.name: np.dtype(column.dtype) for column in COLUMNS}
