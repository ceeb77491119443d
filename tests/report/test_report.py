"""Reports hold the numbers of the analysis, open anywhere, and survive odd runs."""

from __future__ import annotations

import json
import math
import os
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dr_gen.analysis.comparison import compare
from dr_gen.analysis.design.check import check_design
from dr_gen.analysis.seeds import summarize
from dr_gen.convert import json_text
from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.finding import Finding
from dr_gen.model.group import RunGroup
from dr_gen.model.labels import Labels
from dr_gen.model.run import RunData
from dr_gen.report.report import ReportPaths, write_report

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
VOID = frozenset({"meta", "br", "link", "img", "hr"})


class Page(HTMLParser):
    """Elements, references and text of a page; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "srcset", "data"):
                self.references.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            self.references += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.references += re.findall(r"url\(([^)]*)\)|@import", data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def run_of(lr: Any, seed: int, *, top: float = 60.0, status: str = "completed") -> RunData:
    """A run with rising curves; one that diverged ends in NaN."""
    noise = np.random.default_rng([seed, int(top)])
    acc = top + np.arange(6) + noise.normal(0, 0.5, 6)
    loss = 2.0 - 0.1 * np.arange(6)
    diverged = status == "diverged"
    if diverged:
        loss[3:] = math.nan
    name = f"{lr}-s{seed}"
    reason = ["train/loss is nan from epoch 3 on"] if diverged else []
    found = [Finding("non-finite", "NaN", "warning", f"{name}.jsonl", 7, name)] if diverged else []
    return RunData.from_dict(
        {
            "id": name,
            "source": f"logs/{name}.jsonl",
            "status": status,
            "reasons": reason,
            "findings": found,
            "hpms": {"optim": {"lr": lr}, "seed": seed},
            "curves": {"val/acc1": acc, "eval/acc1": acc - 1, "train/loss": loss},
        }
    )


def sweep() -> RunGroup:
    """Three configurations of four seeds; three runs of the worst diverged."""
    runs = [
        run_of(lr, s, top=top, status="diverged" if lr == 1.0 and s < 3 else "completed")
        for lr, top in ((0.01, 60.0), (0.1, 70.0), (1.0, 50.0))
        for s in range(4)
    ]
    return RunGroup.from_runs(runs, labels=Labels({"optim.lr": "LR"}))


def written(group: RunGroup, folder: Path, **settings: Any) -> tuple[ReportPaths, Any, Page, str]:
    """A report: its paths, its JSON, its page and its Markdown."""
    paths = write_report(group, folder, now=NOW, **settings)
    data = json.loads(paths.json.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    page = Page(paths.html.read_text(encoding="utf-8"))
    return paths, data, page, paths.markdown.read_text(encoding="utf-8")


def test_what_the_sweep_cannot_say_is_in_the_report(tmp_path: Path) -> None:
    """The check of the design stands beside what was swept, and whole in the JSON."""
    runs = [run_of(lr, s) for lr in (0.1, 0.2) for s in range(2)]
    group = RunGroup.from_runs([*runs, run_of(0.3, 0)])
    _, data, page, markdown = written(group, tmp_path / "report")
    assert data["design"] == json.loads(json_text(check_design(group).to_dict()))
    assert [issue["code"] for issue in data["design"]["issues"]] == ["single-seed", "unequal-seeds"]
    for text in (page.text, markdown):
        assert "single-seed" in text
        assert "1 of 3 configurations have a single seed" in text


def nothing(**facts: Any) -> RunData:
    """A run without curves and hyperparameters."""
    return RunData.from_dict({"id": "a", **facts})


ODD = '<script>alert("x")</script> & |`*_ {{ 7*7 }} $a$'
CASES: dict[str, RunGroup] = {
    "no runs": RunGroup.from_runs([run_of(0.1, 0)])[:0],
    "one run": RunGroup.from_runs([run_of(0.1, 0)]),
    "one configuration": RunGroup.from_runs([run_of(0.1, s) for s in range(3)]),
    "no hyperparameters": RunGroup.from_runs(
        [RunData.from_dict({"id": str(i), "curves": {"val/loss": [1.0, i]}}) for i in range(3)]
    ),
    "no metric": RunGroup.from_runs([nothing(hpms={"lr": 1})]),
    "all failed": RunGroup.from_runs([run_of(0.1, s, status="diverged") for s in range(3)]),
    "nothing but failures": RunGroup.from_runs([nothing(status="failed", reasons=["killed"])]),
    "a metric that some have": RunGroup.from_runs(
        [run_of(0.1, 0), run_of(0.1, 1), run_of(0.2, 0), nothing(hpms={"optim": {"lr": 0.2}})]
    ),
    "odd names": RunGroup.from_runs(
        [run_of(ODD, s) for s in range(2)] + [run_of("b\n\udcff", s) for s in range(2)],
        labels=Labels({"optim.lr": "<i>LR</i>"}),
    ),
    "constant": RunGroup.from_runs(
        [
            RunData.from_dict({"id": f"{lr}{s}", "hpms": {"lr": lr}, "curves": {"val/acc": [lr]}})
            for lr in (1, 2)
            for s in range(2)
        ]
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_any_group_gives_a_whole_report(case: str, tmp_path: Path) -> None:
    """A page that parses and needs nothing from outside, strict JSON, Markdown with its figures."""
    paths, data, page, text = written(CASES[case], tmp_path)
    assert "script" not in page.tags
    outside = [r for r in page.references if not r.startswith("#")]
    assert outside == []
    assert {r[1:] for r in page.references} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert len(data["runs"]) == len(CASES[case])
    assert data["answer"] in page.text or case == "odd names"
    for name in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (tmp_path / name).stat().st_size > 1000
    assert all(path.is_file() for path in paths.figures)
    assert not list(tmp_path.rglob("*.tmp*"))


def test_the_numbers_are_those_of_the_analysis(tmp_path: Path) -> None:
    """report.json equals `summarize` and `compare`, and an independent computation of the best."""
    group = sweep()
    _, data, page, _ = written(group, tmp_path)
    summary, comparison = summarize(group), compare(group)
    assert data["metric"] == "val/acc1@best"
    for found, wanted in zip(data["summary"], summary.to_dicts(), strict=True):
        same = {k: (None if v != v else v) for k, v in wanted.items()}
        assert found == same
    assert data["comparison"]["method"] == comparison.method
    assert len(data["comparison"]["pairs"]) == len(comparison.pairs) == 1
    best = [max(run["val"]["acc1"]["epoch"].values) for run in group if run.hpms["optim.lr"] == 0.1]
    row = data["summary"][0]
    half = stats.t.ppf(0.975, 3) * np.std(best, ddof=1) / 2
    assert (row["n"], row["n_runs"], row["configuration"]) == (4, 4, {"optim.lr": 0.1})
    assert row["mean"] == pytest.approx(np.mean(best))
    assert row["ci_high"] - row["mean"] == pytest.approx(half)
    held = data["held_out"]["rows"][0]
    assert held["mean"] == pytest.approx(np.mean(best) - 1)
    assert f"{np.mean(best):.2f} ± {half:.2f}" in page.text


def test_the_answer_says_best_lead_certainty_and_failures(tmp_path: Path) -> None:
    """One paragraph: which is best, by how much, how sure, and how many runs did not finish."""
    _, data, page, text = written(sweep(), tmp_path)
    answer = data["answer"]
    assert answer.startswith("Best of 3 configurations: LR=0.1, val/acc1@best ")
    assert "95 % Student-t interval, n = 4 of 4 runs" in answer
    assert "runner-up, LR=0.01 (95 % interval [" in answer
    assert "p < 0.001 after Holm correction over 1 comparison): more than noise" in answer
    assert answer.endswith("3 of 12 runs did not complete (3 diverged).")
    order = [page.text.index(word) for word in ("Best of 3", "Hyperparameter", "Runs that did not")]
    assert order == sorted(order)
    assert text.index("Best of 3") < text.index("## What was swept")


def test_a_loss_is_led_by_the_smallest(tmp_path: Path) -> None:
    """For a metric where less is better the lead is a positive number all the same."""
    group = RunGroup.from_runs(
        RunData.from_dict(
            {"id": f"{lr}{s}", "hpms": {"lr": lr}, "curves": {"val/loss": [lr + 0.01 * s]}}
        )
        for lr in (1.0, 2.0)
        for s in range(3)
    )
    _, data, _, _ = written(group, tmp_path)
    assert "Best of 2 configurations: lr=1.0" in data["answer"]
    assert "Its mean is 1.000 better" in data["answer"]
    low, high = (float(v) for v in re.findall(r"\[(.*?), (.*?)\]", data["answer"])[0])
    assert 0 < low < 1 < high
    assert data["comparison"]["pairs"][0]["difference"] == pytest.approx(-1.0)


def test_failures_are_told_with_runs_reasons_and_lines(tmp_path: Path) -> None:
    """The page names the runs that did not complete, why, and the lines of their logs."""
    _, data, page, text = written(sweep(), tmp_path)
    for words in ("1.0-s0, 1.0-s1, 1.0-s2", "train/loss is nan", "1.0-s0.jsonl:7"):
        assert words in page.text
    assert r"1.0-s0.jsonl:7" in text
    assert data["failures"]["reasons"][0]["runs"] == ["1.0-s0", "1.0-s1", "1.0-s2"]
    assert [f["line"] for f in data["findings"]] == [7, 7, 7]


def test_the_report_says_where_it_comes_from(tmp_path: Path) -> None:
    """Source, command, time, versions, noise keys, and the runs behind each mean."""
    _, data, page, _ = written(sweep(), tmp_path, source="the/logs", command="dr-gen report X")
    origin = data["provenance"]
    assert (origin["source"], origin["command"]) == ("the/logs", "dr-gen report X")
    assert origin["written"] == "2024-05-06T07:08:09+00:00"
    assert set(origin["versions"]) >= {"python", "numpy", "dr_gen"}
    for words in ("the/logs", "dr-gen report X", "0.1-s0, 0.1-s1, 0.1-s2, 0.1-s3", "seed"):
        assert words in page.text
    assert data["sweep"]["excluded"] == ["seed"]
    assert data["runs"][0]["source"] == "logs/0.01-s0.jsonl"


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    """With a given time every file of two reports is equal."""
    first, second = (write_report(sweep(), tmp_path / name, now=NOW) for name in "ab")
    for a, b in zip(
        (first.html, first.markdown, first.json, *first.figures),
        (second.html, second.markdown, second.json, *second.figures),
        strict=True,
    ):
        assert a.read_bytes() == b.read_bytes(), a.name


def test_many_configurations_are_cut_with_a_count(tmp_path: Path) -> None:
    """Tables of 70 configurations stop and say how many more there are; the JSON has them all."""
    group = RunGroup.from_runs(
        RunData.from_dict({"id": f"{i}-{s}", "hpms": {"i": i}, "curves": {"val/acc": [i + s / 9]}})
        for i in range(70)
        for s in range(2)
    )
    paths, data, page, _ = written(group, tmp_path)
    assert "… 30 more in report.json" in page.text
    assert len(data["summary"]) == 70
    assert data["comparison"]["n_pairs"] == 70 * 69 // 2
    assert not data["comparison"]["complete"]
    assert len(data["comparison"]["pairs"]) == 69
    assert paths.html.stat().st_size < 3e6


def test_markup_in_names_stays_text(tmp_path: Path) -> None:
    """Names that look like HTML, templates or Markdown are shown, not obeyed."""
    paths, _, page, text = written(CASES["odd names"], tmp_path)
    assert '<script>alert("x")</script>' in page.text
    assert "{{ 7*7 }}" in page.text
    assert "<script>" not in paths.html.read_text(encoding="utf-8")
    assert r"\<i\>LR\</i\>" in text
    rows = [line for line in text.splitlines() if line.startswith("|") and "alert" in line]
    assert rows
    assert all(r"\|" in row for row in rows)


def test_wrong_metrics_and_folders_are_told(tmp_path: Path) -> None:
    """An unknown metric and a folder that is a file raise errors that name them."""
    with pytest.raises(UnknownKeyError, match="val/acc2"):
        write_report(sweep(), tmp_path, metric="val/acc2")
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(UsageError, match=re.escape(str(taken))):
        write_report(CASES["no metric"], taken)
    assert taken.read_text() == "a file"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_told(tmp_path: Path) -> None:
    """A folder that may not be written gives one clear error and no half of a report."""
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(CASES["no metric"], tmp_path / "out")


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    """Writing again into the folder leaves one report and whatever else was there."""
    (tmp_path / "notes.txt").write_text("mine")
    write_report(sweep(), tmp_path, now=NOW)
    _, data, _, _ = written(CASES["one run"], tmp_path)
    assert len(data["runs"]) == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"
