"""`Group`: the same windows, fallbacks and errors at every rank, with threads in place of processes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import lockstep.group
import lockstep.outage
import lockstep.prefetcher
from lockstep import Client, errors
from lockstep.beginning import Beginning
from lockstep.follower import Follower
from lockstep.group import Group
from lockstep.testing import FakeService
from tests.clients.waiting import until

RANKS = 3


class Threads:
    """The collectives of a group of threads."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(RANKS, timeout=60)
        self._box: list[Any] = [None] * RANKS
        self.broadcasts = 0

    def channel(self, rank: int) -> "ThreadChannel":
        return ThreadChannel(self, rank)

    def exchange(self, rank: int, message: Any) -> list[Any]:
        self._barrier.wait()
        self._box[rank] = message
        self._barrier.wait()
        everything = list(self._box)
        self._barrier.wait()
        return everything


class ThreadChannel:
    def __init__(self, threads: Threads, rank: int) -> None:
        self._threads, self.rank = threads, rank

    def broadcast(self, message: Any) -> Any:
        self._threads.broadcasts += self.rank == 0
        return self._threads.exchange(self.rank, message)[0]

    def gather(self, message: Any) -> list[Any] | None:
        everything = self._threads.exchange(self.rank, message)
        return everything if self.rank == 0 else None


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep.prefetcher, "TAIL_JITTER", 0.0)
    monkeypatch.setattr(lockstep.outage, "BACKOFF_SECONDS", 0.02)


def curve(step: int) -> float:
    return 1 / (step + 3)


@pytest.fixture
def service() -> FakeService:
    fake = FakeService(curve, lead=32)
    fake.create("r")
    return fake


def job(
    service: FakeService, train: Callable[[Follower, int], Any], *, policy: str = "wait", wait_seconds: float = 60.0
) -> list[Any]:
    """Run `train(follower, rank)` in every rank; results or errors by rank."""
    threads = Threads()

    def client() -> Client:
        return Client(transport=service.transport, timeout=1.0)

    def rank(number: int) -> Any:
        feed = None
        if number == 0:
            limits: dict[str, Any] = {"wait_seconds": wait_seconds, "timeout": 1.0}
            feed = Beginning("r", policy=policy, transport=service.transport, rank=0, **limits).feed()
        follower = Follower.over(Group(threads.channel(number), feed, "r", f"rank-{number}", client), "r", "w")
        try:
            follower.go_to(0)
            return train(follower, number)
        except errors.LockstepError as error:
            return error
        finally:
            follower.close()

    with ThreadPoolExecutor(RANKS) as pool:
        return list(pool.map(rank, range(RANKS)))


def test_one_rank_asks_and_all_ranks_use_and_report_the_same(service: FakeService) -> None:
    def train(follower: Follower, rank: int) -> list[Any]:
        readings = []
        for step in range(300):
            readings.append(follower.value(step))
            if step == 50 and rank == 0:
                service.runs["r"].revise({"kind": "scale", "factor": 0.5})
        return readings

    first, *others = job(service, train)
    assert others == [first, first]
    assert {reading.revision for reading in first} == {1, 2}
    run = service.runs["r"]
    assert [reading.value for reading in first] == [run.value(step) for step in range(300)]
    assert {name: worker["verified_until"] for name, worker in run.workers.items()} == {
        f"rank-{rank}": 299 for rank in range(RANKS)
    }
    assert run.unverified == []
    asking = {body["worker"] for _, path, body in service.requests if path.endswith("/windows") and "group" in body}
    assert asking == {"rank-0"}


@pytest.mark.parametrize("policy", ["follow", "freeze"])
def test_a_fallback_is_the_same_at_every_rank(service: FakeService, policy: str) -> None:
    def train(follower: Follower, rank: int) -> list[Any]:
        readings = [follower.value(0)]
        if rank == 0:
            service.down = True
        step = 1
        while step < 200 or readings[-1].reason != "committed":
            if step == 100 and rank == 0:
                service.runs["r"].revise({"kind": "scale", "factor": 0.5})
                service.down = False
            readings.append(follower.value(step))
            step += 1
        return readings

    first, *others = job(service, train, policy=policy)
    assert others == [first, first]
    assert {"committed", "freeze"} & {reading.reason for reading in first} == {"committed"} | (
        {"freeze"} if policy == "freeze" else {reading.reason for reading in first} & {"freeze"}
    )
    run = service.runs["r"]
    assert [reading.value for reading in first] == [run.value(step) for step in range(len(first))]
    assert run.unverified == []
    assert {worker["verified_until"] for worker in run.workers.values()} == {len(first) - 1}


