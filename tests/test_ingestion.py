"""From files to a group: what is planned, what is read, what is said of the rest."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dr_gen.errors import SourceNotFoundError, UnknownFormatError, UnknownKeyError, UsageError
from dr_gen.ingestion import ingest, load, plan
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.readers.contract import ColumnMap, ReadResult
from dr_gen.readers.native.reader import NativeReader
from dr_gen.readers.runlogger import RunLogger


def native(path: Path, *, seed: int = 0, **config: Any) -> None:
    """A whole native log of three epochs."""
    with RunLogger(path, {"epochs": 3, "seed": seed, **config}) as log:
        for epoch in range(3):
            log.metrics("train", {"loss": 1.0 / (epoch + 1)}, epoch=epoch)
            log.metrics("val", {"acc1": 10.0 * epoch + seed}, epoch=epoch)


def flat(path: Path, n: int = 3) -> None:
    """A generic log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"step": i, "train/loss": 1.0 / (i + 1)} for i in range(n)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_folder_of_runs_becomes_a_group(tmp_path: Path) -> None:
    """Every log below a folder is a run, in natural order, named after its path."""
    for seed in (10, 9, 1):
        native(tmp_path / "sweep" / f"run_{seed}.jsonl", seed=seed)
    flat(tmp_path / "sweep" / "other" / "metrics.jsonl")
    group = load(tmp_path / "sweep")
    assert group.ids == ("other", "run_1", "run_9", "run_10")
    assert {run.experiment for run in group} == {"sweep"}
    assert [run.metadata["format"] for run in group] == ["jsonlines", *["native"] * 3]
    assert group["run_9"].curve("val/acc1").values.tolist() == [9.0, 19.0, 29.0]
    assert group["run_9"].source == str(tmp_path / "sweep" / "run_9.jsonl")
    assert set(group.statuses) == {Status.COMPLETED}
    assert [finding.code for finding in group.findings] == ["missing-split"]


def test_one_file_is_a_group_of_one(tmp_path: Path) -> None:
    """A path to a log loads that log."""
    native(tmp_path / "run.jsonl")
    assert load(tmp_path / "run.jsonl").ids == ("run",)


def test_several_sources_keep_their_runs_apart(tmp_path: Path) -> None:
    """Runs of two folders that are called alike get ids that tell them apart."""
    for name in ("a", "b"):
        native(tmp_path / name / "run.jsonl")
    group = load([tmp_path / "a", tmp_path / "b"])
    assert group.ids == ("a/run/run.jsonl", "b/run/run.jsonl")
    assert [run.experiment for run in group] == ["a", "b"]
    assert load([tmp_path / "a", tmp_path / "b"], experiment="x")[0].experiment == "x"


def test_generic_names_in_one_folder_stay_two_runs(tmp_path: Path) -> None:
    """Two logs with names that say nothing, in one folder, do not share an id."""
    flat(tmp_path / "r" / "metrics.jsonl")
    flat(tmp_path / "r" / "log.jsonl")
    assert load(tmp_path).ids == ("r/log.jsonl", "r/metrics.jsonl")


def test_loading_twice_gives_the_same(tmp_path: Path) -> None:
    """The same files give an equal group, whatever the order of the folder."""
    for seed in range(4):
        native(tmp_path / f"{seed}.jsonl", seed=seed)
    assert load(tmp_path) == load(tmp_path)


def test_plan_says_what_would_be_read(tmp_path: Path) -> None:
    """A plan names files, formats and how sure it is, and reads no metric."""
    native(tmp_path / "a.jsonl")
    flat(tmp_path / "b.jsonl")
    (tmp_path / "notes.txt").write_text("nothing here\n")
    decided = plan(tmp_path)
    assert [source.path.name for source in decided.sources] == ["a.jsonl", "b.jsonl"]
    assert set(decided.formats()) == {"native", "jsonlines"}
    assert all(0 < low <= 1 for _, low in decided.formats().values())
    assert decided.n_files == 3


