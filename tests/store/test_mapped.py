"""Long arrays of a store are mapped where they lie, and read wherever that may not be."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dr_gen import testing
from dr_gen.convert import exact_json, run_to_dict
from dr_gen.errors import StoreFormatError
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.store import catalogue as catalogues
from dr_gen.store import mapped, netcdf
from dr_gen.store.catalogue import Catalogue, Shard
from dr_gen.store.mapped import ALIGNED, LONG, array_at, content_of, found_in, is_mappable
from dr_gen.store.store import open_store, save

ARRAYS = st.dictionaries(
    st.sampled_from("abcd"),
    st.one_of(
        st.lists(st.floats(), min_size=1, max_size=40).map(np.array),
        st.lists(st.sampled_from([0, 1]), min_size=1, max_size=40).map(np.array),
    ),
)


@pytest.fixture(scope="module", autouse=True)
def everything_is_long() -> Iterator[None]:
    """Arrays of a few bytes are treated as those of many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped, "LONG", 1)
        yield


def runs(n: int = 3) -> RunGroup:
    """Runs with a curve each."""
    return RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": f"r{i}",
                "hpms": {"lr": 0.1 * i},
                "curves": {"val/acc": {"x": {"epoch": [1, 2]}, "values": [i, 0.5]}},
            }
        )
        for i in range(n)
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of three runs."""
    save(runs(), tmp_path / "store")
    return tmp_path / "store"


def is_mapped(array: Any) -> bool:
    """Whether the numbers of an array are those of a file."""
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, memoryview)


def values(group: RunGroup) -> NDArray[np.float64]:
    """All values of a group as one array."""
    array = group.table.curves.values
    assert isinstance(array, np.ndarray)
    return array


def exact(group: RunGroup) -> list[str]:
    """Everything that is known of the runs of a group."""
    return [exact_json({**run_to_dict(run), "hpms": sorted(run.hpms.items())}) for run in group]


def starts(store: Path) -> dict[str, int]:
    """Where the arrays of the only shard begin, as its catalogue has it."""
    [found] = json.loads((store / "catalogue.json").read_bytes())["starts"].values()
    return dict(found)


def with_starts(store: Path, found: Any) -> None:
    """Put others in the catalogue."""
    data = json.loads((store / "catalogue.json").read_bytes())
    data["starts"] = {data["shards"][0]["name"]: found}
    (store / "catalogue.json").write_text(json.dumps(data))


def shard_of(store: Path) -> Path:
    """The only shard of a store."""
    [shard] = store.glob("shards/*")
    return shard


mappable = pytest.mark.skipif(
    not is_mappable(Path(tempfile.gettempdir())), reason="temporary files lie where none is mapped"
)


# ---------------------------------------------------------------------------- in a file


@given(ARRAYS, st.integers(0, 3), st.binary(max_size=100))
def test_what_is_found_is_what_was_written(
    arrays: dict[str, NDArray[Any]], skipped: int, rest: bytes
) -> None:
    """Of arrays that lie in a file at places that may be mapped all are found, as they are."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        content = b"\0" * ALIGNED * skipped
        for array in arrays.values():
            content += array.tobytes()
            content += bytes(-len(content) % ALIGNED)
        path.write_bytes(content + rest + b"!")
        found = found_in(path, arrays)
        assert found.keys() == arrays.keys()
        for name, start in found.items():
            array = arrays[name]
            back = array_at(content_of(path), start, array.shape, array.dtype)
            assert back is not None
            assert back.tobytes() == array.tobytes()
            assert not back.flags.writeable


