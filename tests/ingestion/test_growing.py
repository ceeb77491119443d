"""Files that grow: only their end is read, and the result is that of reading all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dr_gen.convert import run_to_dict
from dr_gen.ingestion import ingest, load, open_store, plan
from dr_gen.ingestion.resuming import resumed
from dr_gen.model.group import RunGroup


def exact(group: RunGroup) -> list[dict[str, Any]]:
    """Every run as plain data, to the last bit, but for when it was read."""
    out = []
    for run in group:
        data = run_to_dict(run)
        del data["time_parsed"]
        data["curves"].sort(key=lambda curve: (curve["split"], curve["metric"]))
        out.append({key: json.dumps(value, sort_keys=True) for key, value in data.items()})
    return out


def line(**record: Any) -> bytes:
    """One line of a log."""
    return json.dumps(record).encode() + b"\n"


def rows(first: int, n: int, **more: Any) -> bytes:
    """Plain lines of two splits of a native log."""
    return b"".join(
        line(data_name=split, agg_stats={"loss": 0.1 * i, "acc1": 50 + i}, epoch=i, **more)
        for i in range(first, first + n)
        for split in ("train", "val")
    )


def flat(n: int, first: int = 0, **more: Any) -> bytes:
    """Plain rows of somebody's loop."""
    return b"".join(line(step=i, loss=1.0 / (i + 1), **more) for i in range(first, first + n))


CONFIG = line(type="dict_config", value={"optim": {"lr": 0.1}, "epochs": 6, "seed": 3})
TIME = line(type="str", value="Training time 0:12:00")
END = line(type="end", status="completed")
TEXT = line(type="str", value=" >> saved ☃ ")

NATIVE: Sequence[bytes] = [
    *(rows(first, n) for first, n in ((0, 1), (1, 2), (3, 1), (4, 6), (10, 12))),
    rows(2, 1),
    rows(20, 1, step=7),
    TIME,
    END,
    TEXT,
    TEXT * 12,
    CONFIG,
    line(type="end", status="failed", reason="out of memory"),
    line(type="str", value="Aggregation failed for val"),
    line(type="dict_config", value={"optim": {"lr": 0.2}}),
    line(data_name="val", agg_stats={"loss": float("nan"), "acc1": float("inf")}, epoch=30),
    line(data_name="val", agg_stats={"loss": 1.0, "acc1": 2.0}, epoch=31.5),
    line(data_name="val", agg_stats={"loss": 1.0, "acc1": 2.0}, epoch="32"),
    line(data_name="val", agg_stats={"loss": 1.0}, epoch=33),
    line(data_name="val", agg_stats={"loss": 1.0, "acc1": 2.0, "new": 3.0}, epoch=34),
    line(data_name="val", agg_stats={"loss": 1.0, "acc1": None}, epoch=35),
    line(data_name="val", agg_stats={}, epoch=36.5),
    line(data_name=" val", agg_stats={"loss": 1.0, "acc1": 2.0}, epoch=37),
    line(data_name="val/x", agg_stats={"loss": 1.0, "acc1": 2.0}, epoch=38),
    line(data_name="test", agg_stats={"loss": 1.0, "acc1": 2.0}, epoch=39),
    line(data_name="val", agg_stats={"loss": 1.0, "acc1": 2.0}),
    line(data_name="val", agg_stats={"loss": 1.0, "acc1": 2.0}, epoch=40, time=1.5),
    line(type="other"),
    b'{"data_name": "val", "agg_stats": {"loss": 1, "loss": 2, "acc1": 3}, "epoch": 41}\n',
    b'{"data_name": "val", "agg_stats": {"lo',
    b'ss": 0.5, "acc1": 3.5}, "epoch": 50}\n',
    b'{"type": "str", "value": "no end of line"}',
    b"not JSON\n",
    b"\n",
    b"\r\n",
    b"\xff\n",
]

