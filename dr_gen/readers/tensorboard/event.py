"""One event of TensorBoard: what is in it, and where in its bytes the numbers lie.

An event has a wall time, a step and a summary, which is a list of values with a tag each
(``event.proto``, ``summary.proto`` and ``tensor.proto`` of TensorFlow). A scalar is a
``simple_value``, or a tensor of one element in one of its forms. The bytes of most events of a
file differ in these numbers alone, which the `Layout` of one of them tells apart from the rest.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.protobuf import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    spans,
    varint,
)
from dr_gen.readers.tensorboard.numbers import VARIABLE, Number

__all__ = ["Extra", "Layout", "Value", "layout"]

VARINT_BITS: Final = 0x80
"""The bit of each byte of a number of variable length that tells whether it goes on."""

_STRING: Final = 7
_TENSORS: Final = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "<u1",
    5: "<i2",
    6: "<i1",
    9: "<i8",
    10: "<u1",
    14: "bfloat16",
    17: "<u2",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}
"""Type of a tensor to that of its ``tensor_content``."""
_LISTS: Final = {5: "<f4", 6: "<f8", 7: "int", 10: "int", 11: "int", 16: "uint", 17: "uint"}
"""Field of a tensor to the type of the numbers listed in it."""
_HALVES: Final = 13
_WIDTHS: Final = {"<f4": FIXED32, "<f8": FIXED64}
_KINDS: Final = {3: "histogram", 4: "image", 5: "histogram", 6: "audio"}
_EVENTS: Final = {4: "graph", 8: "run metadata", 9: "graph"}
"""What is passed over: fields of a value, and of an event."""


@attrs.frozen
class Value:
    """A scalar of an event.

    Attributes
    ----------
    tag : bytes
        What it is called.
    bare : bool
        Whether it is a tensor that nothing here calls a scalar; an earlier event may.
    number : Number
    """

    tag: bytes
    bare: bool
    number: Number


@attrs.frozen
class Extra:
    """What an event says beside scalars.

    Attributes
    ----------
    what : {"version", "session", "hparams", "text"}
    tag : bytes
        Of a text.
    content : bytes
    """

    what: str
    tag: bytes
    content: bytes


@attrs.frozen(eq=False)
class Layout:
    """What one event holds, and where.

    Attributes
    ----------
    wall : Number or None
        Seconds since 1970.
    step : Number or None
        None stands for 0.
    values : tuple of Value
    extras : tuple of Extra
    skipped : tuple of str
        What else there is, such as ``image``, once for each.
    plugins : tuple of pairs
        Tags that are said to be shown by a plugin, and by which.
    free : tuple of tuples of int
        Pieces of the bytes, from where to where, and which bits of these are alike in all events
        of this layout and these tags; of the other bytes all are.
    size : int
        How many bytes the event has.
    """

    wall: Number | None
    step: Number | None
    values: tuple[Value, ...]
    extras: tuple[Extra, ...]
    skipped: tuple[str, ...]
    plugins: tuple[tuple[bytes, str], ...]
    free: tuple[tuple[int, int, int], ...]
    size: int

    @functools.cached_property
    def mask(self) -> NDArray[np.uint8]:
        """The bits that are alike in all events of this layout and these tags."""
        mask = np.full(self.size, 0xFF, np.uint8)
        for start, end, bits in self.free:
            mask[start:end] = bits
        return mask

    @functools.cached_property
    def shape(self) -> tuple[Any, ...]:
        """All that tells where the numbers are."""
        numbers = tuple(value.number for value in self.values)
        return (self.wall, self.step, numbers, self.mask.tobytes())


def layout(content: bytes, start: int, end: int) -> Layout:
    """What an event holds that lies in `content`.

    Raises
    ------
    MalformedMessageError
        If the bytes are no event.
    """
    parts = _Parts(content, start, end)
    parts.read()
    return Layout(
        parts.wall,
        parts.step,
        tuple(parts.values),
        tuple(parts.extras),
        tuple(parts.skipped),
        tuple(parts.plugins),
        tuple(parts.free),
        end - start,
    )


class _Parts:
    """What is found while an event is looked through."""

    def __init__(self, content: bytes, start: int, end: int) -> None:
        self.wall: Number | None = None
        self.step: Number | None = None
        self.values: list[Value] = []
        self.extras: list[Extra] = []
        self.skipped: list[str] = []
        self.plugins: list[tuple[bytes, str]] = []
        self.free: list[tuple[int, int, int]] = []
        self._event, self._start, self._end = content, start, end

    def read(self) -> None:
        """Look through the event."""
        event = self._event
        for number, kind, start, end in spans(event, self._start, self._end):
            if number == 1 and kind == FIXED64:
                self.wall = self._found("<f8", start, end)
            elif number == 2 and kind == VARINT:
                self.step = self._found("int", start, end)
            elif number == 5 and kind == LENGTH:
                for inner, how, at, to in spans(event, start, end):
                    if inner == 1 and how == LENGTH:
                        self._value(at, to)
            elif number == 3 and kind == LENGTH:
                self.extras.append(Extra("version", b"", event[start:end]))
            elif number == 7 and kind == LENGTH:
                self.extras.append(Extra("session", b"", event[start:end]))
            elif kind == LENGTH:
                self._skip(_EVENTS.get(number), start, end)

    def _found(self, kind: str, start: int, end: int) -> Number:
        start, end = start - self._start, end - self._start
        self.free.append((start, end, VARINT_BITS if kind in VARIABLE else 0))
        return Number(start, end, kind)

    def _skip(self, what: str | None, start: int, end: int) -> None:
        """Pass over bytes that may be any."""
        self.free.append((start - self._start, end - self._start, 0))
        if what is not None:
            self.skipped.append(what)

    def _value(self, start: int, end: int) -> None:
        """One value of the summary."""
        event, tag, plugin, content = self._event, b"", None, None
        simple: tuple[int, int] | None = None
        tensor: tuple[int, int] | None = None
        others: list[tuple[str, int, int]] = []
        for number, kind, at, to in spans(event, start, end):
            if number == 1 and kind == LENGTH:
                tag = event[at:to]
            elif number == 2 and kind == FIXED32:
                simple = (at, to)
            elif number == 8 and kind == LENGTH:
                tensor = (at, to)
            elif number == 9 and kind == LENGTH:
                plugin, content = self._metadata(at, to)
            elif number in _KINDS and kind == LENGTH:
                others.append((_KINDS[number], at, to))
        if plugin is not None:
            self.plugins.append((tag, plugin))
        if plugin == "hparams" and content is not None:
            self.extras.append(Extra("hparams", tag, content))
        for what, at, to in others:
            self._skip(what, at, to)
        if simple is not None:
            self.values.append(Value(tag, False, self._found("<f4", *simple)))
        elif tensor is not None and plugin != "hparams":
            self._tensor(tag, plugin, *tensor)

    def _metadata(self, start: int, end: int) -> tuple[str | None, bytes | None]:
        """The plugin that shows a value, and what it is told."""
        event, plugin, content = self._event, None, None
        for number, kind, at, to in spans(event, start, end):
            if number == 1 and kind == LENGTH:
                for inner, how, here, there in spans(event, at, to):
                    if inner == 1 and how == LENGTH:
                        plugin = event[here:there].decode(errors="replace")
                    elif inner == 2 and how == LENGTH:
                        content = event[here:there]
        return plugin, content if content is not None or plugin is None else b""

    def _tensor(self, tag: bytes, plugin: str | None, start: int, end: int) -> None:
        if plugin not in (None, "scalars", "text"):
            self._skip(_PLUGINS.get(str(plugin), "tensor"), start, end)
            return
        event = self._event
        dtype, size, texts, content = 0, 1, list[tuple[int, int]](), None
        listed: Number | None = None
        for number, kind, at, to in spans(event, start, end):
            if number == 1 and kind == VARINT:
                dtype = varint(event, at)[0]
            elif number == 2 and kind == LENGTH:
                size *= self._size(at, to)
            elif number == 4 and kind == LENGTH:
                content = (at, to)
            elif number == 8 and kind == LENGTH:
                texts.append((at, to))
            elif number in _LISTS or number == _HALVES:
                several = listed is not None
                listed = self._listed(number, dtype, kind, at, to)
                size *= listed is not None and not several
        if dtype == _STRING:
            if plugin == "text" or tag.endswith(b"text_summary"):
                text = b"\n".join(event[at:to] for at, to in texts)
                self.extras.append(Extra("text", tag, text))
            else:
                self.skipped.append("tensor")
            return
        found = listed
        if content is not None and dtype in _TENSORS and content[1] > content[0]:
            what = _TENSORS[dtype]
            width = 2 if what == "bfloat16" else np.dtype(what).itemsize
            if content[1] - content[0] == width:
                found = Number(*content, what)
        elif found is None and dtype in _TENSORS and content is None:
            # Where a number is 0, some writers leave it out.
            found = Number(start, start, "zero")
        if found is None or size != 1 or dtype not in _TENSORS or plugin == "text":
            # Its bytes are not free: another of the same length may be a scalar.
            self.skipped.append("tensor")
            return
        number_ = self._found(found.kind, found.start, found.end)
        self.values.append(Value(tag, plugin is None, number_))

    def _size(self, start: int, end: int) -> int:
        """How many elements a shape has."""
        event, size = self._event, 1
        for number, kind, at, to in spans(event, start, end):
            if number == 2 and kind == LENGTH:
                one = 0
                for inner, how, here, _ in spans(event, at, to):
                    if inner == 1 and how == VARINT:
                        one = varint(event, here)[0]
                size *= one
        return size

    def _listed(self, field: int, dtype: int, kind: int, start: int, end: int) -> Number | None:
        """The first number of a list, packed or not."""
        what = _LISTS.get(field) or ("bhalf" if dtype == _BFLOAT16 else "half")
        width = _WIDTHS.get(what, VARINT)
        if kind == LENGTH and start < end:
            if width == VARINT:
                stop = varint(self._event, start)[1]
            else:
                stop = start + (4 if width == FIXED32 else 8)
            return Number(start, stop, what) if stop == end else None
        return Number(start, end, what) if kind == width else None


_BFLOAT16: Final = 14
_PLUGINS: Final = {
    "histograms": "histogram",
    "images": "image",
    "audio": "audio",
    "graphs": "graph",
    "graph_run_metadata": "run metadata",
    "graph_keras_model": "graph",
    "mesh": "mesh",
    "pr_curves": "precision-recall curve",
    "custom_scalars": "layout",
    "hparams": "hyperparameters",
}
