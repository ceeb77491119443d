"""From the lines of plain native logs to rows: a line of metrics each, as numbers."""

from __future__ import annotations

import contextlib
import itertools
import operator
import struct
from collections.abc import Sequence
from typing import Any, Final

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.native.logs import PlainLog, plain_texts
from dr_gen.readers.native.schema import Schema
from dr_gen.readers.plain_lines import (
    ABSENT,
    ABSENT_BITS,
    NAN_STAND_IN,
    Block,
    Decoded,
    quotes,
)

__all__ = ["Rows", "XColumn", "group_order", "rows_of", "starts_of"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_STATS: Final = operator.attrgetter("agg_stats")
_QUOTES_OF_TEXT: Final = 8
_WHOLE: Final = (("i", np.int32), ("q", np.int64))
"""Kinds of whole numbers for `struct`, the smaller first: most counters fit, in half the memory."""

_SMALL: Final = np.iinfo(np.int16).max


@attrs.frozen
class XColumn:
    """One x-axis of rows.

    Attributes
    ----------
    values : int32, int64 or float64 array, dims (row,)
        Of int if all are there and whole; else `ABSENT` where a row has none.
    whole : bool array, dims (row,), or None
        Of floats, which were logged as whole numbers.
    """

    values: NDArray[Any]
    whole: Mask | None = None

    @classmethod
    def of(cls, objects: list[Any], field: str) -> XColumn:
        """From numbers as logged."""
        cells = list(map(operator.attrgetter(field), objects))
        for kind, dtype in _WHOLE:
            # Refuses floats and what is too large; quicker than any array of numbers.
            with contextlib.suppress(struct.error):
                return cls(np.frombuffer(struct.pack(f"{len(cells)}{kind}", *cells), dtype))
        floats = np.fromiter(cells, np.float64, len(cells))
        whole = np.fromiter(map(isinstance, cells, itertools.repeat(int)), np.bool_, len(cells))
        return cls(floats, whole)

    @classmethod
    def absent(cls, n: int) -> XColumn:
        """An axis that none of the rows has."""
        return cls(np.full(n, ABSENT), np.zeros(n, np.bool_))

    def take(self, rows: Any) -> XColumn:
        """Some of the rows."""
        return XColumn(self.values[rows], None if self.whole is None else self.whole[rows])

    @classmethod
    def concat(cls, parts: Sequence[XColumn]) -> XColumn:
        """Rows behind one another."""
        if all(part.whole is None for part in parts):
            return cls(np.concatenate([part.values for part in parts]))
        floats = [part.values.astype(np.float64, copy=False) for part in parts]
        whole = [np.ones(len(p.values), np.bool_) if p.whole is None else p.whole for p in parts]
        return cls(np.concatenate(floats), np.concatenate(whole))


@attrs.frozen
class Rows:
    """Metric lines of several logs as numbers.

    Attributes
    ----------
    log, split : int array, dims (row,)
        Which log, and which split as a code; the rows of one log and split stay in order.
        The logs are ascending but for what `in_groups` and `take` make.
    values : float64 array, dims (row, metric)
        `ABSENT` where a line lacks the metric.
    xs : list of XColumn
        One for each axis of the schema.
    """

    log: NDArray[np.int32]
    split: NDArray[np.signedinteger[Any]]
    values: NDArray[np.float64]
    xs: list[XColumn]

    def __len__(self) -> int:
        return len(self.log)

    def take(self, rows: Any) -> Rows:
        """Some of the rows, by an index or a slice."""
        xs = [column.take(rows) for column in self.xs]
        return Rows(self.log[rows], self.split[rows], self.values[rows], xs)

    @property
    def complete(self) -> bool:
        """Whether every row has every metric, and every axis as a whole number."""
        whole = all(column.whole is None for column in self.xs)
        return whole and not bool((self.values.view(np.int64) == ABSENT_BITS).any())

    def between(self, first: int, stop: int) -> Rows:
        """The rows of the logs from `first` to before `stop`, with `first` numbered 0."""
        low, high = self.log.searchsorted([first, stop]).tolist()
        rows = self if high - low == len(self) else self.take(slice(low, high))
        return attrs.evolve(rows, log=rows.log - np.int32(first))

    def in_groups(self, n_splits: int) -> Rows:
        """The rows of a block in groups.

        Here, since small numbers are sorted quicker than those of all logs.
        """
        if not len(self):
            return self
        key = (self.log - self.log[0]) * n_splits + self.split
        if int(key[-1]) + n_splits < _SMALL:
            key = key.astype(np.int16)
        return self.take(group_order(key))

    @classmethod
    def concat(cls, parts: list[Rows], n_metrics: int, n_xs: int) -> Rows:
        """Rows behind one another, with what the names of later ones leave absent in earlier ones.

        Empties the list, so that not everything is there twice.
        """
        n = sum(map(len, parts))
        log = np.concatenate([part.log for part in parts])
        split = np.concatenate([part.split for part in parts])
        xs = [
            XColumn.concat([p.xs[i] if i < len(p.xs) else XColumn.absent(len(p)) for p in parts])
            for i in range(n_xs)
        ]
        values = np.empty((n, n_metrics))
        parts.reverse()
        row = 0
        while parts:
            part = parts.pop()
            known = part.values.shape[1]
            values[row : row + len(part), :known] = part.values
            values[row : row + len(part), known:] = ABSENT
            row += len(part)
        return cls(log, split, values, xs)


def rows_of(block: Block[Schema], logs: Sequence[PlainLog], numbers: Sequence[int]) -> Rows | None:
    """The metric lines of a block; the logs take its other lines.

    A log with a line that cannot be told exactly becomes odd; its rows are of no use.

    Parameters
    ----------
    block : Block
    logs : sequence of PlainLog
        The log of each part of the block.
    numbers : sequence of int
        What the rows of each log are numbered with.
    """
    found = _Lines(block, logs)
    rows = [made for decoded in block.decode() if (made := found.rows(decoded)) is not None]
    for log, n_quotes, expected in zip(logs, block.n_quotes, found.n_quotes, strict=True):
        log.odd |= n_quotes != expected  # a name came twice
    if not rows:
        return None
    schema = block.schema
    together = rows[0]
    if len(rows) > 1:
        together = Rows.concat(rows, len(schema.metrics), len(schema.xs))
    return attrs.evolve(together, log=np.array(numbers, np.int32)[together.log])


class _Lines:
    """The objects of a block, which become rows or are taken by their logs."""

    def __init__(self, block: Block[Schema], logs: Sequence[PlainLog]) -> None:
        self._block, self._logs = block, logs
        self.n_quotes = [0] * len(logs)

    def rows(self, decoded: Decoded[Schema]) -> Rows | None:
        """The metric lines among the objects of one schema."""
        objects, schema = decoded.objects, decoded.schema
        bounds = np.searchsorted(decoded.line, self._block.first_line)
        part = np.repeat(np.arange(len(self._logs), dtype=np.int32), np.diff(bounds))
        starts = bounds.tolist()
        split = schema.split_codes(objects)
        has = split >= 0
        at = np.arange(len(objects))
        if not has.all():
            others = np.flatnonzero(~has)
            self._take_others(decoded, part, others, starts)
            objects = _without(objects, others.tolist())
            at = np.flatnonzero(has)
        made = None
        if objects:
            objects, at, values = self._values(objects, at, part, schema)
            xs = [XColumn.of(objects, f"x{i}") for i in range(len(schema.xs))]
            rows = Rows(part[at], split[at], values, xs)
            first = starts_of(rows.log)
            self._count_quotes(rows, objects, first)
            self._begin_logs(decoded, at, rows.log[first].tolist(), first, starts)
            made = rows
        for number, log in enumerate(self._logs):
            log.n_objects += starts[number + 1] - starts[number]
        return made

    def _take_others(
        self,
        decoded: Decoded[Schema],
        part: NDArray[np.int32],
        places: Ints,
        starts: list[int],
    ) -> None:
        at = places.tolist()
        lines = list(map(decoded.objects.__getitem__, at))
        bounds = np.searchsorted(places, starts).tolist()
        texts = plain_texts(lines)
        for number, (low, high) in enumerate(itertools.pairwise(bounds)):
            if low == high:
                continue
            log = self._logs[number]
            before = log.n_objects - starts[number]
            if texts is None:
                log.take(at[low:high], lines[low:high], before)
                self.n_quotes[number] += quotes_of(lines[low:high])
            else:
                log.take_texts(texts[low:high], at[low:high], before)
                self.n_quotes[number] += _QUOTES_OF_TEXT * (high - low)
        for place in decoded.careful.intersection(at):
            # Those were counted when they were read.
            self.n_quotes[int(part[place])] -= quotes_of([decoded.objects[place]])

    def _values(
        self, objects: list[Any], at: Ints, part: NDArray[np.int32], schema: Schema
    ) -> tuple[list[Any], Ints, NDArray[np.float64]]:
        """The lines that have metrics, their places, and the values."""
        try:
            values = schema.floats.of(list(map(_STATS, objects)))
        except TypeError:
            has = np.array([line.agg_stats is not None for line in objects])
            for number in np.unique(part[at[~has]]).tolist():
                self._logs[number].odd = True
            objects = list(itertools.compress(objects, has.tolist()))
            return self._values(objects, at[has], part, schema)
        if self._block.has_nan:
            values = np.where(values == NAN_STAND_IN, np.nan, values)
        return objects, at, values

    def _count_quotes(self, rows: Rows, objects: list[Any], first: Ints) -> None:
        """Add the quotation marks of the names in the rows, and of their titles.

        Parameters
        ----------
        rows : Rows
        objects : list
            The struct of each.
        first : int64 array, dims (log,)
            The first row of each log that has some.
        """
        n_rows = np.diff(np.append(first, len(rows)))
        counts = n_rows * (6 + 2 * (rows.values.shape[1] + len(rows.xs)))
        cells = [rows.values, *(c.values[:, None] for c in rows.xs if c.whole is not None)]
        for absent in (some.view(np.int64) == ABSENT_BITS for some in cells):
            if absent.any():
                counts -= 2 * np.add.reduceat(absent.sum(axis=1), first)
        if objects[0].title is not None or objects[-1].title is not None:
            has_title = np.array([one.title is not None for one in objects], np.int64)
            counts += 4 * np.add.reduceat(has_title, first)
        for number, more in zip(rows.log[first].tolist(), counts.tolist(), strict=True):
            self.n_quotes[number] += more

    def _begin_logs(
        self,
        decoded: Decoded[Schema],
        at: Ints,
        numbers: list[int],
        first: Ints,
        starts: list[int],
    ) -> None:
        """Tell the logs of their first and last metric line."""
        places, ends = at[first].tolist(), at[np.append(first[1:], len(at)) - 1].tolist()
        for number, place, end in zip(numbers, places, ends, strict=True):
            log = self._logs[number]
            if log.last_metrics < 0:
                line = self._block.text(int(decoded.line[place]))
                axes = decoded.schema.in_order(line, careful=place in decoded.careful)
                log.odd |= axes is None
                log.axes = axes or []
            log.last_metrics = log.n_objects + end - starts[number]


def _without(items: list[Any], places: list[int]) -> list[Any]:
    """All but the items at some places, ascending; taken in slices, since these are few."""
    kept: list[Any] = []
    at = 0
    for place in places:
        kept += items[at:place]
        at = place + 1
    kept += items[at:]
    return kept


def starts_of(keys: NDArray[Any]) -> Ints:
    """Where a new key begins."""
    return np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1))


def group_order(key: NDArray[Any]) -> Ints:
    """The order that brings equal keys together: groups by first appearance, rows as they were."""
    order = np.argsort(key, kind="stable")
    starts = starts_of(key[order])
    if bool((np.diff(order[starts]) > 0).all()):
        return order
    rank = np.empty(len(key), np.int64)
    sizes = np.diff(np.append(starts, len(key)))
    rank[order] = np.repeat(np.argsort(np.argsort(order[starts])), sizes)
    return np.argsort(rank, kind="stable")


def quotes_of(lines: Sequence[Any]) -> int:
    """Quotation marks that lines take which are no metric lines."""
    values = [line.value for line in lines if line.value is not None]
    n = 4 * (len(lines) + len(values)) + "".join(values).count('"')
    for line in lines:
        if line.status is not None:
            n += 2 + quotes(line.status)
        if line.reason is not msgspec.UNSET:
            n += 2 + quotes(line.reason)
    return n
