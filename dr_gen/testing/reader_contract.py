"""What every reader of a format has to pass."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from dr_gen.model.finding import Finding
from dr_gen.model.hpm import Hpm
from dr_gen.model.run import RunData
from dr_gen.readers.contract import HEAD_BYTES, Reader, ReadOptions, ReadResult
from dr_gen.readers.tree import Tree, walk
from dr_gen.testing.runs import blocks, runs
from dr_gen.testing.values import metric_values

__all__ = ["ReaderContract"]

_JUNK = {
    "empty": b"",
    "spaces": b" \n \n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "prose": b"Dear diary,\ntoday nothing was trained.\n" * 5,
    "page": b"<!doctype html><html><body><p>404</p></body></html>\n",
    "zeros": b"\0" * 4096,
}
_MOST_CUTS = 150
# The test functions are shared by the classes that inherit them, which hypothesis warns of.
_INHERITED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


def _plain_runs() -> SearchStrategy[RunData]:
    def counted(size: int) -> SearchStrategy[Any]:
        return st.integers(0, 9).map(lambda first: np.arange(first, first + size))

    rows = blocks(x_names=st.sampled_from(["epoch", "step"]), xs=counted)
    configured = st.fixed_dictionaries({"lr": st.sampled_from([0.1, 1])}).map(Hpm)
    return runs(
        ids=st.just("run"),
        hpms=configured,
        splits=st.sampled_from(["train", "val"]),
        metrics=st.sampled_from(["loss", "acc1"]),
        values=metric_values(),
        rows=rows,
    )


def sample_run() -> RunData:
    """A run of eight epochs: two splits with two metrics each, on epoch and step."""
    epochs, steps = list(range(8)), list(range(0, 80, 10))
    axes = {"epoch": epochs, "step": steps}
    return RunData.from_dict(
        {
            "id": "run",
            "hpms": {"lr": 0.1, "seed": 3},
            "curves": {
                "train/loss": {"x": axes, "values": [2.0 / (1 + e) for e in epochs]},
                "train/acc1": {"x": axes, "values": [50.0 + e for e in epochs]},
                "val/loss": {"x": axes, "values": [2.5 / (1 + e) for e in epochs]},
                "val/acc1": {"x": axes, "values": [40.0 + e for e in epochs]},
            },
        }
    )


def _rows(run: RunData) -> dict[str, list[float]]:
    """The values of every curve in the order logged."""
    table = run.table.curves
    return {
        f"{table.splits[table.split[curve]]}/{table.metrics[table.metric[curve]]}": (
            table.curve_values(curve).tolist()
        )
        for curve in table.curves_of_run(run.index).tolist()
    }


def _begins_with(whole: list[float], part: list[float]) -> bool:
    return np.array_equal(whole[: len(part)], part, equal_nan=True)


def _findings(result: ReadResult) -> list[Finding]:
    return [*result.findings, *(finding for run in result.runs for finding in run.findings)]


def _points(result: ReadResult) -> int:
    return sum(run.n_points for run in result.runs)


class ReaderContract:
    """Tests that every reader passes; inherit from it in a class whose name begins with ``Test``.

    Attributes
    ----------
    reader : Reader
        The reader; to be given.
    certain : float
        Confidence it has at least in a file of its own.
    doubtful : float
        Confidence it has at most in what is no log at all.
    lines : bool
        Whether the format has one record a line, so that a bad line can be pointed at.
    bad_line : bytes
        A line that nobody can read.

    Examples
    --------
    ::

        class TestMine(ReaderContract):
            reader = MyReader()

            def make_source(self, tmp_path, run):
                path = tmp_path / "metrics.mine"
                path.write_text(...)
                return path, run
    """

    reader: Reader
    certain: ClassVar[float] = 0.9
    doubtful: ClassVar[float] = 0.1
    lines: ClassVar[bool] = True
    bad_line: ClassVar[bytes] = b'{"torn": '

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run in the format; to be given.

        Parameters
        ----------
        tmp_path : Path
            An empty folder.
        run : RunData
            One of `source_runs`.

        Returns
        -------
        path : Path
            The file to read.
        expected : RunData
            The run with the hyperparameters and curves that the reader has to give back.
        """
        raise NotImplementedError

    def source_runs(self) -> SearchStrategy[RunData]:
        """The runs to write; to be replaced when the format holds less, or more."""
        return _plain_runs()

    def read(self, path: Path, run_id: str = "run") -> ReadResult:
        """What the reader makes of a file, and of those that it claims with it."""
        options = ReadOptions(experiment="contract", parts=self.parts(path))
        return self.reader.read(path, run_id, options)

    def parts(self, path: Path) -> tuple[Path, ...]:
        """The files that the reader claims together with `path`."""
        claims: Any = getattr(self.reader, "claims", None)
        if claims is None:
            return ()
        found = claims(Tree.of(walk(str(path.parent))[0]))
        mine = (claim.parts for claim in found if claim.path == str(path))
        return tuple(map(Path, next(mine, ())))

    @pytest.fixture
    def sample(self, tmp_path: Path) -> tuple[Path, RunData]:
        """A file of eight epochs, two splits and two metrics, and what it holds."""
        folder = tmp_path / "sample"
        folder.mkdir()
        return self.make_source(folder, sample_run())

    def test_it_has_a_name(self) -> None:
        """A format is chosen by its name, so that a reader has one."""
        assert self.reader.name
        assert self.reader.name == self.reader.name.strip()

    def test_it_recognises_a_file_of_its_own(self, sample: tuple[Path, RunData]) -> None:
        """A file of the format is recognised with certainty, and the reader says by what."""
        path, _ = sample
        found = self.reader.detect(path, path.read_bytes()[:HEAD_BYTES])
        assert found.confidence >= self.certain, found
        assert found.reason

    @pytest.mark.parametrize("content", _JUNK.values(), ids=_JUNK.keys())
    def test_it_does_not_claim_junk(self, content: bytes, tmp_path: Path) -> None:
        """What is no log is not taken for one."""
        path = tmp_path / "junk"
        path.write_bytes(content)
        found = self.reader.detect(path, content)
        assert found.confidence <= self.doubtful, found

    @_INHERITED
    @given(head=st.binary(max_size=200), name=st.sampled_from(["a.jsonl", "b", "ü .csv", ".x"]))
    def test_recognition_never_raises(self, head: bytes, name: str) -> None:
        """Any bytes under any name get a confidence."""
        assert 0 <= self.reader.detect(Path("no folder") / name, head).confidence <= 1

    @_INHERITED
    @given(data=st.data())
    def test_it_gives_back_what_was_written(
        self, data: DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Hyperparameters, names, values and every x of a run come back."""
        run = data.draw(self.source_runs())
        path, expected = self.make_source(tmp_path_factory.mktemp("source"), run)
        result = self.read(path)
        assert len(result.runs) == 1, result
        read = result.runs[0]
        assert read.hpms == expected.hpms
        assert sorted(read.metrics) == sorted(expected.metrics)
        for split, metrics in expected.items():
            for metric, wanted in metrics.items():
                logged = attrs.evolve(read[split][metric], repeats="all")
                assert logged == attrs.evolve(wanted, repeats="all"), f"{split}/{metric}"

    def test_the_run_gets_the_id_and_the_experiment(self, sample: tuple[Path, RunData]) -> None:
        """The caller names the run and its experiment, not the file."""
        run = self.read(sample[0], "a folder/ünï ☃").runs[0]
        assert (run.id, run.experiment) == ("a folder/ünï ☃", "contract")

    def test_the_same_file_reads_the_same(self, sample: tuple[Path, RunData]) -> None:
        """Reading twice gives equal results."""
        assert self.read(sample[0]) == self.read(sample[0])

    def test_the_result_survives_pickling(self, sample: tuple[Path, RunData]) -> None:
        """A result can be sent from one process to another."""
        result = self.read(sample[0])
        assert pickle.loads(pickle.dumps(result)) == result

    def test_reading_changes_no_file(self, sample: tuple[Path, RunData]) -> None:
        """Sources are never written to, and nothing appears beside them."""
        folder = sample[0].parent

        def state() -> dict[Path, tuple[int, bytes]]:
            files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

        before = state()
        self.read(sample[0])
        assert state() == before

    @pytest.mark.parametrize("content", _JUNK.values(), ids=_JUNK.keys())
    def test_junk_is_a_finding(self, content: bytes, sample: tuple[Path, RunData]) -> None:
        """A file without a run in it gives no points, and a finding that names it."""
        path, _ = sample
        path.write_bytes(content)
        result = self.read(path)
        assert _points(result) == 0
        self.check_places(result, path)

    def test_a_missing_file_is_a_finding(self, tmp_path: Path) -> None:
        """A file that went away is reported, not raised."""
        path = tmp_path / "gone.jsonl"
        result = self.read(path)
        assert _points(result) == 0
        self.check_places(result, path)

    def test_a_folder_is_a_finding(self, tmp_path: Path) -> None:
        """A folder where a file was expected is reported, not raised."""
        path = tmp_path / "folder.jsonl"
        path.mkdir()
        result = self.read(path)
        assert _points(result) == 0
        self.check_places(result, path)

    def test_a_cut_anywhere_keeps_what_came_before(self, sample: tuple[Path, RunData]) -> None:
        """A file cut at any byte gives the beginning of every curve, and never raises."""
        path, expected = sample
        content, whole, known = path.read_bytes(), _rows(expected), 0
        for cut in self.cuts(content):
            path.write_bytes(content[:cut])
            result = self.read(path)
            for run in result.runs:
                for name, values in _rows(run).items():
                    assert _begins_with(whole.get(name, []), values), (cut, name, values)
            assert _points(result) >= known, f"{cut} bytes hold less than fewer bytes did"
            known = _points(result)
        assert known == expected.n_points

    def test_every_line_counts(self, sample: tuple[Path, RunData]) -> None:
        """No more than one row of each curve depends on one line, so that none takes all along."""
        if not self.lines:
            pytest.skip("the format has no lines")
        path, expected = sample
        content, known = path.read_bytes(), 0
        for line_end in [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]:
            path.write_bytes(content[:line_end])
            found = _points(self.read(path))
            assert found - known <= len(expected.metrics), content[:line_end][-80:]
            known = found

    def test_a_bad_line_is_named_and_costs_nothing_else(self, sample: tuple[Path, RunData]) -> None:
        """A line that cannot be read is a finding with its number; the others all count."""
        if not self.lines:
            pytest.skip("the format has no lines")
        path, expected = sample
        lines = path.read_bytes().splitlines(keepends=True)
        middle = len(lines) // 2
        path.write_bytes(b"".join([*lines[:middle], self.bad_line + b"\n", *lines[middle:]]))
        result = self.read(path)
        assert _points(result) == expected.n_points
        self.check_places(result, path)
        named = [finding.line for finding in _findings(result)]
        assert middle + 1 in named, _findings(result)

    def cuts(self, content: bytes) -> Iterator[int]:
        """Where to cut: evenly over the file, and at each of the last bytes."""
        step = max(1, len(content) // _MOST_CUTS)
        yield from sorted(
            {*range(0, len(content), step), *range(max(0, len(content) - 40), len(content) + 1)}
        )

    def check_places(self, result: ReadResult, path: Path) -> None:
        """Something was found, and every finding says in which file, and in a line it may have."""
        assert _findings(result)
        for finding in _findings(result):
            assert finding.path, finding
            assert Path(finding.path).name == path.name, finding
            assert finding.line is None or finding.line >= 1, finding
