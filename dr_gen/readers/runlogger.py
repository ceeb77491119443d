"""Writer of the native log: JSON lines, one file a run.

::

    {"type": "dict_config", "value": {"optim": {"lr": 0.1}, "seed": 0}}
    {"type": "str", "value": ">> Running Training"}
    {"title": "agg_val", "data_name": "val", "agg_stats": {"loss": 0.3}, "epoch": 3, "time": 12.5}
    {"type": "str", "value": "Training time 1:23:45"}
    {"type": "end", "status": "completed"}

Numbers that are not finite are the bare tokens ``NaN``, ``Infinity`` and ``-Infinity``, as Python's
`json` writes and reads them. Everything else is escaped to ASCII, so that neither a cut in the
middle of a line nor an exotic line separator in a text can be taken for anything else.

This module is imported inside training loops, so it needs nothing but the standard library and
attrs; scalars of numpy, torch and others are taken by what they can do, not by their type.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import reprlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs

from dr_gen.errors import UsageError

__all__ = ["RunLogger"]

_STATUSES: Final = ("completed", "failed", "diverged", "incomplete")
_TAKEN: Final = frozenset({"type", "title", "data_name", "agg_stats", "time"})


class RunLogger:
    """Log of one training run, safe against being killed at any moment.

    Every line reaches the file as one append of its complete bytes. A killed process therefore
    leaves whole lines, with the possible exception of the last one (a full disk or a quota can
    make the system cut a write short).

    An existing log is continued, never overwritten: a torn last line is ended first, and the
    configuration is written again. Readers take the first configuration and resolve repeated x by
    their policy; `time` starts again at 0.

    Parameters
    ----------
    path : str or Path
        The log file, by convention ``*.jsonl``. Missing parent folders are created.
    config : mapping, dataclass instance or attrs instance
        The configuration of the run, nested as it is. Leaves may be str, int, float, bool, None,
        paths and numpy scalars; lists and tuples become lists.
    durable : bool, default False
        Whether to `fsync` after each line, so that it also survives a power cut. Costs
        milliseconds a line.
    clock : callable, optional
        Gives seconds from an arbitrary origin; by default `time.monotonic`.

    Raises
    ------
    UsageError
        If `config` holds something that has no place in a log; the key is named and the file is
        not touched.
    OSError
        If the file cannot be opened or written.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name, "run.jsonl")
    >>> with RunLogger(path, {"optim": {"lr": 0.1}, "seed": 0}) as log:
    ...     log.text(">> Running Training")
    ...     log.metrics("val", {"loss": 0.3, "acc1": 88.0}, epoch=3, step=1170)
    >>> len(path.read_text().splitlines())
    5
    >>> folder.cleanup()
    """

    __slots__ = ("_clock", "_durable", "_fd", "_path", "_start", "_torn")

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: object,
        *,
        durable: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        record = {"type": "dict_config", "value": _plain_config(config)}
        self._path = Path(path)
        self._durable = durable
        self._clock = clock
        self._start = clock()
        self._fd: int | None = None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Binary, or Windows would turn the "\n" of each line into two bytes.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._fd = os.open(self._path, flags, 0o666)
        try:
            self._torn = _is_torn(self._fd)
            self._write(record)
        except BaseException:
            self._release()
            raise

    @property
    def path(self) -> Path:
        """The log file."""
        return self._path

    @property
    def closed(self) -> bool:
        """Whether the log has ended."""
        return self._fd is None

    def metrics(
        self,
        split: str,
        values: Mapping[str, object],
        /,
        *,
        epoch: object = None,
        step: object = None,
        **counters: object,
    ) -> None:
        """Write the metrics of one split at one moment.

        Parameters
        ----------
        split : str
            ``"train"``, ``"val"``, ``"eval"`` or any other name.
        values : mapping of str to number
            Metric name to value. A number is an int, a float (not finite ones included), or any
            object of one element that says so through ``item()`` or ``float()``.
        epoch, step : number, optional
            Where on the x-axes this is; written only if given.
        **counters : number, optional
            Further x-axes, such as ``samples=…`` or ``tokens=…``.

        Raises
        ------
        UsageError
            If a value is not a number, a counter is not a finite one, a name is not usable, or the
            log is closed. Nothing is written then.
        """
        _require_name("split", split)
        record: dict[str, object] = {"title": f"agg_{split}", "data_name": split}
        record["agg_stats"] = _plain_metrics(split, values)
        record |= _plain_counters({"epoch": epoch, "step": step, **counters})
        # Microseconds: what is below them is noise of the clock, in many digits.
        record["time"] = round(self._elapsed(), 6)
        self._write(record)

    def text(self, message: str) -> None:
        """Write one text line.

        Raises
        ------
        UsageError
            If `message` is not a str, or the log is closed.
        """
        if not isinstance(message, str):
            raise UsageError(f"text: expected a str, found {_shown(message)}")
        self._write({"type": "str", "value": message})

    def close(self, status: str = "completed", reason: str | None = None) -> None:
        """End the log; on a closed log this does nothing.

        Parameters
        ----------
        status : {"completed", "failed", "diverged", "incomplete"}, default "completed"
            How the run ended. A completed run also gets its training time as a text line.
        reason : str, optional
            Why it ended so.

        Raises
        ------
        UsageError
            If `status` is none of these, or `reason` is not a str.
        """
        if self._fd is None:
            return
        if status not in _STATUSES:
            raise UsageError(
                f"close: expected status to be one of {', '.join(_STATUSES)}, found {status!r}"
            )
        if reason is not None and not isinstance(reason, str):
            raise UsageError(f"close: expected reason to be a str, found {_shown(reason)}")
        end = {"type": "end", "status": status}
        if reason is not None:
            end["reason"] = reason
        try:
            if status == "completed":
                self.text(f"Training time {timedelta(seconds=int(self._elapsed()))}")
            self._write(end)
        finally:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
            return
        message = str(error) if error is not None else ""
        reason = f"{kind.__name__}: {message}" if message else kind.__name__
        # The likeliest reason for not being able to write the end is what ended the run: a full
        # disk. A second OSError must not take the place of the error that the caller has to see.
        with contextlib.suppress(OSError):
            self.close("failed", reason)

    def __repr__(self) -> str:
        return f"RunLogger({str(self._path)!r}, closed={self.closed})"

    def _elapsed(self) -> float:
        return self._clock() - self._start

    def _write(self, record: Mapping[str, object]) -> None:
        """Append `record` as one line, with one `os.write`."""
        if self._fd is None:
            raise UsageError(f"{self._path}: the log is closed, nothing can be written to it")
        line = json.dumps(record).encode("ascii") + b"\n"
        rest = memoryview(b"\n" + line if self._torn else line)
        # One call takes the whole line, except where the system runs out of room in the middle of
        # it (disk, quota, RLIMIT_FSIZE): the call then reports a short write and no error. Asking
        # again for the rest is what makes the error, or the room freed meanwhile, appear.
        while rest:
            rest = rest[os.write(self._fd, rest) :]
            self._torn = bool(rest)
        if self._durable:
            os.fsync(self._fd)

    def _release(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


def _is_torn(fd: int) -> bool:
    """Whether the file has content that does not end with a newline."""
    if os.fstat(fd).st_size == 0:
        return False
    os.lseek(fd, -1, os.SEEK_END)
    return os.read(fd, 1) != b"\n"


def _plain_metrics(split: str, values: Mapping[str, object]) -> dict[str, int | float]:
    """Metric values as plain numbers; `UsageError` names the metric that is not one."""
    if not isinstance(values, Mapping):
        raise UsageError(f"metrics of {split!r}: expected a mapping, found {_shown(values)}")
    plain = {}
    for name, value in values.items():
        _require_name(f"metric of {split!r}", name)
        number = _number(value)
        if number is None:
            raise UsageError(
                f"metric {name!r} of {split!r}: expected a number, found {_shown(value)}"
            )
        plain[name] = number
    return plain


def _plain_counters(counters: Mapping[str, object]) -> dict[str, int | float]:
    """Counters that are given, as plain finite numbers."""
    plain = {}
    for name, value in counters.items():
        if name in _TAKEN:
            raise UsageError(f"counter {name!r}: the log uses this name itself, choose another")
        if value is None:
            continue
        number = _number(value)
        if number is None or not math.isfinite(number):
            raise UsageError(f"counter {name!r}: expected a finite number, found {_shown(value)}")
        plain[name] = number
    return plain


def _number(value: object) -> int | float | None:
    """`value` as a plain number, or None if it is not one.

    A bool is not: a reader could not tell it from a metric that is 0 or 1.
    """
    item = getattr(value, "item", None)
    try:
        scalar = item() if callable(item) else value
        if isinstance(scalar, bool):
            return None
        if isinstance(scalar, int):
            return int(scalar)
        # Not float() alone: it takes texts as well.
        return float(scalar) if hasattr(scalar, "__float__") else None
    # numpy says ValueError or TypeError when there are several elements, torch RuntimeError.
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def _plain_config(config: object) -> object:
    """The configuration as nested dicts, lists and plain leaves."""
    if not (isinstance(config, Mapping) or _is_record(config)):
        raise UsageError(
            f"config: expected a mapping, a dataclass or an attrs instance, found {_shown(config)}"
        )
    try:
        return _plain(config, "")
    except RecursionError:
        raise UsageError("config: nested too deeply, or contains itself") from None


def _plain(value: object, key: str) -> object:
    """`value`, found at dotted `key`, as what JSON has."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return _plain_items(value.items(), key)
    if _is_record(value):
        return _plain_items(_fields(value), key)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(item, f"{key}.{index}") for index, item in enumerate(value)]
    # Only true scalars: an array with one element is still an array.
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        scalar = item()
        if isinstance(scalar, bool | str):
            return scalar
        number = _number(scalar)
        if number is not None:
            return number
    raise UsageError(
        f"config key {key!r}: expected str, number, bool, None, path, list, dict, dataclass or "
        f"attrs instance, found {_shown(value)}"
    )


def _plain_items(items: Iterable[tuple[object, object]], key: str) -> dict[str, object]:
    """Named values as a dict with str keys; whole numbers as keys become their digits."""
    plain: dict[str, object] = {}
    for name, value in items:
        if not isinstance(name, str | int) or isinstance(name, bool):
            raise UsageError(f"config key {key!r}: expected str keys in it, found {_shown(name)}")
        text = str(name)
        full = f"{key}.{text}" if key else text
        if text in plain:
            raise UsageError(f"config key {full!r}: there twice, as text and as a number")
        plain[text] = _plain(value, full)
    return plain


def _is_record(value: object) -> bool:
    """Whether `value` is an instance (not the class) of a dataclass or an attrs class."""
    kind = type(value)
    return not isinstance(value, type) and (dataclasses.is_dataclass(kind) or attrs.has(kind))


def _fields(value: object) -> list[tuple[object, object]]:
    kind: Any = type(value)
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else attrs.fields(kind)
    return [(field.name, getattr(value, field.name)) for field in fields]


def _require_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not name:
        raise UsageError(f"{what}: expected a name (a str that is not empty), found {_shown(name)}")


def _shown(value: object) -> str:
    return f"{reprlib.repr(value)} ({type(value).__name__})"
