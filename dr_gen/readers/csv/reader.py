"""Reader of tables that training loops write: a header, then one row a report.

Comma, semicolon, tab or bar; quotes, a byte order mark, any line ends; names and cells may be
padded. Blank cells were not logged. Lines that begin with ``#`` are comments: one that holds a JSON
object describes the run (``metadata["header"]``). What names mean is in `naming`; hyperparameters
come from settings files beside the table, from columns that hold a configuration, and from those
that say which run a row belongs to.

A table may hold several runs: where a counter begins again for each ``seed``, ``task``, ``env``,
``algo``, ``run`` and the like, each is a run of its own, called by these. A first column without a
name that counts the rows is the epoch of a history, or the step.

The files ``0.monitor.csv``, ``1.monitor.csv``, … in one folder are the environments of one run:
their episodes are one table, in the order of time. ``train.csv`` and ``eval.csv`` in one folder,
and other tables whose names differ in the split alone, are the splits of one run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import Claim, Detection, More, ReadOptions, ReadResult
from dr_gen.readers.csv.names import CEILING, SUFFIXES, monitor_claims
from dr_gen.readers.lines import log_suffix
from dr_gen.readers.split_files import claims_by_split
from dr_gen.readers.tree import TABLE_SUFFIXES, Tree

__all__ = ["CsvReader"]


class CsvReader(Stamping):
    """Reads tables with delimiters whose names have to be guessed."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the format."""
        return "csv"

    @property
    def suffixes(self) -> frozenset[str]:
        """What is read when the format is named."""
        return TABLE_SUFFIXES

    @property
    def ceiling(self) -> float:
        """It is never surer of a file than this."""
        return CEILING

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """The monitors of one folder, and tables that are called alike but for their split."""
        return itertools.chain(monitor_claims(tree), claims_by_split(tree, TABLE_SUFFIXES))

    def detect(self, path: Path, head: bytes) -> Detection:
        """See `csv_detection`; never above 0.9, for formats that are known exactly."""
        suffix = log_suffix(path)
        if suffix not in SUFFIXES:
            return Detection(0.0, f"a file that ends with {suffix or 'nothing'}")
        from dr_gen.readers.csv.sniffing import csv_detection

        return csv_detection(path, head)

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The runs of a file; none when it holds no header, or a table of other things."""
        # Here, so that who has no tables does not wait for what reads them.
        from dr_gen.readers.csv.source import read_source

        return read_source(path, run_id, options, self.clock)

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        """What `read` would give for files that grew, from what was appended; None: it cannot."""
        from dr_gen.readers.tables.more import read_more

        return read_more(items, self.clock)
