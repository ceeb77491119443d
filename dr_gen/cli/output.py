"""What commands print: tables for people, one JSON document for programs."""

from __future__ import annotations

import re
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ProgressBar", "note", "number", "print_json", "print_table"]

_PIPE_WIDTH = 10_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LEAST_WIDTH, _BETWEEN = 8, 2
_PATIENCE = 1.0


def print_json(data: Any) -> None:
    """One JSON document on standard output, and nothing else."""
    from dr_gen.convert import json_text

    print(json_text(data, indent=2))


def console(least: int = 0) -> Console:
    """Standard output, `least` wide or more; as wide as it takes when it is no terminal."""
    from rich.console import Console

    if not sys.stdout.isatty():
        return Console(width=_PIPE_WIDTH, highlight=False)
    terminal = Console(highlight=False)
    return Console(width=max(terminal.width, least), highlight=False)


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
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    # The title on a line of its own: rich would break it at the width of the table.
    if title:
        note(title)
    names = [_visible(name) for name in header]
    texts = [[_visible(str(cell)) for cell in row] for row in rows]
    hidden = _too_many(names, texts, right, console().width)
    if hidden:
        shown = [i for i in range(len(names)) if i not in hidden]
        right = [place for place, i in enumerate(shown) if i in right]
        texts = [[cells[i] for i in shown] for cells in texts]
        note(f"not shown, for want of room: {', '.join(names[i] for i in hidden)}")
        names = [names[i] for i in shown]
    longest = [max((cell_len(cells[i]) for cells in texts), default=0) for i in range(len(names))]
    natural = [max(cell_len(name), n) for name, n in zip(names, longest, strict=True)]
    gaps = _BETWEEN * len(names)
    # Without its edge, which is a blank line above and a column of blanks before.
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    narrow = sum(natural) + gaps > console().width
    least = 0
    for i, name in enumerate(names):
        # A number broken over two lines is another number: only its header may be broken.
        if i in right:
            title = textwrap.fill(name, max(longest[i], 1), break_long_words=False)
            heading = Text(title if narrow else name)
            table.add_column(heading, justify="right", no_wrap=True)
            least += max(longest[i], *map(cell_len, heading.plain.split("\n")))
        else:
            table.add_column(Text(name), overflow="fold")
            least += min(natural[i], _LEAST_WIDTH)
    for i, cells in enumerate(texts):
        table.add_row(*map(Text, cells), end_section=i in breaks)
    console(least + gaps).print(table)
    note()


def _too_many(
    names: Sequence[str], texts: Sequence[Sequence[str]], right: Sequence[int], width: int
) -> list[int]:
    """Columns of text, the last ones first, without which a table fits; two at least stay."""
    from rich.cells import cell_len

    # The header of a number is broken between words.
    heads = [
        max(map(cell_len, name.split()), default=0) if i in right else cell_len(name)
        for i, name in enumerate(names)
    ]
    least = [max([head] + [cell_len(c[i]) for c in texts]) for i, head in enumerate(heads)]
    least = [n if i in right else min(n, _LEAST_WIDTH) for i, n in enumerate(least)]
    room = width - sum(least) - _BETWEEN * len(names)
    hidden: list[int] = []
    for i in [i for i in range(len(names)) if i not in right][:1:-1]:
        if room >= 0:
            break
        hidden.insert(0, i)
        room += least[i] + _BETWEEN
    return hidden


def note(text: str = "") -> None:
    """One line of text on standard output."""
    print(_visible(text))


def _visible(text: str) -> str:
    """The text with control characters as escapes: what a log holds must not steer a terminal."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


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
