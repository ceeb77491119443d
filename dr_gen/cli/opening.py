"""From the arguments that all commands share to a group of runs."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from dr_gen.errors import UsageError

if TYPE_CHECKING:
    from dr_gen.config import AnalysisConfig
    from dr_gen.model.group import RunGroup

__all__ = ["Opening", "criterion", "in_order"]

_WORDS = {"none": None, "null": None, "true": True, "false": False, "nan": float("nan")}


@attrs.frozen
class Opening:
    """How to open what a command is about.

    Attributes
    ----------
    where : sequence of str
        ``key=value`` filters; all of them must hold.
    config : str or None
        Settings file.
    format : str or None
        Name of the format of raw logs.
    expected_epochs : int or None
        Epochs that every run should have.
    """

    where: Sequence[str] = ()
    config: str | None = None
    format: str | None = None
    expected_epochs: int | None = None

    def settings(self) -> AnalysisConfig:
        """The settings file, or the defaults."""
        from dr_gen.config import AnalysisConfig

        return AnalysisConfig.from_file(self.config) if self.config else AnalysisConfig()

    def group(self, path: str | Sequence[str], settings: AnalysisConfig) -> RunGroup:
        """The runs of a store or of raw logs, as the settings show them, filtered."""
        from dr_gen.cli.output import ProgressBar
        from dr_gen.ingestion import load

        epochs = settings.expected_epochs if self.expected_epochs is None else self.expected_epochs
        _say_what_is_kept()
        with ProgressBar("reading") as progress:
            group = load(
                path,
                format=self.format,
                expected_epochs=epochs,
                progress=progress,
                workers="auto",
            )
        group = settings.apply(group)
        chosen = group.filter(*(criterion(text) for text in self.where))
        if len(group) and not len(chosen):
            raise UsageError(f"no run of {len(group)} fits {' and '.join(self.where)}")
        return chosen


def _say_what_is_kept() -> None:
    """On a terminal, pass on what the library logs about its cache."""
    log = logging.getLogger("dr_gen")
    if sys.stderr.isatty() and not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("dr-gen: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)


def criterion(text: str) -> tuple[str, list[Any]]:
    """``key=value`` as a key and what it may be: the value as written in JSON, or the text.

    Raises
    ------
    UsageError
        If there is no ``=`` or no key.

    Examples
    --------
    >>> criterion("optim.lr=1e-2"), criterion("model.weights=None")
    (('optim.lr', [0.01, '1e-2']), ('model.weights', [None, 'None']))
    """
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not key:
        raise UsageError(f"--where {text!r} is not of the form key=value")
    if value.casefold() in _WORDS:
        return key, [_WORDS[value.casefold()], value]
    try:
        return key, [json.loads(value), value]
    except ValueError:
        return key, [value]


def in_order(path: str, other: str | None) -> tuple[str, str | None]:
    """A path and a name, in whichever order they were given."""
    if other is not None and not os.path.exists(path) and os.path.exists(other):
        return other, path
    return path, other
