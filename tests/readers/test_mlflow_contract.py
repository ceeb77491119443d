"""The reader of MLflow keeps the contract of readers, for folders and for databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import attrs
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.strategies import SearchStrategy

from dr_gen.model.run import RunData
from dr_gen.readers.mlflow.reader import MlflowReader
from dr_gen.testing import ReaderContract, blocks, metric_values, runs
from tests.readers.mlflow_stores import START, Stored, of_model, write_database, write_folder


def as_read(stored: Stored, run: RunData) -> RunData:
    """The run as it has to come back: on steps, and on seconds since it began."""
    curves: dict[str, Any] = {}
    for address, logged in stored.metrics.items():
        times = [(stamp - START) / 1000 for stamp, _, _ in logged]
        axes = {"step": [step for _, _, step in logged], "time": times}
        values = [value for _, value, _ in logged]
        curves[address] = {"values": values, "x": axes, "original_name": address}
    return RunData.from_dict({"id": run.id, "hpms": dict(run.hpms), "curves": curves})


class _Stores(ReaderContract):
    reader = MlflowReader()
    lines: ClassVar[bool] = False

    def source_runs(self) -> SearchStrategy[RunData]:
        def counted(size: int) -> SearchStrategy[Any]:
            return st.integers(0, 9).map(lambda first: np.arange(first, first + size))

        return runs(
            ids=st.just("run"),
            hpms=st.fixed_dictionaries({"optim.lr": st.sampled_from([0.1, 1, None, True, "x"])}),
            splits=st.sampled_from(["train", "val"]),
            metrics=st.sampled_from(["loss", "acc1", "Δ [max] loss"]),
            values=metric_values(),
            rows=blocks(x_names=st.just("step"), xs=counted),
        )

    def stored(self, run: RunData) -> Stored:
        """What is written of a run: curves of no points are not there."""
        stored = of_model(run)
        return attrs.evolve(stored, metrics={k: v for k, v in stored.metrics.items() if v})


class TestMlflowFolders(_Stores):
    """Folders of files."""

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        stored = self.stored(run)
        return write_folder(tmp_path / "mlruns", stored), as_read(stored, run)

    def parts(self, path: Path) -> tuple[Path, ...]:
        """The experiment is described beside the folder of the run."""
        inside = [file for file in path.parent.rglob("*") if file.is_file() and file != path]
        return (*sorted(inside), path.parent.parent / "meta.yaml")

    @pytest.mark.parametrize("content", [b"", b"\0" * 512, b"\x89PNG\r\n\x1a\n", b"no run at all"])
    def test_junk_is_a_finding(self, content: bytes, sample: tuple[Path, RunData]) -> None:
        """A run whose meta.yaml is lost keeps its metrics, which lie in other files, and says so.

        Stricter than the test of formats of one file: there a file of junk has no points.
        """
        path, expected = sample
        path.write_bytes(content)
        result = self.read(path)
        [run] = result.runs
        assert run.n_points == expected.n_points
        assert run.hpms == expected.hpms
        self.check_places(result, path)


class TestMlflowDatabases(_Stores):
    """SQLite databases."""

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        stored = self.stored(run)
        return write_database(tmp_path / "mlflow.db", stored), as_read(stored, run)
