"""What the result of reading a file depends on beside the file."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from dr_gen.readers import formats
from dr_gen.readers.contract import ColumnMap
from dr_gen.store.schema import stamp
from dr_gen.validators import Validator, default_validators

__all__ = ["Rules"]

_OURS = (
    "readers/**/*.py",
    "model/*.py",
    "ingestion/*.py",
    "*validators.py",
    "verdicts.py",
    "screens.py",
)


@attrs.frozen
class Rules:
    """How runs are read and judged.

    Attributes
    ----------
    format : str or None
        Name of the format; None: each file is recognised by its content.
    columns : ColumnMap
        What columns mean, where guessing fails.
    expected_epochs : int or None
        Epochs that every run should have.
    validators : tuple of callables, optional
        Instead of the default ones.
    deleted : bool
        Whether runs count that were marked as deleted in the tool that logged them.
    named : bool
        Whether the caller named the experiment: what the files call it does not count then.
    """

    format: str | None = None
    columns: ColumnMap = attrs.field(factory=ColumnMap)
    expected_epochs: int | None = None
    validators: tuple[Validator, ...] | None = None
    deleted: bool = False
    named: bool = False

    @property
    def checks(self) -> Sequence[Validator]:
        """The validators that run."""
        if self.validators is None:
            return default_validators(self.expected_epochs)
        return self.validators

    def how(self) -> str:
        """A text that is the same for the same rules of the same code."""
        import hashlib  # here, since a load that keeps nothing compares nothing

        facts = [
            self.format,
            attrs.asdict(self.columns),
            self.expected_epochs,
            self.deleted,
            self.named,
            _code(),
        ]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()


@functools.cache
def _code() -> str:
    """Our version and the code that reads, since a checkout changes without its version."""
    import hashlib

    package = Path(__file__).parents[1]
    files = {file for pattern in _OURS for file in package.glob(pattern)}
    for name, reader in formats.formats().readers.items():
        module = sys.modules.get(type(reader).__module__)
        files |= {Path(str(getattr(module, "__file__", None) or name))}
    digest = hashlib.blake2b(str(stamp()["version"]).encode(), digest_size=16)
    for file in sorted(files):
        digest.update(file.name.encode())
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()
