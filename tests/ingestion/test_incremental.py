"""Bringing a store up to date gives what reading everything anew would give."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_gen import testing
from dr_gen.convert import run_to_dict
from dr_gen.errors import UnknownFormatError, UsageError
from dr_gen.ingestion import ingest, load, open_store, plan
from dr_gen.ingestion.applying import apply, is_current
from dr_gen.model.group import RunGroup
from dr_gen.readers.native.reader import NativeReader
from dr_gen.readers.runlogger import RunLogger
from dr_gen.store import catalogue as catalogues
from dr_gen.store.store import save


def exact(group: RunGroup) -> list[dict[str, Any]]:
    """Every run as plain data, to the last bit, but for when it was read."""
    out = []
    for run in group:
        data = run_to_dict(run)
        del data["time_parsed"]
        data["curves"].sort(key=lambda curve: (curve["split"], curve["metric"]))
        # As text: NaN is then equal to itself, and 1 is not 1.0.
        out.append({key: json.dumps(value, sort_keys=True) for key, value in data.items()})
    return out


def native(path: Path, *, seed: int = 0, epochs: int = 3, **config: Any) -> None:
    """A whole native log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with RunLogger(path, {"epochs": epochs, "seed": seed, **config}) as log:
        for epoch in range(epochs):
            log.metrics("val", {"acc1": 10.0 * epoch + seed}, epoch=epoch)


def flat(path: Path, n: int = 3, start: int = 0) -> None:
    """Rows of a generic log, behind those that are there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for i in range(start, start + n):
            file.write(json.dumps({"step": i, "train/loss": 1.0 / (i + 1)}) + "\n")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder of two native logs and a generic one."""
    for seed in range(2):
        native(tmp_path / "logs" / f"run_{seed}.jsonl", seed=seed)
    flat(tmp_path / "logs" / "other" / "metrics.jsonl")
    return tmp_path / "logs"


def kinds(logs: Path, store: Path, **options: Any) -> dict[str, int]:
    """What a plan wants to do with how many files."""
    return plan(logs, store, **options).counts()


FILES = ("a.jsonl", "b.jsonl", "a.log", "sub/metrics.jsonl", "sub/log.jsonl", "sub/config.json")
CONTENT = testing.log_lines()
CHANGES = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(FILES), CONTENT),
    st.tuples(st.just("append"), st.sampled_from(FILES), CONTENT),
    st.tuples(st.just("cut"), st.sampled_from(FILES), st.integers(0, 200)),
    st.tuples(st.just("delete"), st.sampled_from(FILES), st.none()),
    st.tuples(st.just("sidecar"), st.just(FILES[-1]), st.sampled_from([b'{"lr": 1}', b"{"])),
)


def change(folder: Path, kind: str, name: str, what: Any) -> None:
    """Do to a file what somebody may do to it."""
    path = folder / name
    if kind in ("write", "sidecar"):
        path.write_bytes(what)
    elif kind == "append":
        with path.open("ab") as file:
            file.write(what)
    elif kind == "cut" and path.exists():
        os.truncate(path, min(what, path.stat().st_size))
    elif kind == "delete":
        path.unlink(missing_ok=True)


@settings(max_examples=25)
@given(st.lists(st.lists(CHANGES, max_size=3), min_size=1, max_size=4))
def test_a_store_brought_up_to_date_is_one_made_anew(rounds: list[list[Any]]) -> None:
    """Whatever is appended, rewritten, cut and deleted between; and so is the cache of `load`."""
    with tempfile.TemporaryDirectory() as place:
        folder, store = Path(place, "logs"), Path(place, "store")
        (folder / "sub").mkdir(parents=True)
        native(folder / "always.jsonl")
        for changes in rounds:
            for one in changes:
                change(folder, *one)
            cold = load(folder, cache=False)
            cached = load(folder)
            assert exact(cached) == exact(cold)
            assert cached == cold
            stored = ingest(folder, store)
            assert exact(open_store(store)) == exact(stored)
            gone = {f.run for f in stored.source_findings if f.code == "source-gone"}
            if not gone:
                assert exact(stored) == exact(cold)
                assert stored == cold
            assert set(stored.ids) >= gone
            present = stored[[run not in gone for run in stored.ids]]
            assert len(present) == len(cold)
            assert set(kinds(folder, store)) <= {"unchanged", "gone", "no log"}


