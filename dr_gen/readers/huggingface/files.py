"""The files of one output folder of the Trainer, read together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.model.finding import Finding, Severity
from dr_gen.model.run import RunData
from dr_gen.readers.contract import ReadOptions, ReadResult
from dr_gen.readers.huggingface.names import RESULTS, SETTINGS, STATE, STEPS
from dr_gen.readers.huggingface.runs import Training, end_of, trainings
from dr_gen.readers.huggingface.state import (
    State,
    count_of,
    is_closing,
    is_timing,
    read_object,
    read_state,
)
from dr_gen.readers.json_log import JsonLog
from dr_gen.readers.lines import JsonLines
from dr_gen.readers.settings import Settings, flat_config, read_settings

__all__ = ["Output"]

_HPMS: Final = ("max_steps", "num_train_epochs", "train_batch_size")
_NOT_KEPT: Final = ("trial_params", "stateful_callbacks", "log_history")
_PLACES: Final = ("epoch", "step")
_OF_RESULTS: Final = ("eval_", "test_", "predict_")
_NOT_OF_A_MODEL: Final = ("transformers_version", "torch_dtype", "dtype", "_token_id")

Rows = list[tuple[int, dict[str, Any]]]


class Output:
    """An output folder.

    Parameters
    ----------
    path : Path
        The file that stands for it.
    run_id : str
    options : ReadOptions
        With the other files.
    time_parsed : str
    """

    def __init__(self, path: Path, run_id: str, options: ReadOptions, time_parsed: str) -> None:
        self._path, self._run_id, self._options = path, run_id, options
        self._time_parsed = time_parsed
        files = [path, *options.parts]
        self._result_files = [file for file in files if file.name in RESULTS]
        # Whatever it is called: the caller may have named the format.
        self._state_files = [
            file
            for file in files
            if file.name == STATE or (file == path and file.name not in RESULTS)
        ]
        self._steps_files = [file for file in files if file.name == STEPS]
        self._settings_files = [file for file in files if file.name in SETTINGS]
        self._findings: list[Finding] = []

    def result(self) -> ReadResult:
        """Its runs."""
        results = self._results()
        found = trainings(self._states(), self._path)
        if not found and not results.values:
            return ReadResult(findings=tuple(self._findings))
        settings = self._settings()
        if not found:
            return ReadResult((self._of_results(results, settings),), closed=True)
        steps = self._steps()
        fits = _is_same_training(found[0].longest.rows, steps)
        runs = [self._run(found[0], results, settings, steps if fits else [])]
        runs += [self._other(training, found[0]) for training in found[1:]]
        if not fits:
            runs.append(self._of_steps(steps))
        return ReadResult(tuple(runs), closed=True)

    # ------------------------------------------------------------------ the files

    def _states(self) -> Iterator[State]:
        """The states that can be read, one at a time: each repeats the history of the others."""
        for file in self._state_files:
            state = read_state(file, self._run_id)
            if any(finding.code == "unreadable-file" for finding in state.findings):
                self._findings += state.findings
            else:
                yield state

    def _results(self) -> _Results:
        found = _Results()
        for file in self._result_files:
            values, findings = read_object(file, self._run_id)
            self._findings += findings
            found.add(file.name, values or {})
        return found

    def _settings(self) -> Settings:
        hpms: dict[str, Any] = {}
        for file in self._settings_files:
            settings = read_settings(file, self._run_id)
            self._findings += settings.findings
            hpms = {**_belonging(file.name, settings.hpms), **hpms}
        return Settings(hpms)

    def _steps(self) -> Rows:
        """What was logged at each step, as rows of a history."""
        rows: Rows = []
        for file in self._steps_files:
            lines = JsonLines(file, self._run_id)
            for line, record in lines:
                row = {_STEP_NAMES.get(name, name): value for name, value in record.items()}
                for name in ("percentage", "remaining_time", "total_steps"):
                    row.pop(name, None)
                rows.append((line, row))
            self._findings += lines.findings
        return rows

    # ------------------------------------------------------------------ runs

    def _run(
        self, training: Training, results: _Results, settings: Settings, steps: Rows
    ) -> RunData:
        rows = training.longest.placed()
        rows += _later(rows, steps)
        reached = max((count_of(row.get("step")) for _, row in rows), default=0)
        places = {"step": training.last.global_step or None}
        rows += results.rows({key for _, row in rows for key in row}, places)
        end = end_of(training, results.values, reached)
        findings = [f for state in training.states for f in state.findings] + self._findings
        return self._built(self._run_id, training, rows, settings, findings, results, end)

    def _other(self, training: Training, first: Training) -> RunData:
        """A run that shares the folder with another."""
        name = training.longest.path.parent.name
        run_id = f"{self._run_id}/{name}"
        most = [one.last.max_steps for one in (training, first)]
        steps = f" (max_steps {most[0]:.0f} against {most[1]:.0f})" if most[0] != most[1] else ""
        message = f"the history in {name} is not the beginning of that of the others{steps}"
        hint = "another training wrote into the same folder: read as a run of its own"
        path = str(training.longest.path)
        strange = Finding("other-training", message, Severity.WARNING, path, None, run_id, hint)
        findings = [strange, *(f for state in training.states for f in state.findings)]
        rows = training.longest.placed()
        end = end_of(training, {}, 0)
        none = Settings()
        return self._built(run_id, training, rows, none, findings, _Results(), end)

    def _of_steps(self, steps: Rows) -> RunData:
        """A run of which only the steps were logged, beside the states of another."""
        path = self._steps_files[0]
        message = f"the losses in {path.name} are not those of the states beside it"
        hint = "another training wrote into the same folder: read as a run of its own"
        run_id = f"{self._run_id}/{path.name.partition('.')[0]}"
        strange = Finding(
            "other-training", message, Severity.WARNING, str(path), None, run_id, hint
        )
        training = Training((State(path),))
        return self._built(run_id, training, steps, Settings(), [strange], _Results(), {})

    def _of_results(self, results: _Results, settings: Settings) -> RunData:
        """A run of which there are only results."""
        values = results.values
        rows = results.rows(set(), {})
        if "train_loss" in values:
            rows.append((1, {"train_loss": values["train_loss"], **_placed(values)}))
            results.means["train_loss"] = "train/loss_mean"
        training = Training((State(self._path),))
        end = {"status": "completed", "reason": "the results were written"}
        findings = list(self._findings)
        return self._built(self._run_id, training, rows, settings, findings, results, end)

    def _built(
        self,
        run_id: str,
        training: Training,
        rows: Rows,
        settings: Settings,
        findings: Iterable[Finding],
        results: _Results,
        end: Mapping[str, str],
    ) -> RunData:
        state = training.last
        hpms = _hpms(state.facts)
        rest = {key: value for key, value in settings.hpms.items() if key not in hpms}
        summary, timings, kept = _parted(rows)
        names = {name for _, row in kept for name in row}
        options = self._options.columns
        explicit = {**_explicit(names, results), **options.metrics}
        columns = attrs.evolve(options, metrics=explicit) if explicit else options
        log = JsonLog(training.longest.path, run_id, columns, Settings(rest))
        log.hpms = hpms
        for line, row in kept:
            log.take(line, row)
        log.metadata = {
            "end": dict(end) or None,
            "summary": summary,
            "results": dict(results.values),
            "timings": timings,
            "trainer_state": _kept(state.facts),
            "checkpoints": training.checkpoints,
        }
        log.metadata = {name: value for name, value in log.metadata.items() if value}
        log.understand()
        owned = [attrs.evolve(finding, run=run_id) for finding in findings]
        return log.run_data(self._options.experiment, owned, self._time_parsed)


class _Results:
    """What was written at the end, by file."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.splits: dict[str, str] = {}
        self.means: dict[str, str] = {}

    def add(self, file: str, values: Mapping[str, Any]) -> None:
        """Add the results in a file; those that are there already stay."""
        split = file.partition("_")[0]
        for name, value in values.items():
            if isinstance(value, dict | list):
                continue
            self.values.setdefault(name, value)
            prefix = next((p for p in _OF_RESULTS if name.startswith(p)), None)
            if prefix is not None:
                self.splits[name] = prefix.removesuffix("_")
            elif split not in ("all", "train") and not name.startswith("train_"):
                self.splits.setdefault(name, split)

    def rows(self, known: set[str], places: Mapping[str, Any]) -> Rows:
        """One row a split, of those splits that have no other values."""
        rows: Rows = []
        for split in dict.fromkeys(self.splits.values()):
            if any(name.startswith(f"{split}_") for name in known):
                continue
            row = {
                name: self.values[name]
                for name, own in self.splits.items()
                if own == split and self._is_metric(name)
            }
            if row:
                at = {name: value for name, value in places.items() if value is not None}
                rows.append((1, {**row, **at, **_placed(self.values)}))
        return rows

    def _is_metric(self, name: str) -> bool:
        return not is_timing(name) and not name.endswith("_samples") and name not in _PLACES


