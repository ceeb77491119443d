"""Whether less or more of a metric is better."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

__all__ = ["Direction", "direction_of"]

Direction = Literal["min", "max"]

_ERRORS = """bpb bpc bpd brier cer crossentropy der divergence ece entropy epe eqodds err errors
    fde fid fvd gap kid kl ler lpips mae mape mase mer mpjpe mse nll nmse perplexity ppl
    regret rmse rmsle smape ter wer"""
_LESS_IS_BETTER = frozenset(_ERRORS.split())
_MORE_IS_BETTER = frozenset({"improvement", "reduction"})
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


def direction_of(metric: str, overrides: Mapping[str, Direction] | None = None) -> Direction:
    """``"min"`` for losses and errors, ``"max"`` for everything else.

    Parameters
    ----------
    metric : str
        Metric name, with or without its split.
    overrides : mapping, optional
        Metric name (with or without split) to direction; wins over the guess.

    Examples
    --------
    >>> direction_of("val/acc1"), direction_of("train/bbox_loss"), direction_of("RMSE")
    ('max', 'min', 'min')
    >>> direction_of("score", {"score": "min"})
    'min'
    """
    for name in (metric, metric.partition("/")[2]):
        if overrides and name in overrides:
            return overrides[name]
    words = [word.casefold() for word in _WORDS.findall(metric)]
    if any(word in _MORE_IS_BETTER for word in words):
        return "max"
    lossy = any(
        word in _LESS_IS_BETTER
        or word.endswith(("loss", "losses", "error"))
        or word.startswith("loss")
        for word in words
    )
    # The phone error rate is a name by itself; elsewhere `per` is a word: per_class_acc.
    lossy = lossy or words[-1:] == ["per"]
    tail = [word.casefold() for word in _WORDS.findall(metric.rpartition("/")[2])]
    # neg_log_likelihood, and the negated errors of scikit-learn: neg_mean_squared_error.
    if tail and tail[0] in ("neg", "negative"):
        lossy = not lossy
    return "min" if lossy else "max"
