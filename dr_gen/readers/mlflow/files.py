"""MLflow's file store: the folder of a run, and the file ``meta.yaml`` that stands for it.

::

    mlruns/0/meta.yaml                       the experiment
    mlruns/0/4f1c…/meta.yaml                 the run
    mlruns/0/4f1c…/metrics/val/loss          a line for each value
    mlruns/0/4f1c…/params/lr                 the text of the value
    mlruns/0/4f1c…/tags/mlflow.runName
    mlruns/0/4f1c…/artifacts/…               not looked into, but for a configuration of Hydra
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.model.finding import Severity
from dr_gen.readers.contract import Claim, ReadOptions
from dr_gen.readers.mlflow.metrics import MetricFile
from dr_gen.readers.mlflow.runs import Facts
from dr_gen.readers.naming import is_of_machine
from dr_gen.readers.plain_files import OPENING
from dr_gen.readers.settings import read_document, read_settings
from dr_gen.readers.tree import Tree

__all__ = ["META", "FileRun", "claims", "folder_of", "gathered", "is_run_folder"]

META: Final = "meta.yaml"
_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
_METRICS, _PARAMS, _TAGS, _ARTIFACTS = "metrics", "params", "tags", "artifacts"
_INSIDE: Final = frozenset({_METRICS, _PARAMS, _TAGS, _ARTIFACTS, "inputs", "outputs"})
_IN_RUN: Final = re.compile(rf"(?:^|[/\\])(?:{'|'.join(sorted(_INSIDE))})(?![^/\\])")
_NO_RUNS: Final = frozenset({"models", "traces", "datasets", "tags"})
_TRASH: Final = ".trash"
_CONFIG: Final = os.path.join(_ARTIFACTS, ".hydra", "config.yaml")
_USUAL: Final = 1 << 14
_LONGEST: Final = 1 << 20
"""Bytes that are kept of a param or tag; MLflow itself allows a few thousand."""
_LAST_KEY: Final = "user_id"
_PLAIN_LINE: Final = re.compile(r"([A-Za-z_]+):(?: ('[^'\\]*'|[^'\"\[\]{}&*!|>%@`#\s][^#]*|\[\]))?")


def is_run_folder(folder: str) -> bool:
    """Whether a folder has the name of a run: 32 hexadecimal digits."""
    return _RUN_ID.fullmatch(os.path.basename(folder)) is not None


def folder_of(path: str) -> str | None:
    """The folder of the run that a file stands for, or None.

    That is a ``meta.yaml``, or where it is missing any file in a folder that has the name of a run.
    """
    folder, name = os.path.split(path)
    if name == META and os.path.basename(folder) not in _INSIDE:
        return folder
    while os.path.basename(folder):
        inner, folder = os.path.basename(folder), os.path.dirname(folder)
        if inner in _INSIDE and is_run_folder(folder):
            return folder
    return None


# ------------------------------------------------------------------ which files


def claims(tree: Tree) -> Iterator[Claim]:
    """A source for each folder of a run, deleted ones too.

    All files in it belong to it, artifacts too. Where it has no metrics, another log among its
    artifacts may be the one of the training: that is read then, and it is not.
    """
    with_meta = {folder for folder, names in tree.folders.items() if META in names}
    runs = {folder for folder in with_meta if _may_be_run(folder)}
    # An experiment holds folders of runs, and of nothing that is inside of one.
    runs -= {os.path.dirname(folder) for folder in runs if folder}
    runs = {folder for folder in runs if _owner(folder, runs) == folder}
    inside: dict[str, list[str]] = {folder: [] for folder in runs}
    for folder in tree.folders:
        owner = _owner(folder, runs)
        if owner is not None:
            inside.setdefault(owner, []).append(folder)
    for folder, within in inside.items():
        mine = _paths(tree, within)
        meta = os.path.join(folder, META)
        anchor = meta if folder in runs else _stand_in(folder, mine)
        if anchor is None:
            continue
        alone = not _has_metrics(tree, folder, within)
        if alone:
            artifacts = os.path.join(folder, _ARTIFACTS, "")
            config = os.path.join(folder, _CONFIG)
            mine = [path for path in mine if path == config or not path.startswith(artifacts)]
        above = os.path.dirname(folder)
        experiment = [os.path.join(above, META)] if above in with_meta and above != folder else []
        parts = (*(path for path in mine if path != anchor), *experiment)
        identity = os.path.basename(folder) if is_run_folder(folder) else ""
        named = folder or os.curdir
        # The id is drawn of 128 bits, and the folder is called by it wherever it is copied to.
        yield Claim(anchor, parts, named, identity, named if alone else "", certain=True)


def _may_be_run(folder: str) -> bool:
    above, name = os.path.split(folder)
    return name not in _INSIDE and not _NO_RUNS.intersection((name, os.path.basename(above)))


def _owner(folder: str, runs: set[str]) -> str | None:
    """The folder of the run that a folder is or lies in.

    The outermost counts: what lies in the artifacts of a run is no run.
    """
    for match in _IN_RUN.finditer(folder):
        above = folder[: match.start()]
        if above in runs or is_run_folder(above):
            return above
    return folder if folder in runs else None


def _paths(tree: Tree, folders: Iterable[str]) -> list[str]:
    found: list[str] = []
    for folder in folders:
        start = folder + os.sep if folder else ""
        found += [start + name for name in tree.folders[folder]]
    return found


def _has_metrics(tree: Tree, folder: str, within: Iterable[str]) -> bool:
    """Whether a run has metrics of the training, and not only of the machine."""
    top = os.path.join(folder, _METRICS)
    if top in tree.folders and not all(map(is_of_machine, tree.folders[top])):
        return True
    start = os.path.join(top, "")
    # Of a name all that a folder does not tell is what stands behind the last slash.
    return any(
        one.startswith(start) and not is_of_machine(f"{one[len(start) :]}/".replace(os.sep, "/"))
        for one in within
    )


def _stand_in(folder: str, files: list[str]) -> str | None:
    """What stands for a run without its meta.yaml: its first metric, or else param."""
    for kind in (_METRICS, _PARAMS):
        start = os.path.join(folder, kind, "")
        for path in files:
            if path.startswith(start):
                return path
    return None


# ------------------------------------------------------------------ what they hold


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
        if kind == _METRICS:
            data = _content(path, facts)
            if data is not None:
                self.metrics.append((name, MetricFile(path, data)))
        elif kind in (_PARAMS, _TAGS):
            _keep(facts.params if kind == _PARAMS else facts.tags, name, path, facts)
        elif kind == META:
            facts.meta = _meta(path, facts)
        elif inner == _CONFIG:
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
