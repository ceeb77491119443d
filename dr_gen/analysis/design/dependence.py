"""Keys that do not vary on their own: they go with another, follow from it, or depend on it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.codes import Codes, joint

__all__ = ["Dependence", "Levels", "conditions", "dependence"]

_SMALL: Final = 4
"""So few values always go together; more of them have to go together in a pattern."""

_EVIDENCE: Final = 3
"""How often a key has to follow another before that is no coincidence."""

_MOST_JOINT: Final = 12
_FIRST: Final = 200


@attrs.frozen(eq=False)
class Levels:
    """One key over configurations.

    Attributes
    ----------
    key : str
    codes : intp array, dims (configuration,)
        Level of each, without gaps from 0, in the order of `values`.
    values : tuple
        One a level.
    """

    key: str
    codes: Codes
    values: tuple[Any, ...]

    @property
    def n(self) -> int:
        """How many levels there are."""
        return len(self.values)

    @functools.cached_property
    def numbers(self) -> bool:
        """Whether every level is a number."""
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)

    @functools.cached_property
    def order(self) -> Codes:
        """The configurations by rising level, dims (configuration,)."""
        return np.argsort(self.codes, kind="stable")


@attrs.frozen
class Dependence:
    """What is left to vary on its own.

    Attributes
    ----------
    free : tuple of str
        Keys that vary on their own, one of each set that goes together.
    together : tuple of tuple of str
        Keys that always change together, the free one first.
    derived : mapping
        Key to the keys that it is a function of.
    """

    free: tuple[str, ...]
    together: tuple[tuple[str, ...], ...]
    derived: dict[str, tuple[str, ...]]


def _decides(one: Levels, other: Levels) -> bool:
    """Whether the level of one key is enough to know that of another."""
    if one.n == len(one.codes):
        return True
    # Most keys do not, and some configurations are enough to see it.
    for some in (slice(_FIRST), slice(None)):
        a, b = one.codes[some], other.codes[some]
        n_pairs, n_alone = (len(joint(rows, len(a))[1]) for rows in ([a, b], [a]))
        if n_pairs > n_alone:
            return False
    return True


def dependence(levels: Sequence[Levels]) -> Dependence:
    """Which keys vary on their own over some configurations, each of which is there once."""
    together = _together(levels)
    followers = {key for names in together for key in names[1:]}
    free = [level for level in levels if level.key not in followers]
    derived: dict[str, tuple[str, ...]] = {}
    # Those with few values first: a key may follow from one that itself follows from another.
    for level in sorted(free, key=lambda level: level.n):
        sources = [other for other in free if other.key not in derived and _follows(level, other)]
        if sources:
            derived[level.key] = (min(sources, key=lambda other: other.n).key,)
    free = [level for level in free if level.key not in derived]
    last = _joint_function(free)
    if last is not None:
        free = [level for level in free if level.key != last]
        derived[last] = tuple(level.key for level in free)
    return Dependence(tuple(level.key for level in free), together, derived)


def _together(levels: Sequence[Levels]) -> tuple[tuple[str, ...], ...]:
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for a, b in itertools.combinations(levels, 2):
        if a.key not in taken and b.key not in taken and _one_to_one(a, b):
            found.setdefault(a.key, [a.key]).append(b.key)
            taken.add(b.key)
    return tuple(tuple(names) for names in found.values())


def _one_to_one(a: Levels, b: Levels) -> bool:
    n_configurations = len(a.codes)
    if a.n != b.n or not _decides(a, b):
        return False
    if a.n < n_configurations or a.n <= _SMALL or not (a.numbers and b.numbers):
        return True
    # Numbers drawn at random never come twice either; those that were coupled rise or fall as one.
    return _in_step(a, b)


def _in_step(a: Levels, b: Levels) -> bool:
    """Whether one key never falls, or never rises, where the other rises."""
    for some in (slice(_FIRST), slice(None)):
        steps = np.diff(b.codes[a.order[some]])
        if (steps > 0).any() and (steps < 0).any():
            return False
    return True


def _follows(level: Levels, other: Levels) -> bool:
    """Whether `level` is a function of `other`, and not by coincidence, as far as can be told."""
    if level.key == other.key or other.n <= level.n or not _decides(other, level):
        return False
    if len(level.codes) - other.n >= _EVIDENCE or not other.numbers:
        return True
    return level.numbers and _in_step(other, level)


def _joint_function(free: Sequence[Levels]) -> str | None:
    """A key without which the others are a full grid of just as many configurations."""
    if not 3 <= len(free) <= _MOST_JOINT:
        return None
    n_configurations = len(free[0].codes)
    sizes = int(np.prod([float(level.n) for level in free]))
    if sizes == n_configurations:
        return None
    found = []
    for level in free:
        rest = [other for other in free if other is not level]
        full = np.prod([float(other.n) for other in rest]) == n_configurations
        if full and len(joint([other.codes for other in rest], n_configurations)[1]) == (
            n_configurations
        ):
            found.append(level)
    return max(found, key=lambda level: level.n).key if found else None


def conditions(
    levels: Sequence[Levels], absent: dict[str, NDArray[np.bool_]]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Keys that are there only for some values of another, and keys of sweeps that share none.

    Parameters
    ----------
    levels : sequence of Levels
    absent : mapping
        Key that some configurations lack to which they are, dims (configuration,).

    Returns
    -------
    depends : dict
        Key to the key that decides whether it is there.
    apart : tuple of str
        Keys that are there just where others are not, with no key to decide it.
    """
    found = {}
    for key, lacking in absent.items():
        candidates = sorted(_deciding(key, lacking, levels, absent))
        if candidates:
            found[key] = candidates[0][-1]
    rooted = {key for key in found if _is_rooted(key, found)}
    apart = tuple(key for key in found if key not in rooted)
    return {key: found[key] for key in found if key in rooted}, apart


def _is_rooted(key: str, deciders: dict[str, str]) -> bool:
    """Whether what decides on a key comes from a key that all configurations have."""
    seen: set[str] = set()
    while key in deciders and key not in seen:
        seen.add(key)
        key = deciders[key]
    return key not in seen


def _deciding(
    key: str,
    lacking: NDArray[np.bool_],
    levels: Sequence[Levels],
    absent: dict[str, NDArray[np.bool_]],
) -> Iterator[tuple[bool, int, str]]:
    for level in levels:
        same = level.key in absent and bool((absent[level.key] == lacking).all())
        if level.key == key or same or (level.numbers and level.n == len(level.codes)):
            continue
        with_it = np.bincount(level.codes, weights=~lacking, minlength=level.n)
        sizes = np.bincount(level.codes, minlength=level.n)
        if ((with_it == 0) | (with_it == sizes)).all():
            yield level.key in absent, level.n, level.key
