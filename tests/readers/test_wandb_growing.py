"""Logs of Weights & Biases that grew: what was appended gives what reading all of it does."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dr_gen.convert import run_to_dict
from dr_gen.ingestion import ingest, load, plan
from dr_gen.model.run import RunData
from dr_gen.readers.contract import More, ReadOptions, ReadResult
from dr_gen.readers.wandb.reader import WandbReader
from tests.readers import wandb_logs as logs

READER = WandbReader()


def of_loop(n: int, first: int = 0) -> list[bytes]:
    """What a training loop leaves: each row with a summary before it, and other records."""
    records = []
    for i in range(first, first + n):
        row: dict[Any, Any] = {("train/loss",): 1 / (i + 1), ("_step",): 2 * i, ("epoch",): i}
        about = {("_runtime",): i * 0.5, ("_timestamp",): 1.7e9 + i * 0.5}
        check = {("val/acc",): i * 0.3, ("_step",): 2 * i + 1, ("epoch",): i}
        records += [logs.summary({**row, **about}), logs.history({**row, **about}, 2 * i)]
        records += [logs.printed(f"epoch {i}\n" * 40), logs.history({**check, **about}, 2 * i + 1)]
        records.append(logs.stats({"cpu": i % 7, "net": {"in": i}}))
    return records


def read(path: Path, content: bytes) -> ReadResult:
    """What the reader makes of a file of these bytes."""
    path.write_bytes(content)
    return READER.read(path, "run", ReadOptions("growing"))


def more_of(path: Path, before: ReadResult, content: bytes) -> ReadResult | None:
    """What it makes of the same file, from what was appended alone."""
    assert not before.closed
    assert before.end is not None
    [run] = before.runs
    last, tail = content[max(0, before.end - 64) : before.end], content[before.end :]
    item = More(path, "run", ReadOptions("growing"), run, before.state, last, tail)
    [result] = READER.read_more([item])
    return result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "run-abc.wandb"


HEAD = [logs.run("abc", {"lr": 0.1}), *of_loop(2)]


@given(st.integers(0, 60), st.booleans(), st.randoms())
def test_a_tail_gives_what_the_whole_gives(
    tmp_path_factory: pytest.TempPathFactory, n: int, ends: bool, rng: random.Random
) -> None:
    """Wherever the file was cut off when it was read, and wherever it is cut off now."""
    path = tmp_path_factory.mktemp("log") / "run-abc.wandb"
    whole = logs.wandb_file(*HEAD, *of_loop(n, 2), *([logs.ended(n % 2)] if ends else []))
    start = len(logs.wandb_file(*HEAD))
    first, second = sorted(rng.randint(start, len(whole)) for _ in range(2))
    before = read(path, whole[:first])
    for end in (second, len(whole)):
        result = more_of(path, before, whole[:end])
        expected = read(path, whole[:end])
        assert result is not None
        assert result == expected
        before = result


def test_several_files_are_gone_on_with_together(tmp_path: Path) -> None:
    """Each on its own: one that cannot be does not keep the others from it."""
    items, expected = [], []
    for name, appended in {"a": of_loop(3, 2), "b": [logs.config({"lr": 3})], "c": []}.items():
        path = tmp_path / f"run-{name}.wandb"
        content = logs.wandb_file(*HEAD, *appended)
        path.write_bytes(logs.wandb_file(*HEAD))
        before = READER.read(path, name, ReadOptions("growing"))
        assert before.end is not None
        run, tail = before.runs[0], content[before.end :]
        items.append(More(path, name, ReadOptions("growing"), run, before.state, b"", tail))
        path.write_bytes(content)
        expected.append(READER.read(path, name, ReadOptions("growing")))
    results = READER.read_more(items)
    assert results == [expected[0], None, expected[2]]


@pytest.mark.parametrize(
    "appended",
    [
        [logs.config({"lr": 0.2})],
        [logs.run("abc", name="another")],
        [logs.history({"train/loss": "text", "_step": 90, "epoch": 90})],
        [logs.history({"new": 1.0, "_step": 90, "epoch": 90})],
        [logs.history({"train/loss": 1.0, "_step": 0, "epoch": 0, "_runtime": -5.0})],
        [logs.summary({"test_acc": 0.5})],
        [logs.summary({}, remove=["train/loss"])],
        [logs.record(12, logs.field(1, "loss") + logs.field(4, "epoch"))],
        [logs.record(2, b"\x0a\x7f")],
        [logs.record(10, logs.field(1, "alert"))],
        [logs.history({"train/loss": 1.0, "_step": 90, "epoch": b"NaN"})],
    ],
)
def test_what_changes_the_meaning_is_read_as_a_whole(path: Path, appended: list[bytes]) -> None:
    """Records that are more than rows of known names; none is taken for what it is not."""
    before = read(path, logs.wandb_file(*HEAD))
    content = logs.wandb_file(*HEAD, *appended, *of_loop(1, 100))
    result = more_of(path, before, content)
    assert result is None


def test_damage_is_read_as_a_whole(path: Path) -> None:
    """A tail with a damaged record."""
    before = read(path, logs.wandb_file(*HEAD))
    content = bytearray(logs.wandb_file(*HEAD, *of_loop(3, 2)))
    content[-100] ^= 1
    assert more_of(path, before, bytes(content)) is None


@pytest.mark.parametrize(
    "records",
    [
        [logs.run("abc", {"lr": 0.1})],
        [*HEAD, logs.summary({"test_acc": 0.5})],
        [*HEAD, logs.summary({"note": "x" * 100_000})],
        [*HEAD, logs.history({"h": {"_type": "histogram"}, "_step": 50, "epoch": 50})],
        [*HEAD, logs.history({"note": "text", "_step": 50, "epoch": 50})],
        [logs.history({"loss": float(i), "lr": 0.1, "wd": 1, "_step": i}) for i in range(3)],
    ],
)
def test_where_more_may_change_what_was_decided_nothing_is_gone_on_with(
    path: Path, records: list[bytes]
) -> None:
    """Values of the summary alone, media, texts, and settings that rows repeat."""
    assert read(path, logs.wandb_file(*records)).closed


# ---------------------------------------------------------------------- with files beside it


CONFIG = "wandb_version: 1\n_wandb:\n  value: {cli_version: 0.15}\nlr:\n  value: 0.1\n"


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A folder as an online run leaves it while it runs; the log is in ``run-abc.wandb``."""
    folder = tmp_path / "runs" / "wandb" / "run-20260101_120000-abc"
    for inner in ("files", "logs"):
        (folder / inner).mkdir(parents=True)
    (folder / "files" / "config.yaml").write_text(CONFIG)
    (folder / "files" / "wandb-metadata.json").write_text('{"host": "h"}')
    (folder / "files" / "wandb-summary.json").write_text('{"epoch": 0, "_wandb": {"runtime": 1}}')
    (folder / "run-abc.wandb").write_bytes(logs.wandb_file(*HEAD))
    return folder


