"""Curves that get points behind those that they have."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dr_gen.model.curve_growth import lengthened
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData

VALUES = st.floats(width=32)
SPLITS = st.dictionaries(
    st.sampled_from(["train", "val"]), st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1
)


def run(name: str, splits: dict[str, tuple[int, int]], values: list[float], *, whole: bool) -> Any:
    """A run of two metrics a split on an axis of whole numbers and one of fractions."""
    curves = []
    for split, (n, more) in splits.items():
        length = n + more if whole else n
        xs = {"epoch": list(range(length)), "time": [i / 2 for i in range(length)]}
        for metric, sign in (("loss", 1), ("acc1", -1)):
            cells = [sign * values[i] for i in range(length)]
            curves.append({"split": split, "metric": metric, "x": xs, "values": cells})
    return RunData.from_dict({"id": name, "curves": curves})


@given(st.lists(SPLITS, min_size=1, max_size=3), st.lists(VALUES, min_size=7, max_size=7))
def test_longer_curves_are_those_made_at_once(parts: Any, values: list[float]) -> None:
    """Of several runs in one table, each split longer by as much as it likes."""
    short = RunGroup.from_runs(run(f"{i}", p, values, whole=False) for i, p in enumerate(parts))
    table = short.table.curves
    added: dict[int, list[float]] = {}
    xs: dict[int, list[float]] = {}
    for number, splits in enumerate(parts):
        for split, (n, more) in splits.items():
            for metric, sign in (("loss", 1), ("acc1", -1)):
                curve = table.find(number, split, metric)
                assert curve is not None
                added[curve] = [sign * values[i] for i in range(n, n + more)]
                for axis in table.axes_of_block(int(table.block[curve])):
                    unit = 1 if table.x_names[table.axis_x[axis]] == "epoch" else 0.5
                    xs[axis] = [i * unit for i in range(n, n + more)]
    longer = lengthened(table, added, xs, [])
    for number, splits in enumerate(parts):
        whole = run("x", splits, values, whole=True).table.curves
        for split, metric in ((s, m) for s in splits for m in ("loss", "acc1")):
            mine, other = longer.find(number, split, metric), whole.find(0, split, metric)
            assert mine is not None
            assert other is not None
            assert repr(longer.curve_values(mine)) == repr(whole.curve_values(other))
            for name in ("epoch", "time"):
                axis = longer.axis_named(int(longer.block[mine]), name)
                same = whole.axis_named(int(whole.block[other]), name)
                assert axis is not None
                assert same is not None
                assert longer.axis_values(axis).tolist() == whole.axis_values(same).tolist()
                assert longer.axis_values(axis).dtype == whole.axis_values(same).dtype
    assert not longer.values.flags.writeable


def test_an_axis_may_stop_to_increase() -> None:
    """It is then not clean any more; the others stay as they are."""
    table = RunData.from_dict({"id": "a", "curves": {"val/acc1": [1.0, 2.0]}}).table.curves
    assert table.axis_clean.tolist() == [True]
    longer = lengthened(table, {0: [3.0]}, {0: [1]}, [0])
    assert longer.axis_clean.tolist() == [False]
    assert lengthened(table, {}, {}, []).values.tolist() == [1.0, 2.0]
