"""The style guide as code: sizes, names, imports and recipes of the package as it stands."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import omsn
from omsn.recipes import load_config, recipe_names

PACKAGE = Path(omsn.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(PACKAGE.rglob("*.py"))
EVERYWHERE = sorted(
    {*FILES, *(path for name in ("tests", "scripts", "benchmarks") for path in (ROOT / name).rglob("*.py"))}
)
MODULES = sorted(module.name for module in pkgutil.walk_packages(omsn.__path__, "omsn."))

MAX_FUNCTION_LINES, MAX_FILE_LINES = 60, 400
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}
HEAVY = ("torch", "scipy", "sklearn", "matplotlib", "cv2")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def path_id(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def functions_of(path: Path) -> Iterator[Function]:
    return (node for node in nodes_of(path) if isinstance(node, Function))


def code_lines(function: Function) -> int:
    """Lines of a function without its docstring; decorators do not count."""
    if function.end_lineno is None:
        raise AssertionError(f"{function.name}: parsed without line numbers")
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is None or first.end_lineno is None:
        return lines
    return lines - (first.end_lineno - first.lineno + 1)


def test_lines_of_code_are_counted_without_the_docstring() -> None:
    source = (
        '@cache\ndef f(\n    a: int,\n) -> int:\n    """One.\n\n    Two.\n    """\n    return a\n\n\ndef g(): ...\n'
    )
    assert [code_lines(node) for node in ast.parse(source).body if isinstance(node, Function)] == [4, 1]


@pytest.mark.parametrize("path", EVERYWHERE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    too_long = {function.name: code_lines(function) for function in functions_of(path)}
    assert {name: lines for name, lines in too_long.items() if lines > MAX_FUNCTION_LINES} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [module for module in MODULES if VAGUE_NAMES & set(module.split("."))] == []


def test_only_the_command_line_prints() -> None:
    printing = [
        path_id(path)
        for path in FILES
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert [path for path in printing if not path.startswith("cli")] == []


def test_every_recipe_file_is_a_recipe_that_parses() -> None:
    files = sorted(path.stem for path in (PACKAGE / "recipes").iterdir() if path.suffix == ".toml")
    assert files == list(recipe_names())
    for name in files:
        load_config(name)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, omsn; print([name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_can_be_imported(module: str) -> None:
    assert importlib.import_module(module).__doc__
