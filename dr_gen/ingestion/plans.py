"""What is to be read, as `plan` decides it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Generic, Literal, TypeVar, overload

import attrs

from dr_gen.ingestion.rules import Rules
from dr_gen.model.finding import Finding
from dr_gen.readers.contract import Reader
from dr_gen.store.catalogue import Catalogue
from dr_gen.store.sources import SourceRecord

__all__ = ["Kind", "Late", "Plan", "Source", "Step"]

Kind = Literal[
    "new", "grown", "rewritten", "unchanged", "gone", "elsewhere", "part", "copy", "no log"
]
"""What became of a file since it was last looked at; `elsewhere`: it was not looked for; `part`: it
is read with another; `copy`: it is not read, since another is the same."""


@attrs.frozen
class Source:
    """One file to read, alone or with others.

    Attributes
    ----------
    path : Path
    run_id : str
        Id of the run when the file holds one.
    experiment : str
    reader : Reader
    confidence : float
        How sure the reader is, from 0 to 1; 1 when the format was named by the caller.
    reason : str
        What the format was recognised by.
    parts : tuple of str
        Files that are read with it.
    around : tuple of str
        Files of the job that it was logged in.
    """

    path: Path
    run_id: str
    experiment: str
    reader: Reader
    confidence: float
    reason: str
    parts: tuple[str, ...] = ()
    around: tuple[str, ...] = ()

    @property
    def together(self) -> tuple[str, ...]:
        """All files that are read with it."""
        return (*self.parts, *self.around)


@attrs.frozen
class Step:
    """What is to be done with one file.

    Attributes
    ----------
    kind : str
        Only what is ``new``, ``grown`` or ``rewritten`` is read.
    record : SourceRecord
        What the store will remember of it; of a file that is to be read all but its content.
    source : Source or None
        The file, when it is there and a log.
    since : SourceRecord or None
        What was known of a file that grew, when only what was appended need be read.
    """

    kind: Kind
    record: SourceRecord
    source: Source | None = None
    since: SourceRecord | None = None

    @property
    def to_read(self) -> bool:
        """Whether the file is to be read."""
        return self.kind in ("new", "grown", "rewritten")


_T = TypeVar("_T")


class Late(Sequence[_T], Generic[_T]):
    """Items that are made of their numbers when they are asked for.

    Parameters
    ----------
    numbers : sequence of int
    make : callable
    """

    def __init__(self, numbers: Sequence[int], make: Callable[[int], _T]) -> None:
        self._numbers, self._make = numbers, make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[_T, ...]: ...
    def __getitem__(self, index: int | slice) -> _T | tuple[_T, ...]:
        if isinstance(index, slice):
            return tuple(map(self._make, self._numbers[index]))
        return self._make(self._numbers[index])


@attrs.frozen
class Plan:
    """What is to be read.

    Attributes
    ----------
    sources : sequence of Source
        Every log, in the natural order of their paths.
    stores : tuple of Path
        Stores of ours among the paths given.
    findings : tuple of Finding
        What could not even be looked at.
    n_files : int
        How many files were looked at.
    steps : sequence of Step
        For a store that is to be brought up to date: what to do with each file.
    store : Path or None
        That store.
    before : Catalogue
        What is in it.
    rules : Rules
    roots : tuple of str
        What was searched, absolute.
    as_before : bool
        Whether the search found what the last one for the store found, and all of it unchanged.
    again : callable or None
        Gives the plan in which the files of the paths given are read from their beginning, for
        when they turn out not to be what they were with something appended.
    """

    sources: Sequence[Source]
    stores: tuple[Path, ...]
    findings: tuple[Finding, ...]
    n_files: int
    steps: Sequence[Step] = ()
    store: Path | None = None
    before: Catalogue = attrs.field(factory=Catalogue, repr=False)
    rules: Rules = attrs.field(factory=Rules, repr=False)
    roots: tuple[str, ...] = ()
    as_before: bool = False
    again: Callable[[Collection[str]], Plan] | None = attrs.field(
        default=None, eq=False, repr=False
    )

    @property
    def to_read(self) -> list[Step]:
        """The steps of the files that are to be read."""
        return [] if self.as_before else [step for step in self.steps if step.to_read]

    def formats(self) -> dict[str, tuple[int, float]]:
        """Format name to the number of its files and the lowest confidence among them."""
        counts: Counter[str] = Counter()
        lowest: dict[str, float] = {}
        for source in self.sources:
            name = source.reader.name
            counts[name] += 1
            lowest[name] = min(source.confidence, lowest.get(name, 1.0))
        return {name: (n, lowest[name]) for name, n in counts.most_common()}

    def counts(self) -> dict[str, int]:
        """How many files there are of each kind."""
        return dict(Counter(step.kind for step in self.steps))
