"""Values that mean one thing and are written in several ways."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np

from dr_gen.analysis.design.columns import Column, Columns
from dr_gen.analysis.design.issue import DesignIssue, listed
from dr_gen.model.codes import Codes
from dr_gen.model.finding import Severity
from dr_gen.model.hpm import MISSING, canonical
from dr_gen.model.hpm_group import HpmGroup

__all__ = ["mixed_numbers", "one_spelling"]

_MOST_LEVELS: Final = 512
"""A key with more values is no list of choices that somebody typed."""

_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "none": None, "null": None}


def one_spelling(
    columns: Columns, keys: Sequence[str], hpms: HpmGroup, positions: Codes
) -> tuple[Columns, list[DesignIssue]]:
    """Columns in which values that mean the same count as one, and where they did not.

    Parameters
    ----------
    columns : Columns
    keys : sequence of str
        The keys to look at; those that vary.
    hpms : HpmGroup
    positions : intp array, dims (run,)
        The runs in the group.
    """
    out = dict(columns.by_key)
    issues = []
    for key in keys:
        column = columns[key]
        if column.n_levels > _MOST_LEVELS:
            continue
        classes = _classes(column.values)
        several = sorted({c for c in classes if classes.count(c) > 1})
        if not several:
            continue
        issues.append(_issue(column, classes, several, hpms, positions))
        merged = column.merged(classes)
        if merged.n_levels > 1:
            out[key] = merged
        else:
            del out[key]
    return Columns(columns.n_runs, out), issues


def _classes(values: Sequence[Any]) -> list[int]:
    """For each value the place of the first that means the same."""
    first: dict[Hashable, int] = {}
    classes = [first.setdefault(_meaning(value), i) for i, value in enumerate(values)]
    for i, c in enumerate(classes):
        # Of two texts that read as one number each may be meant: versions 1.1 and 1.10.
        if c != i and isinstance(values[i], str) and isinstance(values[c], str):
            plain = values[i].strip().casefold() == values[c].strip().casefold()
            if not plain and "e" not in (values[i] + values[c]).casefold():
                classes[i] = i
    return classes


def _meaning(value: Any) -> Hashable:
    """Equal for values that a person would take for one; a bool for the number it stands for."""
    if isinstance(value, str):
        text = value.strip()
        if text.casefold() in _WORDS:
            value = _WORDS[text.casefold()]
        else:
            number = _number(text)
            value = text.casefold() if number is None else number
    if isinstance(value, bool):
        value = int(value)
    return ("text", value) if isinstance(value, str) else canonical(value)


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            number: int | float = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None


def _issue(
    column: Column,
    classes: Sequence[int],
    several: Sequence[int],
    hpms: HpmGroup,
    positions: Codes,
) -> DesignIssue:
    parts, odd = [], np.zeros(len(column.codes), bool)
    for c in several:
        members = [i for i, other in enumerate(classes) if other == c]
        counts = [int(column.counts[i]) for i in members]
        usual = members[int(np.argmax(counts))]
        shown = [f"{_quoted(column.values[i])} ({n})" for i, n in zip(members, counts, strict=True)]
        parts.append(" and ".join(shown))
        for i in members:
            odd |= (column.codes == i) & (i != usual)
    name = hpms.labels.key(column.key)
    return DesignIssue(
        "spelled-differently",
        Severity.WARNING,
        f"{name} is written in several ways, as if they were different: {listed(parts)} "
        "(runs in brackets)",
        (column.key,),
        tuple(hpms.ids[i] for i in positions[odd].tolist()),
        "the runs are split into configurations that are one; write it in one way",
    )


def _quoted(value: Any) -> str:
    return "no value" if value is MISSING else repr(value)


def mixed_numbers(hpms: HpmGroup, positions: Codes) -> list[DesignIssue]:
    """Keys with one number as int and as float; they count as equal, but something wrote both."""
    table, issues = hpms.table, []
    for number, key in enumerate(table.keys):
        categories = table.categories[number]
        if not 1 < len(categories) <= _MOST_LEVELS:
            continue
        if not {int, float} <= set(map(type, categories)):
            continue
        codes = table.codes[number, hpms.indices[positions]]
        used = [categories[code] for code in np.unique(codes[codes >= 0]).tolist()]
        by_meaning: dict[Hashable, list[Any]] = {}
        for value in used:
            if isinstance(value, int | float) and not isinstance(value, bool):
                by_meaning.setdefault(canonical(value), []).append(value)
        both = [" and ".join(map(repr, v)) for v in by_meaning.values() if len(v) > 1]
        if both:
            what = f"{hpms.labels.key(key)} is both {listed(both)}; they count as equal"
            issues.append(DesignIssue("mixed-types", Severity.INFO, what, (key,)))
    return issues
