"""Loading in the notation ``Run[Config, Impl].load(…)``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, overload

from dr_gen.errors import NotOneError
from dr_gen.ingestion.loading import load
from dr_gen.model.binding import C_co, I_co
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData

if TYPE_CHECKING:
    from dr_gen.ingestion.roots import PathLike
    from dr_gen.typed_runs import Factory

__all__ = ["Run"]


class Run(Generic[C_co, I_co]):
    """Another way to write `load`: of one path one run, of several a group.

    ``Run[Config].load(paths)`` is ``load(paths, config=Config)``, and
    ``Run[Config, Impl].load(path, Impl)`` the one run of ``load(path, config=Config, impl=Impl)``.
    There are no objects of this class: the runs are `RunData`.
    """

    _config: type[Any] | None = None

    def __class_getitem__(cls, classes: Any) -> Any:
        config = classes[0] if isinstance(classes, tuple) else classes
        return type(cls.__name__, (cls,), {"_config": config, "__doc__": cls.__doc__})

    @overload
    @classmethod
    def load(
        cls, path: PathLike, impl: Factory[I_co, Any] | None = None, **options: Any
    ) -> RunData[C_co, I_co]: ...
    @overload
    @classmethod
    def load(
        cls, path: Iterable[PathLike], impl: Factory[I_co, Any] | None = None, **options: Any
    ) -> RunGroup[C_co, I_co]: ...
    @classmethod
    def load(
        cls, path: Any, impl: Factory[I_co, Any] | None = None, **options: Any
    ) -> RunData[C_co, I_co] | RunGroup[C_co, I_co]:
        """The run of one path, or the runs of several.

        Parameters
        ----------
        path : path or iterable of paths
        impl : callable, optional
            What ``run.impl`` is.
        **options
            As for `load`.

        Raises
        ------
        NotOneError
            If one path holds no run, or several.
        """
        classes: dict[str, Any] = {"config": cls._config, "impl": impl}
        group: RunGroup[C_co, I_co] = load(path, **classes, **options)
        if not isinstance(path, str | os.PathLike):
            return group
        if len(group) != 1:
            raise NotOneError("run", len(group), group.ids)
        return group[0]
