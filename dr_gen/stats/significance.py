"""Whether a difference between two samples is more than the noise within them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy.typing as npt

from dr_gen.stats.aggregate import Description, describe
from dr_gen.stats.arguments import check_level, finite_sample
from dr_gen.stats.student import t_critical, t_two_sided_p

__all__ = ["WelchTest", "welch"]


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
    level = check_level(level)
    left, right = describe(finite_sample(a, "a")), describe(finite_sample(b, "b"))
    difference = left.mean - right.mean
    if min(left.n, right.n) < 2:
        return _unknown(difference)
    error_left, error_right = _standard_error(left), _standard_error(right)
    error = math.hypot(error_left, error_right)
    if error == 0.0 and difference == 0.0:
        return _unknown(difference)._replace(statistic=0.0, p=1.0)
    if error == 0.0 or math.isinf(error):
        return _unknown(difference)
    # In shares of the variance, because fourth powers of the errors leave the range of doubles.
    share_left, share_right = (error_left / error) ** 2, (error_right / error) ** 2
    df = 1.0 / (share_left**2 / (left.n - 1) + share_right**2 / (right.n - 1))
    statistic = difference / error
    half = float(t_critical(df, level)) * error
    return WelchTest(
        difference=difference,
        low=difference - half,
        high=difference + half,
        statistic=statistic,
        df=df,
        p=t_two_sided_p(statistic, df),
    )


def _standard_error(found: Description) -> float:
    return found.std / math.sqrt(found.n)


def _unknown(difference: float) -> WelchTest:
    return WelchTest(difference, math.nan, math.nan, math.nan, math.nan, math.nan)
