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
