"""What a store knows of files, held against the files as they are now."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import msgspec

from dr_gen.ingestion.rules import Rules
from dr_gen.ingestion.stamps import Folders, renewed
from dr_gen.model.finding import Finding
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES
from dr_gen.readers.tree import walk
from dr_gen.store import catalogue as catalogues
from dr_gen.store.catalogue import Catalogue
from dr_gen.store.sources import SourceRecord, Stamp

__all__ = ["Look", "Looks", "Memory"]


_DETOUR = re.compile(r"/\.{0,2}/|\\")


class Look(msgspec.Struct, frozen=True):
    """One file as it is now.

    There may be very many: a struct is made in a sixth of the time that a class of attrs takes.

    Attributes
    ----------
    path, given : str
        Absolute, and as it is named.
    stamp : Stamp or None
        None when it could not be looked at.
    beside : mapping
        Name to stamp of the settings files beside it.
    known : SourceRecord or None
        What is known of it.
    same : bool
        Whether that still holds.
    grown : bool
        Whether it seems to be what it was with something appended, told without reading it.
    """

    path: str
    given: str
    stamp: Stamp | None = None
    beside: Mapping[str, Stamp] = msgspec.field(default_factory=dict)
    known: SourceRecord | None = None
    same: bool = False
    grown: bool = False


@attrs.frozen
class Looks:
    """The files below one root, in no order.

    Attributes
    ----------
    kept : dict of int to str
        Number and name of those of which all is as it is known, to the last stamp.
    others : list of Look
    names : sequence of str
        Those that were not looked at, since there is no store that could know them.
    """

    kept: dict[int, str] = attrs.field(factory=dict)
    others: list[Look] = attrs.field(factory=list)
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.kept) + len(self.others) + len(self.names)


class Memory:
    """What a store knows; nothing when there is no store.

    Attributes
    ----------
    before : Catalogue
        What is in the store.
    how : str
        The rules by which files are read now.

    Parameters
    ----------
    store : Path or None
    rules : Rules
    whole : collection of str
        Paths of files that are read from their beginning, whatever they seem to be.
    """

    def __init__(self, store: Path | None, rules: Rules, whole: Collection[str] = ()) -> None:
        self._whole = whole
        # A reader from outside may see in more lines what it did not see in fewer.
        self._others_may_claim = formats.formats().readers.keys() != formats.FORMATS.keys()
        self._place = None if store is None else os.path.join(os.path.abspath(store), "")
        there = store is not None and catalogues.exists(store)
        self.before = catalogues.read(store, sources=True) if there and store else Catalogue()
        self.how = "" if store is None else rules.how()
        self._now = time.time_ns()
        self._folders = Folders(self._now)
        self._table = table = self.before.sources
        self._row = {path: row for row, path in enumerate(table.paths())}
        by_our_rules = [told[-1] == self.how for told in table.told]
        # Whether its times are all there is to compare.
        self._plain = [by_our_rules[i] for i in table.told_as]
        for row, odd in table.odd.items():
            if not odd.keys().isdisjoint(("digest", "beside", "gone")):
                self._plain[row] = False

    def walked(self, root: str) -> tuple[list[str], list[Finding]]:
        """The files below a folder, as `dr_gen.readers.tree.walk` finds them."""
        if self._place is None:
            return walk(root)
        noted = self._folders.to_note()
        found = walk(root, noted)
        self._folders.were_noted(noted)
        return found

    def outside(self, files: list[str], root: str) -> list[str]:
        """The files below `root` that are not of the store itself."""
        place = self._place
        if place is None or not place.startswith(_absolute(root)):
            return files
        folders = set(map(_folder, files))
        inside = {folder for folder in folders if _absolute(folder).startswith(place)}
        return [file for file in files if _folder(file) not in inside] if inside else files

    def look(self, files: Iterable[str]) -> Looks:
        """What has become of files."""
        if self._place is None:
            return Looks(names=tuple(files))
        out = Looks()
        # One object for each of many files, and the collector of garbage takes as long as we do.
        size, mtime, ctime = self._table.size, self._table.mtime_ns, self._table.ctime_ns
        folder, start, alone = None, "", False
        for given in files:
            cut = given.rfind(os.sep) + 1
            if given[:cut] != folder:
                folder = given[:cut]
                start, alone = _absolute(folder), not self._folders.names(folder)
            path = start + given[cut:]
            row = self._row.get(path, -1)
            try:
                about = os.stat(given)
            except OSError:
                out.others.append(Look(path, given))
                continue
            if (
                alone
                and row >= 0
                and self._plain[row]
                and about.st_size == size[row]
                and about.st_mtime_ns == mtime[row]
                and about.st_ctime_ns == ctime[row]
            ):
                out.kept[row] = given
                continue
            look = self._compared(path, given, about, row)
            if look.known is not None and self._is_kept(look, look.known):
                out.kept[row] = given
            else:
                out.others.append(look)
        return out

    def _compared(self, path: str, given: str, about: os.stat_result, row: int) -> Look:
        old = self._table[row] if row >= 0 else None
        if old is not None and self._has_grown(old, about):
            times = (about.st_size, about.st_mtime_ns, about.st_ctime_ns)
            beside, same = self._folders.beside(given, old.beside)
            if same and beside == old.beside:
                return Look(path, given, Stamp(*times), beside, old, grown=True)
        try:
            stamp, same = renewed(given, old.stamp if old else None, self._now, about)
        except OSError:
            return Look(path, given)
        beside, same_beside = self._folders.beside(given, old.beside if old else None)
        same = same and same_beside and old is not None and old.how == self.how
        return Look(path, given, stamp, beside, old, same)

    def _has_grown(self, old: SourceRecord, about: os.stat_result) -> bool:
        mark = old.mark
        if mark is None or old.gone or old.how != self.how or old.path in self._whole:
            return False
        if old.stamp.size < HEAD_BYTES and self._others_may_claim:
            return False
        return about.st_size > old.stamp.size and about.st_ino == mark.inode

    def _is_kept(self, look: Look, old: SourceRecord) -> bool:
        return look.same and not old.gone and (look.stamp, look.beside) == (old.stamp, old.beside)

    def recall(self, row: int, given: str) -> Look:
        """A file that was kept, as any other."""
        old = self._table[row]
        return Look(old.path, given, old.stamp, old.beside, old, True)

    def left(
        self, seen: Iterable[str], roots: Sequence[str]
    ) -> Iterator[tuple[SourceRecord, bool]]:
        """What is known beside the paths `seen`, and whether it should be there below `roots`."""
        left = self._row.keys() - set(seen)
        below = tuple(os.path.join(root, "") for root in roots)
        for row in sorted(self._row[path] for path in left):
            record = self._table[row]
            yield record, record.path in roots or record.path.startswith(below)

    def is_as_before(self, searched: Sequence[str], found: Sequence[tuple[str, Looks]]) -> bool:
        """Whether a search finds just what the last one found, and all of it as it was.

        Parameters
        ----------
        searched : sequence of str
            The roots, absolute.
        found : sequence of (str, Looks)
            For each the experiment of its runs, and the files.
        """
        table = self._table
        if self._place is None or tuple(searched) != table.roots:
            return False
        n_gone = sum("gone" in odd for odd in table.odd.values())
        if sum(len(looks.kept) for _, looks in found) + n_gone != len(table):
            return False
        experiments = [told[3] if told[0] else None for told in table.told]
        told_as = table.told_as
        return not any(
            looks.others or {experiments[told_as[row]] for row in looks.kept} - {name, None}
            for name, looks in found
        )


def _folder(path: str) -> str:
    return path[: path.rfind(os.sep) + 1]


def _absolute(folder: str) -> str:
    # Of very many folders nearly all are so already, and the long way takes as long as to list one.
    if os.sep == folder[:1] == folder[-1:] and not _DETOUR.search(folder):
        return folder
    return os.path.join(os.path.abspath(folder), "")
