"""What others see who open our files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given

from dr_gen import testing
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.store.columns import COLUMNS
from dr_gen.store.schema import SCHEMA
from dr_gen.store.store import open_store, save

AXES = {
    "epoch": [0, 1, 2],
    "time": [1.5, 3.0, 4.5],
    "day": ["mon", "tue\0", "\ud800"],
}


def sample() -> RunGroup:
    """Two runs with every kind of x, names that netCDF cannot hold, and a finding."""
    return RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": name,
                "experiment": "digits",
                "hpms": {"lr": lr, "seed": 1},
                "findings": [Finding("gap", "epoch 3", run=name)],
                "curves": {
                    "val/acc1": {"x": AXES, "values": [1.0, 2.0, lr], "original_name": "Acc@1"},
                    "odd split/loss": {"x": AXES, "values": [3.0, float("nan"), 4.0]},
                },
            }
        )
        for name, lr in (("a\0b", 0.1), ("\udc80", 0.5))
    )


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def shard(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The one shard of the sample."""
    save(sample(), tmp_path, compress=request.param)
    (path,) = (tmp_path / "shards").iterdir()
    return path


def test_xarray_opens_a_shard_without_a_word(shard: Path) -> None:
    """Plain `open_dataset` decodes every variable, and no warning is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_dataset(shard) as data:
            data.load()
    assert data.attrs["Conventions"] == "CF-1.11"
    assert data.attrs["featureType"] == "timeSeries"
    assert data["row_size"].attrs["sample_dimension"] == "obs"
    assert data["run_id"].values.tolist() == ["a\\x00b", "\\udc80"]
    assert data["status"].values.tolist() == ["completed", "completed"]
    assert data["experiment"].values.tolist() == ["digits", "digits"]
    assert data["value"].dtype == np.float64
    assert data["x_float"].attrs["units"] == "s"
    assert all("long_name" in data[name].attrs for name in data.variables)


def test_a_stranger_can_find_a_curve(shard: Path) -> None:
    """With what the file itself says a curve and its x are found, by xarray alone."""
    with xr.open_dataset(shard) as data:
        data.load()

    def meaning(name: str, code: int) -> str:
        attributes = data[name].attrs
        position = np.atleast_1d(attributes["flag_values"]).tolist().index(code)
        return str(attributes["flag_meanings"].split(" ")[position])

    found = {}
    for c in range(data.sizes["curve"]):
        start = int(data["row_size"][:c].sum())
        values = data["value"][start : start + int(data["row_size"][c])].values.tolist()
        axes = {}
        for a in np.flatnonzero(data["axis_block"] == data["curve_block"][c]):
            first, pool = int(data["axis_start"][a]), meaning("axis_kind", data["axis_kind"][a])
            xs = data[pool][first : first + int(data["row_size"][c])].values.tolist()
            axes[meaning("axis_x", data["axis_x"][a])] = xs
        split, metric = (meaning(f"curve_{n}", data[f"curve_{n}"][c]) for n in ("split", "metric"))
        found[int(data["curve_run"][c]), split, metric] = (values, axes)
    values, axes = found[0, "val", "acc1"]
    assert values == [1.0, 2.0, 0.1]
    assert (axes["epoch"], axes["time"]) == (AXES["epoch"], AXES["time"])
    texts = json.loads(data["names_json"].item())["x_texts"]
    assert [texts[code] for code in axes["day"]] == AXES["day"]
    assert set(found) == {(r, *n) for r in (0, 1) for n in (("val", "acc1"), ("odd_split", "loss"))}
    hpms = json.loads(data["hpms_json"].item())
    lr = hpms["keys"].index("lr")
    assert [hpms["values"][lr][code] for code in data["hpm_code"][lr].values] == [0.1, 0.5]
    records = json.loads(data["records_json"].item())
    assert [record["id"] for record in records] == list(sample().ids)


@given(group=testing.groups(min_size=1))
def test_xarray_sees_the_same_values(
    group: RunGroup, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The values of every run, added up by xarray, are those of the model."""
    folder = tmp_path_factory.mktemp("store")
    save(group, folder)
    (path,) = (folder / "shards").iterdir()
    own = [run.table.curves.curve_values(c) for run in group for c in run_curves(run)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_dataset(path) as data:
            seen = data["value"].values if "value" in data else np.empty(0)
    assert np.array_equal(np.sort(seen), np.sort(np.concatenate([[], *own])), equal_nan=True)


def run_curves(run: RunData) -> list[int]:
    """The curves of a run in its columns."""
    return [int(curve) for curve in run.table.curves.curves_of_run(run.index)]


def test_every_column_is_documented_and_of_its_type(shard: Path) -> None:
    """The table of columns is what is in the file: types, dimensions, attributes, no fill value."""
    with netCDF4.Dataset(shard) as file:
        for column in COLUMNS:
            variable = file[column.name]
            assert variable.dimensions == column.dims
            assert variable.long_name == column.long_name
            assert "_FillValue" not in variable.ncattrs()
            if column.dtype != "O":
                assert variable.dtype == np.dtype(column.dtype)
                flags = variable.__dict__.get("flag_values")
                assert flags is None or flags.dtype == variable.dtype
        assert set(file.variables) == {c.name for c in COLUMNS} | {
            "records_json",
            "hpms_json",
            "names_json",
        }
        assert file.creator == "dr_gen"
        assert file.schema_number == SCHEMA
        assert file.history.startswith(f"{file.date_created} dr_gen {file.creator_version}")


def test_files_are_plain_unless_asked(tmp_path: Path) -> None:
    """Contiguous and unfiltered by default; deflated with shuffle, and smaller, when asked."""
    values = np.repeat(np.arange(1000.0), 200)
    group = RunGroup.from_runs([RunData.from_dict({"id": "a", "curves": {"val/acc": values}})])
    sizes, storage = [], []
    for compress in (False, True):
        folder = tmp_path / str(compress)
        save(group, folder, compress=compress)
        (path,) = (folder / "shards").iterdir()
        sizes.append(path.stat().st_size)
        with netCDF4.Dataset(path) as file:
            storage.append((file["value"].chunking(), file["value"].filters()))
        assert open_store(folder) == group
    assert storage[0][0] == "contiguous"
    assert not storage[0][1]["zlib"]
    assert storage[1][0] == [65536]
    assert (storage[1][1]["zlib"], storage[1][1]["shuffle"], storage[1][1]["complevel"]) == (
        True,
        True,
        1,
    )
    assert sizes[1] < sizes[0] / 4


@pytest.mark.skipif(shutil.which("ncdump") is None, reason="ncdump is not installed")
def test_ncdump_shows_what_is_inside(shard: Path) -> None:
    """The header names the splits, the metrics and the axes."""
    done = subprocess.run(["ncdump", "-h", shard], capture_output=True, text=True, check=True)
    for line in (
        'curve_split:flag_meanings = "val odd_split"',
        'curve_metric:flag_meanings = "acc1 loss"',
        'axis_x:flag_meanings = "epoch time day"',
        'row_size:sample_dimension = "obs"',
        ':Conventions = "CF-1.11"',
    ):
        assert line in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("module", ["store.store", "convert"])
def test_heavy_libraries_are_loaded_late(module: str) -> None:
    """Importing the store loads neither netCDF4 nor xarray nor cattrs."""
    code = (
        f"import sys, dr_gen.{module}\n"
        "print(sorted({'netCDF4', 'xarray', 'cattrs', 'pandas'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
