"""Tables of any training loop."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any, ClassVar

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from dr_gen.model.run import RunData
from dr_gen.readers.contract import ColumnMap, More, ReadOptions, ReadResult
from dr_gen.readers.csv.reader import CsvReader
from dr_gen.readers.tables.columns import value_of, values_of
from dr_gen.readers.tables.delimited import parse_table, split_line
from dr_gen.readers.tree import Tree, walk
from dr_gen.testing import ReaderContract
from tests.readers.logged import as_logged, mutated, rows_of

HISTORY = "epoch,loss,val_loss\n0,3,4\n1,2,3.5\n2,1.5,3.25\n"
TORN = "truncated-line"


class TestCsv(ReaderContract):
    """One row a point, each metric in a column of its own; the settings are beside the table."""

    reader: ClassVar[CsvReader] = CsvReader()
    certain: ClassVar[float] = 0.8

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run as a table that is mostly blank."""
        (tmp_path / "config.json").write_text(json.dumps(run.hpms.nested()))
        path = tmp_path / "history.csv"
        rows = [{**x, f"{split}/{metric}": value} for split, metric, x, value in rows_of(run)]
        names = sorted({name for row in rows for name in row}) or ["epoch", "train/loss"]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return path, as_logged(run, "{}/{}".format)


def read(tmp_path: Path, content: str | bytes, name: str = "log.csv", **options: Any) -> ReadResult:
    """What is read of a file with this content."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CsvReader().read(path, "r", ReadOptions(**options))


def run_of(tmp_path: Path, content: str | bytes, name: str = "log.csv") -> RunData:
    """The one run of a file with this content."""
    [run] = read(tmp_path, content, name).runs
    return run


def found(run: RunData | ReadResult) -> list[tuple[str, int | None]]:
    """Codes and lines of findings."""
    return [(finding.code, finding.line) for finding in run.findings]


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)


@given(
    st.lists(st.tuples(st.integers(-9, 9), CELLS), min_size=1, max_size=6),
    st.sampled_from(",;\t"),
)
def test_what_the_standard_library_writes(rows: list[tuple[int, str]], delimiter: str) -> None:
    """Cells come back as the csv module wrote them, whatever quotes they need."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["step", "note"])
    writer.writerows(rows)
    table = parse_table(text.getvalue())
    assert table.form is not None
    assert table.columns["step"] == [str(step) for step, _ in rows]
    assert table.columns["note"] == [note.strip() for _, note in rows]
    assert table.lines == list(range(2, len(rows) + 2))


@given(st.lists(st.floats(), min_size=1, max_size=9))
def test_floats_come_back(numbers: list[float]) -> None:
    """Floats that were written with all their digits are the same floats."""
    values = values_of([repr(number) for number in numbers])
    assert np.array_equal(np.array(list(values), np.float64), np.array(numbers), equal_nan=True)


@given(st.text("0123456789+-.eE_naif ", min_size=1, max_size=9))
def test_a_column_is_its_cells(text: str) -> None:
    """A cell is the same number, or none, alone and in a column."""
    text = text.strip() or "0"
    alone, [together] = value_of(text), list(values_of([text]))
    assert alone == together or (alone != alone and together != together)


@pytest.mark.parametrize(
    "content",
    [
        HISTORY,
        HISTORY.replace("\n", "\r\n"),
        HISTORY.replace("\n", "\r"),
        "\ufeff" + HISTORY,
        HISTORY.replace(",", ";"),
        HISTORY.replace(",", "\t"),
        HISTORY.replace(",", " | "),
        HISTORY.replace(",", ",   "),
        HISTORY.replace(",", '","').replace("\n", '"\n"').removesuffix('"').join(['"', ""]),
        HISTORY.encode("utf-16"),
        "# made by x\n\n" + HISTORY,
        HISTORY.replace("\n1,", "\n\n# later\n1,"),
        HISTORY.replace("\n", ",\n"),
        "# " + HISTORY,
    ],
)
def test_ways_to_write_a_table(tmp_path: Path, content: str | bytes) -> None:
    """Delimiters, line ends, quotes, padding, marks and comments change nothing of the run."""
    run = run_of(tmp_path, content)
    assert run.metrics == ("train/loss", "val/loss")
    assert run.curve("val/loss", x="epoch").values.tolist() == [4, 3.5, 3.25]
    assert run.curve("train/loss").xs.tolist() == [0, 1, 2]
    assert found(run) == []


