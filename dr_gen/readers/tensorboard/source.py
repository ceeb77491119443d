"""The files of one source of events: which of them are one run, and what is known of it."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.hpm import canonical
from dr_gen.model.run import RunData
from dr_gen.readers.contract import ColumnMap, ReadOptions, ReadResult
from dr_gen.readers.settings import read_sidecars
from dr_gen.readers.tensorboard.facts import Facts, Trial, guild_facts, trial_of
from dr_gen.readers.tensorboard.files import EventFile, read_events
from dr_gen.readers.tensorboard.folders import arranged
from dr_gen.readers.tensorboard.layouts import KnownLayouts
from dr_gen.readers.tensorboard.names import is_event_name
from dr_gen.readers.tensorboard.runs import (
    curves_of,
    first_event,
    is_finished,
    last_event,
    plugins_of,
    series_of,
)

__all__ = ["left_out", "metadata_of", "read_source"]

_PLURALS: Final = {"run metadata": "run metadata", "hyperparameters": "hyperparameters"}


@attrs.frozen
class _Group:
    """The files of one run of a source.

    Attributes
    ----------
    inner : str
        Its folder below that of the source; empty for the run that the source is called by.
    files : list of EventFile
    """

    inner: str
    files: list[EventFile]


def read_source(
    path: Path,
    run_id: str,
    options: ReadOptions,
    clock: Callable[[], datetime],
    known: KnownLayouts,
) -> ReadResult:
    """What event files hold that were claimed together; `known` are the layouts of others."""
    paths = [str(path), *(str(part) for part in options.parts if is_event_name(part.name))]
    homes = arranged(paths)
    findings: list[Finding] = []
    groups: list[tuple[str, _Group]] = []
    for home, members in homes.items():
        files = []
        for member in members:
            last = member.path == str(path)
            found = read_events(member, run_id, last=last, known=known)
            if isinstance(found, Finding):
                findings.append(found)
            else:
                files.append(found)
        groups += ((home, group) for group in _groups(home, files))
    runs = [
        _Run(path, _inner_id(run_id, group.inner), options, home, group.files)
        for home, group in groups
        if group.files
    ]
    now = clock().isoformat()
    built = [run.build(now) for run in runs]
    if len(built) != 1 or findings:
        lone = len(built) == 1
        own = (run.with_facts(findings=(*findings, *run.findings)) for run in built)
        return ReadResult(
            tuple(own if lone else built), () if lone else tuple(findings), closed=True
        )
    [run] = runs
    if not run.steady:
        return ReadResult((built[0],), closed=True)
    state = run.state(path)
    return ReadResult((built[0],), state=state, end=state["end"])


def _inner_id(run_id: str, inner: str) -> str:
    return f"{run_id}/{inner}" if inner else run_id


# ------------------------------------------------------------------ which files are one run


def _groups(home: str, files: Sequence[EventFile]) -> list[_Group]:
    """The runs among the files of a folder and those below."""
    own = [file for file in files if file.member.role == "own"]
    trials = _by_folder(home, (file for file in files if file.member.role == "trial"))
    branches = [file for file in files if file.member.role == "branch"]
    strangers: list[EventFile] = []
    for file in branches:
        joined = _branch(home, file)
        if joined is None:
            strangers.append(file)
        else:
            own.append(joined)
    # A run may be called by the time as well.
    others = {inner: some for inner, some in trials.items() if not _trial(some).is_there}
    trials = {inner: some for inner, some in trials.items() if inner not in others}
    said = {canonical(_trial(some).hpms) for some in trials.values()}
    if len(said) < 2:
        # One set of hyperparameters, however often it was written, is that of the run above.
        own += (file for some in trials.values() for file in some)
        trials = {}
    groups = [_Group("", own)] if own else []
    if trials and groups and not any(f.points or f.findings or f.log.said[1:] for f in own):
        groups = []  # all that the writer did was to write trials
    groups += (_Group(inner, some) for inner, some in (trials | others).items())
    return [*groups, *_strangers(home, strangers)]


def _by_folder(home: str, files: Iterable[EventFile]) -> dict[str, list[EventFile]]:
    folders: dict[str, list[EventFile]] = {}
    for file in files:
        folders.setdefault(_below(home, os.path.dirname(file.member.path)), []).append(file)
    return folders


def _below(home: str, folder: str) -> str:
    return os.path.relpath(folder or os.curdir, home or os.curdir).replace(os.sep, "/")


def _trial(files: Iterable[EventFile]) -> Trial:
    return trial_of(said for file in files for said in file.log.said)


def _branch(home: str, file: EventFile) -> EventFile | None:
    """A file of ``add_scalars`` with the names of its lines in the tags, None if it is none."""
    inner = _below(home, os.path.dirname(file.member.path))
    renamed = {}
    for tag, points in file.points.items():
        flat = tag.replace("/", "_")
        if inner.startswith(f"{tag}/"):
            line = inner[len(tag) + 1 :]
        elif inner.startswith(f"{flat}_"):
            line = inner[len(flat) + 1 :]
        else:
            return None
        renamed[f"{tag}/{line}"] = points
    return attrs.evolve(file, points=renamed)


def _strangers(home: str, files: Sequence[EventFile]) -> list[_Group]:
    """Runs of their own in folders that might have been branches."""
    by_path = {file.member.path: file for file in files}
    found = []
    for inner, members in arranged(by_path, branches=False).items():
        mine = [attrs.evolve(by_path[m.path], member=m) for m in members]
        found.append(_Group(_below(home, inner), mine))
    return found


# ------------------------------------------------------------------ one run


class _Run:
    """One run of a source.

    Parameters
    ----------
    path : Path
        What stands for the source.
    run_id : str
    options : ReadOptions
    home : str
        The folder of the run.
    files : sequence of EventFile

    Attributes
    ----------
    steady : bool
        Whether its last file can be gone on with.
    """

    def __init__(
        self, path: Path, run_id: str, options: ReadOptions, home: str, files: Sequence[EventFile]
    ) -> None:
        self.files = files
        self._options, self._home = options, home
        mine = {file.member.path for file in files}
        # A run that the source is not called by stands for itself.
        self._path = path if str(path) in mine else Path(files[-1].member.path)
        self._facts = Facts(self._path, run_id)
        self._first = first_event(files)
        self._joined = series_of(files, self._facts, self._first, options.columns)
        self._trial = _trial(files)
        self._last = max(map(last_event, files), default=-math.inf)
        usual = options.columns == ColumnMap() and str(path) in mine
        self.steady = usual and self._joined.steady and self._is_steady(path)

    def build(self, now: str) -> RunData:
        """The run."""
        facts, columns = self._facts, self._options.columns
        facts.hpms = {**self._trial.hpms, **facts.hpms}
        for file in self.files:
            facts.hear(file.log.said)
            facts.skipped.update(file.log.skipped)
        facts.end(self._trial, self._last)
        if is_finished(self._joined.series):
            facts.metadata["end"] = {"status": "completed", "reason": None}
        guild_facts(facts, self._options.parts)
        self._sidecars()
        if not math.isnan(self._first):
            facts.metadata["start_time"] = self._first
        run, path = facts.run, str(self._path)
        curves, x_columns, of_series = curves_of(self._joined.series, run, path, columns)
        cut = [finding for file in self.files for finding in file.findings]
        torn = [finding for finding in cut if finding.code == "truncated-record"]
        whole = [attrs.evolve(f, run=run) for f in cut if f.code != "truncated-record"]
        left = left_out(facts.skipped, run, path)
        return RunData.build(
            run,
            facts.hpms,
            curves,
            experiment=self._options.experiment,
            source=path,
            metadata=metadata_of(facts.metadata, x_columns, curves),
            findings=[*whole, *facts.findings, *of_series, *left, *torn],
            time_parsed=now,
        )

    def _sidecars(self) -> None:
        beside = read_sidecars(Path(self._home) / "events", self._facts.run)
        self._facts.findings += beside.findings
        self._facts.settle(beside.hpms, "the settings files beside them")

    def _is_steady(self, path: Path) -> bool:
        """Whether nothing that was said of other files changes with more events of the last."""
        place = self._place(path)
        last, behind = self.files[place], self.files[place + 1 :]
        others = any(file.points for file in self.files if file is not last)
        alike = all(file.member.role == "own" for file in self.files)
        alike &= not any(
            file.member.split == last.member.split and file.points.keys() & last.points.keys()
            for file in behind
        )
        overlapping = any(f.code == "overlapping-files" for f in self._facts.findings)
        damaged = any(f.code == "bad-length" for f in last.findings)
        begun = bool(last.points) or not others
        return alike and begun and not (overlapping or damaged or self._trial.is_over(self._last))

    def _place(self, path: Path) -> int:
        return [file.member.path for file in self.files].index(str(path))

    def state(self, path: Path) -> dict[str, Any]:
        """What more events of the last file need to be added."""
        place = self._place(path)
        last = self.files[place]
        return {
            "end": last.end,
            "first": None if math.isnan(self._first) else self._first,
            "split": last.member.split,
            "last": not any(file.points for file in self.files[place + 1 :]),
            "series": [[one.split, one.name] for one in self._joined.series],
            "skipped": dict(+self._facts.skipped),
            "plugins": {t: p for t, p in plugins_of(self.files).items() if p != "scalars"},
        }


def metadata_of(
    known: Mapping[str, Any], x_columns: Mapping[str, str], curves: CurveTable
) -> dict[str, Any]:
    """The metadata of a run, with what the source calls the axes that it has."""
    used = {x: name for x, name in x_columns.items() if x in curves.x_names}
    return {**known, "x_columns": used} if used else dict(known)


def left_out(skipped: Counter[str], run: str, path: str) -> list[Finding]:
    """What is in the files and in no run: images, histograms and the like."""
    if not skipped:
        return []
    listed = [
        f"{n} {_PLURALS.get(what, what if n == 1 else f'{what}s')}"
        for what, n in sorted(skipped.items())
        if n
    ]
    if not listed:
        return []
    message = f"only scalars are read; left out: {', '.join(listed)}"
    return [Finding("other-summaries", message, Severity.INFO, path, None, run)]
