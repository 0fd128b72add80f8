"""What holds for every test of the client: it leaves no background thread behind."""

import gc
from collections.abc import Iterator

import pytest

from lockstep import lifetime
from tests.clients.waiting import lockstep_threads, until


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Threads end with what they work for. The traceback of a failed test holds that, so it is closed here."""
    failures = request.session.testsfailed
    yield
    if request.session.testsfailed > failures:
        lifetime.close_all()
    if lockstep_threads():
        gc.collect()  # frameworks tie schedulers, optimizers and trainers into cycles
    until(lambda: not lockstep_threads())
