"""The logs among files: recognised by their content, together with what belongs to them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import msgspec

from dr_gen.ingestion.claiming import Claims, Copy, Held, claims_of, covered_by, with_kept
from dr_gen.ingestion.memory import Look
from dr_gen.ingestion.plans import Source
from dr_gen.model.finding import Finding, Severity
from dr_gen.readers import formats, hydra
from dr_gen.readers.contract import HEAD_BYTES, Detection, Reader
from dr_gen.readers.plain_files import OPENING
from dr_gen.readers.settings import named
from dr_gen.readers.tree import TEXT_SUFFIXES, Tree, folder_id, natural_order, run_id

__all__ = ["COPY", "PART", "Files", "Found", "Seen", "recognised", "together"]

PART: Final = "part of another source"
COPY: Final = "copy of another source"
"""What is remembered of files that are read with others, or not at all."""

_NAMED: Final = Detection(1.0, "named by the caller")
_NO_FILE: Final = "it is not a regular file"


class Seen(msgspec.Struct, frozen=True):
    """A file that was found; see `Look` for what it is.

    Attributes
    ----------
    root, experiment : str
        Where it was searched for, and what its runs belong to.
    look : Look
    """

    root: str
    experiment: str
    look: Look


class Files(Mapping[str, Seen]):
    """The files that were found, by the names they have; each is an object once it is asked for.

    In the order of their names, which is not the one that a reader would put them in.

    Parameters
    ----------
    found : iterable of (str or None, str, iterable of str)
        The folder that was searched, what the runs there belong to, and the files; without a
        folder each file was asked for by its name, and they keep their order.
    look : callable
        Gives what is known of a file.

    Examples
    --------
    >>> from functools import partial
    >>> files = Files([("runs", "sweep", ["runs/b.csv", "runs/a.csv"])], partial(Look, ""))
    >>> list(files), files["runs/a.csv"].experiment, "runs/c.csv" in files
    (['runs/a.csv', 'runs/b.csv'], 'sweep', False)
    """

    def __init__(
        self,
        found: Iterable[tuple[str | None, str, Iterable[str]]],
        look: Callable[[str], Look],
    ) -> None:
        self._look = look
        self._of: dict[str, tuple[str | None, str]] = {}
        self._below: list[tuple[str | None, list[str]]] = []
        for root, experiment, names in found:
            listed = [*names] if root is None else sorted(names)
            self._below.append((root, listed))
            self._of |= dict.fromkeys(listed, (root, experiment))

    def __getitem__(self, name: str) -> Seen:
        root, experiment = self._of[name]
        return Seen(name if root is None else root, experiment, self._look(name))

    def __contains__(self, name: object) -> bool:
        return name in self._of

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)

    def ordered(self, some: Collection[str]) -> list[str]:
        """Some of them in the natural order of their paths, root by root."""
        listed: dict[str, None] = {}
        for root, names in self._below:
            mine = [name for name in names if name in some and name not in listed]
            listed |= dict.fromkeys(mine if root is None else sorted(mine, key=natural_order))
        return list(listed)


@attrs.frozen
class Found:
    """What some files are.

    Attributes
    ----------
    logs : list of (Source, Look)
        In the natural order of their paths below each root.
    parts : frozenset of str
        Files that are read with others, or kept with them.
    copies : mapping of str to Finding
        Files that are not read, since another is the same.
    """

    logs: list[tuple[Source, Look]]
    parts: frozenset[str] = frozenset()
    copies: Mapping[str, Finding] = attrs.field(factory=dict)


def together(path: str, others: Sequence[str]) -> str:
    """A digest of which files are read with the one at `path`; empty when there are none.

    Examples
    --------
    >>> together("a/b.db", []) == "" != together("a/b.db", ["a/c"])
    True
    >>> together("a/b.db", ["a/c"]) == together("/data/a/b.db", ["/data/a/c"])
    True
    """
    if not others:
        return ""
    folder = os.path.join(os.path.dirname(path), "")
    names = (
        other[len(folder) :] if other.startswith(folder) else os.path.relpath(other, folder)
        for other in others
    )
    import hashlib  # here, since most logs are a single file

    text = "\0".join(names).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def recognised(seen: Files, reader: Reader | None, findings: list[Finding]) -> Found:
    """The logs among the files.

    Parameters
    ----------
    seen : Files
    reader : Reader or None
        That of the format named by the caller.
    findings : list of Finding
        What cannot be looked at is added.
    """
    return _Recognition(seen, reader, findings).found()


class _Recognition:
    def __init__(self, seen: Files, reader: Reader | None, findings: list[Finding]) -> None:
        self._named, self._findings = reader, findings
        self._readers, self._early = formats.formats().readers, formats.formats().early
        self._seen = seen
        self._tree = Tree.of(seen)

    def found(self) -> Found:
        asked = self._readers if self._named is None else {self._named.name: self._named}
        claims = claims_of(self._tree, asked, self._surest, self._findings)
        sources = {path: self._claimed(one) for path, one in claims.by_path.items()}
        claimed = {*claims.by_path, *claims.parts, *claims.copies}
        claimed.update(one.claim.path for one in claims.alone)
        # What a reader has use for beside another file is no source to it.
        of = {part: one.reader for one in claims.alone for part in with_kept(one.claim)}
        seen: dict[str, Seen] = {}
        for path in self._seen:
            if path not in claimed:
                one = self._seen[path]
                source = self._alone(one)
                if source is not None and source.reader is not of.get(path):
                    sources[path], seen[path] = source, one
        kept = [*self._where_nothing_else_is(claims.alone, sources)]
        copies = {**claims.copies, **dict(self._in_files_of_many(claims, sources))}
        sources = {path: source for path, source in sources.items() if path not in copies}
        jobs = hydra.Jobs(self._tree)
        logs, parts = [], {*claims.parts, *kept}
        for path in self._seen.ordered(sources):
            one = seen.get(path) or self._seen[path]
            around = jobs.around(path, one.root)
            source = attrs.evolve(sources[path], around=around) if around else sources[path]
            logs.append((source, self._with_others(source, one.look)))
            parts.update(source.around if path in claims.by_path else source.together)
        return Found(logs, frozenset(parts), {p: _copy(p, one) for p, one in copies.items()})

    def _where_nothing_else_is(
        self, claims: Sequence[Held], sources: dict[str, Source]
    ) -> Iterator[str]:
        """Add the sources that want to be alone and are, and give what they keep."""
        covered = covered_by(sources if claims else ())
        for one in claims:
            if one.claim.alone_in not in covered:
                sources[one.claim.path] = self._claimed(one)
                covered |= covered_by([one.claim.path])
                yield from one.claim.kept

    def _in_files_of_many(
        self, claims: Claims, sources: Mapping[str, Source]
    ) -> Iterator[tuple[str, Copy]]:
        """Copies of runs that are in a file of many: one that was moved there is read there."""
        certain: dict[tuple[str, str], str] = {}
        for one in (*claims.by_path.values(), *claims.alone):
            if one.claim.certain and one.claim.identity and one.claim.path in sources:
                certain[one.reader.name, one.claim.identity] = one.claim.path
        if not certain:
            return
        claimed = set(certain.values())
        for path, source in sources.items():
            identities = getattr(source.reader, "identities", None)
            if identities is not None and path not in claimed:
                for identity in sorted(identities(source.path)):
                    if (copy := certain.pop((source.reader.name, identity), None)) is not None:
                        yield copy, Copy(path)

    def _claimed(self, held: Held) -> Source:
        claim, one = held.claim, self._seen[held.claim.path]
        named = claim.named or claim.path
        name = (run_id if named in self._seen else folder_id)(named, one.root)
        detection = held.detection
        told = (one.experiment, held.reader, detection.confidence, detection.reason)
        return Source(Path(claim.path), name, *told, parts=claim.parts)

    def _alone(self, one: Seen) -> Source | None:
        """A file that nobody claims, if it is a log."""
        look, path = one.look, Path(one.look.given)  # once: it takes as long as to recognise it
        known = look.known if look.same or look.grown else None
        if known is not None and not known.format and known.reason not in (PART, COPY):
            return None
        name = run_id(look.given, one.root)
        if self._named is not None and not (known is not None and known.format):
            usual = path.suffix in getattr(self._named, "suffixes", TEXT_SUFFIXES)
            if look.given != one.root and not (usual and not _is_sidecar(path)):
                return None
        try:
            found = self._surest_of(look, path)
        except OSError as error:
            if look.given == one.root or path.suffix in (".jsonl", ".ndjson"):
                message = f"the file cannot be read: {error.strerror or error}"
                where = str(path)
                finding = Finding("unreadable-file", message, Severity.ERROR, where, run=name)
                self._findings.append(finding)
            return None
        if found is None:
            return None
        reader, detection = found
        told = (one.experiment, reader, detection.confidence, detection.reason)
        return Source(path, name, *told)

    def _surest(self, given: str) -> tuple[Reader, Detection] | None:
        """Which reader is surest of a file, and how sure.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        return self._surest_of(self._seen[given].look, Path(given))

    def _surest_of(self, look: Look, path: Path) -> tuple[Reader, Detection] | None:
        known = look.known if look.same or look.grown else None
        if known is not None and known.format in self._readers:
            return self._readers[known.format], Detection(known.confidence, known.reason)
        if self._named is not None:
            return self._named, _NAMED
        file = _opened(look.given)
        try:
            head = b""
            if self._early is not None:
                reader, n_bytes = self._early
                head = os.read(file, n_bytes)
                if len(head) == n_bytes:
                    detection = reader.detect(path, head)
                    if detection.confidence == 1.0:
                        return reader, detection
            return formats.detect(path, head + os.read(file, HEAD_BYTES - len(head)))
        finally:
            os.close(file)

    def _with_others(self, source: Source, look: Look) -> Look:
        """A file held against what is known, together with those that are read with it."""
        old, others = look.known, source.together
        if old is None or not (others or old.together):
            return look
        same = old.together == together(look.given, others)
        same = same and all(self._seen[path].look.same for path in others)
        return msgspec.structs.replace(look, same=look.same and same, grown=look.grown and same)


