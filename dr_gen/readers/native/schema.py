"""The names in the lines of plain native logs, and decoders of lines that use them."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.decoding import REFUSED
from dr_gen.readers.float_records import FloatRecords
from dr_gen.readers.plain_lines import ABSENT, ESCAPED

__all__ = ["Schema"]

_NO_AXES: Final = ("data_name", "title", "agg_stats", "type", "value", "status", "reason")
"""Names in a line that are no x-axes."""

_MOST_NAMES: Final = 2000
_BYTE_CODES: Final = 127
_NAME: Final = operator.attrgetter("data_name")
_CONFIGURATIONS: Final = (
    b'{"type": "dict_config", "value": {',
    b'{"type":"dict_config","value":{',
)


class Schema:
    """The names that metric lines use, and a decoder of lines with these names.

    Parameters
    ----------
    metrics, xs, splits : sequence of str
        Names of metrics, x-axes and splits, in order of first appearance.

    Attributes
    ----------
    codes : dict
        Number of each split, -1 for None.
    line : type
        Struct of a line; its metrics and axes are in the order of the names.
    decoder : msgspec.json.Decoder
        Refuses a line with any other name.
    floats : FloatRecords
        The metrics of lines.
    beginnings : frozenset of bytes
        How lines may begin.
    configurations : tuple of bytes
        How a first line begins that is a configuration.
    """

    def __init__(
        self, metrics: Sequence[str] = (), xs: Sequence[str] = (), splits: Sequence[str] = ()
    ) -> None:
        self.metrics, self.xs, self.splits = tuple(metrics), tuple(xs), tuple(splits)
        self.codes: dict[str | None, int] = {None: -1, **{s: i for i, s in enumerate(splits)}}
        # As bytes with a sign; None where these are too few.
        small = len(splits) <= _BYTE_CODES
        self._bytes = {name: code % 256 for name, code in self.codes.items()} if small else None
        self.floats = FloatRecords(self.metrics)
        stats = msgspec.defstruct(
            "Stats",
            [(f"m{i}", float, ABSENT) for i in range(len(metrics))],
            rename={f"m{i}": name for i, name in enumerate(metrics)},
            gc=False,
            forbid_unknown_fields=True,
        )
        text = str | None
        fields: list[Any] = [
            *((f"x{i}", int | float, ABSENT) for i in range(len(xs))),
            # Of known texts there is one each, and not one for every line.
            ("data_name", Literal[(None, *splits)], None),
            ("agg_stats", stats | None, None),
            ("title", text, None),
            ("type", text, None),
            ("value", text, None),
            ("status", text, None),
            ("reason", str | msgspec.UnsetType | None, msgspec.UNSET),
        ]
        self.line: Any = msgspec.defstruct(
            "Line",
            fields,
            rename={f"x{i}": name for i, name in enumerate(xs)},
            gc=False,
            forbid_unknown_fields=True,
        )
        self.decoder: Any = msgspec.json.Decoder(self.line)
        self.configurations: tuple[bytes, ...] = _CONFIGURATIONS
        self.beginnings = frozenset(b'{"%b"' % name.encode() for name in (*xs, *_NO_AXES))
        # To look for in a line, where no metric has the name as well.
        alike = set(xs) & (set(metrics) | set(_NO_AXES))
        self._quoted = None if alike else [f'"{name}"'.encode() for name in xs]

    def split_codes(self, objects: Sequence[Any]) -> NDArray[np.signedinteger[Any]]:
        """The code of the split of each line, dims (line,); -1 where there is none."""
        names = map(_NAME, objects)
        if self._bytes is not None:
            return np.frombuffer(bytes(map(self._bytes.__getitem__, names)), np.int8)
        return np.fromiter(map(self.codes.__getitem__, names), np.int32, len(objects))

    def in_order(self, line: bytes, *, careful: bool) -> list[int] | None:
        """The axes that a metric line has; None if they are in another order than here."""
        found = [line.find(name) for name in self._quoted or ()]
        if careful or self._quoted is None or -1 in found:
            place = {name: i for i, name in enumerate(self.xs)}
            axes = [place[name] for name in _keys(line) if name in place]
            return axes if axes == sorted(axes) else None
        return list(range(len(found))) if found == sorted(found) else None

    def converted(self, record: Mapping[str, Any]) -> Any:
        """A decoded line as a struct, None if it is none of these names."""
        try:
            return msgspec.convert(record, self.line)
        except (*REFUSED, UnicodeEncodeError):  # the last for half a character
            return None

    def is_row(self, made: Any) -> bool:
        """Whether a struct is a metric line."""
        return made.data_name is not None

    def widened(self, record: Mapping[str, Any]) -> Schema | None:
        """With the new names of a metric line; None if it has none, or some that need care."""
        stats, split = record.get("agg_stats"), record.get("data_name")
        if not isinstance(stats, dict) or not isinstance(split, str):
            return None
        new = (
            [name for name in stats if name not in set(self.metrics)],
            [name for name in record if name not in _NO_AXES and name not in self.xs],
            [split] if split not in self.codes else [],
        )
        plain = all(name and name == name.strip() for name in (*new[0], *new[2]))
        plain = plain and "/" not in split and not any(map(ESCAPED.search, itertools.chain(*new)))
        n_names = len(self.metrics) + len(self.xs) + len(self.splits) + sum(map(len, new))
        if not any(new) or not plain or n_names > _MOST_NAMES:
            return None
        return Schema((*self.metrics, *new[0]), (*self.xs, *new[1]), (*self.splits, *new[2]))


def _keys(line: bytes) -> list[str]:
    try:
        found = msgspec.json.decode(line.replace(b"NaN", b"0"))
    except REFUSED:
        return []
    return list(found) if isinstance(found, dict) else []
