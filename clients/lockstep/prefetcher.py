"""`Prefetcher`: keeps windows ahead of a training, as a state machine without thread, socket, file and clock.

Whoever drives it passes in the time and the running step, sends what `next` gives, and hands in what came of it by
`received` or `failed`, one call at a time. `take` is the training's: a window for its step, by policy where there is
none. It is made of what it holds (`Held`), its outage (`Outage`) and what it knows of the run (`Known`).
"""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lockstep.calls import Ask, Call, Create, FetchTail
from lockstep.errors import AttemptSuperseded, LockstepError, NoValue, Refused, Unavailable
from lockstep.journal import Journal
from lockstep.mailbox import Mailbox, Report
from lockstep.outage import FOLLOW, FREEZE, RAISE, STAND_IN, WAIT, Outage, decide, episode, stand_in
from lockstep.place import Known, Place
from lockstep.states import TRANSITIONS, Event, State
from lockstep.tail import outdated, tail_steps
from lockstep.window import COMMITTED, Answer, Held, Window

logger = logging.getLogger("lockstep")

LEAST_SECONDS = 2.0  # a request that the training may have to wait for is given up after this, or when values run out
HEARTBEAT_SECONDS = 15.0  # a job that makes no steps (it evaluates, it saves) still says that it lives
GOODBYE_SECONDS = 2.0  # how long a goodbye waits for an answer, and for one that acknowledges more than the last
GOODBYE_PAUSE = 0.05  # before a goodbye is said again that was answered and not acknowledged
TAIL_JITTER = 1.0  # the workers of a job do not ask for their tails all at once
FIRST_STEPS = 8  # length of a fallback window while no pace is known
MAX_STEPS = 16_384  # the same, at most
PAST_STEPS = 50_000  # how old a checkpoint may be for its job to start from the file


class Terms(NamedTuple):
    """What a worker was told: who it is, where, what it does without values, and how long anything may take."""

    run: str
    worker: str
    instance: str
    url: str
    policy: str
    start_seconds: float
    wait_seconds: float
    timeout: float
    keep_steps: int = 0  # of values used already, for a file
    first: bool = True  # of its job's ranks: the one whose log says what is the same for all of them