@given(ARRAYS, st.binary(max_size=200))
def test_what_does_not_lie_there_is_not_found(
    arrays: dict[str, NDArray[Any]], content: bytes
) -> None:
    """Nothing but the very bytes, at a place that may be mapped, is taken for an array."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(b"!" + content)
        for name, start in found_in(path, arrays).items():
            raw = arrays[name].tobytes()
            assert start % ALIGNED == 0
            assert path.read_bytes()[start : start + len(raw)] == raw


def test_short_arrays_are_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To map them takes as long as to read them."""
    monkeypatch.setattr(mapped, "LONG", LONG)
    (tmp_path / "file").write_bytes(bytes(LONG))
    arrays = {"short": np.zeros(LONG - 1, np.uint8), "long": np.zeros(LONG, np.uint8)}
    assert found_in(tmp_path / "file", arrays) == {"long": 0}


def test_places_outside_of_a_file_hold_no_array(tmp_path: Path) -> None:
    """Neither before it, nor behind it, nor where numbers would not be aligned."""
    (tmp_path / "file").write_bytes(bytes(2 * ALIGNED))
    content, eight = content_of(tmp_path / "file"), np.dtype(np.float64)
    for start, size in ((-ALIGNED, 1), (ALIGNED, 9), (2 * ALIGNED, 1), (1, 1), (1 << 70, 1)):
        assert array_at(content, start, (size,), eight) is None
    assert array_at(content, ALIGNED, (8,), eight) is not None


# ---------------------------------------------------------------------------- in a store


@given(testing.groups(), st.booleans())
def test_a_group_comes_back_from_where_it_lies(group: RunGroup, compress: bool) -> None:
    """Mapped or not, every run is the same, and no array can be written to."""
    with tempfile.TemporaryDirectory() as folder:
        save(group, folder, compress=compress)
        back = open_store(folder)
        assert back == group
        assert exact(back) == exact(group)
        assert not values(back).flags.writeable


@mappable
def test_values_are_not_copied(store: Path) -> None:
    """The long arrays of a store are those of its file."""
    group = open_store(store)
    assert {"value", "hpm_code", "records_json", "hpms_json"} <= starts(store).keys()
    assert is_mapped(values(group))
    assert is_mapped(group.table.hpms.codes)


@mappable
def test_what_is_mapped_outlives_its_file(store: Path) -> None:
    """A store that is replaced, or removed, leaves those who opened it what they have."""
    group = open_store(store)
    assert is_mapped(values(group))
    before = exact(group)
    save(runs(1), store)
    assert exact(group) == before
    shutil.rmtree(store)
    assert exact(group) == before


@pytest.mark.parametrize("compress", [True, False])
def test_compressed_arrays_are_read(store: Path, compress: bool) -> None:
    """They do not lie in the file as they are."""
    save(runs(), store, compress=compress)
    assert ("starts" in json.loads((store / "catalogue.json").read_bytes())) is not compress
    assert exact(open_store(store)) == exact(runs())


@pytest.mark.parametrize("found", [None, {}, {"value": 0}, {"value": 64, "none": 64}, "beyond"])
def test_without_the_right_places_arrays_are_read(store: Path, found: Any) -> None:
    """A catalogue that tells none, as older ones, or wrong ones, costs nothing but time."""
    size = shard_of(store).stat().st_size
    with_starts(store, {"value": size - size % ALIGNED} if found == "beyond" else found)
    group = open_store(store)
    assert exact(group) == exact(runs())
    assert not is_mapped(values(group))


@pytest.mark.parametrize("found", [3, {"value": "x"}, {"value": None}])
def test_places_that_are_none_are_damage(store: Path, found: Any) -> None:
    """What no dr_gen wrote is not taken for something else."""
    with_starts(store, found)
    with pytest.raises(StoreFormatError, match="damaged"):
        open_store(store)


def test_a_store_of_before_is_the_same(store: Path) -> None:
    """The places are no part of what a store is, and others know the rest without them."""
    with_places = catalogues.read(store)
    data = json.loads((store / "catalogue.json").read_bytes())
    assert data["shards"][0].keys() == {"name", "size", "runs", "points"}
    del data["starts"]
    (store / "catalogue.json").write_text(json.dumps(data))
    assert catalogues.read(store) == with_places
    assert exact(open_store(store)) == exact(runs())


