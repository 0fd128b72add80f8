"""Bodies as models: the event loop reads small ones, and answers others while a thread reads a large one."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from app.api import windows
from app.api.bodies import SMALL, posted, validated
from app.errors import Invalid
from schemas.bounds import check_size
from schemas.evaluate import Evaluate

EVALUATE = {"schedule": {"kind": "constant", "value": 1.0}, "step": 0}
WINDOW = {"worker": "rank-0", "step": 0}
LARGE = " " * SMALL


def read(size: int, data: Any) -> Any:
    """What a route gets for a body of so many bytes that holds this."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b" " * size, "more_body": False}

    async def argument() -> Any:
        return await posted(Evaluate).dependency(Request({"type": "http"}, receive), data)

    return asyncio.run(argument())


@pytest.mark.parametrize(("size", "elsewhere"), [(SMALL, False), (SMALL + 1, True)])
def test_a_thread_reads_what_is_large(monkeypatch: pytest.MonkeyPatch, size: int, elsewhere: bool) -> None:
    readers: list[int] = []

    def noted(data: Any) -> Any:
        readers.append(threading.get_ident())
        return check_size(data)

    monkeypatch.setattr("schemas.evaluate.check_size", noted)
    assert read(size, EVALUATE).step == 0
    assert [reader != threading.get_ident() for reader in readers] == [elsewhere]


@pytest.mark.parametrize("size", [1, SMALL + 1])
def test_what_is_wrong_is_pointed_at_wherever_it_was_read(size: int) -> None:
    with pytest.raises(Invalid) as caught:
        read(size, EVALUATE | {"stepz": 1})
    assert caught.value.errors == [("/stepz", "there is no field 'stepz' here; did you mean 'steps'?")]


def test_data_of_another_shape_is_refused() -> None:
    with pytest.raises(Invalid, match="valid dictionary"):
        validated(Evaluate, [1])


def of_evaluate(monkeypatch: pytest.MonkeyPatch, pause: Callable[[], None]) -> tuple[str, dict[str, Any]]:
    def pausing(data: Any) -> Any:
        pause()
        return check_size(data)

    monkeypatch.setattr("schemas.evaluate.check_size", pausing)
    return "/v1/schedules/evaluate", EVALUATE


def of_a_window(monkeypatch: pytest.MonkeyPatch, pause: Callable[[], None]) -> tuple[str, dict[str, Any]]:
    class Pausing:
        @staticmethod
        def validate_json(body: bytes) -> Any:
            pause()
            return request.validate_json(body)

    request = windows.REQUEST
    monkeypatch.setattr(windows, "REQUEST", Pausing)
    return "/v1/runs/a/windows", WINDOW


@pytest.mark.parametrize("of", [of_evaluate, of_a_window])
def test_others_are_answered_while_a_large_body_is_read(
    http: TestClient, monkeypatch: pytest.MonkeyPatch, of: Callable[..., tuple[str, dict[str, Any]]]
) -> None:
    """The reader does not go on before another request is answered."""
    plan = {"tracks": {"lr": {"kind": "constant", "value": 1.0}}}
    assert http.post("/v1/runs", json={"run": "a", "plan": plan}).status_code == 201
    begun, answered = threading.Event(), threading.Event()

    def pause() -> None:
        begun.set()
        assert answered.wait(60)

    path, body = of(monkeypatch, pause)

    async def both() -> tuple[int, int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(http.app), base_url="http://lockstep") as client:
            sent: Any = {"content": json.dumps(body) + LARGE, "headers": {"content-type": "application/json"}}
            large = asyncio.create_task(client.post(path, **sent))
            await asyncio.to_thread(begun.wait, 60)
            alive = await client.get("/healthz")
            answered.set()
            return (await large).status_code, alive.status_code

    task: Coroutine[Any, Any, tuple[int, int]] = both()
    assert asyncio.run(task) == (200, 200)
