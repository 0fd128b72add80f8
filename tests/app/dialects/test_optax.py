"""optax' schedules: values from independent formulas, edges, and what is refused."""

from math import cos, pi
from typing import Any

import numpy as np
import pytest

from tests.app.dialects.checks import FAR, gives, refused
from tests.oracles.compare import values

Json = dict[str, Any]


def spec(kind: str, **fields: Any) -> Json:
    return {"kind": f"optax.{kind}", "dtype": "float64", **fields}


UP = {"init_value": 0.0, "peak_value": 0.4, "warmup_steps": 4}
DOWN = {"init_value": 0.1, "end_value": 0.0}
RISE: Json = {"kind": "optax.linear_schedule", "init_value": 0.0, "end_value": 0.1, "transition_steps": 10}
HALF: Json = {"kind": "optax.constant_schedule", "value": 0.5}
FALL: Json = {"kind": "optax.cosine_decay_schedule", "init_value": 0.1, "decay_steps": 10}

VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("constant_schedule", value=0.1), {0: 0.1, FAR: 0.1}),
    ({"kind": "optax.constant_schedule", "value": 0.1}, {0: 0.1}),
    (spec("linear_schedule", **DOWN, transition_steps=10), {0: 0.1, 5: 0.05, 10: 0.0, FAR: 0.0}),
    (spec("linear_schedule", **DOWN, transition_steps=0), {0: 0.1, FAR: 0.1}),
    (spec("linear_schedule", **DOWN, transition_steps=10, transition_begin=5), {0: 0.1, 5: 0.1, 10: 0.05, 15: 0.0}),
    (spec("linear_schedule", **DOWN, transition_steps=10, transition_begin=-5), {0: 0.1, 5: 0.05}),
    (
        spec("exponential_decay", init_value=1.0, transition_steps=100, decay_rate=0.5, transition_begin=2**25),
        {0: 1.0, 2**25: 1.0, 2**25 + 100: 0.5, 2**25 + 200: 0.25},
    ),
    (spec("polynomial_schedule", **DOWN, power=2, transition_steps=10), {0: 0.1, 5: 0.025, 10: 0.0}),
    (spec("polynomial_schedule", **DOWN, power=0, transition_steps=10), {0: 0.1, 10: 0.1}),
    (spec("polynomial_schedule", **DOWN, power=2, transition_steps=-3), {0: 0.1, 10: 0.1}),
    (spec("piecewise_constant_schedule", init_value=0.1), {0: 0.1, FAR: 0.1}),
    (
        spec("piecewise_constant_schedule", init_value=1.0, boundaries_and_scales={"10": 0.5, "9": 0.1, "0": 2.0}),
        {0: 2.0, 8: 2.0, 9: 0.2, 10: 0.1, FAR: 0.1},
    ),
    (spec("piecewise_interpolate_schedule", interpolate_type="linear", init_value=0.3), {0: 0.3, 9: 0.3}),
    (
        spec(
            "piecewise_interpolate_schedule",
            interpolate_type="cosine",
            init_value=1.0,
            boundaries_and_scales={"4": 0.5},
        ),
        {0: 1.0, 1: 0.75 + 0.25 * cos(pi / 4), 2: 0.75, 4: 0.5, 9: 0.5},
    ),
    (spec("exponential_decay", init_value=0.1, transition_steps=10, decay_rate=0.5), {0: 0.1, 10: 0.05, 20: 0.025}),
    (spec("exponential_decay", init_value=0.1, transition_steps=10, decay_rate=0.0), {0: 0.1, FAR: 0.1}),
    (spec("exponential_decay", init_value=0.1, transition_steps=0, decay_rate=0.5), {0: 0.1, FAR: 0.1}),
    (
        spec(
            "exponential_decay", init_value=0.1, transition_steps=10, decay_rate=0.5, transition_begin=3, staircase=True
        ),
        {0: 0.1, 12: 0.1, 13: 0.05, 22: 0.05, 23: 0.025},
    ),
    (spec("exponential_decay", init_value=0.1, transition_steps=1, decay_rate=0.5, end_value=0.03), {1: 0.05, 2: 0.03}),
    (spec("exponential_decay", init_value=0.1, transition_steps=1, decay_rate=2.0, end_value=0.3), {1: 0.2, 2: 0.3}),
    (spec("exponential_decay", init_value=0.1, transition_steps=1, decay_rate=0.5, end_value=0.2), {0: 0.2, 9: 0.2}),
    (spec("cosine_decay_schedule", init_value=0.1, decay_steps=10, alpha=0.2), {0: 0.1, 5: 0.06, 10: 0.02, FAR: 0.02}),
    (spec("cosine_decay_schedule", init_value=0.1, decay_steps=10, exponent=2.0), {0: 0.1, 5: 0.025, 10: 0.0, 99: 0.0}),
    (
        spec("linear_onecycle_schedule", transition_steps=100, peak_value=1.0, div_factor=10.0),
        {0: 0.1, 15: 0.55, 30: 1.0, 85: 0.1, 100: 1e-5, FAR: 1e-5},
    ),
    (spec("linear_onecycle_schedule", transition_steps=1, peak_value=1.0), {0: 0.04 * 0.04, 1: 0.04 * 0.04 * 1e-4}),
    (
        spec("cosine_onecycle_schedule", transition_steps=10, peak_value=1.0, div_factor=10.0, final_div_factor=100.0),
        {0: 0.1, 3: 1.0, 10: 0.001, FAR: 0.001},
    ),
    (spec("warmup_constant_schedule", **UP), {0: 0.0, 2: 0.2, 4: 0.4, FAR: 0.4}),
    (spec("warmup_constant_schedule", **(UP | {"warmup_steps": 0})), {0: 0.0, FAR: 0.0}),
    (
        spec("warmup_cosine_decay_schedule", **UP, decay_steps=14, end_value=0.1),
        {2: 0.2, 4: 0.4, 9: 0.25, 14: 0.1, 99: 0.1},
    ),
    (
        spec("warmup_cosine_decay_schedule", **(UP | {"peak_value": 0.0}), decay_steps=14, end_value=0.1),
        {0: 0.0, 14: 0.0},
    ),
    (
        spec("warmup_exponential_decay_schedule", **UP, transition_steps=2, decay_rate=0.5, end_value=0.15),
        {2: 0.2, 4: 0.4, 6: 0.2, 8: 0.15},
    ),
    (
        spec("sgdr_schedule", cosine_kwargs=[UP | {"decay_steps": 14}, UP | {"decay_steps": 24, "peak_value": 0.2}]),
        {4: 0.4, 9: 0.2, 14: 0.0, 16: 0.1, 18: 0.2, 28: 0.1, 38: 0.0, 99: 0.0},
    ),
    (
        spec("join_schedules", schedules=[RISE, HALF, FALL], boundaries=[10, 20]),
        {5: 0.05, 10: 0.5, 20: 0.1, 25: 0.05, 30: 0.0},
    ),
    (spec("join_schedules", schedules=[RISE, FALL], boundaries=[0]), {0: 0.1, 5: 0.05}),
    (spec("join_schedules", schedules=[RISE, FALL], boundaries=[-5]), {0: 0.05, 5: 0.0}),
    (spec("join_schedules", schedules=[RISE, HALF, FALL], boundaries=[20, 5]), {4: 0.04, 5: 0.1, 10: 0.05, 20: 0.0}),
    (spec("join_schedules", schedules=[RISE], boundaries=[]), {5: 0.05}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


def test_members_compute_in_the_precision_of_the_whole() -> None:
    joined = spec("join_schedules", schedules=[RISE, FALL], boundaries=[10])
    double = values(joined, 20)
    single = values(joined | {"dtype": "float32"}, 20)
    assert single == np.array(single, dtype=np.float32).astype(float).tolist()
    assert single != double
    assert single == pytest.approx(double, abs=2e-7)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("cosine_decay_schedule", init_value=0.1, decay_steps=0), "decay_steps"),
        (spec("warmup_cosine_decay_schedule", **UP, decay_steps=4), "decay_steps"),
        (spec("sgdr_schedule", cosine_kwargs=[]), "cosine_kwargs"),
        (spec("sgdr_schedule", cosine_kwargs=[UP | {"decay_steps": 3}]), "decay_steps"),
        (spec("linear_onecycle_schedule", transition_steps=0, peak_value=1.0), "transition_steps"),
        (spec("cosine_onecycle_schedule", transition_steps=0, peak_value=1.0), "transition_steps"),
        (
            spec("piecewise_constant_schedule", init_value=0.1, boundaries_and_scales={"10": -1.0}),
            "boundaries_and_scales",
        ),
        (
            spec("piecewise_constant_schedule", init_value=0.1, boundaries_and_scales={"ten": 1.0}),
            "boundaries_and_scales",
        ),
        (spec("piecewise_interpolate_schedule", interpolate_type="spline", init_value=0.1), "interpolate_type"),
        (spec("join_schedules", schedules=[RISE, FALL], boundaries=[]), "boundaries"),
        (spec("join_schedules", schedules=[], boundaries=[]), "schedules"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
