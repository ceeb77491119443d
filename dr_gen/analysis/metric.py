"""Which metric is meant, also when none is named."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from dr_gen.errors import UsageError
from dr_gen.model.address import MetricAddress
from dr_gen.model.direction import direction_of
from dr_gen.model.group import RunGroup

__all__ = ["DEFAULT_REDUCTION", "default_metric", "resolve_metric"]

DEFAULT_REDUCTION: Final = "best"
"""What becomes of a curve when an address names no reduction."""

_SPLITS: Final = (
    frozenset({"val", "valid", "validation", "dev"}),
    frozenset({"eval", "evaluation"}),
    frozenset({"test", "testing"}),
)
_TRAIN: Final = frozenset({"train", "training"})

_KINDS: Final = (
    re.compile(r"(^|[^a-z])(acc(uracy|uracies)?|top[-_ ]?1)([^a-z]|$)"),
    re.compile(
        r"(^|[^a-z])(f1|map|ap|auc|auroc|m?iou|dice|bleu|rouge|psnr|ssim|em|(mean_?)?rew(ard)?s?|"
        r"returns?|scores?|success|win_?rate)([^a-z]|$)"
    ),
)
_TOP_K: Final = re.compile(r"(acc|top)[^0-9]*[2-9]")


def default_metric(group: RunGroup) -> MetricAddress | None:
    """The metric that a reader would look at first, as ``split/metric@best``.

    In this order: a metric that at least half as many runs have as the most common one; one of a
    known kind (accuracy, another score, a loss or error) before any other; the split ``val``,
    then ``eval``, ``test``, any other, ``train``; accuracy, then other scores (F1, mAP, reward …),
    then losses; top-1 before top-5; the shortest name, then the first by alphabet.

    Returns
    -------
    MetricAddress or None
        None when no run has a metric.

    Examples
    --------
    >>> from dr_gen.model.run import RunData
    >>> run = RunData.from_dict({"id": "a", "curves": {
    ...     "train/acc1": [1.0], "val/acc5": [1.0], "val/acc1": [1.0], "val/loss": [1.0]}})
    >>> str(default_metric(RunGroup.from_runs([run])))
    'val/acc1@best'
    """
    counts = _runs_having(group)
    common = [name for name, n in counts.items() if 2 * n >= max(counts.values())]
    if not common:
        return None
    return MetricAddress.parse(min(common, key=lambda name: _order(group, name)), DEFAULT_REDUCTION)


def resolve_metric(group: RunGroup, metric: str | MetricAddress | None) -> MetricAddress:
    """The address meant, with its split and a reduction; `default_metric` for None.

    Raises
    ------
    UnknownKeyError
        If no run has such a metric.
    AmbiguousNameError
        If no split is named and several have the metric.
    UsageError
        If none is named and no run has any.
    """
    if metric is not None:
        return group.address(metric, default=DEFAULT_REDUCTION)
    found = default_metric(group)
    if found is None:
        raise UsageError("no run has a metric; there is nothing to summarize")
    return found


def _runs_having(group: RunGroup) -> dict[str, int]:
    """How many runs of the group have each ``split/metric``."""
    table = group.table.curves
    mine = np.isin(table.run, group.indices)
    pairs = np.column_stack([table.split[mine], table.metric[mine], table.run[mine]])
    distinct, counts = np.unique(np.unique(pairs, axis=0)[:, :2], axis=0, return_counts=True)
    rows = zip(distinct.tolist(), counts.tolist(), strict=True)
    return {f"{table.splits[s]}/{table.metrics[m]}": n for (s, m), n in rows}


def _order(group: RunGroup, name: str) -> tuple[bool, int, int, bool, int, str]:
    split, _, metric = name.partition("/")
    kind = _kind(group, name)
    unknown = kind == len(_KINDS) + 1
    return (unknown, _split_rank(split), kind, bool(_TOP_K.search(name)), len(metric), name)


def _split_rank(split: str) -> int:
    folded = split.casefold()
    for rank, names in enumerate(_SPLITS):
        if folded in names:
            return rank
    return len(_SPLITS) + (folded in _TRAIN)


def _kind(group: RunGroup, name: str) -> int:
    """0 for accuracy, 1 for other scores, 2 for losses and errors, 3 for anything else."""
    metric = name.partition("/")[2].casefold()
    for kind, pattern in enumerate(_KINDS):
        if pattern.search(metric):
            return kind
    return len(_KINDS) + (direction_of(name, group.directions) != "min")
