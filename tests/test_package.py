"""What the package shows to the outside, and what it loads."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

import dr_gen

HEAVY = ("xarray", "scipy", "matplotlib", "polars", "netCDF4", "pandas", "rich", "typer")
PROMISED = {
    *("load", "ingest", "open_store", "RunGroup", "RunData", "SplitMetrics", "MetricCurves"),
    *("MetricCurve", "Hpm", "HpmGroup", "Finding", "RunLogger", "summarize", "compare"),
    *("write_report", "AnalysisConfig", "scan_metrics", "testing"),
}


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", dr_gen.__all__)
def test_every_name_is_there(name: str) -> None:
    """What is exported can be used, and is what its own module calls so."""
    found = getattr(dr_gen, name)
    home = getattr(found, "__module__", None)
    if name not in ("testing", "__version__", "MISSING"):
        assert home is not None
        assert home.startswith("dr_gen.")
        assert getattr(importlib.import_module(home), name) is found


def test_the_promised_names_are_exported() -> None:
    """Names that scripts rely on are exported, sorted and listed by dir()."""
    assert set(dr_gen.__all__) >= PROMISED
    assert set(dir(dr_gen)) >= set(dr_gen.__all__)
    assert len(set(dr_gen.__all__)) == len(dr_gen.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not exported fails as with any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dr_gen.nothing  # noqa: B018
    assert not hasattr(dr_gen, "nothing")


def test_the_version_is_that_of_the_installed_package() -> None:
    """The version is written in one place."""
    assert dr_gen.__version__ == version("dr_gen")


def test_the_import_is_light() -> None:
    """Importing the package loads nothing heavy, and using the model only numpy and attrs."""
    check = f"import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert python(f"import dr_gen; {check}") == "[]"
    use = (
        "import dr_gen\n"
        "run = dr_gen.RunData.from_dict({'id': 'a', 'curves': {'val/acc': [1, 2]}})\n"
        "group = dr_gen.RunGroup.from_runs([run])\n"
        "group.values('val/acc@best'), repr(group), group.filter(id='a'), group.hpm_group.keys\n"
    )
    assert python(f"{use}{check}") == "[]"


def test_the_import_is_quick() -> None:
    """The import itself is a matter of milliseconds."""
    took = []
    for _ in range(3):
        start = time.perf_counter()
        python("import dr_gen")
        took.append(time.perf_counter() - start)
    bare = time.perf_counter()
    python("pass")
    bare = time.perf_counter() - bare
    assert min(took) < bare + 0.3


def test_the_function_is_not_hidden_by_a_module() -> None:
    """`dr_gen.ingest` is the function whatever was imported before."""
    code = "import dr_gen.ingestion, dr_gen; print(callable(dr_gen.ingest), callable(dr_gen.load))"
    assert python(code) == "True True"
    names = {module.name for module in pkgutil.iter_modules(dr_gen.__path__)}
    assert not names & (set(dr_gen.__all__) - {"testing"})


def test_the_package_is_typed() -> None:
    """Type checkers of users see our types."""
    assert (importlib.resources.files("dr_gen") / "py.typed").is_file()


def test_hypothesis_and_pytest_are_for_the_testing_module_alone() -> None:
    """Nobody needs the tools of tests to use the package."""
    check = "import sys; print([m for m in ('hypothesis', 'pytest') if m in sys.modules])"
    names = [name for name in dr_gen.__all__ if name != "testing"]
    assert python(f"import dr_gen; [getattr(dr_gen, n) for n in {names!r}]; {check}") == "[]"
    assert python(f"import dr_gen; dr_gen.testing; {check}") == "['hypothesis', 'pytest']"
