"""Settings of an analysis, read from a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from dr_gen.errors import SettingsError, SourceNotFoundError
from dr_gen.model.direction import Direction
from dr_gen.model.group import RunGroup
from dr_gen.model.labels import Labels
from dr_gen.model.noise import NOISE_KEYS
from dr_gen.readers.contract import ColumnMap

__all__ = ["AnalysisConfig"]


@attrs.frozen
class AnalysisConfig:
    """How runs are read, grouped and shown.

    Attributes
    ----------
    labels : Labels
        Display names; ``display: {keys: …, values: …}`` in a file.
    noise : tuple of str
        Patterns of keys that are no part of a configuration, in addition to the default ones.
    important : tuple of str
        Patterns of keys that the default patterns hide but that were swept on purpose.
    directions : mapping
        Metric name to ``min`` or ``max``, where the guess is wrong.
    metric : str or None
        Metric address that summaries, comparisons and reports use.
    expected_epochs : int or None
        How many epochs each run should have.
    level : float
        Confidence level of intervals, between 0 and 1.
    columns : ColumnMap
        What the columns of raw logs mean, where guessing fails; ``columns: {x: {it: step}, metrics:
        {err: val/error}, split: part, hpms: [lr], ignore: [id]}`` in a file.
    deleted : bool
        Whether runs count that were marked as deleted in the tool that logged them.

    Examples
    --------
    >>> config = AnalysisConfig.from_dict({"display": {"keys": {"optim.lr": "LR"}}, "level": 0.9})
    >>> config.labels.key("optim.lr"), config.level
    ('LR', 0.9)
    """

    labels: Labels = attrs.field(factory=Labels)
    noise: tuple[str, ...] = ()
    important: tuple[str, ...] = ()
    directions: Mapping[str, Direction] = attrs.field(factory=dict)
    metric: str | None = None
    expected_epochs: int | None = None
    level: float = 0.95
    columns: ColumnMap = attrs.field(factory=ColumnMap)
    deleted: bool = False

    @classmethod
    def from_file(cls, path: str | Path) -> AnalysisConfig:
        """Settings of a YAML file (JSON is YAML too).

        Raises
        ------
        SourceNotFoundError
            If there is no such file.
        SettingsError
            If it is not YAML, or an entry is unknown or does not fit; it names them all.
        """
        import yaml

        file = Path(path)
        if not os.path.isfile(file):
            raise SourceNotFoundError(str(path))
        try:
            data = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            text = " ".join(str(error).split())
            raise SettingsError(str(path), (f"not readable as YAML: {text}",)) from None
        return cls.from_dict({} if data is None else data, str(path))

    @classmethod
    def from_dict(cls, data: Any, where: str = "settings") -> AnalysisConfig:
        """Settings of plain data.

        Raises
        ------
        SettingsError
            If an entry is unknown or does not fit; it names them all.
        """
        if not isinstance(data, Mapping):
            raise SettingsError(where, (f"expected a mapping, found {type(data).__name__}",))
        problems: list[str] = []
        fields: dict[str, Any] = {}
        for name, value in data.items():
            check = _CHECKS.get(name)
            if check is None:
                problems.append(f"unknown entry {name!r}; there are: {', '.join(_CHECKS)}")
                continue
            target, read, expected = check
            try:
                fields[target] = read(value)
            except (TypeError, ValueError):
                problems.append(f"{name}: expected {expected}, found {value!r}")
        if problems:
            raise SettingsError(where, tuple(problems))
        return cls(**fields)

    @property
    def noise_keys(self) -> tuple[str, ...]:
        """All patterns of keys that are no part of a configuration."""
        patterns = (p for p in (*NOISE_KEYS, *self.noise) if p not in self.important)
        return (*patterns, *(f"!{pattern}" for pattern in self.important))

    def apply(self, group: RunGroup) -> RunGroup:
        """The group grouped and shown as these settings say."""
        return attrs.evolve(
            group, noise=self.noise_keys, labels=self.labels, directions=self.directions
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _patterns(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_text, value))


def _display(value: Any) -> Labels:
    if not isinstance(value, Mapping) or not value.keys() <= {"keys", "values"}:
        raise TypeError
    keys, values = value.get("keys") or {}, value.get("values") or {}
    if not isinstance(keys, Mapping) or not isinstance(values, Mapping):
        raise TypeError
    if not all(isinstance(by_value, Mapping) for by_value in values.values()):
        raise TypeError
    return Labels(
        {_text(key): _text(name) for key, name in keys.items()},
        {_text(k): {v: _text(t) for v, t in by_value.items()} for k, by_value in values.items()},
    )


def _directions(value: Any) -> dict[str, Direction]:
    if not isinstance(value, Mapping) or not set(value.values()) <= {"min", "max"}:
        raise TypeError
    return {_text(metric): direction for metric, direction in value.items()}


def _epochs(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError
    return value


def _level(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError
    return float(value)


def _names(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError
    return {_text(column): _text(name) for column, name in value.items()}


def _columns(value: Any) -> ColumnMap:
    read: dict[str, Any] = {"x": _names, "metrics": _names, "split": _text}
    read |= {"hpms": _patterns, "ignore": _patterns}
    if not isinstance(value, Mapping) or not value.keys() <= read.keys():
        raise TypeError
    metrics = _names(value.get("metrics", {}))
    if not all(all(name.partition("/")) for name in metrics.values()):
        raise ValueError
    return ColumnMap(**{name: read[name](given) for name, given in value.items()})


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


_CHECKS: dict[str, tuple[str, Any, str]] = {
    "display": ("labels", _display, "a mapping with keys and values, each a mapping to text"),
    "noise": ("noise", _patterns, "a list of key patterns"),
    "important": ("important", _patterns, "a list of key patterns"),
    "directions": ("directions", _directions, "a mapping from metric to min or max"),
    "metric": ("metric", _text, "a metric address such as val/acc1@best"),
    "expected_epochs": ("expected_epochs", _epochs, "a whole number of at least 1"),
    "level": ("level", _level, "a number between 0 and 1"),
    "columns": (
        "columns",
        _columns,
        "a mapping with x (column to axis), metrics (column to split/metric), split (a column), "
        "hpms and ignore (lists of columns)",
    ),
    "deleted": ("deleted", _yes_or_no, "true or false"),
}
"""Entry of a settings file to the field it fills, how it is read, and what is expected."""
