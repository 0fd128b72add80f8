"""The door: nothing gets past what stands in front of it, and it refuses windows as it refuses everything else."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import NotFound
from app.main import create_app
from app.settings import Settings
from app.store import open_store
from tests.app.control.harness import LINEAR

RUN = {"run": "a", "plan": {"tracks": {"lr": LINEAR}}}
ASKED = {"worker": "rank-0", "step": 0}
CALLS = [
    ("GET", "/healthz", None),
    ("GET", "/docs", None),
    ("GET", "/v1/runs/a", None),
    ("POST", "/v1/runs", RUN),
    ("POST", "/v1/runs/a/windows", ASKED),
]


@pytest.fixture
def service(sqlite_url: str) -> Iterator[FastAPI]:
    store = open_store(sqlite_url)
    yield create_app(Settings(max_body_bytes=1000), store)
    store.close()


class Gate:
    """An access check as somebody would add it: a middleware that asks for a secret."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"secret", b"1") not in scope["headers"]:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)


def test_a_middleware_that_is_added_refuses_windows_as_it_refuses_everything_else(service: FastAPI) -> None:
    service.add_middleware(Gate)
    with TestClient(service) as http:
        assert http.post("/v1/runs", json=RUN, headers={"secret": "1"}).status_code == 201
        without = [http.request(method, path, json=body).status_code for method, path, body in CALLS]
        allowed = [http.request(m, path, json=body, headers={"secret": "1"}).status_code for m, path, body in CALLS]
        assert http.get("/v1/runs/a", headers={"secret": "1"}).json()["horizon"] == 8  # of the one window
    assert (without, allowed) == ([401] * 5, [200] * 5)


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/runs/a/windows", "/v1/runs/a/revisions"])
def test_limits_hold_for_every_body(service: FastAPI, path: str) -> None:
    with TestClient(service) as http:
        http.post("/v1/runs", json=RUN)
        large = http.post(path, content=b" " * 1001, headers={"content-type": "application/json"})
        plain = http.post(path, content=b"{}", headers={"content-type": "text/plain"})
    assert (large.status_code, large.json()["type"]) == (413, "urn:lockstep:problem:too-large")
    assert (plain.status_code, plain.json()["type"]) == (415, "urn:lockstep:problem:unsupported-media-type")


def test_an_error_is_the_same_problem_at_both_call_sites(service: FastAPI) -> None:
    """One run that is not there, by the door and by a route."""
    with TestClient(service) as http:
        window = http.post("/v1/runs/none/windows", json=ASKED)
        run = http.get("/v1/runs/none")
    assert (window.status_code, window.json()) == (run.status_code, run.json())
    assert run.json()["type"] == "urn:lockstep:problem:unknown-run"


def test_the_door_answers_what_it_raises_itself(service: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the check of who asks does: whatever is refused before a route is known is a problem document as well."""

    async def refused(*_: object) -> bytes:
        raise NotFound("not for you")

    monkeypatch.setattr("app.api.door.body_of", refused)
    with TestClient(service) as http:
        answers = [http.request(method, path, json=body) for method, path, body in CALLS]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {(404, "not for you")}


def test_whoever_sends_a_revision_is_its_author(service: FastAPI) -> None:
    with TestClient(service) as http:
        http.post("/v1/runs", json=RUN)
        made = http.post("/v1/runs/a/revisions", json={"action": {"kind": "hold"}})
        assert made.json()["author"] == "anonymous"
        rewound = http.post("/v1/runs/a/rewind", json={"to_step": 0})
        assert rewound.status_code == 200
        listed = http.get("/v1/runs/a/revisions").json()["items"]
        assert {(one["author"], one["author_proven"]) for one in listed} == {("anonymous", False)}


def test_without_tokens_one_may_say_who_one_is_and_it_is_recorded_as_unproven(service: FastAPI) -> None:
    with TestClient(service) as http:
        http.post("/v1/runs", json=RUN, headers={b"lockstep-author": "Ada Lövelace".encode()})
        made = http.post(
            "/v1/runs/a/revisions", json={"action": {"kind": "hold"}}, headers={"lockstep-author": "grace"}
        )
        assert (made.json()["author"], made.json()["author_proven"]) == ("grace", False)
        assert http.get("/v1/runs/a/revisions/1").json()["author"] == "Ada Lövelace"
        for nobody in (b" ", b"a\tb", b"a" * 201):
            refused = http.get("/v1/runs", headers={b"lockstep-author": nobody})
            assert (refused.status_code, refused.json()["type"]) == (422, "urn:lockstep:problem:invalid")


def test_a_page_of_another_origin_changes_nothing_and_reads_nothing(service: FastAPI) -> None:
    """A browser sends a POST without a body wherever a page wants it to, with the page's origin."""
    with TestClient(service) as http:
        http.post("/v1/runs", json=RUN)
        for origin in ("https://elsewhere.example", "null", "http://testserver:8080"):
            refused = http.post("/v1/runs/a/archive", headers={"origin": origin})
            assert (refused.status_code, refused.json()["type"]) == (403, "urn:lockstep:problem:forbidden")
            read = http.get("/v1/runs/a", headers={"origin": origin})
            assert (read.json()["status"], "access-control-allow-origin" in read.headers) == ("active", False)
        assert http.post("/v1/runs/a/finish", headers={"origin": "http://testserver"}).status_code == 200
