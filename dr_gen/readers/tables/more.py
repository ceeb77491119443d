"""Rows that were appended to a table whose columns are understood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dr_gen.readers.contract import More, ReadResult
from dr_gen.readers.known_columns import joined
from dr_gen.readers.tables.columns import value_of
from dr_gen.readers.tables.delimited import split_line

__all__ = ["read_more"]


def read_more(items: Sequence[More], clock: Callable[[], datetime]) -> list[ReadResult | None]:
    """One result for each item; None where the file has to be read from its beginning."""
    return joined(items, _records, clock)


def _records(item: More) -> list[dict[str, Any]] | None:
    """The rows that were appended; None where a line is no row of the table."""
    state = item.state
    if not isinstance(state, Mapping) or not {"delimiter", "names"} <= state.keys():
        return None
    delimiter, names = state["delimiter"], list(state["names"])
    try:
        text = item.tail.decode()
    except UnicodeDecodeError:
        return None
    if '"' in text or "#" in text or "\0" in text or not text.endswith("\n"):
        return None
    records = []
    for line in text.split("\n")[:-1]:
        cells = split_line(line, delimiter)
        if cells is None or len(cells) != len(names):
            return None
        row = zip(names, cells, strict=True)
        records.append({name: value_of(cell) for name, cell in row if cell})
    return records
