"""Folders of the CSVLogger of PyTorch Lightning."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml

from dr_gen.model.run import RunData
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, More, ReadOptions, ReadResult
from dr_gen.readers.lightning import LightningReader
from dr_gen.readers.tree import Tree, walk
from dr_gen.testing import ReaderContract
from tests.readers.logged import as_logged, mutated, rows_of

READER = LightningReader()


class CsvWriter:
    """Writes what the logger writes: the header is sorted, and all is written anew if it changes.

    With `whole` it writes as the logger did before it learnt to append.
    """

    def __init__(self, folder: Path, whole: bool = False) -> None:
        self.path, self.whole = folder / "metrics.csv", whole
        self.names: list[str] = []
        self.rows: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def hyperparameters(self, hpms: Mapping[str, Any]) -> None:
        """Write the settings."""
        self.path.with_name("hparams.yaml").write_text(yaml.safe_dump(dict(hpms)))

    def save(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write more rows."""
        new = {name for row in rows for name in row} - set(self.names)
        if self.whole:
            self.names += [n for row in rows for n in row if n not in self.names]
            self.names = list(dict.fromkeys(self.names))
        else:
            self.names = sorted({*self.names, *new})
        self.rows += [dict(row) for row in rows]
        again = bool(new) or self.whole
        with self.path.open("w" if again else "a", newline="") as file:
            writer = csv.DictWriter(file, self.names)
            if again:
                writer.writeheader()
            writer.writerows(self.rows if again else rows)


