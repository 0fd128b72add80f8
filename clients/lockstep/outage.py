"""What a worker does when no committed value is at hand: pure functions, so that every rank and every test can tell.

The policies: `follow` the tail, the planned values that were fetched while the service was there; `freeze`, the last
value holds; `wait` for a while, then raise; `raise`.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from lockstep.errors import LockstepError, Unavailable
from lockstep.window import Window

FOLLOW, FREEZE, WAIT, RAISE = "follow", "freeze", "wait", "raise"
POLICIES = (FOLLOW, FREEZE, WAIT, RAISE)
STAND_IN = "stand-in"

PATIENCE_SECONDS = 0.5  # how long a request may take during an outage at first; doubles when that was too short
BACKOFF_SECONDS = 1.0  # between two requests that fail, at most
ASKED_SECONDS = 5.0  # the same where the service says when to come back


class Episode(NamedTuple):
    """An outage that a worker went through on values of its own, as it reports it afterwards (PROTOCOL R8).

    `tail_stop` is where a followed tail ended; from there the last value was held. None: there was no tail.
    """

    start: int
    policy: str
    revision: int
    tail_stop: int | None


@dataclass(slots=True)
class Outage:
    """How a worker fares without answers. Times are those of whoever drives it, in seconds."""

    episode: Episode | None = None  # what the service has not been told yet
    tail: Window | None = None
    failures: int = 0  # in a row
    error: LockstepError | None = None
    failed_at: float = 0.0  # when the request went out that failed last
    retry_at: float = 0.0
    short_since: float | None = None  # since when the training has been without a value
    patience: float = PATIENCE_SECONDS

    @property
    def stale(self) -> bool:
        """Whether the last failure is from before a value was needed: it is worth asking again before giving up."""
        return self.short_since is not None and self.failed_at < self.short_since

    def failed(self, error: LockstepError, sent: float, now: float, jitter: float, timeout: float) -> None:
        """The request of the time `sent` came to nothing. `jitter`, from 0 to 1, spreads the retries of many."""
        if self.episode is not None and now - sent >= self.patience:
            self.patience = min(2 * self.patience, timeout)
        self.failures += 1
        self.error, self.failed_at = error, sent
        delay = min(BACKOFF_SECONDS, 0.05 * 2 ** min(self.failures, 8)) * (0.5 + 0.5 * jitter)
        asked = error.retry_after if isinstance(error, Unavailable) else None
        self.retry_at = now + max(delay, min(asked or 0.0, ASKED_SECONDS))

    def over(self) -> None:
        """The service has answered; what it does not know of the episode is told in time."""
        self.failures, self.error = 0, None

    def told(self, step: int, end: int) -> None:
        """The service knows the episode up to `step`; a training that went on to `end` meanwhile has a new one."""
        self.patience = PATIENCE_SECONDS
        self.episode = self.episode._replace(start=step) if self.episode is not None and end > step else None


def decide(policy: str, *, holding: bool, away: bool, waited: float, start_seconds: float, wait_seconds: float) -> str:
    """What a training step without a value does: `wait` on, use a `stand-in`, or `raise`.

    `holding`: it has had a value before, so there is something to go on from. `away`: the last request failed; while
    one is still under way there is no outage, and it does not take long.
    """
    if not holding:
        return WAIT if waited < start_seconds else RAISE
    if not away and waited < wait_seconds:
        return WAIT
    if policy in (FOLLOW, FREEZE):
        return STAND_IN
    return WAIT if policy == WAIT and waited < wait_seconds else RAISE


def stand_in(policy: str, last: Window, tail: Window | None, length: int) -> Window:
    """What a worker uses from `last.stop` on when nothing committed is at hand: `length` steps or fewer.

    Under `follow` the tail as far as it reaches, then, like `freeze`, the last value; a window has one reason, so it
    ends where the tail does.
    """
    start = last.stop
    if tail is not None and follows(policy, last, tail):
        part = tail.between(start, min(start + length, tail.stop))
        return replace(part, reason=FOLLOW)
    values = {track: [column[-1]] * length for track, column in last.values.items()}
    return replace(last, start=start, stop=start + length, values=values, reason=FREEZE)


def episode(policy: str, last: Window, tail: Window | None) -> Episode:
    """The record of an outage that begins at `last.stop`."""
    if policy != FOLLOW:
        return Episode(last.stop, FREEZE, last.revision, None)
    if tail is None or not follows(policy, last, tail):
        return Episode(last.stop, FOLLOW, last.revision, last.stop)
    return Episode(last.stop, FOLLOW, tail.revision, tail.stop)


def follows(policy: str, last: Window, tail: Window) -> bool:
    """Whether the tail goes on after `last`: it reaches that far, and knows every revision that `last` does."""
    same = (tail.uid, tail.attempt) == (last.uid, last.attempt) and tail.revision >= last.revision
    return policy == FOLLOW and same and tail.start <= last.stop < tail.stop
