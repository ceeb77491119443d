"""One measurement in a fresh process: ``python -m tests.benchmarks.measuring JOB …``.

The page cache is warm, since the logs have just been written or read by the one before. The job
is done on a sweep of a few runs first, so that imports and what else happens once in a process
are outside the clock. The highest memory is that of the process with all of this.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs

from tests.benchmarks import peers
from tests.benchmarks.workloads import WORKLOADS, write

__all__ = ["ROOT", "importing", "installed", "measure"]

ROOT = Path(__file__).parents[2]


def measure(job: str, workload: str, logs: Path, store: Path, round: int = 0) -> dict[str, Any]:
    """What a fresh process says of one job.

    Returns
    -------
    dict
        ``wall`` and ``cpu`` in seconds (of children, too), ``peak`` in bytes (of the process and
        its largest child), and the facts of the job.
    """
    module = "tests.benchmarks.measuring"
    arguments = [job, workload, str(logs), str(store), str(round)]
    printed = _python(["-m", module, *arguments])
    return dict(json.loads(printed))


def importing(statement: str) -> dict[str, Any]:
    """Time of a statement in a bare interpreter."""
    clock = "import time; a, c = time.perf_counter(), time.process_time()"
    told = "print(time.perf_counter() - a, time.process_time() - c)"
    wall, cpu = map(float, _python(["-c", f"{clock}\n{statement}\n{told}"]).split())
    return {"wall": wall, "cpu": cpu, "peak": 0}


def installed(job: str) -> bool:
    """Whether the module of a peer is at hand; True for everything else."""
    if not peers.is_peer(job):
        return True
    try:
        return importlib.util.find_spec(peers.needs(job)) is not None
    except ModuleNotFoundError:  # of what it is a part of
        return False


def _python(arguments: list[str]) -> str:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, **peers.THREADS, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def _cpu() -> float:
    """Seconds of this process and of the children it waited for."""
    import resource  # not on Windows, where the other modules may be imported

    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, who))


def _peak() -> int:
    """Highest resident memory so far in bytes, of this process and of its largest child."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    try:
        # Not `ru_maxrss`: that of a new process starts at what its parent had.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return child + 1024 * int(status.split("VmHWM:", 1)[1].split(None, 1)[0])
    except OSError:
        return child + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _measured(name: str, place: Any) -> dict[str, Any]:
    from tests.benchmarks.jobs import JOBS, SETTLED, Place

    job = JOBS[name]
    with tempfile.TemporaryDirectory(prefix="dr_gen-warm-") as folder:
        form = place.workload.form
        small = attrs.evolve(place.workload, name="warm", runs=10, length=20, form=form)
        logs = write(small, Path(folder, "logs"), processes=1)
        warm = Place(small, logs, Path(folder, "store"))
        if job.needs_store:
            JOBS["ingest"].run(warm)
        job.run(job.prepare(warm))
    state = job.prepare(place)
    if job.settles:
        time.sleep(SETTLED)
    wall, cpu = time.perf_counter(), _cpu()
    result = job.run(state)
    taken = {"wall": time.perf_counter() - wall, "cpu": _cpu() - cpu, "peak": _peak()}
    return taken | dict(job.facts(result))


def main(arguments: list[str]) -> None:
    """Print the measurement as one JSON object."""
    from tests.benchmarks.jobs import Place

    name, workload, logs, store, round = arguments
    place = Place(WORKLOADS[workload], Path(logs), Path(store), int(round))
    print(json.dumps(_measured(name, place)))


if __name__ == "__main__":
    main(sys.argv[1:])
