"""The numbers in the bytes of events: of one event, or of many that have them at one place."""

from __future__ import annotations

import struct
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.protobuf import varint

__all__ = ["VARIABLE", "Number", "number_at", "numbers", "signed"]

VARIABLE: Final = frozenset({"int", "uint", "half", "bhalf"})
"""Kinds of numbers whose length depends on their value."""

_F4: Final = struct.Struct("<f")
_F8: Final = struct.Struct("<d")


@attrs.frozen
class Number:
    """Where a number lies in the bytes of an event.

    Attributes
    ----------
    start, end : int
    kind : str
        A type of numpy; ``int`` or ``uint``, of variable length; ``half`` or ``bhalf``, the bits
        of a float of 16 bits as such a number; ``bfloat16``; ``zero``, which takes no bytes.
    """

    start: int
    end: int
    kind: str


def number_at(content: bytes, start: int, number: Number) -> float:
    """A number of one event that begins at `start`; quicker than `numbers` for one."""
    place = start + number.start
    if number.kind == "<f4":
        one: float = _F4.unpack_from(content, place)[0]
    elif number.kind == "<f8":
        one = _F8.unpack_from(content, place)[0]
    elif number.kind == "int":
        whole = varint(content, place)[0]
        one = whole - (1 << 64) if whole >> 63 else whole
    else:
        row = np.frombuffer(content[start : start + number.end], np.uint8)[None]
        one = numbers(row, number)[0].item()
    return one


def numbers(rows: NDArray[np.uint8], number: Number) -> NDArray[np.float64]:
    """A number of each of many events.

    Parameters
    ----------
    rows : uint8 array, dims (event, byte)
        The bytes of events of one layout.
    number : Number

    Returns
    -------
    float64 array, dims (event,)
    """
    if number.kind == "zero":
        return np.zeros(len(rows))
    part = rows[:, number.start : number.end]
    if number.kind in VARIABLE:
        whole = signed(part)
        if number.kind == "uint":
            return whole.view(np.uint64).astype(np.float64)
        if number.kind == "int":
            return whole.astype(np.float64)
        part = whole.astype("<u2")[:, None].view(np.uint8)
    if number.kind in ("bfloat16", "bhalf"):
        bits = np.ascontiguousarray(part).view("<u2").astype("<u4") << 16
        part, number = bits.view(np.uint8), attrs.evolve(number, kind="<f4")
    kind = "<f2" if number.kind == "half" else number.kind
    with np.errstate(invalid="ignore"):  # there are kinds of NaN that numpy warns of
        return np.ascontiguousarray(part).view(kind)[:, 0].astype(np.float64)


def signed(part: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Whole numbers of 64 bits that are written with so many bytes each.

    Parameters
    ----------
    part : uint8 array, dims (number, byte)

    Examples
    --------
    >>> signed(np.array([[0x96, 0x01]], np.uint8)).tolist()
    [150]
    """
    value = np.zeros(len(part), np.uint64)
    for place in range(part.shape[1]):
        bits = (part[:, place] & 0x7F).astype(np.uint64)
        value |= bits << np.uint64(7 * place)
    return value.view(np.int64)
