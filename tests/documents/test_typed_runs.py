"""The snippets about types and implementations of "Analyzing Results with HydraFlow".

They stand here as they stand there, but for the import line.
"""

from __future__ import annotations

import pickle
import types
from pathlib import Path
from typing import Any

import pytest

from dr_gen.readers.runlogger import RunLogger

IMPORT = "from hydraflow import Run"
OURS = "from dr_gen import Run"

TYPES = """
from dataclasses import dataclass
from hydraflow import Run

@dataclass
class MyConfig:
    learning_rate: float
    batch_size: int
    model_type: str

# Load runs with type information
runs = Run[MyConfig].load(["path/to/run1", "path/to/run2"])

# Type-checked access to configuration
for run in runs:
    # IDE will provide auto-completion for cfg properties
    print(f"LR: {run.cfg.learning_rate}, Model: {run.cfg.model_type}")
"""

IMPLEMENTATION = """
from hydraflow import Run
from pathlib import Path

class ModelAnalyzer:
    def __init__(self, artifacts_dir: Path, cfg: MyConfig | None = None):
        self.artifacts_dir = artifacts_dir
        self.cfg = cfg

    def load_model(self):
        return torch.load(self.artifacts_dir / "model.pt")

    def analyze_performance(self):
        # Custom analysis logic
        pass

# Load a run with implementation
run = Run[MyConfig, ModelAnalyzer].load("path/to/run", ModelAnalyzer)

# Access implementation methods
model = run.impl.load_model()
results = run.impl.analyze_performance()
"""


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the snippets find: runs at the document's paths, and something that loads a model."""
    monkeypatch.chdir(tmp_path)
    for name, lr in (("run", 0.3), ("run1", 0.1), ("run2", 1)):
        folder = tmp_path / "path" / "to" / name
        config = {"learning_rate": lr, "batch_size": 32, "model_type": "transformer"}
        with RunLogger(folder / "log.jsonl", config) as log:
            log.metrics("val", {"accuracy": 0.5}, epoch=0)
    (tmp_path / "path/to/run/artifacts").mkdir()
    (tmp_path / "path/to/run/artifacts/model.pt").write_bytes(pickle.dumps({"weights": [1, 2]}))
    torch = types.SimpleNamespace(load=lambda path: pickle.loads(path.read_bytes()))
    # Dataclasses look their module up.
    return {"torch": torch, "__name__": __name__}


def test_type_safe_analysis(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Runs of several paths, each with a configuration of the class."""
    exec(TYPES.replace(IMPORT, OURS), names)
    assert capsys.readouterr().out.splitlines() == [
        "LR: 0.1, Model: transformer",
        "LR: 1.0, Model: transformer",
    ]
    assert all(isinstance(run.cfg, names["MyConfig"]) for run in names["runs"])


def test_implementation_support(names: dict[str, Any]) -> None:
    """One run, with an object made of its artifacts and its configuration."""
    exec((TYPES + IMPLEMENTATION).replace(IMPORT, OURS), names)
    assert names["model"] == {"weights": [1, 2]}
    assert names["results"] is None
    run = names["run"]
    assert run.impl.artifacts_dir == Path("path/to/run/artifacts")
    assert run.impl.cfg == names["MyConfig"](0.3, 32, "transformer")
