"""The scalars of event files: many events decoded together.

Events of one length are held side by side. What lies where is found out for one of them
(`tfevent.Layout`); all that have the same bytes but for the numbers have the same layout, and
their numbers are taken at once. So are their checksums: these are linear, so that of each event
only the bytes count in which it differs.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dr_gen.readers.protobuf import MalformedMessageError
from dr_gen.readers.tensorboard.checksums import checksum, checksums
from dr_gen.readers.tensorboard.event import Extra, Layout
from dr_gen.readers.tensorboard.events import RecordBlock
from dr_gen.readers.tensorboard.layouts import KnownLayouts
from dr_gen.readers.tensorboard.numbers import number_at, numbers, signed

__all__ = ["EventLog", "Points", "Said"]

_FEW: Final = 12
"""So many events of one length are quicker looked at one by one."""
_LONGEST: Final = 1024
_ROUNDS: Final = 16
# Odd, and without order: the numbers that follow from multiplying one such number.
_MIXERS: Final = 0x9E37_79B9_7F4A_7C15 ** np.arange(1, _LONGEST // 8 + 2, dtype=np.uint64)
_FOOT: Final = 4
_MOST_PLACES: Final = 64
Bytes = NDArray[np.uint8]


@attrs.frozen
class Said:
    """What an event says beside scalars, and where.

    Attributes
    ----------
    extra : Extra
    record : int
        Number of the event in its file.
    wall : float
        NaN where there is none.
    step : int
    """

    extra: Extra
    record: int
    wall: float
    step: int


@attrs.frozen(eq=False)
class Points:
    """The values of one tag in the order logged.

    Attributes
    ----------
    records : int64 array, dims (point,)
        Numbers of the events in their file.
    walls : float64 array, dims (point,)
        Seconds since 1970; NaN where there is none.
    steps : int64 array, dims (point,)
    values : float64 array, dims (point,)
    """

    records: NDArray[np.int64]
    walls: NDArray[np.float64]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]


@attrs.define
class _Collected:
    """Points of one tag, one by one and in pieces."""

    single: list[tuple[int, float, int, float]] = attrs.field(factory=list)
    pieces: list[tuple[NDArray[Any], ...]] = attrs.field(factory=list)

    def points(self) -> Points:
        if self.single:
            records, walls, steps, values = zip(*self.single, strict=True)
            piece = (np.array(records, np.int64), np.array(walls, float))
            self.pieces.append((*piece, np.array(steps, np.int64), np.array(values, float)))
            self.single = []
        columns = [np.concatenate(column) for column in zip(*self.pieces, strict=True)]
        if not bool((columns[0][1:] >= columns[0][:-1]).all()):
            order = np.argsort(columns[0], kind="stable")
            columns = [column[order] for column in columns]
        return Points(*columns)


class EventLog:
    """Collects what the events of one file hold.

    Parameters
    ----------
    known : KnownLayouts, optional
        Those of other files, to be gone on with.

    Attributes
    ----------
    said : list of Said
        Extras, in order once `close` was called.
    skipped : Counter
        What was passed over: images, histograms and so on.
    plugins : dict
        Tag to the plugin that the first event with it named.
    first : float
        The wall time of the first event that has one; NaN without.
    broken : list of tuples
        Number and place of records whose checksum is wrong.
    odd : list of tuples
        Number and place of records that are no events.
    """

    def __init__(self, known: KnownLayouts | None = None) -> None:
        self.said: list[Said] = []
        self.skipped: Counter[str] = Counter()
        self.plugins: dict[bytes, str] = {}
        self.first = np.nan
        self.broken: list[tuple[int, int]] = []
        self.odd: list[tuple[int, int]] = []
        self._collected: dict[tuple[bytes, bool], _Collected] = {}
        self._known = KnownLayouts() if known is None else known
        self._first_record = sys.maxsize

    def take(self, block: RecordBlock) -> None:
        """Take the events of a block."""
        sizes = block.sizes
        order = np.argsort(sizes, kind="stable")
        cuts = np.flatnonzero(np.diff(sizes[order])) + 1
        alone: list[int] = []
        for records in np.split(order, cuts):
            if len(records) <= _FEW or sizes[records[0]] > _LONGEST:
                alone += records.tolist()
            else:
                alone += self._together(block, records)
        for record in sorted(alone):
            self._one(block, record)

    def points(self) -> Iterator[tuple[bytes, Points]]:
        """The values of each tag, tags in the order of their first value."""
        tags: dict[bytes, _Collected] = {}
        for (tag, bare), collected in self._collected.items():
            if bare and self.plugins.get(tag, "scalars") != "scalars":
                self.skipped["tensor"] += len(collected.points().values)
                continue
            one = tags.setdefault(tag, _Collected())
            one.single += collected.single
            one.pieces += collected.pieces
        found = {tag: collected.points() for tag, collected in tags.items()}
        yield from sorted(found.items(), key=lambda item: int(item[1].records[0]))

    def close(self) -> None:
        """Put in order what was found in any."""
        for found in (self.broken, self.odd):
            found.sort()
        self.said.sort(key=lambda said: said.record)

    # ------------------------------------------------------------------ one by one

    def _one(self, block: RecordBlock, record: int) -> None:
        found = self._found(block, record)
        if found is None:
            return
        number, start = block.first + record, int(block.starts[record])
        wall = np.nan if found.wall is None else _wall(number_at(block.content, start, found.wall))
        step = 0 if found.step is None else int(number_at(block.content, start, found.step))
        self._meet(found, 1, number, wall)
        for value in found.values:
            one = self._of_tag(value.tag, value.bare)
            one.single.append((number, wall, step, number_at(block.content, start, value.number)))
        self.said += [Said(extra, number, wall, step) for extra in found.extras]

    def _found(self, block: RecordBlock, record: int) -> Layout | None:
        """The layout of a record, None if it is broken."""
        place = (block.first + record, block.place(record))
        if not block.is_whole(record):
            self.broken.append(place)
            return None
        start = int(block.starts[record])
        try:
            return self._known.find(block.content, start, start + int(block.sizes[record]))
        except MalformedMessageError:
            self.odd.append(place)
            return None

    def _of_tag(self, tag: bytes, bare: bool) -> _Collected:
        return self._collected.setdefault((tag, bare), _Collected())

    def _meet(self, found: Layout, times: int, record: int, wall: float) -> None:
        """Note what is known of `times` events of a layout, the first of which is given."""
        for what in found.skipped:
            self.skipped[what] += times
        for tag, plugin in found.plugins:
            self.plugins.setdefault(tag, plugin)
        if wall == wall and record < self._first_record:
            self._first_record, self.first = record, wall

    # ------------------------------------------------------------------ many together

    def _together(self, block: RecordBlock, records: NDArray[np.intp]) -> list[int]:
        """Take events of one length; gives those that have to be taken one by one."""
        size = int(block.sizes[records[0]])
        windows = sliding_window_view(np.frombuffer(block.content, np.uint8), size + _FOOT)
        rows = windows[block.starts[records]]
        alone: list[int] = []
        for _ in range(_ROUNDS):
            if len(records) <= _FEW:
                break
            found = self._found(block, int(records[0]))
            if found is None or found.extras:
                alone += [] if found is None else [int(records[0])]
                records, rows = records[1:], rows[1:]
                continue
            # Where the step takes as many bytes, or else those of the step pass for a tag.
            start = max(0 if one is None else one.end for one in (found.wall, found.step)) + 1
            start = min(start, size)
            alike = (((rows[:, :start] ^ rows[0, :start]) & found.mask[:start]) == 0).all(axis=1)
            taken = np.flatnonzero(alike)[self._round(block, records[alike], rows[alike], found)]
            left = np.ones(len(records), np.bool_)
            left[taken] = False
            records, rows = records[left], rows[left]
        return [*alone, *records.tolist()]

    def _round(
        self, block: RecordBlock, records: NDArray[np.intp], rows: Bytes, found: Layout
    ) -> NDArray[np.bool_]:
        """Take the events that have a layout, whatever their tags; gives which these are."""
        size = found.size
        masked = np.zeros((len(rows), -(-size // 8) * 8), np.uint8)
        np.bitwise_and(rows[:, :size], found.mask, out=masked[:, :size])
        words = masked.view(np.uint64)
        mixed = ((words ^ (words >> np.uint64(31))) * _MIXERS[: words.shape[1]]).sum(axis=1)
        _, first, which = np.unique(mixed, return_index=True, return_inverse=True)
        alike = [masked[row, :size].tobytes() for row in first.tolist()]
        layouts = [self._known.like(one, found) for one in alike]
        taken = np.array([one is not None for one in layouts])[which]
        # Two that are mixed into one number need not be the same.
        taken &= (words == words[first[which]]).all(axis=1)
        whole = taken & self._whole(rows, found, alike, which)
        for record in records[taken & ~whole].tolist():
            self.broken.append((block.first + record, block.place(record)))
        self._add(records[whole] + block.first, rows[whole], which[whole], layouts)
        return taken

    def _whole(
        self, rows: Bytes, found: Layout, alike: Sequence[bytes], which: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Whether the checksum of each row is right."""
        size, free = found.size, ~found.mask
        stored = np.ascontiguousarray(rows[:, size:]).view("<u4")[:, 0]
        places = np.flatnonzero(free).tolist()
        if len(places) > _MOST_PLACES:
            crcs = [checksum(row.tobytes()) for row in rows[:, :size]]
            whole: NDArray[np.bool_] = np.array(crcs, np.uint32) == stored
            return whole
        wanted = checksums(alike, which, {p: rows[:, p] & free[p] for p in places})
        whole = wanted == stored
        return whole

    def _add(
        self,
        records: NDArray[np.intp],
        rows: Bytes,
        which: NDArray[np.intp],
        layouts: Sequence[Layout | None],
    ) -> None:
        """Take the numbers of rows that have the same layout, each with the tags of its own."""
        order = np.argsort(which, kind="stable")
        which, rows, records = which[order], rows[order], records[order].astype(np.int64)
        cuts = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(which)]
        some = layouts[which[0]] if len(which) else None
        if some is None:
            return
        walls = np.full(len(rows), np.nan) if some.wall is None else numbers(rows, some.wall)
        walls[~np.isfinite(walls) | (walls == 0)] = np.nan
        steps = np.zeros(len(rows), np.int64)
        if some.step is not None:
            steps = signed(rows[:, some.step.start : some.step.end])
        values = [numbers(rows, value.number) for value in some.values]
        for a, b in itertools.pairwise(cuts):
            one = layouts[which[a]]
            assert one is not None
            timed = a + int(np.argmax(~np.isnan(walls[a:b])))
            self._meet(one, b - a, int(records[timed]), float(walls[timed]))
            for value, array in zip(one.values, values, strict=True):
                pieces = self._of_tag(value.tag, value.bare).pieces
                pieces.append((records[a:b], walls[a:b], steps[a:b], array[a:b]))


def _wall(wall: float) -> float:
    """A wall time; NaN for one that was not set or cannot be."""
    return wall if math.isfinite(wall) and wall != 0 else math.nan
