"""Nonsense over real HTTP: each piece is a 4xx problem that points at its place, and the service stays as it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service import Service

LR = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}
PLAN = {"tracks": {"lr": LR}, "total_steps": 1000}
HUGE = 10**400
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def service(shared: Service) -> Service:
    """It has a run of two attempts."""
    post(shared, "/v1/runs", {"run": "known", "plan": PLAN})
    post(shared, "/v1/runs/known/windows", {"worker": "rank-0", "step": 0})
    post(shared, "/v1/runs/known/rewind", {"to_step": 4})
    return shared


def post(service: Service, path: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(
        service.url + path, content=content, headers={"content-type": "application/json", **headers}, timeout=30
    )


def nested(depth: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"kind": "constant", "value": 1.0}
    for _ in range(depth):
        spec = {"kind": "scale", "factor": 1.0, "of": spec}
    return spec


def run_of(lr: Any, **plan: Any) -> dict[str, Any]:
    return {"run": "new", "plan": {"tracks": {"lr": lr}, **plan}}


def ramp(**fields: Any) -> dict[str, Any]:
    return {**LR, **fields}


RUNS, WINDOWS, REVISIONS = "/v1/runs", "/v1/runs/known/windows", "/v1/runs/known/revisions"
EVALUATE, REWIND = "/v1/schedules/evaluate", "/v1/runs/known/rewind"

CASES: list[tuple[str, Any, int, str, str]] = [
    (RUNS, run_of(ramp(start=float("nan"))), 422, "/plan/tracks/lr/start", "finite"),
    (RUNS, run_of(ramp(start=float("inf"))), 422, "/plan/tracks/lr/start", "finite"),
    (RUNS, run_of(ramp(start=-float("inf"))), 422, "/plan/tracks/lr/start", "finite"),
    (RUNS, run_of(ramp(start=HUGE)), 422, "/plan/tracks/lr/start", ""),
    (RUNS, run_of(ramp(start="0.1")), 422, "/plan/tracks/lr/start", "number"),
    (RUNS, run_of(ramp(start=True)), 422, "/plan/tracks/lr/start", "number"),
    (RUNS, run_of(ramp(start=None)), 422, "/plan/tracks/lr/start", "number"),
    (RUNS, run_of(ramp(start=-1.0)), 422, "/plan", "not negative"),
    (RUNS, run_of(ramp(steps=-1)), 422, "/plan/tracks/lr/steps", ""),
    (RUNS, run_of(ramp(steps=1e300)), 422, "/plan/tracks/lr/steps", ""),
    (RUNS, run_of(ramp(steps="12 epochs")), 422, "/plan/tracks/lr/steps", ""),
    (RUNS, run_of(ramp(steps="12ep")), 422, "/plan/tracks/lr/steps", "steps_per_epoch"),
    (RUNS, run_of(ramp(steps="3%")), 422, "/plan/tracks/lr/steps", "total_steps"),
    (RUNS, run_of(ramp(warmup_step=3)), 422, "/plan/tracks/lr/warmup_step", "no field"),
    (RUNS, run_of(ramp(shap="cosine")), 422, "/plan/tracks/lr/shap", "did you mean 'shape'"),
    (RUNS, run_of({"kind": "rampp"}), 422, "/plan/tracks/lr/kind", "did you mean 'ramp'"),
    (RUNS, run_of({"start": 1.0}), 422, "/plan/tracks/lr/kind", "missing"),
    (RUNS, run_of([1, 2]), 422, "/plan/tracks/lr", ""),
    (RUNS, run_of(LR, total_steps=0), 422, "/plan/total_steps", ""),
    (RUNS, run_of(LR, total_steps=True), 422, "/plan/total_steps", "integer"),
    (RUNS, run_of(LR, total_steps=10.5), 422, "/plan/total_steps", "integer"),
    (RUNS, run_of(LR, total_steps=2**60), 422, "/plan/total_steps", ""),
    (RUNS, run_of(nested(200)), 422, "/plan", "deep"),
    (RUNS, b'{"run":' + b"[" * 100_000, 422, "", ""),
    (RUNS, {"run": "new", "plan": {"tracks": {}}}, 422, "/plan/tracks", ""),
    (RUNS, {"run": "new"}, 422, "/plan", "required"),
    (RUNS, {"run": "../etc/passwd", "plan": PLAN}, 422, "/run", ""),
    (RUNS, {"run": "", "plan": PLAN}, 422, "/run", ""),
    (RUNS, {"run": "x" * 300, "plan": PLAN}, 422, "/run", ""),
    (RUNS, {"run": "new", "plan": PLAN, "lead_seconds": 0}, 422, "/lead_seconds", ""),
    (RUNS, {"run": "new", "plan": PLAN, "max_window": 10**9}, 422, "/max_window", ""),
    (RUNS, {"run": "new", "plan": PLAN, "start_step": -1}, 422, "/start_step", ""),
    (RUNS, {"run": "new", "plan": PLAN, "if_exist": "keep"}, 422, "/if_exist", "did you mean 'if_exists'"),
    (RUNS, b"", 422, "", ""),
    (RUNS, b"{", 422, "", "not JSON"),
    (RUNS, b"null", 422, "", ""),
    (RUNS, b"\xff\xfe", 422, "", ""),
    (WINDOWS, {"worker": "rank-0"}, 422, "/step", "required"),
    (WINDOWS, {"step": 0}, 422, "/worker", "required"),
    (WINDOWS, {"worker": "rank-0", "step": -1}, 422, "/step", ""),
    (WINDOWS, {"worker": "rank-0", "step": 2**60}, 422, "/step", ""),
    (WINDOWS, {"worker": "rank-0", "step": 1.5}, 422, "/step", "integer"),
    (WINDOWS, {"worker": "rank-0", "step": True}, 422, "/step", "integer"),
    (WINDOWS, {"worker": "rank-0", "step": 0, "step_seconds": float("nan")}, 422, "/step_seconds", "finite"),
    (WINDOWS, {"worker": "rank-0", "step": 0, "step_seconds": -1}, 422, "/step_seconds", ""),
    (REVISIONS, {"action": {"kind": "cancel", "revision": 9}, "from_step": 900}, 422, "/from_step", "acts at once"),
    (WINDOWS, {"worker": "rank-0", "step": 0, "at": 9}, 422, "", "beyond step 0"),
    (WINDOWS, {"worker": "rank-0", "step": 0, "applied": {"start": 3}}, 422, "/applied/stop", "required"),
    (WINDOWS, b"[" * 1_000_000, 422, "", ""),
    (WINDOWS, {"worker": "rank-0", "step": 10**6}, 409, "", "beyond the horizon"),
    (WINDOWS, {"worker": "rank-0", "step": 0, "attempt": 1}, 422, "/attempt", "only with the run's `uid`"),
    (WINDOWS, {"worker": "rank-0", "step": 0, "attempt": 99}, 422, "/attempt", "only with the run's `uid`"),
    (WINDOWS, {"worker": "rank-0", "step": 0, "seen": {"revision": 1, "horizon": 0}}, 422, "/seen", ""),
    (WINDOWS, {"worker": "rank-0", "step": 0, "leaving": True}, 422, "/leaving", ""),
    (WINDOWS, {"worker": "rank-0", "step": 0, "uid": "x"}, 409, "", "belongs to run x"),
    ("/v1/runs/unknown/windows", {"worker": "rank-0", "step": 0}, 404, "", "no run named"),
    (REVISIONS, {"action": {"kind": "scale", "factor": 0.5}, "from_step": 1}, 409, "", "committed already"),
    (REVISIONS, {"action": {"kind": "scale", "factor": -1}}, 422, "/action/factor", ""),
    (REVISIONS, {"action": {"kind": "scale", "factor": float("nan")}}, 422, "/action/factor", "finite"),
    (REVISIONS, {"action": {"kind": "set", "value": HUGE}}, 422, "/action/value", ""),
    (REVISIONS, {"action": {"kind": "scale"}}, 422, "/action", "factor"),
    (REVISIONS, {"action": {"kind": "scael", "factor": 2.0}}, 422, "/action/kind", "did you mean 'scale'"),
    (REVISIONS, {"action": {"kind": "set", "value": -0.1}}, 422, "/action/value", ""),
    (REVISIONS, {"action": {"kind": "set", "value": "abc"}}, 422, "/action/value", "number"),
    (REVISIONS, {"action": {"kind": "rollback", "revision": 99}}, 422, "/action/revision", "no revision 99"),
    (REVISIONS, {"action": {"kind": "cancel", "revision": 1}}, 422, "/action/revision", ""),
    (REVISIONS, {"action": {"kind": "replace", "plan": {"tracks": {"x": LR}}}}, 422, "/action/plan/tracks", ""),
    (REVISIONS, {"actions": []}, 422, "/actions", "did you mean 'action'"),
    (REWIND, {"to_step": 10**6}, 422, "/to_step", "horizon"),
    (REWIND, {"to_step": -1}, 422, "/to_step", ""),
    (EVALUATE, {"schedule": LR}, 422, "/steps", ""),
    (EVALUATE, {"schedule": LR, "steps": {"start": 0, "stop": -5}}, 422, "/steps", ""),
    (EVALUATE, {"schedule": LR, "step": -1}, 422, "/step", ""),
    (EVALUATE, {"schedule": LR, "steps": [1, "two"]}, 422, "/steps", ""),
    (EVALUATE, {"schedule": LR, "steps": {"start": 0, "stop": 2**50}}, 413, "", ""),
]


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer", "sentence"),
    CASES,
    ids=[f"{number}-{status}-{pointer}" for number, (_, _, status, pointer, _) in enumerate(CASES)],  # bodies are long
)
def test_nonsense_is_refused_with_a_pointer(
    service: Service, path: str, body: Any, status: int, pointer: str, sentence: str
) -> None:
    answer = post(service, path, body)
    problem = answer.json()
    assert answer.status_code == status, problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"].startswith("urn:lockstep:problem:")
    assert problem["status"] == status
    assert {"title", "detail"} <= set(problem)
    if status == 422:
        pointers = [error["pointer"] for error in problem["errors"]]
        assert any(found == pointer or found.startswith(pointer + "/") for found in pointers), problem
    assert sentence in json.dumps(problem, ensure_ascii=False), problem


def test_http_errors_are_problems_too(service: Service) -> None:
    url = service.url
    cases = [
        (httpx.get(f"{url}/nothing", timeout=30), 404, "not-found"),
        (httpx.get(f"{url}/v1/runs/unknown", timeout=30), 404, "unknown-run"),
        (httpx.get(f"{url}/v1/runs/known/revisions/99", timeout=30), 404, "not-found"),
        (httpx.get(f"{url}/v1/schedules/nope", timeout=30), 404, "not-found"),
        (httpx.put(f"{url}/v1/runs", timeout=30), 405, "method-not-allowed"),
        (httpx.post(f"{url}/v1/runs", content=b"{}", timeout=30), 415, "unsupported-media-type"),
        (httpx.post(f"{url}/v1/runs", data={"run": "x"}, timeout=30), 415, "unsupported-media-type"),
        (post(service, "/v1/runs", b" " * 10_000_000), 413, "too-large"),
        (post(service, REVISIONS, {"action": {"kind": "hold"}}, **{"if-match": '"0"'}), 412, "revision-mismatch"),
        (post(service, REVISIONS, {"action": {"kind": "hold"}}, **{"if-match": "abc"}), 422, "invalid"),
    ]
    for answer, status, name in cases:
        assert (answer.status_code, answer.json()["type"]) == (status, f"urn:lockstep:problem:{name}"), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_hides_its_length_is_stopped_at_the_limit(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    answer = httpx.post(f"{service.url}/v1/runs", content=endless(), headers=JSON, timeout=30)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:lockstep:problem:too-large")


def test_memory_stays_flat_under_nonsense(service: Service) -> None:
    """The resident set, after a warm-up, grows by less than 32 MiB over a thousand bad requests and 50 large ones."""
    bombs = [body for _, body, *_ in CASES if isinstance(body, bytes)]
    with httpx.Client(base_url=service.url, headers={"content-type": "application/json"}, timeout=30) as client:

        def hurl() -> None:
            for path, body, *_ in CASES:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                assert 400 <= client.post(path, content=content).status_code < 500
            for body in bombs:
                client.post(WINDOWS, content=body)

        hurl()
        before = resident(service)
        for _ in range(12):
            hurl()
        for _ in range(50):
            assert client.post("/v1/runs", content=b" " * 4_000_000).status_code == 422
        assert resident(service) - before < 32 * 2**20
        assert client.get("/healthz").status_code == 200


def resident(service: Service) -> int:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024
