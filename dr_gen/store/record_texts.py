"""The records of the runs of a shard as one text, read only as far as they are asked for."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from typing import Any, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.convert import exact_json, record_to_dict
from dr_gen.errors import UsageError
from dr_gen.model.finding import Finding
from dr_gen.model.run_table import LazyRecords, RunRecord, Status
from dr_gen.store.exact import decoded

__all__ = ["join_records", "read_records"]

_BETWEEN = ",\n"
"""Between two records; JSON text has no line end of its own."""

_END = ord("\n")
_CHUNK = 1 << 16


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


def read_records(text: bytes | memoryview, names: Any) -> Sequence[RunRecord]:
    """The records of a text, each read when it is asked for.

    Parameters
    ----------
    text : bytes
        The content of a text, as `join_records` makes it.
    names : mapping
        Ids, statuses and the checksum of the text, under ``runs``.

    Raises
    ------
    UsageError
        If they do not fit together.
    """
    try:
        known = names["runs"]
        checksum, n_ends = _sums(memoryview(text))
        if checksum != known["crc32"]:
            raise UsageError("records_json is not the JSON that was written: its checksum differs")
        ids, statuses = known["id"], [*map(_STATUSES.__getitem__, known["status"])]
    except (KeyError, TypeError) as error:
        raise UsageError(f"names_json: {error!r}") from None
    lines: Sequence[memoryview] = _Lines(text, n_ends + 1) if ids else ()
    if not len(lines) == len(ids) == len(statuses):
        raise UsageError("names_json names other runs than records_json holds")
    return LazyRecords(ids, statuses, lines, _record, _facts)


_STATUSES = {str(status): status for status in Status}


def _sums(letters: memoryview) -> tuple[int, int]:
    """The checksum of a text and the number of its line ends, each letter fetched only once."""
    checksum = n_ends = 0
    for start in range(0, len(letters), _CHUNK):
        chunk = letters[start : start + _CHUNK]
        checksum = zlib.crc32(chunk, checksum)
        n_ends += int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == _END))
    return checksum, n_ends


class _Lines(Sequence[memoryview]):
    """What stands between the brackets of a list, line by line and not copied.

    Where the lines are is looked up when the first of them is asked for.
    """

    def __init__(self, content: bytes | memoryview, number: int) -> None:
        self._letters, self._number = np.frombuffer(content, np.uint8), number

    def __len__(self) -> int:
        return self._number

    @functools.cached_property
    def _bounds(self) -> NDArray[np.intp]:
        """Where the line end before each line is, and last the one that would be behind all."""
        # Between two records is a comma and the only kind of line end there is.
        return np.concatenate([[0], np.flatnonzero(self._letters == _END), [len(self._letters)]])

    @overload
    def __getitem__(self, index: int) -> memoryview: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[memoryview, ...]: ...
    def __getitem__(self, index: int | slice) -> memoryview | tuple[memoryview, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        number = range(len(self))[index]
        before, behind = self._bounds[number : number + 2].tolist()
        return self._letters[before + 1 : behind - 1].data


def _record(line: memoryview) -> RunRecord:
    # The checksum has shown that it is what `record_to_dict` made: no need to doubt each field.
    data = decoded(line)
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
