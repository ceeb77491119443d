"""Native logs read together: the same runs and findings as one by one, to the last bit."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from dr_gen.model.curve_table import CurveTable
from dr_gen.model.group import RunGroup
from dr_gen.readers import plain_files
from dr_gen.readers.contract import ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.native.reader import NativeReader

# Each is a line, or several, with something that a quick reader may get wrong.
ODD_LINES = [
    b"",
    b"garbage",
    b'{"data_name": "val", "agg_stats": {"\\u001b[31mx": 1}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"a\\"b": 1}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"\\udc00": 1}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90, "\\udc00": 3}',
    b'{"data_name": "\\udc00", "agg_stats": {"loss": 1}, "epoch": 90}',
    b"[1, 2]",
    b"{}",
    b'{"data_name": "val", "agg_st',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90, "epoch": 91}',
    b'{"data_name": "val", "agg_stats": {"loss": 1, "loss": 2}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": NaN}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": NaN5}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": -Infinity}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": NaN}',
    b'{"data_name": "val", "agg_stats": {"loss": 1e400}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": -0}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": -0.0}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": 1' + b"0" * 30 + b'}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": 1' + b"0" * 400 + b'}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": true, "acc": "0.5"}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": null}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": [1, 2]}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"in": {"loss": 1}}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": 1, "new": 2}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90.5}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": "90"}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 9223372036854775808}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 9007199254740993}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90, "time": 1.5}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 0}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90, "value": "text"}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90, "type": "metrics"}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90, "title": null}',
    b'{"data_name": "new/split", "agg_stats": {"loss": 1}, "epoch": 90}',
    b'{"data_name": " val ", "agg_stats": {" loss": 1}, "epoch": 90}',
    b'{"data_name": "v\\u0061l", "agg_stats": {"l\\u006fss": 1}, "epoch": 90}',
    b'{"data_name": null, "agg_stats": {"loss": 1}, "epoch": 90}',
    b'{"data_name": "val", "epoch": 90}',
    b'{"agg_stats": {"loss": 1}, "epoch": 90}',
    b'{"epoch": 90, "agg_stats": {"loss": 1}, "data_name": "val"}',
    b'  {"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90}  ',
    b'{"data_name" : "val","agg_stats":{"loss":NaN,"acc":2},"epoch":90}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90}\r',
    b'{"data_name": "val", "agg_stats": {"loss": 1},\n "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90}'
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 91}',
    b'{"data_name": "val", "agg{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90}',
    b'{"data_name": "val", "agg_stats": {"loss": 0{"loss": 1}',
    b'{"data_name": "val\xff", "agg_stats": {"loss": 1}, "epoch": 90}',
    b'{"data_name": "val\\ud800", "agg_stats": {"loss": 1}, "epoch": 90}',
    b'\0\0{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": 90}',
    b'{"type": "str", "value": "loss: NaN, and a \\"quote\\""}',
    b'{"type": "str", "value": "a \\u0022 code"}',
    b'{"type": "str", "value": "Training time 0:01:40"}',
    b'{"type": "str", "value": "Aggregation failed for val"}',
    b'{"type": "str", "value": "a", "value": "b"}',
    b'{"type": "str", "value": {"no": "text"}}',
    b'{"type": "str"}',
    b'{"type": "end", "status": "completed"}',
    b'{"type": "end", "status": "failed", "reason": "no memory"}',
    b'{"type": "end", "status": "completed", "reason": null}',
    b'{"type": "end", "status": 7}',
    b'{"type": "other", "value": "x"}',
    b'{"value": "no type"}',
    b'{"type": "dict_config", "value": {"seed": 1}}',
    b'{"type": "dict_config", "value": {"a": {"b": NaN}, "a.b": 1}}',
]
CONFIGS = [
    {"optim": {"lr": 0.1, "betas": [0.9, 0.999]}, "seed": 0, "none": None, "in": {}},
    {"optim": {"lr": 1}, "seed": 10**30, "flag": True, "zero": -0.0},
    {"optim": {"lr": 0.1, "name": 'it\'s a "name": NaN, yes'}, "seed": 0},
    {"optim": {"lr": float("nan")}, "list": [{"a": [1]}]},
    {},
]
NUMBERS = st.floats() | st.integers(-5, 5) | st.sampled_from([0.1, float("nan")])


@st.composite
def logs(draw: Callable[..., Any]) -> bytes:
    """A log as training loops write it, with a few odd lines somewhere."""
    shapes = draw(
        st.dictionaries(
            st.sampled_from(["train", "val", "eval"]),
            st.tuples(
                st.lists(st.sampled_from(["loss", "acc", "lr"]), min_size=1, unique=True),
                st.lists(st.sampled_from(["step", "time"]), unique=True),
            ),
            max_size=3,
        )
    )
    title = draw(st.booleans())
    whole_times = draw(st.booleans())
    lines = [json.dumps({"type": "dict_config", "value": draw(st.sampled_from(CONFIGS))}).encode()]
    for epoch in range(draw(st.integers(0, 4))):
        for split, (metrics, xs) in shapes.items():
            row: dict[str, Any] = {"title": f"agg_{split}"} if title else {}
            row |= {"epoch": epoch, "data_name": split}
            row["agg_stats"] = {name: draw(NUMBERS) for name in metrics}
            row |= {x: epoch * 10 if x == "step" or whole_times else epoch / 3 for x in xs}
            lines.append(json.dumps(row).encode())
    lines.append(b'{"type": "str", "value": "Training time 1:00:00"}')
    for odd in draw(st.lists(st.sampled_from(ODD_LINES), max_size=2)):
        lines.insert(draw(st.integers(0, len(lines))), odd)
    end = draw(st.sampled_from([b"\n", b"\n", b"\r\n"]))
    content = end.join(lines) + draw(st.sampled_from([end, b""]))
    cut = draw(st.integers(0, 60) | st.just(0))
    return content[: len(content) - cut]


def both(contents: list[bytes]) -> tuple[list[ReadResult], list[ReadResult]]:
    """What is read of files of these contents, together and one by one."""
    reader = NativeReader(clock=lambda: datetime(2025, 6, 25, tzinfo=UTC))
    with tempfile.TemporaryDirectory() as folder:
        items = []
        for number, content in enumerate(contents):
            path = Path(folder, f"{number}.jsonl")
            path.write_bytes(content)
            items.append((path, f"r{number}", ReadOptions("sweep")))
        return list(reader.read_many(items)), [reader.read(*item) for item in items]


def columns(results: list[ReadResult]) -> dict[str, Any]:
    """Everything that the runs are made of, as it lies in memory."""
    table = RunGroup.from_runs([run for result in results for run in result.runs]).table
    out: dict[str, Any] = {"records": repr(table.records), "keys": table.hpms.keys}
    out |= {"categories": repr(table.hpms.categories), "codes": table.hpms.codes.tolist()}
    for field in attrs.fields(CurveTable):
        column = getattr(table.curves, field.name)
        arrays = column if field.name == "pools" else [column]
        out[field.name] = [
            (a.dtype.str, a.tobytes()) if isinstance(a, np.ndarray) else a for a in arrays
        ]
    return out


@given(contents=st.lists(logs(), min_size=1, max_size=4))
def test_together_is_as_one_by_one(contents: list[bytes]) -> None:
    """Runs, their columns and every finding are the same, whatever is wrong with the files."""
    together, alone = both(contents)
    assert [result.findings for result in together] == [result.findings for result in alone]
    assert [len(result.runs) for result in together] == [len(result.runs) for result in alone]
    if any(result.runs for result in alone):
        assert columns(together) == columns(alone)


def plain(n: int, *insert: bytes) -> bytes:
    """A log of `n` epochs, then other lines, then texts."""
    row = '{{"epoch": {}, "data_name": "{}", "agg_stats": {{"loss": 0.5}}}}'
    lines = [row.format(e, s).encode() for e in range(n) for s in ("val", "eval")]
    lines += [*insert, *[b'{"type": "str", "value": "x"}'] * 50]
    return b'{"type": "dict_config", "value": {"seed": 1}}\n' + b"\n".join(lines) + b"\n"


@pytest.mark.parametrize("odd", ODD_LINES)
def test_an_odd_line_among_many(odd: bytes) -> None:
    """Amid hundreds of lines, beside other files, an odd one is treated as it is alone."""
    contents = [plain(80), plain(80, odd), plain(3, odd, odd), plain(2)]
    together, alone = both(contents)
    assert together == alone
    assert columns(together) == columns(alone)


def test_plain_logs_share_their_columns() -> None:
    """Logs of a known kind become one table, also where lines are broken or not a number."""
    torn = b'{"epoch": 7, "data_name": "val", "agg_sta'
    nan = b'{"epoch": 150, "data_name": "val", "agg_stats": {"loss": NaN}}'
    together, alone = both([plain(150), plain(150, torn), plain(150) + nan + b"\n", plain(150)])
    tables = {id(run.table) for result in together[1:] for run in result.runs}
    assert len(tables) == 1
    assert [f.code for f in together[1].runs[0].findings] == ["bad-json"]
    assert together == alone


@pytest.mark.parametrize("piece", [300, 1000, 5000])
@pytest.mark.parametrize("odd", [b"", b"garbage", b'{"type": "str", "value": "' + b"x" * 2000])
def test_logs_larger_than_a_block(odd: bytes, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is read in pieces is the log that it is as a whole, to the line of a finding."""
    monkeypatch.setattr(plain_files, "PIECE", piece)
    row = b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": %d}\n'
    contents = [plain(20), plain(20, odd), plain(9, odd, b"\n" + row % 90, odd), plain(2)]
    together, alone = both(contents)
    assert together == alone
    assert columns(together) == columns(alone)


@pytest.mark.parametrize("piece", [300, 1 << 20])
def test_counters_of_any_size(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters that need four bytes, eight or more are the same as in one log alone."""
    monkeypatch.setattr(plain_files, "PIECE", piece)
    row = b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": %d}'
    far = [2**31 - 1, 2**31, 2**40, 2**53, 2**62]
    contents = [plain(9), *(plain(5, row % number) for number in far), plain(9)]
    together, alone = both(contents)
    assert together == alone
    assert columns(together) == columns(alone)


def test_columns_named_by_the_user(tmp_path: Path) -> None:
    """A column mapping is answered as it is for one file."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(plain(3))
    item = (path, "a", ReadOptions("", ColumnMap(split="data_name")))
    reader = NativeReader()
    assert list(reader.read_many([item])) == [reader.read(*item)]
