"""One metric of one run, on one x-axis or on all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.address import Reduction
from dr_gen.model.axis import DEFAULT_X, pick_axis
from dr_gen.model.curve_builder import CurveBuilder, as_x
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.direction import Direction, direction_of
from dr_gen.stats.reductions import reduce_ragged
from dr_gen.stats.smoothing import resample, smooth

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["DEFAULT_X", "REPEATS", "MetricCurve", "MetricCurves", "Repeats", "pick_axis"]

Repeats = Literal["last", "first", "mean", "all"]
REPEATS: tuple[Repeats, ...] = ("last", "first", "mean", "all")
"""What to do with several values at one x: keep the last or the first, average, keep all."""


@attrs.frozen(eq=False, repr=False)
class MetricCurve:
    """One metric of one split of one run on one x-axis: a light view of the group's columns.

    Points come in the order of x. Several values at one x (a resumed run) are resolved by
    `repeats`, and rows that lack this x are left out; everything logged stays in the columns.

    Attributes
    ----------
    table : CurveTable
        The columns.
    curve, axis : int
        Which curve of them, on which of its axes.
    repeats : {"last", "first", "mean", "all"}
        What becomes of several values at one x; ``all`` keeps them, in the order logged.

    Examples
    --------
    >>> c = MetricCurve.from_arrays([1, 0, 1], [0.5, 0.9, 0.4], metric="loss", split="val")
    >>> c.xs.tolist(), c.values.tolist()
    ([0, 1], [0.9, 0.4])
    >>> c.at(1), c.reduce("best")
    (0.4, 0.4)
    """

    table: CurveTable
    curve: int
    axis: int
    repeats: Repeats = "last"

    @classmethod
    def from_arrays(
        cls,
        xs: ArrayLike,
        values: ArrayLike,
        *,
        metric: str = "loss",
        split: str = "train",
        x_name: str = "epoch",
        inferred: bool = False,
        original_name: str | None = None,
    ) -> MetricCurve:
        """A curve on its own.

        Parameters
        ----------
        xs, values : array_like, dims (point,)
            Copied. `xs` are numbers or text, in any order.
        inferred : bool
            Whether `xs` were counted and not logged.

        Raises
        ------
        UsageError
            If they are not one-dimensional, not of equal length, or not numbers.
        """
        builder = CurveBuilder()
        block = builder.add_block({x_name: xs}, (x_name,) if inferred else ())
        builder.add_curve(0, split, metric, values, block, original_name)
        return cls(builder.build(), 0, 0)

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.table.splits[int(self.table.split[self.curve])]

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return self.table.metrics[int(self.table.metric[self.curve])]

    @property
    def x_name(self) -> str:
        """Name of the x-axis."""
        return self.table.x_names[int(self.table.axis_x[self.axis])]

    @property
    def original_name(self) -> str:
        """What the source called the metric."""
        code = int(self.table.original[self.curve])
        return self.table.originals[code] if code >= 0 else self.metric

    @property
    def inferred(self) -> bool:
        """Whether x was counted by the reader and not logged."""
        return bool(self.table.axis_inferred[self.axis])

    @property
    def xs(self) -> NDArray[Any]:
        """X of each point, ascending: int64, float64, or object for text; dims (point,)."""
        return self._points[0]

    @property
    def values(self) -> NDArray[np.float64]:
        """Value of each point, float64, dims (point,)."""
        return self._points[1]

    @property
    def n_rows(self) -> int:
        """How many values were logged, before repeats were resolved."""
        return int(self.table.size[self.curve])

    @property
    def _points(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        xs, values = self.table.axis_values(self.axis), self.table.curve_values(self.curve)
        if self.table.axis_clean[self.axis]:
            return xs, values
        return resolve(xs, values, self.repeats)

    def __len__(self) -> int:
        return len(self.xs)

    @property
    def data(self) -> xr.DataArray:
        """The curve as a new `xarray.DataArray` with x as its dimension coordinate."""
        import xarray as xr

        xs, values = self._points
        attributes = {
            "split": self.split,
            "original_name": self.original_name,
            "x_inferred": self.inferred,
        }
        coords = {self.x_name: xs}
        return xr.DataArray(values, coords, (self.x_name,), name=self.metric, attrs=attributes)

    def at(self, x: Any) -> float:
        """The value at exactly this x.

        Raises
        ------
        UnknownKeyError
            If there is no point at `x`.
        """
        xs, values = self._points
        found = np.flatnonzero(xs == x)
        if len(found) == 0:
            known = tuple(str(known) for known in xs.tolist())
            context = f"{self.split}/{self.metric}"
            raise UnknownKeyError(self.x_name, str(x), known, context)
        return float(values[found[-1]])

    def reduce(self, reduction: str | Reduction, direction: Direction | None = None) -> float:
        """The curve as one number, such as ``best``, ``last``, ``mean:5`` or ``epoch=17``.

        NaN when there is no such number: no finite value, too few points, no point at that x.
        `direction` overrides what `best` looks for.
        """
        how = Reduction.parse(reduction) if isinstance(reduction, str) else reduction
        if how.kind == "at":
            return _value_at(self._on(how.x_name), how.x)
        values, kind = self.values, how.kind
        if kind == "best":
            kind = direction or direction_of(self.metric)
        size = np.array([len(values)], np.int64)
        return float(reduce_ragged(values, np.zeros(1, np.int64), size, kind, how.count)[0])

    def _on(self, x_name: str | None) -> MetricCurve | None:
        if x_name is None or x_name == self.x_name:
            return self
        axis = self.table.axis_named(int(self.table.block[self.curve]), x_name)
        return None if axis is None else attrs.evolve(self, axis=axis)

    def resample(self, xs: ArrayLike) -> MetricCurve:
        """Linear interpolation at other x, NaN outside the curve's own range.

        Raises
        ------
        UsageError
            If x is text, or `repeats` is ``"all"`` and x repeats.
        """
        own_xs, values = self._numeric()
        at = as_x(xs, self.x_name)
        if at.dtype == object:
            raise UsageError(f"x-axis {self.x_name!r} holds numbers; resample at numbers")
        return self._replaced(at, resample(own_xs, values, at.astype(np.float64)))

    def smooth(self, scale: float) -> MetricCurve:
        """Exponential moving average over a distance `scale` in x.

        How often the curve was logged hardly changes the result.

        Raises
        ------
        UsageError
            If `scale` is not positive, x is text, or `repeats` is ``"all"`` and x repeats.
        """
        xs, values = self._numeric()
        return self._replaced(self.xs, smooth(xs, values, scale))

    def _numeric(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        xs, values = self._points
        if xs.dtype == object:
            raise UsageError(f"x-axis {self.x_name!r} holds text; this needs numbers")
        if bool((xs[1:] <= xs[:-1]).any()):
            raise UsageError(f"x-axis {self.x_name!r} repeats; choose repeats='last' or 'mean'")
        return xs.astype(np.float64), values

    def _replaced(self, xs: NDArray[Any], values: NDArray[np.float64]) -> MetricCurve:
        return MetricCurve.from_arrays(
            xs,
            values,
            metric=self.metric,
            split=self.split,
            x_name=self.x_name,
            inferred=self.inferred,
            original_name=self.original_name,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MetricCurve):
            return NotImplemented
        mine, theirs = self._identity(), other._identity()
        return mine == theirs and _same(self.xs, other.xs) and _same(self.values, other.values)

    def _identity(self) -> tuple[Any, ...]:
        names = (self.split, self.metric, self.x_name, self.original_name)
        return (*names, self.inferred, self.repeats)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        xs, values = self._points
        name = f"MetricCurve {self.split}/{self.metric}"
        if len(xs) == 0:
            return f"{name}: no points"
        counted = " (counted)" if self.inferred else ""
        text = f"{name}: {len(xs)} points, {self.x_name} {xs[0]} … {xs[-1]}{counted}"
        finite = values[np.isfinite(values)]
        if len(finite) == 0:
            return f"{text}, no finite value"
        best = self.reduce("best")
        return f"{text}, last {values[-1]:.6g}, best {best:.6g}"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>"

    def __reduce__(self) -> tuple[Any, ...]:
        small = self.table.take(self.table.run[[self.curve]].astype(np.intp))
        curve = small.find(0, self.split, self.metric)
        assert curve is not None
        axis = small.axis_named(int(small.block[curve]), self.x_name)
        return (MetricCurve, (small, curve, axis, self.repeats))


@attrs.frozen(eq=False, repr=False)
class MetricCurves(Mapping[str, MetricCurve]):
    """One metric of one split of one run, on each of its x-axes.

    Examples
    --------
    >>> c = MetricCurve.from_arrays([0, 1], [0.9, 0.4], metric="loss", split="val")
    >>> MetricCurves(c.table, c.curve)
    MetricCurves val/loss on epoch
    """

    table: CurveTable
    curve: int
    repeats: Repeats = "last"

    def __getitem__(self, x_name: str) -> MetricCurve:
        axis = self.table.axis_named(int(self.table.block[self.curve]), x_name)
        if axis is None:
            raise UnknownKeyError("x-axis", x_name, tuple(self), self._name)
        return MetricCurve(self.table, self.curve, axis, self.repeats)

    def __iter__(self) -> Iterator[str]:
        for axis in self.table.axes_of_block(int(self.table.block[self.curve])):
            yield self.table.x_names[self.table.axis_x[axis]]

    def __len__(self) -> int:
        return len(self.table.axes_of_block(int(self.table.block[self.curve])))

    @property
    def _name(self) -> str:
        table = self.table
        split = table.splits[table.split[self.curve]]
        return f"{split}/{table.metrics[table.metric[self.curve]]}"

    @property
    def default(self) -> MetricCurve:
        """The curve on its usual axis (`pick_axis`)."""
        axis = pick_axis(self.table, int(self.table.block[self.curve]))
        return MetricCurve(self.table, self.curve, axis, self.repeats)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MetricCurves):
            return NotImplemented
        return dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"MetricCurves {self._name} on {', '.join(self)}"

    def _repr_html_(self) -> str:
        from html import escape

        items = "".join(f"<li>{escape(repr(curve))}</li>" for curve in self.values())
        return f"<ul>{items}</ul>"

    def __reduce__(self) -> tuple[Any, ...]:
        _, (table, curve, _, repeats) = self.default.__reduce__()
        return (MetricCurves, (table, curve, repeats))


def resolve(
    xs: NDArray[Any], values: NDArray[np.float64], repeats: Repeats
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Points in ascending x, without those that lack x, and repeats resolved.

    Parameters
    ----------
    xs, values : dims (row,)
        In the order logged.
    repeats : {"last", "first", "mean", "all"}

    Returns
    -------
    xs, values : dims (point,)
    """
    rows = resolved_rows(xs, "all" if repeats == "mean" else repeats)
    if repeats != "mean" or len(rows) == 0:
        return xs[rows], values[rows]
    first = _first_of_x(xs[rows])
    counts = np.diff(np.append(first, len(rows)))
    # Both infinities at one x have no mean: NaN, and no warning about it.
    with np.errstate(invalid="ignore", over="ignore"):
        means = np.add.reduceat(values[rows] / np.repeat(counts, counts), first)
    return xs[rows[first]], means


