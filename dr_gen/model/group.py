"""An ordered sequence of runs, looked at together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model import cube, markup
from dr_gen.model.address import MetricAddress
from dr_gen.model.curve import Repeats
from dr_gen.model.direction import Direction
from dr_gen.model.finding import Finding, LateFindings
from dr_gen.model.hpm_group import HpmGroup
from dr_gen.model.labels import Labels
from dr_gen.model.noise import NOISE_KEYS
from dr_gen.model.run import RunData, find_address
from dr_gen.model.run_table import RunRecord, RunTable, Status
from dr_gen.model.selection import matches, meant, plain

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RunGroup", "with_records"]


def _findings(findings: Iterable[Finding]) -> Sequence[Finding]:
    return findings if isinstance(findings, LateFindings) else tuple(findings)


def _patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(patterns)


def _directions(directions: Mapping[str, Direction]) -> dict[str, Direction]:
    return dict(directions)


def _indices(indices: Any) -> NDArray[np.intp]:
    array = np.array(indices, np.intp)
    array.setflags(write=False)
    return array


@attrs.frozen(eq=False, repr=False)
class RunGroup(Sequence[RunData]):
    """Runs in a fixed order, with one `HpmGroup`.

    A light view: selecting runs copies no curve.

    Attributes
    ----------
    table : RunTable
        The columns.
    indices : intp array, dims (run,)
        Which runs of the columns, in which order; none twice.
    source_findings : sequence of Finding
        What is wrong with the sources and belongs to no run.
    noise : tuple of str
        Patterns of keys that are no part of a configuration.
    labels : Labels
        Display names of keys and values.
    directions : mapping
        Metric name to ``"min"`` or ``"max"``, where the guess of `direction_of` is wrong.

    Examples
    --------
    >>> group = RunGroup.from_runs([
    ...     RunData.from_dict({"id": f"r{s}", "hpms": {"lr": lr, "seed": s},
    ...                        "curves": {"val/acc1": [50.0 + s, 60.0 + s]}})
    ...     for s, lr in enumerate([0.1, 0.1, 0.2])
    ... ])
    >>> group
    RunGroup: 3 runs (3 completed), 2 configurations; swept: lr (2)
    >>> group.curves("val/acc1").dims, group.values("val/acc1@best").tolist()
    (('run', 'epoch'), [60.0, 61.0, 62.0])
    >>> [run.id for run in group.filter(lr=0.1)]
    ['r0', 'r1']
    """

    table: RunTable
    indices: NDArray[np.intp] = attrs.field(converter=_indices)
    source_findings: Sequence[Finding] = attrs.field(default=(), converter=_findings)
    noise: tuple[str, ...] = attrs.field(default=NOISE_KEYS, converter=_patterns)
    labels: Labels = attrs.field(factory=Labels)
    directions: Mapping[str, Direction] = attrs.field(factory=dict, converter=_directions)

    @classmethod
    def from_runs(cls, runs: Iterable[RunData], **settings: Any) -> RunGroup:
        """A group of runs, in the order given.

        Parameters
        ----------
        runs : iterable of RunData
        **settings
            Further attributes of the group: `source_findings`, `noise`, `labels`, `directions`.

        Raises
        ------
        UsageError
            If two runs have one id.
        """
        parts: list[tuple[RunTable, list[int]]] = []
        for run in runs:
            if not parts or parts[-1][0] is not run.table:
                parts.append((run.table, []))
            parts[-1][1].append(run.index)
        tables = [
            table
            if positions == list(range(len(table.records)))
            else table.take(_indices(positions))
            for table, positions in parts
        ]
        table = tables[0] if len(tables) == 1 else RunTable.concat(tables)
        return cls(table, np.arange(len(table.records)), **settings)

    # ------------------------------------------------------------------ sequence

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[RunData]:
        return (RunData(self.table, index) for index in self.indices.tolist())

    @overload
    def __getitem__(self, key: int | str) -> RunData: ...
    @overload
    def __getitem__(self, key: slice | Sequence[Any] | NDArray[Any]) -> RunGroup: ...
    def __getitem__(self, key: Any) -> RunData | RunGroup:
        """A run by position or id; a group by slice, positions or a boolean mask.

        Raises
        ------
        UnknownKeyError
            If no run has this id.
        IndexError
            If there is no such position.
        UsageError
            If a position is named twice, or a mask has the wrong length.
        """
        if isinstance(key, str):
            position = self._position.get(key)
            if position is None:
                raise UnknownKeyError("run", key, self.ids)
            return RunData(self.table, int(self.indices[position]))
        if isinstance(key, int | np.integer):
            return RunData(self.table, int(self.indices[key]))
        chosen = self.indices[key if isinstance(key, slice) else self._picked(key)]
        return attrs.evolve(self, indices=chosen)

    def _picked(self, key: Any) -> NDArray[Any]:
        array = np.asarray(key)
        if array.size == 0 and array.dtype != np.bool_:
            array = array.astype(np.intp)
        if array.dtype == np.bool_ and array.shape != (len(self),):
            raise UsageError(f"a mask of shape {array.shape} does not fit {len(self)} runs")
        if array.dtype.kind not in "biu" or array.ndim != 1:
            raise UsageError(f"runs are picked by position, id, slice or mask, not by {key!r}")
        chosen = np.arange(len(self))[array]
        if len(np.unique(chosen)) < len(chosen):
            raise UsageError("a position is named twice; a group has each run once")
        return array

    @functools.cached_property
    def _position(self) -> dict[str, int]:
        return {run_id: i for i, run_id in enumerate(self.ids)}

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return item in self._position
        return isinstance(item, RunData) and any(item == run for run in self)

    @functools.cached_property
    def ids(self) -> tuple[str, ...]:
        """Id of each run."""
        return tuple(self.table.ids[i] for i in self.indices.tolist())

    @property
    def statuses(self) -> tuple[Status, ...]:
        """Status of each run."""
        return tuple(self.table.statuses[i] for i in self.indices.tolist())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings of the sources, then of each run."""
        records = (self.table.records[i] for i in self.indices.tolist())
        return (*self.source_findings, *(f for record in records for f in record.findings))

    # ------------------------------------------------------------------ hyperparameters

    @functools.cached_property
    def hpm_group(self) -> HpmGroup:
        """What was swept."""
        return HpmGroup(
            self.table.hpms,
            self.indices,
            self.ids,
            self.noise,
            self.labels,
            self.table.unconfigured,
        )

    def filter(
        self, *criteria: tuple[str, Any] | Callable[[RunData], Any], **by_key: Any
    ) -> RunGroup:
        """The runs that fit every criterion.

        Parameters
        ----------
        *criteria : (key, value) or callable
            A callable gets the run.
        **by_key
            Key to value; ``__`` in a key reads as a dot. Keys and values may be given by display
            or real name. ``status``, ``experiment`` and ``id`` are keys too, unless a
            hyperparameter is called so. How values match: see `matches`.

        Raises
        ------
        UnknownKeyError
            If no run has the key.
        """
        keep = np.ones(len(self), bool)
        for criterion in (*criteria, *by_key.items()):
            if callable(criterion):
                keep &= np.array([bool(criterion(run)) for run in self], bool)
                continue
            key, wanted = criterion
            values, wanted = self._column(key, plain(wanted))
            keep &= np.array([matches(value, wanted) for value in values], bool)
        return self[keep]

    def _column(self, key: str, wanted: Any) -> tuple[list[Any], Any]:
        # All keys of the columns: a selection that left no run with the key still knows it.
        keys = self.table.hpms.keys
        real = self.labels.real_key(key, keys)
        if real is None and key in ("status", "experiment", "id"):
            records = [self.table.records[i] for i in self.indices.tolist()]
            return [str(getattr(record, key)) for record in records], wanted
        if real is None:
            raise UnknownKeyError("hyperparameter", key, keys)
        known = self.table.hpms.distinct(real, self.indices)
        values = self.table.hpms.column(real, self.indices)
        return values, meant(wanted, real, known, self.labels)

    # ------------------------------------------------------------------ curves

    @functools.cached_property
    def metrics(self) -> tuple[str, ...]:
        """Every ``split/metric`` that a run of the group has."""
        return tuple(map("/".join, self._pairs))

    @functools.cached_property
    def _pairs(self) -> list[tuple[str, str]]:
        return cube.pairs(self.table.curves, self.indices)

    def address(self, address: str | MetricAddress, default: str | None = None) -> MetricAddress:
        """An address with its split found.

        Raises
        ------
        UnknownKeyError
            If no run has such a metric.
        AmbiguousNameError
            If no split is named and several have the metric.
        """
        return find_address(address, self._pairs, default=default)

    def curves(
        self, address: str | MetricAddress, x: str | None = None, repeats: Repeats = "last"
    ) -> xr.DataArray:
        """One metric of all runs as one array.

        Parameters
        ----------
        address : str
            ``split/metric``; with a reduction the result has the dimension ``run`` alone.
        x : str, optional
            The x-axis; by default the one that suits most runs.
        repeats : {"last", "first", "mean"}
            What becomes of several values at one x.

        Returns
        -------
        xarray.DataArray, dims (run, x)
            NaN where a run has no point. Run ids, the important hyperparameters and the seed are
            coordinates on ``run``; a null is None, a key that a run lacks is `MISSING`.

        Raises
        ------
        UnknownKeyError
            If no run has the metric or the x-axis.
        """
        wanted = self.address(address)
        if wanted.reduction is not None:
            return cube.numbers(self.values(wanted, x), self.hpm_group, wanted)
        return cube.curves(self.table.curves, self.hpm_group, wanted, x, repeats)

    def values(self, address: str | MetricAddress, x: str | None = None) -> NDArray[np.float64]:
        """One number of each run, such as ``val/acc1@best``; without a reduction the last value.

        Returns
        -------
        float64 array, dims (run,)
            NaN for a run that has no such number.

        Raises
        ------
        UnknownKeyError
            If no run has the metric.
        """
        wanted = self.address(address, default="last")
        return cube.values(self.table.curves, self.indices, wanted, x, self.directions)

    # ------------------------------------------------------------------ the rest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RunGroup):
            return NotImplemented
        same = self.source_findings == other.source_findings
        return same and len(self) == len(other) and all(map(RunData.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return markup.group_text(self.hpm_group, self.statuses)

    def _repr_html_(self) -> str:
        return markup.group_html(repr(self), self.hpm_group, self[: markup.MAX_ROWS])

    def __reduce__(self) -> tuple[Any, ...]:
        table = self.table
        if len(self) < len(table.records):
            table = table.take(self.indices)
            indices = np.arange(len(self), dtype=np.intp)
        else:
            indices = self.indices
        settings = (self.source_findings, self.noise, self.labels, self.directions)
        return (RunGroup, (table, indices, *settings))


def with_records(runs: Sequence[RunData], records: Sequence[RunRecord]) -> list[RunData]:
    """The same runs with other records; those that share their columns still do.

    Parameters
    ----------
    runs : sequence of RunData
    records : sequence of RunRecord
        One for each run.
    """
    changed: dict[int, tuple[RunTable, list[RunRecord]]] = {}
    for run, record in zip(runs, records, strict=True):
        if id(run.table) not in changed:
            changed[id(run.table)] = (run.table, list(run.table.records))
        changed[id(run.table)][1][run.index] = record
    tables = {key: attrs.evolve(table, records=tuple(new)) for key, (table, new) in changed.items()}
    return [RunData(tables[id(run.table)], run.index) for run in runs]
