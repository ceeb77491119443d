"""Reader of what MLflow stores: its folders of files (``mlruns``), and its SQLite databases.

Without MLflow, which refuses its own folders by default today. A run is its folder, or a row of
the table ``runs``. Params are typed back from text (`typed_texts`); names of metrics mean what
`naming` says, their points lie on ``step`` and on ``time``, in seconds since the run began. What
else is known is in ``metadata``: ``name``, ``notes`` (the run's description), ``tags`` (those that
are not MLflow's own), ``mlflow`` (ids, experiment, status, times, user, source, MLflow's own tags)
and ``system`` (of each metric of the machine how many values there are, and their range).

The experiment of a run is called as MLflow calls it, but for ``Default`` and where the caller named
it. Runs that were deleted there are left out unless they are asked for. Artifacts, models and
traces are no runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.clock import Stamping
from dr_gen.readers.contract import Claim, Detection, OfTracker, ReadOptions, ReadResult
from dr_gen.readers.mlflow.claiming import (
    META,
    database_claims,
    folder_claims,
    folder_of,
    is_run_folder,
)
from dr_gen.readers.sqlite_files import MAGIC, is_sqlite
from dr_gen.readers.tree import Tree

__all__ = ["MlflowReader"]

Item = tuple[Path, str, ReadOptions]
_RUN: Final = re.compile(rb"^run_uuid: *\S", re.MULTILINE)
_RUN_ID: Final = re.compile(rb"^run_id: *\S", re.MULTILINE)
_OF_RUN: Final = re.compile(rb"^(?:lifecycle_stage|start_time|source_type):", re.MULTILINE)
_METRIC_LINE: Final = re.compile(rb"[0-9]{9,19} [-+]?[0-9nNiI.][^ \n]*(?: -?[0-9]+.*)?(?:\n|\Z)")


class MlflowReader(Stamping, OfTracker):
    """Reads the runs of MLflow."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the format."""
        return "mlflow"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Endings of databases that are read when the caller names the format."""
        return (".db", ".sqlite", ".sqlite3")

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """The folders of runs, and databases with what SQLite keeps beside them."""
        yield from folder_claims(tree)
        yield from database_claims(tree)

    def identities(self, path: Path) -> frozenset[str]:
        """The ids of the runs in a database, such as were moved there from folders."""
        # Here, so that who has nothing of MLflow does not wait for what reads it.
        from dr_gen.readers.mlflow import sqlite

        return sqlite.identities(path)

    def detect(self, path: Path, head: bytes) -> Detection:
        """From the names in a ``meta.yaml``, or the tables of a database."""
        if head.startswith(MAGIC):
            from dr_gen.readers.mlflow import sqlite

            return sqlite.detect(path, head)
        folder = folder_of(str(path))
        if folder is None:
            return Detection(0.0, "neither a run's folder nor a database of MLflow")
        if path.name == META:
            if _RUN.search(head) or (_RUN_ID.search(head) and _OF_RUN.search(head)):
                return Detection(0.98, "the meta.yaml of a run of MLflow")
            if is_run_folder(folder):
                return Detection(0.6, "a damaged meta.yaml in a folder named like a run of MLflow")
            return Detection(0.0, "a meta.yaml without the id of a run")
        inner = Path(path).relative_to(folder).parts[0]
        if inner == "metrics" and _METRIC_LINE.match(head):
            return Detection(0.6, "lines of a metric in a folder named like a run of MLflow")
        if inner == "params" and head and b"\0" not in head:
            return Detection(0.4, "a param in a folder named like a run of MLflow")
        return Detection(0.0, "a file of a run of MLflow that does not stand for it")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """The run of a folder, or all runs of a database; none that was deleted, unless asked."""
        return next(iter(self.read_many([(path, run_id, options)])))

    def read_many(self, items: Iterable[Item]) -> Iterator[ReadResult]:
        """What `read` gives for each, in order, read together."""
        from dr_gen.readers.mlflow import files, sqlite
        from dr_gen.readers.mlflow.results import Collected

        now = self.clock().isoformat()
        waiting = Collected(now)
        metas: dict[str, Any] = {}
        for path, run_id, options in items:
            if path.name != META and is_sqlite(path):
                yield from waiting.results()
                yield sqlite.read(path, run_id, options, now)
                continue
            found = files.gathered(str(path), run_id, options, metas)
            if found is None:
                waiting.nothing(_nothing(path, run_id))
            else:
                waiting.add(found, options)
            if waiting.is_full:
                yield from waiting.results()
        yield from waiting.results()


def _nothing(path: Path, run_id: str) -> Finding:
    """Why there is no run."""
    if path.exists():
        message = "this is neither a run's folder nor a database of MLflow"
        return Finding("not-mlflow", message, Severity.ERROR, str(path), run=run_id)
    return Finding(
        "unreadable-file", "there is no such file", Severity.ERROR, str(path), run=run_id
    )
