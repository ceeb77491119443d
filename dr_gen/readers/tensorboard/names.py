"""What event files are called, and the folder of Guild beside them."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["GUILD", "WORD", "is_event_name"]

GUILD: Final = ".guild"

WORD: Final = "tfevents"
"""What is in the name of every event file."""

_OTHER_FILES: Final = frozenset(
    {".bz2", ".csv", ".gz", ".html", ".json", ".jsonl", ".log", ".md", ".npz", ".parquet", ".pkl"}
    | {".png", ".svg", ".tar", ".tgz", ".tmp", ".txt", ".xz", ".yaml", ".yml", ".zip", ".zst"}
)


def is_event_name(name: str) -> bool:
    """Whether a file is called like one of events.

    Examples
    --------
    >>> is_event_name("events.out.tfevents.1648121688.host.11256.2"), is_event_name("tfevents.csv")
    (True, False)
    """
    return WORD in name and os.path.splitext(name)[1] not in _OTHER_FILES
