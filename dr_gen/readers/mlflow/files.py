"""What the files of a run in MLflow's file store hold; which they are is in `claiming`."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.model.finding import Severity
from dr_gen.readers.contract import ReadOptions
from dr_gen.readers.mlflow.claiming import (
    CONFIG,
    META,
    METRICS,
    PARAMS,
    TAGS,
    folder_of,
    is_run_folder,
)
from dr_gen.readers.mlflow.metrics import MetricFile
from dr_gen.readers.mlflow.runs import Facts
from dr_gen.readers.plain_files import OPENING
from dr_gen.readers.settings import read_document, read_settings

__all__ = ["FileRun", "gathered"]

_TRASH: Final = ".trash"
_USUAL: Final = 1 << 14
_LONGEST: Final = 1 << 20
"""Bytes that are kept of a param or tag; MLflow itself allows a few thousand."""
_LAST_KEY: Final = "user_id"
_PLAIN_LINE: Final = re.compile(r"([A-Za-z_]+):(?: ('[^'\\]*'|[^'\"\[\]{}&*!|>%@`#\s][^#]*|\[\]))?")


@attrs.define
class FileRun:
    """The files of one run, read.

    Attributes
    ----------
    facts : Facts
    metrics : list of (name, MetricFile)
    deleted : bool
        Whether it is marked as deleted, or was moved away.
    """

    facts: Facts
    metrics: list[tuple[str, MetricFile]] = attrs.field(factory=list)
    deleted: bool = False
    config: dict[str, Any] = attrs.field(factory=dict)

    def take(self, path: str, inner: str) -> None:
        """Read one of its files, which lies at `inner` in its folder."""
        kind, _, name = inner.partition(os.sep)
        if os.sep != "/":
            name = name.replace(os.sep, "/")
        facts = self.facts
        if kind == METRICS:
            data = _content(path, facts)
            if data is not None:
                self.metrics.append((name, MetricFile(path, data)))
        elif kind in (PARAMS, TAGS):
            _keep(facts.params if kind == PARAMS else facts.tags, name, path, facts)
        elif kind == META:
            facts.meta = _meta(path, facts)
        elif inner == CONFIG:
            settings = read_settings(Path(path), facts.run_id)
            self.config = dict(settings.hpms)
            facts.findings += settings.findings


def gathered(path: str, run_id: str, options: ReadOptions, metas: dict[str, Any]) -> FileRun | None:
    """Read the files of a run; None where the file stands for none.

    Parameters
    ----------
    path, run_id, options
        As for a reader.
    metas : dict
        The experiments that were read already, by path; more are added.
    """
    folder = folder_of(path)
    if folder is None:
        return None
    facts = Facts(run_id, path)
    found = FileRun(facts)
    start = os.path.join(folder, "")
    n_start, take = len(start), found.take
    outer = os.path.dirname(folder)
    above = os.path.join(outer, META)
    trash = os.path.basename(os.path.dirname(outer)) == _TRASH
    for file in (path, *options.parts.texts):
        if file.startswith(start):
            take(file, file[n_start:])
        elif file == above:
            facts.experiment = _experiment(file, run_id, metas)
        else:
            continue
        if file.endswith(META):
            found.deleted = trash or facts.is_deleted
            if found.deleted and not options.deleted:
                return found
    if os.path.basename(path) != META:
        message = f"there is no {META}; when the run began and how it ended is not known"
        facts.note("no-meta", message, Severity.WARNING, os.path.join(folder, META))
    elif facts.meta and not is_run_folder(folder) and not {"run_id", "run_uuid"} & {*facts.meta}:
        return None  # of an experiment, a model, or another program
    return found


def _keep(texts: dict[str, str], name: str, path: str, facts: Facts) -> None:
    data = _content(path, facts, _LONGEST)
    if data is None:
        return
    try:
        texts[name] = data.decode()
    except UnicodeDecodeError as error:
        texts[name] = data.decode(errors="replace")
        facts.note("not-utf8", f"the text is not UTF-8: {error.reason}", path=path)


def _content(path: str, facts: Facts, limit: int | None = None) -> bytes | None:
    """What a file holds, up to `limit` bytes of it."""
    try:
        file = os.open(path, OPENING)
        try:
            data = os.read(file, _USUAL)
            # Nearly every file is small, and then need not be asked how large it is.
            return data if len(data) < _USUAL else data + _rest(file, path, facts, limit)
        finally:
            os.close(file)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        facts.note("unreadable-file", message, Severity.ERROR, path)
        return None


def _rest(file: int, path: str, facts: Facts, limit: int | None) -> bytes:
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode):
        raise OSError(None, "it is not a regular file")
    left = (about.st_size if limit is None else min(about.st_size, limit)) - _USUAL
    parts = []
    while left > 0 and (data := os.read(file, left)):
        parts.append(data)
        left -= len(data)
    if limit is not None and about.st_size > limit:
        message = f"the text has {about.st_size} bytes; the first {limit} are kept"
        facts.note("long-text", message, path=path)
    return b"".join(parts)


def _experiment(path: str, run_id: str, metas: dict[str, Any]) -> dict[str, Any]:
    if path not in metas:
        facts = Facts(run_id, path)
        metas[path] = (_meta(path, facts), facts.findings)
    # What is wrong with it is said once, by the first run that was read.
    meta: dict[str, Any] = metas[path][0]
    return meta


def _meta(path: str, facts: Facts) -> dict[str, Any]:
    """The content of a meta.yaml."""
    data = _content(path, facts)
    if data is None:
        return {}
    if not data.strip(b" \t\r\n\0"):
        facts.note("bad-meta", "the file is empty", Severity.ERROR, path)
        return {}
    plain = _plain_yaml(data)
    if plain is not None:
        if not data.endswith(b"\n") and (last := next(reversed(plain), _LAST_KEY)) != _LAST_KEY:
            facts.note("torn-line", f"the file ends within {last!r}, which is left out", path=path)
            del plain[last]
        return plain
    document, findings = read_document(Path(path), facts.run_id)
    for one in findings:
        facts.note("bad-meta", one.message, Severity.ERROR, path, one.line)
    if isinstance(document, dict):
        return {str(key): value for key, value in document.items()}
    if not findings:
        kind = type(document).__name__
        facts.note("bad-meta", f"holds a {kind}; expected names with values", path=path)
    return _readable_lines(data)


def _plain_yaml(data: bytes) -> dict[str, Any] | None:
    """What most of these files are, a name and a plain value a line; else None."""
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return None
    found: dict[str, Any] = {}
    for line in lines:
        if not line:
            continue
        match = _PLAIN_LINE.fullmatch(line)
        if match is None:
            return None
        found[match[1]] = _scalar(match[2])
    return found


def _readable_lines(data: bytes) -> dict[str, Any]:
    """The lines of a damaged file that can be made out."""
    matches = map(_PLAIN_LINE.fullmatch, data.decode("utf-8", "replace").splitlines())
    return {match[1]: _scalar(match[2]) for match in matches if match is not None}


def _scalar(text: str | None) -> str | None:
    bare = "" if text is None else text.strip()
    if bare in ("", "null", "~"):
        return None
    return bare[1:-1] if bare[0] == "'" else bare
