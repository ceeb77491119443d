"""Codes of values and of their combinations, beside tuples and sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.model.codes import counts_within, dense, joint


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=20))
def test_codes_of_combinations_are_those_of_tuples(pairs: list[tuple[int, int]]) -> None:
    """Combinations have equal codes exactly when they are equal, in their order, without gaps."""
    rows = [np.array([p[i] for p in pairs], np.intp) for i in range(2)]
    codes, first = joint(rows, len(pairs))
    order = sorted(set(pairs))
    assert [order[code] for code in codes.tolist()] == pairs
    assert [pairs.index(pair) for pair in order] == first.tolist()
    packed, _ = dense(rows[0], 5)
    assert packed.tolist() == [sorted({p[0] for p in pairs}).index(p[0]) for p in pairs]
    within = counts_within(rows[0], 5, rows[1]).tolist()
    assert within == [len({p[1] for p in pairs if p[0] == a}) for a in range(5)]


def test_large_codes_are_sorted_instead_of_counted() -> None:
    """Codes too large for a table give the same answer."""
    codes = np.array([5, 1, 5, 0], np.intp)
    for size in (6, 10**9):
        packed, first = dense(codes, size)
        assert (packed.tolist(), first.tolist()) == ([2, 1, 2, 0], [3, 1, 0])
