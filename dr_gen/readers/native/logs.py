"""What the lines of plain native logs say beside metrics: configuration, texts, end."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from dr_gen.model.finding import Finding
from dr_gen.readers.cells import duration
from dr_gen.readers.contract import ReadOptions
from dr_gen.readers.lines import JsonLines
from dr_gen.readers.plain_lines import with_nan

__all__ = ["TAIL", "PlainLog", "end_time", "plain_texts"]

TAIL: Final = 10
"""How many lines at the end may hold the training time."""

_TYPE, _VALUE = operator.attrgetter("type"), operator.attrgetter("value")
_TRAIN_TIME: Final = "Training time "
_FAILED_SPLIT: Final = "Aggregation failed for"
_SHORT: Final = 2


def end_time(texts: Sequence[str]) -> tuple[str | None, float | None]:
    """The training time among the last texts, as written and in seconds."""
    times = [text for text in texts if text.startswith(_TRAIN_TIME)]
    if not times:
        return None, None
    written = times[-1].removeprefix(_TRAIN_TIME).strip()
    return written, duration(written)


def plain_texts(lines: Sequence[Any]) -> list[str] | None:
    """The texts that lines hold, without space around them; None where a closer look is needed.

    Parameters
    ----------
    lines : sequence
        Structs of lines without metrics. What they hold beside a text is not looked at.
    """
    texts = list(map(_VALUE, lines))
    if set(map(_TYPE, lines)) != {"str"} or set(map(type, texts)) != {str}:
        return None
    together = "\n".join(texts)
    if '"' in together or _FAILED_SPLIT in together or with_nan(together) != together:
        return None
    return list(map(str.strip, texts))


class PlainLog(msgspec.Struct, eq=False):
    """One log, while its lines are read.

    Attributes
    ----------
    path : Path
    run_id : str
    options : ReadOptions
    odd : bool
        Whether it has to be read again, with care.
    lines : JsonLines or None
        The careful reader of single lines, where one was needed.
    n_lines, n_told : int
        Lines of the blocks so far (of a closed log without the blank ones), and how many of them
        the careful reader knows.
    n_objects : int
        Objects in them.
    last_metrics : int
        Place of the last metric line among the objects, -1: there is none.
    configuration : bytes or None
        The first line, if it holds one.
    axes : list of int
        Those of the first metric line.
    findings : tuple of Finding
        What was wrong with its lines; known when it is closed.
    """

    path: Path
    run_id: str
    options: ReadOptions
    odd: bool = False
    lines: JsonLines | None = None
    n_lines: int = 0
    n_told: int = 0
    n_objects: int = 0
    last_metrics: int = -1
    configuration: bytes | None = None
    axes: list[int] = msgspec.field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    _texts: list[str] = msgspec.field(default_factory=list)
    _times: list[tuple[int, str]] = msgspec.field(default_factory=list)
    _end: dict[str, str | None] | None = None
    _end_place: int = -1

    def careful(self) -> JsonLines:
        """The careful reader of its lines."""
        if self.lines is None:
            self.lines = JsonLines(self.path, self.run_id)
        return self.lines

    def keeps(self, line: int, record: dict[str, Any]) -> bool:
        """Whether an object is of no use to the block; all are used."""
        return False

    def close(self) -> None:
        """Let go of what is needed while its lines are read only."""
        if self.lines is not None:
            self.findings = tuple(self.lines.findings)
            self.n_lines = self.lines.n_lines
            self.lines = None

    def take(self, places: Sequence[int], lines: Sequence[Any], before: int) -> None:
        """Take lines without metrics.

        Parameters
        ----------
        places : sequence of int
        lines : sequence
            Structs of the lines.
        before : int
            What makes their places their numbers among the objects.
        """
        texts, where = list(map(_VALUE, lines)), places
        if None in texts or set(map(_TYPE, lines)) != {"str"}:
            texts, where = self._texts_of(places, lines, before)
        together = "\n".join(texts)
        if with_nan(together) != together:
            texts = list(map(with_nan, texts))
        self.odd |= _FAILED_SPLIT in together
        self.take_texts(list(map(str.strip, texts)), where, before)

    def take_texts(self, texts: Sequence[str], places: Sequence[int], before: int) -> None:
        """Take texts without space around them; their places are as for `take`."""
        self._texts += filter(None, texts)
        self._times += [
            (before + place, text)
            for place, text in zip(places, texts, strict=True)
            if text.startswith(_TRAIN_TIME)
        ]

    def _texts_of(
        self, places: Sequence[int], lines: Sequence[Any], before: int
    ) -> tuple[list[str], list[int]]:
        """The texts among lines, and their places; the others are taken."""
        texts, where = [], []
        for place, line in zip(places, lines, strict=True):
            if line.type == "str" and line.value is not None:
                texts.append(line.value)
                where.append(place)
            else:
                self._take(before + place, line)
        return texts, where

    def _take(self, place: int, line: Any) -> None:
        if line.type == "end" and line.status is not None:
            reason = None if line.reason is msgspec.UNSET else line.reason
            self._end = {
                "status": with_nan(line.status),
                "reason": None if reason is None else with_nan(reason),
            }
            self._end_place = place
        else:
            self.odd = True

    def is_whole(self) -> bool:
        """Whether it has what every log should have; asked when it is closed."""
        whole = self.n_lines > _SHORT and self.configuration is not None and self.last_metrics >= 0
        return whole and not self.odd

    def metadata(self) -> dict[str, Any]:
        """As `NativeReader` gives it."""
        last = [text for place, text in self._times if place >= self.n_objects - TAIL]
        train_time, seconds = end_time(last)
        metadata: dict[str, Any] = {
            "log_strs": self._texts,
            "train_time": train_time,
            "train_seconds": seconds,
            "format": "native",
        }
        # What is logged after an end takes it back.
        if self._end is not None and self.last_metrics < self._end_place:
            metadata["end"] = self._end
        return metadata