def test_a_packed_table(tmp_path: Path) -> None:
    """A packed table is read; one that unpacks to more than any log holds is cut."""
    run = run_of(tmp_path, gzip.compress(HISTORY.encode()), "log.csv.gz")
    assert len(run.curve("val/loss")) == 3
    bomb = gzip.compress(HISTORY.encode() + b"0" * (1 << 26))
    result = read(tmp_path, bomb, "bomb.csv.gz")
    assert "bad-gzip" in [code for code, _ in found(result.runs[0])]
    cut = gzip.compress(HISTORY.encode())[:-12]
    assert "bad-gzip" in [code for code, _ in found(read(tmp_path, cut, "cut.csv.gz").runs[0])]


def test_what_is_blank_was_not_logged(tmp_path: Path) -> None:
    """Blank cells are no points and no findings; nan is a value."""
    run = run_of(tmp_path, "step,loss,val_acc\n1,0.5,\n2,nan,\n3,,0.7\n4,inf,\n")
    loss = run.curve("train/loss")
    assert loss.xs.tolist() == [1, 2, 4]
    assert np.array_equal(loss.values, [0.5, np.nan, np.inf], equal_nan=True)
    assert run.curve("val/acc").xs.tolist() == [3]
    assert found(run) == []


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_last_line_without_an_end(tmp_path: Path, cut: int) -> None:
    """Its last cell may be half of a number, so that it is left out; those before it are sure."""
    run = run_of(tmp_path, HISTORY[:-cut])
    assert run.curve("val/loss").values.tolist() == [4, 3.5]
    assert len(run.curve("train/loss")) == (3 if cut < 6 else 2)
    assert found(run)[0] == (TORN, 4)


def test_the_header_again(tmp_path: Path) -> None:
    """A resumed run may write its header again, and other columns below it."""
    again = HISTORY + "epoch,val_loss,lr,loss\n3,3,0.1,1.25\n4,2.75,0.1,1\n"
    run = run_of(tmp_path, again)
    assert run.curve("train/loss").values.tolist() == [3, 2, 1.5, 1.25, 1]
    assert run.curve("val/loss").values.tolist() == [4, 3.5, 3.25, 3, 2.75]
    assert run.curve("train/lr").xs.tolist() == [3, 4]
    assert found(run) == [("repeated-header", 5)]
    run = run_of(tmp_path, HISTORY + HISTORY)
    assert run.curve("val/loss").values.tolist() == [4, 3.5, 3.25]
    assert found(run)[0] == ("repeated-header", 5)
    assert "repeated-x" in [code for code, _ in found(run)]


def test_rows_of_other_lengths(tmp_path: Path) -> None:
    """What is certain of a row is kept, and each finding names the lines."""
    short = run_of(tmp_path, HISTORY + "3,1.25\n4,1,3\n")
    assert len(short.curve("train/loss")) == 5
    assert short.curve("val/loss").xs.tolist() == [0, 1, 2, 4]
    assert found(short) == [("short-row", 5)]
    joined = run_of(tmp_path, HISTORY + "3,1.25,34,1,3\n5,1,3\n")
    assert joined.curve("train/loss").xs.tolist() == [0, 1, 2, 5]
    assert found(joined)[0] == ("bad-row", 5)
    later = run_of(tmp_path, HISTORY + "3,1.25,3,0.1\n4,1,3,0.1\n")
    assert later.curve("val/loss").xs.tolist() == [0, 1, 2, 3, 4]
    assert later.curve("train/column_4").values.tolist() == [0.1, 0.1]
    assert found(later)[0] == ("long-row", 5)
    shifted = run_of(tmp_path, "epoch,loss,note\n0,3,a\n1,2,b\n2,1,0.5,c\n3,1,0.5,d\n")
    assert shifted.curve("train/loss").values.tolist() == [3, 2, 1, 1]
    assert "only the first 2 columns" in shifted.findings[0].hint


