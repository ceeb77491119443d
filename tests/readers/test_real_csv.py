"""Tables that other people's tools wrote: the facts that are known of them."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import trim_mean

from dr_gen.model.run import RunData
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, ReadOptions, ReadResult
from dr_gen.readers.csv.reader import CsvReader
from dr_gen.readers.jsonlines.reader import JsonLinesReader
from dr_gen.readers.tree import Tree, walk


def result_of(path: Path, *parts: Path) -> ReadResult:
    """A table, recognised and read as one."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    reader = CsvReader()
    assert reader.detect(path, head).confidence >= 0.6, path
    return reader.read(path, path.stem, ReadOptions(parts=parts))


def run_of(path: Path, *parts: Path) -> RunData:
    """The one run of a table."""
    [run] = result_of(path, *parts).runs
    return run


def codes(run: RunData) -> list[str]:
    """The codes of the findings of a run."""
    return [finding.code for finding in run.findings]


def test_drqv2(real_logs: Path) -> None:
    """A table of ten seeds is ten runs; the row numbers of pandas are no column of it."""
    folder = real_logs / "csv-drqv2-curves" / "curves"
    runs = result_of(folder / "dmc_acrobot_swingup.csv").runs
    assert [run.seed for run in runs] == list(range(1, 11))
    assert [run.id for run in runs][:2] == [f"dmc_acrobot_swingup/seed={s}" for s in (1, 2)]
    assert all(len(run.curve("train/episode_reward", x="frame")) == 150 for run in runs)
    assert {(run.hpms["agent"], run.hpms["task"]) for run in runs} == {
        ("DrQ-v2", "acrobot_swingup")
    }
    last = [run.curve("train/episode_reward", x="frame").at(2_980_000) for run in runs]
    assert np.isclose(statistics.mean(last), 437.93003365147325, rtol=1e-12)
    assert np.isclose(statistics.stdev(last), 68.37709458994557, rtol=1e-12)
    assert (round(min(last), 2), round(max(last), 2)) == (327.16, 530.59)
    walker = result_of(folder / "dmc_walker_run.csv").runs
    last = [run.curve("train/episode_reward", x="frame").at(2_980_000) for run in walker]
    assert np.isclose(statistics.mean(last), 677.8261602399606, rtol=1e-12)
    assert np.isclose(statistics.stdev(last), 90.47196090059451, rtol=1e-12)
    humanoid = result_of(folder / "dmc_humanoid_run.csv").runs
    assert sum(run.curve("train/episode_reward", x="frame").n_rows for run in humanoid) == 3010
    last = [run.curve("train/episode_reward", x="frame").at(30_000_000) for run in humanoid]
    assert np.isclose(statistics.mean(last), 224.75633449657866, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "epoch", "best"),
    [
        ("history_model_1_seqlen12", 242, 0.792516827583313),
        ("history_model_1_seqlen4", 247, 0.6700424772714744),
        ("history_model_3_seqlen4", 242, 0.6516230686699841),
        ("training_history", 247, 0.6700424772714744),
    ],
)
def test_column_without_a_name(real_logs: Path, name: str, epoch: int, best: float) -> None:
    """The epoch of a history that pandas wrote has no name above it."""
    run = run_of(real_logs / "csv-ecmodel" / "results" / f"{name}.csv")
    loss = run.curve("val/loss", x="epoch")
    assert (loss.xs[int(loss.values.argmin())], loss.reduce("min")) == (epoch, best)
    assert run.metadata["x_columns"] == {"epoch": ""}
    assert len(run["train"]) == len(run["val"]) == 7


def test_gain_sweep(real_logs: Path) -> None:
    """Parameters beside a table are its hyperparameters; a result of one row is a point."""
    sweep = real_logs / "csv-mlpws-gainsweep" / "experiments" / "gain_sweep01"
    run = run_of(sweep / "gaussian1_gain=0.025" / "result.csv")
    assert (run.hpms["gain"], run.hpms["seed"], run.hpms["estimator"]) == (0.025, 0, "Gaussian")
    assert run.hpms["run_info.hostname"] == "compute3.hollandia.amolf.nl"
    assert run.curve("train/mean").at(50) == 1.3086021245482442
    assert run.curve("train/count").at(50) == 1000
    folder = next(sweep.glob("*/backward_training_log.csv")).parent
    run = run_of(folder / "backward_training_log.csv")
    assert sorted(run["train"]) == ["kl_div", "log_cond", "loss"]
    assert run.curve("train/loss").x_name == "epoch"
    assert run.hpms["gain"] == float(folder.name.partition("=")[2])


