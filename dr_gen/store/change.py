"""One change to a store: its shards are written aside, by whoever has them, before any counts."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from dr_gen.errors import StoreError
from dr_gen.model.run_table import RunTable
from dr_gen.store import catalogue as catalogues
from dr_gen.store.catalogue import SHARDS, Shard

if TYPE_CHECKING:
    from dr_gen.store.layout import Layout

__all__ = ["Change", "Written", "changing", "unwritable"]


@attrs.frozen
class Written:
    """A shard that is there, but in no catalogue yet.

    Attributes
    ----------
    shard : Shard
    runs : tuple of str
        Ids of its runs, in its order.
    """

    shard: Shard
    runs: tuple[str, ...]


@attrs.frozen
class Change:
    """What the shards of a change have in common; small, and the same in every process.

    Attributes
    ----------
    store : Path
    name : str
        Unlike that of any other change.
    compress : bool
    now : datetime or None
        The time that is written down.
    """

    store: Path
    name: str
    compress: bool = False
    now: datetime | None = None

    def write(self, table: RunTable) -> Written:
        """Write some runs as a shard. They are not in the store before `commit` says so.

        Raises
        ------
        StoreError
            If it cannot be written; no part of it is then there.
        UsageError
            If metadata or hyperparameters hold what is no plain data.
        """
        # Here, since a load that keeps nothing knows of changes, but makes none.
        from dr_gen.store.layout import to_layout
        from dr_gen.store.shards import write_shard

        layout = to_layout(table)
        path = self.store / SHARDS / f"{self._prefix}{uuid.uuid4().hex[:8]}.nc"
        try:
            if not self.compress:
                _check_space(self.store, layout)
            shard = write_shard(layout, table, path, self.compress, self.now)
        except (OSError, RuntimeError) as error:
            # netCDF says "HDF error" in a RuntimeError for whatever the system refused.
            raise unwritable(self.store, error) from None
        return Written(shard, table.ids)

    def made(self, shard: Shard) -> bool:
        """Whether a shard is of this change."""
        return shard.name.startswith(self._prefix)

    def remove(self, but: Collection[str]) -> None:
        """Remove every file of this change, whole or not, `but` those so named."""
        for file in self.store.glob(f"{SHARDS}/{self._prefix}*"):
            if file.name not in but:
                file.unlink(missing_ok=True)

    @property
    def _prefix(self) -> str:
        return f"runs-{self.name}-"


@contextlib.contextmanager
def changing(
    store: Path, *, compress: bool = False, now: datetime | None = None
) -> Iterator[Change]:
    """A change to a store; when the block ends, what is in no catalogue by then is removed."""
    change = Change(store, uuid.uuid4().hex[:12], compress, now)
    try:
        yield change
    finally:
        with contextlib.suppress(OSError):
            # What went wrong may have gone wrong after the catalogue was replaced.
            there = catalogues.exists(store)
            named = {shard.name for shard in catalogues.read(store).shards} if there else set()
            change.remove(named)


def _check_space(store: Path, layout: Layout) -> None:
    import shutil  # here, since it brings all kinds of archives along

    # Not exact, but it spares most users a full disk.
    arrays = sum(array.nbytes for array in layout.arrays.values())
    needed = arrays + sum(map(len, layout.texts.values()))
    free = shutil.disk_usage(store).free
    if needed > free:
        raise StoreError(
            str(store),
            f"cannot be written: it needs about {needed / 1e6:.0f} MB "
            f"and the disk has {free / 1e6:.0f} MB left",
        )


def unwritable(store: Path, error: BaseException) -> StoreError:
    """The error that says why a store cannot be written."""
    if isinstance(error, StoreError):
        return error
    reason = (error.strerror if isinstance(error, OSError) else None) or f"{error}; disk full?"
    return StoreError(str(store), f"cannot be written: {reason}")
