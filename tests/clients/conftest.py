"""Each test of the client answers for its own threads: a framework may keep a scheduler of an earlier test alive."""

from collections.abc import Iterator

import pytest

from tests.clients import waiting


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """Look past the threads that were there before."""
    waiting.inherited.clear()
    waiting.inherited.update(waiting.lockstep_threads())
    yield
    waiting.inherited.clear()
