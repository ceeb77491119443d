"""Smoothing and resampling of one curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UsageError

__all__ = ["resample", "smooth"]

Floats = NDArray[np.float64]


def resample(xs: Floats, values: Floats, at: Floats) -> Floats:
    """Linear interpolation of a curve at other points, inside its own range only.

    Parameters
    ----------
    xs, values : float64, dims (point,)
        `xs` strictly increasing. Points whose value is not finite are not interpolated across:
        the segments beside them give NaN.
    at : float64, dims (new point,)

    Returns
    -------
    float64, dims (new point,)
        NaN outside ``[xs[0], xs[-1]]``.

    Examples
    --------
    >>> resample(np.array([0.0, 2.0]), np.array([1.0, 3.0]), np.array([1.0, 2.0, 5.0])).tolist()
    [2.0, 3.0, nan]
    """
    if len(xs) == 0:
        return np.full(len(at), np.nan)
    at = np.where(np.isfinite(at), at, np.nan)
    known = np.where(np.isfinite(values), values, np.nan)
    left = np.clip(np.searchsorted(xs, at, side="right") - 1, 0, len(xs) - 1)
    right = np.minimum(left + 1, len(xs) - 1)
    width = xs[right] - xs[left]
    part = np.divide(at - xs[left], width, out=np.zeros(len(at)), where=width > 0)
    # A point of the curve itself is taken as it is, even beside a gap.
    out = np.where(part == 0, known[left], known[left] + part * (known[right] - known[left]))
    return np.where((at >= xs[0]) & (at <= xs[-1]), out, np.nan)


def smooth(xs: Floats, values: Floats, scale: float) -> Floats:
    """Exponential moving average whose memory is a distance in x.

    A point at distance d before the present one weighs ``exp(-d / scale)``, and each point also
    weighs the stretch of x it stands for, so that logging twice as often changes the result
    little. Non-finite values are passed over and stay NaN.

    Parameters
    ----------
    xs, values : float64, dims (point,)
        `xs` strictly increasing.
    scale : float
        Distance in the unit of x after which a point weighs 1/e; greater than 0.

    Returns
    -------
    float64, dims (point,)

    Raises
    ------
    UsageError
        If `scale` is not positive.

    Examples
    --------
    >>> smooth(np.arange(4.0), np.full(4, 2.0), scale=1.5).tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    if not (isinstance(scale, int | float | np.number) and 0 < scale < np.inf):
        raise UsageError(f"scale must be a finite number greater than 0, not {scale!r}")
    out = np.full(len(values), np.nan)
    keep = np.flatnonzero(np.isfinite(values))
    total = weight = 0.0
    previous: float | None = None
    for i in keep.tolist():
        step = (
            (xs[keep[1]] - xs[keep[0]] if len(keep) > 1 else scale)
            if previous is None
            else (xs[i] - previous)
        )
        own = -np.expm1(-step / scale)
        decay = 0.0 if previous is None else np.exp(-step / scale)
        total = decay * total + own * values[i]
        weight = decay * weight + own
        out[i] = total / weight
        previous = xs[i]
    return out
