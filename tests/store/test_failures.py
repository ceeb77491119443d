"""Stores that cannot be read or written: one clear line, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import netCDF4
import numpy as np
import pytest

from dr_gen.errors import DrGenError, StoreError, StoreFormatError, UsageError
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.store import catalogue as catalogues
from dr_gen.store import shards
from dr_gen.store.layout import Layout, from_layout, to_layout
from dr_gen.store.schema import MIGRATIONS, Migration, migrations
from dr_gen.store.store import is_store, open_store, save


def group(*names: str, points: int = 3, **facts: Any) -> RunGroup:
    """Runs with one curve each."""
    return RunGroup.from_runs(
        RunData.from_dict(
            {"id": n, "hpms": {"lr": 1}, "curves": {"val/acc": [1.0] * points}, **facts}
        )
        for n in names
    )


def content(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of two runs."""
    path = tmp_path / "store"
    save(group("a", "b"), path)
    return path


def shard_of(store: Path) -> Path:
    """Its only shard."""
    (path,) = (store / "shards").iterdir()
    return path


def fails(
    action: Callable[[], Any], *words: str, kind: type[DrGenError] = StoreError
) -> DrGenError:
    """The error that `action` raises: one line that holds every one of `words`."""
    with pytest.raises(kind) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text
    assert [word for word in words if word not in text] == [], text
    return caught.value


# ---------------------------------------------------------------------------- reading


def test_no_store_is_no_store(tmp_path: Path) -> None:
    """A missing folder, an empty one and a file are not stores, and the error says so."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("missing", "file", "empty"):
        assert not is_store(tmp_path / name)
        fails(lambda name=name: open_store(tmp_path / name), name, "catalogue.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"creator": "someone"}',
        '{"creator": "dr_gen", "schema": 1}',
        '{"creator": "dr_gen", "schema": 1, "shards": 3, "runs": [], "findings": []}',
        '{"creator": "dr_gen", "schema": 1, "shards": [{"name": 1}], "runs": [], "findings": []}',
        '{"creator": "dr_gen", "schema": 1, "shards": [], "runs": ["a"], "findings": []}',
        '{"creator": "dr_gen", "schema": 1, "shards": [], "runs": [], "findings": [{"code": 1}]}',
        '{"creator": "dr_gen", "schema": 1, "runs": [], "findings": [], "shards": '
        '[{"name": "../x.nc", "size": 0, "runs": 0, "points": 0}]}',
        "[" * 100_000,
        "\ud800",
    ],
)
def test_a_damaged_catalogue_is_named(store: Path, text: str) -> None:
    """Neither opened nor overwritten; the error says what is wrong and what to do."""
    (store / "catalogue.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    before = content(store)
    assert is_store(store)
    for action in (lambda: open_store(store), lambda: save(group("c"), store)):
        fails(action, "catalogue.json", "damaged", "save the runs again", kind=StoreFormatError)
    assert content(store) == before


def test_a_missing_shard_is_named(store: Path) -> None:
    """The catalogue names a file that somebody removed."""
    shard = shard_of(store)
    shard.unlink()
    fails(lambda: open_store(store), shard.name, "not there", "save the runs again")


@pytest.mark.parametrize("left", [0, 100, 5000, -1])
def test_a_shard_that_was_cut_is_named(store: Path, left: int) -> None:
    """A shard of another size than the catalogue says is not even opened."""
    shard = shard_of(store)
    shard.write_bytes(shard.read_bytes()[:left])
    fails(lambda: open_store(store), shard.name, "damaged", "bytes", kind=StoreFormatError)


@pytest.mark.parametrize("place", [0, 8, 512])
def test_a_shard_that_is_not_netcdf_is_named(store: Path, place: int) -> None:
    """The library's own complaint is passed on, as one of ours."""
    shard = shard_of(store)
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:place].ljust(size, b"\xff"))
    fails(lambda: open_store(store), shard.name, "damaged", kind=StoreFormatError)


