"""Tables, versions, output folders and histories are read where no tool is installed."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from dr_gen.readers.contract import ReadOptions
from dr_gen.readers.csv.reader import CsvReader
from tests.readers.refused import refusing

CODE = """
import json, sys
from pathlib import Path
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, ReadOptions

found = {}
for name in sys.argv[1:]:
    path = Path(name)
    reader, _ = formats.detect(path, path.read_bytes()[:HEAD_BYTES])
    [run] = reader.read(path, "r", ReadOptions()).runs
    found[reader.name] = run.value("train/loss@last")
print(json.dumps(found))
"""


def test_no_tool_is_imported(tmp_path: Path) -> None:
    """With the import of every tool refused, each format is read."""
    table = tmp_path / "log.csv"
    table.write_text("epoch,loss\n0,3\n1,2\n")
    version = tmp_path / "version_0" / "metrics.csv"
    version.parent.mkdir()
    version.write_text("epoch,step,train_loss\n0,9,3\n1,19,2\n")
    state = tmp_path / "trainer_state.json"
    rows = [{"loss": 2.0, "step": 1, "epoch": 0.5}]
    state.write_text(json.dumps({"log_history": rows}))
    history = tmp_path / "history.json"
    history.write_text(json.dumps({"loss": [3, 2], "val_loss": [4, 3]}))
    printed = refusing(CODE, *map(str, (table, version, state, history)), also=("pandas",))
    formats = ("csv", "lightning", "huggingface", "json-history")
    assert json.loads(printed) == dict.fromkeys(formats, 2)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("quotes", ["necessary", "always", "non_numeric", "never"])
def test_tables_that_polars_writes(tmp_path: Path, separator: str, quotes: str) -> None:
    """A table is read back as it was written, to the last digit; null is blank."""
    accuracies = [0.1 * i for i in range(5)]
    losses = [1 / 3, None, float("nan"), float("inf"), 1e-300]
    frame = pl.DataFrame({"step": range(5), "train_loss": losses, "val_acc": accuracies})
    path = tmp_path / "log.csv"
    frame.write_csv(path, separator=separator, quote_style=quotes)  # type: ignore[arg-type]
    [run] = CsvReader().read(path, "r", ReadOptions()).runs
    loss = run.curve("train/loss", x="step")
    assert loss.xs.tolist() == [0, 2, 3, 4]
    assert str(loss.values.tolist()) == str([value for value in losses if value is not None])
    assert run.curve("val/acc").values.tolist() == accuracies
