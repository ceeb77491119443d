"""What a store remembers of its sources, and its older form."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen import testing
from dr_gen.convert import exact_json, from_exact_json
from dr_gen.errors import StoreFormatError, UsageError
from dr_gen.store import catalogue as catalogues
from dr_gen.store.catalogue import Catalogue
from dr_gen.store.sources import SourceRecord, SourceTable, Stamp, from_plain, to_plain

SIZES = st.integers(0, 2**62)
STAMPS = st.builds(Stamp, SIZES, SIZES, SIZES, st.sampled_from(["", "0a1b"]))
NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=5)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
IDS = st.lists(NAMES, max_size=2).map(tuple)
RECORDS = st.builds(
    SourceRecord,
    PATHS.map("/".__add__),
    PATHS,
    STAMPS,
    st.dictionaries(st.sampled_from(["config.json", ".hydra/config.yaml"]), STAMPS),
    format=st.sampled_from(["", "native"]),
    confidence=st.sampled_from([0.0, 0.98]),
    reason=NAMES,
    run_id=NAMES,
    experiment=NAMES,
    how=st.sampled_from(["a", "b"]),
    names=IDS,
    runs=IDS,
    findings=st.lists(testing.findings(), max_size=2).map(tuple),
    gone=st.booleans(),
)


@given(st.lists(RECORDS, max_size=5), st.lists(PATHS, max_size=2))
def test_records_come_back_from_their_columns(records: list[SourceRecord], roots: Any) -> None:
    """In memory, and from the JSON of a catalogue, whatever names and findings there are."""
    table = SourceTable.of(records, roots)
    assert [*table] == records
    assert table[-1:] == tuple(records[-1:])
    assert [*table.paths()] == [record.path for record in records]
    assert [*table.runs()] == [run for record in records for run in record.runs]
    noted = [record for record in records if record.findings or record.gone]
    assert [*table.noted()] == noted
    back = from_plain(from_exact_json(exact_json(to_plain(table))))
    assert back == table
    assert [*back] == records
    assert back.roots == tuple(roots)


@given(
    st.lists(RECORDS, min_size=1, max_size=3), st.lists(testing.findings(), max_size=2), st.data()
)
def test_a_catalogue_is_read_without_its_sources(
    records: list[SourceRecord], findings: Any, data: st.DataObject
) -> None:
    """The rest is the same; one that ends too early is damaged, wherever that is."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        told = Catalogue(findings=tuple(findings), sources=records)
        catalogues.write(told, store)
        assert catalogues.has_sources(store)
        assert catalogues.read(store) == Catalogue(findings=tuple(findings))
        assert catalogues.read(store, sources=True) == told
        whole = (store / catalogues.NAME).read_bytes()
        cut = data.draw(st.integers(0, len(whole) - 2))
        (store / catalogues.NAME).write_bytes(whole[:cut])
        for sources in (False, True):
            with pytest.raises(StoreFormatError, match="damaged"):
                catalogues.read(store, sources=sources)


@given(st.lists(RECORDS, min_size=1, max_size=3), st.data())
def test_damaged_columns_are_refused(records: list[SourceRecord], data: st.DataObject) -> None:
    """A column that is missing, shorter, or points nowhere is an error and nothing else."""
    plain = from_exact_json(exact_json(to_plain(SourceTable.of(records))))
    lists = ("folder", "name", "size", "mtime_ns", "ctime_ns", "told_as", "run_id")
    name = data.draw(st.sampled_from(lists))
    how = data.draw(st.sampled_from(["missing", "number", "longer", "outside"]))
    if how == "missing":
        del plain[name]
    elif how == "number":
        plain[name] = 3
    elif how == "longer":
        plain[name] = [*plain[name], *plain[name]]
    else:
        plain["told_as"] = [len(plain["told"]) for _ in plain["told_as"]]
    with pytest.raises(UsageError):
        from_plain(plain)


