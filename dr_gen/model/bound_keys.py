"""What the objects of runs have, under keys such as ``impl.energy`` and ``cfg.lr``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from dr_gen.errors import ConfigMismatchError, UnknownKeyError
from dr_gen.model.column import Column
from dr_gen.model.hpm import MISSING
from dr_gen.model.nested import entry_or_attribute

if TYPE_CHECKING:
    from dr_gen.model.run import RunData
    from dr_gen.model.run_keys import RunKeys

__all__ = ["column_of"]

_OBJECTS: Final = ("cfg", "impl")


def column_of(keys: RunKeys, name: str, runs: Iterable[RunData[Any, Any]]) -> Column:
    """What a key means for runs, else what ``run.cfg`` or ``run.impl`` is or has under it.

    Parameters
    ----------
    keys : RunKeys
        Of the runs.
    name : str
        For the latter ``cfg`` or ``impl``, alone or with the name of an attribute or entry behind
        a dot. A run whose configuration does not fit its class has none.
    runs : iterable of RunData

    Raises
    ------
    UnknownKeyError
        If it is neither for any of the runs.
    AmbiguousNameError, UsageError
        As of `RunKeys.column`.
    """
    try:
        return keys.column(name)
    except UnknownKeyError:
        key = name.replace("__", ".")
        if key.partition(".")[0] not in _OBJECTS:
            raise
        values = [_value(run, key) for run in runs]
        if all(value is MISSING for value in values):
            raise
        return Column.of(key, values)


def _value(run: RunData[Any, Any], key: str) -> Any:
    which, dot, rest = key.partition(".")
    try:
        thing = getattr(run, which)
    except ConfigMismatchError:
        return MISSING
    found = entry_or_attribute(thing, rest) if dot else thing
    # A method is nothing that a run has, and there is no object where none was asked for.
    return MISSING if (found is None and not dot) or (dot and callable(found)) else found
