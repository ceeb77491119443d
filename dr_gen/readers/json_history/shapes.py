"""What shape a JSON document has that may be the history of a training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from dr_gen.readers.cells import read_number
from dr_gen.readers.measurements import flat_metrics
from dr_gen.readers.naming import split_name, x_column
from dr_gen.readers.settings import CONFIG_KEYS, flat_config

__all__ = ["Shape", "is_result_name", "shape_of"]

_WRAPPERS: Final = ("history", "log_history", "logs", "log", "metrics", "epochs", "results")
_METRIC_NAMES: Final = """acc accuracy auc auroc bleu dice err error f1 iou kl loss losses mae map
    miou mse nll perplexity ppl precision psnr r2 recall return reward rewards rmse score ssim
    wer"""
_METRIC_WORDS: Final = frozenset(_METRIC_NAMES.split())
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_MOST_ROWS_LOOKED_AT: Final = 50


@attrs.frozen
class Shape:
    """What is in a document.

    Attributes
    ----------
    kind : str
        ``series`` (a list of numbers for each metric), ``rows`` or ``values`` (one row).
    series : mapping
        Name to numbers.
    rows : sequence of mapping
    settings, results : mapping
        The other values: what was set, and what is called like a metric.
    """

    kind: str
    series: Mapping[str, Sequence[Any]] = attrs.field(factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    results: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def is_training(self) -> bool:
        """Whether its names are those of a training."""
        if self.kind == "series":
            return any(map(is_result_name, self.series))
        rows = self.rows[:_MOST_ROWS_LOOKED_AT]
        measured = [row for row in rows if any(map(_is_metric, row.items()))]
        placed = [row for row in measured if any(map(_is_counter, row))]
        if self.kind == "rows":
            named = any(is_result_name(name) for row in placed for name in row)
            return named and 2 * len(placed) > len(rows)
        splits = {split_name(name)[0] for row in placed for name in row}
        return len(splits - {None}) > 1


def is_result_name(name: str) -> bool:
    """Whether a name is that of a result and not of a setting.

    Examples
    --------
    >>> [is_result_name(name) for name in ("train_losses", "val/acc", "lr", "num_epochs")]
    [True, True, False, False]
    """
    words = {word.casefold() for word in _WORDS.findall(name)}
    split, rest = split_name(name)
    return (split is not None and rest != name) or not words.isdisjoint(_METRIC_WORDS)


def shape_of(document: Any) -> Shape | None:
    """The shape of a document, or None where it is no history."""
    if isinstance(document, list):
        return _rows(document, {})
    if not isinstance(document, dict):
        return None
    wrapped = [name for name in document if name.casefold() in _WRAPPERS]
    for name in wrapped:
        rest = {key: value for key, value in document.items() if key != name}
        if isinstance(document[name], list) and (found := _rows(document[name], rest)) is not None:
            return found
    return _series(document, wrapped) or _values(document)


def _rows(items: list[Any], rest: Mapping[str, Any]) -> Shape | None:
    """Rows, most of them objects with a number."""
    if not items and rest:
        return Shape("rows", settings=_parted(rest)[0])  # stopped before its first row
    rows = [item for item in items if isinstance(item, dict)]
    some = rows[:_MOST_ROWS_LOOKED_AT]
    measured = sum(any(map(_is_metric, row.items())) for row in some)
    if not rows or 2 * len(rows) <= len(items) or 2 * measured < len(some):
        return None
    settings, results = _parted(rest)
    return Shape("rows", rows=rows, settings=settings, results=results)


def _series(document: Mapping[str, Any], wrapped: Iterable[str]) -> Shape | None:
    """A list of numbers for each metric."""
    unwrapped: dict[str, Any] = {}
    for name, value in document.items():
        inside = name in wrapped and isinstance(value, dict)
        unwrapped |= value if inside else {name: value}
    series: dict[str, Sequence[Any]] = {}
    rest: dict[str, Any] = {}
    for name, value in _flat(unwrapped):
        if isinstance(value, list) and _are_numbers(value):
            series[name] = value
        else:
            rest[name] = value
    if not any(map(is_result_name, series)):
        return None
    settings, results = _parted(rest)
    return Shape("series", series, settings=settings, results=results)


def _flat(document: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    configs = [name for name in document if name.casefold() in CONFIG_KEYS]
    yield from flat_metrics({n: v for n, v in document.items() if n not in configs})
    yield from ((name, document[name]) for name in configs)


def _values(document: Mapping[str, Any]) -> Shape | None:
    """One row of numbers."""
    configs = {
        n for n, v in document.items() if n.casefold() in CONFIG_KEYS and isinstance(v, dict)
    }
    row = dict(flat_metrics({n: v for n, v in document.items() if n not in configs}))
    return Shape("values", rows=[row]) if any(map(_is_metric, row.items())) else None


def _parted(rest: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was set, and what came of it."""
    results = {
        name: value
        for name, value in rest.items()
        if is_result_name(name) and _is_number(value) and not isinstance(value, bool)
    }
    settings: dict[str, Any] = {}
    for name, value in rest.items():
        if name not in results:
            is_config = name.casefold() in CONFIG_KEYS and isinstance(value, dict)
            settings |= flat_config(value if is_config else {name: value})[0]
    return {name.replace("/", "."): value for name, value in settings.items()}, results


def _are_numbers(values: list[Any]) -> bool:
    kinds = {read_number(value)[0] for value in values}
    return bool(kinds & {"number", "text"}) and kinds <= {"number", "text", "null"}


def _is_number(value: Any) -> bool:
    return read_number(value)[0] in ("number", "text")


def _is_metric(item: tuple[str, Any]) -> bool:
    return _is_number(item[1]) and x_column(item[0]) is None


def _is_counter(name: str) -> bool:
    meant = x_column(name)
    return meant is not None and not meant.is_time
