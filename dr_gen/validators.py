"""What is wrong with a run, and how it ended.

A validator is any callable that takes a `RunData` and gives findings. `validate` runs several,
adds what they find and decides the status. `dr_gen.group_validators` looks at runs side by side.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs
import numpy as np

from dr_gen.errors import UsageError
from dr_gen.model.curve import DEFAULT_X, MetricCurve, MetricCurves
from dr_gen.model.direction import direction_of
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import with_records
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.screens import (
    may_be_empty,
    may_have_gaps,
    may_miss_epochs,
    may_not_be_finite,
    may_repeat_x,
    may_vary_in_length,
    needed,
    screened_by,
)

__all__ = [
    "EPOCH_KEYS",
    "Validator",
    "default_validators",
    "end_marker",
    "equal_lengths",
    "expected_epochs",
    "expected_splits",
    "finding_about",
    "gaps",
    "non_finite_values",
    "repeated_x",
    "validate",
    "validate_all",
]

Validator = Callable[[RunData], Iterable[Finding]]
"""Looks at one run and gives what it finds."""

EPOCH_KEYS = ("epochs", "num_epochs", "n_epochs", "max_epochs", "total_epochs", "num_train_epochs")
"""Last dotted parts of keys that say how long a run was meant to train, by preference."""

_FAILED_ENDS = frozenset({"failed", "crashed", "error", "killed", "interrupted", "aborted"})
_MOST = 0.5
_MAX_LISTED = 5


@screened_by(may_be_empty)
def has_metrics(run: RunData) -> Iterator[Finding]:
    """A run without a single value: ``no-metrics``, an error."""
    if run.n_points == 0:
        yield finding_about(
            run,
            "no-metrics",
            "the run has no metric values",
            Severity.ERROR,
            hint="it stopped before the first report, or its names were not understood",
        )


def expected_epochs(epochs: int | None = None, keys: Sequence[str] = EPOCH_KEYS) -> Validator:
    """A validator of how many epochs were trained: ``short-run`` and ``long-run``.

    The split with the most epochs counts; a run that says itself that it completed may be
    shorter (it stopped early), which is then a warning and no error.

    Parameters
    ----------
    epochs : int, optional
        How many are expected; by default what the configuration says under one of `keys`.

    Raises
    ------
    UsageError
        If `epochs` is not at least 1.
    """
    if epochs is not None and epochs < 1:
        raise UsageError(f"expected epochs must be at least 1, not {epochs!r}")

    @screened_by(lambda table: may_miss_epochs(table, keys, epochs))
    def check(run: RunData) -> Iterator[Finding]:
        wanted = epochs if epochs is not None else _configured_epochs(run, keys)
        reached = epochs_reached(run)
        if wanted is None or reached is None:
            return
        if reached < wanted:
            stopped = _end(run)[0] == "completed"
            severity = Severity.WARNING if stopped else Severity.ERROR
            message = f"{reached:g} of {wanted} epochs were logged"
            yield finding_about(
                run, "short-run", message, severity, hint="resume it, or leave it out"
            )
        elif reached > wanted:
            message = f"{reached:g} epochs were logged where {wanted} were expected"
            hint = "two trainings in one log, or the configuration was changed"
            yield finding_about(run, "long-run", message, Severity.WARNING, hint=hint)

    return check


def epochs_reached(run: RunData) -> float | None:
    """How many epochs a run has; None when nothing was logged by epoch.

    Whole epochs are counted, each once; a fractional epoch is a position, and its largest counts.
    """
    best: float | None = None
    for curve in _usual_blocks(run):
        curves = run[curve.split][curve.metric]
        if "epoch" not in curves:
            continue
        xs = curves["epoch"].xs
        if xs.dtype == object or len(xs) == 0:
            continue
        whole = bool((xs == np.floor(xs)).all())
        reached = float(len(xs)) if whole else float(xs[-1])
        best = reached if best is None else max(best, reached)
    return best


def _configured_epochs(run: RunData, keys: Sequence[str]) -> int | None:
    hpms, index = run.table.hpms, np.array([run.index])
    for name in keys:
        found = [key for key in hpms.keys if key == name or key.endswith(f".{name}")]
        for key in sorted(found, key=lambda key: (key.count("."), key)):
            [value] = hpms.column(key, index)
            if (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and 1 <= value < np.inf
            ):
                return int(value)
    return None


@screened_by(may_vary_in_length)
def equal_lengths(run: RunData) -> Iterator[Finding]:
    """Metrics of one split that have different numbers of values: ``unequal-lengths``.

    Metrics that are logged at several rates are only worth knowing of: where a third of them
    or more are odd, or one has twice as many values or more.
    """
    for split, metrics in run.items():
        sizes = {metric: curves.default.n_rows for metric, curves in metrics.items()}
        usual = Counter(sizes.values()).most_common(1)[0][0]
        odd = {metric: n for metric, n in sizes.items() if n != usual}
        if not odd:
            continue
        close = any(max(n, usual) < 2 * max(1, min(n, usual)) for n in odd.values())
        close = close and len(odd) < len(sizes) / 3
        listed = ", ".join(f"{metric} {n}" for metric, n in list(odd.items())[:_MAX_LISTED])
        listed += f" and {len(odd) - _MAX_LISTED} more" if len(odd) > _MAX_LISTED else ""
        message = f"{split}: most metrics have {usual} values, but {listed}"
        severity = Severity.WARNING if close else Severity.INFO
        yield finding_about(run, "unequal-lengths", message, severity)


@screened_by(may_have_gaps)
def gaps(run: RunData) -> Iterator[Finding]:
    """Points missing inside a split that is otherwise logged at regular x: ``gap``."""
    for curve in _usual_blocks(run):
        xs = curve.xs
        if xs.dtype.kind != "i" or len(xs) < 3:
            continue
        steps = np.diff(xs)
        usual = int(np.median(steps))
        holes = np.flatnonzero((steps > usual) & (steps % max(usual, 1) == 0))
        if usual < 1 or len(holes) == 0 or (steps == usual).mean() < _MOST:
            continue
        missing = int((steps[holes] // usual - 1).sum())
        first = holes[0]
        message = (
            f"{curve.split}: {missing} point{'' if missing == 1 else 's'} missing, "
            f"first between {curve.x_name} {xs[first]} and {xs[first + 1]}"
        )
        yield finding_about(
            run, "gap", message, Severity.WARNING, hint="lines were lost or never written"
        )


@screened_by(may_repeat_x)
def repeated_x(run: RunData) -> Iterator[Finding]:
    """X that comes twice or goes back: ``repeated-x``, ``unordered-x``.

    Only where no counter of the split increases: values logged per step share an epoch by right.
    Left to the reader where it said so already, with lines.
    """
    if any(finding.code in ("repeated-x", "closing-row") for finding in run.findings):
        return
    for curve in _usual_blocks(run):
        table = curve.table
        axes = table.axes_of_block(int(table.block[curve.curve]))
        counters = [axis for axis in axes if table.x_names[table.axis_x[axis]] in DEFAULT_X]
        if table.axis_clean[curve.axis] or any(table.axis_clean[axis] for axis in counters):
            continue
        rows = table.axis_values(curve.axis)
        rows = rows[np.isfinite(rows)] if rows.dtype.kind == "f" else rows
        distinct, counts = np.unique(rows, return_counts=True)
        again = distinct[counts > 1]
        if len(again):
            message = (
                f"{curve.split}: {len(rows) - len(distinct)} of {len(rows)} rows repeat "
                f"{curve.x_name} {again[0]}" + (f" … {again[-1]}" if len(again) > 1 else "")
            )
            hint = "a resumed run? by default the last value counts (repeats=)"
            yield finding_about(run, "repeated-x", message, Severity.WARNING, hint=hint)
        elif len(rows) > 1 and bool((rows[1:] < rows[:-1]).any()):
            message = f"{curve.split}: {curve.x_name} goes back; points are sorted by it"
            yield finding_about(run, "unordered-x", message, Severity.INFO)


@screened_by(may_not_be_finite)
def non_finite_values(run: RunData) -> Iterator[Finding]:
    """NaN or infinite values, one finding a metric: ``non-finite``."""
    for split, metrics in run.items():
        for metric, curves in metrics.items():
            curve = curves.default
            bad = np.flatnonzero(~np.isfinite(curve.values))
            if len(bad) == 0:
                continue
            to_the_end = len(bad) == len(curve) - bad[0]
            where = (
                f"from {curve.x_name} {curve.xs[bad[0]]} on"
                if to_the_end
                else (f"first at {curve.x_name} {curve.xs[bad[0]]}")
            )
            message = f"{split}/{metric}: {len(bad)} of {len(curve)} values not finite, {where}"
            yield finding_about(run, "non-finite", message, Severity.WARNING)


def expected_splits(splits: Sequence[str]) -> Validator:
    """A validator that misses splits: ``missing-split``, an error."""

    @screened_by(lambda table: np.full(len(table.records), bool(splits)))
    def check(run: RunData) -> Iterator[Finding]:
        for split in splits:
            if split not in tuple(run):
                message = f"there is no split {split!r}; found {', '.join(run) or 'none'}"
                yield finding_about(run, "missing-split", message, Severity.ERROR)

    return check


def end_marker(run: RunData) -> Iterator[Finding]:
    """A log of a format that marks its end, without the mark: ``no-end-marker``."""
    if run.metadata.get("format") == "native" and not _has_end(run):
        hint = "the process was stopped, or is still running"
        message = "the log has no end marker"
        yield finding_about(run, "no-end-marker", message, Severity.WARNING, hint=hint)


def default_validators(
    epochs: int | None = None, splits: Sequence[str] = ()
) -> tuple[Validator, ...]:
    """The validators that `validate` runs by default.

    Parameters
    ----------
    epochs : int, optional
        Epochs that every run should have; by default what its configuration says.
    splits : sequence of str
        Splits that every run should have.
    """
    return (
        has_metrics,
        expected_epochs(epochs),
        expected_splits(splits),
        equal_lengths,
        gaps,
        repeated_x,
        non_finite_values,
        end_marker,
    )


def validate(run: RunData, validators: Sequence[Validator] | None = None) -> RunData:
    """The run with what the validators found, its status and the reasons for it.

    Findings that are there already are not added again.
    """
    return validate_all([run], default_validators() if validators is None else validators)[0]


def validate_all(runs: Sequence[RunData], validators: Sequence[Validator]) -> list[RunData]:
    """Each run as `validate` gives it; runs that share their columns still do."""
    records = []
    finite: list[bool] = []
    for _, together in itertools.groupby(runs, key=lambda run: id(run.table)):
        members = list(together)
        table = members[0].table
        masks = [(validator, needed(validator, table)) for validator in validators]
        odd = may_not_be_finite(table)
        for run in members:
            found = list(run.findings)
            for validator, mask in masks:
                if mask[run.index]:
                    found += [f for f in _looked(validator, run) if f not in found]
            records.append(attrs.evolve(run.record, findings=tuple(found)))
            finite.append(not odd[run.index])
    seen = with_records(runs, records)
    for i, run in enumerate(seen):
        status, reasons = _judge(run, finite[i])
        records[i] = attrs.evolve(records[i], status=status, reasons=reasons)
    return with_records(seen, records)


def _looked(validator: Validator, run: RunData) -> list[Finding]:
    try:
        return list(validator(run))
    except Exception as error:
        # One validator that is wrong about one run must not end the load of all.
        name = getattr(validator, "__name__", repr(validator))
        message = f"the validator {name} failed: {type(error).__name__}: {error}"
        return [finding_about(run, "validator-failed", message, Severity.ERROR)]


def _judge(run: RunData, finite: bool) -> tuple[Status, tuple[str, ...]]:
    by_code = {finding.code: finding for finding in reversed(run.findings)}
    end, said = _end(run)
    blown = [] if finite else list(_diverged(run))
    if blown:
        return Status.DIVERGED, (*blown, *([said] if said else []))
    if end in _FAILED_ENDS:
        return Status.FAILED, (said or f"the log ends with status {end}",)
    if end == "running":
        return Status.RUNNING, ("the log says that it is running",)
    if end in tuple(Status) and end != Status.COMPLETED:
        return Status(end), (said or f"the log ends with status {end}",)
    short = by_code.get("short-run")
    if short is not None and end == "completed":
        return Status.COMPLETED, (f"ended by itself: {short.message}",)
    lacks = [by_code[code] for code in ("short-run", "no-metrics") if code in by_code]
    if not lacks and "truncated-line" in by_code and epochs_reached(run) is None:
        lacks = [by_code["truncated-line"]]
    if lacks:
        cut = [f.message for code, f in by_code.items() if code == "truncated-line"]
        return Status.INCOMPLETE, tuple(dict.fromkeys([f.message for f in lacks] + cut))
    return Status.COMPLETED, (_why_completed(run),)


def _why_completed(run: RunData) -> str:
    if _has_end(run):
        return "the log has its end marker"
    wanted, reached = _configured_epochs(run, EPOCH_KEYS), epochs_reached(run)
    if wanted is not None and reached is not None:
        return f"{reached:g} of {wanted} epochs were logged"
    return "no sign of failure"


def _diverged(run: RunData) -> Iterator[str]:
    """Why a run counts as diverged: a loss that ends in NaN or infinity."""
    for split, metrics in run.items():
        for metric, curves in metrics.items():
            values = curves.default.values
            if len(values) and not np.isfinite(values[-1]) and direction_of(metric) == "min":
                curve = curves.default
                start = np.flatnonzero(np.isfinite(values))
                first = 0 if len(start) == 0 else int(start[-1]) + 1
                where = f"from {curve.x_name} {curve.xs[first]} on"
                yield f"{split}/{metric} is {values[-1]:g} {where}"


def _end(run: RunData) -> tuple[str | None, str | None]:
    """Status and reason that the log itself gives for its end."""
    end = run.metadata.get("end")
    if not isinstance(end, dict) or "status" not in end:
        return None, None
    reason = end.get("reason")
    return str(end["status"]).casefold(), str(reason) if reason else None


def _has_end(run: RunData) -> bool:
    return _end(run)[0] is not None or run.metadata.get("train_time") is not None


def _usual_blocks(run: RunData) -> list[MetricCurve]:
    """One curve for each different set of rows, on its usual axis."""
    table = run.table.curves
    curves = table.curves_of_run(run.index)
    _, first = np.unique(table.block[curves], return_index=True)
    return [MetricCurves(table, int(curves[i])).default for i in first]


def finding_about(
    run: RunData, code: str, message: str, severity: Severity, *, hint: str = ""
) -> Finding:
    """A finding about a run as a whole."""
    return Finding(code, message, severity, run.source or None, None, run.id, hint)
