"""Formats from outside: the entry points that installed packages declare."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["declared"]

_FOLDERS: Final = (".dist-info", ".egg-info")
_IN_EGG: Final = "egg-info"
_FILE: Final = "entry_points.txt"


def declared(group: str) -> Iterable[EntryPoint]:
    """The entry points of a group, as `importlib.metadata.entry_points` finds them.

    Examples
    --------
    >>> list(declared("no.such.group"))
    []
    """
    if not _may_be_named(group):
        return ()
    # Here, since to import it and to look at every package as it does takes longer than to read a
    # few logs, and hardly anybody has such a package.
    from importlib.metadata import entry_points

    return entry_points(group=group)


def _may_be_named(group: str) -> bool:
    """Whether the file of any package holds the name of a group, or packages are elsewhere."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    if finders != [PathFinder]:
        return True
    return any(_is_named_below(folder, group.encode()) for folder in dict.fromkeys(sys.path))


def _is_named_below(folder: str, group: bytes) -> bool:
    try:
        names = os.listdir(folder or os.curdir)
    except NotADirectoryError:
        return True  # an archive
    except OSError:
        return False
    for name in names:
        lower = name.lower()
        if lower.endswith(_FOLDERS) or lower == _IN_EGG:
            try:
                with open(os.path.join(folder, name, _FILE), "rb") as file:
                    if group in file.read():
                        return True
            except (FileNotFoundError, NotADirectoryError):
                continue  # it has none
            except OSError:
                return True
    return False
