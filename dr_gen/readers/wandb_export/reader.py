"""Reader of the tables that the web pages of Weights & Biases export: many runs in one file.

**Charts** (``wandb_export_….csv``): one x for all runs, and of each metric of each run three
columns, ``name - val/acc``, ``name - val/acc__MIN`` and ``name - val/acc__MAX``. Where these
differ a value stands for several (of a group of runs, or of an interval), which is a finding.

**The table of runs**: one row a run, beginning with ``Name``, ``State``, …, ``Runtime``, ``Sweep``;
then come the settings, in alphabetical order, then the summary, in alphabetical order too. Where no
such order tells which is which, columns that name a split are results and the others settings.
Each result is a curve of one point.

A run is called as in the table, behind the id of the file; the one run of a file is called by it.

Files of one folder that are called as the pages call them are read together: a run that several
charts show has the curves of all. Where two have one metric by one name it stays two runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import Claim, Detection, OfTracker, ReadOptions, ReadResult
from dr_gen.readers.tree import Tree

__all__ = ["WandbExportReader"]

_NAME: Final = re.compile(r"wandb_export_\d{4}-\d\d-\d\dT.*\.csv")


class WandbExportReader(Stamping, OfTracker):
    """Reads exported charts and tables of runs."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the format."""
        return "wandb-export"

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """The files of each folder that are called as the pages call them."""
        for folder, names in tree.folders.items():
            mine = sorted(name for name in names if _NAME.fullmatch(name))
            if len(mine) > 1:
                first, *others = (os.path.join(folder, name) for name in mine)
                yield Claim(first, tuple(others), folder or os.curdir)

    def detect(self, path: Path, head: bytes) -> Detection:
        """Certain of a header that no other tool writes."""
        if path.suffix.casefold() != ".csv":
            return Detection(0.0, "not called .csv")
        # Here, so that who has no tables does not wait for what reads them.
        from dr_gen.readers.wandb_export.source import detected

        return detected(head)

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The runs of a file, and of those beside it."""
        from dr_gen.readers.wandb_export.source import read_source

        return read_source(path, run_id, options, self.clock().isoformat())
