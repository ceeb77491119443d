"""Logs that other people's tools wrote: the facts that are known of them."""

from __future__ import annotations

import json
import math
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dr_gen.model.run import RunData
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, ReadOptions, ReadResult
from dr_gen.readers.jsonlines.reader import JsonLinesReader


def result_of(path: Path) -> ReadResult:
    """A file, read by the reader that recognises it."""
    with path.open("rb") as file:
        found = formats.detect(path, file.read(HEAD_BYTES))
    assert found is not None, path
    assert found[0].name == "jsonlines"
    return found[0].read(path, path.stem, ReadOptions())


def run_of(path: Path) -> RunData:
    """The one run of a file."""
    [run] = result_of(path).runs
    assert datetime.fromisoformat(run.metadata["time_parsed"]).tzinfo == UTC
    return run


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, by the standard library alone."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def assert_all_there(run: RunData, rows: list[dict[str, Any]], *names: str) -> None:
    """Each named column of the rows is a curve of all its values in the order logged."""
    by_original = {curve.original_name: curve for curve in run.curves()}
    for name in names:
        logged = [float(row[name]) for row in rows if name in row]
        assert by_original[name].values.tolist() == logged, name


def test_mmengine(real_logs: Path) -> None:
    """Training rows have three axes; the evaluation keeps its whole name and its step 0."""
    runs, rows = [], []
    for path in sorted((real_logs / "mm-dfine-part" / "vis_data").glob("*.json")):
        runs.append(run_of(path))
        rows.append(rows_of(path))
    assert sum(map(len, rows)) == 226
    training = [row for row in rows[1] if row["step"]]
    names = [name for name in training[0] if name not in ("epoch", "iter", "step")]
    assert_all_there(runs[1], training, *(n for n in names if n not in ("time", "data_time")))
    loss = runs[1].curve("train/loss")
    assert (loss.x_name, loss.xs.tolist()) == ("step", [row["step"] for row in training])
    assert set(runs[1]["train"]["loss"]) == {"epoch", "iter", "step"}
    assert len(runs[1]["train"]["time"]["step"]) == 75
    assert len(runs[0].curve("train/loss")) == 150
    evaluation = runs[1].curve("val/coco/bbox_mAP", x="step")
    assert (evaluation.xs.tolist(), evaluation.values.tolist()) == ([0], [0.0])
    assert len(runs[1]["val"]) == 8
    assert [f.code for run in runs for f in run.findings] == []


def test_mmcv(real_logs: Path) -> None:
    """The line about the environment is no row; there is no training split."""
    run = run_of(real_logs / "mm-action-tutorial" / "tutorial_exps" / "None.log.json")
    assert list(run) == ["val"]
    curve = run.curve("val/top1_acc")
    assert (curve.x_name, curve.xs.tolist(), curve.values.tolist()) == (
        "epoch",
        [5, 10],
        [0.7, 0.8],
    )
    assert run.metadata["header"] == {"hook_msgs": {}}


def test_detectron2(real_logs: Path) -> None:
    """200 iterations of 17 metrics; seconds per iteration are a metric, not an axis."""
    path = real_logs / "d2-medical-waste" / "output" / "metrics.json"
    run, rows = run_of(path), rows_of(path)
    assert_all_there(run, rows, *(name for name in rows[0] if name != "iteration"))
    loss = run.curve("train/total_loss")
    assert (loss.x_name, loss.xs.tolist()) == ("iteration", list(range(19, 4000, 20)))
    assert (loss.values[0], loss.values[-1]) == (2.725107299629599, 1.0374564621597528)
    assert (loss.at(3799), loss.reduce("min")) == (0.9390110089443624, 0.9390110089443624)
    assert len(run.metrics) == 17


