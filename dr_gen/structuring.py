"""From the plain values of a configuration to the classes of its user, with all that is wrong."""

from __future__ import annotations

import contextlib
import enum
import functools
import types
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import attrs

from dr_gen.errors import UsageError

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["Misfit", "check_class", "structured"]

T = TypeVar("T")

_ROOT: Final = "configuration"


def check_class(kind: Any) -> None:
    """That configurations can be made a class of.

    Raises
    ------
    UsageError
        If it is no class of attrs and no dataclass, or the type of a field says nothing.
    """
    if not (isinstance(kind, type) and attrs.has(kind)) and not _is_dataclass(kind):
        raise UsageError(f"a configuration is a class of attrs or a dataclass, not {kind!r}")
    try:
        _converter().get_structure_hook(kind)
    except Exception as error:
        raise UsageError(f"{kind.__name__} cannot be made of a configuration: {error}") from None


@attrs.frozen
class Misfit:
    """Why a configuration cannot be made a class: `problems`, each with its key."""

    problems: tuple[str, ...]


def structured(values: Mapping[str, Any], kind: type[T]) -> T | Misfit:
    """Nested plain values as a class, or everything that does not fit.

    Numbers may be whole ones, or texts that spell them (YAML reads ``1e-4`` as text); anything
    else has to be of the type declared. Values that the class has no field for are left out.

    Parameters
    ----------
    values : mapping
    kind : class of attrs or dataclass
        Also nested, optional, in lists, tuples, sets and mappings; enums by value or name,
        literals, paths, dates.

    Examples
    --------
    >>> @attrs.frozen
    ... class Optim:
    ...     lr: float
    ...     steps: int = 10
    >>> structured({"lr": "1e-4", "name": "sgd"}, Optim)
    Optim(lr=0.0001, steps=10)
    >>> structured({"steps": 0.5}, Optim)
    Misfit(problems=('lr: is missing', 'steps: expected a whole number, found 0.5'))
    """
    from cattrs import BaseValidationError, transform_error

    try:
        made: T = _converter().structure(values, kind)
    except BaseValidationError as error:
        return Misfit(tuple(map(_placed, transform_error(error, _ROOT, _explain))))
    except Exception as error:  # what an initialiser of the caller's raises
        return Misfit((_explain(error, None),))
    return made


def _placed(problem: str) -> str:
    """A problem with its key before it."""
    text, _, path = problem.rpartition(" @ ")
    key = path.removeprefix(_ROOT).removeprefix(".")
    return f"{key}: {text}" if key else text


def _explain(error: BaseException, _: type | None) -> str:
    # What cattrs says of a key that is not there.
    return "is missing" if type(error) is KeyError else str(error) or type(error).__name__


# ---------------------------------------------------------------------------- hooks

_Hook = Callable[[Any, Any], Any]


def _expected(what: str, found: Any) -> ValueError:
    return ValueError(f"expected {what}, found {found!r}")


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise _expected("text", value)
    return value