def test_ppo_pytorch(real_logs: Path) -> None:
    """Episode and timestep are axes; a run that was stopped has fewer rows."""
    logs = real_logs / "csv-ppo-pytorch" / "PPO_logs"

    def rewards(env: str) -> list[np.ndarray]:
        paths = sorted((logs / env).glob("*.csv"))
        return [run_of(path).curve("train/reward", x="episode").values for path in paths]

    cartpole = rewards("CartPole-v1")
    assert [(len(values), values[-1]) for values in cartpole] == [
        (125, 362),
        (125, 400),
        (125, 400),
    ]
    assert [len(values) for values in rewards("BipedalWalker-v2")] == [1146, 68]
    last = [round(values[-1], 4) for values in rewards("RoboschoolHalfCheetah-v1")]
    assert last == [1699.8358, 1549.0598, 1898.8385]
    run = run_of(logs / "CartPole-v1" / "PPO_CartPole-v1_log_0.csv")
    assert set(run["train"]["reward"]) == {"episode", "timestep"}


def test_tdmpc2(real_logs: Path) -> None:
    """Seeds in no order, two names of the score, and the interquartile mean over all of them."""
    results = real_logs / "csv-tdmpc2-dmc" / "results"
    runs = {
        algo: {path.stem: result_of(path).runs for path in sorted((results / algo).glob("*.csv"))}
        for algo in ("sac", "dreamerv3", "tdmpc", "tdmpc2")
    }

    def last(algo: str, task: str) -> dict[int, tuple[float, float]]:
        curves = {run.seed: run.curve("train/reward", x="step") for run in runs[algo][task]}
        return {seed: (c.xs[-1], c.values[-1]) for seed, c in sorted(curves.items())}

    assert [run.seed for run in runs["tdmpc2"]["walker-run"]] != [1, 2, 3]
    walker = {algo: last(algo, "walker-run") for algo in runs}
    assert sorted(walker["tdmpc2"].values()) == [(4e6, 868.1), (4e6, 879.3), (4e6, 884.2)]
    assert sorted(v for _, v in walker["sac"].values()) == [647.7, 672.6, 739.6]
    assert sorted(v for _, v in walker["tdmpc"].values()) == [837.4, 840.3, 841.9]
    assert {x for x, _ in walker["dreamerv3"].values()} == {3_900_000}
    assert sorted(v for _, v in walker["dreamerv3"].values()) == [524.5, 549.9, 635.8]
    tasks = [task for task, found in runs["tdmpc2"].items() if "reward" in found[0]["train"]]
    assert (len(runs["tdmpc2"]), len(tasks)) == (54, 39)
    wanted = {"sac": 0.676122, "dreamerv3": 0.766346, "tdmpc": 0.812964, "tdmpc2": 0.920666}
    for algo, value in wanted.items():
        scores = [v / 1000 for task in tasks for _, v in last(algo, task).values()]
        assert round(float(trim_mean(scores, 0.25)), 6) == value, algo


def test_keras(real_logs: Path) -> None:
    """Histories of Keras, one of them with the line ends of Windows and losses below zero."""
    run = run_of(real_logs / "keras-carnd-a" / "logs" / "history.csv")
    assert run.metrics == ("train/loss", "val/loss")
    loss = run.curve("val/loss", x="epoch")
    assert (loss.reduce("min"), loss.values[-1], loss.xs[-1]) == (*[0.0469039631575] * 2, 4)
    run = run_of(real_logs / "keras-segmentation" / "logs" / "training.csv")
    loss = run.curve("val/loss", x="epoch")
    assert (loss.xs[int(loss.values.argmin())], loss.reduce("min")) == (187, -0.7999098300933838)
    assert round(run.value("val/dice_coef@last"), 6) == 0.789769
    assert codes(run) == []


