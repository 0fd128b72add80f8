"""`/metrics`, read as Prometheus reads it."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from tests.service import ROOT

pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
from prometheus_client.parser import text_string_to_metric_families

RUN = {"run": "a", "plan": {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}}
NAME = re.compile(r"\blockstep_[a-z_]+")


def samples(http: TestClient) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels."""
    answer = http.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    families = list(text_string_to_metric_families(answer.text))
    return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


def test_requests_and_runs_are_told(http: TestClient) -> None:
    http.post("/v1/runs", json=RUN)
    http.post("/v1/runs/a/windows", json={"worker": "rank-0", "step": 0, "step_seconds": 0.5})
    http.get("/v1/runs/none")
    found = samples(http)
    route = "/v1/runs/{run}/windows"
    assert found["lockstep_requests_total", ("POST", route, "200")] == 1
    assert found["lockstep_requests_total", ("GET", "/v1/runs/{run}", "404")] == 1
    assert found["lockstep_request_seconds_count", (route,)] == 1
    bounds = [value for (name, labels), value in found.items() if name.endswith("_bucket") and route in labels]
    assert len(bounds) == 10
    assert bounds == sorted(bounds)
    assert bounds[-1] == 1
    assert found["lockstep_database_up", ()] == 1
    assert found["lockstep_run_horizon_steps", ("a",)] == found["lockstep_run_in_hand_steps", ("a",)] == 8
    assert found["lockstep_run_in_hand_seconds", ("a",)] == 4
    assert found["lockstep_run_workers", ("a", "active")] == 1
    assert found["lockstep_run_events_total", ("a", "run-created")] == 1
    assert found["process_open_fds", ()] > 0


def test_a_database_that_is_away_is_told_and_what_is_counted_still_is(http: TestClient, tmp_path: Path) -> None:
    http.post("/v1/runs", json=RUN)
    with closing(sqlite3.connect(tmp_path / "lockstep.db")) as database:
        database.execute("ALTER TABLE workers RENAME TO gone")
    found = samples(http)
    assert found["lockstep_database_up", ()] == 0
    assert found["lockstep_requests_total", ("POST", "/v1/runs", "201")] == 1
    assert not any(name.startswith("lockstep_run_") for name, _ in found)


@pytest.mark.parametrize("path", ["deploy/prometheus-alerts.yaml", "deploy/grafana.json"])
def test_rules_and_dashboard_ask_for_what_is_there(http: TestClient, path: str) -> None:
    http.post("/v1/runs", json=RUN)
    http.post("/v1/runs/a/windows", json={"worker": "rank-0", "step": 0, "step_seconds": 0.5})
    text = (ROOT / path).read_text()
    assert yaml.safe_load(text)  # JSON is YAML
    assert set(NAME.findall(text)) <= {name for name, _ in samples(http)}


def test_the_page_on_operating_names_every_metric(http: TestClient) -> None:
    http.post("/v1/runs", json=RUN)
    http.post("/v1/runs/a/windows", json={"worker": "rank-0", "step": 0, "step_seconds": 0.5})
    told = {re.sub("_(bucket|count|sum)$", "", name) for name, _ in samples(http) if name.startswith("lockstep_")}
    assert set(NAME.findall((ROOT / "docs" / "operating.md").read_text())) == told