def test_a_value_that_was_changed_is_seen(store: Path) -> None:
    """What the library reads is what is mapped, whoever wrote it."""
    with netCDF4.Dataset(shard_of(store), "a") as file:
        file["value"][1] = 7.0
    assert values(open_store(store))[1] == 7.0


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("36 35 {device} / / rw,noatime - ext4 /dev/a rw\n", True),
        ("36 35 {device} /a /b rw shared:1 - tmpfs tmpfs rw\n", True),
        ("36 35 {device} / /home rw - nfs4 server:/home rw\n", False),
        ("36 35 {device} / /home rw - fuse.sshfs server:/home rw\n", False),
        ("36 35 0:9999 / /home rw - ext4 /dev/a rw\n", False),
        ("36 35 0:9999 / /x {device} rw - ext4 /dev/a rw\n", False),
        ("", False),
        (None, False),
    ],
)
def test_only_files_of_this_machine_are_mapped(
    store: Path, monkeypatch: pytest.MonkeyPatch, mounts: str | None, expected: bool
) -> None:
    """A network may take away what is mapped: where it may, or nobody tells, files are read."""
    device = store.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"

    def read(path: Path, **_: Any) -> str:
        assert path == Path("/proc/self/mountinfo")
        if mounts is None:
            raise FileNotFoundError(str(path))
        return mounts.format(device=number)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", read)
        assert is_mappable(store) is (expected and sys.byteorder == "little")
        group = open_store(store)
    assert is_mapped(values(group)) is (expected and sys.byteorder == "little")
    assert exact(group) == exact(runs())


def test_a_file_that_is_not_there_is_not_mapped(tmp_path: Path) -> None:
    """Whoever asks will be told when he opens it."""
    assert not is_mappable(tmp_path / "none")


def test_nothing_is_left_set_in_the_library(store: Path) -> None:
    """Files that others write with it begin their arrays where they like, and can be opened."""
    threshold, alignment = netCDF4.get_alignment()
    assert (threshold, alignment) in ((0, 0), (0, 1))
    path = store.parent / "other.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3)
        file.createVariable("x", "f8", ("x",))[:] = [1, 2, 3]
    with netCDF4.Dataset(path) as file:
        assert file["x"][:].tolist() == [1, 2, 3]


# ---------------------------------------------------------------------------- the catalogue


@given(st.lists(st.integers(0, 4), max_size=4), st.data())
def test_all_runs_are_where_they_are(sizes: list[int], data: st.DataObject) -> None:
    """Places that nobody wrote down are like those that somebody did, but not listed."""
    shards = tuple(Shard(f"runs-{i}.nc", 1, size, 0) for i, size in enumerate(sizes))
    listed = tuple((i, row) for i, size in enumerate(sizes) for row in range(size))
    places = Catalogue(shards).places
    assert len(places) == len(listed)
    assert places == listed
    assert listed == places
    assert hash(places) == hash(listed)
    assert [*places] == [*listed]
    assert np.asarray(places, np.intp).reshape(-1, 2).tolist() == [*map(list, listed)]
    assert places[1:] == listed[1:]
    if listed:
        number = data.draw(st.integers(0, len(listed) - 1))
        assert places[number] == listed[number]
        assert places != listed[1:]
    assert places == Catalogue(shards).places
    assert places != Catalogue((*shards, Shard("runs-more.nc", 1, 1, 0))).places


def test_the_library_is_asked_at_both_ends(store: Path) -> None:
    """A shard whose arrays moved since, at the same size, is read and not mapped."""
    found = starts(store)
    swapped = {**found, "curve_run": found["curve_metric"], "curve_metric": found["curve_run"]}
    [shard] = catalogues.read(store).shards
    layout, _ = netcdf.read(shard_of(store), starts=swapped)
    right, _ = netcdf.read(shard_of(store))
    assert layout.arrays.keys() <= right.arrays.keys()
    for name, array in layout.arrays.items():
        assert array.tobytes() == right.arrays[name].tobytes()
    assert attrs.evolve(shard, starts={}) == shard
