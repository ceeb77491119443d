"""Findings, and repeats of them put together."""

from __future__ import annotations

import pickle

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.model.finding import Finding, LateFindings, Severity, group_repeats, line_ranges
from dr_gen.testing import findings


@given(findings())
def test_its_text_says_all(finding: Finding) -> None:
    """Place, severity, code, message and hint are in one text; it pickles and hashes by value."""
    text = str(finding)
    for part in (finding.place, finding.severity, finding.code, finding.message, finding.hint):
        assert part in text
    assert pickle.loads(pickle.dumps(finding)) == finding
    assert {finding: 1}[attrs.evolve(finding)] == 1


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding("gap", "no 3"), "-: warning gap: no 3"),
        (Finding("gap", "no 3", run="r1"), "r1: warning gap: no 3"),
        (Finding("gap", "no 3", "info", "a.jsonl"), "a.jsonl: info gap: no 3"),
        (
            Finding("gap", "no 3", "error", "a.jsonl", 7, "r1", "look"),
            "a.jsonl:7: error gap: no 3 (look)",
        ),
    ],
)
def test_the_text_of_a_finding(finding: Finding, text: str) -> None:
    """A finding reads like the message of a compiler."""
    assert str(finding) == text


def test_severities_are_ordered_and_checked() -> None:
    """A severity is one of three, given as text or not."""
    assert sorted(Severity, key=lambda s: s.rank) == ["info", "warning", "error"]
    assert Finding("a", "b", "error").severity is Severity.ERROR
    with pytest.raises(ValueError, match="bad"):
        Finding("a", "b", "bad")


@given(st.lists(findings(), max_size=8))
def test_repeats_differ_in_their_line_alone(found: list[Finding]) -> None:
    """Every finding is counted once, in the group of its first, and no line is lost."""
    groups = group_repeats(found)
    assert sum(group.count for group in groups) == len(found)
    keys = list(dict.fromkeys(attrs.evolve(finding, line=None) for finding in found))
    assert [attrs.evolve(group.first, line=None) for group in groups] == keys
    for key, group in zip(keys, groups, strict=True):
        lines = [f.line for f in found if attrs.evolve(f, line=None) == key]
        assert group.lines == tuple(sorted({line for line in lines if line is not None}))
        assert group.count == len(lines)
        assert group.first.line == min(lines, key=lambda line: line or 0)
        assert str(group).startswith(str(group.first))


def test_repeats_read_in_short() -> None:
    """A group names its first place, how many there are, and where."""
    found = [Finding("bad-json", "not JSON", path="a", line=line) for line in (9, 3, 4, 5)]
    (group,) = group_repeats(found)
    assert str(group) == "a:3: warning bad-json: not JSON [4 times, lines 3-5, 9]"
    (same,) = group_repeats([Finding("x", "y", path="a")] * 2)
    assert str(same) == "a: warning x: y [2 times]"
    (one,) = group_repeats(found[:1])
    assert str(one) == "a:9: warning bad-json: not JSON"


@given(st.sets(st.integers(1, 30)))
def test_ranges_of_lines_hold_every_line(lines: set[int]) -> None:
    """The text of line ranges can be read back."""
    text = line_ranges(sorted(lines), limit=99)
    ends = [[int(end) for end in part.split("-")] for part in text.split(", ") if part]
    assert {line for a, *b in ends for line in range(a, (b or [a])[0] + 1)} == lines


def test_many_ranges_are_cut() -> None:
    """A long list of lines ends in dots."""
    assert line_ranges([1, 3, 5, 7], limit=2) == "1, 3, …"


def test_late_findings_are_those_that_are_found() -> None:
    """They are looked for once, when asked for, and are then like a tuple of them."""
    calls = []
    found = (Finding("a", "b"), Finding("c", "d"))

    def find() -> list[Finding]:
        calls.append(1)
        return [*found]

    late = LateFindings(find)
    assert not calls
    assert late == found
    assert found == late
    assert late == LateFindings(find)
    assert late != found[:1]
    assert late != 3
    assert (late[0], late[1:], len(late), [*late]) == (found[0], found[1:], 2, [*found])
    assert (hash(late), repr(late)) == (hash(found), repr(found))
    assert pickle.loads(pickle.dumps(late)) == found
    assert len(calls) == 2
