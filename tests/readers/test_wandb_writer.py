"""What Weights & Biases itself wrote is read back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.readers.contract import ReadOptions
from dr_gen.readers.tree import Tree, walk
from dr_gen.readers.wandb.reader import WandbReader
from dr_gen.validators import validate
from tests.readers import wandb_logs as logs
from tests.readers.refused import refusing
from tests.readers.wandb_programs import logged

READER = WandbReader()


def runs_in(folder: Path) -> list[RunData]:
    """The runs below a folder, judged, in the order of their ids."""
    found = sorted(READER.claims(Tree.of(walk(str(folder))[0])), key=lambda claim: claim.identity)
    runs = []
    for claim in found:
        options = ReadOptions(parts=tuple(map(Path, claim.parts)))
        [run] = READER.read(Path(claim.path), Path(claim.named).name, options).runs
        runs.append(validate(run))
    return runs


def test_a_whole_run(tmp_path: Path) -> None:
    """Nested settings, facts, metrics with an x of their own, media, all kinds of numbers."""
    program = """
run = init(
    name="näme α", group="g", job_type="t", tags=["a", "β"], notes="two\\nlines",
    config={"lr": 1e-4, "optim": {"name": "adam", "betas": [0.9, 0.999]}, "none": None, "on": True},
)
run.define_metric("tokens_seen")
run.define_metric("val/*", step_metric="seen")
run.define_metric("train/loss", summary="min")
for i in range(20):
    row = {"train/loss": 1 / (i + 1), "train/λ": float(i), "epoch": i // 5, "net": {"a": {"b": i}}}
    row["odd"] = [math.nan, math.inf, -math.inf, 1e300][i % 4]
    row["h"] = wandb.Histogram(np.arange(10))
    run.log(row)
    if i % 5 == 4:
        run.log({"val/acc": i / 20, "seen": i * 100})
run.log({"picture": wandb.Image(np.zeros((4, 4, 3), np.uint8)), "long": "x" * 100_000})
run.config.update({"late": 3, "optim": {"name": "sgd"}}, allow_val_change=True)
run.summary["test_acc"] = 0.875
run.alert("careful", "the loss is low")
run.finish()
"""
    assert logged(tmp_path, program) == 0
    [run] = runs_in(tmp_path)
    assert run.status == Status.COMPLETED
    assert dict(run.hpms) == {"lr": 1e-4, "optim.name": "sgd", "none": None, "on": True, "late": 3}
    facts = run.metadata
    assert (facts["name"], facts["group"], facts["job_type"]) == ("näme α", "g", "t")
    assert (facts["tags"], facts["notes"]) == (["a", "β"], "two\nlines")
    assert facts["project"] == "project"
    assert run.id.endswith(facts["run_id"])
    i = np.arange(20)
    assert set(run.metrics) == {
        *("train/loss", "train/λ", "train/net/a/b", "train/odd", "val/acc", "test/acc"),
    }
    np.testing.assert_array_equal(run.curve("train/loss", x="step").values, 1 / (i + 1))
    np.testing.assert_array_equal(run.curve("train/λ", x="step").values, i)
    np.testing.assert_array_equal(run.curve("train/net/a/b", x="step").values, i)
    odd = [math.nan, math.inf, -math.inf, 1e300] * 5
    np.testing.assert_array_equal(run.curve("train/odd", x="step").values, odd)
    steps = [step for step in range(24) if step not in (5, 11, 17, 23)]
    assert run.curve("train/loss", x="step").xs.tolist() == steps
    assert run.curve("train/loss", x="epoch").xs.tolist() == [0, 1, 2, 3]
    assert run.curve("val/acc", x="seen").xs.tolist() == [400, 900, 1400, 1900]
    assert run.curve("val/acc", x="seen").values.tolist() == [0.2, 0.45, 0.7, 0.95]
    assert run.curve("test/acc", x="step").xs.tolist() == [24]
    doubts = {finding.code for finding in run.findings if finding.severity == "error"}
    assert doubts == set()
    media = {f.message.split(":")[0] for f in run.findings if f.code == "media-column"}
    assert media == {"h", "picture"}


def test_how_runs_end(tmp_path: Path) -> None:
    """A script that fails, one that logs no row, and one of many rows, whole and cut off."""
    program = 'run = init(id="a")\nrun.log({"loss": 1})\nraise ValueError("on purpose")'
    assert logged(tmp_path, program) == 1
    logged(tmp_path, 'init(id="b", config={"lr": 1}).finish()')
    program = """
run = init(id="c")
for i in range(5000):
    run.log({"loss": i * 0.1, "text": "x" * (i % 500)})
run.finish()
"""
    logged(tmp_path, program)
    failed, empty, long = runs_in(tmp_path)
    assert failed.status == Status.FAILED
    assert failed.reasons == ("the run ended with exit code 1",)
    assert failed.curve("loss").values.tolist() == [1.0]
    assert (empty.metrics, dict(empty.hpms)) == ((), {"lr": 1})
    assert long.curve("loss").values.tolist() == [i * 0.1 for i in range(5000)]
    [log] = (tmp_path / "wandb").glob("*-c/*.wandb")
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    half = runs_in(tmp_path)[2]
    n = half.n_points
    assert 2000 < n < 3000
    assert half.curve("loss").values.tolist() == [i * 0.1 for i in range(n)]
    assert half.status == Status.INCOMPLETE


def test_a_run_that_went_on(tmp_path: Path) -> None:
    """Two processes of one id are one run, the steps of both of them on its axis."""
    program = """
run = init(id="same", resume="allow", config={"part": %d})
for i in range(3):
    run.log({"loss": i + %d}, step=i + %d)
run.finish()
"""
    logged(tmp_path, program % (1, 0, 0))
    first = next((tmp_path / "wandb").glob("offline-run-*"))
    # The name tells the second, and no test waits for one.
    first.rename(first.with_name("offline-run-20200101_000000-same"))
    logged(tmp_path, program % (2, 10, 2))
    [run] = runs_in(tmp_path)
    curve = run.curve("loss", x="step")
    assert (curve.xs.tolist(), curve.values.tolist()) == ([0, 1, 2, 3, 4], [0, 1, 10, 11, 12])
    assert run.curve("loss", x="step", repeats="first").values.tolist() == [0, 1, 2, 11, 12]
    assert dict(run.hpms) == {"part": 2}
    assert {"resumed", "repeated-x"} <= {finding.code for finding in run.findings}


_WITHOUT = """
import sys
from pathlib import Path
from dr_gen.readers.contract import ReadOptions
from dr_gen.readers.wandb.reader import WandbReader
[run] = WandbReader().read(Path(sys.argv[1]), "run", ReadOptions()).runs
print(run.curve("loss").values.tolist())
"""


def test_reading_takes_nothing_of_the_tool(tmp_path: Path) -> None:
    """With its package out of reach a log is read, whether it is installed or not."""
    log = tmp_path / "run-abc.wandb"
    rows = (logs.history({"loss": value, "_step": value}) for value in (1, 2))
    log.write_bytes(logs.wandb_file(logs.run(), *rows, logs.ended()))
    assert refusing(_WITHOUT, str(log)).strip() == "[1.0, 2.0]"