def test_a_quote_that_never_closes(tmp_path: Path) -> None:
    """It costs its own row alone, and many of them do not take long."""
    text = "step,loss,note\n" + "".join(f"{i},0.5,ok\n" for i in range(5))
    run = run_of(tmp_path, text + '5,0.25,"torn\n' + "6,0.125,ok\n")
    assert run.curve("train/loss").xs.tolist() == [0, 1, 2, 3, 4, 6]
    assert ("bad-row", 7) in found(run)
    many = "step,loss\n" + '1,"0.5\n' * 20_000
    assert read(tmp_path, many).runs[0].n_points == 0


def test_a_row_over_several_lines(tmp_path: Path) -> None:
    """Quotes may hold line ends; the line of a row is that where it begins."""
    table = parse_table('step,note,loss\n0,"two\nlines",3\n1,"",2\n')
    assert table.columns == {"step": ["0", "1"], "note": ["two\nlines", ""], "loss": ["3", "2"]}
    assert table.lines == [2, 4]


def test_names_that_are_there_twice(tmp_path: Path) -> None:
    """The second column of a name gets a number, and columns without a name too."""
    run = run_of(tmp_path, "epoch,loss,loss,,\n0,3,4,5,\n1,2,3,4,\n")
    assert run.metrics == ("train/loss", "train/loss_2", "train/column_4")
    assert found(run) == [("duplicate-column", None)]


def test_configurations_in_cells(tmp_path: Path) -> None:
    """A dict that was written out is a configuration, or nested metrics, and never run."""
    rows = "".join(
        f"{i},\"{{'lr': 0.1, 'net': {{'h': [4, 4]}}}}\",\"{{'kl': {i}.5}}\"\n" for i in (1, 2)
    )
    run = run_of(tmp_path, f"training_iteration,config,info\n{rows}")
    assert dict(run.hpms) == {"lr": 0.1, "net.h": [4, 4]}
    assert run.curve("train/info/kl").values.tolist() == [1.5, 2.5]
    evil = run_of(tmp_path, "step,loss,note\n1,2,{__import__('os')}\n2,1,{0: open('x')}\n")
    assert evil.metrics == ("train/loss",)


def test_runs_in_one_table(tmp_path: Path) -> None:
    """A counter that begins again for each seed and task tells runs apart."""
    head = "task,seed,step,reward,lr\n"
    rows = [(t, s, x) for t in ("hop", "run") for s in (0, 1) for x in (0, 10, 20)]
    text = head + "".join(f"{t},{s},{x},{x + s}.5,0.{1 + s}\n" for t, s, x in rows)
    runs = read(tmp_path, text).runs
    assert [run.id for run in runs] == [
        f"r/task={t},seed={s}" for t in ("hop", "run") for s in (0, 1)
    ]
    assert dict(runs[3].hpms) == {"task": "run", "seed": 1, "lr": 0.2}
    assert runs[3].curve("train/reward").values.tolist() == [1.5, 11.5, 21.5]
    named = "run_id,step,loss\na,0,3\na,1,2\nb,0,3\nb,1,2\n"
    first, second = read(tmp_path, named).runs
    assert (first.id, dict(first.hpms), first.metadata["columns"]) == (
        "r/run_id=a",
        {},
        {"run_id": "a"},
    )
    assert second.curve("train/loss").values.tolist() == [3, 2]


def test_a_resumed_run_is_one(tmp_path: Path) -> None:
    """A counter that goes on under another id is that of one run."""
    run = run_of(tmp_path, "run_id,step,loss\na,0,3\na,1,2\nb,2,1\nb,3,1\n")
    assert run.curve("train/loss").xs.tolist() == [0, 1, 2, 3]
    assert "id-changed" in [code for code, _ in found(run)]


def test_monitors_are_put_in_order(tmp_path: Path) -> None:
    """Episodes of several environments are in the order in which they ended."""
    for name, start, ends in (("0", 100.0, (1, 5)), ("1", 101.0, (1, 2))):
        head = json.dumps({"t_start": start, "env_id": "Hop-v1"})
        rows = "".join(f"{t}.5,10,{t}\n" for t in ends)
        (tmp_path / f"{name}.monitor.csv").write_text(f"#{head}\nr,l,t\n{rows}")
    path, other = (tmp_path / f"{i}.monitor.csv" for i in (0, 1))
    [run] = CsvReader().read(path, "r", ReadOptions(parts=(other,))).runs
    rewards = run.curve("train/r", x="time")
    assert (rewards.xs.tolist(), rewards.values.tolist()) == ([1, 2, 3, 5], [1.5, 1.5, 2.5, 5.5])
    assert dict(run.hpms) == {"env_id": "Hop-v1"}


