"""The README says what is true: its examples run, its settings are valid, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dr_gen.cli.main import main
from dr_gen.config import AnalysisConfig
from dr_gen.readers.naming import DEFAULT_SPLIT, split_name, x_column

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "code",
    blocks("python"),
    ids=["tour", "selecting", "types", "adding", "logging", "format", "cluster", "tables"],
)
def test_python_of_the_readme_runs(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every Python block runs as written, from a folder that holds the shipped data."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec", dont_inherit=True), {"__name__": "__main__"})
    assert "Error" not in capsys.readouterr().err


def test_settings_of_the_readme_are_valid(tmp_path: Path) -> None:
    """The settings shown are read without complaint."""
    (text,) = blocks("yaml")
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    assert AnalysisConfig.from_file(path).labels.value("model.weights", None) == "random"


def test_commands_of_the_readme_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command in the table has help, and the table misses none."""
    named = set(re.findall(r"^\| `dr-gen (\w+)", README, flags=re.MULTILINE))
    for command in named:
        assert main([command, "--help"]) == 0
    capsys.readouterr()
    main(["--help"])
    listed = re.findall(r"^  ([a-z]+)  ", capsys.readouterr().out, flags=re.MULTILINE)
    assert set(listed) == named


def test_names_mean_what_the_readme_says() -> None:
    """Every row of the table of names is what the readers make of it."""
    table = README[README.index("<!-- names -->") : README.index("<!-- /names -->")]
    rows = re.findall(r"^\| (`.*) \| (.*) \|$", table, flags=re.MULTILINE)
    assert len(rows) > 10
    for names, meaning in rows:
        for name in re.findall(r"`([^`]+)`", names):
            (wanted,) = re.findall(r"`([^`]+)`", meaning)
            if meaning.startswith("x-axis"):
                axis = x_column(name)
                assert axis is not None, name
                assert axis.x == wanted, name
            else:
                split, metric = split_name(name)
                assert f"{split or DEFAULT_SPLIT}/{metric}".casefold() == wanted.casefold(), name


def test_files_named_in_the_readme_are_there() -> None:
    """Pictures, settings and data that the README points to come with the project."""
    linked = re.findall(r"\]\(([^)#]+)\)", README)
    for path in (*linked, "examples/digits.yaml", "data/digits"):
        assert (ROOT / path).exists(), path
