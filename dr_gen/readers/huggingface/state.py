"""What one ``trainer_state.json`` holds, also where it is damaged."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.tables.text_files import read_text

__all__ = ["State", "count_of", "is_closing", "is_timing", "read_object", "read_state"]

_CONSTANTS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MANY: Final = 2**53
_HISTORY: Final = '"log_history"'
# Rows are flat: an object without another one in it.
_FLAT: Final = re.compile(r"\{[^{}]*\}")
# What stands on the first level, as it is written with an indentation of two.
_FACT: Final = re.compile(r'^ {2}"(\w+)": ([^{\[\n]*?),?$', re.MULTILINE)
_TIMINGS: Final = (
    *("_runtime", "_samples_per_second", "_steps_per_second", "_tokens_per_second"),
    *("_model_preparation_time", "_jit_compilation_time"),
)


@attrs.frozen
class State:
    """A state of the trainer.

    Attributes
    ----------
    path : Path
    facts : mapping
        All but the history.
    rows : list of dict
        The entries of the history.
    lines : list of int
        The lines of these, where they are known already.
    findings : tuple of Finding
    whole : bool
        Whether nothing is missing.
    last : mapping
        The last of the rows.
    """

    path: Path
    facts: Mapping[str, Any] = attrs.field(factory=dict)
    rows: list[dict[str, Any]] = attrs.field(factory=list)
    lines: list[int] = attrs.field(factory=list)
    findings: tuple[Finding, ...] = ()
    whole: bool = True
    last: Mapping[str, Any] = attrs.field()

    @last.default
    def _last_row(self) -> Mapping[str, Any]:
        return self.rows[-1] if self.rows else {}

    @property
    def global_step(self) -> float:
        """The step it was saved at, as it says or as its rows tell."""
        return max(count_of(self.facts.get("global_step")), count_of(self.last.get("step")))

    @property
    def max_steps(self) -> float:
        """The step that was to be reached; 0 if that is not known."""
        return max(0, count_of(self.facts.get("max_steps")))

    def without_rows(self) -> State:
        """The same, where the rows are known from another state."""
        return attrs.evolve(self, rows=[], lines=[], last=self.last)

    def placed(self) -> list[tuple[int, dict[str, Any]]]:
        """Copies of the rows, with their lines in the file."""
        lines = self.lines or _lines(read_text(self.path, "").text, self.rows)
        return [(line, dict(row)) for line, row in zip(lines, self.rows, strict=True)]


def is_timing(name: str) -> bool:
    """Whether a name is that of a measurement of the machine and not of the training.

    Examples
    --------
    >>> is_timing("eval_g0_runtime"), is_timing("total_flos"), is_timing("eval_loss")
    (True, True, False)
    """
    return name == "total_flos" or name.endswith(_TIMINGS)


def is_closing(row: Mapping[str, Any]) -> bool:
    """Whether a row sums up the whole training: its loss is the mean over it."""
    return "train_runtime" in row and "loss" not in row


def read_object(path: Path, run: str) -> tuple[dict[str, Any] | None, tuple[Finding, ...]]:
    """The object in a JSON file; None with a finding when there is none."""
    text, findings = _text(path, run)
    found, problem = _parsed(text)
    if found is None and not findings:
        findings = (_finding(path, run, "bad-json", *problem),)
    return found, findings


def read_state(path: Path, run: str) -> State:
    """The state in a file; what is whole of a damaged one."""
    text, findings = _text(path, run)
    if not text.strip():
        return State(path, findings=findings, whole=False)
    found, problem = _parsed(text)
    if found is None:
        placed = list(_flat_rows(text))
        lines, rows = [line for line, _ in placed], [row for _, row in placed]
        facts = {name: value for name, value in _facts(text) if value is not None}
        message = f"{problem[0]}; {len(rows)} rows of its history are whole"
        damage = _finding(path, run, "bad-json", message, problem[1])
        return State(path, facts, rows, lines, (*findings, damage), whole=False)
    history = found.pop("log_history", None) or []
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        message = "its log_history is no list of objects"
        strange = _finding(path, run, "not-an-object", message)
        rows = [row for row in history if isinstance(row, dict)] if _is_list(history) else []
        return State(path, found, rows, [1] * len(rows), (*findings, strange), whole=False)
    return State(path, found, history, findings=findings)


def _text(path: Path, run: str) -> tuple[str, tuple[Finding, ...]]:
    found = read_text(path, run)
    return found.text, found.findings


def _parsed(text: str) -> tuple[dict[str, Any] | None, tuple[str, int | None]]:
    """The object that a text is, or what is wrong with it, and in which line."""
    try:
        # NaN is one object, so that rows with it are equal if the others of their values are.
        found = json.loads(text, parse_constant=_CONSTANTS.__getitem__)
    except json.JSONDecodeError as error:
        return None, (f"not JSON: {error.msg}, column {error.colno}", error.lineno)
    except (ValueError, RecursionError) as error:
        return None, (f"not readable: {error}", None)
    if not isinstance(found, dict):
        return None, (f"holds a {type(found).__name__}; expected an object", None)
    return found, ("", None)


def _finding(path: Path, run: str, code: str, message: str, line: int | None = None) -> Finding:
    hint = "the process was stopped while writing, or the file was edited"
    return Finding(code, message, Severity.ERROR, str(path), line, run, hint)


def _flat_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole rows in a damaged text, with their lines."""
    line, counted = 1, 0
    for match in _FLAT.finditer(text, max(text.find(_HISTORY), 0)):
        try:
            row = json.loads(match[0], parse_constant=_CONSTANTS.__getitem__)
        except ValueError:
            continue
        if "step" in row or "epoch" in row:
            line += text.count("\n", counted, match.start())
            counted = match.start()
            yield line, row


def _facts(text: str) -> Iterator[tuple[str, Any]]:
    for match in _FACT.finditer(text):
        try:
            yield match[1], json.loads(match[2])
        except ValueError:
            continue


def _lines(text: str, history: list[dict[str, Any]]) -> list[int]:
    """The line of each row."""
    start = max(text.find(_HISTORY), 0)
    line, counted = text.count("\n", 0, start) + 1, start
    if any(isinstance(v, dict | list) for row in history for v in row.values()):
        return [line] * len(history)
    lines: list[int] = []
    for match in itertools.islice(_FLAT.finditer(text, start), len(history)):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        lines.append(line)
    # A brace in a text hides the rows behind it.
    return lines + [line] * (len(history) - len(lines))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def count_of(value: Any) -> float:
    """A number of steps; 0 for what is none.

    Examples
    --------
    >>> count_of(500), count_of(None), count_of(10**400), count_of(float("nan"))
    (500, 0, 0, 0)
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and -_MANY < value < _MANY else 0