def _bool(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise _expected("true or false", value)
    return value


def _float(value: Any, _: Any) -> float:
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise _expected("a number", value)


def _int(value: Any, _: Any) -> int:
    try:
        whole = int(value) if isinstance(value, str) else value
        if isinstance(whole, int) and not isinstance(whole, bool):
            return whole
        if isinstance(whole, float) and whole.is_integer():
            return int(whole)
    except ValueError:
        pass
    raise _expected("a whole number", value)


def _read(make: Callable[[str], Any], what: str) -> _Hook:
    def structure(value: Any, _: Any) -> Any:
        try:
            return make(value)
        except (TypeError, ValueError):
            raise _expected(what, value) from None

    return structure


def _enum(value: Any, kind: type[enum.Enum]) -> enum.Enum:
    if isinstance(value, kind):
        return value
    for member in kind:
        if type(member.value) is type(value) and member.value == value:
            return member
    if isinstance(value, str) and value in kind.__members__:
        return kind[value]
    raise _expected(f"one of {', '.join(repr(member.value) for member in kind)}", value)


def _or_enum(hook: _Hook) -> _Hook:
    """`hook`, but for the enums whose members are also what it makes."""

    def structure(value: Any, kind: Any) -> Any:
        is_enum = isinstance(kind, type) and issubclass(kind, enum.Enum)
        return _enum(value, kind) if is_enum else hook(value, kind)

    return structure


def _literal(value: Any, kind: Any) -> Any:
    for allowed in get_args(kind):
        if type(allowed) is type(value) and allowed == value:
            return value
    raise _expected(f"one of {', '.join(map(repr, get_args(kind)))}", value)


_SCALARS: Final[dict[Any, _Hook]] = {
    enum.Enum: _enum,
    str: _or_enum(_text),
    bool: _bool,
    float: _or_enum(_float),
    int: _or_enum(_int),
    Path: _read(Path, "a path"),
    date: _read(date.fromisoformat, "a date"),
    datetime: _read(datetime.fromisoformat, "a date and time"),
}

_SEQUENCES: Final[dict[Any, Callable[[Iterable[Any]], Any]]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
}


def _is_dataclass(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "__dataclass_fields__")


def _is_class(kind: Any) -> bool:
    plain = get_origin(kind) or kind
    return (isinstance(plain, type) and attrs.has(plain)) or _is_dataclass(plain)


def _container(kind: Any) -> Callable[[Iterable[Any]], Any] | None:
    """What makes a sequence or set of this type of its items."""
    plain = get_origin(kind) or kind
    if not isinstance(plain, type) or plain in (str, bytes) or issubclass(plain, Mapping):
        return None
    if hasattr(plain, "_fields"):  # a named tuple
        return None
    if plain in _SEQUENCES:
        return _SEQUENCES[plain]
    return list if plain.__module__ == "collections.abc" and issubclass(list, plain) else None


def _items_hook(kind: Any, converter: Converter) -> _Hook:
    from cattrs import IterableValidationError, IterableValidationNote

    make: Any = _container(kind)
    args = get_args(kind) or (Any,)
    each = None if make is tuple and args[-1] is not Ellipsis and get_args(kind) else args[0]

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple | set | frozenset):
            raise _expected("a list", value)
        kinds = [each] * len(value) if each is not None else list(args)
        if len(kinds) != len(value):
            raise _expected(f"{len(kinds)} values", value)
        items, errors = [], []
        for place, (item, of) in enumerate(zip(value, kinds, strict=True)):
            try:
                items.append(converter.structure(item, of))
            except Exception as error:
                error.add_note(IterableValidationNote(f"in item {place}", place, of))
                errors.append(error)
        if errors:
            raise IterableValidationError("items", errors, kind)
        return make(items)

    return structure


def _of_mappings(factory: Callable[[Any, Converter], _Hook]) -> Callable[[Any, Converter], _Hook]:
    """A factory of hooks that take mappings alone."""

    def hook(kind: Any, converter: Converter) -> _Hook:
        make = factory(kind, converter)

        def structure(value: Any, _: Any) -> Any:
            if not isinstance(value, Mapping):
                raise _expected("a group of values", value)
            return make(value, kind)

        return structure

    return hook


def _union_hook(kind: Any, converter: Converter) -> _Hook:
    members = get_args(kind)
    others = [member for member in members if member is not type(None)]

    def structure(value: Any, _: Any) -> Any:
        if value is None and len(others) < len(members):
            return None
        if len(others) == 1:
            return converter.structure(value, others[0])
        if type(value) in others:
            return value
        for member in others:
            with contextlib.suppress(Exception):
                return converter.structure(value, member)
        raise _expected(" or ".join(getattr(m, "__name__", str(m)) for m in members), value)

    return structure


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


@functools.cache
def _converter() -> Converter:
    # Imported late: cattrs takes a third of the time that `dr-gen --help` may take.
    from cattrs import Converter
    from cattrs.cols import mapping_structure_factory
    from cattrs.gen import make_dict_structure_fn

    converter = Converter(prefer_attrib_converters=True)
    for kind, hook in _SCALARS.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_func(_is_literal, _literal)
    factories: dict[Callable[[Any], bool], Callable[[Any, Converter], _Hook]] = {
        _is_class: _of_mappings(make_dict_structure_fn),
        lambda kind: _container(kind) is not None: _items_hook,
        lambda kind: get_origin(kind) in (dict, Mapping, MutableMapping): _of_mappings(
            mapping_structure_factory
        ),
        lambda kind: get_origin(kind) in (Union, types.UnionType): _union_hook,
    }
    for fits, factory in factories.items():
        converter.register_structure_hook_factory(fits, factory)
    return converter
