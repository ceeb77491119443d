"""The writer of the native log: what it writes, what it refuses, and what a kill leaves behind."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from dr_gen.errors import UsageError
from dr_gen.readers.runlogger import RunLogger

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")

numbers = st.floats() | st.integers(-(2**63), 2**63 - 1)
# Surrogates included: file names that are not UTF-8 reach a configuration as such.
texts = st.text(st.characters(), max_size=20)
leaves = st.none() | st.booleans() | numbers | texts
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
configs = st.dictionaries(texts, trees, max_size=4)
names = texts.filter(bool)


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Tensor:
    """What torch does: `item()` gives the number, or RuntimeError if there are several."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def item(self) -> float:
        if len(self.values) != 1:
            raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
        return self.values[0]


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The parsed lines of a whole log."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def same(a: object, b: object) -> bool:
    """Equality in which NaN equals NaN and 1 is not 1.0."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    return type(a) is type(b) and a == b


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


# ---------------------------------------------------------------- what is written


def test_lines_are_exactly_the_format(path: Path) -> None:
    """A completed run consists of these very bytes."""
    clock = Clock()
    with RunLogger(path, {"optim": {"lr": 0.1}, "tags": ["a", None]}, clock=clock) as log:
        log.text(">> Running Training")
        clock.now += 12.5
        log.metrics("val", {"loss": math.nan, "acc1": 88}, epoch=3, step=1170)
        log.metrics("train", {"loss": math.inf, "low": -math.inf}, samples=640, tokens=1.5)
        clock.now += 5012
    assert path.read_bytes().decode() == (
        '{"type": "dict_config", "value": {"optim": {"lr": 0.1}, "tags": ["a", null]}}\n'
        '{"type": "str", "value": ">> Running Training"}\n'
        '{"title": "agg_val", "data_name": "val", "agg_stats": {"loss": NaN, "acc1": 88}, '
        '"epoch": 3, "step": 1170, "time": 12.5}\n'
        '{"title": "agg_train", "data_name": "train", '
        '"agg_stats": {"loss": Infinity, "low": -Infinity}, '
        '"samples": 640, "tokens": 1.5, "time": 12.5}\n'
        '{"type": "str", "value": "Training time 1:23:44"}\n'
        '{"type": "end", "status": "completed"}\n'
    )


@given(config=configs)
def test_config_comes_back(config: dict[str, Any]) -> None:
    """Any nested configuration is read back by `json` as it was given, types included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.jsonl")
        RunLogger(path, config).close()
        first = lines_of(path)[0]
    assert first["type"] == "dict_config"
    assert same(first["value"], config)


@given(
    entries=st.lists(
        st.tuples(
            names,
            st.dictionaries(names, numbers, max_size=4),
            st.none() | st.integers(0, 10**12),
            st.none() | st.integers(0, 10**12) | st.floats(0, 1e12),
        ),
        max_size=6,
    )
)
def test_metrics_come_back(entries: list[tuple[str, dict[str, float], int | None, Any]]) -> None:
    """Any metrics, not finite ones included, are read back line by line; x only where given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.jsonl")
        with RunLogger(path, {}) as log:
            for split, values, epoch, samples in entries:
                log.metrics(split, values, epoch=epoch, samples=samples)
        lines = lines_of(path)[1:-2]
    assert len(lines) == len(entries)
    for line, (split, values, epoch, samples) in zip(lines, entries, strict=True):
        assert line.pop("time") >= 0
        expected: dict[str, Any] = {
            "title": f"agg_{split}",
            "data_name": split,
            "agg_stats": values,
        }
        given_x = {"epoch": epoch, "samples": samples}
        expected |= {name: x for name, x in given_x.items() if x is not None}
        assert same(line, expected)


@given(messages=st.lists(texts, max_size=5))
def test_texts_come_back(messages: list[str]) -> None:
    """Any text, line breaks and other alphabets included, is one line and comes back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.jsonl")
        with RunLogger(path, {}) as log:
            for message in messages:
                log.text(message)
        lines = lines_of(path)[1:-2]
        assert len(path.read_text(encoding="ascii").splitlines()) == len(messages) + 3
    assert lines == [{"type": "str", "value": message} for message in messages]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.1), 0.10000000149011612),
        (np.float64(0.1), 0.1),
        (np.float16(np.inf), math.inf),
        (np.longdouble(0.5), 0.5),
        (np.int64(7), 7),
        (np.uint8(255), 255),
        (np.array(2.5), 2.5),
        (np.array([[3]]), 3),
        (Tensor(0.25), 0.25),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 4), 0.25),
    ],
)
def test_scalars_of_other_libraries(path: Path, value: object, expected: float) -> None:
    """A scalar of numpy, torch and the like is written as the number it holds, as are counters."""
    with RunLogger(path, {}) as log:
        log.metrics("val", {"m": value})
        if math.isfinite(expected):
            log.metrics("val", {}, step=value)
    _, line, *rest = lines_of(path)
    assert same(line["agg_stats"], {"m": expected})
    if math.isfinite(expected):
        assert same(rest[0]["step"], expected)


