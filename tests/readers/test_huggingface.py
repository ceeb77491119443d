"""Output folders of the Trainer of Hugging Face."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dr_gen.model.run import RunData
from dr_gen.model.run_table import Status
from dr_gen.readers import formats
from dr_gen.readers.contract import HEAD_BYTES, Claim, ReadOptions, ReadResult
from dr_gen.readers.huggingface.reader import HuggingFaceReader
from dr_gen.readers.tree import Tree, walk
from dr_gen.testing import ReaderContract
from dr_gen.validators import validate
from tests.readers.logged import as_logged, mutated, rows_of

READER = HuggingFaceReader()
STATE = "trainer_state.json"
Row = dict[str, Any]


def write_state(folder: Path, rows: Sequence[Row], **facts: Any) -> Path:
    """A state as the trainer saves it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STATE
    content = {"log_history": list(rows), "is_local_process_zero": True, **facts}
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    return path


def history(steps: int, every: int = 10, loss: float = 4.0) -> list[Row]:
    """A history of a training of 100 steps an epoch, evaluated at each other report."""
    rows: list[Row] = []
    for step in range(every, steps + 1, every):
        place = {"step": step, "epoch": step / 100}
        rows.append({"loss": loss / step, "learning_rate": 1e-4, "grad_norm": 1.5, **place})
        if step % (2 * every) == 0:
            speed = {"eval_runtime": 0.5, "eval_samples_per_second": 8.0}
            rows.append({"eval_loss": loss / step + 1, "eval_accuracy": 0.5, **speed, **place})
    return rows


def closing(step: int) -> Row:
    """The row at the end of a training."""
    times = {"train_runtime": 12.5, "train_samples_per_second": 3.0, "total_flos": 1e15}
    return {"train_loss": 0.75, "step": step, "epoch": step / 100, **times}


def claimed(folder: Path) -> list[Claim]:
    """What is claimed below a folder."""
    return list(READER.claims(Tree.of(walk(str(folder))[0])))


def read(folder: Path, run_id: str = "out") -> ReadResult:
    """What the one source below a folder holds."""
    [claim] = claimed(folder)
    path = Path(claim.path)
    found = formats.detect(path, path.read_bytes()[:HEAD_BYTES])
    assert found is not None
    assert found[0].name == "huggingface"
    return READER.read(path, run_id, ReadOptions(parts=tuple(map(Path, claim.parts))))


def run_of(folder: Path) -> RunData:
    """The one run below a folder."""
    [run] = read(folder).runs
    return run


def codes(run: RunData) -> list[str]:
    """The codes of the findings of a run."""
    return [finding.code for finding in run.findings]


class TestHuggingFace(ReaderContract):
    """A state with a row a point."""

    reader: ClassVar[HuggingFaceReader] = READER
    lines: ClassVar[bool] = False

    def make_source(self, tmp_path: Path, run: RunData) -> tuple[Path, RunData]:
        """Write a run as the trainer does; its hyperparameters are those of a trial."""

        def name(split: str, metric: str) -> str:
            return metric if split == "train" else f"{split}_{metric}"

        rows = [{**x, name(split, metric): value} for split, metric, x, value in rows_of(run)]
        path = write_state(tmp_path, rows, trial_params=run.hpms.nested())
        return path, as_logged(run, name)


def test_rows_of_a_training(tmp_path: Path) -> None:
    """Losses, evaluations, the closing row, times and the rest of a state are told apart."""
    facts = {"global_step": 40, "max_steps": 40, "num_train_epochs": 1, "train_batch_size": 8}
    best = {"best_metric": 0.5, "best_model_checkpoint": "out/checkpoint-20"}
    write_state(tmp_path, [*history(40), closing(40)], **facts, **best, epoch=0.4)
    run = run_of(tmp_path)
    assert run["train"].keys() == {"loss", "learning_rate", "grad_norm"}
    assert run["eval"].keys() == {"loss", "accuracy"}
    loss = run["train"]["loss"]
    assert set(loss) == {"step", "epoch"}
    assert loss["step"].xs.tolist() == [10, 20, 30, 40]
    assert run.value("train/loss@last") == 0.1
    assert loss["epoch"].xs.tolist() == [0.1, 0.2, 0.3, 0.4]
    assert run.curve("eval/loss").original_name == "eval_loss"
    assert dict(run.hpms) == {"max_steps": 40, "num_train_epochs": 1, "train_batch_size": 8}
    assert run.metadata["summary"]["train_loss"] == 0.75
    assert run.metadata["timings"]["eval_runtime"] == [0.5, 0.5]
    assert run.metadata["trainer_state"] == {**best, "epoch": 0.4, "global_step": 40}
    assert codes(run) == []
    assert validate(run).status is Status.COMPLETED


