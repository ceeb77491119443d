"""How every figure looks, and how it becomes a file: the same bytes for the same figure."""

from __future__ import annotations

import contextlib
import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "CONTEXT",
    "FAILED",
    "MARKERS",
    "MUTED",
    "WIDTH",
    "figure_bytes",
    "figure_files",
    "new_figure",
    "plain",
    "save",
    "styled",
    "wrapped",
]

WIDTH: Final = 7.2
"""Width of a figure in inches: two columns of a paper, and still legible on a phone."""

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, told apart with any colour vision; yellow is left out (too light)."""

MARKERS: Final = ("o", "s", "^", "D", "v", "P")
"""One a colour, so that curves can be told apart without colours too."""

CONTEXT: Final = "#BBBBBB"
"""What is there to compare with."""

FAILED: Final = "#A50026"
"""Runs that did not complete."""

MUTED: Final = "#555555"
"""Text beside the point."""

_STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": "#222222",
    "text.parse_math": True,
    "text.usetex": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": "#222222",
    "axes.labelsize": 9.0,
    "axes.titlesize": 8.0,
    "axes.titlelocation": "left",
    "axes.titlecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "svg.fonttype": "path",
    "svg.hashsalt": "dr_gen",
    "svg.id": None,
    "path.simplify": True,
}

_NO_DATE: Final = {
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_DPI: Final = 150


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Our settings inside the block, the user's before and after it."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks shows as boxes; the tables beside it have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(height: float, title: str, caption: str, width: float = WIDTH) -> Figure:
    """An empty figure with words above it, that arranges its parts so that they do not overlap.

    Parameters
    ----------
    height : float
        Of what comes below the words, in inches.
    title, caption : str
        Any text; it is wrapped to the width.
    width : float
        In inches.
    """
    heading = wrapped(title, int(10.5 * width), 2)
    words = wrapped(caption, int(15.6 * width), 6)
    top = 0.12 + 0.17 * (heading.count("\n") + 1)
    above = top + 0.07 + 0.15 * (words.count("\n") + 1)
    total = height + above
    figure = Figure(figsize=(width, total))
    figure.set_layout_engine("constrained", rect=(0.0, 0.0, 1.0, height / total))
    left = 0.06 / width
    figure.text(left, 1 - 0.08 / total, heading, va="top", fontsize=10, weight="bold")
    figure.text(left, 1 - top / total, words, va="top", fontsize=8, color=MUTED)
    return figure


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """The figure as a file of a kind: ``svg``, ``png`` or ``pdf``."""
    out = io.BytesIO()
    with styled():
        figure.savefig(out, format=kind, dpi=_DPI, metadata=_NO_DATE.get(kind))
    return out.getvalue()


def figure_files(figure: Figure, kinds: Sequence[str]) -> dict[str, bytes]:
    """The figure as files of several kinds, arranged once for all of them.

    It stays as it is arranged for the first.
    """
    found = {}
    for kind in kinds:
        found[kind] = figure_bytes(figure, kind)
        # Arranging takes as long as drawing.
        figure.set_layout_engine("none")
    return found


def save(figure: Figure, path: str | Path) -> None:
    """Write the figure; the suffix says which kind."""
    file = Path(path)
    file.write_bytes(figure_bytes(figure, file.suffix.lstrip(".").lower() or "png"))


def plain(text: str) -> str:
    """Text that matplotlib shows as it is: on one line, no part of it taken for a formula."""
    return _drawable(text).replace("$", r"\$")


def wrapped(text: str, width: int, lines: int = 2) -> str:
    r"""`plain` text in at most `lines` lines of `width` characters; too long, it loses its middle.

    Long names often differ in their ends alone, as in ``…/run-1`` and ``…/run-2``.

    Examples
    --------
    >>> wrapped("Init=random LR=0.1 WD=0.0001", 12, 3)
    'Init=random\nLR=0.1\nWD=0.0001'
    >>> wrapped("Init=random LR=0.1 WD=0.0001", 20, 1)
    'Init=rando … =0.0001'
    """
    whole = _drawable(text)
    parts = textwrap.wrap(whole, width)
    room = width * lines - 3
    while len(parts) > lines and room > 3:
        tail = room * 9 // 20
        parts = textwrap.wrap(f"{whole[: room - tail]} … {whole[-tail:]}", width)
        room -= 1
    return "\n".join(parts[:lines]).replace("$", r"\$")


def _drawable(text: str) -> str:
    # A font has no glyph for half a surrogate pair, and matplotlib raises for it.
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
