"""What the documents promise as numbered rows, each with a check of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import attrs

__all__ = ["Rows", "numbers"]

CheckT = TypeVar("CheckT", bound=Callable[..., None])


@attrs.frozen
class Rows:
    """Checks by the number of their row, such as ``S0-17``; a row may have several."""

    checks: dict[str, list[Callable[..., None]]] = attrs.field(factory=dict)

    def __call__(self, *names: str) -> Callable[[CheckT], CheckT]:
        """Say of a function which rows it checks."""

        def add(check: CheckT) -> CheckT:
            for name in names:
                self.checks.setdefault(name, []).append(check)
            return check

        return add

    def cases(self) -> list[tuple[str, Callable[..., None]]]:
        """Row and check, for a test of each."""
        return [(name, check) for name, checks in self.checks.items() for check in checks]


def numbers(system: str, *ranges: tuple[int, int]) -> set[str]:
    """``S0-1`` … of some ranges, both ends included."""
    every: Iterable[int] = (n for first, last in ranges for n in range(first, last + 1))
    return {f"{system}-{n}" for n in every}
