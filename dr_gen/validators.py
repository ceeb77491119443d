"""What is wrong with a run, and how it ended.

A validator is any callable that takes a `RunData` and gives findings. `validate` runs several,
adds what they find and decides the status. `dr_gen.group_validators` looks at runs side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from dr_gen.model.curve import DEFAULT_X
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.run import RunData, with_records
from dr_gen.model.run_table import RunRecord, RunTable
from dr_gen.screens import (
    may_be_empty,
    may_repeat_x,
    may_vary_in_length,
    needed,
    screened_by,
)
from dr_gen.table_validators import (
    Found,
    Validator,
    blown,
    expected_epochs,
    finding_about,
    finding_in,
    found_by,
    gaps,
    non_finite_values,
    on_tables,
)
from dr_gen.verdicts import EPOCH_KEYS, Verdicts, epochs_reached, has_end, usual_blocks

__all__ = [
    "EPOCH_KEYS",
    "Validator",
    "default_validators",
    "end_marker",
    "epochs_reached",
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


@screened_by(may_repeat_x)
def repeated_x(run: RunData) -> Iterator[Finding]:
    """X that comes twice or goes back: ``repeated-x``, ``unordered-x``.

    Only where no counter of the split increases: values logged per step share an epoch by right.
    Left to the reader where it said so already, with lines.
    """
    if any(finding.code in ("repeated-x", "closing-row") for finding in run.findings):
        return
    for curve in usual_blocks(run):
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


def expected_splits(splits: Sequence[str]) -> Validator:
    """A validator that misses splits: ``missing-split``, an error."""

    @screened_by(lambda table: np.full(len(table.records), bool(splits)))
    def check(run: RunData) -> Iterator[Finding]:
        for split in splits:
            if split not in tuple(run):
                message = f"there is no split {split!r}; found {', '.join(run) or 'none'}"
                yield finding_about(run, "missing-split", message, Severity.ERROR)

    return check


@on_tables
def end_marker(table: RunTable) -> Found:
    """A log of a format that marks its end, without the mark: ``no-end-marker``."""
    message, severity = "the log has no end marker", Severity.WARNING
    hint = "the process was stopped, or is still running"
    for index, record in enumerate(table.records):
        if record.metadata.get("format") == "native" and not has_end(record.metadata):
            yield index, finding_in(table, index, "no-end-marker", message, severity, hint=hint)


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


def validate_all(
    runs: Sequence[RunData], validators: Sequence[Validator], formats: Sequence[str] | None = None
) -> list[RunData]:
    """Each run as `validate` gives it; runs that share their columns still do.

    Parameters
    ----------
    runs : sequence of RunData
    validators : sequence of callables
    formats : sequence of str, optional
        What each run was logged in, for its metadata.
    """
    tables: dict[int, list[int]] = {}
    for place, run in enumerate(runs):
        tables.setdefault(id(run.table), []).append(place)
    records: list[RunRecord] = [run.record for run in runs]
    if formats is not None:
        for place, name in enumerate(formats):
            if records[place].metadata.get("format") != name:
                metadata = {**records[place].metadata, "format": name}
                records[place] = attrs.evolve(records[place], metadata=metadata)
    for places in tables.values():
        members = [runs[place] for place in places]
        judged = _judged(members, [records[place] for place in places], validators)
        for place, record in zip(places, judged, strict=True):
            records[place] = record
    return with_records(runs, records)


def _judged(
    members: Sequence[RunData], records: Sequence[RunRecord], validators: Sequence[Validator]
) -> Iterator[RunRecord]:
    """The records of runs of one table with findings and status."""
    known = list(members[0].table.records)
    for run, record in zip(members, records, strict=True):
        known[run.index] = record
    table = attrs.evolve(members[0].table, records=tuple(known))
    found: dict[int, list[Finding]] = {
        run.index: list(r.findings) for run, r in zip(members, records, strict=True)
    }
    for validator in validators:
        for index, finding in _looked(validator, table, list(found)):
            if index in found and finding not in found[index]:
                found[index].append(finding)
    verdicts = Verdicts(table, blown(table))
    for run, record in zip(members, records, strict=True):
        findings = tuple(found[run.index])
        status, reasons = verdicts.of(run.index, record, findings)
        yield RunRecord(
            record.id,
            record.experiment,
            record.source,
            status,
            reasons,
            record.metadata,
            findings,
            record.time_parsed,
        )


def _looked(
    validator: Validator, table: RunTable, runs: Sequence[int]
) -> list[tuple[int, Finding]]:
    """What a validator finds; one that is wrong about one run must not end the load of all."""
    try:
        found = found_by(validator, table)
        if found is not None:
            return list(found)
    except Exception as error:
        return [(index, _failed(validator, RunData(table, index), error)) for index in runs]
    out: list[tuple[int, Finding]] = []
    mask = needed(validator, table)
    for index in runs:
        if mask[index]:
            run = RunData(table, index)
            try:
                out += [(index, finding) for finding in list(validator(run))]
            except Exception as error:
                out.append((index, _failed(validator, run, error)))
    return out


def _failed(validator: Validator, run: RunData, error: Exception) -> Finding:
    name = getattr(validator, "__name__", repr(validator))
    message = f"the validator {name} failed: {type(error).__name__}: {error}"
    return finding_about(run, "validator-failed", message, Severity.ERROR)