def test_llama_factory(real_logs: Path) -> None:
    """Elapsed times are seconds; the closing row without a loss is no point of the loss."""
    path = real_logs / "hf-tfm-lora" / "results" / "trainer_log.jsonl"
    run, rows = run_of(path), rows_of(path)
    assert_all_there(run, rows, "loss")
    loss = run["train"]["loss"]
    assert set(loss) == {"epoch", "step", "time"}
    assert loss["step"].xs.tolist() == list(range(5, 241, 5))
    assert (loss["step"].at(5), loss["step"].at(240)) == (2.0905, 0.0707)
    assert (loss["time"].xs[0], loss["time"].xs[-1]) == (25.0, 21 * 60 + 12.0)
    assert run["train"]["percentage"]["step"].n_rows == 49
    assert run.metadata["columns"] == {"total_steps": 240}


def test_ray_long(real_logs: Path) -> None:
    """200 iterations, their configuration taken from the rows, ids kept out of the metrics."""
    path = real_logs / "ray-flow" / "tutorials" / "data" / "trained_ring" / "result.json"
    run, rows = run_of(path), rows_of(path)
    reward = run["train"]["episode_reward_mean"]
    assert reward["iteration"].xs.tolist() == list(range(1, 201))
    assert reward["iteration"].at(1) == -8112.181357017001
    assert reward["iteration"].at(200) == 2324.433615775931
    assert (reward["iteration"].reduce("max"), reward["iteration"].at(194)) == (
        2424.6104230103965,
    ) * 2
    assert reward["timesteps_total"].xs[-1] == 12_000_000
    assert_all_there(run, rows, "episode_reward_max", "episode_len_mean", "time_this_iter_s")
    assert run.hpms["model.fcnet_hiddens"] == [3, 3]
    assert run.metadata["columns"]["hostname"] == "ellie"
    assert not any("config" in name for name in run.metrics)


def test_ray_many(real_logs: Path) -> None:
    """81 trials of a full grid, whose score is the sum of their three parameters."""
    folder = real_logs / "ray-deepcave" / "logs" / "RayTune"
    runs = [run_of(path) for path in sorted((folder / "run_1").glob("*/result.json"))]
    assert len(runs) == 81
    scores = [run.value("train/score") for run in runs]
    for run, score in zip(runs, scores, strict=True):
        assert math.isclose(score, sum(run.hpms[key] for key in ("alpha", "beta", "gamma")))
        assert not run.findings
    assert len({run.hpms for run in runs}) == 27
    assert math.isclose(statistics.mean(scores), 1.5)
    assert (min(scores), max(scores)) == (1.0, 1.9)
    assert math.isclose(statistics.stdev(scores), 0.24647515087732474)
    [best] = (folder / "run_2").glob("*73021c4e*/result.json")
    assert run_of(best).value("train/score") == 1.4909391286298432
    [text] = (folder / "run_3").glob("*4b403622*/result.json")
    assert run_of(text).hpms["optimizer"] == "rmsprop"
    assert run_of(text).value("train/score") == 0.0024441546034162866


def test_lists_of_jobs(real_logs: Path) -> None:
    """The launcher's lists of jobs are no trainings: no run, but a word about each file."""
    paths = sorted((real_logs / "sacred-hygma" / "results" / "launcher_logs").rglob("*.jsonl"))
    results = [result_of(path) for path in paths]
    assert len(results) == 4
    assert all(not result.runs for result in results)
    assert [[f.code for f in result.findings] for result in results] == [["not-a-log"]] * 4


@pytest.mark.parametrize(
    "pattern",
    [
        "*/**/trainer_state.json",
        "*/**/wandb-summary.json",
        "sacred-*/**/config.json",
        "sacred-*/**/metrics.json",
        "sacred-*/**/info.json",
        "ray-*/**/params.json",
        "ray-*/**/experiment_state*.json",
        "json-deepobs-quadratic/**/*.json",
        "allennlp-fixture/**/*.json",
        "hf-tfm-lora/**/*_results.json",
        "algoperf-*/**/*.log",
        "nanogpt-*/**/*.txt",
    ],
)
def test_files_of_other_kinds(real_logs: Path, pattern: str) -> None:
    """Settings, summaries and logs in other formats are not taken for JSON lines."""
    paths = list(real_logs.glob(pattern))[:20]
    assert paths
    for path in paths:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        assert JsonLinesReader().detect(path, head).confidence == 0, path
