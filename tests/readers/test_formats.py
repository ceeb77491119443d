"""The table of formats: who reads a file, and a corpus of broken ones."""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import EntryPoint
from pathlib import Path

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given

from dr_gen.errors import AmbiguousFormatError, UnknownKeyError
from dr_gen.ingestion.planning import plan
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, Detection, ReadOptions, ReadResult
from dr_gen.readers.csv.reader import CsvReader
from dr_gen.readers.huggingface.reader import HuggingFaceReader
from dr_gen.readers.hydra import HydraReader
from dr_gen.readers.json_history.reader import JsonHistoryReader
from dr_gen.readers.jsonlines.reader import JsonLinesReader
from dr_gen.readers.lightning import LightningReader
from dr_gen.readers.mlflow.reader import MlflowReader
from dr_gen.readers.native.reader import NativeReader
from dr_gen.readers.tensorboard.reader import TensorBoardReader
from dr_gen.readers.wandb.reader import WandbReader
from dr_gen.readers.wandb_export.reader import WandbExportReader
from dr_gen.testing import log_lines


@attrs.frozen
class Sure:
    """A reader that is sure of every file."""

    name: str = "sure"
    confidence: float = 0.5

    def detect(self, path: Path, head: bytes) -> Detection:
        return Detection(self.confidence, "it says so")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        return ReadResult()


class Broken:
    """A reader that fails on every file."""

    name = "broken"

    def detect(self, path: Path, head: bytes) -> Detection:
        raise RuntimeError("no")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        raise RuntimeError("no")


# What the entry points below find in this module when they load it.
INSTANCE = Sure()


def plugin(name: str, value: str) -> EntryPoint:
    """An entry point as an installed package declares it."""
    return EntryPoint(name, value, formats.GROUP)


def test_our_formats() -> None:
    """The table holds our readers under their names, and gives them by name."""
    assert {name: type(reader) for name, reader in formats.FORMATS.items()} == {
        "native": NativeReader,
        "jsonlines": JsonLinesReader,
        "hydra": HydraReader,
        "csv": CsvReader,
        "lightning": LightningReader,
        "wandb": WandbReader,
        "tensorboard": TensorBoardReader,
        "mlflow": MlflowReader,
        "wandb-export": WandbExportReader,
        "huggingface": HuggingFaceReader,
        "json-history": JsonHistoryReader,
    }
    assert set(formats.names()) >= set(formats.FORMATS)
    assert formats.reader("native") is formats.FORMATS["native"]


def test_unknown_format() -> None:
    """A name that no format has is an error that names the nearest."""
    with pytest.raises(UnknownKeyError, match="no format 'jsonline'; did you mean 'jsonlines'"):
        formats.reader("jsonline")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'{"type": "dict_config", "value": {}}\n', "native"),
        (b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 1}\n', "native"),
        (b'{"epoch": 1, "loss": 1}\n', "jsonlines"),
        (b"", "jsonlines"),
    ],
)
def test_the_surest_reader(head: bytes, name: str) -> None:
    """Our own log is always told from other JSON lines."""
    found = formats.detect(Path("a.jsonl"), head)
    assert found is not None
    assert found[0].name == name


@given(log_lines(), st.integers(0, 600))
def test_what_is_certain_early_is_so_of_all(content: bytes, cut: int) -> None:
    """Where a native log is certain of its first bytes, nothing behind them takes it back."""
    path, reader = Path("a.jsonl"), NativeReader()
    if reader.detect(path, content[:cut]).confidence == 1.0:
        assert reader.detect(path, content).confidence == 1.0


@pytest.mark.parametrize(
    ("row", "name"),
    [('{"data_name": "val", "agg_stats": {"loss": 1}}', "native"), ('{"loss": 1}', "jsonlines")],
)
def test_a_configuration_longer_than_the_first_bytes(tmp_path: Path, row: str, name: str) -> None:
    """What follows it still counts."""
    config = json.dumps({"type": "dict_config", "value": {"notes": "x" * 20_000}})
    (tmp_path / "a.jsonl").write_text(f"{config}\n{row}\n" * 2)
    (source,) = plan(tmp_path).sources
    assert NativeReader().early_bytes < len(config)
    assert source.reader.name == name


def test_nobody_is_certain_early_beside_another_reader() -> None:
    """A reader from outside may be certain, too: then all are asked about the whole beginning."""
    mine, early = NativeReader(), formats.Formats({"native": NativeReader()}).early
    assert early == (mine, mine.early_bytes)
    assert formats.Formats({"native": mine, "sure": Sure()}).early is None


def test_nobody_knows_the_file() -> None:
    """A file that no reader recognises has none."""
    assert formats.detect(Path("a.pkl"), b"\x80\x04") is None
    assert formats.detect(Path("a.pkl"), b"", {}) is None


def test_tie() -> None:
    """Two equally sure readers are an error that names both."""
    readers = {"a": Sure("a"), "b": Sure("b"), "c": Sure("c", 0.4)}
    with pytest.raises(AmbiguousFormatError, match=r"x\.log: could be any of a, b ") as caught:
        formats.detect(Path("x.log"), b"", readers)
    assert caught.value.formats == ("a", "b")