def test_a_table_for_each_split(tmp_path: Path) -> None:
    """Tables that are called alike but for the split are one run; other tables are not taken."""
    (tmp_path / "train.csv").write_text(",loss,lr\n0,3,0.1\n1,2,0.1\n")
    (tmp_path / "eval.csv").write_text(",loss,acc\n0,4,0.5\n1,3,0.6\n")
    (tmp_path / "test.csv").write_text("image,label\na,1\nb,2\n")
    (tmp_path / "config.json").write_text('{"lr": 0.1}')
    [claim] = CsvReader().claims(Tree.of(walk(str(tmp_path))[0]))
    assert (Path(claim.path).name, claim.named) == ("train.csv", str(tmp_path))
    options = ReadOptions(parts=tuple(map(Path, claim.parts)))
    result = CsvReader().read(Path(claim.path), "r", options)
    [run] = result.runs
    assert sorted(run.metrics) == ["eval/acc", "eval/loss", "train/loss", "train/lr"]
    assert run.curve("eval/loss", x="step").values.tolist() == [4, 3]
    assert run.curve("train/loss", x="step").xs.tolist() == [0, 1]
    assert found(run) == [("other-columns", None)]
    assert result.closed


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        (HISTORY, 0.8, 0.9),
        ("epoch,loss\n", 0.3, 0.5),
        ("step,mean,count\n50,1.3,1000\n", 0.5, 0.7),
        ("time,loss\n0.5,3\n1.5,2\n", 0.5, 0.6),
        ("name,config,dataset\na,b,c\nd,e,f\n", 0, 0),
        ("a,b\n1,2\n3,4\n", 0, 0),
        ("run_id,lr,seed,epoch,acc\na,0.1,0,9,0.5\nb,0.1,1,8,0.6\nc,0.2,0,9,0.7\n", 0, 0),
        ("model,epoch,acc\nx,90,0.5\ny,20,0.6\nz,50,0.7\nw,3,0.1\n", 0, 0),
        ("timestamp,open,close\n1,2,3\n2,3,4\n", 0, 0),
        ("sepal,petal,species\n5.1,3.5,setosa\n4.9,3.0,setosa\n", 0, 0),
        ("loss\n3\n2\n", 0, 0),
        ("1,2,3\n4,5,6\n", 0, 0),
    ],
)
def test_what_is_a_log(text: str, least: float, most: float) -> None:
    """A counter that goes on and columns of numbers are a log; tables of other things are none."""
    assert least <= CsvReader().detect(Path("x.csv"), text.encode()).confidence <= most


def test_texts_with_tables() -> None:
    """A text file is a table only if all of it is one."""
    table = HISTORY.replace(",", "\t").encode()
    assert CsvReader().detect(Path("progress.txt"), table).confidence >= 0.8
    assert CsvReader().detect(Path("out.log"), b"Start, now\n" + table).confidence == 0
    assert CsvReader().detect(Path("a.py"), table).confidence == 0


def test_column_mapping(tmp_path: Path) -> None:
    """What the user says of columns counts."""
    columns = ColumnMap(x={"n": "epoch"}, metrics={"a": "test/score"}, hpms=("k",), ignore=("b",))
    [run] = read(tmp_path, "n,a,b,k\n0,1,2,7\n1,2,3,7\n", columns=columns).runs
    assert run.curve("test/score", x="epoch").values.tolist() == [1, 2]
    assert (run.metrics, dict(run.hpms)) == (("test/score",), {"k": 7})


def grown(tmp_path: Path, before: str, more: str) -> tuple[ReadResult | None, ReadResult]:
    """What is read of what was appended, and of the whole file."""
    first = read(tmp_path, before)
    whole = read(tmp_path, before + more)
    if first.closed:
        return None, whole
    run, path = first.runs[0], tmp_path / "log.csv"
    last, tail = before.encode()[-64:], more.encode()
    item = More(path, "r", ReadOptions(), run, first.state, last, tail)
    return CsvReader().read_more([item])[0], whole


