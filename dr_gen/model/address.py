"""Metric addresses: ``split/metric``, with an optional ``@reduction``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from dr_gen.errors import AmbiguousNameError, UnknownKeyError, UsageError

__all__ = ["REDUCTIONS", "MetricAddress", "Reduction", "find_address"]

REDUCTIONS = ("best", "last", "first", "min", "max", "mean", "median")
_ALLOWED = "best, last, first, min, max, mean, median, mean:5 (last five), epoch=17 (at a point)"
_AT_X = re.compile(r"(?P<x>[^=]+)=(?P<value>[-+0-9.eE]+)")
_CUTOFF = re.compile(r"\[?\.?[0-9].*")
_TAIL = re.compile(r"(?P<kind>mean|median|min|max|best):(?P<count>[0-9]+)")


@attrs.frozen
class Reduction:
    """How a curve becomes one number.

    Attributes
    ----------
    kind : str
        One of `REDUCTIONS`, or ``"at"`` for the value at a point.
    count : int or None
        With ``mean:5`` and the like: only the last `count` points.
    x_name, x : str or None, float or None
        With ``epoch=17``: the axis and the point.
    """

    kind: str
    count: int | None = None
    x_name: str | None = None
    x: float | None = None

    @classmethod
    def parse(cls, text: str) -> Reduction:
        """Read ``best``, ``mean:5`` or ``epoch=17``.

        Raises
        ------
        UsageError
            If the text is none of them.
        """
        if text in REDUCTIONS:
            return cls(text)
        if match := _TAIL.fullmatch(text):
            count = int(match["count"])
            if count > 0:
                return cls(match["kind"], count=count)
        if match := _AT_X.fullmatch(text):
            try:
                return cls("at", x_name=match["x"].strip(), x=float(match["value"]))
            except ValueError:
                pass
        raise UsageError(f"unknown reduction @{text}; allowed are {_ALLOWED}")

    def __str__(self) -> str:
        if self.kind == "at":
            return f"{self.x_name}={self.x:g}"
        return self.kind if self.count is None else f"{self.kind}:{self.count}"


@attrs.frozen
class MetricAddress:
    """Where a metric is, and what to make of its curve.

    Attributes
    ----------
    split : str or None
        ``None`` when only a metric was named: the one split that has it is meant.
    metric : str
        May itself hold slashes, and an ``@`` before a number, as in ``recall@10``.
    reduction : Reduction or None
        ``None`` for the whole curve.

    Examples
    --------
    >>> MetricAddress.parse("val/acc1@best")
    MetricAddress(split='val', metric='acc1', reduction=Reduction(kind='best', ...))
    >>> str(MetricAddress.parse("val/acc1@epoch=17"))
    'val/acc1@epoch=17'
    >>> MetricAddress.parse("val/recall@10@best").metric
    'recall@10'
    """

    split: str | None
    metric: str
    reduction: Reduction | None = None

    @classmethod
    def parse(cls, text: str | MetricAddress, default: str | None = None) -> MetricAddress:
        """Read an address; `default` is the reduction for one that names none.

        Raises
        ------
        UsageError
            If there is no metric name, or the reduction is unknown.
        """
        if isinstance(text, MetricAddress):
            address = text
        else:
            path, at, reduction = text.strip().rpartition("@")
            # No reduction begins with a number, but names do: acc@1, mAP@0.5, mAP@[.5:.95].
            if not at or _CUTOFF.fullmatch(reduction):
                path, at = text.strip(), ""
            split, slash, metric = path.partition("/")
            name = metric if slash else split
            if not name or (slash and not split):
                raise UsageError(
                    f"metric address {text!r} is not of the form split/metric[@reduction]"
                )
            parsed = Reduction.parse(reduction) if at else None
            address = cls(split if slash else None, name, parsed)
        if address.reduction is None and default is not None:
            return attrs.evolve(address, reduction=Reduction.parse(default))
        return address

    @property
    def curve(self) -> str:
        """The address without its reduction."""
        return self.metric if self.split is None else f"{self.split}/{self.metric}"

    def __str__(self) -> str:
        return self.curve if self.reduction is None else f"{self.curve}@{self.reduction}"


def find_address(
    address: str | MetricAddress,
    known: Sequence[tuple[str, str]],
    context: str = "",
    default: str | None = None,
) -> MetricAddress:
    """The curve that an address means among `known` pairs of split and metric.

    Raises
    ------
    UnknownKeyError
        If none of them is meant.
    AmbiguousNameError
        If several are, as when no split was named.
    UsageError
        If it is no address.
    """
    names = {pair: "/".join(pair) for pair in known}
    # As it stands first, since a name in a log may hold what has a meaning in an address.
    hits = [pair for pair, name in names.items() if address in (name, pair[1])]
    reduction = None
    if len(hits) != 1:
        parsed = MetricAddress.parse(address)
        reduction = parsed.reduction
        named = [pair for pair, name in names.items() if name == parsed.curve]
        bare = [pair for pair in known if parsed.split is None and pair[1] == parsed.metric]
        exact = [pair for pair in named if pair == (parsed.split, parsed.metric)]
        hits = exact or named or bare
        if not hits:
            raise UnknownKeyError("metric", parsed.curve, tuple(names.values()), context)
        if len(hits) > 1:
            listed = tuple(names[pair] for pair in hits)
            raise AmbiguousNameError("metric", parsed.curve, listed)
    if reduction is None and default is not None:
        reduction = Reduction.parse(default)
    return MetricAddress(*hits[0], reduction)
