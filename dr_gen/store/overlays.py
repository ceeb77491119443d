"""What was added to the runs of a store by hand, in a file of its own beside the catalogue.

An overlay belongs to runs by their ids: it outlives whatever happens to the shards, and waits for
a run that is gone. What was logged is never touched, so it can be taken back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from dr_gen.convert import exact_json, from_exact_json, to_plain
from dr_gen.errors import StoreError, StoreFormatError, UnknownKeyError, UsageError
from dr_gen.model.edit import Edit, applied, applied_hpms
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm_group import HpmGroup
from dr_gen.store import catalogue as catalogues
from dr_gen.store.atomic import replacing
from dr_gen.store.lock import PATIENCE
from dr_gen.store.schema import CREATOR, stamp
from dr_gen.store.writing import OVERLAYS, writing

__all__ = [
    "Overlay",
    "list_overlays",
    "overlaid",
    "overlaid_hpms",
    "remove_overlay",
    "save_overlay",
]

_FORM = 1


@attrs.frozen
class Overlay:
    """What was saved at once.

    Attributes
    ----------
    id : str
        By which it is taken back.
    by : str
        Who saved it, by default user and host.
    created : str
        When, ISO 8601 in UTC.
    edits : tuple of Edit
        What was added, and what it came from, in the order in which it was.
    """

    id: str
    by: str
    created: str
    edits: tuple[Edit, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of the runs that it is about."""
        return tuple(dict.fromkeys(run for edit in self.edits for run in edit.runs))


def save_overlay(
    group: RunGroup,
    store: str | os.PathLike[str],
    *,
    by: str | None = None,
    now: datetime | None = None,
    timeout: float = PATIENCE,
) -> Overlay | None:
    """Keep what was added to the runs of a group in their store.

    From then on it is there whenever the store is opened or scanned, also after more was ingested.

    Parameters
    ----------
    group : RunGroup
        With changes by `update`, `with_tags`, `with_notes` or `with_metric`; only those of runs
        that are in the group are kept.
    store : str or Path
    by : str, optional
        Who says so; by default user and host.
    now : datetime, optional
        The time that is written down.
    timeout : float
        How many seconds to wait for another writer.

    Returns
    -------
    Overlay or None
        None if there is nothing that the store does not have already.

    Raises
    ------
    UnknownKeyError
        If the store has no such run.
    StoreError
        If there is no store, it cannot be written, or another writer is at work in it.
    """
    path = _checked(store)
    edits = [edit.about(frozenset(group.ids)) for edit in group.edits]
    with writing(path, timeout):
        known = frozenset(catalogues.read(path).runs)
        overlays = list_overlays(path)
        there = [_edit_to_plain(edit) for overlay in overlays for edit in overlay.edits]
        new = tuple(e for e in edits if e.runs and _edit_to_plain(e) not in there)
        if not new:
            return None
        unknown = next((run for edit in new for run in edit.runs if run not in known), None)
        if unknown is not None:
            raise UnknownKeyError("run", unknown, tuple(known), f"store {path}")
        about = stamp(now)
        added = Overlay(os.urandom(4).hex(), by or _who(), about["created"], new)
        _write(path, [*overlays, added], about)
    return added


def list_overlays(store: str | os.PathLike[str]) -> tuple[Overlay, ...]:
    """What was added to a store by hand, the first first.

    Raises
    ------
    StoreFormatError
        If the file is damaged, or of a later form.
    StoreError
        If there is no store, or the file cannot be read.
    """
    path = _checked(store) / OVERLAYS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StoreError(str(path), f"cannot be read: {error.strerror}") from None
    try:
        return _from_plain(from_exact_json(content))
    except (UsageError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"is damaged or of another form ({error}); without it all is as it was logged"
        raise StoreFormatError(str(path), reason) from None


def remove_overlay(
    store: str | os.PathLike[str],
    overlay: str,
    *,
    now: datetime | None = None,
    timeout: float = PATIENCE,
) -> Overlay:
    """Take an overlay back: the store is as if it had never been saved.

    Parameters
    ----------
    store : str or Path
    overlay : str
        Its id.
    now, timeout
        As for `save_overlay`.

    Returns
    -------
    Overlay
        What was taken back.

    Raises
    ------
    UnknownKeyError
        If there is none of this id.
    StoreError
        As for `save_overlay`.
    """
    path = _checked(store)
    with writing(path, timeout):
        overlays = {found.id: found for found in list_overlays(path)}
        if overlay not in overlays:
            raise UnknownKeyError("overlay", overlay, tuple(overlays), f"store {path}")
        _write(path, [o for o in overlays.values() if o.id != overlay], stamp(now))
    return overlays[overlay]


# ---------------------------------------------------------------------------- reading


def overlaid(group: RunGroup, store: Path) -> RunGroup:
    """The runs of a store with what was added to them."""
    table = group.table
    for overlay in list_overlays(store):
        for edit in overlay.edits:
            table = applied(edit, table)
    return group if table is group.table else attrs.evolve(group, table=table)


def overlaid_hpms(hpms: HpmGroup, store: Path) -> HpmGroup:
    """The hyperparameters of a store with what was added to them."""
    numbers = dict(zip(hpms.ids, hpms.indices.tolist(), strict=True))
    table = hpms.table
    for overlay in list_overlays(store):
        for edit in overlay.edits:
            table = applied_hpms(edit, table, numbers) if edit.hpms else table
    if table is hpms.table:
        return hpms
    held = np.flatnonzero((table.codes >= 0).any(axis=0)).tolist()
    return attrs.evolve(hpms, table=table, unconfigured=hpms.unconfigured - set(held))


# ---------------------------------------------------------------------------- the file


def _checked(store: str | os.PathLike[str]) -> Path:
    if not catalogues.exists(Path(store)):
        raise StoreError(str(store), f"is not a store: it has no {catalogues.NAME}")
    return Path(store)


def _who() -> str:
    # Here, since who opens a store adds nothing by it.
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in many a container
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _write(store: Path, overlays: Sequence[Overlay], about: Mapping[str, Any]) -> None:
    plain = [
        {
            "id": overlay.id,
            "by": overlay.by,
            "created": overlay.created,
            "edits": [_edit_to_plain(edit) for edit in overlay.edits],
        }
        for overlay in overlays
    ]
    text = exact_json({**about, "form": _FORM, "overlays": plain})
    try:
        with replacing(store / OVERLAYS) as temporary:
            temporary.write_text(text + "\n", encoding="ascii")
    except OSError as error:
        raise StoreError(str(store), f"cannot be written: {error.strerror}") from None


def _edit_to_plain(edit: Edit) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(edit)
    return {name: value for name, value in plain.items() if value not in ({}, False)}


def _from_plain(data: Any) -> tuple[Overlay, ...]:
    if not isinstance(data, Mapping) or data.get("creator") != CREATOR:
        raise UsageError("it is not a file of dr_gen")
    if data.get("form") != _FORM:
        raise UsageError(f"its form is {data.get('form')!r}, this version reads {_FORM}")
    return tuple(
        Overlay(str(o["id"]), str(o["by"]), str(o["created"]), tuple(map(_edit, o["edits"])))
        for o in data["overlays"]
    )


def _edit(plain: Mapping[str, Any]) -> Edit:
    for name, entries in plain.items():
        if name not in ("origin", "force") and not isinstance(entries, Mapping):
            raise UsageError(f"{name} is no mapping of runs")
    if not all(isinstance(values, Mapping) for values in plain.get("hpms", {}).values()):
        raise UsageError("hyperparameters are no mapping of keys")
    return Edit(**plain)
