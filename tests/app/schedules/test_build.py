"""Every kind against an independent formula, at its start, its end, beyond, and at length 0."""

from math import cos, floor, log, pi, sqrt
from typing import Any

import numpy as np
import pytest

from app.errors import Invalid
from schemas.base import MAX_STEP
from tests.app.schedules.values import SAW, Json, constant, curve, ramp

FORMULAS: list[tuple[Json, Any]] = [
    (constant(0.3), lambda t: 0.3),
    (ramp(), lambda t: 0.1 - 0.08 * min(t / 40, 1)),
    (ramp(past="continue"), lambda t: 0.1 - 0.08 * t / 40),
    (ramp(shape="cosine"), lambda t: 0.02 + 0.08 * (1 + cos(pi * min(t / 40, 1))) / 2),
    (ramp(shape="cosine", past="continue"), lambda t: 0.02 + 0.08 * (1 + cos(pi * t / 40)) / 2),
    (ramp(shape="polynomial", power=3.0), lambda t: 0.02 + 0.08 * max(1 - t / 40, 0) ** 3),
    (ramp(shape="polynomial", power=3.0, past="continue"), lambda t: 0.02 + 0.08 * max(1 - t / 40, 0) ** 3),
    (ramp(shape="power", power=0.5), lambda t: 0.1 - 0.08 * sqrt(min(t / 40, 1))),
    (ramp(shape="exponential"), lambda t: 0.1 * (0.02 / 0.1) ** min(t / 40, 1)),
    (ramp(shape="exponential", past="continue"), lambda t: 0.1 * (0.02 / 0.1) ** (t / 40)),
    (ramp(steps=0), lambda t: 0.02),
    (ramp(steps="20%"), lambda t: 0.1 - 0.08 * min(t / 20, 1)),
    ({"kind": "exponential", "start": 0.1, "rate": 0.9}, lambda t: 0.1 * 0.9**t),
    (
        {"kind": "exponential", "start": 0.1, "rate": 0.5, "steps": 30, "staircase": True},
        lambda t: 0.1 * 0.5 ** (t // 30),
    ),
    ({"kind": "exponential", "start": 0.1, "rate": 0.5, "steps": "1ep"}, lambda t: 0.1 * 0.5 ** (t / 10)),
    ({"kind": "inverse_time", "start": 0.1, "rate": 0.5}, lambda t: 0.1 / (1 + 0.5 * t)),
    ({"kind": "inverse_time", "start": 0.1, "steps": 16, "power": 0.5}, lambda t: 0.1 * 4 / sqrt(16 + t)),
    ({"kind": "inverse_time", "start": 0.1, "steps": 7, "staircase": True}, lambda t: 0.1 / (1 + t // 7)),
    (
        {"kind": "interpolate", "points": [[0, 0.1], [30, 0.01], [60, 0.001]]},
        lambda t: 0.1 if t < 30 else 0.01 if t < 60 else 0.001,
    ),
    (
        {"kind": "interpolate", "points": [[10, 1.0], [20, 3.0]], "shape": "linear"},
        lambda t: 1 + 2 * min(max((t - 10) / 10, 0), 1),
    ),
    (
        {"kind": "interpolate", "points": [[-0.5, 1.0], [29.5, 3.0]], "shape": "cosine", "past": "continue"},
        lambda t: 2 - cos(pi * (t + 0.5) / 30),
    ),
    ({"kind": "formula", "expression": "c / (1 + step)", "let": {"c": "2 * 0.3"}}, lambda t: 0.6 / (1 + t)),
    ({"kind": "iterate", "start": 0.1, "update": "value * 0.9 + 0.001 * step", "limit": 50}, None),
    (
        {"kind": "sequence", "phases": [{"schedule": SAW, "steps": 10}, {"schedule": ramp()}]},
        lambda t: t / 10 if t < 10 else 0.1 - 0.08 * min((t - 10) / 40, 1),
    ),
    ({"kind": "repeat", "of": SAW, "steps": 10}, lambda t: t % 10 / 10),
    ({"kind": "repeat", "of": SAW, "steps": 10, "decay": 0.5}, lambda t: t % 10 / 10 * 0.5 ** (t // 10)),
    (
        {"kind": "repeat", "of": SAW, "steps": 10, "growth": 2.0},
        lambda t: (t / 10 + 1) / 2 ** floor(log(t / 10 + 1, 2) + 1e-12) - 1,
    ),
    ({"kind": "sum", "of": [constant(0.1), SAW, constant(0.2)]}, lambda t: 0.3 + min(t / 10, 1)),
    ({"kind": "product", "of": [constant(0.1), SAW]}, lambda t: 0.1 * min(t / 10, 1)),
    ({"kind": "scale", "factor": 3.0, "of": SAW}, lambda t: 3 * min(t / 10, 1)),
    ({"kind": "clamp", "of": SAW, "min": 0.25, "max": 0.75}, lambda t: min(max(t / 10, 0.25), 0.75)),
    ({"kind": "clamp", "of": SAW}, lambda t: min(t / 10, 1)),
    ({"kind": "clock", "of": SAW, "from": 20, "to": 120, "end": 10}, lambda t: min(max((t - 20) / 100, 0), 1)),
    ({"kind": "clock", "of": SAW, "from": 20, "at": 5, "to": 30, "end": 15}, lambda t: min(max(t - 15, 0) / 10, 1)),
    ({"kind": "clock", "of": SAW, "from": 4, "at": 4, "to": 9, "end": 9, "held": True}, lambda t: min(t, 4) / 10),
    ({"kind": "warmup", "steps": 10, "then": ramp()}, lambda t: t / 100 if t < 10 else 0.1 - 0.002 * min(t - 10, 40)),
    ({"kind": "warmup", "steps": 0, "then": ramp()}, lambda t: 0.1 - 0.002 * min(t, 40)),
    ({"kind": "piecewise", "boundaries": [10, "20%"], "values": [1.0, 2.0, 3.0]}, lambda t: 1 + (t >= 10) + (t >= 20)),
    (
        {"kind": "cyclic", "low": 0.1, "high": 0.5, "up_steps": 4, "down_steps": 6, "decay": 0.5},
        lambda t: 0.1 + 0.4 * (t % 10 / 4 if t % 10 < 4 else (10 - t % 10) / 6) * 0.5 ** (t // 10),
    ),
    (
        {"kind": "warmup_cosine", "peak": 0.1, "warmup_steps": 10, "decay_steps": 90, "end": 0.01},
        lambda t: t / 100 if t < 10 else 0.01 + 0.09 * (1 + cos(pi * min(t - 10, 90) / 90)) / 2,
    ),
    (
        {"kind": "wsd", "peak": 0.1, "warmup_steps": 10, "stable_steps": 50, "decay_steps": 40, "shape": "power"},
        lambda t: t / 100 if t < 10 else 0.1 if t < 60 else 0.1 * (1 - min(t - 60, 40) / 40),
    ),
    (
        {"kind": "one_cycle", "peak": 0.5, "up_steps": 30, "down_steps": 60, "shape": "linear"},
        lambda t: 0.02 + 0.48 * t / 30 if t < 30 else 0.5 + (2e-6 - 0.5) * min((t - 30) / 60, 1),
    ),
    (
        {"kind": "inverse_sqrt", "peak": 0.1, "warmup_steps": 16},
        lambda t: 0.1 * t / 16 if t < 16 else 0.1 * sqrt(16 / t),
    ),
    ({"kind": "range_test", "start": 1e-6, "end": 1.0, "steps": 60}, lambda t: 1e-6 * 10 ** (min(t, 60) / 10)),
    ({"kind": "reduce_on_plateau", "of": SAW, "factor": 0.5}, lambda t: 0.5 * min(t / 10, 1)),
]


def recurrence(t: int) -> float:
    value = 0.1
    for step in range(1, min(t, 50) + 1):
        value = value * 0.9 + 0.001 * step
    return value


@pytest.mark.parametrize(
    ("schedule", "formula"), FORMULAS, ids=lambda case: str(case)[:100] if isinstance(case, dict) else ""
)
def test_formula(schedule: Json, formula: Any) -> None:
    steps = list(range(121))
    expected = [(formula or recurrence)(step) for step in steps]
    assert curve(schedule, steps) == pytest.approx(expected, rel=1e-12, abs=1e-15 * max(map(abs, expected)))


@pytest.mark.parametrize(
    ("schedule", "exact"),
    [
        (ramp(start=0.1, end=0.3), {0: 0.1, 40: 0.3, 41: 0.3}),
        (ramp(shape="cosine", end=0.0), {0: 0.1, 40: 0.0, MAX_STEP: 0.0}),
        (ramp(shape="cosine", end=0.7, past="continue"), {0: 0.1, 40: 0.7}),
        (ramp(shape="exponential", start=0.3, end=0.1), {0: 0.3, 40: 0.1}),
        (ramp(shape="polynomial", power=0.7, start=0.3, end=0.1, past="continue"), {0: 0.3, 40: 0.1, 99: 0.1}),
        (ramp(steps=1), {0: 0.1, 1: 0.02, 2: 0.02}),
        (ramp(steps=0.5), {0: 0.1, 1: 0.02}),
        ({"kind": "interpolate", "points": [[3, 1.0]]}, {0: 1.0, 3: 1.0, 9: 1.0}),
        ({"kind": "interpolate", "points": [[3, 1.0], [5, 2.0], [5, 9.0]]}, {2: 1.0, 4: 1.0, 5: 9.0}),
        (
            {"kind": "interpolate", "points": [[3, 1.0], [5, 2.0], [5, 9.0]], "shape": "linear", "past": "continue"},
            {2: 1.0, 4: 1.5, 5: 9.0, 7: 9.0},
        ),
        ({"kind": "sequence", "phases": [{"schedule": constant(1), "steps": 0}, {"schedule": constant(2)}]}, {0: 2.0}),
        (
            {"kind": "sequence", "phases": [{"schedule": SAW, "steps": 5}, {"schedule": SAW, "steps": 5}]},
            {4: 0.4, 5: 0.0, 15: 1.0},
        ),
        ({"kind": "repeat", "of": SAW, "steps": 1}, {0: 0.0, 7: 0.0}),
        ({"kind": "repeat", "of": SAW, "steps": 2.5}, {0: 0.0, 2: 0.2, 3: 0.05, 5: 0.0, MAX_STEP: 0.2}),
        ({"kind": "repeat", "of": SAW, "steps": 2.5, "whole_steps": True}, {0: 0.0, 1: 0.125, 2: 0.0}),
        ({"kind": "repeat", "of": SAW, "steps": 3, "growth": 1.5, "whole_steps": True}, {3: 0.0, 7: 0.0, 13: 0.0}),
        ({"kind": "repeat", "of": SAW, "steps": 10, "growth": 2.0}, {10: 0.0, 30: 0.0, 70: 0.0, 10 * (2**40 - 1): 0.0}),
        ({"kind": "iterate", "start": 0.3, "update": "1 / value", "limit": 0}, {0: 0.3, 5: 0.3}),
        ({"kind": "iterate", "start": 2.0, "update": "value + 1", "limit": 4097}, {4096: 4098.0, 4097: 4099.0}),
        ({"kind": "clock", "of": SAW, "from": 3, "at": 7, "to": 4, "end": 7.5}, {3: 0.7, 4: 0.75, 9: 1.0}),
        (
            {"kind": "exponential", "start": 1.0, "rate": 0.5, "staircase": True, "steps": 2},
            {1: 1.0, 2: 0.5, 5: 0.25},
        ),
        ({"kind": "wsd", "peak": 1, "warmup_steps": 0, "stable_steps": 0, "decay_steps": 0}, {0: 0.0, 1: 0.0}),
        ({"kind": "inverse_sqrt", "peak": 1.0, "warmup_steps": 0}, {0: 1.0, 3: 0.5}),
    ],
    ids=str,
)
def test_exact_values_at_the_edges(schedule: Json, exact: dict[int, float]) -> None:
    values = dict(zip(exact, curve(schedule, list(exact)), strict=True))
    assert values == exact


def test_float32_rounds_every_operation() -> None:
    steps = np.arange(200)
    schedule = {"kind": "float32", "of": {"kind": "exponential", "start": 0.1, "rate": 0.96, "steps": 7}}
    one = np.float32
    expected = one(0.1) * np.power(one(0.96), steps.astype(np.float32) / one(7))
    assert expected.dtype == np.float32
    assert curve(schedule, steps) == expected.astype(np.float64).tolist()
    recurrent = {"kind": "iterate", "start": 0.1, "update": "value * 0.97 + 0.001"}
    value, values = one(0.1), [0.1]
    for _ in range(20):
        value = one(one(value * one(0.97)) + one(0.001))
        values.append(float(value))
    assert curve({"kind": "float32", "of": recurrent}, list(range(1, 21))) == values[1:]


@pytest.mark.parametrize(
    ("schedule", "pointer", "words"),
    [
        ({"kind": "formula", "expression": "foo(step)"}, "/expression", "no function 'foo'"),
        ({"kind": "formula", "expression": "step +"}, "/expression", "missing before the end"),
        ({"kind": "formula", "expression": "a", "let": {"a": "b"}}, "/let/a", "no name 'b'"),
        ({"kind": "formula", "expression": "1", "let": {"sin": "2"}}, "/let/sin", "another name"),
        ({"kind": "iterate", "start": 1.0, "update": "values"}, "/update", "no name 'values'"),
        (
            {"kind": "iterate", "start": 1.0, "update": "+".join(["value"] * 100), "limit": 10_000_000},
            "/limit",
            "100,000,000 operations",
        ),
        ({"kind": "repeat", "of": SAW, "steps": 0.5, "whole_steps": True}, "/steps", "at least 1 step"),
        ({"kind": "piecewise", "boundaries": [1], "values": [1.0]}, "", "need 2 values"),
        ({"kind": "piecewise", "boundaries": [5, 1], "values": [1.0, 2.0, 3.0]}, "", "must not decrease"),
        ({"kind": "range_test", "start": 0.0, "end": 1.0, "steps": 5}, "", "above 0"),
        ({"kind": "cyclic", "low": 0.0, "high": 1.0, "up_steps": 0}, "", "duration"),
        ({"kind": "warmup", "steps": 9, "shape": "exponential", "then": SAW}, "/start", "needs a `start` above 0"),
        (
            {"kind": "warmup", "steps": 9, "shape": "exponential", "start": 0.1, "then": SAW},
            "/then",
            "a number above 0, and `then` begins with 0.0",
        ),
        ({"kind": "warmup", "steps": 9, "then": {"kind": "formula", "expression": "1/step"}}, "/then", "with inf"),
    ],
    ids=lambda case: str(case)[:60],
)
def test_what_makes_no_curve_is_refused(schedule: Json, pointer: str, words: str) -> None:
    inside = {"kind": "sequence", "phases": [{"schedule": schedule}]}
    with pytest.raises(Invalid, match=words) as caught:
        curve(inside, [0])
    assert [where for where, _ in caught.value.errors] == [f"/tracks/lr/phases/0/schedule{pointer}"]
