"""`Prefetcher`, driven without threads and in virtual time: by hand, and by hypothesis through everything that happens.

The service is the fake's run, asked by function calls; it acknowledges reports late where a test wants that.
"""

import contextlib
import math
import random
from array import array
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lockstep.calls import Ask, Call, Create, FetchTail
from lockstep.errors import (
    Invalid,
    LockstepError,
    NoValue,
    Refused,
    RunReplaced,
    Unavailable,
    UnknownRun,
    from_problem,
)
from lockstep.outage import POLICIES
from lockstep.place import Place
from lockstep.prefetcher import Prefetcher, Terms
from lockstep.report import Record, crc32
from lockstep.states import TRANSITIONS, Event, State
from lockstep.tail import parse_tail
from lockstep.testing import FakeRun, FakeService, Problem
from lockstep.window import COMMITTED, Answer, Window, parse_window

LEAD = 16
WAIT_SECONDS, START_SECONDS = 30.0, 10.0


def curve(step: int) -> float:
    return 1 / (step + 3)


class Job:
    """A worker and its service, without the wires between them: the test decides what arrives, and when."""

    def __init__(self, policy: str = "follow", *, create: bool = False, late: bool = False, seed: int = 0) -> None:
        self.service = FakeService(curve, lead=LEAD)
        self.run: FakeRun = self.service.create("r")
        self.late, self.stored = late, dict[str, int]()
        terms = Terms("r", "w", "i", "http://here", policy, START_SECONDS, WAIT_SECONDS, timeout=5.0)
        self.prefetcher = Prefetcher(terms, random.Random(seed).random, create=create)
        self.record = Record()
        self.now = 1000.0
        self.window: Window | None = None

    # The training

    def join(self, step: int = 0, place: Place | None = None, kept: Place | None = None) -> "Job":
        before, self.record = self.record.step, Record()
        self.record.step = self.record.checked = step
        self.window = None
        self.prefetcher.move(place or Place("r", step), before, kept=kept)
        return self

    def take(self) -> Window | None:
        """The window of the running step, noted as used."""
        step = self.record.step
        if self.window is None or not self.window.start <= step < self.window.stop:
            self.window = self.prefetcher.take(step, self.now)
            if self.window is not None:
                self.record.ledger.take(self.window, step)
        return self.window

    def train(self, steps: int) -> list[tuple[float, str]]:
        """So many steps or, where there is no value, fewer: what was used, and why."""
        used = []
        for _ in range(steps):
            if (window := self.take()) is None:
                break
            step = self.record.step
            used.append((window.column("lr", step, step + 1)[0], window.reason))
            self.record.step = self.record.checked = step + 1
        return used

    # The wires

    def next(self) -> Call | float:
        return self.prefetcher.next(self.now, self.record.position(), self.record.report)

    def ask(self) -> Ask:
        """The next call, which is to be a window request."""
        call = self.next()
        assert isinstance(call, Ask)
        return call

    def answer(self, call: Call) -> Answer | Window | None:
        """What the service says. Raises as the client would."""
        if isinstance(call, Create):
            return None
        if self.service.runs.get("r") is not self.run:
            raise UnknownRun("there is no run 'r'")
        try:
            if isinstance(call, FetchTail):
                query = {"start": str(call.last.stop), "stop": str(call.last.stop + min(call.steps, 100))}
                _, headers, content = self.run.values(query, binary=True)
                return parse_tail({"lr": array("d", content)}, headers, call.last, call.newest)
            document = self.run.window(call.body)
            if call.body.get("leaving"):
                self.store()
            if self.late:  # an answer acknowledges what was stored when it came
                document["verified_until"] = self.stored.get("w", document["verified_until"])
                document["group"] = {name: self.stored.get(name, 0) for name in document["group"]}
            self.stored.setdefault("w", document["verified_until"])
            return parse_window(document, call.body["step"])
        except Problem as problem:
            document = {"type": problem.name, "detail": str(problem), **problem.members}
            raise from_problem(problem.status, document) from None

    def store(self) -> None:
        """The service writes what it was told."""
        self.stored = {name: worker["verified_until"] for name, worker in self.run.workers.items()}

    def deliver(self, call: Call) -> bool:
        """The call arrives, and so does its answer; whether that is a refusal."""
        try:
            answer = self.answer(call)
        except LockstepError as error:
            self.prefetcher.failed(call, error, self.now)
            return isinstance(error, Refused)
        self.prefetcher.received(call, answer, self.now, self.record.position())
        return False

    def lose(self, call: Call, error: LockstepError | None = None) -> None:
        self.prefetcher.failed(call, error or Unavailable("nothing listens"), self.now)

    def settle(self) -> int:
        """All that is due is delivered, and answered at once; how many calls that took."""
        calls = 0
        while isinstance(call := self.next(), (Create, Ask, FetchTail)):
            self.deliver(call)
            calls += 1
            assert calls < 30, f"{self.prefetcher.state}: it asks and asks"
        return calls