def test_only_what_changed_is_read(logs: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """An unchanged file is not opened; new, grown and rewritten ones are read."""
    read: list[str] = []
    reader = NativeReader.read_many

    def spied(self: NativeReader, items: Any) -> Any:
        read.extend(path.name for path, _, _ in items)
        return reader(self, items)

    monkeypatch.setattr(NativeReader, "read_many", spied)
    store = tmp_path / "store"
    assert kinds(logs, store) == {"new": 3}
    ingest(logs, store)
    assert sorted(read) == ["run_0.jsonl", "run_1.jsonl"]
    assert kinds(logs, store) == {"unchanged": 3}
    native(logs / "run_1.jsonl", seed=7, epochs=2)
    native(logs / "run_2.jsonl", seed=2)
    flat(logs / "other" / "metrics.jsonl", start=3)
    assert kinds(logs, store) == {"unchanged": 1, "rewritten": 1, "new": 1, "grown": 1}
    read.clear()
    group = ingest(logs, store)
    assert sorted(read) == ["run_1.jsonl", "run_2.jsonl"]
    assert group == load(logs, cache=False)
    assert group["run_1"].seed == 7


def test_a_search_that_finds_nothing_new_makes_nothing(tmp_path: Path) -> None:
    """Steps and sources are there when they are asked for, in the order of the files."""
    logs, store = tmp_path / "logs", tmp_path / "store"
    for seed in (0, 9, 10):
        native(logs / f"run_{seed}.jsonl", seed=seed)
    (logs / "run_1.txt").write_text("no log")
    for path in logs.iterdir():
        os.utime(path, ns=(0, 0))
    time.sleep(2.1)  # the time that a file takes to be known by its times alone
    first = ingest(logs, store)
    decided = plan(logs, store)
    assert decided.as_before
    assert decided.counts() == {"unchanged": 3, "no log": 1}
    paths = [str(logs / f"run_{seed}.jsonl") for seed in (0, 9, 10)]
    assert [str(source.path) for source in decided.sources] == paths
    assert [step.record.path for step in decided.steps] == [*paths, str(logs / "run_1.txt")]
    assert decided.to_read == []
    assert is_current(decided)
    (logs / "run_10.jsonl").unlink()
    assert not plan(logs, store).as_before
    assert ingest(logs, store).ids == first.ids
    again = plan(logs, store)
    assert again.as_before
    assert again.counts() == {"unchanged": 2, "no log": 1, "gone": 1}
    assert is_current(again)
    assert not is_current(again, keep_gone=False)
    for other in (plan(logs, store, experiment="x"), plan(logs / "run_0.jsonl", store)):
        assert not other.as_before
        assert not is_current(other)


def test_a_change_that_leaves_size_and_times_is_seen(logs: Path, tmp_path: Path) -> None:
    """A file as young as the clock is coarse is known by its content as well."""
    store = tmp_path / "store"
    ingest(logs, store)
    path = logs / "run_0.jsonl"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"20.0", b"29.0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kinds(logs, store) == {"unchanged": 2, "rewritten": 1}
    assert ingest(logs, store)["run_0"].value("val/acc1@last") == 29.0


def test_nothing_new_writes_nothing(logs: Path, tmp_path: Path) -> None:
    """The store is not touched when there is nothing to do."""
    store = tmp_path / "store"
    ingest(logs, store)
    ingest(logs, store)

    def state() -> dict[Path, tuple[int, int]]:
        files = [p for p in store.rglob("*") if p.is_file()]
        return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in files}

    before = state()
    assert apply(plan(logs, store)) is False
    ingest(logs, store)
    assert state() == before


def test_what_vanished_stays_and_is_marked(logs: Path, tmp_path: Path) -> None:
    """Runs of a deleted file are kept with a finding, and are its again when it comes back."""
    store = tmp_path / "store"
    whole = ingest(logs, store)
    content = (logs / "run_0.jsonl").read_bytes()
    (logs / "run_0.jsonl").unlink()
    group = ingest(logs, store)
    assert group.ids == ("other", "run_1", "run_0")
    assert group["run_0"] == whole["run_0"]
    (finding,) = (f for f in group.source_findings if f.code == "source-gone")
    assert (finding.run, finding.severity) == ("run_0", "info")
    assert finding.path == str(logs / "run_0.jsonl")
    assert load(logs).ids == ("other", "run_1")
    (logs / "run_0.jsonl").write_bytes(content)
    assert ingest(logs, store) == whole


