"""A store as a lazy table: the rows that the model has, and nothing read in vain."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dr_gen import testing
from dr_gen.errors import StoreError, StoreFormatError, UnknownKeyError, UsageError
from dr_gen.model.curve import MetricCurves
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, one_kind
from dr_gen.model.run import RunData
from dr_gen.store import scan
from dr_gen.store.change import changing
from dr_gen.store.overlays import save_overlay
from dr_gen.store.scan import scan_metrics
from dr_gen.store.store import open_store, save
from dr_gen.store.writing import commit, writing

FIXED = ["experiment", "run", "split", "metric"]


@st.composite
def stores(draw: st.DrawFn) -> tuple[list[Any], tuple[str, ...]]:
    """One to three shards, and which of their runs count, in which order."""
    group = draw(testing.groups())
    cuts = sorted(draw(st.lists(st.integers(0, len(group)), max_size=2)))
    bounds = [0, *cuts, len(group)]
    shards = [group.table.take(group.indices[a:b]) for a, b in itertools.pairwise(bounds)]
    runs = draw(st.permutations(group.ids))
    return shards, tuple(runs[: draw(st.integers(0, len(runs)))])


def written(folder: str | Path, shards: list[Any], runs: tuple[str, ...]) -> RunGroup:
    """The runs of a store that was just written in these shards."""
    _commit(shards, Path(folder), runs)
    return open_store(folder)


def _commit(tables: list[Any], store: Path, runs: tuple[str, ...]) -> None:
    """Make some runs of the tables, a shard each, a store."""
    with writing(store), changing(store) as change:
        shards = [change.write(table) for table in tables]
        where = {run: (i, row) for i, w in enumerate(shards) for row, run in enumerate(w.runs)}
        commit(change, [w.shard for w in shards], {run: where[run] for run in runs})


def logged(curves: MetricCurves) -> Iterator[tuple[dict[str, Any], float]]:
    """Every row of a metric of a run: x by axis, and value."""
    table = curves.table
    axes = {name: table.axis_values(curve.axis).tolist() for name, curve in curves.items()}
    for i, value in enumerate(table.curve_values(curves.curve).tolist()):
        yield {name: xs[i] for name, xs in axes.items() if xs[i] == xs[i]}, value


def expected(group: RunGroup, x: str | None, repeats: str) -> dict[tuple[str, ...], list[Any]]:
    """The rows of every curve, by plain loops over the runs."""
    out: dict[tuple[str, ...], list[Any]] = {}
    for run in group:
        for split, metrics in run.items():
            for metric, curves in metrics.items():
                if x is not None and x not in curves:
                    continue
                rows = list(logged(curves))
                if repeats != "all":
                    on = x or curves.default.x_name
                    points: dict[Any, Any] = {}
                    for row in rows if repeats == "last" else rows[::-1]:
                        if on in row[0] and row[0][on] not in (np.inf, -np.inf):
                            points[row[0][on]] = row
                    rows = [points[at] for at in sorted(points)]
                if rows:
                    out[run.experiment, run.id, split, metric] = rows
    return out


def column_kinds(group: RunGroup) -> dict[str, set[str]]:
    """Each x name that a curve has, with the kinds of its values."""
    kinds: dict[str, set[str]] = {}
    for run in group:
        for curve in run.curves():
            curves = MetricCurves(curve.table, curve.curve)
            for name in curves:
                values = curve.table.axis_values(curves[name].axis)
                kinds.setdefault(name, set()).add(values.dtype.kind)
    return kinds


def check(group: RunGroup, frame: pl.DataFrame, x: str | None, repeats: str) -> None:
    """That a scan of everything is what the loops say."""
    kinds = column_kinds(group)
    names = {name: "x.run" if name == "run" else name for name in kinds}
    kind_of = {name: max(found, key="ifO".index) for name, found in kinds.items()}
    as_type: dict[str, Callable[[Any], Any]] = {"i": int, "f": float, "O": str}
    types = {"i": pl.Int64, "f": pl.Float64, "O": pl.String}
    assert {n: frame.schema[names[n]] for n in kinds} == {n: types[kind_of[n]] for n in kinds}
    assert set(frame.columns) >= {*FIXED, *names.values(), "value"}
    assert frame.columns.index("value") == 4 + len(names)

    rows: dict[tuple[str, ...], list[Any]] = {}
    for row in frame.iter_rows(named=True):
        xs = {name: row[column] for name, column in names.items() if row[column] is not None}
        rows.setdefault(tuple(row[name] for name in FIXED), []).append((xs, row["value"]))
    wanted = expected(group, x, repeats)
    assert rows.keys() == wanted.keys()
    for curve, points in wanted.items():
        as_shown = [
            ({n: as_type[kind_of[n]](v) for n, v in at.items()}, value) for at, value in points
        ]
        assert exact(rows[curve]) == exact(as_shown)


def exact(points: list[Any]) -> list[Any]:
    """Points in a form in which NaN is NaN, and -0.0 is not 0.0."""
    return [(sorted(map(repr, at.items())), float(value).hex()) for at, value in points]


@given(
    stores(),
    st.sampled_from(["last", "first", "all"]),
    st.sampled_from([None, "epoch", "run", "time"]),
    st.sampled_from([1, 3, 1 << 18]),
)
def test_the_table_is_what_the_runs_say(
    store: Any, repeats: Literal["last", "first", "all"], x: str | None, portion: int
) -> None:
    """Row by row: any axes, text, repeats, NaN, shards, and runs that do not count any more."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_PORTION", portion)
        group = written(folder, *store)
        if x is not None and x not in column_kinds(group):
            with pytest.raises(UnknownKeyError):
                scan_metrics(folder, x=x)
            return
        table = scan_metrics(folder, x=x, repeats=repeats)
        frame = table.collect()
    assert frame.schema == table.collect_schema()
    check(group, frame, x, repeats)


