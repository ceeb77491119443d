"""An ordered sequence of runs, looked at together."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import UnknownKeyError
from dr_gen.model import cube, markup
from dr_gen.model.address import MetricAddress, find_address
from dr_gen.model.binding import UNBOUND, Binding, C_co, I_co
from dr_gen.model.bound_keys import column_of
from dr_gen.model.column import Column
from dr_gen.model.curve import Repeats
from dr_gen.model.direction import Direction
from dr_gen.model.edit import Edit, applied
from dr_gen.model.editing import Editable
from dr_gen.model.finding import Finding, LateFindings
from dr_gen.model.hpm_group import HpmGroup
from dr_gen.model.labels import Labels
from dr_gen.model.noise import NOISE_KEYS
from dr_gen.model.run import RunData, tables_of
from dr_gen.model.run_keys import FACTS, RunKeys
from dr_gen.model.run_table import RunTable, Status
from dr_gen.model.verbs import Verbs

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RunGroup"]

C = TypeVar("C")
ImplT = TypeVar("ImplT")


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
class RunGroup(Editable, Verbs[RunData[C_co, I_co]], Generic[C_co, I_co]):
    """Runs in a fixed order, with one `HpmGroup`.

    A light view: selecting runs copies no curve. ``RunGroup[Config, Impl]`` says what ``run.cfg``
    and ``run.impl`` are.

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
    binding : Binding
        What makes ``run.cfg`` and ``run.impl``; see `dr_gen.typed`.
    edits : tuple of Edit
        What was added to the runs since they were loaded.

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
    binding: Binding[C_co, I_co] = UNBOUND
    edits: tuple[Edit, ...] = ()

    @classmethod
    def from_runs(cls, runs: Iterable[RunData[C, ImplT]], **settings: Any) -> RunGroup[C, ImplT]:
        """A group of runs, in the order given.

        Parameters
        ----------
        runs : iterable of RunData
        **settings
            Further attributes of the group: `source_findings`, `noise`, `labels`, `directions`.

        Returns
        -------
        RunGroup
            With the classes of the runs, if these are the same for all.

        Raises
        ------
        UsageError
            If two runs have one id.
        """
        tables, bindings = tables_of(runs)
        table = tables[0] if len(tables) == 1 else RunTable.concat(tables)
        binding = bindings[0] if len(bindings) == 1 else UNBOUND
        return RunGroup(table, np.arange(len(table.records)), **{"binding": binding, **settings})

    # ------------------------------------------------------------------ sequence

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[RunData[C_co, I_co]]:
        return (RunData(self.table, index, self.binding) for index in self.indices.tolist())

    def item(self, position: int) -> RunData[C_co, I_co]:
        """The run at a position."""
        return RunData(self.table, int(self.indices[position]), self.binding)

    def take(self, positions: NDArray[np.intp]) -> Self:
        """The runs at some positions, in the order given."""
        return attrs.evolve(self, indices=self.indices[positions])

    def named(self, name: str) -> Any:
        """A run by its id, or a key of all runs as a series.

        Raises
        ------
        UnknownKeyError
            If there is neither.
        """
        position = self._position.get(name)
        if position is not None:
            return self.item(position)
        try:
            return self.to_series(name)
        except UnknownKeyError:
            raise UnknownKeyError("run or key", name, (*self.ids, *self._keys.known)) from None

    def _place(self, name: str) -> int:
        if name not in self._position:
            raise UnknownKeyError("run", name, self.ids)
        return self._position[name]

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
        return tuple(map(self.table.ids.__getitem__, self.indices.tolist()))

    @property
    def statuses(self) -> tuple[Status, ...]:
        """Status of each run."""
        return tuple(map(self.table.statuses.__getitem__, self.indices.tolist()))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings of the sources, then of each run."""
        return (*self.source_findings, *(finding for run in self for finding in run.findings))

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

    @functools.cached_property
    def _keys(self) -> RunKeys:
        return RunKeys(self.table, self.indices, self.labels, self.directions)

    def column(self, key: str) -> Column:
        """The value of a key in each run, as `RunKeys` finds it, else `column_of`.

        Raises
        ------
        UnknownKeyError
            If no run has such a key.
        AmbiguousNameError
            If several keys are called so.
        """
        return column_of(self._keys, key, self)

    def is_key(self, name: str) -> bool:
        """Whether `name` is a whole dotted key of a hyperparameter, or a fact."""
        return name in self.table.hpms.keys or name in FACTS

    def default_keys(self) -> tuple[str, ...]:
        """What was swept."""
        return self.hpm_group.important

    def all_columns(self) -> dict[str, Column]:
        """Facts, then every hyperparameter that a run of the group has."""
        facts = {name: self._keys.fact(name) for name in FACTS}
        hpms = {key: self._keys.hpm(key) for key in self.hpm_group.keys}
        return facts | {f"hpm.{key}" if key in facts else key: c for key, c in hpms.items()}

    @property
    def _editable(self) -> tuple[RunTable, Labels, Sequence[RunData[Any, Any]]]:
        return self.table, self.labels, list(self)

    def edited(self, edit: Edit) -> Self:
        """The runs with what an edit gives them."""
        return attrs.evolve(self, table=applied(edit, self.table), edits=(*self.edits, edit))

    @property
    def kind(self) -> str:
        """What an item is called in a message."""
        return "run"

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

    @overload
    def to_xarray(
        self, *addresses: str | MetricAddress, x: str | None = None, tree: Literal[False] = False
    ) -> xr.Dataset: ...
    @overload
    def to_xarray(
        self, *addresses: str | MetricAddress, x: str | None = None, tree: Literal[True]
    ) -> xr.DataTree: ...
    def to_xarray(
        self, *addresses: str | MetricAddress, x: str | None = None, tree: bool = False
    ) -> xr.Dataset | xr.DataTree:
        """Several metrics of all runs at once.

        Parameters
        ----------
        *addresses : str
            As for `curves`; by default every metric.
        x : str, optional
            The x-axis; by default for each metric the one that suits most of its runs.
        tree : bool
            A ``DataTree`` with a child for each split instead of one ``Dataset``. Its names hold
            no slash, so that it can be written to netCDF.

        Returns
        -------
        xarray.Dataset or xarray.DataTree, dims (run, x)
            Variables are named by address, in a tree by metric. The coordinates of `curves`, and
            the status, are on ``run`` (of a tree at its root); axes of one name are joined, NaN
            where a run has no point.

        Raises
        ------
        UnknownKeyError
            If no run has a metric or the x-axis.
        """
        from dr_gen.model import datasets

        make = datasets.tree if tree else datasets.dataset
        return make(self, addresses or self.metrics, x)

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
        return (RunGroup, (table, indices, *settings, self.binding, self.edits))