def changed(store: Path, change: Callable[[netCDF4.Dataset], Any]) -> None:
    """Change the only shard of a store behind the store's back, without a trace in its size."""
    shard = shard_of(store)
    with netCDF4.Dataset(shard, "a") as file:
        change(file)
    catalogue = json.loads((store / "catalogue.json").read_text())
    catalogue["shards"][0]["size"] = shard.stat().st_size
    (store / "catalogue.json").write_text(json.dumps(catalogue))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda f: f.delncattr("schema_number"), "schema number"),
        (lambda f: f.setncattr("schema_number", "one"), "schema number"),
        (lambda f: f.setncattr("schema_number", 99), "newer"),
        (lambda f: f.setncattr("schema_number", 0), "schema 0"),
        (lambda f: f.renameVariable("value", "other"), "no value"),
        (lambda f: f.renameVariable("names_json", "other"), "no names_json"),
        (lambda f: f.renameVariable("hpm_code", "other"), "no hpm_code"),
        (lambda f: f["curve_run"].__setitem__(0, 7), "curve_run"),
        (lambda f: f["curve_block"].__setitem__(0, -1), "curve_block"),
        (lambda f: f["row_size"].__setitem__(0, 2), "row_size"),
        (lambda f: f["axis_start"].__setitem__(1, 5), "x-axis ends outside"),
        (lambda f: f["axis_block"].__setitem__(slice(None), [1, 0]), "not sorted"),
        (lambda f: f["curve_run"].__setitem__(slice(None), [1, 0]), "not sorted by split"),
        (lambda f: f["hpm_code"].__setitem__((0, 0), 1), "hpm_code points outside"),
        (lambda f: f["names_json"].__setitem__(0, "x"), "JSON"),
        (lambda f: f["records_json"].__setitem__(5, "\n"), "JSON"),
    ],
)
def test_content_that_does_not_fit_is_named(
    store: Path, change: Callable[[netCDF4.Dataset], Any], word: str
) -> None:
    """A shard that opens but makes no sense is refused before any code points nowhere."""
    changed(store, change)
    fails(lambda: open_store(store), shard_of(store).name, word, kind=StoreFormatError)


def test_other_runs_than_the_catalogue_names_are_noticed(store: Path) -> None:
    """The catalogue and the shards have to agree on the runs."""
    catalogue = json.loads((store / "catalogue.json").read_text())
    for runs in (["a", "x"], ["a", "a"]):
        (store / "catalogue.json").write_text(json.dumps({**catalogue, "runs": runs}))
        fails(lambda: open_store(store), "other runs", kind=StoreFormatError)


def test_a_newer_store_asks_for_an_update(store: Path) -> None:
    """A store of a later version is neither misread nor overwritten."""
    catalogue = json.loads((store / "catalogue.json").read_text())
    (store / "catalogue.json").write_text(json.dumps({**catalogue, "schema": 99}))
    before = content(store)
    fails(lambda: open_store(store), "schema 99", "update dr_gen", kind=StoreFormatError)
    fails(lambda: save(group("c"), store), "update dr_gen", kind=StoreFormatError)
    assert content(store) == before


# ---------------------------------------------------------------------------- schemas


def test_steps_lead_from_the_form_found_to_ours() -> None:
    """Steps are chained, the longest first; a form that none leads on from is refused."""
    steps = {(n, m): Migration() for n, m in ((1, 2), (2, 3), (1, 3), (3, 4))}
    table = {key: attrs.evolve(step) for key, step in steps.items()}

    def path(found: Any, current: int) -> list[tuple[int, int]]:
        taken = migrations(found, "s", table, current)
        return [next(key for key, step in table.items() if step is one) for one in taken]

    assert path(4, 4) == []
    assert path(1, 4) == [(1, 3), (3, 4)]
    assert path(1, 2) == [(1, 2)]
    assert path(2, 4) == [(2, 3), (3, 4)]
    for found in (0, 5, None, "1", True, 1.0):
        fails(lambda found=found: path(found, 4), kind=StoreFormatError)


