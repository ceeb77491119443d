"""Every number of summaries, comparisons and failure tables against an independent computation."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dr_gen.analysis.comparison import compare, relevant_pairs
from dr_gen.analysis.failures import FAILURES, failures
from dr_gen.analysis.heldout import held_out
from dr_gen.analysis.metric import default_metric
from dr_gen.analysis.samples import NO_VALUE
from dr_gen.analysis.seeds import summarize
from dr_gen.convert import json_text
from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import Hpm
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status

CURVE = st.lists(
    st.one_of(st.floats(-100, 100, width=32), st.just(math.nan), st.just(math.inf)),
    min_size=1,
    max_size=4,
)
RUN = st.fixed_dictionaries(
    {
        "lr": st.sampled_from([0.1, 0.2, 0.4]),
        "status": st.sampled_from(["completed"] * 4 + ["failed", "diverged", "running"]),
        "curve": CURVE,
        "lacks": st.sampled_from([False] * 5 + [True]),
    }
)
RUNS = st.lists(RUN, min_size=1, max_size=16).filter(
    lambda runs: not all(run["lacks"] for run in runs)
)
METRICS = st.sampled_from(["val/acc1", "val/loss"])


def group_of(runs: list[dict[str, Any]], metric: str) -> RunGroup:
    """Runs as data, made into a group; a run that lacks the metric has another one."""
    return RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": f"run{i}",
                "status": run["status"],
                "hpms": {"lr": run["lr"], "seed": i},
                "curves": {"val/other" if run["lacks"] else metric: run["curve"]},
            }
        )
        for i, run in enumerate(runs)
    )


def simple(
    values: dict[Any, list[float]], metric: str = "val/acc1", seeds: list[int] | None = None
) -> RunGroup:
    """A group with one run a value, the key being the learning rate."""
    return RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": f"{lr}-{i}",
                "hpms": {"lr": lr, "seed": seeds[i] if seeds else i},
                "curves": {metric: [value]},
            }
        )
        for lr, numbers in values.items()
        for i, value in enumerate(numbers)
    )


def best_of(run: dict[str, Any], metric: str) -> float:
    """The best finite value of a run, NaN without one."""
    finite = [v for v in run["curve"] if math.isfinite(v)]
    if run["lacks"] or not finite:
        return math.nan
    return min(finite) if "loss" in metric else max(finite)


def expected(runs: list[dict[str, Any]], metric: str) -> dict[float, dict[str, Any]]:
    """What a summary by learning rate has to say, in plain Python."""
    varies = len({run["lr"] for run in runs}) > 1
    out: dict[float, dict[str, Any]] = {}
    for i, run in enumerate(runs):
        key = run["lr"] if varies else None
        row = out.setdefault(key, {"used": [], "values": [], "excluded": {}})
        value = best_of(run, metric)
        if run["status"] != "completed":
            row["excluded"].setdefault(run["status"], []).append(f"run{i}")
        elif math.isnan(value):
            row["excluded"].setdefault(NO_VALUE, []).append(f"run{i}")
        else:
            row["used"].append(f"run{i}")
            row["values"].append(value)
    return out


@given(runs=RUNS, metric=METRICS, level=st.sampled_from([0.8, 0.95, 0.99]))
def test_a_summary_is_what_plain_python_finds(
    runs: list[dict[str, Any]], metric: str, level: float
) -> None:
    """Every count, run and number of a summary equals an independent computation."""
    summary = summarize(group_of(runs, metric), metric, level=level)
    wanted = expected(runs, metric)
    assert len(summary.rows) == len(wanted)
    for row in summary.rows:
        plain = wanted[row.configuration.get("lr")]
        values = plain["values"]
        assert list(row.used) == plain["used"]
        assert {k: list(v) for k, v in row.excluded.items()} == plain["excluded"]
        assert row.n + sum(map(len, row.excluded.values())) == row.n_runs
        if not values:
            assert math.isnan(row.mean)
            assert math.isnan(row.median)
            continue
        assert row.mean == pytest.approx(math.fsum(values) / len(values))
        assert row.median == pytest.approx(statistics.median(values))
        assert (row.minimum, row.maximum) == (min(values), max(values))
        if len(values) < 2:
            assert math.isnan(row.std)
            assert math.isnan(row.ci_low)
            continue
        std = statistics.stdev(values)
        half = stats.t.ppf((1 + level) / 2, len(values) - 1) * std / math.sqrt(len(values))
        assert row.std == pytest.approx(std, abs=1e-9)
        assert row.ci_low == pytest.approx(row.mean - half, abs=1e-9)
        assert row.ci_high == pytest.approx(row.mean + half, abs=1e-9)


def test_an_infinite_value_is_no_value() -> None:
    """A run that ends at infinity is left out by name, and the mean of the others is finite."""
    rows = summarize(simple({1: [1.0, math.inf, 3.0, math.nan]}), "val/acc1@last").rows
    assert rows[0].mean == 2.0
    assert dict(rows[0].excluded) == {NO_VALUE: ("1-1", "1-3")}


@given(runs=RUNS, metric=METRICS)
def test_rows_are_ranked_in_the_direction_of_the_metric(
    runs: list[dict[str, Any]], metric: str
) -> None:
    """Means fall from row to row, or rise for a loss; rows without a mean are last."""
    rows = summarize(group_of(runs, metric), metric).rows
    means = [row.mean for row in rows if row.n]
    assert means == sorted(means, reverse=metric == "val/acc1")
    assert [bool(row.n) for row in rows] == sorted((bool(row.n) for row in rows), reverse=True)


def test_equal_means_keep_the_order_of_the_configurations() -> None:
    """Ties are broken by the values of the configurations, whatever the order of the runs."""
    summary = summarize(simple({3: [1.0], 1: [1.0], 2: [1.0]}))
    assert [row.configuration["lr"] for row in summary.rows] == [1, 2, 3]


@given(runs=RUNS, metric=METRICS)
def test_a_comparison_is_what_scipy_finds(runs: list[dict[str, Any]], metric: str) -> None:
    """Differences, intervals, p-values, Holm's correction and g equal independent ones."""
    comparison = compare(group_of(runs, metric), metric)
    values = {k: v["values"] for k, v in expected(runs, metric).items()}
    able = [k for k, v in values.items() if len(v) >= 2]
    assert len(comparison.pairs) == math.comb(len(able), 2)
    assert {s.configuration.get("lr") for s in comparison.skipped} == set(values) - set(able)
    for pair in comparison.pairs:
        a, b = values[pair.a["lr"]], values[pair.b["lr"]]
        assert (pair.n_a, pair.n_b) == (len(a), len(b))
        sign = 1 if metric == "val/acc1" else -1
        assert sign * pair.difference >= -1e-9
        assert pair.difference == pytest.approx(np.mean(a) - np.mean(b), abs=1e-9)
        if statistics.pstdev(a) == statistics.pstdev(b) == 0:
            continue
        test = stats.ttest_ind(a, b, equal_var=False)
        interval = test.confidence_interval(0.95)
        assert pair.p == pytest.approx(test.pvalue, rel=1e-6, abs=1e-12)
        assert pair.ci_low == pytest.approx(interval.low, rel=1e-6, abs=1e-6)
        assert pair.ci_high == pytest.approx(interval.high, rel=1e-6, abs=1e-6)
        df = len(a) + len(b) - 2
        pooled = math.sqrt(
            ((len(a) - 1) * statistics.variance(a) + (len(b) - 1) * statistics.variance(b)) / df
        )
        correction = math.exp(
            math.lgamma(df / 2) - math.lgamma((df - 1) / 2) - math.log(math.sqrt(df / 2))
        )
        wanted = correction * (np.mean(a) - np.mean(b)) / pooled
        assert pair.effect == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    known = [pair for pair in comparison.pairs if not math.isnan(pair.p)]
    largest = 0.0
    for i, pair in enumerate(sorted(known, key=lambda pair: pair.p)):
        largest = max(largest, min(1.0, pair.p * (len(known) - i)))
        assert pair.p_adjusted == pytest.approx(largest)


