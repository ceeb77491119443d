"""What one value of a log is: a number, or something that stands for one, or none."""

from __future__ import annotations

import math
import re
from typing import Any, Final

__all__ = ["MAX_LIST", "Cell", "duration", "read_number"]

MAX_LIST: Final = 16
"""Lists of up to so many numbers are taken apart into one metric an item."""

Cell = tuple[str, float | int]
"""Kind and number: ``number``, ``text`` (a number written as text), ``duration`` (a text too),
``bool``, or the kinds without a number: ``null``, ``words``, ``list``, ``large``."""

_DURATION: Final = re.compile(
    r"(?:(?P<days>\d+) days?, )?(?P<h>\d+):(?P<m>[0-5]\d):(?P<s>[0-5]\d(?:\.\d+)?)"
)
_NUMBER: Final = re.compile(
    r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf(?:inity)?)", re.IGNORECASE
)
_NAN: Final = math.nan


def duration(text: str) -> float | None:
    """Seconds of a time that is written out, or None.

    Examples
    --------
    >>> duration("0:00:25"), duration("1 day, 2:03:04"), duration("soon")
    (25.0, 93784.0, None)
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    hours = int(match["h"]) + 24 * int(match["days"] or 0)
    return hours * 3600.0 + int(match["m"]) * 60 + float(match["s"])


def read_number(value: Any) -> Cell:
    """Kind and number of a value; the number is NaN for the kinds that have none.

    Examples
    --------
    >>> read_number(3), read_number("1e-3"), read_number("0:01:40"), read_number(True)
    (('number', 3), ('text', 0.001), ('duration', 100.0), ('bool', 1))
    >>> read_number("adam")[0], read_number(None)[0], read_number(10**400)[0]
    ('words', 'null', 'large')
    """
    if isinstance(value, float):
        return "number", value
    if isinstance(value, bool):
        return "bool", int(value)
    if isinstance(value, int):
        return _int(value)
    if value is None:
        return "null", _NAN
    if isinstance(value, str):
        return _text(value.strip())
    return "list", _NAN


def _int(value: int) -> Cell:
    try:
        float(value)
    except OverflowError:
        return "large", _NAN
    return "number", value


def _text(text: str) -> Cell:
    if _NUMBER.fullmatch(text):
        if text.lstrip("+-").isdecimal() and len(text) < 300:
            return "text", int(text)
        number = float(text)
        too_large = math.isinf(number) and "n" not in text.casefold()
        return ("large", _NAN) if too_large else ("text", number)
    seconds = duration(text)
    return ("words", _NAN) if seconds is None else ("duration", seconds)