def told(run: RunData) -> dict[str, Any]:
    """All that is known of a run, but the time at which it was read."""
    return {k: v for k, v in run_to_dict(run).items() if k != "time_parsed"}


def test_a_run_that_prints_is_followed(
    live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process prints changes nothing; only what was appended is read, up to the end."""
    source, store = tmp_path / "runs", tmp_path / "store"
    records = list(HEAD)
    ingest(source, store)
    for more in (of_loop(3, 2), of_loop(1, 5), [logs.ended()]):
        records += more
        (live / "run-abc.wandb").write_bytes(logs.wandb_file(*records))
        (live / "files" / "output.log").write_text("epoch\n" * len(records))
        (live / "logs" / "debug-internal.log").write_text('{"time": 1}\n' * len(records))
        [step] = [step for step in plan(source, store).steps if step.to_read]
        assert (step.kind, step.since is not None) == ("grown", True)
        with monkeypatch.context() as patch:
            patch.setattr("dr_gen.readers.wandb.run.read_run", None)
            [run] = ingest(source, store)
        [cold] = load(source, cache=False)
        assert told(run) == told(cold)
        [row] = [step.record for step in plan(source, store).steps if step.record.runs]
        assert row.mark is not None
        assert row.mark.offset == (live / "run-abc.wandb").stat().st_size


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.yaml", CONFIG + "wd:\n  value: 0.5\n"),
        ("config.yaml", "lr: [unclosed"),
        ("wandb-summary.json", '{"test_acc": 0.5}'),
        ("wandb-summary.json", '{"epoch": 1, "h": {"_type": "histogram"}}'),
    ],
)
def test_what_files_beside_a_log_add_may_not_be_gone_on_with(
    live: Path, name: str, text: str
) -> None:
    """Once the log has its end they do not count: nothing that hangs on them is kept."""
    path = live / "run-abc.wandb"
    parts = tuple((live / "files").iterdir())
    options = ReadOptions("growing", parts=parts)
    assert not READER.read(path, "run", options).closed
    (live / "files" / name).write_text(text)
    assert READER.read(path, "run", options).closed
