"""A JSON file of one document, and what is whole of a damaged one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import attrs

from dr_gen.model.finding import Finding, Severity
from dr_gen.readers.tables.text_files import read_text

__all__ = ["Document", "loaded", "read_document", "repaired"]

# Of a text that is cut off nothing is a bracket.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_CLOSING: Final = {"[": "]", "{": "}"}
_MAX_DEPTH: Final = 100


@attrs.frozen
class Document:
    """What a file holds.

    Attributes
    ----------
    value : plain data
        None when nothing of it is whole.
    findings : tuple of Finding
    """

    value: Any
    findings: tuple[Finding, ...] = ()


def read_document(path: Path, run: str) -> Document:
    """The document in a file; never raises."""
    found = read_text(path, run)
    if not found.text.strip():
        return Document(None, found.findings)
    line: int | None = None
    try:
        return Document(json.loads(found.text), found.findings)
    except json.JSONDecodeError as error:
        value, line = loaded(repaired(found.text, error.pos)), error.lineno
        kept = "nothing before it is whole" if value is None else "what is whole before it was read"
        message = f"not JSON: {error.msg}, column {error.colno}"
        hint = f"the file is cut off or damaged; {kept}"
    except (ValueError, RecursionError) as error:
        value, message, hint = None, f"not readable: {error}", "it is no log"
    finding = Finding("bad-json", message, Severity.ERROR, str(path), line, run, hint)
    return Document(value, (*found.findings, finding))


def loaded(text: str | None) -> Any:
    """The document that a text is, or None."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def repaired(text: str, end: int) -> str | None:
    """The document that ends before `end`, where it is damaged; None when nothing of it is whole.

    Everything open is closed. An object in a list is kept as a whole or not at all: it may be a row
    whose place comes last.

    Examples
    --------
    >>> repaired('{"loss": [3, 2, 1.5', 19)
    '{"loss": [3, 2]}'
    >>> repaired('[{"epoch": 0, "loss": 3}, {"epoch": 1, ', 39)
    '[{"epoch": 0, "loss": 3}]'
    """
    stack = ""
    safe: tuple[int, str] | None = None
    for match in _TOKEN.finditer(text, 0, end):
        token = match[0]
        if token in _CLOSING:
            stack += token
            if len(stack) > _MAX_DEPTH:
                return None
        elif token in "]}":
            if not stack or _CLOSING[stack[-1]] != token:
                break
            stack = stack[:-1]
        if "[{" in stack or token.startswith('"'):
            continue
        safe = (match.start() if token == "," else match.end(), stack)
        if not stack:
            break
    if safe is None:
        return None
    return text[: safe[0]] + "".join(_CLOSING[open_] for open_ in reversed(safe[1]))
