"""Hyperparameters of one run: values under dotted keys."""

from __future__ import annotations

import enum
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final

import attrs
import numpy as np

from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.noise import any_matches

__all__ = [
    "MISSING",
    "Hpm",
    "canonical",
    "flatten",
    "format_value",
    "one_kind",
    "plain_value",
    "unflatten",
]


class _Missing(enum.Enum):
    """The type of `MISSING`, a single value that survives copying and pickling."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing.MISSING
"""The value of a key that a run does not have; `None` is a value like any other."""


def plain_value(value: Any, key: str = "") -> Any:
    """`value` as plain data: null, bool, int, float, str, list or dict of these.

    Raises
    ------
    UsageError
        If the value is of a kind that no configuration holds; `key` names it in the message.
    """
    if value is None or value is MISSING or isinstance(value, bool | str):
        return value
    if isinstance(value, enum.Enum):
        return plain_value(value.value, key)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, np.generic | np.ndarray):
        return plain_value(value.tolist(), key)
    if isinstance(value, Mapping):
        plain = {str(k): plain_value(v, f"{key}.{k}") for k, v in value.items()}
        if len(plain) < len(value):
            raise UsageError(f"hyperparameter {key!r}: two keys of it are one as text")
        return plain
    if isinstance(value, list | tuple):
        return [plain_value(item, key) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain_value(item, key) for item in value), key=repr)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    raise UsageError(
        f"hyperparameter {key!r} has a {type(value).__name__}; "
        "expected null, bool, number, text, list or dict"
    )


def canonical(value: Any) -> Hashable:
    """A hashable stand-in that is equal for equal values.

    Numbers compare as numbers (``1 == 1.0``), NaN equals NaN, a bool is no number, and lists and
    dicts compare by content.

    Examples
    --------
    >>> canonical(1) == canonical(1.0), canonical(True) == canonical(1)
    (True, False)
    >>> canonical([1, {"a": float("nan")}]) == canonical([1.0, {"a": float("nan")}])
    True
    """
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, float) and math.isnan(value):
        return ("nan",)
    if isinstance(value, list | tuple):
        return ("list", *map(canonical, value))
    if isinstance(value, Mapping):
        items = sorted((str(k), canonical(v)) for k, v in value.items()) if value else []
        return ("dict", *items)
    hashable: Hashable = value
    return hashable


def format_value(value: Any) -> str:
    """`value` as text that loses no digits: ``0.00025``, ``1e-05``, ``None``, ``[1, 2]``.

    Of a number it is the shortest text that reads as the same number again.
    """
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, str) else repr(value)


def one_kind(values: Sequence[Any]) -> list[bool | int | float | str | None]:
    """The values of one key as cells of a column, all of one kind beside null.

    Truth values, texts and numbers keep their kind; whole numbers beside others become floats.
    Values of several kinds, lists, dicts, and whole numbers that do not fit (into 64 bits, or
    into a float beside floats) become text. A null is null, and so is `MISSING`, unless both
    occur: then the nulls are the text ``None``, and the column is one of text.

    Examples
    --------
    >>> one_kind([1, 0.5, MISSING]), one_kind([True, 1]), one_kind([[1, 2], None])
    ([1.0, 0.5, None], ['True', '1'], ['[1, 2]', None])
    >>> one_kind([1, None, MISSING])
    ['1', 'None', None]
    """
    present = [value for value in values if value is not MISSING]
    both = None in present and len(present) < len(values)
    known = [value for value in present if value is not None]
    kinds = set(map(type, known))
    if both or not _one_kind(kinds, known):
        return [
            None if v is MISSING or (v is None and not both) else format_value(v) for v in values
        ]
    floats = kinds == {int, float}
    return [None if v in (None, MISSING) else float(v) if floats else v for v in values]


def _one_kind(kinds: set[type], values: Sequence[Any]) -> bool:
    """Whether `values`, of these kinds, fit into one column without becoming text."""
    if kinds == {int}:
        return all(-(2**63) <= value < 2**63 for value in values)
    if kinds == {int, float}:
        return all(type(value) is float or _fits_float(value) for value in values)
    return len(kinds) == 0 or kinds in ({bool}, {float}, {str})


def _fits_float(value: int) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False


def flatten(nested: Mapping[Any, Any]) -> dict[str, Any]:
    """Nested configuration to dotted keys; lists stay values, so do empty dicts.

    Keys that are no text become one.

    Raises
    ------
    UsageError
        If a key is there twice, dotted and nested, or as a number and as text.

    Examples
    --------
    >>> flatten({"optim": {"lr": 0.1, "betas": [0.9, 0.999]}, "extra": {}, "gpus": {0: "a"}})
    {'optim.lr': 0.1, 'optim.betas': [0.9, 0.999], 'extra': {}, 'gpus.0': 'a'}
    """
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        inside = flatten(value) if isinstance(value, Mapping) and value else None
        found = {str(name): value} if inside is None else {f"{name}.{k}": inside[k] for k in inside}
        for key in found.keys() & flat.keys():
            raise UsageError(f"hyperparameter {key!r} is there twice, dotted and nested")
        flat |= found
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys to nested dicts; a key that is also a parent of others stays dotted.

    Examples
    --------
    >>> unflatten({"optim.lr": 0.1, "optim.name": "sgd", "seed": 0})
    {'optim': {'lr': 0.1, 'name': 'sgd'}, 'seed': 0}
    """
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, leaf = key.split(".")
        place: Any = nested
        for depth, parent in enumerate(parents):
            if ".".join(parents[: depth + 1]) in flat:
                break
            place = place.setdefault(parent, {})
        else:
            place[leaf] = value
            continue
        nested[key] = value
    return nested


