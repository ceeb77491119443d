"""Values of a configuration that stand for others, as Hydra and OmegaConf leave them in YAML.

``${optim.lr}`` is the value of that key, ``${.lr}`` and ``${..lr}`` count from the place where it
stands, and ``???`` is a value that was never given. What has to be computed (``${now:%Y}``), is in
a list or is not there stays the text that it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dr_gen.model.hpm import format_value, unflatten

__all__ = ["NEVER_GIVEN", "interpolated"]

NEVER_GIVEN: Final = "???"

_REFERENCE: Final = re.compile(r"(?<!\\)\$\{\s*([\w.-]+?)\s*\}")


def interpolated(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration under dotted keys with every value that stands for another replaced.

    Examples
    --------
    >>> interpolated({"lr": 0.1, "optim.lr": "${lr}", "run": "lr${..lr}", "a": "???", "b": "${b}"})
    {'lr': 0.1, 'optim.lr': 0.1, 'run': 'lr${..lr}', 'b': '${b}'}
    >>> interpolated({"model.n": 2, "copy": "${model}", "model.name": "n${.n}", "l": ["${copy.n}"]})
    {'model.n': 2, 'copy.n': 2, 'copy.name': 'n2', 'model.name': 'n2', 'l': ['${copy.n}']}
    """
    found: dict[str, Any] = {}
    for key, value in flat.items():
        for end, resolved in _resolved(flat, key, value, (key,)).items():
            whole = f"{key}.{end}" if end else key
            if resolved != NEVER_GIVEN and (not end or whole not in flat):
                found[whole] = resolved
    return found


def _resolved(
    flat: Mapping[str, Any], place: str, value: Any, through: tuple[str, ...]
) -> dict[str, Any]:
    """What a value is in the end, under the empty name; of a group of keys, by their rests."""
    if isinstance(value, list):
        return {"": [_one(flat, place, item, through) for item in value]}
    if isinstance(value, dict):
        return {"": {name: _one(flat, place, item, through) for name, item in value.items()}}
    if not isinstance(value, str) or "${" not in value:
        return {"": value}
    whole = _REFERENCE.fullmatch(value)
    if whole is not None:
        return _meant(flat, place, whole[1], through) or {"": value}

    def text(match: re.Match[str]) -> str:
        meant = _meant(flat, place, match[1], through)
        return format_value(meant[""]) if "" in meant else match[0]

    return {"": _REFERENCE.sub(text, value)}


def _one(flat: Mapping[str, Any], place: str, value: Any, through: tuple[str, ...]) -> Any:
    """The same for a value inside another, where several keys become a dict."""
    found = _resolved(flat, place, value, through)
    return found[""] if "" in found else unflatten(found)


def _meant(
    flat: Mapping[str, Any], place: str, name: str, through: tuple[str, ...]
) -> dict[str, Any]:
    """What a reference means; nothing if it leads nowhere, or back to itself."""
    key = _absolute(place, name)
    if key is None or key in through:
        return {}
    if key in flat:
        return _resolved(flat, key, flat[key], (*through, key))
    below = f"{key}."
    if any(part.startswith(below) for part in through):
        return {}
    found: dict[str, Any] = {}
    for other in [other for other in flat if other.startswith(below)]:
        for end, value in _resolved(flat, other, flat[other], (*through, key, other)).items():
            rest = other.removeprefix(below)
            found[f"{rest}.{end}" if end else rest] = value
    return found


def _absolute(place: str, name: str) -> str | None:
    """The whole key that is meant at a place; None if there are too many dots for it."""
    rest = name.lstrip(".")
    up = len(name) - len(rest)
    if not up:
        return rest
    parents = place.split(".")
    return ".".join([*parents[: len(parents) - up], rest]) if up <= len(parents) else None
