"""Opening a store: nothing here reads logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dr_gen.errors import UsageError
from dr_gen.group_validators import validate_group
from dr_gen.ingestion.collector import paused
from dr_gen.store import catalogue as catalogues

if TYPE_CHECKING:
    import os

    from dr_gen.model.group import RunGroup

__all__ = ["open_store", "refuse_for_stores"]

_HOW_TO_READ: Final = ("format", "columns", "experiment")


def open_store(path: str | os.PathLike[str], **settings: Any) -> RunGroup:
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
    # Here, since a load of logs need not keep anything.
    from dr_gen.store import store as stores

    with paused():
        group = stores.open_store(path, **settings)
    # What is said of runs beside one another holds for these runs, however they came together.
    return validate_group(group) if catalogues.has_sources(Path(path)) else group


def refuse_for_stores(options: Mapping[str, Any]) -> None:
    """What says how logs are read is of no effect where there are none.

    Raises
    ------
    UsageError
        If it is given.
    """
    given = [name for name in _HOW_TO_READ if options[name] is not None]
    if given:
        raise UsageError(
            f"{', '.join(given)} cannot be given for a store, whose logs were read when it was "
            "filled; ingest them again, or load the logs themselves"
        )
