"""Durations become whole steps, exactly and half up, in one place."""

from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.schedules import resolve
from app.schedules.durations import resolve_duration
from schemas.plans import Plan


@pytest.mark.parametrize(
    ("text", "total_steps", "steps_per_epoch", "steps"),
    [
        ("3%", 100, None, 3),
        ("3%", 50, None, 2),  # 1.5, half up
        ("1%", 149, None, 1),
        ("1%", 150, None, 2),
        ("0.1%", 2**53, None, 9007199254741),
        ("100%", 2**53, None, 2**53),
        ("12ep", None, 1250.0, 15000),
        ("0.5ep", None, 3.0, 2),
        ("2.5ep", None, 0.2, 1),  # 0.2 is a little above 1/5 in binary
        ("0ep", None, 10.0, 0),
    ],
)
def test_examples(text: str, total_steps: int | None, steps_per_epoch: float | None, steps: int) -> None:
    assert resolve_duration(text, total_steps, steps_per_epoch, "") == steps


@given(st.decimals(0, 100, places=3), st.integers(1, 2**53))
def test_percent_is_exact(percent: Any, total: int) -> None:
    exact = Fraction(percent) * total / 100
    assert resolve_duration(f"{percent}%", total, None, "") == floor(exact + Fraction(1, 2))


def nested(steps: Any) -> dict[str, Any]:
    ramp = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": steps}
    return {"kind": "sequence", "phases": [{"schedule": ramp, "steps": steps}, {"schedule": ramp}]}


def test_resolving_reaches_every_depth_and_is_idempotent() -> None:
    plan = Plan.model_validate({"tracks": {"lr": nested("10%")}, "total_steps": 100})
    resolved = resolve(plan)
    assert resolved.to_json()["tracks"] == {"lr": nested(10)}
    assert resolve(resolved) is resolved


@pytest.mark.parametrize(
    ("steps", "pointer", "word"),
    [
        ("3%", "/tracks/a~1lr/phases/0/schedule/steps", "total_steps"),
        ("2ep", "/tracks/a~1lr/phases/0/schedule/steps", "per_epoch"),
    ],
)
def test_a_missing_length_is_asked_for_where_it_is_needed(steps: str, pointer: str, word: str) -> None:
    with pytest.raises(Invalid, match=word) as caught:
        resolve(Plan.model_validate({"tracks": {"a/lr": nested(steps)}}))
    assert caught.value.errors[0][0] == pointer


def test_too_long_is_refused() -> None:
    with pytest.raises(Invalid, match=r"2\*\*53"):
        resolve_duration("101%", 2**53, None, "")
