"""Records that are made when they are asked for."""

from __future__ import annotations

import pickle

import pytest

from dr_gen.model.run_table import LazyRecords, RunRecord, Status


def lazy(*ids: str) -> tuple[LazyRecords, list[str]]:
    """Records whose text is their id, and the ids of those that were made."""
    made: list[str] = []

    def make(text: str) -> RunRecord:
        made.append(text)
        return RunRecord(text, status=Status.FAILED)

    return LazyRecords(ids, [Status.FAILED] * len(ids), ids, make), made


def test_a_record_is_made_once_and_only_when_asked_for() -> None:
    """Ids and statuses are known without."""
    records, made = lazy("a", "b", "c")
    assert (records.ids, records.statuses, len(records)) == (("a", "b", "c"), ("failed",) * 3, 3)
    assert made == []
    assert records[1] is records[-2]
    assert records[1].id == "b"
    assert made == ["b"]
    assert [record.id for record in records] == ["a", "b", "c"]
    assert [record.id for record in records[::2]] == ["a", "c"]
    assert made == ["b", "a", "c"]
    with pytest.raises(IndexError):
        records[3]


def test_gathering_makes_nothing() -> None:
    """Records of several sequences in any order; what was made is not made again."""
    (one, made), (two, also) = lazy("a", "b"), lazy("c")
    known = one[0]
    both = LazyRecords.gathered([(two, 0), (one, 0), (one, 1)])
    assert both.ids == ("c", "a", "b")
    assert both[1] is known
    assert (made, also) == (["a"], [])


def test_pickled_they_are_plain() -> None:
    """How they are made stays behind."""
    records, _ = lazy("a", "b")
    assert pickle.loads(pickle.dumps(records)) == tuple(records)
