"""Both readers of JSON lines keep the contract of readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import hypothesis.strategies as st
import numpy as np
from hypothesis.strategies import SearchStrategy

from dr_gen.model.run import RunData
from dr_gen.readers.jsonlines.reader import JsonLinesReader
from dr_gen.readers.native.reader import NativeReader
from dr_gen.testing import ReaderContract, blocks, runs
from tests.readers.logged import as_logged, rows_of


class _Lines(ReaderContract):
    """What both formats share: one line a point, over epochs that go on."""

    def source_runs(self) -> SearchStrategy[RunData]:
        def counted(size: int) -> SearchStrategy[Any]:
            return st.integers(0, 9).map(lambda first: np.arange(first, first + size))

        return runs(
            ids=st.just("run"),
            hpms=st.just({"optim.lr": 0.1, "seed": 0}),
            splits=st.sampled_from(["train", "val", "eval"]),
            metrics=st.sampled_from(["loss", "acc1", "lr"]),
            rows=blocks(x_names=st.just("epoch"), xs=counted),
        )

    def write(self, path: Path, lines: list[dict[str, Any]]) -> Path:
        """A file of these lines."""
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path


class TestNative(_Lines):
    """The native log."""

    reader: ClassVar[NativeReader] = NativeReader()

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run as the training loops of old did: a line a metric."""
        lines: list[dict[str, Any]] = [{"type": "dict_config", "value": run.hpms.nested()}]
        for split, metric, x, value in rows_of(run):
            lines.append({"data_name": split, "agg_stats": {metric: value}, **x})
        return self.write(tmp_path / "run.jsonl", lines), as_logged(run)


class TestJsonLines(_Lines):
    """Anybody's JSON lines."""

    reader: ClassVar[JsonLinesReader] = JsonLinesReader()

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run with its configuration first."""
        lines: list[dict[str, Any]] = [{"config": run.hpms.nested()}]
        for split, metric, x, value in rows_of(run):
            lines.append({**x, "split": split, metric: value})
        return self.write(tmp_path / "run.jsonl", lines), as_logged(run)
