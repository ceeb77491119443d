"""From files or a store to a group of runs. Bad content of a log never raises: see findings.

What reads logs, keeps a cache, writes a store or starts processes is imported by the call that
needs it: it takes longer to import than a store takes to open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack, overload

import attrs

from dr_gen.ingestion.collector import paused
from dr_gen.ingestion.opening import open_store, refuse_for_stores
from dr_gen.ingestion.roots import roots_of
from dr_gen.model.binding import UNBOUND
from dr_gen.model.group import RunGroup
from dr_gen.parallel import SERIAL, Workers, beginning
from dr_gen.store import catalogue as catalogues
from dr_gen.store.lock import PATIENCE

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from dr_gen.ingestion.reading import Progress
    from dr_gen.ingestion.roots import PathLike
    from dr_gen.model.direction import Direction
    from dr_gen.model.labels import Labels
    from dr_gen.readers.contract import ColumnMap
    from dr_gen.typed_runs import Factory
    from dr_gen.validators import Validator

__all__ = ["ingest", "load", "open_store"]

C = TypeVar("C")
ImplT = TypeVar("ImplT")


class Options(TypedDict, total=False):
    """What else `load` takes."""

    format: str | None
    columns: ColumnMap | None
    experiment: str | None
    expected_epochs: int | None
    validators: Sequence[Validator] | None
    deleted: bool
    progress: Progress | None
    cache: bool
    workers: int | Literal["auto"] | None
    executor: Executor | None
    noise: Sequence[str]
    labels: Labels
    directions: Mapping[str, Direction]


@overload
def load(path: PathLike | Iterable[PathLike], **options: Unpack[Options]) -> RunGroup: ...
@overload
def load(
    path: PathLike | Iterable[PathLike], *, config: type[C], **options: Unpack[Options]
) -> RunGroup[C]: ...
@overload
def load(
    path: PathLike | Iterable[PathLike],
    *,
    config: type[C],
    impl: Factory[ImplT, C],
    **options: Unpack[Options],
) -> RunGroup[C, ImplT]: ...
@overload
def load(
    path: PathLike | Iterable[PathLike],
    *,
    config: None = None,
    impl: Factory[ImplT, Any],
    **options: Unpack[Options],
) -> RunGroup[Any, ImplT]: ...
def load(
    path: PathLike | Iterable[PathLike],
    *,
    config: type[Any] | None = None,
    impl: Callable[..., Any] | None = None,
    format: str | None = None,
    columns: ColumnMap | None = None,
    experiment: str | None = None,
    expected_epochs: int | None = None,
    validators: Sequence[Validator] | None = None,
    deleted: bool = False,
    progress: Progress | None = None,
    cache: bool = True,
    workers: int | Literal["auto"] | None = None,
    executor: Executor | None = None,
    **settings: Any,
) -> RunGroup:
    """Runs of a store, or of any folders and files.

    Parameters
    ----------
    path : path or iterable of paths
    config, impl : class and callable, optional
        What ``run.cfg`` and ``run.impl`` are; see `dr_gen.typed_runs.typed`.
    format : str, optional
        Name of the format; by default each file is recognised by its content.
    columns : ColumnMap, optional
        What columns mean, where guessing fails.
    experiment : str, optional
        What the runs belong to; by default the name of the folder given, or, of the folder of a
        single run as trackers leave it, of its experiment.
    expected_epochs : int, optional
        Epochs that every run should have; by default what its configuration says. Runs of a store
        are judged by it again.
    validators : sequence of callables, optional
        Instead of `default_validators`; for runs of a store, beside those it was filled with.
    deleted : bool
        Whether runs count that were marked as deleted in the tool that logged them (MLflow).
    progress : callable, optional
        Called with the number of sources read and the number there are.
    cache : bool
        Whether to keep what was read in a store in the user's cache folder (the environment's
        ``DR_GEN_CACHE``, if set), so that the next time only what is new is read. Not with
        `validators`.
    workers : int or "auto", optional
        How many processes read, this one among them, where there is so much to read that they
        pay; ``auto``: one for each processor. By default none but this one. A script that starts
        processes needs ``if __name__ == "__main__":`` around what it does.
    executor : concurrent.futures.Executor, optional
        Whoever is to read instead, such as ``client.get_executor()`` of dask. Its workers have to
        see the logs and the cache folder (without `cache`: the folder of temporary files).
    **settings
        Attributes of the group: `noise`, `labels`, `directions`.

    Returns
    -------
    RunGroup
        In the natural order of their paths. What is wrong with a run is in its findings, what
        belongs to no run in the findings of the group.

    Raises
    ------
    SourceNotFoundError, UnknownFormatError, AmbiguousFormatError, UnknownKeyError
        See `plan`.
    UsageError
        If configurations cannot be made a `config`, or `impl` takes something else; if `format`,
        `columns` or `experiment` is given for stores alone, which are not read by them.
    WorkerError
        If a worker did not do its part; nothing is kept of it.
    """
    crew = Workers.of(workers, executor)
    binding = UNBOUND
    if config is not None or impl is not None:
        from dr_gen.typed_runs import binding_of

        binding = binding_of(config, impl)  # a mistake is told before anything is read
    options: dict[str, Any] = {
        "format": format,
        "experiment": experiment,
        "columns": columns,
        "expected_epochs": expected_epochs,
        "deleted": deleted,
    }
    with paused():
        group = _loaded(path, options, validators, progress, cache, crew, settings)
    return attrs.evolve(group, binding=binding)


def _loaded(
    path: PathLike | Iterable[PathLike],
    options: Mapping[str, Any],
    validators: Sequence[Validator] | None,
    progress: Progress | None,
    cache: bool,
    crew: Workers,
    settings: Mapping[str, Any],
) -> RunGroup:
    roots = roots_of(_listed(path))
    if roots.only_stores:
        refuse_for_stores(options)
    if not roots.only_stores or len(roots.stores) != 1:
        # Here, since who opens a store needs nothing that reads logs.
        from dr_gen.ingestion.from_logs import group_of_logs

        return group_of_logs(roots, options, validators, progress, cache, crew, settings)
    group = open_store(roots.stores[0], **settings)
    epochs = options["expected_epochs"]
    if epochs is None and validators is None:
        return group
    from dr_gen.ingestion.rechecking import rechecked

    return rechecked(group, epochs, None if validators is None else tuple(validators))


def _listed(paths: Any) -> PathLike | Sequence[PathLike]:
    """The paths given; those of a generator in a list, since it can be asked only once."""
    one = isinstance(paths, str | os.PathLike) or not isinstance(paths, Iterable)
    given: PathLike | Sequence[PathLike] = paths if one else list(paths)
    return given


def ingest(
    source: PathLike | Iterable[PathLike],
    store: PathLike,
    *,
    compress: bool = False,
    timeout: float = PATIENCE,
    workers: int | Literal["auto"] | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> RunGroup:
    """Read runs into a store; the next time only what is new.

    What is unchanged since is not opened. Of a log of lines that grew only the end is read, where
    that is enough; it is read again where it is not, and so is what was rewritten. Runs whose file
    vanished stay, with the finding ``source-gone``. Runs from elsewhere stay as they are. The
    sources are never written to.

    Parameters
    ----------
    source : path or iterable of paths
    store : path
        A folder of its own; made if it is not there. With stores among the sources, or
        `validators`, what is in it is replaced as a whole.
    compress : bool
        Smaller files that open slower.
    timeout : float
        How many seconds to wait for another writer of the store.
    workers, executor
        As for `load`; workers have to see the logs and the folder of the store, since each writes
        what it read there.
    **options
        As for `load`.

    Returns
    -------
    RunGroup
        As opened from the store; values are read when they are first asked for.

    Raises
    ------
    StoreError
        If the store cannot be written, or another writer is at work in it; what was there before
        stays as it was.
    WorkerError
        If a worker did not do its part; the store then is as it was.
    SourceNotFoundError, UnknownFormatError, AmbiguousFormatError, UnknownKeyError
        See `plan`.
    """
    from dr_gen.ingestion.applying import apply
    from dr_gen.ingestion.batches import is_much
    from dr_gen.ingestion.planning import plan
    from dr_gen.store import store as stores
    from dr_gen.store.ondemand import Reading
    from dr_gen.store.writing import writing

    given = roots_of(_listed(source))
    crew = Workers.of(workers, executor)
    names = ("noise", "labels", "directions")
    settings = {name: options.pop(name) for name in names if name in options}
    if options.get("validators") is not None or given.stores:
        group = load(given.paths, workers=workers, executor=executor, **{**options, "cache": False})
        stores.save(group, store, compress=compress, timeout=timeout)
        return open_store(store, reading=Reading(), **settings)
    for name in ("validators", "cache"):
        options.pop(name, None)
    progress = options.pop("progress", None)
    new = not crew.alone and not catalogues.exists(Path(store)) and is_much(given.paths)
    with (
        paused(),
        writing(Path(store), timeout),
        beginning(crew if new else SERIAL, apply.__module__) as begun,
    ):
        decided = plan(given, store, **options)
        begun = begun if new else crew
        apply(decided, progress=progress, compress=compress, workers=begun)
    return open_store(store, reading=Reading(), **settings)