FLAT: Sequence[bytes] = [
    *(
        b"".join(line(step=i, loss=1.0 / (i + 1), acc=i) for i in range(first, first + n))
        for first, n in ((0, 1), (1, 2), (3, 4), (7, 1))
    ),
    line(step=3, loss=0.5, acc=1),
    line(step=20, loss=float("nan"), acc=3),
    line(step=21.5, loss=0.25, acc=3),
    line(step=22, loss=0.25),
    line(step=23, loss=0.25, acc=3, lr=0.1),
    line(step=24, loss=0.25, acc="3"),
    line(step=25, loss="high", acc=3),
    line(step=26, loss=None, acc=3),
    line(loss=0.25, acc=3),
    line(epoch=1, step=27, loss=0.25, acc=3),
    line(step=28, **{"val/loss": 1.0}),
    line(step=29, nested={"loss": 1.0}),
    line(split="val", step=30, loss=1.0, acc=2),
    line(config={"lr": 0.1}),
    line(seed=3, lr=0.1, optimizer="sgd"),
    line(type="dict_config", value={"lr": 0.1}),
    line(data_name="val", agg_stats={"loss": 1.0}, epoch=1),
    b'{"step": 31, "loss": 0.',
    b'125, "acc": 9}\n',
    b"text\n",
    b"\n",
]


def changes(parts: Sequence[bytes]) -> st.SearchStrategy[list[list[tuple[str, Any]]]]:
    """Rounds of what is done to a file; mostly more of the plain is appended."""
    more = st.tuples(st.just("more"), st.integers(1, 6))
    appended = st.tuples(st.just("append"), st.sampled_from(parts))
    cut = st.tuples(st.just("cut"), st.integers(1, 80))
    anew = st.tuples(st.just("write"), st.lists(st.sampled_from(parts), max_size=4).map(b"".join))
    edit = st.tuples(st.just("edit"), st.none())
    some = st.lists(st.one_of(more, appended, cut, anew, edit), max_size=3)
    return st.lists(st.one_of(st.lists(more, min_size=1, max_size=2), some), max_size=5)


def change(path: Path, kind: str, what: Any) -> None:
    """Do to a log what may happen to it."""
    if kind == "more":
        content = path.read_bytes()
        first = 100 + content.count(b"\n")  # behind all that is there
        plain = rows(first, what) if b"agg_stats" in content else flat(what, first, acc=1)
        change(path, "append", plain)
    elif kind == "append":
        with path.open("ab") as file:
            file.write(what)
    elif kind == "cut":
        os.truncate(path, max(path.stat().st_size - what, 0))
    elif kind == "write":
        path.write_bytes(what)
    else:  # as an editor does it: another file under the same name
        content = path.read_bytes()
        # Kept as a backup, so that its inode is not given to another file.
        backups = path.parents[1]
        path.rename(backups / f"backup-{len(list(backups.iterdir()))}")
        path.write_bytes(content.replace(b"0.1", b"0.7"))


def follow(start: bytes, rounds: list[list[tuple[str, Any]]]) -> None:
    """Bring a store up to date after each round, and compare with a cold load."""
    with tempfile.TemporaryDirectory() as place:
        logs, store = Path(place, "logs"), Path(place, "store")
        logs.mkdir()
        (logs / "b.jsonl").write_bytes(CONFIG + rows(0, 3))
        path = logs / "a.jsonl"
        path.write_bytes(start)
        for steps in ([], *rounds):
            for step in steps:
                change(path, *step)
            stored = ingest(logs, store)
            cold = load(logs, cache=False)
            assert exact(stored) == exact(cold)
            assert stored == cold
            assert exact(open_store(store)) == exact(cold)
            # Not `is_current`: a file that has settled meanwhile gets a stamp without digest.
            assert not any(step.to_read for step in plan(logs, store).steps)


STARTS = [CONFIG + rows(0, 3), CONFIG + rows(0, 4) + TIME + END, CONFIG + rows(0, 1), rows(0, 3)]


