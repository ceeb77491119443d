"""Reader of TensorBoard event files, whoever wrote them: TensorFlow, PyTorch, tensorboardX, Keras.

All event files of a folder are one run, and so are the folders that its writer made below
(`tensorboard_folders`). A tag is ``split/metric`` as `naming` has it; where it names no split the
folder may. The axes are ``step`` and ``time``, in seconds since the first event of the run, and
counters that were logged as scalars (``epoch``), which stay metrics as well. Several values at one
step are all kept, and the last one counts; what a restart made void for good is left out.

Hyperparameters come from the hparams plugin and from texts that are a configuration, from the
flags of Guild, and from ``config``, ``args``, ``hparams`` or ``params`` files beside the events.
``metadata["texts"]`` has short texts, ``metadata["start_time"]`` the first event in seconds since
1970. Images, histograms, graphs and the like are counted in a finding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import Claim, Detection, More, OfTracker, ReadOptions, ReadResult
from dr_gen.readers.tensorboard.names import GUILD, WORD, is_event_name
from dr_gen.readers.tree import Tree

__all__ = ["TensorBoardReader"]

_VERSION: Final = b"brain.Event:"
_BY_NAME: Final = 0.9


class TensorBoardReader(Stamping, OfTracker):
    """Reads event files."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the format."""
        return "tensorboard"

    @property
    def tail_of_records(self) -> bool:
        """What was appended to a file is no text of lines."""
        return True

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """The event files of each run."""
        if next(tree.holding(WORD), None) is None:
            return iter(())
        # Here, so that who has no event files does not wait for what reads them.
        from dr_gen.readers.tensorboard.folders import claims

        return claims(tree)

    def detect(self, path: Path, head: bytes) -> Detection:
        """By the first record; a file called like events is one, even if it is empty or damaged."""
        if _VERSION in head[12:256]:
            from dr_gen.readers.tensorboard.heads import is_head

            if is_head(head[:12]):
                return Detection(0.99, "begins with a record of the version of events")
        if is_event_name(path.name):
            what = "is empty" if not head else "does not begin like one"
            return Detection(_BY_NAME, f"is called like an event file, but {what}")
        return Detection(0.0, "does not begin with a record of an event")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The run of the files, or the runs, where ``add_hparams`` wrote several trials."""
        [result] = self.read_many([(path, run_id, options)])
        return result

    def read_many(self, items: Iterable[tuple[Path, str, ReadOptions]]) -> Iterator[ReadResult]:
        """What `read` gives for each source, in order; what events look like is learnt once."""
        from dr_gen.readers.tensorboard.layouts import KnownLayouts
        from dr_gen.readers.tensorboard.source import read_source

        known = KnownLayouts()
        for path, run_id, options in items:
            copy = _copy_of_dependency(path)
            yield copy or read_source(path, run_id, options, self.clock, known)

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        """What `read` would give for files that grew, from what was appended; None: it cannot."""
        from dr_gen.readers.tensorboard.more import read_more

        return [read_more(item, self.clock) for item in items]


def _copy_of_dependency(path: Path) -> ReadResult | None:
    """What is said of a Guild run that lies in another: it is what that one depends on."""
    if path.parent.name != GUILD:
        return None
    for outer in path.parent.parent.parents:
        if os.path.isfile(outer / GUILD / "opref"):
            message = f"a copy of the events of another run, which Guild put into {outer}"
            hint = "it counts where that run is"
            found = Finding("dependency-copy", message, Severity.INFO, str(path), hint=hint)
            return ReadResult(findings=(found,))
    return None