@pytest.mark.parametrize("policy", ["follow", "freeze"])
def test_ranks_that_end_within_an_outage_say_what_they_did(
    service: FakeService, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever says goodbye first: all of them know how the outage was passed, not rank 0 alone."""
    monkeypatch.setattr(lockstep.outage, "BACKOFF_SECONDS", 5.0)  # rank 0 is in no hurry to come back

    def train(follower: Follower, rank: int) -> list[float]:
        values = [follower.value(0).value]
        if rank == 0:
            service.down = True
        values += [follower.value(step).value for step in range(1, 150)]
        if rank == 0:
            service.down = False
            until(lambda: len([w for w in service.runs["r"].workers.values() if w["state"] == "left"]) == RANKS - 1)
        else:
            until(lambda: not service.down)
        return values

    results = job(service, train, policy=policy)
    run = service.runs["r"]
    assert [values[:149] for values in results] == [[run.value(step) for step in range(149)]] * RANKS
    assert run.unverified == []
    assert {name: worker["verified_until"] for name, worker in run.workers.items()} == {
        f"rank-{rank}": 149
        for rank in range(RANKS)  # of the last value nobody knows whether it came to be used
    }


def test_raise_raises_at_every_rank_at_the_same_step(service: FakeService) -> None:
    reached = [0] * RANKS

    def train(follower: Follower, rank: int) -> None:
        follower.value(0)
        if rank == 0:
            service.down = True
        for step in range(10_000):
            reached[rank] = step
            follower.value(step)

    results = job(service, train, policy="raise")
    assert [type(result) for result in results] == [errors.NoValue] * RANKS
    assert len({str(result) for result in results}) == 1
    assert len(set(reached)) == 1


def test_a_refusal_is_raised_at_every_rank(service: FakeService) -> None:
    def train(follower: Follower, rank: int) -> None:
        follower.value(0)
        if rank == 0:
            service.runs["r"].rewind(5)
        for step in range(10_000):
            follower.value(step)

    results = job(service, train)
    assert [type(result) for result in results] == [errors.AttemptSuperseded] * RANKS
    assert {result.to_step for result in results} == {5}


def test_while_rank_0_waits_the_others_hear_from_it(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep.group, "SIGN_OF_LIFE_SECONDS", 0.01)
    heard: list[int] = []

    def train(follower: Follower, rank: int) -> list[float]:
        values = [follower.value(0).value]
        threads = follower.source._channel._threads  # type: ignore[attr-defined]
        if rank == 0:
            before = threads.broadcasts
            service.down = True

            def come_back() -> None:
                until(lambda: threads.broadcasts > before + 5)
                heard.append(threads.broadcasts - before)
                service.down = False

            threading.Thread(target=come_back).start()
        return values + [follower.value(step).value for step in range(1, 100)]

    results = job(service, train, policy="wait")
    assert results == [[curve(step) for step in range(100)]] * RANKS
    assert heard
    assert heard[0] > 5


def test_ranks_at_different_steps_are_noticed(service: FakeService) -> None:
    service.runs["r"].window({"worker": "another", "step": 0, "at": 0})

    def train(follower: Follower, rank: int) -> None:
        follower.go_to(0 if rank == 0 else 7 + 1000 * rank)

    results = job(service, train)
    assert results[0] is None
    assert [type(result) for result in results[1:]] == [errors.Misused] * 2
    assert "load the same checkpoint" in str(results[1])


def test_a_rank_that_used_another_value_is_named(service: FakeService) -> None:
    def train(follower: Follower, rank: int) -> None:
        for step in range(200):
            follower.value(step)
            if (rank, step) == (2, 20):
                follower.used(20, "lr", 7.0)

    job(service, train)
    marked = service.runs["r"].unverified
    assert len(marked) == 1
    assert marked[0][0] <= 20 < marked[0][1]
