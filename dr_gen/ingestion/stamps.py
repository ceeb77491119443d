"""Whether a file is still the one that was read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence

from dr_gen.readers.settings import SIDECARS
from dr_gen.store.sources import Stamp

__all__ = ["Folders", "digest_of", "is_settled", "renewed"]

_SETTLED_NS = 2_000_000_000
"""File systems count time in steps of up to two seconds (FAT); within one a file can change and
keep its times. A younger file is known by its content as well."""


def renewed(
    path: str | os.PathLike[str],
    before: Stamp | None,
    now: int,
    about: os.stat_result | None = None,
) -> tuple[Stamp, bool]:
    """The stamp of a file, and whether it is unchanged since `before`.

    Parameters
    ----------
    path : path
    before : Stamp or None
    now : int
        Time in nanoseconds since 1970.
    about : os.stat_result, optional
        What the system says of the file, when it was asked already.

    Raises
    ------
    OSError
        If it cannot be looked at.
    """
    about = os.stat(path) if about is None else about
    times = (about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    alike = before is not None and times == (before.size, before.mtime_ns, before.ctime_ns)
    if alike and before is not None and not before.digest:
        return before, True
    stamp = Stamp(*times)
    settled = is_settled(stamp, now) or not stat.S_ISREG(about.st_mode)
    since = before.since if alike and before is not None else 0
    digest = "" if settled and not alike else _digest(path, since)
    same = alike and before is not None and before.digest == digest
    return stamp if settled else Stamp(*times, digest, since), same


def is_settled(stamp: Stamp, now: int) -> bool:
    """Whether a file is old enough that a later change must have moved its times."""
    return max(stamp.mtime_ns, stamp.ctime_ns) < now - _SETTLED_NS


def digest_of(content: bytes) -> str:
    """The digest that stands in a `Stamp`."""
    import hashlib  # here, since a load that keeps nothing compares nothing

    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _digest(path: str | os.PathLike[str], since: int) -> str:
    import hashlib

    with open(path, "rb") as file:
        file.seek(since)
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


class Folders:
    """The settings files in folders, each folder looked into once."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._names: dict[str, Sequence[str]] = {}
        self._stamps: dict[tuple[str, Stamp | None], tuple[Stamp, bool]] = {}

    def to_note(self) -> dict[str, set[str]]:
        """What `dr_gen.readers.tree.walk` should look for, so that no folder is listed again."""
        return {name: set() for name in ("", *_FIRST_PARTS)}

    def were_noted(self, noted: Mapping[str, set[str]]) -> None:
        """Take over what was found of it."""
        self._names |= dict.fromkeys(noted[""], ())
        for folder in set().union(*(noted[name] for name in _FIRST_PARTS)):
            there = [name for name in _FIRST_PARTS if folder in noted[name]]
            self._names[folder] = _possible(there)

    def names(self, folder: str) -> Sequence[str]:
        """Names of the settings files that `folder`, a path that ends with a slash, may hold."""
        if folder not in self._names:
            self._names[folder] = _settings_files(folder)
        return self._names[folder]

    def beside(
        self, path: str, before: Mapping[str, Stamp] | None
    ) -> tuple[Mapping[str, Stamp], bool]:
        """Stamps of the settings files beside `path`, and whether they are those of `before`."""
        folder = path[: path.rfind(os.sep) + 1]
        names = self.names(folder)
        if not names:
            return _NONE, before is not None and not before
        found: dict[str, Stamp] = {}
        same = before is not None
        for name in names:
            file = os.path.join(folder, name)
            if file == path:
                continue
            key = (file, (before or {}).get(name))
            if key not in self._stamps:
                try:
                    self._stamps[key] = renewed(file, key[1], self._now)
                except OSError:
                    continue
            found[name], unchanged = self._stamps[key]
            same = same and unchanged
        return found, same and found.keys() == (before or {}).keys()


_NONE: Mapping[str, Stamp] = {}
_FIRST_PARTS = frozenset(name.partition("/")[0] for name in SIDECARS)


def _possible(listed: Iterable[str]) -> list[str]:
    """The settings files that a folder with these names in it may hold."""
    there = _FIRST_PARTS.intersection(listed)
    return [name for name in SIDECARS if name.partition("/")[0] in there] if there else []


def _settings_files(folder: str) -> list[str]:
    try:
        return _possible(os.listdir(folder or os.curdir))
    except OSError:
        return list(SIDECARS)