def test_checkpoints_are_one_run(tmp_path: Path) -> None:
    """States whose histories begin alike are one run, wherever the last of them is."""
    for step in (20, 40, 100):
        write_state(tmp_path / "out" / f"checkpoint-{step}", history(step), global_step=step)
    [claim] = claimed(tmp_path)
    assert Path(claim.path).parent.name == "checkpoint-100"
    assert [Path(part).parent.name for part in claim.parts] == ["checkpoint-40", "checkpoint-20"]
    assert claim.named == str(tmp_path / "out")
    run = run_of(tmp_path)
    assert run.curve("train/loss", x="step").xs.tolist() == list(range(10, 101, 10))
    assert run.metadata["checkpoints"] == [20, 40, 100]
    write_state(tmp_path / "out", [*history(110), closing(110)], global_step=110)
    [claim] = claimed(tmp_path)
    assert Path(claim.path).parent.name == "out"
    run = run_of(tmp_path)
    assert (len(run.curve("train/loss")), codes(run)) == (11, [])


def test_rows_that_are_no_numbers_are_alike(tmp_path: Path) -> None:
    """A loss that is NaN in two checkpoints is the same row, whichever file comes first."""
    rows = [{"loss": float("nan"), "step": 10, "epoch": 0.5}, *history(60)[2:]]
    write_state(tmp_path / "checkpoint-60", rows, global_step=60)
    write_state(tmp_path / "checkpoint-90", rows[:1], global_step=90)
    write_state(tmp_path / "checkpoint-30", rows[:3], global_step=30)
    run = run_of(tmp_path)
    assert (codes(run), run.metadata["checkpoints"]) == ([], [30, 60, 90])
    assert run.metadata["trainer_state"]["global_step"] == 90


def test_two_trainings_in_one_folder(tmp_path: Path) -> None:
    """A checkpoint of another training is a run of its own, and said to be one."""
    write_state(tmp_path / "checkpoint-100", history(100), max_steps=200, global_step=100)
    write_state(tmp_path / "checkpoint-50", history(50, loss=3.0), max_steps=60, global_step=50)
    write_state(tmp_path / "checkpoint-20", history(20, loss=3.0), max_steps=60, global_step=20)
    main, other = read(tmp_path).runs
    assert (main.id, other.id) == ("out", "out/checkpoint-50")
    assert (len(main.curve("train/loss")), len(other.curve("train/loss"))) == (10, 5)
    assert codes(main) == []
    assert codes(other) == ["other-training"]
    assert "max_steps 60 against 200" in other.findings[0].message
    assert [run.hpms["max_steps"] for run in (main, other)] == [200, 60]


def test_results_beside_a_state(tmp_path: Path) -> None:
    """A split that only the results have is a point at the end; the others are in the history."""
    write_state(tmp_path, [*history(40), closing(40)], global_step=40)
    results = {"epoch": 0.4, "train_loss": 0.75, "train_runtime": 12.5, "eval_loss": 9.0}
    (tmp_path / "all_results.json").write_text(json.dumps({**results, "predict_f1": 0.25}))
    (tmp_path / "test_results.json").write_text(
        json.dumps({"test_acc": 0.5, "test_samples": 7, "test_runtime": 1.5, "bleu": 20.5})
    )
    run = run_of(tmp_path)
    assert run.curve("predict/f1", x="step").at(40) == 0.25
    assert run.curve("predict/f1").original_name == "predict_f1"
    assert run.curve("test/acc", x="epoch").at(0.4) == 0.5
    assert run.value("test/bleu@last") == 20.5
    assert run.value("eval/loss@last") == 1.1
    assert run["test"].keys() == {"acc", "bleu"}
    assert run.metadata["results"]["eval_loss"] == 9.0
    assert run.metadata["results"]["test_samples"] == 7


