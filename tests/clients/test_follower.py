"""`Follower`: values in order, prefetched; outages by policy; the record made true; refusals; moves; resumption."""

import gc
import json
import time
from collections import deque
from pathlib import Path
from typing import Any

import pytest

import lockstep.outage
import lockstep.prefetcher
import lockstep.tail
from lockstep import Client, Follower, Reading, errors
from lockstep.feed import Feed
from lockstep.states import State
from lockstep.testing import FakeService
from tests.clients.waiting import lockstep_threads, until

PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}


def walk_on(values: Follower, used: list[Reading]) -> None:
    """Train, at a millisecond per step, until the values are committed ones again."""
    while used[-1].reason != "committed":
        time.sleep(0.001)
        used.append(values.value(len(used)))


def curve(step: int) -> float:
    return 1 / (step + 3)


@pytest.fixture
def service() -> FakeService:
    return FakeService(curve, lead=64)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep.prefetcher, "TAIL_JITTER", 0.0)
    monkeypatch.setattr(lockstep.outage, "BACKOFF_SECONDS", 0.02)


def follower(service: FakeService, **arguments: Any) -> Follower:
    given: dict[str, Any] = {
        "run": "r",
        "plan": PLAN,
        "worker": "w",
        "policy": "wait",
        "transport": service.transport,
    } | arguments
    return Follower(**given)


def windows(service: FakeService) -> list[dict[str, Any]]:
    return [body for method, path, body in service.requests if path.endswith("/windows")]


def know_the_tail(values: Follower, stop: int = 100) -> None:
    source = values.source
    assert isinstance(source, Feed)
    until(lambda: (tail := source.place().tail) is not None and tail.stop >= stop)


def test_every_value_is_the_committed_one_and_requests_are_few(service: FakeService) -> None:
    with follower(service) as values:
        readings = [values.value(step) for step in range(2000)]
    assert [reading.value for reading in readings] == [curve(step) for step in range(2000)]
    assert {(reading.reason, reading.revision) for reading in readings} == {("committed", 1)}
    assert len(service.requests) < 2000 / 64 * 5
    run = service.runs["r"]
    assert run.unverified == []
    assert run.workers["w"] | {"instance": ""} == {
        "worker": "w",
        "verified_until": 2000,
        "step": 2000,
        "instance": "",
        "attempt": 1,
        "state": "left",
    }


def test_tracks_base_and_derived_and_a_misspelt_one() -> None:
    service = FakeService({"lr": curve, "momentum": [0.8, 0.9]}, derived={"head/lr": ("lr", 10.0)})
    with follower(service) as values:
        assert values.value(5, "head/lr").value == curve(5) * 10.0
        assert [values.value(step, "momentum").value for step in range(3)] == [0.8, 0.9, 0.9]
        with pytest.raises(errors.Misused, match="no track 'rate'; it has head/lr, lr, momentum"):
            values.value(5, "rate")


def test_the_requests_are_those_of_the_protocol(service: FakeService) -> None:
    with follower(service) as values:
        for step in range(300):
            values.value(step)
    first, *others, last = windows(service)
    instance = first.pop("instance")
    assert first == {"worker": "w", "step": 0, "at": 0, "applied": None}
    for request in others:
        assert (request["uid"], request["attempt"], request["instance"]) == ("uid-1", 1, instance)
        assert request["seen"]["revision"] == 1
        assert request["at"] <= request["step"] <= request["seen"]["horizon"]
        assert "fallback" not in request
    assert last["leaving"] is True
    assert last["applied"]["stop"] == 300
    assert last["step_seconds"] > 0


def test_the_next_window_is_fetched_when_half_of_the_lead_is_left(service: FakeService) -> None:
    with follower(service) as values:
        trigger = values.source.trigger
        assert int(0.4 * 64) <= trigger <= 0.5 * 64
        for step in range(trigger):
            values.value(step)
        assert service.runs["r"].horizon == 64
        values.value(trigger)
        until(lambda: service.runs["r"].horizon == trigger + 64)


def test_a_change_takes_effect_at_its_step_and_the_reading_says_which(service: FakeService) -> None:
    with follower(service) as values:
        values.value(0)
        first = service.runs["r"].revise({"kind": "scale", "factor": 0.5})["from_step"]
        readings = [values.value(step) for step in range(400)]
    assert [r.value for r in readings] == [curve(s) * (0.5 if s >= first else 1.0) for s in range(400)]
    assert [r.revision for r in readings] == [2 if s >= first else 1 for s in range(400)]


def test_steps_may_be_asked_for_again_and_out_of_order(service: FakeService) -> None:
    with follower(service) as values:
        for step in [*range(200), 3, 2, 190, 0, 199]:
            assert values.value(step).value == curve(step)


