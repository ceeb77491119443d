"""Rows of Python numbers put into columns."""

from __future__ import annotations

import struct

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from dr_gen.readers.jsonlines.spreading import Spreader
from dr_gen.readers.plain_lines import ABSENT, ABSENT_BITS

FLOATS = st.floats() | st.just(ABSENT)
# Of each length that a whole number may have, and at the edges of these.
INTS = [
    st.integers(-33, 129),
    st.integers(250, 260) | st.integers(-130, -120),
    st.integers(2**16 - 3, 2**16 + 3) | st.integers(-(2**15) - 3, -(2**15) + 3),
    st.integers(2**32 - 3, 2**32 + 3) | st.integers(-(2**31) - 3, -(2**31) + 3),
    st.integers(-(2**53), 2**53),
]
KINDS = [FLOATS, *INTS, st.one_of(*INTS), FLOATS | st.integers(-5, 300)]


def bits(rows: list[tuple[float, ...]], spreader: Spreader) -> list[list[int]]:
    """The columns bit for bit."""
    out = np.zeros((len(rows[0]), len(rows) + 2))[:, 1:-1]
    spreader.spread(rows, out)
    return [[struct.unpack("<q", struct.pack("<d", x))[0] for x in column] for column in out]


@given(st.data())
def test_each_number_is_in_its_place(data: st.DataObject) -> None:
    """Bit for bit, whatever lengths the numbers have, and whatever rows came before."""
    spreader = Spreader()
    for _ in range(data.draw(st.integers(1, 3))):
        n_columns = data.draw(st.integers(1, 20))
        kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=n_columns, max_size=n_columns))
        few = data.draw(st.lists(st.tuples(*kinds), min_size=1, max_size=4))
        rows = few * data.draw(st.sampled_from([1, 40, 70]))
        expected = [
            [struct.unpack("<q", struct.pack("<d", x))[0] for x in column]
            for column in zip(*rows, strict=True)
        ]
        assert bits(rows, spreader) == expected


def test_rows_of_one_layout_are_a_table() -> None:
    """Counters, whose lengths rarely change, and floats, absent ones among them, are one."""
    rows = [(step, 300 + step, 0.5 * step, ABSENT) for step in range(100)]
    out = np.zeros((4, 100))
    assert Spreader().as_table(rows, out)
    assert out[:3].T.tolist() == [list(map(float, row[:3])) for row in rows]
    assert (out[3].view(np.int64) == ABSENT_BITS).all()
    assert not Spreader().as_table([*rows, (128, 5, 0.5, 0.5)], np.zeros((4, 101)))


@pytest.mark.parametrize("odd", [None, "a", True, [1.0], 10**400])
def test_what_is_no_number_is_refused(odd: object) -> None:
    """It is an error, or the number that Python has for it; never the bytes that stand for it."""
    rows = [(0.5, odd)] * 100
    out = np.zeros((2, 100))
    if odd is True:
        Spreader().spread(rows, out)  # type: ignore[arg-type]
        assert out[1].tolist() == [1.0] * 100
        return
    with pytest.raises(struct.error):
        Spreader().spread(rows, out)  # type: ignore[arg-type]
