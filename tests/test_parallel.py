"""Jobs done side by side give what they give one after another, and never hang."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dr_gen.errors import DrGenError, StoreError, UsageError, WorkerError
from dr_gen.parallel import Workers, beginning, run

PATIENCE = 60


def doubled(item: int) -> int:
    """The first items take the longest."""
    time.sleep(0.02 if item < 2 else 0)
    return 2 * item


def pid(item: int) -> int:
    return os.getpid()


def killed(item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def refused(item: int) -> int:
    raise StoreError("here", f"no {item}")


def mistaken(item: int) -> int:
    return item // 0


class Counting(concurrent.futures.ThreadPoolExecutor):
    """Counts how many jobs were handed over and not finished."""

    most = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """As the original."""
        self.open = getattr(self, "open", 0) + 1
        self.most = max(self.most, self.open)
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._closed)
        return future

    def _closed(self, future: object) -> None:
        self.open -= 1


@pytest.mark.parametrize("number", [1, 3])
def test_results_come_in_order_and_progress_as_they_finish(number: int) -> None:
    """Whoever does the jobs; every item is told of once."""
    told: list[int] = []
    assert run(doubled, range(7), Workers(number), told.append) == [0, 2, 4, 6, 8, 10, 12]
    assert sorted(told) == list(range(7))
    assert run(doubled, [], Workers(number)) == []


def test_workers_are_other_processes() -> None:
    """One stays here; several do not, and are gone afterwards."""
    assert set(run(pid, [1, 2], Workers(1))) == {os.getpid()}
    pids = set(run(pid, range(4), Workers(2)))
    assert os.getpid() not in pids
    for worker in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def elsewhere(item: int) -> tuple[int, bool]:
    """Whether it was done by who asked."""
    return item, os.getpid() == int(os.environ["DR_GEN_TEST_PARENT"])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_who_asks_does_a_part(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside one process less; results come in order, and every item is told of by its thread."""
    monkeypatch.setenv("DR_GEN_TEST_PARENT", str(os.getpid()))
    told: list[tuple[int, int]] = []
    mine: list[int] = []

    def here(item: int) -> tuple[int, bool]:
        mine.append(item)
        return elsewhere(item)

    def tell(item: int) -> None:
        told.append((item, threading.get_ident()))

    found = run(elsewhere, range(40), Workers(number), tell, here)
    assert [item for item, _ in found] == [*range(40)]
    assert [item for item, was_here in found if was_here] == mine
    assert mine == [*range(40)] if number == 1 else 0 < len(mine) < 40
    assert sorted(told) == [(item, threading.get_ident()) for item in range(40)]
    assert run(elsewhere, [7], Workers(number), None, here) == [(7, True)]


@pytest.mark.parametrize("number", [1, 2])
def test_what_cannot_be_sent_is_done_as_it_is_done_here(number: int) -> None:
    """By the function for this process."""
    assert run(lambda item: 1, [1, 2], Workers(number), None, lambda item: 3) == [3, 3]


@pytest.mark.parametrize(
    ("job", "kind", "text"),
    [(refused, StoreError, "here: no"), (mistaken, WorkerError, "ZeroDivisionError")],
)
def test_an_error_of_ones_own_part_ends_all(job: Any, kind: type[DrGenError], text: str) -> None:
    """As one of a worker does."""
    with pytest.raises(kind, match=text):
        run(doubled, range(10), Workers(2), None, job)


def test_a_worker_that_is_killed_is_noticed_by_who_helps() -> None:
    """When its own part is done."""
    with pytest.raises(WorkerError, match="a worker process ended"):
        run(killed, range(6), Workers(2), None, doubled)


def test_workers_begin_before_it_is_known_what_they_do() -> None:
    """One less than there are processes; they end with the block, and somebody else's do not."""
    with beginning(Workers(3), "json") as begun:
        assert begun == Workers(3)
        pids = {*run(pid, range(60), begun, None, lambda item: -1)} - {-1}
        assert os.getpid() not in pids
        assert 1 <= len(pids) <= 2
    for worker in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
    with beginning(Workers(1), "json") as begun:
        assert begun.pool is None
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        with beginning(Workers(1, executor), "json") as begun:
            assert begun.pool is None
        assert executor.submit(doubled, 4).result(PATIENCE) == 8


