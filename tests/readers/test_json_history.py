"""Histories in one JSON document."""

from __future__ import annotations

import gzip
import json
import random
import statistics
from pathlib import Path
from typing import Any, ClassVar

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis.strategies import SearchStrategy

from dr_gen.model.run import RunData
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.json_history.documents import repaired
from dr_gen.readers.json_history.reader import JsonHistoryReader
from dr_gen.readers.tree import Tree, walk
from dr_gen.testing import ReaderContract
from tests.readers.logged import as_logged, mutated, rows_of

READER = JsonHistoryReader()
KERAS: dict[str, Any] = {"loss": [3.0, 2.0, 1.5], "val_loss": [4.0, 3.5, 3.25], "lr": [0.1] * 3}


class TestJsonHistory(ReaderContract):
    """A list with a row a point, under its name; the settings are beside it."""

    reader: ClassVar[JsonHistoryReader] = READER
    certain: ClassVar[float] = 0.8
    lines: ClassVar[bool] = False

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run as rows."""
        path = tmp_path / "history.json"
        rows = [{**x, "split": split, metric: value} for split, metric, x, value in rows_of(run)]
        document = {"config": run.hpms.nested(), "history": rows}
        path.write_text(json.dumps(document, indent=1))
        return path, as_logged(run)


def read(tmp_path: Path, document: Any, name: str = "history.json", **options: Any) -> ReadResult:
    """What is read of a document."""
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return READER.read(path, "r", ReadOptions(**options))


def run_of(tmp_path: Path, document: Any) -> RunData:
    """The one run of a document."""
    [run] = read(tmp_path, document).runs
    return run


def codes(run: RunData) -> list[str]:
    """The codes of the findings of a run."""
    return [finding.code for finding in run.findings]


def _nested(inner: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(SCALARS, _nested, max_leaves=12)


@given(document=JSON, cut=st.integers(0, 300))
@example([[1.5], [2.5, "0[["]], 17)  # a bracket in a text that is cut off
def test_a_cut_document_is_closed(document: Any, cut: int) -> None:
    """What is left of a document that is cut anywhere is a document, or nothing."""
    text = json.dumps(document)
    found = repaired(text, min(cut, len(text)))
    if found is not None:
        assert type(json.loads(found)) is type(document)


@given(document=JSON)
def test_any_document(document: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is in a document, nothing is raised, and there is a run or a finding."""
    result = read(tmp_path_factory.mktemp("any"), document)
    assert result.runs or result.findings
    READER.detect(Path("history.json"), json.dumps(document).encode())


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("wrapped", [False, True])
def test_lists_of_keras(tmp_path: Path, indent: int | None, wrapped: bool) -> None:
    """Lists are curves over epochs that were counted."""
    document = {"history": KERAS, "params": {"epochs": 3}} if wrapped else KERAS
    run = run_of(tmp_path, json.dumps(document, indent=indent))
    assert sorted(run.metrics) == ["train/loss", "train/lr", "val/loss"]
    loss = run.curve("val/loss")
    assert (loss.x_name, loss.xs.tolist()) == ("epoch", [0, 1, 2])
    assert loss.values.tolist() == KERAS["val_loss"]
    assert loss.original_name == "val_loss"
    assert dict(run.hpms) == ({"epochs": 3} if wrapped else {})
    assert codes(run) == ["x-inferred"]


def test_lists_with_axes_and_groups(tmp_path: Path) -> None:
    """A list called like a counter is the axis of those of its length; null is no number."""
    document = {
        "train": {"loss": [3, None, 1], "acc": [0.1, 0.2, 0.3]},
        "epoch": [1, 2, 3],
        "batch_loss": [5.0, 4.0],
        "lr": 0.1,
        "best_val_acc": 0.75,
        "seed": 3,
    }
    run = run_of(tmp_path, document)
    assert run.curve("train/loss").x_name == "epoch"
    assert np.array_equal(run.curve("train/loss").values, [3, np.nan, 1], equal_nan=True)
    assert run.curve("train/batch_loss", x="step").xs.tolist() == [0, 1]
    assert dict(run.hpms) == {"lr": 0.1, "seed": 3}
    assert run.metadata["results"] == {"best_val_acc": 0.75}


