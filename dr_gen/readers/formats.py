"""The one table of formats.

A format from outside is a `Reader` (an instance, or a class that needs no arguments) under an
entry point of the group ``dr_gen.readers``; the name of the entry point is that of the format::

    [options.entry_points]
    dr_gen.readers =
        mytool = mytool.dr_gen_reader:MyToolReader
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from dr_gen.errors import AmbiguousFormatError, UnknownKeyError
from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.contract import Detection, Reader
from dr_gen.readers.csv.reader import CsvReader
from dr_gen.readers.huggingface.reader import HuggingFaceReader
from dr_gen.readers.hydra import HydraReader
from dr_gen.readers.json_history.reader import JsonHistoryReader
from dr_gen.readers.jsonlines.reader import JsonLinesReader
from dr_gen.readers.lightning import LightningReader
from dr_gen.readers.mlflow.reader import MlflowReader
from dr_gen.readers.native.reader import NativeReader
from dr_gen.readers.plugins import declared
from dr_gen.readers.tensorboard.reader import TensorBoardReader
from dr_gen.readers.wandb.reader import WandbReader
from dr_gen.readers.wandb_export.reader import WandbExportReader

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["FORMATS", "GROUP", "Formats", "detect", "discover", "formats", "names", "reader"]

GROUP: Final = "dr_gen.readers"
"""Entry point group of formats from outside."""

FORMATS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        one.name: one
        for one in (
            NativeReader(),
            JsonLinesReader(),
            HydraReader(),
            CsvReader(),
            LightningReader(),
            WandbReader(),
            WandbExportReader(),
            MlflowReader(),
            TensorBoardReader(),
            HuggingFaceReader(),
            JsonHistoryReader(),
        )
    }
)
"""The formats that come with dr_gen, by name."""


@attrs.frozen
class Formats:
    """All formats there are.

    Attributes
    ----------
    readers : mapping
        Name to reader, ours first.
    findings : tuple of Finding
        Formats from outside that could not be loaded.
    """

    readers: Mapping[str, Reader]
    findings: tuple[Finding, ...] = ()
    early: tuple[Reader, int] | None = attrs.field(init=False)
    """The only reader that is ever certain of a file, and how many bytes it needs for that; None
    if there is another, which has to be asked in any case."""

    @early.default
    def _early(self) -> tuple[Reader, int] | None:
        certain = [one for one in self.readers.values() if _ceiling(one) >= 1.0]
        n_bytes = getattr(certain[0], "early_bytes", 0) if len(certain) == 1 else 0
        return (certain[0], n_bytes) if n_bytes else None


def discover(plugins: Iterable[EntryPoint]) -> Formats:
    """Our formats and those of `plugins`; one that does not load becomes a finding."""
    readers = dict(FORMATS)
    findings = []
    for plugin in plugins:
        problem = "the name is taken" if plugin.name in readers else ""
        loaded: Any = None
        if not problem:
            try:
                loaded = plugin.load()
                loaded = loaded() if isinstance(loaded, type) else loaded
            # Whatever the code of somebody else raises on import must not end our work.
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
        if not problem:
            lacking = [part for part in ("name", "detect", "read") if not hasattr(loaded, part)]
            problem = f"it lacks {', '.join(lacking)}" if lacking else ""
        if problem:
            message = f"format {plugin.name!r} ({plugin.value}) cannot be used: {problem}"
            hint = "update or remove the package it comes from"
            findings.append(Finding("bad-plugin", message, Severity.WARNING, hint=hint))
        else:
            readers[plugin.name] = loaded
    return Formats(MappingProxyType(readers), tuple(findings))


@functools.cache
def formats() -> Formats:
    """Our formats and those of installed packages; looked for once."""
    return discover(declared(GROUP))


def names() -> tuple[str, ...]:
    """Names of all formats."""
    return tuple(formats().readers)


def reader(name: str) -> Reader:
    """The reader of a format.

    Raises
    ------
    UnknownKeyError
        If no format is called so.

    Examples
    --------
    >>> reader("native").name
    'native'
    """
    found = formats().readers
    if name not in found:
        raise UnknownKeyError("format", name, tuple(found))
    return found[name]


def detect(
    path: Path, head: bytes, readers: Mapping[str, Reader] | None = None
) -> tuple[Reader, Detection] | None:
    """The reader that is surest of a file, or None when none knows it.

    Parameters
    ----------
    path : Path
    head : bytes
        The first `HEAD_BYTES` bytes of the file, or all of it.
    readers : mapping, optional
        The formats to ask; by default all.

    Raises
    ------
    AmbiguousFormatError
        If two are equally sure.
    """
    asked = formats().readers if readers is None else readers
    answers: dict[str, Detection] = {}
    best = 0.0
    for name, one in asked.items():
        # To find out how far it is from certain takes a guessing reader longer than to read.
        if best <= _ceiling(one):
            answers[name] = _asked(one, path, head)
            best = max(best, answers[name].confidence)
    if best <= 0:
        return None
    surest = tuple(name for name, answer in answers.items() if answer.confidence == best)
    if len(surest) > 1:
        raise AmbiguousFormatError(str(path), surest, best)
    return asked[surest[0]], answers[surest[0]]


def _ceiling(one: Reader) -> float:
    return float(getattr(one, "ceiling", 1.0))


def _asked(one: Reader, path: Path, head: bytes) -> Detection:
    try:
        return one.detect(path, head)
    # A reader from outside that fails on a file does not know it; the others may.
    except Exception as error:
        return Detection(0.0, f"{type(error).__name__}: {error}")
