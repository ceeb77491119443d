"""The public strategies and the contract of readers."""

from __future__ import annotations

import functools
import inspect
import itertools
import json
import math
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, is_hypothesis_test, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from dr_gen import testing
from dr_gen.model.curve import MetricCurve
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm import MISSING, Hpm
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.readers.contract import Detection, ReadOptions, ReadResult
from dr_gen.testing import ReaderContract
from dr_gen.testing.reader_contract import sample_run

FAST = settings(
    max_examples=2000,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def inferred(run: RunData) -> bool:
    return bool(run.table.curves.axis_inferred.any())


def shares_rows(run: RunData) -> bool:
    block = run.table.curves.block.tolist()
    return len(set(block)) < len(block)


CASES: dict[str, tuple[SearchStrategy[Any], Callable[[Any], bool]]] = {
    "names with @": (testing.names(), lambda v: "@" in v),
    "names beyond ascii": (testing.names(), lambda v: not v.isascii()),
    "null": (testing.hpm_values(), lambda v: v is None),
    "bool": (testing.hpm_values(), lambda v: v is True),
    "huge int": (testing.hpm_values(), lambda v: isinstance(v, int) and abs(v) > 2**64),
    "NaN": (testing.hpm_values(), is_nan),
    "infinity": (testing.hpm_values(), lambda v: v == -math.inf),
    "-0.0": (testing.hpm_values(), lambda v: repr(v) == "-0.0"),
    "text": (testing.hpm_values(), lambda v: isinstance(v, str) and not v.isascii()),
    "list of dicts": (
        testing.hpm_values(),
        lambda v: isinstance(v, list) and any(isinstance(item, dict) for item in v),
    ),
    "nested keys": (testing.hpms(), lambda v: any(key.count(".") > 1 for key in v)),
    "seed": (testing.hpms(), lambda v: "seed" in v),
    "finding with a line": (testing.findings(), lambda v: v.line and v.severity == Severity.ERROR),
    "finding of a run": (testing.findings(), lambda v: v.run and v.path is None),
    "value NaN": (testing.metric_values(), math.isnan),
    "value infinite": (testing.metric_values(), math.isinf),
    "x text": (testing.xs(), lambda v: v.dtype == object and len(v) > 1),
    "x float": (testing.xs(), lambda v: v.dtype == np.float64 and len(v) > 1),
    "x missing": (testing.xs(), lambda v: v.dtype == np.float64 and np.isnan(v).any()),
    "x repeated": (testing.xs(), lambda v: len(set(v.tolist())) < len(v)),
    "x unordered": (testing.xs(), lambda v: v.dtype == np.int64 and (np.diff(v) < 0).any()),
    "x beyond doubles": (testing.xs(), lambda v: v.dtype == np.int64 and (v > 2**53).any()),
    "x empty": (testing.xs(), lambda v: len(v) == 0),
    "curve counted": (testing.curves(), lambda v: v.inferred and len(v) > 1),
    "curve renamed": (testing.curves(), lambda v: v.original_name != v.metric),
    "curve with repeats": (testing.curves(), lambda v: v.repeats == "all" and len(v) < v.n_rows),
    "run of three splits": (testing.runs(), lambda v: len(v) == 3),
    "run with shared rows": (testing.runs(), shares_rows),
    "run with several axes": (
        testing.runs(),
        lambda v: any(len(v[s][m]) > 1 for s in v for m in v[s]),
    ),
    "run counted": (testing.runs(), inferred),
    "run diverged": (testing.runs(), lambda v: v.status == Status.DIVERGED and v.reasons),
    "run with findings": (testing.runs(), lambda v: len(v.findings) == 2),
    "run with metadata": (testing.runs(), lambda v: len(v.metadata) > 2),
    "group of many": (testing.groups(), lambda v: len(v) == 5),
    "group of none": (testing.groups(), lambda v: len(v) == 0),
    "group in another order": (testing.groups(), lambda v: v.indices.tolist() == [1, 0]),
    "group of two configurations": (
        testing.groups(),
        lambda v: 2 == len(v.hpm_group.configurations) < len(v),
    ),
    "group with a missing key": (
        testing.groups(),
        lambda v: any(
            MISSING in [x for x in xs if x is MISSING] for xs in v.hpm_group.varying.values()
        ),
    ),
    "group with findings": (testing.groups(), lambda v: v.source_findings),
    "group with a metric twice": (
        testing.groups(),
        lambda v: len(v) > 1 and len(set(v[0].metrics) & set(v[1].metrics)) > 0,
    ),
    "labels": (testing.labels(), lambda v: v.keys and any(v.values.values())),
    "row without split": (testing.log_rows(), lambda v: "data_name" not in v),
    "row of ours": (testing.log_rows(), lambda v: "time" in v and v["agg_stats"]),
    "lines with a mark": (testing.log_lines(), lambda v: v.startswith(b"\xef\xbb\xbf{")),
    "lines ending in CRLF": (testing.log_lines(), lambda v: v.count(b"\r\n") > 2),
    "lines cut": (testing.log_lines(), lambda v: b"{" in v and not v.rstrip().endswith(b"}")),
    "lines of a configuration": (testing.log_lines(), lambda v: b"dict_config" in v),
    "broken lines": (testing.log_lines(), lambda v: b'{"torn"' in v),
}


@pytest.mark.parametrize("case", CASES)
def test_the_strategies_reach_what_is_rare(case: str) -> None:
    """What real logs have taught us to expect is among the examples."""
    strategy, wanted = CASES[case]
    assert wanted(find(strategy, lambda value: bool(wanted(value)), settings=FAST))


@given(
    testing.names(),
    testing.hpms(),
    testing.findings(),
    testing.labels(),
    testing.curves(),
    testing.groups(max_size=2),
)
def test_the_strategies_give_what_they_say(
    name: str, hpm: Hpm, finding: Finding, labels: Labels, curve: MetricCurve, group: RunGroup
) -> None:
    """Each strategy gives objects of its class; a name is never empty."""
    assert name
    for found, kind in zip(
        (hpm, finding, labels, curve, group),
        (Hpm, Finding, Labels, MetricCurve, RunGroup),
        strict=True,
    ):
        assert isinstance(found, kind)
    assert len(set(group.ids)) == len(group)


@settings(max_examples=10, phases=[Phase.generate])
@given(st.data())
def test_the_strategies_take_strategies(data: st.DataObject) -> None:
    """What is given is used for every part."""
    assert set(data.draw(testing.hpms(st.just("k"), st.just(1))).items()) <= {("k", 1)}
    run = data.draw(
        testing.runs(
            ids=st.just("a"),
            hpms=st.just(Hpm({"x": 1})),
            splits=st.just("s"),
            metrics=st.just("m"),
            values=st.just(2.0),
            rows=testing.blocks(x_names=st.just("t"), xs=lambda n: st.just(np.arange(n))),
        )
    )
    assert (run.id, dict(run.hpms)) == ("a", {"x": 1})
    assert set(run.metrics) <= {"s/m"}
    for curve in run.curves():
        assert (curve.x_name, set(curve.values.tolist()) - {2.0}) == ("t", set())
    curve = data.draw(
        testing.curves(
            st.just(np.array([1])), st.just(3.0), st.just("m"), st.just("s"), st.just("t")
        )
    )
    assert (curve.metric, curve.split, curve.x_name, curve.at(1)) == ("m", "s", "t", 3.0)
    assert data.draw(testing.xs(3, 3, text=False, missing=False)).dtype.kind in "if"
    assert len(data.draw(testing.groups(st.just(run), 1, 3))) == 1
    assert data.draw(testing.findings(st.just("p"), st.just("r"))).place.startswith("p")
    row = data.draw(testing.log_rows(st.just("s"), st.just("m"), st.just(1)))
    assert set(row) <= {"data_name", "agg_stats", "epoch", "step", "time", "s/m"}
    assert b"torn" not in data.draw(testing.log_lines(st.just({}), st.nothing()))


def test_everything_is_exported() -> None:
    """Each name of the module is there and documented."""
    for name in testing.__all__:
        assert getattr(testing, name).__doc__


# ---------------------------------------------------------------- the contract


@attrs.frozen
class Lines:
    """A small reader that keeps the contract, and can be made to break it in one way."""

    broken: str = ""
    name: str = "lines"

    def detect(self, path: Path, head: bytes) -> Detection:
        if self.broken == "raises on binary" and b"\0" in head:
            head.decode("ascii")
            raise ValueError
        sure = b'"metrics"' in head or self.broken == "claims all"
        return Detection(0.0 if self.broken == "unsure" else float(sure), "its lines")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        if self.broken == "writes" and path.is_file():
            path.with_suffix(".cache").write_bytes(b"")
        try:
            content = path.read_bytes()
        except OSError as error:
            if self.broken == "raises on missing":
                raise
            return ReadResult((), (Finding("unreadable", str(error), "error", str(path)),))
        found: list[Finding] = []
        hpms: dict[str, Any] = {}
        curves: dict[tuple[str, str], dict[str, list[Any]]] = {}
        lines = content.split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                hpms.update(row.get("hpms", {}))
                for curve, value in row.get("metrics", {}).items():
                    split, _, metric = curve.partition("/")
                    entry = curves.setdefault((split, metric), {"values": []})
                    entry["values"].append(value)
                    for name, x in row["x"].items():
                        entry.setdefault(name, []).append(x)
            except (ValueError, AttributeError):
                if self.broken == "drops all":
                    curves.clear()
                line_no = None if self.broken == "no line" else number
                path_text = None if self.broken == "no path" else str(path)
                found.append(Finding("bad", "not a row", "error", path_text, line_no))
        if self.broken == "needs the end" and not content.endswith(b"{}\n"):
            curves.clear()
        if self.broken == "silent":
            found.clear()
        elif not curves and not found:
            found.append(Finding("empty", "no row", "error", str(path)))
        data = [
            {
                "split": split,
                "metric": metric,
                "values": entry.pop("values")[:: -1 if self.broken == "reversed" else 1],
                "x": entry,
            }
            for (split, metric), entry in curves.items()
        ]
        run = RunData.from_dict(
            {
                "id": "mine" if self.broken == "own id" else run_id,
                "experiment": options.experiment,
                "hpms": {} if self.broken == "no hpms" else hpms,
                "curves": data,
                "findings": found,
                "metadata": {"f": lambda: 0} if self.broken == "no pickle" else {},
                "source": os.urandom(4).hex() if self.broken == "random" else str(path),
            }
        )
        return ReadResult((run,))


def write_lines(tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
    """A run as lines, one a row; x that is not counted is kept, original names are not."""
    rows: list[dict[str, Any]] = [{"hpms": dict(run.hpms)}]
    curves = []
    for curve in run.curves():
        mapping = run[curve.split][curve.metric]
        axes = {name: attrs.evolve(c, repeats="all").xs.tolist() for name, c in mapping.items()}
        values = attrs.evolve(curve, repeats="all").values.tolist()
        for i, value in enumerate(values):
            x = {name: xs[i] for name, xs in axes.items()}
            rows.append({"metrics": {f"{curve.split}/{curve.metric}": value}, "x": x})
        if values:
            curves.append(
                {"split": curve.split, "metric": curve.metric, "values": values, "x": axes}
            )
    path = tmp_path / "run.lines"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {}]))
    return path, RunData.from_dict({"id": "x", "hpms": run.hpms, "curves": curves})


