"""The record of requests: all are counted, and what somebody may want to know of is in the log, with its reason."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from app.api.permissions import WINDOWS
from app.api.problems import answer
from app.api.record import BOUNDS, Meter, Record
from app.errors import DataLost, LockstepError, Unavailable

RUN = {"run": "a", "plan": {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}}
ASKED = {"worker": "rank-0", "step": 0}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the service writes, from the level on that it has when it serves."""
    with caplog.at_level(logging.INFO, "lockstep"):
        yield caplog


def fields(record: logging.LogRecord) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in ("levelname", "method", "path", "status", "run", "author"))


def recorded(error: LockstepError) -> int:
    """A request that is refused so, behind the record; the status of its answer."""
    asked: Scope = {"type": "http", "method": "POST", "path": "/v1/runs/a\n/finish", "headers": []}
    sent: list[Message] = []

    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(error, Request(scope))(scope, receive, send)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Record(refusing, Meter())(asked, receive, send))
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize("kind", [Unavailable, DataLost])
def test_what_is_unavailable_is_in_the_log_with_its_reason(
    caplog: pytest.LogCaptureFixture, kind: type[Unavailable]
) -> None:
    assert recorded(kind("the disk is full")) == 503
    (record,) = caplog.records
    assert record.getMessage() == "POST '/v1/runs/a\\n/finish': 503, the disk is full"


def test_a_change_has_a_line_that_says_whose_it_is(http: TestClient, log: pytest.LogCaptureFixture) -> None:
    http.post("/v1/runs", json=RUN, headers={"lockstep-author": "ada"})
    http.post("/v1/runs/a/revisions", json={"action": {"kind": "hold"}}, headers={"x-request-id": "mine"})
    assert [fields(record) for record in log.records] == [
        ("INFO", "POST", "/v1/runs", 201, None, "ada"),
        ("INFO", "POST", "/v1/runs/a/revisions", 201, "a", "anonymous"),
    ]
    assert log.records[1].__dict__["request"] == "mine"
    assert len(log.records[0].__dict__["request"]) == 16
    assert log.records[0].__dict__["seconds"] > 0


def test_a_refused_worker_has_a_line_with_the_reason(http: TestClient, log: pytest.LogCaptureFixture) -> None:
    http.post("/v1/runs", json=RUN)
    http.post("/v1/runs/a/windows", json={**ASKED, "step": 5000})
    http.post("/v1/runs/none/windows", json=ASKED)
    http.post("/v1/runs/a/windows", json={})
    refused = [(fields(record)[0], record.__dict__["run"], record.getMessage()) for record in log.records[1:]]
    assert [(level, run) for level, run, _ in refused] == [("WARNING", "a"), ("WARNING", "none"), ("WARNING", "a")]
    for (_, _, message), reason in zip(
        refused, ("409, step 5000 lies beyond", "404, there is no run", "422, "), strict=True
    ):
        assert reason in message


def test_what_is_asked_all_the_time_or_wrong_by_a_controller_has_no_line(
    http: TestClient, log: pytest.LogCaptureFixture
) -> None:
    http.post("/v1/runs", json=RUN)
    http.post("/v1/runs/a/windows", json=ASKED)
    http.get("/v1/runs/a")
    http.post("/v1/runs/a/revisions", json={"action": {"kind": "resume"}})
    http.post("/v1/runs/a/revisions/preview", json={"action": {"kind": "hold"}})
    assert [record.__dict__["path"] for record in log.records] == ["/v1/runs"]


def test_everything_is_counted_by_route_and_never_by_what_a_caller_makes_up(http: TestClient) -> None:
    meter: Meter = http.app.state.meter  # type: ignore[attr-defined]
    http.post("/v1/runs", json=RUN)
    for run in ("a", "b", "c/d"):
        http.get(f"/v1/runs/{run}")
        http.post(f"/v1/runs/{run}/windows", json=ASKED)
    http.head("/v1/runs/a")
    http.request("BREW", "/v1/runs/a")
    http.get("/nothing")
    assert meter.answers == {
        ("POST", "/v1/runs", 201): 1,
        ("GET", "/v1/runs/{run}", 200): 1,
        ("GET", "/v1/runs/{run}", 404): 1,
        ("HEAD", "/v1/runs/{run}", 200): 1,
        ("POST", WINDOWS, 200): 1,
        ("POST", WINDOWS, 404): 1,
        ("GET", "none", 404): 2,
        ("POST", "none", 404): 1,
        ("other", "none", 405): 1,
    }
    assert {route: sum(timing.counts) for route, timing in meter.timings.items()} == {
        "/v1/runs": 1,
        "/v1/runs/{run}": 3,
        WINDOWS: 2,
        "none": 4,
    }


@pytest.mark.parametrize(("seconds", "part"), [(0.0, 0), (0.001, 0), (0.0011, 1), (10.0, 8), (10.1, 9)])
def test_a_time_lies_in_the_part_whose_bound_it_does_not_pass(seconds: float, part: int) -> None:
    meter = Meter()
    meter.count("GET", "/", 200, seconds)
    assert meter.timings["/"].counts == [int(index == part) for index in range(len(BOUNDS) + 1)]
    assert meter.timings["/"].seconds == seconds
