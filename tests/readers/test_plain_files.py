"""Where lines end, and how they begin, looked at many at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.readers import torn
from dr_gen.readers.plain_files import line_ends
from dr_gen.readers.torn import Beginnings

TEXTS = st.lists(st.sampled_from([b"", b"{}", b"12345678", b'{"a": 1, "b": 2.5}', b"\x01\x00"]))


@given(TEXTS, st.booleans())
def test_line_ends_are_where_they_are(lines: list[bytes], ended: bool) -> None:
    """Each end is found, however short the lines are."""
    text = b"\n".join(lines) + b"\n" * ended
    found = line_ends(np.frombuffer(text, np.uint8))
    assert found.tolist() == [i for i, byte in enumerate(text) if byte == 10]
    assert found.dtype == np.int64


@pytest.mark.parametrize("long", [0, 1 << 15])
@given(
    parts=st.lists(st.lists(st.sampled_from(["a", "bb", "a long name", "é"]), min_size=1)),
    asked=st.sampled_from(["a", "bb", "a long name", "a lon", "c"]),
)
def test_the_first_keys_of_lines_are_known(long: int, parts: list[list[str]], asked: str) -> None:
    """Those that stand at the beginning of a line, and no others, however much text there is."""
    keys = frozenset(f'{{"{name}"'.encode() for part in parts for name in part)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torn, "_LONG", long)
        beginnings = Beginnings()
        for part in parts:
            lines = b"\n".join(f'{{"{name}": 1, "c": 2}}'.encode() for name in part)
            beginnings.add_many(lines, keys)
        assert (f'{{"{asked}"'.encode() in beginnings) == any(asked in part for part in parts)
