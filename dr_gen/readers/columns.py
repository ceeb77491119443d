"""The columns of a log in lines, and what each of them is: an x-axis, a metric, a fact.

Decided from the whole column, names (`naming`) and content together: a time that falls is a
measurement, a text that never changes is a fact about the run, and so is a true or false.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.noise import SEED_KEYS
from dr_gen.readers.cells import read_number
from dr_gen.readers.measurements import flat_metrics
from dr_gen.readers.naming import (
    SPLIT_COLUMNS,
    XColumn,
    grows,
    row_split,
    split_name,
    time_axis,
    x_column,
)
from dr_gen.readers.number_arrays import Numbers

__all__ = [
    "Axis",
    "Column",
    "Columns",
    "Kind",
    "axes_of",
    "is_header",
    "is_setting",
    "kind_of",
    "looks_like_settings",
    "metric_names",
    "repeated_settings",
]

_ID_NAMES: Final = """checkpoint_dir_name date datetime done exp_name experiment_id experiment_tag
    host hostname ip job_id node_ip pid run run_id run_name should_checkpoint trial_id trial_name
    uuid"""
_SIZE_NAMES: Final = """batch_size epochs max_epochs max_iters max_steps n_epochs n_parameters
    n_params num_epochs num_parameters num_params total_epochs total_iters total_steps world_size"""
_HPM_NAMES: Final = """batch_size bs dataset dropout epochs hidden_dim hidden_size learning_rate lr
    max_epochs max_steps model momentum n_epochs num_epochs num_layers optimizer scheduler seed wd
    weight_decay"""
_IDS: Final = frozenset(_ID_NAMES.split())
_OF_ONE_RUN: Final = frozenset({"run", "run_id", "run_name", "trial_id", "trial_name", *SEED_KEYS})
_DESCRIBING: Final = frozenset(_SIZE_NAMES.split())
_HPM_WORDS: Final = frozenset(_HPM_NAMES.split())
_PER_ITERATION: Final = ("data_time", "eta", "eta_seconds", "iter_time", "rank_data_time")
_MM_TIMES: Final = ("data_time", "time")
_MM_TRAINING: Final = ("base_lr", "epoch", "iter", "iteration", "loss", "lr", "total_loss")
_NUMBERS: Final = ("number", "text", "duration")
_A_FEW: Final = 2


@attrs.define
class Column:
    """One column: the rows that have it, ascending, and its values in them."""

    name: str
    rows: Sequence[int] = attrs.field(factory=list)
    values: Sequence[Any] = attrs.field(factory=list)

    @property
    def array(self) -> NDArray[Any] | None:
        """The values, if all are numbers that came together."""
        return self.values.array if isinstance(self.values, Numbers) else None

    @property
    def row_array(self) -> NDArray[np.intp]:
        """The rows in an array."""
        return np.asarray(self.rows.array if isinstance(self.rows, Numbers) else self.rows, np.intp)

    @property
    def constant(self) -> bool:
        """Whether there is only one value."""
        if self.array is not None:
            return bool((self.array == self.array[0]).all())
        first = self.values[0]
        return all(value == first for value in self.values)

    def kinds(self) -> Counter[str]:
        """How many cells there are of each kind of `read_number`."""
        if self.array is not None:
            return Counter({"number": len(self.array)})
        types = Counter(map(type, self.values))
        kinds = Counter({"number": types.pop(float, 0)})
        if types:
            kinds.update(read_number(v)[0] for v in self.values if type(v) is not float)
        return kinds

    def numbers(self) -> Sequence[float] | NDArray[Any]:
        """The finite numbers, in the order logged."""
        if self.array is not None:
            finite: NDArray[Any] = self.array[np.isfinite(self.array)]
            return finite
        cells = (read_number(value) for value in self.values)
        return [number for kind, number in cells if kind in _NUMBERS and math.isfinite(number)]


class Columns:
    """Collects the rows of a file as columns.

    Attributes
    ----------
    lines : list of int
        Line of each row.
    by_name : dict
        Flat name to column, in order of first appearance.
    first : mapping or None
        The first row as it was.
    repeated : list of (int, str)
        Line and name where a name came twice in one row, nested and flat.
    """

    def __init__(
        self, lines: Numbers | None = None, first: Mapping[str, Any] | None = None
    ) -> None:
        self._lines: list[int] = []
        self._cells: dict[str, tuple[list[int], list[Any]]] = {}
        self.lines: Sequence[int] = self._lines if lines is None else lines
        self.by_name: dict[str, Column] = {}
        self.first = first
        self.repeated: list[tuple[int, str]] = []

    def add(self, line: int, record: Mapping[str, Any]) -> None:
        """Add a row."""
        row = len(self._lines)
        self._lines.append(line)
        if self.first is None:
            self.first = record
        for name, value in flat_metrics(record):
            if name not in self._cells:
                rows, values = self._cells[name] = [], []
                self.by_name[name] = Column(name, rows, values)
            rows, values = self._cells[name]
            if rows and rows[-1] == row:
                self.repeated.append((line, name))
                values[-1] = value
                continue
            rows.append(row)
            values.append(value)

    def add_column(self, name: str, rows: NDArray[np.intp], values: Sequence[Any]) -> None:
        """Add a whole column, behind those that are there."""
        self.by_name[name] = Column(name, Numbers(rows, int(rows[0]), int(rows[-1])), values)

    def find(self, name: str) -> Column | None:
        """The column called `name`; nested names may be given with dots or slashes."""
        return self.by_name.get(name) or self.by_name.get(name.replace(".", "/"))

    def split_column(self) -> Column | None:
        """The column that names the split of its row."""
        for wanted in SPLIT_COLUMNS:
            for name, column in self.by_name.items():
                if name.casefold() != wanted:
                    continue
                texts = [value for value in column.values if isinstance(value, str)]
                named = [text for text in texts if row_split(wanted, text) is not None]
                if texts and 2 * len(named) >= len(column.values):
                    return column
        return None

    def splits(self, column: Column | None, default: str) -> list[str]:
        """The split of each row."""
        splits = [default] * len(self.lines)
        for row in self._evaluations():
            splits[row] = "val"
        if column is not None:
            named: dict[str, str] = {}
            for row, value in zip(column.rows, column.values, strict=True):
                if isinstance(value, str) and value.strip():
                    if value not in named:
                        own = row_split(column.name.casefold(), value)
                        named[value] = own or row_split("split", value) or default
                    splits[row] = named[value]
        return splits

    def _evaluations(self) -> set[int]:
        """Rows that MMEngine wrote after an evaluation: its times, but nothing of a training."""
        if not all(name in self.by_name for name in _MM_TIMES):
            return set()
        timed = [set(self.by_name[name].rows) for name in _MM_TIMES]
        training = (self.by_name[n].rows for n in _MM_TRAINING if n in self.by_name)
        return set.intersection(*timed).difference(*training)


def is_header(columns: Columns) -> bool:
    """Whether the first row describes the run: its names are in no other row, and no x is there."""
    mine = [c for c in columns.by_name.values() if c.rows[0] == 0 and not _names_rows(c)]
    if len(columns.lines) < _A_FEW or any(len(column.rows) > 1 for column in mine):
        return False
    if not mine:
        return all(column.rows[0] > 0 for column in columns.by_name.values())
    if any(x_column(column.name) for column in mine):
        return False
    words = sum(column.name.casefold() in _HPM_WORDS for column in mine)
    texts = any(isinstance(column.values[0], str) for column in mine)
    return texts or words >= _A_FEW


def repeated_settings(columns: Columns) -> dict[str, Any]:
    """Usual hyperparameters that every row repeats, if there are several of them."""
    n = len(columns.lines)
    found = {
        name: column.values[0]
        for name, column in columns.by_name.items()
        if name.casefold() in _HPM_WORDS and len(column.rows) == n >= _A_FEW and column.constant
    }
    return found if len(found) >= _A_FEW else {}


def is_setting(name: str) -> bool:
    """Whether a column is called like a usual hyperparameter."""
    return name.casefold() in _HPM_WORDS


def _names_rows(column: Column) -> bool:
    """Whether it says what each row is, and of the first row something else than of the others."""
    return column.name.casefold() in SPLIT_COLUMNS and column.values[0] not in column.values[1:]


def looks_like_settings(names: Iterable[str]) -> bool:
    """Whether several names are those of usual hyperparameters."""
    return sum(name.casefold() in _HPM_WORDS for name in names) >= _A_FEW


# ------------------------------------------------------------------ what a column is


@attrs.frozen
class Kind:
    """What a column is.

    Attributes
    ----------
    what : str
        ``metric``, ``fact`` (of the run), ``hpm`` or ``text`` (that varies).
    doubt : bool
        Whether a fact changes that ought not to.
    """

    what: str
    doubt: bool = False


def kind_of(column: Column) -> Kind:
    """What a column is that holds no x and no split.

    Examples
    --------
    >>> kind_of(Column("loss", [0, 1], [0.5, 0.4])), kind_of(Column("pid", [0], [17]))
    (Kind(what='metric', doubt=False), Kind(what='fact', doubt=False))
    """
    name = column.name.casefold()
    if name in _OF_ONE_RUN:
        what = "hpm" if name in SEED_KEYS else "fact"
        return Kind(what, doubt=not column.constant)
    if name in _IDS:
        return Kind("fact")
    kinds = column.kinds()
    n_numbers = sum(kinds[kind] for kind in _NUMBERS)
    if kinds["list"] == len(column.rows) and column.constant and not _numeric(column.values[0]):
        return Kind("fact")
    if not n_numbers and not kinds["list"] and not kinds["large"]:
        if column.constant:
            return Kind("fact")
        return Kind("text" if kinds["words"] else "metric")
    if name in _DESCRIBING and column.constant:
        return Kind("fact")
    if kinds["words"] > n_numbers and not kinds["number"]:
        return Kind("fact" if column.constant else "text")
    return Kind("metric")


def _numeric(items: list[Any]) -> bool:
    return all(read_number(item)[0] == "number" for item in items)


@attrs.frozen
class Axis:
    """A column that is an x-axis.

    Attributes
    ----------
    column : Column
    x : str
        Name of the axis.
    split : str or None
        Whose x it is, None for all.
    is_time : bool
    """

    column: Column
    x: str
    split: str | None
    is_time: bool


def axes_of(columns: Iterable[Column], taken: Iterable[str] = ()) -> list[Axis]:
    """The columns that are x-axes by name and content, under names that are each used once."""
    columns = list(columns)
    names = {column.name.casefold() for column in columns}
    found: list[tuple[XColumn, Column]] = []
    for column in columns:
        meant = x_column(column.name)
        numbers = column.numbers() if meant is not None else []
        if meant is None or len(numbers) == 0:
            continue
        per_iteration = column.name.casefold() == "time" and not names.isdisjoint(_PER_ITERATION)
        if meant.must_grow and (per_iteration or not grows(numbers)):
            continue
        if meant.is_time:
            meant = attrs.evolve(meant, x=time_axis(meant.x, float(numbers[0])))
        found.append((meant, column))
    found.sort(key=lambda pair: pair[0].rank)
    # A counter that only one split carries is everybody's.
    owners: dict[str, set[str | None]] = {}
    for meant, _ in found:
        owners.setdefault(meant.x, set()).add(meant.split)
    axes: list[Axis] = []
    used: set[tuple[str, str | None]] = {(name, None) for name in taken}
    for meant, column in found:
        split = None if len(owners[meant.x]) == 1 else meant.split
        name = meant.x if (meant.x, split) not in used else column.name
        used.add((name, split))
        axes.append(Axis(column, name, split, meant.is_time))
    return axes


def metric_names(
    columns: Iterable[Column], splits: list[str], explicit: Mapping[str, tuple[str | None, str]]
) -> Iterator[tuple[Column, dict[str, tuple[str, str]]]]:
    """Metric columns, each with the split and metric it means in rows of each split.

    Parameters
    ----------
    columns : iterable of Column
    splits : list of str, dims (row,)
        The split of each row.
    explicit : mapping
        Column name to split (None for that of the row) and metric, given by the user.

    Yields
    ------
    column, names : Column, dict
        `names` maps the split of a row to (split, metric). Where two columns mean the same
        metric, the one that is called so keeps the name, the other is called as logged.
    """
    columns = list(columns)
    # Nearly always it is one: to count is quicker than to look up each.
    alike = bool(splits) and splits.count(splits[0]) == len(splits)
    only = dict.fromkeys(splits[:1] if alike else splits)
    claims: dict[tuple[str, str], list[tuple[tuple[Any, ...], str]]] = {}
    plans: list[tuple[Column, dict[str, tuple[str, str]]]] = []
    for column in columns:
        split, metric = explicit.get(column.name) or split_name(column.name)
        here = only if len(only) == 1 else dict.fromkeys(splits[row] for row in column.rows)
        plan = {own: (split or own, metric) for own in here}
        plans.append((column, plan))
        first = column.name not in explicit
        for target in dict.fromkeys(plan.values()):
            rank = (first, column.name != metric, "/" not in column.name, column.name)
            claims.setdefault(target, []).append((rank, column.name))
    for column, plan in plans:
        for own, target in plan.items():
            if min(claims[target])[1] != column.name:
                plan[own] = (target[0], _free(target[0], column.name, claims))
        yield column, plan


def _free(split: str, name: str, claims: Mapping[tuple[str, str], Any]) -> str:
    while (split, name) in claims:
        name += "_2"
    return name