@pytest.mark.parametrize("name", [None, "history", "log"])
def test_lists_of_rows(tmp_path: Path, name: str | None) -> None:
    """Rows are read as those of JSON lines are."""
    rows = [{"epoch": e, "train": {"loss": 3 - e}, "val_loss": 4 - e} for e in range(3)]
    run = run_of(tmp_path, rows if name is None else {name: rows, "lr": 0.5})
    assert run.curve("train/loss", x="epoch").values.tolist() == [3, 2, 1]
    assert run.curve("val/loss", x="epoch").xs.tolist() == [0, 1, 2]
    assert dict(run.hpms) == ({} if name is None else {"lr": 0.5})


def test_metrics_of_each_epoch(tmp_path: Path) -> None:
    """The files of the epochs are one run, and the last of them is not counted twice."""
    for epoch in range(11):
        row = {"epoch": epoch, "training_loss": 3 - epoch, "validation_loss": 4 - epoch}
        (tmp_path / f"metrics_epoch_{epoch}.json").write_text(json.dumps(row, indent=2))
    (tmp_path / "metrics.json").write_text(json.dumps(row, indent=2))
    [claim] = READER.claims(Tree.of(walk(str(tmp_path))[0]))
    assert (Path(claim.path).name, len(claim.parts)) == ("metrics.json", 11)
    options = ReadOptions(parts=tuple(map(Path, claim.parts)))
    [run] = READER.read(Path(claim.path), "r", options).runs
    assert run.curve("val/loss", x="epoch").xs.tolist() == list(range(11))
    assert codes(run) == []


def test_damaged_documents(tmp_path: Path) -> None:
    """What is before the damage is read."""
    text = json.dumps(KERAS, indent=2)
    run = run_of(tmp_path, text[: text.index("3.25")])
    assert run.curve("val/loss").values.tolist() == [4, 3.5]
    assert len(run.curve("train/loss")) == 3
    assert codes(run)[0] == "bad-json"
    assert run.findings[0].line == text[: text.index("3.25")].count("\n") + 1


def test_which_files_are_read_when_named() -> None:
    """When the format is named, documents are read, packed or not."""
    assert READER.suffixes == (".json", ".gz")
    head = gzip.compress(json.dumps(KERAS).encode())
    assert READER.detect(Path("history.json.gz"), head).confidence == 0.85


def test_column_mapping(tmp_path: Path) -> None:
    """What the user says of lists counts."""
    columns = ColumnMap(x={"n": "epoch"}, metrics={"a": "test/score"}, ignore=("b",))
    document = {"n": [5, 6], "a": [1, 2], "b": [3, 4], "loss": [1, 1]}
    [run] = read(tmp_path, document, columns=columns).runs
    assert run.curve("test/score", x="epoch").xs.tolist() == [5, 6]
    assert set(run.metrics) == {"test/score", "train/loss"}


@pytest.mark.parametrize(
    ("name", "document", "least", "most"),
    [
        ("history.json", KERAS, 0.8, 0.85),
        ("a.json", KERAS, 0.7, 0.7),
        ("a.json", [{"epoch": 0, "loss": 3}], 0.7, 0.7),
        ("metrics.json", {"epoch": 3, "training_loss": 1.5, "validation_loss": 2}, 0.5, 0.6),
        ("config.json", KERAS, 0, 0),
        ("a.json", {"accuracy": 0.5}, 0, 0),
        ("a.json", {"model": "x", "layers": [8, 8]}, 0, 0),
        ("a.json", [{"id": 1, "score": 0.5}, {"id": 2, "score": 0.25}], 0, 0),
        ("a.json", [1, 2, 3], 0, 0),
        ("a.json", {"series": {"raw": [1, 2]}, "time": {"index": [0, 1]}}, 0, 0),
        ("a.txt", KERAS, 0, 0),
    ],
)
def test_what_is_a_history(name: str, document: Any, least: float, most: float) -> None:
    """Names of results and of counters make a history; other documents are none."""
    head = json.dumps(document).encode()
    assert least <= READER.detect(Path(name), head).confidence <= most


def test_a_long_document_is_known_by_its_beginning() -> None:
    """The beginning of a document is enough to know it."""
    text = json.dumps({"loss": [1 / (i + 1) for i in range(9000)], "val_loss": []})
    assert len(text) > HEAD_BYTES
    assert READER.detect(Path("a.json"), text.encode()[:HEAD_BYTES]).confidence == 0.7


SAMPLES = (
    json.dumps(KERAS, indent=2).encode(),
    json.dumps([{"epoch": e, "loss": 3 - e} for e in range(3)]).encode(),
    json.dumps({"epoch": 1, "training_loss": 1, "validation_loss": 2}).encode(),
    json.dumps({"config": {"lr": 0.1}, "train": {"loss": [1, 2], "step": [1, 2]}}).encode(),
)


