"""What every adapter repeats: joining late and again, and what is said of values that something else has set."""

import gc
import logging
from typing import Any

import pytest

from lockstep.adapter import Adapter
from lockstep.errors import AttemptSuperseded, Misused
from lockstep.testing import FakeService
from tests.clients.revised import PLAN
from tests.clients.waiting import lockstep_threads, until


def curve(step: int) -> float:
    return 1 / (step + 3)


@pytest.fixture
def service() -> FakeService:
    return FakeService({"lr": curve, "momentum": 0.9}, derived={"head/lr": ("lr", 10.0)}, lead=64)


def adapter(service: FakeService, **arguments: Any) -> Adapter:
    given: dict[str, Any] = {"run": "r", "plan": PLAN, "first": "put()", "transport": service.transport}
    return Adapter(**(given | arguments))


def use(followed: Adapter, start: int, stop: int) -> list[float]:
    return [followed.at(step).value(step).value for step in range(start, stop)]


def test_nothing_is_asked_for_before_the_run_is_joined(service: FakeService) -> None:
    followed = adapter(service)
    assert (followed.run, followed.joined) == ("r", False)
    with pytest.raises(Misused, match=r"joined at the first put\(\): no run to save and no reading before"):
        followed.reading(0)
    followed.close()
    assert (service.requests, lockstep_threads()) == ([], [])
    assert use(followed, 0, 3) == [curve(0), curve(1), curve(2)]
    assert followed.reading(2, "head/lr") == (curve(2) * 10.0, "committed", 1)
    followed.close()


def test_after_a_goodbye_it_joins_again(service: FakeService) -> None:
    followed = adapter(service)
    for start in (0, 30):
        followed.join(start)
        assert use(followed, start, start + 30) == [curve(step) for step in range(start, start + 30)]
        followed.close()
        run = service.runs["r"]
        assert (run.workers["rank-0"]["state"], run.workers["rank-0"]["verified_until"]) == ("left", start + 29)
    assert run.unverified == []


def test_relative_tracks_are_refused_where_an_adapter_cannot_multiply_them() -> None:
    service = FakeService({"lr": curve}, relative=["lr"])
    with pytest.raises(Misused, match="tracks lr of run r are relative, which this adapter does not know"):
        adapter(service).join(0)
    followed = adapter(service, relative=True)
    assert followed.join(0).window.factors("lr")
    followed.close()


def test_a_checkpoint_is_used_once(service: FakeService) -> None:
    first = adapter(service)
    use(first, 0, 20)
    saved = first.state(20)
    first.close()
    service.down = True
    again = adapter(service, resume=saved, policy="wait")
    assert again.state(20) == saved
    assert use(again, 20, 30) == [curve(step) for step in range(20, 30)]
    service.down = False
    service.runs["r"].rewind(25)
    with pytest.raises(AttemptSuperseded):
        use(again, 30, 1000)
    assert again.load(saved).step == 20
    again.forget()  # what the checkpoint held is of the old attempt
    assert again.state(20)["windows"] == []
    assert use(again, 20, 25) == [curve(step) for step in range(20, 25)]
    assert again.state(25)["attempt"] == 2
    again.close()


def test_a_checkpoint_of_another_run_is_refused(service: FakeService) -> None:
    saved = adapter(service).state(3)
    with pytest.raises(Misused, match="belongs to run 'r', this follower to 'other'"):
        adapter(service, run="other", resume=saved)


def test_a_value_that_something_else_sets_is_said_once_per_track_and_cause_and_counted_at_the_end(
    service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    followed = adapter(service)
    for step in range(40):
        followed.at(step).value(step)
        if step >= 10:
            followed.differs(step, "lr", 0.7)
            followed.differs(step, "lr", 0.6)  # another group
        if step in (20, 30):
            followed.differs(step, "momentum", 0.5)
            followed.differs(step, "momentum", 0.5, "A state was loaded.")
    followed.differs(39, "head/lr", 0.3)
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "Update 10 used lr = 0.7, which is not the run's value. Does something else set it?",
        "Update 20 used momentum = 0.5, which is not the run's value. Does something else set it?",
        "Update 20 used momentum = 0.5, which is not the run's value. A state was loaded.",
        "Update 39 used head/lr = 0.3, which is not the run's value. Does something else set it?",
    ]
    caplog.clear()
    followed.close()
    followed.close()
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "30 updates, 10 to 39, used another lr than the run's. Does something else set it?",
        "2 updates, 20 to 30, used another momentum than the run's. Does something else set it?",
        "2 updates, 20 to 30, used another momentum than the run's. A state was loaded.",
    ]
    marked = service.runs["r"].unverified
    assert min(start for start, _ in marked) <= 10
    assert max(stop for _, stop in marked) >= 39


def test_an_adapter_that_nobody_holds_counts_too(service: FakeService, caplog: pytest.LogCaptureFixture) -> None:
    followed = adapter(service)
    for step in range(5):
        followed.at(step).value(step)
        followed.differs(step, "lr", 0.7)
    del followed
    gc.collect()
    assert "5 updates, 0 to 4, used another lr" in caplog.text
    until(lambda: not lockstep_threads())
