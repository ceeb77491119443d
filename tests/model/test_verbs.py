"""What can be done with a collection, be it of runs or of anything else."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import numpy as np
import polars as pl
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import AmbiguousNameError, NotOneError, UnknownKeyError, UsageError
from dr_gen.model.collection import Collection
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, canonical
from dr_gen.model.hpm_table import value_order
from dr_gen.model.run import RunData
from dr_gen.testing import groups, hpm_values

ROWS: list[dict[str, Any]] = [
    {"name": "a", "lr": 0.1, "size": {"w": 1, "h": 2}, "tag": None},
    {"name": "b", "lr": 1, "size": {"w": 2, "h": 2}, "tag": "x"},
    {"name": "c", "lr": "auto", "betas": [0.9, 0.999]},
    {"name": "d", "lr": 0.01, "size": {"w": 3, "h": 1}, "tag": "xy", "betas": [0.8, 0.9]},
    {"name": "e", "lr": 0.1},
]


def runs() -> RunGroup:
    return RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": row["name"],
                "hpms": row,
                "status": "failed" if row["name"] == "b" else "completed",
                "experiment": "sweep",
                "source": f"logs/{row['name']}.jsonl",
                "curves": {"val/acc": [0.5, i / 4, 0.2]} if i else {},
            }
        )
        for i, row in enumerate(ROWS)
    )


def plain() -> Collection[dict[str, Any]]:
    return Collection(ROWS)


def names(found: RunGroup | Collection[Any]) -> str:
    return "".join(found.to_list("name"))


both = pytest.mark.parametrize("make", [runs, plain])


@both
@pytest.mark.parametrize(
    ("criteria", "by_key", "found"),
    [
        ((), {}, "abcde"),
        ((), {"lr": 0.1}, "ae"),
        ((), {"size__w": 2}, "b"),
        ((("size.w", (2, None)),), {}, "bd"),
        ((("size.w", (None, 2)),), {}, "ab"),
        ((), {"lr": (0.05, 1), "size__h": 2}, "ab"),
        ((), {"lr": (10, 1)}, ""),
        ((), {"lr": ("a", "b")}, "c"),
        ((), {"lr": [1.0, "auto"]}, "bc"),
        ((), {"lr": {0.01, 1}}, "bd"),
        ((), {"lr": range(3)}, "b"),
        ((), {"lr": pl.Series([1.0, 0.01])}, "bd"),
        ((), {"lr": xr.DataArray([1.0, 0.01])}, "bd"),
        ((), {"lr": []}, ""),
        ((), {"betas": (0.9, 0.999)}, "c"),
        ((), {"betas": [0.9, 0.999]}, "c"),
        ((), {"betas": [[0.8, 0.9], "x"]}, "d"),
        ((), {"betas": (0.8, 0.9, 0.99)}, ""),
        ((), {"betas": lambda betas: betas[0] < 0.85}, "d"),
        ((), {"tag": None}, "a"),
        ((), {"size": {"w": 3, "h": 1}}, "d"),
        ((), {"size": ["w", "h"]}, ""),
        ((lambda item: True,), {}, "abcde"),
        (([True, False, True, False, False],), {}, "ac"),
        (((True, False, True, False, False),), {}, "ac"),
        ((np.arange(5) > 2,), {}, "de"),
        ((pl.Series([True, None, False, None, True]),), {}, "ae"),
        ((xr.DataArray([False] * 4 + [True]),), {}, "e"),
        (([True, None, True, None, False],), {"lr": 0.1}, "a"),
        (("lr = 0.1 or size.w > 2",), {}, "ade"),
        ((Collection.eq("size.w", "size.h"),), {}, "b"),
        ((Collection.ne("size.w", "size.h"),), {}, "ad"),
        ((Collection.lt("size.w", "size.h"),), {}, "a"),
        ((Collection.le("size.w", "size.h"),), {}, "ab"),
        ((Collection.gt("size.w", "size.h"),), {}, "d"),
        ((Collection.ge("size.w", "size.h"),), {}, "bd"),
        ((Collection.ge("size.w", "size.h", default=7),), {}, "bcde"),
        ((Collection.ge("lr", 0.1),), {}, "abe"),
        ((Collection.lt("lr", 0.1),), {}, "d"),
        ((Collection.ne("lr", 0.1),), {}, "bcd"),
        ((Collection.ne("tag", "x"),), {}, "ad"),
        ((Collection.ne("tag", "x", default="x"),), {}, "ad"),
        ((Collection.ne("tag", "x", default="y"),), {}, "acde"),
        ((Collection.eq("new", 1, default=1),), {}, "abcde"),
        ((Collection.startswith("tag", "x"),), {}, "bd"),
        ((Collection.endswith("tag", "y"),), {}, "d"),
        ((Collection.match("tag", "X.", flags=2),), {}, "d"),
        ((Collection.match("name", "[^a]"),), {}, "bcde"),
        ((Collection.startswith("lr", "0."),), {}, "ade"),
    ],
)
def test_what_is_selected(
    make: Callable[[], Any], criteria: tuple[Any, ...], by_key: dict[str, Any], found: str
) -> None:
    """Every kind of criterion means the same for runs and for anything else."""
    assert names(make().filter(*criteria, **by_key)) == found


@both
def test_what_is_excluded(make: Callable[[], Any]) -> None:
    """What fits any criterion goes; what lacks a key stays."""
    assert names(make().exclude(lr=0.1)) == "bcd"
    assert names(make().exclude(tag="x", lr=0.1)) == "cd"
    assert names(make().exclude("tag = x and lr = 0.1")) == "abcde"
    assert names(make().exclude(tag=lambda tag: True)) == "ce"
    assert names(make().exclude()) == "abcde"
    assert names(make().exclude(place < 2 for place in range(5))) == "cde"


@both
def test_one_item(make: Callable[[], Any]) -> None:
    """One is one: none and several are errors that say so, and first and last need one at least."""
    items = make()
    assert items.get(name="c") == items[2] == items.try_get(name="c")
    assert items.try_get(name="z") is None
    assert (items.first(lr=0.1), items.last(lr=0.1)) == (items[0], items[4])
    assert (items.first(), items.last()) == (items[0], items[-1])
    for verb in (items.get, items.first, items.last):
        with pytest.raises(NotOneError, match=r"no (run|item) fits") as info:
            verb(name="z")
        assert isinstance(info.value, ValueError)
    for verb in (items.get, items.try_get):
        with pytest.raises(NotOneError, match=r"2 (run|item)s fit where one is meant: .*a"):
            verb(lr=0.1)


def test_a_falsy_item_is_an_item() -> None:
    """A found 0 is found."""
    numbers = Collection([0, 1], lambda number, key: {"n": number}[key])
    assert numbers.get(n=0) == numbers.try_get(n=0) == numbers.first(n=0) == 0


@both
@pytest.mark.parametrize(
    "use",
    [
        lambda items: items.filter(lrr=0.1),
        lambda items: items.exclude(lrr=0.1),
        lambda items: items.filter("lrr < 3"),
        lambda items: items.sort("lrr"),
        lambda items: items.to_list("lrr"),
        lambda items: items.to_frame("lr", "lrr"),
        lambda items: items.to_frame("lr", x="lrr"),
        lambda items: items.group_by("lrr"),
        lambda items: items.get("lr < key(lrr)"),
        lambda items: items.filter(Collection.lt("lrr", 1)),
    ],
)
def test_a_key_that_nothing_has(make: Callable[[], Any], use: Callable[[Any], Any]) -> None:
    """A mistyped key is an error with a hint wherever a key is taken."""
    with pytest.raises(UnknownKeyError, match="no key 'lrr'; did you mean 'lr'"):
        use(make())


@both
def test_predicates_meet_values_of_any_kind(make: Callable[[], Any]) -> None:
    """A value or item that a predicate cannot take does not fit; if it takes none, it is wrong."""
    assert names(make().filter(lr=lambda lr: lr > 0.05)) == "abe"
    assert names(make().filter(tag=lambda tag: tag.startswith("x"))) == "bd"
    assert names(make()[:1].filter(tag=lambda tag: tag.startswith("x"))) == ""
    assert names(make().filter(lambda item: get(item, "betas")[0] > 0.85)) == "c"
    with pytest.raises(TypeError, match="not supported"):
        make().filter(lr=lambda lr: lr < ())
    with pytest.raises(UsageError, match="takes one argument"):
        make().filter(lr=lambda: True)
    with pytest.raises(ZeroDivisionError):
        make().filter(size__w=lambda w: 1 / (w - w))


def get(item: Any, key: str) -> Any:
    return item[key] if isinstance(item, dict) else item.hpms[key]


@both
@pytest.mark.parametrize(
    ("criterion", "says"),
    [
        (1, "a criterion is a text"),
        ({"lr": 1}, "a criterion is a text"),
        ([True], "does not fit 5 runs"),
        ([1, 2, 3, 4, 5], "picked by"),
        (("lr", 1, 2), "picked by"),
        (Collection.match, "takes one argument"),
    ],
)
def test_what_is_no_criterion(make: Callable[[], Any], criterion: Any, says: str) -> None:
    """A call that selects nothing as written says what a criterion is."""
    with pytest.raises(UsageError, match=says):
        make().filter(criterion)


@both
def test_several_keys_are_several_arguments(make: Callable[[], Any]) -> None:
    """A list of keys where one key is meant is refused."""
    with pytest.raises(UsageError, match="a key is a text or a callable"):
        make().group_by(["lr", "tag"])


def test_a_pattern_that_is_none_is_refused() -> None:
    """A regular expression is tried when it is given."""
    with pytest.raises(UsageError, match="no regular expression"):
        Collection.match("name", "(")
    with pytest.raises(UsageError, match="takes a text"):
        Collection.startswith("name", 1)  # type: ignore[arg-type]


def test_facts_of_runs_are_keys() -> None:
    """Id, status, experiment and source select like hyperparameters, a status also by negation."""
    assert (
        names(runs().filter(status="!failed")) == names(runs().exclude(status="failed")) == "acde"
    )
    assert names(runs().filter(status=["failed", "running"])) == "b"
    assert names(runs().filter("status = !FAILED and id in (a, b)")) == "a"
    assert names(runs().filter("status != failed")) == "acde"
    assert names(runs().filter(source=lambda source: source.endswith("c.jsonl"))) == "c"
    assert names(runs().filter(experiment="sweep")) == "abcde"
    with pytest.raises(UsageError, match=r"no status 'faild'; expected one of .* ! before"):
        runs().filter(status="faild")
    with pytest.raises(UsageError, match="no status"):
        runs().filter("status = faild")


def test_the_whole_name_comes_before_a_fact_and_a_fact_before_a_last_part() -> None:
    """`status` is the hyperparameter of just this name, else the fact, never `model.status`."""
    nested = RunData.from_dict({"id": "a", "hpms": {"model.status": "x"}})
    assert RunGroup.from_runs([nested]).to_list("status") == ["completed"]
    flat = RunData.from_dict({"id": "a", "hpms": {"status": "x"}})
    assert RunGroup.from_runs([flat]).to_list("status") == ["x"]


def test_metric_addresses_are_keys() -> None:
    """A number of a metric selects, sorts and tables; a run without the metric does not fit."""
    group = runs()
    assert group.to_list("val/acc@best") == [MISSING, 0.5, 0.5, 0.75, 1.0]
    assert names(group.filter(("val/acc@best", (0.6, 1.0)))) == "de"
    assert names(group.filter("acc@best > 0.6 and val/acc@epoch=1 < 0.9")) == "d"
    assert names(group.filter("val/acc@epoch=9 != 3")) == ""
    assert names(group.exclude(("val/acc@best", (0.6, None)))) == "abc"
    assert names(group.sort("val/acc@max", reverse=True)) == "edbca"
    assert group[4].get("val/acc@best") == 1.0
    with pytest.raises(UsageError, match="unknown reduction @bset"):
        group.filter("val/acc@bset > 1")
    with pytest.raises(UnknownKeyError, match="did you mean 'val/acc'"):
        group.filter("val/acd > 1")
    diverged = RunData.from_dict({"id": "n", "curves": {"val/acc": [float("nan")]}})
    assert RunGroup.from_runs([diverged]).filter("val/acc@last = nan").ids == ("n",)


def test_a_name_of_several_keys_is_not_guessed() -> None:
    """The last part of two keys means neither of them."""
    group = RunGroup.from_runs([RunData.from_dict({"id": "a", "hpms": {"a.lr": 1, "b.lr": 2}})])
    with pytest.raises(AmbiguousNameError, match=r"a\.lr, b\.lr"):
        group.filter(lr=1)


def test_what_a_run_has_under_a_key() -> None:
    """One look-up for a run, its defaults for what it lacks, and null is no lack."""
    group = runs()
    assert group[0].get("size__w") == group[0].get("size.w") == group[0].get("w") == 1
    assert group[0].get("size") == {"w": 1, "h": 2}
    assert group[0].get("tag", "default") is None
    assert group[2].get("tag", "default") == "default"
    assert group[2].get("tag", lambda run: run.id) == "c"
    assert (group[0].get("id"), group[1].get("status")) == ("a", "failed")
    for key in ("tag", "typo"):
        with pytest.raises(UnknownKeyError, match="in run 'c'"):
            group[2].get(key)
    assert group[2].get("typo", 0) == 0


def test_brackets() -> None:
    """Ids, keys, lists of ids, and masks of every library pick; a labelled mask is put in order."""
    group = runs()
    assert group["b"].id == "b"
    assert group["lr"].to_list() == ROWS_LR
    assert names(group[["d", "a"]]) == "da"
    assert names(group[group["size.w"] >= 2]) == "bd"
    assert names(group[group.curves("val/acc@best") > 0.6]) == "de"
    mask = group.curves("val/acc@best") > 0.6
    assert names(group[::-1][mask]) == names(group[::-1].filter(mask)) == "ed"
    with pytest.raises(UsageError, match="a mask about 5 runs does not fit these 2"):
        group[:2].filter(mask)
    with pytest.raises(UnknownKeyError, match=r"no run or key 'size_w'.*'size\.w'"):
        group["size_w"]


ROWS_LR = [row["lr"] for row in ROWS]


@given(groups(), st.data())
def test_filter_and_exclude_part_the_runs(group: RunGroup, data: st.DataObject) -> None:
    """A criterion and its exclusion give each run once, in order; so do filter and not."""
    key = data.draw(st.sampled_from([*group.hpm_group.keys, "id"]))
    value = data.draw(st.one_of(hpm_values(), st.sampled_from([*group.to_list(key), 0])))
    for wanted in (value, [value], (value, None), lambda v: v != value):
        try:
            chosen = group.filter((key, wanted))
        except TypeError:
            continue
        rest = group.exclude((key, wanted))
        assert sorted(chosen.ids + rest.ids) == sorted(group.ids)
        marks = [run_id in chosen.ids for run_id in group.ids]
        assert chosen.ids == group[marks].ids
        assert rest.ids == group[np.logical_not(np.array(marks, bool))].ids


@given(groups(min_size=1), st.data())
def test_a_range_selects_what_lies_in_it(group: RunGroup, data: st.DataObject) -> None:
    """Ends belong to a range; only numbers lie among numbers and only texts among texts."""
    ends = st.one_of(st.integers(-3, 3), st.floats(allow_nan=False), st.sampled_from(["", "m"]))
    low, high = data.draw(ends), data.draw(ends)
    for key in group.hpm_group.keys:
        found = group.filter((key, (low, high)))
        wanted = []
        for run in group:
            value = run.hpms.get(key)
            if isinstance(low, str) and isinstance(high, str) and isinstance(value, str):
                fits = low <= value <= high
            elif any(isinstance(v, str | bool | list | dict | None) for v in (low, high, value)):
                fits = isinstance(value, list) and canonical(value) == canonical([low, high])
            else:
                fits = low <= value <= high
            wanted += [run.id] if fits else []
        assert list(found.ids) == wanted


@given(groups(), st.booleans())
def test_sorting_is_stable(group: RunGroup, reverse: bool) -> None:
    """Sorted runs are in the order of their values, equal ones as before, those without last."""
    for key in group.hpm_group.keys:
        order = [order_of(run.hpms.get(key, MISSING)) for run in group.sort(key, reverse=reverse)]
        held = [place for place in order if place is not None]
        assert order[: len(held)] == held
        assert held == sorted(held, reverse=reverse)
        ids = group.sort(key, reverse=reverse).ids
        for a in group:
            for b in group[group.ids.index(a.id) + 1 :]:
                same = canonical(a.hpms.get(key, MISSING)) == canonical(b.hpms.get(key, MISSING))
                if same:
                    assert ids.index(a.id) < ids.index(b.id)


def order_of(value: Any) -> Any:
    return None if value is MISSING or value != value else value_order(value)


@given(st.lists(st.one_of(st.just(MISSING), hpm_values(), st.floats()), max_size=8), st.booleans())
def test_what_has_no_place_in_an_order_is_last(values: list[Any], reverse: bool) -> None:
    """NaN and lacks come last in either direction, behind values of every other kind."""
    rows = [{"n": i} if v is MISSING else {"n": i, "x": v} for i, v in enumerate([*values, 1.5])]
    found = Collection(rows).sort("x", reverse=reverse).to_list("x")
    order = [order_of(value) for value in found]
    held = [place for place in order if place is not None]
    assert order[: len(held)] == held == sorted(held, reverse=reverse)
    for plain in ([float("nan"), "a", 2.0], [2.0, float("nan"), "a"]):
        last = Collection([{"x": v} for v in plain]).sort("x", reverse=reverse).to_list("x")[-1]
        assert last != last


@both
def test_several_keys_sort_by_priority(make: Callable[[], Any]) -> None:
    """The first key counts most; no key changes nothing; a callable is a key."""
    assert names(make().sort("size.h", "lr")) == "dabec"
    assert names(make().sort("lr")) == "daebc"
    assert names(make().sort("lr", reverse=True)) == "cbaed"
    assert names(make().sort(lambda item: -ord(get(item, "name")))) == "edcba"
    items = make()
    assert items.sort() is items


@both
def test_chance_is_asked_for(make: Callable[[], Any]) -> None:
    """A seed gives the same items again, and nobody else's random numbers are touched."""
    random.seed(1)
    before, numpy_before = random.getstate(), np.random.get_state()[1].tolist()
    items = make()
    drawn = items.sample(3, seed=5)
    assert len(set(names(drawn))) == 3
    assert names(drawn) == names(items.sample(3, seed=5))
    assert names(drawn) == names(items.sample(3, np.random.default_rng(5)))
    assert len({names(items.sample(3, seed=seed)) for seed in range(9)}) > 1
    assert sorted(names(items.shuffle(seed=2))) == list("abcde")
    assert len({names(items.shuffle()) for _ in range(20)}) > 1
    assert len(items[:0].shuffle()) == 0
    for k in (0, 6, -1, "a", 1.5):
        with pytest.raises(UsageError, match=f"cannot draw {k!r} of 5"):
            items.sample(k)
    assert random.getstate() == before
    assert np.random.get_state()[1].tolist() == numpy_before


