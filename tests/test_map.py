"""The tests are a map of the code: each module has one test file, in its place and of its name, and no file is astray.

`app/x/y.py` is tested in `tests/app/x/test_y.py`; what needs a file of its own stands beside it, in
`test_y_<aspect>.py`. What holds for a package as a whole is in the file of its name, such as `tests/app/test_store.py`.
A library's schedulers are tested together, in its file. A module without a function has nothing to test.
"""

import ast
from pathlib import Path

import pytest

from tests.service import ROOT

ROOMS = {"app": "app", "schemas": "schemas", "clients/lockstep": "clients"}
"""Folder of the code, and of its tests below `tests/`."""
TOGETHER = ROOT / "app" / "dialects"
ENTRIES = {"__init__.py", "__main__.py"}


def does_something(module: Path) -> bool:
    """Whether there is a function in it, at any depth."""
    tree = ast.parse(module.read_text())
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) for node in ast.walk(tree))


def subject(path: Path, room: Path) -> Path:
    """Where the test of a module or package of a room stands, relative to the room's tests."""
    inner = path.relative_to(room)
    if path.parent.parent == TOGETHER:
        inner = inner.parent
    return inner.with_name(f"test_{inner.stem}.py")


def modules(room: Path) -> list[Path]:
    """The modules, but for the migrations, which are numbered and tested as a package."""
    return sorted(path for path in room.rglob("*.py") if path.name not in ENTRIES and "migrations" not in path.parts)


def packages(room: Path) -> list[Path]:
    return sorted(path for path in room.rglob("*") if path.is_dir() and any(path.glob("*.py")))


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_has_its_test(room: str) -> None:
    tests = ROOT / "tests" / ROOMS[room]
    lacking = [
        f"{path.relative_to(ROOT)}: tests/{ROOMS[room]}/{subject(path, ROOT / room)}"
        for path in modules(ROOT / room)
        if does_something(path) and not (tests / subject(path, ROOT / room)).exists()
    ]
    assert lacking == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_test_has_its_module(room: str) -> None:
    tests = ROOT / "tests" / ROOMS[room]
    named = {subject(path, ROOT / room) for path in (*modules(ROOT / room), *packages(ROOT / room))}
    stems = {(name.parent, name.stem) for name in named}
    astray = [
        path.relative_to(ROOT)
        for path in sorted(tests.rglob("test_*.py"))
        for at in [path.relative_to(tests)]
        if not any(at.parent == place and f"{at.stem}_".startswith(f"{stem}_") for place, stem in stems)
    ]
    assert astray == []