def test_monitors(real_logs: Path) -> None:
    """The environments of one run are one run: 19 of them in 186 files with 149,413 episodes."""
    folder = real_logs / "rl-sb3-zoo-a"
    claims = list(CsvReader().claims(Tree.of(walk(str(folder))[0])))
    assert (len(claims), sum(1 + len(claim.parts) for claim in claims)) == (19, 186)
    runs = {
        Path(claim.named).name: run_of(Path(claim.path), *map(Path, claim.parts))
        for claim in claims
    }
    assert sum(len(run.curve("train/r")) for run in runs.values()) == 149_413
    acrobot = runs["Acrobot-v1_1"]
    assert len(acrobot.curve("train/r")) == 11_831
    assert acrobot.hpms["env_id"] == "Acrobot-v1"
    assert set(acrobot["train"]["r"]) == {"time", "step"}
    assert bool((np.diff(acrobot.curve("train/r", x="time").xs) >= 0).all())
    first = run_of(folder / "ppo" / "Acrobot-v1_1" / "0.monitor.csv")
    assert len(first.curve("train/r")) == 731
    assert np.isclose(first.value("train/r@mean"), -84.7373461012312, rtol=1e-12)


def test_procgen(real_logs: Path) -> None:
    """The split is in the name of the file alone, and the counters in a group of their own."""
    results = real_logs / "rl-train-procgen" / "train_procgen" / "results"

    def last(split: str, game: str) -> list[float]:
        paths = [results / f"easy-200-run{i}" / f"progress-{game}-{split}.csv" for i in range(3)]
        curves = [run_of(p).curve(f"{split}/eprewmean", x="total_timesteps") for p in paths]
        assert {c.xs[-1] for c in curves} == {49_987_584}
        return [c.values[-1] for c in curves]

    assert last("train", "coinrun") == pytest.approx([9.9, 9.9, 9.8], abs=1e-6)
    assert last("test", "coinrun") == pytest.approx([8.0, 9.1, 9.2], abs=1e-6)
    assert last("test", "starpilot") == pytest.approx([28.4, 24.94, 28.35], abs=1e-6)
    assert last("test", "maze") == pytest.approx([5.7, 6.1, 5.5], abs=1e-6)
    mazes = [run_of(results / f"easy-200-run{i}" / "progress-maze-test.csv") for i in range(3)]
    assert [run.value("test/eprewmean@max") for run in mazes] == [10.0] * 3
    assert len(list(results.rglob("*.csv"))) == 27
    claims = list(CsvReader().claims(Tree.of(walk(str(results))[0])))
    names = {Path(claim.named).relative_to(results).as_posix() for claim in claims}
    games = ("coinrun", "maze", "starpilot")
    assert names >= {f"easy-200-run{i}/progress-{game}" for i in range(3) for game in games}
    claim = next(claim for claim in claims if claim.named.endswith("run0/progress-maze"))
    run = run_of(Path(claim.path), *map(Path, claim.parts))
    last = [run.curve(f"{split}/eprewmean", x="total_timesteps").values[-1] for split in run]
    assert (tuple(run), last[1]) == (("train", "test"), pytest.approx(5.7, abs=1e-6))
    for file, split in zip((claim.path, *claim.parts), run, strict=True):
        rows = Path(file).read_text().splitlines()[1:]
        curve = run.curve(f"{split}/eprewmean", x="total_timesteps")
        assert curve.values.tolist() == [float(row.split(",")[1]) for row in rows]


def test_ray(real_logs: Path) -> None:
    """The table of Ray has what its lines have, and both are claimed as one source."""
    folder = real_logs / "ray-flow" / "tutorials" / "data" / "trained_ring"
    run = run_of(folder / "progress.csv")
    reward = run.curve("train/episode_reward_mean", x="iteration")
    assert reward.xs.tolist() == list(range(1, 201))
    assert (reward.at(1), reward.at(200)) == (-8112.181357017001, 2324.433615775931)
    assert (reward.reduce("max"), reward.at(194)) == (2424.6104230103965,) * 2
    assert run.curve("train/episode_reward_mean", x="timesteps_total").xs[-1] == 12_000_000
    assert run.hpms["model.fcnet_hiddens"] == [3, 3]
    [claim] = JsonLinesReader().claims(Tree.of(walk(str(folder))[0]))
    assert (claim.path, claim.parts) == (
        str(folder / "result.json"),
        (str(folder / "progress.csv"),),
    )
    lines = JsonLinesReader().read(Path(claim.path), "r", ReadOptions()).runs[0]
    other = lines.curve("train/episode_reward_mean", x="iteration")
    assert np.array_equal(other.values, reward.values)