def test_all_that_vanished_stays(logs: Path, tmp_path: Path) -> None:
    """An empty folder is no mistake for a store that knows what was in it; for a new one it is."""
    ingest(logs, tmp_path / "store")
    shutil.rmtree(logs)
    logs.mkdir()
    assert len(ingest(logs, tmp_path / "store")) == 3
    with pytest.raises(UnknownFormatError):
        ingest(logs, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_runs_from_elsewhere_stay(logs: Path, tmp_path: Path) -> None:
    """A second source adds to a store; ids stay apart."""
    native(tmp_path / "more" / "run_0.jsonl", seed=5)
    ingest(logs, tmp_path / "store")
    group = ingest(tmp_path / "more", tmp_path / "store")
    assert group.ids == ("other", "run_0", "run_1", "run_0~2")
    assert group["run_0~2"].seed == 5
    assert not [f for f in group.source_findings if f.code == "source-gone"]


def test_other_rules_read_again(logs: Path, tmp_path: Path) -> None:
    """What was judged by other rules is judged anew."""
    store = tmp_path / "store"
    ingest(logs, store)
    assert kinds(logs, store, expected_epochs=5) == {"rewritten": 3}
    group = ingest(logs, store, expected_epochs=5)
    assert "short-run" in {finding.code for finding in group["run_0"].findings}
    assert kinds(logs, store, expected_epochs=5) == {"unchanged": 3}


def test_findings_about_the_others_follow_the_others(tmp_path: Path) -> None:
    """A seed that two runs share is no finding any more when one of them got another."""
    logs, store = tmp_path / "logs", tmp_path / "store"
    for name in "ab":
        native(logs / f"{name}.jsonl", seed=1)
    assert "duplicate-seed" in {f.code for f in ingest(logs, store).findings}
    native(logs / "b.jsonl", seed=2)
    assert ingest(logs, store).findings == load(logs, cache=False).findings
    assert "duplicate-seed" not in {f.code for f in open_store(store).findings}


def test_many_small_shards_become_one(tmp_path: Path) -> None:
    """Files that come one by one do not end in as many shards, and nothing changes by it."""
    logs, store = tmp_path / "logs", tmp_path / "store"
    for seed in range(25):
        native(logs / f"run_{seed}.jsonl", seed=seed)
        ingest(logs, store)
        assert len(list((store / "shards").iterdir())) <= 20
    assert exact(open_store(store)) == exact(load(logs, cache=False))
    for _ in range(4):
        for seed in range(25):
            native(logs / f"run_{seed}.jsonl", seed=seed + 100)
        ingest(logs, store)
    assert sum(shard.runs for shard in catalogues.read(store).shards) <= 50
    assert exact(open_store(store)) == exact(load(logs, cache=False))


def test_a_store_within_its_source_is_not_read(logs: Path) -> None:
    """Its files are no logs, and do not make it stale."""
    ingest(logs, logs / "store")
    assert kinds(logs, logs / "store") == {"unchanged": 3}


def test_a_plan_for_no_store_is_not_carried_out(logs: Path) -> None:
    """It says what there is to read; there is nothing to bring up to date."""
    assert plan(logs).counts() == {}
    with pytest.raises(UsageError, match="no store"):
        apply(plan(logs))


def test_a_store_made_by_hand_becomes_one_of_sources(logs: Path, tmp_path: Path) -> None:
    """Runs that were saved by hand come from nowhere: what is read takes their place."""
    save(load(logs)[:1], tmp_path / "store")
    assert ingest(logs, tmp_path / "store") == load(logs, cache=False)


def test_runs_that_were_replaced_do_not_pile_up(tmp_path: Path) -> None:
    """A shard most of whose runs were replaced is not kept for the few that were not."""
    logs, store = tmp_path / "logs", tmp_path / "store"
    for seed in range(10):
        native(logs / f"run_{seed}.jsonl", seed=seed)
    ingest(logs, store)
    for seed in range(9):
        native(logs / f"run_{seed}.jsonl", seed=seed + 100)
    assert exact(ingest(logs, store)) == exact(load(logs, cache=False))
    (shard,) = catalogues.read(store).shards
    assert shard.runs == 10
