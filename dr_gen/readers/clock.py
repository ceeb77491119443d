"""The time that runs are stamped with when they are read."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["utc_now"]


def utc_now() -> datetime:
    """The time now, in UTC; what the `clock` of a reader is unless another is given."""
    return datetime.now(UTC)
