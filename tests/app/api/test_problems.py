"""Problem documents: what one may cost, however much is wrong with a request, and however long."""

import json
from typing import Any

import pytest
from starlette.requests import Request

from app.api.problems import MOST_ERRORS, answer, invalid
from app.errors import DataLost, Invalid, Unavailable
from schemas.evaluate import Evaluate


def unknown(name: str) -> dict[str, Any]:
    """An error as pydantic gives it."""
    return {"type": "extra_forbidden", "loc": ("body", name), "msg": "", "input": 1}


def test_only_so_many_errors_are_looked_at_as_are_shown() -> None:
    wrong = [unknown(f"stepz{index}") for index in range(MOST_ERRORS)]
    untouched: list[dict[str, Any]] = [{}] * 100_000  # whatever reads one of these fails
    error = invalid([*wrong, *untouched], {name["loc"][1]: 1 for name in wrong}, Evaluate)
    assert [pointer for pointer, _ in error.errors] == [f"/stepz{index}" for index in range(MOST_ERRORS)]
    assert "(and 100049 more)" in error.detail
    assert "did you mean 'step" in error.errors[0][1]


@pytest.mark.parametrize("kind", [Unavailable, DataLost])
def test_what_is_unavailable_is_in_the_log_with_its_reason(
    caplog: pytest.LogCaptureFixture, kind: type[Unavailable]
) -> None:
    asked = {"type": "http", "method": "POST", "path": "/v1/runs/a\n/finish", "headers": []}
    assert answer(kind("the disk is full"), Request(asked)).status_code == 503
    (record,) = caplog.records
    assert record.getMessage() == "POST '/v1/runs/a\\n/finish': 503, the disk is full"


def test_no_suggestion_is_looked_for_where_a_name_is_like_none() -> None:
    error = invalid([unknown("step" * 100)], {"step" * 100: 1}, Evaluate)
    assert "did you mean" not in error.errors[0][1]


def test_an_answer_is_short_whatever_was_sent() -> None:
    long = "é" * 4_000_000
    errors = [(f"/{long}", f"there is no field {long!r} here")] * 1000
    found = answer(Invalid(f"{long} is wrong", errors=errors), Request({"type": "http"}))
    problem = json.loads(bytes(found.body))
    assert len(found.body) < 250_000
    assert len(problem["errors"]) == MOST_ERRORS
    assert problem["errors"][0]["pointer"] == f"/{'é' * 998}…"
    assert problem["detail"] == f"{'é' * 999}…"