def _plain_flat(values: Mapping[Any, Any]) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise UsageError(f"hyperparameters are a mapping, not a {type(values).__name__}")
    flat = flatten(values)
    return MappingProxyType({key: plain_value(value, key) for key, value in flat.items()})


@attrs.frozen(eq=False, repr=False)
class Hpm(Mapping[str, Any]):
    """Immutable hyperparameters under dotted keys, made from a nested or a dotted mapping.

    Two are equal when they have the same keys with equal values (`canonical`): ``1 == 1.0``,
    NaN equals NaN, lists and dicts by content; the order of keys does not matter.

    Examples
    --------
    >>> h = Hpm({"optim": {"lr": 0.1}, "model": {"weights": None}})
    >>> h["optim.lr"], "model.weights" in h, len(h)
    (0.1, True, 2)
    >>> print(h)
    model.weights=None optim.lr=0.1
    >>> h == Hpm({"optim.lr": 0.1, "model.weights": None})
    True
    """

    values_by_key: Mapping[str, Any] = attrs.field(factory=dict, converter=_plain_flat)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Hpm:
        """Of dotted keys with plain values, which are not looked at again.

        Lists and dicts are copied, so that whoever gets them may change them.
        """
        own = {k: plain_value(v) if type(v) in (list, dict) else v for k, v in values.items()}
        hpm = cls.__new__(cls)
        # Past the converter, which takes most of the time when there are thousands.
        object.__setattr__(hpm, "values_by_key", MappingProxyType(own))
        return hpm

    def __getitem__(self, key: str) -> Any:
        try:
            return self.values_by_key[key]
        except KeyError:
            raise UnknownKeyError("hyperparameter", str(key), tuple(self)) from None

    def __contains__(self, key: object) -> bool:
        return key in self.values_by_key

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_key)

    def __len__(self) -> int:
        return len(self.values_by_key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default` when there is no such key."""
        return self.values_by_key.get(key, default)

    def subset(self, keys: Iterable[str]) -> Hpm:
        """Only `keys`, in the order given; a key that is not there gets `MISSING`."""
        return Hpm({key: self.values_by_key.get(key, MISSING) for key in keys})

    def matching(self, *patterns: str) -> Hpm:
        """Only keys that a pattern matches, by whole dotted parts and globs (`matches_key`)."""
        return Hpm.from_plain({k: v for k, v in self.items() if any_matches(k, patterns)})

    def without(self, *patterns: str) -> Hpm:
        """Only keys that no pattern matches, by whole dotted parts and globs (`matches_key`).

        Examples
        --------
        >>> Hpm({"optim.lr": 0.1, "paths.out": "a", "pathsize": 3}).without("paths", "*_dir")
        Hpm({'optim.lr': 0.1, 'pathsize': 3})
        """
        return Hpm.from_plain({k: v for k, v in self.items() if not any_matches(k, patterns)})

    def strings(self) -> list[str]:
        """``key=value`` of each key, sorted by key; no value loses digits."""
        return [f"{key}={format_value(self.values_by_key[key])}" for key in sorted(self)]

    def nested(self) -> dict[str, Any]:
        """The configuration as nested dicts."""
        return unflatten(self.values_by_key)

    def canonical(self) -> Hashable:
        """What equality and hash compare."""
        return frozenset((key, canonical(value)) for key, value in self.values_by_key.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hpm):
            return NotImplemented
        return self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(self.canonical())

    def __reduce__(self) -> tuple[Any, ...]:
        return (Hpm, (dict(self.values_by_key),))

    def __str__(self) -> str:
        return " ".join(self.strings())

    def __repr__(self) -> str:
        return f"Hpm({dict(self.values_by_key)!r})"