AXES = st.sampled_from(
    [None, {"epoch": [3, 1]}, {"epoch": [0.5, float("nan")]}, {"tag": ["b", "a"], "epoch": [1, 1]}]
)


@given(stores(), st.data(), st.sampled_from(["last", "first", "all"]))
def test_metrics_added_by_hand_are_rows_like_others(
    store: Any, data: st.DataObject, repeats: Literal["last", "first", "all"]
) -> None:
    """What overlays add, or put in the place of what was logged, is as in the store when opened."""
    with tempfile.TemporaryDirectory() as folder:
        written(folder, *store)
        for _ in range(data.draw(st.integers(1, 3))):
            group = open_store(folder)
            address = data.draw(st.sampled_from([*group.metrics, "val/new", "new/loss"]))
            some = group[[data.draw(st.booleans()) for _ in group]]
            values = data.draw(st.lists(st.floats(width=16), min_size=2, max_size=2))
            force = data.draw(st.booleans())
            save_overlay(some.with_metric(address, values, data.draw(AXES), force=force), folder)
        group = open_store(folder)
        frame = scan_metrics(folder, repeats=repeats).collect()
        one = scan_metrics(folder, repeats=repeats).filter(metric="new").collect()
    check(group, frame, None, repeats)
    assert one.select("value").equals(frame.filter(metric="new").select("value"))


@given(stores())
def test_every_curve_is_the_one_that_the_model_gives(store: Any) -> None:
    """By default a curve has the x and the values of `run.curve(address)`."""
    with tempfile.TemporaryDirectory() as folder:
        group = written(folder, *store)
        frame = scan_metrics(folder).collect()
    found = frame.partition_by("run", "split", "metric", as_dict=True)
    for run in group:
        for curve in run.curves():
            rows = found.get((run.id, curve.split, curve.metric), frame[:0])
            name = "x.run" if curve.x_name == "run" else curve.x_name
            assert rows["value"].to_numpy().tobytes() == curve.values.tobytes()
            if len(curve):
                kind = {pl.String: str, pl.Float64: float, pl.Int64: int}[rows.schema[name]]
                assert rows[name].to_list() == [kind(x) for x in curve.xs.tolist()]


