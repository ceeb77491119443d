"""Sources that are more than one file: what is claimed, read, remembered and taken for a copy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dr_gen.errors import UnknownFormatError
from dr_gen.ingestion import ingest, load, plan
from dr_gen.ingestion.claiming import claims_of
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.readers import formats
from dr_gen.readers.contract import Claim, Detection, More, ReadOptions, ReadResult
from dr_gen.readers.tree import Tree

RECORD = 8


class ColumnsReader:
    """``run.col`` holds the hyperparameters, the files in ``cols/`` one number a line each.

    What lies in ``said/`` is nobody's to read.
    """

    name = "columns"
    suffixes = ()

    def __init__(self) -> None:
        self.read_paths: list[Path] = []

    def claims(self, tree: Tree) -> Iterator[Claim]:
        for folder in tree.folders:
            if tree.has(folder, "run.col"):
                parts = tuple(tree.below(os.path.join(folder, "cols")))
                kept = tuple(tree.below(os.path.join(folder, "said")))
                identity = os.path.basename(folder)
                yield Claim(os.path.join(folder, "run.col"), parts, folder, identity, kept=kept)

    def detect(self, path: Path, head: bytes) -> Detection:
        return Detection(float(head.startswith(b"COL ")), "it says so")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        self.read_paths.append(path)
        curves = {
            f"val/{part.name}": {"x": {"step": range(n)}, "values": values}
            for part in options.parts
            if (n := len(values := [float(line) for line in part.read_text().split()]))
        }
        hpms = json.loads(path.read_text().removeprefix("COL "))
        facts = {"experiment": options.experiment, "source": str(path)}
        return ReadResult(
            (RunData.from_dict({"id": run_id, "hpms": hpms, "curves": curves} | facts),)
        )


class RecordsReader:
    """A file of binary numbers, which is gone on with behind the last whole one."""

    name = "records"
    tail_of_records = True

    def __init__(self) -> None:
        self.tails: list[bytes] = []

    def detect(self, path: Path, head: bytes) -> Detection:
        return Detection(float(path.suffix == ".rec"), "its name")

    def read(self, path: Path, run_id: str, options: ReadOptions) -> ReadResult:
        content = path.read_bytes()
        end = len(content) - len(content) % RECORD
        values = np.frombuffer(content[:end], np.float64).tolist()
        return self._result(values, run_id, options, end)

    def _result(
        self, values: Sequence[float], run_id: str, options: ReadOptions, end: int
    ) -> ReadResult:
        curves = {"val/loss": {"x": {"step": range(len(values))}, "values": values}}
        facts: dict[str, Any] = {"id": run_id, "experiment": options.experiment}
        return ReadResult((RunData.from_dict({**facts, "curves": curves}),), end=end)

    def read_more(self, items: Sequence[More]) -> list[ReadResult | None]:
        out: list[ReadResult | None] = []
        for item in items:
            self.tails.append(item.tail)
            before = item.before.curve("val/loss").values.tolist()
            whole = len(item.tail) - len(item.tail) % RECORD
            values = [*before, *np.frombuffer(item.tail[:whole], np.float64).tolist()]
            out.append(self._result(values, item.run_id, item.options, RECORD * len(values)))
        return out


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> tuple[ColumnsReader, RecordsReader]:
    """Two more formats, as if they had come with dr_gen."""
    mine = ColumnsReader(), RecordsReader()
    table = MappingProxyType({**formats.FORMATS, **{one.name: one for one in mine}})
    found = formats.Formats(table)
    monkeypatch.setattr(formats, "formats", lambda: found)
    monkeypatch.setattr(formats, "FORMATS", table)
    return mine


def write(folder: Path, lr: float = 0.1, **columns: Sequence[float]) -> Path:
    """A run of several files."""
    (folder / "cols").mkdir(parents=True, exist_ok=True)
    (folder / "run.col").write_text("COL " + json.dumps({"lr": lr}))
    for name, values in columns.items():
        (folder / "cols" / name).write_text("\n".join(map(str, values)))
    return folder


def content(group: RunGroup) -> dict[str, Any]:
    """Hyperparameters and values of every run."""
    return {
        run.id: (dict(run.hpms), {c.metric: c.values.tolist() for c in run.curves()})
        for run in group
    }


def test_several_files_are_one_run(readers: Any, tmp_path: Path) -> None:
    """A run is called as its folder, gets all its files, and nobody else reads them."""
    write(tmp_path / "a", loss=[3, 2], **{"acc.jsonl": [1, 2, 3]})
    write(tmp_path / "b", 0.2, loss=[1])
    expected = {
        "a": ({"lr": 0.1}, {"loss": [3.0, 2.0], "acc.jsonl": [1.0, 2.0, 3.0]}),
        "b": ({"lr": 0.2}, {"loss": [1.0]}),
    }
    assert content(load(tmp_path, cache=False)) == expected
    assert content(ingest(tmp_path, tmp_path.parent / "store")) == expected


def test_the_folder_of_one_run_is_a_group_of_one(readers: Any, tmp_path: Path) -> None:
    """The folder of a run alone gives that run, called as the folder is."""
    write(tmp_path / "seed-3", loss=[1])
    assert load(tmp_path / "seed-3", cache=False).ids == ("seed-3",)
    assert load(tmp_path / "seed-3" / "run.col", cache=False).ids == ("seed-3",)


def test_what_is_unchanged_is_not_read_again(readers: Any, tmp_path: Path) -> None:
    """With nothing new nothing is read; when one part changes only its run is."""
    source, store = tmp_path / "runs", tmp_path / "store"
    for name in ("a", "b"):
        write(source / name, loss=[1], acc=[2])
    ingest(source, store)
    readers[0].read_paths.clear()
    assert {step.kind for step in plan(source, store).steps} == {"unchanged", "part"}
    ingest(source, store)
    assert readers[0].read_paths == []
    (source / "b" / "cols" / "acc").write_text("7\n8")
    assert content(ingest(source, store))["b"][1] == {"acc": [7.0, 8.0], "loss": [1.0]}
    assert readers[0].read_paths == [source / "b" / "run.col"]


def test_what_is_kept_is_read_by_nobody(readers: Any, tmp_path: Path) -> None:
    """A file that belongs to a run is no log, and its change is none of the run."""
    source, store = tmp_path / "runs", tmp_path / "store"
    said = write(source / "a", loss=[1]) / "said" / "output.jsonl"
    said.parent.mkdir()
    row = '{"step": 0, "train/loss": 0.5}\n'
    said.write_text(row)
    assert load(source, cache=False).ids == ("a",)
    ingest(source, store)
    readers[0].read_paths.clear()
    for text in (row * 2, row * 3, ""):
        said.write_text(text)
        kinds = {step.record.given: step.kind for step in plan(source, store).steps}
        assert kinds[str(source / "a" / "run.col")] == "unchanged"
        assert kinds[str(said)] == "part"
        assert content(ingest(source, store)) == {"a": ({"lr": 0.1}, {"loss": [1.0]})}
    said.unlink()
    ingest(source, store)
    assert readers[0].read_paths == []
    said.write_text(row)
    (source / "a" / "run.col").unlink()
    assert "a/said" in ingest(source, store).ids


CHANGES = ("set", "remove", "drop run", "copy", "say")


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(CHANGES),
            st.sampled_from("ab"),
            st.sampled_from(["loss", "acc"]),
            st.lists(st.integers(0, 9), max_size=3),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_store_that_follows_equals_a_new_one(
    steps: list[tuple[str, str, str, list[int]]],
    readers: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """However parts come, change and go: the followed store holds what a cold load gives."""
    top = tmp_path_factory.mktemp("follow")
    source, store = top / "runs", top / "store"
    write(source / "c", loss=[1])
    ingest(source, store)
    for what, run, column, values in steps:
        folder = source / run
        if what == "set":
            write(folder, **{column: values})
        elif what == "say" and folder.exists():
            (folder / "said").mkdir(exist_ok=True)
            text = "".join(f'{{"step": {i}, "loss": {value}}}\n' for i, value in enumerate(values))
            (folder / "said" / f"{column}.jsonl").write_text(text)
        elif what == "remove":
            (folder / "cols" / column).unlink(missing_ok=True)
        elif what == "copy" and folder.exists():
            shutil.copytree(folder, source / "copies" / run, dirs_exist_ok=True)
        elif what == "drop run":
            (folder / "run.col").unlink(missing_ok=True)
        followed, cold = ingest(source, store), load(source, cache=False)
        gone = {f.run for f in followed.findings if f.code == "source-gone"}
        found = {name: runs for name, runs in content(followed).items() if name not in gone}
        assert found == content(cold)
        assert sorted(f.path for f in followed.findings if f.code == "copied-run") == sorted(
            f.path for f in cold.findings if f.code == "copied-run"
        )


def test_a_copy_is_not_a_second_run(readers: Any, tmp_path: Path) -> None:
    """Of a run and its copy one is read; a finding names the other."""
    write(tmp_path / "a" / "run-1", loss=[1])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for group in (load(tmp_path, cache=False), ingest(tmp_path, tmp_path.parent / "copies")):
        assert group.ids == ("a/run-1",)
        (finding,) = [f for f in group.findings if f.code == "copied-run"]
        assert finding.path == str(tmp_path / "b" / "run-1" / "run.col")
        assert str(tmp_path / "a" / "run-1" / "run.col") in finding.message


def test_the_longer_one_counts(readers: Any, tmp_path: Path) -> None:
    """A copy made before a run went on is left out, though it comes first."""
    write(tmp_path / "a" / "run-1")
    write(tmp_path / "b" / "run-1")
    with (tmp_path / "b" / "run-1" / "run.col").open("a") as file:
        file.write("\n")
    assert load(tmp_path, cache=False).ids == ("b/run-1",)


def test_the_fuller_one_counts(readers: Any, tmp_path: Path) -> None:
    """Of copies whose first files are the same, that with more in its other files is read."""
    write(tmp_path / "a" / "run-1", loss=[1])
    write(tmp_path / "b" / "run-1", loss=[1, 2])
    assert content(load(tmp_path, cache=False)) == {"b/run-1": ({"lr": 0.1}, {"loss": [1.0, 2.0]})}


@pytest.mark.parametrize(("more", "severity"), [((), "info"), (("acc",), "warning")])
def test_what_only_the_copy_has_is_said(
    more: Sequence[str], severity: str, readers: Any, tmp_path: Path
) -> None:
    """A copy that was made before the run went on may have files that the run has no longer."""
    write(tmp_path / "a" / "run-1", loss=[1], **{name: [2] for name in more})
    write(tmp_path / "b" / "run-1", loss=[1])
    with (tmp_path / "b" / "run-1" / "run.col").open("a") as file:
        file.write("\n")
    group = load(tmp_path, cache=False)
    assert group.ids == ("b/run-1",)
    (finding,) = [f for f in group.findings if f.code == "copied-run"]
    assert finding.severity == severity
    assert ("only the copy has cols/acc" in finding.message) == bool(more)


@pytest.mark.parametrize(
    ("telling", "anchors"), [(0, "a"), (1, "ac"), (len("COL {}"), "ac"), (7, "abc")]
)
def test_too_little_is_no_copy(telling: int, anchors: str, tmp_path: Path) -> None:
    """Every file begins with an empty one: a reader says how much it takes to tell a copy."""

    class Telling(ColumnsReader):
        def claims(self, tree: Tree) -> Iterator[Claim]:
            return (attrs.evolve(claim, telling=telling) for claim in super().claims(tree))

    paths = {name: str(tmp_path / name / "run-1" / "run.col") for name in "abc"}
    for name, path in paths.items():
        write(Path(path).parent)
        Path(path).write_text("" if name == "c" else "COL {}")
    reader = Telling()
    sure = (reader, Detection(1, "its name"))
    claims = claims_of(Tree.of(paths.values()), {"columns": reader}, lambda _: sure, [])
    assert sorted(claims.by_path) == [paths[name] for name in anchors]
    assert {copy.of for copy in claims.copies.values()} <= {paths["a"]}


def test_the_one_that_is_not_hidden_counts(readers: Any, tmp_path: Path) -> None:
    """Of a run and its copy in a hidden folder the copy is left out, though it comes first."""
    for folder in (".cache/runs", "runs/.a", "runs"):
        write(tmp_path / folder / "run-1", loss=[1])
    group = load(tmp_path, cache=False)
    assert group.ids == ("runs/run-1",)
    assert [finding.code for finding in group.findings] == ["copied-run"] * 2


def test_alike_in_name_alone_are_two_runs(readers: Any, tmp_path: Path) -> None:
    """Runs with one identity but other content are no copies."""
    write(tmp_path / "a" / "run-1", 0.1)
    write(tmp_path / "b" / "run-1", 0.2)
    assert load(tmp_path, cache=False).ids == ("a/run-1", "b/run-1")


def test_a_part_that_is_left_alone_is_a_log_again(readers: Any, tmp_path: Path) -> None:
    """When the file that claimed it goes away, a part is looked at for itself."""
    source, store = tmp_path / "runs", tmp_path / "store"
    write(source / "a", loss=[1])
    part = source / "a" / "cols" / "flat.jsonl"
    part.write_text('{"step": 0, "train/loss": 0.5}\n{"step": 1, "train/loss": 0.25}\n')
    (source / "a" / "run.col").write_text("nothing known")
    assert load(source, cache=False).ids == ("a/cols/flat",)
    part.unlink()
    write(source / "a", loss=[1], flat=[2])
    ingest(source, store)
    (source / "a" / "cols" / "flat").rename(part)
    part.write_text('{"step": 0, "train/loss": 0.5}\n{"step": 1, "train/loss": 0.25}\n')
    (source / "a" / "run.col").unlink()
    group = ingest(source, store)
    assert "a/cols/flat" in group.ids


def test_a_format_that_is_named_reads_its_claims_alone(readers: Any, tmp_path: Path) -> None:
    """With a format named, only what its reader claims is read, whatever it looks like."""
    write(tmp_path / "a", loss=[1])
    (tmp_path / "a" / "run.col").write_text('{"lr": 3}')
    (tmp_path / "other.jsonl").write_text('{"step": 0, "train/loss": 0.5}\n')
    assert content(load(tmp_path, format="columns", cache=False)) == {
        "a": ({"lr": 3}, {"loss": [1.0]})
    }
    with pytest.raises(UnknownFormatError) as caught:
        load(tmp_path / "a" / "cols", cache=False)
    assert "columns" in str(caught.value)
    with pytest.raises(UnknownFormatError, match=r"looked for: hydra\)"):
        load(tmp_path, format="hydra", cache=False)


def test_a_reader_that_fails_to_claim_is_a_finding(
    readers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that raises where it should claim costs its own claims only."""

    def fails(tree: Tree) -> Iterator[Claim]:
        raise ZeroDivisionError

    monkeypatch.setattr(readers[0], "claims", fails)
    (tmp_path / "r.jsonl").write_text('{"step": 0, "train/loss": 0.5}\n')
    group = load(tmp_path, cache=False)
    assert group.ids == ("r",)
    assert "'columns' cannot say which files belong together" in str(group.findings[0])


