"""What becomes of every request: it is counted, and where somebody may want to know of it there is a line in the log.

A line has every change, every refused worker, and every failure, with its reason. Windows that are given have none.
"""

import logging
import secrets
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.limits import header
from app.api.permissions import WINDOWS, role_of

logger = logging.getLogger("lockstep")

BOUNDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Seconds, the upper bounds of a histogram; one part more is beyond."""
LONGEST_ID = 100
NOWHERE = "none"


@dataclass(slots=True)
class Note:
    """What becomes known of a request while it is answered: by the door, by its route, and by what refuses it."""

    route: str = NOWHERE
    """As the API document has it."""
    run: str | None = None
    author: str | None = None
    reason: str | None = None
    """Why it was refused."""


@dataclass(slots=True)
class Timing:
    """How long answers of a route took: how many in each part of the histogram, and all together."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


class Meter:
    """What was answered, by (method, route, status), and how long it took, by route. The event loop's alone."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self.timings: dict[str, Timing] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.answers[method, route, status] += 1
        timing = self.timings.get(route)
        if timing is None:
            timing = self.timings[route] = Timing()
        timing.counts[bisect_left(BOUNDS, seconds)] += 1
        timing.seconds += seconds


class Record:
    """ASGI middleware in front of the door."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app, self._meter = app, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note = scope["note"] = Note()
        began, status = perf_counter(), 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            seconds = perf_counter() - began
            self._meter.count(method_of(scope), note.route, status, seconds)
            if status >= 400 or (scope["method"] not in ("GET", "HEAD") and note.route != WINDOWS):
                write(scope, note, status, seconds)


def method_of(scope: Scope) -> str:
    """The method of a request, one of a few."""
    method: str = scope["method"]
    return method if method in ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS") else "other"


def write(scope: Scope, note: Note, status: int, seconds: float) -> None:
    """The line of a request, at the level that it is worth."""
    if status >= 500:
        level = logging.WARNING if status == 503 else logging.ERROR
    elif status >= 400:
        level = logging.WARNING if note.route == WINDOWS else logging.DEBUG
    else:
        level = logging.INFO if role_of(scope["method"], note.route) != "read" else logging.DEBUG
    if not logger.isEnabledFor(level):
        return
    about = {
        "request": request_id(scope),
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "run": note.run,
        "author": note.author,
        "seconds": round(seconds, 6),
    }
    reason = f", {note.reason}" if note.reason else ""
    logger.log(level, "%s %r: %d%s", scope["method"], scope["path"], status, reason, extra=about)


def request_id(scope: Scope) -> str:
    """What a request is found by in several logs: what it says itself (`X-Request-Id`), else a number by chance."""
    given = header(scope, b"x-request-id").decode("latin-1")
    return given if 0 < len(given) <= LONGEST_ID and given.isascii() and given.isprintable() else secrets.token_hex(8)
