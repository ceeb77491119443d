"""Many native logs read together: the plain ones in columns, the others by the careful reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, RunTable
from dr_gen.readers.cells import duration
from dr_gen.readers.contract import ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.native_columns import columns_of
from dr_gen.readers.plain_lines import PlainFile, Schema, decode

__all__ = ["TAIL", "end_time", "read_many"]

Item = tuple[Path, str, ReadOptions]
Careful = Callable[[Path, str, ReadOptions], ReadResult]

TAIL: Final = 10
"""How many lines at the end may hold the training time."""

_TRAIN_TIME: Final = "Training time "
_FAILED_SPLIT: Final = "Aggregation failed for"
_BATCH: Final = 6000
_SHORT: Final = 2
_DEPTH: Final = 50


def end_time(texts: Sequence[str]) -> tuple[str | None, float | None]:
    """The training time among the last texts, as written and in seconds."""
    times = [text for text in texts if text.startswith(_TRAIN_TIME)]
    if not times:
        return None, None
    written = times[-1].removeprefix(_TRAIN_TIME).strip()
    return written, duration(written)


def read_many(
    items: Iterable[Item], careful: Careful, clock: Callable[[], datetime]
) -> Iterator[ReadResult]:
    """One result for each file, in order; runs that were read together share their columns."""
    schema = Schema()
    batch: list[tuple[Item, PlainFile | None]] = []
    n = 0
    for item in items:
        path, run_id, options = item
        plain = decode(path, run_id, schema) if options.columns == ColumnMap() else None
        if plain is not None and plain.schema is not schema:
            # Names are learnt from a file that was understood; all lines of a batch know the same.
            yield from _flush(batch, careful, clock)
            batch, n = [], 0
            alone = _plain([(item, plain)], clock)
            if isinstance(alone, _Odd):
                yield careful(*item)
            else:
                schema = plain.schema
                yield from alone
            continue
        batch.append((item, plain))
        n += 1 if plain is None else len(plain.objects)
        if n >= _BATCH:
            yield from _flush(batch, careful, clock)
            batch, n = [], 0
    yield from _flush(batch, careful, clock)


def _flush(
    batch: Sequence[tuple[Item, PlainFile | None]], careful: Careful, clock: Callable[[], datetime]
) -> Iterator[ReadResult]:
    """Results of a batch: what lies between two files that need care is read in columns."""
    plain: list[tuple[Item, PlainFile]] = []
    for item, file in batch:
        if file is not None:
            plain.append((item, file))
            continue
        yield from _together(plain, careful, clock)
        plain = []
        yield careful(*item)
    yield from _together(plain, careful, clock)


def _together(
    batch: Sequence[tuple[Item, PlainFile]], careful: Careful, clock: Callable[[], datetime]
) -> Iterator[ReadResult]:
    if not batch:
        return
    results = _plain(batch, clock)
    if not isinstance(results, _Odd):
        yield from results
        return
    odd = results.places
    marked = [(item, None if i in odd else file) for i, (item, file) in enumerate(batch)]
    yield from _flush(marked, careful, clock)


@attrs.frozen
class _Odd:
    """Places in a batch of files that need care."""

    places: set[int]


def _plain(
    batch: Sequence[tuple[Item, PlainFile]], clock: Callable[[], datetime]
) -> list[ReadResult] | _Odd:
    files = [file for _, file in batch]
    found = columns_of(files, files[0].schema)
    facts = [_facts(file, found.others[i]) for i, file in enumerate(files)]
    odd = found.odd | {i for i, fact in enumerate(facts) if fact is None}
    if odd or found.curves is None:
        return _Odd(odd)
    known = [fact for fact in facts if fact is not None]
    records = [
        RunRecord(
            run_id,
            experiment=options.experiment,
            source=str(path),
            metadata=fact.metadata,
            findings=file.lines.findings,
            time_parsed=clock().isoformat(),
        )
        for ((path, run_id, options), file), fact in zip(batch, known, strict=True)
    ]
    hpms = HpmTable.from_mappings([fact.config for fact in known])
    table = RunTable(tuple(records), hpms, found.curves)
    return [ReadResult((RunData(table, i),)) for i in range(len(batch))]


# ------------------------------------------------------------------ all that is no curve


@attrs.frozen
class _Facts:
    """The configuration of a run and what its texts say."""

    config: dict[str, Any]
    metadata: dict[str, Any]


def _facts(file: PlainFile, others: list[tuple[int, Any]]) -> _Facts | None:
    """What the lines without metrics say; None where they say something odd."""
    if file.lines.n_lines <= _SHORT or not others or len(file.objects) == len(others):
        return None
    (first, config), *rest = others
    flat: dict[str, Any] = {}
    if first != 0 or config.type != "dict_config" or not _flatten(config.value, "", flat, 0):
        return None
    texts: list[str] = []
    end: dict[str, str | None] | None = None
    end_place = 0
    for place, line in rest:
        value = line.value
        if line.type == "str" and type(value) is str and _FAILED_SPLIT not in value:
            if stripped := value.strip():
                texts.append(stripped)
        elif line.type == "end" and line.status is not None:
            reason = None if line.reason is msgspec.UNSET else line.reason
            end, end_place = {"status": line.status, "reason": reason}, place
        else:
            return None
    tail = (line.value for line in file.objects[-TAIL:])
    train_time, seconds = end_time([v.strip() for v in tail if isinstance(v, str)])
    metadata: dict[str, Any] = {
        "log_strs": texts,
        "train_time": train_time,
        "train_seconds": seconds,
    }
    # What is logged after an end takes it back.
    if end is not None and not any(line.agg_stats is not None for line in file.objects[end_place:]):
        metadata["end"] = end
    return _Facts(flat, metadata)


def _flatten(nested: Any, prefix: str, flat: dict[str, Any], depth: int) -> bool:
    """Add a nested configuration under dotted keys; whether that is as plain as it should be."""
    if not isinstance(nested, dict) or not nested or depth > _DEPTH:
        return False
    for name, value in nested.items():
        key = prefix + name
        if value and isinstance(value, dict):
            if not _flatten(value, key + ".", flat, depth + 1):
                return False
        elif key in flat or (isinstance(value, list) and not _is_simple(value)):
            return False
        else:
            flat[key] = value
    return True


def _is_simple(items: list[Any]) -> bool:
    return not any(isinstance(item, list | dict) for item in items)
