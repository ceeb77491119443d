"""The job of `dr_gen.load`, done by the parsers that people use, written as one would write it.

Each takes a folder of logs and gives an `Answer`: float64 arrays of every metric with its x, and
the hyperparameters with dotted keys. All of them recover the same points, which is checked. None
of them finds out the format, keeps the other counters (step, time), judges a run or says which
lines are bad, as dr_gen does: what they leave out is in their favour.

Strict parsers reject the ``NaN`` that `json.dumps` writes, and with it the line or the file.
orjson hands such a line to `json`. polars is given lines in which it is ``null``, and only those
that look whole, since a malformed line ends its reading; this test knows what is wrong in these
workloads. duckdb reads NaN and leaves malformed lines out by itself.

polars and duckdb use one thread, as dr_gen does: `THREADS` in the environment of the process.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.answers import Answer, Block, flattened

__all__ = ["PEERS", "THREADS", "is_peer", "needs"]

THREADS = {"POLARS_MAX_THREADS": "1"}
"""Environment in which polars uses one thread."""

FILES_AT_ONCE = 256
COLUMNS = ("train/loss", "train/acc", "val/loss", "val/acc", "lr")
STATS = ("loss", "acc1", "acc5", "lr")
Loads = Callable[[bytes], Any]


def files_of(folder: Path) -> list[Path]:
    """The logs of a folder, in order."""
    return sorted(folder.glob("*.jsonl"))


def by_json(folder: Path) -> Answer:
    """`json.loads` for each line."""
    return _by_line(folder, json.loads)


def by_orjson(folder: Path) -> Answer:
    """`orjson.loads` for each line, `json.loads` for those it rejects."""
    import orjson

    return _by_line(folder, orjson.loads)


def _by_line(folder: Path, loads: Loads) -> Answer:
    blocks: list[Block] = []
    hpms: dict[str, dict[str, Any]] = {}
    for file in files_of(folder):
        splits: dict[str, tuple[list[int], list[dict[str, float]]]] = {}
        flat: list[dict[str, Any]] = []
        for line in file.read_bytes().splitlines():
            try:
                row = loads(line)
            except ValueError:
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
            if "agg_stats" in row:
                split = row["data_name"]
                if split not in splits:
                    splits[split] = ([], [])
                xs, stats = splits[split]
                xs.append(row["epoch"])
                stats.append(row["agg_stats"])
            elif "step" in row:
                flat.append(row)
            elif row.get("type") == "dict_config":
                hpms[file.stem] = flattened(row["value"])
        for split, (xs, stats) in splits.items():
            names = [f"{split}/{name}" for name in stats[0]]
            blocks.append(Block(file.stem, names, np.array(xs), _matrix(stats, tuple(stats[0]))))
        if flat:
            steps = np.fromiter(map(itemgetter("step"), flat), np.int64, len(flat))
            blocks.append(Block(file.stem, COLUMNS, steps, _matrix(flat, COLUMNS)))
    return Answer(blocks, hpms)


def _matrix(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> Any:
    values = itertools.chain.from_iterable(map(itemgetter(*keys), rows))
    size = len(rows) * len(keys)
    # Each metric in one piece, as its curve is used.
    return np.ascontiguousarray(np.fromiter(values, float, size).reshape(len(rows), -1).T)


def by_polars(folder: Path) -> Answer:
    """`polars.read_ndjson` of many files at once, with a schema, without inference."""
    files = files_of(folder)
    blocks: list[Block] = []
    hpms: dict[str, dict[str, Any]] = {}
    for start in range(0, len(files), FILES_AT_ONCE):
        some = files[start : start + FILES_AT_ONCE]
        contents = [file.read_bytes() for file in some]
        for file, content in zip(some, contents, strict=True):
            hpms |= _configured(file, content)
        if b'"agg_stats"' in contents[0]:
            blocks += _native_by_polars(some, contents)
        else:
            for file, content in zip(some, contents, strict=True):
                blocks.append(_flat_by_polars(file, content))
    return Answer(blocks, hpms)


def _configured(file: Path, content: bytes) -> dict[str, dict[str, Any]]:
    import msgspec

    try:
        return {file.stem: flattened(msgspec.json.decode(content[: content.index(b"\n")])["value"])}
    except ValueError:
        return {}


def _native_by_polars(files: Sequence[Path], contents: Sequence[bytes]) -> Iterator[Block]:
    import polars as pl

    stats = pl.Struct(dict.fromkeys(STATS, pl.Float64))
    schema = {"epoch": pl.Int64, "data_name": pl.String, "agg_stats": stats}
    lines: list[bytes] = []
    counts = []
    for content in contents:
        before = len(lines)
        lines += [
            line
            for line in content.replace(b": NaN", b": null").splitlines()
            if line.startswith(b'{"epoch": ') and line.endswith(b"}}")
        ]
        counts.append(len(lines) - before)
    frame = (
        pl.read_ndjson(b"\n".join(lines), schema=schema, ignore_errors=True)
        .with_columns(pl.Series("file", np.repeat(np.arange(len(files)), counts)))
        .unnest("agg_stats")
        .with_columns(pl.col(STATS).fill_null(float("nan")))
    )
    for (index, split), rows in frame.partition_by(
        "file", "data_name", as_dict=True, include_key=False
    ).items():
        names = [f"{split}/{name}" for name in STATS]
        values = rows.select(STATS).to_numpy(order="fortran").T
        yield Block(files[index].stem, names, rows["epoch"].to_numpy(), values)


def _flat_by_polars(file: Path, content: bytes) -> Block:
    import polars as pl

    schema = {"step": pl.Int64, **dict.fromkeys(COLUMNS, pl.Float64)}
    lines = [
        line
        for line in content.replace(b": NaN", b": null").splitlines()
        if line.startswith(b'{"step": ') and line.endswith(b"}")
    ]
    frame = pl.read_ndjson(b"\n".join(lines), schema=schema, ignore_errors=True).with_columns(
        pl.col(COLUMNS).fill_null(float("nan"))
    )
    values = frame.select(COLUMNS).to_numpy(order="fortran").T
    return Block(file.stem, COLUMNS, frame["step"].to_numpy(), values)


def by_duckdb(folder: Path) -> Answer:
    """A query of duckdb for each file, for flat rows: quicker, in less memory than one for all."""
    return _by_duckdb(folder, [[file] for file in files_of(folder)])


def by_duckdb_at_once(folder: Path) -> Answer:
    """One query of duckdb for all files, for flat rows."""
    return _by_duckdb(folder, [files_of(folder)])


def _by_duckdb(folder: Path, portions: Sequence[Sequence[Path]]) -> Answer:
    import duckdb

    hpms: dict[str, dict[str, Any]] = {}
    blocks: list[Block] = []
    for file in files_of(folder):
        with file.open("rb") as log:
            hpms |= _configured(file, log.read(8192))
    types = {"step": "BIGINT", **dict.fromkeys(COLUMNS, "DOUBLE")}
    listed = ", ".join(f'"{name}"' for name in COLUMNS)
    with duckdb.connect(config={"threads": 1}) as connection:
        for files in portions:
            several = len(files) > 1
            found = connection.execute(
                f"SELECT {'filename,' if several else ''} step, {listed} FROM read_ndjson("
                f"$files, columns={types}, ignore_errors=true, filename={str(several).lower()}) "
                f"WHERE step IS NOT NULL {'ORDER BY filename, step' if several else ''}",
                {"files": list(map(str, files))},
            ).fetchnumpy()
            matrix = np.stack([np.ma.filled(found[name], np.nan) for name in COLUMNS])
            names = found["filename"] if several else np.repeat(str(files[0]), len(found["step"]))
            cuts = np.flatnonzero(names[1:] != names[:-1]) + 1 if several else np.empty(0, int)
            for a, b in itertools.pairwise([0, *cuts.tolist(), len(names)]):
                blocks.append(
                    Block(Path(names[a]).stem, COLUMNS, found["step"][a:b], matrix[:, a:b])
                )
    return Answer(blocks, hpms)


PEERS: dict[str, Callable[[Path], Answer]] = {
    "json": by_json,
    "orjson": by_orjson,
    "polars": by_polars,
    "duckdb": by_duckdb,
    "duckdb at once": by_duckdb_at_once,
}


def needs(peer: str) -> str:
    """The module that a peer is made of."""
    # Later versions of the package cannot read its own files in Python.
    return "wandb.sdk.internal.datastore" if peer == "wandb" else peer.split()[0]


def is_peer(job: str) -> bool:
    """Whether a job is done by somebody else than dr_gen."""
    return job in PEERS or job in ("hydraflow", "mlflow client", "tbparse", "wandb")
