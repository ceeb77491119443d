"""Which keys were swept, which is the seed, and which look like what they are not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from typing import Any, Final

import attrs

from dr_gen.analysis.design.columns import Column, Columns
from dr_gen.analysis.design.environment import environment_kind
from dr_gen.analysis.design.issue import DesignIssue
from dr_gen.model.finding import Severity
from dr_gen.model.labels import Labels

__all__ = ["Roles", "roles", "roles_of"]

_SEED_NAME: Final = re.compile(
    r"(?:.*_)?(?:seed|rng|random_state)(?:_.*|\d*)"
    r"|(?:repeat|repetition|replicate|trial)(?:_?(?:id|no|idx|index|number))?"
    r"|run_?(?:no|idx|index|number)"
)
_TEXTS: Final = {
    "a unique id": re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"),
    "a hash": re.compile(r"(?=.*\d)(?=.*[a-f])[0-9a-f]{7,64}"),
    "a time": re.compile(
        r"(?:19|20)\d\d[-_/.]?[01]\d[-_/.]?[0-3]\d(?:[t _-]?[0-2]\d[-_:.h]?[0-5]\d.*)?"
    ),
    "a path": re.compile(r"(?:[~.]{0,2}/|[a-z]:\\|[a-z][a-z0-9+]*://).*", re.DOTALL),
}
_LOOKED_AT: Final = 64
_FEW: Final = 4
_MANY: Final = 16
_LARGE: Final = 1000


@attrs.frozen
class Roles:
    """What keys are for.

    Attributes
    ----------
    factors : tuple of str
        Keys that were swept.
    seed : str or None
        The key that tells replicates apart.
    seeds : tuple of str
        All keys that vary and hold seeds.
    noise : tuple of str
        The other keys that vary.
    issues : tuple of DesignIssue
        Keys that are taken for something else than the group takes them for.
    """

    factors: tuple[str, ...]
    seed: str | None
    seeds: tuple[str, ...]
    noise: tuple[str, ...]
    issues: tuple[DesignIssue, ...] = ()


def roles(columns: Columns, important: Sequence[str], seed: str | None, labels: Labels) -> Roles:
    """What the keys that vary are for.

    Parameters
    ----------
    columns : Columns
    important : sequence of str
        Keys that the group takes for swept.
    seed : str, optional
        The key that it takes for the seed. One that has the same value in all runs stays the seed
        if no other varies: then runs of one configuration are copies.
    labels : Labels
    """
    issues: list[DesignIssue] = []
    seeds = [key for key in important if _is_seed(columns[key])]
    suspected = set(seeds)
    issues += [_seed_issue(key, labels) for key in seeds]
    for key in important:
        kind = None if key in suspected else _noise_kind(columns[key], key)
        if kind is not None:
            suspected.add(key)
            issues.append(_noise_issue(columns[key], kind, labels))
    for key in _different_everywhere(columns, important, suspected):
        suspected.add(key)
        issues.append(_unique_issue(columns[key], labels))
    factors = tuple(key for key in important if key not in suspected)
    if seed is None or seed not in columns:
        seed = min(seeds, key=lambda k: (k.count("."), k), default=seed)
        if seed not in seeds:
            issues += _numbered(columns, factors, labels)
    return roles_of(columns, factors, seed, issues)


def roles_of(
    columns: Columns,
    factors: Sequence[str],
    seed: str | None,
    issues: Iterable[DesignIssue] = (),
) -> Roles:
    """What the keys are for once it is known which were swept."""
    others = [key for key in columns.by_key if key not in factors]
    seeds = tuple(key for key in others if key == seed or _is_seed(columns[key]))
    noise = tuple(key for key in others if key not in seeds)
    return Roles(tuple(factors), seed, seeds, noise, tuple(issues))


def _is_seed(column: Column) -> bool:
    switches = any(isinstance(value, bool | float) for value in column.present)
    return not switches and _SEED_NAME.fullmatch(_tail(column.key)) is not None


def _tail(key: str) -> str:
    """The last dotted part in snake case."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key.rsplit(".", 1)[-1]).replace("-", "_").casefold()


