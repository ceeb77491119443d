"""From what stands in the brackets of ``group[…]`` to positions."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError

__all__ = ["fitted", "plain_mask", "positions"]

Mask = NDArray[np.bool_]


def positions(picked: Any, n: int, ids: Sequence[str] = ()) -> NDArray[np.intp]:
    """Positions, negative ones counted from the end, or those that a mask marks.

    Parameters
    ----------
    picked : sequence of int, or mask
    n : int
        How many items there are.
    ids : sequence of str
        What they are called, if they have names.

    Raises
    ------
    UsageError
        If it is neither, a mask of another length, or names a position twice.
    IndexError
        If there is no such position.
    """
    array = _array(picked)
    if array.size == 0 and array.dtype != np.bool_:
        array = array.astype(np.intp)
    if array.dtype.kind in "Ob":
        return np.flatnonzero(fitted(plain_mask(picked), n, ids))
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise _odd(picked)
    chosen: NDArray[np.intp] = np.arange(n)[array]
    if len(np.unique(chosen)) < len(chosen):
        raise UsageError("a position is named twice; a group has each run once")
    return chosen


def plain_mask(marks: Any) -> Any:
    """A mask that can be read again; one of xarray with named items stays what it is.

    Raises
    ------
    UsageError
        If it is no mask. A null marks nothing.
    """
    array = _array(marks)
    if (
        array.ndim == 1
        and array.dtype == object
        and all(m is None or isinstance(m, bool | np.bool_) for m in array)
    ):
        # What a comparison with null gives in polars and pandas.
        array = np.array([mark is not None and bool(mark) for mark in array], bool)
    if array.size == 0:
        array = array.astype(bool)
    if array.dtype != np.bool_ or array.ndim != 1:
        raise _odd(marks)
    return marks if "run" in getattr(marks, "coords", ()) else array


def fitted(mask: Any, n: int, ids: Sequence[str] = ()) -> Mask:
    """A mask with one entry an item; a labelled one is put in the order of `ids`.

    Raises
    ------
    UsageError
        If it has another length, or is about other runs.
    """
    if "run" in getattr(mask, "coords", ()):
        named = dict(zip(mask.coords["run"].values.tolist(), mask.values.tolist(), strict=True))
        if named.keys() != set(ids):
            raise UsageError(f"a mask about {len(named)} runs does not fit these {n} runs")
        return np.array([named[name] for name in ids], bool)
    if mask.shape != (n,):
        raise UsageError(f"a mask of shape {mask.shape} does not fit {n} runs")
    return np.asarray(mask, bool)


def _odd(picked: Any) -> UsageError:
    found = " ".join(reprlib.repr(picked).split())
    return UsageError(f"items are picked by position, name, slice or mask, not by {found}")


def _array(picked: Any) -> NDArray[Any]:
    if isinstance(picked, Iterable) and not hasattr(picked, "__array__"):
        picked = list(picked)
    try:
        return np.asarray(picked)
    except ValueError:
        # Rows of different lengths.
        return np.asarray(None)
