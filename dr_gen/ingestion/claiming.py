"""Which files are one source: what readers claim, held against what the files are."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.contract import Claim, Detection, Reader
from dr_gen.readers.tree import Tree, natural_order

__all__ = ["Claims", "Held", "claims_of", "covered_by", "with_kept"]

_BLOCK: Final = 1 << 20


@attrs.frozen
class Held:
    """A claim that holds.

    Attributes
    ----------
    claim : Claim
    reader : Reader
        Whose claim it is.
    detection : Detection
        How sure it is of the file that stands for the source.
    """

    claim: Claim
    reader: Reader
    detection: Detection


@attrs.frozen
class Claims:
    """The sources of several files among some files.

    Attributes
    ----------
    by_path : mapping
        The file that stands for each to the claim.
    alone : list of Held
        Those that hold only when no other source lies in a folder of theirs, inner folders first.
    parts : set of str
        The other files of the sources of `by_path`, read or only kept.
    copies : mapping
        The file that would stand for a source that is read elsewhere, to where that is.
    """

    by_path: Mapping[str, Held] = attrs.field(factory=dict)
    alone: Sequence[Held] = ()
    parts: frozenset[str] = frozenset()
    copies: Mapping[str, str] = attrs.field(factory=dict)


def claims_of(
    tree: Tree,
    readers: Mapping[str, Reader],
    detect: Callable[[str], tuple[Reader, Detection] | None],
    findings: list[Finding],
) -> Claims:
    """The claims that hold.

    Of two readers the one that `detect` names gets a file, and of two claims on it the one that it
    stands for.

    Parameters
    ----------
    tree : Tree
    readers : mapping
        Those that are asked.
    detect : callable
        Says which reader is surest of a file; None for no log. May raise `OSError`.
    findings : list of Finding
        Readers that fail are added.
    """
    held: dict[str, Held] = {}
    alone: dict[str, Held] = {}
    for reader, claim in _claimed(tree, readers, findings):
        try:
            found = detect(claim.path)
        except OSError:
            continue  # what is said of a file that cannot be read does not depend on claims
        if found is not None and found[0] is reader:
            kept = alone if claim.alone_in else held
            kept.setdefault(claim.path, Held(claim, reader, found[1]))
    parts = frozenset(part for one in held.values() for part in with_kept(one.claim))
    held = {path: one for path, one in held.items() if path not in parts}
    alone = {path: one for path, one in alone.items() if path not in parts}
    copies = _copies(held.values())
    spare = {path: one for path, one in held.items() if path not in copies}
    deepest = sorted(alone.values(), key=lambda one: -one.claim.alone_in.count(os.sep))
    return Claims(spare, deepest, parts, copies)


def with_kept(claim: Claim) -> tuple[str, ...]:
    """The files that nobody else reads: those that are read with the first, and those kept."""
    return (*claim.parts, *claim.kept)


def covered_by(paths: Iterable[str]) -> set[str]:
    """All folders that some files lie in, at any depth; the current one is ``.``."""
    folders: set[str] = set()
    for path in paths:
        folder = os.path.dirname(path)
        while folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)
    return {folder or os.curdir for folder in folders}


def _claimed(
    tree: Tree, readers: Mapping[str, Reader], findings: list[Finding]
) -> Iterator[tuple[Reader, Claim]]:
    for name, reader in readers.items():
        claims = getattr(reader, "claims", None)
        if claims is None:
            continue
        try:
            mine = list(claims(tree))
        # A reader from outside may be wrong in ways of its own; it then claims nothing.
        except Exception as error:
            message = f"format {name!r} cannot say which files belong together: {error!r}"
            hint = "update or remove the package it comes from"
            findings.append(Finding("bad-plugin", message, Severity.WARNING, hint=hint))
            continue
        yield from ((reader, claim) for claim in mine)


# ------------------------------------------------------------------ copies


def _copies(held: Iterable[Held]) -> dict[str, str]:
    """The claims on copies: the file that stands for each, and that of what it is a copy of."""
    alike: dict[tuple[int, str], list[str]] = {}
    for one in held:
        if one.claim.identity:
            alike.setdefault((id(one.reader), one.claim.identity), []).append(one.claim.path)
    copies: dict[str, str] = {}
    for paths in alike.values():
        if len(paths) > 1:
            copies |= _copied(paths)
    return copies


def _copied(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    # A copy of a run that went on holds the beginning of it: the longest counts.
    ordered = sorted(paths, key=lambda path: (-_size(path), _hidden(path), natural_order(path)))
    originals: list[str] = []
    for path in ordered:
        original = next((other for other in originals if _begins_with(other, path)), None)
        if original is None:
            originals.append(path)
        else:
            yield path, original


def _hidden(path: str) -> int:
    """In how many hidden folders a file lies: caches and backups are there."""
    return sum(part.startswith(".") for part in path.split(os.sep) if part.strip("."))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _begins_with(path: str, other: str) -> bool:
    """Whether the content of a file begins with that of another."""
    try:
        with open(path, "rb") as whole, open(other, "rb") as part:
            for _ in itertools.count():
                block = part.read(_BLOCK)
                if whole.read(len(block)) != block:
                    return False
                if not block:
                    return True
    except OSError:
        pass
    return False
