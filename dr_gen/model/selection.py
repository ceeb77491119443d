"""Which runs a criterion selects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dr_gen.model.hpm import MISSING, canonical
from dr_gen.model.labels import Labels

__all__ = ["matches", "meant", "plain"]


def plain(wanted: Any) -> Any:
    """A criterion without numpy: arrays and ranges as lists, scalars as plain numbers."""
    if isinstance(wanted, np.ndarray | np.generic):
        return wanted.tolist()
    if isinstance(wanted, range | set | frozenset):
        return [plain(item) for item in wanted]
    if isinstance(wanted, list | tuple):
        return type(wanted)(map(plain, wanted))
    return wanted


def meant(wanted: Any, key: str, known: Sequence[Any], labels: Labels) -> Any:
    """A criterion with display values replaced by all values that they stand for."""
    if isinstance(wanted, list):
        return [value for item in wanted for value in _meanings(item, key, known, labels)]
    if callable(wanted) or isinstance(wanted, tuple):
        return wanted
    return _meanings(wanted, key, known, labels)


def _meanings(shown: Any, key: str, known: Sequence[Any], labels: Labels) -> list[Any]:
    value = labels.real_value(key, shown, known)
    if not isinstance(shown, str) or any(canonical(shown) == canonical(v) for v in known):
        return [value]
    text = labels.value(key, value)
    return [value, *(v for v in known if v is not value and labels.value(key, v) == text)]


def matches(value: Any, wanted: Any) -> bool:
    """Whether a value fits a criterion.

    A callable is a predicate, a list means any of, a 2-tuple is an inclusive range,
    None matches null, anything else compares by value. A key that a run lacks fits nothing,
    and nothing raises for values of another kind.

    Examples
    --------
    >>> matches(0.1, (0.01, 0.5)), matches(1, [1.0, 2]), matches(None, None), matches("a", (0, 1))
    (True, True, True, False)
    """
    if value is MISSING:
        return False
    if callable(wanted):
        predicate: Callable[[Any], Any] = wanted
        return bool(predicate(value))
    if isinstance(wanted, list):
        return any(canonical(value) == canonical(item) for item in wanted)
    if isinstance(wanted, tuple) and len(wanted) == 2:
        return _between(value, *wanted)
    return canonical(value) == canonical(wanted)


def _between(value: Any, low: Any, high: Any) -> bool:
    numbers = [isinstance(v, int | float) and not isinstance(v, bool) for v in (value, low, high)]
    texts = [isinstance(v, str) for v in (value, low, high)]
    if not (all(numbers) or all(texts)):
        return False
    if all(numbers) and math.isnan(value):
        return False
    return bool(low <= value <= high)
