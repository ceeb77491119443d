"""However sources are cut into batches and whoever reads them, the result is the same."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_gen import testing
from dr_gen.convert import run_to_dict
from dr_gen.errors import StoreError, UsageError, WorkerError
from dr_gen.ingestion import batches, ingest, load, open_store, plan
from dr_gen.ingestion.applying import apply
from dr_gen.model.group import RunGroup
from dr_gen.parallel import SERIAL, Workers, run
from dr_gen.readers.native.reader import NativeReader
from dr_gen.readers.runlogger import RunLogger
from dr_gen.store import catalogue as catalogues
from dr_gen.store.writing import writing

SMALL = 300
"""Bytes of a batch: about one log."""


def exact(group: RunGroup) -> list[dict[str, Any]]:
    """Every run as plain data, to the last bit, but for when it was read."""
    out = []
    for one in group:
        data = run_to_dict(one)
        del data["time_parsed"]
        data["curves"].sort(key=lambda curve: (curve["split"], curve["metric"]))
        out.append({key: json.dumps(value, sort_keys=True) for key, value in data.items()})
    return out


def native(path: Path, seed: int = 0, epochs: int = 3) -> None:
    """A whole native log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with RunLogger(path, {"epochs": epochs, "seed": seed}) as log:
        for epoch in range(epochs):
            log.metrics("val", {"acc1": 10.0 * epoch + seed}, epoch=epoch)


def make(folder: Path, n: int = 9) -> Path:
    """A folder of native logs, a generic one and a bad one."""
    for seed in range(n):
        native(folder / f"run_{seed}.jsonl", seed)
    (folder / "flat.jsonl").write_text('{"step": 0, "loss": 1.0}\n{"step": 1, "loss": NaN}\n')
    (folder / "bad.jsonl").write_text('{"type": "dict_config", "value": {"a": 1}}\n{"type": \n')
    return folder


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return make(tmp_path / "logs")


@pytest.fixture
def pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes pay for anything, and each gets several batches."""
    monkeypatch.setattr(batches, "PAYS_BYTES", 0)
    monkeypatch.setattr(batches, "_LEAST_BYTES", SMALL)


def brought(source: Path, store: Path, workers: Workers = SERIAL, batch: int = SMALL) -> RunGroup:
    """What is in a store after it was brought up to date in small batches."""
    with writing(store):
        apply(plan(source, store), batch_bytes=batch, workers=workers)
    return open_store(store)


def shards(store: Path) -> int:
    return len(catalogues.read(store).shards)


@settings(max_examples=20)
@given(st.lists(testing.log_lines(), min_size=1, max_size=6), st.integers(1, 2000), st.data())
def test_however_it_is_cut(contents: list[bytes], batch: int, data: st.DataObject) -> None:
    """Batches of any size give what one batch gives, at first and after some files changed."""
    with tempfile.TemporaryDirectory() as place:
        folder, store = Path(place, "logs"), Path(place, "store")
        native(folder / "always.jsonl")
        for number, content in enumerate(contents):
            (folder / f"{number}.jsonl").write_bytes(content)
        cold = load(folder, cache=False)
        assert exact(brought(folder, store, batch=batch)) == exact(cold)
        assert open_store(store) == cold
        with (folder / "0.jsonl").open("ab") as file:
            file.write(data.draw(testing.log_lines()))
        assert brought(folder, store, batch=batch) == load(folder, cache=False)


SIZES = st.lists(st.one_of(st.integers(0, 10), st.integers(0, 10**9)), max_size=40)


@given(SIZES, st.integers(1, 5), st.integers(1, 10**8))
def test_parts_become_smaller(sizes: list[int], number: int, least: int) -> None:
    """Every source is in one part, in order; none has more than its share, but for a large one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_LEAST_BYTES", least)
        parts = [*batches.tapering(sizes, Workers(number))]
    assert [i for part in parts for i in range(len(sizes))[part]] == [*range(len(sizes))]
    assert all(part.start < part.stop for part in parts)
    for part in parts:
        most = sum(sizes[part.start :]) / number / 2
        inside = sizes[part]
        assert sum(inside) <= max(min(most, batches.BATCH_BYTES), least) or len(inside) == 1
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        others = Workers(1, executor)
        assert [*batches.tapering(sizes, others)] == [*batches.batches(sizes, others)]


