"""Hydra's jobs: the configuration around any log in a job's folder, and jobs without a log.

Hydra writes ``.hydra/config.yaml`` (the configuration), ``overrides.yaml`` (what the command line
changed) and ``hydra.yaml`` (its own settings, the number of the job among them) into the folder of
each job. A log anywhere in that folder belongs to the job: what its own configuration lacks is
filled in from there, and ``metadata["hydra"]`` says what was overridden. The number of a job is no
identity: two sweeps in one folder both begin with 0.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.model.finding import Finding
from dr_gen.model.hpm import Hpm
from dr_gen.model.hpm_table import HpmTable
from dr_gen.model.run import RunData
from dr_gen.readers.contract import Claim, Detection, OfTracker, ReadOptions, ReadResult
from dr_gen.readers.settings import read_document, read_settings
from dr_gen.readers.tree import Tree

__all__ = ["HydraReader", "Jobs", "surrounded"]

_FOLDER: Final = ".hydra"
_FILES: Final = ("config.yaml", "overrides.yaml", "hydra.yaml")


def _files(tree: Tree, job: str) -> tuple[str, ...]:
    folder = os.path.join("" if job == os.curdir else job, _FOLDER)
    return tuple(os.path.join(folder, name) for name in _FILES if tree.has(folder, name))


class Jobs:
    """The jobs in a tree.

    Parameters
    ----------
    tree : Tree
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._any = any(folder.endswith(_FOLDER) for folder in tree.folders)
        self._of = functools.cache(self._nearest)

    def around(self, path: str, root: str) -> tuple[str, ...]:
        """The files of the innermost job that the file at `path`, below `root`, lies in."""
        if not self._any or os.path.basename(os.path.dirname(path)) == _FOLDER:
            return ()
        return self._of(os.path.dirname(path), os.path.dirname(root) if path == root else root)

    def _nearest(self, folder: str, root: str) -> tuple[str, ...]:
        files = _files(self._tree, folder)
        if files and files[0].endswith(_FILES[0]):
            return files
        above = os.path.dirname(folder)
        if folder in (root, "", os.curdir) or above == folder:
            return ()
        return self._of(above, root)


@attrs.frozen
class _Job:
    """What Hydra says of a job."""

    hpms: dict[str, Any]
    facts: dict[str, Any]
    findings: tuple[Finding, ...]


def _job(files: Sequence[Path], run: str) -> _Job:
    hpms: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    findings: list[Finding] = []
    for file in files:
        if file.name == _FILES[0]:
            settings = read_settings(file, run)
            hpms = dict(settings.hpms)
            findings += settings.findings
            continue
        data, found = read_document(file, run)
        findings += found
        if file.name == _FILES[1] and isinstance(data, list):
            facts["overrides"] = [str(item) for item in data]
        elif isinstance(data, dict):
            facts |= _about(data)
    return _Job(hpms, facts, tuple(findings))


def _about(data: dict[Any, Any]) -> dict[str, Any]:
    """Name and number of the job, and the sweep it is part of."""
    settings = data.get("hydra", data)
    job = settings.get("job") if isinstance(settings, dict) else None
    if not isinstance(job, dict):
        return {}
    wanted = {name: job.get(name) for name in ("name", "num", "config_name")}
    return {name: value for name, value in wanted.items() if isinstance(value, str | int)}


def surrounded(runs: Sequence[RunData], files: Sequence[str]) -> tuple[RunData, ...]:
    """Runs with what the job that they were logged in says, where they do not say it themselves.

    Parameters
    ----------
    runs : sequence of RunData
    files : sequence of str
        The files of the job.
    """
    if not files or not runs:
        return tuple(runs)
    job = _job([Path(file) for file in files], runs[0].id)
    return tuple(_filled_in(run, job) for run in runs)


def _filled_in(run: RunData, job: _Job) -> RunData:
    own = run.hpms
    hpms = Hpm({**job.hpms, **own})
    record = run.record
    metadata = {**record.metadata, **({"hydra": job.facts} if job.facts else {})}
    findings = (*record.findings, *(attrs.evolve(one, run=run.id) for one in job.findings))
    run = run.with_facts(metadata=metadata, findings=findings)
    table = attrs.evolve(run.table, hpms=HpmTable.from_mappings([hpms]))
    return attrs.evolve(run, table=table)


@attrs.frozen
class HydraReader(OfTracker):
    """Reads jobs that logged nothing: what they were to do is all that is known of them."""

    @property
    def name(self) -> str:
        """Name of the format."""
        return "hydra"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Nothing but jobs is read when the format is named."""
        return ()

    def claims(self, tree: Tree) -> Iterator[Claim]:
        """Each job, if there is nothing else in its folder."""
        for folder in tree.folders:
            if not folder.endswith(_FOLDER):
                continue
            above, name = os.path.split(folder)
            job = above or os.curdir
            if name == _FOLDER and (files := _files(tree, job)) and files[0].endswith(_FILES[0]):
                yield Claim(files[0], files[1:], named=job, alone_in=job)

    def detect(self, path: Path, head: bytes) -> Detection:
        """By the name of the file and of its folder."""
        if path.name == _FILES[0] and path.parent.name == _FOLDER:
            return Detection(0.99, "the configuration that Hydra writes for each job")
        return Detection(0.0, "no configuration of a Hydra job")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        """A run without curves."""
        job = _job([path, *options.parts], run_id)
        metadata = {"hydra": job.facts} if job.facts else {}
        run = RunData.build(
            run_id,
            job.hpms,
            experiment=options.experiment,
            source=str(path),
            metadata=metadata,
            findings=job.findings,
        )
        return ReadResult((run,))
