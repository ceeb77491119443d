"""Criteria as text, for a command line: ``optim.lr>=0.01 and model.weights=DEFAULT``.

::

    criterion = conjunction {"or" conjunction}
    conjunction = part {"and" part}
    part = "not" part | "(" criterion ")" | key condition
    condition = ("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") (value | "key" "(" key ")")
              | ["not"] "in" ("(" [value {"," value}] ")" | range)
              | "=" range
              | ["not"] ("startswith" | "endswith" | "match") value
    range = [value] ".." [value]

A key is a real or display name or a metric address. A value is a number, ``none``, ``true``,
``false``, ``nan``, ``inf``, a list or dict as in JSON, a word, or a text in quotes. A word after a
relation may be the name of a key (see `Compared`), ``key(…)`` always is one and a text in quotes
never. In quotes, a backslash stands before a quote or a backslash that is meant itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import attrs

from dr_gen.errors import CriterionError, UsageError
from dr_gen.model.conditions import (
    AnyOf,
    Between,
    Condition,
    Differs,
    Equal,
    Ordered,
    Spelled,
    related,
)
from dr_gen.model.criteria import All, Compared, Criterion, Either, Key, Not, Where
from dr_gen.model.hpm import MISSING

__all__ = ["parse", "text_of"]

_MAX_DEPTH = 64
_HOWS = ("startswith", "endswith", "match")
_RESERVED = ("and", "or", "not", "in", "key", *_HOWS)
_WORDS = {
    **{"none": None, "null": None, "true": True, "false": False, "nan": float("nan")},
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in ("inf", "infinity")},
}
_NUMBER = re.compile(r"[-+]?(?P<whole>[0-9]+)?(?(whole)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<address>[^\s=<>!(),"']+@[^\s@=<>!(),"']+=[-+0-9.eE]+(?=\s*(?:[<>=]|!=|(?:not\s+)?in\b)))
    | (?P<json>(?=[\[{]))
    | (?P<mark>\.\.|[<>=!]=|[<>=(),])
    | (?P<word>(?:(?!\.\.|!=)[^\s=<>(),"'])+)
    | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_BARE = re.compile(r"""(?![\[{!])(?:(?!\.\.|!=)[^\s=<>(),"'])+""")


@attrs.frozen
class _Token:
    """A piece of the text: its kind, what it says, where it stands."""

    kind: str
    value: Any
    start: int
    end: int

    def says(self, *words: str) -> bool:
        return self.kind in ("word", "mark") and self.value.casefold() in words

    @property
    def is_name(self) -> bool:
        return self.kind in ("word", "text", "address")

    @property
    def is_value(self) -> bool:
        return self.kind in ("word", "text", "json")


def parse(text: str) -> Criterion:
    """Read a criterion.

    Raises
    ------
    CriterionError
        If the text does not follow the grammar.

    Examples
    --------
    >>> parse("optim.lr >= 0.01")
    Where(key='optim.lr', condition=Ordered(relation='>=', bound=0.01), default=MISSING)
    >>> text_of(parse("not (lr=0.1 or Init in (random, none)) and val/acc1@best>.8"))
    "not (lr = 0.1 or Init in ('random', none)) and val/acc1@best > 0.8"
    """
    return _Parser(text).whole()


class _Parser:
    """Reads one text, token by token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.token = self._read(0)

    def whole(self) -> Criterion:
        found = self.disjunction()
        if self.token.kind != "end":
            raise self.expected("'and', 'or' or the end")
        return found

    # ------------------------------------------------------------------ tokens

    def _read(self, start: int) -> _Token:
        match = _TOKEN.match(self.text, start)
        if match is None or match.lastgroup is None:
            at = start + len(self.text[start:]) - len(self.text[start:].lstrip())
            quoted = self.text[at] in "\"'"
            wanted = "the other quote at the end of this text" if quoted else "a name or a relation"
            raise CriterionError(self.text, at, wanted, self.text[at:])
        kind = match.lastgroup
        start, end = match.span(kind)
        if kind == "json":
            try:
                value, end = json.JSONDecoder().raw_decode(self.text, start)
            except (ValueError, RecursionError):
                expected = "a list or dict as in JSON (quotes make it a text)"
                raise CriterionError(self.text, start, expected, self.text[start:]) from None
            return _Token(kind, value, start, end)
        value = match[kind]
        if kind == "text":
            value = re.sub(rf"\\([\\{value[0]}])", r"\1", value[1:-1])
        return _Token(kind, value, start, end)

    def next(self) -> _Token:
        token = self.token
        self.token = self._read(token.end)
        return token

    def take(self, *words: str) -> bool:
        """Step over one of `words`, if it is what comes."""
        if self.token.says(*words):
            self.next()
            return True
        return False

    def demand(self, word: str, expected: str) -> None:
        if not self.take(word):
            raise self.expected(expected)

    def expected(self, what: str) -> CriterionError:
        token = self.token
        return CriterionError(self.text, token.start, what, self.text[token.start : token.end])

    # ------------------------------------------------------------------ rules

    def disjunction(self) -> Criterion:
        return self._joined("or", Either, self.conjunction)

    def conjunction(self) -> Criterion:
        return self._joined("and", All, self.part)

    def _joined(
        self, word: str, join: type[Either] | type[All], rule: Callable[[], Criterion]
    ) -> Criterion:
        parts = [rule()]
        while self.take(word):
            parts.append(rule())
        return join(parts) if len(parts) > 1 else parts[0]

    def part(self) -> Criterion:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.expected(f"at most {_MAX_DEPTH} parts inside one another")
        if self.take("not"):
            found: Criterion = Not(self.part())
        elif self.take("("):
            found = self.disjunction()
            self.demand(")", "'and', 'or' or ')'")
        else:
            found = self.comparison()
        self.depth -= 1
        return found

    def comparison(self) -> Criterion:
        if not self.token.is_name or self._is_reserved():
            raise self.expected("a key, 'not' or '('")
        key = self.next().value
        negated = self.take("not")
        found = self.membership(negated) or self.spelling(negated)
        if found is not None:
            return Where(key, found)
        relation = self.token.value
        if negated or not self.token.says("=", "==", "!=", "<", "<=", ">", ">="):
            more = "" if negated else "=, !=, <, <=, >, >= (as in key=value), "
            quoted = " (a key of several words stands in quotes)" if self.token.is_name else ""
            raise self.expected(f"{more}in, startswith, endswith or match{quoted}")
        self.next()
        return self.relation(key, "=" if relation == "==" else relation)

    def _is_reserved(self) -> bool:
        return self.token.says("and", "or", "in", *_HOWS)

    def membership(self, negated: bool) -> Condition | None:
        if not self.take("in"):
            return None
        found: Condition
        if self.take("("):
            found = self.members()
        elif self.token.kind == "json" and isinstance(self.token.value, list):
            found = AnyOf(tuple(self.next().value))
        else:
            expected = "(values) or a range such as 1..2"
            found = self.range_from(None if self.token.says("..") else self.value(expected)[0])
        return Differs(found) if negated else found

    def members(self) -> AnyOf:
        values: list[tuple[Any, str | None]] = []
        while not self.take(")"):
            if values:
                self.demand(",", ", or )")
            values.append(self.value("a value or )"))
        return AnyOf(tuple(v for v, _ in values), tuple(spelled for _, spelled in values))

    def range_from(self, low: Any) -> Between:
        self.demand("..", ".. and the other end of the range")
        is_open = not self.token.is_value or self.token.says("and", "or")
        return Between(low, None if is_open else self.value("the end of the range")[0])

    def spelling(self, negated: bool) -> Condition | None:
        if not self.token.says(*_HOWS):
            return None
        how = self.next().value.casefold()
        if self.token.kind not in ("word", "text"):
            raise self.expected("a text")
        token = self.next()
        try:
            found = Spelled(how, token.value)
        except UsageError as error:
            expected = f"a regular expression ({error})"
            raise CriterionError(self.text, token.start, expected, token.value) from None
        return Differs(found) if negated else found

    def relation(self, key: str, relation: str) -> Criterion:
        if self.token.says("key"):
            name = self.token
            self.next()
            if self.take("("):
                if not self.token.is_name:
                    raise self.expected("the name of a key")
                other = Key(self.next().value)
                self.demand(")", ")")
                return Compared(key, relation, other)
            return Compared(key, relation, name.value)
        if relation == "=" and self.token.says(".."):
            return Where(key, self.range_from(None))
        is_word = self.token.kind == "word"
        hint = " (any of several: in (…), a range: 1..2)" if self.token.says("(") else ""
        value, spelled = self.value(f"a value{hint}")
        if relation == "=" and self.token.says(".."):
            return Where(key, self.range_from(value))
        if is_word and isinstance(value, str):
            return Compared(key, relation, value)
        return Where(key, related(relation, value, spelled))

    def value(self, expected: str) -> tuple[Any, str | None]:
        """A value, and how it was written if it can be read as text as well."""
        if not self.token.is_value:
            raise self.expected(expected)
        token = self.next()
        if token.kind != "word":
            return token.value, None
        word = token.value
        if word.casefold() in _WORDS:
            return _WORDS[word.casefold()], word
        if number := _NUMBER.fullmatch(word):
            whole = number["whole"] and re.fullmatch("[-+]?[0-9]+", word)
            # int() refuses thousands of digits.
            return (int(word) if whole and len(word) < 1000 else float(word)), word
        return word, None


# ---------------------------------------------------------------------- back to text


def text_of(criterion: Criterion) -> str:
    """A criterion as text that `parse` reads as the same.

    Raises
    ------
    UsageError
        If it holds something that has no text: a callable, a mask, a default.
    """
    if isinstance(criterion, Not):
        return f"not {_inner(criterion.part, (All, Either))}"
    if isinstance(criterion, All) and criterion.parts:
        return " and ".join(_inner(part, (All, Either)) for part in criterion.parts)
    if isinstance(criterion, Either) and criterion.parts:
        return " or ".join(_inner(part, (Either,)) for part in criterion.parts)
    if isinstance(criterion, Where) and criterion.default is MISSING:
        return f"{_name(criterion.key)} {_condition_text(criterion.condition)}"
    if isinstance(criterion, Compared) and criterion.default is MISSING:
        right = criterion.right
        if isinstance(right, Key):
            other = f"key({_name(right.name)})"
        else:
            other = right if _BARE.fullmatch(right) else _quoted(right)
        return f"{_name(criterion.left)} {criterion.relation} {other}"
    raise UsageError(f"{criterion!r} cannot be written as text")


def _inner(part: Criterion, join: tuple[type[Criterion], ...]) -> str:
    return f"({text_of(part)})" if isinstance(part, join) else text_of(part)


def _condition_text(condition: Condition, no: str = "") -> str:
    if isinstance(condition, Differs) and not no:
        return _condition_text(condition.condition, "not ")
    if isinstance(condition, Equal):
        return f"{'!=' if no else '='} {_literal(condition.value)}"
    if isinstance(condition, AnyOf):
        return f"{no}in ({', '.join(map(_literal, condition.values))})"
    if isinstance(condition, Between):
        ends = ("" if end is None else _literal(end) for end in (condition.low, condition.high))
        return f"{no}in {'..'.join(ends)}"
    if isinstance(condition, Ordered) and not no:
        return f"{condition.relation} {_literal(condition.bound)}"
    if isinstance(condition, Spelled) and not condition.flags:
        return f"{no}{condition.how} {_quoted(condition.text)}"
    raise UsageError(f"{condition!r} cannot be written as text")


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return str(value).casefold()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _name(key: str) -> str:
    bare = _BARE.fullmatch(key) and key.casefold() not in _RESERVED
    return key if bare else _quoted(key)
