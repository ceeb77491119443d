"""What is known of a run from its event files and those of Guild, beside its curves.

Hyperparameters come from what ``add_hparams`` and the callback of Keras write for the hparams
plugin (``plugins/hparams/plugin_data.proto`` of TensorBoard), and from texts whose tag is called
like a configuration: JSON (Hugging Face: ``args``), a table (CleanRL: ``hyperparameters``), or a
name and a value a line.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.protobuf import (
    FIXED64,
    LENGTH,
    VARINT,
    MalformedMessageError,
    fields,
)
from dr_gen.readers.settings import CONFIG_KEYS, differing, flat_config, named, read_settings
from dr_gen.readers.tensorboard.folders import GUILD_FACTS
from dr_gen.readers.tensorboard.names import GUILD
from dr_gen.readers.tensorboard.scalars import Said
from dr_gen.readers.typed_texts import typed

__all__ = ["Facts", "Trial", "guild_facts", "is_restart", "summary", "trial_of"]

_ENDS: Final = {1: "completed", 2: "failed", 3: "running"}
_EXACT: Final = 2**53
_DEEPEST: Final = 16
_LONGEST_TEXT: Final = 4000
_MOST_TEXTS: Final = 50
_LONGEST_CONFIG: Final = 1 << 22
_ROW: Final = re.compile(r"\s*\|(?P<name>[^|]*)\|(?P<value>.*)\|\s*")
_RULE: Final = re.compile(r"[\s|:-]+")
_LINE: Final = re.compile(r"(?P<name>[A-Za-z_][\w./-]*)\s*[:=]\s+?(?P<value>.*)")
_TOO_LATE: Final = 1.0
"""Seconds after which a scalar shows that a run went on that had said that it ends."""


@attrs.frozen
class Trial:
    """What was written for the hparams plugin.

    Attributes
    ----------
    hpms : dict
    end : str or None
        ``completed``, ``failed`` or ``running``.
    ended : float
        When that was said, in seconds since 1970; NaN where it was not.
    group : str
        What trials with the same hyperparameters are called together; empty without.
    """

    hpms: dict[str, Any] = attrs.field(factory=dict)
    end: str | None = None
    ended: float = math.nan
    group: str = ""

    @property
    def is_there(self) -> bool:
        """Whether anything was written."""
        return bool(self.hpms) or self.end is not None

    def is_over(self, last: float) -> bool:
        """Whether it said how it ended, and nothing was logged after that.

        Some say so with the hyperparameters, and train then: `last` is the time of the last scalar.
        """
        went_on = math.isfinite(self.ended) and last > self.ended + _TOO_LATE
        return self.end is not None and not went_on


def trial_of(said: Iterable[Said]) -> Trial:
    """What the events of a file say to the hparams plugin; the last one counts."""
    trial = Trial()
    for one in said:
        if one.extra.what != "hparams":
            continue
        try:
            for number, kind, value in fields(one.extra.content):
                if number == 3 and kind == LENGTH and isinstance(value, bytes):
                    hpms, group = _session(value)
                    trial.hpms.update(hpms)
                    trial = attrs.evolve(trial, group=group)
                elif number == 4 and kind == LENGTH and isinstance(value, bytes):
                    end = _ENDS.get(_first(value, 1, 0))
                    trial = attrs.evolve(trial, end=end, ended=one.wall)
        except MalformedMessageError:
            continue  # what was said before it counts
    return trial


def is_restart(content: bytes) -> bool:
    """Whether a session of a writer starts here (``purge_step``)."""
    try:
        return _first(content, 1, 0) == 1
    except MalformedMessageError:
        return False


def _first(message: bytes, field: int, default: int) -> int:
    found = (v for number, kind, v in fields(message) if number == field and kind == VARINT)
    return next((value for value in found if isinstance(value, int)), default)


def _session(message: bytes) -> tuple[dict[str, Any], str]:
    hpms, group = {}, ""
    for number, kind, value in fields(message):
        if kind != LENGTH or not isinstance(value, bytes):
            continue
        if number == 1:
            name, cell = _pair(value)
            hpms[name] = cell
        elif number == 4:
            group = _text(value)
    flat, _ = flat_config(hpms)
    return flat, group


def _pair(message: bytes, depth: int = 0) -> tuple[str, Any]:
    """One entry of a mapping of names to values."""
    name, cell = "", None
    for number, kind, value in fields(message):
        if kind == LENGTH and isinstance(value, bytes):
            if number == 1:
                name = _text(value)
            elif number == 2:
                cell = _cell(value, depth)
    return name, cell


def _cell(message: bytes, depth: int) -> Any:
    """A ``google.protobuf.Value``; what is nested too deeply is null."""
    cell: Any = None
    for number, kind, value in fields(message):
        if number == 2 and kind == FIXED64 and isinstance(value, bytes):
            real = struct.unpack("<d", value)[0]
            # There are no whole numbers in this format: a batch size is written as 32.0.
            cell = int(real) if real.is_integer() and abs(real) < _EXACT else real
        elif number == 3 and kind == LENGTH and isinstance(value, bytes):
            cell = _text(value)
        elif number == 4 and isinstance(value, int):
            cell = bool(value)
        elif kind == LENGTH and isinstance(value, bytes) and depth < _DEEPEST:
            inner = [v for n, k, v in fields(value) if n == 1 and k == LENGTH]
            parts = [part for part in inner if isinstance(part, bytes)]
            if number == 5:
                cell = dict(_pair(part, depth + 1) for part in parts)
            elif number == 6:
                cell = [_cell(part, depth + 1) for part in parts]
    return cell


def _text(content: bytes) -> str:
    return content.decode(errors="backslashreplace")


# ------------------------------------------------------------------ all of a run


@attrs.define
class Facts:
    """What is known of one run, while its files are looked through.

    Attributes
    ----------
    path : Path
    run : str
        For findings.
    hpms, metadata : dict
    findings : list of Finding
    skipped : Counter
        What was passed over.
    configs : dict
        Tag to the text of each configuration.
    """

    path: Path
    run: str
    hpms: dict[str, Any] = attrs.field(factory=dict)
    metadata: dict[str, Any] = attrs.field(factory=dict)
    findings: list[Finding] = attrs.field(factory=list)
    skipped: Counter[str] = attrs.field(factory=Counter)
    configs: dict[str, str] = attrs.field(factory=dict)

    def note(
        self,
        code: str,
        message: str,
        severity: Severity = Severity.WARNING,
        hint: str = "",
        path: Path | None = None,
    ) -> None:
        """Add a finding."""
        place = str(self.path if path is None else path)
        self.findings.append(Finding(code, message, severity, place, None, self.run, hint))

    def settle(self, hpms: Mapping[str, Any], where: str) -> None:
        """Hyperparameters from one more place; those of an earlier one count."""
        common = {key: value for key, value in hpms.items() if key in self.hpms}
        if clash := differing(common, {key: self.hpms[key] for key in common}):
            message = f"the events and {where} differ in {named(clash)}"
            self.note("config-conflict", message, hint="the events count")
        for key, value in hpms.items():
            self.hpms.setdefault(key, value)

    def hear(self, said: Iterable[Said]) -> None:
        """Texts: those that are a configuration give hyperparameters, others are kept if short."""
        texts: dict[str, str] = self.metadata.setdefault("texts", {})
        for one in said:
            if one.extra.what != "text":
                continue
            tag = _text(one.extra.tag).removesuffix("/text_summary")
            text = _text(one.extra.content)
            if self.configs.get(tag) == text:
                continue  # a resumed run says it once more
            config = _configuration(tag, text) if len(text) <= _LONGEST_CONFIG else None
            if config is not None:
                self.configs[tag] = text
                self.settle(config, f"the text {tag!r}")
            elif len(text) <= _LONGEST_TEXT and (tag in texts or len(texts) < _MOST_TEXTS):
                self.skipped["earlier text"] += tag in texts
                texts[tag] = text
            else:
                self.skipped["text"] += 1
        if not texts:
            del self.metadata["texts"]

    def end(self, trial: Trial, last: float) -> None:
        """How the run ended, if nothing was logged after it said so."""
        if trial.group:
            self.metadata["group"] = trial.group
        if trial.is_over(last):
            self.metadata["end"] = {"status": trial.end, "reason": None}


def _configuration(tag: str, text: str) -> dict[str, Any] | None:
    """The hyperparameters in a text, None if it is none of a configuration."""
    name = tag.rsplit("/", 1)[-1].casefold()
    if name not in CONFIG_KEYS and not name.endswith(("config", "_args", "_params")):
        return None
    found = _json(text)
    if found is None:
        found = _table(text) or _lines(text)
    if not found:
        return None
    flat, _ = flat_config(found)
    prefix = "" if name in CONFIG_KEYS else f"{tag.replace('/', '.')}."
    return {f"{prefix}{key}": value for key, value in flat.items()}


def _json(text: str) -> dict[str, Any] | None:
    bare = text.strip().strip("`").removeprefix("json").strip()
    if not bare.startswith("{"):
        return None
    try:
        found = json.loads(bare)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _table(text: str) -> dict[str, Any]:
    """The rows of a table of Markdown with two columns."""
    rows = [match for line in text.splitlines() if (match := _ROW.fullmatch(line))]
    if len(rows) < 3 or not _RULE.fullmatch(rows[1][0]):
        return {}
    return {row["name"].strip(): typed(row["value"].strip()) for row in rows[2:]}


def _lines(text: str) -> dict[str, Any]:
    """Names and values, if there is nothing else in the text."""
    lines = [line for line in text.splitlines() if line.strip(" `")]
    found = [match for line in lines if (match := _LINE.fullmatch(line.rstrip()))]
    if len(found) < max(1, len(lines)) or any(not match["value"].strip() for match in found):
        return {}
    return {match["name"]: typed(match["value"].strip().strip("'\"")) for match in found}


def summary(values: NDArray[np.float64]) -> dict[str, float | int]:
    """What is kept of a metric of the machine: how many values, and between what."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return {"n": len(values)}
    low, high = float(known.min()), float(known.max())
    return {"n": len(values), "min": low, "mean": float(known.mean()), "max": high}


# ------------------------------------------------------------------ Guild


def guild_facts(facts: Facts, parts: Sequence[Path]) -> None:
    """Add what Guild keeps of a run: its flags, and how the process ended."""
    found = {
        path.name: path
        for path in parts
        if path.name in GUILD_FACTS and path.parent.parent.name == GUILD
    }
    if not found:
        return
    texts = {
        name: text
        for name, path in found.items()
        if name != "flags" and (text := _content(facts, path)) is not None
    }
    if "flags" in found:
        flags = read_settings(found["flags"], facts.run)
        facts.findings += flags.findings
        facts.settle(flags.hpms, "the flags of Guild")
    if "random_seed" in texts:
        facts.hpms.setdefault("random_seed", typed(texts["random_seed"]))
    if texts:
        facts.metadata["guild"] = {name: typed(text) for name, text in texts.items()}
    status = texts.get("exit_status")
    if status is not None:
        ended = "completed" if status == "0" else "failed"
        reason = None if status == "0" else f"exit status {status}"
        facts.metadata["end"] = {"status": ended, "reason": reason}


def _content(facts: Facts, path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return _text(file.read(_LONGEST_TEXT)).strip()
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        facts.note("bad-sidecar", message, path=path)
        return None
