"""The interval for the noncentrality of an observed t.

Noncentral t is T = (Z + δ) / U, with Z standard normal, U = sqrt(χ²/df) and δ the noncentrality.
Its distribution function is integrated here: `scipy.special.nctdtr` becomes slow, then NaN, for
the large t that a few nearly equal seeds give, and `scipy.stats` takes 0.7 s to import.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from dr_gen.stats.arguments import FloatArray

__all__ = ["noncentrality_interval"]

# Gauss–Legendre nodes: the integrands below vary over no less than 1/18 of their range.
_NODES = 100

# Nothing beyond: the normal tail at 9 is 1e-19, the same is cut off U on either side.
_FARTHEST_Z = 9.0
_FARTHEST_U = 1e-19

# The distribution function is good to some 1e-14.
_SMALLEST_TAIL = 1e-10

_TOLERANCE = 1e-12


def noncentrality_interval(t: float, df: float, level: float) -> tuple[float, float]:
    """Exact central interval for the noncentrality, given one value of noncentral t.

    Parameters
    ----------
    t : float
        Observed value, finite.
    df : float
        Degrees of freedom, >= 2.
    level : float
        Probability that the interval covers the noncentrality, in (0, 1).

    Returns
    -------
    tuple of float
        (low, high): the noncentralities under which P(T >= t), and P(T <= t), are
        (1 - level) / 2. NaN for a level within 2e-10 of 1, whose tails drown in rounding.

    References
    ----------
    Steiger, Fouladi (1997), Noncentrality interval estimation and the evaluation of statistical
    models, in: What if there were no significance tests?

    Examples
    --------
    >>> [round(bound, 5) for bound in noncentrality_interval(0.0, 4, 0.95)]
    [-1.95996, 1.95996]
    """
    from scipy.special import gammaincinv, ndtri

    if t < 0.0:
        low, high = noncentrality_interval(-t, df, level)
        return -high, -low
    tail = (1.0 - level) / 2.0
    if tail < _SMALLEST_TAIL:
        return math.nan, math.nan
    below = _distribution(t, df)

    def bound(above: float) -> float:
        # A guess: the quantiles of t·U and of Z, each seen from its middle, added as squares.
        from_u = t * (math.sqrt(2.0 * float(gammaincinv(df / 2.0, above)) / df) - 1.0)
        from_z = float(ndtri(above))
        guess = t + math.copysign(math.hypot(from_u, from_z), from_u + from_z)
        return _root(lambda noncentrality: below(noncentrality) - (1.0 - above), guess)

    return bound(tail), bound(1.0 - tail)


def _distribution(t: float, df: float) -> Callable[[float], float]:
    """P(T <= t) as a function of the noncentrality, for t >= 0.

    T <= t where Z + δ <= t·U. Of Z and t·U the wider is taken as given and integrated over: the
    probability that is left then varies slowly.
    """
    from scipy.special import gammaincc, gammainccinv, gammaincinv, ndtr

    nodes, weights = _gauss_legendre()
    half = df / 2.0
    if t * t < 2.0 * df:
        low = math.sqrt(float(gammaincinv(half, _FARTHEST_U)) / half)
        high = math.sqrt(float(gammainccinv(half, _FARTHEST_U)) / half)
        u = low + (high - low) * nodes
        density = weights * np.exp((df - 1.0) * np.log(u) - half * (u * u - 1.0))
        density /= density.sum()
        return lambda noncentrality: float(density @ ndtr(t * u - noncentrality))

    def below(noncentrality: float) -> float:
        # U is positive: for Z below -δ the whole of U is above, the rest is smooth.
        start = min(max(-noncentrality, -_FARTHEST_Z), _FARTHEST_Z)
        z = start + (_FARTHEST_Z - start) * nodes
        density = np.exp(-0.5 * z * z) * (weights * (_FARTHEST_Z - start))
        above = gammaincc(half, half * ((z + noncentrality) / t) ** 2)
        return float(ndtr(start)) + float(density @ above) / math.sqrt(2.0 * math.pi)

    return below


@cache
def _gauss_legendre() -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1.0) / 2.0, weights / 2.0


def _root(excess: Callable[[float], float], guess: float) -> float:
    """Zero of a decreasing function near `guess`, by false position (Illinois)."""
    low, at_low, high, at_high = _bracket(excess, guess)
    moved_low: bool | None = None
    while True:
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        width = high - low
        if width <= _TOLERANCE * max(1.0, abs(middle)) or not low < middle < high:
            return middle
        found = excess(middle)
        # Illinois: an end that stays for a second time counts half, so that it moves at last.
        if found > 0.0:
            at_high *= 0.5 if moved_low else 1.0
            low, at_low, moved_low = middle, found, True
        elif found < 0.0:
            at_low *= 0.5 if moved_low is False else 1.0
            high, at_high, moved_low = middle, found, False
        else:
            return middle


def _bracket(excess: Callable[[float], float], guess: float) -> tuple[float, float, float, float]:
    """(low, excess(low), high, excess(high)) about `guess`, with excess(low) > 0 > excess(high)."""
    step = 0.1 + 1e-6 * abs(guess)
    low, high = guess - step, guess + step
    at_low, at_high = excess(low), excess(high)
    while at_low <= 0.0 or at_high >= 0.0:
        step *= 2.0
        if at_low <= 0.0:
            low, at_low, high, at_high = low - step, excess(low - step), low, at_low
        else:
            low, at_low, high, at_high = high, at_high, high + step, excess(high + step)
    return low, at_low, high, at_high
