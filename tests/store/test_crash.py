"""Writers that are killed, and writers and readers at the same time."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SETUP = """
    import os, random, signal, sys, time
    import netCDF4, numpy as np
    from dr_gen.model.group import RunGroup
    from dr_gen.model.run import RunData
    from dr_gen.store.store import open_store, save

    def runs(name, size):
        curves = {f"val/m{i}": np.full(1000, float(size)) for i in range(3)}
        return RunGroup.from_runs(
            [RunData.from_dict({"id": f"{name}{i}", "curves": curves}) for i in range(size)])

    contents = [runs("a", 3), runs("b", 40)]
    store = sys.argv[1]

    def check():
        found = open_store(store)
        assert any(found == content for content in contents), found

    def writer(first):
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            try:
                while os.getppid() == parent:  # not beyond a test that fails
                    save(contents[first], store)
                    first = 1 - first
            finally:
                os._exit(1)
        return child

    def killed(child):
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the writer failed before it was killed"
"""


def run_script(body: str, *arguments: object) -> str:
    """What a process prints that runs `body` after `SETUP`."""
    code = textwrap.dedent(SETUP) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


KILLS = """
    random.seed(0)
    save(contents[0], store)
    torn = 0
    for i in range(int(sys.argv[2])):
        child = writer(i % 2)
        time.sleep(random.uniform(0.005, 0.05))
        killed(child)
        check()
        names = os.listdir(store) + os.listdir(os.path.join(store, "shards"))
        torn += any(".tmp-" in name for name in names)
    save(contents[1], store)
    assert open_store(store) == contents[1]
    print(torn)
"""

pytestmark = pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")


@pytest.mark.parametrize("kills", [25, pytest.param(300, marks=pytest.mark.slow)])
def test_a_killed_writer_loses_nothing(tmp_path: Path, kills: int) -> None:
    """After every kill the store opens, with all of the old or all of the new content."""
    torn = int(run_script(KILLS, tmp_path / "store", kills))
    assert torn > 0, "no kill hit a writer at work"


FIRST = """
    random.seed(1)
    for i in range(20):
        store = os.path.join(sys.argv[1], str(i))
        child = writer(0)
        time.sleep(random.uniform(0.001, 0.02))
        killed(child)
        if os.path.exists(os.path.join(store, "catalogue.json")):
            check()
        save(contents[1], store)
        assert open_store(store) == contents[1]
"""


def test_a_first_save_that_is_killed_can_be_repeated(tmp_path: Path) -> None:
    """There is then either no store or a whole one, and saving again works in the same place."""
    run_script(FIRST, tmp_path)


TOGETHER = """
    save(contents[0], store)
    children = [writer(0), writer(1), writer(0)]
    end = time.monotonic() + 2
    opened, seen = 0, set()
    while time.monotonic() < end:
        check()
        seen.add(open_store(store).ids[0])
        opened += 1
    for child in children:
        killed(child)
    check()
    print(opened, len(seen))
"""


def test_readers_and_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Three writers at once, and a reader that always finds one whole content."""
    opened, seen = map(int, run_script(TOGETHER, tmp_path / "store").split())
    assert opened >= 5
    assert seen == 2


def test_threads_do_not_disturb_each_other() -> None:
    """Stores are read and written from several threads, which the netCDF library cannot bear."""
    run_script(
        """
        import concurrent.futures, tempfile

        def work(i):
            with tempfile.TemporaryDirectory() as folder:
                for _ in range(10):
                    save(contents[i % 2], folder)
                    assert open_store(folder) == contents[i % 2]

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(8)))
        """,
        "unused",
    )