def test_the_table_of_transitions_knows_every_event_and_ends_in_left() -> None:
    assert set(TRANSITIONS) == set(Event)
    for event, moves in TRANSITIONS.items():
        assert moves.get(State.LEFT, State.LEFT) is State.LEFT, event
        assert moves.get(State.LEAVING, State.LEAVING) in (State.LEAVING, State.LEFT), event


def test_a_worker_joins_holds_goes_alone_comes_back_and_leaves() -> None:
    job = Job("freeze").join()
    seen = [job.prefetcher.state]
    assert job.take() is None
    job.deliver(job.ask())
    seen.append(job.prefetcher.state)
    assert job.train(LEAD // 2) == [(curve(step), "committed") for step in range(LEAD // 2)]
    job.lose(job.ask())
    used = job.train(LEAD)
    assert used == [(curve(step), "committed") for step in range(LEAD // 2, LEAD)] + [(curve(LEAD - 1), "freeze")] * 8
    seen.append(job.prefetcher.state)
    job.now += 1.0
    job.deliver(job.ask())
    seen.append(job.prefetcher.state)
    job.prefetcher.leave(job.now)
    seen.append(job.prefetcher.state)
    job.settle()
    seen.append(job.prefetcher.state)
    assert seen == [State.JOINING, State.HOLDING, State.ALONE, State.HOLDING, State.LEAVING, State.LEFT]
    assert job.run.unverified == []
    assert job.run.workers["w"]["verified_until"] == job.record.step
    assert job.run.workers["w"]["state"] == "left"


def test_the_run_is_created_before_the_first_request_and_once() -> None:
    job = Job(create=True).join()
    first = job.next()
    assert isinstance(first, Create)
    job.lose(first)
    job.now += 2.0
    again = job.next()
    assert isinstance(again, Create)
    job.deliver(again)
    job.deliver(job.ask())
    job.join(3)
    job.ask()


def test_there_is_one_call_at_a_time_and_one_answer_to_it() -> None:
    job = Job().join()
    call = job.ask()
    assert job.next() == math.inf
    answer = job.answer(call)
    job.lose(call)
    job.prefetcher.received(call, answer, job.now, 0)  # late
    assert job.prefetcher.state is State.JOINING
    job.now += 2.0
    again = job.ask()
    job.deliver(again)
    held = job.prefetcher.held.end
    job.prefetcher.received(again, answer, job.now, 0)  # doubled
    job.lose(again)
    assert (job.prefetcher.held.end, job.prefetcher.outage.failures) == (held, 0)


def test_what_was_asked_for_another_place_is_no_answer_here() -> None:
    job = Job().join()
    call = job.ask()
    answer = job.answer(call)
    job.join(5)
    job.prefetcher.received(call, answer, job.now, 0)
    assert job.take() is None
    assert job.ask().body["step"] == 5


def test_a_move_says_where_the_training_stood_until_it_is_answered() -> None:
    job = Job().join()
    assert "moved_from" not in job.ask().body
    job.join()  # nothing was answered, so nobody knows that it was anywhere
    call = job.ask()
    assert "moved_from" not in call.body
    job.deliver(call)
    job.train(5)
    job.join(3)
    job.join(1)
    call = job.ask()
    assert (call.body["step"], call.body["moved_from"]) == (1, 5)
    job.deliver(call)
    job.train(LEAD)
    assert "moved_from" not in job.ask().body


def test_half_of_the_lead_is_left_when_it_asks_again_and_an_answer_without_news_is_not_asked_for_twice() -> None:
    """A lead of two steps, as where a step takes long: nothing is new before the training has moved."""
    job = Job()
    job.service.lead = 2
    job.join()
    job.settle()
    for step in range(20):
        assert job.train(1) == [(curve(step), "committed")]
        assert job.settle() <= 2, step


def test_windows_that_grow_eightfold_are_asked_for_at_half_of_what_is_held() -> None:
    job = Job("raise")
    job.service.lead = 8
    job.join()
    job.settle()
    for lead in (64, 512, 4096):
        job.prefetcher.pace(0.1)
        job.service.lead = lead
        job.train(job.prefetcher.trigger - job.record.step)
        before = job.prefetcher.held.end
        assert job.settle() == 1
        end, at = job.prefetcher.held.end, job.record.step
        assert before < end == at + lead
        assert at + 0.4 * lead - 1 <= job.prefetcher.trigger <= at + 0.5 * lead


def test_an_answer_without_values_at_the_border_is_an_outage() -> None:
    job = Job("freeze").join()
    empty = Answer(Window("uid-1", 1, 0, 0, 1, {}), 0, 1, 0, {})
    job.prefetcher.received(job.ask(), empty, job.now, 0)
    assert job.prefetcher.state is State.JOINING
    assert isinstance(due := job.next(), float)
    assert job.now < due <= job.now + 1.0


@pytest.mark.parametrize("policy", POLICIES)
def test_a_sign_of_life_is_due_after_a_while_without_steps(policy: str) -> None:
    job = Job(policy).join()
    job.settle()
    job.now += 2.0
    job.settle()  # the tail
    due = job.next()
    assert isinstance(due, float)
    assert due - job.now <= 15.0
    job.now = due
    assert job.ask().body["at"] == 0


def test_the_service_says_when_to_come_back() -> None:
    job = Job().join()
    error = Unavailable("later")
    error.retry_after = 3.0
    job.lose(job.ask(), error)
    assert job.next() == job.now + 3.0


# Reports


def reports(call: Ask) -> tuple[int, int] | None:
    applied = call.body["applied"]
    return None if applied is None else (applied["start"], applied["stop"])


def test_what_is_not_acknowledged_is_told_again_from_its_start() -> None:
    job = Job(late=True).join()
    job.settle()
    job.train(8)
    first = job.ask()
    assert reports(first) == (0, 8)
    job.deliver(first)  # taken in, not stored yet
    job.train(8)
    second = job.ask()
    assert reports(second) == (0, 16)
    job.store()
    job.deliver(second)
    job.train(job.prefetcher.trigger - job.record.step)
    third = job.ask()
    assert reports(third) == (8, job.record.step)


def test_a_goodbye_waits_until_everything_is_acknowledged_but_not_for_ever() -> None:
    job = Job(late=True).join()
    job.settle()
    job.train(8)
    job.prefetcher.leave(job.now)
    first = job.ask()
    assert (reports(first), first.body["leaving"]) == ((0, 8), True)
    stingy = Answer(Window("uid-1", 1, LEAD, LEAD, 1, {}), LEAD, 1, 0, {})
    job.prefetcher.received(first, stingy, job.now, 8)
    asked = 1
    while job.prefetcher.state is State.LEAVING:
        call = job.next()
        if isinstance(call, Ask):
            assert reports(call) == (0, 8)
            job.prefetcher.received(call, stingy, job.now, 8)
            asked += 1
        elif isinstance(call, float) and call < math.inf:
            job.now = call
    assert 2 <= asked <= 60
    assert job.now - 1000.0 <= 3.0


def test_a_report_of_a_rank_that_comes_while_another_is_under_way_is_not_lost() -> None:
    """It was taken for acknowledged, together with the steps of the one before."""
    job = Job().join()
    job.settle()

    def report(stop: int, start: int = 0) -> dict[str, Any]:
        used = {"lr": [curve(step) for step in range(start, stop)]}
        applied = {"start": start, "stop": stop, "tracks": ["lr"], "crc32": crc32(used)}
        return {"worker": "rank-1", "instance": "j", "at": stop, "applied": applied}

    job.prefetcher.gathered({"rank-1": report(4)})
    job.train(8)
    call = job.ask()
    job.prefetcher.gathered({"rank-1": report(8)})
    job.deliver(call)
    assert job.prefetcher.mailbox.acknowledged() == {"rank-1": 4}
    job.train(8)
    again = job.ask()
    assert again.body["group"] == [report(8)]
    job.deliver(again)
    assert job.prefetcher.mailbox.acknowledged() == {"rank-1": 8}
    job.train(8)
    assert [entry["applied"] for entry in job.ask().body["group"]] == [None]  # it lives, and has nothing to tell


# Everything that happens


KINDS: Mapping[str, LockstepError] = {
    "unavailable": Unavailable("nothing listens"),
    "unknown-run": UnknownRun("there is no such run"),
    "replaced": RunReplaced("another uid"),
    "invalid": Invalid("a field"),
}


class World(RuleBasedStateMachine):
    """A worker whose training, service and network do what they like."""

    @initialize(
        policy=st.sampled_from(POLICIES), late=st.booleans(), create=st.booleans(), seed=st.integers(0, 9),
        start=st.sampled_from([0, 0, 7]),
    )  # fmt: skip
    def begin(self, policy: str, late: bool, create: bool, seed: int, start: int) -> None:
        self.job = Job(policy, late=late, create=create, seed=seed)
        self.policy = policy
        self.committed: dict[int, list[float]] = {}  # by attempt: what was committed when it ended
        self.used: dict[int, float] = {}  # since the last move
        self.first = start
        self.call: Call | None = None
        self.over: list[tuple[Call, Answer | Window | None]] = []
        self.acknowledged = 0
        self.short = self.closed = False
        self.job.run.window({"worker": "another", "step": 0})
        self.job.join(start)

    # Training

    @rule(steps=st.integers(1, 2 * LEAD), pace=st.sampled_from([None, 0.01, 0.5, 20.0]))
    def train(self, steps: int, pace: float | None) -> None:
        job = self.job
        job.prefetcher.pace(pace)
        try:
            for _ in range(steps):
                step = job.record.step
                used = job.train(1)
                if not used:
                    self.short = True
                    return
                self.judge(step, *used[0])
            self.short = False
        except LockstepError as error:
            self.excused(error)

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 6.0, 20.0, 40.0]))
    def time(self, seconds: float) -> None:
        self.job.now += seconds

    @precondition(lambda self: not self.closed)
    @rule(back=st.integers(0, 30), restart=st.booleans())
    def go_back(self, back: int, restart: bool) -> None:
        step = max(0, min(self.job.record.step, self.job.run.horizon) - back)
        place = self.job.prefetcher.place()
        if restart:
            self.job.join(step)
        else:  # a checkpoint is loaded
            windows = tuple(w for w in place.windows if w.start >= step or w.start <= step < w.stop)
            place = Place("r", step, place.uid, place.attempt, windows, None)
            self.job.join(step, place)
        self.used.clear()
        self.first, self.call, self.short = step, None, False
        self.acknowledged = 0

    # The network

    @precondition(lambda self: self.call is None)
    @rule()
    def ask(self) -> None:
        call = self.job.next()
        if isinstance(call, (Create, Ask, FetchTail)):
            self.call = call
            if isinstance(call, Ask):
                self.examine(call)

    @precondition(lambda self: self.call is not None)
    @rule()
    def answer(self) -> None:
        call, self.call = self.call, None
        assert call is not None
        try:
            answer = self.job.answer(call)
        except LockstepError as error:
            self.job.lose(call, error)
            return
        self.job.prefetcher.received(call, answer, self.job.now, self.job.record.position())
        self.over.append((call, answer))
        if isinstance(answer, Answer) and self.job.prefetcher.state is not State.LEFT:
            self.acknowledged = self.job.prefetcher.known.verified

    @precondition(lambda self: self.call is not None)
    @rule()
    def lose_the_answer(self) -> None:
        call, self.call = self.call, None
        assert call is not None
        with contextlib.suppress(LockstepError):
            self.over.append((call, self.job.answer(call)))
        self.job.lose(call)

    @precondition(lambda self: self.call is not None)
    @rule(kind=st.sampled_from(sorted(KINDS)))
    def fail(self, kind: str) -> None:
        call, self.call = self.call, None
        assert call is not None
        self.job.lose(call, KINDS[kind])

    @precondition(lambda self: self.over)
    @rule(which=st.integers(0, 30))
    def late_or_again(self, which: int) -> None:
        """The answer to a call that is over changes nothing."""
        call, answer = self.over[which % len(self.over)]
        before = self.job.prefetcher.state, self.job.prefetcher.held.end, self.job.prefetcher.known.verified
        self.job.prefetcher.received(call, answer, self.job.now, self.job.record.position())
        self.job.prefetcher.failed(call, KINDS["unknown-run"], self.job.now)
        after = self.job.prefetcher.state, self.job.prefetcher.held.end, self.job.prefetcher.known.verified
        assert before == after

    # The service

    @rule(factor=st.sampled_from([0.5, 1.7]))
    def revise(self, factor: float) -> None:
        self.job.run.revise({"kind": "scale", "factor": factor})

    @rule(back=st.integers(0, 20))
    def rewind(self, back: int) -> None:
        run = self.job.run
        self.committed[run.attempt] = list(run.committed["lr"])
        run.rewind(max(0, run.horizon - back))

    @rule()
    def write(self) -> None:
        self.job.store()

    # What must hold

    def judge(self, step: int, value: float, reason: str) -> None:
        """A value is the committed one of its attempt, or says that it is not."""
        known = self.job.prefetcher.known
        assert known.attempt is not None
        self.used[step] = value
        if reason == COMMITTED:
            run = self.job.run
            column = run.committed["lr"] if known.attempt == run.attempt else self.committed[known.attempt]
            assert value == column[step]
        else:
            assert reason in ("follow", "freeze")
            assert self.policy in ("follow", "freeze")
            if reason == "freeze" and step - 1 in self.used:
                assert value == self.used[step - 1]

    def examine(self, call: Ask) -> None:
        """It says what it did beyond what is committed. A report holds what was used and is not acknowledged."""
        applied, step, run = call.body["applied"], self.job.record.step, self.job.run
        assert call.body["at"] <= call.body["step"]
        assert "fallback" in call.body or call.body["step"] <= run.horizon or call.body.get("attempt") != run.attempt
        start = max(self.acknowledged, self.first)
        if applied is None:
            assert start >= step
            return
        assert applied["start"] == start
        assert start < applied["stop"] <= step
        assert applied["crc32"] == crc32({"lr": [self.used[s] for s in range(start, applied["stop"])]})

    def excused(self, error: LockstepError) -> None:
        """An error at the training is a refusal of the service, or what the policy says."""
        self.short = False
        prefetcher = self.job.prefetcher
        if isinstance(error, Refused):
            assert prefetcher.state is State.ENDED
        else:
            assert isinstance(error, NoValue)
            assert self.closed or prefetcher.held.last is None or self.policy in ("wait", "raise")

    @invariant()
    def never_stands_still(self) -> None:
        """A training without a value is served by a call under way, or by one that comes soon."""
        if self.short and not self.closed:
            try:
                self.short = self.job.take() is None  # as the training does all the time
            except LockstepError as error:
                self.excused(error)
        if self.short and self.call is None and not self.closed:
            due = self.job.next()
            if isinstance(due, float):
                assert due - self.job.now <= 5.0
            else:
                self.call = due
                if isinstance(due, Ask):
                    self.examine(due)

    @precondition(lambda self: not self.closed)
    @rule()
    def silence(self) -> None:
        """Nobody answers any more: within the time that it was told to wait, a training has a value or an error."""
        job, until = self.job, self.job.now + max(WAIT_SECONDS, START_SECONDS) + 10.0
        while job.now < until:
            if self.call is not None:
                job.lose(self.call)
            self.call = None
            self.train(1, None)
            if not self.short:
                return
            job.now += 0.5
        raise AssertionError(f"{job.prefetcher.state}: no value and no error")

    @precondition(lambda self: not self.closed)
    @rule()
    def health(self) -> None:
        """Everything is answered: soon the values are committed ones, or the training hears why not."""
        job = self.job
        if self.call is not None:
            self.answer()
        for _ in range(10):
            job.settle()
            self.acknowledged = job.prefetcher.known.verified
            if job.prefetcher.state in (State.HOLDING, State.ENDED):
                self.train(1, None)
                if not self.short:
                    return
            job.now += 1.0
        raise AssertionError(f"{job.prefetcher.state}: all is answered, and there is no value and no error")

    @rule(steps=st.integers(LEAD, 3 * LEAD))
    def away(self, steps: int) -> None:
        """A request is lost, and the training goes on through all that it holds."""
        if self.call is None:
            self.train(steps, None)
            self.ask()
        if self.call is not None:
            self.fail("unavailable")
        self.train(steps, None)

    def teardown(self) -> None:
        """A goodbye that is heard has told everything."""
        if not hasattr(self, "job"):
            return
        self.closed = True
        prefetcher, told = self.job.prefetcher, self.job.prefetcher.state in (State.HOLDING, State.ALONE)
        prefetcher.leave(self.job.now)
        refused = self.call is not None and self.job.deliver(self.call)
        self.call = None
        until = self.job.now + 60.0
        while prefetcher.state is State.LEAVING:
            assert self.job.now < until, "a goodbye without an end"
            call = self.job.next()
            if isinstance(call, float):
                self.job.now = max(self.job.now, call)
                continue
            refused |= self.job.deliver(call)
        assert prefetcher.state is State.LEFT
        if told and not refused and self.used:
            assert self.job.run.workers["w"]["verified_until"] >= self.job.record.step


slow = [HealthCheck.too_slow]  # a matter of what else the machine does
World.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=slow)
test_whatever_happens = World.TestCase
