"""Folders that MLflow wrote for other people: the facts that are known of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dr_gen.model.run import RunData
from dr_gen.validators import validate
from tests.readers.mlflow_stores import read_all

PARENTS = ("46521209a91e46758f2201ca95750a2e", "7b9c67bcf82b40328baf2294df5bd1a6")


@pytest.fixture(scope="module")
def fairprune(real_logs: Path) -> list[RunData]:
    """35 runs, whose steps are all zero and whose experiment is not described."""
    results = read_all(real_logs / "mlflow-fairprune").values()
    assert all(len(result.runs) == 1 and not result.findings for result in results)
    return [run for result in results for run in result.runs]


def test_all_runs_of_the_experiment(fairprune: list[RunData]) -> None:
    """35 finished runs of experiment 0, with 578 metrics of 17 names; no name is a key."""
    assert len(fairprune) == 35
    assert {validate(run).status for run in fairprune} == {"completed"}
    assert {run.metadata["mlflow"]["experiment_id"] for run in fairprune} == {"0"}
    assert {run.experiment for run in fairprune} == {"folder"}
    names = [curve.original_name for run in fairprune for curve in run.curves()]
    assert (len(names), len(set(names))) == (578, 17)
    assert Counter(run.metadata["name"] for run in fairprune)["overjoyed-slug-911"] > 1
    assert len({run.id for run in fairprune}) == 35


def test_steps_that_are_all_zero_are_counted(fairprune: list[RunData]) -> None:
    """All 51,368 values are there, in the order of the lines, and it is said that x was counted."""
    assert sum(run.n_points for run in fairprune) == 51_368
    [run] = [run for run in fairprune if run.id.endswith("08a5ecfcb09b4ee9a9eaf8a1065198e0")]
    curve = run.curve("dev/EOdd")
    assert curve.original_name == "EOdd_dev"
    assert curve.xs.tolist() == list(range(150))
    assert curve.inferred
    ends = (curve.values[0], curve.values[-1], curve.values.max())
    assert ends == (0.35266557335853577, 0.3871718645095825, 0.619429349899292)
    times = run.curve("dev/EOdd", x="time").xs
    assert (times[1:] > times[:-1]).all()
    codes = Counter(finding.code for run in fairprune for finding in run.findings)
    assert codes == {"x-inferred": 35}


def test_names_with_blanks_and_greek_letters(fairprune: list[RunData]) -> None:
    """They are found under our names, and keep what they were called."""
    with_loss = [run for run in fairprune if "val/loss" in run.metrics]
    names = {curve.original_name for run in with_loss for curve in run.curves()}
    assert {"val loss", "train loss", "Δ_parity_dev", "Δ_eq_odds_t1_dev"} <= names
    assert "dev/Δ_eq_odds_t1" in with_loss[0].metrics


def test_what_was_swept(fairprune: list[RunData]) -> None:
    """Params have their types back, so that they can be counted and compared."""
    fairness = {run.hpms["fairness"] for run in fairprune if "fairness" in run.hpms}
    assert len(fairness) == 17
    assert all(isinstance(value, float) for value in fairness)
    epochs = Counter(run.hpms["epochs"] for run in fairprune)
    assert epochs == {150: 17, 25: 16, 4: 1, 100: 1}
    assert Counter(run.hpms["lr"] for run in fairprune) == {1e-4: 34, 1e-12: 1}
    assert {run.hpms["checkpoint"] for run in fairprune if run.hpms.get("checkpoint")} <= {*PARENTS}


def test_last_losses_by_fairness(fairprune: list[RunData]) -> None:
    """The last values of one sweep are the lowest at 2, and rise with fairness in the other."""
    first, second = (
        {
            run.hpms["fairness"]: run.value("val/loss@last", x="step")
            for run in fairprune
            if run.hpms.get("checkpoint") == parent and run.hpms["epochs"] > 4
        }
        for parent in PARENTS
    )
    assert first[2.0] == min(first.values()) == 0.6187329888343811
    assert first[4096.0] == pytest.approx(0.6930570006, abs=1e-10)
    assert second[0.1] == pytest.approx(0.6169020534, abs=1e-10)
    assert second[4096.0] == pytest.approx(3.7830395699, abs=1e-10)
    values = [second[fairness] for fairness in sorted(second)]
    assert values == sorted(values)


def test_a_run_of_single_values(real_logs: Path) -> None:
    """Metrics that were logged once have one point each; the model beside them is no run."""
    [result] = read_all(real_logs / "mlflow-mlfix").values()
    [run] = result.runs
    found = {curve.original_name: curve.values.tolist() for curve in run.curves()}
    assert found == {
        "r2": [-0.05493814470533365],
        "rmse": [0.24901379434298318],
        "mae": [0.21757945918512583],
    }
    assert dict(run.hpms) == {"alpha": 0.5, "l1_ratio": 0.5}
    assert not result.findings
    assert not run.findings
    assert validate(run).status == "completed"
    assert run.metadata["mlflow"]["user"] == "konrad"
