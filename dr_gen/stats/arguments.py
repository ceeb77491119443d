"""Turns what a caller passes into what the statistics compute with, or says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from dr_gen.errors import UsageError

__all__ = ["FloatArray", "check_level", "choose", "finite_sample", "float_array"]

FloatArray: TypeAlias = npt.NDArray[np.float64]

_T = TypeVar("_T")

_NUMERIC_KINDS = frozenset("biufO")


def float_array(values: npt.ArrayLike, ndim: int, what: str = "values") -> FloatArray:
    """Real numbers as a float64 array with `ndim` dimensions.

    Parameters
    ----------
    values : array_like of real numbers
        None and the masked entries of a `numpy.ma.MaskedArray` become NaN.
    ndim : int
        Number of dimensions that `values` must have.
    what : str
        Name of the argument in error messages.

    Returns
    -------
    ndarray of float64
        Shares memory with `values` where that is a float64 array already.

    Raises
    ------
    UsageError
        The values are not real numbers, or have another number of dimensions.

    Examples
    --------
    >>> float_array([1, None, 3], ndim=1)
    array([ 1., nan,  3.])
    """
    try:
        raw = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
        if raw.dtype.kind not in _NUMERIC_KINDS:
            raise UsageError(f"{what} must be real numbers, not {raw.dtype}")
        array: FloatArray = np.ma.filled(raw.astype(np.float64, copy=False), np.nan)
    except UsageError:
        raise
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} must be an array of real numbers: {error}") from error
    if array.ndim != ndim:
        raise UsageError(
            f"{what} must have {ndim} dimension{'s' * (ndim != 1)}, not shape {array.shape}"
        )
    return array


def finite_sample(values: npt.ArrayLike, what: str = "values") -> FloatArray:
    """The finite numbers of a one-dimensional sample, in their order.

    Parameters
    ----------
    values : array_like, shape (k,)
        Any real numbers; NaN, inf and -inf are left out.
    what : str
        Name of the argument in error messages.

    Returns
    -------
    ndarray of float64, shape (n,), n <= k

    Raises
    ------
    UsageError
        `values` is not a one-dimensional array of real numbers.

    Examples
    --------
    >>> finite_sample([3, float("nan"), 1, float("inf")])
    array([3., 1.])
    """
    sample = float_array(values, ndim=1, what=what)
    return sample[np.isfinite(sample)]


def check_level(level: float) -> float:
    """`level` as a float, if it is a confidence level: more than 0 and less than 1.

    Raises
    ------
    UsageError
        It is not.

    Examples
    --------
    >>> check_level(0.95)
    0.95
    """
    try:
        number = float(level)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 < number < 1.0:
        raise UsageError(
            f"level must be more than 0 and less than 1, such as 0.95 for 95 %, not {level!r}"
        )
    return number


def choose(name: str, table: Mapping[str, _T], what: str) -> _T:
    """What `table` has under `name`.

    Raises
    ------
    UsageError
        The table has no such name; the message lists those it has.

    Examples
    --------
    >>> choose("b", {"a": 1, "b": 2}, "letter")
    2
    """
    try:
        return table[name]
    except (KeyError, TypeError):
        raise UsageError(
            f"{what} must be one of {', '.join(map(repr, table))}, not {name!r}"
        ) from None