def test_format_can_be_named(tmp_path: Path) -> None:
    """A named format reads every log with that reader; an unknown one is refused."""
    native(tmp_path / "a.jsonl")
    assert load(tmp_path, format="native")[0].metadata["format"] == "native"
    with pytest.raises(UnknownKeyError, match="native"):
        load(tmp_path, format="natvie")


def test_missing_source_is_named(tmp_path: Path) -> None:
    """A path that is not there is an error that names it."""
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")
    for nothing in ([], "", None, 3, [""], ["a", None]):
        with pytest.raises(UsageError, match="expected folders or files"):
            load(nothing)  # type: ignore[arg-type]


def test_folder_without_logs_is_said(tmp_path: Path) -> None:
    """A folder in which nothing is recognised is an error that says what was looked for."""
    (tmp_path / "README.md").write_text("# nothing\n")
    with pytest.raises(UnknownFormatError, match="native") as caught:
        load(tmp_path)
    assert "1 file" in str(caught.value)


def test_link_that_leads_nowhere_is_a_finding(tmp_path: Path) -> None:
    """A broken link is named as one, and is all that is wrong."""
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "gone.jsonl")
    [finding] = load(tmp_path).findings
    assert finding.message == "the file cannot be read: it is a link that leads nowhere"


def test_unreadable_file_is_a_finding(tmp_path: Path) -> None:
    """A log that cannot be opened is reported and the others are read."""
    native(tmp_path / "good.jsonl")
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    group = load(tmp_path)
    assert group.ids == ("good",)
    (finding,) = group.source_findings
    assert finding.code == "unreadable-file"
    assert finding.path == str(tmp_path / "gone.jsonl")


def test_validators_can_be_replaced(tmp_path: Path) -> None:
    """Validators given by the caller are those that run."""
    native(tmp_path / "a.jsonl")

    def strict(run: RunData) -> list[Finding]:
        return [Finding("seen", f"looked at {run.id}", "info", run=run.id)]

    assert [f.code for f in load(tmp_path, validators=[strict]).findings] == ["seen"]


def test_expected_epochs_can_be_given(tmp_path: Path) -> None:
    """A run shorter than the caller expects is warned about, even if it ended by itself."""
    native(tmp_path / "a.jsonl")
    assert [f.code for f in load(tmp_path, expected_epochs=5)[0].findings] == ["short-run"]


def judged(group: RunGroup) -> list[Any]:
    """What is said of each run, in any order."""
    return [(run.id, run.status, run.reasons, sorted(map(str, run.findings))) for run in group]


@pytest.mark.parametrize("first", [None, 2, 7])
@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_a_store_is_judged_by_the_epochs_expected(
    tmp_path: Path, first: int | None, epochs: int
) -> None:
    """Runs of a store are judged as their logs would be, whatever it was filled with."""
    native(tmp_path / "logs" / "a.jsonl")
    native(tmp_path / "logs" / "b.jsonl", epochs=2)
    flat(tmp_path / "logs" / "c.jsonl", 4)
    whole = (tmp_path / "logs" / "a.jsonl").read_bytes()
    (tmp_path / "logs" / "d.jsonl").write_bytes(b"".join(whole.splitlines(True)[:4]))
    ingest(tmp_path / "logs", tmp_path / "store", expected_epochs=first)
    wanted = judged(load(tmp_path / "logs", expected_epochs=epochs, cache=False))
    again = load(tmp_path / "store", expected_epochs=epochs)
    assert judged(again) == wanted
    assert judged(load([tmp_path / "store"], expected_epochs=epochs)) == wanted
    ingest(tmp_path / "store", tmp_path / "other", expected_epochs=epochs)
    assert judged(load(tmp_path / "other")) == wanted
    native(tmp_path / "more" / "e.jsonl")
    both = load([tmp_path / "store", tmp_path / "more"], expected_epochs=epochs, cache=False)
    alone = load(tmp_path / "more", expected_epochs=epochs, cache=False)
    assert judged(both) == [*wanted, *judged(alone)]
    assert judged(load(tmp_path / "store")) != wanted or epochs == first
    with pytest.raises(UsageError, match="at least 1"):
        load(tmp_path / "store", expected_epochs=0)