def _noise_kind(column: Column, key: str) -> str | None:
    """What a key seems to hold that no configuration is made of."""
    kind = environment_kind(key, column.present)
    if kind is not None:
        return kind.words
    if len(column.codes) < _FEW or column.n_levels <= min(len(column.codes) / 2, _MANY):
        return None
    values = column.present[:_LOOKED_AT]
    if all(isinstance(value, str) for value in values):
        texts = [value.strip().casefold() for value in values]
        kinds = (name for name, wanted in _TEXTS.items() if all(map(wanted.fullmatch, texts)))
        return next(kinds, None)
    return "a time" if all(map(_is_clock, values)) else None


def _is_clock(value: Any) -> bool:
    """Whether a number is seconds or milliseconds since 1970, as of 2001 to 2033."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return False
    # Round ones are sizes: 1e9 tokens, 1.5e9 parameters.
    number = float(value)
    return (1e9 < number < 2e9 or 1e12 < number < 2e12) and number % 1000 != 0


def _different_everywhere(
    columns: Columns, important: Sequence[str], suspected: Set[str]
) -> list[str]:
    """Texts and counters that no two runs share, though the rest of the sweep is replicated.

    In a grid each value of a key comes back with the values of the others. A float may have been
    drawn at random.
    """
    left = [key for key in important if key not in suspected]
    found = [key for key in left if columns.n_runs >= _FEW and _is_label(columns[key])]
    rest = [key for key in left if key not in found]
    _, first = columns.combinations(rest)
    return found if 2 <= len(first) <= columns.n_runs / 2 else []


def _is_label(column: Column) -> bool:
    if not column.differs_in_every_run:
        return False
    values = column.present
    if all(isinstance(value, str) for value in values):
        return True
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return False
    low, high = int(min(values)), int(max(values))
    return high - low + 1 == len(values) or low > _LARGE


def _numbered(columns: Columns, factors: Sequence[str], labels: Labels) -> list[DesignIssue]:
    """A key that counts from 0 where no run has a replicate."""
    _, first = columns.combinations(factors)
    if len(first) < columns.n_runs or len(factors) < 2:
        return []
    issues = []
    for key in factors:
        values = columns[key].present
        whole = all(isinstance(v, int) and not isinstance(v, bool) for v in values)
        if whole and len(values) > 2 and sorted(values) == list(range(len(values))):
            what = (
                f"{labels.key(key)} counts from 0 to {len(values) - 1}, and without it "
                "configurations would have several runs: it may number the replicates"
            )
            hint = f"if so, {_as_noise(key)}"
            issues.append(DesignIssue("maybe-seed", Severity.INFO, what, (key,), hint=hint))
    return issues


def _as_noise(key: str) -> str:
    return f"treat it as noise: `noise: [{key}]` in the settings, or noise= in Python"


def _seed_issue(key: str, labels: Labels) -> DesignIssue:
    what = (
        f"{labels.key(key)} is called like a seed but counts as swept, so that replicates of one "
        "configuration count as configurations; below it does not count as swept"
    )
    return DesignIssue("looks-like-seed", Severity.ERROR, what, (key,), hint=_as_noise(key))


def _noise_issue(column: Column, kind: str, labels: Labels) -> DesignIssue:
    example = labels.value(column.key, column.present[0]) if column.present else "-"
    what = (
        f"{labels.key(column.key)} holds {kind} ({example}), with {column.n_levels} values in "
        f"{len(column.codes)} runs, but counts as swept; below it does not"
    )
    return DesignIssue(
        "looks-like-noise", Severity.ERROR, what, (column.key,), hint=_as_noise(column.key)
    )


def _unique_issue(column: Column, labels: Labels) -> DesignIssue:
    what = (
        f"{labels.key(column.key)} differs in each of {len(column.codes)} runs while the rest of "
        "the configuration is repeated: it names runs, it was not swept; below it does not count"
    )
    return DesignIssue(
        "differs-in-every-run", Severity.ERROR, what, (column.key,), hint=_as_noise(column.key)
    )