@both
def test_columns_of_values(make: Callable[[], Any]) -> None:
    """A key of all items as a list, an array, a series and its different values."""
    items = make()
    assert items.to_list("tag") == [None, "x", MISSING, "xy", MISSING]
    assert items.to_list("tag", 0) == [None, "x", 0, "xy", 0]
    assert items.to_list("tag", lambda item: get(item, "name")) == [None, "x", "c", "xy", "e"]
    assert items.to_list("new", 7) == [7] * 5
    np.testing.assert_array_equal(items.to_numpy("size.w"), [1, 2, np.nan, 3, np.nan])
    assert items.to_numpy("size.w", 0).tolist() == [1, 2, 0, 3, 0]
    assert items.filter(betas=lambda betas: True).to_numpy("betas").shape == (2, 2)
    assert items.to_numpy("lr").dtype == object
    assert items.to_series("size.w").to_list() == [1, 2, None, 3, None]
    assert items.to_series("size.w").name == "size.w"
    assert items.to_series("size__w", name="w").name == "w"
    assert items.unique("lr").tolist() == [0.01, 0.1, 1, "auto"]
    assert items.unique("size.h").tolist() == [1, 2]
    assert items.filter(betas=lambda betas: True).unique("betas").tolist() == [
        [0.8, 0.9],
        [0.9, 0.999],
    ]
    assert (items.n_unique("lr"), items.n_unique("tag"), items.n_unique("tag", 0)) == (4, 3, 4)


