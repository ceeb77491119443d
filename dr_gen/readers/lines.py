"""JSON objects from a file of lines, whatever state the file is in.

Every readable object comes out, with its line number; everything else becomes a finding. The file
is read line by line, so that memory is bounded by its longest line.
"""

from __future__ import annotations

import codecs
import functools
import gzip
import io
import json
import os
import re
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from dr_gen.model.finding import Finding, Severity, line_ranges
from dr_gen.readers.torn import OBJECT, Beginnings, record_starts

__all__ = ["JsonLines", "decoded_head", "log_suffix"]

_MAX_DEPTH: Final = 100
_MAX_INT_DIGITS: Final = 4300
_ENOUGH_BAD: Final = 20
_HOPELESS: Final = 1000
_ENCODINGS: Final = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARKS: Final = tuple(mark for mark, _ in _ENCODINGS)
_REMOVE = "remove or repair the line"
_SPACE: Final = re.compile(r"\s*")


def log_suffix(path: Path) -> str:
    """Ending of the name in lower case, without ``.gz``.

    Examples
    --------
    >>> log_suffix(Path("run/metrics.JSONL.gz"))
    '.jsonl'
    """
    name = path.with_suffix("") if path.suffix.casefold() == ".gz" else path
    return name.suffix.casefold()


def decoded_head(path: Path, head: bytes) -> bytes:
    """The beginning of a file as UTF-8 without a mark, unpacked if the name ends with ``.gz``."""
    if os.fspath(path).casefold().endswith(".gz"):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 1 << 20)
        except zlib.error:
            return b""
    if head.startswith(_MARKS):
        encoding = next(name for mark, name in _ENCODINGS if head.startswith(mark))
        return head.decode(encoding, "replace").encode()
    return head.removeprefix(codecs.BOM_UTF8)


