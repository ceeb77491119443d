"""Whether a difference between two samples is more than the noise within them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dr_gen.stats.aggregate import describe
from dr_gen.stats.arguments import check_level, finite_sample
from dr_gen.stats.student import t_critical, t_two_sided_p

__all__ = ["WelchTest", "welch", "welch_pairs"]


class WelchTest(NamedTuple):
    """A difference of two means, with its interval and test; NaN for what cannot be known."""

    difference: float
    """mean(a) - mean(b), in the unit of the values."""
    low: float
    """Lower bound of the interval for the difference, in the unit of the values."""
    high: float
    """Upper bound of the interval for the difference, in the unit of the values."""
    statistic: float
    """Welch's t: the difference in standard errors."""
    df: float
    """Welch–Satterthwaite degrees of freedom, min(n) - 1 <= df <= n_a + n_b - 2."""
    p: float
    """Two-sided p-value for equal means, in [0, 1]."""


def welch(a: npt.ArrayLike, b: npt.ArrayLike, level: float = 0.95) -> WelchTest:
    """Welch's t test: two independent samples, their variances not assumed equal.

    Parameters
    ----------
    a, b : array_like, shape (k,)
        Any real numbers; those that are not finite are neither used nor counted.
    level : float
        Probability that the interval covers the difference of the means, in (0, 1).

    Returns
    -------
    WelchTest
        A side with fewer than two values says nothing about its noise: everything is NaN, but
        for the difference where both sides have a value. So it is when neither side varies at
        all: a few equal values bound no noise, and a p-value of 0 from them (as other software
        gives) would claim certainty. Only where both sides are the same constant is p = 1 and
        the statistic 0: nothing speaks for a difference.

    Raises
    ------
    UsageError
        `a` or `b` is not a one-dimensional array of real numbers, or `level` not in (0, 1).

    References
    ----------
    Welch (1947), The generalization of "Student's" problem when several different population
    variances are involved, Biometrika 34(1–2). Satterthwaite (1946), An approximate distribution
    of estimates of variance components, Biometrics Bulletin 2(6).

    Examples
    --------
    >>> found = welch([3.1, 3.3, 3.2], [3.6, 3.4, 3.8, 3.6])
    >>> round(found.difference, 6), round(found.df, 3), round(found.p, 5)
    (-0.4, 4.909, 0.01071)
    >>> welch([0.5, 0.5], [0.7, 0.7]).p
    nan
    """
    (found,) = welch_pairs([a, b], [(0, 1)], level)
    return found


def welch_pairs(
    samples: Sequence[npt.ArrayLike], pairs: Sequence[tuple[int, int]], level: float = 0.95
) -> list[WelchTest]:
    """`welch` for many pairs of some samples at once.

    Parameters
    ----------
    samples : sequence of array_like, shape (k,) each
        As for `welch`.
    pairs : sequence of (int, int)
        Which two samples are compared.
    level : float

    Raises
    ------
    UsageError
        As for `welch`.

    Examples
    --------
    >>> found = welch_pairs([[1, 2, 3], [2, 3, 4], [5, 6, 7]], [(0, 1), (0, 2)])
    >>> [round(test.difference, 6) for test in found]
    [-1.0, -4.0]
    """
    level = check_level(level)
    known = [
        describe(finite_sample(sample, "ab"[i] if len(samples) == 2 else f"sample {i}"))
        for i, sample in enumerate(samples)
    ]
    if not len(pairs):
        return []
    sides = np.array(pairs, np.intp).reshape(-1, 2).T
    n = np.array([one.n for one in known], np.float64)[sides]
    means = np.array([one.mean for one in known])[sides]
    with np.errstate(all="ignore"):  # what is not known comes out as NaN
        errors = np.array([one.std for one in known])[sides] / np.sqrt(n)
        difference = means[0] - means[1]
        error = np.hypot(*errors)
        # In shares of the variance, because fourth powers of the errors leave the range of doubles.
        shares = (errors / error) ** 2
        df = 1.0 / (shares**2 / (n - 1)).sum(axis=0)
        statistic = difference / error
        half = t_critical(df, level) * error
        low, high = difference - half, difference + half
    several = (n >= 2).all(axis=0)
    known_noise = several & (error > 0.0) & np.isfinite(error)
    alike = several & (error == 0.0) & (difference == 0.0)
    p = t_two_sided_p(statistic, df)
    columns = [
        np.where(known_noise, column, np.where(alike, instead, np.nan))
        for column, instead in (
            *((low, np.nan), (high, np.nan), (statistic, 0.0), (df, np.nan), (p, 1.0)),
        )
    ]
    rows = zip(difference.tolist(), *(column.tolist() for column in columns), strict=True)
    return [WelchTest(*row) for row in rows]