def test_an_older_store_is_brought_up_to_date(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue and shards go through their steps, each by its own number."""

    def rename(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "runs": data.pop("members")}

    def double(layout: Layout) -> Layout:
        return attrs.evolve(layout, arrays={**layout.arrays, "value": layout.arrays["old"] * 2})

    def found(schema: Any, path: str) -> list[Migration]:
        return migrations(schema, path, {(0, 1): Migration(rename, double), **MIGRATIONS})

    changed(store, lambda f: (f.setncattr("schema_number", 0), f.renameVariable("value", "old")))
    catalogue = json.loads((store / "catalogue.json").read_text())
    catalogue |= {"schema": 0, "members": catalogue.pop("runs")}
    (store / "catalogue.json").write_text(json.dumps(catalogue))
    fails(lambda: open_store(store), "schema 0", kind=StoreFormatError)
    monkeypatch.setattr(catalogues, "migrations", found)
    monkeypatch.setattr(shards, "migrations", found)
    assert open_store(store).values("val/acc").tolist() == [2.0, 2.0]


# ---------------------------------------------------------------------------- writing


@pytest.mark.parametrize("name", ["notes.txt", "shards/mine.nc", "shards/sub/x", "catalogue.jsonl"])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, name: str) -> None:
    """What is no store is never written into, whatever it holds."""
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / name).write_text("mine")
    before = content(tmp_path)
    fails(lambda: save(group("a"), tmp_path), str(tmp_path), "other content", "name a new")
    assert content(tmp_path) == before


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    """Neither a file nor a path through one becomes a store."""
    (tmp_path / "file").write_text("mine")
    fails(lambda: save(group("a"), tmp_path / "file"), "is a file")
    fails(lambda: save(group("a"), tmp_path / "file" / "store"), "cannot be written")
    assert content(tmp_path) == {"file": b"mine"}


def test_what_a_killed_first_save_left_is_no_obstacle(tmp_path: Path) -> None:
    """Without a catalogue nothing was committed, and our own left-overs may be written over."""
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "runs-0123.nc").write_text("torn")
    (tmp_path / "shards" / "runs-0124.nc.tmp-99").write_text("torn")
    (tmp_path / "catalogue.json.tmp-99").write_text("torn")
    assert not is_store(tmp_path)
    save(group("a"), tmp_path)
    assert open_store(tmp_path).ids == ("a",)


def test_left_overs_go_when_they_are_old(store: Path) -> None:
    """Files of killed writers go a day later; those of a writer at work, or of others, stay."""
    shards = store / "shards"
    names = ("runs-1.nc", "runs-2.nc.tmp-5", "../catalogue.json.tmp-1", "notes.txt", "../notes.txt")
    for name in names:
        (shards / name).write_text("x")
        os.utime(shards / name, (0, 0))
    (shards / "runs-new.nc").write_text("x")
    save(group("c"), store)
    left = {name for name in (*names, "runs-new.nc") if (shards / name).exists()}
    assert left == {"notes.txt", "../notes.txt", "runs-new.nc"}


@pytest.mark.parametrize("value", [object(), 1j, np.array([object()])])
def test_metadata_that_is_no_plain_data_is_refused(store: Path, value: Any) -> None:
    """What would not come back is not written; the error names the run."""
    before = content(store)
    action = lambda: save(group("odd", metadata={"thing": [value]}), store)  # noqa: E731
    fails(action, "'odd'", kind=UsageError)
    assert content(store) == before


def test_a_number_too_long_for_json_is_refused(store: Path) -> None:
    """Python turns no integer of more than 4300 digits into text."""
    before = content(store)
    huge = RunGroup.from_runs([RunData.build("a", {"x": 10**5000})])
    fails(lambda: save(huge, store), "digits", kind=UsageError)
    assert content(store) == before


NOBODY = 65534
SAVE = """
    import sys, resource, signal, os
    from dr_gen.errors import StoreError
    from dr_gen.model.group import RunGroup
    from dr_gen.model.run import RunData
    from dr_gen.store.store import save
    import netCDF4, numpy

    group = RunGroup.from_runs([RunData.from_dict(
        {"id": "big", "curves": {"val/acc": numpy.arange(300_000.0)}})])
"""


def run_script(body: str, *arguments: Any, **options: Any) -> str:
    """What a process prints that runs `body`."""
    code = textwrap.dedent(SAVE) + textwrap.dedent(body)
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("limit", [0, 100, 5_000, 1_000_000, 3_000_000])
@pytest.mark.parametrize("new", [False, True], ids=["replace", "first"])
def test_a_full_disk_loses_nothing(store: Path, tmp_path: Path, limit: int, new: bool) -> None:
    """Wherever the space ends: one error, the old content, and no file left behind."""
    place = tmp_path / "new" / "store" if new else store
    before = content(tmp_path)
    printed = run_script(
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
        try:
            save(group, sys.argv[1])
        except StoreError as error:
            print(error)
        """,
        place,
        limit,
    )
    assert printed.startswith(f"{place}: cannot be written: ")
    assert printed.count("\n") == 1
    assert content(tmp_path) == before
    assert not (tmp_path / "new").exists()
    assert open_store(store).ids == ("a", "b")


