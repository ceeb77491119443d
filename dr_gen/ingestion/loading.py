"""From files or a store to a group of runs. Bad content of a log never raises: see findings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack, overload

import attrs

from dr_gen.errors import UsageError
from dr_gen.group_validators import validate_group
from dr_gen.ingestion import cache as caches
from dr_gen.ingestion.applying import apply
from dr_gen.ingestion.batches import is_much, who_reads
from dr_gen.ingestion.collector import paused
from dr_gen.ingestion.handing_over import read_by
from dr_gen.ingestion.planning import PathLike, plan, roots_of
from dr_gen.ingestion.plans import Plan, Source
from dr_gen.ingestion.reading import Progress, drained, read_sources, renamed
from dr_gen.ingestion.rechecking import rechecked
from dr_gen.ingestion.rules import Rules
from dr_gen.model.direction import Direction
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData
from dr_gen.parallel import SERIAL, Workers, beginning
from dr_gen.readers.contract import ColumnMap
from dr_gen.store import catalogue as catalogues
from dr_gen.store import store as stores
from dr_gen.store.ondemand import Reading
from dr_gen.store.writing import PATIENCE, writing
from dr_gen.typed_runs import Factory, binding_of
from dr_gen.validators import Validator

__all__ = ["ingest", "load", "open_store"]

_HOW_TO_READ = ("format", "columns", "experiment")

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
    given = _listed(path)
    roots = roots_of(given)
    any_store = any(map(catalogues.exists, filter(os.path.isdir, roots)))
    if any_store and all(map(catalogues.exists, roots)):
        _refuse_for_stores(options)
    checks = None if validators is None else tuple(validators)
    if len(roots) == 1 and any_store:
        return rechecked(open_store(roots[0], **settings), options["expected_epochs"], checks)
    if cache and validators is None and not any_store:
        cached = caches.load(given, options, progress, crew, **settings)
        if cached is not None:
            return validate_group(cached)
    early = crew if not crew.alone and is_much(roots) else SERIAL
    with beginning(early, read_by.__module__) as begun:
        decided = plan(roots, **options)  # each made a path once
        rules = attrs.evolve(decided.rules, validators=checks)
        begun = crew if early.alone else begun
        sizes = [] if crew.alone else [*map(_size, decided.sources)]
        if who_reads(begun, sum(sizes)).alone or not decided.sources:
            results = read_sources(decided.sources, rules, progress)
            found = [finding for result in results for finding in result.findings]
            runs = [run for result in results for run in result.runs]
            results.clear()
        else:
            # By way of files: arrays that are sent between processes are copied several times.
            with tempfile.TemporaryDirectory(prefix="dr_gen-") as folder:
                runs, found = read_by(begun, decided.sources, sizes, rules, folder, progress)
        return _together(decided, rules, drained(runs), found, settings)


def _refuse_for_stores(options: Mapping[str, Any]) -> None:
    """What says how logs are read is of no effect where there are none."""
    given = [name for name in _HOW_TO_READ if options[name] is not None]
    if given:
        raise UsageError(
            f"{', '.join(given)} cannot be given for a store, whose logs were read when it was "
            "filled; ingest them again, or load the logs themselves"
        )


def _listed(paths: Any) -> PathLike | Sequence[PathLike]:
    """The paths given; those of a generator in a list, since it can be asked only once."""
    one = isinstance(paths, str | os.PathLike) or not isinstance(paths, Iterable)
    given: PathLike | Sequence[PathLike] = paths if one else list(paths)
    return given


def _size(source: Source) -> int:
    try:
        return source.path.stat().st_size
    except OSError:
        return 0


def _together(
    decided: Plan,
    rules: Rules,
    read: Iterable[RunData],
    found: Iterable[Finding],
    settings: Mapping[str, Any],
) -> RunGroup:
    """The runs of the stores of a plan, and those that were read, as one group."""
    runs: list[RunData] = []
    findings = list(decided.findings)
    for store in decided.stores:
        stored = rechecked(open_store(store), rules.expected_epochs, rules.validators)
        runs += stored
        findings += stored.source_findings
    runs += read
    findings += found
    named = renamed(runs)
    runs.clear()
    group = RunGroup.from_runs(drained(named), source_findings=tuple(findings), **settings)
    return validate_group(group)


def open_store(path: PathLike, **settings: Any) -> RunGroup:
    """The runs of a store.

    Parameters
    ----------
    path : path
    **settings
        Attributes of the group: `noise`, `labels`, `directions`; and `chunks`, an int or
        ``"auto"``, for a store larger than memory: values are left in their files, a curve reads
        only its own, and ``group.curves(address)`` is an array of dask (the extra ``dask``) with
        about so many numbers in each chunk.

    Raises
    ------
    UsageError
        If `chunks` make no sense, or dask is not installed.
    StoreFormatError
        If a file is damaged, or of a form that this version does not read.
    StoreError
        If there is no store, or a file of it is missing or may not be read.
    """
    with paused():
        group = stores.open_store(path, **settings)
    # What is said of runs beside one another holds for these runs, however they came together.
    return validate_group(group) if catalogues.has_sources(Path(path)) else group


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
    given = _listed(source)
    crew = Workers.of(workers, executor)
    names = ("noise", "labels", "directions")
    settings = {name: options.pop(name) for name in names if name in options}
    if options.get("validators") is not None or any(map(catalogues.exists, roots_of(given))):
        group = load(given, workers=workers, executor=executor, **{**options, "cache": False})
        stores.save(group, store, compress=compress, timeout=timeout)
        return open_store(store, reading=Reading(), **settings)
    for name in ("validators", "cache"):
        options.pop(name, None)
    progress = options.pop("progress", None)
    new = not crew.alone and not catalogues.exists(Path(store)) and is_much(roots_of(given))
    with (
        paused(),
        writing(Path(store), timeout),
        beginning(crew if new else SERIAL, apply.__module__) as begun,
    ):
        decided = plan(given, store, **options)
        begun = begun if new else crew
        apply(decided, progress=progress, compress=compress, workers=begun)
    return open_store(store, reading=Reading(), **settings)
