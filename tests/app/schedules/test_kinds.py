"""Every kind against an independent formula, at its start, its end, beyond, and at length 0."""

from fractions import Fraction
from math import cos, exp, floor, isfinite, log, pi, sin, sqrt, tan, tanh
from typing import Any

import numpy as np
import pytest

from app.errors import Invalid
from app.schedules import compile_plan, resolve
from app.schedules.catalogue import catalogue
from schemas.base import MAX_STEP
from schemas.plans import Plan
from schemas.specs import KINDS

Json = dict[str, Any]


def curve(schedule: Json, steps: Any, total: int = 100) -> list[float]:
    plan = Plan.model_validate({"tracks": {"lr": schedule}, "total_steps": total, "steps_per_epoch": 10.0})
    values: list[float] = compile_plan(resolve(plan)).at("lr", steps).tolist()
    return values


def ramp(**fields: Any) -> Json:
    return {"kind": "ramp", "start": 0.1, "end": 0.02, "steps": 40, **fields}


def constant(value: float) -> Json:
    return {"kind": "constant", "value": value}


SAW = {"kind": "ramp", "start": 0.0, "end": 1.0, "steps": 10}

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


def test_cycles_start_exactly_where_sums_of_their_lengths_say() -> None:
    """The lengths 3 * 1.1^i have no closed form in whole numbers; a division or a logarithm would be off somewhere."""
    steps, growth, boundary, boundaries = Fraction(3), Fraction(1.1), Fraction(0), []
    for cycle in range(60):
        boundaries.append(boundary)
        boundary += steps * growth**cycle
    values = np.array(curve({"kind": "repeat", "of": SAW, "steps": 3, "growth": 1.1}, list(range(int(boundary)))))
    starts = np.flatnonzero(values[1:] < values[:-1]) + 1
    assert starts.tolist() == [-(-b.numerator // b.denominator) for b in boundaries[1:] if b > 1][: len(starts)]


def test_equal_cycles_far_out_are_counted_without_drift() -> None:
    step = 3 * 2**50
    third = {"kind": "repeat", "of": ramp(start=0.0, end=3.0, steps=3), "steps": 3}
    assert curve(third, [step, step + 1, step + 2, step + 3]) == [0.0, 1.0, 2.0, 0.0]


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"track"}))
def test_every_example_is_defined_everywhere(kind: str) -> None:
    steps = [0, 1, 2, 9, 10, 11, 99, 100, 101, 10**6, 2**31, 2**52 + 1, MAX_STEP - 1, MAX_STEP]
    values = curve(catalogue()[kind]["example"], steps)
    assert all(isfinite(value) for value in values)
    assert "." in kind or min(values) >= 0  # some libraries' schedules go below 0 past their end
    assert curve(catalogue()[kind]["example"], []) == []


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


def test_a_float32_state_gives_the_published_figures() -> None:
    """The sine decay that tutorials print: lr <- sin(lr) from 0.1 on, printed before float32 stores it."""
    schedule = {"kind": "iterate", "start": 0.1, "update": "sin(value)", "dtype": "float32"}
    values = curve(schedule, list(range(40)))
    assert sin(values[16]) == 0.09727657241617098
    assert sin(values[24]) == 0.09606978125185672
    assert all(np.float32(value) == value for value in values)


@pytest.mark.parametrize(
    ("expression", "reference"),
    [
        ("-step**2 // 7 % 5", lambda t: -(t**2) // 7 % 5),
        ("2**3**2 - step", lambda t: 2**3**2 - t),
        ("(step < 3) + (step <= 3) + (step > 3) * 2 + (step == 4) + (step != 5)", None),
        ("where(step >= 10, sqrt(step), exp(-step))", lambda t: sqrt(t) if t >= 10 else exp(-t)),
        ("min(step, 7, 9) + max(step, 3) + abs(3 - step)", lambda t: min(t, 7) + max(t, 3) + abs(3 - t)),
        ("floor(step / 3) + ceil(step / 4)", lambda t: t // 3 - (-t // 4)),
        ("log(1 + step) + sin(step) + cos(step)", lambda t: log(1 + t) + sin(t) + cos(t)),
        ("tan(step / 100) + tanh(step / 9) + pi + e", lambda t: tan(t / 100) + tanh(t / 9) + pi + exp(1)),
        ("pow(step, 0.5) + 1.5e1 + .5", lambda t: sqrt(t) + 15.5),
    ],
)
def test_formulas(expression: str, reference: Any) -> None:
    def compared(t: int) -> int:
        return (t < 3) + (t <= 3) + (t > 3) * 2 + (t == 4) + (t != 5)

    expected = [(reference or compared)(t) for t in range(40)]
    assert curve({"kind": "formula", "expression": expression}, list(range(40))) == pytest.approx(expected, rel=1e-13)


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
    ],
    ids=lambda case: str(case)[:60],
)
def test_what_makes_no_curve_is_refused(schedule: Json, pointer: str, words: str) -> None:
    inside = {"kind": "sequence", "phases": [{"schedule": schedule}]}
    with pytest.raises(Invalid, match=words) as caught:
        curve(inside, [0])
    assert [where for where, _ in caught.value.errors] == [f"/tracks/lr/phases/0/schedule{pointer}"]