def test_two_nans_are_one_value() -> None:
    """NaN equals NaN, as everywhere."""
    nan = float("nan")
    assert Collection([{"x": nan}, {"x": float("nan")}, {"x": 1}]).n_unique("x") == 2


@both
def test_a_function_of_each_item(make: Callable[[], Any]) -> None:
    """Results are in the order of the items, lazily or side by side, with further arguments."""
    items = make()
    lazily = items.map(call, "x", end="!")
    assert next(lazily) == "ax!"
    threads = set()

    def job(item: Any, *rest: str, end: str = "") -> str:
        threads.add(threading.get_ident())
        return call(item, *rest, end=end)

    told: list[tuple[int, int]] = []
    found = items.pmap(job, "x", end="!", workers=2, progress=lambda n, of: told.append((n, of)))
    assert found == [f"{name}x!" for name in "abcde"]
    assert told == [(n, 5) for n in range(1, 6)]
    assert threading.get_ident() not in threads
    with ThreadPoolExecutor(1) as pool:
        assert items.pmap(job, executor=pool) == list("abcde")
        assert pool.submit(len, "ab").result() == 2
    assert items.pmap(job, progress=True) == list("abcde")
    with pytest.raises(ZeroDivisionError):
        items.pmap(lambda item: 1 / 0)
    with pytest.raises(UsageError, match="at least 1"):
        items.pmap(job, workers=0)


