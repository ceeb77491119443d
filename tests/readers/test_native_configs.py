"""Configurations read together, held against `json.loads` and a loop over each of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.model.hpm_table import HpmTable
from dr_gen.readers.native.configs import Configurations

LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, 1.0, True, None, -0.0, 0.0, 10**30, 1e-9, "sgd", "a: b", 'a "b"', "", [], [1, 2.5], {}]
)
NAMES = st.sampled_from(["a", "b", "c", "a.b", "", "é", 'q"', "two words"])
# Few values in few places, so that texts are the same, and not, and mean the same but are not.
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.dictionaries(NAMES, inner, max_size=3)
        | st.lists(st.sampled_from([1, {}, [2]]), max_size=1)
    ),
    max_leaves=8,
)
RECORDS = st.dictionaries(NAMES, TREES, max_size=4)


def line(config: Any, separators: tuple[str, str] = (", ", ": ")) -> bytes:
    return json.dumps({"type": "dict_config", "value": config}, separators=separators).encode()


def flat(config: Any) -> dict[str, Any] | None:
    """The keys and values; None if a key is twice or a value is no plain one."""
    items: list[tuple[str, Any]] = []

    def collect(node: dict[str, Any], prefix: str) -> None:
        for name, value in node.items():
            if isinstance(value, dict) and value:
                collect(value, f"{prefix}{name}.")
            else:
                items.append((prefix + name, value))

    if not isinstance(config, dict) or not config:
        return None
    collect(config, "")
    plain = not any(isinstance(i, list | dict) for _, v in items if isinstance(v, list) for i in v)
    return dict(items) if plain and len(dict(items)) == len(items) else None


def told(table: HpmTable) -> Any:
    """Each run as text, since 1 and 1.0 and True are equal, and the values of each key."""
    rows = [repr(sorted(table.row(run).items())) for run in range(table.n_runs)]
    return rows, {key: repr(c) for key, c in zip(table.keys, table.categories, strict=True)}


def check(lines: list[bytes], configs: list[Any], reader: Configurations) -> None:
    found = reader.table(lines)
    rows = [flat(config) for config in configs]
    odd = {number for number, row in enumerate(rows) if row is None}
    if isinstance(found, set):
        # Care is allowed where it is not needed, but of one odd configuration not for all.
        assert found >= odd
        assert found
        return
    assert not odd
    plain = HpmTable.from_mappings([row for row in rows if row is not None])
    assert told(found) == told(plain)


@given(
    configs=st.lists(RECORDS, min_size=1, max_size=8),
    order=st.lists(st.integers(0, 7), min_size=1, max_size=8),
    tight=st.booleans(),
)
def test_as_one_by_one(configs: list[Any], order: list[int], tight: bool) -> None:
    """The same keys and values, in the same order, whatever is shared; remembered shapes too."""
    reader = Configurations()
    several = [configs[i % len(configs)] for i in order]
    check([line(config) for config in several], several, reader)
    separators = (",", ":") if tight else (", ", ": ")
    lines = [line(c, separators if i % 2 else (", ", ": ")) for i, c in enumerate(configs)]
    check(lines, configs, reader)


def test_plain_ones_need_no_care() -> None:
    """What sweeps hold is told at once: nested, with null for a branch, and other keys."""
    configs = [
        {"seed": 0, "optim": {"name": "sgd", "sched": {"kind": "cosine"}}, "data": {"x": 1}},
        {"seed": 1, "optim": {"name": "sgd", "sched": None}, "data": {"x": 1}},
        {"seed": 2, "optim": {"name": "adam", "beta": 0.9, "sched": {}}, "data": {"x": 1.0}},
        {"seed": 3, "optim": None, "data": {"x": 1}, "late": {"y": [1, 2]}},
    ]
    found = Configurations().table([line(config) for config in configs])
    assert isinstance(found, HpmTable)
    assert told(found) == told(HpmTable.from_mappings([flat(c) or {} for c in configs]))
    keys = ("seed", "optim.name", "optim.sched.kind", "data.x")
    assert found.keys == (*keys, "optim.sched", "optim.beta", "optim", "late.y")


def test_keys_are_in_the_order_of_the_runs() -> None:
    """A key that a later run brings comes last, wherever it is nested."""
    configs = [
        {"optim": {"lr": 1}, "data": {"x": 1}},
        {"optim": {"lr": 1, "beta": 2}, "data": {"x": 1}},
    ]
    found = Configurations().table([line(config) for config in configs])
    assert isinstance(found, HpmTable)
    assert found.keys == ("optim.lr", "data.x", "optim.beta")


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": {"b": {"c": 1, "d": 2, "c": 3}}}',
        b'{"a" : 1, "a" : 2}',
        b'{"a": {"b" : 1, "b": 2}}',
        b'{"a.b": 1, "a": {"b": 1}}',
        b'{"a": {"b.c": 1, "b": {"c": 1}}}',
        b'{"a": [[1]]}',
        b'{"a": {"b": [{}]}}',
        b'{"a": {"b": 1e400}}',
        b'{"a": {"b": "\\ud800"}}',
        b'{"a": {"b": "\xff"}}',
        b'{"a": {"b": NaN}}',
        b'{"a": {"b": 01}}',
        b"{}",
        b"[1]",
        b"7",
    ],
)
def test_only_the_odd_one_needs_care(text: bytes) -> None:
    """A name that is twice, or a value that this cannot tell, is seen at any depth."""
    plain = b'{"a": {"b": 1}}'
    lines = [b'{"type": "dict_config", "value": %b}' % each for each in (plain, text, plain)]
    reader = Configurations()
    assert reader.table(lines) == {1}
    assert isinstance(reader.table([lines[0], lines[2]]), HpmTable)
    assert reader.table(lines) == {1}


@pytest.mark.parametrize("depth", [60, 400, 900, 3000])
def test_the_deepest_need_care_alone(depth: int) -> None:
    """However deep an object is, it is left to care, and the others are told."""
    deep = b'{"a": ' * depth + b"1" + b"}" * depth
    lines = [b'{"type": "dict_config", "value": %b}' % each for each in (b'{"a": 1}', deep)]
    assert Configurations().table(lines) == {1}


def test_deeper_than_is_plain() -> None:
    """Objects in fifty others are left to care, and those in a few less are not."""
    depths = {}
    for depth in (40, 49, 50, 51, 60):
        config: Any = 1
        for _ in range(depth):
            config = {"a": config}
        found = Configurations().table([line(config)])
        depths[depth] = isinstance(found, HpmTable) and len(found.keys[0]) == 2 * depth - 1
    assert depths == {40: True, 49: True, 50: True, 51: True, 60: False}