@given(stores())
def test_hyperparameters_are_those_of_the_runs(store: Any) -> None:
    """One column a key, of one type over all runs: the important ones, or those asked for."""
    with tempfile.TemporaryDirectory() as folder:
        group = written(folder, *store)
        important = scan_metrics(folder).collect_schema().names()
        keys = list(group.hpm_group.keys)
        frame = scan_metrics(folder, hpms=keys).collect()
    first = important.index("value") + 1
    taken = important[:first]
    shown = {key: f"hpm.{key}" if key in taken else key for key in keys}
    assert important[first:] == [shown[key] for key in group.hpm_group.important]
    assert frame.columns[first:] == list(shown.values())
    for key in keys:
        cells = dict(zip(group.ids, one_kind(group.hpm_group.values(key)), strict=True))
        for run, cell in frame.select("run", shown[key]).unique().iter_rows():
            assert repr(cell) == repr(cells[run])


def predicates() -> st.SearchStrategy[pl.Expr]:
    """Filters that can be told from the curve, that cannot, and mixtures."""
    atoms = st.sampled_from(
        [
            pl.col("split") == "val",
            pl.col("split") != "val",
            pl.col("metric").is_in(["acc1", "loss", "nothing"]),
            pl.col("metric") == "nothing",
            pl.col("run").cast(pl.String) > "m",
            pl.col("experiment") == "sweep ü",
            pl.col("experiment").cast(pl.String).str.len_bytes() == 0,
            pl.col("value") > 0,
            pl.col("value").is_nan(),
            pl.lit(True),
            (pl.col("value") > 0) == (pl.col("metric") == "acc1"),
        ]
    )
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.builds(lambda a, b: a & b, inner, inner),
            st.builds(lambda a, b: a | b, inner, inner),
            st.builds(lambda a: ~a, inner),
        ),
        max_leaves=5,
    )


@given(stores(), predicates(), st.data())
def test_pushing_down_changes_nothing(store: Any, predicate: pl.Expr, data: st.DataObject) -> None:
    """Columns, filters and the first rows: as from the whole table, by either engine."""
    engine = data.draw(st.sampled_from(["in-memory", "streaming"]))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_PORTION", data.draw(st.sampled_from([1, 4, 1 << 18])))
        written(folder, *store)
        table = scan_metrics(folder)
        whole = table.collect()
        names = data.draw(st.lists(st.sampled_from(whole.columns), min_size=1, unique=True))
        n = data.draw(st.integers(0, 12))
        queries: dict[str, Callable[[Any], Any]] = {
            "filter": lambda t: t.filter(predicate).select(names),
            "first rows": lambda t: t.select(names).head(n),
            "filter of first rows": lambda t: t.head(n).filter(predicate).select(names),
            "first rows of filter": lambda t: t.filter(predicate).head(n).select(names),
            "count": lambda t: t.filter(predicate).select(pl.len()),
        }
        query = queries[data.draw(st.sampled_from(list(queries)))]
        assert_frame_equal(query(table).collect(engine=engine), query(whole))


# ---------------------------------------------------------------------------- what is not read


def runs_with(ids: str, n_points: int, metrics: tuple[str, ...] = ("acc", "loss")) -> RunGroup:
    """Runs with long curves."""
    return RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": name,
                "experiment": f"of {name}",
                "hpms": {"name": name},
                "curves": {f"val/{m}": np.arange(n_points) / 7.0 for m in metrics},
            }
        )
        for name in ids
    )


@pytest.fixture
def two_shards(tmp_path: Path) -> dict[str, Path]:
    """A store in which every run has a shard of its own; the shards by run."""
    group = runs_with("ab", 3)
    written(tmp_path, [group.table.take(np.array([i])) for i in range(2)], group.ids)
    return {"ab"[part.run[0]]: part.path for part in scan.read_index(tmp_path, ()).parts}


