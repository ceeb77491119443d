"""The runs in one table: columns that say which run a row belongs to, and how rows are counted."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np

from dr_gen.model.noise import SEED_KEYS
from dr_gen.readers.columns import is_setting
from dr_gen.readers.naming import split_name, x_column
from dr_gen.readers.tables.columns import value_of

__all__ = ["INDEX_NAMES", "Part", "has_runs_in_rows", "indexed", "runs_in"]

INDEX_NAMES: Final = frozenset({"", "unnamed: 0"})
"""What a column of row numbers is called by tools that give it no name, in lower case."""

_IDENTITY_NAMES: Final = """exp exp_name experiment experiment_id experiment_name job_id run run_id
    run_name trial trial_id trial_name"""
_SETTING_NAMES: Final = """agent algo algorithm env env_id env_name environment fold game method
    task"""
_IDENTITIES: Final = frozenset(_IDENTITY_NAMES.split())
_SETTINGS: Final = frozenset(_SETTING_NAMES.split())
_RESTART: Final = 0.1

Cells = Mapping[str, Sequence[str]]


@attrs.frozen
class Part:
    """The rows of one run in a table.

    Attributes
    ----------
    name : str
        What tells it from the other runs in the table; empty when it is the only one.
    cells : mapping of str to sequence of str
        Its columns.
    lines : sequence of int
        The line of each row.
    hpms : mapping
        Settings that all its rows repeat.
    facts : mapping
        Other things that all its rows say of the run.
    """

    name: str
    cells: Cells
    lines: Sequence[int]
    hpms: Mapping[str, Any] = attrs.field(factory=dict)
    facts: Mapping[str, Any] = attrs.field(factory=dict)


def indexed(cells: Cells) -> tuple[dict[str, Sequence[str]], str | None]:
    """Columns with a name for row numbers that have none, and that name.

    Row numbers are left out where there are other counters, and are the epoch where each row has a
    metric of the training and one of another split.

    Examples
    --------
    >>> indexed({"": ["0", "1"], "loss": ["3", "2"], "val_loss": ["4", "3"]})[1]
    'epoch'
    >>> indexed({"": ["0", "1"], "step": ["0", "5"]})
    ({'step': ['0', '5']}, None)
    """
    first = next(iter(cells), None)
    if first is None or first.casefold() not in INDEX_NAMES or not _counts(cells[first]):
        return dict(cells), None
    rest = {name: column for name, column in cells.items() if name != first}
    if any(map(_is_counter, rest)):
        return rest, None
    splits = {split_name(name)[0] or "train" for name in rest}
    name = "epoch" if len(splits) > 1 else "step"
    return {name: cells[first], **rest}, name


def _counts(cells: Sequence[str]) -> bool:
    whole = [int(cell) for cell in cells if cell.isascii() and cell.isdecimal() and len(cell) < 16]
    rises = all(a < b for a, b in itertools.pairwise(whole))
    return len(whole) == len(cells) > 0 and rises


def _is_counter(name: str) -> bool:
    meant = x_column(name)
    return meant is not None and not meant.is_time


def runs_in(cells: Cells, lines: Sequence[int], named: Collection[str] = ()) -> list[Part]:
    """The runs in a table: those of its seeds, tasks and so on, if a counter begins again in each.

    Parameters
    ----------
    cells : mapping of str to sequence of str
    lines : sequence of int
    named : collection of str
        Further columns that say which run a row belongs to.

    Examples
    --------
    >>> cells = {"step": list("0101"), "reward": list("1234"), "seed": list("1122")}
    >>> [(part.name, part.hpms, part.lines) for part in runs_in(cells, [2, 3, 4, 5])]
    [('seed=1', {'seed': 1}, [2, 3]), ('seed=2', {'seed': 2}, [4, 5])]
    """
    keys = [name for name in cells if _tells_runs(name, named) and all(cells[name])]
    groups: dict[tuple[str, ...], list[int]] = {}
    if keys and lines:
        for row, key in enumerate(zip(*(cells[name] for name in keys), strict=True)):
            groups.setdefault(key, []).append(row)
    if len(groups) > 1 and not _begin_again(cells, list(groups.values())):
        groups = {}
    if not groups:
        return [Part("", cells, lines)]
    varying = [i for i in range(len(keys)) if len({key[i] for key in groups}) > 1]
    own = keys if len(groups) > 1 else [name for name in keys if _is_given(name, named)]
    return [
        _part(cells, lines, rows, own, ",".join(f"{keys[i]}={key[i]}" for i in varying))
        for key, rows in groups.items()
    ]


def _part(
    cells: Cells, lines: Sequence[int], rows: Sequence[int], own: Sequence[str], name: str
) -> Part:
    first = {key: value_of(cells[key][rows[0]]) for key in own}
    facts = {key: value for key, value in first.items() if key.casefold() in _IDENTITIES}
    hpms = {key: value for key, value in first.items() if key not in facts}
    rest = {key: column for key, column in cells.items() if key not in first}
    if not name:
        return Part(name, rest, lines, hpms, facts)
    rest = {key: [column[row] for row in rows] for key, column in rest.items()}
    for key in [key for key in rest if is_setting(key)]:
        if rest[key][0] and len(set(rest[key])) == 1:
            hpms[key] = value_of(rest.pop(key)[0])
    return Part(name, rest, [lines[row] for row in rows], hpms, facts)


def _tells_runs(name: str, named: Collection[str]) -> bool:
    return name.casefold() in _IDENTITIES or _is_given(name, named)


def _is_given(name: str, named: Collection[str]) -> bool:
    folded = name.casefold()
    return folded in _SETTINGS or folded in SEED_KEYS or name in named


def has_runs_in_rows(cells: Cells) -> bool:
    """Whether each row is a run of its own: a table of results.

    Examples
    --------
    >>> has_runs_in_rows({"seed": list("123"), "acc": list("777")})
    True
    """
    keys = [cells[name] for name in cells if _tells_runs(name, ())]
    rows = list(zip(*keys, strict=True))
    return len(rows) > 1 and 2 * len(set(rows)) > len(rows)


def _begin_again(cells: Cells, groups: Sequence[Sequence[int]]) -> bool:
    """Whether a counter begins again in some group where it began in the first."""
    counter = next((name for name in cells if _is_counter(name) and all(cells[name])), None)
    if counter is None or 2 * len(groups) > len(cells[counter]):
        return False
    numbers = [value_of(cell) for cell in cells[counter]]
    if not all(isinstance(number, int | float) for number in numbers):
        return False
    xs = np.array(numbers, np.float64)
    low, high = xs[groups[0]].min(), xs[groups[0]].max()
    return any(xs[rows].min() <= low + _RESTART * (high - low) for rows in groups[1:])