def _copy(path: str, copy: Copy) -> Finding:
    """That a source is not read, since it is read elsewhere."""
    if copy.more:
        message = f"a copy of {copy.of}, which is read instead; only the copy has "
        message += named(copy.more)
        hint = "these are not read: put both together, or name the folder that counts"
        return Finding("copied-run", message, Severity.WARNING, path, hint=hint)
    if copy.same:
        message = f"a copy of {copy.of}, which is read instead"
        hint = "nothing is lost; remove the copy, or name the folder that counts"
        return Finding("copied-run", message, Severity.INFO, path, hint=hint)
    message = f"the same run as {copy.of} by its id, with other content; that is read instead"
    hint = "one was copied while it ran, or changed since; name the folder that counts"
    return Finding("other-copy", message, Severity.WARNING, path, hint=hint)


def _is_sidecar(path: Path) -> bool:
    return path.stem.casefold() in ("config", "args", "hparams", "params")


def _opened(path: str) -> int:
    """A file, opened to be read; whoever asked closes it.

    Raises
    ------
    OSError
        If it cannot be read, or is none.
    """
    try:
        file = os.open(path, OPENING)
    except OSError:
        if os.path.isfile(path):
            raise
        broken = "it is a link that leads nowhere"
        raise OSError(None, _NO_FILE if os.path.exists(path) else broken) from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(None, _NO_FILE)
    return file
