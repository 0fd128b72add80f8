"""The plain window call is answered in front of FastAPI; nobody can tell from the answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.store import open_store

PLAN = {"tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}}}


@pytest.fixture
def http(tmp_path: Path) -> Iterator[TestClient]:
    store = open_store(f"sqlite:///{tmp_path}/lockstep.db")
    with TestClient(create_app(Settings(), store), raise_server_exceptions=False) as client:
        client.post("/v1/runs", json={"run": "a", "plan": PLAN})
        yield client
    store.close()


@pytest.mark.parametrize(
    ("run", "body", "status"),
    [
        ("a", b'{"worker": "rank-0", "step": 0}', 200),
        ("a", b'{"worker": "rank-0", "step": -1}', 422),
        ("a", b'{"worker": "rank-0", "step"', 422),
        ("a", b'{"worker": "rank-0", "step": 999}', 409),
        ("none", b'{"worker": "rank-0", "step": 0}', 404),
        ("a%20b", b'{"worker": "rank-0", "step": 0}', 404),
    ],
)
def test_both_ways_answer_the_same(http: TestClient, run: str, body: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    path = f"/v1/runs/{run}/windows"
    short = http.post(path, content=body, headers=headers)
    long = http.post(path, content=iter([body]), headers=headers)  # chunked: the ordinary way
    assert (short.status_code, long.status_code) == (status, status)
    assert short.headers["content-type"] == long.headers["content-type"]
    assert short.json() == long.json()


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
