"""A report as Markdown, its figures in files beside it."""

from __future__ import annotations

import re

from dr_gen.report.sections import Block, FigureBlock, Paragraph, Report, Table

__all__ = ["escaped", "to_markdown"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#$~])")


def to_markdown(report: Report, folder: str = "figures") -> str:
    """The report as GitHub-flavoured Markdown.

    Parameters
    ----------
    report : Report
    folder : str
        Where its figures are, seen from the file.
    """
    parts = [f"# {escaped(report.title)}"]
    for section in report.sections:
        parts.append(f"## {escaped(section.title)}")
        parts += [_block(block, folder) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    r"""Text of which nothing is taken for markup, on one line.

    Examples
    --------
    >>> print(escaped("a_b <c> | d"))
    a\_b \<c\> \| d
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _block(block: Block, folder: str) -> str:
    if isinstance(block, FigureBlock):
        return f"![{escaped(block.alt)}]({folder}/{block.name}.png)"
    if isinstance(block, Table):
        return _table(block)
    return _paragraph(block)


def _paragraph(block: Paragraph) -> str:
    text = escaped(block.text)
    if block.role == "answer":
        return f"**{text}**"
    return f"> {text}" if block.role == "note" else text


def _table(table: Table) -> str:
    rules = ["---:" if i in table.numeric else "---" for i in range(len(table.header))]
    lines = [_row([escaped(cell) for cell in table.header]), _row(rules)]
    for row in table.rows:
        cells = ["<br>".join(escaped(line) for line in cell.split("\n")) for cell in row]
        lines.append(_row(cells))
    before = [escaped(table.caption or table.folded)] if table.caption or table.folded else []
    after = [f"… {table.more} more in report.json"] if table.more else []
    return "\n\n".join([*before, "\n".join(lines), *after])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
