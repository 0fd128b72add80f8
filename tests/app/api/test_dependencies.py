"""The headers that routes know: revisions to match, and keys that make a change happen once."""

from typing import Any

import pytest
from starlette.testclient import TestClient

RUN = {"run": "a", "plan": {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}}
HOLD = {"action": {"kind": "hold"}}


@pytest.fixture
def post(http: TestClient) -> Any:
    """Posts `hold` to a run that has one revision, with headers."""
    http.post("/v1/runs", json=RUN)
    return lambda **headers: http.post("/v1/runs/a/revisions", json=HOLD, headers=headers)


@pytest.mark.parametrize("match", ['"1"', 'W/"1"', "1", "*"])
def test_the_newest_revision_is_matched_however_it_is_written(post: Any, match: str) -> None:
    assert post(**{"if-match": match}).status_code == 201


@pytest.mark.parametrize(("match", "status"), [('"0"', 412), ('"2"', 412), ('"one"', 422), ("", 422), ('"-1"', 422)])
def test_any_other_is_not(post: Any, match: str, status: int) -> None:
    assert post(**{"if-match": match}).status_code == status


def test_a_key_is_of_a_body_and_may_not_be_empty_or_endless(http: TestClient, post: Any) -> None:
    assert [post(**{"idempotency-key": "k"}).json()["number"] for _ in range(2)] == [2, 2]
    other = http.post("/v1/runs/a/revisions", json=HOLD | {"reason": "x"}, headers={"idempotency-key": "k"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:lockstep:problem:idempotency-mismatch")
    assert post(**{"idempotency-key": "x" * 200}).status_code == 201
    assert post(**{"idempotency-key": "x" * 201}).status_code == 422
    assert post(**{"idempotency-key": ""}).status_code == 422


def test_settings_too_change_only_where_the_run_is_as_it_was_seen(http: TestClient, post: Any) -> None:
    """A key and `If-Match` hold for every change; the tag is the run's own."""
    seen = http.get("/v1/runs/a").headers["etag"]
    calls = [("PATCH", "", {"labels": {"a": "b"}}), ("POST", "/finish", None), ("POST", "/lock", {"reason": "x"})]
    calls += [("POST", "/unlock", None), ("POST", "/archive", None)]
    for method, path, body in calls:
        changed = http.request(method, f"/v1/runs/a{path}", json=body, headers={"if-match": seen})
        assert changed.status_code == 200, path
        late = http.request(method, f"/v1/runs/a{path}", json=body, headers={"if-match": seen})
        assert late.json()["type"].rpartition(":")[2] in ("revision-mismatch", "run-locked"), path
        seen = changed.headers["etag"]
        assert http.get("/v1/runs/a").headers["etag"] == seen


def test_the_tag_of_a_run_is_one_of_its_revision(http: TestClient, post: Any) -> None:
    seen = http.get("/v1/runs/a").headers["etag"]
    assert http.patch("/v1/runs/a", json={"labels": {"a": "b"}}).status_code == 200
    assert post(**{"if-match": seen}).status_code == 201
    assert post(**{"if-match": seen}).status_code == 412


@pytest.mark.parametrize(
    ("method", "path", "query", "meant"),
    [
        ("GET", "/v1/runs", "limits=5", "limit"),
        ("GET", "/v1/runs/a/values", "start=0&strde=2", "stride"),
        ("POST", "/v1/runs/a/revisions", "plan=true", None),
        ("POST", "/v1/runs/a/windows", "x/y=1", None),
        ("GET", "/v1/schedules", "query=cosine", None),
    ],
)
def test_a_query_parameter_that_there_is_not_is_refused(
    http: TestClient, post: Any, method: str, path: str, query: str, meant: str | None
) -> None:
    body = {"worker": "rank-0", "step": 0} if path.endswith("windows") else HOLD if method == "POST" else None
    refused = http.request(method, f"{path}?{query}", json=body)
    name = query.rpartition("&")[2].partition("=")[0]
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:lockstep:problem:invalid")
    (error,) = refused.json()["errors"]
    assert error["pointer"] == f"/{name.replace('/', '~1')}"
    assert (f"did you mean '{meant}'?" if meant else "") in error["detail"]
    assert http.get("/v1/runs/a").json()["horizon"] == 0