def test_a_disk_without_room_is_not_tried(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is clear beforehand that the runs do not fit, the error says how much is missing."""
    usage = shutil.disk_usage(store)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000_000))
    before = content(store)
    fails(lambda: save(group("c", points=1_000_000), store), "16 MB", "2 MB left")
    assert content(store) == before
    save(group("c", points=1_000_000), store, compress=True)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize(
    ("locked", "mode", "saving", "opening"),
    [
        (".", 0o555, "{store}: cannot be written: Permission denied", "('a', 'b')"),
        ("shards", 0o555, "{store}: cannot be written: Permission denied", "('a', 'b')"),
        *(
            ("catalogue.json", 0, f"{{store}}/{text}", f"{{store}}/{text}")
            for text in ["catalogue.json: cannot be read: Permission denied"]
        ),
        ("shards/{shard}", 0, "saved", "{store}/shards/{shard}: cannot be read: Permission denied"),
    ],
    ids=["folder", "shards", "catalogue", "shard"],
)
def test_no_permission_loses_nothing(locked: str, mode: int, saving: str, opening: str) -> None:
    """What may not be read or written is named, and a store that cannot be written still opens."""
    # Root has to become another, who may not pass the tests' own folder or a private TMPDIR.
    with tempfile.TemporaryDirectory(dir="/tmp" if os.getuid() == 0 else None) as folder:
        store = Path(folder, "store")
        save(group("a", "b"), store)
        names = {"store": store, "shard": shard_of(store).name}
        before = content(store)
        if os.getuid() == 0:
            for place in (Path(folder), store, *store.rglob("*")):
                os.chown(place, NOBODY, NOBODY)
        (store / locked.format(**names)).chmod(mode)
        printed = run_script(
            """
            from dr_gen.store.store import open_store
            save(group, sys.argv[2])
            open_store(sys.argv[2])  # all that is imported late
            if os.getuid() == 0:
                os.setuid(int(sys.argv[3]))
            for action in (lambda: open_store(sys.argv[1]).ids, lambda: save(group, sys.argv[1])):
                try:
                    print(action() or "saved")
                except StoreError as error:
                    print(error)
            """,
            *(store, Path(folder, "warm"), NOBODY),
        )
        (store / locked.format(**names)).chmod(0o755) if saving != "saved" else None
        assert printed.splitlines() == [text.format(**names) for text in (opening, saving)]
        assert saving == "saved" or content(store) == before


def test_errors_in_the_middle_of_a_commit_lose_nothing(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt before the catalogue is replaced undoes the shards; one after it does not."""
    before = content(store)
    write = catalogues.write

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(catalogues, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(group("c"), store)
    assert content(store) == before

    def late(*arguments: Any) -> None:
        write(*arguments)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(catalogues, "write", late)
    fails(lambda: save(group("c"), store), "Input/output error")
    assert open_store(store).ids == ("c",)


def test_layouts_from_elsewhere_are_checked_as_a_whole() -> None:
    """All that is missing is named at once."""
    layout = to_layout(group("a").table)
    arrays = {k: v for k, v in layout.arrays.items() if k not in ("value", "axis_x")}
    error = fails(
        lambda: from_layout(attrs.evolve(layout, arrays=arrays, texts={})), kind=UsageError
    )
    assert all(name in str(error) for name in ("no value", "no axis_x", "no hpms_json"))