def test_rows_longer_than_the_header(real_logs: Path) -> None:
    """A cell that was added at the end later, without a name, costs nothing that has one."""
    run = run_of(real_logs / "ray-flow" / "tests" / "fast_tests" / "test_files" / "progress.csv")
    reward = run.curve("train/episode_reward_mean", x="iteration")
    assert reward.n_rows == 43
    assert (reward.at(1), reward.at(2)) == (-4.045722713864307, -1.9084302325581395)
    assert run.hpms["model.fcnet_hiddens"] == [256, 256]
    assert run.hpms["env"] == "Alumettes"
    [finding] = [finding for finding in run.findings if finding.code == "long-row"]
    assert (finding.line, "28 names" in finding.message) == (3, True)
    assert "3-44" in finding.message


def test_yolo(real_logs: Path) -> None:
    """Padded names and cells; all settings beside; the best of 18 by the last row."""
    runs = {
        path.parent.name: run_of(path)
        for path in sorted((real_logs / "yolo-ensemble-a" / "runs" / "detect").glob("*/*.csv"))
    }
    assert sorted(runs) == sorted(f"train{i}" for i in range(2, 20))
    name = "val/metrics/mAP50-95(B)"
    assert all(len(run.metrics) == 13 for run in runs.values())
    last = {run: found.value(f"{name}@last") for run, found in runs.items()}
    assert (max(last, key=last.__getitem__), min(last, key=last.__getitem__)) == (
        "train10",
        "train5",
    )
    assert (last["train10"], last["train5"], last["train7"]) == (0.3156, 0.28385, 0.31296)
    assert all(not run.curve(name).values[:-1].any() for run in runs.values())
    varying = {
        key for key in runs["train2"].hpms if len({str(run.hpms[key]) for run in runs.values()}) > 1
    }
    assert {"lr0", "lrf", "momentum", "weight_decay", "box", "cls", "hsv_h"} <= varying
    assert {run.hpms["seed"] for run in runs.values()} == {0}


def test_algoperf(real_logs: Path) -> None:
    """Metrics of three splits in one row; a trial that was cut short is shorter."""
    logs = real_logs.joinpath(
        "algoperf-sfadamw-v2", "previous_leaderboards", "algoperf_v06", "logs", "self_tuning"
    )
    studies = [logs / "schedule_free_adamw_v2" / f"study_{i}" for i in range(3)]

    def curves(workload: str, metric: str, table: str = "eval_measurements.csv") -> list[object]:
        found = [next(study.glob(f"{workload}_*/trial_1/{table}")) for study in studies]
        return [run_of(path).curve(metric, x="global_step") for path in found]

    graph = curves("ogbg", "val/mean_average_precision")
    assert len(graph[0]) == 17
    assert [curve.values[-1] for curve in graph] == [
        0.2572865187860022,
        0.26772886747465424,
        0.2604344508188549,
    ]
    image = curves("imagenet_resnet", "val/accuracy")
    assert [(len(curve), curve.values[-1]) for curve in image] == [
        (195, 0.77452),
        (195, 0.7739),
        (195, 0.77394),
    ]
    speech = curves("librispeech_deepspeech", "val/wer")
    assert [len(curve) for curve in speech] == [41, 7, 38]
    assert [round(curve.values[-1], 4) for curve in speech] == [0.1199, 0.4225, 0.1199]
    sizes = [
        max(curve.n_rows for curve in run_of(path).curves())
        for path in logs.rglob("eval_measurements.csv")
    ]
    assert (min(sizes), max(sizes)) == (7, 195)


def test_tables_of_other_things(real_logs: Path) -> None:
    """A list of jobs is no log of a training."""
    path = real_logs / "pl-oligogym" / "cal_manifest.csv"
    assert formats.detect(path, path.read_bytes()[:HEAD_BYTES]) is None
