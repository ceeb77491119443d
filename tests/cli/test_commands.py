"""The command line: what it prints, what it exits with, what it says of mistakes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import pty
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import dr_gen
from dr_gen.cli.main import main
from dr_gen.model.hpm import MISSING
from dr_gen.readers.runlogger import RunLogger

COMMANDS = ("ingest", "runs", "sweep", "check", "show", "summarize", "compare", "report")
SETTINGS = str(Path(__file__).parents[2] / "examples" / "digits.yaml")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two learning rates with three seeds each, and one run that was cut off."""
    folder = tmp_path / "logs"
    for lr in (0.1, 0.01):
        for seed in range(3):
            config = {"optim": {"lr": lr}, "seed": seed, "epochs": 2}
            with RunLogger(folder / f"lr{lr}-s{seed}.jsonl", config) as log:
                for epoch in range(2):
                    acc1 = 50 + 10 * epoch + seed + 100 * lr
                    log.metrics("val", {"acc1": acc1, "loss": 1 / acc1}, epoch=epoch)
    (folder / "cut.jsonl").write_text(
        '{"type": "dict_config", "value": {"optim": {"lr": 0.1}, "seed": 9, "epochs": 2}}\n'
        '{"data_name": "val", "agg_stats": {"acc1": 50.0, "loss": 1.0}, "epoch": 0}\n'
        '{"data_name": "val", "agg_st'
    )
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def data(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """The JSON document of a command that succeeds or finds errors."""
    code, out, err = run(capsys, *arguments, "--json")
    assert code in (0, 1), err
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_runs_as_data(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """`runs --json` has one entry a run, with the promised fields."""
    entries = data(capsys, "runs", logs)
    assert [e["id"] for e in entries] == [
        "cut",
        *(f"lr0.01-s{s}" for s in range(3)),
        *(f"lr0.1-s{s}" for s in range(3)),
    ]
    cut = entries[0]
    assert cut["status"] == "incomplete"
    assert cut["hpms"] == {"optim.lr": 0.1, "seed": 9, "epochs": 2}
    assert cut["metrics"] == ["val/acc1", "val/loss"]
    assert (cut["points"], cut["experiment"]) == (2, "logs")
    assert cut["source"] == str(logs / "cut.jsonl")
    assert cut["findings"] > 0


def test_columns_of_the_settings_overrule_guesses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What a settings file says of columns counts for every command that reads raw logs."""
    log = tmp_path / "a.jsonl"
    rows = [{"it": i, "err": 1 / (i + 1), "part": "val", "odd": 7} for i in range(3)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = tmp_path / "settings.yaml"
    settings.write_text("columns: {x: {it: tokens}, metrics: {err: test/error}, ignore: [odd]}\n")
    (entry,) = data(capsys, "runs", log, "--config", settings)
    assert entry["metrics"] == ["test/error"]
    code, _, err = run(capsys, "ingest", log, "--store", tmp_path / "s", "--config", settings)
    assert code == 0, err
    curve = dr_gen.open_store(tmp_path / "s")[0].curve("test/error")
    assert (curve.x_name, curve.xs.tolist()) == ("tokens", [0, 1, 2])


def test_sweep_as_data(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """`sweep --json` names what was swept, what was left out, and the runs of each cell."""
    found = data(capsys, "sweep", logs)
    assert found["varying"] == {"optim.lr": [0.01, 0.1]}
    assert found["excluded"] == ["seed"]
    assert [c["hpms"] for c in found["configurations"]] == [{"optim.lr": 0.01}, {"optim.lr": 0.1}]
    assert len(found["configurations"][1]["runs"]) == 4


def test_check_exits_with_one_for_errors(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """`check` lists file, line, code and hint, and fails when there are errors."""
    code, out, _ = run(capsys, "check", logs)
    assert code == 1
    assert f"{logs / 'cut.jsonl'}:3: warning truncated-line:" in out
    assert "error short-run: 1 of 2 epochs were logged" in out
    findings = data(capsys, "check", logs)
    assert all(
        set(f) == {"severity", "code", "path", "line", "run", "message", "hint"} for f in findings
    )
    assert {f["line"] for f in findings if f["code"] == "truncated-line"} == {3}
    assert run(capsys, "check", logs, "--where", "status=completed")[0] == 0


def test_summary_equals_a_computation_by_hand(
    capsys: pytest.CaptureFixture[str], logs: Path
) -> None:
    """`summarize --json` is best first and counts the runs it used."""
    best, second = data(capsys, "summarize", logs, "val/acc1@best")
    assert best["configuration"] == {"optim.lr": 0.1}
    assert (best["n"], best["n_runs"]) == (3, 4)
    values = [70.0, 71.0, 72.0]
    assert best["mean"] == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert best["std"] == pytest.approx(statistics.stdev(values), rel=1e-12)
    half = 4.302652729911275 * statistics.stdev(values) / math.sqrt(3)
    assert best["ci_low"] == pytest.approx(71 - half, rel=1e-9)
    assert best["ci_high"] == pytest.approx(71 + half, rel=1e-9)
    assert (best["min"], best["max"], best["median"], best["level"]) == (70, 72, 71, 0.95)
    assert second["configuration"] == {"optim.lr": 0.01}
    assert second["mean"] == pytest.approx(62.0)


def test_less_is_better_for_a_loss(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """A loss is ranked by its smallest mean."""
    best, second = data(capsys, "summarize", logs, "val/loss@last")
    assert best["mean"] < second["mean"]


def test_all_runs_can_be_used(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """`--all` counts the runs that did not complete, too."""
    rows = data(capsys, "summarize", logs, "val/acc1@best", "--all")
    assert sorted(row["n"] for row in rows) == [3, 4]


def test_comparison_as_data(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """`compare --json` says the method and has one entry a pair."""
    found = data(capsys, "compare", logs, "val/acc1@best")
    assert "Welch" in found["method"]
    (pair,) = found["pairs"]
    assert pair["a"] == {"optim.lr": 0.1}
    assert pair["difference"] == pytest.approx(9.0)
    assert pair["p"] == pair["p_adjusted"]
    assert pair["effect_kind"] == "Hedges g"
    assert {"b", "ci_low", "ci_high", "effect"} <= set(pair)


def test_show_prints_one_run(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """`show` takes path and run in either order, and suggests the nearest id."""
    code, out, _ = run(capsys, "show", logs, "cut")
    assert code == 0
    assert "incomplete" in out
    assert "val/acc1" in out
    assert run(capsys, "show", "cut", logs)[1] == out
    assert data(capsys, "show", logs, "cut")["id"] == "cut"
    code, _, err = run(capsys, "show", logs, "cutt")
    assert (code, "did you mean 'cut'" in err) == (2, True)


def test_store_answers_as_the_logs_do(
    capsys: pytest.CaptureFixture[str], logs: Path, tmp_path: Path
) -> None:
    """Every question has the same answer from a store as from the raw folder."""
    code, out, _ = run(capsys, "ingest", logs, "--store", tmp_path / "store")
    assert code == 0
    assert "native" in out
    assert "7 runs" in out
    for question in (["runs"], ["sweep"], ["check"], ["summarize", "val/acc1"], ["compare"]):
        command, *rest = question
        raw = data(capsys, command, logs, *rest)
        assert data(capsys, command, tmp_path / "store", *rest) == raw


def test_filters_take_real_and_display_names(
    capsys: pytest.CaptureFixture[str], logs: Path
) -> None:
    """`--where` finds numbers in any notation, keys by display name, and several must hold."""
    assert len(data(capsys, "runs", logs, "--where", "optim.lr=1e-2")) == 3
    assert len(data(capsys, "runs", logs, "-w", "LR=0.1", "-w", "seed=1", "-c", SETTINGS)) == 1
    assert len(data(capsys, "runs", logs, "--where", "status=incomplete")) == 1


def test_filters_are_texts_of_a_grammar(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """`--where` takes relations, and, or, not, sets, ranges, a status and numbers of metrics."""
    for where, ids in {
        "optim.lr>=0.1 and seed in (1, 2)": ["lr0.1-s1", "lr0.1-s2"],
        "not optim.lr=0.1 and seed in 0..1": ["lr0.01-s0", "lr0.01-s1"],
        "status=!completed": ["cut"],
        "val/acc1@best>70": ["lr0.1-s1", "lr0.1-s2"],
    }.items():
        assert [e["id"] for e in data(capsys, "runs", logs, "--where", where)] == ids
    summary = data(capsys, "summarize", logs, "val/acc1", "--where", "seed<2", "--where", "seed>0")
    assert [row["n"] for row in summary] == [1, 1]
    assert data(capsys, "show", logs, "--where", "optim.lr=0.01 and seed=1")["id"] == "lr0.01-s1"
    assert {f["run"] for f in data(capsys, "check", logs, "--where", "seed=9")} == {"cut"}


def test_groups_of_any_keys(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """`--by` counts runs, configurations and findings by any key, a fact or a metric too."""
    found = data(capsys, "runs", logs, "--by", "lr", "--by", "status")
    assert [(g["group"], len(g["runs"]), g["statuses"]) for g in found] == [
        ({"optim.lr": 0.01, "status": "completed"}, 3, {"completed": 3}),
        ({"optim.lr": 0.1, "status": "completed"}, 3, {"completed": 3}),
        ({"optim.lr": 0.1, "status": "incomplete"}, 1, {"incomplete": 1}),
    ]
    found = data(capsys, "sweep", logs, "--by", "seed")
    assert found["varying"] == {"seed": [0, 1, 2, 9]}
    assert [len(c["runs"]) for c in found["configurations"]] == [2, 2, 2, 1]
    (fine, bad) = data(capsys, "check", logs, "--by", "optim.lr")
    assert (fine["findings"], fine["codes"]) == ({}, {})
    assert bad["findings"]["error"] == bad["codes"]["short-run"] == 1
    code, out, _ = run(capsys, "runs", logs, "--by", "LR", "--config", SETTINGS)
    assert code == 0
    assert [line.split() for line in out.splitlines() if line.strip()][2:4] == [
        ["0.01", "3", "3", "completed", "0"],
        ["0.1", "4", "3", "completed,", "1", "incomplete", "3"],
    ]
    code, out, _ = run(capsys, "check", logs, "--by", "seed")
    assert code == 1
    assert "1 truncated-line" in out
    code, out, _ = run(capsys, "sweep", logs, "--by", "status")
    assert out.rstrip().endswith("Groups: 2 groups of 7 runs by status")


def test_report_says_where_it_is(
    capsys: pytest.CaptureFixture[str], logs: Path, tmp_path: Path
) -> None:
    """`report` prints the sweep and the comparison, and its last line names the report."""
    code, out, _ = run(capsys, "report", logs, "-o", tmp_path / "out", "-m", "val/acc1@best")
    assert code == 0
    assert "Configurations" in out
    assert "Welch" in out
    assert str(tmp_path / "out" / "report.html") in out.splitlines()[-1]
    code, out, _ = run(capsys, "report", logs, "-o", tmp_path / "out", "--by", "seed")
    assert code == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["by"] == ["seed"]
    assert [row["configuration"] for row in data(capsys, "summarize", logs, "--by", "status")] == [
        {"status": "completed"},
        {"status": "incomplete"},
    ]
    for name in ("report.html", "report.md", "report.json"):
        assert (tmp_path / "out" / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runs"], "'path'"),
        (["runs", "{logs}/nowhere"], "no such file or folder"),
        (["rnus", "{logs}"], "rnus"),
        (["runs", "{logs}", "--jsn"], "--jsn"),
        (["runs", "{logs}", "--where", "lr"], "key=value"),
        (["runs", "{logs}", "--where", "optim.rl=1"], "did you mean 'optim.lr'"),
        (["runs", "{logs}", "--where", "optim.lr=7"], "no run"),
        (["runs", "{logs}", "--where", "optim.lr>"], "at the end: expected a value"),
        (["runs", "{logs}", "--where", "status=faild"], "expected one of completed"),
        (["runs", "{logs}", "--by", "optim.rl"], "did you mean 'optim.lr'"),
        (["runs", "{logs}", "--config", "{logs}/none.yaml"], "none.yaml"),
        (["runs", "{logs}", "--format", "xlsx"], "xlsx"),
        (["summarize", "{logs}", "val/acc"], "val/acc1"),
        (["summarize", "{logs}", "val/acc1@bst"], "@bst"),
        (["summarize", "{logs}", "--by", "lrr"], "lrr"),
        (["compare", "{logs}", "nope"], "nope"),
        (["show", "{logs}"], "which run"),
        (["report", "{logs}"], "output"),
        (["report", "{logs}", "-o", "{logs}/cut.jsonl"], "cut.jsonl"),
        (["ingest", "{logs}"], "store"),
        (["ingest", "{logs}", "--store", "{logs}"], "logs"),
        (["check", "{logs}", "--expected-epochs", "0"], "--expected-epochs"),
    ],
)
def test_misuse_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], logs: Path, arguments: list[str], words: str
) -> None:
    """Misuse exits with 2 and says in one line on standard error what is wrong."""
    code, out, err = run(capsys, *(a.replace("{logs}", str(logs)) for a in arguments))
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err + out


def test_broken_logs_never_end_in_a_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Junk is listed by `check` and leaves every other command standing."""
    (tmp_path / "junk.jsonl").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "empty.jsonl").write_bytes(b"")
    for command in ("runs", "sweep", "check"):
        code, _, err = run(capsys, command, tmp_path)
        assert code in (0, 1)
        assert err == ""
    code, _, err = run(capsys, "report", tmp_path, "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    assert run(capsys, "summarize", tmp_path)[0] == 2


def test_odd_names_are_printed_as_escapes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Control characters in a log never reach the terminal, and a line stays one line."""
    (tmp_path / "a\nb.jsonl").write_text(
        '{"type": "dict_config", "value": {"k\\u001b[31m": "a\\u0007"}}\n'
        '{"data_name": "val", "agg_stats": {"acc\\u001b[2J": 0.5}, "epoch": 0}\n{"cut'
    )
    for command in ("check", "runs", "show", "summarize"):
        code, out, err = run(capsys, command, tmp_path, *(["--all"] * (command == "summarize")))
        assert code in (0, 1), err
        assert out.isprintable() or set("\n") >= {c for c in out if not c.isprintable()}
    lines = run(capsys, "check", tmp_path)[1].splitlines()
    assert all("a\\nb.jsonl:" in line for line in lines[:-1])


@pytest.mark.parametrize("name", ["run_9", "optim.lr"])
def test_show_knows_runs_alone(capsys: pytest.CaptureFixture[str], logs: Path, name: str) -> None:
    """What is no run is said with runs that are, also where it is a key."""
    assert main(["show", str(logs), name]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"dr-gen: no run {name!r}; ")
    assert "optim" not in message.removeprefix(f"dr-gen: no run {name!r}; ")


def test_show_of_no_runs_says_where_to_look(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without a single run, `show` points at `check`."""
    (tmp_path / "a.jsonl").write_bytes(b"")
    code, _, err = run(capsys, "show", tmp_path)
    assert (code, err) == (2, "dr-gen: no run could be read; `dr-gen check` lists why\n")


def shell(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "dr_gen", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_exit_codes_reach_the_shell(logs: Path) -> None:
    """The process exits with the code that `main` gives."""
    assert shell("check", str(logs)).returncode == 1
    assert shell("runs", str(logs)).returncode == 0
    missing = shell("runs", "nowhere")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == "dr-gen: nowhere: no such file or folder\n"


def test_output_that_nobody_reads_is_no_fault(logs: Path) -> None:
    """A pipe that closes early ends the command quietly."""
    line = f"{sys.executable} -m dr_gen runs {logs} --json | head -c 1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    line = f"{line}; exit ${{PIPESTATUS[0]}}"
    bash = subprocess.run(["bash", "-c", line], capture_output=True, check=False)
    assert bash.returncode == 0


def test_output_takes_every_name(tmp_path: Path) -> None:
    """Bytes of a file name that are no UTF-8, and an output that knows ASCII only, are no fault."""
    name = os.fsencode(tmp_path) + b"/bad\xff.jsonl"
    Path(os.fsdecode(name)).write_text('{"config": {"n": "\u00fc"}}\n{"epoch": 0, "acc": 0.5}\n')
    for encoding in ("utf-8", "ascii"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        for command in ("runs", "show", "check"):
            done = shell(command, str(tmp_path), env=environment)
            assert (done.returncode, done.stderr) == (0, "")


def on_terminal(columns: int, *arguments: str) -> list[str]:
    """The lines that a terminal of so many columns gets."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "dr_gen", *arguments]
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        parts = []
        # The system says that the other end is closed by an error.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65536):
                parts.append(part)
        os.close(ours)
    assert process.returncode == 0
    return b"".join(parts).decode().splitlines()


def test_a_table_of_many_keys_fits_a_terminal(tmp_path: Path) -> None:
    """Keys for which there is no room are named above the table instead; a pipe has them all."""
    for seed in range(2):
        config = {f"hyperparameter_{i:02}": f"{'x' * 9}{seed}" for i in range(20)}
        with RunLogger(tmp_path / f"{seed}.jsonl", config) as log:
            log.metrics("val", {"acc1": 0.5}, epoch=0)
    lines = on_terminal(80, "sweep", str(tmp_path))
    start = next(i for i, line in enumerate(lines) if line.startswith("not shown"))
    assert "hyperparameter_19" in lines[start]
    assert "hyperparameter_01" not in lines[start]
    assert max(map(len, lines[start + 1 : -1])) <= 80
    assert all(line.split()[-1:] in ([], ["1"]) for line in lines if line.startswith(" xxxxxxxx"))
    piped = subprocess.run(
        [sys.executable, "-m", "dr_gen", "sweep", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not shown" not in piped.stdout


def test_tables_on_narrow_terminals(logs: Path) -> None:
    """Names are broken to fit a terminal, numbers never; what cannot fit stays whole."""
    wide = on_terminal(200, "compare", str(logs), "val/acc1@best")
    narrow = on_terminal(80, "compare", str(logs), "val/acc1@best")
    row = next(line for line in wide if "optim" in line or "lr=" in line)
    figures = row.split("lr=")[-1].split()[1:]
    assert len(figures) >= 8
    assert any(all(figure in line for figure in figures) for line in narrow)
    table = [line for line in narrow if not line.startswith(("Welch", "The conf", "val/"))]
    assert max(map(len, table)) <= 80
    tiny = on_terminal(20, "compare", str(logs), "val/acc1@best")
    assert any(all(figure in line for figure in figures) for line in tiny)


def test_no_command_is_answered_with_the_commands() -> None:
    """Without any argument the commands are listed, line by line."""
    done = shell()
    assert (done.returncode, done.stdout) == (2, "")
    assert "\n  summarize " in done.stderr
    assert shell("-h").stdout == shell("--help").stdout != ""


def test_help_is_light_and_names_every_command() -> None:
    """Help loads no heavy library."""
    code = (
        "import sys; from dr_gen.cli import main; code = main(['--help']);"
        "heavy = {'numpy', 'xarray', 'scipy', 'matplotlib', 'polars', 'netCDF4', 'rich'};"
        "loaded = heavy & set(sys.modules); print(sorted(loaded), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.endswith("[] 0\n"), done.stdout[-200:]
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Each command explains itself, and offers JSON."""
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "--json" in out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version of the installed package."""
    code, out, _ = run(capsys, "--version")
    assert (code, out.split()[0]) == (0, "dr-gen")


def test_missing_key_is_left_out_of_json(capsys: pytest.CaptureFixture[str], logs: Path) -> None:
    """A configuration whose runs lack a key simply has no such key in JSON."""
    with RunLogger(logs / "extra.jsonl", {"optim": {"lr": 0.1}, "extra": 1, "epochs": 1}) as log:
        log.metrics("val", {"acc1": 1.0, "loss": 1.0}, epoch=0)
    found = data(capsys, "sweep", logs)
    assert {"optim.lr": 0.01, "epochs": 2} in [c["hpms"] for c in found["configurations"]]
    assert "<missing>" in found["varying"]["extra"]
    assert str(MISSING) not in json.dumps(found["configurations"])


def test_show_tells_tags_and_notes(
    capsys: pytest.CaptureFixture[str], logs: Path, tmp_path: Path
) -> None:
    """What was added to a run by hand stands beside what it logged."""
    group = dr_gen.ingest(logs, tmp_path / "tagged").with_tags("good", "paper")
    dr_gen.save_overlay(group[:1].with_notes("see table 2"), tmp_path / "tagged")
    code, out, _ = run(capsys, "show", tmp_path / "tagged", group.ids[0])
    assert code == 0
    assert "tags: good, paper\nnotes: see table 2\n" in out
    code, out, _ = run(capsys, "show", tmp_path / "tagged", group.ids[1])
    assert code == 0
    assert "tags:" not in out


@pytest.mark.parametrize("by", [[], ["--by", "optim.lr"]])
def test_a_table_begins_with_its_title_or_header(
    digits: Path, by: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No line above it is blank, and none begins with a blank; the line below it is blank."""
    first = {"sweep": "Configurations" if by else "Swept", "runs": "lr " if by else "run "}
    for command, start in first.items():
        _, out, _ = run(capsys, command, digits, *by)
        lines = out.splitlines()
        assert lines[0].startswith(start)
        assert lines[1].strip()
        rule = next(i for i, line in enumerate(lines) if line.startswith("─"))
        end = next(i for i, line in enumerate(lines) if i > rule and not line)
        assert not lines[end]
        assert lines[end + 1]


def test_a_store_is_checked_by_the_epochs_expected(
    capsys: pytest.CaptureFixture[str], logs: Path, tmp_path: Path
) -> None:
    """What is expected of logs is expected of their store; how to read them is refused."""
    store = tmp_path / "store"
    run(capsys, "ingest", logs, "--store", store)
    for source in (logs, store):
        found = data(capsys, "check", source, "--expected-epochs", 3)
        assert sum(finding["code"] == "short-run" for finding in found) == 7
    code, out, err = run(capsys, "runs", store, "--format", "native")
    assert (code, out) == (2, "")
    assert "format cannot be given for a store" in err


@pytest.mark.parametrize("command", ["runs", "sweep", "check"])
def test_a_key_is_grouped_by_once(
    capsys: pytest.CaptureFixture[str], logs: Path, command: str
) -> None:
    """Named twice, by either of its names, it is one column; a blank is no key."""
    once = run(capsys, command, logs, "--by", "optim.lr")
    assert run(capsys, command, logs, "--by", "optim.lr", "--by", "lr") == once
    code, out, err = run(capsys, command, logs, "--by", "")
    assert (code, out) == (2, "")
    assert "no key ''" in err


@pytest.mark.parametrize("command", ["runs", "sweep", "show", "check", "design"])
def test_odd_keys_and_values_fit_a_terminal(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """Words of any script, spaces, dots, quotes and control characters stay within the width."""
    for i in range(4):
        config: dict[str, Any] = {
            "learning rate": [0.1, 1e-5][i % 2],
            **{"opt.name": ["日本語の最適化", "sgd\x1b[31m"][i // 2], "ключ": {"мой ключ": i}},
            **{"a": {"b": [1, i]}, "q\"'": "it's", "very_long_" * 9: "v" * 99, "=": i, "": i},
            **{"[bold]": "[red]x", "seed": 0},
        }
        with RunLogger(tmp_path / "logs" / f"r {i} ü.jsonl", config) as log:
            log.metrics("val", {"acc": i}, epoch=0)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    named = ["r 3 ü"] if command == "show" else []
    code, out, _ = run(capsys, command, tmp_path / "logs", *named)
    assert code in (0, 1)
    assert "\x1b" not in out
    # Sentences and paths may hang over; tables may not.
    wide = [line for line in out.splitlines() if cell_len(line) > 80]
    sentences = ("not shown", "RunGroup", "RunData", "source: ")
    assert [line for line in wide if not line.startswith(sentences)] == []
    for where in ('"learning rate" = 1e-5', "'opt.name' startswith 日本", '"мой ключ" in (1, 3)'):
        assert len(data(capsys, "runs", tmp_path / "logs", "--where", where)) == 2