# Outages


@pytest.mark.parametrize("policy", ["follow", "freeze"])
@pytest.mark.parametrize("fault", ["down", "hangs", "garbage", "status"])
def test_an_outage_is_bridged_and_the_record_made_true(service: FakeService, policy: str, fault: str) -> None:
    with follower(service, policy=policy, timeout=1.0) as values:
        if policy == "follow":
            know_the_tail(values)
        used = [values.value(step) for step in range(10)]
        setattr(service, fault, 500 if fault == "status" else True)
        used += [values.value(step) for step in range(10, 200)]
        setattr(service, fault, None if fault == "status" else False)
        walk_on(values, used)
    run = service.runs["r"]
    start = [reading.reason for reading in used].index(policy)
    alone = [reading for reading in used if reading.reason != "committed"]
    assert start >= 64
    assert {reading.reason for reading in alone} == {policy}
    if policy == "follow":
        assert [reading.value for reading in used] == [curve(step) for step in range(len(used))]
    else:
        assert {reading.value for reading in alone} == {curve(start - 1)}
    assert [run.value(step) for step in range(len(used))] == [reading.value for reading in used]
    assert run.unverified == []
    assert run.workers["w"]["verified_until"] == len(used)
    told = [request["fallback"] for request in windows(service) if request.get("fallback")]
    assert told
    assert told[0] | {"tail_stop": None} == {"start": start, "policy": policy, "revision": 1, "tail_stop": None}


def test_a_followed_tail_that_ends_is_held_and_reported(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep.tail, "MAX_STEPS", 50)
    with follower(service, policy="follow") as values:
        know_the_tail(values, 114)
        service.down = True
        used = [values.value(step) for step in range(300)]
        service.down = False
        walk_on(values, used)
    run = service.runs["r"]
    assert [reading.reason for reading in used[:300]] == ["committed"] * 64 + ["follow"] * 50 + ["freeze"] * 186
    assert {reading.value for reading in used[114:300]} == {curve(113)}
    assert [run.value(step) for step in range(300)] == [reading.value for reading in used[:300]]
    assert run.unverified == []
    told = next(request["fallback"] for request in windows(service) if request.get("fallback"))
    assert told == {"start": 64, "policy": "follow", "revision": 1, "tail_stop": 114}


def test_a_change_made_during_the_outage_waits_for_those_who_went_on(service: FakeService) -> None:
    with follower(service, policy="freeze") as values:
        values.value(0)
        service.down = True
        used = [values.value(step) for step in range(100)]
        service.runs["r"].revise({"kind": "set", "value": 0.5})
        service.down = False
        walk_on(values, used)
        used += [values.value(step) for step in range(len(used), len(used) + 10)]
    assert [reading.value for reading in used[64:]].index(0.5) == [r.revision for r in used[64:]].index(2)
    assert [service.runs["r"].value(step) for step in range(len(used))] == [reading.value for reading in used]
    assert service.runs["r"].unverified == []


def test_another_rank_that_did_something_else_is_marked(service: FakeService) -> None:
    with follower(service, policy="freeze") as values:
        values.value(0)
        service.down = True
        used = [values.value(step) for step in range(100)]
        run = service.runs["r"]
        run.window({"worker": "another", "step": 64, "at": 64})  # it went on, on the plan
        service.down = False
        walk_on(values, used)
    assert run.unverified
    assert run.unverified[0][0] == 64
    assert all(start >= 64 for start, _ in run.unverified)


def test_raise_raises_at_the_first_step_without_a_committed_value(service: FakeService) -> None:
    with follower(service, policy="raise") as values:
        values.value(0)
        service.down = True
        for step in range(64):
            assert values.value(step).reason == "committed"
        with pytest.raises(errors.NoValue, match=r"step 64 .* policy is 'raise'.*nothing listens here"):
            values.value(64)


def test_wait_waits_no_longer_than_it_is_told(service: FakeService) -> None:
    with follower(service, policy="wait", wait_seconds=0.05) as values:
        values.value(0)
        service.down = True
        for step in range(64):
            values.value(step)
        with pytest.raises(errors.NoValue, match="policy is 'wait'"):
            values.value(64)
        service.down = False
        assert values.value(64) == (curve(64), "committed", 1)


def test_a_slow_service_stalls_nobody_who_is_slower(service: FakeService) -> None:
    service.delay_seconds = 0.05
    with follower(service, policy="raise") as values:
        assert [values.value(step).reason for step in range(300)] == ["committed"] * 300


# Beginnings


