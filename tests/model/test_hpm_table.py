"""Columns of hyperparameters, beside a list of dicts."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.model.hpm import MISSING, Hpm, canonical
from dr_gen.model.hpm_group import HpmGroup
from dr_gen.model.hpm_table import HpmTable, value_order
from dr_gen.testing import hpm_values, hpms

KEYS = ("optim.lr", "seed", "k")
rows_of_runs = st.lists(hpms(st.sampled_from(KEYS), hpm_values()), max_size=6)


def exact(value: Any) -> str:
    """Text that tells 1, 1.0, True and -0.0 apart."""
    return f"{type(value).__name__} {value!r}"


def picks(data: st.DataObject, rows: list[Hpm]) -> np.ndarray[Any, np.dtype[np.intp]]:
    chosen = data.draw(
        st.lists(st.sampled_from(range(len(rows))), unique=True) if rows else st.just([])
    )
    return np.array(chosen, np.intp)


@given(rows_of_runs)
def test_rows_come_back_bit_for_bit(rows: list[Hpm]) -> None:
    """Every run has its keys and its values with their exact types."""
    table = HpmTable.from_mappings(rows)
    assert table.n_runs == len(rows)
    for i, row in enumerate(rows):
        found = table.row(i)
        assert {k: exact(v) for k, v in found.items()} == {k: exact(v) for k, v in row.items()}


@given(rows_of_runs, st.data())
def test_columns_are_those_of_the_rows(rows: list[Hpm], data: st.DataObject) -> None:
    """A column has the value of each run asked for, and says where there is none."""
    table, runs = HpmTable.from_mappings(rows), picks(data, rows)
    for key in (*table.keys, "no such key"):
        wanted = [rows[i].get(key, MISSING) for i in runs.tolist()]
        assert [*map(exact, table.column(key, runs))] == [*map(exact, wanted)]


@given(rows_of_runs, st.data())
def test_keys_that_vary_are_those_with_several_values(rows: list[Hpm], data: st.DataObject) -> None:
    """A key varies when two of the runs differ in it, and to lack it is a value too."""
    table, runs = HpmTable.from_mappings(rows), picks(data, rows)
    chosen = [rows[i] for i in runs.tolist()]
    different = {
        key: {canonical(row.get(key, MISSING)) for row in chosen}
        for key in dict.fromkeys(key for row in rows for key in row)
    }
    assert sorted(table.varying(runs)) == sorted(k for k, v in different.items() if len(v) > 1)
    assert sorted(table.present(runs)) == sorted({key for row in chosen for key in row})
    for key in table.keys:
        distinct = table.distinct(key, runs)
        assert {canonical(value) for value in distinct} == different[key]
        assert len(distinct) == len(different[key])
        assert [value_order(value) for value in distinct] == sorted(map(value_order, distinct))


@given(rows_of_runs, st.data())
def test_codes_are_equal_where_the_values_are(rows: list[Hpm], data: st.DataObject) -> None:
    """Two runs have one code exactly when all the keys asked for are equal."""
    table, runs = HpmTable.from_mappings(rows), picks(data, rows)
    keys = table.keys[:2]
    codes = table.group_codes(keys, runs)
    values = [[canonical(rows[i].get(k, MISSING)) for k in keys] for i in runs.tolist()]
    assert len(codes) == len(runs)
    for i, a in enumerate(codes):
        for j, b in enumerate(codes):
            assert (a == b) is (values[i] == values[j])


@given(rows_of_runs, st.data())
def test_a_part_is_the_table_of_its_rows(rows: list[Hpm], data: st.DataObject) -> None:
    """Taking runs gives what would have been made of them alone."""
    table, runs = HpmTable.from_mappings(rows), picks(data, rows)
    part = table.take(runs)
    alone = HpmTable.from_mappings([rows[i] for i in runs.tolist()])
    assert set(part.keys) == set(alone.keys)
    for i in range(len(runs)):
        assert repr(sorted(part.row(i).items())) == repr(sorted(alone.row(i).items()))


@given(rows_of_runs)
def test_a_pickled_table_has_the_same_rows(rows: list[Hpm]) -> None:
    """A table survives pickling bit for bit."""
    table = HpmTable.from_mappings(rows)
    other = pickle.loads(pickle.dumps(table))
    assert [repr(other.row(i)) for i in range(len(rows))] == [
        repr(table.row(i)) for i in range(len(rows))
    ]


def test_values_are_in_one_order_whatever_they_are() -> None:
    """Missing, null, bools, numbers with NaN last, text, then the rest."""
    values = [[1], "a", float("nan"), 2, 0.5, True, None, MISSING, float("-inf"), 10**400]
    ordered = sorted(values, key=value_order)
    assert repr(ordered) == repr(
        [MISSING, None, True, float("-inf"), 0.5, 2, 10**400, float("nan"), "a", [1]]
    )


def test_equal_values_of_two_types_are_one_value_but_stay_what_they_are() -> None:
    """1 and 1.0 do not vary, and each run still has its own."""
    table = HpmTable.from_mappings([{"a": 1}, {"a": 1.0}, {"a": True}])
    two = np.array([0, 1])
    assert table.varying(two) == ()
    assert table.varying(np.array([0, 2])) == ("a",)
    assert [type(value) for value in table.column("a", np.arange(3))] == [int, float, bool]


def test_a_list_that_is_changed_changes_no_table() -> None:
    """What a run or a configuration gives out is its own, nested or not."""
    group = HpmGroup.from_hpms([{"a": [1, {"b": [2]}]}, {"a": [3]}])
    for hpm in (group.table.row(0), group.configurations[0].hpms, group.table.row(0).matching("a")):
        hpm["a"].append(4)
        hpm["a"][-2] = None
    assert group.table.row(0) == Hpm({"a": [1, {"b": [2]}]})
    assert group.varying["a"] == [[1, {"b": [2]}], [3]]
