"""Where the runs of a store come from: what is remembered of each file, in columns."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import attrs

from dr_gen.convert import finding_from_dict, finding_to_dict
from dr_gen.errors import UsageError
from dr_gen.model.finding import Finding

__all__ = ["Mark", "SourceRecord", "SourceTable", "Stamp", "from_plain", "to_plain"]


@attrs.frozen
class Stamp:
    """By what a file is known to be the same as before.

    Attributes
    ----------
    size : int
        In bytes.
    mtime_ns, ctime_ns : int
        When its content, and what the system knows of it, were last changed.
    digest : str
        Of the content; empty when the file was old enough that a later change must have moved
        its times.
    since : int
        The byte that the digest begins with.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    digest: str = ""
    since: int = 0


@attrs.frozen
class Mark:
    """How far a file was read, and by what it is known again when it grew.

    Attributes
    ----------
    offset : int
        The byte behind the last line that was read.
    inode : int
        Number of the file in its file system.
    check : str
        Digest of what stands right before `offset`.
    own : int
        How many findings of the run are the reader's; what comes behind them was judged.
    state : plain data
        What the reader wants to know when it goes on.
    """

    offset: int
    inode: int
    check: str
    own: int = 0
    state: Any = None


@attrs.frozen
class SourceRecord:
    """One file that was looked at, and what became of it.

    Attributes
    ----------
    path, given : str
        Absolute, and as it was named.
    stamp : Stamp
        Taken before it was read.
    beside : mapping
        Name to stamp of the settings files beside it.
    format : str
        Name of the reader; empty when it is no log.
    confidence, reason
        How it was recognised.
    run_id, experiment : str
        What the reader was told.
    how : str
        By which rules it was read; other rules, another reading.
    names, runs : tuple of str
        Ids of its runs as the reader gave them, and as they are in the store.
    findings : tuple of Finding
        What belongs to none of its runs.
    gone : bool
        Whether it is no longer there.
    mark : Mark or None
        Where to go on reading when it grows; None: at its beginning.
    together : str
        A digest of which files it was read with; empty when it was read alone.
    """

    path: str
    given: str
    stamp: Stamp
    beside: Mapping[str, Stamp] = attrs.field(factory=dict)
    format: str = ""
    confidence: float = 0.0
    reason: str = ""
    run_id: str = ""
    experiment: str = ""
    how: str = ""
    names: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    gone: bool = False
    mark: Mark | None = None
    together: str = ""


Told = tuple[str, float, str, str, str]
"""Format, confidence, reason, experiment and rules: the same for many files."""


