"""Strategies for single values: names, hyperparameters, metric values, x, findings, labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

from dr_gen.model.curve_builder import as_x
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.hpm import Hpm
from dr_gen.model.labels import Labels

__all__ = [
    "findings",
    "hpm_keys",
    "hpm_values",
    "hpms",
    "labels",
    "metric_values",
    "names",
    "xs",
]

_PRINTABLE = st.characters(
    codec="utf-8", exclude_categories=("Cc", "Zl", "Zp"), exclude_characters="/"
)
_ODD_NAMES = ("loss", "acc@1", "top 5", "größe", "a.b", "run", "epoch", "seed", "<b>", "lr/group0")


def names(max_size: int = 6) -> SearchStrategy[str]:
    """Names of metrics, splits and the like: common ones, and short text of any script.

    Without slashes and control characters, except for names that are really in use.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(names(), lambda name: "@" in name)
    'acc@1'
    """
    return st.one_of(
        st.sampled_from(_ODD_NAMES), st.text(_PRINTABLE, min_size=1, max_size=max_size)
    )


def hpm_keys() -> SearchStrategy[str]:
    """Dotted keys: those that have a meaning, those that look as if they had, and any other."""
    meant = ("optim.lr", "seed", "data.seed", "seed_x", "paths.out", "pathsize", "model.weights")
    return st.one_of(st.sampled_from((*meant, "run", "epoch", "epochs")), names())


def hpm_values(nested: bool = True) -> SearchStrategy[Any]:
    """Values of a configuration.

    Null, bool, integers of any size, floats with NaN, infinities and -0.0, text of any script;
    with `nested` also lists and dicts of these.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(hpm_values(nested=False), lambda value: value == "DEFAULT")
    'DEFAULT'
    """
    single = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.integers(-(2**80), 2**80),
        st.sampled_from([0.0, -0.0, 1.0, 1e-4, 0.1, float("inf"), float("-inf"), float("nan")]),
        st.floats(),
        st.sampled_from(["", "None", "sgd", "DEFAULT", "1e-1", "ünïcode ☃"]),
        st.text(st.characters(codec="utf-8"), max_size=6),
    )
    if not nested:
        return single
    texts = st.text(_PRINTABLE, max_size=3)
    return st.recursive(
        single,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=2)
        ),
        max_leaves=4,
    )


def hpms(
    keys: SearchStrategy[str] | None = None,
    values: SearchStrategy[Any] | None = None,
    max_size: int = 5,
) -> SearchStrategy[Hpm]:
    """Hyperparameters of one run.

    Parameters
    ----------
    keys, values : strategy, optional
        By default `hpm_keys` and `hpm_values`.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(hpms(st.just("lr"), st.floats(0, 1)), lambda hpm: hpm.get("lr", 0) > 0)
    Hpm({'lr': 1.0})
    """
    pairs = st.dictionaries(
        hpm_keys() if keys is None else keys,
        hpm_values() if values is None else values,
        max_size=max_size,
    )
    return pairs.map(Hpm)


def labels(
    keys: SearchStrategy[str] | None = None,
    values: SearchStrategy[Any] | None = None,
    texts: SearchStrategy[str] | None = None,
) -> SearchStrategy[Labels]:
    """Display names for keys and values.

    Parameters
    ----------
    keys, values, texts : strategy, optional
        Keys, hashable values of them, and what both are called.
    """
    keys = hpm_keys() if keys is None else keys
    # NaN is no key of a dict: it is not found again.
    any_values = hpm_values(nested=False).filter(lambda value: value == value)
    values = any_values if values is None else values
    texts = names() if texts is None else texts
    by_value = st.dictionaries(values, texts, max_size=2)
    return st.builds(
        Labels,
        st.dictionaries(keys, texts, max_size=3),
        st.dictionaries(keys, by_value, max_size=2),
    )


def findings(
    paths: SearchStrategy[str | None] | None = None,
    runs: SearchStrategy[str | None] | None = None,
) -> SearchStrategy[Finding]:
    """Findings of every severity, with and without a place.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(findings(st.just("a.jsonl")), lambda f: f.line == 3 and f.severity == "error").place
    'a.jsonl:3'
    """
    return st.builds(
        Finding,
        code=st.sampled_from(["bad-json", "gap", "no-end"]),
        message=st.text(_PRINTABLE, max_size=6),
        severity=st.sampled_from(list(Severity)),
        path=st.sampled_from([None, "a.jsonl", "ü/b.jsonl"]) if paths is None else paths,
        line=st.one_of(st.none(), st.integers(1, 9)),
        run=st.sampled_from([None, "r1"]) if runs is None else runs,
        hint=st.sampled_from(["", "log it again"]),
    )


def metric_values() -> SearchStrategy[float]:
    """Values of a metric: common ones, any finite float, NaN and both infinities."""
    special = st.sampled_from([0.0, -0.0, 1.0, 69.43, float("nan"), float("inf"), float("-inf")])
    return st.one_of(special, st.floats(-1e6, 1e6), st.floats())


def xs(
    min_size: int = 0, max_size: int = 6, *, text: bool = True, missing: bool = True
) -> SearchStrategy[NDArray[Any]]:
    """The x of the rows of a log, in the order logged.

    Counted, increasing with gaps, repeated (a resumed run), unordered; integers, also beyond
    2**53, or floats.

    Parameters
    ----------
    min_size, max_size : int
        Number of rows.
    text : bool
        Whether x may be text.
    missing : bool
        Whether rows may lack x (NaN).

    Returns
    -------
    strategy of arrays, int64, float64 or object (text), dims (row,)
    """
    if min_size == max_size == 0:
        return st.just(as_x([]))

    def rows(x: SearchStrategy[Any], unique: bool = False) -> SearchStrategy[list[Any]]:
        return st.lists(x, min_size=min_size, max_size=max_size, unique=unique)

    small = st.integers(-2, 8)
    large = st.sampled_from([2**53, 2**53 + 1, 2**62, -(2**62)])
    floats = st.sampled_from([0.0, 0.5, 1.0, 1.5, 1e9, -1e-3])
    kinds = [
        st.integers(min_size, max_size).map(lambda size: list(range(size))),
        rows(small, unique=True).map(sorted),
        rows(st.one_of(small, large)),
        rows(floats),
        rows(st.floats(-1e6, 1e6), unique=True).map(sorted),
    ]
    if missing:
        kinds.append(rows(st.one_of(floats, st.just(float("nan")))))
    if text:
        kinds.append(rows(st.text(_PRINTABLE, max_size=2)))
    return st.one_of(kinds).map(lambda drawn: as_x(np.array(drawn, _dtype(drawn))))


def _dtype(drawn: list[Any]) -> Any:
    if drawn and isinstance(drawn[0], str):
        return object
    return np.int64 if all(isinstance(x, int) for x in drawn) else np.float64
