"""`Feed`: the background thread that keeps windows ahead of the training step, and what happens when it cannot.

The training thread calls `poll` when the window in hand is used up; everything that touches the network happens in the
feed's own thread. All state is guarded by one condition; the decision what to do without a value is `decide`.
"""

import atexit
import logging
import math
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from lockstep.cache import Cache
from lockstep.client import Client
from lockstep.errors import AttemptSuperseded, LockstepError, NoValue, Refused, RunReplaced, Unavailable
from lockstep.outage import FOLLOW, FREEZE, RAISE, STAND_IN, Episode, decide, episode, stand_in
from lockstep.place import Place
from lockstep.report import Record
from lockstep.tail import fetch_tail, outdated, tail_steps
from lockstep.window import COMMITTED, Answer, Window, parse_window

logger = logging.getLogger("lockstep")

LEAST_SECONDS = 2.0  # a request that the training may have to wait for is given up after this, or when values run out
HEARTBEAT_SECONDS = 15.0  # a job that makes no steps (it evaluates, it saves) still says that it lives
PATIENCE_SECONDS = 0.5  # how long a request may take during an outage at first; doubles when that was too short
BACKOFF_SECONDS = 1.0  # between two requests that fail, at most
TAIL_JITTER = 1.0  # the workers of a job do not ask for their tails all at once
FIRST_STEPS = 8  # length of a fallback window while no pace is known
MAX_STEPS = 16_384  # the same, at most
PAST_STEPS = 50_000  # how old a checkpoint may be for its job to start from the file

_jitter = random.Random()  # of our own: the training's random numbers must not depend on the network


