"""Student's t distribution: the one quantile and the one tail that the tests here need."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dr_gen.stats.arguments import FloatArray

__all__ = ["t_critical", "t_two_sided_p"]


def t_critical(df: npt.ArrayLike, level: float) -> FloatArray:
    r"""Half width of the central interval that holds `level` of Student's t.

    Parameters
    ----------
    df : array_like
        Degrees of freedom, any shape, > 0; need not be whole.
    level : float
        Probability inside the interval, in (0, 1).

    Returns
    -------
    ndarray of float64, shape of `df`
        t such that P(\|T\| <= t) = level; NaN where `df` is not positive.

    Examples
    --------
    >>> round(float(t_critical(4, 0.95)), 4)
    2.7764
    """
    from scipy.special import stdtrit

    # From the lower tail: (1 - level) / 2 keeps the digits that 1 - (1 - level) / 2 rounds away.
    return np.asarray(-stdtrit(np.asarray(df, dtype=np.float64), (1.0 - level) / 2.0))


def t_two_sided_p(statistic: npt.ArrayLike, df: npt.ArrayLike) -> FloatArray:
    """Probability that Student's t is at least as far from 0 as `statistic`.

    Parameters
    ----------
    statistic : array_like
        Observed t, any shape.
    df : array_like
        Degrees of freedom, > 0; need not be whole.

    Returns
    -------
    ndarray of float64
        In [0, 1]; NaN where an argument is.

    Examples
    --------
    >>> round(float(t_two_sided_p(-2.7764451, 4)), 6)
    0.05
    """
    from scipy.special import stdtr

    far = -np.abs(np.asarray(statistic, np.float64))
    return np.asarray(2.0 * stdtr(np.asarray(df, np.float64), far), np.float64)
