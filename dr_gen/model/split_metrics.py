"""The metrics of one split of one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from dr_gen.errors import UnknownKeyError
from dr_gen.model.curve import MetricCurves
from dr_gen.model.curve_table import CurveTable

__all__ = ["SplitMetrics"]


@attrs.frozen(eq=False, repr=False)
class SplitMetrics(Mapping[str, MetricCurves]):
    """The metrics of one split of one run: metric name to `MetricCurves`."""

    table: CurveTable
    run: int
    split: str

    def __getitem__(self, metric: str) -> MetricCurves:
        curve = self.table.find(self.run, self.split, metric)
        if curve is None:
            raise UnknownKeyError("metric", metric, tuple(self), f"split {self.split!r}")
        return MetricCurves(self.table, curve)

    def __iter__(self) -> Iterator[str]:
        table = self.table
        for curve in table.curves_of_run(self.run).tolist():
            if table.splits[table.split[curve]] == self.split:
                yield table.metrics[table.metric[curve]]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SplitMetrics):
            return NotImplemented
        return dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SplitMetrics {self.split}: {', '.join(self)}"

    def __reduce__(self) -> tuple[Any, ...]:
        small = self.table.take(np.array([self.run], np.intp))
        return (SplitMetrics, (small, 0, self.split))