class Prefetcher:
    """See the module. `jitter` gives numbers from 0 to 1, to spread what many workers do; `create` the run first."""

    def __init__(self, terms: Terms, jitter: Callable[[], float], *, create: bool = False) -> None:
        self.terms = terms
        self.state = State.JOINING
        self.trigger = 0  # the step at which the next request is due
        self.journal = Journal(terms.run, terms.url)
        self.held, self.outage, self.known, self.mailbox = Held(0, terms.keep_steps), Outage(), Known(), Mailbox()
        self._jitter, self._create = jitter, create
        self._step_seconds: float | None = None
        self._stored: tuple[Window, ...] = ()  # from a checkpoint or a file: used only if the service does not answer
        self._under_way: Call | None = None
        self._beat_at = 0.0  # when a sign of life is due
        self._tail_at = math.inf
        self._goodbye_until = math.inf  # no goodbye was answered yet

    # The training

    def move(self, place: Place, at: int, *, attempt: int | None = None, kept: Place | None = None) -> None:
        """Go to a place from the running step `at`, joining `attempt` (None: the current one).

        What the place, a checkpoint's, and what `kept`, a file, hold there counts while the service is away.
        """
        self._check_open()
        kept = kept or Place(place.run)
        self._stored = tuple(w for w in (*place.windows, *kept.windows) if place.uid in (None, w.uid))
        origin = place.attempt if attempt is None else None
        moved_from = self.known.moved_from if self.known.attempt is None else at
        self.known = Known(place.uid or self.known.uid, attempt, origin, self.known.revision, moved_from=moved_from)
        self.mailbox = Mailbox()
        self.outage.tail = kept.tail
        self._restart(place.step)
        self.journal.moved()
        known = kept.outage if kept.outage is not None and kept.outage.start <= place.step else None
        self.outage.episode = place.outage or known

    def take(self, step: int, now: float) -> Window | None:
        """The window that holds `step`, or one that stands in for it; None: not known yet, ask again in a moment.

        Raises the refusal that ended this worker's attempt, or `NoValue` by policy.
        """
        if not self.held.arrive(step):
            self._restart(step)
        while not self.held.windows:
            if not self._without(now):
                return None
        self.outage.short_since = None
        self.journal.used(self.held.windows[0], step)
        return self.held.windows[0]

    def pace(self, step_seconds: float | None) -> None:
        """How long a step takes now; None: not known yet."""
        self._step_seconds = step_seconds or self._step_seconds

    def gathered(self, reports: Mapping[str, Report]) -> None:
        """The reports of the other ranks, by worker, to be told with the next request."""
        self.mailbox.gathered(reports)

    def place(self) -> Place:
        """What is in hand, for checkpoints and files."""
        windows = (*self.held.past, *self.held.windows)
        step = windows[0].start if windows else self.held.end
        known, outage = self.known, self.outage
        return Place(self.terms.run, step, known.uid, known.attempt, windows, outage.episode, outage.tail)

    def leave(self, now: float) -> None:
        """The training is over: report the last values and say goodbye, where the service knows this worker."""
        self._enter(Event.CLOSED)
        self._beat_at = now

    def forget(self) -> None:
        """In a forked child: what is under way is the parent's."""
        self._enter(Event.GONE)

    # The service

    def next(self, now: float, at: int, report: Callable[[int], Report | None]) -> Call | float:
        """What to send now, or the time to ask again if nothing happens before.

        `at` is the running step; `report(start)` sums up what was used from `start` on and is not verified yet.
        """
        if self._under_way is not None or self.state is State.LEFT:
            return math.inf
        if self.state is State.LEAVING and self.held.last is None:
            self._enter(Event.GONE)
            return math.inf
        due = self._due(now, at)
        if due > now:
            tail_at = self._tail_at if self.state is State.HOLDING and not self.outage.failures else math.inf
            if tail_at > now:
                return min(due, tail_at)
            assert self.held.last is not None  # HOLDING
            return self._send(FetchTail(now, self.held.last, self.known.revision, tail_steps(self._step_seconds)))
        if self._create:
            return self._send(Create(now))
        if self.state is State.ALONE and self.held.end - at < self._stand_in_steps() // 2:
            self._extend()  # the border moves before the request is sent, never while it is under way
        applied = report(self.known.verified)
        if now >= self._goodbye_until or (applied is None and self._goodbye_until < math.inf):
            self._enter(Event.GONE)
            return math.inf
        return self._send(Ask(now, self._body(at) | {"applied": applied}, self._seconds(at)))

    def received(self, call: Call, answer: Answer | Window | None, now: float, at: int) -> None:
        """What came of a call; nothing for one that is over."""
        if call is not self._under_way or self.state is State.LEFT:
            return
        self._under_way = None
        if isinstance(call, Create):
            self._create = False
        elif isinstance(call, FetchTail):
            self._tail_at = math.inf
            if self.state is State.HOLDING and isinstance(answer, Window):  # an outage keeps the tail it began with
                self.outage.tail = answer
        elif isinstance(answer, Answer):
            try:
                self._answered(call, answer, now, at)
            except LockstepError as error:
                self._lost(call, error, now)

    def failed(self, call: Call, error: LockstepError, now: float) -> None:
        """Nothing came of a call."""
        if call is not self._under_way or self.state is State.LEFT:
            return
        self._under_way = None
        if isinstance(call, FetchTail):
            self._tail_at = now + HEARTBEAT_SECONDS * self._between(0.5, 1.0)
        else:
            self._lost(call, error, now)

    # In detail

    def _check_open(self) -> None:
        if self.state in (State.LEAVING, State.LEFT):
            raise NoValue("This follower is closed (or belongs to the parent of a forked process): open one here.")

    def _enter(self, event: Event) -> None:
        self.state = TRANSITIONS[event][self.state]

    def _weigh(self) -> None:
        """Enter the state of what is in hand."""
        if self.held.last is None:
            self._enter(Event.EMPTY)
        else:
            self._enter(Event.COMMITTED if self.outage.episode is None else Event.OWN)

    def _send(self, call: Call) -> Call:
        self._under_way = call
        return call

    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * self._jitter()

    def _restart(self, step: int) -> None:
        self._check_open()
        self._under_way, self._tail_at = None, math.inf
        self.held.move(step)
        self.trigger = step
        self.outage = Outage(tail=self.outage.tail)
        self._weigh()

    def _due(self, now: float, at: int) -> float:
        """When the next window request is: at once, or at a time."""
        if self.state is State.LEAVING:
            return self._beat_at
        if self.outage.failures:
            return now if self.outage.stale else self.outage.retry_at
        return now if self.state is State.JOINING or at >= self.trigger else self._beat_at

    def _body(self, at: int) -> dict[str, Any]:
        leaving, told, end = self.state is State.LEAVING, self.outage.episode, self.held.end
        at = end if self.held.last is None else min(at, end)
        step = at if leaving and told is not None else end  # nobody goes on to the end of a fallback
        body: dict[str, Any] = {"worker": self.terms.worker, "instance": self.terms.instance, "step": step, "at": at}
        body |= self.known.claims()
        if self._step_seconds is not None:
            body["step_seconds"] = self._step_seconds
        if group := self.mailbox.group():
            body["group"] = group
        if told is not None:
            body["fallback"] = told._asdict()
        if leaving:
            body["leaving"] = True
        return body

    def _seconds(self, at: int) -> float:
        """How long to wait for an answer: as long as the values in hand last, within limits."""
        if self.state is State.LEAVING:
            return min(GOODBYE_SECONDS, self.terms.timeout)
        if self.held.last is None or not self._step_seconds:
            return self.terms.timeout
        left = max((self.held.end - at) * self._step_seconds, LEAST_SECONDS)
        return min(left if self.outage.episode is None else self.outage.patience, self.terms.timeout)

    def _answered(self, call: Ask, answer: Answer, now: float, at: int) -> None:
        body, held, outage = call.body, self.held, self.outage
        fresh = answer.window.stop > held.end
        if not fresh and body["at"] == body["step"] == held.end and "leaving" not in body:
            raise Unavailable("The service answered a window without values.")
        verified = self.known.verified
        self.known.learn(self.terms.run, answer)
        self.mailbox.answered(body.get("group", []), answer.group)
        outage.over()
        if told := body.get("fallback"):
            outage.told(body["step"], held.end)
            self.journal.back(told["start"], body["step"], told["policy"])
        self._stored = ()
        if fresh:
            held.append(answer.window)
        self._weigh()
        at = min(at, held.end)
        if outage.episode is not None or (fresh and answer.horizon > held.end):
            self.trigger = at
        else:  # half of the lead; and one question has one answer
            half = at + int((held.end - at) * self._between(0.4, 0.5))
            self.trigger = half if fresh else max(half, body["at"] + 1)
        self._beat_at = now + HEARTBEAT_SECONDS * self._between(0.8, 1.0)
        assert held.last is not None  # from this answer on at the latest
        old = outdated(outage.tail, held.last, self.known.revision, tail_steps(self._step_seconds))
        if old and self.terms.policy == FOLLOW and self._tail_at == math.inf:
            self._tail_at = now + self._between(0.0, TAIL_JITTER)
        if self.state is State.LEAVING:
            progress = self.known.verified > verified or self._goodbye_until == math.inf
            self._beat_at = now if progress else now + GOODBYE_PAUSE
            if "leaving" in body and progress:
                self._goodbye_until = now + GOODBYE_SECONDS

    def _lost(self, call: Call, error: LockstepError, now: float) -> None:
        """Nothing came of an attempt to go on."""
        joining = self.held.last is None
        if self.state is State.LEAVING:
            if isinstance(error, Refused) or (isinstance(call, Ask) and "leaving" in call.body):
                logger.info("Lockstep could not say goodbye: %s", error)
                self._enter(Event.GONE)
        elif isinstance(error, AttemptSuperseded) and self.known.descends(error, self.held.end):
            pass  # the next request says so
        else:
            self.outage.failed(error, call.sent, now, self._jitter(), self.terms.timeout)
            if self.outage.short_since is not None and (joining or self.terms.policy == WAIT):
                most = self.terms.start_seconds if joining else self.terms.wait_seconds
                self.journal.waits(self.held.end, now, now - self.outage.short_since, most, error)
            if isinstance(error, Refused) and (error.final or joining):
                self._enter(Event.REFUSED)
                return
            if joining and isinstance(error, Unavailable):
                self._begin()
            self._weigh()  # a refusal that was not repeated is over

    def _begin(self) -> None:
        """Begin without the service, on what a checkpoint or a file holds for the step that is wanted."""
        held, wanted = self.held, self.held.end
        known = [w for w in self._stored if w.start <= wanted]
        if not known or (known[-1].stop <= wanted and self.terms.policy not in (FOLLOW, FREEZE)):
            return
        first = next((w for w in known if wanted < w.stop), known[-1])
        self._create = False  # this run has begun before: if it is gone now, that is no reason to make a new one
        self.known.uid, self.known.attempt = first.uid, first.attempt
        held.move(first.start)
        for window in self._stored:
            if window.start == held.end and window.attempt == first.attempt:
                held.append(window)
                self.known.revision = max(self.known.revision, window.revision)
                self.known.horizon = window.stop if window.reason == COMMITTED else self.known.horizon
        while held.end <= wanted:
            self._extend()
        held.arrive(wanted)
        self.trigger = wanted
        reason = self.outage.error
        logger.warning("Run %s begins at step %d on stored values: %s", self.terms.run, wanted, reason)

    def _without(self, now: float) -> bool:
        """The training has no value: whether it has one now, of its own; else it has to wait."""
        outage, terms = self.outage, self.terms
        self._check_open()
        if outage.short_since is None:
            outage.short_since = now
        waited, error, stale = now - outage.short_since, outage.error, outage.stale
        if self.state is State.ENDED and error is not None and not (stale and waited < terms.wait_seconds):
            raise error
        what = decide(
            terms.policy,
            holding=self.held.last is not None,
            away=outage.failures > 0 and not (stale and (terms.policy == RAISE or isinstance(error, Refused))),
            waited=waited,
            start_seconds=terms.start_seconds,
            wait_seconds=terms.wait_seconds,
        )
        if what == STAND_IN:
            self._extend()
        elif what == RAISE:
            outage.short_since = None  # who asks again waits again
            reason = str(error) if error else f"{terms.url} has not answered yet."
            advice = self._advice(waited, reason)
            logger.error("%s", advice)  # above the traceback, which has no room for what led to the error below us
            raise NoValue(advice) from None
        return what == STAND_IN

    def _advice(self, waited: float, reason: str) -> str:
        run, step, policy = self.terms.run, self.held.end, self.terms.policy
        if self.held.last is not None:
            return (
                f"No committed value of run {run} at step {step} after {waited:.0f} s, and the outage policy is "
                f"{policy!r}: {reason}"
            )
        return (
            f"No first window of run {run} at step {step} after {waited:.0f} s: {reason} Check that the service is "
            "running (`lockstep-server serve`), that the address is right and can be reached from this machine, and "
            "the proxy settings. With cache_dir a job that ran here before can start without the service."
        )

    def _extend(self) -> None:
        """Append a fallback window to what is held."""
        last, outage, policy = self.held.last, self.outage, self.terms.policy
        assert last is not None  # there is something to go on from
        if outage.episode is None:
            outage.episode = episode(policy, last, outage.tail)
            self.journal.alone(last.stop, policy, outage.error or "no answer")
        self.held.append(stand_in(policy, last, outage.tail, self._stand_in_steps()))
        self._weigh()

    def _stand_in_steps(self) -> int:
        """Steps of a fallback window: so many that a request is answered, or given up, in half of them.

        At most twice the window before: a pace may change, and the way back must stay short.
        """
        last = self.held.last
        before = FIRST_STEPS if last is None else max(FIRST_STEPS, 2 * (last.stop - last.start))
        pace = self._step_seconds
        fitting = before if not pace else math.ceil(2 * self.outage.patience / pace)
        return max(2, min(fitting, before, MAX_STEPS))
