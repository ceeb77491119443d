"""Plain values of a configuration as classes."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import attrs
import cattrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UsageError
from dr_gen.model.hpm import Hpm
from dr_gen.structuring import Misfit, check_class, structured


class Kind(enum.Enum):
    SGD = "sgd"
    ADAM = "adam"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    FAST = "fast"


@attrs.frozen
class Optim:
    lr: float
    kind: Kind = Kind.SGD
    betas: tuple[float, float] = (0.9, 0.999)
    decay: float | None = None


@dataclass
class Model:
    name: str
    widths: list[int] = field(default_factory=list)
    pooling: Literal["max", "mean", 2] = "max"
    weights: str | None = None


@attrs.frozen
class Config:
    optim: Optim
    model: Model
    steps: int = 1
    amp: bool = False
    stages: Sequence[Optim] = ()
    tags: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = attrs.field(factory=dict)
    warmup: int | float | str = 0
    out: Path | None = None
    begun: date | None = None
    ended: datetime | None = None
    level: Level = Level.LOW
    mode: Mode = Mode.FAST
    rest: Any = None


SMALL: dict[str, Any] = {"optim": {"lr": 0.1}, "model": {"name": "mlp"}}

plain_optims = st.builds(
    Optim,
    st.floats(allow_nan=False),
    st.sampled_from(Kind),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.none() | st.floats(0, 1),
)
configs = st.builds(
    Config,
    plain_optims,
    st.builds(
        Model,
        st.text(),
        st.lists(st.integers(-9, 9)),
        st.sampled_from(("max", "mean", 2)),
        st.none() | st.text(),
    ),
    steps=st.integers(),
    amp=st.booleans(),
    stages=st.lists(plain_optims, max_size=2),
    tags=st.frozensets(st.text(max_size=3), max_size=3),
    sizes=st.dictionaries(st.sampled_from("abc"), st.integers(-9, 9)),
    warmup=st.integers() | st.floats(allow_nan=False) | st.text(),
    out=st.none() | st.sampled_from((Path("a/b"), Path("/c"))),
    begun=st.none() | st.dates(),
    ended=st.none() | st.datetimes(),
    level=st.sampled_from(Level),
    mode=st.sampled_from(Mode),
    rest=st.none() | st.integers() | st.text(),
)


@given(configs)
def test_a_class_survives_being_a_configuration(config: Config) -> None:
    """What a log holds of a configuration makes the same configuration again."""
    plain = cattrs.Converter().unstructure(config)
    found = structured(Hpm(plain).nested(), Config)
    assert found == config
    assert isinstance(found, Config)
    assert type(found.level) is Level
    assert type(found.warmup) is type(config.warmup)


def test_defaults_and_what_the_class_does_not_know() -> None:
    """A field with a default may be missing, and a configuration may hold more."""
    found = structured({**SMALL, "seed": 3, "optim": {"lr": 1, "momentum": 0.9}}, Config)
    assert found == Config(Optim(1.0), Model("mlp"))


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("optim.lr", "1e-4", 0.0001),
        ("optim.lr", 3, 3.0),
        ("optim.kind", "ADAM", Kind.ADAM),
        ("steps", 1e3, 1000),
        ("steps", "12", 12),
        ("level", 2, Level.HIGH),
        ("level", "HIGH", Level.HIGH),
        ("warmup", "10%", "10%"),
        ("optim.decay", "1e-3", 0.001),
        ("model.pooling", 2, 2),
    ],
)
def test_other_spellings(path: str, value: Any, meant: Any) -> None:
    """Numbers may be texts or whole floats, enums may be names."""
    found: Any = structured(nested(path, value), Config)
    for name in path.split("."):
        found = getattr(found, name)
    assert found == meant
    assert type(found) is type(meant)


def nested(path: str, value: Any) -> dict[str, Any]:
    """The small configuration with another value."""
    return Hpm({**Hpm(SMALL), path: value}).nested()


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("optim.lr", "fast", "optim.lr: expected a number, found 'fast'"),
        ("optim.lr", True, "optim.lr: expected a number, found True"),
        ("optim.lr", None, "optim.lr: expected a number, found None"),
        ("optim.kind", "lion", "optim.kind: expected one of 'sgd', 'adam', found 'lion'"),
        ("optim.betas", [0.9], "optim.betas: expected 2 values, found [0.9]"),
        ("optim.betas", [0.9, "x"], "optim.betas[1]: expected a number, found 'x'"),
        ("model", "mlp", "model: expected a group of values, found 'mlp'"),
        ("model.name", 3, "model.name: expected text, found 3"),
        ("model.widths", "abc", "model.widths: expected a list, found 'abc'"),
        ("model.widths", [1, 2.5], "model.widths[1]: expected a whole number, found 2.5"),
        ("model.pooling", "min", "model.pooling: expected one of 'max', 'mean', 2, found 'min'"),
        ("steps", 0.5, "steps: expected a whole number, found 0.5"),
        ("amp", "false", "amp: expected true or false, found 'false'"),
        ("stages", [{"lr": 1}, {}], "stages[1].lr: is missing"),
        ("tags", 3, "tags: expected a list, found 3"),
        ("sizes", 3, "sizes: expected a group of values, found 3"),
        ("sizes", {"a": "x"}, "sizes['a']: expected a whole number, found 'x'"),
        ("warmup", [1], "warmup: expected int or float or str, found [1]"),
        ("begun", "soon", "begun: expected a date, found 'soon'"),
        ("out", 3, "out: expected a path, found 3"),
    ],
)
def test_what_does_not_fit_is_named(path: str, value: Any, problem: str) -> None:
    """A problem says which key, what was expected there, and what was found."""
    assert structured(nested(path, value), Config) == Misfit((problem,))


def test_all_problems_at_once() -> None:
    """Nobody has to mend one to see the next."""
    values = {"optim": {"kind": "lion"}, "steps": "many", "amp": 1}
    found = structured(values, Config)
    assert isinstance(found, Misfit)
    assert [problem.partition(":")[0] for problem in found.problems] == [
        *("optim.lr", "optim.kind", "model", "steps", "amp")
    ]


def test_what_a_class_itself_refuses() -> None:
    """A validator and an initialiser have their say, and converters their way."""

    @attrs.frozen
    class Careful:
        lr: float = attrs.field(validator=attrs.validators.gt(0))
        name: str = attrs.field(default="", converter=str)

    assert structured({"lr": 0.1, "name": 3}, Careful) == Careful(0.1, "3")
    found = structured({"lr": -1.0}, Careful)
    assert isinstance(found, Misfit)
    assert "must be > 0: -1.0" in found.problems[0]


@attrs.frozen
class Unclear:
    what: NoSuchType  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize("kind", [int, dict, "Config", Optim(0.1), Unclear, None])
def test_a_class_that_cannot_be_made_is_refused(kind: Any) -> None:
    """What is no class with fields, or has one of no known type, is a mistake of the call."""
    with pytest.raises(UsageError, match="configuration"):
        check_class(kind)
