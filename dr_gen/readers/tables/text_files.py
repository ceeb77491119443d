"""The text of a file that is read as a whole, whatever state it is in."""

from __future__ import annotations

import codecs
import os
import zlib
from pathlib import Path
from typing import Final

import attrs

from dr_gen.model.finding import Finding, Severity

__all__ = ["TextFile", "decoded", "read_text"]

_ENCODINGS: Final = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_ALLOWANCE: Final = 1 << 24
_MOST_PACKED: Final = 100
_CONTROL: Final = bytes(set(range(32)) - {9, 10, 11, 12, 13, 27})


@attrs.frozen
class TextFile:
    """The text of a file, and what is wrong with it.

    Attributes
    ----------
    text : str
        Empty when there is none.
    findings : tuple of Finding
    whole : bool
        Whether all of the file was read.
    """

    text: str = ""
    findings: tuple[Finding, ...] = ()
    whole: bool = True


def read_text(path: Path, run: str) -> TextFile:
    """The text of a file, unpacked if its name ends with ``.gz``; never raises.

    What is no UTF-8 is replaced, zero bytes are left out, and a packed file is unpacked up to a
    hundred times its size.
    """
    findings: list[Finding] = []

    def note(code: str, message: str, hint: str = "", line: int | None = None) -> None:
        findings.append(Finding(code, message, Severity.ERROR, str(path), line, run, hint))

    whole = True
    try:
        content = path.read_bytes()
    except OSError as error:
        note("unreadable-file", f"the file cannot be read: {error.strerror or error}")
        return TextFile("", tuple(findings), False)
    if os.fspath(path).casefold().endswith(".gz"):
        content, problem = _unpacked(content)
        if problem:
            whole = False
            note("bad-gzip", problem, "what was unpacked up to there was read")
    if not content.strip():
        if whole:
            hint = "the run was stopped before it wrote anything"
            note("empty-file", "the file is empty", hint)
        return TextFile("", tuple(findings), whole)
    if (zeros := content.count(0)) and not content.startswith(tuple(m for m, _ in _ENCODINGS[:4])):
        content = content.replace(b"\0", b"")
        hint = "the machine or its disk stopped while the file was written"
        note("zero-bytes", f"{zeros} bytes are zero; they are left out", hint)
        if not content.strip():
            return TextFile("", tuple(findings), whole)
    text, bad = decoded(content)
    if bad is not None:
        if len(content.translate(None, _CONTROL)) < len(content):
            note("binary-file", "the file holds binary data; expected text", "it is no log")
            return TextFile("", tuple(findings), whole)
        line = content.count(b"\n", 0, bad) + 1
        note("bad-encoding", f"not UTF-8: byte {bad + 1}; replaced by a mark", line=line)
    if not text.strip() and whole and not findings:
        note("empty-file", "the file is empty", "the run was stopped before it wrote anything")
    return TextFile(text, tuple(findings), whole)


def decoded(content: bytes) -> tuple[str, int | None]:
    r"""Text of UTF-8, or of what a mark at the beginning says, and the first byte that is none.

    Examples
    --------
    >>> decoded(b"\xef\xbb\xbfloss"), decoded(b"lo\xffs")[1]
    (('loss', None), 2)
    """
    encoding = next((name for mark, name in _ENCODINGS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding), None
    except UnicodeDecodeError as error:
        return content.decode(encoding, "replace"), error.start


def _unpacked(content: bytes) -> tuple[bytes, str]:
    """What a packed file holds, as far as it can be unpacked, and what is wrong with it."""
    limit = _ALLOWANCE + _MOST_PACKED * len(content)
    parts: list[bytes] = []
    size, problem = 0, ""
    while content and not problem:
        one = zlib.decompressobj(wbits=31)
        try:
            part = one.decompress(content, limit - size)
        except zlib.error as error:
            problem = f"the packed file is damaged: {error}"
            break
        parts.append(part)
        size += len(part)
        if one.unconsumed_tail or size >= limit:
            problem = f"the packed file holds more than {size} bytes, which no log does"
        elif not one.eof:
            problem = "the packed file is cut off"
        content = one.unused_data
    return b"".join(parts), problem
