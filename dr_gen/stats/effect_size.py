"""How large a difference is: in units of the noise, or by the order of the values alone."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dr_gen.stats.aggregate import describe
from dr_gen.stats.arguments import check_level, finite_sample
from dr_gen.stats.noncentral import noncentrality_interval

__all__ = ["Effect", "cliffs_delta", "hedges_g"]


class Effect(NamedTuple):
    """An effect size without unit, with the bounds of its interval; NaN where unknown."""

    value: float
    low: float
    high: float


def hedges_g(a: npt.ArrayLike, b: npt.ArrayLike, level: float = 0.95) -> Effect:
    """Hedges' g: the difference of two means in standard deviations, without small-sample bias.

    g = J(df) · (mean(a) - mean(b)) / s, with s the pooled standard deviation (ddof = 1),
    df = n_a + n_b - 2, and the exact J(df) = Γ(df/2) / (sqrt(df/2) Γ((df - 1)/2)). Both samples
    are taken to be normal with one variance.

    The interval is the exact one for the standardized difference δ of the populations, from the
    noncentral t distribution: its bounds are the δ under which the observed t lies at the
    (1 ± level)/2 quantile. Large-sample variances of g are too narrow for three seeds. The bounds
    are not multiplied by J: the correction removes the bias of an estimate, and the bounds have
    none. At level 0.95 the value lies inside; at levels of a few percent it need not.

    Parameters
    ----------
    a, b : array_like, shape (k,)
        Any real numbers; those that are not finite are neither used nor counted.
    level : float
        Probability that the interval covers δ, in (0, 1).

    Returns
    -------
    Effect
        Positive where a is larger. All NaN for fewer than two values on a side, and where the
        means differ but neither side varies: there is no noise to measure the difference in.
        Two samples of the same constant give 0 with NaN bounds: no difference is 0 in any unit.

    Raises
    ------
    UsageError
        `a` or `b` is not a one-dimensional array of real numbers, or `level` not in (0, 1).

    References
    ----------
    Hedges (1981), Distribution theory for Glass's estimator of effect size and related
    estimators, Journal of Educational Statistics 6(2). Steiger, Fouladi (1997), Noncentrality
    interval estimation and the evaluation of statistical models, in: What if there were no
    significance tests?

    Examples
    --------
    >>> [round(number, 4) for number in hedges_g([5, 6, 7, 8], [3, 4, 5, 5])]
    [1.7197, 0.1663, 3.6975]
    >>> hedges_g([1, 1], [2, 2])
    Effect(value=nan, low=nan, high=nan)
    """
    level = check_level(level)
    left, right = describe(finite_sample(a, "a")), describe(finite_sample(b, "b"))
    if min(left.n, right.n) < 2:
        return Effect(math.nan, math.nan, math.nan)
    df = left.n + right.n - 2
    # hypot, because squares of the deviations leave the range of doubles before they do.
    pooled = math.hypot(
        left.std * math.sqrt((left.n - 1) / df), right.std * math.sqrt((right.n - 1) / df)
    )
    difference = left.mean - right.mean
    if pooled == 0.0:
        return Effect(0.0 if difference == 0.0 else math.nan, math.nan, math.nan)
    standardized = difference / pooled
    if not math.isfinite(standardized):
        return Effect(math.nan, math.nan, math.nan)
    to_t = math.sqrt(left.n) * math.sqrt(right.n) / math.sqrt(left.n + right.n)
    low, high = noncentrality_interval(standardized * to_t, df, level)
    return Effect(_bias_correction(df) * standardized, low / to_t, high / to_t)


def cliffs_delta(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Cliff's delta: how much more often a value of `a` is above one of `b` than below.

    (#(a > b) - #(a < b)) / (n_a n_b) over all pairs. Needs only the order of the values. It has no
    interval here: the usual variance is 0 where all of `a` lies on one side of `b`, which is
    common with three seeds; resample instead.

    Parameters
    ----------
    a, b : array_like, shape (k,)
        Any real numbers; those that are not finite are neither used nor counted.

    Returns
    -------
    float
        In [-1, 1]: 1 where every a is above every b, 0 where neither is above more often. NaN
        where a side is empty.

    Raises
    ------
    UsageError
        `a` or `b` is not a one-dimensional array of real numbers.

    References
    ----------
    Cliff (1993), Dominance statistics: ordinal analyses to answer ordinal questions,
    Psychological Bulletin 114(3).

    Examples
    --------
    >>> cliffs_delta([2, 3, 4], [1, 2])
    0.8333333333333334
    """
    left, right = finite_sample(a, "a"), np.sort(finite_sample(b, "b"))
    if left.size == 0 or right.size == 0:
        return math.nan
    below = int(np.searchsorted(right, left, side="left").sum())
    not_above = int(np.searchsorted(right, left, side="right").sum())
    above = left.size * right.size - not_above
    return (below - above) / (left.size * right.size)


def _bias_correction(df: int) -> float:
    """J(df) of Hedges (1981), equation 6e; in (0, 1) for df >= 2."""
    from scipy.special import poch

    # poch(z, 1/2) = Γ(z + 1/2) / Γ(z), without the cancellation of two logarithms.
    return float(poch((df - 1) / 2.0, 0.5)) / math.sqrt(df / 2.0)
