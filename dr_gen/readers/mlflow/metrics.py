"""The metric files of MLflow: ``timestamp value step`` in each line, in milliseconds since 1970.

Older versions wrote no step; newer ones may write the name and digest of a dataset behind it. The
files of many runs are decoded together; one that holds anything else is read line by line.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.finding import line_ranges
from dr_gen.readers.series.table import all_rise

__all__ = ["MetricFile", "MetricLines", "decoded"]

_WHOLE: Final = re.compile(r"[-+]?[0-9]{1,19}")
_NUMBER: Final = re.compile(
    r"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|nan|inf(?:inity)?)", re.IGNORECASE
)
_INFINITY: Final = re.compile(rb"inf(?:inity)?", re.IGNORECASE)
_INT64: Final = 2**63
_FIELDS: Final = 3


@attrs.frozen(eq=False)
class MetricFile:
    """A metric file.

    Attributes
    ----------
    path : str
    data : bytes
    """

    path: str
    data: bytes


@attrs.frozen(eq=False)
class MetricLines:
    """What the lines of a metric file hold, in their order.

    Attributes
    ----------
    stamps, steps : int64, dims (line,)
    values : float64, dims (line,)
    problems : tuple of (code, message, line)
        What is wrong with the file.
    datasets : tuple of str
        Names of the datasets that the values are about, where there are any.
    rising : tuple of bool or None
        Whether steps and stamps strictly increase, where that is known.
    """

    stamps: NDArray[np.int64]
    values: NDArray[np.float64]
    steps: NDArray[np.int64]
    problems: tuple[tuple[str, str, int | None], ...] = ()
    datasets: tuple[str, ...] = ()
    rising: tuple[bool, bool] | None = None


def decoded(files: Sequence[MetricFile]) -> list[MetricLines]:
    r"""What each file holds.

    Examples
    --------
    >>> [lines] = decoded([MetricFile("loss", b"1700000000000 0.5 0\n1700000001000 nan 1\n")])
    >>> lines.values.tolist(), lines.steps.tolist()
    ([0.5, nan], [0, 1])
    """
    plain = [i for i, file in enumerate(files) if file.data.endswith(b"\n")]
    found = dict(_together(files, plain))
    return [found[i] if i in found else _careful(file) for i, file in enumerate(files)]


def _together(
    files: Sequence[MetricFile], which: Sequence[int]
) -> Iterator[tuple[int, MetricLines]]:
    """Those of the files that are plain, decoded in one step; halves of them where one is not."""
    if not which:
        return
    counts = [files[i].data.count(b"\n") for i in which]
    columns = _columns(b"".join([files[i].data for i in which]), sum(counts))
    if columns is None:
        if len(which) > 1:
            middle = len(which) // 2
            yield from _together(files, which[:middle])
            yield from _together(files, which[middle:])
        return
    ends = itertools.accumulate(counts)
    bounds = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    stamps, values, steps = ([column[some] for some in bounds] for column in columns)
    rising = list(zip(all_rise(steps), all_rise(stamps), strict=True))
    for place, i in enumerate(which):
        found = (stamps[place], values[place], steps[place])
        yield i, MetricLines(*found, rising=rising[place])


def _columns(data: bytes, n_lines: int) -> tuple[NDArray[Any], ...] | None:
    """The columns of lines of three numbers; None where one is anything else."""
    import polars as pl

    schema = {"stamp": pl.Int64, "value": pl.Float64, "step": pl.Int64}
    try:
        frame = pl.read_csv(data, separator=" ", has_header=False, schema=schema, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    if frame.height != n_lines or any(frame.null_count().row(0)):
        return None
    columns = tuple(frame[name].to_numpy() for name in schema)
    infinite = int(np.isinf(columns[1]).sum())
    # What is too large for a float is none that was logged.
    return columns if infinite == 0 or infinite == len(_INFINITY.findall(data)) else None


# ------------------------------------------------------------------ line by line


def _careful(file: MetricFile) -> MetricLines:
    lines = file.data.split(b"\n")
    torn = lines.pop()
    rows: list[tuple[int, float, int]] = []
    bad: list[int] = []
    datasets: dict[str, None] = {}
    widest = 0
    for number, line in enumerate(lines, 1):
        row, rest = _row(line)
        if row is not None:
            rows.append(row)
            widest = max(widest, len(line.split()))
            if rest:
                datasets[rest] = None
        elif line.strip():
            bad.append(number)
    problems: list[tuple[str, str, int | None]] = []
    if not file.data:
        problems.append(("empty-file", "the file is empty", None))
    if bad:
        where = f" (lines {line_ranges(bad)})" if len(bad) > 1 else ""
        text = "1 line is" if len(bad) == 1 else f"{len(bad)} lines are"
        message = f"{text} no `timestamp value step`{where}"
        problems.append(("bad-metric-line", message, bad[0]))
    if torn.strip():
        problems += _last(torn, rows, widest, len(lines) + 1)
    stamps, values, steps = zip(*rows, strict=True) if rows else ((), (), ())
    return MetricLines(
        np.array(stamps, np.int64),
        np.array(values, np.float64),
        np.array(steps, np.int64),
        tuple(problems),
        tuple(datasets),
    )


def _row(line: bytes) -> tuple[tuple[int, float, int] | None, str]:
    """What a line holds, and what is behind that; None where it is no line of a metric."""
    fields = line.decode("utf-8", "replace").split()
    if len(fields) < _FIELDS - 1:
        return None, ""
    stamp, value, step = fields[0], fields[1], fields[2] if len(fields) >= _FIELDS else "0"
    if not (_WHOLE.fullmatch(stamp) and _NUMBER.fullmatch(value) and _WHOLE.fullmatch(step)):
        return None, ""
    whole, number = (int(stamp), int(step)), float(value)
    if not all(-_INT64 <= n < _INT64 for n in whole):
        return None, ""
    if math.isinf(number) and "n" not in value.casefold():
        return None, ""
    return (whole[0], number, whole[1]), " ".join(fields[_FIELDS:])


def _last(
    line: bytes, rows: list[tuple[int, float, int]], widest: int, number: int
) -> Iterator[tuple[str, str, int]]:
    """A last line without its end: it counts where nothing of it can be missing."""
    row, _ = _row(line)
    n_fields = len(line.split())
    if row is not None and n_fields >= max(widest, _FIELDS):
        step = row[2]
        # A zero is no beginning of another number.
        if step == 0 or (len(rows) > 1 and step - rows[-1][2] == rows[-1][2] - rows[-2][2]):
            rows.append(row)
            return
        if not rows:
            rows.append(row)
            yield "torn-line", "the line has no end; its step may lack digits", number
            return
    yield "torn-line", "the last line was cut off; it is left out", number