def test_reader_that_fails_does_not_end_the_search() -> None:
    """A reader that raises does not know the file; another one still may."""
    found = formats.detect(Path("x.log"), b"", {"broken": Broken(), "sure": Sure()})
    assert found is not None
    assert found[0].name == "sure"


def test_formats_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance or a class is taken; what cannot be used is one finding each, and no crash."""
    import sys
    import types

    module = types.ModuleType("outside_formats")
    module.__dict__.update(INSTANCE=INSTANCE, Sure=Sure, nothing=object())
    monkeypatch.setitem(sys.modules, "outside_formats", module)
    found = formats.discover(
        [
            plugin("one", "outside_formats:INSTANCE"),
            plugin("two", "outside_formats:Sure"),
            plugin("native", "outside_formats:INSTANCE"),
            plugin("gone", "no_such_package_anywhere:Reader"),
            plugin("odd", "outside_formats:nothing"),
        ]
    )
    assert set(found.readers) == {*formats.FORMATS, "one", "two"}
    assert found.readers["one"] is INSTANCE
    assert isinstance(found.readers["two"], Sure)
    assert isinstance(found.readers["native"], NativeReader)
    assert [finding.code for finding in found.findings] == ["bad-plugin"] * 3
    assert [name for name in ("'native'", "'gone'", "'odd'") if name in str(found.findings)]
    assert "ModuleNotFoundError" in found.findings[1].message


CONFIG = '{"type": "dict_config", "value": {"lr": 0.1, "x": NaN}}\n'
POINT = json.dumps({"data_name": "val", "agg_stats": {"loss": 0.5}, "epoch": 0}) + "\n"
LATER = POINT.replace('"epoch": 0', '"epoch": 1')
GENERIC = '{"epoch": 0, "val_loss": 0.5}\n'

CORPUS = {
    "empty": (b"", 0, [("empty-file", None)]),
    "junk": (bytes(range(256)) * 300, 0, [("binary-file", None)]),
    "cut": ((CONFIG + POINT + LATER[:40]).encode(), 1, [("truncated-line", 3)]),
    "no-config": ((POINT + LATER + LATER.replace("1}", "2}")).encode(), 3, [("no-config", 1)]),
    "config-list": (
        ('{"type": "dict_config", "value": [1]}\n' + POINT + LATER).encode(),
        2,
        [("config-not-a-dict", 1)],
    ),
    "json-list": ((CONFIG + POINT + "[1, 2]\n" + LATER).encode(), 2, [("not-an-object", 3)]),
    "bom": ((CONFIG + POINT + LATER).encode("utf-8-sig"), 2, [("bom", 1)]),
    "crlf": ((CONFIG + POINT + LATER).replace("\n", "\r\n").encode(), 2, []),
    "long": ((CONFIG + POINT + LATER[:-2] + " " * 10_000_000 + "}\n").encode(), 2, []),
    "duplicate": (
        (CONFIG + POINT + LATER.replace('"loss": 0.5', '"loss": 9, "loss": 0.5')).encode(),
        2,
        [("duplicate-key", 3)],
    ),
    "text-value": (
        (CONFIG + '{"type": "str", "value": {"a": 1}}\n' + POINT).encode(),
        1,
        [("bad-text-line", 2)],
    ),
    "generic-cut": ((GENERIC + '{"epoch": 1, "val_l').encode(), 1, [("truncated-line", 2)]),
    "generic-bad": (
        (GENERIC + "oops\n" + GENERIC.replace("0,", "1,")).encode(),
        2,
        [("bad-json", 2)],
    ),
}


@pytest.mark.parametrize("name", CORPUS)
def test_broken_corpus(tmp_path: Path, name: str) -> None:
    """Of a broken log every readable point is there, and the problem is named with its line."""
    content, n_points, expected = CORPUS[name]
    path = tmp_path / f"{name}.jsonl"
    path.write_bytes(content)
    found = formats.detect(path, content[:HEAD_BYTES])
    assert found is not None
    result = found[0].read(path, name, ReadOptions())
    findings = [*result.findings, *(f for run in result.runs for f in run.findings)]
    assert [(f.code, f.line) for f in findings] == expected
    assert {f.path for f in findings} <= {str(path)}
    values = [value for run in result.runs for value in run.curve("val/loss").values.tolist()]
    assert values == [0.5] * n_points


@given(data=st.data(), suffix=st.sampled_from([".jsonl", ".json", ".log", ".jsonl.gz"]))
def test_no_content_raises(data: st.DataObject, suffix: str) -> None:
    """Whatever is in a file, each reader gives runs and findings that name the file."""
    content = data.draw(log_lines() | st.binary(max_size=300))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"run{suffix}")
        path.write_bytes(content)
        for reader in formats.FORMATS.values():
            result = reader.read(path, "r", ReadOptions())
            findings = [*result.findings, *(f for run in result.runs for f in run.findings)]
            assert {f.path for f in findings} <= {str(path)}
            assert result.runs or findings
            for run in result.runs:
                for address in run.metrics:
                    assert len(run.curve(address)) > 0, address
