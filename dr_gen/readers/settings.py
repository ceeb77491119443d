"""Hyperparameters in the files of other people: flat keys, and the settings files beside a log."""

from __future__ import annotations

import errno
import functools
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.errors import UsageError
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.hpm import canonical, plain_value

__all__ = [
    "CONFIG_KEYS",
    "SIDECARS",
    "Settings",
    "differing",
    "flat_config",
    "named",
    "read_document",
    "read_settings",
    "read_sidecars",
]

CONFIG_KEYS: Final = (
    "config",
    "cfg",
    "params",
    "hparams",
    "hyperparameters",
    "hyperparams",
    "args",
)
"""Keys of a line that hold the configuration of the run, as a dict."""

_STEMS: Final = ("config", "args", "hparams", "params", "parameters")
SIDECARS: Final = (
    *(f"{stem}{suffix}" for stem in _STEMS for suffix in (".json", ".yaml", ".yml")),
    ".hydra/config.yaml",
)
"""Files beside a log that are read for its hyperparameters; earlier ones win."""

_MOST_VALUES: Final = 200_000


@attrs.frozen
class Settings:
    """Hyperparameters found for a run.

    Attributes
    ----------
    hpms : mapping
        Dotted key to value.
    findings : tuple of Finding
    """

    hpms: Mapping[str, Any] = attrs.field(factory=dict)
    findings: tuple[Finding, ...] = ()


