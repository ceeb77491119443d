"""Values to plain data and back."""

from __future__ import annotations

import enum
import json
import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen import testing
from dr_gen.convert import (
    exact_json,
    finding_from_dict,
    finding_to_dict,
    from_exact_json,
    json_text,
    record_from_dict,
    record_to_dict,
    run_from_dict,
    run_to_dict,
    to_plain,
)
from dr_gen.errors import UsageError
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, Hpm
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, Status

wild_text = st.text(st.characters(), max_size=5)
plain_data = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), wild_text),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(wild_text, inner, max_size=4)
    ),
    max_leaves=12,
)


def shape(value: Any) -> Any:
    """`value` in a form in which equal means the same types and bits."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return (type(value).__name__, repr(value))


def dtypes(run: RunData) -> dict[tuple[str, str, str], str]:
    """The type of the x values of every axis of every curve."""
    return {
        (split, metric, name): curve.table.axis_values(curve.axis).dtype.str
        for split, metrics in run.items()
        for metric, curves in metrics.items()
        for name, curve in curves.items()
    }


def by_name(plain: dict[str, Any]) -> dict[str, Any]:
    """A plain run with its curves in an order that does not depend on how its columns are coded."""
    return {**plain, "curves": sorted(plain["curves"], key=lambda c: (c["split"], c["metric"]))}


@given(testing.runs())
def test_a_run_comes_back_from_plain_data(run: RunData) -> None:
    """Also through the text of it: every row, x of each kind, what was counted, every fact."""
    plain = run_to_dict(run)
    for back in (run_from_dict(plain), run_from_dict(from_exact_json(exact_json(plain)))):
        assert back == run
        assert shape(by_name(run_to_dict(back))) == shape(by_name(plain))
        assert dtypes(back) == dtypes(run)
        assert back.record.time_parsed == run.record.time_parsed


@given(testing.findings())
def test_a_finding_comes_back_from_plain_data(finding: Finding) -> None:
    """Under the names, and in the order, that the command line prints."""
    plain = finding_to_dict(finding)
    assert list(plain) == ["severity", "code", "path", "line", "run", "message", "hint"]
    assert finding_from_dict(json.loads(json.dumps(plain))) == finding


@given(testing.runs())
def test_a_record_comes_back_from_plain_data(run: RunData) -> None:
    """Everything beside hyperparameters and curves."""
    plain = from_exact_json(exact_json(record_to_dict(run.record)))
    assert record_from_dict(plain) == run.record
    assert record_from_dict(plain).time_parsed == run.record.time_parsed


@given(plain_data)
def test_exact_json_keeps_every_bit(data: Any) -> None:
    """Types, signs of zero, NaN and infinities, NUL and halves of surrogate pairs survive."""
    text = exact_json(data)
    assert text.isascii()
    assert shape(from_exact_json(text)) == shape(data)
    assert shape(from_exact_json(text.encode())) == shape(data)


@given(plain_data, st.sampled_from([None, 2]))
def test_json_text_is_strict_json(data: Any, indent: int | None) -> None:
    """No token that JSON does not have; what is not a number is null; all else is kept."""

    def refuse(token: str) -> None:
        raise AssertionError(token)

    def expected(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: expected(item) for key, item in value.items()}
        if isinstance(value, list):
            return [expected(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    text = json_text(data, indent)
    text.encode("utf-8")
    assert shape(json.loads(text, parse_constant=refuse)) == shape(expected(data))


@given(testing.groups())
def test_everything_of_a_group_has_a_strict_text(group: RunGroup) -> None:
    """Groups, runs, splits, curves, sweeps: whatever is asked for can be printed."""
    assert [run["id"] for run in json.loads(json_text(group))] == list(group.ids)
    for run in group:
        json.loads(json_text({"metrics": dict(run), "curves": run.curves(), "hpms": run.hpms}))
    json.loads(json_text(group.hpm_group.configurations))
    json.loads(json_text({"varying": group.hpm_group.varying, "findings": group.findings}))


# ---------------------------------------------------------------------------- examples


class Level(enum.IntEnum):
    HIGH = 2


@attrs.frozen
class Result:
    mean: Any
    hpms: Hpm
    used: tuple[str, ...]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (MISSING, "<missing>"),
        (Status.FAILED, "failed"),
        (Severity.ERROR, "error"),
        (Level.HIGH, 2),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.longdouble(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array(1.5), 1.5),
        (np.array([MISSING, None, 1], object), ["<missing>", None, 1]),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (PurePosixPath("a/b"), "a/b"),
        ({3, 1}, [1, 3]),
        (frozenset("ba"), ["a", "b"]),
        ({1: (2,), None: MISSING, Status.FAILED: 0}, {"1": [2], "None": "<missing>", "failed": 0}),
        (Hpm({"a.b": 1}).subset(["a.b", "c"]), {"a.b": 1, "c": "<missing>"}),
        (
            Result(np.float64(2), Hpm({"lr": np.float32(0.5)}), ("a",)),
            {"mean": 2.0, "hpms": {"lr": 0.5}, "used": ["a"]},
        ),
        (
            Labels({"a": "A"}, {"a": {None: "x"}}),
            {"keys": {"a": "A"}, "values": {"a": {"None": "x"}}},
        ),
        (None, None),
        (True, True),
    ],
)
def test_plain_data_of_single_values(value: Any, plain: Any) -> None:
    """Each kind of value has one plain form, of Python's own types alone."""
    assert shape(to_plain(value)) == shape(plain)


