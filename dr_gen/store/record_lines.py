"""Records of runs as lines of JSON, each of which can be read without the others."""

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

__all__ = ["read", "write"]

_BETWEEN = ",\n"
"""Between two records; JSON text has no line end of its own."""

_STATUSES = {str(status): status for status in Status}


class _OfExperiment(msgspec.Struct):
    """The one field of a record that an array for people needs."""

    experiment: str


_EXPERIMENT = msgspec.json.Decoder(_OfExperiment)


def write(records: Sequence[RunRecord]) -> tuple[str, list[str]]:
    """A list in JSON, one record a line, and the experiment of each.

    Records that were read from such lines are written as they were.

    Raises
    ------
    UsageError
        If metadata hold what is no plain data.
    """
    lines = records.sources(_record) if isinstance(records, LazyRecords) else None
    if lines is None:
        texts = [exact_json(record_to_dict(record)) for record in records]
        experiments = [record.experiment for record in records]
    else:
        texts = [str(line, "ascii") for line in lines]
        experiments = list(map(_experiment, lines))
    return f"[{_BETWEEN.join(texts)}]", experiments


def _experiment(line: memoryview) -> str:
    try:
        return _EXPERIMENT.decode(line).experiment
    except msgspec.MsgspecError:  # a NaN in the metadata
        return str(from_exact_json(bytes(line))["experiment"])


def read(text: str, names: Any) -> Sequence[RunRecord]:
    """The records of a shard, each read when it is asked for.

    Parameters
    ----------
    text : str
        As `write` made it.
    names : plain data
        What ``names_json`` holds.

    Raises
    ------
    UsageError
        If the two do not fit together.
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
    return LazyRecords(ids, statuses, lines, _record)


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
