"""The JSON of our files, read fast: the same as Python's own parser gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dr_gen.convert import exact_json
from dr_gen.errors import UsageError
from dr_gen.store.exact import decoded

WILD = st.text(st.characters(), max_size=5)
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WILD),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WILD, inner, max_size=4)),
    max_leaves=12,
)
TOKENS = ("[", "]", "{", "}", ",", ":", '"a"', '"a', "\\u", "d800", "\n", " ", "-", "0", "1", ".")


def same_as_python(text: str | bytes) -> None:
    """Both parsers give the same, bit for bit, or neither takes it."""
    try:
        expected = json.loads(text)
    except (ValueError, RecursionError):
        with pytest.raises(UsageError, match="cannot read as JSON"):
            decoded(text)
    else:
        # Equal representations mean equal types and bits.
        assert repr(decoded(text)) == repr(expected)


@given(PLAIN)
def test_plain_data_come_back(data: Any) -> None:
    """Types, signs of zero, NaN, infinities, NUL and halves of surrogate pairs, from any text."""
    text = exact_json(data)
    for form in (text, text.encode(), memoryview(text.encode())):
        assert repr(decoded(form)) == repr(json.loads(text))


@given(st.one_of(st.binary(max_size=8), st.lists(st.sampled_from(TOKENS), max_size=8).map("".join)))
@example("1e400")
@example("1" * 5000)
@example(b"\xef\xbb\xbf1")
@example(b'"\xed\xa0\x80"')
@example("\ud800")
@example("[" * 100_000)
@example('{"a": 1, "a": 2}')
@example("-0")
def test_any_text_is_read_as_python_reads_it(text: str | bytes) -> None:
    """What is no JSON is an error of ours, whichever parser says so."""
    same_as_python(text)
