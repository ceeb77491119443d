"""Layouts of events that were seen before, in whatever file: most events are like one of them."""

from __future__ import annotations

from typing import Any, Final

from dr_gen.readers.protobuf import MalformedMessageError
from dr_gen.readers.tensorboard.event import Layout, layout

__all__ = ["KnownLayouts"]

_LONGEST: Final = 512
"""Bytes of an event that is kept; longer ones are not many."""
_MOST_MASKS: Final = 8
_MOST: Final = 50_000
"""Layouts that are kept: a file need not have two events that are alike."""


class KnownLayouts:
    """Finds out what is in an event, and remembers it for those that differ in numbers alone.

    Examples
    --------
    >>> known, events = KnownLayouts(), bytes.fromhex("1005 1007")
    >>> known.find(events, 0, 2) is known.find(events, 2, 4)
    True
    """

    def __init__(self) -> None:
        self._by_size: dict[int, dict[int, dict[int, Layout]]] = {}
        self._like: dict[tuple[bytes, Any], Layout | None] = {}
        self._n = 0

    def find(self, content: bytes, start: int, end: int) -> Layout:
        """The layout of the event that lies in `content`; the tags in it are its own.

        Raises
        ------
        MalformedMessageError
            If the bytes are no event.
        """
        size = end - start
        if size > _LONGEST:
            return layout(content, start, end)
        event = int.from_bytes(content[start:end], "little")
        masks = self._by_size.setdefault(size, {})
        for mask, layouts in masks.items():
            if (one := layouts.get(event & mask)) is not None:
                return one
        found = layout(content, start, end)
        # An extra is more than a number; what is said in it is each event's own.
        if not found.extras:
            self._make_room()
            mask = int.from_bytes(found.mask.tobytes(), "little")
            if mask in masks or len(masks) < _MOST_MASKS:
                masks.setdefault(mask, {})[event & mask] = found
        return found

    def like(self, event: bytes, other: Layout) -> Layout | None:
        """The layout of an event without its numbers, None if these are not where `other` has them.

        Parameters
        ----------
        event : bytes
            With zeros where numbers were.
        other : Layout
        """
        key = (event, other.shape)
        if key not in self._like:
            self._make_room()
            try:
                one = layout(event, 0, len(event))
            except MalformedMessageError:
                self._like[key] = None
            else:
                same = not one.extras and one.shape == other.shape
                self._like[key] = one if same else None
        return self._like[key]

    def _make_room(self) -> None:
        self._n += 1
        if self._n > _MOST:
            self._n = 0
            self._like.clear()
            for masks in self._by_size.values():
                masks.clear()
