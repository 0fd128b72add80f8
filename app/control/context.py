"""What every use case works with."""

from dataclasses import dataclass

from app.control.memory import Memory
from app.control.reports import Reports
from app.store import Store


@dataclass(frozen=True, slots=True)
class Control:
    """The store, what memory holds of it, and the writer of reports."""

    store: Store
    memory: Memory
    reports: Reports
