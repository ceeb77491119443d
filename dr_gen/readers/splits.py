"""What splits are called, and the split that the name of a file tells; see `naming`.

By itself, since every search for logs asks for it, and what else names mean only who reads one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["SPLIT_OF", "WORDS", "any_split", "file_split"]

_SPLITS: Final = {
    "train": ("train", "training", "tr"),
    "val": ("val", "valid", "validation", "validate"),
    "dev": ("dev",),
    "eval": ("eval", "evaluation", "evaluate"),
    "test": ("test", "testing"),
}
SPLIT_OF: Final = {word: split for split, words in _SPLITS.items() for word in words}
"""Word to the split that it means."""

_BETWEEN: Final = r"/_\-.:\s"
WORDS: Final = re.compile(rf"[^{_BETWEEN}]+")
"""A word of a name."""

_ANY_SPLIT: Final = re.compile(
    rf"(?<![^{_BETWEEN}])(?:{'|'.join(map(re.escape, SPLIT_OF))})(?![^{_BETWEEN}])"
)

_LOG_WORDS: Final = frozenset({"history", "log", "logs", "metrics", "progress", "results", "stats"})


def file_split(stem: str) -> str | None:
    """The split that a file holds by its name alone, or None.

    Examples
    --------
    >>> file_split("val"), file_split("eval_metrics"), file_split("progress-maze-test")
    ('val', 'eval', 'test')
    >>> file_split("test_run_3") is None
    True
    """
    first, *rest = stem.casefold().split("_")
    if _LOG_WORDS.issuperset(rest) and first in SPLIT_OF:
        return SPLIT_OF[first]
    first, *rest = [word[0] for word in WORDS.finditer(stem.casefold())] or [""]
    return SPLIT_OF.get(rest[-1]) if rest and first in _LOG_WORDS else None


def any_split(names: Iterable[str]) -> bool:
    """Whether a word of some names is a split: of very many files that is soon told.

    Examples
    --------
    >>> any_split(["run_1.jsonl", "metrics.csv"]), any_split(["a.csv", "log-Train.csv"])
    (False, True)
    """
    return _ANY_SPLIT.search("\n".join(names).casefold()) is not None
