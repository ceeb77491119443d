"""The numbers of many decoded structs in one array, without touching them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["FloatRecords", "length_of_head"]

_ENCODER: Final = msgspec.msgpack.Encoder()
_SHORT, _LONG = 1 << 4, 1 << 16
_BYTES: Final = 9
"""What MessagePack writes of a float: its kind, and the eight bytes of it, the highest first."""


def length_of_head(n_items: int) -> int:
    """How many bytes of MessagePack say that a list of so many items follows.

    Examples
    --------
    >>> [length_of_head(n) for n in (15, 16, 1 << 16)]
    [1, 3, 5]
    """
    return 1 if n_items < _SHORT else 3 if n_items < _LONG else 5


class FloatRecords:
    """Takes the numbers out of structs whose fields are floats, all of them.

    As MessagePack, which msgspec writes faster than Python can ask for a number, all of them are
    records of one size: the numbers are at fixed places.

    Parameters
    ----------
    names : sequence of str
        What the fields are called where they are encoded, in order.

    Examples
    --------
    >>> point = msgspec.defstruct("Point", [("x", float), ("y", float)])
    >>> FloatRecords(["x", "y"]).of([point(1.0, 2.5), point(3.0, 4.5)]).tolist()
    [[1.0, 2.5], [3.0, 4.5]]
    """

    def __init__(self, names: Sequence[str]) -> None:
        sizes = [len(_ENCODER.encode(name)) for name in names]
        head = len(_ENCODER.encode(dict.fromkeys(names))) - sum(sizes) - len(sizes)
        ends = head + np.cumsum([size + _BYTES for size in sizes], dtype=np.int64)
        self._places: list[int] = (ends - _BYTES + 1).tolist()
        self._size = int(ends[-1]) if len(ends) else head

    def of(self, structs: list[Any]) -> NDArray[np.float64]:
        """The numbers, dims (struct, field), bit for bit.

        Raises
        ------
        TypeError
            If there is None in the place of a struct.
        """
        n = len(structs)
        data = _ENCODER.encode(structs)
        start = length_of_head(n)
        whole = len(data) == start + n * self._size if self._places else None not in structs
        if not whole:
            raise TypeError("not every struct is there")
        out = np.empty((n, len(self._places)))
        for field, place in enumerate(self._places if n else ()):
            out[:, field] = np.ndarray((n,), ">f8", data, start + place, (self._size,))
        return out
