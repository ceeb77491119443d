"""Whether a file is still the one that was read."""

from __future__ import annotations

import time
from pathlib import Path

import attrs

from dr_gen.ingestion import ingest
from dr_gen.ingestion.stamps import renewed


def test_a_young_file_is_known_by_its_content(tmp_path: Path) -> None:
    """Within one step of the clock a file can change and keep its size and its times."""
    path = tmp_path / "a"
    path.write_text("one")
    first, same = renewed(path, None, time.time_ns())
    assert not same
    assert renewed(path, first, time.time_ns()) == (first, True)
    path.write_text("two")
    second, same = renewed(path, first, time.time_ns())
    assert not same
    as_if_in_one_step = attrs.evolve(second, digest=first.digest)
    assert renewed(path, as_if_in_one_step, time.time_ns()) == (second, False)


def test_an_old_file_is_known_by_its_times(tmp_path: Path) -> None:
    """Nothing can change any more without its times; the content is then not read."""
    path = tmp_path / "a"
    path.write_text("one")
    later = time.time_ns() + 10_000_000_000
    young, _ = renewed(path, None, time.time_ns())
    old, _ = renewed(path, None, later)
    assert (young.digest != "", old.digest) == (True, "")
    assert renewed(path, young, later) == (old, True)
    assert renewed(path, old, later) == (old, True)


def test_settings_that_are_links_are_looked_at(tmp_path: Path) -> None:
    """Where many runs share one file of settings by links, a change of it changes all of them."""
    source, store = tmp_path / "runs", tmp_path / "store"
    for name in ("a", "b"):
        folder = source / name
        folder.mkdir(parents=True)
        folder.joinpath("log.jsonl").write_text('{"step": 0, "loss": 2}\n{"step": 1, "loss": 1}\n')
        folder.joinpath("config.yaml").symlink_to("../config.yaml")
    for rate in (0.1, 0.25):
        source.joinpath("config.yaml").write_text(f"lr: {rate}\n")
        group = ingest(source, store)
        assert [run.hpms["lr"] for run in group] == [rate, rate]