@dataclasses.dataclass
class Optim:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


@attrs.frozen
class Model:
    name: str = "mlp"
    weights: None = None


def test_config_of_objects(path: Path) -> None:
    """Dataclasses, attrs classes, paths, tuples, whole-number keys and numpy scalars are plain."""
    config = {
        "optim": Optim(),
        "model": Model(),
        "paths": {"out": Path("a", "b")},
        "labels": {0: "cat", 1: "dog"},
        "numpy": [np.float32(0.5), np.int16(3), np.bool_(True), np.str_("x"), np.array(4)],
    }
    RunLogger(path, config).close()
    assert same(
        lines_of(path)[0]["value"],
        {
            "optim": {"lr": 0.1, "betas": [0.9, 0.99]},
            "model": {"name": "mlp", "weights": None},
            "paths": {"out": str(Path("a", "b"))},
            "labels": {"0": "cat", "1": "dog"},
            "numpy": [0.5, 3, True, "x", 4],
        },
    )


@pytest.mark.parametrize("config", [Optim(), Model()])
def test_config_may_be_an_object(path: Path, config: object) -> None:
    """The configuration itself may be a dataclass or attrs instance."""
    RunLogger(path, config).close()
    assert lines_of(path)[0]["value"].keys() == vars_of(config)


def vars_of(config: object) -> set[str]:
    return {"lr", "betas"} if isinstance(config, Optim) else {"name", "weights"}


# ---------------------------------------------------------------- what is refused


BAD_NUMBERS = [
    "0.3",
    np.str_("3"),
    np.bytes_(b"3"),
    None,
    True,
    np.True_,
    [1.0],
    np.array([1.0, 2.0]),
    Tensor(1.0, 2.0),
    1j,
    np.complex64(1),
]


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda value: type(value).__name__)
def test_metric_that_is_no_number(path: Path, value: object) -> None:
    """A value that is no number is refused by name, and nothing of its line is written."""
    with RunLogger(path, {}) as log:
        before = path.read_bytes()
        with pytest.raises(UsageError, match=r"metric 'bad' of 'val'.*found") as caught:
            log.metrics("val", {"good": 1.0, "bad": value})
        assert type(value).__name__ in str(caught.value)
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda log: log.metrics("val", {}, epoch="3"), "counter 'epoch'.*found '3'"),
        (lambda log: log.metrics("val", {}, step=math.nan), "counter 'step'.*finite"),
        (lambda log: log.metrics("val", {}, time=3), "counter 'time'.*another"),
        (lambda log: log.metrics("val", {}, title="x"), "counter 'title'.*another"),
        (lambda log: log.metrics("", {}), "split.*found ''"),
        (lambda log: log.metrics(3, {}), "split.*found 3"),
        (lambda log: log.metrics("val", {"": 1}), "metric of 'val'.*found ''"),
        (lambda log: log.metrics("val", {1: 1}), "metric of 'val'.*found 1"),
        (lambda log: log.metrics("val", [("a", 1)]), "metrics of 'val'.*mapping"),
        (lambda log: log.text(3), "text.*found 3"),
        (lambda log: log.close("done"), "close.*completed, failed.*'done'"),
        (lambda log: log.close("failed", 3), "close.*reason.*found 3"),
    ],
)
def test_misuse(path: Path, call: Callable[[Any], None], message: str) -> None:
    """A call that makes no sense says what was expected and found, and writes nothing."""
    with RunLogger(path, {}) as log:
        before = path.read_bytes()
        with pytest.raises(UsageError, match=message):
            call(log)
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": {"b": [0, {"c": object()}]}}, r"config key 'a\.b\.1\.c'.*object"),
        ({"a": {1, 2}}, "config key 'a'.*set"),
        ({"a": b"x"}, "config key 'a'.*bytes"),
        ({"a": np.array([1.0])}, "config key 'a'.*ndarray"),
        ({"a": 1j}, "config key 'a'.*complex"),
        ({"a": np.datetime64("2025-01-01")}, "config key 'a'.*datetime64"),
        ({"a": Optim}, "config key 'a'.*type"),
        ({"a": {None: 1}}, "config key 'a'.*None"),
        ({"a": {1: 1, "1": 2}}, r"config key 'a\.1'.*twice"),
        ([1], "config: expected a mapping.*list"),
        (Optim, "config: expected a mapping.*type"),
    ],
)
def test_config_with_no_place_in_a_log(path: Path, config: object, message: str) -> None:
    """A configuration value that cannot be written is refused by key, and no file is made."""
    with pytest.raises(UsageError, match=message):
        RunLogger(path, config)
    assert not path.exists()


