"""A control over each database, and a run in it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from app.control.context import Control
from app.store import Store
from tests.app.control.harness import Run, control_over


@pytest.fixture
def control(store: Store) -> Control:
    return control_over(store)


@pytest.fixture
def run(control: Control) -> Run:
    return Run(control)


@pytest.fixture
def statements(store: Store) -> Iterator[list[str]]:
    """The statements that are sent to the database, as they are."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_about: Any) -> None:
        sent.append(statement)

    event.listen(store._engine, "before_cursor_execute", note)
    yield sent
    event.remove(store._engine, "before_cursor_execute", note)