_STEP_NAMES: Final = {"current_steps": "step", "lr": "learning_rate"}


def _is_same_training(rows: Sequence[Mapping[str, Any]], steps: Rows) -> bool:
    """Whether some loss at some step is the same, or there is none to compare."""
    known = {
        row["step"]: row["loss"] for row in rows if "loss" in row and _is_plain(row.get("step"))
    }
    pairs = [
        (known[row["step"]], row["loss"])
        for _, row in steps
        if "loss" in row and _is_plain(row.get("step")) and row["step"] in known
    ]
    return not pairs or any(a == b for a, b in pairs)


def _later(rows: Rows, steps: Rows) -> Rows:
    """Rows that were logged after the last one; the rows that are there get their times."""
    by_step: dict[int, dict[str, Any]] = {}
    for _, row in steps:
        # The closing row has the step of the last one, and a later time.
        if _is_plain(row.get("step")) and ("loss" in row or row["step"] not in by_step):
            by_step[row["step"]] = row
    last = max((row["step"] for _, row in rows if _is_plain(row.get("step"))), default=-1)
    for _, row in rows:
        at = by_step.get(row["step"], {}) if _is_plain(row.get("step")) else {}
        if "elapsed_time" in at and not is_closing(row):
            row["elapsed_time"] = at["elapsed_time"]
    return [(line, row) for line, row in steps if _is_plain(row.get("step")) and row["step"] > last]


