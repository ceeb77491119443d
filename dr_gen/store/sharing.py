"""X values that many axes have, kept once: most runs of a sweep are logged at the same steps."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.model.curve_table import POOL_FLOAT, POOL_INT, CurveTable
from dr_gen.model.pieces import gathered
from dr_gen.model.stored import StoredArray

__all__ = ["with_shared_x"]


def with_shared_x(table: CurveTable) -> CurveTable:
    """The same curves; axes of the same numbers, bit for bit, begin at the same place.

    Examples
    --------
    >>> from dr_gen.model.run import RunData
    >>> curves = {"val/a": {"x": {"epoch": [0, 1]}, "values": [1.0, 2.0]}}
    >>> one = RunData.from_dict({"id": "a", "curves": {**curves, "val/b": curves["val/a"]}})
    >>> table = one.table.curves
    >>> table.pools[0].tolist(), with_shared_x(table).pools[0].tolist()
    ([0, 1, 0, 1], [0, 1])
    """
    starts = table.axis_start.copy()
    pools = list(table.pools)
    for number in (POOL_INT, POOL_FLOAT):
        if not isinstance(pools[number], StoredArray):
            mine = np.flatnonzero(table.axis_pool == number)
            sizes = table.block_size[table.axis_block[mine]]
            pools[number], starts[mine] = _shared(pools[number], starts[mine], sizes)
    return attrs.evolve(table, axis_start=starts, pools=tuple(pools))


def _shared(
    pool: NDArray[np.generic], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """The numbers that are needed, and where those of each axis begin in them."""
    whole, width = np.ascontiguousarray(pool).view(np.uint8).data, pool.dtype.itemsize
    known: dict[bytes, int] = {}
    bounds = zip((starts * width).tolist(), ((starts + sizes) * width).tolist(), strict=True)
    which = np.array([known.setdefault(bytes(whole[a:b]), len(known)) for a, b in bounds], np.intp)
    if len(known) == len(starts):
        return pool, starts
    first = np.unique(which, return_index=True)[1]
    places = np.cumsum(sizes[first]) - sizes[first]
    return np.asarray(gathered([pool], starts[first], sizes[first])), places[which]
