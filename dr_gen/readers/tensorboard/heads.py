"""Where the records of a piece of a file are: their sizes, from the heads that say them.

The heads have to be followed one by one. But loops log the same metrics in the same order, so that
the sizes repeat. Where they did, it is looked at once whether they go on like that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dr_gen.readers.tensorboard.checksums import checksum, checksums

__all__ = ["AROUND", "FOOT", "HEAD", "Heads", "Sizes", "is_head", "next_head"]

HEAD: Final = 12
"""Bytes in front of the data of a record: their number and its checksum."""
FOOT: Final = 4
"""Bytes behind the data: their checksum."""
AROUND: Final = HEAD + FOOT
_WALK: Final = 256
_LONGEST_WALK: Final = 1 << 20


def is_head(head: bytes) -> bool:
    """Whether 12 bytes are the beginning of a record: a length with its checksum.

    Examples
    --------
    >>> is_head(bytes.fromhex("1800000000000000 a37f4b22")), is_head(bytes(12))
    (True, False)
    """
    return len(head) == HEAD and checksum(head[:8]) == int.from_bytes(head[8:], "little")


def next_head(content: bytes, left: int) -> int:
    """Where in a piece of a file the first head stands whose record is all there; -1 if none does.

    Parameters
    ----------
    content : bytes
        Of no more than 2 GB; records of more than 4 GB are not found.
    left : int
        How many bytes the file has from the beginning of the piece on.

    Examples
    --------
    >>> head = bytes.fromhex("1800000000000000 a37f4b22")
    >>> next_head(b"rest" + head, 44), next_head(b"rest" + head, 43), next_head(bytes(99), 99)
    (4, -1, -1)
    """
    first = -1
    for shift in range(min(FOOT, max(0, len(content) - HEAD + 1))):
        words = np.frombuffer(content, "<u4", (len(content) - shift) // 4, shift)
        sizes, stored = words[:-2], words[2:]
        # Hardly anything but heads passes this: files with holes have zeros there as well.
        may_be = np.flatnonzero((words[1:-1] == 0) & (stored != 0) & (sizes < left))
        places = 4 * may_be + shift
        lengths = sizes[may_be].astype(np.int64)
        fits = places + lengths + AROUND <= left
        places, lengths, stored = places[fits], lengths[fits], stored[may_be][fits]
        parts = {i: (lengths >> 8 * i & 0xFF).astype(np.uint8) for i in range(4)}
        right = checksums([bytes(8)], np.zeros(len(places), np.intp), parts) == stored
        if right.any() and (first < 0 or places[right][0] < first):
            first = int(places[right][0])
    return first


@attrs.frozen(eq=False)
class Sizes:
    """The records at the beginning of a piece of a file.

    Attributes
    ----------
    sizes : intp array, dims (record,)
        How many bytes of data each has.
    end : int
        Where the last whole one ends.
    wanted : int
        How many bytes the next one needs, where it is not all there; 0 if that is not known.
    is_damaged : bool
        Whether what comes behind is no head of a record.
    """

    sizes: NDArray[np.intp]
    end: int
    wanted: int
    is_damaged: bool

    @property
    def starts(self) -> NDArray[np.intp]:
        """Where the data of each record lie."""
        ends = np.cumsum(self.sizes + AROUND)
        starts: NDArray[np.intp] = ends - self.sizes - FOOT
        return starts


class Heads:
    """Follows the heads of the records of a file, and remembers those that are whole.

    Examples
    --------
    >>> head = bytes.fromhex("0000000000000000")
    >>> head += checksum(head).to_bytes(4, "little")
    >>> found = Heads().follow(3 * (head + checksum(b"").to_bytes(4, "little")) + b"rest")
    >>> found.sizes.tolist(), found.starts.tolist(), found.end
    ([0, 0, 0], [12, 28, 44], 48)
    """

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}

    def follow(self, content: bytes) -> Sizes:
        """The records at the beginning of `content`."""
        pieces: list[NDArray[np.intp]] = []
        place, many = 0, _WALK
        while True:
            sizes, place, wanted = self._walk(content, place, many)
            pieces.append(np.array(sizes, np.intp))
            if len(sizes) < many:
                return Sizes(np.concatenate(pieces), place, max(0, wanted), wanted < 0)
            more = _going_on(content, place, sizes[-_WALK:])
            place += int((more + AROUND).sum())
            pieces.append(more)
            # What does not repeat is not asked again and again whether it does.
            many = _WALK if len(more) > many else min(2 * many, _LONGEST_WALK)

    def _walk(self, content: bytes, place: int, many: int) -> tuple[list[int], int, int]:
        """Sizes of up to so many records from a place on, where the last one ends, and `wanted`.

        The last is -1 where a head is damaged.
        """
        sizes, known, last = list[int](), self._known, len(content) - AROUND
        while place <= last and len(sizes) < many:
            head = content[place : place + HEAD]
            # A head that was seen needs no second look: most records have the length of others.
            size = known.get(head, -1)
            if size < 0:
                if not is_head(head):
                    return sizes, place, -1
                size = known[head] = int.from_bytes(head[:8], "little")
            if size > last - place:
                return sizes, place, size + AROUND
            sizes.append(size)
            place += size + AROUND
        return sizes, place, 0


def _going_on(content: bytes, place: int, sizes: Sequence[int]) -> NDArray[np.intp]:
    """The sizes of the records from a place on as far as they repeat those right before it."""
    period = _period(sizes)
    pattern = np.array(sizes[-period:] if period else [], np.intp)
    strides = pattern + AROUND
    length = int(strides.sum())
    if not period:
        return pattern
    heads = sliding_window_view(np.frombuffer(content, np.uint8), HEAD)
    offsets = np.cumsum(strides) - strides
    wanted = heads[place - length + offsets]
    n, times = 0, math.ceil(_WALK / period)
    # More and more of it: what stops to repeat soon is not compared to the end.
    while (times := min(2 * times, (len(content) - place) // length)) > 0:
        starts = place + length * np.arange(times)[:, None] + offsets
        alike = (heads[starts] == wanted).all(axis=2).ravel()
        if not alike.all():
            n += int(np.argmin(alike))
            break
        n += len(alike)
        place += times * length
    return np.tile(pattern, math.ceil(n / period))[:n]


def _period(sizes: Sequence[int]) -> int:
    """After how many numbers they come again, all along, at least twice; 0 if they do not.

    Examples
    --------
    >>> _period([3, 1, 2, 1, 2, 1]), _period([1, 2, 1, 2, 1]), _period([7, 7]), _period([1, 2, 3])
    (0, 2, 1, 0)
    """
    # How much of the beginning stands again at each place: as in the search for a text.
    again, length = [0] * len(sizes), 0
    for place in range(1, len(sizes)):
        while length and sizes[place] != sizes[length]:
            length = again[length - 1]
        length += sizes[place] == sizes[length]
        again[place] = length
    period = len(sizes) - again[-1] if again else 0
    return period if 2 * period <= len(sizes) else 0
