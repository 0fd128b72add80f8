"""The routes of schedules: JSON, bytes, problems."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api import problems
from app.api.schedules import router

RAMP = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 100}
OCTETS = {"accept": "application/octet-stream"}


@pytest.fixture(scope="module")
def http() -> Iterator[TestClient]:
    app = FastAPI()
    problems.install(app)
    app.include_router(router)
    with TestClient(app) as client:
        yield client


def test_json(http: TestClient) -> None:
    answer = http.post("/v1/schedules/evaluate", json={"schedule": RAMP, "steps": [0, 50]})
    assert answer.json() == {"steps": [0, 50], "values": [1.0, 0.5], "dtype": "float64"}


def test_bytes(http: TestClient) -> None:
    body = {"schedule": RAMP, "steps": {"stop": 1000}}
    octets = http.post("/v1/schedules/evaluate", json=body, headers=OCTETS)
    assert octets.headers["content-type"] == "application/octet-stream"
    shown = http.post("/v1/schedules/evaluate", json=body).json()["values"]
    assert np.array_equal(np.frombuffer(octets.content, dtype="<f8"), shown)


def test_bytes_of_a_plan_name_their_tracks(http: TestClient) -> None:
    plan = {"tracks": {"lr": RAMP, "a/lr": {"kind": "track", "of": "lr", "factor": 0.5}}}
    answer = http.post("/v1/schedules/evaluate", json={"plan": plan, "steps": [0, 50]}, headers=OCTETS)
    assert answer.headers["lockstep-tracks"] == "a/lr,lr"
    assert np.frombuffer(answer.content, dtype="<f8").tolist() == [0.5, 0.25, 1.0, 0.5]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"schedule": {**RAMP, "start": True}, "step": 0}, "/schedule/start"),
        ({"schedule": {**RAMP, "strat": 1}, "step": 0}, "/schedule/strat"),
        ({"schedule": {"kind": "rmap"}, "step": 0}, "/schedule/kind"),
        ({"schedule": RAMP, "steps": [1, -2]}, "/steps/1"),
        ({"schedule": RAMP, "steps": {"start": 5, "stop": 2}}, "/steps"),
        ({"schedule": RAMP, "step": 1, "steps": [1]}, ""),
        ({"schedule": RAMP}, "/steps"),
        ({"schedule": {**RAMP, "steps": "3%"}, "step": 1}, "/schedule/steps"),
        ({"schedule": {**RAMP, "steps": "-3%"}, "step": 1}, "/schedule/steps"),
        (
            {"schedule": {"kind": "sum", "of": [RAMP, {"kind": "formula", "expression": "x"}]}, "step": 1},
            "/schedule/of/1/expression",
        ),
    ],
    ids=lambda case: str(case)[:70],
)
def test_bad_requests_point_at_the_mistake(http: TestClient, body: Any, pointer: str) -> None:
    answer = http.post("/v1/schedules/evaluate", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_too_many_values(http: TestClient) -> None:
    body = {"schedule": RAMP, "steps": {"stop": 2_000_001}}
    assert http.post("/v1/schedules/evaluate", json=body).status_code == 413
    assert http.post("/v1/schedules/evaluate", json=body, headers=OCTETS).status_code == 200


def test_catalogue(http: TestClient) -> None:
    listed = http.get("/v1/schedules").json()
    assert listed["next_cursor"] is None
    assert http.get("/v1/schedules", params={"q": "sgdr"}).json()["items"][0]["kind"] == "repeat"
    for entry in listed["items"]:
        assert http.get(f"/v1/schedules/{entry['kind']}").json() == entry
    missing = http.get("/v1/schedules/cosnie")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:lockstep:problem:not-found")


def test_examples_in_the_documentation_work(http: TestClient) -> None:
    described = http.get("/openapi.json").json()["paths"]["/v1/schedules/evaluate"]["post"]
    for example in described["requestBody"]["content"]["application/json"]["examples"].values():
        assert http.post("/v1/schedules/evaluate", json=example["value"]).status_code == 200
