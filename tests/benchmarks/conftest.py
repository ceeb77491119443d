"""Options and folders of the benchmarks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.jobs import Place
from tests.benchmarks.workloads import WORKLOADS, write


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which sweep the benchmarks use; the tests of the benchmarks themselves use tiny ones."""
    parser.addoption("--workload", choices=WORKLOADS, default="S", help="sweep of the benchmarks")


@pytest.fixture(scope="session")
def sweep(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The sweep that is chosen, its logs written, without a store."""
    workload = WORKLOADS[pytestconfig.getoption("--workload", "S")]
    folder = tmp_path_factory.mktemp("sweep")
    return Place(workload, write(workload, folder / "logs"), folder / "store")


@pytest.fixture(scope="session")
def small_sweep(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A tiny sweep of epochs."""
    return _tiny("XS", tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def small_flat(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A tiny sweep of flat rows."""
    return _tiny("LONG-XS", tmp_path_factory.mktemp("flat"))


def _tiny(name: str, folder: Path) -> Place:
    logs = write(WORKLOADS[name], folder / "logs", processes=1)
    return Place(WORKLOADS[name], logs, folder / "store")
