"""HEAD and `If-None-Match`: what a GET would say of itself, without its body."""

import pytest
from starlette.testclient import TestClient

from app.api.conditional import holds

RUN = {"run": "a", "plan": {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}}


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/v1/runs", "/v1/runs/a", "/v1/runs/none", "/v1/schedules/ramp"])
def test_a_head_is_a_get_without_its_body(http: TestClient, path: str) -> None:
    http.post("/v1/runs", json=RUN)
    got, head = http.get(path), http.head(path)
    assert (head.status_code, dict(head.headers)) == (got.status_code, dict(got.headers))
    assert (head.content, len(got.content)) == (b"", int(head.headers["content-length"]))


def test_a_head_of_what_is_only_posted_is_no_method_of_it(http: TestClient) -> None:
    assert http.head("/v1/schedules/evaluate").status_code in (404, 405)


@pytest.mark.parametrize("path", ["/v1/runs/a", "/v1/runs/a/revisions"])
def test_who_has_it_already_is_told_so_until_it_changes(http: TestClient, path: str) -> None:
    http.post("/v1/runs", json=RUN)
    first = http.get(path)
    known = {"if-none-match": f'"other", W/{first.headers["etag"]}'}
    for method in ("GET", "HEAD"):
        again = http.request(method, path, headers=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert "content-length" not in again.headers
    http.post("/v1/runs/a/revisions", json={"action": {"kind": "hold"}})
    changed = http.get(path, headers=known)
    assert (changed.status_code, changed.headers["etag"] != first.headers["etag"]) == (200, True)


def test_a_horizon_that_moved_is_no_news_kept_back(http: TestClient) -> None:
    known = {"if-none-match": http.post("/v1/runs", json=RUN).headers["etag"]}
    assert http.get("/v1/runs/a", headers=known).status_code == 304
    http.post("/v1/runs/a/windows", json={"worker": "rank-0", "step": 0})
    assert http.get("/v1/runs/a", headers=known).json()["horizon"] == 8


def test_a_refusal_is_told_whatever_is_known(http: TestClient) -> None:
    assert http.get("/v1/runs/none", headers={"if-none-match": "*"}).status_code == 404
    http.post("/v1/runs", json=RUN)
    assert http.get("/v1/runs/a", headers={"if-none-match": "*"}).status_code == 304


def test_an_answer_without_an_etag_is_never_known() -> None:
    start = {"type": "http.response.start", "status": 200, "headers": [(b"etag", b'"7"')]}
    assert holds(b'"6", "7"', start)
    assert not holds(b'"6", "77"', start)
    assert not holds(b"*", {**start, "headers": []})
