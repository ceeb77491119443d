"""What tables of other people are told by before one is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from dr_gen.readers.contract import Claim
from dr_gen.readers.tree import TABLE_SUFFIXES, Tree, natural_order

__all__ = ["CEILING", "SUFFIXES", "TEXTS", "monitor_claims"]

CEILING: Final = 0.9
"""How sure it can be at most; formats that are known exactly are surer."""

TEXTS: Final = frozenset({".txt", ".log"})
"""Endings of files that are tables now and then."""

SUFFIXES: Final = TABLE_SUFFIXES | TEXTS
"""Endings of all files that may be tables."""

_ENDING: Final = ".monitor.csv"


def monitor_claims(tree: Tree) -> Iterator[Claim]:
    """The monitors in each folder, the first of them for all.

    Examples
    --------
    >>> [claim] = monitor_claims(Tree.of(["ppo/0.monitor.csv", "ppo/10.monitor.csv", "a.csv"]))
    >>> claim.path, claim.parts, claim.named
    ('ppo/0.monitor.csv', ('ppo/10.monitor.csv',), 'ppo')
    """
    for folder, names in tree.holding(_ENDING):
        found = sorted((n for n in names if n.endswith(_ENDING)), key=natural_order)
        if found:
            paths = [os.path.join(folder, name) for name in found]
            yield Claim(paths[0], tuple(paths[1:]), named=folder or os.curdir)
