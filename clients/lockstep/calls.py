"""What a `Prefetcher` wants to have sent, as data; it is told by the call itself what came of it."""

from dataclasses import dataclass
from typing import Any

from lockstep.window import Window


@dataclass(frozen=True, eq=False, slots=True)
class Create:
    """Make sure that the run is there."""

    sent: float


@dataclass(frozen=True, eq=False, slots=True)
class Ask:
    """A window request; it is given up after so many seconds."""

    sent: float
    body: dict[str, Any]
    seconds: float


@dataclass(frozen=True, eq=False, slots=True)
class FetchTail:
    """Ask for so many planned values from the end of `last` on; `newest` is the newest revision known."""

    sent: float
    last: Window
    newest: int
    steps: int


Call = Create | Ask | FetchTail
