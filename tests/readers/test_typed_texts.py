"""Values that were written as text, typed back."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dr_gen.readers.typed_texts import typed

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**17), 10**17), st.floats(allow_nan=False)
)
TEXTS = st.text(st.characters(categories=["L", "N"], include_characters=" [{:,}]-"), max_size=9)
FINITE = st.one_of(SCALARS.filter(lambda v: v not in (math.inf, -math.inf)), TEXTS)
NESTED = st.recursive(
    FINITE, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)


@given(SCALARS)
@example(-(10**17))  # the sign is no digit
def test_what_python_writes_is_read(value: Any) -> None:
    """Numbers, bools and None come back with their type."""
    found = typed(str(value))
    assert (found, type(found)) == (value, type(value))


@given(st.lists(NESTED, max_size=4) | st.dictionaries(TEXTS, NESTED, max_size=4))
def test_lists_and_dicts_are_read(value: Any) -> None:
    """As Python writes them and as JSON does."""
    assert typed(repr(value)) == value
    assert typed(json.dumps(value)) == value


@given(st.text(max_size=40))
def test_any_text_is_read_without_a_warning(text: str) -> None:
    """What is nothing else is the text that it is."""
    found = typed(text)
    if isinstance(found, str):
        assert found == text


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "adam", "007", "1_000", "0x10", "1e999", "1" * 19, "41a55fbc", "None of it"),
        *("[1, 2", "{'a': open('x')}", "[1and 2]", "['\\d']", "(" * 5000 + ")" * 5000),
        *("{1: [2, {3: f}]}", "1.2.3", "1-2", "nano", "infer", "yes", "NULL", "[1j]"),
        *("{'a': 1, '\\x00'}", "__import__('os')", "[" + "9" * 5000 + "]"),
    ],
)
def test_what_is_in_doubt_stays_text(text: str) -> None:
    """Nothing is guessed, and nothing is run."""
    assert typed(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1e-4", 1e-4), (" 0.5\n", 0.5), ("+3", 3), ("-0", 0), ("5.", 5.0), (".5", 0.5)),
        *(("null", None), ("true", True), ("False", False), ("-inf", -math.inf)),
        *(("(1, 2)", [1, 2]), ("()", []), ("[1, None, 'a']", [1, None, "a"]), ("{}", {})),
        *(('["1abc"]', ["1abc"]), ("['64x64', 1e-3]", ["64x64", 1e-3]), ("{1: 2}", {"1": 2})),
    ],
)
def test_what_is_sure_is_typed(text: str, value: Any) -> None:
    """In all the ways that people and programs write it."""
    assert typed(text) == value
    assert type(typed(text)) is type(value)


def test_nan_is_a_number() -> None:
    """As Python writes it."""
    assert math.isnan(typed("nan"))
