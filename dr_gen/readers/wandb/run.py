"""A run of Weights & Biases, made of all that was written for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from dr_gen.model.finding import Finding, Severity, line_ranges
from dr_gen.model.noise import SEED_KEYS
from dr_gen.readers.columns import is_setting
from dr_gen.readers.contract import ReadOptions, ReadResult
from dr_gen.readers.json_log import JsonLog
from dr_gen.readers.lines import JsonLines
from dr_gen.readers.settings import Settings, flat_config, named, read_settings
from dr_gen.readers.wandb.facts import end_of, final_values, metadata_of, says_all, state_of
from dr_gen.readers.wandb.files import Session, sessions
from dr_gen.readers.wandb.history import History, history_of
from dr_gen.readers.wandb.log import WandbFile
from dr_gen.readers.wandb.names import id_of
from dr_gen.readers.wandb.records import RunLog

__all__ = ["read_run"]


def read_run(path: Path, run_id: str, options: ReadOptions, now: str) -> ReadResult:
    """The run that a file and its parts tell of; none where nothing in them does."""
    run = _Run(path, run_id)
    for session in sessions(path, options.parts):
        run.take(session)
    return run.result(options, now)


class _Run:
    """What the sessions of one run say, taken one by one."""

    def __init__(self, path: Path, run: str) -> None:
        self._path, self._id = path, run
        self._log = RunLog()
        self._findings: list[Finding] = []
        self._settings: list[Settings] = []
        self._summary: dict[str, Any] = {}
        self._machine: dict[str, Any] = {}
        self._has_log = self._by_line = False
        self._lacks = False  # whether settings are known of another file than the log alone
        self._n_sessions = 0
        self._end: int | None = None

    # ------------------------------------------------------------------ file by file

    def take(self, session: Session) -> None:
        """Take the files of one process; what its log says counts before the other files."""
        log, before = self._log, len(self._log.table.lines)
        log.exit_code, log.still_running, log.preempted = None, False, False
        self._has_log, sound = False, False
        if session.log is not None:
            file = WandbFile(session.log, self._id)
            file.read(log)
            log.table.read()
            self._findings += file.findings
            # Of an empty or foreign file nothing can be said.
            self._has_log = file.end > 0
            self._end = file.end if session.log == self._path else None
            sound = file.sound and log.exit_code is not None
        if session.history is not None and len(log.table.lines) == before:
            self._lines(session.history)
        if not sound:
            self._beside(session)
        if session.metadata is not None:
            self._machine |= self._object(session.metadata)
        self._n_sessions += session.log is not None or session.history is not None

    def _lines(self, path: Path) -> None:
        lines = JsonLines(path, self._id)
        self._log.table.add_rows(lines)
        self._findings += lines.findings
        self._by_line = True

    def _beside(self, session: Session) -> None:
        """The settings and the summary, in files of their own: a log may lack their end."""
        if session.config is not None:
            self._settings.append(read_settings(session.config, self._id))
        if session.summary is not None:
            self._summary |= self._object(session.summary)

    def _object(self, path: Path) -> dict[str, Any]:
        """What a JSON file holds that is one object."""
        try:
            value = json.loads(path.read_bytes())
            if isinstance(value, dict):
                return value
            problem = f"it holds a {type(value).__name__}; expected an object"
        except OSError as error:
            problem = f"it cannot be read: {error.strerror or error}"
        except (ValueError, RecursionError) as error:
            problem = f"it is no JSON: {error}"
        self._note("bad-sidecar", problem, Severity.WARNING, path=path)
        return {}

    # ------------------------------------------------------------------ as a whole

    def result(self, options: ReadOptions, now: str) -> ReadResult:
        """The run, if there is one."""
        log = self._log
        summary = final_values(log.table, self._summary)
        hpms = self._hpms()
        known = log.table.lines or hpms or summary or log.run or self._machine or self._has_log
        if not known and not id_of(self._path):
            return ReadResult(findings=tuple(self._findings))
        history = history_of(log.table, summary, log.step_metrics, options.columns)
        rows = JsonLog(self._path, self._id, history.mapping, Settings(hpms), headed=False)
        rows.columns = history.columns
        rows.understand()
        end = end_of(log, has_log=self._has_log, machine=self._machine)
        rows.metadata = {
            **metadata_of(log, summary, self._machine),
            **({"from_summary": list(history.from_summary)} if history.from_summary else {}),
            **({"end": end} if end else {}),
            **rows.metadata,
        }
        self._notes(history)
        run = rows.run_data(options.experiment, self._findings, now)
        if not self._by_line:
            where = str(self._path)
            run = run.with_facts(findings=[_of_record(f, where) for f in run.record.findings])
        goes_on = self._goes_on(hpms, history) and rows.is_steady()
        state = state_of(log.table, self._end) if goes_on else None
        return ReadResult((run,), closed=state is None, state=state, end=self._end)

    def _goes_on(self, hpms: Mapping[str, Any], history: History) -> bool:
        """Whether more of the same changes nothing of what was decided, for all but the columns."""
        if self._by_line or self._lacks or history.media or history.from_summary:
            return False
        if not says_all(self._log.table, self._summary):
            return False
        # Where no settings are known, those that every row repeats are taken for them.
        settled = any(key.casefold() not in SEED_KEYS for key in hpms)
        return settled or not any(map(is_setting, history.columns.by_name))

    def _hpms(self) -> dict[str, Any]:
        """The settings: those of the log, and of the files what it lacks."""
        config = {name: v for name, v in self._log.config.items() if name != "_wandb"}
        flat, problems = flat_config(config)
        for problem in problems:
            self._note("config-collision", problem, Severity.WARNING)
        for settings in reversed(self._settings):
            self._lacks |= bool(settings.findings or settings.hpms.keys() - flat.keys())
            flat = {**settings.hpms, **flat}
            self._findings += settings.findings
        return flat

    # ------------------------------------------------------------------ findings

    def _note(
        self, code: str, message: str, severity: Severity, hint: str = "", path: Path | None = None
    ) -> None:
        where = str(path or self._path)
        self._findings.append(Finding(code, message, severity, where, None, self._id, hint))

    def _notes(self, history: History) -> None:
        info, warning = Severity.INFO, Severity.WARNING
        for name, kind in history.media.items():
            message = f"{name}: media ({kind}), no numbers; they are left out"
            self._note("media-column", message, info)
        for name, rows in history.unreadable.items():
            noun = "lines" if self._by_line else "records"
            n, where = len(rows), line_ranges(sorted(set(rows)))
            text = f"{n} value{'' if n == 1 else 's'} that are no JSON ({noun} {where})"
            self._note("bad-value", f"{name}: {text}; left out", warning)
        if history.from_summary:
            n = len(history.from_summary)
            message = f"{n} value{'' if n == 1 else 's'} that only the summary has: "
            message += named(history.from_summary)
            self._note("from-summary", message, info, "each is one point, where the last row is")
        if self._log.table.full:
            message = "more names than any run has; some are left out"
            self._note("too-many-columns", message, warning)
        if self._n_sessions > 1:
            message = f"the run was resumed: {self._n_sessions} folders of it are read as one"
            self._note("resumed", message, info)


def _of_record(finding: Finding, path: str) -> Finding:
    """A finding about rows of a file without lines: it says in which records they are."""
    if finding.line is None or finding.path != path:
        return finding
    message = finding.message.replace("(lines ", "(records ")
    if message == finding.message and " 1 " in message:
        message += f" (record {finding.line})"
    return attrs.evolve(finding, message=message, line=None)
