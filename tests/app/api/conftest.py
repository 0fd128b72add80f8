"""The service over HTTP, in this process."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.store import open_store


@pytest.fixture
def http(sqlite_url: str) -> Iterator[TestClient]:
    """A client of a service that has no runs yet."""
    store = open_store(sqlite_url)
    with TestClient(create_app(Settings(), store)) as client:
        yield client
    store.close()