def test_results_alone(tmp_path: Path) -> None:
    """Results without a state are a run of single points."""
    results = {"epoch": 3.0, "eval_loss": 0.5, "eval_runtime": 2.0, "train_loss": 0.75}
    (tmp_path / "all_results.json").write_text(json.dumps(results))
    run = run_of(tmp_path)
    assert sorted(run.metrics) == ["eval/loss", "train/loss_mean"]
    assert run.curve("eval/loss", x="epoch").at(3.0) == 0.5
    assert run.curve("train/loss_mean").original_name == "train_loss"
    assert validate(run).status is Status.COMPLETED
    (tmp_path / "all_results.json").unlink()
    (tmp_path / "eval_results.json").write_text(json.dumps({"eval_f1": 0.5, "perplexity": 4.5}))
    assert READER.detect(tmp_path / "eval_results.json", b'{"accuracy": 1}').confidence == 0
    run = READER.read(tmp_path / "eval_results.json", "r", ReadOptions()).runs[0]
    assert sorted(run.metrics) == ["eval/f1", "eval/perplexity"]


def steps_log(steps: int, loss: float = 4.0) -> str:
    """The log that LLaMA-Factory writes."""
    rows = [
        {"current_steps": step, "total_steps": 100, "loss": loss / step, "lr": 1e-4}
        | {"epoch": step / 100, "percentage": float(step), "elapsed_time": f"0:00:{step // 10:02}"}
        for step in range(10, steps + 1, 10)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_the_log_beside_a_state(tmp_path: Path) -> None:
    """It is no run of its own; it adds the time, and rows that came after the last state."""
    write_state(tmp_path / "checkpoint-40", history(40), global_step=40, max_steps=100)
    (tmp_path / "trainer_log.jsonl").write_text(steps_log(60))
    run = run_of(tmp_path)
    assert run.curve("train/loss", x="step").xs.tolist() == [10, 20, 30, 40, 50, 60]
    assert run.curve("train/loss", x="time").xs.tolist() == [1, 2, 3, 4, 5, 6]
    assert run.curve("train/learning_rate").values.tolist() == [1e-4] * 6
    assert run.metadata["end"]["reason"] == "the last state is that of step 60 of 100"
    (tmp_path / "trainer_log.jsonl").write_text(steps_log(60, loss=1.0))
    main, other = read(tmp_path).runs
    assert (len(main.curve("train/loss")), len(other.curve("train/loss"))) == (4, 6)
    assert (other.id, codes(other)) == ("out/trainer_log", ["other-training"])


@pytest.mark.parametrize(
    ("facts", "rows", "status", "reason"),
    [
        ({"max_steps": 40}, [], Status.COMPLETED, "all 40 steps were made"),
        ({"max_steps": 400}, [], Status.INCOMPLETE, "step 40 of 400"),
        ({"max_steps": 400}, [closing(40)], Status.COMPLETED, "summed up"),
        ({}, [], Status.INCOMPLETE, "nothing says how many"),
        (
            {
                "max_steps": 2_000_000,
                "stateful_callbacks": {
                    "EarlyStoppingCallback": {"args": {"early_stopping_patience": 2}},
                    "TrainerControl": {"args": {"should_training_stop": True}},
                },
            },
            [],
            Status.COMPLETED,
            "stopped early at step 40 of 2000000",
        ),
        (
            {
                "max_steps": 400,
                "stateful_callbacks": {"TrainerControl": {"args": {"should_training_stop": True}}},
            },
            [],
            Status.INCOMPLETE,
            "step 40 of 400",
        ),
    ],
)
def test_how_a_run_ended(
    tmp_path: Path, facts: Mapping[str, Any], rows: list[Row], status: Status, reason: str
) -> None:
    """The end is told by the steps made, the closing row, and who asked to stop."""
    write_state(tmp_path, [*history(40), *rows], global_step=40, **facts)
    run = run_of(tmp_path)
    assert reason in run.metadata["end"]["reason"]
    assert validate(run).status is status


def test_settings_beside_a_state(tmp_path: Path) -> None:
    """Arguments, adapters and models are settings; a pickle is never opened."""
    write_state(tmp_path / "checkpoint-40", history(40), num_train_epochs=1, global_step=40)
    (tmp_path / "training_args.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    (tmp_path / "training_args.json").write_text(
        json.dumps({"learning_rate": 5e-5, "seed": 7, "num_train_epochs": 3.0})
    )
    (tmp_path / "checkpoint-40" / "adapter_config.json").write_text(
        json.dumps({"r": 16, "target_modules": ["q", "v"], "revision": None})
    )
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "bert", "hidden_size": 8, "id2label": {"0": "a"}})
    )
    run = run_of(tmp_path)
    assert dict(run.hpms) == {
        "num_train_epochs": 1,
        "learning_rate": 5e-5,
        "seed": 7,
        "adapter.r": 16,
        "adapter.target_modules": ["q", "v"],
        "model.model_type": "bert",
        "model.hidden_size": 8,
    }
    assert (run.seed, codes(run)) == (7, [])


