"""The pages of the frameworks: one for each adapter, with code that parses, names that exist, and tested versions."""

import ast
import re
from pathlib import Path

import pytest

from tests.service import ROOT

PAGES = ROOT / "docs" / "frameworks"
ADAPTERS = {"accelerate", "deepspeed", "keras", "lightning", "optax", "paddle", "torch", "torchtitan", "transformers"}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
pages = pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)


def test_every_adapter_has_a_page_an_example_and_a_test() -> None:
    modules = {path.stem for path in (ROOT / "clients" / "lockstep").glob("*.py")}
    assert modules >= ADAPTERS
    for adapter in ADAPTERS:
        assert (PAGES / f"{adapter}.md").exists()
        assert (ROOT / "examples" / f"train_{adapter}.py").exists()
        assert (ROOT / "tests" / "clients" / f"test_{adapter}.py").exists()
        assert f"({adapter}.md)" in (PAGES / "README.md").read_text()


@pages
def test_its_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def names(module: str) -> set[str]:
    """What a module of the client defines or imports, without importing it (or its framework)."""
    path = ROOT / "clients" / Path(*module.split("."))
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())
    defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return defined | {alias.name for node in imports for alias in node.names}


@pages
def test_its_code_imports_what_there_is(page: Path) -> None:
    for block in BLOCK.findall(page.read_text()):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "lockstep":
                assert {alias.name for alias in node.names} <= names(str(node.module))


@pages
def test_it_names_the_versions_that_the_tests_run_with(page: Path) -> None:
    text = page.read_text()
    for name, version in re.findall(r"([a-z]+) (\d+\.\d+\.\d+)", " ".join(re.findall(r"Tested with [^:;]*", text))):
        assert PINS[name] == version, f"{page.stem} says {name} {version}"
    assert page.stem not in ADAPTERS - {"torch"} or "Tested with" in text
