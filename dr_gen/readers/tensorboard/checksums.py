"""Checksums of records: a CRC32C, rotated and with a constant added, of one or of many."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["checksum", "checksums", "crc32c", "masked"]

_ADDED: Final = 0xA282EAD8
_WORD: Final = 0xFFFF_FFFF
_POLYNOMIAL: Final = 0x82F6_3B78
Differing = Mapping[int, NDArray[np.uint8]]
Crcs = NDArray[np.uint32]


def checksum(data: bytes) -> int:
    """The checksum that stands behind `data`.

    Examples
    --------
    >>> checksum(bytes([24, 0, 0, 0, 0, 0, 0, 0])).to_bytes(4, "little").hex()
    'a37f4b22'
    """
    return masked(crc32c(data))


def checksums(alike: Sequence[bytes], which: NDArray[np.intp], differing: Differing) -> Crcs:
    """The checksums of many data of one length that differ in few bytes from some that are given.

    Parameters
    ----------
    alike : sequence of bytes
    which : intp array, dims (data,)
        Which of `alike` each of the data is like.
    differing : mapping of int to uint8 array, dims (data,)
        For each byte in which some differ, by exclusive or, from the one that they are like.

    Returns
    -------
    uint32 array, dims (data,)

    Examples
    --------
    >>> one = checksums([b"loss"], np.array([0]), {3: np.array([ord("s") ^ ord("t")], np.uint8)})
    >>> one.tolist() == [checksum(b"lost")]
    True
    """
    crcs = np.array([crc32c(data) for data in alike], np.uint32)[which]
    size = len(alike[0])
    # A CRC is linear: what one byte changes depends on how many come behind it alone.
    changes = _changes(1 << (size - 1).bit_length())
    for place, bits in differing.items():
        crcs ^= changes[size - 1 - place][bits]
    return ((crcs >> np.uint32(15)) | (crcs << np.uint32(17))) + np.uint32(_ADDED)


@functools.cache
def _changes(size: int) -> Crcs:
    """What each byte changes in a CRC, by how many bytes come behind it: dims (behind, byte)."""
    bits = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        bits = (bits >> np.uint32(1)) ^ np.where(bits & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    table, changes = bits, np.empty((size, 256), np.uint32)
    for behind in range(size):
        changes[behind] = bits
        bits = (bits >> np.uint32(8)) ^ table[bits & 0xFF]
    return changes


def masked(crc: int) -> int:
    """What is written in place of a CRC32C."""
    return (((crc >> 15) | (crc << 17)) + _ADDED) & _WORD


def crc32c(data: bytes, before: int = 0) -> int:
    """The CRC32C of data that come behind others, whose CRC32C is given."""
    import google_crc32c

    crc: int = google_crc32c.extend(before, data)
    return crc
