"""Runs in the terms of classes of one's own: ``run.cfg`` and ``run.impl``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, overload
from weakref import WeakKeyDictionary

import attrs

from dr_gen.artifacts import artifact_folder
from dr_gen.errors import ConfigMismatchError, UsageError
from dr_gen.model.binding import UNBOUND, Binding, C_co, I_co
from dr_gen.model.finding import Finding, Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunTable
from dr_gen.structuring import Misfit, check_class, structured

__all__ = ["Factory", "binding_of", "typed"]

C = TypeVar("C")
ImplT = TypeVar("ImplT")

Factory: TypeAlias = Callable[[Path], ImplT] | Callable[[Path, C], ImplT]
"""Makes something for a run of its folder of artifacts, or of that and its configuration."""


@overload
def typed(group: RunGroup[Any, Any], config: type[C]) -> RunGroup[C]: ...
@overload
def typed(
    group: RunGroup[Any, Any], config: type[C], impl: Factory[ImplT, C]
) -> RunGroup[C, ImplT]: ...
@overload
def typed(
    group: RunGroup[Any, Any], config: None, impl: Factory[ImplT, Any]
) -> RunGroup[Any, ImplT]: ...
@overload
def typed(
    group: RunGroup[Any, Any], config: None = None, *, impl: Factory[ImplT, Any]
) -> RunGroup[Any, ImplT]: ...
def typed(
    group: RunGroup[Any, Any],
    config: type[Any] | None = None,
    impl: Callable[..., Any] | None = None,
) -> RunGroup[Any, Any]:
    """The same runs with classes for ``run.cfg`` and ``run.impl``.

    Nothing is read or made before it is asked for, and then once for each run.

    Parameters
    ----------
    group : RunGroup
    config : class of attrs or dataclass, optional
        What the nested configuration of a run is made into; see `structured`. A run that does not
        fit stays: it has a finding ``config-mismatch`` with every problem, and its ``cfg`` raises
        them as a `ConfigMismatchError`.
    impl : callable, optional
        A class or function of the run's folder of artifacts (`artifact_folder`), or, if it takes
        a second argument, of the folder and ``run.cfg``.

    Raises
    ------
    UsageError
        If `config` is no such class, or `impl` can take neither one argument nor two.

    Examples
    --------
    >>> @attrs.frozen
    ... class Config:
    ...     lr: float
    ...     layers: int = 2
    >>> runs = [RunData.from_dict({"id": i, "hpms": {k: 0.1}}) for i, k in ("ab", ("c", "lr"))]
    >>> group = typed(RunGroup.from_runs(runs), Config)
    >>> group["c"].cfg
    Config(lr=0.1, layers=2)
    >>> group["a"].cfg
    Traceback (most recent call last):
        ...
    dr_gen.errors.ConfigMismatchError: the configuration of run 'a' does not fit Config: lr: ...
    """
    return attrs.evolve(group, binding=binding_of(config, impl))


def binding_of(config: type[Any] | None, impl: Callable[..., Any] | None) -> Binding[Any, Any]:
    """What gives runs their ``cfg`` and ``impl``; arguments and errors as of `typed`."""
    if config is not None:
        check_class(config)
    if config is None and impl is None:
        return UNBOUND
    return _Classes(config, impl, _takes_config(impl))


def _takes_config(impl: Callable[..., Any] | None) -> bool:
    if impl is None:
        return False
    if not callable(impl):
        raise UsageError(f"impl is a class or function of a folder, not {impl!r}")
    try:
        signature = inspect.signature(impl)
    except ValueError:  # some of those written in C have none
        return False
    for values in ((None, None), (None,)):
        try:
            signature.bind(*values)
        except TypeError:
            continue
        return len(values) == 2
    name = getattr(impl, "__qualname__", repr(impl))
    raise UsageError(f"impl takes a folder, or a folder and a configuration; {name}{signature}")


@attrs.frozen(repr=False)
class _Classes(Binding[C_co, I_co]):
    """What runs are in the terms of classes of the caller's."""

    config: type[C_co] | None
    factory: Callable[..., I_co] | None
    takes_config: bool
    # By table and number: a run is the same one in every selection of its group.
    _cfgs: WeakKeyDictionary[RunTable, dict[int, C_co | Misfit]] = attrs.field(
        factory=WeakKeyDictionary, init=False, eq=False
    )
    _impls: WeakKeyDictionary[RunTable, dict[int, I_co]] = attrs.field(
        factory=WeakKeyDictionary, init=False, eq=False
    )

    def cfg(self, run: RunData[Any, Any]) -> C_co:
        """The configuration of a run as the class.

        Raises
        ------
        ConfigMismatchError
            If it does not fit.
        """
        if self.config is None:
            return super().cfg(run)
        found = self._cfg(run, self.config)
        if isinstance(found, Misfit):
            raise ConfigMismatchError(run.id, self.config.__name__, found.problems)
        return found

    def _cfg(self, run: RunData[Any, Any], config: type[C_co]) -> C_co | Misfit:
        known = self._cfgs.setdefault(run.table, {})
        if run.index not in known:
            # Of two threads that make it at once, both get the one of the first.
            known.setdefault(run.index, structured(run.hpms.nested(), config))
        return known[run.index]

    def impl(self, run: RunData[Any, Any]) -> I_co:
        """What the factory makes of the folder of a run."""
        if self.factory is None:
            return super().impl(run)
        known = self._impls.setdefault(run.table, {})
        if run.index not in known:
            folder = artifact_folder(run)
            arguments = (folder, self.cfg(run)) if self.takes_config else (folder,)
            known.setdefault(run.index, self.factory(*arguments))
        return known[run.index]

    def findings(self, run: RunData[Any, Any]) -> tuple[Finding, ...]:
        """That the configuration of a run does not fit the class, with every problem."""
        found = None if self.config is None else self._cfg(run, self.config)
        if self.config is None or not isinstance(found, Misfit):
            return ()
        name, problems = self.config.__name__, "; ".join(found.problems)
        return (
            Finding(
                "config-mismatch",
                f"the configuration does not fit {name}: {problems}",
                Severity.WARNING,
                path=run.source or None,
                run=run.id,
                hint=f"give {name} defaults, or fill in what is missing with update()",
            ),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (_Classes, (self.config, self.factory, self.takes_config))
