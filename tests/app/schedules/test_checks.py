"""R9: what a run may not have is found, and the first of it."""

from math import inf
from typing import Any

import pytest

from app.schedules import check_finite, compile_plan
from app.schedules.checks import DENSE
from schemas.plans import Plan


def first_bad(start: int, stop: int, **tracks: Any) -> Any:
    return check_finite(compile_plan(Plan.model_validate({"tracks": tracks})), start, stop)


FALLING = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000, "past": "continue"}
FLAT = {"kind": "constant", "value": 1.0}


def test_the_first_bad_step_is_named() -> None:
    assert first_bad(0, 5000, lr=FALLING)[:2] == ("lr", 1001)
    assert first_bad(0, 1001, lr=FALLING) is None
    assert first_bad(2000, 2001, lr=FALLING)[:2] == ("lr", 2000)
    assert first_bad(0, 5000, lr=FLAT, wd={**FALLING, "steps": 10})[:2] == ("wd", 11)
    assert first_bad(0, 10, lr={"kind": "formula", "expression": "1 / (step - 7)**2"}) == ("lr", 7, inf)


def test_minus_zero_is_no_negative_value() -> None:
    assert first_bad(0, 9, lr={"kind": "scale", "factor": -0.0, "of": FLAT}) is None


def test_an_empty_range_is_fine() -> None:
    assert first_bad(5, 5, lr=FALLING) is None


def test_a_derived_track_must_not_overflow() -> None:
    huge = {"kind": "constant", "value": 1e300}
    assert first_bad(0, 9, lr=huge, a={"kind": "track", "of": "lr", "factor": 1e7}) is None
    assert first_bad(0, 9, lr=huge, a={"kind": "track", "of": "lr", "factor": 1e9})[:2] == ("lr", 0)


@pytest.mark.parametrize("length", [DENSE + 5, 2**40])
def test_beyond_the_dense_part_joins_and_the_end_are_checked(length: int) -> None:
    phases = [{"schedule": FLAT, "steps": length}, {"schedule": {"kind": "constant", "value": -1.0}, "steps": 1}]
    dip = {"kind": "sequence", "phases": [*phases, {"schedule": FLAT}]}
    heavy = {"kind": "product", "of": [dip] + [FLAT] * 60}  # slow, so that little of it is checked densely
    assert first_bad(0, 2**41, lr=heavy) == ("lr", length, -1.0)
