"""Columns of cells that were written as text: numbers, and what stands for none."""

from __future__ import annotations

import ast
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.cells import read_number
from dr_gen.readers.columns import Columns
from dr_gen.readers.number_arrays import Numbers

__all__ = ["columns_of", "has_objects", "records_of", "value_of", "values_of"]

_WORDS: Final = {
    "true": True,
    "false": False,
    "none": None,
    "null": None,
    "n/a": None,
    "na": None,
    "-": None,
}
_NO_SIGNS: Final = str.maketrans("", "", "+-")
_SMALL: Final = 2**53
_LARGEST_OBJECT: Final = 100_000


def value_of(text: str) -> Any:
    """What a cell says: a number, true or false, None, a list or dict that is written out, or text.

    Examples
    --------
    >>> [value_of(text) for text in ("1e-4", "3", "True", "None", "adam", "{'lr': 0.1}", "[1, 2")]
    [0.0001, 3, True, None, 'adam', {'lr': 0.1}, '[1, 2']
    """
    kind, number = read_number(text)
    if kind == "text":
        return number
    if text[:1] in ("{", "[") and len(text) <= _LARGEST_OBJECT:
        return _object(text)
    return _WORDS.get(text.casefold(), text)


def _object(text: str) -> Any:
    for parse in (json.loads, _literal):
        try:
            value = parse(text)
        # Whatever is written there: the parser of Python runs out of memory when nested deeply.
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(value, dict | list):
            return value
    return text


def _literal(text: str) -> Any:
    with warnings.catch_warnings():
        # Of what looks like slips in code, which this is not.
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)


def values_of(texts: Sequence[str]) -> Sequence[Any]:
    """The values of cells of one column, none of them blank: together if all are numbers.

    Examples
    --------
    >>> values_of(["1", "2"]).array.dtype.name, values_of(["1", "nan"]).array.dtype.name
    ('int64', 'float64')
    >>> values_of(["1", "off"])
    [1, 'off']
    """
    try:
        together = "".join(texts)
        # Python takes 1_000 for a number as well, but nobody else does.
        if "_" in together:
            return [value_of(text) for text in texts]
        if together.isascii() and together.translate(_NO_SIGNS).isdecimal():
            whole = list(map(int, texts))
            if min(whole) > -_SMALL and max(whole) < _SMALL:
                return Numbers(np.array(whole, np.int64), whole[0], whole[-1])
        numbers = np.array(list(map(float, texts)), np.float64)
    except ValueError:
        return [value_of(text) for text in texts]
    if not np.isfinite(numbers).all() and any("n" not in t.casefold() for t in _infinite(texts)):
        return [value_of(text) for text in texts]
    return Numbers(numbers, _typed(texts[0]), _typed(texts[-1]))


def _is_whole(text: str) -> bool:
    return (text[1:] if text[:1] in ("-", "+") else text).isdecimal() and text.isascii()


def _infinite(texts: Sequence[str]) -> list[str]:
    return [text for text in texts if math.isinf(float(text))]


def _typed(text: str) -> float | int:
    return int(text) if _is_whole(text) else float(text)


def has_objects(columns: Mapping[str, Sequence[str]]) -> bool:
    """Whether some cells are dicts or lists that are written out."""
    for cells in columns.values():
        together = "".join(cells)
        if ("{" in together or "[" in together) and any(c[:1] in ("{", "[") for c in cells):
            return True
    return False


def records_of(columns: Mapping[str, Sequence[str]], n: int) -> list[dict[str, Any]]:
    """Each of `n` rows as a mapping without its blank cells."""
    known: dict[str, Any] = {}

    def value(text: str) -> Any:
        if text[:1] != "{":
            return value_of(text)
        if text not in known:  # a configuration that every row repeats
            known[text] = value_of(text)
        return known[text]

    return [
        {name: value(cells[row]) for name, cells in columns.items() if cells[row]}
        for row in range(n)
    ]


def columns_of(columns: Mapping[str, Sequence[str]], lines: Sequence[int]) -> Columns:
    """The columns, without their blank cells; those without any cell are left out.

    Examples
    --------
    >>> found = columns_of({"step": ["0", "1"], "loss": ["", "0.5"]}, [2, 3])
    >>> found.by_name["loss"].rows[0], found.by_name["loss"].values[0]
    (1, 0.5)
    """
    if not lines:
        return Columns()
    numbers = np.array(lines, np.int64)
    found = Columns(Numbers(numbers, lines[0], lines[-1]))
    every: NDArray[np.intp] = np.arange(len(lines))
    for name, cells in columns.items():
        if "" not in cells:
            found.add_column(name, every, values_of(cells))
        elif any(cells):
            rows = np.flatnonzero(np.array(list(map(bool, cells))))
            found.add_column(name, rows, values_of([cell for cell in cells if cell]))
    found.first = {
        name: column.values[0] for name, column in found.by_name.items() if column.rows[0] == 0
    }
    return found