@pytest.mark.parametrize(
    "of_a",
    [
        pl.col("run") == "a",
        pl.col("experiment") == "of a",
        pl.col("name") == "a",
        (pl.col("run") == "a") & (pl.col("value") >= 0) & (pl.col("metric") == "acc"),
        ~pl.col("run").is_in(["b"]) | (pl.col("metric") == "nothing"),
    ],
)
def test_shards_that_no_row_is_in_are_not_opened(
    two_shards: dict[str, Path], tmp_path: Path, of_a: pl.Expr
) -> None:
    """A query for one run works though the shard of another is gone; one for that does not."""
    table = scan_metrics(tmp_path)
    whole = table.collect()
    two_shards["b"].unlink()
    assert_frame_equal(table.filter(of_a).collect(), whole.filter(of_a))
    for query in (table, table.filter(run="b"), table.filter(pl.col("value") > 0)):
        # Before version 2, polars puts what a source raises into an error of its own.
        with pytest.raises((StoreError, pl.exceptions.ComputeError), match=two_shards["b"].name):
            query.collect()


def test_what_is_read_is_of_one_commit(two_shards: dict[str, Path], tmp_path: Path) -> None:
    """Shards are held open before the first is read, so that a writer may replace them."""
    table = open_store(tmp_path)
    (part,) = (p for p in scan.read_index(tmp_path, ()).parts if p.path == two_shards["b"])
    with part.reading() as read:
        save(runs_with("new", 1), tmp_path)
        assert not two_shards["b"].exists()
        assert read("value", 0, 3).tolist() == table["b"].curve("val/acc").values.tolist()


def bytes_read() -> int:
    """How much this process has read from files so far."""
    text = Path("/proc/self/io").read_text(encoding="ascii")
    return int(text.partition("rchar: ")[2].split()[0])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not count reads")
def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    """Of four metrics one is read, of its columns those named, of one curve only that."""
    size = 50_000
    save(runs_with("abcd", size, ("a", "b", "c", "d")), tmp_path)
    table = scan_metrics(tmp_path)
    cost = {}
    for name, query in {
        "head": table.select("split"),
        "metric": table.filter(metric="b").select("value"),
        "metric and x": table.filter(metric="b").select("epoch", "value"),
        "curve": table.filter(metric="b", run="c").select("value"),
        "first rows": table.select("value").head(10),
        "all": table,
    }.items():
        before = bytes_read()
        query.collect()
        cost[name] = (bytes_read() - before) / (8 * size)
    cost = {name: bytes_ - cost["head"] for name, bytes_ in cost.items()}
    assert cost["metric"] == pytest.approx(4, abs=0.1)
    # The runs were logged at the same steps, which the file holds once.
    assert cost["metric and x"] == pytest.approx(5, abs=0.1)
    assert cost["curve"] == pytest.approx(1, abs=0.1)
    assert cost["first rows"] == pytest.approx(1, abs=0.1)
    assert cost["all"] == pytest.approx(20, abs=0.1)


BIG = """
import resource, sys
import numpy as np, polars as pl
from dr_gen.store.scan import scan_metrics

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

small, big = (
    scan_metrics(path).group_by("metric").agg(pl.col("value").sum(), pl.len())
    for path in sys.argv[1:]
)
small.collect(engine="streaming")
before = peak()
print(big.sort("metric").collect(engine="streaming").rows(), peak() - before)
"""