def test_without_a_service_the_start_fails_and_says_what_to_check(service: FakeService) -> None:
    service.down = True
    with pytest.raises(errors.NoValue, match=r"Check that the service is running.*cache_dir"):
        follower(service, start_seconds=0.1, policy="follow")


def test_a_service_that_comes_up_late_is_waited_for(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    service.status = 503
    request = service.answer

    def later(*arguments: Any) -> Any:
        service.status = 503 if len(service.requests) < 5 else None
        return request(*arguments)

    monkeypatch.setattr(service, "answer", later)
    with follower(service, start_seconds=60.0) as values:
        assert values.value(0).value == curve(0)
    assert len(service.requests) > 5


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"plan": None, "run": "unknown"}, errors.UnknownRun),
        ({"plan": {"tracks": {}}}, errors.RunExists),
        ({"run": "closed"}, errors.RunArchived),
        ({"policy": "hope"}, errors.Misused),
        ({"lead_secnods": 1.0}, errors.Misused),
    ],
)
def test_a_start_that_cannot_work_fails_at_once(
    service: FakeService, arguments: dict[str, Any], error: type[Exception]
) -> None:
    service.create("r", PLAN)
    service.create("closed", PLAN).archived = True
    with pytest.raises(error):
        follower(service, **arguments)
    gc.collect()


def test_keep_follows_the_plan_that_is_there(service: FakeService, caplog: pytest.LogCaptureFixture) -> None:
    service.create("r", {"tracks": {}})
    with follower(service, if_exists="keep") as values:
        assert values.value(0).value == curve(0)
    assert "goes on with the plan that it has, not with this script's" in caplog.text
    assert "'value': 0.1" in caplog.text


def test_a_run_may_start_in_the_middle(service: FakeService) -> None:
    with follower(service, start_step=1000) as values:
        assert values.value(1000).value == curve(1000)
    assert service.runs["r"].start_step == 1000


# Refusals


def test_a_refusal_that_is_over_when_the_value_is_needed_is_forgotten(service: FakeService) -> None:
    with follower(service) as values:
        values.value(0)
        run = service.runs.pop("r")
        for step in range(64):
            values.value(step)
        source = values.source
        assert isinstance(source, Feed)
        until(lambda: source.prefetcher.state is State.ENDED)
        service.runs["r"] = run
        assert values.value(64) == (curve(64), "committed", 1)


def break_rewind(service: FakeService) -> None:
    service.runs["r"].rewind(10)


def break_replace(service: FakeService) -> None:
    service.create("r", PLAN)


def break_delete(service: FakeService) -> None:
    del service.runs["r"]


def break_archive(service: FakeService) -> None:
    service.runs["r"].archived = True


def break_restore(service: FakeService) -> None:
    service.runs["r"].horizon = 20


@pytest.mark.parametrize("policy", ["follow", "freeze", "wait", "raise"])
@pytest.mark.parametrize(
    ("accident", "error", "advice"),
    [
        (break_rewind, errors.AttemptSuperseded, "restart it from a checkpoint"),
        (break_replace, errors.RunReplaced, "under a new name"),
        (break_delete, errors.UnknownRun, "database was deleted"),
        (break_archive, errors.RunArchived, "new name"),
        (break_restore, errors.HistoryBehind, "Restore a newer one, or rewind"),
    ],
)
def test_a_refusal_ends_the_attempt_where_its_values_end(
    service: FakeService, policy: str, accident: Any, error: type[errors.LockstepError], advice: str
) -> None:
    with follower(service, policy=policy) as values:
        values.value(0)
        accident(service)
        before = len(service.runs)
        for step in range(64):
            assert values.value(step) == (curve(step), "committed", 1)
        with pytest.raises(error, match=advice):
            values.value(64)
        assert len(service.runs) == before  # nothing was created again
        assert not any(request.get("fallback") for request in windows(service))


@pytest.mark.parametrize("policy", ["follow", "freeze"])
def test_a_refusal_ends_even_an_outage_that_the_training_outruns(service: FakeService, policy: str) -> None:
    """Fallback windows are appended while requests are under way; a final refusal must not drown in them."""
    with follower(service, policy=policy) as values:
        values.value(0)
        service.down = True
        step = 0
        while values.value(step).reason == "committed":
            step += 1
        del service.runs["r"]
        service.down = False
        at_full_speed = (values.value(later) for later in range(step, step + 10**8))  # a million steps a second
        with pytest.raises(errors.UnknownRun):
            deque(at_full_speed, maxlen=0)