def call(item: Any, *rest: str, end: str = "") -> str:
    return str(get(item, "name")) + "".join(rest) + end


def test_attributes_and_look_ups_of_ones_own() -> None:
    """Items of any class have the attributes as keys, or whatever a function finds."""

    @attrs.frozen
    class Size:
        w: int

    @attrs.frozen
    class Job:
        name: str
        size: Size | None = None

    jobs = Collection([Job("a", Size(1)), Job("b")])
    assert jobs.to_list("size.w") == [1, MISSING]
    assert jobs.filter(size__w=1) == jobs[:1] == Collection([Job("a", Size(1))])
    assert jobs.filter() == jobs
    assert (repr(jobs), repr(jobs[:0])) == ("Collection(Job, n=2)", "Collection(empty)")
    lengths = Collection(["a", "bcd"], lambda text, key: {"n": len(text)}[key])
    assert lengths.get(n=(2, None)) == "bcd"
    assert jobs[:1].filter(size__w=2).filter(size__w=1) == jobs[:0]
    assert Collection([]).filter(x=1) == Collection([])
    odd = Collection([{"x": {1}, "y": np.arange(2)}, {"x": object(), "y": np.float64(2)}])
    assert odd.n_unique("x") == 2
    assert odd.to_list("y") == [[0, 1], 2.0]


def test_callers_keep_their_dicts() -> None:
    """Defaults given to a frame are not changed."""
    defaults: Mapping[str, Any] = {"tag": 0}
    plain().to_frame("name", "tag", defaults=defaults)
    assert defaults == {"tag": 0}