def test_config_that_contains_itself(path: Path) -> None:
    """A circular configuration is a usage error, not a crash of the interpreter's stack."""
    config: dict[str, object] = {}
    config["self"] = config
    with pytest.raises(UsageError, match="contains itself"):
        RunLogger(path, config)


# ---------------------------------------------------------------- how a log ends


def test_exception_in_the_block(path: Path) -> None:
    """An exception ends the log as failed, with its reason and no training time, and goes on."""
    with pytest.raises(ZeroDivisionError), RunLogger(path, {}) as log:
        log.metrics("val", {"loss": 1 / 0})
    assert lines_of(path)[1:] == [
        {"type": "end", "status": "failed", "reason": "ZeroDivisionError: division by zero"}
    ]
    assert log.closed


def test_exception_without_a_message(path: Path) -> None:
    """The reason is the name alone where an exception says nothing more; Ctrl-C is one such."""
    with pytest.raises(KeyboardInterrupt), RunLogger(path, {}):
        raise KeyboardInterrupt
    assert lines_of(path)[-1]["reason"] == "KeyboardInterrupt"


@pytest.mark.parametrize("status", ["failed", "diverged", "incomplete"])
def test_close_with_a_status(path: Path, status: str) -> None:
    """Without `with`, the caller says how the run ended and why."""
    log = RunLogger(path, {})
    log.close(status, reason="loss is NaN")
    assert lines_of(path)[1:] == [{"type": "end", "status": status, "reason": "loss is NaN"}]


def test_closing_twice(path: Path) -> None:
    """Closing a closed log changes nothing, also at the end of a `with` block."""
    with RunLogger(path, {}) as log:
        log.close("diverged")
        log.close()
    assert [line["type"] for line in lines_of(path)] == ["dict_config", "end"]


def test_writing_after_close(path: Path) -> None:
    """Whatever is written after the end is refused, and the file stays as it is."""
    log = RunLogger(path, {})
    log.close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="closed"):
        log.text("x")
    with pytest.raises(UsageError, match="closed"):
        log.metrics("val", {"loss": 1.0})
    assert path.read_bytes() == before
    assert repr(log) == f"RunLogger({str(path)!r}, closed=True)"


# ---------------------------------------------------------------- files


def test_parent_folders_are_made(tmp_path: Path) -> None:
    """A log may be asked for in folders that are not there yet, by str or Path."""
    log = RunLogger(str(tmp_path / "a" / "b" / "run.jsonl"), {})
    assert log.path == tmp_path / "a" / "b" / "run.jsonl"
    log.close()
    assert len(lines_of(log.path)) == 3


