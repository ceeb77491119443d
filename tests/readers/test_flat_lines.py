"""Generic JSON lines read in columns: the same runs and findings as row by row."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from dr_gen.readers import plain_files
from dr_gen.readers.contract import ReadOptions, ReadResult
from dr_gen.readers.jsonlines import flat_lines as flat_lines
from dr_gen.readers.jsonlines.flat_lines import FlatReader
from dr_gen.readers.jsonlines.reader import JsonLinesReader

NAMES = [
    *("step", "epoch", "loss", "val_loss", "train/acc", "lr", "seed", "time", "split", "mode"),
    *("msg", "batch_size", "_runtime", "name", "value", "val/step", "test_acc", "run_id", "é"),
]
NAN = float("nan")
KINDS: list[Callable[[int], Any]] = [
    lambda i: i,
    lambda i: i / 7,
    lambda i: [1, 2.0, 0.5][i % 3],
    lambda i: [1.0, 1][i % 2],
    lambda i: ["train", "val"][i % 2],
    lambda i: NAN if i % 5 == 3 else float(i),
    lambda i: 'a "quoted": NaN text',
    lambda i: 0.1,
    lambda i: 7,
    lambda i: 1e9 + i / 2,
    lambda i: 2**60 + i,
]
ODD = [
    "",
    "garbage",
    "{}",
    '{"loss": 1, "loss": 2}',
    '{"loss": null}',
    '{"loss": true, "new": 1}',
    '{"loss": {"in": 0.5}}',
    '{"loss": [0.5]}',
    '{"loss": 0.5, "step": 10000000000000000000000}',
    '{"loss": NaN}',
    '{"loss": NaN5}',
    '{"loss": -Infinity}',
    '{"loss": 0.5{"loss": 0.25}',
    '{"step": 3}{"step": 4}',
    '{"type": "dict_config", "value": {"lr": NaN}}',
    '{"config": {"lr": 0.5, "a": {"b": 1}}}',
    '{"config": {"lr": 0.25}, "loss": 1.5}',
    '  {"loss": 0.5}',
    '{"l\\u006fss": 0.5}',
    '{"\\udc00": 0.5}',
    '{"loss": "0.5"}',
]


@st.composite
def logs(draw: Callable[..., Any]) -> bytes:
    """Rows of a few columns, each with or without gaps, and odd lines between them."""
    columns = draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(KINDS), max_size=5))
    gaps = draw(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4), max_size=2))
    rows = [
        {name: kind(i) for name, kind in columns.items() if i % gaps.get(name, 1) == 0}
        for i in range(draw(st.integers(0, 12)))
    ]
    lines = [json.dumps(row, ensure_ascii=draw(st.booleans())) for row in rows]
    for odd in draw(st.lists(st.sampled_from(ODD), max_size=2)):
        lines.insert(draw(st.integers(0, len(lines))), odd)
    content = "\n".join(lines).encode() + draw(st.sampled_from([b"\n", b""]))
    return content[: len(content) - draw(st.integers(0, 20) | st.just(0))]


def both(contents: list[bytes]) -> tuple[list[ReadResult], list[ReadResult]]:
    """What is read of files of these contents, together and one by one."""
    reader = JsonLinesReader(clock=lambda: datetime(2025, 6, 25, tzinfo=UTC))
    with tempfile.TemporaryDirectory() as folder:
        items = []
        for number, content in enumerate(contents):
            path = Path(folder, f"{number}.jsonl")
            path.write_bytes(content)
            items.append((path, f"r{number}", ReadOptions("sweep")))
        return list(reader.read_many(items)), [reader.read(*item) for item in items]


def plain_rows(n: int) -> bytes:
    """Rows of a step, a text and a number."""
    rows = ({"step": i, "split": ["train", "val"][i % 2], "loss": i / 3} for i in range(n))
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


@given(contents=st.lists(logs(), min_size=1, max_size=3))
def test_together_is_as_one_by_one(contents: list[bytes]) -> None:
    """Runs, the kinds of their numbers and every finding are the same, whatever the files hold."""
    together, alone = both(contents)
    assert together == alone
    assert repr(together) == repr(alone)
    runs = [[run for result in results for run in result.runs] for results in (together, alone)]
    for one, other in zip(*runs, strict=True):
        assert repr(one.metadata) == repr(other.metadata)
        assert repr(dict(one.hpms)) == repr(dict(other.hpms))
        assert [c.xs.dtype for c in one.curves()] == [c.xs.dtype for c in other.curves()]


@pytest.mark.parametrize("piece", [300, 1000])
@pytest.mark.parametrize("odd", ODD)
def test_files_larger_than_a_block(odd: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is read in pieces is the file that it is as a whole."""
    monkeypatch.setattr(plain_files, "PIECE", piece)
    contents = [plain_rows(60), plain_rows(30) + odd.encode() + b"\n" + plain_rows(30)]
    together, alone = both(contents)
    assert together == alone