def test_the_best_configuration_comes_first_against_all_others() -> None:
    """Pairs are in ranking order, and `relevant_pairs` are those of the best one."""
    values = {1: [5.0, 6.0], 2: [9.0, 8.0], 3: [1.0, 2.0], 4: [7.0]}
    comparison = compare(simple(values))
    assert [(p.a["lr"], p.b["lr"]) for p in comparison.pairs] == [(2, 1), (2, 3), (1, 3)]
    assert [(p.a["lr"], p.b["lr"]) for p in relevant_pairs(comparison)] == [(2, 1), (2, 3)]
    assert [(s.configuration["lr"], s.n) for s in comparison.skipped] == [(4, 1)]
    assert "only one run" in comparison.skipped[0].reason
    assert comparison.pairs[0].mean_a == 8.5


def test_the_method_says_test_data_and_correction() -> None:
    """The words of a comparison name test, metric, correction and number of comparisons."""
    group = simple({1: [1.0, 2.0], 2: [3.0, 5.0], 3: [5.0, 9.0]})
    assert compare(group).method == (
        "Welch's t-test (two-sided, unequal variances) on val/acc1@best, one value per run; "
        "p-values Holm-corrected over 3 comparisons"
    )
    plain = compare(group, correction="none")
    assert plain.method.endswith("p-values not corrected for 3 comparisons")
    assert [p.p for p in plain.pairs] == [p.p_adjusted for p in plain.pairs]
    assert any("overstated" in note for note in compare(group).notes)


