"""Our values to plain data and back: null, bool, int, float, text, list and dict of these.

Two kinds of JSON come out of it: `json_text` for people and other programs (strict JSON: NaN is
null), `exact_json` for our own files (``NaN``, ``Infinity`` and ``-Infinity`` are tokens, so that
every value comes back as it was).
"""

from __future__ import annotations

import enum
import functools
import json
import math
import operator
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from dr_gen.errors import UsageError
from dr_gen.model.curve import MetricCurve
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, Status

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = [
    "MISSING_TEXT",
    "exact_json",
    "finding_from_dict",
    "finding_to_dict",
    "from_exact_json",
    "json_text",
    "record_from_dict",
    "record_to_dict",
    "run_from_dict",
    "run_to_dict",
    "to_plain",
]

MISSING_TEXT = "<missing>"
"""What `MISSING`, the value of a key that a run lacks, becomes in plain data."""

_FINDING_ORDER = ("severity", "code", "path", "line", "run", "message", "hint")


@functools.singledispatch
def to_plain(value: Any) -> Any:
    """`value` as plain data.

    Takes runs, groups, findings and any other attrs value of ours, NumPy scalars and arrays,
    enums, dates, paths, and collections of these. Keys of mappings become text, tuples and arrays
    lists, sets sorted lists, `MISSING` the text ``"<missing>"``.

    Raises
    ------
    UsageError
        If it is something else, or two keys of a mapping become one text.

    Examples
    --------
    >>> to_plain({"mean": np.float64(0.5), "epochs": (1, 2), "lr": MISSING})
    {'mean': 0.5, 'epochs': [1, 2], 'lr': '<missing>'}
    """
    if value is None:
        return None
    if attrs.has(type(value)):
        fields = attrs.fields_dict(type(value))
        return {name: to_plain(getattr(value, name)) for name in fields}
    raise UsageError(f"cannot turn a {type(value).__name__} into plain data: {value!r}")


_PLAIN: dict[Any, Callable[[Any], Any]] = {
    bool: bool,
    int: int,
    float: float,
    str | PurePath: str,
    date: lambda day: day.isoformat(),
    # Most items are texts, and looking for a way takes longer than to go it.
    list | tuple | RunGroup: lambda of: [i if type(i) is str else to_plain(i) for i in of],
    set | frozenset: lambda items: sorted(map(to_plain, items), key=repr),
}
for _kind, _how in _PLAIN.items():
    to_plain.register(_kind, _how)


@to_plain.register(enum.Enum)
def _enum(value: enum.Enum) -> Any:
    return MISSING_TEXT if value is MISSING else to_plain(value.value)


@to_plain.register(np.generic | np.ndarray)
def _numpy(value: Any) -> Any:
    items = value.tolist()
    # A long double has no Python twin: its `tolist` gives itself.
    return float(items) if isinstance(items, np.floating) else to_plain(items)


@to_plain.register(Mapping)
def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    plain = {str(to_plain(key)): to_plain(item) for key, item in value.items()}
    if len(plain) < len(value):
        raise UsageError(f"two keys become the same text among {', '.join(map(repr, value))}")
    return plain


@to_plain.register(MetricCurve)
def _curve(curve: MetricCurve) -> dict[str, Any]:
    return {
        "split": curve.split,
        "metric": curve.metric,
        "x": {curve.x_name: curve.xs.tolist()},
        "values": curve.values.tolist(),
        "inferred": [curve.x_name] if curve.inferred else [],
        "original_name": curve.original_name,
    }


@to_plain.register(Finding)
def finding_to_dict(finding: Finding) -> dict[str, Any]:
    """A finding under the names that ``dr-gen check --json`` prints."""
    return {name: to_plain(getattr(finding, name)) for name in _FINDING_ORDER}


@to_plain.register(RunRecord)
def record_to_dict(record: RunRecord) -> dict[str, Any]:
    """What is known of a run beside its hyperparameters and curves.

    Raises
    ------
    UsageError
        If the metadata hold something that is no plain data; it names the run.
    """
    fields = attrs.fields_dict(RunRecord)
    try:
        return {name: to_plain(getattr(record, name)) for name in fields}
    except UsageError as error:
        raise UsageError(f"run {record.id!r}: {error}") from None