def test_several_output_folders(tmp_path: Path) -> None:
    """Each output folder is a source, also those of the trials of a search."""
    for trial in range(2):
        folder = tmp_path / "search" / f"run-{trial}"
        write_state(folder / "checkpoint-20", history(20), trial_params={"lr": trial + 1})
        write_state(folder / "checkpoint-40", history(40), trial_params={"lr": trial + 1})
    write_state(tmp_path / "other", history(20))
    (tmp_path / "results-only").mkdir()
    (tmp_path / "results-only" / "eval_results.json").write_text("{}")
    named = [Path(claim.named).relative_to(tmp_path).as_posix() for claim in claimed(tmp_path)]
    assert named == ["other", "results-only", "search/run-0", "search/run-1"]
    run = run_of(tmp_path / "search" / "run-1")
    assert dict(run.hpms) == {"lr": 2}


def test_damaged_states(tmp_path: Path) -> None:
    """What is whole of a damaged state is read, and the others of its folder make up for it."""
    path = write_state(tmp_path, history(60), global_step=60, max_steps=60)
    text = path.read_text()
    path.write_text(text.replace('"step": 30', '"step": 3x'))
    run = run_of(tmp_path)
    assert run.curve("train/loss", x="step").xs.tolist() == [10, 20, 40, 50, 60]
    assert codes(run) == ["bad-json"]
    assert run.hpms["max_steps"] == 60
    assert run.findings[0].line == text[: text.index('"step": 30')].count("\n") + 1
    path.write_bytes(b"")
    run = run_of(tmp_path)
    assert (run.n_points, codes(run)) == (0, ["empty-file"])
    assert validate(run).status is Status.INCOMPLETE
    write_state(tmp_path / "checkpoint-40", history(40), global_step=40)
    run = run_of(tmp_path)
    assert (len(run.curve("train/loss")), codes(run)) == (4, ["empty-file"])


def test_lines_of_rows(tmp_path: Path) -> None:
    """A finding about a value names the line of its row."""
    rows = history(40)
    rows[3]["loss"] = "soon"
    path = write_state(tmp_path, rows)
    run = run_of(tmp_path)
    [finding] = run.findings
    lines = path.read_text().splitlines()
    assert finding.code == "not-a-number"
    assert finding.line is not None
    assert '"loss": "soon"' in "".join(lines[finding.line - 1 : finding.line + 6])


def test_numbers_without_bounds(tmp_path: Path) -> None:
    """Steps that no integer of a machine holds, and values that are no numbers, raise nothing."""
    rows = [{"loss": float("nan"), "step": 10**400}, {"loss": 1e300, "step": float("inf")}]
    rows += [{"loss": None, "step": None}, {"eval_loss": [1, {}], "step": {"a": 1}}]
    write_state(tmp_path, rows, max_steps=10**400, global_step="many", trial_params=[1])
    assert read(tmp_path).runs


@pytest.mark.parametrize(
    "head", [b"", b"loss\n", b"[1, 2]", b'{"eval_loss": 1}', b'{"note": "train_runtime"}']
)
def test_what_is_not_of_hugging_face(head: bytes) -> None:
    """Results of other tools are not claimed."""
    assert READER.detect(Path("eval_results.json"), head).confidence == 0
    assert READER.detect(Path("state.json"), head).confidence == 0