@pytest.mark.slow
def test_a_store_larger_than_memory_streams(tmp_path: Path) -> None:
    """A sum over half a gigabyte of values takes a small part of that in memory."""
    n_points, n_shards = 1_000_000, 10
    save(runs_with("s", 10), tmp_path / "small")
    first = runs_with("ab", n_points, ("acc", "loss"))
    tables = [
        RunGroup.from_runs(
            RunData.build(f"{run.id}{i}", run.hpms, run._own_table().curves) for run in first
        ).table
        for i in range(n_shards)
    ]
    ids = tuple(run for table in tables for run in table.ids)
    _commit(tables, tmp_path / "big", ids)
    size = sum(p.stat().st_size for p in (tmp_path / "big" / "shards").iterdir()) / 2**20
    assert size > 350
    paths = [str(tmp_path / "small"), str(tmp_path / "big")]
    done = subprocess.run(
        [sys.executable, "-c", BIG, *paths], capture_output=True, text=True, check=True
    )
    rows, _, grown = done.stdout.strip().rpartition(" ")
    total = n_shards * 2 * float(np.arange(n_points).sum()) / 7
    for metric, value, count in eval(rows):
        assert metric in ("acc", "loss")
        assert (value, count) == (pytest.approx(total), n_shards * 2 * n_points)
    assert float(grown) < size / 3


# ---------------------------------------------------------------------------- the rest


def test_the_plan_shows_the_scan(tmp_path: Path) -> None:
    """What is pushed down can be seen."""
    save(runs_with("ab", 3), tmp_path)
    plan = scan_metrics(tmp_path).filter(metric="acc").select("value").explain()
    assert "PYTHON SCAN" in plan
    assert 'col("metric")' in plan.partition("SELECTION")[2]
    assert "PROJECT 2/7 COLUMNS" in plan


def test_an_empty_store_is_an_empty_table(tmp_path: Path) -> None:
    """No run, or runs without a curve: the fixed columns, and no row."""
    for i, runs in enumerate([[], [RunData.build("a", {"lr": 1}), RunData.build("b")]]):
        save(RunGroup.from_runs(runs), tmp_path / str(i))
        frame = scan_metrics(tmp_path / str(i)).collect()
        assert frame.columns[:5] == [*FIXED, "value"]
        assert frame.height == 0


def test_wrong_use_is_named(tmp_path: Path) -> None:
    """No store, a damaged one, unknown keys, axes and policies: each says what is wrong."""
    with pytest.raises(StoreError, match="not a store"):
        scan_metrics(tmp_path / "none")
    save(RunGroup.from_runs([RunData.from_dict(ONE)]), tmp_path / "store")
    with pytest.raises(UnknownKeyError, match=r"'optim\.ler'.* did you mean 'optim\.lr'"):
        scan_metrics(tmp_path / "store", hpms=["optim.ler"])
    with pytest.raises(UnknownKeyError, match=r"x-axis 'epohc'.* did you mean 'epoch'"):
        scan_metrics(tmp_path / "store", x="epohc")
    with pytest.raises(UsageError, match="not 'mean'"):
        scan_metrics(tmp_path / "store", repeats="mean")  # type: ignore[arg-type]
    (shard,) = (tmp_path / "store" / "shards").iterdir()
    shard.write_bytes(b"")
    with pytest.raises(StoreFormatError, match="damaged"):
        scan_metrics(tmp_path / "store")


ONE = {"id": "a", "hpms": {"optim.lr": 0.1, "seed": 3}, "curves": {"val/acc": [1.0, 2.0]}}


def test_keys_may_be_named_as_people_do(tmp_path: Path) -> None:
    """The last part of a key will do, a single key too, and constants are given when asked for."""
    save(RunGroup.from_runs([RunData.from_dict(ONE)]), tmp_path)
    frame = scan_metrics(tmp_path, hpms=["lr", "seed", "optim__lr"]).collect()
    assert frame.columns[-2:] == ["optim.lr", "seed"]
    assert frame.select("optim.lr", "seed").rows() == [(0.1, 3)] * 2
    assert scan_metrics(tmp_path, hpms="seed").collect_schema().names()[-1] == "seed"
    assert scan_metrics(tmp_path).collect_schema().names()[-1] == "value"


