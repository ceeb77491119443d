"""The snippets about runs and collections of the document "Analyzing Results with HydraFlow".

They stand here as they stand there, but for the import line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dr_gen.readers.runlogger import RunLogger

IMPORT = "from hydraflow import Run"
OURS = "from dr_gen import Run"

BASIC_WORKFLOW = """
from hydraflow import Run

# Load experiment runs
runs = Run.load(["path/to/run1", "path/to/run2", "path/to/run3"])

# Filter runs based on configuration
filtered_runs = runs.filter(learning_rate=0.01, model_type="transformer")

# Group runs by a parameter
grouped_runs = runs.group_by("batch_size")

# Aggregate grouped data
df_aggregated = grouped_runs.agg(
    count=lambda runs: len(runs),
    avg_accuracy=lambda runs: sum(run.get("accuracy", 0) for run in runs) / len(runs)
)

# Convert to DataFrame for analysis
df = runs.to_frame("learning_rate", "batch_size", accuracy=lambda run: run.get("accuracy"))
"""
# Its last line, `best_run = df.sort("accuracy", descending=True).first()`, is wrong: frames of
# polars have no `first`.
BEST_RUN = 'best_run = df.sort("accuracy", descending=True).head(1)'

RUNS = [
    ("run1", {"learning_rate": 0.01, "batch_size": 32, "model_type": "transformer"}, 0.5),
    ("run2", {"learning_rate": 0.01, "batch_size": 64, "model_type": "lstm"}, 0.75),
    ("run3", {"learning_rate": 0.1, "batch_size": 32, "model_type": "transformer"}, 0.25),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the document's paths lead to runs."""
    monkeypatch.chdir(tmp_path)
    for name, config, accuracy in RUNS:
        with RunLogger(tmp_path / "path" / "to" / name / "log.jsonl", config) as log:
            log.metrics("val", {"accuracy": accuracy}, epoch=0)
    return tmp_path


def names_after(snippet: str) -> dict[str, Any]:
    """What a snippet leaves behind."""
    assert IMPORT in snippet
    names: dict[str, Any] = {}
    exec(snippet.replace(IMPORT, OURS), names)
    return names


@pytest.mark.usefixtures("folder")
def test_the_basic_workflow() -> None:
    """Load, filter, group, aggregate and table as the document shows."""
    found = names_after(BASIC_WORKFLOW + BEST_RUN)
    assert len(found["runs"]) == 3
    assert found["filtered_runs"].to_list("batch_size") == [32]
    assert list(found["grouped_runs"]) == [32, 64]
    assert found["df_aggregated"].rows() == [(32, 2, 0.375), (64, 1, 0.75)]
    assert found["df_aggregated"].columns == ["batch_size", "count", "avg_accuracy"]
    assert found["df"].columns == ["learning_rate", "batch_size", "accuracy"]
    assert found["df"].rows() == [(0.01, 32, 0.5), (0.01, 64, 0.75), (0.1, 32, 0.25)]
    assert found["best_run"]["accuracy"].item() == 0.75


@pytest.mark.usefixtures("folder")
def test_what_its_text_promises() -> None:
    """A frame without keys has run information and the whole configuration, nulls for lacks."""
    runs = names_after(BASIC_WORKFLOW)["runs"]
    frame = runs.to_frame()
    assert {"id", "learning_rate", "batch_size", "model_type"} <= set(frame.columns)
    assert isinstance(frame, pl.DataFrame)
    groups = runs.group_by("model_type", "learning_rate")
    assert len(groups[("transformer", 0.1)]) == 1
