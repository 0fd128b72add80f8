"""The fake and the real service, over real HTTP: what training code can notice is the same, test by test."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from lockstep import Client, Follower, errors
from lockstep.report import crc32
from lockstep.testing import FakeService
from tests.clients.waiting import until
from tests.service import Service, running

PLAN: dict[str, Any] = {"tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 100_000}}}
MOST = 20_000
LEAD = 64
HALVE = {"kind": "scale", "factor": 0.5}
NAMES = (f"run-{number}" for number in itertools.count())


def curve(step: int) -> float:
    return 1.0 - step / 100_000


@dataclass
class Subject:
    """One of the two."""

    url: str
    away: Callable[[], AbstractContextManager[None]]  # nothing listens for the length of a block


def fake_away(fake: FakeService) -> Callable[[], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def away() -> Iterator[None]:
        fake.down = True
        yield
        fake.down = False

    return away


def real_away(service: Service) -> Callable[[], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def away() -> Iterator[None]:
        service.kill()
        yield
        service.start()

    return away


@pytest.fixture(scope="module", params=["fake", "real"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    if request.param == "fake":
        fake = FakeService(curve, lead=LEAD)
        with fake.serve() as url:
            yield Subject(url, fake_away(fake))
    else:
        with running(tmp_path_factory.mktemp("service")) as real:
            yield Subject(real.url, real_away(real))


@pytest.fixture
def client(service: Subject) -> Iterator[Client]:
    with Client(service.url) as one:
        yield one


@pytest.fixture
def name() -> str:
    return next(NAMES)


def follow(service: Subject, name: str, **more: Any) -> Follower:
    return Follower(name, more.pop("plan", PLAN), url=service.url, worker="w", max_window=LEAD, **more)


def walk(job: Follower, start: int, stop: int) -> list[float]:
    return [job.value(step).value for step in range(start, stop)]


def worker(client: Client, name: str, which: str = "w") -> dict[str, Any]:
    (found,) = (one for one in client.workers(name) if one["worker"] == which)
    return found


def test_what_is_used_is_committed_and_verified_to_the_last_step(service: Subject, client: Client, name: str) -> None:
    with follow(service, name) as job:
        readings = [job.value(step) for step in range(300)]
    assert readings == [(curve(step), "committed", 1) for step in range(300)]
    run, one = client.run(name), worker(client, name)
    assert (run["attempt"], run["unverified"], run["horizon"] >= 300) == (1, [], True)
    assert (one["state"], one["step"], one["verified_until"], one["attempt"]) == ("left", 300, 300, 1)


def test_a_change_holds_from_the_horizon_on_and_not_below(service: Subject, client: Client, name: str) -> None:
    with follow(service, name) as job:
        walk(job, 0, 10)
        revision = client.revise(name, HALVE, reason="because")
        first = revision["from_step"]
        with pytest.raises(errors.BelowHorizon) as caught:
            client.revise(name, HALVE, from_step=3)
        assert caught.value.earliest_step >= first
        readings = [job.value(step) for step in range(10, first + 20)]
    assert revision["number"] == 2
    assert readings[-20:] == [(0.5 * curve(step), "committed", 2) for step in range(first, first + 20)]
    assert {reading.revision for reading in readings[:-20]} == {1}
    assert [one["number"] for one in client.revisions(name)] == [1, 2]


def test_values_are_the_same_as_json_and_as_bytes_and_say_what_is_committed(client: Client, name: str) -> None:
    client.create_run(name, PLAN, max_window=LEAD)
    horizon = client.window(name, {"worker": "w", "step": 0})["horizon"]
    document = client.values(name, 0, horizon + 20)
    arrays, headers = client.raw_values(name, 0, horizon + 20)
    assert document["values"]["lr"] == arrays["lr"].tolist() == [curve(step) for step in range(horizon + 20)]
    assert (document["committed_until"], headers["lockstep-newest"]) == (horizon, "1")


def test_a_window_is_answered_and_reports_are_acknowledged_for_every_rank(client: Client, name: str) -> None:
    uid = client.create_run(name, PLAN, max_window=LEAD)["uid"]
    first = client.window(name, {"worker": "w", "instance": "i", "step": 0})
    assert (first["uid"], first["attempt"], first["start"], first["revision"]) == (uid, 1, 0, 1)
    assert first["stop"] == first["horizon"] > 0
    assert first["verified_until"] == 0
    assert first["values"] == {"lr": [curve(step) for step in range(first["stop"])]}

    def applied(stop: int) -> dict[str, Any]:
        return {"start": 0, "stop": stop, "tracks": ["lr"], "crc32": crc32({"lr": first["values"]["lr"][:stop]})}

    about = {"worker": "w", "instance": "i", "uid": uid, "attempt": 1, "step": first["stop"], "at": 4}
    about["seen"] = {"revision": 1, "horizon": first["horizon"]}
    group = [{"worker": "v", "instance": "j", "at": 3, "applied": applied(3)}]

    def stored() -> bool:  # with this answer or with a later one
        answer = client.window(name, about | {"applied": applied(4), "group": group})
        return (answer["verified_until"], answer["group"]) == (4, {"v": 3})

    until(stored)
    client.window(name, about | {"applied": applied(4), "leaving": True})
    assert (worker(client, name)["state"], worker(client, name)["verified_until"]) == ("left", 4)
    assert (worker(client, name, "v")["state"], worker(client, name, "v")["verified_until"]) == ("active", 3)
    assert client.run(name)["unverified"] == []


def test_a_value_that_was_not_the_run_s_is_marked(service: Subject, client: Client, name: str) -> None:
    with follow(service, name) as job:
        walk(job, 0, 21)
        job.used(20, "lr", 7.0)
        walk(job, 21, 30)
    marked = client.run(name)["unverified"]
    assert any(start <= 20 < stop for start, stop in marked)
    assert all(stop <= 30 for _, stop in marked)


REFUSED: dict[str, tuple[dict[str, Any], type[errors.Refused], str]] = {
    "another uid": ({"step": 0, "uid": "another"}, errors.RunReplaced, "uid"),
    "an attempt that is over": ({"step": 0, "attempt": 1}, errors.AttemptSuperseded, "to_step"),
    "a horizon that was never": ({"step": 0, "attempt": 2, "seen": {"revision": 1, "horizon": 10**6}},
                                 errors.HistoryBehind, "horizon"),
    "a revision that was never": ({"step": 0, "attempt": 2, "seen": {"revision": 9, "horizon": 5}},
                                  errors.HistoryBehind, "horizon"),
    "a step beyond everything": ({"step": 10**6, "attempt": 2}, errors.StepBeyondHorizon, "horizon"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_window_is_refused_with_what_helps(client: Client, name: str, case: str) -> None:
    request, error, member = REFUSED[case]
    uid = client.create_run(name, PLAN, max_window=LEAD)["uid"]
    client.window(name, {"worker": "w", "step": 0})
    client.rewind(name, 5)
    with pytest.raises(error) as caught:
        client.window(name, {"worker": "w", "uid": uid} | request)
    assert type(caught.value) is error
    assert caught.value.status == 409
    assert caught.value.members[member] == {"uid": uid, "to_step": 5, "horizon": 5}[member]


def test_below_its_first_step_a_run_has_nothing(client: Client, name: str) -> None:
    client.create_run(name, PLAN, start_step=100)
    with pytest.raises(errors.Invalid):
        client.window(name, {"worker": "w", "step": 99})
    assert client.window(name, {"worker": "w", "step": 100})["values"]["lr"][0] == curve(100)


def test_a_run_is_found_again_or_refused_and_closed_for_good(service: Subject, client: Client, name: str) -> None:
    edited = {"tracks": {"lr": {"kind": "constant", "value": 0.5}}}
    with pytest.raises(errors.UnknownRun):
        follow(service, name, plan=None)
    with follow(service, name) as job, follow(service, name, if_exists="keep", plan=edited) as other:
        assert walk(job, 0, 20) == walk(other, 0, 20)
        assert job.window.uid == other.window.uid
    with pytest.raises(errors.RunExists, match="if_exists='keep'"):
        follow(service, name, plan=edited)
    assert client.create_run(name, edited, if_exists="keep")["differences"]
    client.archive(name)
    with pytest.raises(errors.RunArchived):
        follow(service, name)


def test_after_a_rewind_the_old_attempt_ends_and_a_worker_joins_the_new_one(
    service: Subject, client: Client, name: str
) -> None:
    with follow(service, name) as job:
        walk(job, 0, 120)
        state = job.state(100 if job.window.start <= 100 else 119)
        client.rewind(name, 80, action=HALVE)
        with pytest.raises(errors.AttemptSuperseded, match="rewound") as caught:
            walk(job, 120, MOST)
        assert caught.value.to_step == 80
        job.rejoin(70)
        assert walk(job, 70, 90) == [curve(s) for s in range(70, 80)] + [0.5 * curve(s) for s in range(80, 90)]
        assert job.window.attempt == 2
    with pytest.raises(errors.AttemptSuperseded):  # a checkpoint of steps that are no more
        follow(service, name, resume=state)


def test_a_checkpoint_goes_on_where_it_was_made(service: Subject, name: str) -> None:
    with follow(service, name) as job:
        walk(job, 0, 50)
        state = job.state(49)
    with follow(service, name, resume=state) as again:
        assert walk(again, 49, 200) == [curve(step) for step in range(49, 200)]


def test_who_moves_before_its_first_update_owes_nothing(service: Subject, client: Client, name: str) -> None:
    with follow(service, name) as job:
        walk(job, 0, 60)
    with follow(service, name) as again:
        walk(again, 0, 1)
        again.go_to(25)
        walk(again, 25, 60)
    assert client.run(name)["unverified"] == []
    assert worker(client, name)["verified_until"] == 60


@pytest.mark.parametrize(("moved_from", "unverified"), [(0, []), (3, [[0, 3]])])
def test_who_moves_owes_what_it_used_and_did_not_report(
    client: Client, name: str, moved_from: int, unverified: list[list[int]]
) -> None:
    uid, horizon = client.create_run(name, PLAN, max_window=LEAD)["uid"], 0
    while horizon < 40:
        horizon = client.window(name, {"worker": "v", "step": horizon})["horizon"]
    about = {"worker": "w", "instance": "i", "uid": uid}
    client.window(name, about | {"step": 0})
    for _ in range(2):  # an answer may be lost
        moved = client.window(name, about | {"step": 25, "moved_from": moved_from})
    applied = {"start": 25, "stop": 30, "tracks": ["lr"], "crc32": crc32({"lr": moved["values"]["lr"][:5]})}
    client.window(name, about | {"attempt": 1, "step": moved["stop"], "at": 30, "applied": applied})
    assert client.run(name)["unverified"] == unverified


@pytest.mark.parametrize("policy", ["follow", "freeze"])
def test_a_return_from_an_outage_makes_the_record_true(
    service: Subject, client: Client, name: str, policy: str
) -> None:
    with follow(service, name, policy=policy, wait_seconds=1.0) as job:
        used = walk(job, 0, 200)
        with service.away():
            while job.value(len(used)).reason == "committed":
                used.append(job.value(len(used)).value)
            alone = len(used)
            used += walk(job, alone, alone + 100)
        while (reading := job.value(len(used))).reason != "committed":
            assert len(used) < MOST
            used.append(reading.value)
            time.sleep(0.001)  # a training that makes a step
        used += walk(job, len(used), len(used) + 50)
    assert client.values(name, 0, len(used))["values"]["lr"] == used
    assert client.run(name)["unverified"] == []
    assert worker(client, name)["verified_until"] == len(used)