def test_any_executor_will_do() -> None:
    """It gets no more jobs at once than it can need, and is left open."""
    with Counting(2) as executor:
        assert run(doubled, range(1000), Workers(1, executor)) == [2 * i for i in range(1000)]
        assert 2 <= executor.most <= 256
        assert executor.submit(doubled, 4).result(PATIENCE) == 8


@pytest.mark.parametrize(
    ("job", "kind", "text"),
    [
        (killed, WorkerError, "a worker process ended"),
        (refused, StoreError, "here: no 0"),
        (mistaken, WorkerError, "ZeroDivisionError"),
    ],
    ids=["killed", "refused", "mistaken"],
)
def test_a_worker_that_fails_gives_one_error(job: Any, kind: type[DrGenError], text: str) -> None:
    """Of ours, on one line, and soon; no process is left."""
    with pytest.raises(kind, match=text) as caught:
        run(job, [0] * 5, Workers(2))
    assert "\n" not in str(caught.value)


def test_what_cannot_be_sent_is_done_here(caplog: pytest.LogCaptureFixture) -> None:
    """With a warning, since it takes longer; nothing is lost."""
    assert run(lambda item: os.getpid(), [1, 2], Workers(2)) == [os.getpid()] * 2
    (record,) = caplog.records
    assert "done in one process" in record.getMessage()


def test_an_executor_that_is_shut_down_gives_one_error() -> None:
    """Before or while it is at work."""
    executor = concurrent.futures.ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(WorkerError):
        run(doubled, [1], Workers(1, executor))
    other = concurrent.futures.ThreadPoolExecutor(1)

    def last(item: int) -> int:
        other.shutdown(wait=False, cancel_futures=True)
        return item

    with pytest.raises(WorkerError, match=r"shut ?down"):
        run(last, range(5), Workers(1, other))


SLEEPERS = """
    import os, sys, time
    from dr_gen.parallel import Workers, run

    def sleep(item):
        open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
        time.sleep(600)

    if __name__ == "__main__":
        run(sleep, [1, 2], Workers(2))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, end: signal.Signals) -> None:
    """By Ctrl-C in a terminal, which reaches all of them, or by a kill that reaches it alone."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SLEEPERS))
    (tmp_path / "pids").mkdir()
    command = [sys.executable, str(script), str(tmp_path / "pids")]
    parent = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    assert parent.stderr is not None
    try:
        until(lambda: len(list((tmp_path / "pids").iterdir())) == 2)
        pids = [int(path.name) for path in (tmp_path / "pids").iterdir()]
        (os.killpg if end == signal.SIGINT else os.kill)(parent.pid, end)
        with parent.stderr:
            said = parent.stderr.read()
        assert parent.wait(PATIENCE) != 0
        assert said.count("Traceback") == (1 if end == signal.SIGINT else 0)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait(PATIENCE)


def until(holds: Callable[[], bool]) -> None:
    """Wait, but not for ever."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_script_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    """Its workers would run the script themselves; it ends with an error that says so.

    Not always as the last line: Python's own tracker of semaphores may speak after it, of a
    worker that was ended before it had put its own away.
    """
    script = tmp_path / "script.py"
    script.write_text("from dr_gen.parallel import Workers, run\nrun(abs, [1, 2], Workers(2))\n")
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("dr_gen.errors.Worker")]
    assert said
    assert "if __name__ == '__main__':" in said[-1]


def test_workers_as_named() -> None:
    """A number, the processors there are, or somebody else's."""
    assert Workers.of() == Workers.of(1) == Workers()
    assert 1 <= Workers.of("auto").number <= (os.cpu_count() or 1)
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        assert not Workers.of(executor=executor).alone
        with pytest.raises(UsageError, match="or a number"):
            Workers.of(2, executor)
    for wrong in (0, -1, 1.5, True, "two"):
        with pytest.raises(UsageError, match="at least 1 or 'auto'"):
            Workers.of(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="Executor"):
        Workers.of(executor="dask")  # type: ignore[arg-type]
