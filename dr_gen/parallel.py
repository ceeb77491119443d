"""Jobs side by side: one after another, in processes of ours, or on any executor.

A job takes one item and gives a result that is small enough to travel: what is large it leaves in
a file.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

from dr_gen.errors import DrGenError, UsageError, WorkerError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from multiprocessing.connection import Connection

__all__ = ["SERIAL", "Workers", "beginning", "run"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD = 2
"""Jobs handed over for each process, so that none waits for its next one."""

_AHEAD_ELSEWHERE = 256
"""The same for an executor of somebody else, who knows how many workers there are."""

_TICK = 1.0
"""Seconds between two looks at the keyboard: not every system interrupts a wait."""


@attrs.frozen
class Workers:
    """Who does the jobs.

    Attributes
    ----------
    number : int
        How many processes, this one among them where it helps; 1: none but this one.
    executor : concurrent.futures.Executor or None
        Whoever is to do them instead. It is not shut down.
    pool : concurrent.futures.Executor or None
        The processes beside this one, where they have begun already; see `beginning`.
    """

    number: int = 1
    executor: Executor | None = None
    pool: Executor | None = attrs.field(default=None, eq=False, repr=False)

    @classmethod
    def of(
        cls, workers: int | Literal["auto"] | None = None, executor: Executor | None = None
    ) -> Workers:
        """As named by a caller.

        Parameters
        ----------
        workers : int or "auto", optional
            ``auto``: one for each processor that this process may use.
        executor : concurrent.futures.Executor, optional

        Raises
        ------
        UsageError
            If they are something else, or both are given.

        Examples
        --------
        >>> Workers.of(2)
        Workers(number=2, executor=None)
        """
        if executor is not None:
            if workers is not None:
                raise UsageError("an executor has workers of its own: give it, or a number")
            if not callable(getattr(executor, "submit", None)):
                raise UsageError(f"expected a concurrent.futures.Executor, found {executor!r}")
            return cls(1, executor)
        if workers == "auto":
            return cls(_processors())
        number = 1 if workers is None else workers
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UsageError(f"workers are a number of at least 1 or 'auto', not {workers!r}")
        return cls(number)

    @property
    def alone(self) -> bool:
        """Whether this process does all of it itself."""
        return self.executor is None and self.number == 1


SERIAL = Workers()
"""This process alone."""


def _processors() -> int:
    # What a job scheduler or a container leaves to us, where the system tells.
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def run(
    job: Callable[[_Item], _Result],
    items: Sequence[_Item],
    workers: Workers = SERIAL,
    done: Callable[[_Item], object] | None = None,
    here: Callable[[_Item], _Result] | None = None,
) -> list[_Result]:
    """What `job` gives for each of `items`, in their order.

    Parameters
    ----------
    job : callable
        Done in another process it must be importable there, and what it takes and gives must
        survive pickling.
    items : sequence
    workers : Workers
    done : callable, optional
        Called with each item once it is finished, in the order in which they finish.
    here : callable, optional
        The same as `job` for this process, which then is one of the processes and does its part
        instead of waiting. Large items should come first: it sees to the others in between.

    Raises
    ------
    WorkerError
        If a worker ends before its job, or a job fails with what is no error of ours.
    DrGenError
        As raised by a job. After any error no further job is begun.

    Examples
    --------
    >>> run(len, ["a", "bcd"])
    [1, 3]
    """
    if workers.executor is not None:
        return _submitted(workers.executor, job, items, _AHEAD_ELSEWHERE, done, recall=True)
    number = min(workers.number, len(items))
    if number > 1 and (packed := _packed(job, items)):
        tell = None if done is None else lambda sent: done(items[sent[0]])
        help_ = None if here is None else lambda sent: here(items[sent[0]])
        others = number if here is None else number - 1
        begun = _processes(others) if workers.pool is None else contextlib.nullcontext(workers.pool)
        with begun as pool:
            # Nothing to recall: what was not begun goes with the pool, which does not bear both.
            return _submitted(pool, _unpacked, packed, _AHEAD * others, tell, help_, recall=False)
    results = []
    for item in items:
        results.append((here or job)(item))
        if done is not None:
            done(item)
    return results


@contextlib.contextmanager
def beginning(workers: Workers, module: str) -> Iterator[Workers]:
    """The same workers; processes of ours begin at once, and end with the block.

    To begin and import takes them about as long as it takes to find out what is to be done. This
    process is one of them: see `here` of `run`.

    Parameters
    ----------
    workers : Workers
    module : str
        What their jobs need.
    """
    if workers.executor is not None or workers.number == 1:
        yield workers
        return
    others = workers.number - 1
    with _processes(others) as pool:
        for _ in range(others):
            pool.submit(_ready, module)
        yield attrs.evolve(workers, pool=pool)


def _ready(module: str) -> None:
    importlib.import_module(module)


_Packed = tuple[int, bytes]
"""Number of an item, and the job with it."""


def _packed(job: object, items: Sequence[object]) -> list[_Packed]:
    """Each item as it is sent to another process; none when one of them cannot be.

    Packed here and not by the pool, whose threads trip over what cannot be pickled.
    """
    # Here, as all that starts or serves processes: most loads are done by this one alone.
    import pickle

    try:
        return [(place, pickle.dumps((job, item))) for place, item in enumerate(items)]
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        import logging

        log = logging.getLogger("dr_gen")
        log.warning("done in one process, since it cannot be sent to another: %s", error)
        return []


def _unpacked(packed: _Packed) -> Any:
    import pickle

    job, item = pickle.loads(packed[1])
    return job(item)


def _submitted(
    executor: Executor,
    job: Callable[[_Item], _Result],
    items: Sequence[_Item],
    limit: int,
    done: Callable[[_Item], object] | None,
    here: Callable[[_Item], _Result] | None = None,
    *,
    recall: bool,
) -> list[_Result]:
    from concurrent.futures import FIRST_COMPLETED, CancelledError, wait

    results: dict[int, _Result] = {}
    waiting = deque(enumerate(items))
    begun: dict[Future[_Result], int] = {}
    try:
        while waiting or begun:
            while waiting and len(begun) < limit:
                number, item = waiting.popleft()
                begun[executor.submit(job, item)] = number
            if waiting and here is not None:
                number, item = waiting.popleft()
                results[number] = here(item)
                if done is not None:
                    done(item)
            else:
                wait(begun, timeout=_TICK, return_when=FIRST_COMPLETED)
            # Asked of each, since nobody is woken for a job that its executor dropped.
            for future in [future for future in begun if future.done()]:
                number = begun.pop(future)
                results[number] = future.result()
                if done is not None:
                    done(items[number])
    except DrGenError:
        raise
    except CancelledError:
        raise WorkerError("the executor was shut down before all was done") from None
    except Exception as error:
        # A process that was killed, a cluster that lost its workers, a mistake in a job: whoever
        # waits here gets one error for all of them, with the original as its cause.
        raise WorkerError(_reason(error)) from error
    finally:
        for future in begun if recall else ():
            future.cancel()
    return [results[number] for number in range(len(items))]


def _reason(error: Exception) -> str:
    from concurrent.futures import BrokenExecutor

    if isinstance(error, BrokenExecutor):
        return (
            "a worker process ended before its job: killed, out of memory, or started by a script "
            "without `if __name__ == '__main__':` around what it does"
        )
    return " ".join(f"a worker failed: {type(error).__name__}: {error}".split())


@contextlib.contextmanager
def _processes(number: int) -> Iterator[Executor]:
    """A pool of processes that ends with the block, at once when the block fails.

    Spawned, on every system: a process that is forked inherits the locks of threads that it does
    not have (of HDF5, of polars), and the lock of a store along with them.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    leash, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(number, context, _begin, (leash,))
    try:
        yield pool
    except BaseException:
        ours.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ours.close()
        leash.close()


def _begin(leash: Connection) -> None:
    """Make this process a worker, which ends when the other end of `leash` does."""
    import signal
    import threading

    # Ctrl-C reaches every process of a terminal; what becomes of us is for our parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        with contextlib.suppress(EOFError, OSError):
            leash.recv_bytes()
        os._exit(1)

    # What it holds goes with it: to take all of that down piece by piece takes as long as reading a
    # file, and its parent waits.
    atexit.register(os._exit, 0)
    threading.Thread(target=follow, daemon=True).start()
