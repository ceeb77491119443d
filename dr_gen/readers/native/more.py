"""Native logs that grew: only what was appended is read, where it is of the plain kind."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunTable
from dr_gen.readers.contract import ColumnMap, More, ReadResult
from dr_gen.readers.joining import LASTING, Joining, Row, is_plain_number, of_whole_file
from dr_gen.readers.lines import JsonLines
from dr_gen.readers.measurements import flat_metrics
from dr_gen.readers.native.logs import TAIL, end_time

__all__ = ["read_more"]

_NO_AXES: Final = frozenset({"data_name", "title", "agg_stats", "type"})
_FAILED_SPLIT: Final = "Aggregation failed for"
_TIME: Final = "Training time "
_TIMES: Final = frozenset({"time", "timestamp"})


@attrs.frozen
class _Tail:
    """What was appended to one log.

    Attributes
    ----------
    rows : list of Row
    texts : list of str
    values : list
        What each line has under ``value``; None where it has nothing.
    end : mapping or None
        The end that was logged and not taken back.
    """

    rows: list[Row]
    texts: list[str]
    values: list[Any]
    end: dict[str, str | None] | None


def read_more(items: Sequence[More], clock: Callable[[], datetime]) -> list[ReadResult | None]:
    """One result for each item; None where the file has to be read from its beginning."""
    tails = [_tail(item) if _is_plain(item) else None for item in items]
    group = RunGroup.from_runs(item.before for item in items)
    joining = Joining(group.table.curves, _TIMES.__contains__)
    records = list(group.table.records)
    results: list[tuple[int, int | None] | None] = []
    for item, tail, index in zip(items, tails, group.indices.tolist(), strict=True):
        joined = _joined(item, tail) if tail is not None else None
        if tail is None or joined is None or joining.is_renamed(index):
            results.append(None)
            continue
        if not joining.take(index, tail.rows):
            results.append(None)
            continue
        metadata, since = joined
        records[index] = of_whole_file(item, metadata, clock)
        results.append((index, since))
    table = RunTable(tuple(records), group.table.hpms, joining.build())
    return [
        None if one is None else ReadResult((RunData(table, one[0]),), state=one[1])
        for one in results
    ]


def _is_plain(item: More) -> bool:
    findings = item.before.findings
    return item.options.columns == ColumnMap() and all(f.code in LASTING for f in findings)


# ------------------------------------------------------------------ lines


def _tail(item: More) -> _Tail | None:
    """What the lines that were appended say; None where one of them needs more than them."""
    lines = JsonLines(item.path, item.run_id)
    # The number of a line only stands in findings, and there are to be none.
    records = [record for raw in io.BytesIO(item.tail) for record in lines.read_line(2, raw)]
    if lines.findings or lines.bad_lines or lines.n_lines != len(records):
        return None
    tail = _Tail([], [], [record.get("value") for record in records], None)
    end = None
    for record in records:
        kind = record.get("type")
        if "agg_stats" in record and "data_name" in record:
            end = None
            row = _row(record)
            if row is None:
                return None
            tail.rows.append(row)
        elif kind == "str" and _is_text(record):
            tail.texts.append(record["value"].strip())
        elif kind == "end" and isinstance(record.get("status"), str):
            reason = record.get("reason")
            end = {"status": record["status"], "reason": None if reason is None else str(reason)}
        else:
            return None
    return attrs.evolve(tail, texts=[text for text in tail.texts if text], end=end)


def _is_text(record: Mapping[str, Any]) -> bool:
    value = record.get("value")
    both = "agg_stats" in record or "data_name" in record
    return isinstance(value, str) and _FAILED_SPLIT not in value and not both


def _row(record: Mapping[str, Any]) -> Row | None:
    split, stats = record["data_name"], record["agg_stats"]
    if not isinstance(split, str) or not isinstance(stats, dict):
        return None
    cells = list(flat_metrics(stats))
    values = dict(cells)
    xs = {name: value for name, value in record.items() if name not in _NO_AXES}
    finite = all(is_plain_number(x) and abs(x) < float("inf") for x in xs.values())
    if not finite or len(values) < len(cells) or not all(map(is_plain_number, values.values())):
        return None
    return Row(split, values, xs)


# ------------------------------------------------------------------ the whole run


def _joined(item: More, tail: _Tail) -> tuple[dict[str, Any], int | None] | None:
    """The metadata of the whole, and how many lines ago the training time was logged."""
    before = item.before.record.metadata
    texts = [value.strip() for value in tail.values[-TAIL:] if isinstance(value, str)]
    train_time, seconds = end_time(texts)
    since = _lines_since(tail.values)
    if since is None and before.get("train_time") is not None:
        earlier = item.state if isinstance(item.state, int) else _seen_in(item.last)
        if earlier is None and len(tail.values) < TAIL:
            return None
        if earlier is not None and earlier + len(tail.values) < TAIL:
            since = earlier + len(tail.values)
            train_time, seconds = before.get("train_time"), before.get("train_seconds")
    metadata: dict[str, Any] = {
        "log_strs": [*before.get("log_strs", ()), *tail.texts],
        "train_time": train_time,
        "train_seconds": seconds,
    }
    end = tail.end if tail.end is not None or tail.rows else before.get("end")
    if end is not None:
        metadata["end"] = end
    return metadata, since


def _lines_since(values: Sequence[Any]) -> int | None:
    """How many lines there are behind the last training time; None when there is none."""
    for n, value in enumerate(reversed(values)):
        if isinstance(value, str) and value.strip().startswith(_TIME):
            return n if n < TAIL else None
    return None


def _seen_in(last: bytes) -> int | None:
    """The same, of the last bytes before the tail."""
    try:
        records = [json.loads(line) for line in last.split(b"\n")[1:] if line.strip()]
    except ValueError:
        return None
    values = [record.get("value") if isinstance(record, dict) else None for record in records]
    return _lines_since(values)
