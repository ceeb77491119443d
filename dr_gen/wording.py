"""Counts as people read them."""

from __future__ import annotations

__all__ = ["counted"]


def counted(n: int, noun: str, nouns: str = "") -> str:
    """A number of things, in words.

    Parameters
    ----------
    n : int
    noun : str
        One of them.
    nouns : str, optional
        Several of them, where an s is not enough.

    Examples
    --------
    >>> counted(1, "run"), counted(2500, "run"), counted(2, "entry", "entries")
    ('1 run', '2,500 runs', '2 entries')
    """
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"
