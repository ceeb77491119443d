"""What commands print: tables for people, one JSON document for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ProgressBar", "counted", "note", "number", "print_json", "print_table"]

_PIPE_WIDTH = 10_000
_PATIENCE = 1.0


def print_json(data: Any) -> None:
    """One JSON document on standard output, and nothing else."""
    from dr_gen.convert import json_text

    print(json_text(data, indent=2))


def console() -> Console:
    """Standard output; as wide as it takes when it is no terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)


def print_table(
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str = "",
    right: Sequence[int] = (),
    breaks: Sequence[int] = (),
) -> None:
    """A table on standard output.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequences
        Cells become text; nothing in them is read as markup.
    right : sequence of int
        Columns that are aligned to the right.
    breaks : sequence of int
        Rows after which there is a line.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    # The title on a line of its own: rich would break it at the width of the table.
    if title:
        note(title)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(header):
        table.add_column(Text(name), justify="right" if i in right else "left", overflow="fold")
    for i, row in enumerate(rows):
        table.add_row(*(Text(str(cell)) for cell in row), end_section=i in breaks)
    console().print(table)


def note(text: str = "") -> None:
    """One line of text on standard output."""
    print(text)


def counted(n: int, noun: str) -> str:
    """A number of things, in words.

    Examples
    --------
    >>> counted(1, "run"), counted(2, "run")
    ('1 run', '2 runs')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def number(value: float, digits: int = 4) -> str:
    """A number for a table: `digits` significant ones, ``-`` for none.

    Examples
    --------
    >>> number(88.25), number(float("nan")), number(0.000123456)
    ('88.25', '-', '0.0001235')
    """
    return "-" if value != value else f"{value:.{digits}g}"


class ProgressBar:
    """A bar on a terminal for work over a second; silent anywhere else.

    Call it with the number of things done and the number there are.
    """

    def __init__(self, what: str, *, clock: Any = time.monotonic) -> None:
        self.what = what
        self._clock = clock
        self._started = clock()
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        if self._bar is None:
            waited = self._clock() - self._started
            if waited < _PATIENCE or not sys.stderr.isatty() or done >= total:
                return
            self._start()
        self._bar.update(self._task, completed=done, total=total)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(self.what)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()
