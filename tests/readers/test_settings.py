"""Settings files beside a log, and flat keys."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given

from dr_gen.model.hpm import Hpm
from dr_gen.readers import settings
from dr_gen.readers.interpolation import interpolated
from dr_gen.readers.settings import flat_config, read_sidecars
from dr_gen.testing import hpms

keys = st.text("abc_", min_size=1, max_size=3)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text("xyz ", max_size=4)
configs = st.dictionaries(
    keys,
    st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2)
    ),
    max_size=4,
)


@given(config=configs, name=st.sampled_from(["config.json", "args.yaml", "hparams.yml"]))
def test_settings_come_back(config: dict[str, Any], name: str) -> None:
    """A configuration written by `json` or `yaml` is read as the hyperparameters it stands for."""
    text = json.dumps(config) if name.endswith("json") else yaml.safe_dump(config)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_text(text)
        found = read_sidecars(Path(folder, "run.jsonl"), "r")
    assert Hpm(found.hpms) == Hpm(config)
    assert not found.findings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("12", 12),
        ("e5", "e5"),
        ("1e", "1e"),
        ("2024-01-02", "2024-01-02"),
        ("!!python/tuple [1, 2]", [1, 2]),
        ("!!python/object:argparse.Namespace {a: 1}", None),
        ("!Custom text", "text"),
        ("!!python/object/apply:os.system ['exit 1']", ["exit 1"]),
    ],
)
def test_yaml_values(tmp_path: Path, text: str, value: Any) -> None:
    """Numbers are numbers, and objects of Python are what they hold: nothing is ever called."""
    (tmp_path / "config.yaml").write_text(f"key: {text}\n")
    found = read_sidecars(tmp_path / "run.jsonl", "r")
    if value is None:
        assert found.hpms == {"key.a": 1}
    else:
        assert found.hpms == {"key": value}
        assert type(found.hpms["key"]) is type(value)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("config.json", b'{"a": 1,\n "b": }', 2),
        ("config.yaml", b"a: 1\nb: [1\nc: 2\n", 3),
        ("config.yaml", b"a: \x01", None),
        ("config.yaml", b"a: 2024-99-99", None),
        ("config.yaml", b"\xff\xfe\xff", None),
        ("config.json", b"[" * 100_000, None),
        ("config.json", b"3", None),
        ("config.yaml", b"a: &x {b: *x, c: 1}", None),
        ("config.yaml", b"a: !!binary aGVsbG8=", None),
    ],
)
def test_bad_settings_file(tmp_path: Path, name: str, content: bytes, line: int | None) -> None:
    """A settings file that cannot be used is a warning with its place."""
    (tmp_path / name).write_bytes(content)
    found = read_sidecars(tmp_path / "run.jsonl", "r")
    [finding] = found.findings
    assert (finding.code, finding.severity) == ("bad-sidecar", "warning")
    assert (finding.path, finding.line, finding.run) == (str(tmp_path / name), line, "r")


@pytest.mark.parametrize("content", ["", "{}", "# nothing\n", "null"])
def test_empty_settings_file(tmp_path: Path, content: str) -> None:
    """An empty settings file says nothing, and that is not wrong."""
    (tmp_path / "hparams.yaml").write_text(content)
    found = read_sidecars(tmp_path / "run.jsonl", "r")
    assert (found.hpms, found.findings) == ({}, ())


@pytest.mark.parametrize(("empty", "around"), [("{x: 1}", "{{{}}}"), ("[1, 2]", "[{}]")])
def test_aliases_without_end(tmp_path: Path, empty: str, around: str) -> None:
    """Aliases of aliases stand for more than fits into memory; they are refused, not expanded."""
    lines = [f"a0: &a0 {empty}"]
    for i in range(1, 40):
        named = "k{}: *a{}" if "{{" in around else "*a{1}"
        inner = ", ".join(named.format(j, i - 1) for j in range(9))
        lines.append(f"a{i}: &a{i} " + around.format(inner))
    (tmp_path / "config.yaml").write_text("\n".join(lines))
    found = read_sidecars(tmp_path / "run.jsonl", "r")
    assert found.hpms == {}
    assert ["aliases" in finding.message for finding in found.findings] == [True]


def test_aliases_that_are_few(tmp_path: Path) -> None:
    """Aliases as people write them are what they stand for, also one of itself."""
    (tmp_path / "config.yaml").write_text("a: &a {lr: 0.1}\nb: *a\nc: &c {inner: *c}\n")
    found = read_sidecars(tmp_path / "run.jsonl", "r")
    assert found.hpms == {"a.lr": 0.1, "b.lr": 0.1, "c.inner": "<dict>"}


def test_wandb_and_hydra(tmp_path: Path) -> None:
    """The wrapping of Weights & Biases is taken off, and Hydra's folder is looked into."""
    (tmp_path / "config.yaml").write_text(
        "wandb_version: 1\n_wandb: {desc: null, value: {}}\nlr: {desc: null, value: 0.1}\n"
    )
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("seed: 3\n")
    assert read_sidecars(tmp_path / "run.jsonl", "r").hpms == {"lr": 0.1, "seed": 3}