class JsonLines:
    """The JSON objects of a file, one a line; iterate over it once.

    Parameters
    ----------
    path : Path
        A name that ends with ``.gz`` is unpacked on the way.
    run : str, optional
        The run that the findings are about.
    embedded : bool
        Whether the file is a text log with JSON objects at the end of some lines: other text is
        then counted instead of reported.

    Attributes
    ----------
    findings : list of Finding
        What was wrong; complete when the iteration has ended.
    n_lines : int
        How many lines were not blank.
    n_objects : int
        How many objects there were.
    bad_lines : list of int
        Lines that gave nothing, without a cut off last one.
    """

    def __init__(self, path: Path, run: str | None = None, *, embedded: bool = False) -> None:
        self.path = path
        self.findings: list[Finding] = []
        self.n_lines = 0
        self.n_objects = 0
        self.bad_lines: list[int] = []
        self._run = run
        self._embedded = embedded
        self._pending: list[Finding] = []
        self._binary = False
        self._text_lines: list[int] = []
        self._beginnings = Beginnings()
        self._duplicates: list[str] = []

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        try:
            if not self.path.is_file():
                kind = "a folder" if self.path.is_dir() else "not a regular file"
                raise OSError(None, kind if self.path.exists() else "it is not there")
            with self._open() as file:
                for number, raw in enumerate(file, 1):
                    yield from self._line(number, raw)
                    if self._binary and not self.n_objects and number > _HOPELESS:
                        break
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            message = f"the compressed data is cut off or damaged after line {number}: {error}"
            self._report("damaged-gzip", message, "error", None, "what came before is kept")
        except OSError as error:
            message = f"the file cannot be read: {error.strerror or error}"
            self._report("unreadable-file", message, "error", None, "check its permissions")
        self._close()

    def _open(self) -> IO[bytes]:
        file: IO[bytes]
        if self.path.suffix.casefold() == ".gz":
            file = gzip.GzipFile(self.path)  # type: ignore[assignment]
        else:
            file = self.path.open("rb")
        start = b""
        try:
            while len(start) < 4 and (more := file.read(4 - len(start))):
                start += more
            for mark, encoding in _ENCODINGS:
                if start.startswith(mark):
                    text = (start + file.read()).decode(encoding, "replace")
                    file.close()
                    message = f"the file is {encoding.upper()}; expected UTF-8"
                    self._note("encoding", message, "info", 1, "it was converted on reading")
                    return io.BytesIO(text.encode())
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    # ------------------------------------------------------------------ in part

    def accept(self, lines: bytes, n: int, beginnings: frozenset[bytes]) -> None:
        """Count `n` lines that somebody else has read: an object each, of these beginnings."""
        self.n_lines += n
        self._count(n)
        self._beginnings.add_many(lines, beginnings)

    def remember(self) -> None:
        """Keep of the lines so far what the following ones are held against, and no more."""
        self._beginnings.settle()

    def read_line(self, number: int, raw: bytes) -> list[dict[str, Any]]:
        """The objects of one line; what comes before it was read or accepted."""
        return [record for _, record in self._line(number, raw)]

    # ------------------------------------------------------------------ one line

    def _line(self, number: int, raw: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
        if number == 1 and raw.startswith(codecs.BOM_UTF8):
            raw = raw[len(codecs.BOM_UTF8) :]
            self._note("bom", "the file begins with a byte order mark", "info", 1)
        line = raw.strip()
        if not line:
            return
        self.n_lines += 1
        if b"\0" in line:
            self._binary = True
            bare = line.strip(b"\0 \t\r")
            if bare != line and bare.startswith(b"{") and b"\0" not in bare:
                message = "bytes that are zero around the object, as a power failure leaves them"
                self._note("zero-bytes", message, "warning", number, "the object was read")
                line = bare
        if self._embedded and not line.startswith(b"{"):
            start = line.find(OBJECT)
            if start < 0 or not line.endswith(b"}"):
                self._text_lines.append(number)
                return
            line = line[start:]
        ends = raw.endswith(b"\n")
        try:
            values, rest = self._values(number, line)
            self._duplicates = [*_DECODERS.duplicates]
            for value in values:
                yield from self._checked(number, line, value)
            if rest:
                yield from self._remainder(number, line, len(line) - len(rest), ends)
        except UnicodeDecodeError as error:
            self._undecodable(number, line, error, ends)
        except json.JSONDecodeError as error:
            yield from self._broken(number, line, error, ends)
        except RecursionError:
            self._bad("too-deep", f"nested more than {_MAX_DEPTH} deep", number)

    def _count(self, n: int) -> None:
        self.n_objects += n
        if self._pending:
            self.findings += self._pending
            self._pending = []

    def _values(self, number: int, line: bytes) -> tuple[list[Any], bytes]:
        """The JSON value of a line, several if line breaks between them got lost, and the rest."""
        text = line.decode()
        _DECODERS.duplicates.clear()
        try:
            return [_DECODERS.usual.decode(text)], b""
        except json.JSONDecodeError as error:
            if error.msg != "Extra data" or not text.startswith("{"):
                raise
        except ValueError:
            # A whole number of more digits than Python turns into an int.
            return [_DECODERS.careful.decode(text)], b""
        values, place = [], 0
        while place < len(text):
            try:
                value, end = _DECODERS.careful.raw_decode(text, place)
            except json.JSONDecodeError:
                break
            if not isinstance(value, dict):
                break
            values.append(value)
            place = _SPACE.match(text, end).end()  # type: ignore[union-attr]
        if len(values) > 1:
            message = f"{len(values)} objects on one line; expected one"
            self._note("joined-lines", message, "warning", number, "all of them were read")
        return values, text[place:].encode()

    def _remainder(
        self, number: int, line: bytes, start: int, ends: bool
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """What follows the objects of a line: the beginning of another one, or no JSON."""
        if line[start:].startswith(b"{"):
            error = json.JSONDecodeError("the object does not end", "", start)
            yield from self._broken(number, line, error, ends, start)
            return
        message = f"not JSON: more text after the object, column {start + 1}"
        self._note("bad-json", message, "warning", number, "the object was read")

    def _checked(
        self, number: int, line: bytes, value: Any
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        if not isinstance(value, dict):
            kind = "null" if value is None else _JSON_KINDS[type(value)]
            self._bad("not-an-object", f"a JSON {kind}; expected an object", number, "warning")
            return
        if line.count(b"{") + line.count(b"[") > _MAX_DEPTH and _depth(value) > _MAX_DEPTH:
            raise RecursionError
        if self._duplicates:
            keys = ", ".join(map(repr, dict.fromkeys(self._duplicates)))
            message = f"key {keys} is there twice; the last value counts"
            self._note("duplicate-key", message, "warning", number)
            self._duplicates.clear()
        self._count(1)
        self._beginnings.add(line)
        yield number, value

    def _broken(
        self, number: int, line: bytes, error: json.JSONDecodeError, ends: bool, after: int = 0
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """A line that is no JSON `after` some byte; a record that follows a torn one is kept."""
        if self._embedded and not line.startswith(OBJECT):
            self._text_lines.append(number)
            return
        for start in record_starts(line, self._beginnings, after):
            _DECODERS.duplicates.clear()
            try:
                value = _DECODERS.usual.decode(line[start:].decode())
            except (ValueError, RecursionError):
                continue
            self._duplicates = [*_DECODERS.duplicates]
            message = f"a record is cut off at column {start + 1} and another one follows"
            hint = "the process was stopped while writing; the second record was read"
            self._bad("torn-line", message, number, "error", hint)
            yield from self._checked(number, line, value)
            return
        if not ends and line.startswith(b"{"):
            self._cut_off(number)
            return
        self._bad("bad-json", f"not JSON: {error.msg}, column {error.colno}", number)

    def _undecodable(self, number: int, line: bytes, error: UnicodeDecodeError, ends: bool) -> None:
        if not ends and error.reason == "unexpected end of data" and line.startswith(b"{"):
            self._cut_off(number)
            return
        self._binary = True
        self._bad("bad-encoding", f"not UTF-8: {error.reason}, byte {error.start + 1}", number)

    def _cut_off(self, number: int) -> None:
        message = "the last line is cut off: the process was stopped while writing"
        if self.n_objects:
            severity, hint = "warning", "nothing before it is lost"
        else:
            severity, hint = "error", "the run was stopped before it wrote a whole line"
        self._report("truncated-line", message, severity, number, hint)

    # ------------------------------------------------------------------ findings

    def _note(
        self, code: str, message: str, severity: str, line: int | None, hint: str = ""
    ) -> None:
        severity_ = Severity(severity)
        self.findings.append(
            Finding(code, message, severity_, str(self.path), line, self._run, hint)
        )

    def _report(
        self, code: str, message: str, severity: str, line: int | None, hint: str = ""
    ) -> None:
        """A finding that holds back until the file has shown that it is a log at all."""
        if self.n_objects or line is None:
            self._note(code, message, severity, line, hint)
            return
        finding = Finding(code, message, Severity(severity), str(self.path), line, self._run, hint)
        self._pending.append(finding)

    def _bad(
        self, code: str, message: str, line: int, severity: str = "error", hint: str = _REMOVE
    ) -> None:
        self.bad_lines.append(line)
        self._report(code, message, severity, line, hint)

    def _close(self) -> None:
        if self.n_objects:
            if self._text_lines:
                n, where = len(self._text_lines), line_ranges(self._text_lines)
                message = f"text between the JSON objects was left out: {n} lines ({where})"
                self._note("text-lines", message, "info", self._text_lines[0])
            return
        bad = sorted([*self._text_lines, *(f.line for f in self._pending if f.line is not None)])
        if self.n_lines == 0:
            if not any(finding.severity is Severity.ERROR for finding in self.findings):
                hint = "the run was stopped before it wrote anything"
                self._note("empty-file", "the file is empty", "error", None, hint)
        elif self._binary:
            message = "the file holds binary data; expected lines of JSON"
            self._note("binary-file", message, "error", None, "it is damaged, or no log")
        elif self._text_lines or len(bad) > _ENOUGH_BAD:
            lines = f"line{'s' if len(bad) > 1 else ''} {line_ranges(bad)}"
            message = f"no line of it is a JSON object ({lines})"
            self._note("not-json-lines", message, "error", None, "it is no log of this format")
        else:
            self.findings += self._pending


_JSON_KINDS: Final = {list: "list", str: "text", int: "number", float: "number", bool: "bool"}


def _object(duplicates: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        duplicates += [name for name in made if names.count(name) > 1]
    return made


def _any_int(digits: str) -> int | str:
    # Text of digits: the reader of the value says that it is too large.
    return digits if len(digits) > _MAX_INT_DIGITS else int(digits)


class _Decoders(threading.local):
    """Decoders of JSON that note the names which an object has twice.

    One of each for a thread: to make one takes longer than to decode a line.
    """

    def __init__(self) -> None:
        self.duplicates: list[str] = []
        hook = functools.partial(_object, self.duplicates)
        self.usual = json.JSONDecoder(object_pairs_hook=hook, strict=False)
        self.careful = json.JSONDecoder(object_pairs_hook=hook, strict=False, parse_int=_any_int)


_DECODERS: Final = _Decoders()


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [list(v.values()) if isinstance(v, dict) else v for v in level]
        level = [v for part in inner for v in part if isinstance(v, dict | list)]
    return depth
