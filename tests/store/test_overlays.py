"""What was added to runs by hand, kept in their store and taken back."""

from __future__ import annotations

import json
import os
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dr_gen
from dr_gen import RunGroup, RunLogger, list_overlays, remove_overlay, save_overlay
from dr_gen.errors import StoreBusyError, StoreError, StoreFormatError, UnknownKeyError
from dr_gen.store.store import save
from dr_gen.store.writing import OVERLAYS, writing

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def log(folder: Path, name: str, **config: Any) -> None:
    """A log of two epochs."""
    with RunLogger(folder / f"{name}.jsonl", {"lr": 0.1, **config}) as logger:
        for epoch in range(2):
            logger.metrics("val", {"acc": epoch + 0.5}, epoch=epoch)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two runs without a width and one with it."""
    for name, config in (("a", {}), ("b", {}), ("c", {"width": 8})):
        log(tmp_path / "logs", name, **config)
    return tmp_path / "logs"


@pytest.fixture
def store(logs: Path, tmp_path: Path) -> Path:
    """Their store."""
    dr_gen.ingest(logs, tmp_path / "store")
    return tmp_path / "store"


def edited(group: RunGroup) -> RunGroup:
    """One of everything that can be added."""
    group = group.update("width", lambda run: 4).with_tags("good")
    group = group.with_notes("see the paper").with_metric("test/acc", [0.25], {"epoch": [7]})
    return group


def test_what_is_saved_is_there_when_opened(store: Path) -> None:
    """A store that is opened again has what was added, as the group had it."""
    group = edited(dr_gen.open_store(store))
    overlay = save_overlay(group, store, by="me", now=NOW)
    assert overlay is not None
    assert (overlay.by, overlay.created) == ("me", "2024-05-06T07:08:09+00:00")
    assert set(overlay.runs) == set(group.ids)
    assert [edit.origin for edit in overlay.edits] == [
        'group = group.update("width", lambda run: 4).with_tags("good")',
        "value",
        "value",
        "value",
    ]
    opened = dr_gen.open_store(store)
    assert opened == group
    assert opened.edits == ()
    assert sorted(opened.to_list("width")) == [4, 4, 8]
    assert opened[0].metadata["tags"] == ["good"]
    assert opened.values("test/acc").tolist() == [0.25] * 3
    assert list_overlays(store) == (overlay,)


def test_it_can_be_taken_back(store: Path) -> None:
    """Without its overlays a store is as it was logged."""
    before = dr_gen.open_store(store)
    first = save_overlay(before.update("width", 4), store)
    second = save_overlay(dr_gen.open_store(store).update("depth", 2), store)
    assert first is not None
    assert second is not None
    assert remove_overlay(store, first.id) == first
    assert "width" not in dr_gen.open_store(store)[0].hpms
    assert dr_gen.open_store(store)[0].hpms["depth"] == 2
    with pytest.raises(UnknownKeyError, match="no overlay"):
        remove_overlay(store, first.id)
    remove_overlay(store, second.id)
    assert dr_gen.open_store(store) == before
    assert list_overlays(store) == ()


def test_it_outlives_whatever_is_ingested(logs: Path, store: Path) -> None:
    """More runs, longer logs, and shards that are put together anew leave it in force."""
    save_overlay(edited(dr_gen.open_store(store)), store)
    for i in range(25):  # more than a store has shards
        log(logs, f"more{i}")
        dr_gen.ingest(logs, store)
    (logs / "a.jsonl").unlink()
    log(logs, "a", width=64)  # logged again, now with a width of its own
    found = dr_gen.ingest(logs, store)
    assert len(found) == 28
    assert found.get(id="a").hpms["width"] == 64
    assert found.get(id="b").hpms["width"] == 4
    assert found.get(id="a").metadata["notes"] == "see the paper"
    assert found.filter("tags" in run.metadata for run in found).ids == ("a", "b", "c")
    (logs / "b.jsonl").unlink()
    assert dr_gen.ingest(logs, store).get(id="b").hpms["width"] == 4
    save(dr_gen.load(logs, cache=False), store)  # replaced as a whole, the run being gone
    log(logs, "b")
    assert dr_gen.ingest(logs, store).get(id="b").hpms["width"] == 4


def test_force_is_kept(store: Path) -> None:
    """What replaced a value replaces it whenever the store is opened."""
    save_overlay(dr_gen.open_store(store).update("lr", 0.5, force=True), store)
    assert dr_gen.open_store(store).to_list("lr") == [0.5] * 3


def test_a_lazy_table_has_the_hyperparameters(store: Path) -> None:
    """`scan_metrics` sees them, and what varies by them."""
    save_overlay(dr_gen.open_store(store).update("width", 4), store)
    frame = dr_gen.scan_metrics(store).filter(pl.col("epoch") == 1).collect()
    assert sorted(zip(frame["run"], frame["width"], strict=True)) == [("a", 4), ("b", 4), ("c", 8)]
    lr = dr_gen.open_store(store).update("lr", 0.5, force=True)
    save_overlay(lr[:1], store)
    table = dr_gen.scan_metrics(store).group_by("lr").agg(pl.col("run").n_unique()).collect()
    assert dict(table.rows()) == {0.5: 1, 0.1: 2}


def test_a_lazy_table_has_the_metrics(store: Path) -> None:
    """`scan_metrics` sees those added and those replaced, until they are taken back."""
    before = dr_gen.scan_metrics(store).filter(run="a").collect()
    group = dr_gen.open_store(store)
    group = group.with_metric("test/acc", lambda run: {"values": [0.25], "x": {"epoch": [7]}})
    group = group.with_metric("val/acc", [9.0], force=True)
    group = group.with_metric("val/acc", [3.0])
    overlay = save_overlay(group, store)
    assert overlay is not None
    rows = dr_gen.scan_metrics(store).filter(run="a").collect()
    found = rows.select("split", "metric", "epoch", "value").sort("split").rows()
    assert found == [("test", "acc", 7, 0.25), ("val", "acc", 0, 9.0)]
    remove_overlay(store, overlay.id)
    assert_frame_equal(dr_gen.scan_metrics(store).filter(run="a").collect(), before)


def test_only_what_is_new_and_in_the_group_is_saved(store: Path) -> None:
    """Saving twice says the same once, and other runs of the change are left out."""
    group = dr_gen.open_store(store).update("width", 4)
    saved = save_overlay(group.filter(id="a"), store)
    assert saved is not None
    assert saved.runs == ("a",)
    assert save_overlay(group.filter(id="a"), store) is None
    assert save_overlay(dr_gen.open_store(store), store) is None
    more = save_overlay(group.filter(id="a").update("depth", 1), store)
    assert more is not None
    assert [edit.hpms for edit in more.edits] == [{"a": {"depth": 1}}]


def test_who_and_when_are_told_by_default(store: Path) -> None:
    """Somebody at some host, at the time it is."""
    saved = save_overlay(dr_gen.open_store(store).with_tags("x"), store)
    assert saved is not None
    assert "@" in saved.by
    age = datetime.now(UTC) - datetime.fromisoformat(saved.created)
    assert 0 <= age.total_seconds() < 600


def test_misuse_is_told(store: Path, tmp_path: Path) -> None:
    """No store, runs of another one, and another writer at work."""
    group = dr_gen.open_store(store).with_tags("x")
    with pytest.raises(StoreError, match="is not a store"):
        save_overlay(group, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    other = RunGroup.from_runs([dr_gen.RunData.from_dict({"id": "elsewhere"})]).with_tags("x")
    with pytest.raises(UnknownKeyError, match="elsewhere"):
        save_overlay(other, store)
    with writing(store), pytest.raises(StoreBusyError):
        save_overlay(group, store, timeout=0.05)
    assert list_overlays(store) == ()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"creator": "dr_gen", "form": 99, "overlays": []}',
        '{"creator": "dr_gen", "form": 1}',
        '{"creator": "dr_gen", "form": 1, "overlays": [{"id": "x"}]}',
        '{"creator": "dr_gen", "form": 1, "overlays": [{"id": "x", "by": "", "created": "", '
        '"edits": [{"hpms": {"a": 3}}]}]}',
    ],
)
def test_a_damaged_file_is_told(store: Path, content: str) -> None:
    """It is named, and what it would take to be rid of it; nothing is lost silently."""
    (store / OVERLAYS).write_text(content)
    with pytest.raises(StoreFormatError, match=r"overlays\.json.*as it was logged"):
        dr_gen.open_store(store)


def test_a_writer_that_was_killed_leaves_the_old_file(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is replaced in one step, and what is left of others is swept in time."""
    group = dr_gen.open_store(store).with_tags("x")
    save_overlay(group, store)
    before = (store / OVERLAYS).read_bytes()

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(StoreError, match="No space left"):
            save_overlay(group.with_notes("more"), store)
    assert (store / OVERLAYS).read_bytes() == before
    assert json.loads(before)["overlays"][0]["edits"][0]["tags"] == {
        name: ["x"] for name in ("a", "b", "c")
    }
    stale = store / f"{OVERLAYS}.tmp-0123456789ab"
    stale.touch()
    os.utime(stale, (0, 0))
    save(dr_gen.open_store(store), store)
    assert not stale.exists()


def test_changed_runs_can_be_saved_elsewhere(store: Path, tmp_path: Path) -> None:
    """In another store, or pickled, what was added is as if it had been logged."""
    group = edited(dr_gen.open_store(store))
    save(group, tmp_path / "other")
    assert dr_gen.open_store(tmp_path / "other") == group
    assert list_overlays(tmp_path / "other") == ()
    some = RunGroup.from_runs([group[2], dr_gen.open_store(store)[0]])
    save(some, tmp_path / "some")
    assert [run.metadata.get("tags") for run in dr_gen.open_store(tmp_path / "some")] == [
        ["good"],
        None,
    ]
    assert pickle.loads(pickle.dumps(group)) == group
