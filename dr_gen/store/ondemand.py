"""Numbers of shards that stay in their files until they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import StoreError, UsageError
from dr_gen.model.pieces import ranges
from dr_gen.model.stored import Rows, StoredArray
from dr_gen.store import netcdf
from dr_gen.store.columns import COLUMNS

__all__ = ["ON_DEMAND", "Column", "ColumnFile", "Reading", "columns"]

Ints = NDArray[np.int64]

_LARGE = ("value", "x_int", "x_float")

_NEAR = 8192
"""Numbers between two pieces that are read along rather than left out."""

_SPAN = 1 << 21
"""The most numbers that are read in one go when they are not all wanted."""


@attrs.frozen
class Reading:
    """How numbers on demand are read.

    Attributes
    ----------
    at_once : int or None
        Only what is asked for, about so many numbers together. None: when any is asked for, all of
        its shard, which then stays in memory.
    """

    at_once: int | None = None


class ColumnFile:
    """One variable of one shard.

    Parameters
    ----------
    path : Path
    name : str
    size : int
        How many numbers it has.
    reading : Reading
    file : netcdf.Rows, optional
        Kept open, so that it can be read even after a later writer did away with it.
    """

    def __init__(
        self, path: Path, name: str, size: int, reading: Reading, file: netcdf.Rows | None = None
    ) -> None:
        self.path, self.name, self.size, self.reading = path, name, size, reading
        self._file = file
        self._whole: NDArray[Any] | None = None

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Some of the numbers.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        if self._whole is not None:
            return self._whole[start:stop]
        try:
            file = self._file = self._file or netcdf.Rows(self.path)
            if self.reading.at_once is not None:
                return file(self.name, start, stop)
            self._whole, self._file = file(self.name, 0, self.size), None
        except (OSError, RuntimeError, UsageError) as error:
            again = "open the store again, since a writer may have replaced it"
            raise StoreError(str(self.path), f"cannot be read ({error}); {again}") from None
        return self._whole[start:stop]

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process the file is opened there.
        return (ColumnFile, (self.path, self.name, self.size, self.reading))


@attrs.frozen(eq=False, repr=False)
class Column(StoredArray):
    """Pieces of variables of shards, behind one another.

    Attributes
    ----------
    dtype : numpy.dtype
    files : tuple of ColumnFile
    file, start, size : int64, dims (piece,)
        Which of the files, from where, how many numbers.
    """

    dtype: np.dtype[Any]
    files: tuple[ColumnFile, ...]
    file: Ints
    start: Ints
    size: Ints
    ends: Ints = attrs.field(init=False)

    @ends.default
    def _ends(self) -> Ints:
        return np.cumsum(self.size)

    @classmethod
    def of(cls, file: ColumnFile, dtype: np.dtype[Any]) -> Column:
        """All of a variable."""
        zero = np.zeros(1, np.int64)
        return cls(dtype, (file,), zero, zero, np.full(1, file.size, np.int64))

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def at_once(self) -> int | None:
        """How many numbers should be in memory at once; None: all of them may."""
        return self.files[0].reading.at_once

    def pick(self, starts: Ints, sizes: Ints) -> Column:
        """Concatenation of ``self[start : start + size]``; nothing is read."""
        starts, sizes = starts[sizes > 0], sizes[sizes > 0]
        first = np.searchsorted(self.ends, starts, side="right")
        last = np.searchsorted(self.ends, starts + sizes, side="left")
        counts = last - first + 1
        piece = ranges(first, counts)
        begins = (self.ends - self.size)[piece]
        low = np.maximum(np.repeat(starts, counts), begins)
        high = np.minimum(np.repeat(starts + sizes, counts), self.ends[piece])
        start = self.start[piece] + low - begins
        return self._merged(self.files, self.file[piece], start, high - low)

    def _merged(self, files: tuple[ColumnFile, ...], file: Ints, start: Ints, size: Ints) -> Column:
        """Pieces that follow one another in a file are one."""
        if len(file) > 1:
            breaks = (file[1:] != file[:-1]) | (start[1:] != (start + size)[:-1])
            first = np.append(0, np.flatnonzero(breaks) + 1)
            file, start, size = file[first], start[first], np.add.reduceat(size, first)
        return Column(self.dtype, files, file, start, size)

    def joined(self, others: Sequence[StoredArray]) -> Column:
        """The array and others of its kind behind one another; nothing is read."""
        columns = [self, *(other for other in others if isinstance(other, Column))]
        offsets = np.cumsum([0, *(len(column.files) for column in columns)])
        return Column(
            self.dtype,
            tuple(file for column in columns for file in column.files),
            np.concatenate([c.file + n for c, n in zip(columns, offsets[:-1], strict=True)]),
            np.concatenate([column.start for column in columns]),
            np.concatenate([column.size for column in columns]),
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read the numbers; pieces that lie near one another are read together."""
        out = np.empty(len(self), self.dtype)
        order = np.lexsort((self.start, self.file))
        file, start, stop = (a[order] for a in (self.file, self.start, self.start + self.size))
        begin = (self.ends - self.size)[order]
        first = 0
        while first < len(order):
            last = first + 1
            while (
                last < len(order)
                and file[last] == file[first]
                and start[last] - stop[last - 1] <= _NEAR
                and stop[last] - start[first] <= _SPAN
            ):
                last += 1
            low = start[first]
            found = self.files[file[first]].read(int(low), int(stop[last - 1]))
            for i in range(first, last):
                out[begin[i] : begin[i] + stop[i] - start[i]] = found[
                    start[i] - low : stop[i] - low
                ]
            first = last
        out.setflags(write=False)
        return out if dtype is None else out.astype(dtype, copy=False)

    def stacked(self, blocks: Sequence[Rows], n_columns: int) -> Any:
        """Blocks of rows below one another, as a dask array."""
        import dask.array
        from dask.delayed import delayed

        array: Any = dask.array  # its functions have no types
        parts = [
            array.from_delayed(delayed(_made, pure=False)(make), (rows, n_columns), np.float64)
            for rows, make in blocks
        ]
        return array.concatenate(parts)


def _made(make: Any) -> Any:
    return make()


ON_DEMAND = {column.name: column for column in COLUMNS if column.name in _LARGE}
"""What can stay in a file; the rest is small."""


def columns(path: Path, sizes: Mapping[str, int], reading: Reading) -> dict[str, Column]:
    """The large columns of a shard, left in their file.

    Parameters
    ----------
    path : Path
    sizes : mapping
        Dimension to its size.
    reading : Reading

    Raises
    ------
    OSError, RuntimeError
        As the library raises them when it cannot open the file.
    """
    file = netcdf.Rows(path)
    return {
        name: Column.of(ColumnFile(path, name, size, reading, file), np.dtype(column.dtype))
        for name, column in ON_DEMAND.items()
        if (size := sizes.get(column.dims[0], 0))
    }
