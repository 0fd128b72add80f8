"""Every reference vector: values that the libraries themselves gave, for the very spec that we are asked for.

The vectors are `tests/golden/<library>.json`. The tolerance is theirs: float64 within 1e-12 of the value and 1e-15 of
the peak, float32 within 2e-6 of the peak. fvcore has no steps, so its cases were made at t/N; where the spec has a
length of its own, N is the length of the run, and the request says it.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.control.schedules import evaluate
from app.errors import Invalid
from schemas.evaluate import Evaluate

GOLDEN = Path(__file__).parents[1] / "golden"

CASES = [case for path in sorted(GOLDEN.glob("*.json")) for case in json.loads(path.read_text())["cases"]]


def _request(case: dict[str, Any]) -> dict[str, Any]:
    request = {"schedule": case["spec"], "steps": case["steps"] or [0]}
    if "metrics" in case:
        request["metrics"] = case["metrics"]
    if domain := re.search(r"where=i/(\d+)", case.get("convention", "")):
        request["total_steps"] = int(domain[1])
    return request


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_values_are_those_of_the_library(case: dict[str, Any]) -> None:
    if not case["values"]:  # the library raised an error, at construction or at the first step
        with pytest.raises((ValidationError, Invalid)):
            evaluate(Evaluate.model_validate(_request(case)))
        return
    values = np.array(evaluate(Evaluate.model_validate(_request(case))).answer()["values"])
    expected = np.array(case["values"])
    peak = np.max(np.abs(expected))
    allowed = 2e-6 * peak if case["dtype"] == "float32" else 1e-12 * np.abs(expected) + 1e-15 * peak
    off = np.abs(values - expected) - allowed
    worst = int(np.argmax(off))
    assert off[worst] <= 0, f"step {case['steps'][worst]}: {values[worst]!r}, the library gives {expected[worst]!r}"
