"""What every reader of a training tool's files does."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, overload

import attrs

from dr_gen.model.finding import Finding
from dr_gen.model.run import RunData

__all__ = [
    "HEAD_BYTES",
    "TRACKER",
    "Claim",
    "ColumnMap",
    "Detection",
    "More",
    "OfTracker",
    "Paths",
    "ReadOptions",
    "ReadResult",
    "Reader",
]

HEAD_BYTES = 65536
"""How much of the beginning of a file a reader sees to recognise it."""

TRACKER = 0.99
"""How sure the reader of a tool's files ever is: our own logs are the only ones that are certain,
and then nobody else is asked."""


def _is_share(_: object, field: attrs.Attribute[float], value: float) -> None:
    # One comparison, since every reader says this of every file.
    if not 0 <= value <= 1:
        raise ValueError(f"{field.name} is from 0 to 1; found {value}")


@attrs.frozen
class Detection:
    """How sure a reader is that a file is its own.

    Attributes
    ----------
    confidence : float
        From 0 (not mine) to 1 (certain).
    reason : str
        What it was recognised by, or why not.
    """

    confidence: float = attrs.field(validator=_is_share)
    reason: str


@attrs.frozen
class Claim:
    """Files that are read together, as one source.

    Attributes
    ----------
    path : str
        The file that stands for all of them: it is recognised by its content, and read.
    parts : tuple of str
        The other files. Nobody else reads them, and when one changes the source is read again.
    named : str
        The path, of a file or a folder, that the run is called by; empty: `path`.
    identity : str
        What only copies of the source share, such as an id that the tool drew; of two sources with
        one identity and the same content the first is read. Empty: copies cannot be told.
    certain : bool
        Whether the identity alone proves it: no two runs ever have one, whatever the content is.
    alone_in : str
        A folder: the claim only holds when no other source lies in it, at any depth. Empty: always.
    kept : tuple of str
        Files that belong to the source and are not read, by nobody: what changes in them changes
        nothing, such as what the process printed.
    telling : int
        How many bytes of the file at `path` have to be there to tell a copy by them: it takes more
        than an empty file, unless nothing but a copy can have that identity.
    """

    path: str
    parts: tuple[str, ...] = ()
    named: str = ""
    identity: str = ""
    alone_in: str = ""
    certain: bool = False
    kept: tuple[str, ...] = ()
    telling: int = 1


def _mapping(columns: Mapping[str, str]) -> dict[str, str]:
    return dict(columns)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@attrs.frozen
class ColumnMap:
    """What the columns of a log mean, where guessing fails.

    Attributes
    ----------
    x : mapping
        Column to the name of the x-axis it holds.
    metrics : mapping
        Column to ``split/metric``. When given, the other columns are still guessed.
    split : str or None
        Column that names the split of a row.
    hpms : tuple of str
        Columns that hold hyperparameters.
    ignore : tuple of str
        Columns to leave out.
    """

    x: Mapping[str, str] = attrs.field(factory=dict, converter=_mapping)
    metrics: Mapping[str, str] = attrs.field(factory=dict, converter=_mapping)
    split: str | None = None
    hpms: tuple[str, ...] = attrs.field(default=(), converter=_names)
    ignore: tuple[str, ...] = attrs.field(default=(), converter=_names)


class Paths(Sequence[Path]):
    """Paths that are made when they are asked for: of very many files that takes the longest.

    Parameters
    ----------
    texts : iterable of str or path

    Attributes
    ----------
    texts : tuple of str
        The paths as text.

    Examples
    --------
    >>> paths = Paths(["a/x.csv", "a/y.csv"])
    >>> paths[0].name, paths[1:].texts, len(paths), paths == Paths(map(Path, paths.texts))
    ('x.csv', ('a/y.csv',), 2, True)
    """

    __slots__ = ("texts",)

    def __init__(self, texts: Iterable[str | os.PathLike[str]] = ()) -> None:
        self.texts = tuple([os.fspath(text) for text in texts])

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> Paths: ...
    def __getitem__(self, index: int | slice) -> Path | Paths:
        found = self.texts[index]
        return Path(found) if isinstance(found, str) else Paths(found)

    def __iter__(self) -> Iterator[Path]:
        return map(Path, self.texts)

    def __eq__(self, other: object) -> bool:
        return self.texts == other.texts if isinstance(other, Paths) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.texts)

    def __repr__(self) -> str:
        return f"Paths({list(self.texts)!r})"


def _paths(given: Iterable[str | os.PathLike[str]]) -> Paths:
    return given if isinstance(given, Paths) else Paths(given)


@attrs.frozen
class ReadOptions:
    """How to read.

    Attributes
    ----------
    experiment : str
        What the runs belong to.
    columns : ColumnMap
        What columns mean, where guessing fails.
    parts : Paths
        The other files of the source, as the reader claimed them.
    deleted : bool
        Whether to read runs that were marked as deleted in the tool that logged them.
    named : bool
        Whether the caller named the experiment: a name that the files know does not count then.
    """

    experiment: str = ""
    columns: ColumnMap = attrs.field(factory=ColumnMap)
    parts: Paths = attrs.field(factory=Paths, converter=_paths)
    deleted: bool = False
    named: bool = False


@attrs.frozen
class ReadResult:
    """What one source held.

    Attributes
    ----------
    runs : tuple of RunData
        Each with its own findings.
    findings : tuple of Finding
        What belongs to no run.
    closed : bool
        Whether the run alone does not tell how to go on when the file grows: it is then read again
        as a whole. Only asked of a reader that has ``read_more``.
    state : plain data
        What ``read_more`` wants to know beside the run.
    own : int
        Once its one run is judged: how many findings of it are the reader's.
    end : int or None
        Of a file that is no text of lines: the byte behind the last record that was read whole.
    """

    runs: tuple[RunData, ...] = ()
    findings: tuple[Finding, ...] = ()
    closed: bool = False
    state: Any = None
    own: int = 0
    end: int | None = None


@attrs.frozen
class More:
    """What was appended to a file that held one run.

    Attributes
    ----------
    path, run_id, options
        As for `Reader.read`.
    before : RunData
        The run as the reader gave it.
    state : plain data
        The state that the reader gave with it.
    last : bytes
        What the file holds right before the tail: a few bytes.
    tail : bytes
        What was appended: whole lines; for a reader of records all that came behind `end`.
    """

    path: Path
    run_id: str
    options: ReadOptions
    before: RunData
    state: Any
    last: bytes
    tail: bytes


class OfTracker:
    """What the readers of the files of one tracker have in common."""

    __slots__ = ()

    @property
    def ceiling(self) -> float:
        """It is never surer of a file than this."""
        return TRACKER


class Reader(Protocol):
    """One file format. Never raises for the content of a file: everything becomes a finding.

    More names are looked for, and a reader does without them just as well:

    ``claims(tree)``
        Where a run is more than one file: a `Claim` for each source that the names of the files in
        a `dr_gen.readers.tree.Tree` tell. No other reader gets these files if `detect` then is
        surest of the first of them.
    ``suffixes``
        Endings of the files beside these that are read when the caller names the format; by default
        the usual ones of text logs.
    ``ceiling``
        The highest confidence that `detect` ever gives: a reader that only guesses is then not
        asked about a file that another is surer of.
    ``early_bytes``
        How many bytes to ask `detect` about first: where it is certain of them (confidence 1), it
        is so whatever follows, and the rest of the beginning is not read.
    ``read_many(items)``
        Takes ``(path, run_id, options)`` of many files and gives what `read` gives for each, in
        order, where reading them together is faster.
    ``read_more(items)``
        Takes a `More` for each of many files of lines that grew, and gives for each exactly what
        `read` would give for the whole file (and what `detect` would still call its own), or None
        where only `read` can tell.
    ``identities(path)``
        What the runs in a file of many are told by: a source that is claimed with one of these
        identities, and is certain of it, is a copy of the run in the file.
    ``tail_of_records``
        True where files are no text of lines and ``read_more`` goes on behind `ReadResult.end`.
    """

    @property
    def name(self) -> str:
        """Name of the format, as given to ``format=``."""
        ...

    def detect(self, path: Path, head: bytes) -> Detection:
        """How sure the reader is, from the path and the first `HEAD_BYTES` bytes."""
        ...

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """All runs of a file; `run_id` is the id of the run when the file holds one."""
        ...