@attrs.frozen(repr=False)
class SourceTable(Sequence[SourceRecord]):
    """The records of many files, each made when it is asked for.

    To make ten thousand records takes longer than to look at as many files, and nearly always
    nothing is asked but whether their times are still the same.

    Attributes
    ----------
    roots : tuple of str
        The folders and files, absolute, that were last searched.
    folders : list of (str, str)
        Each folder of a file, absolute and as it was named, both with what stands before the name.
    folder, name : list
        For each file the number of its folder, and its name there.
    size, mtime_ns, ctime_ns : list of int
        For each file its `Stamp`.
    offset, inode : list of int
    check : list of str
        For each file its `Mark`; -1, 0 and nothing when it has none.
    told : list of tuple
        What many files share; see `Told`.
    told_as : list of int
        For each file the number of what it shares.
    run_id : list of str
        For each file the id that its run was to have.
    odd : dict
        Number of a file to those fields of its record that are not the usual ones: one run called
        `run_id` for a log and none for another file, no findings, nothing beside it, still there.
    """

    roots: tuple[str, ...] = ()
    folders: list[tuple[str, str]] = attrs.field(factory=list)
    folder: list[int] = attrs.field(factory=list)
    name: list[str] = attrs.field(factory=list)
    size: list[int] = attrs.field(factory=list)
    mtime_ns: list[int] = attrs.field(factory=list)
    ctime_ns: list[int] = attrs.field(factory=list)
    offset: list[int] = attrs.field(factory=list)
    inode: list[int] = attrs.field(factory=list)
    check: list[str] = attrs.field(factory=list)
    told: list[Told] = attrs.field(factory=list)
    told_as: list[int] = attrs.field(factory=list)
    run_id: list[str] = attrs.field(factory=list)
    odd: dict[int, dict[str, Any]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, records: Iterable[SourceRecord], roots: Iterable[str] = ()) -> SourceTable:
        """The table of `records`."""
        out = cls(tuple(roots))
        folders: dict[tuple[str, str], int] = {}
        told: dict[Told, int] = {}
        for number, one in enumerate(records):
            start, given, name = _split(one.path, one.given)
            out.folder.append(folders.setdefault((start, given), len(folders)))
            out.name.append(name)
            out.size.append(one.stamp.size)
            out.mtime_ns.append(one.stamp.mtime_ns)
            out.ctime_ns.append(one.stamp.ctime_ns)
            mark = one.mark or _NO_MARK
            out.offset.append(mark.offset)
            out.inode.append(mark.inode)
            out.check.append(mark.check)
            shared = (one.format, one.confidence, one.reason, one.experiment, one.how)
            out.told_as.append(told.setdefault(shared, len(told)))
            out.run_id.append(one.run_id)
            if odd := _odd(one):
                out.odd[number] = odd
        out.folders.extend(folders)
        out.told.extend(told)
        return out

    def __len__(self) -> int:
        return len(self.name)

    @overload
    def __getitem__(self, index: int) -> SourceRecord: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[SourceRecord, ...]: ...
    def __getitem__(self, index: int | slice) -> SourceRecord | tuple[SourceRecord, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        number = range(len(self))[index]
        start, given = self.folders[self.folder[number]]
        name = self.name[number]
        odd = self.odd.get(number, {})
        stamp = Stamp(
            self.size[number],
            self.mtime_ns[number],
            self.ctime_ns[number],
            odd.get("digest", ""),
            odd.get("since", 0),
        )
        format_, confidence, reason, experiment, how = self.told[self.told_as[number]]
        run_id = self.run_id[number]
        names = odd.get("names", (run_id,) if format_ else ())
        return SourceRecord(
            start + name,
            given + name,
            stamp,
            odd.get("beside", {}),
            format_,
            confidence,
            reason,
            run_id,
            experiment,
            how,
            names,
            odd.get("runs", names),
            odd.get("findings", ()),
            "gone" in odd,
            self._mark(number, odd),
            odd.get("together", ""),
        )

    def _mark(self, number: int, odd: Mapping[str, Any]) -> Mark | None:
        offset, inode, check = self.offset[number], self.inode[number], self.check[number]
        if offset < 0:
            return None
        return Mark(offset, inode, check, odd.get("own", 0), odd.get("state"))

    def paths(self) -> Iterator[str]:
        """The absolute path of each file."""
        starts = [start for start, _ in self.folders]
        return (starts[i] + name for i, name in zip(self.folder, self.name, strict=True))

    def runs(self) -> Iterator[str]:
        """The ids of the runs of all files, as they are in the store."""
        is_log = [bool(told[0]) for told in self.told]
        for number, (told, run_id) in enumerate(zip(self.told_as, self.run_id, strict=True)):
            odd = self.odd.get(number, {})
            if "runs" in odd or "names" in odd:
                yield from odd["runs"] if "runs" in odd else odd["names"]
            elif is_log[told]:
                yield run_id

    def noted(self) -> Iterator[SourceRecord]:
        """Those with findings, and those that are gone, in order."""
        for number, odd in sorted(self.odd.items()):
            if "findings" in odd or "gone" in odd:
                yield self[number]


_NO_MARK = Mark(-1, 0, "")


def _split(path: str, given: str) -> tuple[str, str, str]:
    """What stands before the name in both spellings of a path, and the name."""
    cut = path.rfind(os.sep) + 1
    name = path[cut:]
    if given.endswith(name):
        return path[:cut], given[: len(given) - len(name)], name
    return path, given, ""


def _odd(record: SourceRecord) -> dict[str, Any]:
    usual = (record.run_id,) if record.format else ()
    odd: dict[str, Any] = {}
    if record.stamp.digest:
        odd["digest"] = record.stamp.digest
    if record.stamp.since:
        odd["since"] = record.stamp.since
    if record.beside:
        odd["beside"] = dict(record.beside)
    if record.names != usual:
        odd["names"] = record.names
    if record.runs != record.names:
        odd["runs"] = record.runs
    if record.findings:
        odd["findings"] = record.findings
    if record.gone:
        odd["gone"] = True
    if record.together:
        odd["together"] = record.together
    if record.mark is not None and record.mark.own:
        odd["own"] = record.mark.own
    if record.mark is not None and record.mark.state is not None:
        odd["state"] = record.mark.state
    return odd


# ---------------------------------------------------------------------------- plain data

_TEXTS = ("name", "check", "run_id")
_NUMBERS = ("folder", "size", "mtime_ns", "ctime_ns", "offset", "inode", "told_as")
_LISTS = (*_NUMBERS, *_TEXTS)


def to_plain(table: SourceTable) -> dict[str, Any]:
    """The table as plain data; settings files that many share are there once."""
    besides: dict[str, int] = {}
    stamps: list[Any] = []
    rows = {}
    for number, odd in table.odd.items():
        row = dict(odd)
        if "beside" in odd:
            plain = {name: attrs.astuple(stamp) for name, stamp in odd["beside"].items()}
            row["beside"] = besides.setdefault(repr(plain), len(besides))
            if len(besides) > len(stamps):
                stamps.append(plain)
        if "findings" in odd:
            row["findings"] = [*map(finding_to_dict, odd["findings"])]
        rows[str(number)] = row
    columns = {name: getattr(table, name) for name in ("roots", "folders", *_LISTS, "told")}
    return {**columns, "beside": stamps, "odd": rows}


def from_plain(data: Mapping[str, Any]) -> SourceTable:
    """The table that became `data`.

    Raises
    ------
    UsageError
        If it is something else.
    """
    try:
        lists = {name: data[name] for name in _LISTS}
        besides = [
            {name: Stamp(*values) for name, values in plain.items()} for plain in data["beside"]
        ]
        odd = {int(number): _row(row, besides) for number, row in data["odd"].items()}
        folders: list[tuple[str, str]] = [(start, given) for start, given in data["folders"]]
        told: list[Told] = [tuple(row) for row in data["told"]]
        table = SourceTable(tuple(data["roots"]), folders, told=told, odd=odd, **lists)
        _check(table)
    except KeyError as error:
        raise UsageError(f"sources: no {error}") from None
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise UsageError(f"sources: {error}") from None
    return table


def _row(row: Mapping[str, Any], besides: Sequence[Mapping[str, Stamp]]) -> dict[str, Any]:
    made: Mapping[str, Any] = {
        "beside": lambda i: besides[i],
        "names": tuple,
        "runs": tuple,
        "findings": lambda found: tuple(map(finding_from_dict, found)),
    }
    return {name: made[name](value) if name in made else value for name, value in row.items()}


def _check(table: SourceTable) -> None:
    """Every list is one of all files, of one kind, and points at what is there."""
    n = len(table)
    for name in _LISTS:
        column, kind = getattr(table, name), str if name in _TEXTS else int
        if not isinstance(column, list) or len(column) != n or not set(map(type, column)) <= {kind}:
            raise UsageError(f"sources: {name} is no list of {n} {kind.__name__}")
    limits = (table.folder, table.folders), (table.told_as, table.told), (table.odd, range(n))
    if any(not 0 <= i < len(there) for points, there in limits for i in points):
        raise UsageError("sources: a number points nowhere")
    texts = itertools.chain(table.roots, *table.folders)
    if any(len(row) != 5 for row in table.told) or set(map(type, texts)) - {str}:
        raise UsageError("sources: a folder, or what is said of a format, is something else")
