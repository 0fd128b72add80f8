"""Numbers and texts at the edges of what a database or float64 can hold, over both databases: never our mistake."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.store import Store
from schemas.base import MAX_STEP

LR = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}
PLAN = {"tracks": {"lr": LR}}
HOLD = {"action": {"kind": "hold"}}
ASKED = {"worker": "rank-0", "step": 0}
NONE = ["²", "٣", "-1", "1e3", "1.5", "x", "2147483648", "9223372036854775808", "1" + 30 * "0", 5000 * "9"]
"""What is the number of no revision, attempt, event or run; some are digits to Python, or too many for it to read."""
NO_STEP = [-1, MAX_STEP + 1, 2**63, 10**30]
NO_TEXT = ["\0", "a\0b", "\ud800"]


@pytest.fixture
def http(store: Store) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), store), raise_server_exceptions=False) as client:
        client.post("/v1/runs", json={"run": "edges", "plan": PLAN})
        yield client


def send(http: TestClient, method: str, path: str, body: Any = None, **headers: bytes) -> Any:
    content = None if body is None else json.dumps(body).encode()  # half a surrogate pair as an escape, as JSON has it
    named = {name.replace("_", "-").encode(): text for name, text in headers.items()}
    return http.request(method, path, content=content, headers={b"content-type": b"application/json"} | named)


def listening(metric: str) -> dict[str, Any]:
    return {"tracks": {"lr": {"kind": "reduce_on_plateau", "of": LR, "metric": metric}}}


def refused(answer: Any, pointer: str) -> list[Any]:
    """What is wrong with an answer that should be a 422 with an error at a pointer."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    found = [error["pointer"] for error in problem.get("errors", [])]
    right = answer.status_code == 422 and pointer in found
    return [] if right else [(answer.url, answer.status_code, pointer, problem)]


def test_what_is_no_number_is_refused_at_its_name(http: TestClient) -> None:
    wrong = []
    for text in NONE:
        part = quote(text, safe="")
        for query in ("cursor", "limit"):
            for place in ("/v1/runs", "/v1/runs/edges/revisions", "/v1/runs/edges/events"):
                wrong += refused(http.get(f"{place}?{query}={part}"), f"/{query}")
        wrong += refused(http.get(f"/v1/runs/edges/revisions/{part}"), "/number")
        wrong += refused(http.get(f"/v1/runs/edges/values?attempt={part}"), "/attempt")
        if text != "2147483648":
            for query in ("start", "stop", "stride"):
                wrong += refused(http.get(f"/v1/runs/edges/values?{query}={part}"), f"/{query}")
        if len(text) != 10:
            for header in (text.encode(), f'"{text}"'.encode("latin-1", "replace")):
                answer = send(http, "POST", "/v1/runs/edges/revisions", HOLD, if_match=header)
                wrong += refused(answer, "/if-match")
    assert wrong == []


def test_what_is_no_step_and_no_revision_is_refused_at_its_field(http: TestClient) -> None:
    uid = send(http, "POST", "/v1/runs/edges/windows", ASKED).json()["uid"]
    known = {**ASKED, "uid": uid, "attempt": 1}
    runs, revisions, windows = "/v1/runs", "/v1/runs/edges/revisions", "/v1/runs/edges/windows"
    wrong = []
    number: Any
    for number in NO_STEP:
        for path, body, pointer in [
            (runs, {"run": "b", "plan": PLAN, "start_step": number}, "/start_step"),
            (runs, {"run": "b", "plan": {**PLAN, "total_steps": number}}, "/plan/total_steps"),
            (revisions, {**HOLD, "from_step": number}, "/from_step"),
            (revisions, {"action": {"kind": "stretch", "total_steps": number}}, "/action/total_steps"),
            (revisions, {"action": {"kind": "cooldown", "steps": number}}, "/action/steps"),
            (revisions, {"action": {"kind": "replace", "plan": PLAN, "at": number}}, "/action/at"),
            (windows, {**ASKED, "step": number}, "/step"),
            (windows, {**known, "group": [{"worker": "b", "at": number}]}, "/group/0/at"),
            (windows, {**known, "seen": {"revision": 1, "horizon": number}}, "/seen/horizon"),
            ("/v1/runs/edges/rewind", {"to_step": number}, "/to_step"),
            ("/v1/schedules/evaluate", {"schedule": LR, "step": number}, "/step"),
        ]:
            wrong += refused(send(http, "POST", path, body), pointer)
    for number in [-1, 0, 2**31, 2**53, 10**30, 1.5, True, "1"]:
        for path, body, pointer in [
            (revisions, {"action": {"kind": "rollback", "revision": number}}, "/action/revision"),
            (revisions, {"action": {"kind": "cancel", "revision": number}}, "/action/revision"),
            (windows, {**known, "attempt": number}, "/attempt"),
            (
                windows,
                {**known, "step": 20, "fallback": {"start": 8, "policy": "follow", "revision": number}},
                "/fallback/revision",
            ),
        ]:
            wrong += refused(send(http, "POST", path, body), pointer)
        if number != 0:
            seen = {**known, "seen": {"revision": number, "horizon": 0}}
            wrong += refused(send(http, "POST", windows, seen), "/seen/revision")
    assert wrong == []
    assert http.get("/v1/runs/edges").json()["revision"] == 1