@pytest.mark.parametrize("n", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_folders(tmp_path: Path, n: int) -> None:
    """No damage of any file of a folder raises, and there is always a run or a finding."""
    out = tmp_path / "out"
    write_state(out, [*history(40), closing(40)], global_step=40, max_steps=40)
    write_state(out / "checkpoint-20", history(20), global_step=20, trial_params={"lr": 1})
    (out / "all_results.json").write_text(json.dumps({"epoch": 1, "eval_f1": 1, **closing(40)}))
    (out / "trainer_log.jsonl").write_text(steps_log(60))
    (out / "training_args.json").write_text('{"seed": 1, "optim": {"lr": 0.5}}')
    files = sorted(path for path in out.rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in files]
    [claim] = claimed(tmp_path)
    rng = random.Random(n)
    for i in range(n):
        k = i % len(files)
        damaged = mutated(rng, contents[k])
        files[k].write_bytes(damaged)
        options = ReadOptions(parts=tuple(map(Path, claim.parts)))
        result = READER.read(Path(claim.path), "r", options)
        assert result.runs or result.findings, damaged
        READER.detect(files[k], damaged)
        files[k].write_bytes(contents[k])


# ------------------------------------------------------------------ real folders


def test_real_checkpoints_of_one_run(real_logs: Path) -> None:
    """Three checkpoints of one training are one run."""
    run = run_of(real_logs / "hf-lora-agnews")
    assert run.metadata["checkpoints"] == [500, 1000, 1200]
    accuracy = run.curve("eval/accuracy", x="step")
    assert accuracy.xs.tolist() == list(range(100, 1201, 100))
    assert (accuracy.at(500), accuracy.at(1200)) == (0.9089506172839507, 0.9135802469135802)
    loss = run.curve("train/loss", x="step")
    assert (len(loss), loss.values[0], loss.values[-1]) == (12, 1.2893, 0.2362)
    assert (run.hpms["max_steps"], run.hpms["train_batch_size"]) == (1200, 32)
    assert validate(run).status is Status.COMPLETED


def test_real_trainings_in_one_folder(real_logs: Path) -> None:
    """Two checkpoints of two trainings are two runs, none of which was finished."""
    main, other = read(real_logs / "hf-req-class", "results").runs
    assert (main.id, other.id) == ("results", "results/checkpoint-500")
    assert (main.hpms["max_steps"], other.hpms["max_steps"]) == (9800, 686)
    assert other.curve("eval/accuracy", x="epoch").at(5.0) == 0.7908163265306123
    losses = [run.curve("train/loss", x="step").at(500) for run in (main, other)]
    assert losses == [0.935, 1.0256]
    assert (len(main.curve("train/loss")), len(main.curve("eval/accuracy"))) == (9, 45)
    assert main.curve("eval/accuracy", x="epoch").at(45.0) == 0.8214285714285714
    assert codes(other) == ["other-training"]
    for run in (main, other):
        assert validate(run).status is Status.INCOMPLETE


def test_real_closing_row(real_logs: Path) -> None:
    """The mean over a training is no point of its loss; the log beside it adds the time."""
    run = run_of(real_logs / "hf-tfm-lora")
    loss = run["train"]["loss"]
    assert loss["step"].xs.tolist() == list(range(5, 241, 5))
    assert (loss["step"].at(5), loss["step"].at(240)) == (2.0905, 0.0707)
    assert run.value("train/loss@last") == 0.0707
    assert (loss["time"].xs[0], loss["time"].xs[-1]) == (25.0, 21 * 60 + 12.0)
    assert run.metadata["summary"]["train_loss"] == 0.19847503900527955
    assert run.metadata["results"]["train_runtime"] == 1273.9239
    assert sorted(run.metrics) == ["train/grad_norm", "train/learning_rate", "train/loss"]
    assert validate(run).status is Status.COMPLETED
    assert codes(run) == []


def test_real_evaluation_sets(real_logs: Path) -> None:
    """Six evaluation sets with a row at step 0 each."""
    run = run_of(real_logs / "hf-trainer-state-viz")
    loss = run.curve("train/loss", x="step")
    assert (len(loss), loss.at(12030)) == (30, 0.0549)
    for i in range(6):
        assert len(run.curve(f"eval/g{i}_accuracy", x="step")) == 31
    assert run.curve("eval/g0_accuracy", x="step").at(0) == 0.7082294264339152
    assert run.curve("eval/g5_accuracy", x="step").at(12030) == 0.2518703241895262
    assert run.curve("eval/g5_accuracy", x="epoch").xs[-1] == 30
    assert run.metadata["trainer_state"]["global_step"] == 12030
    assert validate(run).status is Status.COMPLETED
