"""Compiled plans: tracks, joins, and the cache."""

import sys
from typing import Any

import numpy as np
import pytest

from app.errors import Invalid
from app.schedules import CompiledPlan, Derived, compile_plan
from app.schedules.compiled import MAX_JOINS, compile_folded, follows_metric
from schemas.base import MAX_STEP
from schemas.plans import Plan

RAMP = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 100}
FLAT = {"kind": "constant", "value": 1.0}


def plan(**tracks: Any) -> Plan:
    return Plan.model_validate({"tracks": tracks, "total_steps": 1000})


def compiled(**tracks: Any) -> CompiledPlan:
    return compile_plan(plan(**tracks))


def test_base_and_derived_tracks() -> None:
    found = compiled(**{"z": RAMP, "head/lr": {"kind": "track", "of": "z", "factor": 0.3}, "a": FLAT})
    assert found.base == ("a", "z")
    assert found.derived == {"head/lr": Derived("z", 0.3)}
    base = found.values("z", 0, 200)
    assert np.array_equal(found.values("head/lr", 0, 200), 0.3 * base)
    assert np.array_equal(found.at("head/lr", [7, 3]), 0.3 * base[[7, 3]])


def test_ranges() -> None:
    found = compiled(lr=RAMP)
    assert found.values("lr", 5, 5).tolist() == []
    assert found.values("lr", 0, 10, 4).tolist() == found.at("lr", [0, 4, 8]).tolist()
    assert found.values("lr", MAX_STEP - 3, MAX_STEP).tolist() == [0.0, 0.0, 0.0]
    assert found.at("lr", MAX_STEP).tolist() == [0.0]
    assert found.values("lr", 0, 100_000, 7).dtype == np.float64


@pytest.mark.parametrize(
    ("schedule", "joins"),
    [
        (FLAT, []),
        (RAMP, [100]),
        ({"kind": "sequence", "phases": [{"schedule": RAMP, "steps": 50}, {"schedule": RAMP}]}, [50, 150]),
        ({"kind": "sequence", "phases": [{"schedule": FLAT, "steps": 0.5}, {"schedule": RAMP}]}, [1, 101]),
        ({"kind": "interpolate", "points": [[0, 1.0], [30, 2.0], [30, 3.0], [90.5, 1.0]]}, [0, 30, 91]),
        ({"kind": "exponential", "start": 1.0, "rate": 0.5, "steps": 60, "staircase": True}, [60, 120, 180]),
        ({"kind": "repeat", "of": {**RAMP, "steps": 10}, "steps": 80}, [0, 10, 80, 90, 160, 170]),
        ({"kind": "repeat", "of": RAMP, "steps": 40, "growth": 2.0}, [0, 40, 120]),
        ({"kind": "sum", "of": [RAMP, {**RAMP, "steps": 7}]}, [7, 100]),
        ({"kind": "clock", "of": RAMP, "from": 20, "at": 40, "to": 50, "end": 100}, [20, 50]),
        ({"kind": "clock", "of": RAMP, "from": 80, "at": 80, "to": 90, "end": 90, "held": True}, [80]),
        ({"kind": "scale", "factor": 2.0, "of": {"kind": "clamp", "of": {"kind": "float32", "of": RAMP}}}, [100]),
        ({"kind": "warmup", "steps": 5, "then": RAMP}, [5, 105]),
    ],
    ids=str,
)
def test_joins_are_the_first_steps_of_the_pieces(schedule: Any, joins: list[int]) -> None:
    assert [step for step in compiled(lr=schedule).joins("lr", 0, 200) if step or 0 in joins] == joins


def test_joins_are_bounded() -> None:
    busy = {"kind": "repeat", "of": FLAT, "steps": 1}
    assert len(compiled(lr=busy).joins("lr", 0, MAX_STEP)) <= MAX_JOINS


def test_the_same_plan_is_compiled_once() -> None:
    assert compile_plan(plan(lr=RAMP)) is compile_plan(plan(lr=dict(RAMP)))


def test_late_values_of_a_recurrence_do_not_cost_its_memory() -> None:
    long = compiled(lr={"kind": "iterate", "start": 1.0, "update": "value * 0.99999", "limit": 300_000})
    late = long.values("lr", 299_000, 299_010)
    assert late == pytest.approx(0.99999 ** np.arange(299_000, 299_010), rel=1e-9)
    (curve,) = long._curves.values()
    kept = curve._checkpoints, list(curve._blocks.values())  # type: ignore[attr-defined]
    assert sum(map(sys.getsizeof, [*kept[0], *kept[1]])) < 500_000
    assert np.array_equal(long.values("lr", 0, 300_000)[299_000:299_010], late)


def test_a_metric_makes_pieces() -> None:
    fold = {"kind": "reduce_on_plateau", "of": FLAT, "multiplier": 0.5, "patience": 0}
    assert follows_metric(plan(lr=FLAT, wd={"kind": "scale", "factor": 1.0, "of": fold}))
    assert not follows_metric(plan(lr=FLAT))
    pieces = compile_folded(plan(lr=FLAT, wd=fold), [1.0, 1.0, 0.5, 1.0])
    assert [step for step, _ in pieces] == [0, 2, 4]
    assert [piece.at("wd", 9).tolist() for _, piece in pieces] == [[1.0], [0.5], [0.25]]
    with pytest.raises(Invalid, match="give fewer"):
        compile_folded(plan(lr={**fold, "multiplier": 0.9999}), [1.0] * 150_000)
