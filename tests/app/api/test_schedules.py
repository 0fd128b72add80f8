"""The routes of schedules: JSON, bytes, problems."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api import problems
from app.api.schedules import router
from app.api.turns import turns

RAMP = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 100}
OCTETS = {"accept": "application/octet-stream"}


@pytest.fixture(scope="module")
def http() -> Iterator[TestClient]:
    app = FastAPI()
    problems.install(app)
    app.state.turns = turns()
    app.include_router(router)
    with TestClient(app) as client:
        yield client


def test_json(http: TestClient) -> None:
    answer = http.post("/v1/schedules/evaluate", json={"schedule": RAMP, "steps": [0, 50]})
    assert answer.json() == {"steps": [0, 50], "values": [1.0, 0.5], "dtype": "float64", "warnings": []}


def test_bytes(http: TestClient) -> None:
    body = {"schedule": RAMP, "steps": {"stop": 1000}}
    octets = http.post("/v1/schedules/evaluate", json=body, headers=OCTETS)
    assert octets.headers["content-type"] == "application/octet-stream"
    shown = http.post("/v1/schedules/evaluate", json=body).json()["values"]
    assert np.array_equal(np.frombuffer(octets.content, dtype="<f8"), shown)


def test_bytes_hold_no_warnings_and_none_are_looked_for(http: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("app.control.schedules.of_track")
    body = {"schedule": {"kind": "constant", "value": 0.5}, "steps": [0, 1]}
    assert http.post("/v1/schedules/evaluate", json=body, headers=OCTETS).content == np.full(2, 0.5, "<f8").tobytes()


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
    assert "repeat" in [entry["kind"] for entry in http.get("/v1/schedules", params={"q": "sgdr"}).json()["items"]]
    for entry in listed["items"]:
        assert http.get(f"/v1/schedules/{entry['kind']}").json() == entry
    missing = http.get("/v1/schedules/cosnie")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:lockstep:problem:not-found")


def test_the_picture_of_a_kind(http: TestClient) -> None:
    for name in ("ramp", "torch.OneCycleLR", "fvcore.CosineParamScheduler", "reduce_on_plateau"):
        svg = http.get(f"/v1/schedules/{name}", headers={"accept": "image/svg+xml"})
        assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml")
        assert name in svg.text
    png = http.get("/v1/schedules/ramp", headers={"accept": "image/png, image/svg+xml"})
    assert png.content.startswith(b"\x89PNG")
    assert http.get("/v1/schedules/track", headers={"accept": "image/png"}).status_code == 422


def test_examples_in_the_documentation_work(http: TestClient) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path in (f"/v1/schedules/{call}" for call in ("evaluate", "explain", "plot", "import")):
        examples = paths[path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        assert [http.post(path, json=example["value"]).status_code for example in examples.values()] == [200] * len(
            examples
        )


def test_import(http: TestClient) -> None:
    state = {"T_max": 100, "eta_min": 0.0, "base_lrs": [0.1], "last_epoch": 3}
    answer = http.post("/v1/schedules/import", json={"config": state}).json()
    assert answer["schedule"] == {"kind": "torch.CosineAnnealingLR", "T_max": 100, "eta_min": 0.0, "base_lr": 0.1}
    assert (answer["library"], answer["step"], answer["ignored"], answer["warnings"]) == ("torch", 3, [], [])
    assert {"pointer": "/config/T_max", "detail": "T_max = 100"} in answer["read"]
    refused = http.post("/v1/schedules/import", json={"config": {**state, "T_max": "ten"}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/config/T_max")
    nested: dict[str, object] = {}
    for _ in range(300):
        nested = {"_schedulers": [nested]}
    assert http.post("/v1/schedules/import", json={"config": nested}).status_code == 422


def test_plots(http: TestClient) -> None:
    body = {"schedules": {"a": RAMP, "b": {**RAMP, "end": 2.0}}, "total_steps": 50, "log": True}
    svg = http.post("/v1/schedules/plot", json=body)
    assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml")
    png = http.post("/v1/schedules/plot", json={"plan": {"tracks": {"lr": RAMP}}}, headers={"accept": "image/png"})
    assert (png.status_code, png.headers["content-type"]) == (200, "image/png")
    assert png.content.startswith(b"\x89PNG")


def test_errors_of_a_plot_name_the_schedule(http: TestClient) -> None:
    body = {"schedules": {"a": RAMP, "b/c": {**RAMP, "steps": "3%"}}}
    answer = http.post("/v1/schedules/plot", json=body)
    assert answer.json()["errors"][0]["pointer"] == "/schedules/b~1c/steps"
    both = {"schedule": RAMP, "plan": {"tracks": {"lr": RAMP}}}
    assert http.post("/v1/schedules/plot", json=both).status_code == 422


def test_explain(http: TestClient) -> None:
    answer = http.post("/v1/schedules/explain", json={"schedule": RAMP, "total_steps": 100}).json()
    assert answer["lowered"] == RAMP
    assert answer["monotonic"] == "falling"
    assert answer["area"] == pytest.approx(50.5)
    assert answer["segments"][0]["formula"] == "1 + (0 - 1)*step/100"