@given(kept=st.integers(0, 200))
def test_continuing_a_log(kept: int) -> None:
    """A continued log keeps every old byte, however torn its end, and loses no new line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.jsonl")
        with RunLogger(path, {"seed": 0}) as log:
            log.metrics("val", {"loss": 0.5}, epoch=0)
        old = path.read_bytes()[:kept]
        path.write_bytes(old)
        with RunLogger(path, {"seed": 0}) as log:
            log.metrics("val", {"loss": 0.25}, epoch=1)
        content = path.read_bytes()
    assert content.startswith(old)
    separator = b"" if not old or old.endswith(b"\n") else b"\n"
    new = content[len(old) :].removeprefix(separator)
    kinds = [json.loads(line).get("type") for line in new.splitlines()]
    assert kinds == ["dict_config", None, "str", "end"]


def test_two_writers_of_one_log(path: Path) -> None:
    """Lines of two loggers of one file never mix, since each is one append."""
    one, two = RunLogger(path, {}), RunLogger(path, {})
    for epoch in range(20):
        one.metrics("val", {"loss": 1.0}, epoch=epoch)
        two.metrics("train", {"loss": 2.0}, epoch=epoch)
    one.close()
    two.close()
    assert len(lines_of(path)) == 2 * (1 + 20 + 2)


@pytest.mark.parametrize("durable", [False, True])
def test_one_write_a_line(path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is one `os.write` of all its bytes, and one `os.fsync` after it if durable."""
    calls: list[bytes] = []
    real_write, real_sync = os.write, os.fsync

    def write(fd: int, data: bytes) -> int:
        calls.append(bytes(data))
        return real_write(fd, data)

    def fsync(fd: int) -> None:
        calls.append(b"sync")
        real_sync(fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        patch.setattr(os, "fsync", fsync)
        with RunLogger(path, {}, durable=durable) as log:
            log.text("x" * 100_000)
    expected: list[bytes] = []
    for line in path.read_bytes().splitlines(keepends=True):
        expected += [line, b"sync"] if durable else [line]
    assert calls == expected


def test_short_writes_are_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes only a few bytes at a time still gets every line whole."""
    real_write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real_write(fd, bytes(data)[:7]))
        with RunLogger(path, {"seed": 0}) as log:
            log.text("a long enough line")
    assert len(lines_of(path)) == 4


def test_disk_full_in_mid_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a line that could not be finished, the next one starts on a line of its own."""
    real_write = os.write
    room = 9

    def nearly_full(fd: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real_write(fd, bytes(data)[:room])
        room -= written
        return written

    log = RunLogger(path, {})
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", nearly_full)
        with pytest.raises(OSError, match="No space"):
            log.text("lost")
    log.text("kept")
    log.close()
    first, torn, *rest = path.read_bytes().splitlines()
    assert (json.loads(first)["type"], torn) == ("dict_config", b'{"type": ')
    assert json.loads(rest[0])["value"] == "kept"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_no_room_at_all() -> None:
    """A log that cannot even take its configuration raises, and leaves no open file."""
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(OSError, match="No space"):
        RunLogger("/dev/full", {})
    assert len(list(Path("/dev/fd").iterdir())) == before


# ---------------------------------------------------------------- kills


def start(code: str, path: Path) -> subprocess.Popen[bytes]:
    """A Python process running `code`, with the log's path as its argument."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, str(path)], env=env)


ENDLESS = """
import itertools, sys
from dr_gen.readers.runlogger import RunLogger
with RunLogger(sys.argv[1], {"seed": 0}) as log:
    values = {f"metric_{i}": i / 7 for i in range(200)}
    for step in itertools.count():
        log.metrics("train", values, step=step)
"""


@posix
def test_kill_leaves_whole_lines(tmp_path: Path) -> None:
    """Killed at any moment, a log has only whole lines before its last, and nothing is missing."""
    rng = random.Random(20250625)
    written = 0
    for kill in range(12):
        path = tmp_path / f"{kill}.jsonl"
        process = start(ENDLESS, path)
        try:
            wait_for(lambda path=path: path.exists() and path.stat().st_size > 0)  # type: ignore[misc]
            time.sleep(rng.uniform(0, 0.05))
        finally:
            process.send_signal(signal.SIGKILL)
            assert process.wait(30) == -signal.SIGKILL
        *whole, last = path.read_bytes().split(b"\n")
        parsed = [json.loads(line) for line in whole]
        assert [line["step"] for line in parsed[1:]] == list(range(len(parsed) - 1))
        written += len(parsed)
        # What follows the last newline is nothing, or the beginning of the one line in the making.
        assert not last or last.startswith(b'{"t')
    assert written > 100, "the children were killed before they had logged anything"


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Return as soon as `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the child never wrote its log"
        time.sleep(0.001)


QUOTA = """
import resource, signal, sys
from dr_gen.readers.runlogger import RunLogger
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
signal.signal(signal.SIGXFSZ, signal.{handler})
with RunLogger(sys.argv[1], {{"seed": 0}}) as log:
    for epoch in range(100):
        log.metrics("val", {{"loss": 1 / 3}}, epoch=epoch)
"""


@posix
@pytest.mark.parametrize("handler", ["SIG_DFL", "SIG_IGN"])
def test_quota_tears_a_line_and_the_log_goes_on(path: Path, handler: str) -> None:
    """A file-size limit cuts a line in two; a later logger of that file still loses nothing.

    By default the system then kills the process; a Python that ignores the signal gets OSError,
    and not being able to write the end of the log does not hide it.
    """
    process = start(QUOTA.format(handler=handler), path)
    assert process.wait(60) == (-signal.SIGXFSZ if handler == "SIG_DFL" else 1)
    torn = path.read_bytes()
    assert len(torn) == 1000
    assert not torn.endswith(b"\n")
    with RunLogger(path, {"seed": 0}) as log:
        log.metrics("val", {"loss": 0.5}, epoch=100)
    lines = path.read_bytes().split(b"\n")[:-1]
    broken = [line for line in lines if not parses(line)]
    assert broken == [torn.split(b"\n")[-1]]
    assert json.loads(lines[-3])["epoch"] == 100


def parses(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def test_import_is_light() -> None:
    """Logging a run imports no numpy into the training process."""
    code = "import sys; from dr_gen.readers.runlogger import RunLogger; print(*sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    heavy = {"numpy", "xarray", "polars", "scipy", "matplotlib", "netCDF4", "hypothesis"}
    assert not heavy & set(done.stdout.decode().split())