def test_runs_without_a_configuration_make_no_key_important(tmp_path: Path) -> None:
    """As in the group: that a configuration could not be read says nothing of what was swept."""
    lost = Finding("no-config", "no configuration", "warning")
    runs = [
        RunData.from_dict({**ONE, "id": "a"}),
        RunData.from_dict({**ONE, "id": "b", "hpms": {}, "findings": [lost]}),
    ]
    group = RunGroup.from_runs(runs)
    written(tmp_path, [group.table.take(np.array([i])) for i in (1, 0)], ("a", "b"))
    assert open_store(tmp_path).hpm_group.important == ()
    assert scan_metrics(tmp_path).collect_schema().names()[-1] == "value"


def test_types_of_hyperparameters(tmp_path: Path) -> None:
    """Truth values, numbers and texts keep their type; whatever does not fit together is text."""
    values: dict[str, list[Any]] = {
        "flag": [True, False, MISSING],
        "whole": [1, 2, None],
        "mixed": [1, 0.5, MISSING],
        "text": ["a", "b", None],
        "list": [[1, 2], [3], None],
        "kinds": [1, "1", True],
        "both": [1, None, MISSING],
        "huge": [2**70, 1, None],
        "null": [None, None, None],
    }
    runs = [
        RunData.from_dict(
            {"id": str(i), "hpms": {k: v[i] for k, v in values.items()}, "curves": {"val/a": [1.0]}}
        )
        for i in range(3)
    ]
    save(RunGroup.from_runs(runs), tmp_path)
    frame = scan_metrics(tmp_path, hpms=list(values)).collect().sort(pl.col("run").cast(pl.String))
    text = pl.Categorical
    found = {key: (frame.schema[key], frame[key].to_list()) for key in values}
    assert found == {
        "flag": (pl.Boolean, [True, False, None]),
        "whole": (pl.Int64, [1, 2, None]),
        "mixed": (pl.Float64, [1.0, 0.5, None]),
        "text": (text, ["a", "b", None]),
        "list": (text, ["[1, 2]", "[3]", None]),
        "kinds": (text, ["1", "1", "True"]),
        "both": (text, ["1", "None", None]),
        "huge": (text, [str(2**70), "1", None]),
        "null": (text, [None, None, None]),
    }


def test_names_that_are_taken_or_that_no_file_likes(tmp_path: Path) -> None:
    """Columns that would be called alike are told apart; halves of characters are escaped."""
    curve = {"x": {"run": [0, 1], "value": [0.5, float("nan")], "\ud800": ["b", "a"]}}
    run = {"id": "a\0\ud800", "experiment": "\udcff", "hpms": {"run": 1, "metric": "\udc80"}}
    curves = [{"split": "v\ud800", "metric": "", "values": [1.0, 2.0], **curve}]
    save(RunGroup.from_runs([RunData.from_dict({**run, "curves": curves})]), tmp_path)
    table = scan_metrics(tmp_path, hpms=["run", "metric"], x="run")
    assert table.collect().to_dicts() == [
        {
            **{"experiment": "\\udcff", "run": "a\\x00\\ud800", "split": "v\\ud800", "metric": ""},
            **{"x.run": i, "x.value": (0.5, None)[i], "\\ud800": "ba"[i], "value": i + 1.0},
            **{"hpm.run": 1, "hpm.metric": "\\udc80"},
        }
        for i in range(2)
    ]
    assert table.filter(pl.col("run") == "a\\x00\\ud800").collect().height == 2


def test_two_stores_are_one_table_if_need_be(tmp_path: Path) -> None:
    """Scans of several stores can be put behind one another."""
    for name in "ab":
        save(runs_with(name, 2), tmp_path / name)
    both = pl.concat([scan_metrics(tmp_path / name) for name in "ab"], how="diagonal")
    assert both.group_by("run").len().sort(pl.col("run").cast(pl.String)).collect().rows() == [
        ("a", 4),
        ("b", 4),
    ]