@pytest.mark.parametrize("torn", [0, 3])
def test_records_are_gone_on_with(readers: Any, tmp_path: Path, torn: int) -> None:
    """Of a file of records the bytes behind the last whole one are read, line ends or not."""
    source, store = tmp_path / "runs", tmp_path / "store"
    source.mkdir()
    whole = np.arange(5, dtype=np.float64).tobytes()
    cut = 3 * RECORD + torn
    (source / "a.rec").write_bytes(whole[:cut])
    ingest(source, store)
    with (source / "a.rec").open("ab") as file:
        file.write(whole[cut:])
    group = ingest(source, store)
    assert readers[1].tails == [whole[3 * RECORD :]]
    assert group["a.rec"].curve("val/loss").values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    with (source / "a.rec").open("ab") as file:
        file.write(whole[:RECORD])
    assert len(ingest(source, store)["a.rec"].curve("val/loss")) == 6
    assert readers[1].tails[1:] == [whole[:RECORD]]


def test_parts_of_a_source_that_wants_to_be_alone_are_no_sources_of_it(
    readers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that would know each of its files alone gets none of them so; another one does."""

    def claims(tree: Tree) -> Iterator[Claim]:
        for folder in tree.folders:
            if tree.has(folder, "run.col"):
                parts = tuple(tree.below(os.path.join(folder, "cols")))
                kept = tuple(tree.below(os.path.join(folder, "said")))
                anchor = os.path.join(folder, "run.col")
                yield Claim(anchor, parts, folder, alone_in=folder, kept=kept)

    monkeypatch.setattr(readers[0], "claims", claims)
    write(tmp_path / "a", loss=[1])
    for name in ("cols/settings", "said/more"):
        (tmp_path / "a" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "a" / name).write_text("COL {}")
    monkeypatch.setattr(readers[0], "detect", lambda path, head: Detection(0.5, "any"))
    assert [step.path.name for step in plan(tmp_path).sources] == ["run.col"]
    (tmp_path / "a" / "cols" / "log.jsonl").write_text('{"step": 0, "train/loss": 0.5}\n')
    assert [step.path.name for step in plan(tmp_path).sources] == ["log.jsonl"]
