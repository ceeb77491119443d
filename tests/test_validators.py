"""Validators: what they find, and what status follows from it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UsageError
from dr_gen.group_validators import validate_group
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.table_validators import found_by, gaps
from dr_gen.validators import (
    default_validators,
    epochs_reached,
    expected_splits,
    validate,
)

NAN = float("nan")


def run(curves: dict[str, Any] | None = None, **facts: Any) -> RunData:
    """A run of four epochs unless told otherwise."""
    default = {"train/loss": [2.0, 1.0, 0.5, 0.4], "val/acc1": [10.0, 20.0, 30.0, 40.0]}
    return RunData.from_dict(
        {"id": "r", "source": "r.jsonl", "curves": default if curves is None else curves, **facts}
    )


def on(xs: list[Any], values: list[float], name: str = "epoch") -> dict[str, Any]:
    """A curve with logged x."""
    return {"x": {name: xs}, "values": values}


def codes(checked: RunData) -> set[str]:
    """Codes of the findings of a run."""
    return {finding.code for finding in checked.findings}


def test_whole_run_is_completed_without_findings() -> None:
    """A run with as many epochs as its configuration says has no findings."""
    checked = validate(run(hpms={"train": {"epochs": 4}}))
    assert checked.status is Status.COMPLETED
    assert checked.findings == ()
    assert checked.reasons == ("4 of 4 epochs were logged",)


def test_short_run_is_incomplete() -> None:
    """Fewer epochs than configured make a run incomplete, and are an error."""
    checked = validate(run(hpms={"epochs": 6}))
    assert checked.status is Status.INCOMPLETE
    (finding,) = checked.findings
    assert (finding.code, finding.severity) == ("short-run", Severity.ERROR)
    assert finding.message == "4 of 6 epochs were logged"
    assert (finding.path, finding.run) == ("r.jsonl", "r")


def test_expected_epochs_can_be_given() -> None:
    """A number given by the caller wins over the configuration."""
    checked = validate(run(hpms={"epochs": 4}), default_validators(5))
    assert checked.status is Status.INCOMPLETE


@pytest.mark.parametrize("value", ["many", None, True, 0, [4], NAN, np.inf])
def test_epochs_key_without_a_number_is_passed_over(value: object) -> None:
    """A configured number of epochs that is none does not count as an expectation."""
    assert validate(run(hpms={"epochs": value})).status is Status.COMPLETED


def test_long_run_is_noted() -> None:
    """More epochs than configured are a warning; the run is complete."""
    checked = validate(run(hpms={"epochs": 3}))
    assert (checked.status, codes(checked)) == (Status.COMPLETED, {"long-run"})


def test_early_stopping_is_no_failure() -> None:
    """A run that says itself that it completed may be shorter than configured."""
    checked = validate(run(hpms={"epochs": 6}, metadata={"end": {"status": "completed"}}))
    assert checked.status is Status.COMPLETED
    assert checked.findings[0].severity is Severity.WARNING


def test_repeated_epochs_count_once() -> None:
    """A resumed run has as many epochs as there are different ones."""
    resumed = run({"val/acc1": on([0, 1, 2, 1, 2, 3], [1, 2, 3, 4, 5, 6])}, hpms={"epochs": 4})
    assert epochs_reached(resumed) == 4
    checked = validate(resumed)
    assert (checked.status, codes(checked)) == (Status.COMPLETED, {"repeated-x"})


def test_fractional_epoch_is_a_position() -> None:
    """Of fractional epochs the largest counts, not their number."""
    assert epochs_reached(run({"train/loss": on([0.5, 1.0, 1.5, 2.0], [4, 3, 2, 1])})) == 2.0


def test_steps_within_an_epoch_are_no_repeat() -> None:
    """Values logged per step share an epoch by right."""
    curve = {"x": {"epoch": [0, 0, 1, 1], "step": [1, 2, 3, 4]}, "values": [4, 3, 2, 1]}
    assert codes(validate(run({"train/loss": curve}))) == set()


def test_unordered_x_is_noted() -> None:
    """x that goes back without repeating is worth knowing."""
    assert codes(validate(run({"val/acc1": on([0, 2, 1, 3], [1, 2, 3, 4])}))) == {"unordered-x"}


def test_gap_counts_missing_points() -> None:
    """A hole in regular x says how much is missing and where."""
    checked = validate(run({"val/acc1": on([0, 1, 2, 5, 6], [1, 2, 3, 4, 5])}))
    (finding,) = checked.findings
    assert finding.code == "gap"
    assert finding.message == "val: 2 points missing, first between epoch 2 and 5"


def gap_in(xs: list[int]) -> set[str]:
    """What is said of x that increases, worked out point by point."""
    steps = [b - a for a, b in itertools.pairwise(xs)]
    usual = int(np.median(steps))
    holes = [i for i, step in enumerate(steps) if step > usual and step % usual == 0]
    if len(xs) < 3 or 2 * steps.count(usual) < len(steps) or not holes:
        return set()
    n = sum(steps[i] // usual - 1 for i in holes)
    between = f"epoch {xs[holes[0]]} and {xs[holes[0] + 1]}"
    return {f"val: {n} point{'' if n == 1 else 's'} missing, first between {between}"}


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=12), min_size=1, max_size=6))
def test_gaps_of_many_runs(steps: list[list[int]]) -> None:
    """Of runs judged together each has the gap that its own points tell."""
    xs = [[0, *itertools.accumulate(of_run)] for of_run in steps]
    runs = [
        run({"val/acc1": on(of_run, [1.0] * len(of_run))}, id=f"r{i}")
        for i, of_run in enumerate(xs)
    ]
    table = RunGroup.from_runs(runs).table
    found: list[set[str]] = [set() for _ in runs]
    for index, finding in found_by(gaps, table) or ():
        found[index].add(finding.message)
    assert found == [gap_in(of_run) for of_run in xs]


def test_other_rate_of_logging_is_no_gap() -> None:
    """Evaluating every fifth epoch is regular, not full of holes."""
    assert codes(validate(run({"val/acc1": on([0, 5, 10, 15], [1, 2, 3, 4])}))) == set()


def test_unequal_lengths_are_found() -> None:
    """One value less of one metric is a warning that names it."""
    whole = [3.0, 2.0, 1.0]
    curves = {"val/loss": whole, "val/acc1": whole, "val/f1": whole, "val/acc5": [1.0, 2.0]}
    (finding,) = validate(run(curves)).findings
    assert (finding.code, finding.severity) == ("unequal-lengths", Severity.WARNING)
    assert "acc5 2" in finding.message


def test_another_rate_is_only_information() -> None:
    """A metric logged half as often or less is not warned about."""
    curves = {"val/loss": [3.0, 2.0, 1.0, 0.5], "val/acc1": [1.0, 2.0]}
    (finding,) = validate(run(curves)).findings
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize("end", [NAN, np.inf])
def test_loss_that_ends_non_finite_is_diverged(end: float) -> None:
    """A loss that ends in NaN or infinity makes a run diverged, and says from where on."""
    checked = validate(run({"train/loss": [2.0, 1.0, NAN, end]}, hpms={"epochs": 4}))
    assert checked.status is Status.DIVERGED
    assert "from epoch 2 on" in checked.reasons[0]
    assert codes(checked) == {"non-finite"}


def test_nan_that_passes_is_no_divergence() -> None:
    """One NaN in the middle is found, but the run goes on."""
    checked = validate(run({"train/loss": [2.0, NAN, 1.0]}))
    assert (checked.status, codes(checked)) == (Status.COMPLETED, {"non-finite"})


def test_metric_that_is_never_computed_is_no_divergence() -> None:
    """NaN in something that is no loss does not make a run diverged."""
    assert validate(run({"val/auc": [NAN, NAN]})).status is Status.COMPLETED


def test_divergence_wins_over_the_end_marker() -> None:
    """A run that trained on NaN to its end has diverged, whatever its log says."""
    metadata = {"end": {"status": "completed"}}
    assert validate(run({"train/loss": [1.0, NAN]}, metadata=metadata)).status is Status.DIVERGED


def test_failed_run_keeps_its_reason() -> None:
    """The reason that a log gives for its end is the reason of the status."""
    metadata = {"end": {"status": "failed", "reason": "RuntimeError: CUDA out of memory"}}
    checked = validate(run(metadata=metadata))
    assert (checked.status, checked.reasons) == (
        Status.FAILED,
        ("RuntimeError: CUDA out of memory",),
    )


def test_run_without_metrics_is_incomplete() -> None:
    """A run without a value is kept, incomplete, with an error."""
    checked = validate(run({}))
    assert checked.status is Status.INCOMPLETE
    assert codes(checked) == {"no-metrics"}


def test_run_that_says_it_ended_well_is_completed_without_metrics() -> None:
    """What a log says of its own end counts; that it has no value is an error of its own."""
    ended = validate(run({}, metadata={"end": {"status": "completed", "reason": "exit code 0"}}))
    assert ended.status is Status.COMPLETED
    assert ended.reasons == ("ended by itself: the run has no metric values",)
    assert codes(ended) == {"no-metrics"}
    broken = validate(run({}, metadata={"end": {"status": "failed", "reason": "exit code 1"}}))
    assert (broken.status, broken.reasons) == (Status.FAILED, ("exit code 1",))


def test_cut_log_of_unknown_length_is_incomplete() -> None:
    """When nothing says how long a run should be, a cut last line says that it was stopped."""
    cut = Finding("truncated-line", "the last line is cut off", path="r.jsonl", line=5)
    curve = on([1, 2], [1.0, 2.0], "step")
    checked = validate(run({"train/acc": curve}, findings=(cut,)))
    assert checked.status is Status.INCOMPLETE
    assert validate(run({"train/acc": curve})).status is Status.COMPLETED


def test_native_log_without_end_is_warned_about() -> None:
    """Only a format that marks its end can lack the mark."""
    assert codes(validate(run(metadata={"format": "native"}))) == {"no-end-marker"}
    ended = {"format": "native", "train_time": "0:01:00"}
    assert codes(validate(run(metadata=ended))) == set()
    assert codes(validate(run(metadata={"format": "jsonlines"}))) == set()


def test_plain_callable_is_a_validator() -> None:
    """Any callable from run to findings can be plugged in."""

    def too_good(checked: RunData) -> list[Finding]:
        return [Finding("too-good", "suspicious", "error", run=checked.id)]

    assert codes(validate(run(), [too_good])) == {"too-good"}


def test_validating_twice_changes_nothing() -> None:
    """Findings are added once however often a run is validated."""
    once = validate(run({"train/loss": [1.0, NAN]}, hpms={"epochs": 5}))
    assert validate(once) == once


def test_expected_splits_are_missed() -> None:
    """A split that every run should have is missed with an error."""
    checked = validate(run(), [expected_splits(["train", "test"])])
    (finding,) = checked.findings
    assert (finding.code, finding.severity) == ("missing-split", Severity.ERROR)
    assert "'test'" in finding.message


def test_group_misses_a_split_that_most_have() -> None:
    """A run without a split that more than half of the others have is found."""
    whole = {"train/loss": [1.0], "val/loss": [1.0]}
    runs = [RunData.from_dict({"id": f"r{i}", "curves": whole}) for i in range(3)]
    runs.append(RunData.from_dict({"id": "odd", "curves": {"train/loss": [1.0]}}))
    found = validate_group(RunGroup.from_runs(runs)).source_findings
    assert [(f.code, f.run) for f in found] == [("missing-split", "odd")]


def test_same_seed_twice_is_found_and_kept() -> None:
    """Two runs of one configuration with one seed are two runs and a finding."""
    seeds = [(0.1, 0), (0.1, 1), (0.1, 0), (0.2, 0)]
    runs = [
        RunData.from_dict({"id": f"r{i}", "hpms": {"lr": lr, "seed": s}, "curves": {"v/a": [1.0]}})
        for i, (lr, s) in enumerate(seeds)
    ]
    group = validate_group(RunGroup.from_runs(runs))
    assert [(f.code, f.run) for f in group.source_findings] == [("duplicate-seed", "r2")]
    assert len(group) == 4
    assert validate_group(group) == group


@pytest.mark.parametrize(("seed", "copies"), [(None, []), (42, ["r1", "r2"])])
def test_one_seed_in_all_runs(seed: int | None, copies: list[str]) -> None:
    """Runs of one configuration with the one seed of all are copies; a null is no seed."""
    hpms = [{"lr": lr, "seed": seed} for lr in (0.1, 0.1, 0.1, 0.2)]
    runs = [
        RunData.from_dict({"id": f"r{i}", "hpms": h, "curves": {"v/a": [1.0]}})
        for i, h in enumerate(hpms)
    ]
    found = validate_group(RunGroup.from_runs(runs)).source_findings
    assert [(f.code, f.run) for f in found] == [("duplicate-seed", run) for run in copies]


def test_validator_that_fails_is_a_finding() -> None:
    """An error in one validator is listed with the run, and the others still look."""

    def wrong(checked: RunData) -> list[Finding]:
        raise ZeroDivisionError("oops")

    checked = validate(run({}), [wrong, *default_validators()])
    assert codes(checked) == {"validator-failed", "no-metrics"}
    assert "wrong failed: ZeroDivisionError: oops" in checked.findings[0].message


def test_expected_epochs_must_be_a_number_of_epochs() -> None:
    """To expect no epochs at all is misuse."""
    with pytest.raises(UsageError, match="at least 1"):
        default_validators(0)