def test_x_that_repeats_is_told_as_it_was_logged() -> None:
    """A whole number is told as one, also where other x of its column are none."""
    steps = [0, 1, 2, 2.5, 3, 3, 7]
    content = b"".join(b'{"step": %b, "loss": 1.5}\n' % str(step).encode() for step in steps)
    together, alone = both([content, content])
    assert together == alone
    told = [f.message for f in together[0].runs[0].findings if f.code == "repeated-x"]
    assert told == ["train: step 3 logged again in 1 row"]


def sparse_rows(n: int, late: int) -> bytes:
    """Rows of two splits by turns, one of them with a whole number; a name more from one on."""
    rows = [
        {"step": i, "train_loss": i / 3, "lr": 0.5}
        if i % 2
        else {"step": i, "val_loss": NAN if i % 7 == 0 else i / 5, "val_n": i % 300}
        for i in range(n)
    ]
    rows = [row if i < late else {**row, "extra": i / 9} for i, row in enumerate(rows)]
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def test_long_files_after_one_another() -> None:
    """What one file was read into is used for the next, which has fewer names, or more rows."""
    odd = plain_rows(1500) + b"garbage\n" + plain_rows(40) + b'{"step": 5, "loss": 1}\n'
    contents = [sparse_rows(3000, 1700), plain_rows(2500), odd, sparse_rows(200, 0), plain_rows(5)]
    together, alone = both(contents)
    assert together == alone
    assert [len(result.runs) for result in together] == [1] * 5
    reader = FlatReader()
    with tempfile.TemporaryDirectory() as folder:
        for content in contents:
            Path(folder, "a.jsonl").write_bytes(content)
            assert reader.read(Path(folder, "a.jsonl"), "a", lambda *_: False) is not None


def test_steps_that_runs_share_are_kept_once() -> None:
    """The x of a run that is that of the run before, bit for bit, is the same memory."""
    together, _ = both([plain_rows(50), plain_rows(50), plain_rows(51)])
    pools = [result.runs[0].table.curves.pools[0] for result in together]
    assert np.shares_memory(pools[0], pools[1])
    assert not np.shares_memory(pools[1], pools[2])


def test_plain_rows_do_not_need_care(tmp_path: Path) -> None:
    """Rows of numbers and texts are read in columns, also with a broken line and a NaN."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(plain_rows(50) + b'{"step": 5\n{"step": 60, "split": "val", "loss": NaN}\n')
    found = FlatReader().read(path, "a", lambda line, record: False)
    assert found is not None
    lines, columns = found
    assert [finding.line for finding in lines.findings] == [51]
    assert len(columns.lines) == 51
    assert {name: column.array is None for name, column in columns.by_name.items()} == {
        "step": False,
        "split": True,
        "loss": False,
    }
    assert flat_lines.FlatReader().read(tmp_path / "b.jsonl", "b", lambda *_: False) is None
