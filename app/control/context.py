"""What every use case works with."""

from dataclasses import dataclass

from app.control.cache import Cache
from app.store import Store


@dataclass(frozen=True, slots=True)
class Control:
    """The store, and what is known without it."""

    store: Store
    cache: Cache