class TestContract(ReaderContract):
    """A reader that does all it should passes."""

    reader = Lines()

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        return write_lines(tmp_path, run)


class Broken(ReaderContract):
    """The contract, for a reader that breaks it."""

    __test__: ClassVar[bool] = False

    def __init__(self, broken: str) -> None:
        self.reader = Lines(broken)

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        return write_lines(tmp_path, run)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        ("claims all", "test_it_does_not_claim_junk"),
        ("unsure", "test_it_recognises_a_file_of_its_own"),
        ("raises on missing", "test_a_missing_file_is_a_finding"),
        ("raises on missing", "test_a_folder_is_a_finding"),
        ("silent", "test_junk_is_a_finding"),
        ("silent", "test_a_bad_line_is_named_and_costs_nothing_else"),
        ("no line", "test_a_bad_line_is_named_and_costs_nothing_else"),
        ("no path", "test_a_bad_line_is_named_and_costs_nothing_else"),
        ("drops all", "test_a_bad_line_is_named_and_costs_nothing_else"),
        ("drops all", "test_a_cut_anywhere_keeps_what_came_before"),
        ("reversed", "test_a_cut_anywhere_keeps_what_came_before"),
        ("needs the end", "test_every_line_counts"),
        ("own id", "test_the_run_gets_the_id_and_the_experiment"),
        ("no pickle", "test_the_result_survives_pickling"),
        ("random", "test_the_same_file_reads_the_same"),
        ("writes", "test_reading_changes_no_file"),
        ("no hpms", "test_it_gives_back_what_was_written"),
        ("reversed", "test_it_gives_back_what_was_written"),
        ("raises on binary", "test_recognition_never_raises"),
    ],
)
def test_the_contract_finds_what_is_broken(broken: str, test: str, tmp_path: Path) -> None:
    """A reader that breaks the contract in one way fails the test that is about it."""
    keep_contract(Broken(""), test, tmp_path / "whole")
    with pytest.raises((AssertionError, OSError, ValueError, AttributeError, pickle.PicklingError)):
        keep_contract(Broken(broken), test, tmp_path / "broken")


