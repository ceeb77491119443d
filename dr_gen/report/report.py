"""Writing a report: HTML to read, Markdown to paste, JSON to compute with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from dr_gen.errors import UsageError
from dr_gen.model.address import MetricAddress
from dr_gen.model.group import RunGroup
from dr_gen.plots.style import figure_files
from dr_gen.report.build import build
from dr_gen.report.facts import gather, provenance
from dr_gen.report.html import to_html
from dr_gen.report.json import to_json
from dr_gen.report.markdown import to_markdown
from dr_gen.store.atomic import replacing

__all__ = ["ReportPaths", "write_report"]

_FIGURES: Final = "figures"


@attrs.frozen
class ReportPaths:
    """Where a report was written.

    Attributes
    ----------
    html, markdown, json : Path
    figures : tuple of Path
        What the Markdown shows, and the same figures as SVG.
    """

    html: Path
    markdown: Path
    json: Path
    figures: tuple[Path, ...] = ()


def write_report(
    group: RunGroup,
    directory: str | Path,
    *,
    metric: str | MetricAddress | None = None,
    by: Sequence[str] | None = None,
    source: str = "",
    command: str = "",
    level: float = 0.95,
    now: datetime | None = None,
) -> ReportPaths:
    """Write ``report.html``, ``report.md``, ``report.json`` and ``figures/`` into a folder.

    What was swept, how the runs ended, which configuration is best, by how much and how sure.
    Files of an earlier report are replaced, each in one step; other files stay as they are.

    Parameters
    ----------
    group : RunGroup
    directory : str or Path
        Made if it is not there.
    metric : str, optional
        What to rank by; by default what `default_metric` picks.
    by : sequence of str, optional
        Keys to group the runs by, as for `summarize`; by default what was swept.
    source, command : str
        Where the runs come from and what was typed, to be told in the report.
    level : float
        Confidence level of all intervals, in (0, 1).
    now : datetime, optional
        When the report is written; by default now. Given, the same runs give the same bytes.

    Raises
    ------
    UnknownKeyError, AmbiguousNameError
        If the metric or a key is not there, or could be several.
    UsageError
        If `level` makes no sense, or the folder cannot be written.
    """
    facts = gather(group, metric, level, provenance(source, command, now), by)
    report = build(facts)
    folder = Path(directory)
    files = {
        f"{_FIGURES}/{block.name}.{kind}": content
        for block in report.figures
        for kind, content in figure_files(block.figure, ("png", "svg")).items()
    }
    figures = tuple(folder / name for name in files)
    files["report.json"] = _bytes(to_json(facts))
    files["report.md"] = _bytes(to_markdown(report, _FIGURES))
    svgs = {block.name: files[f"{_FIGURES}/{block.name}.svg"] for block in report.figures}
    files["report.html"] = _bytes(to_html(report, svgs))
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{folder}: the report cannot be written there: {reason}") from error
    return ReportPaths(
        folder / "report.html", folder / "report.md", folder / "report.json", figures
    )


def _bytes(text: str) -> bytes:
    # File names need not be Unicode; their odd bytes must not cost the report.
    return text.encode("utf-8", "backslashreplace")
