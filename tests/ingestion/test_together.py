"""Several processes that ingest into one store."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dr_gen.readers.runlogger import RunLogger
from dr_gen.store.store import open_store

INGEST = """
    import sys
    from dr_gen.ingestion import ingest

    for folder in sys.argv[2:]:
        ingest(folder, sys.argv[1])
"""


def test_two_processes_ingest_at_once(tmp_path: Path) -> None:
    """Each adds its own folders, and nothing of either is lost."""
    folders = [tmp_path / f"sweep{i}" for i in range(6)]
    for folder in folders:
        folder.mkdir()
        with RunLogger(folder / f"{folder.name}.jsonl", {"seed": 1}) as log:
            log.metrics("val", {"acc1": 1.0}, epoch=0)
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(INGEST), tmp_path / "store"]
    processes = [
        subprocess.Popen([*command, *part], stderr=subprocess.PIPE, text=True)
        for part in (folders[:3], folders[3:])
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert sorted(open_store(tmp_path / "store").ids) == [folder.name for folder in folders]


KILLED = """
    import json, os, random, signal, sys, time
    from pathlib import Path
    import netCDF4
    from dr_gen.ingestion import ingest, load, open_store
    from dr_gen.store.store import is_store

    random.seed(0)
    logs, store = Path(sys.argv[1], "logs"), Path(sys.argv[1], "store")
    logs.mkdir()
    torn, pause = 0, 0.05
    for i in range(int(sys.argv[2])):
        for name in random.sample("abcdefgh", 3):
            with open(logs / f"{name}.jsonl", "a") as file:
                file.write(json.dumps({"step": i, "train/loss": 0.5 + i}) + chr(10))
        before = open_store(store) if is_store(store) else None
        after = load(logs, cache=False)
        parent, child = os.getpid(), os.fork()
        if child == 0:
            ingest(logs, store)
            while os.getppid() == parent:
                time.sleep(0.01)
            os._exit(1)
        time.sleep(random.uniform(0.1, 1.5) * pause)
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it failed before it was killed"
        found = open_store(store) if is_store(store) else None
        assert found == before or found == after, i
        torn += found != after
        # However busy the machine is, some kills hit and some come too late.
        pause *= 1.6 if found != after else 0.6
    assert ingest(logs, store, timeout=0) == load(logs, cache=False)
    print(torn)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kills", [25, pytest.param(250, marks=pytest.mark.slow)])
def test_a_killed_ingest_loses_nothing(tmp_path: Path, kills: int) -> None:
    """The store then holds what it held or all that was new, and the next ingest goes on."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(KILLED), str(tmp_path)]
    done = subprocess.run([*command, str(kills)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) < kills, "no kill hit a writer at work, or every one did"