def test_flat_keys_that_clash() -> None:
    """A key that is there dotted and nested keeps its first value, and is named."""
    flat, problems = flat_config({"a": {"b": 1}, "a.b": 2, "c": {}})
    assert flat == {"a.b": 1, "c": {}}
    assert [problem for problem in problems if "'a.b'" in problem] == problems
    assert len(problems) == 1


REFERENCES = [
    ({"a": 1, "b": "${a}"}, {"a": 1, "b": 1}),
    ({"s.a": 1, "b": "${s.a}", "c": "${b}"}, {"s.a": 1, "b": 1, "c": 1}),
    ({"a": 0.5, "s.b": "lr${a}_${.c}", "s.c": None}, {"a": 0.5, "s.b": "lr0.5_None", "s.c": None}),
    ({"a": 1, "s.t.b": "${...a}", "s.t.c": "${..d}", "s.d": 2},
     {"a": 1, "s.t.b": 1, "s.t.c": 2, "s.d": 2}),
    ({"a": "???", "b": "${a}", "c": 1}, {"c": 1}),
    ({"m.n": 2, "m.k": [1], "copy": "${m}"}, {"m.n": 2, "m.k": [1], "copy.n": 2, "copy.k": [1]}),
    ({"m.n": 2, "l": ["${m.n}", "${m}", "x"]}, {"m.n": 2, "l": [2, {"n": 2}, "x"]}),
    ({"a": "${b}", "b": "${a}", "c": "${c}"}, {"a": "${a}", "b": "${b}", "c": "${c}"}),
    ({"a": "${now:%Y}", "b": "${oc.env:HOME}"}, {"a": "${now:%Y}", "b": "${oc.env:HOME}"}),
    ({"a": "${nope}", "b": r"\${c}", "c": 1}, {"a": "${nope}", "b": r"\${c}", "c": 1}),
    ({"a": "${....b}", "b": 1}, {"a": "${....b}", "b": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("flat", "found"), REFERENCES)
def test_values_that_stand_for_others(flat: dict[str, Any], found: dict[str, Any]) -> None:
    """What refers to a key has its value, what was never given is not there, the rest is text."""
    assert interpolated(flat) == found


@given(hpms())
def test_nothing_else_is_changed(hpm: Hpm) -> None:
    """A configuration without references and lacks stays as it is."""
    plain = {k: v for k, v in hpm.items() if "${" not in str(v) and v != "???"}
    assert Hpm(interpolated(plain)) == Hpm(plain)


def test_the_configuration_that_hydra_leaves_is_resolved(tmp_path: Path) -> None:
    """What the run used is what counts: references have values, and only they are touched."""
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(
        "lr: 1e-3\noptim: {lr: '${lr}', name: sgd}\nrun: ${optim.name}-${lr}\ndata: ???\n"
    )
    (tmp_path / "args.json").write_text('{"text": "${lr}", "mark": "???"}')
    found = read_sidecars(tmp_path / "log.jsonl", "r")
    assert found.findings == ()
    assert dict(found.hpms) == {
        **{"lr": 0.001, "optim.lr": 0.001, "optim.name": "sgd", "run": "sgd-0.001"},
        **{"text": "${lr}", "mark": "???"},
    }


NESTED = {
    "lists": "[" * 900 + "]" * 900,
    "too many lists": "[" * 100_000,
    "mappings": "\n".join(f"{' ' * depth}a:" for depth in range(900)),
    "entries": "- " * 100_000,
    "keys": "? " * 100_000,
}


@pytest.mark.parametrize("text", NESTED.values(), ids=NESTED.keys())
def test_deep_yaml_is_no_trouble(text: str, tmp_path: Path) -> None:
    """Settings nested more deeply than anyone writes cost a finding."""
    (tmp_path / "config.yaml").write_text(text)
    found = read_sidecars(tmp_path / "run.jsonl", "r")
    assert found.hpms == {}
    assert [finding.code for finding in found.findings] == ["bad-sidecar"]


@given(config=configs)
def test_yaml_is_the_same_without_its_compiled_part(config: dict[str, Any]) -> None:
    """PyYAML is not compiled everywhere; what is slower there is read alike."""
    text = yaml.safe_dump(config) + "n: 1e-4\no: !!python/object:a.B {c: [2]}\n"
    found = []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder, "config.yaml").write_text(text if config else text[3:])
        for _ in range(2):
            settings._yaml_loader.cache_clear()
            found.append(read_sidecars(Path(folder, "run.jsonl"), "r"))
            patch.delattr(yaml, "CSafeLoader", raising=False)
    settings._yaml_loader.cache_clear()
    assert Hpm(found[0].hpms) == Hpm(found[1].hpms)
    assert found[0].hpms["n"] == 1e-4
    assert found[0].hpms["o.c"] == [2]
    assert not found[0].findings
