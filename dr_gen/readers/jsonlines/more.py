"""Rows of other people's loops that were appended to a log whose names are understood."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from dr_gen.readers.contract import More, ReadResult
from dr_gen.readers.jsonlines.sniffing import TEXT_LOGS
from dr_gen.readers.known_columns import joined
from dr_gen.readers.lines import JsonLines, log_suffix

__all__ = ["read_more"]


def read_more(items: Sequence[More], clock: Callable[[], datetime]) -> list[ReadResult | None]:
    """One result for each item; None where the file has to be read from its beginning."""
    return joined(items, _records, clock)


def _records(item: More) -> list[dict[str, Any]] | None:
    """The objects that were appended; None where a line is more than one of them."""
    lines = JsonLines(item.path, item.run_id, embedded=log_suffix(item.path) in TEXT_LOGS)
    records = []
    for raw in io.BytesIO(item.tail):
        # The number of a line only stands in findings, and there are to be none.
        records += lines.read_line(2, raw)
    whole = lines.n_lines == len(records) and not (lines.findings or lines.bad_lines)
    return records if whole else None
