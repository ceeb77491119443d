"""Several processes that ingest into one store."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

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
