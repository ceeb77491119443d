"""From what callers write to criteria: one language for every verb that selects.

* ``lr=0.1``: the value; texts also as they are displayed
* ``lr=[0.1, 0.2]``, a set, an array: any of them; an empty list fits nothing
* ``lr=(0.01, 0.1)``: from the one to the other, both included; None leaves an end open
* ``lr=lambda lr: lr > 0.05``: what passes a test of one's own
* ``weights=None``: null, which is not the same as to lack the key
* ``status="!failed"``: any other status
* ``("val/acc1@best", (0.8, 1.0))``: a key that is no Python name, such as a metric address
* ``lambda run: run.n_points > 10``: a test of the whole item
* ``[True, False, …]``: a mask, also of numpy, polars or xarray
* ``"optim.lr >= 0.01 and model.weights = DEFAULT"``: text, see `dr_gen.model.grammar`
* ``ge("optim.lr", "optim.min_lr")``: one of `dr_gen.model.comparing`; a text names a key or a value
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from dr_gen.errors import UsageError
from dr_gen.model import picking
from dr_gen.model.conditions import (
    AnyOf,
    Between,
    Condition,
    Equal,
    Satisfies,
)
from dr_gen.model.criteria import Criterion, Fits, Marked, Where
from dr_gen.model.grammar import parse

__all__ = ["Selector", "criteria", "plain"]

Selector: TypeAlias = Criterion | str | tuple[str, Any] | Callable[[Any], Any] | Iterable[Any]
"""What stands for a criterion without a keyword."""


def criteria(written: Iterable[Selector], by_key: dict[str, Any]) -> list[Criterion]:
    """One criterion for each thing written.

    Raises
    ------
    UsageError
        If one of them is nothing that selects.
    CriterionError
        If a text does not follow the grammar.
    """
    found = [_criterion(item) for item in written]
    return found + [Where(key, _condition(wanted)) for key, wanted in by_key.items()]


def _criterion(written: Any) -> Criterion:
    if isinstance(written, Criterion):
        return written
    if isinstance(written, str):
        return parse(written)
    if callable(written):
        return Fits(written)
    if isinstance(written, tuple) and len(written) == 2 and isinstance(written[0], str):
        return Where(written[0], _condition(written[1]))
    if isinstance(written, Iterable) and not isinstance(written, dict):
        # Read once: a generator has nothing left the second time.
        mask = picking.plain_mask(written)
        return Marked(lambda items: picking.fitted(mask, len(items), getattr(items, "ids", ())))
    raise UsageError(
        f"a criterion is a text, (key, value), a callable, a mask, or key=value; found {written!r}"
    )


def _condition(wanted: Any) -> Condition:
    if isinstance(wanted, Condition):
        return wanted
    if callable(wanted):
        return Satisfies(wanted)
    wanted = plain(wanted)
    if isinstance(wanted, tuple):
        return Between(*wanted) if len(wanted) == 2 else Equal(list(wanted))
    return AnyOf(tuple(wanted)) if isinstance(wanted, list) else Equal(wanted)


def plain(wanted: Any) -> Any:
    """Without numpy: what can be any of several things as a list, scalars as plain numbers."""
    if isinstance(wanted, np.ndarray | np.generic):
        return wanted.tolist()
    if hasattr(wanted, "__array__") and hasattr(wanted, "dims"):
        # xarray, whose items are arrays again.
        return np.asarray(wanted).tolist()
    if isinstance(wanted, tuple | list):
        return type(wanted)([plain(item) for item in wanted])
    if isinstance(wanted, dict | str) or not isinstance(wanted, Iterable):
        return wanted
    # Sets, ranges, generators, series of polars and of pandas, arrays of xarray.
    return [plain(item) for item in wanted]