@pytest.mark.parametrize(
    "more", ["3,1,3\n", "3,1.25,nan\n4,1,3.5\n", "3,1e-3,3\n4,1,2\n5,1,1\n", "3 , 1.5,3\n"]
)
def test_a_table_that_grew(tmp_path: Path, more: str) -> None:
    """Rows that were appended give what reading the whole file gives."""
    going_on, whole = grown(tmp_path, HISTORY, more)
    assert going_on is not None
    assert going_on.runs == whole.runs
    assert going_on.state == whole.state


@pytest.mark.parametrize(
    "more",
    ["3,1\n", "3,1,3,4\n", "2,1,3\n", "3,x,1\n", "# end\n", "epoch,loss,val_loss\n", "3,,1\n"],
)
def test_more_than_plain_rows_is_read_again(tmp_path: Path, more: str) -> None:
    """Where rows are odd, only the whole file tells."""
    going_on, whole = grown(tmp_path, HISTORY, more)
    assert going_on is None or going_on.runs == whole.runs
    assert whole.runs


@pytest.mark.parametrize(
    "before",
    ["#{}\n" + HISTORY, ",loss\n0,1\n1,2\n", "seed,step,loss\n1,0,1\n1,1,2\n", "epoch,loss\n0,1\n"],
)
def test_tables_that_are_not_gone_on_with(tmp_path: Path, before: str) -> None:
    """What is decided from the whole table is decided again."""
    assert read(tmp_path, before).closed


SAMPLES = (
    HISTORY.encode(),
    b'#{"t_start": 1.5, "env_id": "a"}\nr,l,t\n1,2,0.5\n2,3,1.5\n',
    b"step,config,loss\n1,\"{'lr': 0.1}\",2\n2,\"{'lr': 0.1}\",1\n",
    b"task,seed,step,reward\na,1,0,5\na,1,1,5\nb,1,0,5\nb,1,1,5\n",
)


def check_mutations(tmp_path: Path, n: int, seed: int) -> None:
    """Read damaged files of every kind."""
    rng = random.Random(seed)
    for i in range(n):
        content = mutated(rng, SAMPLES[i % len(SAMPLES)])
        result = read(tmp_path, content, "log.csv.gz" if i % 50 == 49 else "log.csv")
        assert result.runs or result.findings, content
        CsvReader().detect(tmp_path / "log.csv", content)


def test_damaged_tables(tmp_path: Path) -> None:
    """No damage raises; a file without a run leaves a finding."""
    check_mutations(tmp_path, 400, 1)


@pytest.mark.slow
def test_many_damaged_tables(tmp_path: Path) -> None:
    """No damage raises, in ten thousand files."""
    check_mutations(tmp_path, 10_000, 2)


def test_a_cell_of_the_standard_library() -> None:
    """Text behind a closed quote is no row."""
    assert split_line('a,"b"c', ",") is None
    assert split_line('a,"b"', ",") == ["a", "b"]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(
            ["train_loss", "train_loss,train_acc", "train_lr", "val_loss", "train_acc"]
        ),
        st.sampled_from([0, 1, 1, 1, 2, -1]),
        st.sampled_from(["0.5", "1", "nan", "-3e-4"]),
    ),
    min_size=2,
    max_size=12,
)


@given(rows=ROWS, cut=st.integers(1, 11))
def test_growing_never_gives_another_run(
    rows: list[tuple[str, int, str]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever rows are appended: what is joined is what is read of the whole file."""
    lines, step = [], 0
    for names, more, value in rows:
        step += more
        cells = [value if name in names.split(",") else "" for name in NAMES]
        lines.append(f"{step},{step // 4},{','.join(cells)}\n")
    folder = tmp_path_factory.mktemp("grown")
    head = f"step,epoch,{','.join(NAMES)}\n"
    joined, whole = grown(folder, head + "".join(lines[:cut]), "".join(lines[cut:]))
    if joined is not None:
        assert joined.runs == whole.runs
        assert joined.state == whole.state


NAMES = ("train_loss", "train_acc", "train_lr", "val_loss")