@to_plain.register(RunData)
def run_to_dict(run: RunData) -> dict[str, Any]:
    """A run in the form that `RunData.from_dict` takes.

    Returns
    -------
    dict
        The fields of `RunRecord`, ``hpms`` (dotted keys) and ``curves``: a list of ``split``,
        ``metric``, ``x`` (axis name to x values), ``values``, ``inferred`` and ``original_name``,
        with every row that was logged, in the order logged. A curve without rows also has
        ``x_kinds`` (axis name to ``int``, ``float`` or ``text``): an empty list does not tell.

    Raises
    ------
    UsageError
        If the metadata hold something that is no plain data.
    """
    curves = run.table.curves
    rows = [_rows(run, curve) for curve in curves.curves_of_run(run.index).tolist()]
    return {**record_to_dict(run.record), "hpms": to_plain(run.hpms), "curves": rows}


def _rows(run: RunData, curve: int) -> dict[str, Any]:
    table = run.table.curves
    axes = {
        table.x_names[table.axis_x[axis]]: axis
        for axis in table.axes_of_block(int(table.block[curve]))
    }
    xs = {name: table.axis_values(axis) for name, axis in axes.items()}
    metric, original = table.metrics[table.metric[curve]], int(table.original[curve])
    rows: dict[str, Any] = {
        "split": table.splits[table.split[curve]],
        "metric": metric,
        "x": {name: values.tolist() for name, values in xs.items()},
        "values": table.curve_values(curve).tolist(),
        "inferred": [name for name, axis in axes.items() if table.axis_inferred[axis]],
        "original_name": table.originals[original] if original >= 0 else metric,
    }
    if table.size[curve] == 0:
        kinds = {"i": "int", "f": "float", "O": "text"}
        rows["x_kinds"] = {name: kinds[values.dtype.kind] for name, values in xs.items()}
    return rows


@attrs.frozen
class _PlainCurve:
    """A curve as plain data; what x and values hold is checked where the arrays are made."""

    split: str
    metric: str
    values: Any
    x: dict[str, Any] | None = None
    inferred: tuple[str, ...] = ()
    original_name: str | None = None
    x_kinds: dict[str, str] = attrs.field(factory=dict)

    def entry(self) -> dict[str, Any]:
        """What `RunData.from_dict` takes."""
        entry = attrs.asdict(self, recurse=False)
        kinds = entry.pop("x_kinds")
        if self.x is not None:
            entry["x"] = {
                name: np.empty(0, np.int64) if kinds.get(name) == "int" and xs == [] else xs
                for name, xs in self.x.items()
            }
        return entry


# Declared type, what fits it, how that is called, and what is made of it. Left to itself cattrs
# turns numbers to text, and a text, being iterable, to a tuple of letters.
_STRICT: tuple[tuple[Any, Callable[[Any], bool], str, Callable[[Any], Any]], ...] = (
    (str, lambda v: isinstance(v, str), "text", str),
    (int, lambda v: isinstance(v, int) and not isinstance(v, bool), "a whole number", int),
    (Status, lambda v: v in list(Status), f"one of {', '.join(Status)}", Status),
    (Severity, lambda v: v in list(Severity), f"one of {', '.join(Severity)}", Severity),
    (tuple[str, ...], lambda v: _all_text(v, list | tuple), "a list of text", tuple),
    (Mapping[str, Any], lambda v: _all_text(v, Mapping), "a mapping with text as keys", dict),
)


