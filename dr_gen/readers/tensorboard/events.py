"""Files of records with checksums, as TensorFlow writes them: what TensorBoard's events lie in.

A record is its length (8 bytes, little endian), a checksum of these bytes (4), the data, and a
checksum of the data (4). A checksum is a CRC32C, rotated and with a constant added, so that
records inside records are no trouble:
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.

Files are read in blocks of some megabytes. A length counts once its checksum is right and the file
is that long, so that no wrong length costs memory. Behind a wrong length the next right one is
looked for, as the beginning of a record.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.tensorboard.checksums import checksum, crc32c, masked
from dr_gen.readers.tensorboard.heads import AROUND, FOOT, HEAD, Heads, is_head, next_head

__all__ = ["LARGEST", "Ending", "RecordBlock", "RecordFile"]

LARGEST: Final = 1 << 24
"""Records of more bytes are looked over without being kept."""

_BLOCK: Final = 1 << 22
_NEAR: Final = 1 << 16
_MOST_LOST: Final = 64


@attrs.frozen(eq=False)
class RecordBlock:
    """Records that lie behind one another.

    Attributes
    ----------
    content : bytes
        A piece of the file.
    starts, sizes : intp array, dims (record,)
        Where in it the data of each record lie, and how many bytes they are; the checksum is
        behind them. Not compared with it yet.
    offset : int
        Where in the file the piece begins.
    first : int
        How many records there are in the file before these.
    """

    content: bytes
    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]
    offset: int
    first: int

    def data(self, record: int) -> bytes:
        """The data of a record, a copy."""
        start = int(self.starts[record])
        return self.content[start : start + int(self.sizes[record])]

    def is_whole(self, record: int) -> bool:
        """Whether the checksum of a record is that of its data."""
        end = int(self.starts[record] + self.sizes[record])
        stored = int.from_bytes(self.content[end : end + FOOT], "little")
        return checksum(self.data(record)) == stored

    def place(self, record: int) -> int:
        """Where in the file a record begins."""
        return self.offset + int(self.starts[record]) - HEAD


@attrs.frozen
class Ending:
    """Why a file was not read to its end.

    Attributes
    ----------
    what : {"cut", "length"}
        The last record is not all there, or a length is wrong, and no record was found behind it.
    place : int
        Where the record begins, in bytes.
    left : int
        How many bytes there are from there on.
    wanted : int
        How many the record would need, with what is around its data; 0 if that is not known.
    """

    what: str
    place: int
    left: int
    wanted: int = 0


class RecordFile:
    """The records of one file, or of the rest of one.

    Parameters
    ----------
    path : Path
    start : int
        Where to begin, in bytes: at a record.

    Attributes
    ----------
    end : int
        Where the last whole record ends, once all blocks were taken.
    ending : Ending or None
        What comes behind it.
    large : list of tuples of int
        Places and sizes of records that were too large to be kept.
    broken : list of int
        The places of those among them whose checksum is wrong.
    lost : list of tuples of int
        Places and sizes of what lies between a wrong length and the next record.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self.end = start
        self.ending: Ending | None = None
        self.large: list[tuple[int, int]] = []
        self.broken: list[int] = []
        self.lost: list[tuple[int, int]] = []
        self._path = path
        self._heads = Heads()
        self._n = 0

    def blocks(self) -> Iterator[RecordBlock]:
        """The records, block by block.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        if os.path.exists(self._path) and not os.path.isfile(self._path):
            raise OSError(None, "it is no file")  # to open a pipe would wait for a writer
        with open(self._path, "rb", buffering=0) as file:
            file.seek(self.end)
            content, asked = b"", _BLOCK
            while piece := _read(file, asked):
                content += piece
                block, wanted = self._whole(content)
                if len(block.starts):
                    yield block
                content = content[self.end - block.offset :]
                if self.ending is not None:
                    if not self._goes_on(file):
                        return
                    content, asked = b"", _NEAR
                    continue
                if wanted > LARGEST:
                    left = _left(file, self.end)
                    if left < wanted:
                        self.ending = Ending("cut", self.end, left, wanted)
                        return
                    self._pass_over(file, content, wanted)
                    content, wanted = b"", 0
                asked = max(_BLOCK, min(wanted, LARGEST) - len(content))
            if content:
                self.ending = Ending("cut", self.end, len(content), self._wanted(content))

    def read(self, content: bytes) -> Iterator[RecordBlock]:
        """The records in `content`, which is what the file holds from the start on."""
        block, _ = self._whole(content)
        if len(block.starts):
            yield block
        rest = content[self.end - block.offset :]
        if self.ending is not None:
            self.ending = attrs.evolve(self.ending, left=len(rest))
        elif rest:
            self.ending = Ending("cut", self.end, len(rest), self._wanted(rest))

    def _whole(self, content: bytes) -> tuple[RecordBlock, int]:
        """The whole records at the beginning, and how many bytes the next one needs."""
        found = self._heads.follow(content)
        block = RecordBlock(content, found.starts, found.sizes, self.end, self._n)
        self.end += found.end
        self._n += len(found.sizes)
        if found.is_damaged:
            self.ending = Ending("length", self.end, 0)
        return block, found.wanted

    def _goes_on(self, file: BinaryIO) -> bool:
        """Go to the next record behind a wrong length; whether there is one."""
        size = os.fstat(file.fileno()).st_size
        place, content, asked = self.end + 1, b"", _NEAR
        file.seek(place)
        # What is damaged all over is not worth a search behind each record.
        while len(self.lost) < _MOST_LOST and (piece := _read(file, asked)):
            content += piece
            found = next_head(content, size - place)
            if found >= 0:
                self.lost.append((self.end, place + found - self.end))
                self.end, self.ending = place + found, None
                file.seek(self.end)
                return True
            known = max(0, len(content) - HEAD + 1)
            place, content, asked = place + known, content[known:], _BLOCK
        self.ending = Ending("length", self.end, max(0, size - self.end))
        return False

    def _wanted(self, content: bytes) -> int:
        whole = is_head(content[:HEAD])
        return AROUND + int.from_bytes(content[:8], "little") if whole else 0

    def _pass_over(self, file: BinaryIO, content: bytes, wanted: int) -> None:
        """Compare the checksum of a large record without keeping it."""
        data, left = content[HEAD:], wanted - AROUND - len(content[HEAD:])
        crc = crc32c(data)
        while left and (data := file.read(min(left, _BLOCK))):
            crc = crc32c(data, crc)
            left -= len(data)
        if left or _read(file, FOOT) != masked(crc).to_bytes(FOOT, "little"):
            self.broken.append(self.end)
        self.large.append((self.end, wanted))
        self.end += wanted
        self._n += 1


def _read(file: BinaryIO, size: int) -> bytes:
    """As many bytes as there are up to `size`: one call need not give all."""
    parts = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _left(file: BinaryIO, start: int) -> int:
    return max(0, os.fstat(file.fileno()).st_size - start)
