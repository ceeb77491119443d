"""The environment tests run in, and the data they may use."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# No deadline: the first example of a test pays for imports. The same examples every time: a
# failure is then due to the change at hand. HYPOTHESIS_PROFILE=ci tries more of them.
_ALWAYS = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", _ALWAYS, max_examples=30)
settings.register_profile("ci", _ALWAYS, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_configure(config: pytest.Config) -> None:
    """Leave nothing of the user's settings to the tests, and nothing of theirs to the user.

    Done here and not in a fixture, since the examples of the docstrings see no fixture of `tests`.
    """
    for name in [name for name in os.environ if name.startswith("DR_GEN_")]:
        del os.environ[name]
    cache = tempfile.TemporaryDirectory(prefix="dr_gen-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(cache.cleanup)
    os.environ["DR_GEN_CACHE"] = cache.name
    os.environ["MPLBACKEND"] = "Agg"


@pytest.fixture(scope="session")
def digits() -> Path:
    """The folder of real runs that comes with the project."""
    return ROOT / "data" / "digits"


@pytest.fixture(scope="session")
def real_logs() -> Path:
    """Logs written by other people's tools, kept beside the checkout where they are at hand."""
    folder = ROOT.parent / "shared" / "real_logs"
    if not folder.is_dir():
        pytest.skip("no folder of real logs beside the checkout")
    return folder
