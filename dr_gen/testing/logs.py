"""Strategies for what is in the files of training loops: JSON lines, whole and broken."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from dr_gen.testing.values import hpm_values, metric_values

__all__ = ["log_lines", "log_rows"]

_BROKEN = (
    b"",
    b"   ",
    b"[1, 2]",
    b"3",
    b"null",
    b'"text"',
    b'{"torn": ',
    b'{"data_name": "val", "agg_stats": {"loss": ',
    b'{"data_name": "val", "agg_stats": {"loss": "high"}}',
    b'{"data_name": ["val"], "agg_stats": [1]}',
    b'{"data_name": "", "agg_stats": {"": 1}}',
    b'{"data_name": "val", "agg_stats": {"loss": 1' + b"0" * 400 + b"}}",
    b'{"data_name": "val", "agg_stats": {"loss": 1, "loss": 2}, "epoch": 99999999999999999999}',
    b'{"data_name": "val", "agg_stats": {"loss": 1}, "epoch": "one", "step": null}',
    b'{"type": "dict_config", "value": [1]}',
    b'{"type": "str", "value": {"not": "text"}}',
    b'{"type": "end", "status": 7}',
    b"\xff\xfe\x00binary",
    b"[" * 2000,
)


def log_rows(
    splits: SearchStrategy[str] | None = None,
    metrics: SearchStrategy[str] | None = None,
    values: SearchStrategy[Any] | None = None,
) -> SearchStrategy[dict[str, Any]]:
    """Metric lines of training loops, as plain data: our own form, and flat ones.

    Parameters
    ----------
    splits, metrics : strategy of str
    values : strategy
        By default `metric_values`.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(log_rows(st.just("val"), st.just("loss"), st.just(0.5)))
    ... def test_rows_have_what_was_given(row):
    ...     assert set(row) <= {"data_name", "agg_stats", "epoch", "step", "time", "val/loss"}
    >>> test_rows_have_what_was_given()
    """
    splits = st.sampled_from(["train", "val"]) if splits is None else splits
    metrics = st.sampled_from(["loss", "acc1"]) if metrics is None else metrics
    values = metric_values() if values is None else values
    counters = {
        "epoch": st.integers(0, 9),
        "step": st.integers(0, 9999),
        "time": st.floats(0, 1e5),
    }
    stats = st.dictionaries(metrics, values, max_size=2)
    own = st.fixed_dictionaries({"data_name": splits, "agg_stats": stats}, optional=counters)
    flat = st.builds(
        lambda split, row, x: {**{f"{split}/{k}": v for k, v in row.items()}, **x},
        splits,
        stats,
        st.fixed_dictionaries({"step": counters["step"]}, optional={"epoch": counters["epoch"]}),
    )
    return st.one_of(own, flat)


@st.composite
def log_lines(
    draw: DrawFn,
    rows: SearchStrategy[dict[str, Any]] | None = None,
    broken: SearchStrategy[bytes] | None = None,
    max_size: int = 8,
) -> bytes:
    """Content of a log file: a configuration, rows, text, and much that should not be there.

    Lines that are not JSON, not objects or of the wrong types; a byte order mark, CRLF line ends,
    a last line without an end, a file cut anywhere.

    Parameters
    ----------
    rows : strategy of dict
        By default `log_rows`.
    broken : strategy of bytes
        Lines that are no rows; `hypothesis.strategies.nothing()` for a file without them.
    max_size : int
        Number of lines after the configuration.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(log_lines(st.just({"loss": 1}), broken=st.nothing()))
    ... def test_nothing_else_is_there(content):
    ...     assert content.count(b"loss") <= 8
    >>> test_nothing_else_is_there()
    """
    line = (log_rows() if rows is None else rows).map(_encoded)
    bad = st.sampled_from(_BROKEN) if broken is None else broken
    text = st.sampled_from([">> Start", "Training time 1:23:45", "ü ☃"]).map(
        lambda value: _encoded({"type": "str", "value": value})
    )
    choices = [line, text, bad] if broken is None else [line, bad]
    lines = draw(st.lists(st.one_of(choices), max_size=max_size))
    if draw(st.booleans()):
        config = draw(st.dictionaries(st.sampled_from(["lr", "seed"]), hpm_values(), max_size=2))
        lines.insert(0, _encoded({"type": "dict_config", "value": config}))
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    content = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + end.join(lines)
    content += draw(st.sampled_from([b"", end]))
    cut = draw(st.integers(0, len(content))) if draw(st.booleans()) else len(content)
    return content[:cut]


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()