def keep_contract(contract: ReaderContract, test: str, folder: Path) -> None:
    """Run one test of the contract as pytest would, but without looking for small examples."""
    (folder / "sample").mkdir(parents=True)
    call = getattr(contract, test)
    # What `@given` wraps is called with examples of our own, since shrinking takes long.
    inner = (
        functools.partial(call.hypothesis.inner_test, contract)
        if is_hypothesis_test(call)
        else call
    )
    places = (folder / str(number) for number in itertools.count())

    class Factory:
        def mktemp(self, name: str) -> Path:
            place = next(places)
            place.mkdir()
            return place

    known = {
        "sample": contract.make_source(folder / "sample", sample_run()),
        "tmp_path": folder,
        "tmp_path_factory": Factory(),
        "content": b"[]\n",
    }
    names = [name for name in inspect.signature(inner).parameters if name != "self"]
    arguments = {name: known[name] for name in names if name in known}
    examples = {"data": st.data(), "head": st.just(b"\0\xff"), "name": st.just("a")}
    drawn = {name: examples[name] for name in names if name in examples}
    if not drawn:
        inner(**arguments)
        return

    @settings(phases=[Phase.generate], max_examples=20, suppress_health_check=list(HealthCheck))
    @given(st.fixed_dictionaries({k: v for k, v in drawn.items() if k != "data"}), st.data())
    def check(values: dict[str, Any], data: st.DataObject) -> None:
        inner(**arguments, **values, **({"data": data} if "data" in drawn else {}))

    check()
