"""p-values of many comparisons, corrected for their number.

Every function takes the p-values of one family and returns adjusted ones in the same order: reject
at a level alpha where the adjusted value is <= alpha. NaN is a comparison that could not be
made: it stays NaN and is not counted in m, the number of comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dr_gen.errors import UsageError
from dr_gen.stats.arguments import FloatArray, choose, float_array

__all__ = ["METHODS", "Adjustment", "adjust", "benjamini_hochberg", "bonferroni", "holm"]

Adjustment: TypeAlias = Callable[[npt.ArrayLike], FloatArray]
"""p-values, shape (k,) → adjusted p-values, shape (k,)."""


def holm(p: npt.ArrayLike) -> FloatArray:
    """Holm's step-down correction: bounds the chance of any false claim, under any dependence.

    The i-th smallest p-value (from 0) is multiplied by m - i, then raised to the largest value
    before it. Never larger than `bonferroni`.

    Parameters
    ----------
    p : array_like, shape (k,)
        p-values in [0, 1], or NaN.

    Returns
    -------
    ndarray of float64, shape (k,)
        Adjusted p-values in [0, 1], in the order of `p`; NaN where `p` is NaN.

    Raises
    ------
    UsageError
        `p` is not one-dimensional and real, or holds a value outside [0, 1].

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal
    of Statistics 6(2).

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan"), 0.03]).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    return _of_known(p, _holm_sorted)


def bonferroni(p: npt.ArrayLike) -> FloatArray:
    """Bonferroni's correction: every p-value times m, at most 1.

    Parameters
    ----------
    p : array_like, shape (k,)
        p-values in [0, 1], or NaN.

    Returns
    -------
    ndarray of float64, shape (k,)
        Adjusted p-values in [0, 1], in the order of `p`; NaN where `p` is NaN.

    Raises
    ------
    UsageError
        `p` is not one-dimensional and real, or holds a value outside [0, 1].

    References
    ----------
    Dunn (1961), Multiple comparisons among means, Journal of the American Statistical
    Association 56(293).

    Examples
    --------
    >>> bonferroni([0.01, 0.04, float("nan"), 0.5]).tolist()
    [0.03, 0.12, nan, 1.0]
    """
    return _of_known(p, lambda ordered: ordered * ordered.size)


def benjamini_hochberg(p: npt.ArrayLike) -> FloatArray:
    """Benjamini and Hochberg's step-up correction: bounds the share of false claims.

    The i-th smallest p-value (from 1) is multiplied by m / i, then lowered to the smallest value
    after it. Holds for independent and for positively dependent comparisons; all pairs of one
    set of configurations need not be either.

    Parameters
    ----------
    p : array_like, shape (k,)
        p-values in [0, 1], or NaN.

    Returns
    -------
    ndarray of float64, shape (k,)
        Adjusted p-values in [0, 1], in the order of `p`; NaN where `p` is NaN.

    Raises
    ------
    UsageError
        `p` is not one-dimensional and real, or holds a value outside [0, 1].

    References
    ----------
    Benjamini, Hochberg (1995), Controlling the false discovery rate, Journal of the Royal
    Statistical Society B 57(1).

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, float("nan"), 0.03]).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    return _of_known(p, _benjamini_hochberg_sorted)


def _uncorrected(p: npt.ArrayLike) -> FloatArray:
    return _of_known(p, lambda ordered: ordered)


METHODS: Final[Mapping[str, Adjustment]] = MappingProxyType(
    {
        "holm": holm,
        "bonferroni": bonferroni,
        "bh": benjamini_hochberg,
        "none": _uncorrected,
    }
)
"""The corrections of `adjust`, by name; "none" returns the p-values as they are."""


def adjust(p: npt.ArrayLike, method: str = "holm") -> FloatArray:
    """p-values corrected by the method of that name.

    Parameters
    ----------
    p : array_like, shape (k,)
        p-values in [0, 1], or NaN.
    method : {"holm", "bonferroni", "bh", "none"}
        A key of `METHODS`.

    Returns
    -------
    ndarray of float64, shape (k,)
        Adjusted p-values in [0, 1], in the order of `p`; NaN where `p` is NaN.

    Raises
    ------
    UsageError
        No method has that name, or `p` is not one-dimensional and in [0, 1].

    Examples
    --------
    >>> adjust([0.01, 0.02], "bonferroni").tolist()
    [0.02, 0.04]
    """
    return choose(method, METHODS, "method")(p)


def _of_known(p: npt.ArrayLike, correct: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """`correct` applied to the known p-values in ascending order, put back in their places."""
    given = float_array(p, ndim=1, what="p")
    known = np.flatnonzero(~np.isnan(given))
    outside = (given[known] < 0.0) | (given[known] > 1.0)
    if outside.any():
        first = int(known[outside][0])
        raise UsageError(f"p-values must be in [0, 1], or NaN; p[{first}] is {given[first]}")
    order = known[np.argsort(given[known], kind="stable")]
    adjusted = np.full(given.shape, np.nan)
    adjusted[order] = np.minimum(correct(given[order]), 1.0)
    return adjusted


def _holm_sorted(ordered: FloatArray) -> FloatArray:
    return np.maximum.accumulate(ordered * np.arange(ordered.size, 0, -1))


def _benjamini_hochberg_sorted(ordered: FloatArray) -> FloatArray:
    # m / i first: the largest p-value is then multiplied by exactly 1.
    raised = ordered * (ordered.size / np.arange(1, ordered.size + 1))
    return np.minimum.accumulate(raised[::-1])[::-1]
