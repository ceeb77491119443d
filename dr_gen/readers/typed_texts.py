"""Values that were written as text, typed back; what is in doubt stays the text that it is."""

from __future__ import annotations

import ast
import functools
import json
import math
import re
from typing import Any, Final

from dr_gen.errors import UsageError
from dr_gen.model.hpm import plain_value

__all__ = ["typed"]

_WORDS: Final = {
    **dict.fromkeys(("None", "null"), None),
    **dict.fromkeys(("True", "true"), True),
    **dict.fromkeys(("False", "false"), False),
}
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(
    r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
    r"|nan|NaN|inf|Inf|Infinity)"
)
_REMEMBERED: Final = 1024
_MOST_DIGITS: Final = 18
"""Of whole numbers; longer ones are names such as hashes."""
_LONGEST: Final = 20_000
"""Of lists and dicts that are taken apart."""
_QUOTED: Final = re.compile(r"'[^'\\\n]*'|\"[^\"\\\n]*\"")
# Of anything else, or of a number run into a word, Python warns before it says that it is wrong.
_LITERALS: Final = re.compile(r"(?:[\[\](){},:\s.+\-0-9eE]|''|None|True|False)*")
_PAIRS: Final = {"[": "]", "(": ")", "{": "}"}


def typed(text: str) -> Any:
    """What a text stands for: None, a bool, a number, a list or dict of these, or itself.

    Whole numbers that begin with zero or are too long for 64 bits are names, floats that are too
    large for one are texts. Lists and dicts may be written as JSON or as Python writes them.

    Examples
    --------
    >>> typed("1e-4"), typed("None"), typed("True"), typed("007"), typed("adam")
    (0.0001, None, True, '007', 'adam')
    >>> typed("[1, 2.5, 'a']"), typed("(1, None)"), typed('{"a": {"b": true}}'), typed("[1, 2")
    ([1, 2.5, 'a'], [1, None], {'a': {'b': True}}, '[1, 2')
    """
    bare = text.strip()
    return _nested(text, bare) if bare and bare[0] in _PAIRS else _plain(text)


@functools.lru_cache(_REMEMBERED)
def _plain(text: str) -> str | float | None:
    """What no list or dict stands for; of the runs of a sweep most have the same few texts."""
    bare = text.strip()
    if not bare:
        return text
    if bare in _WORDS:
        return _WORDS[bare]
    if bare[0] not in "+-.0123456789nNiI":
        return text
    if _INT.fullmatch(bare):
        return int(bare) if len(bare.lstrip("+-")) <= _MOST_DIGITS else text
    if _FLOAT.fullmatch(bare):
        number = float(bare)
        return text if math.isinf(number) and "n" not in bare.casefold() else number
    return text


def _nested(text: str, bare: str) -> Any:
    if bare[-1] != _PAIRS[bare[0]] or len(bare) > _LONGEST:
        return text
    try:
        return plain_value(json.loads(bare), "")
    except (ValueError, RecursionError, UsageError):
        pass
    if not _LITERALS.fullmatch(_QUOTED.sub("''", bare)):
        return text
    try:
        return plain_value(ast.literal_eval(bare), "")
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, UsageError):
        return text
