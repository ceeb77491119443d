"""A store whose numbers stay in its files gives what one in memory gives."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_gen import testing
from dr_gen.analysis.seeds import summarize
from dr_gen.errors import StoreError, UsageError
from dr_gen.model.address import MetricAddress
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.store import netcdf, ondemand
from dr_gen.store.change import changing
from dr_gen.store.ondemand import Reading
from dr_gen.store.store import open_store, save
from dr_gen.store.writing import commit, writing


def saved(group: RunGroup, store: Path, n_shards: int = 1) -> Path:
    """The group as a store of several shards; the runs of each are not those of one stretch."""
    with writing(store), changing(store) as change:
        parts = [group[i::n_shards] for i in range(n_shards)]
        written = [change.write(part.table.take(part.indices)) for part in parts if len(part)]
        where = {run: (i, row) for i, w in enumerate(written) for row, run in enumerate(w.runs)}
        rows = {run: where[run] for run in group.ids}
        commit(change, [w.shard for w in written], rows, group.source_findings)
    return store


def small(n: int = 6) -> RunGroup:
    """Runs of unequal length, with two metrics."""
    return RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": f"r{i}",
                "hpms": {"lr": i % 2, "seed": i},
                "curves": {m: np.arange(3.0 + i) + k for k, m in enumerate(("val/a", "val/b"))},
            }
        )
        for i in range(n)
    )


def x_names(run: RunData, address: MetricAddress) -> list[str]:
    """The x-axes that a metric of a run has."""
    return [*run.get(str(address.split), {}).get(address.metric, ())]


def same(a: Any, b: Any) -> bool:
    """Whether two arrays are the same, coordinates and all."""
    return bool(a.compute().identical(b))


@settings(max_examples=25)
@given(testing.groups(min_size=1), st.integers(1, 3), st.sampled_from([1, 5, 10**6]), st.data())
def test_what_is_left_in_files_is_the_same(
    group: RunGroup, n_shards: int, chunks: int, data: st.DataObject
) -> None:
    """Every run; and every metric over all runs or some, on any x, whatever repeats."""
    with tempfile.TemporaryDirectory() as folder:
        store = saved(group, Path(folder, "store"), n_shards)
        lazy, eager = open_store(store, chunks=chunks), open_store(store)
        assert lazy == eager == group
        assert open_store(store, reading=Reading()) == group
        some = data.draw(st.permutations(range(len(group))))[: data.draw(st.integers(1, 9))]
        repeats = data.draw(st.sampled_from(["last", "first", "mean"]))
        for runs in (slice(None), some):
            there, here = lazy[runs], eager[runs]
            for name in here.metrics:
                address = here.address(name)
                axes = {x for run in here for x in x_names(run, address)}
                for x in (None, *sorted(axes)):
                    found, wanted = (g.curves(name, x, repeats) for g in (there, here))
                    assert isinstance(found.data, dask.array.Array) or not found.size
                    assert same(found, wanted)
                for how in ("best", "last", "mean:2"):
                    found, wanted = there.values(f"{name}@{how}"), here.values(f"{name}@{how}")
                    np.testing.assert_array_equal(found, wanted)


def test_only_what_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening reads no value; a curve reads its own; an array of dask reads when it is computed."""
    read: list[tuple[str, int]] = []
    numbers = netcdf.Rows.__call__

    def spied(self: netcdf.Rows, name: str, start: int, stop: int) -> Any:
        read.append((name, stop - start))
        return numbers(self, name, start, stop)

    monkeypatch.setattr(netcdf.Rows, "__call__", spied)
    monkeypatch.setattr(ondemand, "_NEAR", 0)
    store = saved(small(), tmp_path / "store", 2)
    group = open_store(store, chunks=10)
    assert read == []
    assert group["r2"].curve("val/b").values.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [size for name, size in read if name == "value"] == [5]
    read.clear()
    curves = group.curves("val/a")
    assert {name for name, _ in read} == {"x_int"}
    assert curves.chunks == ((1,) * 6, (8,))
    read.clear()
    assert curves[2].sum().compute() == 10.0
    assert sum(size for name, size in read if name == "value") == 5
    read.clear()
    kept = open_store(store, reading=Reading())
    assert len(kept.curves("val/a")) == 6
    assert sum(size for name, size in read if name == "value") == 2 * (3 + 4 + 5 + 6 + 7 + 8)
    read.clear()
    assert len(kept.curves("val/b")) == 6
    assert read == []


def test_the_analysis_does_not_see_where_numbers_are(tmp_path: Path) -> None:
    """Summaries and reductions over seeds are those of a store in memory."""
    store = saved(small(), tmp_path / "store", 2)
    lazy, eager = open_store(store, chunks=5), open_store(store)
    assert summarize(lazy, "val/a@best").rows == summarize(eager, "val/a@best").rows
    for of in (lambda a: a.mean("run"), lambda a: a.std("run", ddof=1)):
        found, wanted = (of(g.curves("val/a")[:, :3]) for g in (lazy, eager))
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    by_lr = lazy.curves("val/a").groupby("lr").mean()
    np.testing.assert_allclose(by_lr, eager.curves("val/a").groupby("lr").mean(), rtol=1e-14)


