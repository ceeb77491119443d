"""Every exception of dr_gen.

::

    DrGenError                    (Exception)
    ├── UsageError                (ValueError)         an argument that makes no sense
    ├── CriterionError            (ValueError)         a criterion whose text cannot be read
    ├── NotOneError               (LookupError)        no item, or several, where one is meant
    ├── UnknownKeyError           (KeyError)           a name nobody has
    ├── AmbiguousNameError        (LookupError)        a name that several things have
    ├── SourceNotFoundError       (FileNotFoundError)  a path that is not there
    ├── UnknownFormatError        (ValueError)         no reader knows the files
    ├── AmbiguousFormatError      (ValueError)         several readers know them equally well
    ├── SettingsError             (ValueError)         a settings file that does not fit
    ├── WorkerError               (RuntimeError)       a process that did not do its job
    ├── ConfigMismatchError       (ValueError)         a run whose configuration is another class
    └── StoreError                (OSError)            a store that cannot be read or written
        ├── StoreFormatError      (ValueError)         … because it was written otherwise
        └── StoreBusyError        (TimeoutError)       … because another writer is at work

Content of logs never raises: it becomes a `Finding`. These are for mistakes in a call and for
files that cannot be used at all. Each carries its data as fields, makes its text from them, and
survives pickling (the arguments of the exception are its fields).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

__all__ = [
    "AmbiguousFormatError",
    "AmbiguousNameError",
    "ConfigMismatchError",
    "CriterionError",
    "DrGenError",
    "NotOneError",
    "SettingsError",
    "SourceNotFoundError",
    "StoreBusyError",
    "StoreError",
    "StoreFormatError",
    "UnknownFormatError",
    "UnknownKeyError",
    "UsageError",
    "WorkerError",
]

_MAX_LISTED = 12


def nearest(name: str, known: Sequence[str], limit: int = 3) -> list[str]:
    """Names in `known` that a person may have meant by `name`, the nearest first.

    Examples
    --------
    >>> nearest("optim.Lr", ["optim.lr", "seed", "lr"])
    ['optim.lr', 'lr']
    """
    import difflib  # here, since nothing is amiss most times

    folded = name.casefold()
    by_fold: dict[str, list[str]] = {}
    for candidate in known:
        by_fold.setdefault(candidate.casefold(), []).append(candidate)
        by_fold.setdefault(candidate.casefold().rsplit(".", 1)[-1], []).append(candidate)
    hits = difflib.get_close_matches(folded, list(by_fold), n=limit, cutoff=0.6)
    tail = folded.rsplit(".", 1)[-1]
    found = [original for hit in (*hits, tail) for original in by_fold.get(hit, [])]
    return list(dict.fromkeys(found))[:limit]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MAX_LISTED])
    rest = len(names) - _MAX_LISTED
    return f"{shown}, … {rest} more" if rest > 0 else shown


class DrGenError(Exception):
    """Root of all our errors; catch it to catch them all."""


@attrs.define(slots=False)
class UsageError(DrGenError, ValueError):
    """A call that makes no sense as written; `message` says what was expected and found."""

    message: str

    def __str__(self) -> str:
        return self.message


@attrs.define(slots=False)
class CriterionError(DrGenError, ValueError):
    """The criterion `text` has at `position` `found` where `expected` should be."""

    text: str
    position: int
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"at position {self.position}" if self.found else "at the end"
        found = f", found {self.found!r}" if self.found else ""
        return f"criterion {self.text!r}, {where}: expected {self.expected}{found}"


@attrs.define(slots=False)
class NotOneError(DrGenError, LookupError, ValueError):
    """Where one `kind` was meant, `number` fit; `names` are some of them."""

    kind: str
    number: int
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.number:
            return f"no {self.kind} fits"
        return f"{self.number} {self.kind}s fit where one is meant: {_listed(self.names)}"


@attrs.define(slots=False)
class UnknownKeyError(DrGenError, KeyError):
    """No `kind` is called `key`; `known` are the names there are, `context` says where."""

    kind: str
    key: str
    known: tuple[str, ...] = ()
    context: str = ""

    def __str__(self) -> str:
        where = f" in {self.context}" if self.context else ""
        text = f"no {self.kind} {self.key!r}{where}"
        if not self.known:
            return f"{text}; there are none"
        close = nearest(self.key, self.known)
        if close:
            return f"{text}; did you mean {' or '.join(map(repr, close))}?"
        return f"{text}; there are: {_listed(self.known)}"


@attrs.define(slots=False)
class AmbiguousNameError(DrGenError, LookupError):
    """`name` could mean any of `candidates`."""

    kind: str
    name: str
    candidates: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} could be any of: {_listed(self.candidates)}; name one"


@attrs.define(slots=False)
class SourceNotFoundError(DrGenError, FileNotFoundError):
    """There is no file or folder `path`."""

    path: str

    def __str__(self) -> str:
        return f"{self.path}: no such file or folder"


@attrs.define(slots=False)
class UnknownFormatError(DrGenError, ValueError):
    """No reader recognises `path`; `formats` are the formats that were tried."""

    path: str
    formats: tuple[str, ...]
    reason: str = "no training log was recognised"

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.reason} (looked for: {_listed(self.formats)}); "
            "name the format, or give a column mapping"
        )


@attrs.define(slots=False)
class AmbiguousFormatError(DrGenError, ValueError):
    """Several readers recognise `path` with the same `confidence`."""

    path: str
    formats: tuple[str, ...]
    confidence: float

    def __str__(self) -> str:
        return (
            f"{self.path}: could be any of {', '.join(self.formats)} "
            f"(confidence {self.confidence:.2f} each); name the format"
        )


@attrs.define(slots=False)
class SettingsError(DrGenError, ValueError):
    """A settings file that does not fit; `problems` are all of them, one a line."""

    path: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(f"{self.path}: {problem}" for problem in self.problems)


@attrs.define(slots=False)
class WorkerError(DrGenError, RuntimeError):
    """What was done side by side was not finished, for `reason`; nothing of it counts."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@attrs.define(slots=False)
class ConfigMismatchError(DrGenError, ValueError):
    """The configuration of `run` does not fit the class `config`; `problems` are all of them."""

    run: str
    config: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        listed = "; ".join(self.problems)
        return f"the configuration of run {self.run!r} does not fit {self.config}: {listed}"


@attrs.define(slots=False)
class StoreError(DrGenError, OSError):
    """The store at `path` cannot be read or written, for `reason`."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@attrs.define(slots=False)
class StoreFormatError(StoreError, ValueError):
    """The store was written in a form this version does not read."""


@attrs.define(slots=False)
class StoreBusyError(StoreError, TimeoutError):
    """Another writer did not finish in time."""
