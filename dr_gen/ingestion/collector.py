"""The collector of garbage, and memory, while very many objects are made that all stay."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

import numpy as np

__all__ = ["paused"]

_HINT: Final = 33_000_000


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """No search for garbage meanwhile; afterwards it goes on as before.

    It would look at every object again and again, and find none to free: what reading makes is
    freed by itself when it is no longer needed.

    Examples
    --------
    >>> with paused():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    was_on = gc.isenabled()
    gc.disable()
    # glibc gives back to the system what is larger than the largest piece that was freed before,
    # and gets it again, page by page, for the next block of lines. Never touched, this piece takes
    # no memory; with it freed, a few blocks are kept.
    np.empty(_HINT, np.uint8)
    try:
        yield
    finally:
        if was_on:
            gc.enable()