def test_a_curve_is_plain_as_it_is_seen() -> None:
    """A single curve gives its points after repeats are resolved; a run gives every row."""
    run = RunData.from_dict(
        {"id": "a", "curves": {"val/acc": {"x": {"step": [2, 1, 2]}, "values": [1.0, 2.0, 3.0]}}}
    )
    seen = to_plain(run.curve("val/acc"))
    assert (seen["x"], seen["values"]) == ({"step": [1, 2]}, [2.0, 3.0])
    (logged,) = run_to_dict(run)["curves"]
    assert (logged["x"], logged["values"]) == ({"step": [2, 1, 2]}, [1.0, 2.0, 3.0])


def test_a_run_without_rows_keeps_the_kind_of_its_x() -> None:
    """An empty list does not tell whether it held integers."""
    for kind in (np.int64, np.float64):
        curve = {"x": {"epoch": np.empty(0, kind)}, "values": []}
        run = RunData.from_dict({"id": "a", "curves": {"val/acc": curve}})
        assert dtypes(run_from_dict(run_to_dict(run))) == {
            ("val", "acc", "epoch"): np.dtype(kind).str
        }


def test_the_short_forms_of_a_run_are_read_too() -> None:
    """What people write by hand: nested hyperparameters, curves by name, null for NaN."""
    run = run_from_dict({"id": "a", "hpms": {"o": {"lr": 1}}, "curves": {"val/acc": [1, None]}})
    assert run.hpms == Hpm({"o.lr": 1})
    strict = run_from_dict(json.loads(json_text(run)))
    assert np.isnan(strict.curve("val/acc").values[1])


def test_json_text_is_readable() -> None:
    """Letters of every script stay letters; what no encoding holds is escaped."""
    assert json_text({"ü ☃": ["\ud800", "a\0"], 1: float("inf")}) == (
        '{"ü ☃": ["\\ud800", "a\\u0000"], "1": null}'
    )
    assert json_text([1], indent=1) == "[\n 1\n]"


# ---------------------------------------------------------------------------- misuse


def nested(depth: int) -> list[Any]:
    """A list in a list in a list …"""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: to_plain(object()), ["object"]),
        (lambda: to_plain(1j), ["complex"]),
        (lambda: to_plain({1: 0, "1": 0}), ["same text"]),
        (lambda: exact_json({"a": MISSING}), ["JSON"]),
        (lambda: exact_json(10**5000), ["digits"]),
        (lambda: exact_json(nested(100_000)), ["too deeply"]),
        (lambda: from_exact_json("[" * 100_000), ["too deeply"]),
        (lambda: from_exact_json("{"), ["cannot read as JSON"]),
        (lambda: from_exact_json(b"\xff"), ["cannot read as JSON"]),
        (lambda: finding_from_dict(3), ["a finding as a mapping", "int"]),  # type: ignore[arg-type]
        (lambda: run_from_dict([]), ["list"]),  # type: ignore[arg-type]
        (lambda: run_from_dict({}), ["run.id"]),
        (lambda: run_from_dict({"id": 1, "hpms": [], "curves": 3}), ["id", "hpms", "curves"]),
        (
            lambda: run_from_dict(
                {
                    "id": "a",
                    "reasons": "why",
                    "status": "odd",
                    "metadata": {1: 2},
                    "extra": 1,
                    "findings": [{"code": "c", "message": "m", "line": True}],
                    "curves": [{"split": "val", "metric": 2, "x": {"epoch": [0]}}],
                }
            ),
            [
                "reasons",
                "status",
                "one of completed",
                "metadata",
                "extra",
                "findings[0].line",
                "values",
            ],
        ),
        (
            lambda: run_from_dict(
                {"id": "a", "curves": [{"split": "v", "metric": "m", "values": ["x"]}]}
            ),
            ["v/m", "not numbers"],
        ),
    ],
)
def test_what_does_not_fit_is_named_all_at_once(
    action: Callable[[], Any], words: list[str]
) -> None:
    """Misuse is a `UsageError` that holds every problem, never a foreign error."""
    with pytest.raises(UsageError) as caught:
        action()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_metadata_that_are_no_plain_data_name_their_run() -> None:
    """The error says where to look."""
    with pytest.raises(UsageError, match=r"'r1'.*object"):
        record_to_dict(RunRecord("r1", metadata={"a": [object()]}))


def test_converting_loads_cattrs_only_when_needed() -> None:
    """Turning values into text does without it, so that the command line starts quickly."""
    code = (
        "import sys\n"
        "from dr_gen.convert import json_text, finding_to_dict\n"
        "from dr_gen.model.finding import Finding\n"
        "json_text(Finding('a', 'b'))\n"
        "print('cattrs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
