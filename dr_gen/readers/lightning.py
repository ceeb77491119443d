"""Reader of what the CSVLogger of PyTorch Lightning writes: ``metrics.csv`` and ``hparams.yaml``.

A folder ``version_0``, ``version_1``, … is a run. In a row stand the metrics that were logged
together; the others are blank, which is no loss. Rows are placed by ``step`` and ``epoch`` as
they were logged: the last step of an epoch of ten is step 9. Metrics are named as `naming` says:
``val_loss`` is ``val/loss``, ``train_loss_epoch`` is ``train/loss_epoch`` and
``val_loss/dataloader_idx_0`` is ``val/loss/dataloader_idx_0``.

A run that was stopped before its first report has only ``hparams.yaml``: it is listed, without a
curve. Event files in the folder belong to the reader of these.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from dr_gen.model.finding import Finding, Severity
from dr_gen.model.run import RunData
from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import Claim, Detection, More, OfTracker, ReadOptions, ReadResult
from dr_gen.readers.lines import decoded_head
from dr_gen.readers.settings import read_settings
from dr_gen.readers.tree import Tree

__all__ = ["LightningReader"]

_METRICS: Final = "metrics.csv"
_SETTINGS: Final = "hparams.yaml"
_TELLING: Final = 128
"""Bytes of a table with rows in it, which tell a copy in a folder of the same number."""
_VERSION: Final = re.compile(r"version_\d+")


class LightningReader(Stamping, OfTracker):
    """Reads the folders of the CSVLogger of PyTorch Lightning."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the format."""
        return "lightning"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Nothing but what is claimed is read when the format is named."""
        return ()

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """Metrics with the hyperparameters beside them; these alone where nothing else is."""
        held = {**dict(tree.holding(_METRICS)), **dict(tree.holding(_SETTINGS))}
        for folder in sorted(held):
            names = tree.folders[folder]
            path = os.path.join(folder, _SETTINGS)
            if _METRICS in names and (_SETTINGS in names or _is_version(folder)):
                parts = (path,) if _SETTINGS in names else ()
                # A run that was made again in another place is as good as a copy of it.
                name = os.path.basename(folder) if _is_version(folder) else ""
                yield Claim(
                    os.path.join(folder, _METRICS),
                    parts,
                    named=folder or os.curdir,
                    identity=name and f"lightning:{name}",
                    telling=_TELLING,
                )
            elif _SETTINGS in names and _is_version(folder):
                yield Claim(path, named=folder, alone_in=folder)

    def detect(self, path: Path, head: bytes) -> Detection:
        """By the name of the file, its header, and that of the folder."""
        in_version = _is_version(os.fspath(path.parent))
        if path.name == _SETTINGS and in_version:
            return Detection(0.6, "the hyperparameters of a version")
        if path.name != _METRICS:
            return Detection(0.0, f"not called {_METRICS}")
        if not head.strip():
            return Detection(0.5, "the name alone; there is no metric in it")
        # Here, so that who has no tables does not wait for what reads them.
        from dr_gen.readers.tables.delimited import parse_table

        text = decoded_head(path, head).decode(errors="replace")
        names = set(parse_table(text, limit=2).columns)
        if in_version:
            # Damaged or not: whatever stopped it, it was a run.
            sure = 1.0 if "step" in names else 0.4
            return Detection(sure, f"the metrics of {path.parent.name}")
        if "step" not in names or len(names) < 3:
            return Detection(0.0, "no column called step in its header")
        if "epoch" in names:
            return Detection(0.95, f"{_METRICS} with columns epoch and step")
        return Detection(0.0, "no column called epoch in its header")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The run of a folder."""
        if path.name == _SETTINGS:
            return self._without_metrics(path, run_id, options)
        from dr_gen.readers.tables.log import is_growing, log_of, read_table, state_of

        file = read_table(path, run_id)
        table = file.table
        if any(finding.code == "unreadable-file" for finding in file.findings):
            return ReadResult(findings=file.findings)
        named = _is_version(os.fspath(path.parent)) or {"epoch", "step"} & set(table.columns)
        if table.form is not None and not named:
            message = "the header has neither step nor epoch"
            strange = Finding("not-a-log", message, Severity.ERROR, str(path), None, run_id)
            return ReadResult(findings=(*file.findings, strange))
        log = log_of(path, run_id, table.columns, table.lines, options.columns)
        log.understand()
        run = log.run_data(options.experiment, file.findings, self.clock().isoformat())
        steady = is_growing(file, log, options.columns)
        return ReadResult((run,), closed=not steady, state=state_of(table) if steady else None)

    def _without_metrics(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """A run of which only the hyperparameters were written."""
        settings = read_settings(path, run_id)
        if not os.path.isfile(path):
            return ReadResult(findings=settings.findings)
        message = f"there is no {_METRICS} beside it"
        hint = "the run was stopped before it wrote any metric"
        lacks = Finding("no-metrics-file", message, Severity.WARNING, str(path), None, run_id, hint)
        run = RunData.build(
            run_id,
            settings.hpms,
            experiment=options.experiment,
            source=str(path),
            findings=(*settings.findings, lacks),
            time_parsed=self.clock().isoformat(),
        )
        return ReadResult((run,), closed=True)

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        """What `read` would give for files that grew, from what was appended; None: it cannot."""
        from dr_gen.readers.tables.more import read_more

        return read_more(items, self.clock)


def _is_version(folder: str) -> bool:
    return _VERSION.fullmatch(os.path.basename(folder)) is not None