def test_validators_look_at_the_runs_of_a_store(tmp_path: Path) -> None:
    """They run beside those that the store was filled with."""
    native(tmp_path / "logs" / "a.jsonl", epochs=9)
    ingest(tmp_path / "logs", tmp_path / "store")

    def strict(run: RunData) -> list[Finding]:
        return [Finding("seen", f"looked at {run.id}", "info", run=run.id)]

    found = load(tmp_path / "store", validators=[strict])
    assert [f.code for f in found.findings] == ["short-run", "seen"]


@pytest.mark.parametrize("option", ["format", "columns", "experiment"])
def test_how_to_read_is_refused_for_a_store(tmp_path: Path, option: str) -> None:
    """What would be without effect is an error that says so, unless there are logs as well."""
    native(tmp_path / "logs" / "a.jsonl")
    ingest(tmp_path / "logs", tmp_path / "store")
    native(tmp_path / "more" / "b.jsonl")
    value = {"format": "native", "columns": ColumnMap(), "experiment": "x"}[option]
    stores = [tmp_path / "store", [tmp_path / "store"], [tmp_path / "store"] * 2]
    for path in stores:
        with pytest.raises(UsageError, match=f"^{option} cannot be given for a store"):
            load(path, **{option: value})
    with pytest.raises(UsageError, match="ingest them again"):
        ingest(tmp_path / "store", tmp_path / "other", **{option: value})
    mixed = load([tmp_path / "store", tmp_path / "more"], **{option: value})
    assert len(mixed) == 2


