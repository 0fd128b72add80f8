"""Every reference vector: values that the libraries themselves gave, for the very spec that we are asked for.

The vectors are `tests/golden/<library>.json`. The tolerance is theirs: float64 within 1e-12 of the value and 1e-15 of
the peak, float32 within 2e-6 of the peak.
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
from schemas.kinds import KINDS

GOLDEN = Path(__file__).parents[2] / "golden"

ALL = [case for path in sorted(GOLDEN.glob("*.json")) for case in json.loads(path.read_text())["cases"]]
MISSING = {case["spec"]["kind"] for case in ALL} - set(KINDS)
INCONSISTENT: dict[str, str] = {}  # cases that no spec can give, with the reason


def _cases() -> list[Any]:
    wanted = [case for case in ALL if case["spec"]["kind"] not in MISSING and case["id"] not in INCONSISTENT]
    return [pytest.param(case, id=case["id"]) for case in wanted]


def _request(case: dict[str, Any]) -> dict[str, Any]:
    request = {"schedule": case["spec"], "steps": case["steps"] or [0]}
    if "metrics" in case:
        request["metrics"] = case["metrics"]
    if domain := re.search(r"where=i/(\d+)", case.get("convention", "")):
        request["total_steps"] = int(domain[1])
    return request


@pytest.mark.parametrize("case", _cases())
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
