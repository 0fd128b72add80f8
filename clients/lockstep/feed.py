"""`Feed`: the thread and the lock around a `Prefetcher`; it sleeps, sends, hands the answers in and writes the file."""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping

from lockstep import lifetime
from lockstep.cache import Cache
from lockstep.calls import Ask, Call, Create
from lockstep.client import Client
from lockstep.errors import LockstepError, Unavailable
from lockstep.journal import audible
from lockstep.mailbox import Report
from lockstep.place import Place
from lockstep.prefetcher import GOODBYE_SECONDS, Prefetcher
from lockstep.report import Record
from lockstep.states import State
from lockstep.tail import parse_tail
from lockstep.window import Answer, Window, parse_window

logger = logging.getLogger("lockstep")

MOST_SHARES = 64  # of a loader, where an early end is put down to it


class Feed:
    """Windows of one worker, fetched ahead of `record.position()` by a daemon thread.

    One condition guards all state, and nobody holds it while a request is under way. `create` makes the run exist.
    """

    def __init__(
        self,
        client: Client,
        prefetcher: Prefetcher,
        cache: Cache | None = None,
        create: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self.prefetcher, self._cache, self._create = client, prefetcher, cache, create
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._record = Record()

    # The training thread

    def start(self, record: Record, place: Place, at: int, attempt: int | None = None) -> None:
        """Go to a place from the running step `at`, joining `attempt` (None: the current one).

        What it holds counts if the service is away.
        """
        kept = self._cache.load() if self._cache else None
        with self._changed:
            self._record = record
            self.prefetcher.move(place, at, attempt=attempt, kept=kept)
            if self._thread is None:  # it holds the feed and its record, never who follows: that can be collected
                audible()
                self._thread = threading.Thread(target=self._work, name=f"lockstep-{place.run}", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def poll(self, step: int, pace: float | None, seconds: float) -> Window | None:
        """As `Prefetcher.take`; None if `seconds` were not enough to know."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self.prefetcher.pace(pace)
            while True:
                now = time.monotonic()
                window = self.prefetcher.take(step, now)
                if window is None or self.prefetcher.journal.notes:
                    self._changed.notify_all()
                if window is not None or now >= deadline:
                    return window
                self._changed.wait(min(deadline - now, 0.1))

    def take(self, step: int, pace: float | None) -> Window:
        """As `poll`, for as long as the policy allows."""
        while (window := self.poll(step, pace, 60.0)) is None:
            pass
        return window

    @property
    def trigger(self) -> int:
        """The step at which the next request is due."""
        return self.prefetcher.trigger

    def reached(self, pace: float | None) -> None:
        """The training has reached `trigger`, at so many seconds a step."""
        with self._changed:
            self.prefetcher.pace(pace)
            self._changed.notify_all()

    def place(self) -> Place:
        """What is in hand, for checkpoints."""
        with self._changed:
            return self.prefetcher.place()

    def gathered(self, reports: Mapping[str, Report]) -> None:
        """The reports of the other ranks, by worker."""
        with self._changed:
            self.prefetcher.gathered(reports)

    def acknowledged(self) -> dict[str, int]:
        """By worker, the step up to which its reports are stored."""
        with self._changed:
            return self.prefetcher.mailbox.acknowledged()

    def close(self, wait: bool = True) -> None:
        """Report the last values, say goodbye, end the thread and the connections. Takes at most a few seconds."""
        with self._changed:
            self._record.settle()
            self.prefetcher.leave(time.monotonic())
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self._end()
        elif wait and thread is not threading.current_thread():
            thread.join(2 * self.prefetcher.terms.timeout + 1)

    def forget(self) -> None:
        """In a forked child: the thread and the connections are the parent's."""
        self._changed = threading.Condition()
        self.prefetcher.forget()

    # The background thread

    def _work(self) -> None:
        try:
            while True:
                with self._changed:
                    now = time.monotonic()
                    call = self.prefetcher.next(now, self._record.position(), self._record.report)
                    if self.prefetcher.state is State.LEFT:
                        break
                    if isinstance(call, float) and not self.prefetcher.journal.notes:
                        self._changed.wait(None if call == math.inf else call - now)
                        continue
                if isinstance(call, float):
                    self._write()
                    continue
                try:
                    answer = self._send(call)
                except LockstepError as error:
                    self._failed(call, error)
                except Exception as error:  # a defect of ours must not stop a training job: it counts as an outage
                    logger.exception("Lockstep's background thread failed; it goes on.")
                    self._failed(call, Unavailable(f"{type(error).__name__}: {error}"))
                else:
                    self._received(call, answer)
        finally:
            self._end()

    def _look_back(self) -> None:
        """Say where a training that is over ended short of its run's length, or beyond it."""
        step, known = self._record.position(), self.prefetcher.known
        if step == 0 or known.verified < step or known.attempt is None:
            return  # nothing was trained, or the service has not heard of the end
        total = self._client.run(self.prefetcher.terms.run).get("total_steps")
        if total and step != total:
            shared = total % step == 0 and 2 <= total // step <= MOST_SHARES
            hint = ": was the plan made before the loader was divided among processes?" if shared else "."
            logger.warning("Run %s ended at step %d of %d%s", self.prefetcher.terms.run, step, total, hint)

    def _send(self, call: Call) -> Answer | Window | None:
        run = self.prefetcher.terms.run
        if isinstance(call, Create):
            self._create()
            return None
        if isinstance(call, Ask):
            return parse_window(self._client.window(run, call.body, timeout=call.seconds), call.body["step"])
        last = call.last
        tracks, headers = self._client.raw_values(run, last.stop, last.stop + call.steps, attempt=last.attempt)
        return parse_tail(tracks, headers, last, call.newest)

    def _received(self, call: Call, answer: Answer | Window | None) -> None:
        with self._changed:
            self.prefetcher.received(call, answer, time.monotonic(), self._record.position())
            self._changed.notify_all()
        if self._cache is not None and not isinstance(call, Create):
            try:
                self._cache.save(self.place())
            except OSError as error:
                logger.warning("The cache %s cannot be written: %s", self._cache.path, error)

    def _failed(self, call: Call, error: LockstepError) -> None:
        with self._changed:
            self.prefetcher.failed(call, error, time.monotonic())
            self._changed.notify_all()

    def _write(self) -> None:
        """Write down what is noted, with what the service says of its revisions, as long as it answers."""
        with self._changed:
            notes, away = list(self.prefetcher.journal.notes), self.prefetcher.outage.failures > 0
            self.prefetcher.journal.notes.clear()
        terms = self.prefetcher.terms
        notes = [note for note in notes if terms.first or note.level > logging.INFO]
        lines = [note.text(()) for note in notes]
        if not away and (wanted := [note.revision for note in notes if note.revision]):
            with contextlib.suppress(Exception):  # without an answer that makes sense the lines say less
                revisions = self._client.revisions(terms.run, after=min(wanted) - 1, timeout=GOODBYE_SECONDS)
                lines = [note.text(revisions) for note in notes]
        for note, line in zip(notes, lines, strict=True):
            logger.log(note.level, line)

    def _end(self) -> None:
        with contextlib.suppress(LockstepError):
            self._look_back()
        with self._changed:
            self.prefetcher.forget()
            if self.prefetcher.held.last is not None:
                record, known = self._record, self.prefetcher.known
                self.prefetcher.journal.left(record.position(), known.verified, record.doubts())
            self._changed.notify_all()
        self._write()
        self._client.close()
        lifetime.ended(self)
