"""Ranges of long arrays are read in few goes, and come out as asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dr_gen.model.pieces import portions
from dr_gen.store import ragged
from dr_gen.store.ragged import gather

ARRAY = np.arange(200)
some_ranges = st.lists(st.tuples(st.integers(0, 150), st.integers(0, 50)), max_size=8)


@given(some_ranges, st.sampled_from([1, 10, 1000]), st.sampled_from([1, 60, 1000]))
def test_ranges_come_out_behind_one_another(
    wanted: list[tuple[int, int]], gap: int, span: int
) -> None:
    """In any order, overlapping or empty: what is read is what plain slices give."""
    starts, sizes = np.array(wanted, np.int64).reshape(-1, 2).T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged, "_GAP", gap)
        patch.setattr(ragged, "_SPAN", span)
        found = gather(lambda a, b: ARRAY[a:b], starts, sizes, np.int64)
    assert found.tolist() == [x for a, n in wanted for x in ARRAY[a : a + n].tolist()]


def test_only_what_is_near_is_read_together() -> None:
    """Near ranges cost one call, a far one a call of its own, and what lies between is not read."""
    calls: list[tuple[int, int]] = []

    def read(start: int, stop: int) -> NDArray[np.float64]:
        calls.append((start, stop))
        return np.zeros(stop - start)

    starts = np.array([0, 200, 100, 10_000_000])
    assert len(gather(read, starts, np.array([50, 50, 50, 7]), float)) == 157
    assert calls == [(0, 250), (10_000_000, 10_000_007)]


@given(st.lists(st.integers(0, 9), max_size=9), st.integers(1, 12))
def test_portions_are_as_long_as_they_may_be(sizes: list[int], most: int) -> None:
    """They follow one another to the end, none is too long but a single range, none too short."""
    found = list(portions(np.array(sizes, np.int64), most))
    assert [i for part in found for i in range(len(sizes))[part]] == list(range(len(sizes)))
    for part in found:
        assert part.stop - part.start == 1 or sum(sizes[part]) <= most
        assert part.stop == len(sizes) or sum(sizes[part.start : part.stop + 1]) > most
