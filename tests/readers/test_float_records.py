"""Numbers taken out of structs together: the same as one by one, to the last bit."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given

from dr_gen.readers.float_records import FloatRecords

NAMES = st.text(min_size=1, max_size=40).filter(
    lambda name: name.isprintable() and not {'"', "\\"} & {*name}
)


def structs_of(names: list[str], rows: list[list[float]]) -> list[Any]:
    """A struct of each row, as a line of a log is decoded into one."""
    fields = [(f"m{i}", float) for i in range(len(names))]
    rename = {f"m{i}": name for i, name in enumerate(names)}
    kind = msgspec.defstruct("Stats", fields, rename=rename, gc=False)
    return [kind(*row) for row in rows]


@given(
    st.lists(NAMES, unique=True, max_size=20).flatmap(
        lambda names: st.tuples(
            st.just(names),
            st.lists(st.lists(st.floats(), min_size=len(names), max_size=len(names)), max_size=30),
        )
    )
)
def test_as_one_by_one(case: tuple[list[str], list[list[float]]]) -> None:
    """Whatever the fields are called, and NaN, infinity and the zero below zero among them."""
    names, rows = case
    found = FloatRecords(names).of(structs_of(names, rows))
    expected = np.array(rows, np.float64).reshape(len(rows), len(names))
    assert (found.shape, found.tobytes()) == (expected.shape, expected.tobytes())


@pytest.mark.parametrize("n", [15, 16, 65535, 65536])
def test_any_number_of_structs(n: int) -> None:
    """A list begins with more bytes the longer it is."""
    rows = [[float(i), -float(i)] for i in range(n)]
    assert FloatRecords(["a", "b"]).of(structs_of(["a", "b"], rows)).tolist() == rows


@pytest.mark.parametrize("names", [[], ["loss"]])
def test_a_struct_that_is_not_there(names: list[str]) -> None:
    """None in the place of a struct is an error, never numbers in wrong places."""
    structs = structs_of(names, [[math.pi] * len(names)] * 3)
    with pytest.raises(TypeError):
        FloatRecords(names).of([*structs, None])
