"""Requests that schemathesis makes of our API document, right and wrong ones: no answer is our mistake, and none is
another than the document says.

A request that its schema allows may be refused by a rule that no schema states, such as that a plan needs a track: such
a refusal is a 412, 413 or 422, and a 422 points at its place.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from app.api import runs, schedules, windows
from tests.campaigns import SEED, amount, sampled
from tests.service import running

RULES: Any = {"positive_data_acceptance": {"expected-statuses": ["2xx", 404, 409, 412, 413, 422]}}
PLAN = {"tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}}}
ROUTES = [route for one in (windows, runs, schedules) for route in one.router.routes if isinstance(route, APIRoute)]
OPERATIONS = [(method, route.path) for route in ROUTES for method in sorted(route.methods or ())]
MAKE = settings(
    max_examples=amount(4, 600),  # of right ones, and of wrong ones: 20,000 in a long run
    phases=[Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of a service with a run, which changes by what is asked of it."""
    config = SchemathesisConfig.from_dict({"checks": RULES, "seed": SEED})
    with running(tmp_path_factory.mktemp("requests")) as service:
        made = httpx.post(f"{service.url}/v1/runs", json={"run": "a", "plan": PLAN})
        assert made.status_code == 201
        yield schemathesis.openapi.from_url(f"{service.url}/openapi.json", config=config)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("method", "path"), sampled(OPERATIONS, 4))
def test_every_answer_is_as_the_document_says(document: Any, method: str, path: str) -> None:
    operation = document[path][method]
    asked: list[int] = []

    def ask(case: Any, known: bool) -> None:
        if known and "{run}" in path and case.meta.generation.mode.is_positive:  # a wrong one stays wrong
            case.path_parameters["run"] = "a"
        answer = case.call_and_validate()
        asked.append(answer.status_code)
        assert answer.status_code != 422 or answer.json()["errors"], "a 422 points at its place"

    modes = [schemathesis.GenerationMode.POSITIVE]
    if len(operation.body) or any(part.name not in ("run", "kind") for part in operation.iter_parameters()):
        modes.append(schemathesis.GenerationMode.NEGATIVE)  # a path alone cannot be wrong: any text may be one
    for mode in modes:
        seed(SEED)(MAKE(given(operation.as_strategy(generation_mode=mode), st.booleans())(ask)))()
    assert len(asked) >= MAKE.max_examples
