"""Reader of the native log, which `RunLogger` writes.

::

    {"type": "dict_config", "value": {"optim": {"lr": 0.1}, "seed": 0}}
    {"type": "str", "value": ">> Running Training"}
    {"title": "agg_val", "data_name": "val", "agg_stats": {"loss": 0.3}, "epoch": 3, "time": 12.5}
    {"type": "str", "value": "Training time 1:23:45"}
    {"type": "end", "status": "completed"}

Any object with ``data_name`` (the split) and ``agg_stats`` (the metrics) is a metric line; its
other numbers are x-axes. Where no ``epoch`` was logged it is counted per split from 0.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dr_gen.model.finding import Finding, Severity
from dr_gen.model.run import RunData
from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import ColumnMap, Detection, More, ReadOptions, ReadResult
from dr_gen.readers.lines import JsonLines, decoded_head
from dr_gen.readers.measurements import CellNotes, flat_metrics
from dr_gen.readers.native.bulk import read_many
from dr_gen.readers.native.logs import TAIL, end_time
from dr_gen.readers.rows import CurveRows
from dr_gen.readers.settings import differing, flat_config, named

__all__ = ["NativeReader"]

_NO_AXES: Final = frozenset({"data_name", "title", "agg_stats", "type"})
_FAILED_SPLIT: Final = re.compile(r"Aggregation failed for (\S+)")
_CONFIG_LINE: Final = re.compile(rb'^\s*\{\s*"type"\s*:\s*"dict_config"', re.MULTILINE)
_OTHER_LINE: Final = re.compile(rb'^\s*\{\s*"type"\s*:\s*"(?:str|end)"', re.MULTILINE)
_SHORT: Final = 2
_CERTAIN: Final = Detection(1.0, "a dict_config line, and lines with agg_stats")


def _is_foreign(line: bytes) -> bool:
    """Whether a whole line is an object that no native log holds."""
    ours = any(key in line for key in (b'"type"', b'"agg_stats"', b'"data_name"'))
    return line.startswith(b'{"') and line.rstrip().endswith(b"}") and not ours


class NativeReader(Stamping):
    """Reads the log of one run."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the format."""
        return "native"

    @property
    def early_bytes(self) -> int:
        """Most configurations end before, and metrics follow."""
        return 8192

    def detect(self, path: Path, head: bytes) -> Detection:
        """Certain where a configuration and a metric line are seen, whatever is broken there."""
        text = decoded_head(path, head)
        if _CONFIG_LINE.search(text):
            if b'"agg_stats"' in text:
                return _CERTAIN
            if any(map(_is_foreign, text.splitlines())):
                return Detection(0.5, "a dict_config line above rows of another kind")
            return Detection(0.995, "a dict_config line")
        if any(b'"agg_stats"' in line and b'"data_name"' in line for line in text.splitlines()):
            return Detection(0.97, "lines with data_name and agg_stats")
        if _OTHER_LINE.search(text):
            return Detection(0.95, "text lines or an end line of a native log")
        return Detection(0.0, "neither a dict_config nor an agg_stats line")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The run of a file; no run when no line of it is readable."""
        lines = JsonLines(path, run_id)
        log = _NativeLog(path, run_id)
        for number, record in lines:
            log.take(number, record)
        if lines.n_objects == 0:
            return ReadResult(findings=tuple(lines.findings))
        log.finish(lines)
        if options.columns != ColumnMap():
            log.note("columns-unused", "a native log names its columns itself", Severity.INFO)
        curves = log.rows.build()
        findings = [*lines.findings, *log.findings, *log.cells.findings(), *log.rows.findings]
        findings += log.doubts(lines)
        run = RunData.build(
            run_id,
            log.hpms or {},
            curves,
            experiment=options.experiment,
            source=str(path),
            metadata=log.metadata(),
            findings=findings,
            time_parsed=self.clock().isoformat(),
        )
        # Of another spelling of a split nothing is left in the run.
        closed = any(split != split.strip() or "/" in split for split in log.rows.splits)
        return ReadResult((run,), closed=closed)

    def read_many(self, items: Iterable[tuple[Path, str, ReadOptions]]) -> Iterator[ReadResult]:
        """What `read` gives for each of many files, in order, read together."""
        return read_many(items, self.read, self.clock)

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        """What `read` would give for files that grew, from what was appended; None: it cannot."""
        from dr_gen.readers.native.more import read_more

        return read_more(items, self.clock)


class _NativeLog:
    """What the lines of one native log say, taken one by one."""

    def __init__(self, path: Path, run: str) -> None:
        self.hpms: dict[str, Any] | None = None
        self.rows = CurveRows(path, run, "epoch", always=True)
        self.cells = CellNotes(path, run)
        self.findings: list[Finding] = []
        self._path, self._run = str(path), run
        self._texts: list[str] = []
        self._tail: deque[Any] = deque(maxlen=TAIL)
        self._end: dict[str, str | None] | None = None
        self._n_taken = 0
        self._n_configs = 0
        self._others: dict[str, list[int]] = {}

    def note(
        self,
        code: str,
        message: str,
        severity: Severity = Severity.WARNING,
        line: int | None = None,
        hint: str = "",
    ) -> None:
        """Add a finding."""
        self.findings.append(Finding(code, message, severity, self._path, line, self._run, hint))

    def take(self, line: int, record: dict[str, Any]) -> None:
        """Take one line."""
        self._tail.append(record.get("value"))
        kind = record.get("type")
        if "agg_stats" in record and "data_name" in record:
            self._metrics(line, record)
        elif kind == "dict_config":
            self._config(line, record)
        elif kind == "str":
            self._text(line, record)
        elif kind == "end":
            self._ended(line, record)
        elif "agg_stats" in record or "data_name" in record:
            lacking = "data_name" if "agg_stats" in record else "agg_stats"
            self.note("bad-metric-line", f"a metric line without {lacking!r}", line=line)
        else:
            name = f"type {kind!r}" if "type" in record else "no type"
            self._others.setdefault(name, []).append(line)
        self._n_taken += 1

    # ------------------------------------------------------------------ kinds of lines

    def _config(self, line: int, record: Mapping[str, Any]) -> None:
        self._end = None
        self._n_configs += 1
        value = record.get("value")
        error = Severity.ERROR
        if "value" not in record:
            self.note("config-without-value", "the dict_config line has no value", error, line)
            return
        if not isinstance(value, dict):
            kind = type(value).__name__
            self.note("config-not-a-dict", f"the configuration is a {kind}", error, line)
        if not value:
            self.note("config-empty", "the configuration is empty", error, line)
        if not isinstance(value, dict) or not value:
            return
        flat, problems = flat_config(value)
        for problem in problems:
            self.note("config-collision", problem, line=line)
        if self.hpms is not None:
            if changed := differing(self.hpms, flat):
                message = f"a second configuration with other values for {named(changed)}"
                hint = "the first one counts; a resumed run with other settings is another run"
                self.note("config-changed", message, line=line, hint=hint)
            return
        self.hpms = flat
        if self._n_taken:
            self.note("config-not-first", "the configuration is not on the first line", line=line)

    def _metrics(self, line: int, record: Mapping[str, Any]) -> None:
        self._end = None
        split, stats = record["data_name"], record["agg_stats"]
        if not isinstance(split, str):
            message = f"data_name is {split!r}; expected the name of a split"
            self.note("bad-metric-line", message, line=line)
            if split is None or isinstance(split, list | dict):
                return
            split = str(split)
        row = self.rows.add_row(line)
        # Counted even if nothing in it is readable: the epoch did happen.
        self.rows.in_split(row, split)
        if isinstance(stats, dict):
            for metric, value in flat_metrics(stats):
                # Nearly every cell is a float; the rest of the way is for the others.
                if type(value) is float:
                    self.rows.add(row, split, metric, value)
                    continue
                for name, number in self.cells.numbers(line, f"{split}/{metric}", metric, value):
                    self.rows.add(row, split, name, number)
        else:
            kind = type(stats).__name__
            message = f"agg_stats of {split!r} is a {kind}; expected names with numbers"
            self.note("bad-metric-line", message, line=line)
        for name, value in record.items():
            if name not in _NO_AXES and (x := self.cells.x(line, name, value)) is not None:
                self.rows.add_x(row, name, x)

    def _text(self, line: int, record: Mapping[str, Any]) -> None:
        value = record.get("value")
        if not isinstance(value, str):
            message = f"the value of a text line is {value!r:.60}; expected text"
            self.note("bad-text-line", message, line=line)
            return
        if stripped := value.strip():
            self._texts.append(stripped)
        if failed := _FAILED_SPLIT.search(value):
            # This text stands in the place of a metric line.
            split = failed[1]
            self.rows.in_split(self.rows.add_row(line), split)
            hint = "the point is missing; a counted epoch goes on after it"
            self.note("missing-metrics", f"{split}: {stripped}", line=line, hint=hint)

    def _ended(self, line: int, record: Mapping[str, Any]) -> None:
        status, reason = record.get("status"), record.get("reason")
        if not isinstance(status, str):
            message = f"the status of the end line is {status!r:.60}; expected text"
            self.note("bad-end-line", message, line=line)
            return
        self._end = {"status": status, "reason": None if reason is None else str(reason)}

    # ------------------------------------------------------------------ the whole

    def finish(self, lines: JsonLines) -> None:
        """Findings that need the whole file."""
        for kind, where in self._others.items():
            n = len(where)
            message = f"{n} line{'' if n == 1 else 's'} with {kind} hold no metrics"
            self.note("other-lines", message, Severity.INFO, where[0])
        if self._n_configs == 0:
            hint = "its hyperparameters are unknown"
            message = "there is no line {type: dict_config}"
            self.note("no-config", message, Severity.ERROR, 1, hint)
        if lines.n_lines <= _SHORT:
            message = f"the log has {lines.n_lines} line{'' if lines.n_lines == 1 else 's'}"
            self.note("short-file", message, hint="the run was stopped at its beginning")

    def doubts(self, lines: JsonLines) -> tuple[Finding, ...]:
        """A counted epoch may be wrong where lines were lost or the run was resumed."""
        if not self.rows.inferred:
            return ()
        reasons = []
        if lines.bad_lines:
            reasons.append(f"{len(lines.bad_lines)} unreadable lines")
        if self._n_configs > 1:
            reasons.append("a resumed run")
        if not reasons:
            return ()
        message = f"epochs were counted over {' and '.join(reasons)}; they may be shifted"
        hint = "log epoch with the metrics"
        line = lines.bad_lines[0] if lines.bad_lines else None
        code, severity = "epoch-uncertain", Severity.WARNING
        return (Finding(code, message, severity, self._path, line, self._run, hint),)

    def metadata(self) -> dict[str, Any]:
        """``log_strs``, ``train_time``, ``train_seconds``, ``format`` and, if logged, ``end``."""
        texts = [v.strip() for v in self._tail if isinstance(v, str)]
        train_time, seconds = end_time(texts)
        metadata: dict[str, Any] = {
            "log_strs": self._texts,
            "train_time": train_time,
            "train_seconds": seconds,
            "format": "native",
        }
        if self._end is not None:
            metadata["end"] = self._end
        return metadata
