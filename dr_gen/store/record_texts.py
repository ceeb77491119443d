"""The records of the runs of a shard as one text, read only as far as they are asked for."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from dr_gen.convert import exact_json, from_exact_json, record_to_dict
from dr_gen.errors import UsageError
from dr_gen.model.finding import Finding
from dr_gen.model.run_table import LazyRecords, RunRecord, Status

__all__ = ["join_records", "read_records"]

_BETWEEN = ",\n"
"""Between two records; JSON text has no line end of its own."""


def join_records(records: Sequence[RunRecord]) -> str:
    """Records as one text, a list of JSON.

    One record a line: a reader can take the text apart without reading it. Records of which
    nobody made anything since they came from such a text go back as they stood in it.

    Raises
    ------
    UsageError
        If metadata hold what is no plain data.
    """
    given = records.sources(_record) if isinstance(records, LazyRecords) else records
    return f"[{_BETWEEN.join(map(_line, given))}]"


def _line(record: RunRecord | memoryview) -> str:
    if isinstance(record, memoryview):
        return str(record, "ascii")
    return exact_json(record_to_dict(record))


def read_records(text: str, names: Any) -> Sequence[RunRecord]:
    """The records of a text, each read when it is asked for.

    Parameters
    ----------
    text : str
    names : mapping
        Ids, statuses and the checksum of the text, under ``runs``.

    Raises
    ------
    UsageError
        If they do not fit together.
    """
    content = text.encode("ascii", "replace")
    try:
        known = names["runs"]
        if zlib.crc32(content) != known["crc32"]:
            raise UsageError("records_json is not the JSON that was written: its checksum differs")
        ids, statuses = known["id"], [_STATUSES[s] for s in known["status"]]
    except (KeyError, TypeError) as error:
        raise UsageError(f"names_json: {error!r}") from None
    lines = _lines(content) if ids else []
    if not len(lines) == len(ids) == len(statuses):
        raise UsageError("names_json names other runs than records_json holds")
    return LazyRecords(ids, statuses, lines, _record, _facts)


_STATUSES = {str(status): status for status in Status}


def _lines(content: bytes) -> list[memoryview]:
    """What stands between the brackets of a list, line by line and not copied."""
    # Between two records is a comma and the only kind of line end there is.
    breaks = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
    starts = [1, *(breaks + 1).tolist()]
    ends = [*(breaks - 1).tolist(), len(content) - 1]
    view = memoryview(content)
    return [view[start:end] for start, end in zip(starts, ends, strict=True)]


def _record(line: memoryview) -> RunRecord:
    # The checksum has shown that it is what `record_to_dict` made: no need to doubt each field.
    data = from_exact_json(bytes(line))
    findings = tuple(Finding(**finding) for finding in data.pop("findings"))
    return RunRecord(**data, findings=findings)


class _Facts(msgspec.Struct):
    experiment: str
    source: str


_FACTS = msgspec.json.Decoder(_Facts)


def _facts(line: memoryview) -> _Facts | RunRecord:
    try:
        return _FACTS.decode(line)
    except (msgspec.DecodeError, RecursionError):
        # NaN, and halves of surrogate pairs.
        return _record(line)
