"""NeMo's schedulers: values from independent formulas, edges, and what is refused."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused

Json = dict[str, Any]


def spec(kind: str, **fields: Any) -> Json:
    return {"kind": f"nemo.{kind}", "base_lr": 1.0, **fields}


RUN = {"max_steps": 110, "warmup_steps": 10, "min_lr": 0.1}
HOLD = RUN | {"hold_steps": 50}

VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("WarmupPolicy", warmup_steps=9), {0: 0.1, 4: 0.5, 9: 1.0, FAR: 1.0}),
    (spec("WarmupPolicy"), {0: 1.0, FAR: 1.0}),
    (spec("WarmupPolicy", warmup_ratio=0.095, max_steps=100, min_lr=0.3), {0: 0.1, 9: 1.0, 100: 1.0, 101: 0.3}),
    (spec("WarmupPolicy", warmup_steps=9, max_steps=4, min_lr=0.3), {9: 1.0, 10: 0.3}),
    (spec("SquareAnnealing", **RUN), {10: 1.0, 60: 0.25, 100: 0.1, 110: 0.1, FAR: 0.1}),
    (spec("SquareAnnealing", max_steps=100), {0: 1.0, 50: 0.25, 100: 1e-5, 101: 1e-5}),
    (spec("SquareRootAnnealing", **RUN), {10: 1.0, 11: 0.9**0.5, 110: 0.1, 111: 0.1}),
    (spec("WarmupAnnealing", **RUN), {10: 1.0, 60: 0.55, 110: 0.1, FAR: 0.1}),
    (spec("WarmupAnnealing", **RUN) | {"base_lr": [1.0, 5.0], "group": 1}, {10: 5.0, 60: 0.55}),
    (spec("InverseSquareRootAnnealing", **RUN), {10: 1.0, 43: 0.5, 98: 1 / 3, 110: (11 / 111) ** 0.5, 111: 0.1}),
    (spec("InverseSquareRootAnnealing", max_steps=100), {0: 1.0, 3: 0.5, 99: 0.1, 101: 0.0}),
    (spec("PolynomialDecayAnnealing", **RUN, power=2.0), {10: 1.0, 60: 0.325, 110: 0.1, 111: 0.1}),
    (spec("PolynomialDecayAnnealing", max_steps=10, cycle=True), {0: 1.0, 5: 0.5, 10: 0.0, 11: 0.0}),
    (spec("CosineAnnealing", **RUN), {4: 5 / 11, 10: 1.0, 60: 0.55, 110: 0.1, FAR: 0.1}),
    (spec("CosineAnnealing", max_steps=100, warmup_ratio=0.1), {0: 1 / 11, 10: 1.0, 55: 0.5, 100: 0.0}),
    (
        spec("CosineAnnealing", **RUN, constant_steps=40),
        {0: 0.0, 5: 0.5, 10: 1.0, 40: 0.55, 70: 0.1, 90: 0.1, FAR: 0.1},
    ),
    (spec("CosineAnnealing", max_steps=10, warmup_steps=8, constant_steps=5), {4: 0.5, 8: 1.0, 9: 0.0}),
    (spec("CosineAnnealing", max_steps=100, constant_ratio=0.4), {0: 1.0, 30: 0.5, 60: 0.0}),
    (
        spec("CosineAnnealing", max_steps=10, warmup_steps=1, min_lr=2.0),
        {0: 0.5, 1: 1.0, 5: 1.5 - 0.5 * cos(4 / 9 * pi)},
    ),
    (
        spec("T5InverseSquareRootAnnealing", max_steps=200, constant_steps=100),
        {0: 0.1, 100: 0.1, 144: 1 / 12, 201: 0.0},
    ),
    (spec("NoamAnnealing", d_model=4, warmup_steps=16), {0: 1 / 128, 1: 1 / 128, 8: 1 / 16, 16: 0.125, 64: 0.0625}),
    (spec("NoamAnnealing", d_model=4), {0: 0.5, 1: 0.5, 4: 0.25, 100: 0.05}),
    (spec("NoamAnnealing", d_model=4, warmup_steps=16, min_lr=0.1), {1: 1 / 128, 16: 0.125, 64: 0.1, FAR: 0.1}),
    (spec("NoamAnnealing", d_model=4, warmup_ratio=0.16, max_steps=100), {16: 0.125, 400: 0.025}),
    (spec("WarmupHoldPolicy", **HOLD), {10: 1.0, 60: 1.0, 110: 1.0, 111: 0.1}),
    (spec("WarmupHoldPolicy", hold_steps=20, max_steps=10, min_lr=0.1), {0: 1.0, 19: 1.0, 20: 0.1}),
    (spec("WarmupHoldAnnealLinear", **HOLD), {4: 5 / 11, 10: 1.0, 60: 1.0, 85: 0.55, 110: 0.1, FAR: 0.1}),
    (spec("WarmupHoldAnnealLinear", max_steps=100, warmup_steps=10), {10: 1.0, 11: 0.89, 100: 0.0}),
    (spec("WarmupHoldAnnealLinear", max_steps=100, hold_ratio=0.5), {0: 1.0, 50: 1.0, 75: 0.5, 100: 0.0}),
    (spec("WarmupHoldAnnealOneMinusSquareRoot", **HOLD), {60: 1.0, 61: 1 - 0.02**0.5, 92: 0.2, 110: 0.1}),
    (spec("PolynomialHoldDecayAnnealing", **HOLD, power=2.0), {60: 1.0, 85: 0.325, 110: 0.1, 111: 0.1}),
    (
        spec("PolynomialHoldDecayAnnealing", max_steps=12, warmup_steps=2, cycle=True),
        {2: 1.0, 5: 0.5, 10: 0.0, 11: 0.45, 12: 0.4},
    ),
    (spec("NoamHoldAnnealing", **HOLD), {10: 1.0, 59: 1.0, 60: 1.0, 90: 0.5, 110: 6**-0.5, 111: 0.1}),
    (
        spec("NoamHoldAnnealing", max_steps=100, warmup_steps=10, decay_rate=1.0),
        {10: 1.0, 11: 10 / 11, 100: 0.1, 101: 0.0},
    ),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("WarmupPolicy", warmup_steps=1, warmup_ratio=0.1, max_steps=10), "warmup_ratio"),
        (spec("WarmupPolicy", warmup_ratio=0.1), "max_steps"),
        (spec("WarmupHoldPolicy", hold_steps=1, hold_ratio=0.1, max_steps=10), "hold_ratio"),
        (spec("CosineAnnealing", max_steps=10, constant_steps=1, constant_ratio=0.1), "constant_ratio"),
        (spec("CosineAnnealing", max_steps=10, constant_steps=10), "constant_steps"),
        (spec("CosineAnnealing", max_steps=10, min_lr=2.0), "min_lr"),
        (spec("CosineAnnealing", max_steps=10, warmup_steps=1, constant_steps=1, min_lr=1.0), "min_lr"),
        (spec("SquareAnnealing"), "max_steps"),
        (spec("T5InverseSquareRootAnnealing", max_steps=10, constant_steps=0), "constant_steps"),
        (spec("T5InverseSquareRootAnnealing", max_steps=10, constant_ratio=0.5), "constant_steps"),
        (spec("NoamAnnealing", d_model=0), "d_model"),
        (spec("NoamAnnealing", d_model=4, min_lr=2.0), "min_lr"),
        (spec("NoamHoldAnnealing", max_steps=10), "warmup_steps"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
