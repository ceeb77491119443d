"""Reader of what Weights & Biases leaves on the disk, synced or not.

* ``run-ID.wandb``, whole or cut off: the history, the configuration, the summary, how the run
  ended, measurements of the machine. Read alone, it is all there is to know.
* ``wandb-history.jsonl``, which was written before version 0.10, read where there is no log.
* ``config.yaml``, ``wandb-summary.json`` and ``wandb-metadata.json`` fill what the log lacks.

Rows are understood as those of any log (see `naming`): ``_step`` becomes ``step``, ``_runtime``
``time`` and ``_timestamp`` ``timestamp``; the x of `define_metric` is an axis too. Nested names are
joined by ``/``. Media are left out, with a finding. A number that only the summary has is a curve
of one point where the last row is, named in ``metadata["from_summary"]``.

The metadata holds ``run_id``, ``name``, ``project``, ``entity``, ``group``, ``job_type``, ``tags``,
``notes``, ``sweep_id``, ``host``, ``start_time``, ``resumed``, ``summary``, ``environment``,
``step_metrics``, ``goals``, ``alerts``, and of each measurement of the machine in
``system_metrics`` the number, the least, the most and the last. The end is that of the exit
record: code 0 is completed, any other failed; without one the run is incomplete, since it was
killed or still runs.

Folders of one run id in one ``wandb`` folder are a run that was resumed, and read as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import Claim, Detection, More, OfTracker, ReadOptions, ReadResult
from dr_gen.readers.tree import Tree
from dr_gen.readers.wandb.names import CONFIG, HEADER, HISTORY, SUMMARY, homes_in, id_of

__all__ = ["WandbReader"]

_OURS: Final = re.compile(rb"^(?:_wandb|wandb_version):", re.MULTILINE)


class WandbReader(Stamping, OfTracker):
    """Reads the runs of Weights & Biases."""

    __slots__ = ()

    tail_of_records = True
    """A file that grew is gone on with behind its last whole record."""

    @property
    def name(self) -> str:
        """Name of the format."""
        return "wandb"

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """See `wandb_files.claims`."""
        if next(homes_in(tree), None) is None:
            return iter(())
        # Here, so that who has nothing of theirs does not wait for what reads it.
        from dr_gen.readers.wandb.files import claims

        return claims(tree)

    def detect(self, path: Path, head: bytes) -> Detection:
        """Certain of the log; the other files by their names and how they begin."""
        if head.startswith(HEADER):
            return Detection(0.99, "the header of a .wandb file")
        if path.suffix == ".wandb" and id_of(path):
            return Detection(0.95, "called run-….wandb; its header is damaged or missing")
        text = head.lstrip()
        if path.name == HISTORY and (text.startswith(b"{") or not text):
            return Detection(0.95, f"called {HISTORY}")
        if path.name == SUMMARY and text.startswith(b"{"):
            return Detection(0.95, f"called {SUMMARY}")
        if path.name == CONFIG and _OURS.search(head):
            return Detection(0.95, "a configuration that Weights & Biases wrote")
        return Detection(0.0, "neither a .wandb file nor one that is called as those beside it")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The run of a file and its parts."""
        from dr_gen.readers.wandb.run import read_run

        return read_run(path, run_id, options, self.clock().isoformat())

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        """What `read` would give for logs that grew, from what was appended; None: it cannot."""
        from dr_gen.readers.wandb.more import read_more

        return read_more(items, self.clock)