OLD: dict[str, Any] = json.loads(
    r"""
{"creator": "dr_gen", "version": "0.1.0", "created": "2026-11-20T16:41:32+00:00", "schema": 1,
 "shards": [{"name": "runs-bce73c0b902e43c7.nc", "size": 30444, "runs": 3, "points": 4}],
 "findings": [], "runs": ["run_1", "sub", "run_0"], "places": [[0, 1], [0, 2], [0, 0]],
 "sources": {
 "columns": ["path", "given", "stamp", "beside", "format", "confidence", "reason", "run_id",
  "experiment", "how", "names", "runs", "findings", "gone"],
 "rows": [
 ["/w/logs/empty.jsonl", "logs/empty.jsonl", [0, 1795, 1796, "cae6"], {}, "jsonlines", 0.3,
  "the name alone", "empty", "logs", "e51d", [], [], [{"severity": "error", "code": "empty-file",
  "path": "logs/empty.jsonl", "line": null, "run": "empty", "message": "the file is empty",
  "hint": ""}], false],
 ["/w/logs/run_1.jsonl", "logs/run_1.jsonl", [231, 1795, 1796], {}, "native", 0.98,
  "a dict_config line", "run_1", "logs", "e51d", ["run_1"], ["run_1"], [], false],
 ["/w/logs/sub/metrics.jsonl", "logs/sub/metrics.jsonl", [44, 1795, 1797],
  {"config.json": [9, 1795, 1795, "ef78"]}, "jsonlines", 0.9, "2 of 2 lines", "sub", "logs",
  "e51d", ["sub"], ["sub"], [], false],
 ["/w/logs/notes.txt", "logs/notes.txt", [1, 1795, 1796], {}, "", 0.0, "", "", "", "e51d", [], [],
  [], false],
 ["/w/logs/run_0.jsonl", "logs/run_0.jsonl", [233, 1795, 1796], {}, "native", 0.98,
  "a dict_config line", "run_0", "logs", "e51d", ["run_0"], ["run_0~2"], [], true]]}}
"""
)
"""The catalogue of a store as the first form has it."""


def test_a_catalogue_of_the_first_form_is_read(tmp_path: Path) -> None:
    """With everything that it knew of its sources; writing it again makes it one of ours."""
    (tmp_path / catalogues.NAME).write_text(json.dumps(OLD))
    assert catalogues.read(tmp_path).runs == ("run_1", "sub", "run_0")
    found = catalogues.read(tmp_path, sources=True)
    empty, run_1, sub, notes, run_0 = found.sources
    assert [finding.code for finding in empty.findings] == ["empty-file"]
    assert (empty.names, empty.format, empty.stamp.digest) == ((), "jsonlines", "cae6")
    assert run_1 == SourceRecord(
        "/w/logs/run_1.jsonl",
        "logs/run_1.jsonl",
        Stamp(231, 1795, 1796),
        format="native",
        confidence=0.98,
        reason="a dict_config line",
        run_id="run_1",
        experiment="logs",
        how="e51d",
        names=("run_1",),
        runs=("run_1",),
    )
    assert sub.beside == {"config.json": Stamp(9, 1795, 1795, "ef78")}
    assert notes.format == ""
    assert (run_0.names, run_0.runs, run_0.gone) == (("run_0",), ("run_0~2",), True)
    catalogues.write(found, tmp_path)
    assert json.loads((tmp_path / catalogues.NAME).read_text())["schema"] == 2
    assert catalogues.read(tmp_path, sources=True) == found
    for rows in ([["a"]], [3], 3, [[*OLD["sources"]["rows"][0], 1]]):
        damaged = {**OLD, "sources": {"columns": [], "rows": rows}}
        (tmp_path / catalogues.NAME).write_text(json.dumps(damaged))
        with pytest.raises(StoreFormatError, match="damaged"):
            catalogues.read(tmp_path, sources=True)


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    """A file name that is not UTF-8 comes back as it was."""
    record = SourceRecord("/w/\udcff.jsonl", "\udcff.jsonl", Stamp(1, 2, 3))
    catalogue = Catalogue(sources=SourceTable.of([record]))
    catalogues.write(catalogue, tmp_path)
    assert catalogues.read(tmp_path, sources=True) == catalogue
    assert not catalogues.read(tmp_path).sources
