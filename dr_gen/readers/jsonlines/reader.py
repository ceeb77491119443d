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

Files in one folder that are called by splits and alike otherwise (``train.jsonl``, ``val.jsonl``)
are one run.

Files: ``.jsonl``, ``.ndjson``, ``.json``, ``.log`` and ``.txt``, each also with ``.gz``. In a log
or text file the objects may end lines that begin with other text.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import Claim, Detection, More, ReadOptions, ReadResult
from dr_gen.readers.jsonlines.sniffing import CEILING, TEXT_LOGS, json_lines_detection
from dr_gen.readers.lines import JsonLines, log_suffix
from dr_gen.readers.split_files import as_one, claims_by_split
from dr_gen.readers.tree import TEXT_SUFFIXES, Tree

if TYPE_CHECKING:
    from dr_gen.model.curve_table import CurveTable
    from dr_gen.readers.json_log import JsonLog

__all__ = ["JsonLinesReader"]

_TABLE: Final = "progress.csv"


class JsonLinesReader(Stamping):
    """Reads JSON lines whose names have to be guessed."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the format."""
        return "jsonlines"

    @property
    def ceiling(self) -> float:
        """It is never surer of a file than this."""
        return CEILING

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """Files of one run for each split, and what Ray wrote twice, as lines and as a table."""
        yield from claims_by_split(tree, TEXT_SUFFIXES)
        for folder, names in tree.holding("result.json"):
            if "result.json" in names and _TABLE in names:
                yield Claim(os.path.join(folder, "result.json"), (os.path.join(folder, _TABLE),))

    def detect(self, path: Path, head: bytes) -> Detection:
        """See `json_lines_detection`; never above 0.9, for formats that are known exactly."""
        return json_lines_detection(path, head)

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The run of a file; no run when it holds no object, or a list of other things."""
        # Here, so that who has only logs of ours does not wait for what reads others.
        from dr_gen.readers.json_log import JsonLog

        splits = [part for part in options.parts if part.name != _TABLE]
        if splits:
            return self._read_splits([path, *splits], run_id, options)
        lines = JsonLines(path, run_id, embedded=log_suffix(path) in TEXT_LOGS)
        log = JsonLog(path, run_id, options.columns)
        for number, record in lines:
            log.take(number, record)
        return self._result(path, lines, log, options)

    def _read_splits(self, paths: Sequence[Path], run_id: str, options: ReadOptions) -> ReadResult:
        alone = attrs.evolve(options, parts=())
        results = [self.read(path, run_id, alone) for path in paths]
        runs = [run for result in results for run in result.runs]
        findings = tuple(finding for result in results for finding in result.findings)
        if (one := as_one(runs) if runs else None) is not None:
            return ReadResult((one,), findings, closed=True)
        # Files that tell the same of their splits are runs of their own after all.
        others = (run.with_facts(id=f"{run_id}/{Path(run.source).stem}") for run in runs)
        return ReadResult(tuple(others), findings, closed=True)

    def read_many(self, items: Iterable[tuple[Path, str, ReadOptions]]) -> Iterator[ReadResult]:
        """What `read` gives for each file, in order; those of plain rows are read faster."""
        from dr_gen.readers.json_log import JsonLog
        from dr_gen.readers.jsonlines.flat_lines import FlatReader

        plain = FlatReader()
        before: CurveTable | None = None
        for path, run_id, options in items:
            log = JsonLog(path, run_id, options.columns)
            found = None
            if log_suffix(path) not in TEXT_LOGS and not options.parts:
                found = plain.read(path, run_id, log.keep)
            if found is None:
                yield self.read(path, run_id, options)
                continue
            lines, log.columns = found
            # Most runs of a sweep are logged at the same steps.
            result = self._result(path, lines, log, options, before)
            before = result.runs[0].table.curves if result.runs else before
            yield result

    def _result(
        self,
        path: Path,
        lines: JsonLines,
        log: JsonLog,
        options: ReadOptions,
        like: CurveTable | None = None,
    ) -> ReadResult:
        if lines.n_objects == 0:
            return ReadResult(findings=tuple(lines.findings))
        log.understand()
        if (strange := log.no_log()) is not None:
            return ReadResult(findings=(*lines.findings, strange))
        time_parsed = self.clock().isoformat()
        run = log.run_data(options.experiment, lines.findings, time_parsed, like)
        return ReadResult((run,), closed=not log.is_steady())

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        """What `read` would give for files that grew, from what was appended; None: it cannot."""
        from dr_gen.readers.jsonlines.more import read_more

        alone = iter(read_more([item for item in items if not item.options.parts], self.clock))
        return [None if item.options.parts else next(alone) for item in items]
