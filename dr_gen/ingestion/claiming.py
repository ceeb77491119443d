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

__all__ = ["Claims", "Copy", "Held", "claims_of", "covered_by", "with_kept"]

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
class Copy:
    """What a source is a copy of.

    Attributes
    ----------
    of : str
        The file that stands for what is read instead.
    same : bool
        Whether nothing that the copy holds is known to be missing there.
    more : tuple of str
        Files of the copy that the other lacks, named from the folder of what stands for the copy.
    """

    of: str
    same: bool = True
    more: tuple[str, ...] = ()


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
    copies : mapping of str to Copy
        By the file that would stand for a source that is read elsewhere.
    """

    by_path: Mapping[str, Held] = attrs.field(factory=dict)
    alone: Sequence[Held] = ()
    parts: frozenset[str] = frozenset()
    copies: Mapping[str, Copy] = attrs.field(factory=dict)


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
    copies = _copies([*held.values(), *(one for one in alone.values() if one.claim.certain)])
    # Nobody has a use for the other files of a copy, as there is none for that of the run itself.
    of_copies = (part for path in copies if path in alone for part in with_kept(alone[path].claim))
    parts = parts.union(of_copies)
    spare = {path: one for path, one in held.items() if path not in copies}
    left = [one for path, one in alone.items() if path not in copies]
    deepest = sorted(left, key=lambda one: -one.claim.alone_in.count(os.sep))
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


def _copies(held: Iterable[Held]) -> dict[str, Copy]:
    """The claims on copies, by the file that stands for each."""
    alike: dict[tuple[int, str], list[Claim]] = {}
    for one in held:
        if one.claim.identity:
            alike.setdefault((id(one.reader), one.claim.identity), []).append(one.claim)
    copies: dict[str, Copy] = {}
    for claims in alike.values():
        if len(claims) > 1:
            certain = all(claim.certain for claim in claims)
            copies |= _of_one_run(claims) if certain else _copied(claims)
    return copies


def _copied(claims: Iterable[Claim]) -> Iterator[tuple[str, Copy]]:
    # A copy of a run that went on holds the beginning of it: the longest counts.
    originals: list[Claim] = []
    for claim in sorted(claims, key=_longest_first):
        original = next((other for other in originals if _is_copy(claim, other)), None)
        if original is None:
            originals.append(claim)
        else:
            there = set(_names(original))
            more = tuple(name for name in _names(claim) if name not in there)
            yield claim.path, Copy(original.path, not more, more)


def _of_one_run(claims: Iterable[Claim]) -> Iterator[tuple[str, Copy]]:
    """Copies whatever they hold: the one with most in it counts, of those in plain sight."""

    def rank(claim: Claim) -> tuple[object, ...]:
        hidden, *rest = _plainness(claim.path)
        return hidden, -sum(map(_size, (claim.path, *claim.parts))), *rest

    kept, *others = sorted(claims, key=rank)
    for claim in others:
        yield claim.path, Copy(kept.path, _holds(kept, claim))


def _plainness(path: str) -> tuple[bool, int, object]:
    """Of places that are as good, the one that a person would look into sorts first."""
    parts = os.path.dirname(path).split(os.sep)
    hidden = any(part.startswith(".") and part.strip(".") for part in parts)
    return hidden, len(parts), natural_order(path)


def _holds(one: Claim, other: Claim) -> bool:
    """Whether the files of one source begin with what those of another hold, file by file."""
    mine, theirs = _inside(one), _inside(other)
    return all(name in mine and _begins_with(mine[name], path) for name, path in theirs.items())


def _inside(claim: Claim) -> dict[str, str]:
    start = os.path.join(os.path.dirname(claim.path), "")
    paths = (claim.path, *claim.parts)
    return {path[len(start) :]: path for path in paths if path.startswith(start)}


def _longest_first(claim: Claim) -> tuple[object, ...]:
    return -_size(claim.path), -sum(map(_size, claim.parts)), *_plainness(claim.path)


def _is_copy(claim: Claim, other: Claim) -> bool:
    return _size(claim.path) >= claim.telling and _begins_with(other.path, claim.path)


def _names(claim: Claim) -> Iterator[str]:
    """The parts of a source, named from the folder of the file that stands for it."""
    folder = os.path.dirname(claim.path)
    inside = os.path.join(folder, "")
    for part in claim.parts:
        if part.startswith(inside):
            yield part[len(inside) :]
        else:
            yield os.path.relpath(part, folder or os.curdir)


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
