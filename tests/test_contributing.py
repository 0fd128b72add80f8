"""CONTRIBUTING's recipes, done as they are written: in a copy of the repository, where their tests and checks pass.

The first line of a block names its file. A `python` block is a new file; a `diff` block changes one that is there.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import completed
from tests.service import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = {"a kind", "a dialect", "a reader", "an action", "an adapter", "a route", "a field in a window"}
RECIPE = re.compile(r"^### … (.+?)\n(.*?)(?=^##)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(python|diff)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = ("app", "schemas", "clients", "tests")


def apply(folder: Path, language: str, path: str, code: str) -> None:
    """Do what a block says. Raises where a file is there already, or has not exactly the lines that a diff names."""
    target = folder / path
    if language == "python":
        assert not target.exists(), f"{path} is there already"
        target.write_text(code)
        return
    text = target.read_text()
    for hunk in code.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        assert text.count(before) == 1, f"{path} has these lines {text.count(before)} times:\n{before}"
        text = text.replace(before, "".join(line[1:] for line in lines if line[0] in " +"))
    target.write_text(text)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The repository with all recipes in it, and with its bytecode, but for what is being written."""
    folder = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for block in BLOCK.findall(TEXT):
        apply(folder, *block)
    yield folder
    shutil.rmtree(folder)


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{folder / 'clients'}", "OMP_NUM_THREADS": "1"}
    return completed(command, 240, cwd=folder, env=environment)


def test_every_recipe_has_blocks_and_ends_with_a_test() -> None:
    blocks = {title: BLOCK.findall(text) for title, text in RECIPE.findall(TEXT)}
    assert blocks.keys() >= RECIPES
    for title in RECIPES:
        path = Path(blocks[title][-1][1])
        assert (path.parts[0], path.name[:5]) == ("tests", "test_"), title


def test_the_tests_of_the_recipes_pass(copy: Path) -> None:
    tests = [path for _, path, _ in BLOCK.findall(TEXT) if Path(path).name.startswith("test_")]
    run(copy, sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests)


def test_what_the_recipes_make_is_clean(copy: Path) -> None:
    tools, paths = Path(sys.executable).parent, sorted({path for _, path, _ in BLOCK.findall(TEXT)})
    run(copy, str(tools / "ruff"), "check", "--no-cache", *paths)
    run(copy, str(tools / "ruff"), "format", "--no-cache", "--check", *paths)
    run(copy, str(tools / "lint-imports"), "--no-cache")