def test_progress_is_reported(tmp_path: Path) -> None:
    """The callable hears of every source, and of the end."""
    for seed in range(3):
        native(tmp_path / f"{seed}.jsonl", seed=seed)
    heard: list[tuple[int, int]] = []
    load(tmp_path, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_stored_group_is_the_loaded_one(tmp_path: Path) -> None:
    """What a store gives back is what was read; sources are left as they were."""
    for seed in range(3):
        native(tmp_path / "logs" / f"{seed}.jsonl", seed=seed, note="naïve ☃", lst=[1, None])
    before = {p: p.read_bytes() for p in (tmp_path / "logs").iterdir()}
    stored = ingest(tmp_path / "logs", tmp_path / "store")
    loaded = load(tmp_path / "logs")
    assert stored == loaded
    assert load(tmp_path / "store") == loaded
    assert {p: p.read_bytes() for p in (tmp_path / "logs").iterdir()} == before


def test_stores_and_folders_can_be_mixed(tmp_path: Path) -> None:
    """A store and raw logs load together, ids kept apart."""
    native(tmp_path / "logs" / "a.jsonl")
    ingest(tmp_path / "logs", tmp_path / "store")
    group = load([tmp_path / "store", tmp_path / "logs"])
    assert group.ids == ("a", "a~2")


def test_settings_reach_the_group(tmp_path: Path) -> None:
    """Noise patterns given to `load` decide what a configuration is."""
    for seed in range(2):
        native(tmp_path / f"{seed}.jsonl", seed=seed)
    assert load(tmp_path).hpm_group.important == ()
    assert load(tmp_path, noise=()).hpm_group.important == ("seed",)


def test_loaded_runs_pickle(tmp_path: Path) -> None:
    """A run of a loaded group survives a trip to another process."""
    native(tmp_path / "a.jsonl")
    run = load(tmp_path)[0]
    assert pickle.loads(pickle.dumps(run)) == run


def lines_of(path: Path) -> Sequence[dict[str, Any]]:
    """The lines of a log that can be parsed, by the standard library."""
    out = []
    for line in path.read_text().splitlines():
        try:
            out.append(json.loads(line))
        except ValueError:
            continue
    return out


def test_shipped_runs_are_read_to_the_last_value(digits: Path) -> None:
    """Every value of every shipped log is there, at its epoch, bit for bit."""
    group = load(digits)
    files = sorted(digits.glob("*.jsonl"))
    assert sorted(group.ids) == sorted(path.stem for path in files)
    for path in files:
        expected: dict[str, dict[int, float]] = {}
        for line in lines_of(path):
            for metric, value in line.get("agg_stats", {}).items():
                address = f"{line['data_name']}/{metric}"
                expected.setdefault(address, {})[line["epoch"]] = value
        run = group[path.stem]
        assert set(run.metrics) == set(expected)
        for address, points in expected.items():
            curve = run.curve(address, x="epoch")
            assert curve.xs.tolist() == list(points)
            np.testing.assert_array_equal(curve.values, list(points.values()))


def test_shipped_runs_that_failed_are_told_from_the_others(digits: Path) -> None:
    """Runs that end in NaN have diverged, killed runs are incomplete, the rest completed."""
    for run in load(digits):
        lines = lines_of(Path(run.source))
        ended = any(line.get("type") == "end" for line in lines)
        losses = [ln["agg_stats"]["loss"] for ln in lines if ln.get("data_name") == "train"]
        if losses[-1] != losses[-1]:
            assert run.status is Status.DIVERGED
        else:
            assert run.status is (Status.COMPLETED if ended else Status.INCOMPLETE)


def test_run_without_its_configuration_does_not_make_keys_vary(tmp_path: Path) -> None:
    """A log that lost its first line is a configuration of its own, and hides no sweep."""
    for lr in (0.1, 0.2):
        native(tmp_path / f"{lr}.jsonl", optim={"lr": lr, "name": "sgd"})
    whole = (tmp_path / "0.1.jsonl").read_text()
    (tmp_path / "lost.jsonl").write_text(whole.partition("\n")[2])
    group = load(tmp_path)
    assert "no-config" in {finding.code for finding in group["lost"].findings}
    assert group.hpm_group.important == ("optim.lr",)
    assert [c.runs for c in group.hpm_group.configurations] == [("lost",), ("0.1",), ("0.2",)]


def test_a_fault_in_reading_together_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Files that cannot be read together are read one by one, nothing is lost, and it is said."""
    for seed in range(3):
        native(tmp_path / f"{seed}.jsonl", seed=seed)
    expected = load(tmp_path, cache=False)
    together = NativeReader.read_many

    def faulty(self: NativeReader, items: Any) -> Iterator[ReadResult]:
        yield from itertools.islice(together(self, items), 1)
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(NativeReader, "read_many", faulty)
    assert load(tmp_path, cache=False) == expected
    assert [r.getMessage() for r in caplog.records] == [
        "native: 2 files read one by one: ZeroDivisionError('oops')"
    ]


def test_configuration_line_above_flat_rows_is_read(tmp_path: Path) -> None:
    """A log with our first line and rows of its own kind is a generic one, with its settings."""
    rows = [{"type": "dict_config", "value": {"lr": 0.1}}]
    rows += [{"step": i, "train/loss": 1.0 / (i + 1)} for i in range(3)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = load(tmp_path)[0]
    assert run.metadata["format"] == "jsonlines"
    assert run.hpms["lr"] == 0.1
    assert run.curve("train/loss", x="step").xs.tolist() == [0, 1, 2]


def test_long_form_is_read_as_curves(tmp_path: Path) -> None:
    """Rows of a name and its value become one curve a name."""
    rows = [
        {"step": i, "name": name, "value": float(i + len(name))}
        for i in range(3)
        for name in ("train/loss", "val/acc")
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = load(tmp_path)[0]
    assert run.metrics == ("train/loss", "val/acc")
    assert run.curve("val/acc").values.tolist() == [7.0, 8.0, 9.0]
    assert run.findings == ()