@pytest.mark.parametrize("n", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_documents(tmp_path: Path, n: int) -> None:
    """No damage raises, and there is always a run or a finding."""
    path = tmp_path / "history.json"
    rng = random.Random(n)
    for i in range(n):
        content = mutated(rng, SAMPLES[i % len(SAMPLES)])
        path.write_bytes(content)
        result = READER.read(path, "r", ReadOptions())
        assert result.runs or result.findings, content
        READER.detect(path, content)


# ------------------------------------------------------------------ real documents


OPTIMIZERS = {
    "GradientDescentOptimizer": (
        *(18, 0.015848931925, 87.27961948939732),
        *(87.39747445242745, 0.16895233622086844),
    ),
    "MomentumOptimizer": (
        *(16, 0.0025118864315, 87.0404074532645),
        *(87.04504100254604, 0.025183016336061986),
    ),
    "AdamOptimizer": (
        *(0, 0.039810717055, 87.12013244628906),
        *(87.11188027518136, 0.02419403331103906),
    ),
}
"""Rates that diverged, the best one, its last loss, and mean and deviation over ten seeds."""


def test_real_losses_of_optimizers(real_logs: Path) -> None:
    """A document a run: settings and losses, many of which are not finite."""
    folder = real_logs / "json-deepobs-quadratic" / "quadratic_deep"
    runs: list[RunData] = []
    for path in sorted(folder.rglob("*.json")):
        found = formats.detect(path, path.read_bytes()[:HEAD_BYTES])
        assert found is not None
        assert found[0].name == "json-history"
        runs += READER.read(path, path.stem, ReadOptions()).runs
    assert len(runs) == 135
    run = runs[0]
    assert [len(run.curve(name)) for name in ("train/losses", "test/losses")] == [101, 101]
    assert len(run.curve("train/minibatch_train_losses", x="step")) == 700
    assert run.hpms["beta1"] == 0.9
    values = np.concatenate([c.values for run in runs for c in run.curves()])
    assert (int(np.isnan(values).sum()), int(np.isinf(values).sum())) == (28_642, 988)
    # The rates of one configuration differ in their last digits.
    last: dict[tuple[str, str], dict[int, float]] = {}
    for run in runs:
        key = (run.hpms["optimizer"], f"{run.hpms['learning_rate']:.6e}")
        last.setdefault(key, {})[run.seed] = run.curve("test/losses").values[-1]
    for optimizer, (n_lost, lr, best, mean, sd) in OPTIMIZERS.items():
        mine = {rate: seeds for (name, rate), seeds in last.items() if name == optimizer}
        finals = {rate: seeds[42] for rate, seeds in mine.items()}
        assert len(finals) == 36
        finite = {rate: final for rate, final in finals.items() if np.isfinite(final)}
        assert len(finals) - len(finite) == n_lost
        winner = min(finite, key=finite.__getitem__)
        assert winner == f"{lr:.6e}"
        assert np.isclose(finite[winner], best, rtol=1e-12)
        [seeds] = [list(seeds.values()) for seeds in mine.values() if len(seeds) == 10]
        assert np.isclose(statistics.mean(seeds), mean, rtol=1e-12)
        assert np.isclose(statistics.stdev(seeds), sd, rtol=1e-9)


def test_real_metrics_of_an_epoch(real_logs: Path) -> None:
    """One epoch, written twice; a duration in words is a number of seconds."""
    folder = real_logs / "allennlp-fixture"
    [claim] = READER.claims(Tree.of(walk(str(folder))[0]))
    options = ReadOptions(parts=tuple(map(Path, claim.parts)))
    [run] = READER.read(Path(claim.path), "r", options).runs
    assert run.curve("train/accuracy", x="epoch").at(0) == 0.75
    assert run.curve("val/loss", x="epoch").values.tolist() == [0.6266683340072632]
    assert run.value("train/duration@last") == 0.015016


def test_real_documents_of_other_things(real_logs: Path) -> None:
    """Performances of problems, series and settings are no trainings."""
    paths = [real_logs / "json-deepobs-quadratic" / "convergence_performance.json"]
    for pattern in ("ref-tcpd/**/*.json", "sacred-*/**/*.json", "wandb-*/**/*.json"):
        paths += real_logs.glob(pattern)
    assert len(paths) > 50
    for path in paths:
        assert READER.detect(path, path.read_bytes()[:HEAD_BYTES]).confidence == 0, path
