"""The benchmarks measure what they say: fair jobs, equal answers, a table that can be trusted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs
import numpy as np
import pytest

import dr_gen
from tests.benchmarks.answers import Answer, Block
from tests.benchmarks.compare import main
from tests.benchmarks.comparisons import SCALES, Comparison, comparisons
from tests.benchmarks.counting import counted
from tests.benchmarks.jobs import JOBS, Place, can_use_workers
from tests.benchmarks.measuring import installed
from tests.benchmarks.mlflow_folders import ENVIRONMENT
from tests.benchmarks.peers import PEERS, by_json, needs
from tests.benchmarks.rounds import check_answers, medians
from tests.benchmarks.selecting import QUESTIONS, SWEPT, loaded_by_dr_gen
from tests.benchmarks.tables import markdown, table
from tests.benchmarks.workloads import WORKLOADS, Workload, bytes_of, configuration, grow, write


def test_a_workload_is_the_same_whenever_and_by_whomever_it_is_written(
    small_sweep: Place, tmp_path: Path
) -> None:
    """Bytes depend on the seed alone, not on how many processes write."""
    again = write(small_sweep.workload, tmp_path / "again", processes=2)
    other = write(small_sweep.workload, tmp_path / "other", seed=1, processes=1)
    files = sorted(path.name for path in small_sweep.logs.iterdir())
    assert files == sorted(path.name for path in again.iterdir())
    contents = [(small_sweep.logs / name).read_bytes() for name in files]
    assert contents == [(again / name).read_bytes() for name in files]
    assert contents != [(other / name).read_bytes() for name in files]


def test_a_workload_has_what_makes_logs_hard(tmp_path: Path) -> None:
    """There are diverged runs, malformed lines and files that are cut off, and 67 leaves."""
    workload = Workload("hard", 150, 20)
    logs = write(workload, tmp_path / "logs", processes=1)
    contents = [path.read_bytes() for path in sorted(logs.iterdir())]
    assert sum(b"NaN" in content for content in contents) >= 5
    assert 1 <= sum(not content.endswith(b"\n") for content in contents) <= 10
    group = dr_gen.load(logs, cache=False)
    bad = [finding for finding in group.findings if finding.line is not None]
    assert 0.002 * 150 * 40 < len(bad) < 0.02 * 150 * 40
    assert {len(run.hpms) for run in group} <= {0, 67}
    assert {run.hpms["seed"] for run in group if run.hpms} == set(range(5))
    assert abs(workload.bytes / bytes_of(logs) - 1) < 0.25


def test_configurations_differ_in_few_keys() -> None:
    """Most of a configuration is the same in all runs of a sweep."""
    some = [configuration(i, 0, np.random.default_rng(i)) for i in range(20)]
    assert len({json.dumps(config["optim"]) for config in some}) > 5
    assert len({json.dumps(config["train"]) for config in some}) == 1


def test_growing_adds_an_epoch(small_sweep: Place, tmp_path: Path) -> None:
    """What is appended is read as one more point of every curve of the logs that grew."""
    logs = write(WORKLOADS["XS"], tmp_path / "logs", processes=1)
    before = bytes_of(logs)
    assert bytes_of(logs) == before
    assert grow(small_sweep.workload, logs, 77, every=2) == bytes_of(logs) - before > 0
    grown = dr_gen.load(logs, cache=False)
    last = [int(run.curve("val/acc1").xs[-1]) for run in grown]
    assert [epoch == 77 for epoch in last] == [True, False] * 10


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("form", ["native", "flat"])
def test_every_contestant_recovers_the_same_points(
    peer: str, form: str, small_sweep: Place, small_flat: Place
) -> None:
    """Peers, one `json.loads` a line and dr_gen find the same values, x, runs and settings."""
    if peer.startswith("duckdb") and form == "native":
        pytest.skip("duckdb is compared on flat logs alone")
    pytest.importorskip(needs(peer))
    place = small_sweep if form == "native" else small_flat
    facts = JOBS[peer].facts(JOBS[peer].run(place))
    assert facts == JOBS["load"].facts(JOBS["load"].run(place))
    assert facts["n_points"] > 4000


@pytest.mark.filterwarnings("ignore")  # what tbparse uses of pandas will go
def test_events_are_the_same_to_tbparse(tmp_path: Path) -> None:
    """The peer of event files finds the same values, steps and runs."""
    pytest.importorskip("tbparse")
    workload = WORKLOADS["EVENTS-XS"]
    logs = write(workload, tmp_path / "logs", processes=1)
    place = Place(workload, logs, tmp_path / "store")
    facts = [JOBS[name].facts(JOBS[name].run(place)) for name in ("tbparse", "load events")]
    assert facts[0] == facts[1]
    assert (facts[0]["runs"], facts[0]["n_points"]) == (2, 1000)


def test_our_reader_of_mlflow_recovers_what_its_client_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same values, steps, runs and settings."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    pytest.importorskip("mlflow.tracking")
    logs = write(WORKLOADS["MLFLOW-XS"], tmp_path / "logs", processes=1)
    place = Place(WORKLOADS["MLFLOW-XS"], logs, tmp_path / "store")
    facts = [JOBS[name].facts(JOBS[name].run(place)) for name in ("mlflow client", "load")]
    assert facts[0] == facts[1]
    assert (facts[0]["runs"], facts[0]["n_points"]) == (10, 800)


def test_our_reader_of_wandb_recovers_what_its_own_parser_does(tmp_path: Path) -> None:
    """The same values, steps, runs and settings."""
    pytest.importorskip("wandb")
    pytest.importorskip("wandb.sdk.internal.datastore")
    logs = write(WORKLOADS["RECORDS-XS"], tmp_path / "logs", processes=1)
    place = Place(WORKLOADS["RECORDS-XS"], logs, tmp_path / "store")
    facts = [JOBS[name].facts(JOBS[name].run(place)) for name in ("wandb", "load records")]
    assert facts[0] == facts[1]
    assert (facts[0]["runs"], facts[0]["n_points"]) == (2, 200)


@pytest.mark.parametrize(
    "change",
    [
        {"run": "b"},
        {"names": ["val/acc", "val/loss"]},
        {"x": np.array([0, 1, 3])},
        {"x": np.array([0, 2, 1])},
        {"values": np.array([[1.0, 2.0, np.nan], [4.0, 5.0, np.nextafter(6.0, 7)]])},
        {"values": np.array([[1.0, np.nan, 2.0], [4.0, 5.0, 6.0]])},
        {"values": np.array([[4.0, 5.0, 6.0], [1.0, 2.0, np.nan]])},
    ],
)
def test_answers_that_differ_are_told_apart(change: dict[str, object]) -> None:
    """A value that is off by one bit or in another place changes the sum, another NaN does not."""
    values = np.array([[1.0, 2.0, np.nan], [4.0, 5.0, 6.0]])
    block = Block("a", ["val/loss", "val/acc"], np.arange(3), values)
    facts = Answer([block], {}).facts()
    assert Answer([attrs.evolve(block, **change)], {}).facts() != facts
    other_nan = np.where(np.isnan(values), np.copysign(np.nan, -1), values)
    rows = [Block("a", [block.names[i]], block.x, other_nan[i : i + 1]) for i in (1, 0)]
    assert Answer(rows, {}).facts() == facts


def test_hyperparameters_are_part_of_the_answer() -> None:
    """Another value of a key is another answer."""
    facts = [Answer([], {"a": {"lr": lr}}).facts() for lr in (0.1, 0.2)]
    assert facts[0] != facts[1]


STORE_JOBS = [name for name, job in JOBS.items() if job.needs_store and "grown" not in name]


@pytest.mark.parametrize("name", STORE_JOBS)
def test_what_is_done_with_a_store_is_done(name: str, small_sweep: Place) -> None:
    """Each job runs on a store, and what it finds there is what is in the logs."""
    JOBS["fill"].run(small_sweep)
    job = JOBS[name]
    facts = job.facts(job.run(job.prepare(small_sweep)))
    if name == "reopen":
        assert facts == by_json(small_sweep.logs).facts()
    if "one" in name:
        assert facts["seconds"] > 0


linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counted on Linux alone")


@linux
def test_bytes_read_of_grown_logs_are_counted(tmp_path: Path) -> None:
    """At least what was appended is read; when nothing is new, next to nothing."""
    workload = WORKLOADS["XS"]
    logs = write(workload, tmp_path / "logs", processes=1)
    place = Place(workload, logs, tmp_path / "store")
    JOBS["fill"].run(place)
    job = JOBS["all grown"]
    before = bytes_of(logs)
    facts = job.facts(job.run(job.prepare(place)))
    assert facts["bytes"] == bytes_of(logs) > before
    assert facts["bytes_read"] >= bytes_of(logs) - before
    assert facts["share"] == facts["bytes_read"] / facts["bytes"]


def in_parts(file: Path) -> bytes:
    """A file by the buffered reader of Python."""
    with file.open("rb") as opened:
        return b"".join(iter(lambda: opened.read(1000), b""))


def unbuffered(file: Path) -> bytes:
    """A file at once, and its end by its descriptor."""
    with open(file, "rb", buffering=0) as opened:
        return opened.read(1000) + os.pread(opened.fileno(), file.stat().st_size, 1000)


def by_descriptor(file: Path) -> bytes:
    """A file by calls of the system alone."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return os.read(descriptor, file.stat().st_size)
    finally:
        os.close(descriptor)


