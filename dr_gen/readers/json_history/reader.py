"""Reader of histories in one JSON document, as training loops dump them at the end.

* An object with lists of numbers: ``{"loss": [...], "val_loss": [...]}``, as of Keras, also in
  groups or under ``history``. Lists of one length share their axes: those among them that are
  called like one, or else the rows are counted, as epochs where they have several splits.
* A list of rows, ``[{"epoch": 0, "loss": 3}, ...]``, also under ``history``, ``log`` and the like:
  understood as JSON lines are.
* An object of numbers with an ``epoch``, as AllenNLP writes: ``metrics_epoch_0.json``, … and
  ``metrics.json`` in one folder are the rows of one run.

Other numbers and texts of the document are hyperparameters, but for those that are named like
results: these are ``metadata["results"]``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import HEAD_BYTES, Claim, Detection, ReadOptions, ReadResult
from dr_gen.readers.lines import decoded_head, log_suffix
from dr_gen.readers.settings import SIDECARS
from dr_gen.readers.tree import Tree, is_usual_log, natural_order

__all__ = ["JsonHistoryReader"]

_EPOCH: Final = re.compile(r"metrics_epoch_\d+\.json")
_LAST: Final = "metrics.json"
_OF_OTHER_TOOLS: Final = frozenset({"info.json", "wandb-metadata.json", "wandb-summary.json"})

CEILING: Final = 0.85
"""How sure it can be at most; formats that are known exactly are surer."""


class JsonHistoryReader(Stamping):
    """Reads JSON documents that are the history of a training."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the format."""
        return "json-history"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What is read when the format is named."""
        return (".json", ".gz")

    @property
    def ceiling(self) -> float:
        """It is never surer of a file than this."""
        return CEILING

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """The metrics of all epochs in one folder, the last for all."""
        for folder, names in tree.folders.items():
            epochs = sorted(filter(_EPOCH.fullmatch, names), key=natural_order)
            if epochs:
                found = [*epochs, *([_LAST] if _LAST in names else [])]
                *parts, path = (os.path.join(folder, name) for name in found)
                yield Claim(path, tuple(parts), named=folder or os.curdir)

    def detect(self, path: Path, head: bytes) -> Detection:
        """By what the beginning of the document holds; never above 0.85."""
        if log_suffix(path) != ".json":
            return Detection(0.0, "not called .json")
        if path.name.casefold() in (*SIDECARS, *_OF_OTHER_TOOLS):
            return Detection(0.0, "a file with a meaning of its own")
        text = decoded_head(path, head).decode(errors="replace").lstrip()
        if not text.startswith(("{", "[")):
            return Detection(0.0, "neither an object nor a list")
        # Here, so that who has no documents does not wait for what reads them.
        from dr_gen.readers.json_history.documents import loaded, repaired
        from dr_gen.readers.json_history.shapes import shape_of

        cut = repaired(text, len(text)) if len(head) >= HEAD_BYTES else text
        document = loaded(cut)
        shape = None if document is None else shape_of(document)
        if shape is None or not shape.is_training:
            return Detection(0.0, "no history of a training")
        usual = is_usual_log(path.name) or _EPOCH.fullmatch(path.name) is not None
        sure = {"series": 0.7, "rows": 0.7, "values": 0.4}[shape.kind] + 0.15 * usual
        return Detection(round(sure, 3), f"a document of {shape.kind}")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The run of a document, or of the documents of its epochs."""
        from dr_gen.readers.json_history.source import read_source

        return read_source(path, run_id, options, self.clock)
