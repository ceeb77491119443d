"""One writer at a time: the second waits, then says who is at work; the dead block nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from dr_gen.errors import StoreBusyError
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.store.store import open_store, save
from dr_gen.store.writing import writing

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs flock")


def group(name: str) -> RunGroup:
    """One run."""
    return RunGroup.from_runs([RunData.from_dict({"id": name, "curves": {"val/acc": [1.0]}})])


HOLD = """
    import sys, time
    from pathlib import Path
    from dr_gen.store.writing import writing

    with writing(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
"""


def holder(store: Path) -> subprocess.Popen[str]:
    """Another process that is the writer of a store."""
    code = textwrap.dedent(HOLD)
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(store)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_writer_says_who_is_at_work_and_the_dead_block_nobody(tmp_path: Path) -> None:
    """Readers go on meanwhile; a writer that was killed leaves nothing to wait for."""
    store = tmp_path / "store"
    save(group("a"), store)
    process = holder(store)
    try:
        with pytest.raises(StoreBusyError, match=f"process {process.pid} on .* since 20") as caught:
            save(group("b"), store, timeout=0.1)
        assert str(store) in str(caught.value)
        assert open_store(store).ids == ("a",)
    finally:
        process.kill()
        process.communicate()
    assert (store / "writer.lock").exists()
    save(group("b"), store, timeout=0)
    assert open_store(store).ids == ("b",)
    assert not (store / "writer.lock").exists()


def test_a_second_writer_waits(tmp_path: Path) -> None:
    """When the first is done in time the second writes, even if the first wrote nothing."""
    store = tmp_path / "store"
    second = threading.Thread(target=save, args=(group("b"), store))
    with writing(store):
        second.start()
        time.sleep(0.1)
        assert second.is_alive()
        assert not (store / "catalogue.json").exists()
    second.join(20)
    assert open_store(store).ids == ("b",)


def test_a_writer_that_wrote_nothing_leaves_nothing(tmp_path: Path) -> None:
    """The folders that the lock needed go again."""
    with pytest.raises(KeyError), writing(tmp_path / "new" / "store"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
