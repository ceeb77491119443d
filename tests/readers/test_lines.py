"""Objects from lines: what is read of a damaged file, and what is said about the rest."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dr_gen.readers.lines import JsonLines, decoded_head

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
objects = st.dictionaries(st.text(max_size=5), values, max_size=4)
# Each is one line that is no JSON object, and says so in its own way.
bad_lines = st.sampled_from(
    [
        (b'{"loss": 0.5, "epo', "bad-json"),
        (b"garbage", "bad-json"),
        (b"[1, 2]", "not-an-object"),
        (b"3", "not-an-object"),
        (b"null", "not-an-object"),
        (b'{"a": "\xff"}', "bad-encoding"),
        (b'{"a": ' + b"[" * 100_000 + b"}", "too-deep"),
        (b'{"a": ' + b"[" * 101 + b"]" * 101 + b"}", "too-deep"),
    ]
)


def read(path: Path, content: bytes, **options: Any) -> tuple[list[tuple[int, Any]], JsonLines]:
    """What comes out of a file with this content."""
    path.write_bytes(content)
    lines = JsonLines(path, "r", **options)
    return list(lines), lines


def codes(lines: JsonLines) -> list[tuple[str, int | None]]:
    """Code and line of each finding."""
    return [(finding.code, finding.line) for finding in lines.findings]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


@given(
    rows=st.lists(objects | bad_lines | st.just(b""), max_size=8),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
def test_every_object_with_its_line(rows: list[Any], end: bytes) -> None:
    """All objects come out with their line numbers; each bad line is one finding on its line."""
    good, bad, content = [], [], []
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict):
            good.append((number, row))
            content.append(json.dumps(row).encode())
        elif isinstance(row, tuple):
            bad.append((row[1], number))
            content.append(row[0])
        else:
            content.append(row)
    with tempfile.TemporaryDirectory() as folder:
        found, lines = read(Path(folder, "a.jsonl"), b"".join(line + end for line in content))
    assert found == good
    assert lines.n_objects == len(good)
    if good:
        assert codes(lines) == bad
        assert lines.bad_lines == [line for _, line in bad]


@given(row=objects.filter(bool), cut=st.integers(1, 200))
def test_cut_last_line(row: dict[str, Any], cut: int) -> None:
    """A last line cut anywhere is the one finding, a warning; everything before it is there."""
    whole = json.dumps(row).encode()
    cut = min(cut, len(whole) - 1)
    with tempfile.TemporaryDirectory() as folder:
        found, lines = read(Path(folder, "a.jsonl"), b'{"x": 1}\n' + whole[:cut])
    assert found == [(1, {"x": 1})]
    assert [(f.code, f.line, f.severity) for f in lines.findings] == [
        ("truncated-line", 2, "warning")
    ]
    assert "stopped while writing" in lines.findings[0].message


def test_cut_inside_a_character(path: Path) -> None:
    """A cut between the bytes of one character is a cut, not a wrong encoding."""
    _, lines = read(path, b'{"x": 1}\n' + '{"x": "ä'.encode()[:-1])
    assert codes(lines) == [("truncated-line", 2)]


def test_no_newline_at_the_end(path: Path) -> None:
    """A whole last line without its newline is read, and is nothing to mention."""
    found, lines = read(path, b'{"x": 1}\n{"x": 2}')
    assert [row["x"] for _, row in found] == [1, 2]
    assert not lines.findings


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (codecs.BOM_UTF8 + b'{"x": 1}\n{"x": 2}\n', "bom"),
        ('{"x": 1}\n{"x": 2}\n'.encode("utf-16"), "encoding"),
        (codecs.BOM_UTF16_BE + '{"x": 1}\n{"x": 2}\n'.encode("utf-16-be"), "encoding"),
        ('{"x": 1}\n{"x": 2}\n'.encode("utf-32"), "encoding"),
    ],
)
def test_marks_and_encodings(path: Path, content: bytes, code: str) -> None:
    """A byte order mark is seen, said and obeyed."""
    found, lines = read(path, content)
    assert found == [(1, {"x": 1}), (2, {"x": 2})]
    assert [(f.code, f.severity) for f in lines.findings] == [(code, "info")]
    assert json.loads(decoded_head(path, content).split(b"\n")[0]) == {"x": 1}


def test_numbers_that_are_not_finite(path: Path) -> None:
    """NaN and the infinities are values like any other."""
    [(_, row)], lines = read(path, b'{"a": NaN, "b": Infinity, "c": -Infinity}\n')
    assert (row["a"] != row["a"], row["b"], row["c"]) == (True, float("inf"), -float("inf"))
    assert not lines.findings


def test_number_of_too_many_digits(path: Path) -> None:
    """A whole number that Python does not convert stays as its digits."""
    found, lines = read(path, b'{"a": ' + b"7" * 5000 + b', "b": 1}\n')
    assert found == [(1, {"a": "7" * 5000, "b": 1})]
    assert not lines.findings


def test_duplicate_keys(path: Path) -> None:
    """Of a key that is there twice the last value counts, also inside; the line is named."""
    found, lines = read(path, b'{"y": 1}\n{"x": 1, "x": 2, "in": {"a": 1, "a": 3}}\n')
    assert found[1] == (2, {"x": 2, "in": {"a": 3}})
    assert codes(lines) == [("duplicate-key", 2)]
    assert "'a', 'x'" in lines.findings[0].message


def test_lone_carriage_return_is_no_line_break(path: Path) -> None:
    """Only a newline ends a line, so numbers agree with those of an editor."""
    found, _ = read(path, b'{"x":\r 1}\n\n{"x": "\\u2028"}\n')
    assert [number for number, _ in found] == [1, 3]


def test_long_line(path: Path) -> None:
    """A line of 10 MB is a line."""
    found, lines = read(path, b'{"x": "' + b"a" * 10_000_000 + b'"}\n{"x": 2}\n')
    assert [number for number, _ in found] == [1, 2]
    assert len(found[0][1]["x"]) == 10_000_000
    assert not lines.findings


def test_records_that_share_a_line(path: Path) -> None:
    """Objects whose line break got lost are all read; so is one after a torn one."""
    content = b'{"e": 1, "l": 0}\n{"e": 2, "l": 0}{"e": 3, "l": 0}\n{"e": 4, "l{"e": 5, "l": 0}\n'
    found, lines = read(path, content)
    assert [(number, row["e"]) for number, row in found] == [(1, 1), (2, 2), (2, 3), (3, 5)]
    assert codes(lines) == [("joined-lines", 2), ("torn-line", 3)]


@pytest.mark.parametrize(
    ("content", "found_codes"),
    [
        (b'{"e": 1}{"e": 2}{"e": ', [("joined-lines", 1), ("truncated-line", 1)]),
        (b'{"e": 1}\r{"e": 2}\r{"e": ', [("joined-lines", 1), ("truncated-line", 1)]),
        (b'{"e": 1}{"e": 2}{"e": \n', [("joined-lines", 1), ("bad-json", 1)]),
        (b'{"e": 1},\n{"e": 2},\n', [("bad-json", 1), ("bad-json", 2)]),
        (b'{"e": 1}{"e": {"e": 2}\n', [("torn-line", 1)]),
        (b'{"e": 1} and {"e": 3}\n{"e": 2}\n', [("bad-json", 1)]),
    ],
)
def test_whole_objects_before_a_broken_end(
    path: Path, content: bytes, found_codes: list[tuple[str, int]]
) -> None:
    """Objects on a line count whatever follows them, and what follows is reported."""
    found, lines = read(path, content)
    assert [row["e"] for _, row in found] == [1, 2]
    assert codes(lines) == found_codes


def test_nothing_but_a_cut_off_line_is_an_error(path: Path) -> None:
    """A run that was stopped within its first line is lost, and not just shortened."""
    _, lines = read(path, b'{"e": 1, "l')
    [finding] = lines.findings
    assert (finding.code, finding.severity.value) == ("truncated-line", "error")


def test_inside_of_a_torn_record_is_no_record(path: Path) -> None:
    """An object inside a torn one is not taken for a record of its own."""
    found, lines = read(path, b'{"s": {"l": 1}}\n{"s": {"l": 2}\n{"s": {"l": 3}}\n')
    assert [number for number, _ in found] == [1, 3]
    assert codes(lines) == [("bad-json", 2)]


def test_zeros_of_a_power_failure(path: Path) -> None:
    """A hole of zero bytes before a record does not hide the record."""
    found, lines = read(path, b'{"x": 1}\n' + b"\0" * 500 + b'{"x": 2}\n')
    assert [row["x"] for _, row in found] == [1, 2]
    assert codes(lines) == [("zero-bytes", 2)]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty-file"),
        (b"\n \r\n\n", "empty-file"),
        (bytes(range(256)) * 500, "binary-file"),
        (b"\0" * 4096, "binary-file"),
        (b"plain text\n" * 500, "not-json-lines"),
    ],
)
def test_hopeless_files(path: Path, content: bytes, code: str) -> None:
    """A file that is no log as a whole is one finding, however many lines it has."""
    found, lines = read(path, content)
    assert found == []
    assert [(f.code, f.severity, f.path) for f in lines.findings] == [(code, "error", str(path))]


def test_a_few_bad_lines_alone(path: Path) -> None:
    """A short file of bad lines names each of them."""
    _, lines = read(path, b"a\nb\n")
    assert codes(lines) == [("bad-json", 1), ("bad-json", 2)]


def test_unreadable(tmp_path: Path) -> None:
    """What is no readable file is one finding: folder, pipe, broken link, nothing at all."""
    folder, pipe, link = tmp_path / "d.jsonl", tmp_path / "p.jsonl", tmp_path / "l.jsonl"
    folder.mkdir()
    link.symlink_to(tmp_path / "nowhere")
    places = [folder, link, tmp_path / "gone.jsonl"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
        places.append(pipe)
    if os.name == "posix" and os.geteuid() != 0:
        locked = tmp_path / "locked.jsonl"
        locked.write_bytes(b"{}")
        locked.chmod(0)
        places.append(locked)
    for place in places:
        lines = JsonLines(place)
        assert list(lines) == []
        assert codes(lines) == [("unreadable-file", None)]


@given(cut=st.integers(1, 5000))
def test_packed_files(cut: int) -> None:
    """A packed file is read like any other; of one that is cut off, all that unpacks."""
    rows = [{"x": i, "y": str(i * 7919 % 1009)} for i in range(2000)]
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)
    cut = min(cut, len(packed) - 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl.gz")
        found, lines = read(path, packed)
        assert [row for _, row in found] == rows
        assert not lines.findings
        assert decoded_head(path, packed[:1000]).startswith(b'{"x": 0')
        found, lines = read(path, packed[:cut])
    assert [row for _, row in found] == rows[: len(found)]
    assert {f.code for f in lines.findings} >= {"damaged-gzip"}


def test_packed_in_name_only(tmp_path: Path) -> None:
    """A file that only says it is packed is one finding."""
    found, lines = read(tmp_path / "a.jsonl.gz", b'{"x": 1}\n')
    assert (found, codes(lines)) == ([], [("damaged-gzip", None)])


def test_objects_in_a_text_log(tmp_path: Path) -> None:
    """In a text log objects at the end of lines are read, and other lines only counted."""
    content = b'starting\n[12:00][train] - {"x": 1}\n{\'x\': 3}\n{"x": 2}\n{"x": \n'
    found, lines = read(tmp_path / "a.log", content, embedded=True)
    assert found == [(2, {"x": 1}), (4, {"x": 2})]
    assert codes(lines) == [("bad-json", 5), ("text-lines", 1)]
    assert "2 lines (1, 3)" in lines.findings[1].message
