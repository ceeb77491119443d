"""The snippet "Finding and Loading Runs" of the document about collections, as written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dr_gen.readers.runlogger import RunLogger

# Only the imports differ from the document.
IMPORTS = """\
from dr_gen import Run
from dr_gen import iter_run_dirs
"""
SNIPPET = """\
# Find all runs in the tracking directory
tracking_dir = "mlruns"
runs = Run.load(iter_run_dirs(tracking_dir))
everything = runs

# Load runs from specific experiments
runs = Run.load(iter_run_dirs(tracking_dir, "my_experiment"))
specific = runs

# Load runs from multiple experiments using patterns
runs = Run.load(iter_run_dirs(tracking_dir, ["training_*", "finetuning_*"]))
"""


@pytest.fixture
def tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracking folder with four experiments of two runs each, seen from its parent."""
    names = ("my_experiment", "training_a", "finetuning_a", "other")
    for number, name in enumerate(names, 100):
        experiment = tmp_path / "mlruns" / str(number)
        for seed in range(2):
            log = experiment / f"{number}{seed:029x}" / "artifacts" / "log.jsonl"
            with RunLogger(log, {"name": name, "seed": seed}) as writer:
                writer.metrics("val", {"acc": 0.5}, epoch=0)
        (experiment / "meta.yaml").write_text(f"experiment_id: '{number}'\nname: {name}\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("tracked")
def test_finding_and_loading_runs() -> None:
    """All runs, those of one experiment, and those of several by pattern."""
    names: dict[str, object] = {}
    exec(IMPORTS + SNIPPET, names)

    def experiments(group: object) -> list[str]:
        return group.hpm_group.values("name")  # type: ignore[attr-defined,no-any-return]

    assert len(experiments(names["everything"])) == 8
    assert experiments(names["specific"]) == ["my_experiment"] * 2
    assert experiments(names["runs"]) == ["finetuning_a"] * 2 + ["training_a"] * 2
