"""Settings files: what they mean, and what is said of one that does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from dr_gen.config import AnalysisConfig
from dr_gen.errors import SettingsError, SourceNotFoundError
from dr_gen.model.group import RunGroup
from dr_gen.model.noise import NOISE_KEYS, is_noise
from dr_gen.model.run import RunData
from dr_gen.readers.contract import ColumnMap

WHOLE = """
display:
  keys: {model.weights: Init}
  values:
    model.weights: {null: random, DEFAULT: pretrained}
noise: [machine]
important: [seed]
directions: {val/score: min}
metric: val/score@best
expected_epochs: 30
level: 0.9
deleted: true
columns: {x: {it: step}, metrics: {err: val/error}, split: part, hpms: [lr], ignore: [id]}
"""


def written(folder: Path, text: str) -> Path:
    """A settings file with this text."""
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_entry_is_read(tmp_path: Path) -> None:
    """A file with every entry gives settings with every field."""
    config = AnalysisConfig.from_file(written(tmp_path, WHOLE))
    assert config.labels.value("model.weights", None) == "random"
    assert (config.metric, config.expected_epochs, config.level) == ("val/score@best", 30, 0.9)
    assert config.directions == {"val/score": "min"}
    assert "machine" in config.noise_keys
    assert "seed" not in config.noise_keys
    assert config.deleted
    assert config.columns == ColumnMap(
        x={"it": "step"}, metrics={"err": "val/error"}, split="part", hpms=("lr",), ignore=("id",)
    )


def test_a_part_of_what_is_noise_may_be_important() -> None:
    """A key below a noise pattern counts as swept, and the rest of the pattern stays noise."""
    noise = AnalysisConfig.from_dict({"important": ["paths.data"]}).noise_keys
    assert is_noise("paths.out", noise)
    assert not is_noise("paths.data", noise)


def test_empty_file_is_the_defaults(tmp_path: Path) -> None:
    """A file without entries changes nothing."""
    config = AnalysisConfig.from_file(written(tmp_path, "# nothing\n"))
    assert config == AnalysisConfig()
    assert config.noise_keys == NOISE_KEYS


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    """One error lists every entry that does not fit, and what was expected."""
    path = written(tmp_path, "level: 2\nnosie: []\nmetric: 3\ndirections: {loss: down}\n")
    with pytest.raises(SettingsError) as caught:
        AnalysisConfig.from_file(path)
    assert len(caught.value.problems) == 4
    for word in ("level", "between 0 and 1", "'nosie'", "metric", "directions", str(path)):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "display: [1]",
        "display: {kyes: {}}",
        "display: {values: {a: b}}",
        "display: {keys: {a: 1}}",
        "expected_epochs: true",
        "expected_epochs: 0",
        "level: yes",
        "noise: seed",
        "columns: [it]",
        "columns: {y: {it: step}}",
        "columns: {metrics: {err: error}}",
        "columns: {hpms: lr}",
        "deleted: 1",
        "- a list",
        "a: [unclosed",
        "\x00",
    ],
)
def test_what_does_not_fit_is_one_clear_error(tmp_path: Path, text: str) -> None:
    """Whatever is wrong with a file, it is a SettingsError that names the file, in one line."""
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        AnalysisConfig.from_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is an error of its own."""
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        AnalysisConfig.from_file(tmp_path / "nowhere.yaml")


def test_applied_settings_decide_grouping_and_display(tmp_path: Path) -> None:
    """A group with settings applied is grouped, ranked and shown by them."""
    config = AnalysisConfig.from_file(written(tmp_path, WHOLE))
    runs = [
        RunData.from_dict(
            {
                "id": f"r{seed}",
                "hpms": {"model": {"weights": None}, "seed": seed, "machine": {"node": seed}},
                "curves": {"val/score": [3.0, 1.0, 2.0]},
            }
        )
        for seed in (0, 1)
    ]
    group = config.apply(RunGroup.from_runs(runs))
    assert group.hpm_group.important == ("seed",)
    assert group.values("val/score@best").tolist() == [1.0, 1.0]
    assert len(group.filter(Init="random")) == 2


def test_settings_of_the_example_are_valid() -> None:
    """The settings file that comes with the example is read."""
    example = Path(__file__).parents[1] / "examples" / "digits.yaml"
    config = AnalysisConfig.from_file(example)
    assert config.labels.key("optim.lr") == "LR"
    assert config.labels.value("model.weights", "DEFAULT") == "pretrained"
