"""Runs as named arrays: what a shard holds, without any file.

The curves form the contiguous ragged array representation of the CF conventions: `value` holds
curve behind curve, `row_size` the length of each. Curves are sorted by split, metric and run, so
that one metric of all runs is one slice of the file.

Whatever has to come back exactly but is no number (records, names, hyperparameter values) is in
texts of JSON. The text variables along ``run`` are there for people, and for tables made for them.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.convert import exact_json
from dr_gen.errors import UsageError
from dr_gen.model.curve_table import POOL_FLOAT, CurveTable
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.run_table import RunRecord, RunTable
from dr_gen.store.columns import COLUMNS, TEXTS, X_POOLS, flags
from dr_gen.store.exact import decoded
from dr_gen.store.record_texts import join_records, read_records
from dr_gen.store.sharing import with_shared_x

__all__ = [
    "HEAD",
    "Head",
    "Layout",
    "Text",
    "encoded",
    "from_layout",
    "head_from_layout",
    "readable",
    "records_from_layout",
    "to_layout",
]

HEAD = frozenset(
    {
        *(c.name for c in COLUMNS if not c.for_people and c.name not in ("value", *X_POOLS)),
        *("experiment", "hpms_json", "names_json"),
    }
)
"""What a `Head` is made of: all that does not grow with the number of points."""

_NAMES = ("splits", "metrics", "x_names", "originals")
_FIELDS = {
    "value": "values",
    **{f"curve_{name}": name for name in ("run", "split", "metric", "original", "block")},
    "axis_kind": "axis_pool",
    **{name: name for name in ("block_size", "axis_block", "axis_x", "axis_start")},
    **{name: name for name in ("axis_inferred", "axis_clean")},
}
"""Column of the layout to the column of a `CurveTable` that it is."""


Text = str | memoryview
"""As it was made, or as it lies in a file: a copy of a long one takes as long as reading it."""


@attrs.frozen(eq=False)
class Layout:
    """The content of one shard.

    Attributes
    ----------
    sizes : mapping
        Dimension to its size; one that is not there has size 0.
    arrays : mapping
        Name to array, dims as in `COLUMNS`; empty arrays may be left out. Large ones may be a
        `StoredArray`.
    texts : mapping
        Name to JSON text, ASCII; see `TEXTS`.
    attributes : mapping
        Name of an array to attributes that depend on the data.
    """

    sizes: Mapping[str, int]
    arrays: Mapping[str, Any]
    texts: Mapping[str, Text]
    attributes: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)


def encoded(text: Text) -> bytes | memoryview:
    """The letters of a text of a layout."""
    return text.encode("ascii") if isinstance(text, str) else text


# ---------------------------------------------------------------------------- to the layout


def to_layout(table: RunTable) -> Layout:
    """The runs of `table` as a layout.

    Raises
    ------
    UsageError
        If metadata or hyperparameters hold what is no plain data.
    """
    curves, hpms = with_shared_x(table.curves), table.hpms
    x_texts: dict[str, int] = {}
    x_text = [x_texts.setdefault(text, len(x_texts)) for text in curves.pools[2].tolist()]
    arrays: dict[str, NDArray[Any]] = {
        **{name: getattr(curves, field) for name, field in _FIELDS.items()},
        "row_size": curves.size,
        "curve": np.arange(len(curves.run)),
        "x_int": curves.pools[0],
        "x_float": curves.pools[1],
        "x_text": np.array(x_text, np.int32),
        "hpm_code": hpms.codes,
        "run_id": _readable(table.ids),
        "status": _readable(table.statuses),
        "experiment": _readable(table.facts("experiment", range(len(table.records)))),
    }
    names: dict[str, Any] = {name: getattr(curves, name) for name in _NAMES}
    records = join_records(table.records)
    checksum = zlib.crc32(records.encode("ascii"))
    names["runs"] = {"id": table.ids, "status": table.statuses, "crc32": checksum}
    texts = {
        "records_json": records,
        "hpms_json": exact_json({"keys": hpms.keys, "values": hpms.categories}),
        "names_json": exact_json({**names, "x_texts": list(x_texts)}),
    }
    typed = {c.name: np.asarray(arrays[c.name]).astype(c.dtype, copy=False) for c in COLUMNS}
    sizes = {
        dim: size
        for column in COLUMNS
        for dim, size in zip(column.dims, typed[column.name].shape, strict=True)
    }
    return Layout(sizes, typed, texts, _data_attributes(curves))


def _data_attributes(curves: CurveTable) -> dict[str, dict[str, Any]]:
    meanings = {
        "curve_split": curves.splits,
        "curve_metric": curves.metrics,
        "axis_x": curves.x_names,
    }
    attributes = {name: flags(*map(_word, words)) for name, words in meanings.items()}
    floats = set(curves.axis_x[curves.axis_pool == POOL_FLOAT].tolist())
    # "s" and not "seconds": xarray would make time spans of those.
    if {curves.x_names[x] for x in floats} == {"time"}:
        attributes["x_float"] = {"units": "s"}
    return attributes


def _word(name: str) -> str:
    """`name` as CF wants the meaning of a flag: of letters, digits and ``_-.+@`` alone."""
    letters = (c if c.isascii() and (c.isalnum() or c in "_-.+@") else "_" for c in name)
    return "".join(letters) or "_"


def _readable(names: Sequence[str]) -> NDArray[np.object_]:
    return np.array([*map(readable, names)], object)


def readable(text: str) -> str:
    """`text` with what netCDF and Arrow cannot hold (NUL, halves of surrogate pairs) escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