WAYS = {
    "bytes": Path.read_bytes,
    "text": lambda file: file.read_text(encoding="ascii").encode(),
    "parts": in_parts,
    "unbuffered": unbuffered,
    "descriptor": by_descriptor,
}


@linux
@pytest.mark.parametrize("name", ["logs", "elsewhere"])
@pytest.mark.parametrize("way", WAYS)
def test_only_what_is_read_of_a_folder_is_counted(tmp_path: Path, way: str, name: str) -> None:
    """However Python reads a file, each byte counts once; files elsewhere do not count."""
    content = b"one line\n" * 5000
    file = tmp_path / name / "a.txt"
    file.parent.mkdir()
    file.write_bytes(content)
    with counted(tmp_path / "logs") as count:
        assert WAYS[way](file) == content
    assert count.n_bytes == (len(content) if name == "logs" else 0)


@pytest.fixture(scope="session")
def small_runs(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A tiny sweep whose hyperparameters are asked for."""
    folder = tmp_path_factory.mktemp("runs")
    logs = write(WORKLOADS["RUNS-XS"], folder / "logs", processes=1)
    return Place(WORKLOADS["RUNS-XS"], logs, folder / "store")


def test_sound_logs_are_whole(small_runs: Place) -> None:
    """Every run has its 67 hyperparameters and its points, and every one that vary varies."""
    loaded = loaded_by_dr_gen(small_runs.logs)
    assert all(finding.line is None for finding in loaded.runs.findings)
    assert (len(loaded.runs), len(loaded.keys)) == (20, 67)
    assert {run.n_points for run in loaded.runs} == {20}
    assert set(SWEPT) >= set(loaded.runs.hpm_group.important) - {"name", "machine.job"}


def test_questions_about_runs_are_answered_and_timed(small_runs: Place) -> None:
    """The answers are those of the configurations, looked at one by one."""
    job = JOBS["select"]
    loaded = job.prepare(small_runs)
    asked = job.run(loaded)
    hpms = {run.id: run.hpms for run in loaded.runs}
    assert asked.seconds.keys() == set(QUESTIONS)
    assert all(took > 0 for took in asked.seconds.values())
    varying = {k for k in loaded.keys if len({str(hpm[k]) for hpm in hpms.values()}) > 1}
    assert asked.answers["varying"] == sorted(varying)
    wanted = [run for run, hpm in hpms.items() if hpm["optim.lr"] == 0.1]
    assert asked.answers["filter"] == wanted
    for key, ids in asked.answers["group_by"]:
        same = [run for run, hpm in hpms.items() if [hpm[k] for k in SWEPT] == key]
        assert ids == same
    frame = asked.answers["to_frame"]
    assert frame == {key: [hpm[key] for hpm in hpms.values()] for key in loaded.keys}
    again = job.facts(job.run(loaded))
    assert [again[f"{q} answer"] for q in QUESTIONS] == [
        asked.facts()[f"{q} answer"] for q in QUESTIONS
    ]


def test_hydraflow_answers_the_same(small_runs: Place) -> None:
    """What the other gives for the same runs is the same, before the two are compared."""
    pytest.importorskip("hydraflow")
    facts = {}
    for name in ("select", "hydraflow"):
        job = JOBS[name]
        facts[name] = job.facts(job.run(job.prepare(small_runs)))
    for question in QUESTIONS:
        assert facts["select"][f"{question} answer"] == facts["hydraflow"][f"{question} answer"]


@pytest.mark.skipif(not can_use_workers(), reason="load takes no workers yet")
def test_two_processes_give_the_same_answer(small_sweep: Place) -> None:
    """Loading with two processes gives what one gives."""
    job = JOBS["load, 2 processes"]
    assert job.facts(job.run(small_sweep)) == by_json(small_sweep.logs).facts()


def test_the_command_prints_a_table_and_keeps_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every contestant that is installed has a row, and every repetition is in the JSON."""
    out = tmp_path / "out.json"
    only = ["--scale", "tiny", "--only", "load,import", "--rounds", "1"]
    assert main([*only, "--data", str(tmp_path / "data"), "--json", str(out), "--markdown"]) == 0
    printed = capsys.readouterr().out
    found = json.loads(out.read_text())["measurements"]
    rows = [line for line in printed.splitlines() if line.startswith("|")]
    compared = [one["job"] for one in found if one["job"] in PEERS]
    assert {"json", "polars"} <= set(compared)
    assert len(rows) == 2 + len(compared) + 2
    assert "orjson" in compared or "orjson" not in printed
    assert all(one["wall"] > 0 and one["cpu"] >= 0 for one in found)
    assert all(one["peak"] > 10e6 for one in found if one["workload"])
    assert "×" in printed
    assert "aim" not in printed
    assert main(["--scale", "tiny", "--read", str(out), "--markdown"]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.slow
def test_the_whole_command_runs_on_tiny_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row that can be measured here is in the table."""
    assert main(["--scale", "tiny"]) == 0
    printed = capsys.readouterr().out
    there = [row for row in comparisons(SCALES["tiny"]) if all(installed(j) for j, _ in row.tasks)]
    for row in there:
        assert f"| {row.what} " in printed or row.topic == "processes"
    assert len(printed.splitlines()) >= 4 + len(there) - (not can_use_workers())


def test_a_topic_that_is_none_is_refused(tmp_path: Path) -> None:
    """The topics that there are are named."""
    with pytest.raises(SystemExit, match="no topic nothing; there are load, flat"):
        main(["--only", "nothing", "--data", str(tmp_path)])


@pytest.mark.parametrize("scale", SCALES)
def test_every_row_is_about_jobs_and_workloads_that_exist(scale: str) -> None:
    """Nothing is named in the table that cannot be measured."""
    for row in comparisons(SCALES[scale]):
        for job, workload in row.tasks:
            assert (job in JOBS and workload in WORKLOADS) or job.startswith("import dr_gen")


def test_medians_are_compared_and_goals_judged() -> None:
    """A ratio is of medians over the rounds; a goal is reached, missed, or surpassed."""
    found = [
        {"job": job, "workload": "XS", "wall": wall, "cpu": 1.0, "peak": 2e8}
        for job, walls in {"load": (1.0, 2.0, 9.0), "json": (3.0, 4.0, 5.0)}.items()
        for wall in walls
    ]
    task = ("load", "XS")
    rows = [
        *(Comparison("t", "w", task, "json", "wall", *goal) for goal in ((3, 4), (2, 4), (1, 2))),
        *(Comparison("t", "w", task, None, "peak", *goal) for goal in ((1e8, 1e7), (3e8, 2e8))),
        Comparison("t", "w", task),
    ]
    _, *cells = table(rows, medians(found), goals=True)
    assert cells[0][2:6] == ["2 s", "json", "4 s", "2.00×"]
    assert [row[-1] for row in cells] == ["no", "yes", "aim", "no", "aim", ""]
    assert cells[3][2] == "200 MB"


def test_answers_that_differ_stop_the_comparison() -> None:
    """Ratios of jobs that did not do the same are not shown."""
    one = {"job": "a", "workload": "XS", "runs": 1, "n_points": 2, "points": 3, "hpms": 4}
    check_answers([one, {**one, "job": "b"}, {**one, "workload": "S", "points": 5}])
    told = {f"{question} answer": 1 for question in QUESTIONS}
    asked = {"job": "a", "workload": "R", **told}
    with pytest.raises(RuntimeError, match="b and a on R: filter answer 2 and 1"):
        check_answers([asked, {**asked, "job": "b", "filter answer": 2}])
    with pytest.raises(RuntimeError, match="b and a on XS: points 7 and 3"):
        check_answers([one, {**one, "job": "b", "points": 7}])


def test_a_table_is_markdown_with_columns_under_one_another() -> None:
    """Cells are padded to the widest of their column, numbers to the right."""
    cells = [["what", "on", "took", "against"], ["load", "S", "1 s", "json"]]
    assert markdown(cells).splitlines() == [
        "| what | on | took | against |",
        "| ---- | -- | ---: | ------- |",
        "| load | S  |  1 s | json    |",
    ]
