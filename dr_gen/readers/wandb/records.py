"""The records of a ``.wandb`` file: what each says of its run.

The fields are those of ``wandb/proto/wandb_internal.proto``, whose numbers never change. A record
is one message of some kind; values are JSON text, each under a name or the path of a nested one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dr_gen.readers.cells import read_number
from dr_gen.readers.measurements import flat_metrics
from dr_gen.readers.protobuf import LENGTH, MalformedMessageError, fields, varint
from dr_gen.readers.wandb.cells import UNREADABLE, Cells, Table, decoded

__all__ = ["STEP", "RunLog"]

STEP: Final = "_step"
_VALUE: Final = b"\x82\x01"
"""The tag of field 16, in which every value stands; behind it come its length and text."""

_NUM, _HISTORY, _SUMMARY, _OUTPUT = 0x08, 0x12, 0x1A, 0x6A
_ITEM, _SECOND = 0x0A, 0x12
_KEY, _NESTED, _JSON = 1, 2, 16
_SHORT: Final = 0x80
_MAX_DEPTH: Final = 100
_A_LOT: Final = 100
_CLOCK: Final = (b"\x12\x06_wandb\x12\x07runtime", b"\x08_runtime")
_CLOCK_SIZE: Final = 48
"""Before each row it is said how long the run took, which is the same for up to a second; there is
no room for more than these two names."""
_GOALS: Final = {1: "minimize", 2: "maximize"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RUN_TEXTS: Final = {
    **{1: "run_id", 2: "entity", 3: "project", 6: "group", 7: "job_type", 8: "name"},
    **{9: "notes", 12: "sweep_id", 13: "host"},
}
_RUN_FLAGS: Final = {18: "resumed", 22: "forked"}
_MACHINE_TEXTS: Final = {
    **{1: "os", 2: "python", 6: "program", 12: "host", 18: "gpu", 25: "cuda_version"},
}


class RunLog:
    """What the records of a run say, taken one by one.

    Attributes
    ----------
    table : Table
        The history.
    run, machine : dict
        Facts about the run, and about where it ran.
    config : dict
        Nested, as it was in the end.
    step_metrics, goals : dict
        What was said of a metric, or of all whose names match: its x, and where it is to go.
    summarised : set of str
        Metrics that the summary has reductions of, such as ``acc/max``.
    system : dict
        Name to number, least, most and last of what was measured of the machine.
    alerts : list of str
    exit_code : int or None
        None while there is no sign of an end.
    still_running, preempted : bool
    removed : int
        How many values were taken out of the summary.
    n : int
        Records so far.
    bad : list of (int, str)
        Records that are malformed, and what is wrong.
    kinds : set of int
        The kinds of records there were, but for those that are common.
    """

    def __init__(self) -> None:
        self.table = Table()
        self.run: dict[str, Any] = {}
        self.machine: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.step_metrics: dict[str, str] = {}
        self.goals: dict[str, str] = {}
        self.summarised: set[str] = set()
        self.system: dict[str, dict[str, float]] = {}
        self.alerts: list[str] = []
        self.exit_code: int | None = None
        self.still_running = self.preempted = False
        self.removed = 0
        self.n = 0
        self.bad: list[tuple[int, str]] = []
        self.kinds: set[int] = set()
        self._heads: dict[bytes, Cells] = {}
        self._step: Cells | None = None
        self._clock = b""
        self._kinds: Mapping[int, Callable[[bytes], None]] = {
            **{2: self._history, 3: self._summary, 5: self._config, 7: self._stats},
            **{10: self._alert, 11: self._telemetry, 12: self._metric, 17: self._run},
            **{18: self._exit, 23: self._preempting, 26: self._environment},
        }

    def take(self, record: bytes) -> None:
        """Take one record."""
        self.n += 1
        try:
            place = 0
            if record[0] == _NUM:
                place = 2
                while record[place - 1] >= _SHORT:
                    place += 1
            kind, size = record[place], record[place + 1]
            if kind == _OUTPUT:
                return  # nearly half of a file may be what was printed
            if kind not in (_HISTORY, _SUMMARY):
                self._other(record)
                return
            place += 2
            if size >= _SHORT:
                more = record[place]
                if more < _SHORT:  # as most rows are
                    size, place = size & 0x7F | more << 7, place + 1
                else:
                    size, place = varint(record, place - 1)
            if place + size > len(record):
                raise MalformedMessageError(f"{size} bytes where {len(record) - place} are left")
            body = record[place : place + size]
            if kind == _HISTORY:
                self._history(body)
            elif body != self._clock:
                self._summary(body)
        except (IndexError, MalformedMessageError) as error:
            what = "it is cut off" if isinstance(error, IndexError) else str(error)
            self.bad.append((self.n, what))

    def _other(self, record: bytes) -> None:
        for number, kind, value in fields(record):
            if kind == LENGTH and isinstance(value, bytes) and number in self._kinds:
                self.kinds.add(number)
                self._kinds[number](value)

    # ------------------------------------------------------------------ history and summary

    def _history(self, body: bytes) -> None:
        # The loop that takes the time: what is usual is told by bytes that were seen before.
        heads, row, place, end = self._heads, len(self.table.lines), 0, len(body)
        step = None
        try:
            while place < end:
                tag, size, start = body[place], body[place + 1], place + 2
                if size >= _SHORT:
                    size, start = varint(body, place + 1)
                place = start + size
                if place > end:
                    raise MalformedMessageError(f"{size} bytes where {end - start} are left")
                if tag == _ITEM:
                    head, _, value = body[start:place].partition(_VALUE)
                    cells = heads.get(head)
                    if cells is None or not value or value[0] != len(value) - 1 or size >= _SHORT:
                        cells, text = self._item(body[start:place])
                    else:
                        text = value[1:]
                    if cells is not None:
                        cells.rows.append(row)
                        cells.texts.append(text)
                elif tag == _SECOND:
                    step = body[start:place]
                elif tag >= _SHORT:
                    break  # about the record itself; nothing of the row comes behind it
        finally:
            self._end_row(row, step)

    def _end_row(self, row: int, step: bytes | None) -> None:
        if self._step is None:
            self._step = self.table.by_name.get(STEP)
        if step is not None and (self._step is None or self._step.rows[-1:] != [row]):
            # Beside the items, in case they lack it.
            cells = self.table.cells(STEP)
            if cells is not None:
                cells.rows.append(row)
                cells.texts.append(b"%d" % _whole(step, 1))
        self.table.end_row(self.n)

    def _summary(self, body: bytes) -> None:
        heads, place, end = self._heads, 0, len(body)
        if end <= _CLOCK_SIZE and all(name in body for name in _CLOCK):
            self._clock = body
        while place < end:
            tag, size, start = body[place], body[place + 1], place + 2
            if size >= _SHORT:
                size, start = varint(body, place + 1)
            place = start + size
            if place > end:
                raise MalformedMessageError(f"{size} bytes where {end - start} are left")
            if tag == _ITEM:
                head, _, value = body[start:place].partition(_VALUE)
                cells = heads.get(head)
                if cells is None or not value or value[0] != len(value) - 1 or size >= _SHORT:
                    cells, text = self._item(body[start:place])
                else:
                    text = value[1:]
                if cells is not None:
                    cells.final = text
            elif tag == _SECOND:
                self._removed(body[start:place])
            elif tag >= _SHORT:
                break

    def _item(self, item: bytes) -> tuple[Cells | None, bytes]:
        """The column and the text of an item, read with care; what its name is is remembered."""
        path, text = _item(item)
        cells = self.table.cells("/".join(path)) if path else None
        head = item.partition(_VALUE)[0]
        # Only where nothing else is in it can the next one be known by these bytes.
        usual = len(text) < _SHORT and item == b"%b%b%c%b" % (head, _VALUE, len(text), text)
        if usual and cells is not None:
            self._heads[head] = cells
        return cells, text

    def _removed(self, item: bytes) -> None:
        self.removed += 1
        name = "/".join(_item(item)[0])
        if (found := self.table.by_name.get(name)) is not None:
            found.final = None
        # Whoever takes out a hundred values takes out no nested ones by one name.
        if self.removed <= _A_LOT:
            for other, cells in self.table.by_name.items():
                if other.startswith(f"{name}/"):
                    cells.final = None

    # ------------------------------------------------------------------ what is said once or twice

    def _run(self, body: bytes) -> None:
        tags = []
        for number, _, value in fields(body):
            if isinstance(value, int):
                if number in _RUN_FLAGS:
                    self.run[_RUN_FLAGS[number]] = bool(value)
                elif number == 14 and value:
                    self.run["starting_step"] = value
            elif number in _RUN_TEXTS:
                self.run[_RUN_TEXTS[number]] = _text(value)
            elif number == 10:
                tags.append(_text(value))
            elif number == 4:
                self._config(value)
            elif number == 5:
                self._summary(value)
            elif number == 17:
                self.run["start_time"] = _time(value)
            elif number == 19:
                self._telemetry(value)
            elif number == 21:
                self.machine["git"] = _texts(value, {1: "remote", 2: "commit"})
        if tags:
            self.run["tags"] = tags

    def _config(self, body: bytes) -> None:
        for number, _, value in fields(body):
            if not isinstance(value, bytes) or number not in (1, 2):
                continue
            path, text = _item(value)
            if not path:
                continue
            inner = self.config
            for name in path[:-1]:
                if not isinstance(inner.get(name), dict):
                    inner[name] = {}
                inner = inner[name]
            if number == 2:
                inner.pop(path[-1], None)
                continue
            [found] = decoded([text])
            if found is UNREADABLE:
                self.bad.append((self.n, f"the value of {'.'.join(path)!r} is no JSON"))
                continue
            inner[path[-1]] = found

    def _metric(self, body: bytes) -> None:
        texts = _texts(body, {1: "name", 2: "glob", 4: "x"})
        name = texts.get("name") or texts.get("glob")
        if not name:
            return
        if texts.get("x"):
            self.step_metrics[name] = texts["x"]
        if (goal := _GOALS.get(_whole(body, 8))) is not None:
            self.goals[name] = goal
        if any(number == 7 for number, _, _ in fields(body)):
            self.summarised.add(name)

    def _exit(self, body: bytes) -> None:
        code = _whole(body, 1) & 0xFFFF_FFFF
        self.exit_code = code - (1 << 32) if code >= 1 << 31 else code
        self.still_running = bool(_whole(body, 3))

    def _preempting(self, body: bytes) -> None:
        self.preempted = True

    def _alert(self, body: bytes) -> None:
        found = _texts(body, {1: "title", 2: "text"})
        self.alerts.append(": ".join(found[key] for key in ("title", "text") if found.get(key)))

    # ------------------------------------------------------------------ the machine

    def _stats(self, body: bytes) -> None:
        for number, _, value in fields(body):
            if number != 3 or not isinstance(value, bytes):
                continue
            path, text = _item(value)
            for name, found in flat_metrics({"/".join(path): decoded([text])[0]}):
                kind, measured = read_number(found)
                if kind == "number" and math.isfinite(measured):
                    self._measured(name, float(measured))

    def _measured(self, name: str, value: float) -> None:
        known = self.system.get(name)
        if known is None:
            self.system[name] = {"n": 1, "min": value, "max": value, "last": value}
            return
        known["n"] += 1
        known["min"], known["max"] = min(known["min"], value), max(known["max"], value)
        known["last"] = value

    def _telemetry(self, body: bytes) -> None:
        self.machine |= _texts(body, {4: "python", 5: "wandb"})

    def _environment(self, body: bytes) -> None:
        self.machine |= _texts(body, _MACHINE_TEXTS)
        if args := [_text(v) for n, _, v in fields(body) if n == 5 and isinstance(v, bytes)]:
            self.machine["args"] = args
        for git in (v for n, _, v in fields(body) if n == 9 and isinstance(v, bytes)):
            self.machine["git"] = _texts(git, {1: "remote", 2: "commit"})


def _item(item: bytes) -> tuple[tuple[str, ...], bytes]:
    """The path of an item and the JSON text of its value."""
    key, nested, text = "", [], b""
    for number, _, value in fields(item):
        if not isinstance(value, bytes):
            continue
        if number == _KEY:
            key = _text(value)
        elif number == _NESTED:
            nested.append(_text(value))
        elif number == _JSON:
            text = value
    if len(nested) > _MAX_DEPTH:
        raise MalformedMessageError(f"a value nested {len(nested)} deep")
    return (tuple(nested) if nested else (key,) if key else ()), text


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _texts(body: bytes, names: Mapping[int, str]) -> dict[str, str]:
    """The fields of a message that are texts, under names of ours; empty ones are left out."""
    found = ((n, v) for n, _, v in fields(body) if n in names and isinstance(v, bytes) and v)
    return {names[number]: _text(value) for number, value in found}


def _whole(body: bytes, wanted: int) -> int:
    """A field that is a whole number; 0 where it is missing, as protocol buffers have it."""
    try:
        numbers = [v for n, _, v in fields(body) if n == wanted and isinstance(v, int)]
    except MalformedMessageError:
        return 0
    return numbers[-1] if numbers else 0


def _time(body: bytes) -> str:
    """A timestamp in ISO 8601, UTC."""
    try:
        return (_EPOCH + timedelta(seconds=_whole(body, 1))).isoformat()
    except OverflowError:
        return ""