@settings(max_examples=20)
@given(st.sampled_from(STARTS), changes(NATIVE))
@example(CONFIG + rows(0, 3) + TIME, [[("append", rows(3, 2))], [("append", rows(5, 4))]])
@example(CONFIG + rows(0, 3) + TIME, [[("append", rows(3, 2))], [("append", TEXT * 12)]])
def test_a_native_log_that_grows_is_as_one_read_anew(
    start: bytes, rounds: list[list[tuple[str, Any]]]
) -> None:
    """Whatever is appended, cut off, completed, edited and written over between."""
    follow(start, rounds)


@settings(max_examples=15)
@given(
    st.one_of(
        st.sampled_from([flat(n, acc=1) for n in (1, 2, 5)]),
        st.lists(st.sampled_from(FLAT), max_size=3).map(b"".join),
    ),
    changes(FLAT),
)
def test_rows_that_grow_are_as_rows_read_anew(
    start: bytes, rounds: list[list[tuple[str, Any]]]
) -> None:
    """The same of a log whose names are guessed from all of it."""
    follow(start, rounds)


@pytest.mark.parametrize("part", NATIVE)
def test_whatever_comes_after_plain_rows(part: bytes) -> None:
    """One thing behind the plain, and the plain behind it."""
    follow(CONFIG + rows(0, 3), [[("append", part)], [("append", rows(60, 2))]])