# ---------------------------------------------------------------------------- from the layout


def from_layout(layout: Layout) -> RunTable:
    """The runs of a layout, every array read-only.

    Raises
    ------
    UsageError
        If parts are missing or do not fit together; it names them all.
    """
    arrays = _checked_arrays(layout, {c.name for c in COLUMNS if not c.for_people}, TEXTS)
    texts = _texts(layout)
    records = read_records(encoded(layout.texts["records_json"]), texts["names_json"])
    _check(layout, arrays, texts, len(records))
    x_text = np.array(texts["names_json"]["x_texts"], object)[arrays["x_text"]]
    pools = (arrays["x_int"], arrays["x_float"], x_text)
    curves = _curves(arrays, texts["names_json"], arrays["value"], pools)
    return RunTable(records, _hpms(arrays, texts["hpms_json"]), curves)


@attrs.frozen(eq=False)
class Head:
    """What is known of the runs of a layout without its values and x values.

    Attributes
    ----------
    ids, experiments : tuple of str
        Of each run; experiments as `readable`.
    hpms : HpmTable
    curves : CurveTable
        Its `values` and `pools` are empty.
    x_texts : tuple of str
        What the codes of x values that are text mean.
    """

    ids: tuple[str, ...]
    experiments: tuple[str, ...]
    hpms: HpmTable
    curves: CurveTable
    x_texts: tuple[str, ...]


def head_from_layout(layout: Layout) -> Head:
    """The head of a layout that has at least the parts called `HEAD`.

    Raises
    ------
    UsageError
        As for `from_layout`.
    """
    arrays = _checked_arrays(layout, HEAD - {*TEXTS, "experiment"}, HEAD & {*TEXTS})
    texts = _texts(layout)
    try:
        names = texts["names_json"]
        ids, x_texts = tuple(names["runs"]["id"]), tuple(names["x_texts"])
    except (KeyError, TypeError) as error:
        raise UsageError(f"names_json: {error!r}") from None
    _check(layout, arrays, texts, len(ids))
    experiments = tuple(layout.arrays.get("experiment", np.empty(0, object)).tolist())
    if len(experiments) != len(ids):
        raise UsageError("experiment is not of these runs")
    nothing = np.empty(0)
    curves = _curves(arrays, names, nothing, (nothing, nothing, nothing))
    return Head(ids, experiments, _hpms(arrays, texts["hpms_json"]), curves, x_texts)


def records_from_layout(layout: Layout) -> Sequence[RunRecord]:
    """The records of a layout that has at least ``records_json`` and ``names_json``.

    Raises
    ------
    UsageError
        As for `from_layout`.
    """
    _checked_arrays(layout, (), ("records_json", "names_json"))
    names = decoded(layout.texts["names_json"])
    return read_records(encoded(layout.texts["records_json"]), names)


def _texts(layout: Layout) -> dict[str, Any]:
    """What the texts hold that are read at once."""
    return {name: decoded(layout.texts[name]) for name in ("hpms_json", "names_json")}


def _curves(
    arrays: Mapping[str, NDArray[Any]],
    names: Any,
    values: NDArray[Any],
    pools: tuple[NDArray[Any], ...],
) -> CurveTable:
    columns = {field: arrays[name] for name, field in _FIELDS.items() if name != "value"}
    return CurveTable(
        **{name: tuple(names[name]) for name in _NAMES},
        **columns,  # type: ignore[arg-type]
        values=values,
        pools=pools,
    )


