"""From rows of a log to the columns of a run.

A row is one moment of one or more splits: metric values, and x values that hold for all of them or
for one split. Metrics of a split that were logged in the same rows share one block. Where the
logged x cannot tell the rows apart, a counted axis is added beside it, marked as inferred, so that
no point is out of reach.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_builder import CurveBuilder
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Finding, Severity, line_ranges

__all__ = ["CurveRows", "free_address"]

Rows = NDArray[np.intp]
_UNNAMED: Final = "unnamed"
_INT64: Final = 2**63
_MANY: Final = 3


_Cells = dict[int, float | int] | tuple[Rows, NDArray[Any]]
"""X by row: of rows that came one by one, or all together."""


@attrs.frozen(eq=False)
class _Axis:
    """One x-axis over all rows of a log; NaN or 0 where `known` is false."""

    values: NDArray[Any]
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, cells: _Cells, n_rows: int) -> _Axis:
        if isinstance(cells, tuple):
            rows, xs = cells
            if len(rows) == n_rows:  # ascending, and so all of them
                return cls(xs, np.ones(n_rows, np.bool_))
            values = np.zeros(n_rows, np.int64) if xs.dtype == np.int64 else np.full(n_rows, np.nan)
            known = np.zeros(n_rows, np.bool_)
            values[rows], known[rows] = xs, True
            return cls(values, known)
        exact = all(type(v) is int and -_INT64 <= v < _INT64 for v in cells.values())
        values = np.zeros(n_rows, np.int64) if exact else np.full(n_rows, np.nan)
        known = np.zeros(n_rows, np.bool_)
        where = np.fromiter(cells, np.intp, len(cells))
        values[where] = np.array(list(cells.values()), values.dtype)
        known[where] = True
        return cls(values, known)

    def at(self, rows: Rows) -> NDArray[Any]:
        """The x of `rows`: int64 where all are there and whole, else float64 with NaN."""
        if len(rows) == len(self.values) and self.known.all():
            return self.values
        known = self.known[rows]
        if known.all():
            return self.values[rows]
        return np.where(known, self.values[rows].astype(np.float64), np.nan)

    def override(self, other: _Axis) -> _Axis:
        """The values of `other` where it has some, these elsewhere."""
        values = np.where(other.known, other.values, self.values)
        return _Axis(values, self.known | other.known)


@attrs.define
class _Series:
    """One metric: row numbers and values, and what the source called it."""

    rows: list[int] | Rows = attrs.field(factory=list)
    values: list[float] | NDArray[Any] = attrs.field(factory=list)
    original: str | None = None


class CurveRows:
    """Collects rows, then makes the curves of a run of them.

    Parameters
    ----------
    path : Path
        The file, for findings.
    run : str
        Id of the run, for findings.
    counted : str
        Name of an axis that has to be counted.
    always : bool
        Whether an axis `counted` is wanted even where other counters were logged.

    Attributes
    ----------
    findings : list of Finding
        Complete after `build`.
    times : set of str
        Axes that hold seconds: they order rows, but do not tell repeats apart.

    Examples
    --------
    >>> rows = CurveRows(Path("a.jsonl"), "a", "step")
    >>> row = rows.add_row(1)
    >>> rows.add(row, "val", "acc1", 50.0)
    >>> rows.add_x(row, "epoch", 3)
    >>> table = rows.build()
    >>> table.x_names, table.values.tolist()
    (('epoch',), [50.0])
    """

    def __init__(self, path: Path, run: str, counted: str, *, always: bool = False) -> None:
        self.findings: list[Finding] = []
        self.times = {"time", "timestamp"}
        self.inferred: dict[str, str] = {}
        self._path, self._run = str(path), run
        self._counted, self._always = counted, always
        self._lines: Sequence[int] = []
        self._splits: dict[str, set[int]] = {}
        self._many: dict[str, list[Rows]] = {}
        self._series: dict[tuple[str, str], _Series] = {}
        self._xs: dict[str, dict[str | None, _Cells]] = {}
        self._axes: dict[tuple[str, str | None], _Axis] = {}
        self._notes: dict[tuple[str, str], set[int]] = {}

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits as they were logged."""
        return tuple(self._splits)

    def add_row(self, line: int) -> int:
        """A new row, logged in `line` of the file; gives its number."""
        if not isinstance(self._lines, list):
            self._lines = list(self._lines)
        self._lines.append(line)
        return len(self._lines) - 1

    def add_rows(self, lines: Sequence[int]) -> None:
        """New rows, logged in `lines` of the file."""
        self._lines = [*self._lines, *lines] if len(self._lines) else lines

    def in_split(self, row: int, split: str) -> None:
        """Count `row` among those of `split`, even if it brings no value."""
        self._splits.setdefault(split, set()).add(row)

    def add(
        self, row: int, split: str, metric: str, value: float, original: str | None = None
    ) -> None:
        """One value; rows of one metric come in ascending order."""
        self.in_split(row, split)
        series = self._series.get((split, metric))
        if series is None:
            series = self._series[split, metric] = _Series(original=original)
        if isinstance(series.rows, np.ndarray) or isinstance(series.values, np.ndarray):
            series.rows, series.values = list(series.rows), list(series.values)
        series.rows.append(row)
        series.values.append(value)

    def add_many(
        self, rows: Rows, split: str, metric: str, values: NDArray[Any], original: str
    ) -> None:
        """All values of a metric, which no other has been added to; rows ascending."""
        self._splits.setdefault(split, set())
        self._many.setdefault(split, []).append(rows)
        self._series[split, metric] = _Series(rows, values, original)

    def has(self, split: str, metric: str) -> bool:
        """Whether a metric has values already."""
        return (split, metric) in self._series

    def add_xs(self, rows: Rows, name: str, values: NDArray[Any], split: str | None = None) -> None:
        """Where all rows that have it are on the axis `name`, for one split or all."""
        self._xs.setdefault(name, {})[split] = (rows, values)

    def add_x(self, row: int, name: str, value: float, split: str | None = None) -> None:
        """Where a row is on the axis `name`, for one split or all."""
        cells = self._xs.setdefault(name, {}).setdefault(split, {})
        if isinstance(cells, tuple):
            rows, xs = cells
            cells = self._xs[name][split] = dict(zip(rows.tolist(), xs.tolist(), strict=True))
        cells[row] = value

    # ------------------------------------------------------------------ build

    def build(self, like: CurveTable | None = None) -> CurveTable:
        """The curves of all that was added (see `CurveBuilder`); then `findings` are complete."""
        builder = CurveBuilder(copy=False, like=like)
        taken: set[str] = set()
        for split, members_of_split in self._splits.items():
            one_by_one = np.array(sorted(members_of_split), np.intp)
            rows = _union([one_by_one, *self._many.get(split, [])])
            for mine, members in self._blocks(split):
                axes, inferred = self._block(split, rows, mine)
                block = builder.add_block(axes, inferred)
                for metric, series in members:
                    to, name = free_address(split, metric, taken)
                    original = metric if series.original is None else series.original
                    builder.add_curve(0, to, name, series.values, block, original)
        self._write_notes()
        return builder.build()

    def _blocks(self, split: str) -> list[tuple[Rows, list[tuple[str, _Series]]]]:
        """The metrics of a split by the rows that they were logged in."""
        blocks: dict[bytes, tuple[Rows, list[tuple[str, _Series]]]] = {}
        keys: dict[int, bytes] = {}  # most share one array
        for (owner, metric), series in self._series.items():
            if owner == split:
                rows = np.asarray(series.rows, np.intp)
                key = keys.get(id(series.rows)) or rows.tobytes()
                keys[id(series.rows)] = key
                blocks.setdefault(key, (rows, []))[1].append((metric, series))
        return list(blocks.values())

    def _block(
        self, split: str, split_rows: Rows, rows: Rows
    ) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
        """The axes of `rows`, and which of them were counted."""
        axes = {name: self._axis(name, split).at(rows) for name in self._xs}
        axes = {name: xs for name, xs in axes.items() if not _missing(xs).all()}
        for name, xs in axes.items():
            if (lacking := _missing(xs)).any():
                self._remember("partial-x", split, name, rows[lacking])
        counters = [xs for name, xs in axes.items() if name not in self.times]
        wanted = self._always and self._counted not in axes
        if not wanted and any(map(_tells_apart, counters)):
            return axes, ()
        position = np.searchsorted(split_rows, rows).astype(np.int64)
        count = self._count(split, rows, position, counters)
        if count is None and not wanted:
            return axes, ()
        free = [name for name in (self._counted, "step", "row", "rows") if name not in axes]
        if not counters or wanted:
            self._remember("x-inferred", split, free[0], rows)
        counted = position if wanted or count is None else count
        return {**axes, free[0]: counted}, (free[0],)

    def _count(
        self, split: str, rows: Rows, position: NDArray[np.int64], counters: list[NDArray[Any]]
    ) -> NDArray[np.int64] | None:
        """Counted x of a block whose counters do not tell its rows apart, else None."""
        if not counters:
            return position
        if any(_tells_apart(xs) for xs in counters):
            return None
        placed = ~np.all([_missing(xs) for xs in counters], axis=0)
        codes = [_codes(xs[placed]) for xs in counters]
        together = _together(codes)
        n, distinct = len(together), int(together.max(initial=-1)) + 1
        same = distinct == 1 and n > 1
        if same and (n >= _MANY or not any(np.nan_to_num(xs[placed]).any() for xs in counters)):
            self._remember("x-constant", split, "", rows)
            return position
        if distinct < n:
            again = np.ones(n, np.bool_)
            again[np.unique(together, return_index=True)[1]] = False
            closing = not again[:-1].any() and n > 2 and together[-1] == together[-2]
            self._remember(
                "closing-row" if closing else "repeated-x", split, "", rows[placed][again]
            )
        if not any(not _missing(xs).any() for xs in counters):
            return position
        if all(int(code.max(initial=-1)) + 1 < distinct for code in codes):
            self._remember("x-ambiguous", split, "", rows)
            # A repeated row gets the number of the one it repeats, so that the last value counts.
            return together
        return None

    def _axis(self, name: str, split: str) -> _Axis:
        held = self._xs[name]
        # One for all splits that have none of their own.
        key = (name, split if split in held else None)
        if key not in self._axes:
            owners = [owner for owner in (None, split) if owner in held]
            axes = [
                _Axis.of(held[owner] if owners else {}, len(self)) for owner in owners or [None]
            ]
            self._axes[key] = axes[0] if len(axes) == 1 else axes[0].override(axes[1])
        return self._axes[key]

    # ------------------------------------------------------------------ findings

    def _remember(self, code: str, split: str, name: str, rows: Iterable[Any]) -> None:
        key = (code, f"{split}: {name}" if name else split)
        self._notes.setdefault(key, set()).update(int(row) for row in rows)
        if code == "x-inferred":
            self.inferred[split] = name

    def _write_notes(self) -> None:
        for (code, subject), rows in self._notes.items():
            lines = sorted({self._lines[row] for row in rows})
            severity, text, hint = _NOTES[code]
            split, _, name = subject.partition(": ")
            repeated = code in ("repeated-x", "closing-row")
            where = self._span(split, sorted(rows)) if repeated else ""
            places = f"{len(rows)} rows (lines {line_ranges(lines)})" if len(rows) > 1 else "1 row"
            message = f"{split}: {text.format(rows=places, name=name, where=where)}"
            self.findings.append(
                Finding(code, message, severity, self._path, lines[0], self._run, hint)
            )

    def _span(self, split: str, rows: Sequence[int]) -> str:
        """The range of x that repeats, on each counter."""
        spans = []
        for name in self._xs:
            xs = self._axis(name, split).at(np.array(rows))
            xs = xs[~_missing(xs)]
            if name not in self.times and len(xs):
                ends = (xs.min().item(), xs.max().item())
                # A whole number as one, whatever other x it was read with.
                low, high = (int(x) if float(x).is_integer() else x for x in ends)
                spans.append(f"{name} {low}" + (f"–{high}" if high > low else ""))
        return ", ".join(spans)


