"""A control over each database, and a run in it."""

import pytest

from app.control.context import Control
from app.store import Store
from tests.app.control.harness import Run, control_over


@pytest.fixture
def control(store: Store) -> Control:
    return control_over(store)


@pytest.fixture
def run(control: Control) -> Run:
    return Run(control)