def test_it_can_be_sent_to_another_process(tmp_path: Path) -> None:
    """Which then opens the files itself."""
    store = saved(small(), tmp_path / "store", 2)
    group = open_store(store, chunks=5)
    sent = pickle.dumps(group)
    assert pickle.loads(sent) == group
    curves = group.curves("val/a")
    assert same(pickle.loads(pickle.dumps(curves)), open_store(store).curves("val/a"))


def test_it_can_be_saved(tmp_path: Path) -> None:
    """In another place, and in its own."""
    store = saved(small(), tmp_path / "store", 2)
    save(open_store(store, chunks=5), tmp_path / "other")
    save(open_store(store, chunks=5)[1:], store)
    assert open_store(tmp_path / "other") == small()
    assert open_store(store) == small()[1:]


@pytest.mark.skipif(os.name == "nt", reason="open files stay on Windows")
def test_a_store_that_was_replaced_stays_readable(tmp_path: Path) -> None:
    """To whoever had opened it; another process says what to do."""
    store = saved(small(), tmp_path / "store")
    group = open_store(store, chunks=5)
    sent = pickle.dumps(group)
    save(small(2), store)
    assert group == small()
    with pytest.raises(StoreError, match="open the store again"):
        pickle.loads(sent)["r1"].curve("val/a").values  # noqa: B018


@pytest.mark.parametrize("chunks", [0, -1, 1.5, True, {"run": 1}, "many"])
def test_chunks_that_make_no_sense_are_refused(tmp_path: Path, chunks: Any) -> None:
    """What is allowed is said."""
    saved(small(), tmp_path)
    with pytest.raises(UsageError, match="at least 1 or 'auto'"):
        open_store(tmp_path, chunks=chunks)
    assert len(open_store(tmp_path, chunks="auto").curves("val/a").chunks[0]) == 1


def test_dask_is_loaded_for_chunks_alone(tmp_path: Path) -> None:
    """And without it they are refused."""
    saved(small(), tmp_path)
    code = """
        import sys
        import dr_gen
        group = dr_gen.open_store(sys.argv[1])
        assert not [name for name in sys.modules if name.partition(".")[0] == "dask"]
        sys.modules["dask"] = None
        try:
            dr_gen.open_store(sys.argv[1], chunks=3)
        except dr_gen.DrGenError as error:
            print(error)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "chunks need dask: pip install 'dr_gen[dask]'\n", done.stderr


LIMITED = """
    import resource, sys
    from pathlib import Path
    import dask, numpy as np
    import dr_gen
    from dr_gen.model.group import RunGroup
    from dr_gen.model.run import RunData
    from dr_gen.store.change import changing
    from dr_gen.store.store import open_store
    from dr_gen.store.writing import commit, writing
    import dr_gen.testing

    dask.config.set(scheduler="synchronous")
    POINTS, METRICS, RUNS = 50_000, 10, 10

    def make(store, n_shards):
        rows, shards = {}, []
        with writing(store), changing(store) as change:
            for shard in range(n_shards):
                written = change.write(RunGroup.from_runs(
                    RunData.from_dict({
                        "id": f"r{shard}-{i}",
                        "hpms": {"lr": i % 2, "seed": i // 2 + 100 * shard},
                        "curves": {f"val/m{m}": np.arange(POINTS) + i + m for m in range(METRICS)},
                    }) for i in range(RUNS)).table)
                shards.append(written.shard)
                rows |= {run: (shard, row) for row, run in enumerate(written.runs)}
            commit(change, shards, rows)

    def work(store, **options):
        group = dr_gen.open_store(store, **options)
        curves = group.curves("val/m3")
        mean, std = dask.compute(curves.mean("run"), curves.std("run", ddof=1))
        n = len(group)
        assert np.allclose(mean, np.arange(POINTS) + 3 + 4.5)
        assert np.allclose(std, np.std(np.tile(np.arange(10.0), n // 10), ddof=1))
        best = dr_gen.summarize(group, "val/m3@best").best
        assert (best.n, best.mean) == (n // 2, POINTS + 2 + 5.0)
        assert len(group["r0-1"].curve("val/m7")) == POINTS

    make(Path(sys.argv[1]), 1)
    make(Path(sys.argv[2]), int(sys.argv[3]))
    for options in ({}, {"chunks": 10**6}):
        work(sys.argv[1], **options)  # all that is imported or allocated once
    size = sum(file.stat().st_size for file in Path(sys.argv[2]).rglob("*.nc"))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + size // 2,) * 2)
    work(sys.argv[2], chunks=10**6)
    try:
        work(sys.argv[2])
        print("fits", size)
    except (MemoryError, dr_gen.DrGenError):
        print("too large", size)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
@pytest.mark.parametrize("n_shards", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_a_store_larger_than_memory_can_be_used(tmp_path: Path, n_shards: int) -> None:
    """Half its size is enough for the mean over seeds and a summary; in memory it is not."""
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), tmp_path / "a", tmp_path / "b"]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*map(str, command), str(n_shards)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    verdict, size = done.stdout.rsplit(maxsplit=1)
    assert verdict == "too large"
    assert int(size) > n_shards * 35e6
