"""Whether the beginning of a file looks like a table that a training loop wrote."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Final

from dr_gen.readers.cells import read_number
from dr_gen.readers.columns import Column, Columns, axes_of, kind_of
from dr_gen.readers.contract import HEAD_BYTES, Detection
from dr_gen.readers.csv.names import CEILING, TEXTS
from dr_gen.readers.csv.runs import has_runs_in_rows, indexed, runs_in
from dr_gen.readers.lines import decoded_head, log_suffix
from dr_gen.readers.naming import split_name, x_column
from dr_gen.readers.tables.columns import columns_of
from dr_gen.readers.tables.delimited import Table, parse_table
from dr_gen.readers.tree import is_usual_log

__all__ = ["csv_detection", "is_monitor"]

_LINES: Final = 60
_MOST_FALLS: Final = 0.3
_FEW: Final = 3
_METRIC_NAMES: Final = """acc accuracy auc auroc bleu cer dice entropy err error f1 grad iou kl loss
    losses lr mae map miou mse nll perplexity ppl precision psnr r2 recall return returns reward
    rewards rewmean rmse score ssim success wer"""
_METRIC_WORDS: Final = frozenset(_METRIC_NAMES.split())
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")


def csv_detection(path: Path, head: bytes) -> Detection:
    """How sure it is of a file that may be a table by its name, from the columns and first rows.

    There has to be a counter that goes on, or a time and the name of a usual metric, and columns of
    numbers: a table of samples, jobs or results is none.
    """
    text = decoded_head(path, head)
    if len(head) >= HEAD_BYTES:
        text = text[: text.rfind(b"\n") + 1]
    if b"\0" in text:
        return Detection(0.0, "zero bytes")
    table = parse_table(text.decode(errors="replace"), _LINES)
    if table.form is None or len(table.columns) < 2:
        return Detection(0.0, "no header of several columns")
    if is_monitor(table):
        return Detection(CEILING, "the episodes of a monitored environment")
    sure = _confidence(table)
    if log_suffix(path) in TEXTS and (table.problems or len(table.lines) < _FEW or sure < 0.7):
        return Detection(0.0, "no table of a training")
    usual = 0.1 if sure and is_usual_log(path.name) else 0.0
    reason = f"a table of {len(table.columns)} columns"
    return Detection(round(min(sure + usual, CEILING), 3), reason if sure else f"{reason}, no log")


def is_monitor(table: Table) -> bool:
    """Whether a table is that of a monitor of an environment: rewards, lengths and times."""
    names = tuple(table.columns)[:3]
    return names == ("r", "l", "t") and any(text.startswith("{") for _, text in table.comments)


def _confidence(table: Table) -> float:
    cells, index = indexed(table.columns)
    words = sum(_is_metric_name(name) for name in cells)
    if not table.lines:
        return 0.4 if words and any(map(_is_counter, cells)) else 0.0
    if has_runs_in_rows(cells):
        return 0.0
    part = runs_in(cells, table.lines)[0]
    columns = columns_of(part.cells, part.lines)
    axes = axes_of(columns.by_name.values())
    rest = _rest(columns, [axis.column for axis in axes])
    metrics = [column for column in rest if kind_of(column).what == "metric" and _mostly(column)]
    texts = [column for column in rest if kind_of(column).what == "text"]
    counters = [a.column for a in axes if not a.is_time and _mostly(a.column)]
    orderly = [column for column in counters if _orderly(column)]
    if not metrics or len(texts) > max(1, len(metrics)) or (counters and not orderly):
        return 0.0
    if orderly and (index is None or words):
        return 0.8 if words else 0.6
    if axes and index is None and words:
        return 0.5
    numeric = len(metrics) + len(axes) == len(columns.by_name)
    return 0.3 if words > 1 and numeric and index is None else 0.0


def _rest(columns: Columns, axes: list[Column]) -> list[Column]:
    taken = {column.name for column in axes}
    return [column for name, column in columns.by_name.items() if name not in taken]


def _is_counter(name: str) -> bool:
    meant = x_column(name)
    return meant is not None and not meant.is_time


def _is_metric_name(name: str) -> bool:
    words = {word.casefold() for word in _WORDS.findall(name)}
    return split_name(name)[0] is not None or not words.isdisjoint(_METRIC_WORDS)


def _mostly(column: Column) -> bool:
    """Whether most cells are numbers."""
    kinds = column.kinds()
    return 2 * (kinds["number"] + kinds["text"] + kinds["duration"]) > len(column.rows)


def _orderly(column: Column) -> bool:
    """Whether a counter goes on, but for a few places where it begins again."""
    numbers = [read_number(value)[1] for value in column.values]
    falls = sum(b < a for a, b in itertools.pairwise(numbers))
    return falls <= _MOST_FALLS * max(1, len(numbers) - 1)