def test_after_a_rewind_a_worker_may_rejoin(service: FakeService) -> None:
    with follower(service) as values:
        for step in range(100):
            values.value(step)
        service.runs["r"].rewind(40, {"kind": "scale", "factor": 0.1})
        values.rejoin(30)
        assert [values.value(s).value for s in range(30, 90)] == [
            curve(s) * (0.1 if s >= 40 else 1.0) for s in range(30, 90)
        ]
        assert values.window.attempt == 2
        values.value(90)
    assert service.runs["r"].unverified == []
    assert service.runs["r"].workers["w"]["attempt"] == 2


# Truth


def test_a_value_that_was_overwritten_is_noticed(service: FakeService) -> None:
    with follower(service) as values:
        for step in range(100):
            values.value(step)
            if step == 50:
                values.used(50, "lr", 123.0)
    marked = service.runs["r"].unverified
    assert len(marked) == 1
    assert marked[0][0] <= 50 < marked[0][1]


def test_a_report_that_was_lost_is_sent_again(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    with follower(service, policy="freeze") as values:
        values.value(0)
        request = service.answer

        def lossy(*arguments: Any) -> Any:
            reply = request(*arguments)  # it arrives, and its answer does not
            if 5 < len(service.requests) < 9:
                raise ConnectionError("lost")
            return reply

        monkeypatch.setattr(service, "answer", lossy)
        for step in range(500):
            values.value(step)
        until(lambda: len(service.requests) > 9)
    run = service.runs["r"]
    assert run.workers["w"]["verified_until"] == 500
    assert [start for start, _ in run.unverified if start < 64] == []


# Resumption


def test_a_job_starts_from_its_file_while_the_service_is_away(service: FakeService, tmp_path: Path) -> None:
    with follower(service, policy="follow", cache_dir=tmp_path) as values:
        for step in range(60):
            values.value(step)
        know_the_tail(values, 200)
    service.down, run = True, service.runs["r"]
    with follower(service, policy="follow", cache_dir=tmp_path, step=50, start_seconds=0.1) as values:
        again = [values.value(step) for step in range(50, 200)]
        assert {reading.reason for reading in again} == {"committed", "follow"}
        service.down = False
        used = again[:50] + again  # numbered by step
        walk_on(values, used)
    assert [reading.value for reading in used[50:]] == [curve(step) for step in range(50, len(used))]
    assert run.unverified == []
    assert service.runs["r"] is run


def test_a_file_also_holds_the_values_of_older_checkpoints_but_not_of_later_ones(
    service: FakeService, tmp_path: Path
) -> None:
    with follower(service, cache_dir=tmp_path) as values:
        for step in range(300):
            values.value(step)
    service.down = True
    with follower(service, cache_dir=tmp_path, step=5, policy="raise") as values:
        assert [values.value(step) for step in range(5, 300)] == [(curve(s), "committed", 1) for s in range(5, 300)]
    with pytest.raises(errors.NoValue):
        follower(service, cache_dir=tmp_path, step=900, start_seconds=0.1)


def test_a_checkpoint_is_plain_data(service: FakeService) -> None:
    with follower(service) as values:
        for step in range(10):
            values.value(step)
        state = values.state(9)
    assert json.loads(json.dumps(state)) == state
    assert (state["run"], state["uid"], state["attempt"], state["step"]) == ("r", "uid-1", 1, 9)
    assert state["windows"][0]["values"]["lr"][0] == curve(9)


# The end


def test_nothing_is_left_when_a_follower_is_closed_or_forgotten(service: FakeService) -> None:
    values = follower(service)
    assert len(lockstep_threads()) == 1
    values.close()
    values.close()
    assert lockstep_threads() == []
    with pytest.raises(errors.Misused, match="closed"):
        values.value(64)
    values = follower(service)
    del values
    gc.collect()
    until(lambda: not lockstep_threads())


def test_nothing_is_left_after_an_exception(service: FakeService) -> None:
    def train() -> None:
        with follower(service) as values:
            raise ZeroDivisionError(values.value(0))

    with pytest.raises(ZeroDivisionError):
        train()
    assert lockstep_threads() == []


def test_the_training_s_random_numbers_are_left_alone(service: FakeService) -> None:
    import random

    random.seed(1)
    state = random.getstate()
    with follower(service) as values:
        for step in range(500):
            values.value(step)
    assert random.getstate() == state


def test_a_controller_sees_what_the_worker_does(service: FakeService) -> None:
    with Client(transport=service.transport) as controller, follower(service) as values:
        values.value(0)
        assert controller.run("r")["horizon"] == 64
        with pytest.raises(errors.BelowHorizon) as caught:
            controller.revise("r", {"kind": "scale", "factor": 2.0}, from_step=3)
        assert caught.value.earliest_step == 64
