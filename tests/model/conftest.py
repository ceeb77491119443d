"""What the tests of the model compute by themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from dr_gen.model.run import RunData

Rows = list[tuple[Any, float]]


def _logged(run: RunData, split: str, metric: str) -> dict[str, Rows]:
    table = run.table.curves
    curve = table.find(run.index, split, metric)
    if curve is None:
        return {}
    values = table.curve_values(curve).tolist()
    return {
        table.x_names[table.axis_x[axis]]: list(
            zip(table.axis_values(axis).tolist(), values, strict=True)
        )
        for axis in table.axes_of_block(int(table.block[curve]))
    }


def _resolved(rows: Rows, repeats: str = "last") -> Rows:
    by_x: dict[Any, list[float]] = {}
    for x, value in rows:
        if not (isinstance(x, float) and not math.isfinite(x)):
            by_x.setdefault(x, []).append(value)
    if repeats == "all":
        return [(x, value) for x in sorted(by_x) for value in by_x[x]]
    pick: dict[str, Callable[[list[float]], float]] = {
        "last": lambda values: values[-1],
        "first": lambda values: values[0],
        "mean": lambda values: sum(v / len(values) for v in values),
    }
    return [(x, pick[repeats](by_x[x])) for x in sorted(by_x)]


@pytest.fixture(scope="session")
def logged() -> Callable[[RunData, str, str], dict[str, Rows]]:
    """The rows of a metric of a run, by x-axis, in the order logged."""
    return _logged


@pytest.fixture(scope="session")
def resolved() -> Callable[..., Rows]:
    """Rows in the order of x, repeats resolved, by plain Python."""
    return _resolved
