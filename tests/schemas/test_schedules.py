"""Native kinds as they are written: what each refuses, and where."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.specs import schedule

LR = {"kind": "constant", "value": 0.1}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"kind": "ramp", "start": 0.0, "end": 1.0, "steps": 5, "shape": "exponential"},
            "needs `start` and `end` above 0",
        ),
        ({"kind": "ramp", "start": 1.0, "end": 0.5, "steps": 5, "shape": "round"}, "shape"),
        ({"kind": "ramp", "start": 1.0, "end": 0.5, "steps": -5}, "a duration is"),
        ({"kind": "exponential", "start": 1.0, "rate": 0.0}, "greater than 0"),
        ({"kind": "exponential", "start": 1.0, "rate": 0.5, "steps": 0}, "above 0"),
        ({"kind": "interpolate", "points": [[5, 1.0], [4, 2.0]]}, "must not decrease"),
        ({"kind": "interpolate", "points": []}, "at least 1 item"),
        ({"kind": "formula", "expression": ""}, "at least 1 character"),
        ({"kind": "formula", "expression": "a", "let": {"2a": "1"}}, "pattern"),
        ({"kind": "iterate", "start": 1.0, "update": "value", "limit": 10_000_001}, "less than or equal"),
        ({"kind": "sequence", "phases": [{"schedule": LR}, {"schedule": LR}]}, "phase 0 needs `steps`"),
        ({"kind": "repeat", "of": LR, "steps": 0}, "above 0"),
        ({"kind": "repeat", "of": LR, "steps": 5, "growth": 0.5}, "greater than or equal to 1"),
        ({"kind": "sum", "of": []}, "at least 1 item"),
        ({"kind": "product", "of": [LR] * 65}, "at most 64 items"),
        ({"kind": "clamp", "of": LR, "min": 2.0, "max": 1.0}, "`min` must not be above `max`"),
        ({"kind": "clock", "of": LR, "from": 5, "to": 5}, "`from` must be below `to`"),
    ],
    ids=lambda case: case["kind"] if isinstance(case, dict) else "",
)
def test_what_makes_no_schedule_is_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        schedule(data)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "ramp", "start": 0.0, "end": 1.0, "steps": 0},
        {"kind": "interpolate", "points": [[0, 1.0], [0, 2.0]]},
        {"kind": "sequence", "phases": [{"schedule": LR, "steps": 0}, {"schedule": LR}]},
        {"kind": "clamp", "of": LR, "min": 1.0, "max": 1.0},
        {"kind": "clock", "of": LR, "from": -3.0, "to": 5.0, "held": True},
    ],
    ids=lambda case: case["kind"],
)
def test_what_is_just_one_still_is(data: dict[str, Any]) -> None:
    assert schedule(data).to_json() == data