def test_a_pair_without_noise_has_no_p_value_and_says_so() -> None:
    """Two constants that differ are not called certain, and are not counted as a comparison."""
    comparison = compare(simple({1: [1.0, 1.0], 2: [2.0, 2.0]}))
    assert math.isnan(comparison.pairs[0].p)
    assert "over 0 comparisons" in comparison.method
    assert any("no p-value" in note for note in comparison.notes)


def test_grouping_by_fewer_keys_pools_and_says_so() -> None:
    """`by` takes display names, and runs of several configurations in a row leave a note."""
    runs = [
        RunData.from_dict(
            {
                "id": f"{lr}{wd}",
                "hpms": {"optim": {"lr": lr, "wd": wd}},
                "curves": {"val/acc1": [lr]},
            }
        )
        for lr in (1, 2)
        for wd in (0, 1)
    ]
    group = RunGroup.from_runs(runs, labels=Labels({"optim.lr": "LR"}))
    summary = summarize(group, by=["LR"])
    assert [dict(row.configuration) for row in summary.rows] == [{"optim.lr": 2}, {"optim.lr": 1}]
    assert any("wd are pooled" in note for note in summary.notes)
    assert not any("pooled" in note for note in summarize(group).notes)


def test_runs_of_one_seed_are_counted_and_noted() -> None:
    """Two runs of one configuration and seed are two runs, and a sentence names them."""
    summary = summarize(simple({1: [1.0, 2.0], 2: [1.0, 3.0]}, seeds=[7, 7]))
    notes = [note for note in summary.notes if "the seed 7" in note]
    assert [row.n for row in summary.rows] == [2, 2]
    assert len(notes) == 2
    assert "(1-0, 1-1)" in notes[0]


def test_wrong_arguments_are_told() -> None:
    """Unknown statuses, metrics, keys, levels and corrections raise our own errors."""
    group = simple({1: [1.0, 2.0], 2: [3.0, 4.0]})
    with pytest.raises(UsageError, match="statuses"):
        summarize(group, statuses=("done",))
    with pytest.raises(UsageError, match="statuses"):
        summarize(group, statuses="completed")
    with pytest.raises(UsageError, match="sequence of keys"):
        summarize(group, by="lr")
    with pytest.raises(UnknownKeyError, match="val/acc1"):
        summarize(group, "val/acc")
    with pytest.raises(UnknownKeyError):
        summarize(group, by=["momentum"])
    with pytest.raises(UsageError, match="level"):
        summarize(group, level=95)
    with pytest.raises(UsageError, match="method"):
        compare(group, correction="hope")
    with pytest.raises(UsageError, match="no run has a metric"):
        summarize(RunGroup.from_runs([RunData.from_dict({"id": "a"})]))


def test_frames_and_dicts_hold_the_same_numbers() -> None:
    """`to_frame` and `to_dicts` agree, and a key named like a column does not replace it."""
    runs = [
        RunData.from_dict({"id": f"{n}{i}", "hpms": {"n": n}, "curves": {"val/acc1": [i + 1.0]}})
        for n in (None, 3)
        for i in range(2)
    ]
    group = RunGroup.from_runs(runs)
    summary = summarize(group)
    frame = summary.to_frame()
    assert frame["hpm.n"].to_list() == [None, 3]
    assert frame["mean"].to_list() == [row["mean"] for row in summary.to_dicts()]
    pairs = compare(group)
    assert pairs.to_frame()["p"].to_list() == [row["p"] for row in pairs.to_dict()["pairs"]]
    assert failures(group).to_frame()["completed"].to_list() == [2, 2]
    assert '"mean": 1.5' in json_text(summary.to_dicts())


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["train/acc1", "val/acc5", "val/acc1", "val/loss"], "val/acc1@best"),
        (["train/acc", "val/loss"], "val/loss@best"),
        (["test/f1", "eval/f1", "train/f1"], "eval/f1@best"),
        (["rollout/ep_rew_mean", "train/loss", "time/fps"], "rollout/ep_rew_mean@best"),
        (["train/lr", "train/loss"], "train/loss@best"),
        (["train/bbox_loss", "train/loss"], "train/loss@best"),
        (["val/top5", "val/top1"], "val/top1@best"),
        (["time/fps"], "time/fps@best"),
    ],
)
def test_the_default_metric_is_the_one_people_look_at(names: list[str], chosen: str) -> None:
    """Validation before training, accuracy before losses, top-1 before top-5."""
    for order in (names, names[::-1]):
        run = RunData.from_dict({"id": "a", "curves": {name: [1.0] for name in order}})
        assert str(default_metric(RunGroup.from_runs([run]))) == chosen


