"""What a report is made of, whatever it is written as."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Block", "FigureBlock", "Paragraph", "Report", "Section", "Table"]


@attrs.frozen
class Paragraph:
    """Plain text.

    Attributes
    ----------
    text : str
        Nothing in it is markup.
    role : {"text", "answer", "note"}
        ``answer`` is what a hurried reader takes away, ``note`` what to keep in mind.
    """

    kind: ClassVar[str] = "paragraph"
    text: str
    role: Literal["text", "answer", "note"] = "text"


@attrs.frozen
class Table:
    """Rows of plain text.

    Attributes
    ----------
    header : tuple of str
    rows : tuple of tuple of str
        Each as long as the header.
    caption : str
    numeric : frozenset of int
        Columns aligned to the right.
    more : int
        Rows left out; they are in report.json.
    folded : str
        When given, the table is closed under this text until somebody opens it.
    """

    kind: ClassVar[str] = "table"
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    numeric: frozenset[int] = frozenset()
    more: int = 0
    folded: str = ""


@attrs.frozen(eq=False)
class FigureBlock:
    """A figure.

    Attributes
    ----------
    name : str
        Of its file, without suffix; unique in the report.
    figure : Figure
    alt : str
        What it shows, for those who do not see it.
    """

    kind: ClassVar[str] = "figure"
    name: str
    figure: Figure
    alt: str


Block = Paragraph | Table | FigureBlock
"""Any part of a section."""


@attrs.frozen(eq=False)
class Section:
    """A heading and what is below it; `anchor` names it in links."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]


@attrs.frozen(eq=False)
class Report:
    """A whole report."""

    title: str
    sections: tuple[Section, ...]

    @property
    def figures(self) -> tuple[FigureBlock, ...]:
        """Every figure, in order."""
        blocks = (block for section in self.sections for block in section.blocks)
        return tuple(block for block in blocks if isinstance(block, FigureBlock))
