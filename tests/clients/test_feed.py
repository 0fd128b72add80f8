"""`Feed`: the thread around the prefetcher; whose rules are in test_prefetcher, and the whole in test_follower."""

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

import lockstep.outage
from lockstep import Client, Follower
from lockstep.beginning import Beginning
from lockstep.feed import Feed
from lockstep.place import Place
from lockstep.report import Record
from lockstep.states import State
from lockstep.testing import FakeService
from tests.clients.waiting import lockstep_threads, until

PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}


def follow(service: FakeService, **more: Any) -> Follower:
    return Follower("r", PLAN, worker="w", transport=service.transport, **more)


def test_a_defect_in_the_background_is_an_outage_and_the_training_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lockstep.outage, "BACKOFF_SECONDS", 0.02)
    service = FakeService(lead=64)
    with follow(service, policy="freeze") as values:
        values.value(0)

        def broken(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("a defect")

        with monkeypatch.context() as patch:
            patch.setattr(Client, "window", broken)
            reasons = {values.value(step).reason for step in range(200)}
        assert reasons == {"committed", "freeze"}
        assert any("a defect" in (record.exc_text or "") for record in caplog.records)
        source = values.source
        assert isinstance(source, Feed)
        until(lambda: source.prefetcher.state is State.HOLDING)
    assert service.runs["r"].unverified == []


def test_a_file_that_cannot_be_written_stops_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    occupied = tmp_path / "a file"
    occupied.write_text("where the folder should be")
    with caplog.at_level(logging.WARNING), follow(FakeService(lead=64), cache_dir=occupied) as values:
        assert [values.value(step).reason for step in range(200)] == ["committed"] * 200
        until(lambda: "cannot be written" in caplog.text)


def test_a_training_that_waits_is_woken_by_the_answer_and_not_by_the_clock() -> None:
    """The lock is free while a request is under way, and `poll` returns as soon as there is something to return."""
    service = FakeService(lead=64)
    service.create("r")
    service.delay_seconds = 300.0
    feed = Beginning("r", policy="wait", timeout=60.0, transport=service.transport).feed()
    feed.start(Record(), Place("r"), 0)
    assert feed.poll(0, None, 0.0) is None
    until(lambda: service.requests)
    assert feed.place() == Place("r")
    threading.Thread(target=service.release).start()
    assert feed.take(0, None).stop == 64
    feed.close()
    assert lockstep_threads() == []


def test_a_feed_that_never_started_closes() -> None:
    feed = Beginning("r", transport=FakeService().transport).feed()
    feed.close()
    assert feed.prefetcher.state is State.LEFT


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (32, "Run r ended at step 32 of 64: was the plan made before the loader was divided among processes?"),
        (50, "Run r ended at step 50 of 64."),
        (64, None),
        (70, "Run r ended at step 70 of 64."),
    ],
)
def test_an_end_that_is_not_the_run_s_is_said(steps: int, said: str | None, caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService(lead=16)
    with Follower("r", PLAN | {"total_steps": 64}, transport=service.transport) as values:
        for step in range(steps):
            values.value(step)
    assert [record.message for record in caplog.records] == ([] if said is None else [said])


def test_an_end_in_an_outage_asks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService(lead=16)
    with Follower("r", PLAN | {"total_steps": 64}, transport=service.transport) as values:
        values.value(0)
        service.down = True
    assert "ended at" not in caplog.text