def resolved_rows(xs: NDArray[Any], repeats: Literal["last", "first", "all"]) -> NDArray[np.intp]:
    """The rows that are points, in ascending x: those that have x, and one of each x or all.

    Raises
    ------
    UsageError
        If `repeats` is something else.
    """
    if repeats not in REPEATS:
        raise UsageError(f"repeats must be one of {', '.join(REPEATS)}, not {repeats!r}")
    rows = np.flatnonzero(np.isfinite(xs)) if xs.dtype.kind == "f" else np.arange(len(xs))
    there = xs[rows]
    rising = bool(np.all(there[1:] > there[:-1]))  # as nearly always
    rows = rows if rising else rows[np.argsort(there, kind="stable")]
    if rising or repeats == "all":
        return rows
    first = _first_of_x(xs[rows])
    return rows[first] if repeats == "first" else rows[np.append(first[1:], len(rows)) - 1]


def _first_of_x(xs: NDArray[Any]) -> NDArray[np.intp]:
    """Where in ascending `xs`, one at least, another x begins."""
    return np.flatnonzero(np.append(True, xs[1:] != xs[:-1]))


def _value_at(curve: MetricCurve | None, x: float | None) -> float:
    if curve is None:
        return float("nan")
    found = np.flatnonzero(curve.xs == x)
    return float(curve.values[found[-1]]) if len(found) else float("nan")


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
