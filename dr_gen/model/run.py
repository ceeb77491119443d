"""One training process: its hyperparameters, its curves and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Self

import attrs
import numpy as np

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.address import MetricAddress, find_address
from dr_gen.model.binding import UNBOUND, Binding, C_co, I_co
from dr_gen.model.bound_keys import column_of
from dr_gen.model.curve import MetricCurve, MetricCurves, Repeats
from dr_gen.model.curve_builder import CurveBuilder
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.edit import Edit, applied
from dr_gen.model.editing import Editable
from dr_gen.model.finding import Finding
from dr_gen.model.hpm import MISSING, Hpm
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.labels import Labels
from dr_gen.model.noise import seed_key
from dr_gen.model.plain_curves import curves_from
from dr_gen.model.run_keys import RunKeys
from dr_gen.model.run_table import RunRecord, RunTable, Status
from dr_gen.model.split_metrics import SplitMetrics
from dr_gen.wording import counted

__all__ = ["RunData", "tables_of", "with_records"]


@attrs.frozen(eq=False, repr=False)
class RunData(Editable, Mapping[str, SplitMetrics], Generic[C_co, I_co]):
    """One run: split name to `SplitMetrics`, and what is known of it.

    A light view of the columns of its group. ``RunData[Config, Impl]`` says what `cfg` and `impl`
    are, where the runs were loaded with classes for them.

    Examples
    --------
    >>> run = RunData.from_dict({
    ...     "id": "a", "hpms": {"optim": {"lr": 0.1}, "seed": 3},
    ...     "curves": {"val/acc1": {"x": {"epoch": [0, 1]}, "values": [50.0, 60.0]}},
    ... })
    >>> run
    RunData 'a': completed, 1 curve (val: acc1)
    >>> run["val"]["acc1"]["epoch"].values.tolist(), run.curve("val/acc1").at(1)
    ([50.0, 60.0], 60.0)
    >>> run.hpms["optim.lr"], run.seed
    (0.1, 3)
    """

    table: RunTable
    index: int
    binding: Binding[C_co, I_co] = UNBOUND

    @classmethod
    def build(
        cls,
        id: str,
        hpms: Mapping[str, Any] | None = None,
        curves: CurveTable | None = None,
        **facts: Any,
    ) -> RunData:
        """A run on its own; `facts` are further fields of `RunRecord`."""
        hpm = hpms if isinstance(hpms, Hpm) else Hpm(hpms or {})
        record = RunRecord(id, **facts)
        table = CurveBuilder().build() if curves is None else curves
        return cls(RunTable((record,), HpmTable.from_mappings([hpm]), table), 0)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunData:
        """A run from plain data.

        Parameters
        ----------
        data : mapping
            ``id`` (required); ``hpms``, nested or dotted; ``curves``, either a mapping from
            ``split/metric`` to values or a list of mappings with ``split`` and ``metric``. A curve
            is a list of values (its epoch is counted from 0), or a mapping with ``values``, ``x``
            (axis name to x values) and optionally ``inferred`` and ``original_name``. Other
            entries are the fields of `RunRecord`.

        Raises
        ------
        UsageError
            If an entry is unknown or does not fit.
        """
        if not isinstance(data, Mapping):
            raise UsageError(f"a run is made from a mapping, not from a {type(data).__name__}")
        rest = dict(data)
        hpms, curves = rest.pop("hpms", {}), rest.pop("curves", {})
        known = {field.name for field in attrs.fields(RunRecord)}
        if "id" not in rest or not rest.keys() <= known:
            odd = ", ".join(sorted(map(str, rest.keys() - known))) or "no id"
            may = ", ".join(["hpms", "curves", *sorted(known - {"id"})])
            raise UsageError(f"a run needs an id, and may have {may}; found {odd}")
        return cls.build(hpms=hpms, curves=curves_from(curves), **rest)

    @property
    def record(self) -> RunRecord:
        """All that is known beside hyperparameters and curves."""
        return self.table.records[self.index]

    @property
    def id(self) -> str:
        """Name of the run, unique in its group."""
        return self.table.ids[self.index]

    @property
    def experiment(self) -> str:
        """What it belongs to."""
        return self.record.experiment

    @property
    def source(self) -> str:
        """The file or folder it was read from."""
        return self.record.source

    @property
    def status(self) -> Status:
        """How it ended."""
        return self.table.statuses[self.index]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it has its status."""
        return self.record.reasons

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with it or worth knowing, also for the class of its configuration."""
        return (*self.record.findings, *self.binding.findings(self))

    @property
    def metadata(self) -> dict[str, Any]:
        """Anything else logged, and ``time_parsed``, when it was read (ISO 8601, UTC)."""
        return {**self.record.metadata, "time_parsed": self.record.time_parsed}

    @property
    def hpms(self) -> Hpm:
        """Its hyperparameters."""
        return self.table.hpms.row(self.index)

    @property
    def cfg(self) -> C_co:
        """Its configuration as the class that it was loaded with; without one as nested dicts.

        Made when it is first asked for.

        Raises
        ------
        ConfigMismatchError
            If the configuration does not fit the class; it names every problem, and so does the
            finding ``config-mismatch`` of the run.
        """
        return self.binding.cfg(self)

    @property
    def impl(self) -> I_co:
        """What the ``impl`` that it was loaded with makes of its folder; None without one.

        Made when it is first asked for.

        Raises
        ------
        UsageError
            If the run has no source, and so no folder.
        ConfigMismatchError
            If it takes the configuration, and that does not fit its class.
        """
        return self.binding.impl(self)

    @property
    def seed(self) -> Any:
        """Its seed, or None when it has none."""
        hpms = self.hpms
        key = seed_key(hpms)
        return None if key is None else hpms[key]

    @property
    def n_points(self) -> int:
        """How many values it logged."""
        curves = self.table.curves
        return int(curves.size[curves.curves_of_run(self.index)].sum())

    def __getitem__(self, split: str) -> SplitMetrics:
        splits = tuple(self)
        if split not in splits:
            raise UnknownKeyError("split", split, splits, f"run {self.id!r}")
        return SplitMetrics(self.table.curves, self.index, split)

    def __iter__(self) -> Iterator[str]:
        # As the run logged them: the codes have the order of the group.
        curves = self.table.curves
        mine = curves.curves_of_run(self.index)
        mine = mine[np.argsort(curves.block[mine], kind="stable")]
        codes = dict.fromkeys(curves.split[mine].tolist())
        return iter([curves.splits[code] for code in codes])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __bool__(self) -> bool:
        # A run without metrics is still a run.
        return True

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every curve as ``split/metric``."""
        return tuple(map("/".join, self._pairs))

    @property
    def _pairs(self) -> list[tuple[str, str]]:
        return [(split, metric) for split in self for metric in self[split]]

    def curve(
        self, address: str | MetricAddress, x: str | None = None, repeats: Repeats = "last"
    ) -> MetricCurve:
        """One curve.

        Parameters
        ----------
        address : str
            ``split/metric``, or a metric that only one split has.
        x : str, optional
            The x-axis; by default the usual one (`pick_axis`).
        repeats : {"last", "first", "mean", "all"}
            What becomes of several values at one x.

        Raises
        ------
        UnknownKeyError
            If the run has no such metric or x-axis.
        AmbiguousNameError
            If no split was named and several have the metric.
        UsageError
            If the address names a reduction: that is a number, see `value`.
        """
        wanted = self._found(address)
        if wanted.reduction is not None:
            raise UsageError(f"{wanted} is one number, not a curve; use value() for it")
        return self._curve(wanted, x, repeats)

    def _found(self, address: str | MetricAddress, default: str | None = None) -> MetricAddress:
        return find_address(address, self._pairs, f"run {self.id!r}", default)

    def _curve(self, address: MetricAddress, x: str | None, repeats: Repeats) -> MetricCurve:
        curves = attrs.evolve(self[str(address.split)][address.metric], repeats=repeats)
        return curves.default if x is None else curves[x]

    def value(self, address: str | MetricAddress, x: str | None = None) -> float:
        """One number, such as ``val/acc1@best``; without a reduction the last value.

        Raises
        ------
        UnknownKeyError
            If the run has no such metric.
        """
        wanted = self._found(address, default="last")
        assert wanted.reduction is not None
        return self._curve(wanted, x, "last").reduce(wanted.reduction)

    def get(self, key: str, default: Any = MISSING) -> Any:
        """What a key means for this run, as in `RunGroup.filter`.

        Parameters
        ----------
        key : str
            A hyperparameter (``__`` reads as a dot), or the name that it is a part of, for a dict;
            ``id``, ``status``, ``experiment``, ``source``; a metric address; or ``cfg`` and
            ``impl``, also with a name behind, as ``impl.energy``.
        default : object, optional
            For a run that lacks the key; a callable gets the run. A null is no lack.

        Raises
        ------
        UnknownKeyError
            If the run lacks the key, and there is no default.
        """
        keys = RunKeys(self.table, np.array([self.index], np.intp))
        try:
            (value,) = column_of(keys, key, [self]).values()
        except UnknownKeyError:
            value = MISSING
        if value is not MISSING:
            return value
        if default is MISSING:
            raise UnknownKeyError("key", key, keys.known, f"run {self.id!r}")
        return default(self) if callable(default) else default

    def curves(self) -> list[MetricCurve]:
        """Every curve of the run, each on its usual axis."""
        table = self.table.curves
        found = table.curves_of_run(self.index).tolist()
        return [MetricCurves(table, curve).default for curve in found]

    def with_facts(self, **facts: Any) -> Self:
        """The same run with other fields of its record."""
        table = self.table if len(self.table.records) == 1 else self._own_table()
        record = attrs.evolve(self.record, **facts)
        return attrs.evolve(self, table=attrs.evolve(table, records=(record,)), index=0)

    @property
    def _editable(self) -> tuple[RunTable, Labels, Sequence[RunData[Any, Any]]]:
        return self.table, Labels(), (self,)

    def edited(self, edit: Edit) -> Self:
        """The run with what an edit gives it."""
        return attrs.evolve(self, table=applied(edit, self._own_table()), index=0)

    def _own_table(self) -> RunTable:
        return self.table.take(np.array([self.index], np.intp))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RunData):
            return NotImplemented
        same = self.record == other.record and self.hpms == other.hpms
        # By name: the order of splits and metrics is that of the columns of the group.
        return same and self._rows() == other._rows()

    def _rows(self) -> dict[tuple[str, str], dict[str, MetricCurve]]:
        # repeats="all" compares everything logged, not what is left of it.
        return {
            (split, metric): dict(attrs.evolve(self[split][metric], repeats="all"))
            for split, metric in self._pairs
        }

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        splits = "; ".join(f"{split}: {', '.join(self[split])}" for split in self) or "none"
        curves = counted(len(self.metrics), "curve")
        return f"RunData {self.id!r}: {self.status}, {curves} ({splits})"

    def _repr_html_(self) -> str:
        from html import escape

        facts = {"status": self.status, "experiment": self.experiment, "source": self.source}
        facts["reasons"] = "; ".join(self.reasons)
        rows = [*facts.items(), *((k, str(v)) for k, v in self.hpms.items())]
        rows += [(f"{curve.split}/{curve.metric}", repr(curve)) for curve in self.curves()]
        body = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows)
        return f"<table><caption>run {escape(self.id)}</caption><tbody>{body}</tbody></table>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (RunData, (self._own_table(), 0, self.binding))


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
    return [RunData(tables[id(run.table)], run.index, run.binding) for run in runs]


def tables_of(
    runs: Iterable[RunData[C_co, I_co]],
) -> tuple[list[RunTable], list[Binding[C_co, I_co]]]:
    """The tables that runs are in, in the order of the runs, and the different bindings."""
    parts: list[tuple[RunTable, list[int]]] = []
    bindings: list[Binding[C_co, I_co]] = []
    for run in runs:
        if not bindings or bindings[-1] != run.binding:
            bindings.append(run.binding)
        if not parts or parts[-1][0] is not run.table:
            parts.append((run.table, []))
        parts[-1][1].append(run.index)
    tables = [
        table
        if positions == list(range(len(table.records)))
        else table.take(np.array(positions, np.intp))
        for table, positions in parts
    ]
    return tables, bindings
