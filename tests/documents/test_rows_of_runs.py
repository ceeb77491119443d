"""Rows S0-1 … S0-32: finding runs, and what one run knows, each tried on a tracking folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import polars as pl
import pytest

import dr_gen
from dr_gen import RunData, RunGroup, iter_run_dirs
from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.readers.run_dirs import experiment_names, find_run_dirs, local_path
from tests.documents.rows import Rows, numbers

row = Rows()

CONFIG = """\
learning_rate: {lr}
batch_size: 32
copy: ${{batch_size}}
mandatory: ???
broken: ${{nowhere}}
model: {{type: transformer, hidden_size: 512}}
size: {{width: {width}, height: null}}
"""
EXPERIMENTS = {"1": "my_experiment", "2": "training_a", "3": "finetuning_b", "4": "Default"}


@attrs.frozen
class Tracked:
    """A tracking folder, and its runs as they are loaded."""

    root: Path
    runs: RunGroup


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    """Experiments as HydraFlow leaves them, two runs each, and what is no run of theirs."""
    root = tmp_path_factory.mktemp("tracking") / "mlruns"
    for number, name in EXPERIMENTS.items():
        for i in range(2):
            artifacts = root / number / f"{number}{i:031x}" / "artifacts"
            (artifacts / ".hydra").mkdir(parents=True)
            config = CONFIG.format(lr=[0.01, 0.1][i], width=10 * int(number))
            (artifacts / ".hydra" / "config.yaml").write_text(config)
            (artifacts / ".hydra" / "overrides.yaml").write_text(f"- learning_rate={i}\n")
            (artifacts / "log.jsonl").write_text(f'{{"epoch": 0, "val/acc": {0.5 + i / 10}}}\n')
            (artifacts / "model.pt").write_text(f"{number}{i}")
        (root / number / "meta.yaml").write_text(f"experiment_id: '{number}'\nname: {name}\n")
    (root / ".trash" / "9" / "run" / "artifacts").mkdir(parents=True)
    (root / "5").mkdir()
    (root / "5" / "meta.yaml").write_text("experiment_id: '5'\nname: empty\n")
    return Tracked(root, dr_gen.load(iter_run_dirs(root), cache=False))


def found(tracked: Tracked, names: Any = None) -> list[str]:
    """Folders of runs, as experiment and number of the run."""
    return [f"{p.parent.name}{p.name[-1]}" for p in iter_run_dirs(tracked.root, names)]


def first(tracked: Tracked) -> RunData[Any, Any]:
    """The run of my_experiment with the rate 0.01."""
    return tracked.runs.get(experiment="my_experiment", learning_rate=0.01)


# ------------------------------------------------------------------ finding


@row("S0-1")
def folders_of_runs(tracked: Tracked) -> None:
    """A generator of the folders of runs, those with artifacts, in a fixed order."""
    runs = iter_run_dirs(str(tracked.root))
    assert iter(runs) is runs
    assert all((path / "artifacts").is_dir() for path in runs)
    assert len(found(tracked)) == 8


@row("S0-2")
def all_experiments(tracked: Tracked) -> None:
    """All of them, without what was thrown away; by name, so the order is always the same."""
    assert found(tracked) == ["40", "41", "30", "31", "10", "11", "20", "21"]


@row("S0-3")
def by_name_or_pattern(tracked: Tracked) -> None:
    """A text is a name or a glob; a name that is none is an error with a hint."""
    assert found(tracked, "my_experiment") == ["10", "11"]
    assert found(tracked, "*ing_?") == ["30", "31", "20", "21"]
    assert found(tracked, "nothing_*") == []
    with pytest.raises(UnknownKeyError, match="did you mean 'my_experiment'"):
        iter_run_dirs(tracked.root, "my_experimnt")


@row("S0-4")
def by_several(tracked: Tracked) -> None:
    """Any of several patterns."""
    assert found(tracked, ["training_*", "finetuning_*"]) == ["30", "31", "20", "21"]


@row("S0-5")
def by_a_predicate(tracked: Tracked) -> None:
    """A test of the name."""
    assert found(tracked, lambda name: name.startswith("m")) == ["10", "11"]


@row("S0-6")
def artifacts_of_all(tracked: Tracked) -> None:
    """The experiments, the folders of artifacts, and one artifact of every run."""
    assert {r.path.parent.name for r in find_run_dirs(tracked.root)} == set(EXPERIMENTS)
    for path in iter_run_dirs(tracked.root):
        assert dr_gen.artifact_folder(path) == path / "artifacts"
    models = list(dr_gen.iter_artifacts(iter_run_dirs(tracked.root, "my*"), "model.pt"))
    assert [path.read_text() for path in models] == ["10", "11"]


@row("S0-7")
def names_of_experiments(tracked: Tracked) -> None:
    """Sorted, each once, those with runs."""
    assert experiment_names(tracked.root) == sorted(EXPERIMENTS.values())


@row("S0-8")
def name_of_an_experiment(tracked: Tracked) -> None:
    """As its meta.yaml has it, read again each time."""
    assert experiment_names(tracked.root / "2") == ["training_a"]


@row("S0-9")
def uris(tracked: Tracked) -> None:
    """Files may be given as URIs."""
    uris = ("/a/b", "file:///a/b", "file:C:/a")
    assert [local_path(uri).as_posix() for uri in uris] == ["/a/b", "/a/b", "C:/a"]
    assert len(list(iter_run_dirs(tracked.root.as_uri()))) == 8


# ------------------------------------------------------------------ one run


@row("S0-10", "S0-11")
def one_run(tracked: Tracked) -> None:
    """A path gives one run."""
    path = next(iter_run_dirs(tracked.root, "my_experiment"))
    for given in (path, str(path)):
        run = dr_gen.Run.load(given, cache=False)
        assert isinstance(run, RunData)
        assert run.hpms["learning_rate"] == 0.01


@row("S0-12")
def several_runs(tracked: Tracked) -> None:
    """Lists, generators and globs of paths give a group, with as many processes as wanted."""
    paths = list(iter_run_dirs(tracked.root))
    for given in (paths, iter(paths), map(str, paths), tracked.root.glob("[1-4]/*")):
        assert sorted(dr_gen.Run.load(given, cache=False).ids) == sorted(tracked.runs.ids)
    assert dr_gen.load(paths, workers=2, cache=False) == tracked.runs


@row("S0-13")
def typed_runs(tracked: Tracked) -> None:
    """Classes for configuration and implementation; the types are checked in tests/typing."""

    @attrs.frozen
    class Config:
        learning_rate: float
        batch_size: int

    path = next(iter_run_dirs(tracked.root, "my_experiment"))
    run = dr_gen.Run[Config, Path].load(path, lambda folder: folder, cache=False)  # type: ignore
    assert run.impl == path / "artifacts"
    group = dr_gen.load(tracked.root, config=Config, cache=False)
    assert group[0].cfg == Config(0.01, 32)


@row("S0-14")
def facts(tracked: Tracked) -> None:
    """Where it is, what it is called, what it belongs to."""
    run = first(tracked)
    assert Path(run.source).parent.parent.name == "1" + "0" * 31
    assert run.experiment == "my_experiment"
    assert tracked.runs[run.id] == run


@row("S0-15")
def configuration(tracked: Tracked) -> None:
    """Nested, read when asked for; without a file empty; a broken one is a finding."""
    assert first(tracked).cfg["model"] == {"type": "transformer", "hidden_size": 512}
    assert RunData.from_dict({"id": "a"}).cfg == {}


@row("S0-16")
def implementation(tracked: Tracked) -> None:
    """Made once of the folder, or of folder and configuration; no other arguments are needed."""
    folder = Path(first(tracked).source).parent
    made: list[Path] = []

    def of_folder(path: Path) -> int:
        made.append(path)
        return len(made)

    run = dr_gen.typed(tracked.runs, impl=of_folder).get(id=first(tracked).id)
    assert (run.impl, run.impl, made) == (1, 1, [folder])
    for impl in (lambda a, b: (a, b), lambda a, b=None: (a, b), lambda a, b, c=0: (a, b)):
        run = dr_gen.typed(tracked.runs, impl=impl).get(id=first(tracked).id)
        assert run.impl == (folder, run.cfg)
    assert first(tracked).impl is None
    for wrong in (lambda: 1, lambda a, b, c: 1):
        with pytest.raises(UsageError, match="impl takes a folder"):
            dr_gen.typed(tracked.runs, impl=wrong)  # type: ignore[call-overload]


class Model:
    """What a run has beside its configuration."""

    energy = 2.5
    learning_rate = "not this one"

    def __init__(self, folder: Path) -> None:
        self.folder = folder


@row("S0-17")
def one_lookup(tracked: Tracked) -> None:
    """Configuration, facts, metrics, then objects; ``__`` is a dot; no such key is an error."""
    run = dr_gen.typed(tracked.runs, impl=Model).get(id=first(tracked).id)
    assert run.get("model.type") == run.get("model__type") == "transformer"
    assert run.get("learning_rate") == 0.01
    assert run.get("impl.energy") == 2.5
    assert run.get("val/acc@last") == 0.5
    with pytest.raises(UnknownKeyError, match="learning_rate"):
        run.get("learning_rat")


@row("S0-18")
def special_keys(tracked: Tracked) -> None:
    """Facts and objects by their own names."""
    run = dr_gen.typed(tracked.runs, impl=Model).get(id=first(tracked).id)
    assert [run.get(k) for k in ("id", "source", "experiment", "status")] == [
        *(run.id, run.source, "my_experiment", "completed")
    ]
    assert run.get("cfg") == run.cfg
    assert run.get("impl") is run.impl


@row("S0-19", "S0-20", "S0-21")
def defaults(tracked: Tracked) -> None:
    """A null is a value; what was never given is none; a callable is asked."""
    run = first(tracked)
    assert run.get("size.height", 5) is None
    assert run.get("mandatory", 5) == 5
    assert run.get("none", lambda r: r.id) == run.id
    with pytest.raises(UnknownKeyError):
        run.get("mandatory")


@row("S0-22")
def part_of_the_configuration(tracked: Tracked) -> None:
    """A name above others is a dict."""
    assert first(tracked).get("size") == {"width": 10, "height": None}


@row("S0-23")
def interpolation(tracked: Tracked) -> None:
    """What refers to a key has its value; where there is none it is text, and nothing raises."""
    assert first(tracked).get("copy") == 32
    assert first(tracked).get("broken", 1) == "${nowhere}"


@row("S0-24")
def brackets(tracked: Tracked) -> None:
    """Hyperparameters of a run in brackets; those of the run itself are its splits."""
    assert first(tracked).hpms["learning_rate"] == 0.01
    assert first(tracked)["val"]["acc"].default.values.tolist() == [0.5]


@row("S0-25")
def update_one(tracked: Tracked) -> None:
    """Only what is lacking is set, the function called only then, a null stays, nothing is lost."""
    run, asked = first(tracked), []
    assert run.update("new.deep", 1).get("new") == {"deep": 1}
    assert run.update("new__deep", lambda r: asked.append(r.id) or 3).get("new.deep") == 3
    assert run.update("batch_size", lambda r: asked.append("no")).get("batch_size") == 32
    assert run.update("batch_size", 64, force=True).get("batch_size") == 64
    assert run.update("size.height", 1).get("size.height") is None
    assert asked == [run.id]
    assert "new.deep" not in run.hpms


@row("S0-26")
def update_several(tracked: Tracked) -> None:
    """Several keys at once, none half written; nothing is asked where all are there."""
    run = first(tracked)
    both = run.update(("batch_size", "extra"), (1, 2))
    assert (both.get("batch_size"), both.get("extra")) == (32, 2)
    asked: list[str] = []
    assert run.update(("batch_size", "copy"), lambda r: asked.append("no")) == run
    assert asked == []
    for wrong in ("ab", 3, (1, 2, 3)):
        with pytest.raises(UsageError, match="2 keys"):
            run.update(("extra", "more"), wrong)
    assert "extra" not in run.hpms


@row("S0-27")
def as_a_dict(tracked: Tracked) -> None:
    """Flat or nested, with values for what refers to others."""
    run = first(tracked)
    assert dict(run.hpms)["model.hidden_size"] == 512
    assert run.hpms.nested()["model"]["hidden_size"] == 512
    assert (run.hpms["copy"], "mandatory" in run.hpms) == (32, False)


@row("S0-28", "S0-29", "S0-30")
def frames_of_a_run(tracked: Tracked) -> None:
    """A frame made of a run, or of its object, with constant columns of its keys."""
    runs = dr_gen.typed(tracked.runs, impl=Model).filter(id=first(tracked).id)
    frame = runs.concat(lambda run: pl.DataFrame({"x": [1, 2]}), "learning_rate", ("no", 7))
    assert frame.to_dicts() == [{"x": x, "learning_rate": 0.01, "no": 7} for x in (1, 2)]
    frame = runs.concat(lambda run: pl.DataFrame({"e": [run.impl.energy]}), ("no", lambda r: r.id))
    assert frame.rows() == [(2.5, first(tracked).id)]


@row("S0-31")
def artifacts(tracked: Tracked) -> None:
    """Paths below the folder of a run, listed, by glob, and as the working folder."""
    run, here = first(tracked), os.getcwd()
    folder = dr_gen.artifact_folder(run)
    assert (folder / "model.pt").read_text() == "10"
    assert [p.name for p in dr_gen.iter_artifacts(run, "*.pt")] == ["model.pt"]
    assert folder / "log.jsonl" in list(dr_gen.iter_artifacts(run))
    with contextlib.suppress(ZeroDivisionError), contextlib.chdir(folder):
        assert Path("model.pt").exists()
        raise ZeroDivisionError
    assert os.getcwd() == here


@row("S0-32")
def text_of_a_run(tracked: Tracked) -> None:
    """Its id, how it ended, its curves."""
    assert repr(first(tracked)) == f"RunData {first(tracked).id!r}: completed, 1 curve (val: acc)"


# ------------------------------------------------------------------ what must not come back


@row("S0-c5", "S0-c15")
def nothing_half_done(tracked: Tracked) -> None:
    """Mixed values sort and have an order; an update that fails changes nothing."""
    mixed = tracked.runs.update("m", lambda run: [None, "a", 1, 0.5][int(run.source[-50]) % 4])
    assert len(mixed.sort("m")) == 8
    assert len(mixed.unique("m")) == mixed.n_unique("m")


@row("S0-c10")
def an_unreadable_configuration(tracked: Tracked, tmp_path: Path) -> None:
    """It is a finding with its place; all other runs are there."""
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.jsonl").write_text('{"epoch": 0, "val/acc": 1.0}\n')
    (tmp_path / "bad" / "config.yaml").write_text("a: [1\nb: {")
    group = dr_gen.load(tmp_path, cache=False)
    assert len(group) == 2
    (finding,) = [f for f in group.findings if f.code == "bad-sidecar"]
    assert finding.path == str(tmp_path / "bad" / "config.yaml")
    assert finding.line is not None


@row("S0-c12")
def names_are_not_remembered(tracked: Tracked, tmp_path: Path) -> None:
    """A renamed experiment is known by its new name at once."""
    (tmp_path / "1" / "run" / "artifacts").mkdir(parents=True)
    for name in ("before", "after"):
        (tmp_path / "1" / "meta.yaml").write_text(f"experiment_id: '1'\nname: {name}\n")
        assert experiment_names(tmp_path) == [name]


@pytest.mark.parametrize(("name", "check"), row.cases(), ids=[name for name, _ in row.cases()])
def test_row(name: str, check: Callable[..., None], tracked: Tracked, tmp_path: Path) -> None:
    """The capability is there, as its row has it or better."""
    check(*([tracked, tmp_path] if name in ("S0-c10", "S0-c12") else [tracked]))


def test_no_row_is_left_out() -> None:
    """Each row has a check."""
    assert numbers("S0", (1, 32)) <= row.checks.keys()
