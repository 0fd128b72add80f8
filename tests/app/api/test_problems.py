"""Problem documents: what one may cost, however much is wrong with a request, and however long."""

import json

from starlette.requests import Request
from starlette.testclient import TestClient

from app.api.problems import answer
from app.errors import Invalid
from app.validation import MOST_ERRORS


def test_a_path_says_all_its_methods_and_is_no_value_of_a_parameter(http: TestClient) -> None:
    for method, path, allowed in [
        ("DELETE", "/v1/runs", "GET, POST"),
        ("PUT", "/v1/runs/a", "GET, PATCH"),
        ("DELETE", "/v1/runs/a/revisions", "GET, POST"),
        ("GET", "/v1/runs/a/windows", "POST"),
        ("GET", "/v1/runs/a/revisions/preview", "POST"),
        ("GET", "/v1/schedules/evaluate", "POST"),
        ("PATCH", "/v1/schedules/plot", "POST"),
        ("POST", "/v1/schedules/ramp", "GET"),
        ("POST", "/healthz", "GET"),
    ]:
        refused = http.request(method, path)
        assert (refused.status_code, refused.headers.get("allow")) == (405, allowed), path
        assert refused.json()["detail"] == f"{method} is not a method of {path}"
    assert http.get("/v1/schedules/plots").status_code == 404


def test_an_error_beside_the_body_is_at_its_name(http: TestClient) -> None:
    http.post("/v1/runs", json={"run": "a", "plan": {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}})
    hold = {"action": {"kind": "hold"}}
    header = http.post("/v1/runs/a/revisions", json=hold, headers={"if-match": "one"}).json()["errors"]
    assert header == [
        {
            "pointer": "/if-match",
            "detail": 'this is an ETag as it was answered, or the number of a revision in quotes, such as "7"',
        }
    ]
    query = http.post("/v1/runs/a/revisions/preview", params={"points": 1}, json=hold).json()["errors"]
    assert [error["pointer"] for error in query] == ["/points"]
    path = http.post("/v1/runs/a%00/revisions", json=hold).json()["errors"]
    assert path == [{"pointer": "/run", "detail": "a text may hold any character but NUL (U+0000)"}]


def test_an_answer_is_short_whatever_was_sent() -> None:
    long = "é" * 4_000_000
    errors = [(f"/{long}", f"there is no field {long!r} here")] * 1000
    found = answer(Invalid(f"{long} is wrong", errors=errors), Request({"type": "http"}))
    problem = json.loads(bytes(found.body))
    assert len(found.body) < 250_000
    assert len(problem["errors"]) == MOST_ERRORS
    assert problem["errors"][0]["pointer"] == f"/{'é' * 998}…"
    assert problem["detail"] == f"{'é' * 999}…"
