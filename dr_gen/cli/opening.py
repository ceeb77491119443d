"""From the arguments that all commands share to a group of runs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from dr_gen.errors import UsageError

if TYPE_CHECKING:
    from dr_gen.config import AnalysisConfig
    from dr_gen.model.group import RunGroup

__all__ = ["Opening", "in_order"]


@attrs.frozen
class Opening:
    """How to open what a command is about.

    Attributes
    ----------
    where : sequence of str
        Criteria as text (`dr_gen.model.grammar`); all of them must hold.
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

    def options(self) -> dict[str, Any]:
        """How raw logs are read, as `plan` and `load` take it."""
        from dr_gen.readers.contract import ColumnMap

        settings = self.settings()
        epochs = settings.expected_epochs if self.expected_epochs is None else self.expected_epochs
        return {
            "format": self.format,
            # None as in a script that says nothing of them, so that both share what is cached.
            "columns": None if settings.columns == ColumnMap() else settings.columns,
            "deleted": settings.deleted,
            "expected_epochs": epochs,
        }

    def group(self, path: str | Sequence[str], settings: AnalysisConfig) -> RunGroup:
        """The runs of a store or of raw logs, as the settings show them, filtered."""
        from dr_gen.cli.output import ProgressBar
        from dr_gen.ingestion import load
        from dr_gen.store import catalogue

        asked = self.options()
        if isinstance(path, str) and catalogue.exists(Path(path)):
            asked["columns"] = None  # the settings may say what columns of the logs mean
        _say_what_is_kept()
        with ProgressBar("reading") as progress:
            group = load(path, progress=progress, workers="auto", **asked)
        group = settings.apply(group)
        chosen = group.filter(*self.where)
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


def in_order(path: str, other: str | None) -> tuple[str, str | None]:
    """A path and a name, in whichever order they were given."""
    if other is not None and not os.path.exists(path) and os.path.exists(other):
        return other, path
    return path, other
