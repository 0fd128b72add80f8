"""Windows for a whole group of ranks: rank 0's feed fetches them, a collective hands them on at every window's end.

All ranks come to the same step with the same windows behind them, so a fallback is the same everywhere and an error is
raised everywhere. The channel is two collectives; this module knows no framework.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from lockstep import lifetime
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


class Group:
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
        self._leaving: threading.Thread | None = None
        self._reported_until: int | None = None  # this rank's reports are stored up to here; None: none was due yet
        self.trigger = 0

    def start(self, record: Record, place: Place, at: int, attempt: int | None = None) -> None:
        """Go to a place from the running step `at`; at rank 0 that joins the run."""
        self._record, self._reported_until = record, None
        if self._feed is not None:
            self._feed.start(record, place, at, attempt)

    def take(self, step: int, pace: float | None) -> Window:
        """The next window, from rank 0. Every rank calls this at the same step."""
        while True:
            kind, content, stored, outage = self._channel.broadcast(self._decide(step, pace))
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
        self._report(step, pace, stored)
        self._window, self._outage = window, outage
        self.trigger = self._feed.trigger if self._feed else window.stop
        return window

    def reached(self, pace: float | None) -> None:
        """The training has reached `trigger`."""
        if self._feed is not None:
            self._feed.reached(pace)
            self.trigger = max(self.trigger, self._feed.trigger)

    def place(self) -> Place:
        """Rank 0 holds more than the others; a checkpoint of every rank keeps the window in hand."""
        return Place(self._run, outage=None if self._feed is None else self._feed.place().outage)

    def close(self, wait: bool = True) -> None:
        """End rank 0's feed; the others report their last values themselves: ranks may end one by one."""
        if self._feed is not None:
            self._feed.close(wait)
            self._record = None
            lifetime.ended(self)
        elif self._record is not None:
            self._record.settle()
            self._leave(self._record, wait)

    def _leave(self, record: Record, wait: bool) -> None:
        """Say goodbye in a thread of its own, where one can still be started."""
        if self._leaving is None and not wait:
            self._leaving = threading.Thread(
                target=self._say_goodbye, args=(record,), name=f"lockstep-{self._run}", daemon=True
            )
            with suppress(RuntimeError):  # at exit it is said by the last call, which waits
                self._leaving.start()
                return
            self._leaving = None
        elif self._leaving is not None and wait:
            self._leaving.join()
        elif wait:
            self._say_goodbye(record)

    def forget(self) -> None:
        """In a forked child: the thread and the connections are the parent's."""
        self._record = None
        if self._feed is not None:
            self._feed.forget()

    def _say_goodbye(self, record: Record) -> None:
        """Report what is not stored yet, and leave."""
        try:
            if self._window is not None and self._reported_until is not None:
                self._report_last(record, self._window, self._reported_until)
        except LockstepError as error:
            logger.info("Lockstep could not say goodbye: %s", error)
        finally:
            self._record = None
            lifetime.ended(self)

    def _report_last(self, record: Record, window: Window, start: int) -> None:
        at = record.position()
        about = {"worker": self._name, "instance": self._instance, "leaving": True, "step": at, "at": at}
        about |= {"uid": window.uid, "attempt": window.attempt}
        if self._outage is not None:
            about["fallback"] = self._outage._asdict()
        with self._client() as client:
            while True:
                applied = record.report(start)
                client.window(self._run, {**about, "applied": applied}, timeout=GOODBYE_SECONDS)
                start = at if applied is None else applied["stop"]
                if start >= at:
                    break

    def _decide(self, step: int, pace: float | None) -> tuple[str, Any, Mapping[str, int], Episode | None] | None:
        if self._feed is None:
            return None
        content: Window | LockstepError | None
        try:
            content = self._feed.poll(step, pace, SIGN_OF_LIFE_SECONDS)
            kind = "wait" if content is None else "window"
        except LockstepError as error:
            kind, content = "error", error
        return kind, content, self._feed.acknowledged(), self._feed.place().outage

    def _report(self, step: int, pace: float | None, stored: Mapping[str, int]) -> None:
        """Bring what every rank has used to rank 0; at the first exchange there is nothing yet."""
        first, self._reported_until = self._reported_until is None, stored.get(self._name, self._reported_until or 0)
        if first or self._record is None:
            return
        applied = self._record.report(self._reported_until)
        entry = {"worker": self._name, "instance": self._instance, "at": step, "applied": applied}
        if pace is not None:
            entry["step_seconds"] = pace
        entries = self._channel.gather(entry)
        if entries is not None and self._feed is not None:
            self._feed.gathered({e["worker"]: e for e in entries[1:]})
