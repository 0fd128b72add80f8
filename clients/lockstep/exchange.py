"""Windows for a whole group of ranks: rank 0's feed fetches them, a collective hands them on at every window's end.

All ranks come to the same step with the same windows behind them, so a fallback is the same everywhere and an error is
raised everywhere. The channel is two collectives; this module knows no framework.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from lockstep.client import Client
from lockstep.errors import LockstepError, Misused
from lockstep.feed import Feed
from lockstep.identity import new_instance
from lockstep.outage import Episode
from lockstep.place import Place
from lockstep.report import Record
from lockstep.window import Window

logger = logging.getLogger("lockstep")

GOODBYE_SECONDS = 2.0
SIGN_OF_LIFE_SECONDS = 5.0  # while rank 0 waits for the service, the others hear from it this often


class Channel(Protocol):
    """Collectives among the ranks of a job; every rank calls them in the same order."""

    rank: int

    def broadcast(self, message: Any) -> Any:
        """Rank 0's message, at every rank."""

    def gather(self, message: Any) -> list[Any] | None:
        """Every rank's message at rank 0, in order of rank; None elsewhere."""


class Exchange:
    """A source of windows that are the same at every rank. `feed` is rank 0's; the others have none."""

    def __init__(
        self, channel: Channel, feed: Feed | None, run: str, worker: str, client: Callable[[], Client]
    ) -> None:
        self._channel, self._feed = channel, feed
        self._run, self._name, self._instance = run, worker, new_instance()
        self._client = client  # made only to say goodbye
        self._window: Window | None = None
        self._outage: Episode | None = None  # the one that the window in hand stands in for
        self._record: Record | None = None
        self._acknowledged: int | None = None  # the group's reports before this step have arrived; None: none was due
        self.step_seconds: float | None = None
        self.trigger = 0

    def start(self, record: Record, place: Place, attempt: int | None = None) -> None:
        """Go to a place; at rank 0 that joins the run."""
        self._record, self._acknowledged = record, None
        if self._feed is not None:
            self._feed.group, self._feed.acknowledged = {}, place.step
            self._feed.start(record, place, attempt)

    def take(self, step: int) -> Window:
        """The next window, from rank 0. Every rank calls this at the same step."""
        while True:
            kind, content, acknowledged, outage = self._channel.broadcast(self._decide(step) if self._feed else None)
            if kind == "error":
                raise content
            if kind == "window":
                break
        window: Window = content
        if not window.start <= step < window.stop:
            raise Misused(
                f"The ranks are not at the same step: rank 0 goes on at step {window.start}, rank {self._channel.rank} "
                f"at step {step}. Every rank has to load the same checkpoint."
            )
        self._report(step, acknowledged)
        self._window, self._outage = window, outage
        self.trigger = self._feed.trigger if self._feed else window.stop
        return window

    def wake(self) -> None:
        """The training has reached `trigger`."""
        if self._feed is not None:
            self._feed.step_seconds = self.step_seconds
            self._feed.wake()
            self.trigger = max(self.trigger, self._feed.trigger)

    def ahead(self) -> tuple[list[Window], Episode | None]:
        """Rank 0 holds more than the others; a checkpoint of every rank keeps the window in hand."""
        return ([], None) if self._feed is None else ([], self._feed.ahead()[1])

    def close(self, wait: bool = True) -> None:
        """End rank 0's feed; the others report their last values themselves: ranks may end one by one."""
        if self._feed is not None:
            self._feed.close(wait)
        elif wait and self._window is not None and self._record is not None and self._acknowledged is not None:
            about = {"worker": self._name, "instance": self._instance, "leaving": True}
            about |= {"uid": self._window.uid, "attempt": self._window.attempt}
            if self._outage is not None:
                about["fallback"] = self._outage._asdict()
            at, start = self._record.position(), self._acknowledged
            try:
                with self._client() as client:
                    while (applied := self._record.report(start)) is not None:
                        request = {**about, "step": at, "at": at, "applied": applied}
                        client.window(self._run, request, timeout=GOODBYE_SECONDS)
                        start = applied["stop"]
            except LockstepError as error:
                logger.info("Lockstep could not say goodbye: %s", error)

    def _decide(self, step: int) -> tuple[str, Any, int, Episode | None]:
        assert self._feed is not None
        self._feed.step_seconds = self.step_seconds
        content: Window | LockstepError | None
        try:
            content = self._feed.poll(step, SIGN_OF_LIFE_SECONDS)
            kind = "wait" if content is None else "window"
        except LockstepError as error:
            kind, content = "error", error
        return kind, content, self._feed.acknowledged, self._feed.ahead()[1]

    def _report(self, step: int, acknowledged: int) -> None:
        """Bring what every rank has used to rank 0; at the first exchange there is nothing yet."""
        first, self._acknowledged = self._acknowledged is None, acknowledged
        if first or self._record is None:
            return
        applied = self._record.report(acknowledged)
        entry = {"worker": self._name, "instance": self._instance, "at": step, "applied": applied}
        if self.step_seconds is not None:
            entry["step_seconds"] = self.step_seconds
        entries = self._channel.gather(entry)
        if entries is not None and self._feed is not None:
            self._feed.group = {e["worker"]: e for e in entries[1:]}