def _hpms(arrays: Mapping[str, NDArray[Any]], hpms: Any) -> HpmTable:
    return HpmTable(tuple(hpms["keys"]), tuple(map(tuple, hpms["values"])), arrays["hpm_code"])


def _checked_arrays(
    layout: Layout, names: Collection[str], texts: Collection[str]
) -> dict[str, NDArray[Any]]:
    """The arrays called `names`, read-only; those along a dimension of size 0 are empty."""
    arrays: dict[str, Any] = {}
    problems = [f"no {name}" for name in TEXTS if name in texts and name not in layout.texts]
    for column in COLUMNS:
        if column.name not in names:
            continue
        shape = tuple(layout.sizes.get(dim, 0) for dim in column.dims)
        dtype, array = np.dtype(column.dtype), layout.arrays.get(column.name)
        if array is None and 0 in shape:
            array = np.empty(shape, dtype)
        elif array is None:
            problems.append(f"no {column.name}")
        elif (array.shape, array.dtype) != (shape, dtype):
            found, wanted = f"{array.dtype}{[*array.shape]}", f"{dtype}{[*shape]}"
            problems.append(f"{column.name} is {found}, not {wanted}")
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
        arrays[column.name] = array
    if problems:
        raise UsageError("; ".join(problems))
    return arrays


def _check(
    layout: Layout, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, Any], n_runs: int
) -> None:
    lengths = {c.name: layout.sizes.get(c.dims[0], 0) for c in COLUMNS}
    try:
        names, hpms = texts["names_json"], texts["hpms_json"]
        problems = _outside(arrays, names, n_runs)
        problems = problems or _misfits(arrays, lengths, names, hpms, n_runs)
    except (KeyError, TypeError) as error:
        raise UsageError(f"names_json or hpms_json: {error!r}") from None
    if problems:
        raise UsageError("; ".join(problems))


def _outside(arrays: Mapping[str, NDArray[Any]], names: Any, n_runs: int) -> list[str]:
    """Which arrays hold codes or places that there are none of."""
    n_blocks, n_texts = len(arrays["block_size"]), len(names["x_texts"])
    inside = {
        "curve_run": (0, n_runs),
        "curve_split": (0, len(names["splits"])),
        "curve_metric": (0, len(names["metrics"])),
        "curve_original": (-1, len(names["originals"])),
        "curve_block": (0, n_blocks),
        "axis_block": (0, n_blocks),
        "axis_x": (0, len(names["x_names"])),
        "axis_kind": (0, len(X_POOLS)),
        "x_text": (0, n_texts),
        "block_size": (0, 1 << 62),
        "axis_start": (0, 1 << 62),
    }
    return [
        f"{name} points outside {low} … {high - 1}"
        for name, (low, high) in inside.items()
        if len(arrays.get(name, ())) and not low <= arrays[name].min() <= arrays[name].max() < high
    ]


def _misfits(
    arrays: Mapping[str, NDArray[Any]],
    lengths: Mapping[str, int],
    names: Any,
    hpms: Any,
    n_runs: int,
) -> list[str]:
    """What does not fit together, all codes being in order. Cheap beside reading the file."""
    sizes, axis_block = arrays["block_size"], arrays["axis_block"]
    address = arrays["curve_split"].astype(np.int64) * len(names["metrics"])
    order = (address + arrays["curve_metric"]) * n_runs + arrays["curve_run"]
    limits = np.array([*map(len, hpms["values"])], np.int32)
    ends = arrays["axis_start"] + sizes[axis_block]
    x_lengths = np.array([lengths[pool] for pool in X_POOLS])
    checks = {
        "the curves are not sorted by split, metric and run": (np.diff(order) > 0).all(),
        "row_size is not the size of the block": np.array_equal(
            arrays["row_size"], sizes[arrays["curve_block"]]
        ),
        "row_size does not add up to the values": arrays["row_size"].sum() == lengths["value"],
        "an x-axis ends outside its values": (ends <= x_lengths[arrays["axis_kind"]]).all(),
        "a block has no x-axis, or they are not sorted": np.array_equal(
            axis_block[np.diff(axis_block, prepend=-1) != 0], np.arange(len(sizes))
        ),
        "hpm_code is not of these runs and keys": arrays["hpm_code"].shape
        == (len(hpms["keys"]), n_runs)
        and len(limits) == len(hpms["keys"]),
        "hpm_code points outside the values": (arrays["hpm_code"] >= -1).all()
        and (arrays["hpm_code"].max(axis=1, initial=-1) < limits).all(),
    }
    return [problem for problem, holds in checks.items() if not holds]
