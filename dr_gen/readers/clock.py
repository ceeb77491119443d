"""The time that runs are stamped with when they are read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import attrs

__all__ = ["Stamping", "utc_now"]


def utc_now() -> datetime:
    """The time now, in UTC; what the `clock` of a reader is unless another is given."""
    return datetime.now(UTC)


@attrs.frozen
class Stamping:
    """A reader that says of each run when it was read.

    Attributes
    ----------
    clock : callable
        Gives the time that a run is stamped with.
    """

    clock: Callable[[], datetime] = attrs.field(default=utc_now, eq=False, repr=False)
