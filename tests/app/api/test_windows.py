"""The window call is answered by the door and has a route as well; nobody can tell from the answers."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount
from starlette.testclient import TestClient

from app.api import windows
from app.api.codecs import response
from app.api.door import run_of_windows
from app.main import create_app
from app.settings import Settings
from app.store import open_store

PLAN = {"tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}}}
BELOW = "/below"


@pytest.fixture
def http(sqlite_url: str) -> Iterator[TestClient]:
    """The service, and the same one again below a prefix, where the door does not know the path."""
    store = open_store(sqlite_url)
    service = create_app(Settings(), store)
    with (
        TestClient(service),
        TestClient(
            Starlette(routes=[Mount(BELOW, service), Mount("/", service)]), raise_server_exceptions=False
        ) as client,
    ):
        client.post("/v1/runs", json={"run": "a", "plan": PLAN})
        yield client
    store.close()


@pytest.mark.parametrize(
    ("run", "body", "status"),
    [
        ("a", b'{"worker": "rank-0", "step": 0}', 200),
        ("a", b'{"worker": "rank-0", "step": -1}', 422),
        ("a", b'{"worker": "rank-0", "step"', 422),
        ("a", b"", 422),
        ("a", b'{"worker": "rank-0", "step": 0, "at": 9}', 422),
        ("a", b'{"worker": "rank-0", "step": 0, "seen": {"revison": 1}, "group": [{"worker": 1}]}', 422),
        ("a", b'{"worker": "rank-0", "step": 0, "applied": {"start": 0, "stop": 1, "tracks": 7, "crc32": 0}}', 422),
        ("a", b'{"worker": "rank-0", "step": 999}', 409),
        ("none", b'{"worker": "rank-0", "step": 0}', 404),
        ("a%20b", b'{"worker": "rank-0", "step": 0}', 404),
    ],
)
def test_both_ways_answer_the_same(http: TestClient, run: str, body: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    path = f"/v1/runs/{run}/windows"
    by_route = http.post(BELOW + path, content=body, headers=headers)
    by_door = http.post(path, content=body, headers=headers)
    assert (by_door.status_code, by_route.status_code) == (status, status)
    assert by_door.headers["content-type"] == by_route.headers["content-type"]
    assert by_door.json() == by_route.json()


def test_the_ways_are_two() -> None:
    """What the test before compares is not one thing with itself: below a prefix the door leaves it to the route."""
    path = "/v1/runs/a/windows"
    assert run_of_windows({"method": "POST", "path": path}) == "a"
    assert run_of_windows({"method": "POST", "path": BELOW + path}) is None


@pytest.mark.parametrize(
    "path", ["/v1/runs//windows", "/v1/runs/windows", "/v1/runs/a/b/windows", "/v1/runs/a/windows/"]
)
def test_only_the_exact_path_is_taken(http: TestClient, path: str) -> None:
    answer = http.post(path, json={"worker": "rank-0", "step": 0}, follow_redirects=False)
    assert answer.status_code in (307, 404, 405)


def test_a_mistake_of_ours_is_a_problem_too(http: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("app.control.windows.from_memory", broken)
    answer = http.post("/v1/runs/a/windows", json={"worker": "rank-0", "step": 0})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:lockstep:problem:internal")


@pytest.mark.parametrize(
    ("few", "accept", "by_a_thread"),
    [(8, "application/json", False), (7, "application/json", True), (7, "application/octet-stream", False)],
)
def test_a_large_window_is_written_as_json_by_a_thread(
    http: TestClient, monkeypatch: pytest.MonkeyPatch, few: int, accept: str, by_a_thread: bool
) -> None:
    writers: list[str] = []

    def noted(*arguments: Any) -> Response:
        writers.append(threading.current_thread().name)
        return response(*arguments)

    monkeypatch.setattr(windows, "FEW", few)
    monkeypatch.setattr(windows, "response", noted)
    answer = http.post("/v1/runs/a/windows", json={"worker": "rank-0", "step": 0}, headers={"accept": accept})
    assert answer.headers["content-type"] == accept
    assert ["AnyIO worker" in writer for writer in writers] == [by_a_thread]
