"""Problem documents: what one may cost, however much is wrong with a request, and however long."""

import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from app.api.problems import MOST_ERRORS, MOST_MADE, answer, invalid, refused
from app.errors import DataLost, Invalid, Unavailable
from schemas.evaluate import Evaluate


def unknown(name: str) -> dict[str, Any]:
    """An error as pydantic gives it."""
    return {"type": "extra_forbidden", "loc": ("body", name), "msg": "", "input": 1}


def test_only_so_many_errors_are_looked_at_as_are_shown() -> None:
    wrong = [unknown(f"stepz{index}") for index in range(MOST_ERRORS)]
    untouched: list[dict[str, Any]] = [{}] * 100_000  # whatever reads one of these fails
    error = invalid([*wrong, *untouched], {name["loc"][1]: 1 for name in wrong}, Evaluate)
    assert [pointer for pointer, _ in error.errors] == [f"/stepz{index}" for index in range(MOST_ERRORS)]
    assert "(and 100049 more)" in error.detail
    assert "did you mean 'step" in error.errors[0][1]


class Mistakes:
    """As pydantic refuses: it tells how many there are, and makes all of them or none."""

    def __init__(self, count: int) -> None:
        self.count, self.made = count, 0

    def error_count(self) -> int:
        return self.count

    def errors(self, include_url: bool) -> list[dict[str, Any]]:
        self.made += self.count
        return [unknown(f"stepz{index}") for index in range(self.count)]


@pytest.mark.parametrize(("count", "made"), [(MOST_MADE, MOST_MADE), (MOST_MADE + 1, 0), (10**9, 0)])
def test_of_too_many_errors_none_is_made(count: int, made: int) -> None:
    mistakes: Any = Mistakes(count)
    data = {"step": 1} | {f"stepz{index}": 1 for index in range(MOST_MADE)}
    error = refused(mistakes, data, Evaluate)
    assert mistakes.made == made
    assert error.errors == invalid([unknown(f"stepz{index}") for index in range(50)], data, Evaluate).errors
    assert f"(and {count - 1} more)" in error.detail


@pytest.mark.parametrize("data", [{"steps": ["x"] * 10}, [1], None])
def test_too_many_errors_that_are_not_at_the_top_are_counted(data: Any) -> None:
    mistakes: Any = Mistakes(10**6)
    error = refused(mistakes, data, Evaluate)
    assert error.errors == [("", "there are too many mistakes to name them")]
    assert error.detail == "the request: there are too many mistakes to name them (and 999999 more)"


@pytest.mark.parametrize("kind", [Unavailable, DataLost])
def test_what_is_unavailable_is_in_the_log_with_its_reason(
    caplog: pytest.LogCaptureFixture, kind: type[Unavailable]
) -> None:
    asked = {"type": "http", "method": "POST", "path": "/v1/runs/a\n/finish", "headers": []}
    assert answer(kind("the disk is full"), Request(asked)).status_code == 503
    (record,) = caplog.records
    assert record.getMessage() == "POST '/v1/runs/a\\n/finish': 503, the disk is full"


def test_no_suggestion_is_looked_for_where_a_name_is_like_none() -> None:
    error = invalid([unknown("step" * 100)], {"step" * 100: 1}, Evaluate)
    assert "did you mean" not in error.errors[0][1]


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
    assert header == [{"pointer": "/if-match", "detail": 'this is the number of a revision in quotes, such as "7"'}]
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
