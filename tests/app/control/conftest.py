"""A control over each database, and a run in it."""

from collections.abc import Iterator

import pytest

from app.control.context import Control
from app.control.memory import Memory
from app.control.reports import Reports
from app.store import Store
from tests.app.control.harness import Run


@pytest.fixture
def control(store: Store) -> Iterator[Control]:
    made = Control(store, Memory(2**26), Reports(store))
    made.reports.start()
    yield made
    made.reports.stop()


@pytest.fixture
def run(control: Control) -> Run:
    return Run(control)
