"""What the names of columns mean: one table for all readers that have to guess.

**Splits.** A name holds a split when one of its words, between ``/ _ - . :`` or blanks, is one:

=========  ==============================================
split      written as
=========  ==============================================
train      train, training, tr
val        val, valid, validation, validate
dev        dev
eval       eval, evaluation, evaluate
test       test, testing
=========  ==============================================

* at the beginning, ``train/loss``, ``val_acc1``, ``test-loss``, ``valLoss``: the rest is the
  metric;
* at the end, ``loss/train``, ``loss_val``: what is before it is the metric (``std_dev``,
  ``max_val`` and the like are no splits);
* in the middle, ``best_val_acc``, ``imagenet-val-top1``: the whole name stays the metric;
* names that begin with ``coco/``, ``bbox/``, ``segm/``, ``keypoints/`` or ``pascal_voc/`` are
  evaluations, and so are ``metrics/mAP…``, ``metrics/precision…``, ``metrics/recall…`` and
  ``metrics/accuracy_top…``: split ``val``, the whole name stays the metric.

A name without a split belongs to the split of its row: the text of a column ``split`` or
``data_name`` (any text), or of ``subset``, ``mode``, ``phase``, ``stage``, ``partition``, ``set``,
``dataset``, ``type``, ``kind``, ``event``, ``prefix`` or ``tag`` (a word of the table, or one
before ``_``: ``train_step``). Without such a column it is that of the name of the file
(``val.jsonl``, ``eval_log.jsonl``, ``progress-maze-test.csv``), or else ``train``.

**x-axes.** Whole names, in any case; ours beside them where it differs:

===========  =====================================================================
x            columns
===========  =====================================================================
epoch        epoch, time/epoch
step         step, steps, current_steps, _step
global_step  global_step, trainer/global_step
iteration    iteration, training_iteration, time/iterations
iter         iter, iters, it
batch        batch, time/batch
update       update, nupdates, misc/nupdates
episode, …   episode, num_updates, env_steps, env_step, num_timesteps, timesteps_total,
             total_timesteps, time/total_timesteps, misc/total_timesteps, serial_timesteps,
             misc/serial_timesteps, timestep, frame, time/episodes: as logged
samples      samples, samples_seen, examples_seen, images_seen, time/sample
tokens       tokens, tokens_seen, num_input_tokens_seen, time/token
time         time, elapsed, elapsed_time, time_elapsed, time/time_elapsed, wall_time, walltime,
             wall, runtime, _runtime, time_total_s, misc/time_elapsed; in seconds
timestamp    timestamp, _timestamp, and a time column of seconds since 1970
===========  =====================================================================

Two columns of one row of the table: the first in its order gets our name, the others keep their
own. The counters epoch, step, global_step, iteration, iter and num_updates may carry a
split (``train/global_step``) and are then the x of that split, or of all where no other split
has them. Samples, tokens, timestep, frame, times and what begins with ``time/`` are an axis only
if they grow: `grows`. What falls again is a measurement, such as the seconds of one iteration.

**The machine.** Names that begin with ``system/`` or ``system.`` are no results of the training but
what the machine did meanwhile: `is_of_machine`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.readers.splits import SPLIT_OF, WORDS

__all__ = [
    "DEFAULT_SPLIT",
    "SPLIT_COLUMNS",
    "TIMES",
    "XColumn",
    "grows",
    "is_of_machine",
    "row_split",
    "split_name",
    "time_axis",
    "x_column",
]

DEFAULT_SPLIT: Final = "train"

# Words that mean something else too often in the middle of a name.
_NOT_INSIDE: Final = frozenset({"tr", "dev", "valid", "validate", "evaluate", "testing"})
# What makes a last word an abbreviation of value or deviation.
_NOT_BEFORE_LAST: Final = frozenset(
    {"std", "standard", "abs", "mad", "mean", "avg", "max", "min", "p", "init", "cur", "is"}
)
_EVALUATIONS: Final = (
    *("coco/", "bbox/", "segm/", "keypoints/", "pascal_voc/"),
    *("metrics/map", "metrics/precision", "metrics/recall", "metrics/accuracy_top"),
)

SPLIT_COLUMNS: Final = (
    *("split", "data_name", "subset", "mode", "phase", "stage", "partition", "set", "dataset"),
    *("type", "kind", "event", "prefix", "tag"),
)
"""Columns whose text may be the split of the row, by preference."""
_ANY_TEXT: Final = frozenset({"split", "data_name"})

_CAMEL: Final = re.compile(r"(train|training|val|valid|validation|dev|eval|test)(?=[A-Z])")

_X_COLUMNS: Final = {
    "epoch": ("epoch", "time/epoch"),
    "step": ("step", "steps", "current_steps", "_step"),
    "global_step": ("global_step", "trainer/global_step"),
    "iteration": ("iteration", "training_iteration", "time/iterations"),
    "iter": ("iter", "iters", "it"),
    "batch": ("batch", "time/batch"),
    "update": ("update", "nupdates", "misc/nupdates"),
    "num_updates": ("num_updates",),
    "episode": ("episode",),
    "env_steps": ("env_steps",),
    "env_step": ("env_step",),
    "num_timesteps": ("num_timesteps",),
    "timesteps_total": ("timesteps_total",),
    "total_timesteps": ("total_timesteps", "time/total_timesteps", "misc/total_timesteps"),
    "serial_timesteps": ("serial_timesteps", "misc/serial_timesteps"),
    "timestep": ("timestep",),
    "frame": ("frame",),
    "episodes": ("time/episodes",),
    "samples": ("samples", "samples_seen", "examples_seen", "images_seen", "time/sample"),
    "tokens": ("tokens", "tokens_seen", "num_input_tokens_seen", "time/token"),
    "time": (
        *("time", "elapsed", "elapsed_time", "time_elapsed", "time/time_elapsed", "wall_time"),
        *("walltime", "wall", "runtime", "_runtime", "time_total_s", "misc/time_elapsed"),
    ),
    "timestamp": ("timestamp", "_timestamp"),
}
_PER_SPLIT: Final = frozenset({"epoch", "step", "global_step", "iteration", "iter", "num_updates"})
_VOLUMES: Final = frozenset({"samples", "tokens", "timestep", "frame", "time", "timestamp"})
TIMES: Final = frozenset({"time", "timestamp"})
_SINCE_1970: Final = 1e8
_FALLS: Final = 0.05


@attrs.frozen
class XColumn:
    """A column that may hold an x-axis.

    Attributes
    ----------
    x : str
        Our name of the axis.
    rank : int
        Place in the table: the lower one gets the name when two columns mean the same.
    split : str or None
        The split whose x it is, None for all.
    must_grow : bool
        Whether it is an axis only if `grows` says so.
    """

    x: str
    rank: int
    split: str | None
    must_grow: bool

    @property
    def is_time(self) -> bool:
        """Whether it holds seconds."""
        return self.x in TIMES


_X_OF: Final = {
    # In the logs of others, time/epoch holds the seconds that an epoch took.
    column: XColumn(x, rank, None, x in _VOLUMES or column.startswith("time/"))
    for rank, (x, column) in enumerate((x, c) for x, columns in _X_COLUMNS.items() for c in columns)
}


def x_column(name: str) -> XColumn | None:
    """What x-axis a column may hold, or None.

    Examples
    --------
    >>> x_column("Epoch").x, x_column("current_steps").x, x_column("train/global_step").split
    ('epoch', 'step', 'train')
    >>> x_column("loss") is None
    True
    """
    folded = name.casefold()
    if folded in _X_OF:
        return _X_OF[folded]
    split, rest = split_name(name)
    found = _X_OF.get(rest.casefold()) if split is not None and rest != name else None
    if found is None or found.x not in _PER_SPLIT:
        return None
    return attrs.evolve(found, split=split)


def split_name(name: str) -> tuple[str | None, str]:
    """Split and metric that a column name means; the split is None when it names none.

    Examples
    --------
    >>> split_name("val_acc1"), split_name("loss/train"), split_name("best_val_acc")
    (('val', 'acc1'), ('train', 'loss'), ('val', 'best_val_acc'))
    >>> split_name("coco/bbox_mAP"), split_name("std_dev")
    (('val', 'coco/bbox_mAP'), (None, 'std_dev'))
    """
    if name.casefold().startswith(_EVALUATIONS):
        return "val", name
    if match := _CAMEL.match(name):
        return SPLIT_OF[match[1]], name[match.end() :]
    words = list(WORDS.finditer(name))
    if len(words) < 2:
        return None, name
    folded = [word[0].casefold() for word in words]
    if folded[0] in SPLIT_OF:
        return SPLIT_OF[folded[0]], name[words[1].start() :]
    if folded[-1] in SPLIT_OF and folded[-2] not in _NOT_BEFORE_LAST:
        return SPLIT_OF[folded[-1]], name[: words[-2].end()]
    inside = {SPLIT_OF[w] for w in folded[1:-1] if w in SPLIT_OF and w not in _NOT_INSIDE}
    return (inside.pop() if len(inside) == 1 else None), name


def row_split(column: str, text: str) -> str | None:
    """The split that `text` in a column of `SPLIT_COLUMNS` names, or None.

    Examples
    --------
    >>> row_split("mode", "Validation"), row_split("mode", "eager"), row_split("split", "holdout")
    ('val', None, 'holdout')
    >>> row_split("event", "train_step"), row_split("split", "train_clean")
    ('train', 'train_clean')
    """
    word = text.strip()
    known = SPLIT_OF.get(word.casefold())
    if known is None and column in _ANY_TEXT:
        return word or None
    return known or SPLIT_OF.get(word.partition("_")[0].casefold())


def is_of_machine(name: str) -> bool:
    """Whether a metric by its name tells of the machine and not of the training.

    Examples
    --------
    >>> is_of_machine("system/cpu_utilization_percentage"), is_of_machine("system_loss")
    (True, False)
    """
    return name.startswith(("system/", "system."))


def grows(values: Sequence[float] | NDArray[Any]) -> bool:
    """Whether values in the order logged run on: they rise, and fall in at most 1 of 20 steps.

    A resumed run may start its clock again; a measurement falls every other time.

    Examples
    --------
    >>> grows([1.5, 3.0, 4.5]), grows([1.5, 1.4, 1.6]), grows([2.0, 2.0])
    (True, False, False)
    """
    steps = np.diff(np.asarray(values, np.float64))
    rises, falls = bool((steps > 0).any()), int(np.count_nonzero(steps < 0))
    return len(steps) == 0 or (rises and falls <= _FALLS * len(steps))


def time_axis(x: str, first: float) -> str:
    """The name of a time axis that begins at `first`: seconds since 1970 are a timestamp."""
    return "timestamp" if x == "time" and first >= _SINCE_1970 else x
