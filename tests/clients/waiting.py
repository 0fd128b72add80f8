"""Waiting for what another thread does, without guessing how long it takes."""

import threading
import time
from collections.abc import Callable

PATIENCE = 60.0


def until(condition: Callable[[], object], seconds: float = PATIENCE, pause: float = 0.002) -> None:
    """Return when `condition()` is true; fail after a minute, or so many seconds. It is looked at after every pause."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for something that did not happen"
        time.sleep(pause)


def lockstep_threads() -> list[threading.Thread]:
    """The background threads of the client that live."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("lockstep-")]
