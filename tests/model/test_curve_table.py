"""Columns of curves, beside a dict of lists."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UsageError
from dr_gen.model.axis import pick_axes, pick_axis
from dr_gen.model.curve_builder import CurveBuilder, as_values, as_x
from dr_gen.model.curve_table import CurveTable
from dr_gen.model.pieces import ranges
from dr_gen.testing import blocks, metric_values

Key = tuple[int, str, str]
# Rows with their axes, and who has which metric in them.
Log = list[tuple[int, dict[str, Any], tuple[str, ...], list[tuple[Key, list[float]]]]]
SPLITS, METRICS = ("val", "train"), ("loss", "acc", "lr")


@st.composite
def logs(draw: st.DrawFn, n_runs: int = 3) -> Log:
    log: Log = []
    seen: set[Key] = set()
    for size, axes, counted in draw(st.lists(blocks(), max_size=4)):
        run = draw(st.integers(0, n_runs - 1))
        keys = draw(
            st.sets(st.tuples(st.sampled_from(SPLITS), st.sampled_from(METRICS)), max_size=3)
        )
        curves = []
        for split, metric in sorted(keys):
            if (run, split, metric) not in seen:
                seen.add((run, split, metric))
                values = draw(st.lists(metric_values(), min_size=size, max_size=size))
                curves.append(((run, split, metric), values))
        log.append((size, axes, counted, curves))
    return log


def built(log: Log, like: CurveTable | None = None) -> CurveTable:
    builder = CurveBuilder(like=like)
    for _, axes, counted, curves in log:
        block = builder.add_block(axes, counted)
        for (run, split, metric), values in curves:
            builder.add_curve(run, split, metric, values, block, f"{split}_{metric}")
    return builder.build()


def model(log: Log) -> dict[Key, Any]:
    """Everything about every curve, as text that tells NaN, -0.0 and types apart."""
    return {
        key: (
            repr([float(v) for v in values]),
            {name: (repr(xs.tolist()), name in counted) for name, xs in axes.items()},
        )
        for _, axes, counted, curves in log
        for key, values in curves
    }


def read(table: CurveTable, n_runs: int = 3) -> dict[Key, Any]:
    found = {}
    for run in range(n_runs):
        for split in SPLITS:
            for metric in METRICS:
                curve = table.find(run, split, metric)
                if curve is not None:
                    assert table.run[curve] == run
                    axes = table.axes_of_block(int(table.block[curve]))
                    found[run, split, metric] = (
                        repr(table.curve_values(curve).tolist()),
                        {
                            table.x_names[table.axis_x[axis]]: (
                                repr(table.axis_values(axis).tolist()),
                                bool(table.axis_inferred[axis]),
                            )
                            for axis in axes
                        },
                    )
    return found


@given(logs())
def test_every_curve_comes_back(log: Log) -> None:
    """What was added is found again by run, split and metric, with all its axes, bit for bit."""
    table = built(log)
    assert read(table) == model(log)
    assert table.find(7, "val", "loss") is None
    assert table.find(0, "no", "loss") is None
    assert table.find(0, "val", "no") is None


@given(logs())
def test_curves_are_sorted_for_every_question(log: Log) -> None:
    """The curves of a metric are one slice, sorted by run; those of a run are all it has."""
    table, wanted = built(log), model(log)
    for split in SPLITS:
        for metric in METRICS:
            where = table.curves_at(split, metric)
            assert table.run[where].tolist() == sorted(
                run for run, s, m in wanted if (s, m) == (split, metric)
            )
    for run in range(4):
        mine = table.curves_of_run(run).tolist()
        names = {(table.splits[table.split[c]], table.metrics[table.metric[c]]) for c in mine}
        assert names == {(s, m) for r, s, m in wanted if r == run}
        assert len(mine) == len(names)
    assert int(table.size.sum()) == len(table.values)


@given(logs(), st.permutations(range(3)), st.integers(0, 3))
def test_a_part_has_the_curves_of_its_runs(log: Log, order: list[int], count: int) -> None:
    """Taking runs numbers them in the order given and keeps nothing of the others."""
    chosen = order[:count]
    part = built(log).take(np.array(chosen, np.intp))
    wanted = {
        (chosen.index(run), s, m): body for (run, s, m), body in model(log).items() if run in chosen
    }
    assert read(part) == wanted
    assert len(part.run) == len(wanted)
    assert len(part.values) == sum(
        len(v) for *_, curves in log for (run, _, _), v in curves if run in chosen
    )
    assert len(part.block_size) == len(set(part.block.tolist()))
    assert sum(map(len, part.pools)) == int(part.block_size[part.axis_block].sum())


@given(logs(), logs())
def test_tables_behind_one_another_have_the_curves_of_both(a: Log, b: Log) -> None:
    """Joining keeps every curve and numbers the runs on."""
    table = CurveTable.concat([built(a), built(b)], [3, 3])
    wanted = {**model(a), **{(run + 3, s, m): body for (run, s, m), body in model(b).items()}}
    assert read(table, 6) == wanted
    parts = [table.take(np.arange(3)), table.take(np.arange(3, 6))]
    assert [read(part) for part in parts] == [model(a), model(b)]


@given(logs(), logs())
def test_pools_of_the_same_numbers_are_shared(a: Log, b: Log) -> None:
    """Bit for bit the same x is the same memory, also behind one another; no curve changes."""
    first = built(a)
    again, other = built(a, first), built(b, first)
    assert (read(again), read(other)) == (model(a), model(b))
    for mine, theirs in zip(again.pools[:2], first.pools[:2], strict=True):
        assert np.shares_memory(mine, theirs) == (len(mine) > 0)
    together = CurveTable.concat([first, again, other], [3, 3, 3])
    wanted = [(run + 3 * i, log) for i, log in enumerate((a, a, b)) for run in range(3)]
    assert read(together, 9) == {
        (to, s, m): body
        for to, log in wanted
        for (run, s, m), body in model(log).items()
        if run == to % 3
    }
    for pool, mine, theirs in zip(together.pools[:2], first.pools, other.pools, strict=False):
        assert len(pool) <= len(mine) + len(theirs)


def test_numbers_that_are_equal_but_not_the_same_are_not_shared() -> None:
    """NaN is NaN, and -0.0 is not 0.0."""
    nan = float("nan")
    tables: list[CurveTable] = []
    for xs in ([0.0, nan], [0.0, nan], [-0.0, nan]):
        builder = CurveBuilder(like=tables[0] if tables else None)
        builder.add_curve(0, "val", "acc", [1.0, 2.0], builder.add_block({"time": xs}))
        tables.append(builder.build())
    first, same, other = tables
    assert np.shares_memory(same.pools[1], first.pools[1])
    assert not np.shares_memory(other.pools[1], first.pools[1])


def test_no_tables_are_an_empty_table() -> None:
    """Joining nothing gives a table without curves, which can be asked like any other."""
    table = CurveTable.concat([], [])
    assert (len(table.run), table.find(0, "val", "loss")) == (0, None)
    assert len(table.curves_of_run(0)) == 0
    assert len(table.take(np.array([], np.intp)).run) == 0


@given(logs(), st.randoms(use_true_random=False))
def test_the_order_of_adding_does_not_matter(log: Log, random: Any) -> None:
    """Rows added in another order make the same curves."""
    shuffled = list(log)
    random.shuffle(shuffled)
    assert read(built(shuffled)) == model(log)
    table = built(shuffled)
    assert read(table.sorted()) == model(log)


@given(logs())
def test_a_pickled_table_is_the_same_and_read_only(log: Log) -> None:
    """Pickling keeps every curve and the protection of the arrays."""
    for table in (built(log), pickle.loads(pickle.dumps(built(log)))):
        assert read(table) == model(log)
        for array in (table.values, table.run, table.axis_start, *table.pools):
            assert not array.flags.writeable


@given(logs())
def test_the_usual_axis_is_the_same_one_by_one_and_all_at_once(log: Log) -> None:
    """Choosing axes for many blocks gives what choosing for each gives."""
    table = built(log)
    numbers = np.arange(len(table.block_size))
    assert pick_axes(table, numbers).tolist() == [pick_axis(table, int(b)) for b in numbers]


@given(logs())
def test_clean_axes_increase_and_miss_nothing(log: Log) -> None:
    """An axis is clean exactly when its x strictly increases and is finite."""
    table = built(log)
    for axis in range(len(table.axis_x)):
        xs = table.axis_values(axis).tolist()
        increasing = all(a < b for a, b in itertools.pairwise(xs))
        known = all(isinstance(x, str) or np.isfinite(x) for x in xs)
        assert bool(table.axis_clean[axis]) is (increasing and known)


@pytest.mark.parametrize(
    ("xs", "kind", "items"),
    [
        ([1, 2], "i", [1, 2]),
        ([True, False], "i", [1, 0]),
        ([1, 2.5], "f", [1.0, 2.5]),
        ([2**53 + 1, -(2**63)], "i", [2**53 + 1, -(2**63)]),
        ([2**63], "f", [float(2**63)]),
        ([2**64, 1], "f", [2.0**64, 1.0]),
        (np.array([1, 2], np.uint8), "i", [1, 2]),
        (np.array([1.5], np.float32), "f", [1.5]),
        ([], "f", []),
        (range(2), "i", [0, 1]),
        (["b", "a"], "O", ["b", "a"]),
        (("a\0", "ü"), "O", ["a\0", "ü"]),
        ([np.str_("a")], "O", ["a"]),
    ],
)
def test_x_keeps_its_kind(xs: Any, kind: str, items: list[Any]) -> None:
    """Integers stay exact where 64 bits allow, other numbers are floats, text is text."""
    found = as_x(xs)
    assert (found.dtype.kind, found.tolist()) == (kind, items)


def test_a_missing_x_is_nan() -> None:
    """A null among numbers is a missing x."""
    assert repr(as_x([1, None, 2.5]).tolist()) == "[1.0, nan, 2.5]"


@pytest.mark.parametrize(
    "xs",
    [3, "ab", [[1, 2]], [[1], [1, 2]], [1, "a"], ["a", 1], [object()], [1j], None, ["a", None]],
)
def test_other_x_is_refused(xs: Any) -> None:
    """What is neither numbers nor text, or not one list of them, is a mistake of the caller."""
    with pytest.raises(UsageError, match="x-axis 'epoch'"):
        as_x(xs, "epoch")


@pytest.mark.parametrize("values", ["ab", 3, [[1.0]], ["a"], [[1], [1, 2]], [10**400], [{}]])
def test_other_values_are_refused(values: Any) -> None:
    """Values are one list of numbers."""
    with pytest.raises(UsageError, match="values of m"):
        as_values(values, "values of m")


def test_a_null_value_is_nan() -> None:
    """A value that was logged as null is no number."""
    assert repr(as_values([1, None]).tolist()) == "[1.0, nan]"


def test_arrays_of_the_caller_stay_their_own() -> None:
    """What was given can still be changed, and changes nothing here."""
    xs, values = np.array([0, 1]), np.array([1.0, 2.0])
    builder = CurveBuilder()
    builder.add_curve(0, "val", "loss", values, builder.add_block({"epoch": xs}))
    xs[0], values[0] = 9, 9.0
    table = builder.build()
    assert table.axis_values(0).tolist() == [0, 1]
    assert table.curve_values(0).tolist() == [1.0, 2.0]


def test_lengths_have_to_agree_and_curves_to_be_new() -> None:
    """Rows have one length, values are as many, and a run has one curve of a metric."""
    builder = CurveBuilder()
    with pytest.raises(UsageError, match="epoch 2, step 1"):
        builder.add_block({"epoch": [1, 2], "step": [1]})
    with pytest.raises(UsageError, match="none"):
        builder.add_block({})
    block = builder.add_block({"epoch": [1, 2]})
    with pytest.raises(UsageError, match="val/loss has 1 values for 2 x values"):
        builder.add_curve(0, "val", "loss", [1.0], block)
    builder.add_curve(0, "val", "loss", [1.0, 2.0], block)
    with pytest.raises(UsageError, match="val/loss is there already"):
        builder.add_curve(0, "val", "loss", [1.0, 2.0], block)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=6))
def test_ranges_are_those_of_python(pairs: list[tuple[int, int]]) -> None:
    """Ranges behind one another are what they would be one by one."""
    starts = np.array([start for start, _ in pairs], np.int64)
    sizes = np.array([size for _, size in pairs], np.int64)
    wanted = [i for start, size in pairs for i in range(start, start + size)]
    assert ranges(starts, sizes).tolist() == wanted
