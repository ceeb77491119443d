"""Which files a folder holds, and what the runs in them are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.readers.tree import Tree, natural_order, run_id, walk


def files_of(root: Path, *names: str) -> None:
    """Files with these names below a folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def names(root: Path) -> list[str]:
    """What `walk` finds, relative to the root, in natural order."""
    found = sorted(walk(str(root))[0], key=natural_order)
    return [Path(path).relative_to(root).as_posix() for path in found]


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_numbers_in_names_sort_as_numbers(numbers: list[int]) -> None:
    """Names that differ in a number are in the order of the number."""
    paths = [f"run_{n}.jsonl" for n in numbers]
    ordered = [int(path[4:-6]) for path in sorted(paths, key=natural_order)]
    assert ordered == sorted(numbers)


@given(st.lists(st.text("ab.", min_size=1, max_size=3), max_size=8), st.text("ab.", max_size=3))
def test_folders_are_found_by_a_part_of_a_name(names: list[str], part: str) -> None:
    """Just those that hold a file with that in its name, which never runs over two names."""
    tree = Tree.of([f"{name[0]}/{name}" for name in names])
    expected = {f: held for f, held in tree.folders.items() if any(part in n for n in held)}
    assert dict(tree.holding(part)) == expected


@given(st.lists(st.lists(st.sampled_from(["a", "b", "run 1"]), min_size=1, max_size=4)), st.data())
def test_a_tree_is_that_of_its_paths(paths: list[list[str]], data: st.DataObject) -> None:
    """Whatever the order of the paths, folders and names are those that the paths say."""
    start = data.draw(st.sampled_from(["", "/", "/data/"]))
    files = data.draw(st.permutations([start + os.path.join(*parts) for parts in paths]))
    tree = Tree.of(files)
    found = [os.path.join(folder, name) for folder, held in tree.folders.items() for name in held]
    assert sorted(found) == sorted(files)
    assert all(folder == os.path.dirname(os.path.join(folder, "x")) for folder in tree.folders)


@given(st.lists(st.text(max_size=8)))
def test_any_names_can_be_ordered(texts: list[str]) -> None:
    """Whatever characters names hold, also digits of other scripts, they have one order."""
    ordered = sorted(texts, key=natural_order)
    backwards = ordered[::-1]
    assert sorted(backwards, key=natural_order) == ordered


def test_files_come_in_natural_order(tmp_path: Path) -> None:
    """Files of all depths are found, in natural order of their paths."""
    files_of(tmp_path, "b/run_10.jsonl", "b/run_9.jsonl", "a.jsonl", ".hidden/x.jsonl")
    assert names(tmp_path) == [".hidden/x.jsonl", "a.jsonl", "b/run_9.jsonl", "b/run_10.jsonl"]


def test_folders_of_tools_are_passed_over(tmp_path: Path) -> None:
    """What version control and environments keep is no log."""
    files_of(tmp_path, ".git/log.jsonl", "node_modules/x/a.json", "run.jsonl")
    assert names(tmp_path) == ["run.jsonl"]


def test_link_to_a_run_of_the_tree_is_not_a_second_run(tmp_path: Path) -> None:
    """A run under two names is found once, under its own."""
    files_of(tmp_path, "run-1/metrics.jsonl", "run-2/metrics.jsonl")
    (tmp_path / "latest").symlink_to("run-2")
    (tmp_path / "a-link.jsonl").symlink_to("run-1/metrics.jsonl")
    assert names(tmp_path) == ["run-1/metrics.jsonl", "run-2/metrics.jsonl"]


def test_link_out_of_the_tree_is_followed(tmp_path: Path) -> None:
    """Runs that lie elsewhere and are linked are found, each once."""
    files_of(tmp_path, "scratch/run/metrics.jsonl", "scratch/one.jsonl", "tree/own.jsonl")
    tree = tmp_path / "tree"
    (tree / "linked").symlink_to(tmp_path / "scratch" / "run")
    (tree / "again").symlink_to(tmp_path / "scratch" / "run")
    (tree / "one.jsonl").symlink_to(tmp_path / "scratch" / "one.jsonl")
    found = names(tree)
    assert len(found) == 3
    assert {"one.jsonl", "own.jsonl"} < set(found)


def test_link_in_a_circle_ends(tmp_path: Path) -> None:
    """A folder linked inside itself is walked once."""
    files_of(tmp_path, "a/run.jsonl")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert names(tmp_path) == ["a/run.jsonl"]


def test_link_to_nowhere_is_kept(tmp_path: Path) -> None:
    """A link that leads nowhere is listed, so that it can be reported."""
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere.jsonl")
    assert names(tmp_path) == ["gone.jsonl"]


def test_link_that_cannot_be_followed_is_kept(tmp_path: Path) -> None:
    """A link to a name that the system refuses ends no walk, and is listed like a broken one."""
    files_of(tmp_path, "run.jsonl")
    (tmp_path / "long.jsonl").symlink_to("x" * 300)
    assert names(tmp_path) == ["long.jsonl", "run.jsonl"]
    link = str(tmp_path / "long.jsonl")
    assert walk(link) == ([link], [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_folder_without_permission_is_a_finding(tmp_path: Path) -> None:
    """A folder that cannot be listed is reported and the rest is read."""
    files_of(tmp_path, "closed/run.jsonl", "open.jsonl")
    (tmp_path / "closed").chmod(0)
    paths, findings = walk(str(tmp_path))
    (tmp_path / "closed").chmod(0o700)
    assert paths == [str(tmp_path / "open.jsonl")]
    assert [finding.code for finding in findings] == ["unreadable-folder"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s/run_3.jsonl", "run_3"),
        ("s/lr=0.1/seed-3.jsonl", "lr=0.1/seed-3"),
        ("s/lr=0.1/json_out.jsonl", "lr=0.1"),
        ("s/json_out.jsonl", "s"),
        ("s/a/vis_data/20241205_142419.json", "a/vis_data/20241205_142419"),
        ("s/a/None.log.json", "a"),
        ("s/b/log.txt", "b"),
        ("s/b/x.jsonl.gz", "b/x"),
        ("s/wd1.5/lr0.003.v2", "wd1.5/lr0.003.v2"),
    ],
)
def test_run_is_called_after_its_path(path: str, expected: str) -> None:
    """The id is the path without its ending; a file called like any other gives its folder's."""
    assert run_id(Path(path), Path("s")) == expected