def test_the_default_metric_is_one_that_most_runs_have() -> None:
    """A better metric that one run of four has does not leave the others out."""
    curves = [{"val/acc1": [1.0], "val/loss": [1.0]}] + [{"val/loss": [1.0]}] * 3
    runs = [RunData.from_dict({"id": str(i), "curves": c}) for i, c in enumerate(curves)]
    assert str(default_metric(RunGroup.from_runs(runs))) == "val/loss@best"
    assert default_metric(RunGroup.from_runs([RunData.from_dict({"id": "a"})])) is None


@given(runs=RUNS)
def test_failures_count_every_run_once(runs: list[dict[str, Any]]) -> None:
    """Counts by status, by configuration and by reason add up to the runs there are."""
    group = group_of(runs, "val/acc1")
    table = failures(group)
    statuses = [run["status"] for run in runs]
    assert {str(s): n for s, n in table.counts.items() if n} == {
        s: statuses.count(s) for s in set(statuses)
    }
    assert table.n_failed == sum(s in ("failed", "diverged", "incomplete") for s in statuses)
    assert sum(c.n_runs for c in table.configurations) == len(runs)
    assert sum(c.n_failed for c in table.configurations) == table.n_failed
    named = [run for reason in table.reasons for run in reason.runs]
    assert sorted(named) == sorted(r.id for r in group if r.status != Status.COMPLETED)
    for c in table.configurations:
        assert c.rate == c.n_failed / c.n_runs


def test_reasons_that_differ_in_numbers_are_one_reason() -> None:
    """Runs that diverged at different epochs are together; a number in a name stays."""
    finding = Finding("non-finite", "NaN", "warning", "b.jsonl", 9, "b")
    quiet = Finding("long-run", "long", "info", "b.jsonl", 1, "b")
    facts = {
        "a": "val/acc1 is nan from epoch 3 on",
        "b": "val/acc1 is nan from epoch 12 on",
        "c": "val/acc5 is nan from epoch 3 on",
    }
    group = RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": name,
                "status": "diverged",
                "reasons": [reason],
                "findings": [finding, quiet] if name == "b" else [],
            }
        )
        for name, reason in facts.items()
    )
    first, second = failures(group).reasons
    assert (first.reason, first.runs) == ("val/acc1 is nan from epoch … on", ("a", "b"))
    assert (second.reason, second.runs) == ("val/acc5 is nan from epoch 3 on", ("c",))
    assert first.findings == (finding,)
    assert Status.RUNNING not in FAILURES


def test_the_held_out_value_is_the_one_where_validation_is_best() -> None:
    """Each run answers at its own best validation epoch; without such a split there is none."""
    runs = [
        RunData.from_dict(
            {
                "id": str(i),
                "hpms": {"seed": i},
                "curves": {"val/loss": val, "eval/loss": ev, "train/loss": val},
            }
        )
        for i, (val, ev) in enumerate(
            [([3.0, 1.0, 2.0], [9.0, 5.0, 1.0]), ([1.0, math.nan, 2.0], [4.0, 0.0, 0.0])]
        )
    ]
    group = RunGroup.from_runs(runs)
    found = held_out(summarize(group, "val/loss@best"), group)
    assert found is not None
    assert str(found.metric) == "eval/loss"
    assert found.rows[0].values == (5.0, 4.0)
    assert found.rows[0].mean == 4.5
    assert held_out(summarize(group, "train/loss@best"), group) is None
    assert held_out(summarize(group, "val/loss@last"), group) is None


def test_a_missing_key_is_a_configuration_of_its_own() -> None:
    """A run that lacks a key is not put with those that have it."""
    runs = [
        RunData.from_dict({"id": "a", "hpms": {"lr": 1}, "curves": {"val/acc1": [1.0]}}),
        RunData.from_dict({"id": "b", "hpms": {}, "curves": {"val/acc1": [2.0]}}),
    ]
    summary = summarize(RunGroup.from_runs(runs))
    assert [row.used for row in summary.rows] == [("b",), ("a",)]
    assert summary.to_frame()["lr"].to_list() == [None, 1]
    assert '"lr": "<missing>"' in json_text(summary.to_dicts())
    assert summary.rows[1].configuration == Hpm({"lr": 1})
