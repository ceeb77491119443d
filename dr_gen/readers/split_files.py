"""Runs that have a file for each split, such as ``train.jsonl`` and ``val.jsonl`` in one folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np

from dr_gen.model.curve_table import CurveTable
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.run import RunData
from dr_gen.readers.contract import Claim
from dr_gen.readers.settings import differing, named
from dr_gen.readers.splits import any_split, file_split
from dr_gen.readers.tree import Tree, is_usual_log, stem_of

__all__ = ["as_one", "claims_by_split"]

_WORDS: Final = re.compile(r"[^-_. ]+")


def claims_by_split(tree: Tree, suffixes: Iterable[str]) -> Iterator[Claim]:
    """The files of each folder that are called alike but for the name of the split.

    Parameters
    ----------
    tree : Tree
    suffixes : iterable of str
        How such files may end.

    Examples
    --------
    >>> files = ["a/train.csv", "a/eval.csv", "b/log-x-train.csv", "b/log-x-test.csv", "b/test.csv"]
    >>> for claim in claims_by_split(Tree.of(files), [".csv"]):
    ...     print(claim.path, claim.parts, claim.named)
    a/train.csv ('a/eval.csv',) a
    b/log-x-train.csv ('b/log-x-test.csv',) b/log-x
    """
    ends = tuple(suffixes)
    for folder, names in tree.folders.items():
        if not any_split(names):
            continue
        alike: dict[tuple[str, str], dict[str, str]] = {}
        for name in names:
            if not name.endswith(ends):
                continue
            stem = stem_of(name)
            split = file_split(stem)
            if split is not None:
                key = _without_split(stem), name[len(stem) :]
                alike.setdefault(key, {}).setdefault(split, name)
        for (stem, suffix), by_split in alike.items():
            if len(by_split) > 1:
                first, *rest = sorted(by_split, key=lambda split: (split != "train", split))
                path = os.path.join(folder, by_split[first])
                parts = tuple(os.path.join(folder, by_split[split]) for split in rest)
                of_folder = not stem or is_usual_log(stem + suffix)
                run = folder or os.curdir if of_folder else os.path.join(folder, stem)
                yield Claim(path, parts, run)


def _without_split(stem: str) -> str:
    """What a name is without the split that it begins or ends with."""
    words = [match.span() for match in _WORDS.finditer(stem)]
    if len(words) < 2:
        return ""
    if file_split(stem[slice(*words[0])]) is not None:
        return stem[words[1][0] :]
    return stem[: words[-2][1]]


def as_one(runs: Sequence[RunData]) -> RunData | None:
    """Runs read from the files of one run as that run; None if two have a curve of one name.

    Parameters
    ----------
    runs : sequence of RunData
        At least one; the first gives id, experiment and source. Each is a table of its own.
    """
    first = runs[0]
    names = [name for run in runs for name in run.metrics]
    if len(set(names)) < len(names):
        return None
    table = CurveTable.concat([run.table.curves for run in runs], [1] * len(runs))
    curves = attrs.evolve(table, run=np.zeros_like(table.run))
    hpms: dict[str, Any] = {}
    findings: list[Finding] = []
    metadata: dict[str, Any] = {}
    for run in runs:
        findings += run.findings
        metadata = _filled_in(metadata, run.record.metadata)
        both = [key for key in run.hpms if key in hpms]
        if clash := differing({k: hpms[k] for k in both}, {k: run.hpms[k] for k in both}):
            message = f"other values than in {first.source} for {named(clash)}"
            hint = "the first file counts; two runs in one folder? give each its own"
            about = (message, Severity.WARNING, run.source, None, first.id, hint)
            findings.append(Finding("config-conflict", *about))
        hpms = {**run.hpms, **hpms}
    facts = {"experiment": first.experiment, "source": first.source, "metadata": metadata}
    time = first.record.time_parsed
    return RunData.build(first.id, hpms, curves, findings=findings, time_parsed=time, **facts)


def _filled_in(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Facts with what they lack from others, inside of dicts as well."""
    out = {**more, **known}
    for name, value in known.items():
        if isinstance(value, dict) and isinstance(more.get(name), dict):
            out[name] = {**more[name], **value}
    return out
