"""What is asked for: files, folders and stores, each of them there."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from dr_gen.errors import SourceNotFoundError, UsageError
from dr_gen.store import catalogue as catalogues

__all__ = ["Asked", "PathLike", "Roots", "roots_of"]

PathLike = str | os.PathLike[str]

_MANY: Final = 64
_LEFT_OUT: Final = re.compile(r"^\./|//|/\./|/\.?$")
"""What is in a path, and not in the text of it as a `Path`."""


@attrs.frozen
class Roots:
    """Paths that were given, looked at once.

    Attributes
    ----------
    paths : tuple of str
        In the order given.
    folders : frozenset of str
        Those of them that are folders.
    stores : tuple of Path
        Those that are stores.
    """

    paths: tuple[str, ...]
    folders: frozenset[str] = frozenset()
    stores: tuple[Path, ...] = ()

    @property
    def only_stores(self) -> bool:
        """Whether there is nothing else."""
        return len(self.stores) == len(self.paths)

    def folder_of(self, path: str) -> str | None:
        """The folder of one that is a file; None for one that is a folder itself."""
        return None if path in self.folders else os.path.dirname(path)

    def absolute(self) -> tuple[str, ...]:
        """The paths, wherever they are asked from."""
        return tuple(map(os.path.abspath, self.paths))


Asked = PathLike | Sequence[PathLike] | Roots
"""One path or several, or what was found out of them."""


def roots_of(source: Asked) -> Roots:
    """The paths given, each there.

    Raises
    ------
    SourceNotFoundError
        If one is not.
    UsageError
        If there is none, or one is no path.

    Examples
    --------
    >>> roots_of("./").paths
    ('.',)
    """
    if isinstance(source, Roots):
        return source
    paths = [source] if isinstance(source, str | os.PathLike) else source
    given = isinstance(paths, Sequence) and len(paths) > 0
    texts = [_text(path) for path in paths] if given else []
    if not texts or None in texts:
        raise UsageError(f"expected folders or files of runs, or stores; found {source!r}")
    there = [text for text in texts if text is not None]
    files = _files_listed(there)
    folders = frozenset(text for text in there if text not in files and _is_folder(text))
    stores = (Path(text) for text in there if text in folders)
    return Roots(tuple(there), folders, tuple(filter(catalogues.exists, stores)))


def _text(path: object) -> str | None:
    """A path as `Path` writes it; None for what is none."""
    # Most are plain texts already, and to make a path of each takes longer than to look at it.
    if type(path) is str and os.sep == "/" and path and not _LEFT_OUT.search(path):
        return path
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        return None
    return str(Path(path))


def _files_listed(paths: Sequence[str]) -> set[str]:
    """The files in folders of which many are given: a list of a folder says what each is.

    To look at each takes several times as long; those that are not found here are left to that.
    """
    found: set[str] = set()
    for folder, alike in itertools.groupby(paths, lambda path: path[: path.rfind(os.sep) + 1]):
        n_given = sum(1 for _ in alike)
        if n_given >= _MANY:
            with contextlib.suppress(OSError), os.scandir(folder or os.curdir) as entries:
                some = itertools.islice(entries, 2 * n_given)
                found.update(folder + e.name for e in some if e.is_file(follow_symlinks=False))
    return found


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        if not os.path.lexists(path):
            raise SourceNotFoundError(path) from None
        return False