def _placed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in _PLACES if name in values}


def _explicit(names: set[str], results: _Results) -> dict[str, str]:
    """What names mean where the usual table does not say so."""
    explicit = {n: f"predict/{n[len('predict_') :]}" for n in names if n.startswith("predict_")}
    explicit |= results.means
    for name, split in results.splits.items():
        if name in names and not name.startswith(f"{split}_") and name not in _PLACES:
            explicit[name] = f"{split}/{name}"
    return explicit


def _parted(rows: Rows) -> tuple[dict[str, Any], dict[str, list[Any]], Rows]:
    """The closing row, times and speeds, and rows of what is left."""
    summary: dict[str, Any] = {}
    timings: dict[str, list[Any]] = {}
    kept: Rows = []
    for line, row in rows:
        if is_closing(row):
            summary |= {name: value for name, value in row.items() if name not in _PLACES}
            continue
        for name in [name for name in row if is_timing(name)]:
            timings.setdefault(name, []).append(row.pop(name))
        if row.keys() - {*_PLACES, "elapsed_time"}:
            kept.append((line, row))
    return summary, timings, kept


def _hpms(facts: Mapping[str, Any]) -> dict[str, Any]:
    hpms = {name: facts[name] for name in _HPMS if count_of(facts.get(name))}
    trial = facts.get("trial_params")
    if isinstance(trial, dict):
        hpms = {**flat_config(trial)[0], **hpms}
    return hpms


def _kept(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a state says of the run beside its settings."""
    left_out = {*_NOT_KEPT, *_HPMS}
    return {
        name: value
        for name, value in facts.items()
        if name not in left_out and value is not None and not name.startswith("is_")
    }


def _belonging(file: str, hpms: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a file that are hyperparameters, under names that do not meet."""
    if file == "adapter_config.json":
        return {f"adapter.{name}": value for name, value in hpms.items() if value is not None}
    if file == "config.json" and ("model_type" in hpms or "architectures" in hpms):
        return {
            f"model.{name}": value
            for name, value in hpms.items()
            if isinstance(value, str | int | float)
            and "." not in name
            and not name.endswith(_NOT_OF_A_MODEL)
        }
    return dict(hpms)


def _is_plain(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