def flat_config(config: Mapping[Any, Any]) -> tuple[dict[str, Any], list[str]]:
    """A nested configuration under dotted keys, and what is wrong with it in words.

    A key that is there twice, dotted and nested, keeps its first value. What no configuration
    holds becomes text.

    Examples
    --------
    >>> flat_config({"optim": {"lr": 0.1}, "optim.lr": 0.2})
    ({'optim.lr': 0.1}, ["key 'optim.lr' is there twice, dotted and nested; the first counts"])
    """
    flat: dict[str, Any] = {}
    problems: list[str] = []
    waiting: list[tuple[str, int, Iterator[tuple[Any, Any]]]]
    waiting = [("", id(config), iter(config.items()))]
    while waiting:
        prefix, _, items = waiting[-1]
        for name, value in items:
            key = f"{prefix}{name}"
            # YAML can name a mapping inside itself.
            inside_itself = any(id(value) == outer for _, outer, _ in waiting)
            if isinstance(value, Mapping) and value and not inside_itself:
                waiting.append((f"{key}.", id(value), iter(value.items())))
                break
            if key in flat:
                problems.append(f"key {key!r} is there twice, dotted and nested; the first counts")
                continue
            try:
                flat[key] = plain_value(value, key)
            except (UsageError, RecursionError):
                flat[key] = f"<{type(value).__name__}>"
                problems.append(f"key {key!r} holds a {type(value).__name__} that is no plain data")
        else:
            waiting.pop()
    return flat, problems


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Keys with different values in two flat configurations, in the order of the first."""
    keys = dict.fromkeys((*a, *b))
    return [k for k in keys if k not in a or k not in b or canonical(a[k]) != canonical(b[k])]


def named(keys: Sequence[str], limit: int = 5) -> str:
    """Keys for a message, shortened."""
    more = f", … {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + more


# ------------------------------------------------------------------ files beside a log


def read_sidecars(path: Path, run: str) -> Settings:
    """Hyperparameters from the settings files beside a log; of two files the earlier wins."""
    hpms: dict[str, Any] = {}
    findings: list[Finding] = []
    folder, own = os.path.split(path)
    for name in SIDECARS:
        if name == own or not _may_be_read(os.path.join(folder, name)):
            continue
        file = path.parent / name
        settings = read_settings(file, run)
        found = settings.hpms
        findings += settings.findings
        common = {key: found[key] for key in found if key in hpms}
        if clash := [key for key in differing(common, hpms) if key in common]:
            message = f"other values than in an earlier settings file for {named(clash)}"
            hint = f"the earlier file counts ({', '.join(SIDECARS)})"
            findings.append(_sidecar_finding(file, run, message, hint=hint, code="config-conflict"))
        hpms = {**found, **hpms}
    return Settings(hpms, tuple(findings))


def _may_be_read(file: str) -> bool:
    """Whether there is a file, as far as one can see: reading it says what is wrong."""
    try:
        return stat.S_ISREG(os.stat(file).st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        return error.errno != errno.ELOOP


def read_settings(file: Path, run: str) -> Settings:
    """The hyperparameters in one settings file, JSON or YAML; what is wrong is a finding."""
    data, findings = read_document(file, run)
    if data is None:
        return Settings({}, tuple(findings))
    if not isinstance(data, dict):
        message = f"holds a {type(data).__name__}; expected names with values"
        return Settings({}, (*findings, _sidecar_finding(file, run, message)))
    flat, problems = flat_config(_unwrapped(data))
    if file.suffix != ".json":
        # Here, since who has no such file needs none of it.
        from dr_gen.readers.interpolation import interpolated

        flat = interpolated(flat)
    found = (_sidecar_finding(file, run, text) for text in problems)
    return Settings(flat, (*findings, *found))


def read_document(file: Path, run: str) -> tuple[Any, list[Finding]]:
    """What a JSON file, or else a YAML file, holds; None with a finding if it cannot be read."""
    parse = _parse_json if file.suffix == ".json" else _parse_yaml
    try:
        data, problem, line = parse(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        message = f"the settings file cannot be read: {error.strerror or error}"
        return None, [_sidecar_finding(file, run, message)]
    except UnicodeDecodeError as error:
        data, problem, line = None, f"not UTF-8: {error.reason}", None
    except (RecursionError, ValueError) as error:
        data, problem, line = None, f"not readable: {error}", None
    return data, [_sidecar_finding(file, run, problem, line)] if problem else []


_Parsed = tuple[Any, str, int | None]
"""Content of a settings file, and what is wrong with it in which line."""


def _parse_json(text: str) -> _Parsed:
    try:
        return json.loads(text), "", None
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg}, column {error.colno}", error.lineno


def _parse_yaml(text: str) -> _Parsed:
    import yaml

    try:
        data = yaml.load(text, _yaml_loader())
        if _n_values(data, {}) > _MOST_VALUES:
            return None, f"its aliases stand for more than {_MOST_VALUES} values", None
        return data, "", None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else None
        return None, f"not YAML: {error.problem or error.context}", line
    except yaml.YAMLError as error:
        return None, f"not YAML: {str(error).splitlines()[0]}", None


def _n_values(data: Any, known: dict[int, int]) -> int:
    """How many values there are; what is named in many places counts in each."""
    if not isinstance(data, dict | list):
        return 1
    if id(data) not in known:
        known[id(data)] = 1  # where it is inside itself
        inner = data.values() if isinstance(data, dict) else data
        known[id(data)] = 1 + sum(_n_values(value, known) for value in inner)
    return known[id(data)]


def _unwrapped(data: dict[Any, Any]) -> dict[Any, Any]:
    """A configuration as Weights & Biases writes it, ``{key: {desc, value}}``, without that."""
    body = {k: v for k, v in data.items() if k not in ("_wandb", "wandb_version")}
    wrapped = all(
        isinstance(v, dict) and "value" in v and v.keys() <= {"value", "desc"}
        for v in body.values()
    )
    return {key: v["value"] for key, v in body.items()} if wrapped else data


def _sidecar_finding(
    file: Path,
    run: str,
    message: str,
    line: int | None = None,
    *,
    hint: str = "hyperparameters in it are missing from the run",
    code: str = "bad-sidecar",
) -> Finding:
    return Finding(code, message, Severity.WARNING, str(file), line, run, hint)


@functools.cache
def _yaml_loader() -> Any:
    """A safe loader that reads 1e-4 as a number and objects of Python as what they hold."""
    import yaml

    number = re.compile(
        r"""[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+
        |\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
        re.VERBOSE,
    )
    # Twenty times as fast, where it was compiled: settings may hold whole objects, of megabytes.
    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[valid-type, misc]
        pass

    def plain(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)  # type: ignore[arg-type]

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789."))
    Loader.add_multi_constructor("tag:yaml.org,2002:python/", plain)
    Loader.add_multi_constructor("!", plain)
    return Loader
