"""Numbers as text, with as many digits as they deserve."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

__all__ = ["decimals_for", "number", "p_value", "signed"]

_NONE: Final = "–"
_MOST_DECIMALS: Final = 7
_LARGE: Final = 1e7


def decimals_for(spreads: Iterable[float]) -> int | None:
    """Decimals that show the typical spread with two significant digits.

    None (four significant digits instead) when there is no spread, or it is too small for decimals.

    Examples
    --------
    >>> decimals_for([0.34, 0.21, 5.0]), decimals_for([12.0]), decimals_for([])
    (2, 0, None)
    """
    known = sorted(s for s in spreads if math.isfinite(s) and s > 0)
    if not known:
        return None
    middle = known[(len(known) - 1) // 2]
    found = max(0, 1 - math.floor(math.log10(middle)))
    return found if found <= _MOST_DECIMALS else None


def number(value: float, decimals: int | None = None) -> str:
    """A value with fixed decimals, or with four significant digits; ``–`` for NaN.

    Examples
    --------
    >>> number(96.2134, 2), number(-0.5, 1), number(1234567.0), number(float("nan"))
    ('96.21', '−0.5', '1.235e+06', '–')
    """
    if not math.isfinite(value):
        return _NONE if math.isnan(value) else str(value).replace("-", "−").replace("inf", "∞")
    fixed = decimals is not None and abs(value) < _LARGE
    text = f"{value:.{decimals}f}" if fixed else f"{value:.4g}"
    # A rounded zero has no sign.
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−", 1)


def signed(value: float, decimals: int | None = None) -> str:
    """Like `number`, with a plus sign.

    Examples
    --------
    >>> signed(0.5, 1), signed(-0.5, 1)
    ('+0.5', '−0.5')
    """
    text = number(value, decimals)
    return f"+{text}" if value > 0 and math.isfinite(value) and float(text) != 0 else text


def p_value(p: float) -> str:
    """A p-value with three decimals, never a bare zero.

    Examples
    --------
    >>> p_value(0.04123), p_value(1e-9), p_value(0.99996), p_value(float("nan"))
    ('0.041', '< 0.001', '1.000', '–')
    """
    if math.isnan(p):
        return _NONE
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"
