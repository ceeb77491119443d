"""What the import contracts of setup.cfg cannot say about the package's own source."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dr_gen"
MODULES = sorted(PACKAGE.rglob("*.py"))
SHELVES = {path.stem for path in PACKAGE.glob("*.py")} | {
    path.parent.name for path in PACKAGE.glob("*/__init__.py")
}
MODULE_LINES = 400
FUNCTION_LINES = 50

each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: path.relative_to(PACKAGE.parent).as_posix()
)


def root_imports(source: str, package: tuple[str, ...] = ("dr_gen",)) -> list[int]:
    """Lines of `source`, a module of `package`, that import the root or a name it exports."""

    def is_root(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> bool:
        if isinstance(node, ast.Import):
            head, *rest = alias.name.split(".")
            return head == "dr_gen" and not (rest and alias.asname)
        above = package[: len(package) + 1 - node.level] if node.level else ()
        origin = (*above, *(node.module or "").split(".")) if node.module else above
        return origin == ("dr_gen",) and alias.name not in SHELVES

    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(is_root(node, alias) for alias in node.names)
    ]


def function_lengths(source: str) -> dict[str, int]:
    """Lines of code of every function, without docstrings, comments and blank lines."""
    tree = ast.parse(source)
    lines = set(_code_lines(source)) - set(_docstring_lines(tree))
    return {
        f"{node.name} (line {node.lineno})": sum(
            node.lineno <= line <= (node.end_lineno or node.lineno) for line in lines
        )
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _code_lines(source: str) -> Iterator[int]:
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout:
            yield from range(token.start[0], token.end[0] + 1)


def _docstring_lines(tree: ast.Module) -> Iterator[int]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            yield from range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)


@each_module
def test_no_module_imports_the_package_root(path: Path) -> None:
    """A module imports names from where they are defined, never from the package's front door."""
    package = path.parent.relative_to(PACKAGE.parent).parts
    lines = root_imports(path.read_text(encoding="utf-8"), package)
    assert not lines, f"{path}: lines {lines} import the root; name the module that defines it"


@each_module
def test_a_module_fits_in_the_head(path: Path) -> None:
    """A module that outgrows the budget hides a noun that wants a module of its own."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MODULE_LINES, f"{path}: {lines} lines, at most {MODULE_LINES}"


@each_module
def test_a_function_fits_on_a_screen(path: Path) -> None:
    """A function that outgrows the budget does more than one thing."""
    lengths = function_lengths(path.read_text(encoding="utf-8"))
    long = {name: length for name, length in lengths.items() if length > FUNCTION_LINES}
    assert not long, f"{path}: at most {FUNCTION_LINES} lines of code each: {long}"


@pytest.mark.parametrize(
    ("source", "package", "found"),
    [
        ("import dr_gen", ("dr_gen",), True),
        ("import dr_gen as d", ("dr_gen",), True),
        ("import dr_gen.errors", ("dr_gen",), True),
        ("import dr_gen.errors as errors", ("dr_gen",), False),
        ("import dr_generic", ("dr_gen",), False),
        ("from dr_gen import load", ("dr_gen",), True),
        ("from dr_gen import *", ("dr_gen",), True),
        ("from dr_gen import errors, load", ("dr_gen",), True),
        ("from dr_gen import errors", ("dr_gen",), False),
        ("from dr_gen.errors import load", ("dr_gen",), False),
        ("from . import load", ("dr_gen",), True),
        ("from . import load", ("dr_gen", "model"), False),
        ("from .. import load", ("dr_gen", "model"), True),
        ("from ..errors import load", ("dr_gen", "model"), False),
        ("def f():\n    from dr_gen import load", ("dr_gen",), True),
        ("'''\n>>> import dr_gen\n'''", ("dr_gen",), False),
    ],
)
def test_imports_of_the_root_are_seen(source: str, package: tuple[str, ...], found: bool) -> None:
    """Every spelling of an import of the root is found, imports of its modules are not."""
    assert bool(root_imports(source, package)) is found


def test_only_code_counts_towards_the_length_of_a_function() -> None:
    """Docstrings, comments and blank lines are free; lines of a long expression are not."""
    source = '''
@decorated
def f(
    x,
):
    """One.

    Two.
    """
    # why

    y = """a
    b"""
    return y  # three
'''
    assert function_lengths(source) == {"f (line 3)": 6}