class TestLightning(ReaderContract):
    """A version: rows of one split each, hyperparameters beside them."""

    reader: ClassVar[LightningReader] = READER

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run as the logger does."""
        writer = CsvWriter(tmp_path / "version_0")
        writer.hyperparameters(run.hpms.nested())
        found = rows_of(run)
        rows = [{**x, f"{split}_{metric}": value} for split, metric, x, value in found]
        writer.save(rows or [{"epoch": 0, "step": 0}])
        if not any("step" in row or "epoch" in row for row in writer.rows):
            writer.save([{"step": ""}])
        return writer.path, as_logged(run, "{}_{}".format)


def training(epochs: int, first: int = 0) -> list[dict[str, Any]]:
    """Rows of a training of ten steps an epoch: every fifth is logged, then the epoch."""
    rows: list[dict[str, Any]] = []
    for epoch in range(first, first + epochs):
        for step in (10 * epoch + 4, 10 * epoch + 9):
            rows.append({"epoch": epoch, "step": step, "train_loss_step": 1 / (1 + step)})
        last = 10 * epoch + 9
        rows.append({"epoch": epoch, "step": last, "val_loss/dataloader_idx_0": 2.0 + epoch})
        rows.append({"epoch": epoch, "step": last, "train_loss_epoch": 1.5 + epoch})
    return rows


def read(path: Path) -> ReadResult:
    """What is read of a file, claimed with others."""
    found = READER.claims(Tree.of(walk(str(path.parent))[0]))
    parts = next((claim.parts for claim in found if claim.path == str(path)), ())
    return READER.read(path, "r", ReadOptions(parts=tuple(map(Path, parts))))


@pytest.mark.parametrize("whole", [False, True])
def test_steps_and_epochs(tmp_path: Path, whole: bool) -> None:
    """Each metric has the steps and epochs at which it was logged, under its name of the table."""
    writer = CsvWriter(tmp_path / "version_3", whole)
    writer.hyperparameters({"lr": 1e-3, "net": {"width": 8}})
    for epoch in range(3):
        writer.save(training(1, epoch))
    [run] = read(writer.path).runs
    assert run.metrics == ("train/loss_step", "train/loss_epoch", "val/loss/dataloader_idx_0") or (
        sorted(run.metrics) == ["train/loss_epoch", "train/loss_step", "val/loss/dataloader_idx_0"]
    )
    assert run.curve("train/loss_step", x="step").xs.tolist() == [4, 9, 14, 19, 24, 29]
    assert run.curve("val/loss/dataloader_idx_0", x="step").xs.tolist() == [9, 19, 29]
    assert run.curve("train/loss_epoch", x="epoch").values.tolist() == [1.5, 2.5, 3.5]
    assert run.curve("train/loss_step").original_name == "train_loss_step"
    assert dict(run.hpms) == {"lr": 1e-3, "net.width": 8}
    assert run.findings == ()


def test_what_is_claimed(tmp_path: Path) -> None:
    """A version is its metrics with the settings, named by its folder; events are left alone."""
    logs = tmp_path / "lightning_logs"
    writer = CsvWriter(logs / "version_0")
    writer.hyperparameters({})
    writer.save(training(1))
    (logs / "version_0" / "events.out.tfevents.1.host.1.0").write_bytes(b"")
    CsvWriter(logs / "version_1").hyperparameters({"lr": 1})
    CsvWriter(logs / "version_2").save(training(1))
    CsvWriter(tmp_path / "other").save(training(1))
    claims = list(READER.claims(Tree.of(walk(str(tmp_path))[0])))
    assert [(Path(c.path).relative_to(logs).as_posix(), len(c.parts)) for c in claims] == [
        ("version_0/metrics.csv", 1),
        ("version_1/hparams.yaml", 0),
        ("version_2/metrics.csv", 0),
    ]
    assert [claim.named for claim in claims] == [str(logs / f"version_{i}") for i in range(3)]
    assert [bool(claim.alone_in) for claim in claims] == [False, True, False]
    head = (tmp_path / "other" / "metrics.csv").read_bytes()
    found = formats.detect(tmp_path / "other" / "metrics.csv", head)
    assert found is not None
    assert found[0].name == "lightning"


def test_runs_without_metrics(tmp_path: Path) -> None:
    """A run that was stopped early is listed with what was set."""
    writer = CsvWriter(tmp_path / "version_0")
    writer.hyperparameters({"lr": 0.5})
    [run] = read(writer.path.with_name("hparams.yaml")).runs
    assert (dict(run.hpms), run.n_points) == ({"lr": 0.5}, 0)
    assert [finding.code for finding in run.findings] == ["no-metrics-file"]
    assert READER.detect(writer.path.with_name("hparams.yaml"), b"lr: 1\n").confidence > 0
    writer.path.write_bytes(b"")
    assert READER.detect(writer.path, b"").confidence > 0
    [run] = read(writer.path).runs
    assert (dict(run.hpms), run.n_points) == ({"lr": 0.5}, 0)
    assert [finding.code for finding in run.findings] == ["empty-file"]
    writer.path.write_bytes(b"epoch,st")
    found = formats.detect(writer.path, b"epoch,st")
    assert found is not None
    assert found[0].name == "lightning"
    [run] = read(writer.path).runs
    assert [finding.code for finding in run.findings] == ["truncated-line"]
    assert [c.named for c in READER.claims(Tree.of(["metrics.csv", "hparams.yaml"]))] == ["."]


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a/metrics.csv", b"loss,acc\n1,2\n"),
        ("a/metrics.csv", b"step,acc\n1,2\n"),
        ("version_0/loss.csv", b"epoch,step,loss\n0,1,2\n"),
        ("a/hparams.yaml", b"lr: 1\n"),
        ("a/metrics.csv", b"epoch,step\n1,2\n"),
    ],
)
def test_what_is_not_of_lightning(name: str, head: bytes) -> None:
    """Tables that other tools call metrics are not claimed."""
    assert READER.detect(Path(name), head).confidence == 0


def test_settings_with_objects(tmp_path: Path) -> None:
    """Objects of Python in the settings are read as what they hold, and never made."""
    writer = CsvWriter(tmp_path / "version_0")
    writer.save(training(1))
    text = "opt: !!python/object:torch.optim.Adam {lr: 1e-3}\nrun: !!python/name:os.system ''\n"
    writer.path.with_name("hparams.yaml").write_text(text)
    [run] = read(writer.path).runs
    assert run.hpms["opt.lr"] == 1e-3
    assert len(run.metrics) == 3


def test_a_version_that_grows(tmp_path: Path) -> None:
    """Rows that are appended give what reading the whole file gives; a new header is read anew."""
    writer = CsvWriter(tmp_path / "version_0")
    writer.hyperparameters({"lr": 0.5})
    writer.save(training(3))
    for more, joined in ((training(2, 3), True), ([{"epoch": 5, "step": 59, "lr-Adam": 1}], False)):
        before, content = read(writer.path), writer.path.read_bytes()
        assert not before.closed
        writer.save(more)
        whole, grown = read(writer.path), writer.path.read_bytes()
        assert grown.startswith(content) == joined
        if joined:
            tail = grown[len(content) :]
            given = (writer.path, "r", ReadOptions(), before.runs[0], before.state)
            [result] = READER.read_more([More(*given, content[-64:], tail)])
            assert result is not None
            assert result.runs == whole.runs


@pytest.mark.parametrize("n", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_versions(tmp_path: Path, n: int) -> None:
    """No damage of either file raises, and there is always a run or a finding."""
    writer = CsvWriter(tmp_path / "version_0")
    writer.hyperparameters({"lr": 1e-3, "net": {"width": [8, 8]}})
    writer.save(training(2))
    settings = writer.path.with_name("hparams.yaml")
    samples = (writer.path.read_bytes(), settings.read_bytes())
    rng = random.Random(n)
    for i in range(n):
        contents = [mutated(rng, s) if i % 2 == k else s for k, s in enumerate(samples)]
        writer.path.write_bytes(contents[0])
        settings.write_bytes(contents[1])
        result = read(writer.path)
        assert result.runs or result.findings, contents
        READER.detect(writer.path, contents[0])


@pytest.fixture(scope="module")
def oligogym(real_logs: Path) -> dict[str, RunData]:
    """All versions of a real sweep."""
    folder = real_logs / "pl-oligogym" / "lightning_logs"
    runs = {}
    for claim in READER.claims(Tree.of(walk(str(folder))[0])):
        path = Path(claim.path)
        found = formats.detect(path, path.read_bytes()[:HEAD_BYTES])
        assert found is not None
        assert found[0].name == "lightning"
        assert [Path(part).name for part in claim.parts] == ["hparams.yaml"]
        options = ReadOptions(parts=tuple(map(Path, claim.parts)))
        [run] = READER.read(path, Path(claim.named).name, options).runs
        runs[run.id] = run
    return runs


def test_real_versions(oligogym: dict[str, RunData]) -> None:
    """166 runs, 9 of them shorter than the interval of the training loss, none with settings."""
    runs = oligogym.values()
    assert len(runs) == 166
    assert sum("train/loss" in run.metrics for run in runs) == 157
    assert all("val/loss" in run.metrics for run in runs)
    assert sum(run.n_points for run in runs) == 9543
    assert all(not run.hpms and not run.findings for run in runs)


def test_real_curves(oligogym: dict[str, RunData]) -> None:
    """The best and the last values are those of the tables, at their epochs and steps."""
    run = oligogym["version_0"]
    by_step, by_epoch = (run.curve("val/loss", x=x) for x in ("step", "epoch"))
    assert (len(run.curve("train/loss")), len(by_step)) == (4, 52)
    best = int(by_step.values.argmin())
    assert (by_epoch.xs[best], by_step.xs[best]) == (46, 187)
    assert by_step.values[best] == 0.7057119607925415
    assert (by_step.xs[-1], by_step.values[-1]) == (207, 0.7163434624671936)
    assert run.value("train/loss@last") == 0.27745166420936584
    for version, epoch, value in (
        (1, 98, 0.40950244665145874),
        (102, 0, 0.7360325455665588),
        (50, 5, 0.03777436539530754),
    ):
        curve = oligogym[f"version_{version}"].curve("val/loss", x="epoch")
        assert (curve.xs[int(np.argmin(curve.values))], curve.values.min()) == (epoch, value)
    sizes = {i: oligogym[f"version_{i}"].n_points for i in (102, 50)}
    assert sizes == {102: 6, 50: 14}