@given(st.lists(st.integers(0, 50), max_size=200), st.integers(1, 400), st.integers(1, 30))
def test_batches_are_bounded_in_bytes_and_in_sources(
    sizes: list[int], batch_bytes: int, most: int
) -> None:
    """Every source is in one batch, in order; but for the last it has no more than it should."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_MOST_SOURCES", most)
        parts = [*batches.batches(sizes, Workers(), batch_bytes)]
    assert [i for part in parts for i in range(len(sizes))[part]] == [*range(len(sizes))]
    for part in parts:
        others, least = sizes[part][:-1], batch_bytes // most
        assert sum(max(size, least) for size in others) <= batch_bytes
        assert least == 0 or len(others) <= batch_bytes // least


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what was read in batches in as many shards."""
    monkeypatch.setattr("dr_gen.store.compaction.ONE", 0)


def test_a_new_store_is_one_shard_unless_it_is_large(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it was read in, what is new opens as one file, and what is added stays beside it."""
    monkeypatch.setattr("dr_gen.store.compaction.ONE", 10**8)
    store = tmp_path / "store"
    group = brought(logs, store)
    assert shards(store) == len(list((store / "shards").iterdir())) == 1
    assert exact(group) == exact(load(logs, cache=False))
    brought(make(tmp_path / "more" / "logs"), store)
    assert shards(store) > 1


def test_a_batch_is_a_shard_and_a_little_is_one(logs: Path, tmp_path: Path) -> None:
    """What is read is let go batch by batch; small ingests stay one file."""
    brought(logs, tmp_path / "many")
    assert 5 < shards(tmp_path / "many") < 20
    ingest(logs, tmp_path / "one")
    assert shards(tmp_path / "one") == 1
    assert open_store(tmp_path / "one") == open_store(tmp_path / "many")
    assert len(list((tmp_path / "many" / "shards").iterdir())) == shards(tmp_path / "many")


def test_runs_of_one_name_are_told_apart_across_batches(tmp_path: Path) -> None:
    """Also where the name is only found out by reading, or was free when its file was read."""
    logs, store = tmp_path / "logs", tmp_path / "store"
    make(logs)
    brought(logs, store)
    first = brought(make(tmp_path / "more" / "logs"), store)
    assert first.ids[11:14] == ("bad~2", "flat~2", "run_0~2")
    assert first == brought(tmp_path / "more" / "logs", store)
    shutil.copytree(logs, tmp_path / "third")
    assert brought(tmp_path / "third", store)["run_8~3"].seed == 8
    whole = brought(tmp_path / "third", tmp_path / "other", batch=10**9)
    for source in (logs, tmp_path / "more" / "logs"):
        whole = brought(source, tmp_path / "other", batch=10**9)
    assert len(whole) == 33


def test_names_that_are_found_by_reading_are_told_apart(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two batches that found the same name are given two, in the order of the files."""
    read = NativeReader.read_many

    def alike(self: NativeReader, items: Any) -> Any:
        for result in read(self, items):
            runs = tuple(run.with_facts(id="same") for run in result.runs)
            yield type(result)(runs, result.findings)

    monkeypatch.setattr(NativeReader, "read_many", alike)
    there, here = brought(logs, tmp_path / "many"), brought(logs, tmp_path / "one", batch=10**9)
    assert there == here == load(logs, cache=False)
    names = ["same", "flat", *(f"same~{i}" for i in range(2, 11))]
    assert [*there.ids] == names
    assert [run.seed for run in there][2:] == list(range(9))


def test_a_name_that_became_free_is_taken_without_reading(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that had to make way gets its own name back, with the same content."""
    store, more = tmp_path / "store", make(tmp_path / "more", 3)
    brought(logs, store)
    assert "run_1~2" in brought(more, store).ids
    for path in logs.iterdir():
        path.unlink()
    with writing(store):
        apply(plan(logs, store), keep_gone=False)
    expected = load(more, cache=False)
    monkeypatch.setattr("dr_gen.ingestion.reading.read_sources", None)
    assert brought(more, store) == expected


@pytest.mark.usefixtures("pays")
def test_processes_give_the_same(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a store, in the cache and without one; and nothing but the store is left of it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    expected = load(logs, cache=False)
    heard: list[tuple[int, int]] = []
    stored = ingest(logs, tmp_path / "store", workers=2, progress=lambda *at: heard.append(at))
    assert shards(tmp_path / "store") >= 4
    assert [done for done, _ in heard] == sorted({done for done, _ in heard})
    assert heard[-1] == (11, 11)
    for group in (stored, load(logs, workers=2), load(logs, workers=2, cache=False)):
        assert group == expected
        assert exact(group) == exact(expected)
        assert group.findings == expected.findings
    assert list(temporary.iterdir()) == []


def test_validators_of_ones_own_and_stores_go_along(logs: Path, tmp_path: Path) -> None:
    """As without workers."""
    ingest(logs, tmp_path / "store")
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        for options in ({"validators": []}, {"expected_epochs": 5}):
            for source in (logs, [tmp_path / "store", logs]):
                there = load(source, cache=False, executor=executor, **options)
                assert exact(there) == exact(load(source, cache=False, **options))
        ingest([tmp_path / "store", logs], tmp_path / "both", executor=executor)
    assert len(open_store(tmp_path / "both")) == 22


def test_little_is_read_by_this_process(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where starting processes takes longer than reading, none is started."""
    monkeypatch.setattr("dr_gen.parallel._processes", None)
    assert load(logs, workers=2) == load(logs, workers="auto", cache=False)


def test_workers_that_make_no_sense_are_refused(logs: Path, tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match="at least 1"):
        load(logs, workers=0)
    with pytest.raises(UsageError, match="at least 1"):
        ingest(logs, tmp_path / "store", workers=-1)
    assert not (tmp_path / "store").exists()


class Elsewhere(concurrent.futures.Executor):
    """Does each job at once, in another folder or without what it wrote."""

    def __init__(self, folder: Path | None, lost: str = "") -> None:
        self.folder, self.lost = folder, lost

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """As the original, at once."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        here = Path.cwd()
        os.chdir(self.folder or here)
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        finally:
            os.chdir(here)
        for path in Path(self.lost).glob("*.nc") if self.lost else ():
            path.unlink()
        return future


def test_workers_that_see_other_files_are_found_out(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than a store of unreadable files there is an error that says so."""
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "store"
    with pytest.raises(WorkerError, match="give absolute paths"):
        ingest("logs", store, executor=Elsewhere(logs))
    assert ingest(logs, tmp_path / "fine", executor=Elsewhere(logs)) == load(logs)
    with pytest.raises(StoreError, match="do all share this folder"):
        ingest(logs, store, executor=Elsewhere(None, str(store / "shards")))
    read = NativeReader.read_many
    monkeypatch.setattr(os.path, "lexists", lambda path: "run_3" not in str(path))
    monkeypatch.setattr(
        NativeReader, "read_many", lambda self, items: (attrs_none(r) for r in read(self, items))
    )
    with pytest.raises(WorkerError, match=r"does not see .*run_3"):
        ingest(logs, store, executor=Elsewhere(None))
    assert not store.exists()


def attrs_none(result: Any) -> Any:
    """A result without its runs."""
    return type(result)()


@pytest.mark.usefixtures("pays")
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_worker_leaves_the_store_as_it_was(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error, no shard of the others; and the next time all is read."""
    store = tmp_path / "store"
    native(logs / "run_0.jsonl", seed=70)
    monkeypatch.setattr("dr_gen.ingestion.applying.ReadBatch", KillingBatch)
    with pytest.raises(WorkerError, match="killed"):
        ingest(logs, store, workers=2)
    assert not store.exists()
    monkeypatch.undo()
    assert ingest(logs, store) == load(logs)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    for seed in range(9):
        native(logs / f"run_{seed}.jsonl", seed + 50, epochs=4)
    monkeypatch.setattr("dr_gen.ingestion.applying.ReadBatch", KillingBatch)
    monkeypatch.setattr(batches, "PAYS_BYTES", 0)
    monkeypatch.setattr(batches, "_LEAST_BYTES", SMALL)
    with pytest.raises(WorkerError, match="killed"):
        ingest(logs, store, workers=2)
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


class KillingBatch(batches.ReadBatch):
    """Reads what it is given first in each process; a worker is killed at its second batch."""

    def __call__(self, batch: Any, progress: Any = None) -> Any:
        """Read, or die."""
        first = any("bad" in source.path.name for source in batch.sources)
        if multiprocessing.parent_process() is not None and not first:
            os.kill(os.getpid(), signal.SIGKILL)
        return batches.ReadBatch.__call__(self, batch, progress)


KILLS = """
    import os, random, signal, sys, time
    from pathlib import Path
    from dr_gen.ingestion import open_store, plan
    from dr_gen.ingestion.applying import apply
    from dr_gen.store import catalogue as catalogues
    from dr_gen.store.writing import writing
    import netCDF4
    logs, store, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

    def bring():
        with writing(store):
            apply(plan(logs, store), batch_bytes=300)

    def state(path):
        return {run.id: run.seed for run in path}

    bring()
    expected, hit = state(open_store(store)), 0
    lines = {path: path.read_bytes() for path in sorted(logs.glob("run_*"))}
    random.seed(3)
    for i in range(kills):
        for path, content in lines.items():
            path.write_bytes(content.replace(b'"seed": ', b'"seed": %d' % (i % 7 + 1)))
        child = os.fork()
        if child == 0:
            try:
                bring()
            finally:
                os._exit(0)
        time.sleep(random.uniform(0.01, 0.25))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        found = state(open_store(store))
        if os.WIFSIGNALED(status):
            names = {path.name for path in (store / "shards").iterdir()}
            hit += len(names) > len(open_store(store).table.records) or found == expected
            assert found == expected or all(f"{v}".startswith(str(i % 7 + 1)) for k, v in
                found.items() if k.startswith("run_")), (i, found)
        expected = found
    bring()
    left = {path.name for path in (store / "shards").iterdir()}
    assert left == {shard.name for shard in catalogues.read(store).shards}, left
    print(hit)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_a_kill_between_batches_loses_nothing(logs: Path, tmp_path: Path, kills: int) -> None:
    """The store holds all of the old or all of the new; the next writer removes what was left."""
    store = tmp_path / "store"
    command = [sys.executable, "-c", textwrap.dedent(KILLS), str(logs), str(store), str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
    assert exact(open_store(store)) == exact(load(logs, cache=False))


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[concurrent.futures.Executor]:
    """Two worker processes of a real cluster."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path / "dask"),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


def test_a_dask_cluster_reads(dask: Any, logs: Path, tmp_path: Path) -> None:
    """Two processes of dask give what this one gives."""
    expected = load(logs, cache=False)
    with writing(tmp_path / "store"):
        decided = plan(logs, tmp_path / "store")
        apply(decided, workers=Workers(executor=dask), batch_bytes=SMALL)
    assert shards(tmp_path / "store") > 4
    assert exact(open_store(tmp_path / "store")) == exact(expected)
    assert load(logs, cache=False, executor=dask) == expected
    assert load(logs, executor=dask) == expected
    with pytest.raises(WorkerError, match="ZeroDivisionError"):
        run(divided, [0], Workers(executor=dask))


def divided(item: int) -> float:
    return 1 / item
