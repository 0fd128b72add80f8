"""The HTTP side of runs: statuses, headers, both encodings of values. What they mean is tested in tests/app/control."""

import json
import struct
from typing import Any

import pytest
from starlette.testclient import TestClient

from schemas.runs import Preview, Revision, RewoundRun, Run, RunValues, Window, WorkerList

PLAN = {
    "tracks": {
        "lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000},
        "head/lr": {"kind": "track", "of": "lr", "factor": 10.0},
        "wd": {"kind": "constant", "value": 0.1},
    },
    "total_steps": 1000,
}
OCTETS = {"accept": "application/octet-stream"}


@pytest.fixture
def http(http: TestClient) -> TestClient:
    """A client of a service that has the run `a`."""
    assert http.post("/v1/runs", json={"run": "a", "plan": PLAN, "labels": {"team": "vision"}}).status_code == 201
    return http


def floats(content: bytes) -> list[float]:
    return [value for (value,) in struct.iter_unpack("<d", content)]


def test_creating_answers_201_once_with_a_location(http: TestClient) -> None:
    body = {"run": "b", "plan": PLAN}
    first, second = http.post("/v1/runs", json=body), http.post("/v1/runs", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["location"] == "/v1/runs/b"
    assert first.json() == second.json()
    Run.model_validate_json(first.content)


def test_lists_filter_and_page(http: TestClient) -> None:
    http.post("/v1/runs", json={"run": "b", "plan": PLAN})
    assert [item["run"] for item in http.get("/v1/runs").json()["items"]] == ["b", "a"]
    page = http.get("/v1/runs", params={"limit": 1}).json()
    assert [item["run"] for item in page["items"]] == ["b"]
    rest = http.get("/v1/runs", params={"cursor": page["next_cursor"]}).json()
    assert ([item["run"] for item in rest["items"]], rest["next_cursor"]) == (["a"], None)
    wrong = http.get("/v1/runs", params={"cursor": "x"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/cursor")
    assert [item["run"] for item in http.get("/v1/runs", params={"label": "team=vision"}).json()["items"]] == ["a"]
    assert http.get("/v1/runs", params={"status": "finished"}).json()["items"] == []


def test_a_window_is_the_same_as_json_and_as_bytes(http: TestClient) -> None:
    body = {"worker": "rank-0", "step": 0}
    plain, raw = http.post("/v1/runs/a/windows", json=body), http.post("/v1/runs/a/windows", json=body, headers=OCTETS)
    window = Window.model_validate_json(plain.content)
    assert raw.headers["content-type"] == "application/octet-stream"
    assert raw.headers["lockstep-tracks"] == "lr,wd"
    length = window.stop - window.start
    assert floats(raw.content) == [*window.values["lr"], *window.values["wd"]]
    assert len(window.values["lr"]) == length == 8
    assert (
        json.loads(raw.headers["lockstep-derived"])
        == plain.json()["derived"]
        == {"head/lr": {"of": "lr", "times": 10.0}}
    )
    for name in ("uid", "attempt", "start", "stop", "revision", "newest", "horizon", "lead", "verified_until"):
        assert raw.headers[f"lockstep-{name.replace('_', '-')}"] == str(getattr(window, name))


def test_values_are_the_same_as_json_and_as_bytes(http: TestClient) -> None:
    query: dict[str, Any] = {"start": 0, "stop": 20}
    plain = http.get("/v1/runs/a/values", params=query)
    found = RunValues.model_validate_json(plain.content)
    raw = http.get("/v1/runs/a/values", params=query, headers=OCTETS)
    assert floats(raw.content) == [*found.values["lr"], *found.values["wd"]]
    assert raw.headers["lockstep-committed-until"] == "0"
    head = http.get("/v1/runs/a/values", params={**query, "track": "head/lr"}).json()["values"]
    assert head == {"head/lr": [10.0 * value for value in found.values["lr"] if value is not None]}


def test_revisions_carry_etags_and_honour_if_match(http: TestClient) -> None:
    action = {"action": {"kind": "scale", "factor": 0.5}, "reason": "why not"}
    assert http.get("/v1/runs/a").headers["etag"].startswith('"1.')
    made = http.post("/v1/runs/a/revisions", json=action, headers={"if-match": '"1"'})
    assert (made.status_code, made.headers["etag"], made.headers["location"]) == (201, '"2"', "/v1/runs/a/revisions/2")
    Revision.model_validate_json(made.content)
    late = http.post("/v1/runs/a/revisions", json=action, headers={"if-match": '"1"'})
    assert (late.status_code, late.json()["revision"]) == (412, 2)
    listed = http.get("/v1/runs/a/revisions")
    assert listed.headers["etag"] == '"2"'
    assert [("plan" in item, item["reason"]) for item in listed.json()["items"]] == [(False, ""), (False, "why not")]
    assert http.get("/v1/runs/a/revisions/2").json()["plan"]["tracks"]["lr"]["kind"] == "scale"


def test_a_preview_changes_nothing(http: TestClient) -> None:
    answer = http.post(
        "/v1/runs/a/revisions/preview", json={"action": {"kind": "set", "value": 0.5}}, params={"points": 10}
    )
    shown = Preview.model_validate_json(answer.content)
    assert set(shown.after["lr"]) == {0.5}
    assert http.get("/v1/runs/a").json()["revision"] == 1


def test_idempotency_keys_belong_to_run_and_call(http: TestClient) -> None:
    key = {"idempotency-key": "k"}
    action = {"action": {"kind": "scale", "factor": 0.5}}
    one = http.post("/v1/runs/a/revisions", json=action, headers=key)
    two = http.post("/v1/runs/a/revisions", json=action, headers=key)
    assert one.json() == two.json()
    assert two.status_code == 201
    other = http.post("/v1/runs/a/revisions", json={"action": {"kind": "hold"}}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "urn:lockstep:problem:idempotency-mismatch")
    assert http.post("/v1/runs/a/rewind", json={"to_step": 0}, headers=key).status_code == 200


def test_rewind_workers_events_patch_finish_and_archive_answer_in_their_shapes(http: TestClient) -> None:
    http.post("/v1/runs/a/windows", json={"worker": "rank-0", "step": 0, "at": 0})
    rewound = http.post("/v1/runs/a/rewind", json={"to_step": 4, "action": {"kind": "scale", "factor": 0.5}})
    assert RewoundRun.model_validate_json(rewound.content).dropped == []
    workers = WorkerList.model_validate_json(http.get("/v1/runs/a/workers").content)
    assert [(worker.worker, worker.rank, worker.state) for worker in workers.items] == [("rank-0", 0, "active")]
    assert http.patch("/v1/runs/a", json={"lead_seconds": 2.5}).json()["lead_seconds"] == 2.5
    assert http.post("/v1/runs/a/finish").json()["status"] == "finished"
    assert http.post("/v1/runs/a/archive").json()["status"] == "archived"
    assert http.post("/v1/runs/a/revisions", json={"action": {"kind": "hold"}}).status_code == 409
    types = [event["type"] for event in http.get("/v1/runs/a/events").json()["items"]]
    assert types == ["run-created", "rewind", "run-changed", "run-finished", "run-archived"]


def test_a_runs_history_is_a_picture_by_accept(http: TestClient) -> None:
    http.post("/v1/runs/a/windows", json={"worker": "rank-0", "step": 0})
    http.post("/v1/runs/a/revisions", json={"action": {"kind": "scale", "factor": 0.5}, "from_step": 400})
    http.post("/v1/runs/a/rewind", json={"to_step": 4})
    http.post("/v1/runs/a/revisions", json={"action": {"kind": "ramp", "to": 0.1, "steps": 50}, "from_step": 300})
    picture = http.get("/v1/runs/a/values", headers={"accept": "image/svg+xml"})
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    for text in ("attempt 1", "attempt 2", "4 ramp", "a: lr"):
        assert f"<!-- {text} -->" in picture.text
    assert "<!-- 2 scale -->" not in picture.text  # dropped by the rewind
    drawn = http.get("/v1/runs/a/values", params={"track": "head/lr", "log": True}, headers={"accept": "image/png"})
    assert drawn.content.startswith(b"\x89PNG")


def test_the_service_says_that_it_lives_and_is_ready(http: TestClient) -> None:
    assert http.get("/healthz").json()["status"] == "ok"
    assert http.get("/readyz").json() == {"status": "ready"}
