"""Every exception of dr_gen."""

from __future__ import annotations

import builtins
import copy
import inspect
import pickle
import re
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen import errors
from dr_gen.errors import DrGenError, SettingsError, UnknownKeyError, nearest

ERRORS = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, DrGenError) and found is not DrGenError
]
VALUES = {"tuple[str, ...]": ("one", "two"), "float": 0.5, "int": 3, "str": "some text"}


def made(error: type[DrGenError]) -> DrGenError:
    """An error with a value of its own in each field."""
    fields = attrs.fields(error)  # type: ignore[arg-type]
    return error(*(_value(field, i) for i, field in enumerate(fields)))


def _value(field: attrs.Attribute[Any], number: int) -> Any:
    value = VALUES[str(field.type)]
    return f"{value} {number}" if isinstance(value, str) else value


each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)


@each_error
def test_an_error_survives_pickling_and_copying(error: type[DrGenError]) -> None:
    """An error raised in another process arrives with its text and all its fields."""
    raised = made(error)
    for other in (pickle.loads(pickle.dumps(raised)), copy.copy(raised), copy.deepcopy(raised)):
        assert type(other) is error
        assert str(other) == str(raised)
        fields = [field.name for field in attrs.fields(error)]  # type: ignore[arg-type]
        assert [getattr(other, f) for f in fields] == [getattr(raised, f) for f in fields]


@each_error
def test_an_error_carries_its_data_into_its_text(error: type[DrGenError]) -> None:
    """The text is made from the fields, is one line and is no representation of a tuple."""
    text = str(made(error))
    assert "\n" not in text
    assert not text.startswith("(")
    assert "some text 0" in text


@each_error
def test_an_error_is_also_a_builtin(error: type[DrGenError]) -> None:
    """Who does not know our errors catches the built-in one of the same meaning."""
    known = [base for base in error.__mro__ if base.__module__ == "builtins"]
    assert set(known) - {object, BaseException, Exception}
    assert error.__doc__
    with pytest.raises(DrGenError):
        raise made(error)


@each_error
def test_an_error_can_be_used_like_any_object(error: type[DrGenError]) -> None:
    """An error can be hashed and raised with a cause."""
    raised = made(error)
    assert raised in {raised}
    with pytest.raises(error) as info:
        raise raised from ValueError("cause")
    assert isinstance(info.value.__cause__, ValueError)


def _tree(doc: str) -> Iterator[tuple[str, str | None]]:
    for line in doc.splitlines():
        if match := re.match(r"[ │]*[├└]── (\w+) +\((\w+)\)", line):
            yield match[1], match[2]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The docstring lists every error with the built-in it also is."""
    drawn = dict(_tree(errors.__doc__ or ""))
    assert set(drawn) == {error.__name__ for error in ERRORS}
    for name, builtin in drawn.items():
        assert issubclass(getattr(errors, name), getattr(builtins, str(builtin)))
    assert set(errors.__all__) == {*drawn, "DrGenError"}


@given(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=6))
def test_the_nearest_names_are_names_there_are(name: str, known: list[str]) -> None:
    """A hint names a few known names, none twice, and the name itself first."""
    found = nearest(name, known)
    assert set(found) <= set(known)
    assert len(found) == len(set(found)) <= 3
    if name in known and name:
        assert name in nearest(name, [name])


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("optim.Lr", ["optim.lr", "seed"], ["optim.lr"]),
        ("lr", ["optim.lr", "model.weights"], ["optim.lr"]),
        ("LEARNING_RATE", ["learning_rate"], ["learning_rate"]),
        ("wieghts", ["model.weights"], ["model.weights"]),
        ("zzz", ["lr"], []),
    ],
)
def test_a_misspelt_name_is_recognised(name: str, known: list[str], found: list[str]) -> None:
    """Case, a wrong letter and a missing prefix do not hide what was meant."""
    assert nearest(name, known) == found


def test_an_unknown_key_says_what_there_is() -> None:
    """Near names are proposed, otherwise the names there are, otherwise that there are none."""
    assert str(UnknownKeyError("key", "x", (), "group")) == "no key 'x' in group; there are none"
    assert str(UnknownKeyError("key", "abd", ("abc",))) == "no key 'abd'; did you mean 'abc'?"
    many = tuple(f"name{i}" for i in range(20))
    assert str(UnknownKeyError("key", "zzz", many)).endswith("name11, … 8 more")


def test_problems_of_settings_are_all_in_the_text() -> None:
    """Every problem is reported with its file."""
    assert str(SettingsError("a.yaml", ("b", "c"))) == "a.yaml: b; a.yaml: c"
