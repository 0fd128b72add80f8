"""Turns: a few large calls at a time, and everybody else in the meantime."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from app.api import turns
from app.api.turns import AT_ONCE
from app.control import schedules

EVALUATE = {"schedule": {"kind": "constant", "value": 1.0}, "step": 0}
PLAN = {"tracks": {"lr": {"kind": "constant", "value": 1.0}}}


class Gate:
    """Keeps all that want to evaluate until it opens, and counts who has come to it."""

    def __init__(self) -> None:
        self.come = 0
        self.open, self.lock = threading.Event(), threading.Lock()

    def evaluate(self, *arguments: Any, **options: Any) -> Any:
        with self.lock:
            self.come += 1
        assert self.open.wait(60)
        return EVALUATED(*arguments, **options)

    async def full(self) -> None:
        while self.come < AT_ONCE:
            await asyncio.sleep(0.001)


EVALUATED = schedules.evaluate


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    one = Gate()
    monkeypatch.setattr("app.control.schedules.evaluate", one.evaluate)
    yield one
    one.open.set()


def client_of(http: TestClient) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(http.app), base_url="http://lockstep", timeout=60)


def test_a_few_go_on_at_a_time_and_windows_and_changes_meanwhile(http: TestClient, gate: Gate) -> None:
    async def crowd() -> list[int]:
        async with client_of(http) as client:
            ask = [asyncio.create_task(client.post("/v1/schedules/evaluate", json=EVALUATE)) for _ in range(50)]
            await gate.full()
            others = [
                await client.post("/v1/runs", json={"run": "a", "plan": PLAN}),
                await client.post("/v1/runs/a/windows", json={"worker": "rank-0", "step": 0}),
                await client.get("/readyz"),
            ]
            assert gate.come == AT_ONCE
            gate.open.set()
            return [answer.status_code for answer in [*others, *await asyncio.gather(*ask)]]

    assert asyncio.run(crowd()) == [201, 200, 200] + [200] * 50
    assert gate.come == 50


def test_who_waits_too_long_is_told(http: TestClient, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crowd() -> tuple[httpx.Response, set[int]]:
        async with client_of(http) as client:
            ask = [asyncio.create_task(client.post("/v1/schedules/evaluate", json=EVALUATE)) for _ in range(AT_ONCE)]
            await gate.full()
            monkeypatch.setattr(turns, "WAIT_SECONDS", 0.0)
            late = await client.post("/v1/schedules/evaluate", json=EVALUATE)
            gate.open.set()
            return late, {answer.status_code for answer in await asyncio.gather(*ask)}

    late, statuses = asyncio.run(crowd())
    assert (late.status_code, late.json()["type"]) == (503, "urn:lockstep:problem:unavailable")
    assert statuses == {200}


def test_a_turn_ends_however_the_call_does(http: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.0)
    for _ in range(2 * AT_ONCE):
        assert http.post("/v1/schedules/evaluate", json=EVALUATE | {"step": "x"}).status_code == 422
        assert (
            http.post("/v1/schedules/evaluate", json={"schedule": {"kind": "constant", "value": 1.0}}).status_code
            == 422
        )
        assert http.post("/v1/runs/none/revisions", json={"action": {"kind": "hold"}}).status_code == 404
    assert http.post("/v1/schedules/evaluate", json=EVALUATE).status_code == 200