class Feed:
    """Windows of one worker, fetched ahead of `record.position()` by a daemon thread.

    `create` makes the run exist before the first window is asked for. The attempt is that of the first answer, unless
    `start` is told which one to join (rank 0's).
    """

    def __init__(
        self,
        client: Client,
        run: str,
        name: str,
        instance: str,
        *,
        policy: str,
        start_seconds: float,
        wait_seconds: float,
        timeout: float,
        cache: Cache | None = None,
        create: Callable[[], None] | None = None,
    ) -> None:
        self._client, self._run, self._name, self._instance = client, run, name, instance
        self._policy, self._start_seconds, self._wait_seconds = policy, start_seconds, wait_seconds
        self._timeout = timeout
        self._cache, self._create = cache, create
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = self._closed = False
        self.uid: str | None = None
        self.attempt: int | None = None
        self.step_seconds: float | None = None
        self.trigger = 0  # the step at which the next request is due
        self.group: dict[str, dict[str, Any]] = {}  # newest report of every rank that reports through this one
        self.acknowledged = 0  # the step up to which the group's reports have arrived
        self._generation = 0
        self._held: deque[Window] = deque()  # from the window in use on, without holes
        self._past: deque[Window] = deque()  # used already: for the file, as a checkpoint may be older
        self._end = 0  # where what is held ends: the step of the next request
        self._last: Window | None = None  # the newest window that was held, to go on from
        self._spare: list[Window] = []  # from a checkpoint or a file: used only if the service does not answer
        self._origin: int | None = None  # the attempt of the checkpoint that training goes on from
        self._tail: Window | None = None
        self._tail_due = math.inf
        self._episode: Episode | None = None
        self._patience = PATIENCE_SECONDS
        self._seen_revision = self._seen_horizon = self._verified = 0
        self._failures = 0
        self._error: LockstepError | None = None
        self._failed_at = 0.0  # when the request went out that failed last
        self._short_since: float | None = None  # since when the training has been without a value
        _living.add(self)

    # The training thread

    def start(self, record: Record, place: Place, attempt: int | None = None) -> None:
        """Go to a place, joining `attempt` (None: the current one). What it holds counts if the service is away."""
        kept = self._cache.load() if self._cache else Place(self._run)
        with self._changed:
            self.uid, self.attempt = place.uid or self.uid, attempt
            self._seen_horizon = self._verified = 0  # those of the attempt before say nothing about this one
            self._origin = place.attempt if attempt is None else None
            self._spare = [w for w in (*place.windows, *kept.windows) if place.uid in (None, w.uid)]
            self._tail = kept.tail
            self._move(place.step)
            self._episode = place.outage or (kept.outage if kept.outage and kept.outage.start <= place.step else None)
            if self._thread is None:
                # The thread holds the feed and its record, never the scheduler: one that nobody needs can be collected.
                self._record = record
                self._thread = threading.Thread(target=self._work, name=f"lockstep-{self._run}", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def poll(self, step: int, seconds: float) -> Window | None:
        """The window that holds `step`, or one that stands in for it; None if `seconds` were not enough to know.

        Raises the refusal that ended this worker's attempt, or `NoValue` by policy.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            self._arrive(step)
            while True:
                if self._held:
                    self._short_since = None
                    return self._held[0]
                now = time.monotonic()
                self._short_since = self._short_since or now
                self._do_without(now - self._short_since)
                if self._held:
                    continue
                if now >= deadline:
                    return None
                self._changed.notify_all()
                self._changed.wait(min(deadline - now, 0.1))

    def take(self, step: int) -> Window:
        """As `poll`, for as long as the policy allows."""
        while (window := self.poll(step, 60.0)) is None:
            pass
        return window

    def wake(self) -> None:
        """The training has reached `trigger`."""
        with self._changed:
            self._changed.notify_all()

    def ahead(self) -> tuple[list[Window], Episode | None]:
        """What is held, and the outage that is not reported yet: for checkpoints."""
        with self._changed:
            return list(self._held), self._episode

    @property
    def tail_stop(self) -> int:
        """Where the planned values end that are at hand for an outage; 0 without any."""
        with self._changed:
            return 0 if self._tail is None else self._tail.stop

    def close(self, wait: bool = True) -> None:
        """Report the last values, say goodbye, end the thread and the connections. Takes at most a few seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join(2 * self._timeout + 1)

    def orphan(self) -> None:
        """In a forked child: the thread and the connections are the parent's, so forget them without a word."""
        self._changed = threading.Condition()
        self._thread = None
        self._closing = self._closed = True

    def _arrive(self, step: int) -> None:
        while self._held and self._held[0].stop <= step:
            self._past.append(self._held.popleft())
        while self._past and (self._cache is None or self._past[0].stop < step - PAST_STEPS):
            self._past.popleft()
        if not (self._held and self._held[0].start <= step) and not (not self._held and step == self._end):
            self._move(step)

    def _move(self, step: int) -> None:
        self._generation += 1
        self._held.clear()
        self._past.clear()
        self._end = self.trigger = step
        self._last = self._episode = self._short_since = self._error = None
        self._failures = 0

    def _do_without(self, waited: float) -> None:
        if self._closed or self._closing:
            raise NoValue("This follower is closed (or belongs to the parent of a forked process): open one here.")
        error, stale = self._error, self._is_stale()
        if isinstance(error, Refused) and (error.final or self._last is None) and not stale:
            raise error
        what = decide(
            self._policy,
            holding=self._last is not None,
            away=self._failures > 0 and not (stale and (self._policy == RAISE or isinstance(error, Refused))),
            waited=waited,
            start_seconds=self._start_seconds,
            wait_seconds=self._wait_seconds,
        )
        if what == STAND_IN:
            self._extend()
        elif what == RAISE:
            reason = str(error) if error else f"{self._client.url} has not answered yet."
            self._short_since = None  # who asks again waits again
            raise NoValue(self._advice(waited, reason)) from error

    def _is_stale(self) -> bool:
        """Whether the last failure is from before the value was needed: it is worth asking again before giving up."""
        return self._short_since is not None and self._failed_at < self._short_since

    def _advice(self, waited: float, reason: str) -> str:
        if self._last is not None:
            return (
                f"No committed value of run {self._run} at step {self._end} after {waited:.0f} s, and the outage "
                f"policy is {self._policy!r}: {reason}"
            )
        return (
            f"No first window of run {self._run} at step {self._end} after {waited:.0f} s: {reason} Check that the "
            "service is running (`lockstep-server serve`), that the address is right and can be reached from this "
            "machine, and the proxy settings. With cache_dir a job that ran here before can start without the service."
        )

    def _extend(self) -> None:
        """Append a fallback window to what is held."""
        assert self._last is not None
        if self._episode is None:
            self._episode = episode(self._policy, self._last, self._tail)
            logger.warning(
                "No committed value of run %s from step %d on (%s); going on by policy %r.",
                self._run, self._end, self._error or "no answer", self._policy,
            )  # fmt: skip
        self._append(stand_in(self._policy, self._last, self._tail, self._stand_in_steps()))

    def _stand_in_steps(self) -> int:
        """Steps of a fallback window: so many that a request is answered, or given up, in half of them.

        At most twice the window before: a pace may change, and the way back must stay short.
        """
        before = FIRST_STEPS if self._last is None else max(FIRST_STEPS, 2 * (self._last.stop - self._last.start))
        fitting = before if not self.step_seconds else math.ceil(2 * self._patience / self.step_seconds)
        return max(2, min(fitting, before, MAX_STEPS))

    def _append(self, window: Window) -> None:
        self._held.append(window)
        self._last, self._end = window, window.stop

    # The background thread

    def _work(self) -> None:
        try:
            while True:
                with self._changed:
                    self._sleep()
                    if self._closing:
                        break
                    generation = self._generation
                    tail_only = self._tail_due <= time.monotonic() and not self._due()
                began = time.monotonic()
                try:
                    self._fetch_tail() if tail_only else self._ask(leaving=False)
                    continue
                except LockstepError as error:
                    failure = error
                except Exception as error:  # a defect of ours must not stop a training job: it counts as an outage
                    logger.exception("Lockstep's background thread failed; it goes on.")
                    failure = Unavailable(f"{type(error).__name__}: {error}")
                with self._changed:
                    if tail_only:
                        self._tail_due = time.monotonic() + HEARTBEAT_SECONDS * _jitter.uniform(0.5, 1.0)
                    elif generation == self._generation:
                        self._failed(failure, began)
            self._leave()
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._client.close()

    def _sleep(self) -> None:
        """Wait until a request is due, the feed closes, or it is time for a sign of life."""
        now = time.monotonic()
        until = now + HEARTBEAT_SECONDS * _jitter.uniform(0.8, 1.0)
        if self._failures:
            delay = min(BACKOFF_SECONDS, 0.05 * 2 ** min(self._failures, 8)) * _jitter.uniform(0.5, 1.0)
            asked = self._error.retry_after if isinstance(self._error, Unavailable) else None
            until = now + max(delay, min(asked or 0.0, 5.0))
        generation = self._generation
        while not self._closing and generation == self._generation and (self._failures or not self._due()):
            if self._failures and self._is_stale():
                return
            left = min(until, math.inf if self._failures else self._tail_due) - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _due(self) -> bool:
        return self._record.position() >= self.trigger or self._last is None

    def _ask(self, *, leaving: bool) -> None:
        if self._create is not None:
            self._create()
            self._create = None
        with self._changed:
            generation = self._generation
            alone = self._episode is not None and self._last is not None and not leaving
            refused = isinstance(self._error, Refused)  # the training comes to the border, and hears of it there
            if alone and not refused and self._end - self._record.position() < self._stand_in_steps() // 2:
                self._extend()  # the border moves before the request is sent, never while it is under way
            seconds = self._seconds()
            request, group = self._request(leaving), dict(self.group)
        request["applied"] = self._record.report(self._verified)
        answer = parse_window(self._client.window(self._run, request, timeout=seconds), request["step"])
        with self._changed:
            if generation == self._generation:
                self._accept(request, answer)
                self._arrived(group)
                if (
                    self._policy == FOLLOW
                    and self._tail_due == math.inf
                    and self._last is not None
                    and outdated(self._tail, self._last, self._seen_revision, tail_steps(self.step_seconds))
                ):
                    self._tail_due = time.monotonic() + _jitter.uniform(0.0, TAIL_JITTER)
            self._changed.notify_all()
        self._save()

    def _seconds(self) -> float:
        """How long to wait for an answer: as long as the values in hand last, within limits."""
        if self._last is None or not self.step_seconds:
            return self._timeout
        left = (self._end - self._record.position()) * self.step_seconds
        return min(self._patience if self._episode else max(left, LEAST_SECONDS), self._timeout)

    def _arrived(self, group: dict[str, dict[str, Any]]) -> None:
        """The group's reports were taken; a newer one of a rank may be waiting already."""
        stops = [entry["applied"]["stop"] for entry in group.values() if entry["applied"]]
        self.acknowledged = max(self.acknowledged, min(stops, default=0))
        for name, entry in group.items():
            if self.group.get(name) is entry:
                self.group[name] = entry | {"applied": None}  # the next request still says that the rank lives

    def _request(self, leaving: bool) -> dict[str, Any]:
        at = min(self._record.position(), self._end) if self._last is not None else self._end
        step = at if leaving and self._episode is not None else self._end  # nobody goes on to the end of a fallback
        request: dict[str, Any] = {"worker": self._name, "instance": self._instance, "step": step, "at": at}
        if self.uid is not None:
            request["uid"] = self.uid
        if self.attempt is None and self._origin is not None:
            request["attempt"] = self._origin
        elif self.attempt is not None:
            request["attempt"] = self.attempt
            request["seen"] = {"revision": self._seen_revision, "horizon": self._seen_horizon}
        if self.step_seconds is not None:
            request["step_seconds"] = self.step_seconds
        if self.group:
            request["group"] = list(self.group.values())
        if self._episode is not None:
            request["fallback"] = self._episode._asdict()
        if leaving:
            request["leaving"] = True
        return request

    def _accept(self, request: dict[str, Any], answer: Answer) -> None:
        window = answer.window
        if self.uid is not None and window.uid != self.uid:
            raise RunReplaced(f"Run {self._run} has the uid {window.uid}, this job's run is {self.uid}.")
        if self.attempt is not None and window.attempt != self.attempt:
            raise AttemptSuperseded(f"Run {self._run} is at attempt {window.attempt}, this process at {self.attempt}.")
        if self._failures and self._last is not None:
            logger.info("The service is back: run %s, step %d.", self._run, request["step"])
        self.uid, self.attempt = window.uid, window.attempt
        self._seen_revision = max(self._seen_revision, answer.newest)
        self._seen_horizon = max(self._seen_horizon, answer.horizon)
        self._verified = answer.verified_until
        self._failures, self._error, self._spare = 0, None, []
        if "fallback" in request and self._episode is not None:
            overtaken = self._end > request["step"]  # the training was faster than the answer
            self._episode = self._episode._replace(start=request["step"]) if overtaken else None
            self._patience = PATIENCE_SECONDS
        fresh = window.stop > self._end
        if fresh:
            self._append(window.between(self._end, window.stop) if window.start < self._end else window)
        at = min(self._record.position(), self._end)
        more = self._episode is not None or (fresh and answer.horizon > self._end)
        self.trigger = at if more else at + int((self._end - at) * _jitter.uniform(0.4, 0.5))

    def _failed(self, error: LockstepError, began: float) -> None:
        if isinstance(error, AttemptSuperseded) and self._descends(error):
            return
        self._failures += 1
        self._error, self._failed_at = error, began
        if self._episode is not None and time.monotonic() - began >= self._patience:
            self._patience = min(2 * self._patience, self._timeout)
        if self._last is None and isinstance(error, Unavailable):
            self._use_spare()
        self._changed.notify_all()

    def _descends(self, error: AttemptSuperseded) -> bool:
        """Whether the next attempt inherits the step of the checkpoint that this one goes on from: then it is that."""
        if self.attempt is not None or self._origin is None or self._end > error.members.get("to_step", -1):
            return False
        self._origin += 1
        return True

    def _use_spare(self) -> None:
        """Begin without the service, on what a checkpoint or a file holds for the step that is wanted."""
        known = [w for w in self._spare if w.start <= self._end]
        if not known or (known[-1].stop <= self._end and self._policy not in (FOLLOW, FREEZE)):
            return
        first = next((w for w in known if self._end < w.stop), known[-1])
        wanted = self._end
        self._create = None  # this run has begun before: if it is gone now, that is no reason to make a new one
        self.uid, self.attempt, self._end = first.uid, first.attempt, first.start
        for window in self._spare:
            if window.start == self._end and window.attempt == self.attempt:
                self._append(window)
                self._seen_revision = max(self._seen_revision, window.revision)
                self._seen_horizon = window.stop if window.reason == COMMITTED else self._seen_horizon
        while self._end <= wanted:
            self._extend()
        self._arrive(wanted)
        self.trigger = wanted
        logger.warning("Run %s begins at step %d on stored values: %s", self._run, wanted, self._error)

    def _fetch_tail(self) -> None:
        with self._changed:
            last, newest, generation = self._last, self._seen_revision, self._generation
        if last is not None:
            tail = fetch_tail(self._client, self._run, last, newest, tail_steps(self.step_seconds))
            with self._changed:
                if generation == self._generation and self._episode is None:  # an outage keeps the tail it began with
                    self._tail = tail
        self._tail_due = math.inf
        self._save()

    def _save(self) -> None:
        if self._cache is None:
            return
        with self._changed:
            windows, tail, outage = [*self._past, *self._held], self._tail, self._episode
        try:
            self._cache.save(Place(self._run, self._end, self.uid, self.attempt, tuple(windows), outage, tail))
        except OSError as error:
            logger.warning("The cache %s cannot be written: %s", self._cache.path, error)

    def _leave(self) -> None:
        with self._changed:
            joined = self.attempt is not None and self._last is not None
            gone = isinstance(self._error, Refused)
            self._timeout = min(self._timeout, 2.0)
        try:
            while joined and not gone:
                before = self._verified
                self._ask(leaving=True)
                if self._verified == before or self._record.report(self._verified) is None:
                    break
        except LockstepError as error:
            logger.info("Lockstep could not say goodbye: %s", error)


_living: "weakref.WeakSet[Feed]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Also those of schedulers that were collected a moment ago."""
    for feed in list(_living):
        feed.close()


def _orphan_all() -> None:
    for feed in list(_living):
        feed.orphan()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_orphan_all)
