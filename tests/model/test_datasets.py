"""Runs as datasets of xarray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given

from dr_gen.errors import UnknownKeyError
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.testing import groups


def group() -> RunGroup:
    return RunGroup.from_runs(
        RunData.from_dict(
            {
                "id": f"r{i}",
                "hpms": {"lr": lr, "seed": i, "opt": "sgd" if i else "adam"},
                "curves": {
                    "val/acc": {"values": [0.5, lr], "x": {"epoch": [0, 2]}},
                    "train/loss": {
                        "values": [3.0, 2.0, 1.0],
                        "x": {"epoch": [0, 1, 2], "step": [0, 10, 20]},
                    },
                    **({"train/lr/group0": [lr]} if i else {}),
                },
            }
        )
        for i, lr in enumerate([0.1, 0.2])
    )


def test_metrics_side_by_side() -> None:
    """Variables are metrics by address, axes of one name are joined, runs have coordinates."""
    data = group().to_xarray()
    assert list(data.data_vars) == list(group().metrics)
    assert set(data.data_vars) == {"train/loss", "train/lr/group0", "val/acc"}
    assert data.sizes == {"run": 2, "epoch": 3}
    assert data["epoch"].values.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(data["val/acc"], [[0.5, np.nan, 0.1], [0.5, np.nan, 0.2]])
    assert data["lr"].values.tolist() == [0.1, 0.2]
    assert data["status"].values.tolist() == ["completed"] * 2
    assert np.isnan(data["train/lr/group0"].sel(run="r0")).all()
    assert data.sel(run="r1")["train/loss"].values.tolist() == [3.0, 2.0, 1.0]
    by_lr = data["val/acc"].groupby("lr").mean()
    assert by_lr.sel(lr=0.2, epoch=2) == 0.2


def test_chosen_metrics_and_axes() -> None:
    """Addresses choose, reductions are numbers of each run, an axis may be named."""
    data = group().to_xarray("train/loss", "val/acc@best", x="step")
    assert data["train/loss"].dims == ("run", "step")
    assert data["val/acc@best"].dims == ("run",)
    assert data["val/acc@best"].values.tolist() == [0.5, 0.5]
    with pytest.raises(UnknownKeyError):
        group().to_xarray("val/loss")
    with pytest.raises(UnknownKeyError):
        group().to_xarray("val/acc", x="step")


def test_a_tree_of_splits(tmp_path: Path) -> None:
    """Each split is a child; runs and their coordinates are at the root; netCDF takes it."""
    tree = group().to_xarray(tree=True)
    assert isinstance(tree, xr.DataTree)
    assert set(tree.children) == {"train", "val"}
    assert list(tree["train"].data_vars) == ["loss", "lr.group0"]
    assert tree["val/acc"].sel(run="r1").values.tolist() == [0.5, 0.2]
    assert tree["lr"].values.tolist() == [0.1, 0.2]
    tree.to_netcdf(tmp_path / "tree.nc")
    with xr.open_datatree(tmp_path / "tree.nc") as again:
        assert again["train/loss"].shape == (2, 3)
        assert again["lr"].values.tolist() == [0.1, 0.2]


@given(groups())
def test_every_value_is_there(group: RunGroup) -> None:
    """Each variable is the array that `curves` gives, as wide as the joined axis."""
    data, tree = group.to_xarray(), group.to_xarray(tree=True)
    assert list(data.data_vars) == list(group.metrics)
    assert set(data["run"].values.tolist()) == set(group.ids)
    for name in group.metrics:
        alone = group.curves(name)
        (x,) = (dim for dim in alone.dims if dim != "run")
        split, metric = name.split("/", 1)
        for found in (data[name], tree[split][metric.replace("/", ".")]):
            (dim,) = (dim for dim in found.dims if dim != "run")
            assert str(dim) in (x, f"{x}.{alone[x].dtype}")
            joined = found.reindex({dim: alone[x].values}).transpose("run", dim)
            np.testing.assert_array_equal(joined, alone.values)


def test_axes_that_cannot_be_joined_stay_apart() -> None:
    """A step that no float holds is not rounded to join that of another metric."""
    large = 2**53 + 1
    run = RunData.from_dict(
        {
            "id": "a",
            "curves": {
                "a/int": {"values": [1.0, 2.0], "x": {"step": [large - 1, large]}},
                "b/float": {"values": [3.0], "x": {"step": [0.5]}},
                "c/small": {"values": [4.0], "x": {"step": [7]}},
            },
        }
    )
    data = RunGroup.from_runs([run]).to_xarray()
    assert data["a/int"].sel(step=large).item() == 2.0
    assert data["b/float"].dims == ("run", "step.float64")
    assert data["c/small"].sel(step=7).item() == 4.0
