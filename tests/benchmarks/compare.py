"""dr_gen and the parsers that people use, in turn, on the same logs, as a table of ratios.

::

    pip install -e '.[bench]'
    python -m tests.benchmarks.compare            # all of it: 10 minutes, 5 GB of disk
    python -m tests.benchmarks.compare --quick    # a minute, small sizes
    python -m tests.benchmarks.compare --only load,reopen --rounds 7

Logs are made for it. Each repetition is a process of its own, with the page cache warm and imports
outside the clock; the contestants take turns, so that whatever else the machine does hits them
alike. A table shows medians. Peers use one thread, as dr_gen does unless it says otherwise; what
they do, and what they leave out: see `peers`. One that is not installed is left out. All who load
the same logs have to come up with the same points, bit for bit, or nothing is shown; so have dr_gen
and HydraFlow (Python 3.13 or newer), which are asked about the hyperparameters of runs that are
loaded (``--only select``; see `selecting`), with the same answers.

A ratio says how many times as much the other needs: below 1, dr_gen needs more. Memory is the
highest of the process, with the interpreter and all imports.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.comparisons import SCALES, Comparison, Scale, comparisons
from tests.benchmarks.jobs import can_use_workers
from tests.benchmarks.measuring import installed
from tests.benchmarks.rounds import Measurement, check_answers, in_turn, medians
from tests.benchmarks.tables import markdown, table
from tests.benchmarks.workloads import WORKLOADS

__all__ = ["chosen", "main"]

ROOM = 4
"""Free disk that is needed: this many times the logs, for copies of them and stores."""


def chosen(scale: Scale, topics: Sequence[str], data: Path) -> list[Comparison]:
    """The comparisons of some topics, or of all, that can be made on this machine.

    Raises
    ------
    SystemExit
        If there is no such topic.
    """
    rows = comparisons(scale)
    known = dict.fromkeys(row.topic for row in rows)
    unknown = [topic for topic in topics if topic not in known]
    if unknown:
        raise SystemExit(f"no topic {', '.join(unknown)}; there are {', '.join(known)}")
    room = shutil.disk_usage(data).free / ROOM
    return [
        row
        for row in rows
        if (not topics or row.topic in topics)
        and all(installed(job) for job, _ in row.tasks)
        and (row.topic != "processes" or can_use_workers())
        and (not row.task[1] or WORKLOADS[row.task[1]].bytes < room)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return the exit code."""
    options = _parser().parse_args(arguments)
    scale = SCALES["quick" if options.quick else options.scale]
    if options.read:
        about, found = json.loads(options.read.read_bytes()).values()
    else:
        rounds = options.rounds or scale.rounds
        about, found = _about(rounds), _measured(scale, options.only, rounds, options.data)
    if options.json:
        kept = {"about": about, "measurements": found}
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="ascii")
    check_answers(found)
    middle = medians(found)
    rows = [row for row in comparisons(scale) if all(task in middle for task in row.tasks)]
    print(f"{about}\n")
    print(markdown(table(rows, middle, goals=not options.markdown)))
    return 0


def _measured(
    scale: Scale, topics: Sequence[str], rounds: int, data: Path | None
) -> list[Measurement]:
    with tempfile.TemporaryDirectory(prefix="dr_gen-bench-") as temporary:
        folder = (data or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        rows = chosen(scale, topics, folder)
        tasks = dict.fromkeys(task for row in rows for task in row.tasks)
        return in_turn(list(tasks), rounds, folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--scale", choices=SCALES, default="full", help="which sizes")
    add("--quick", action="store_true", help="the same as --scale quick")
    add("--rounds", type=int, help="repetitions of each; by default 1, 3 or 5 by the scale")
    add("--only", type=lambda text: text.split(","), default=[], help="topics, with commas")
    add("--data", type=Path, help="folder for the logs, which are kept and used again")
    add("--json", type=Path, help="file for every single measurement")
    add("--read", type=Path, help="such a file, to show instead of measuring")
    add("--markdown", action="store_true", help="print the table as it is in the README")
    return parser


def _about(rounds: int) -> str:
    """When and on what it was measured, in one line."""
    python = platform.python_version()
    date = datetime.date.today().isoformat()
    medians = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    return f"{date}, {_processor()}, {os.cpu_count()} cores, Python {python}, {medians}."


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return text.split("model name", 1)[1].split(":", 1)[1].splitlines()[0].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
