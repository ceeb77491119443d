"""Strategies for curves, runs and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

from dr_gen.model.curve import REPEATS, MetricCurve
from dr_gen.model.curve_builder import CurveBuilder
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import Hpm
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.testing.values import findings, hpm_keys, hpm_values, metric_values, names, xs
from dr_gen.testing.values import hpms as any_hpms

__all__ = ["blocks", "curves", "groups", "metadata", "runs"]

_SPLITS = ("train", "val", "eval", "odd split ü")
_METRICS = ("loss", "acc1", "acc@5", "lr/group0", "x y")
_X_NAMES = ("epoch", "step", "time", "tokens", "run")

XsOfSize = Callable[[int], SearchStrategy[NDArray[Any]]]


def _xs_of_size(size: int) -> SearchStrategy[NDArray[Any]]:
    return xs(size, size)


@st.composite
def curves(
    draw: DrawFn,
    xs: SearchStrategy[NDArray[Any]] = xs(),  # noqa: B008
    values: SearchStrategy[float] | None = None,
    metrics: SearchStrategy[str] | None = None,
    splits: SearchStrategy[str] | None = None,
    x_names: SearchStrategy[str] | None = None,
) -> MetricCurve:
    """Curves on their own, with each policy for repeated x.

    Parameters
    ----------
    xs : strategy of arrays, dims (row,)
    values : strategy of float
    metrics, splits, x_names : strategy of str

    Examples
    --------
    >>> from hypothesis import find
    >>> find(curves(st.just([0, 1]), st.just(2.0)), lambda curve: len(curve) == 2).values.tolist()
    [2.0, 2.0]
    """
    values = metric_values() if values is None else values
    logged = draw(xs)
    curve = MetricCurve.from_arrays(
        logged,
        draw(st.lists(values, min_size=len(logged), max_size=len(logged))),
        metric=draw(names() if metrics is None else metrics),
        split=draw(st.sampled_from(_SPLITS) if splits is None else splits),
        x_name=draw(st.sampled_from(_X_NAMES) if x_names is None else x_names),
        inferred=draw(st.booleans()),
        original_name=draw(st.one_of(st.none(), names())),
    )
    return MetricCurve(curve.table, curve.curve, curve.axis, draw(st.sampled_from(REPEATS)))


@st.composite
def blocks(
    draw: DrawFn,
    x_names: SearchStrategy[str] | None = None,
    xs: XsOfSize = _xs_of_size,
    max_points: int = 5,
) -> tuple[int, dict[str, NDArray[Any]], tuple[str, ...]]:
    """Rows of a log: how many, their x on one to three axes, and which axes were counted.

    Parameters
    ----------
    x_names : strategy of str
    xs : function of a size, giving a strategy of arrays of that size
    max_points : int
    """
    x_names = st.sampled_from(_X_NAMES) if x_names is None else x_names
    size = draw(st.integers(0, max_points))
    axes = {name: draw(xs(size)) for name in draw(st.sets(x_names, min_size=1, max_size=3))}
    counted = tuple(name for name in axes if draw(st.integers(0, 3)) == 0)
    return size, axes, counted


def metadata() -> SearchStrategy[dict[str, Any]]:
    """What else a log may tell: text lines, the training time, anything that is plain data."""
    text = st.text(st.characters(codec="utf-8"), max_size=6)
    return st.fixed_dictionaries(
        {},
        optional={
            "log_strs": st.lists(text, max_size=2),
            "train_time": st.sampled_from(["1:23:45", "1 day, 2:03:04"]),
            "note": st.one_of(st.none(), text, st.integers(), st.floats()),
        },
    )


@st.composite
def runs(
    draw: DrawFn,
    ids: SearchStrategy[str] | None = None,
    hpms: SearchStrategy[Hpm] | None = None,
    splits: SearchStrategy[str] | None = None,
    metrics: SearchStrategy[str] | None = None,
    values: SearchStrategy[float] | None = None,
    rows: SearchStrategy[tuple[int, dict[str, NDArray[Any]], tuple[str, ...]]] | None = None,
    max_blocks: int = 3,
) -> RunData:
    """Runs with several splits, metrics that share rows, and several x-axes.

    Parameters
    ----------
    ids, splits, metrics : strategy of str
    hpms : strategy of Hpm
    values : strategy of float
    rows : strategy as `blocks`
    max_blocks : int
        At most so many sets of rows, each with its own x.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(runs(splits=st.just("val")))
    ... def test_only_one_split_is_there(run):
    ...     assert set(run) <= {"val"}
    >>> test_only_one_split_is_there()
    """
    splits = st.sampled_from(_SPLITS) if splits is None else splits
    metrics = st.sampled_from(_METRICS) if metrics is None else metrics
    values = metric_values() if values is None else values
    builder = CurveBuilder()
    seen = set()
    for size, axes, counted in draw(
        st.lists(blocks() if rows is None else rows, max_size=max_blocks)
    ):
        block = builder.add_block(axes, counted)
        split = draw(splits)
        for metric in sorted(draw(st.sets(metrics, min_size=1, max_size=2))):
            if (split, metric) not in seen:
                seen.add((split, metric))
                points = draw(st.lists(values, min_size=size, max_size=size))
                original = draw(st.sampled_from([None, metric, f"{split}_{metric}"]))
                builder.add_curve(0, split, metric, points, block, original)
    return RunData.build(
        draw(_IDS if ids is None else ids),
        draw(_HPMS if hpms is None else hpms),
        builder.build(),
        **draw(_FACTS),
    )


_IDS, _HPMS = names(), any_hpms()
_FACTS = st.fixed_dictionaries(
    {
        "experiment": st.sampled_from(["", "sweep ü"]),
        "source": st.sampled_from(["", "a/log.jsonl"]),
        "status": st.sampled_from(list(Status)),
        "reasons": st.sampled_from([(), ("no end marker", "2 of 5 epochs")]),
        "metadata": metadata(),
        "findings": st.lists(findings(), max_size=2),
        "time_parsed": st.sampled_from([None, "2026-01-02T03:04:05+00:00"]),
    }
)


@st.composite
def groups(
    draw: DrawFn,
    runs: SearchStrategy[RunData] | None = None,
    min_size: int = 0,
    max_size: int = 5,
) -> RunGroup:
    """Groups of runs with unique ids.

    Without `runs`, the runs of a group share a set of keys and of values, as those of a sweep do,
    and some lack some of the keys.

    Parameters
    ----------
    runs : strategy of RunData, optional
        Runs, whatever their ids are: a second run of one id is left out.
    min_size, max_size : int
        Number of runs.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(groups(min_size=2))
    ... def test_every_run_is_in_one_configuration(group):
    ...     members = [run for c in group.hpm_group.configurations for run in c.runs]
    ...     assert sorted(members) == sorted(group.ids)
    >>> test_every_run_is_in_one_configuration()
    """
    if runs is None:
        runs = _any_runs(hpms=_swept(draw))
    members = draw(
        st.lists(runs, min_size=min_size, max_size=max_size, unique_by=lambda run: run.id)
    )
    group = RunGroup.from_runs(
        members,
        source_findings=draw(st.lists(findings(runs=st.none()), max_size=1)),
        directions=draw(st.sampled_from([{}, {"acc1": "min"}, {"val/loss": "max"}])),
    )
    # In another order than the columns, to tell positions from numbers of runs.
    order = draw(st.permutations(range(len(group)))) if draw(st.booleans()) else range(len(group))
    return group[np.array(order, np.intp)]


_any_runs = runs


def _swept(draw: DrawFn) -> SearchStrategy[Hpm]:
    keys = draw(st.lists(hpm_keys(), max_size=4, unique=True))
    pools = {key: draw(st.lists(hpm_values(), min_size=1, max_size=3)) for key in keys}
    required = {key: st.sampled_from(pools[key]) for key in keys[: len(keys) // 2]}
    optional = {key: st.sampled_from(pools[key]) for key in keys[len(keys) // 2 :]}
    return st.fixed_dictionaries(required, optional=optional).map(Hpm)
