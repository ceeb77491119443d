"""A report as one HTML file that needs nothing else: style and figures are inside."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from dr_gen.report.sections import Report

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["inline_svg", "to_html"]

_ID: Final = re.compile(r'(\bid="|xlink:href="#|url\(#)')


def to_html(report: Report, svgs: Mapping[str, bytes]) -> str:
    """The report as one page: no script, nothing loaded from anywhere.

    Parameters
    ----------
    report : Report
    svgs : mapping
        Name of each figure to its SVG file.
    """
    from markupsafe import Markup

    # matplotlib escapes every text it draws, so its output is markup by right.
    figures = {name: Markup(inline_svg(name, svg.decode())) for name, svg in svgs.items()}
    return _template().render(report=report, figures=figures)


def inline_svg(name: str, svg: str) -> str:
    """An SVG file as an element of a page, with ids that are its own there.

    Examples
    --------
    >>> inline_svg("a", '<?xml version="1.0"?><svg ><g id="x"/><use xlink:href="#x"/></svg>')
    '<svg aria-hidden="true" ><g id="a-x"/><use xlink:href="#a-x"/></svg>'
    """
    element = svg[svg.index("<svg") :].replace("<svg ", '<svg aria-hidden="true" ', 1)
    return _ID.sub(rf"\g<1>{name}-", element)


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dr_gen.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2")