def _all_text(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and all(isinstance(item, str) for item in value)


@functools.cache
def _converter() -> Converter:
    # Imported late: cattrs takes a third of the time that `dr-gen --help` may take.
    from cattrs import Converter

    def hook(fits: Callable[[Any], bool], expected: str, make: Callable[[Any], Any]) -> Any:
        def structure(value: Any, _: Any) -> Any:
            if not fits(value):
                raise TypeError(f"expected {expected}, found {value!r}")
            return make(value)

        return structure

    converter = Converter(forbid_extra_keys=True)
    for kind, fits, expected, make in _STRICT:
        structure = hook(fits, expected, make)
        if isinstance(kind, type):
            converter.register_structure_hook(kind, structure)
        else:
            converter.register_structure_hook_func(functools.partial(operator.eq, kind), structure)
    return converter


def _structure(value: Any, kind: Any, where: str, problems: list[str]) -> Any:
    """`value` as a `kind`; None, and what is wrong added to `problems`, when it does not fit."""
    from cattrs import BaseValidationError, transform_error

    try:
        return _converter().structure(value, kind)
    except BaseValidationError as error:
        problems += transform_error(error, where, _explain)
    except (TypeError, ValueError, AttributeError) as error:
        problems.append(f"{error} @ {where}")
    return None


def _explain(error: BaseException, kind: type | None) -> str:
    from cattrs.v import format_exception

    ours = isinstance(error, TypeError | ValueError) and not isinstance(error, ExceptionGroup)
    return str(error) if ours else format_exception(error, kind)


def _structured(value: Any, kind: Any, where: str) -> Any:
    problems: list[str] = []
    if not isinstance(value, Mapping):
        raise UsageError(f"expected a {where} as a mapping, found {type(value).__name__}")
    result = _structure(value, kind, where, problems)
    if problems:
        raise UsageError("; ".join(problems))
    return result


def finding_from_dict(data: Mapping[str, Any]) -> Finding:
    """The finding that `finding_to_dict` made `data` of.

    Raises
    ------
    UsageError
        If an entry is missing, unknown or does not fit; it names them all.
    """
    finding: Finding = _structured(data, Finding, "finding")
    return finding


def record_from_dict(data: Mapping[str, Any]) -> RunRecord:
    """The record that `record_to_dict` made `data` of.

    Raises
    ------
    UsageError
        If an entry is missing, unknown or does not fit; it names them all.
    """
    record: RunRecord = _structured(data, RunRecord, "run")
    return record


def run_from_dict(data: Mapping[str, Any]) -> RunData:
    """The run that `run_to_dict` made `data` of; also takes the short forms of `RunData.from_dict`.

    Raises
    ------
    UsageError
        If an entry is missing, unknown or does not fit; it names them all.
    """
    if not isinstance(data, Mapping):
        raise UsageError(f"expected a run as a mapping, found {type(data).__name__}")
    facts = dict(data)
    hpms, curves = facts.pop("hpms", {}), facts.pop("curves", [])
    problems: list[str] = []
    record = _structure(facts, RunRecord, "run", problems)
    hpms = _structure(hpms, Mapping[str, Any], "run.hpms", problems)
    if not isinstance(curves, Mapping):
        plain = _structure(curves, list[_PlainCurve], "run.curves", problems)
        curves = [curve.entry() for curve in plain or ()]
    if problems:
        raise UsageError("; ".join(problems))
    fields = {name: getattr(record, name) for name in attrs.fields_dict(RunRecord)}
    return RunData.from_dict({**fields, "hpms": hpms, "curves": curves})


def json_text(data: Any, indent: int | None = None) -> str:
    r"""`data` as strict JSON that any program reads.

    NaN and infinities become null, halves of surrogate pairs are escaped, keys become text, and
    `to_plain` does the rest.

    Examples
    --------
    >>> json_text({"mean": float("nan"), "name": "β", 3: (1, 2)})
    '{"mean": null, "name": "β", "3": [1, 2]}'
    """
    plain = _finite(to_plain(data))
    text = _dumps(plain, ensure_ascii=False, allow_nan=False, indent=indent)
    # Python's escape of what UTF-8 cannot hold is the one of JSON: a backslash, u, four digits.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _finite(plain: Any) -> Any:
    if isinstance(plain, float):
        return plain if math.isfinite(plain) else None
    if isinstance(plain, list):
        return [_finite(item) for item in plain]
    if isinstance(plain, dict):
        return {key: _finite(item) for key, item in plain.items()}
    return plain


def exact_json(data: Any) -> str:
    """Plain data as ASCII text from which `from_exact_json` gets the very same data.

    NaN and infinities are written as the tokens that Python's own parser reads.

    Raises
    ------
    UsageError
        If `data` is not plain, or an integer has more digits than Python turns into text.

    Examples
    --------
    >>> from_exact_json(exact_json([1, 1.0, True, None, -0.0, float("inf")]))
    [1, 1.0, True, None, -0.0, inf]
    """
    return _dumps(data, ensure_ascii=True)


def _dumps(data: Any, **options: Any) -> str:
    try:
        return json.dumps(data, **options)
    except RecursionError:
        raise UsageError("cannot write as JSON: nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise UsageError(f"cannot write as JSON: {error}") from None


def from_exact_json(text: str | bytes) -> Any:
    """What `exact_json` made `text` of.

    Raises
    ------
    UsageError
        If it is not JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise UsageError("cannot read as JSON: nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"cannot read as JSON: {error}") from None