_NOTES: Final = {
    "x-inferred": (Severity.INFO, "no {name} was logged; it is counted from 0", ""),
    "x-ambiguous": (
        Severity.INFO,
        "no logged x alone tells the rows apart; they are counted as well",
        "",
    ),
    "x-constant": (
        Severity.INFO,
        "the logged x is the same in all {rows}; they are counted as well",
        "the order of the lines is the only order there is",
    ),
    "partial-x": (Severity.INFO, "{rows} without {name}", "their values are on the other axes"),
    "closing-row": (
        Severity.INFO,
        "{where} logged once more at the end",
        "the last value counts (repeats=)",
    ),
    "repeated-x": (
        Severity.WARNING,
        "{where} logged again in {rows}",
        "a resumed run? the last value counts (repeats=)",
    ),
}


def _missing(xs: NDArray[Any]) -> NDArray[np.bool_]:
    return np.isnan(xs) if xs.dtype.kind == "f" else np.zeros(len(xs), np.bool_)


def _tells_apart(xs: NDArray[Any]) -> bool:
    """Whether x is everywhere, and strictly increases."""
    return not _missing(xs).any() and bool((xs[1:] > xs[:-1]).all())


def _union(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, each ascending, once."""
    held = [part for part in parts if len(part)]
    if held and all(part is held[0] or np.array_equal(part, held[0]) for part in held):
        return held[0]
    return np.unique(np.concatenate([np.empty(0, np.intp), *held]))


def _codes(xs: NDArray[Any]) -> NDArray[np.int64]:
    return np.unique(xs, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _together(codes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One number for each combination of codes, in order of first appearance."""
    joined = codes[0]
    for code in codes[1:]:
        joined = _codes(joined * (int(code.max(initial=0)) + 1) + code)
    _, first, inverse = np.unique(joined, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    ranked: NDArray[np.int64] = rank[inverse.reshape(-1)]
    return ranked


def free_address(split: str, metric: str, taken: set[str]) -> tuple[str, str]:
    """Split and metric under names that an address can hold, each once.

    Examples
    --------
    >>> taken: set[str] = set()
    >>> free_address("val/easy", "loss", taken), free_address("val", "easy/loss", taken)
    (('val', 'easy/loss'), ('val', 'easy/loss_2'))
    """
    # The first slash of an address ends the split; what follows belongs to the metric.
    split, _, rest = split.strip().strip("/").partition("/")
    metric = (f"{rest}/{metric}" if rest else metric).strip() or _UNNAMED
    split = split or _UNNAMED
    suffixes = itertools.chain([""], (f"_{i}" for i in itertools.count(2)))
    suffix = next(suffix for suffix in suffixes if f"{split}/{metric}{suffix}" not in taken)
    taken.add(f"{split}/{metric}{suffix}")
    return split, metric + suffix
