"""Whether the beginning of a file looks like a log of JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from dr_gen.readers.cells import read_number
from dr_gen.readers.contract import HEAD_BYTES, Detection
from dr_gen.readers.lines import decoded_head, log_suffix
from dr_gen.readers.measurements import flat_metrics
from dr_gen.readers.naming import x_column
from dr_gen.readers.settings import CONFIG_KEYS, SIDECARS

__all__ = ["CEILING", "TEXT_LOGS", "json_lines_detection"]

CEILING: Final = 0.9
"""How sure it can be at most; formats that are known exactly are surer."""

TEXT_LOGS: Final = frozenset({".log", ".txt"})
"""Endings of files in which lines of other text are no mistake."""

_SURE: Final = frozenset({".jsonl", ".ndjson"})
_SUFFIXES: Final = _SURE | TEXT_LOGS | {".json"}
# Logs that may well hold a single object, and rows too long for the head.
_LOG_NAMES: Final = ("result.json", "metrics.json", "progress.json", "log.txt", ".log.json")
_LINES: Final = 200
_ONLY_ITS_NAME: Final = 0.3
_SOME_ROWS: Final = 3


def json_lines_detection(path: Path, head: bytes) -> Detection:
    """How sure it is, from the name and the share of lines that are objects with numbers.

    A ``.jsonl`` file is claimed whatever it holds, if only with little confidence: a damaged or
    empty log is to be listed and not passed over. Other files need rows with numbers and an
    x-axis; a file of one object is a log only if it is called like one.
    """
    suffix = log_suffix(path)
    if suffix not in _SUFFIXES:
        return Detection(0.0, f"a file that ends with {suffix or 'nothing'}")
    if path.name.casefold() in SIDECARS:
        return Detection(0.0, "a settings file")
    text = decoded_head(path, head)
    whole, cut_off = _lines(text, cut=len(head) >= HEAD_BYTES)
    log_name = path.name.casefold().removesuffix(".gz").endswith(_LOG_NAMES)
    if not whole:
        return _by_name(suffix, cut_off, log_name)
    return _by_lines(suffix, whole, log_name)


def _lines(text: bytes, *, cut: bool) -> tuple[list[bytes], bytes]:
    """Lines that are not blank, and the beginning of one that the head did not hold whole."""
    lines = text.split(b"\n")
    last = lines.pop() if cut else b""
    return [line for line in map(bytes.strip, lines) if line][:_LINES], last


def _by_name(suffix: str, cut_off: bytes, log_name: bool) -> Detection:
    begins = cut_off.lstrip().startswith(b'{"')
    if suffix in _SURE:
        if begins:
            return Detection(0.5, "the beginning of a long object, and the name")
        return Detection(_ONLY_ITS_NAME, "the name alone; no line of it is readable")
    if begins and log_name:
        return Detection(0.4, "the beginning of a long object, and the name")
    return Detection(0.0, "no whole line of JSON")


def _by_lines(suffix: str, lines: list[bytes], log_name: bool) -> Detection:
    records = [_record(line, suffix in TEXT_LOGS) for line in lines]
    found = [record for record in records if record is not None]
    is_x = _IsX()
    rows = [record for record in found if _measures(record, is_x)]
    placed = [record for record in rows if any(map(is_x.__getitem__, record))]
    # A configuration, or nothing at all, speaks neither for nor against.
    neutral = sum(not record for record in found)
    considered = (len(found) if suffix in TEXT_LOGS else len(lines)) - neutral
    share = len(rows) / max(considered, 1)
    reason = f"{len(rows)} of {len(lines)} lines are JSON objects with numbers"
    if suffix in _SURE:
        if not rows:
            return Detection(_ONLY_ITS_NAME, f"the name alone; {reason}")
        return Detection(round(0.4 + 0.5 * share, 3), reason)
    if not placed:
        return Detection(0.0, f"{reason}, none with an x-axis")
    if len(rows) == 1 and len(lines) == 1 and not log_name:
        return Detection(0.0, "a single object in a file that is not called like a log")
    embedded = suffix in TEXT_LOGS and len(found) < len(lines)
    if 2 * len(rows) < considered or (embedded and len(rows) < _SOME_ROWS):
        return Detection(0.0, f"only {reason}")
    return Detection(round(0.3 + 0.4 * share + 0.1 * log_name, 3), f"{reason} and an x-axis")


def _record(line: bytes, embedded: bool) -> dict[str, Any] | None:
    if embedded and not line.startswith(b"{"):
        start = line.find(b'{"')
        line = line[start:] if start >= 0 else b""
    try:
        value = _loaded(line)
        if not isinstance(value, dict):
            return None
        return dict(flat_metrics({k: v for k, v in value.items() if k not in CONFIG_KEYS}))
    except (ValueError, RecursionError):
        return None


def _loaded(line: bytes) -> Any:
    """What a line holds; NaN, and what else Python takes for JSON, is looked at by Python."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return json.loads(line)


class _IsX(dict[str, bool]):
    """Whether a column of a name may be an x-axis; the same names come line after line."""

    def __missing__(self, name: str) -> bool:
        self[name] = found = x_column(name) is not None
        return found


def _measures(record: dict[str, Any], is_x: _IsX) -> bool:
    """Whether it holds a number that is not an x value."""
    return any(
        read_number(value)[0] in ("number", "text") and not is_x[name]
        for name, value in record.items()
    )
