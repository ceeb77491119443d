"""What a run is in the terms of its user: a typed configuration, and an object of one's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, cast

from dr_gen.model.finding import Finding

if sys.version_info >= (3, 13):
    from typing import TypeVar
else:
    from typing_extensions import TypeVar

if TYPE_CHECKING:
    from dr_gen.model.run import RunData

__all__ = ["UNBOUND", "Binding", "C_co", "I_co"]

C_co = TypeVar("C_co", covariant=True, default=Any)
"""The class of the configuration of a run."""

I_co = TypeVar("I_co", covariant=True, default=Any)
"""The class of what is made for a run from its folder."""


class Binding(Generic[C_co, I_co]):
    """What ``run.cfg`` and ``run.impl`` are; this one knows no class of anybody's.

    It is asked for a run and knows none itself, so that all runs of a group share one.
    """

    __slots__ = ()

    def cfg(self, run: RunData[Any, Any]) -> C_co:
        """The configuration of a run; without a class, as nested dicts."""
        return cast("C_co", run.hpms.nested())

    def impl(self, run: RunData[Any, Any]) -> I_co:
        """What is made for a run; None without anybody to make it."""
        return cast("I_co", None)

    def findings(self, run: RunData[Any, Any]) -> tuple[Finding, ...]:
        """What does not fit of a run."""
        return ()


UNBOUND: Binding[Any, Any] = Binding()
"""Of runs that were loaded without classes."""
