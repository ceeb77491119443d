"""Reader of JSON lines as most training loops write them: one object a line.

Objects may be flat or nested (names are then joined by ``/``). What names mean is in `naming`.
Hyperparameters come from a ``config``, ``params``, ``hparams``, ``hyperparameters`` or ``args``
object in any line (the first counts, also where every row repeats it), and from ``config``,
``args``, ``hparams`` or ``params`` files (JSON or YAML) beside the log; the line wins. A first line
whose names occur nowhere else describes the run and is kept as ``metadata["header"]``. Where
none of these is there, two or more usual names (``lr``, ``seed``, ``optimizer``, …) with one value
in all rows are taken for hyperparameters. Facts
that are no measurements (ids, hosts, texts that never change) are in ``metadata["columns"]``, and
``metadata["x_columns"]`` says which column an axis came from where its name differs.

Files: ``.jsonl``, ``.ndjson``, ``.json``, ``.log`` and ``.txt``, each also with ``.gz``. In a log
or text file the objects may end lines that begin with other text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from dr_gen.readers.contract import Detection, More, ReadOptions, ReadResult
from dr_gen.readers.flat_lines import FlatReader
from dr_gen.readers.json_log import JsonLog
from dr_gen.readers.jsonlines_more import read_more
from dr_gen.readers.lines import JsonLines, log_suffix
from dr_gen.readers.sniffing import CEILING, TEXT_LOGS, json_lines_detection

__all__ = ["JsonLinesReader"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@attrs.frozen
class JsonLinesReader:
    """Reads JSON lines whose names have to be guessed.

    Attributes
    ----------
    clock : callable
        Gives the time that a run is stamped with.
    """

    clock: Callable[[], datetime] = attrs.field(default=_utc_now, eq=False, repr=False)

    @property
    def name(self) -> str:
        """Name of the format."""
        return "jsonlines"

    @property
    def ceiling(self) -> float:
        """It is never surer of a file than this."""
        return CEILING

    def detect(self, path: Path, head: bytes) -> Detection:
        """See `json_lines_detection`; never above 0.9, for formats that are known exactly."""
        return json_lines_detection(path, head)

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The run of a file; no run when it holds no object, or a list of other things."""
        lines = JsonLines(path, run_id, embedded=log_suffix(path) in TEXT_LOGS)
        log = JsonLog(path, run_id, options.columns)
        for number, record in lines:
            log.take(number, record)
        return self._result(path, lines, log, options)

    def read_many(self, items: Iterable[tuple[Path, str, ReadOptions]]) -> Iterator[ReadResult]:
        """What `read` gives for each file, in order; those of plain rows are read faster."""
        plain = FlatReader()
        for path, run_id, options in items:
            log = JsonLog(path, run_id, options.columns)
            found = None
            if log_suffix(path) not in TEXT_LOGS:
                found = plain.read(path, run_id, log.keep)
            if found is None:
                yield self.read(path, run_id, options)
                continue
            lines, log.columns = found
            yield self._result(path, lines, log, options)

    def _result(
        self, path: Path, lines: JsonLines, log: JsonLog, options: ReadOptions
    ) -> ReadResult:
        if lines.n_objects == 0:
            return ReadResult(findings=tuple(lines.findings))
        log.understand()
        if (strange := log.no_log()) is not None:
            return ReadResult(findings=(*lines.findings, strange))
        run = log.run_data(options.experiment, lines.findings, self.clock().isoformat())
        return ReadResult((run,), closed=not log.is_steady())

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        """What `read` would give for files that grew, from what was appended; None: it cannot."""
        return read_more(items, self.clock)