SPLIT = line(data_name="val", agg_stats={"a": {"b": 1.0}}, epoch=0)
PAIRS = {
    "settings appear": (flat(1, lr=0.1, dropout=0.5), flat(2, 1, lr=0.1, dropout=0.5)),
    "settings vanish": (flat(3, lr=0.1, dropout=0.5), flat(2, 3, lr=0.2, dropout=0.5)),
    "settings are left out": (
        b"".join(line(step=i, lr=0.1, dropout=0.5, val_loss=1.0) for i in range(3)),
        line(step=3, val_loss=1.0),
    ),
    "time falls": (
        b"".join(line(step=i, time=float(i), loss=1.0) for i in range(3)),
        b"".join(line(step=i, time=9.0 - i, loss=1.0) for i in range(3, 9)),
    ),
    "time alone rises": (
        b"".join(line(time=float(i), loss=0.5) for i in range(3)),
        b"".join(line(time=float(i), loss=0.5) for i in range(3, 9)),
    ),
    "epochs change": (flat(3, epochs=9), flat(2, 3, epochs=10)),
    "seed changes": (flat(3, seed=1), flat(2, 3, seed=2)),
    "type names a split": (flat(3, type="a"), flat(4, 3, type="val")),
    "numbers as text": (flat(3, acc="1"), flat(3, 3, acc=1)),
    "header turns up": (line(lr=0.1, optimizer="sgd"), flat(3)),
    "first row alone has it": (flat(1, seed=2, depth=3), flat(3, 1)),
    "x of a split": (
        b"".join(line(**{"train/step": i, "train/loss": 0.5}) for i in range(3)),
        b"".join(line(**{"val/step": i, "val/loss": 0.5}) for i in range(3)),
    ),
    "one split, two spellings": (
        CONFIG + rows(0, 3).replace(b'"val"', b'" val"'),
        rows(3, 2),
    ),
    "one metric, two spellings": (
        CONFIG + rows(0, 3).replace(b'"loss"', b'" loss"'),
        rows(3, 2),
    ),
    "one name, nested and flat": (
        CONFIG + SPLIT + SPLIT.replace(b"0}", b"1}"),
        b'{"data_name": "val", "agg_stats": {"a/b": 1.0, "a": {"b": 2.0}}, "epoch": 2}\n',
    ),
    "steps, then fractions": (flat(3), line(step=3.5, loss=1.0)),
    "a native line": (flat(3), CONFIG + rows(0, 2)),
    **{f"{n} lines after the time": (CONFIG + rows(0, 3) + TIME, TEXT * n) for n in range(8, 12)},
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_more_rows_decide_anew(name: str) -> None:
    """Whatever is decided by all rows together is decided by all of them."""
    start, tail = PAIRS[name]
    follow(start, [[("append", tail)], [("append", tail)]])


@pytest.mark.parametrize(
    ("start", "tail"),
    [
        (CONFIG + rows(0, 3), rows(3, 2)),
        (CONFIG + rows(0, 3), TEXT + END),
        (CONFIG + rows(0, 3) + TIME, rows(3, 1)),
        (CONFIG + rows(0, 3) + b"not JSON\n", rows(3, 1) + b"\r\n"),
        (
            CONFIG + rows(0, 3),
            line(data_name="val", agg_stats={"loss": float("nan"), "acc1": 1}, epoch=9),
        ),
        (CONFIG + rows(0, 3) + rows(3, 1)[:70], rows(3, 1)[70:]),
        (flat(3), flat(2, 3)),
        (flat(3) + flat(1, 3)[:20], flat(1, 3)[20:]),
        (flat(3, lr=0.1), flat(2, 3, lr=0.2)),
    ],
)
def test_the_plain_case_is_not_read_again(start: bytes, tail: bytes, tmp_path: Path) -> None:
    """Of rows, texts and ends behind others only what is new is read, and said to have grown."""
    path, store = tmp_path / "logs" / "a.jsonl", tmp_path / "store"
    path.parent.mkdir()
    path.write_bytes(start)
    ingest(path, store)
    with path.open("ab") as file:
        file.write(tail)
    decided = plan(path, store)
    assert decided.counts() == {"grown": 1}
    more = resumed(decided)
    assert [step.record.path for step in more.steps] == [str(path)]
    assert exact(ingest(path, store)) == exact(load(path, cache=False))


def test_another_name_is_another_reading(tmp_path: Path) -> None:
    """A log that grew while another took its name is looked at from its beginning."""
    logs, store = tmp_path / "logs", tmp_path / "store"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(CONFIG + rows(0, 3))
    ingest(logs, store)
    with (logs / "a.jsonl").open("ab") as file:
        file.write(rows(3, 1))
    (logs / "a.log").write_bytes(CONFIG + rows(0, 2))
    decided = plan(logs, store)
    assert {step.since for step in decided.to_read} == {None}
    assert all(step.record.stamp.digest and not step.record.stamp.since for step in decided.to_read)
    assert exact(ingest(logs, store)) == exact(load(logs, cache=False))


COUNTING = """
import sys
from pathlib import Path
from dr_gen.ingestion import ingest
logs, store, tail = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])

ingest(logs, store)
for i in (100, 101):
    for path in logs.iterdir():
        with path.open("a") as file:
            file.write(tail % {"i": i} + chr(10))
    before = read()
    group = ingest(logs, store)
    bytes_read = read() - before
print(bytes_read, group.values("val/acc1@last").min())
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="only Linux counts for us")
@pytest.mark.parametrize(
    ("start", "tail"),
    [
        (
            CONFIG + rows(0, 100),
            '{"data_name": "val", "agg_stats": {"loss": 0.25, "acc1": %(i)d.5}, "epoch": %(i)d}',
        ),
        (
            b"".join(line(step=i, val_acc1=0.5 * i, loss=1.0) for i in range(100)),
            '{"step": %(i)d, "loss": 0.25, "val_acc1": %(i)d.5}',
        ),
    ],
    ids=["native", "flat"],
)
def test_only_the_end_of_a_grown_file_is_read(start: bytes, tail: str, tmp_path: Path) -> None:
    """What the system counts, our own store included, is next to nothing of the logs."""
    logs = tmp_path / "logs"
    logs.mkdir()
    size = 0
    for i in range(4):
        # Space counts as bytes, and leaves nothing in the store.
        size += (logs / f"{i}.jsonl").write_bytes(start[:-1] + b" " * 5_000_000 + b"\n")
    command = [sys.executable, "-c", COUNTING, str(logs), str(tmp_path / "store"), tail]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    read, last = map(float, done.stdout.split())
    assert last == 101.5
    assert read < 0.02 * size
