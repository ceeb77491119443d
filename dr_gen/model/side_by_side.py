"""One function over many items at once, on threads or on any executor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from typing import Any, Literal, TypeAlias

from dr_gen.errors import UsageError

__all__ = ["Progress", "mapped"]

Progress: TypeAlias = Callable[[int, int], object]
"""Called with the number of items done and the number there are."""


def mapped(
    function: Callable[..., Any],
    items: Sequence[Any],
    workers: int | Literal["auto"] = "auto",
    executor: Executor | None = None,
    progress: bool | Progress = False,
) -> list[Any]:
    """What `function` gives for each of `items`, in their order; see `Verbs.pmap`.

    Raises
    ------
    UsageError
        If `workers` is no number of at least 1.
    """
    if workers != "auto" and (isinstance(workers, bool) or workers < 1):
        raise UsageError(f"workers are a number of at least 1 or 'auto', not {workers!r}")
    number = (os.cpu_count() or 1) if workers == "auto" else workers
    pool = ThreadPoolExecutor(number) if executor is None else contextlib.nullcontext(executor)
    with pool as others, _shown(progress) as tell:
        futures = [others.submit(function, item) for item in items]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                tell(done, len(futures))
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    return [future.result() for future in futures]


@contextlib.contextmanager
def _shown(progress: bool | Progress) -> Iterator[Progress]:
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda done, total: None
    else:
        from rich.console import Console
        from rich.progress import Progress as Bar

        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("running")
            yield lambda done, total: bar.update(task, completed=done, total=total)
