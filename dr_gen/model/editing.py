"""Adding to runs: hyperparameters that were not logged, tags, notes, further metrics."""

from __future__ import annotations

import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from dr_gen.errors import UsageError
from dr_gen.model.address import MetricAddress
from dr_gen.model.curve_builder import as_values, as_x
from dr_gen.model.edit import NOTES, Edit
from dr_gen.model.hpm import MISSING, flatten, plain_value
from dr_gen.model.labels import Labels
from dr_gen.model.run_keys import FACTS

if TYPE_CHECKING:
    from dr_gen.model.run import RunData
    from dr_gen.model.run_table import RunTable

__all__ = ["Editable", "Keys"]

Keys: TypeAlias = str | Sequence[str]
"""One key, or several that get their values together."""

_MOST_ORIGIN = 500


class Editable:
    """Runs that can be given more than was logged of them.

    Nothing is changed: what comes back is new, and shares with the old what is the same. Whatever
    is given may be a function of the run; where that gives `MISSING` or None nothing is added
    (None is a value for a hyperparameter). A group remembers its changes, so that
    `dr_gen.save_overlay` can keep them in a store.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def _editable(self) -> tuple[RunTable, Labels, Sequence[RunData[Any, Any]]]:
        """The columns, the names of keys, and the runs that are to change."""

    @abstractmethod
    def edited(self, edit: Edit) -> Self:
        """The same with what an edit gives."""

    def update(
        self, key: Keys | Mapping[Any, Any], value: Any = MISSING, *, force: bool = False
    ) -> Self:
        """The same runs with further hyperparameters.

        Parameters
        ----------
        key : str, sequence of str, or mapping
            A key, dotted or with ``__``, or the display name of one; several for one value each;
            or a mapping of these to their values.
        value : object or callable
            A value, or a function of the run; for several keys a sequence of as many values, or
            a function that gives one. A dict is a group of hyperparameters. Called only for runs
            that lack one of the keys.
        force : bool
            Replace values that are there; otherwise they stay, and null is a value like any other.

        Raises
        ------
        UsageError
            If there are not as many values as keys, a value is of a kind that no configuration
            holds, or the key is a fact or a metric.

        Examples
        --------
        >>> from dr_gen.model.group import RunGroup
        >>> from dr_gen.model.run import RunData
        >>> new = RunData.from_dict({"id": "b", "hpms": {"n": 3}})
        >>> group = RunGroup.from_runs([RunData.from_dict({"id": "a"}), new]).update("n", 1)
        >>> group = group.update("twice", lambda run: 2 * run.get("n"))
        >>> group.to_list("n"), group.to_list("twice")
        ([1, 3], [2, 6])
        """
        pairs = list(key.items()) if isinstance(key, Mapping) else [(key, value)]
        table, labels, runs = self._editable
        names = [_Names.of(keys, table, labels) for keys, _ in pairs]
        given = [_Given(value) for _, value in pairs]
        hpms: dict[str, dict[str, Any]] = {run.id: {} for run in runs}
        held = functools.cache(table.hpms.held)
        for name, what in zip(names, given, strict=True):
            lacking = [~held(key) | force for key in name.keys]
            wanted = np.any(lacking, axis=0) if lacking else np.zeros(table.hpms.n_runs, bool)
            for run in runs:
                if wanted[run.index]:
                    cells = name.cells(what.of(run))
                    lacks = {k for k in cells if force or not held(k)[run.index]}
                    hpms[run.id] |= {key: cells[key] for key in cells if key in lacks}
        origin = "; ".join(dict.fromkeys(what.origin for what in given))
        return self.edited(Edit(origin, force, hpms={run: v for run, v in hpms.items() if v}))

    def with_tags(self, *tags: str | Callable[[RunData[Any, Any]], Any]) -> Self:
        """The same runs with further tags; ``metadata["tags"]`` lists them all, each once.

        Raises
        ------
        UsageError
            If a tag is no text.
        """
        given = [_Given(tag) for tag in tags]
        found = {run.id: [t for what in given for t in _tags(what.of(run))] for run in self._runs}
        origin = "; ".join(dict.fromkeys(what.origin for what in given)) or "value"
        return self.edited(Edit(origin, tags={run: own for run, own in found.items() if own}))

    def with_notes(
        self, notes: str | Callable[[RunData[Any, Any]], Any], *, force: bool = False
    ) -> Self:
        """The same runs with ``metadata["notes"]``, a text; with `force` also where there is one.

        Raises
        ------
        UsageError
            If it is no text.
        """
        given = _Given(notes)
        asked = [run for run in self._runs if force or not run.metadata.get(NOTES)]
        found = {run.id: given.of(run) for run in asked}
        found = {run: t for run, t in found.items() if t is not None and t is not MISSING}
        odd = next((text for text in found.values() if not isinstance(text, str)), None)
        if odd is not None:
            raise UsageError(f"notes are a text, not {odd!r}")
        return self.edited(Edit(given.origin, force, notes=found))

    def with_metric(
        self,
        address: str,
        values: ArrayLike | Mapping[str, Any] | Callable[[RunData[Any, Any]], Any],
        x: Mapping[str, ArrayLike] | None = None,
        *,
        force: bool = False,
    ) -> Self:
        """The same runs with a further metric.

        Parameters
        ----------
        address : str
            ``split/metric``.
        values : array, number, mapping or callable
            Values, one number for a single point, or a mapping with ``values`` and ``x``; or a
            function of the run that gives one of these.
        x : mapping, optional
            Name of an x-axis to x values; by default epochs counted from 0.
        force : bool
            Replace the metric of runs that have it; otherwise theirs stays.

        Raises
        ------
        UsageError
            If the address names no split or a reduction, or values and x do not fit.
        """
        wanted = MetricAddress.parse(address)
        if wanted.split is None or wanted.reduction is not None:
            raise UsageError(f"a metric is added as split/metric, not as {address!r}")
        given = _Given(values)
        curves: dict[str, list[Mapping[str, Any]]] = {}
        for run in self._runs:
            if force or f"{wanted.split}/{wanted.metric}" not in run.metrics:
                found = given.of(run)
                if found is not None and found is not MISSING:
                    curves[run.id] = [_curve(wanted, found, x)]
        return self.edited(Edit(given.origin, force, curves=curves))

    @property
    def _runs(self) -> Sequence[RunData[Any, Any]]:
        return self._editable[2]


class _Given:
    """A value, or a function of a run that gives it."""

    def __init__(self, what: Any) -> None:
        self.what = what
        self.origin = _origin(what) if callable(what) else "value"

    def of(self, run: RunData[Any, Any]) -> Any:
        return self.what(run) if callable(self.what) else self.what


def _origin(function: Callable[..., Any]) -> str:
    """What a function is, for people: its text where that can be had, else its name."""
    try:
        text = " ".join(inspect.getsource(function).split())
    except (OSError, TypeError):
        module = getattr(function, "__module__", None)
        name = getattr(function, "__qualname__", repr(function))
        return f"{module}.{name}" if module else name
    return text if len(text) <= _MOST_ORIGIN else f"{text[:_MOST_ORIGIN]} …"


class _Names:
    """Keys that get their values together."""

    def __init__(self, keys: tuple[str, ...], several: bool) -> None:
        self.keys, self.several = keys, several

    @classmethod
    def of(cls, keys: Any, table: RunTable, labels: Labels) -> _Names:
        listed = (keys,) if isinstance(keys, str) else keys
        if not isinstance(listed, list | tuple) or not all(isinstance(k, str) for k in listed):
            raise UsageError(f"a key is a text, or a sequence of texts, not {keys!r}")
        return cls(tuple(_real(k, table, labels) for k in listed), not isinstance(keys, str))

    def cells(self, value: Any) -> dict[str, Any]:
        """The dotted keys with their values; those that are `MISSING` are left out."""
        if not self.several:
            values: list[Any] = [value]
        elif isinstance(value, str | Mapping) or not isinstance(value, Iterable):
            raise UsageError(f"{len(self.keys)} keys need a sequence of values, not {value!r}")
        else:
            values = list(value)
        if len(values) != len(self.keys):
            raise UsageError(f"{len(values)} values for {len(self.keys)} keys")
        pairs = zip(self.keys, values, strict=True)
        flat = flatten({key: item for key, item in pairs if item is not MISSING})
        return {key: plain_value(item, key) for key, item in flat.items()}


def _real(name: str, table: RunTable, labels: Labels) -> str:
    keys = table.hpms.keys
    dotted = name if name in keys else name.replace("__", ".")
    if dotted in keys:
        return dotted
    folded = dotted.strip().casefold()
    shown = [key for key in keys if labels.keys.get(key, "").casefold() == folded]
    if shown and folded:
        return shown[0]
    if dotted in FACTS:
        raise UsageError(f"{dotted!r} is a fact of the run, not a hyperparameter; see with_facts")
    if "/" in dotted:
        raise UsageError(f"{dotted!r} is the name of a metric; see with_metric")
    if not all(dotted.split(".")):
        raise UsageError(f"{name!r} is no name for a hyperparameter")
    return dotted


def _tags(found: Any) -> Iterator[str]:
    if found is None or found is MISSING:
        return
    for tag in [found] if isinstance(found, str) or not isinstance(found, Iterable) else found:
        if not isinstance(tag, str):
            raise UsageError(f"a tag is a text, not {tag!r}")
        yield tag


def _curve(address: MetricAddress, found: Any, x: Mapping[str, ArrayLike] | None) -> dict[str, Any]:
    """A curve in plain data."""
    entry = dict(found) if isinstance(found, Mapping) else {"values": found, "x": x}
    if not entry.keys() <= {"values", "x"} or "values" not in entry:
        raise UsageError(f"a metric is a mapping with values and x; found {', '.join(entry)}")
    values = as_values(np.atleast_1d(entry["values"]), f"values of {address}")
    plain = {"split": address.split, "metric": address.metric, "values": values.tolist()}
    axes = entry.get("x")
    if axes is None:
        return plain
    if not isinstance(axes, Mapping):
        raise UsageError(f"x is a mapping of names to values, not a {type(axes).__name__}")
    lists = {str(name): as_x(np.atleast_1d(xs), str(name)).tolist() for name, xs in axes.items()}
    return {**plain, "x": lists}