def test_what_is_no_text_is_refused_wherever_it_stands(http: TestClient) -> None:
    uid = send(http, "POST", "/v1/runs/edges/windows", ASKED).json()["uid"]
    known = {**ASKED, "uid": uid, "attempt": 1}
    wrong = []
    for text in NO_TEXT:
        for method, path, body, pointer in [
            ("POST", "/v1/runs", {"run": text, "plan": PLAN}, "/run"),
            ("POST", "/v1/runs", {"run": "b", "plan": PLAN, "labels": {"k": text}}, "/labels/k"),
            ("PATCH", "/v1/runs/edges", {"labels": {"k": text}}, "/labels/k"),
            ("POST", "/v1/runs", {"run": "b", "plan": listening(text)}, "/plan/tracks/lr/metric"),
            ("POST", "/v1/runs/edges/revisions", {**HOLD, "reason": text}, "/reason"),
            ("POST", "/v1/runs/edges/rewind", {"to_step": 1, "reason": text}, "/reason"),
            ("POST", "/v1/runs/edges/windows", {**ASKED, "worker": text}, "/worker"),
            ("POST", "/v1/runs/edges/windows", {**ASKED, "instance": text}, "/instance"),
            ("POST", "/v1/runs/edges/windows", {**ASKED, "uid": text}, "/uid"),
            ("POST", "/v1/runs/edges/windows", {**known, "group": [{"worker": text, "at": 0}]}, "/group/0/worker"),
            ("POST", "/v1/schedules/plot", {"schedule": LR, "title": text}, "/title"),
            ("POST", "/v1/schedules/plot", {"schedule": LR, "marks": [{"step": 1, "label": text}]}, "/marks/0/label"),
            ("POST", "/v1/schedules/import", {"config": {}, "library": text}, "/library"),
        ]:  # fmt: skip
            at = "" if path.endswith("windows") and text == "\ud800" else pointer  # its parser refuses the whole body
            wrong += refused(send(http, method, path, body), at)
        for path in ("/v1/runs", "/v1/runs/edges/windows", "/v1/schedules/evaluate"):  # it comes back in the pointer
            wrong += refused(send(http, "POST", path, {text: 1}), "" if text == "\ud800" else f"/{text}")
    for text in ("%00", "a%00b"):
        for rest in ("", "/values", "/revisions", "/revisions/1", "/workers", "/events"):
            wrong += refused(http.get(f"/v1/runs/{text}{rest}"), "/run")
        for rest, body in (("/windows", ASKED), ("/revisions", HOLD), ("/rewind", {"to_step": 0}), ("/finish", None)):
            wrong += refused(send(http, "POST", f"/v1/runs/{text}{rest}", body), "/run")
    for path, pointer in [
        ("/v1/runs?label=a%00%3Db", "/label/0"),
        ("/v1/runs?label=a%3Db&label=a%3D%00", "/label/1"),
        ("/v1/runs/edges/values?track=%00", "/track/0"),
        ("/v1/schedules?q=%00", "/q"),
        ("/v1/runs?cursor=%00", "/cursor"),
        ("/v1/runs?status=%00", "/status"),
    ]:
        wrong += refused(http.get(path), pointer)
    assert wrong == []
    for path in ("/v1/schedules/%00", "/v1/runs/%ED%A0%80", f"/v1/runs/{201 * 'x'}"):
        assert http.get(path).status_code == 404
    assert http.get("/v1/runs").status_code == 200


def test_a_number_of_too_many_digits_is_no_json(http: TestClient) -> None:
    headers = {"content-type": "application/json"}
    for path in ("/v1/runs", "/v1/runs/edges/windows"):
        answer = http.post(path, content=b'{"run": ' + 5000 * b"9" + b"}", headers=headers)
        assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("name", ['a"b', "$", "$.a", "a.b", "", "a'b", "[0]", "é", "a\\b"])
def test_a_run_is_found_by_any_label(http: TestClient, name: str) -> None:
    """Neither quotes nor what means something in a path of SQLite's is in the way."""
    run = f"labelled-{name.encode().hex()}"
    assert send(http, "POST", "/v1/runs", {"run": run, "plan": PLAN, "labels": {name: f"{name}=1"}}).status_code == 201
    for value, found in ((f"{name}=1", [run]), ("2", [])):
        listed = http.get("/v1/runs", params={"label": f"{name}={value}"})
        assert [item["run"] for item in listed.json()["items"]] == found


def test_a_run_may_reach_the_last_step_and_not_beyond(http: TestClient) -> None:
    start = MAX_STEP - 5
    assert send(http, "POST", "/v1/runs", {"run": "far", "plan": PLAN, "start_step": start}).status_code == 201
    window = send(http, "POST", "/v1/runs/far/windows", {"worker": "rank-0", "step": start}).json()
    assert (window["stop"], window["horizon"], window["values"]) == (MAX_STEP, MAX_STEP, {"lr": [0.0] * 5})
    last = send(http, "POST", "/v1/runs/far/windows", {"worker": "rank-0", "step": MAX_STEP}).json()
    assert (last["start"], last["stop"], last["values"]) == (MAX_STEP, MAX_STEP, {})
    assert http.get("/v1/runs/far").json()["horizon"] == MAX_STEP
    assert http.get("/v1/runs/far/values").json()["stop"] == MAX_STEP
    scaled = send(http, "POST", "/v1/runs/far/revisions", {"action": {"kind": "scale", "factor": 0.5}})
    assert scaled.json()["from_step"] == MAX_STEP
    assert "beyond step 2**53" in send(http, "POST", "/v1/runs/far/revisions", HOLD).json()["detail"]
